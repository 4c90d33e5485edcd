//! What the programs must keep out of their logs.

/// Filter directives for `tracing_subscriber::EnvFilter` that silence the WebRTC stack.
///
/// It logs at `error` for each packet that it drops, and prints addresses and session descriptions. What matters of it
/// reaches the log through this crate's own events.
pub const NOISY_LOG_DIRECTIVES: &str = "webrtc=off,rtc=off,rtc_datachannel=off,rtc_dtls=off,rtc_ice=off,\
     rtc_interceptor=off,rtc_mdns=off,rtc_media=off,rtc_rtcp=off,rtc_rtp=off,rtc_sctp=off,rtc_sdp=off,rtc_shared=off,\
     rtc_srtp=off,rtc_stun=off,rtc_turn=off";

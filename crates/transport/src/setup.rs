//! How the WebRTC stack is set up: codecs, feedback, interceptors, timing.

use std::sync::Arc;
use std::time::Duration;

use media::Codec;
use media::video::VideoCodec;
use rtc::ice::mdns::MulticastDnsMode;
use rtc::interceptor::{Registry, Slot, TwccReceiverBuilder};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::interceptor_registry::configure_rtcp_reports;
use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_AV1, MIME_TYPE_H264, MIME_TYPE_OPUS, MIME_TYPE_RTX, MediaEngine,
};
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters,
    RTCRtpEncodingParameters, RTCRtpHeaderExtensionCapability, RTCRtpRtxParameters, RtpCodecKind,
};
use webrtc::error::Result;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder,
    RTCIceServer, SettingEngine, SettingEngineBuilder,
};
use webrtc::rtp_transceiver::RtpSender;
use webrtc::runtime::Runtime;

use crate::nack::NackGenerator;
use crate::outgoing::{Outgoing, TRANSPORT_WIDE_URI};
use crate::payload_types::{CAMERA, SCREEN};
use crate::rtcp_tap::RtcpTap;
use crate::runtime::{Cookie, Cryptography};
use crate::{MediaKind, PeerConfig};

/// Payload types that we propose (RFC 3551 section 3: dynamic). The partner's proposal wins where it comes first.
const OPUS_PAYLOAD_TYPE: u8 = 111;
const H264_PAYLOAD_TYPE: u8 = 102;
const H264_RTX_PAYLOAD_TYPE: u8 = 103;
const AV1_PAYLOAD_TYPE: u8 = 45;
const AV1_RTX_PAYLOAD_TYPE: u8 = 46;

/// Constrained baseline, level 3.1, non-interleaved (RFC 6184 section 8.1). The level does not bind the sender.
const H264_PARAMETERS: &str =
    "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
/// Main profile. Level and tier are left to what they are by default (5.1, Main): the stack takes others for another codec.
const AV1_PARAMETERS: &str = "profile=0";
const OPUS_PARAMETERS: &str = "minptime=10;useinbandfec=1";

/// Between connectivity checks. With 50 ms a connection takes 25 ms longer on a short path.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// Checks of one pair before it counts as failed: ten seconds' worth, as long as a call may take to connect.
const MAX_CHECKS: u16 = 500;

/// How long a host's path may take before one through NATs is accepted. A peer-reflexive path is accepted at once: it is
/// often a host's, seen before it was told. Relayed paths wait outside of the stack (`runtime/relay_gate.rs`).
const REFLEXIVE_WAIT: Duration = Duration::from_millis(30);

/// Silence that counts as disconnected for the stack, further silence that counts as failed (no sooner than a call is given
/// up), and how often the path is tried. Disconnection is noticed sooner outside of the stack, which needs these checks for it (`presence.rs`).
const DISCONNECTED_AFTER: Duration = Duration::from_millis(2500);
const FAILED_AFTER: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_millis(200);

/// Packets that SRTP remembers. The default of 64 takes audio retransmissions over a long path for replays.
const REPLAY_WINDOW: usize = 1024;

/// How often the partner is told what has arrived. The stack's own interval is twice as long; each of these is worth a few dozen bytes.
const FEEDBACK_INTERVAL: Duration = Duration::from_millis(50);

/// Before the packets that repair others are taken out, in [`Slot::NackGenerator`]: they are to be reported as well.
const REPORTS_SLOT: Slot = Slot::Custom(6_500);

/// What may wait in the message channel before more is refused, in bytes.
const MESSAGE_BUFFER_BYTES: usize = 256 * 1024;

pub(crate) const fn mime_type(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => MIME_TYPE_OPUS,
        Codec::Video(VideoCodec::H264) => MIME_TYPE_H264,
        Codec::Video(VideoCodec::Av1) => MIME_TYPE_AV1,
    }
}

/// What of ours sits among the stack's interceptors.
pub(crate) struct Interceptors {
    pub(crate) outgoing: Outgoing,
    pub(crate) nack_generator: NackGenerator,
    pub(crate) rtcp_tap: RtcpTap,
}

/// Builds a connection that has no tracks and no message channel yet, with its sockets bound.
pub(crate) async fn connection(
    config: &PeerConfig,
    ice_servers: Vec<RTCIceServer>,
    interceptors: Interceptors,
    handler: Arc<dyn PeerConnectionEventHandler>,
    runtime: Arc<dyn Runtime>,
    cookie: Option<Cookie>,
) -> Result<Arc<dyn PeerConnection>> {
    let mut media_engine = media_engine(&config.video_codecs)?;
    let registry = registry(&mut media_engine, interceptors)?;
    // Of every kind, also with relays only: what the partner may learn of is decided outside of the stack, so that a call
    // can change from a relay to a direct path.
    let configuration = RTCConfigurationBuilder::new()
        .with_ice_servers(ice_servers)
        .build();
    let builder = PeerConnectionBuilder::new()
        .with_configuration(configuration)
        .with_media_engine(media_engine)
        .with_setting_engine(settings(cookie))
        .with_interceptor_registry(registry)
        .with_runtime(runtime)
        .with_handler(handler)
        .with_udp_addrs(config.bind.clone())
        .with_data_channel_send_buffer_limit(MESSAGE_BUFFER_BYTES);
    // Boxed, because this future has 20 KiB, and its callers would have too.
    Ok(Arc::new(Box::pin(builder.build()).await?))
}

fn media_engine(video_codecs: &[VideoCodec]) -> Result<MediaEngine> {
    let mut engine = MediaEngine::default();
    engine.register_codec(
        parameters(Codec::Opus, vec![feedback("nack", "")], OPUS_PAYLOAD_TYPE),
        RtpCodecKind::Audio,
    )?;
    for format in video_formats(video_codecs) {
        engine.register_codec(format, RtpCodecKind::Video)?;
    }
    Ok(engine)
}

/// The codecs of pictures, each followed by its retransmissions (RFC 4588).
fn video_formats(video_codecs: &[VideoCodec]) -> Vec<RTCRtpCodecParameters> {
    let wanted = [("nack", ""), ("nack", "pli"), ("ccm", "fir")];
    let wanted = wanted.map(|(kind, parameter)| feedback(kind, parameter));
    let formats = video_codecs.iter().flat_map(|codec| {
        let (payload_type, repair) = match codec {
            VideoCodec::H264 => (H264_PAYLOAD_TYPE, H264_RTX_PAYLOAD_TYPE),
            VideoCodec::Av1 => (AV1_PAYLOAD_TYPE, AV1_RTX_PAYLOAD_TYPE),
        };
        let retransmission = RTCRtpCodec {
            mime_type: MIME_TYPE_RTX.into(),
            clock_rate: 90_000,
            sdp_fmtp_line: format!("apt={payload_type}"),
            ..RTCRtpCodec::default()
        };
        [
            parameters(Codec::Video(*codec), wanted.to_vec(), payload_type),
            RTCRtpCodecParameters {
                rtp_codec: retransmission,
                payload_type: repair,
            },
        ]
    });
    formats.collect()
}

/// Lets a sender of pictures have all codecs. The stack takes the one that its track names for the only one (`rtc` 0.21.1,
/// `normalize_sender_track`).
pub(crate) async fn allow_codecs(
    connection: &dyn PeerConnection,
    sender: &dyn RtpSender,
    video_codecs: &[VideoCodec],
) -> Result<()> {
    for transceiver in connection.get_transceivers().await {
        let own = transceiver.sender().await?;
        if own.is_some_and(|own| own.id() == sender.id()) {
            let formats = video_formats(video_codecs);
            transceiver.set_codec_preferences(formats).await?;
        }
    }
    Ok(())
}

fn feedback(kind: &str, parameter: &str) -> RTCPFeedback {
    RTCPFeedback {
        typ: kind.into(),
        parameter: parameter.into(),
    }
}

fn parameters(
    media: Codec,
    rtcp_feedback: Vec<RTCPFeedback>,
    payload_type: u8,
) -> RTCRtpCodecParameters {
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            rtcp_feedback,
            ..codec(media)
        },
        payload_type,
    }
}

fn codec(codec: Codec) -> RTCRtpCodec {
    let (clock_rate, channels, fmtp) = match codec {
        Codec::Opus => (48_000, 2, OPUS_PARAMETERS),
        Codec::Video(VideoCodec::H264) => (90_000, 0, H264_PARAMETERS),
        Codec::Video(VideoCodec::Av1) => (90_000, 0, AV1_PARAMETERS),
    };
    RTCRtpCodec {
        mime_type: mime_type(codec).into(),
        clock_rate,
        channels,
        sdp_fmtp_line: fmtp.into(),
        rtcp_feedback: Vec::new(),
    }
}

/// The interceptors: those of the stack that report what arrives, and ours.
fn registry(media_engine: &mut MediaEngine, interceptors: Interceptors) -> Result<Registry> {
    for kind in [RtpCodecKind::Audio, RtpCodecKind::Video] {
        media_engine.register_feedback(feedback("transport-cc", ""), kind);
        let uri = TRANSPORT_WIDE_URI.to_owned();
        media_engine.register_header_extension(
            RTCRtpHeaderExtensionCapability { uri },
            kind,
            None,
        )?;
    }
    let reports = TwccReceiverBuilder::new().with_interval(FEEDBACK_INTERVAL);
    let registry = Registry::new()
        .with(REPORTS_SLOT, reports.build())
        .with(Slot::Pacer, interceptors.outgoing)
        .with(Slot::NackGenerator, interceptors.nack_generator)
        .with(Slot::from(14_000), interceptors.rtcp_tap);
    Ok(configure_rtcp_reports(registry))
}

fn settings(cookie: Option<Cookie>) -> SettingEngine {
    let mut settings = SettingEngineBuilder::new()
        // Names are looked up outside of the stack (`hidden_names.rs`).
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        .with_ice_connection_attempts(Some(CHECK_INTERVAL), Some(MAX_CHECKS))
        .with_host_acceptance_min_wait(Some(Duration::ZERO))
        .with_srflx_acceptance_min_wait(Some(REFLEXIVE_WAIT))
        .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
        .with_relay_acceptance_min_wait(Some(Duration::ZERO))
        .with_ice_timeouts(
            Some(DISCONNECTED_AFTER),
            Some(FAILED_AFTER),
            Some(KEEPALIVE_INTERVAL),
        )
        // The sockets are moved outside of the stack, where they must be (`runtime/places.rs`).
        .with_discard_local_candidates_during_ice_restart(false)
        .with_srtp_replay_protection_window(REPLAY_WINDOW)
        .build();
    // Without cryptography opening fails anyway.
    if let Ok(crypto) = rtc::crypto::default_provider() {
        settings.set_crypto_provider(Arc::new(Cryptography::new(crypto, cookie)));
    }
    settings
}

/// A local track, with a second stream for retransmissions (RFC 4588) if that has an SSRC.
pub(crate) fn track(kind: MediaKind, ssrc: u32, rtx_ssrc: Option<u32>) -> TrackLocalStaticRTP {
    // A track has one codec for the stack, though packets of any that was agreed on may be written to it: for pictures it is the
    // one that everybody has.
    let pictures = (RtpCodecKind::Video, Codec::Video(VideoCodec::H264));
    let (name, (codec_kind, usual)) = match kind {
        MediaKind::Audio => ("audio", (RtpCodecKind::Audio, Codec::Opus)),
        MediaKind::Video => (CAMERA, pictures),
        MediaKind::Screen => (SCREEN, pictures),
    };
    let rtx = rtx_ssrc.map(|ssrc| RTCRtpRtxParameters { ssrc });
    let coding = RTCRtpCodingParameters {
        ssrc: Some(ssrc),
        rtx,
        ..RTCRtpCodingParameters::default()
    };
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: coding,
        codec: codec(usual),
        ..RTCRtpEncodingParameters::default()
    };
    let track = MediaStreamTrack::new(
        "passerby".into(),
        name.into(),
        name.into(),
        codec_kind,
        vec![encoding],
    );
    TrackLocalStaticRTP::new(track)
}

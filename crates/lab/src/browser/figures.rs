//! What a guest knows of its call. `page/page.js` writes it.

use serde::Deserialize;

/// What a guest's partner says that it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct PartnerSends {
    /// Sound.
    pub audio: bool,
    /// Pictures.
    pub video: bool,
}

/// What a guest knows of its present or last call: W3C statistics, and what the page itself noticed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct GuestFigures {
    /// With the server: away, idle, searching, matched.
    pub standing: String,
    /// new, connecting, connected, disconnected, failed; closed without a call.
    pub state: String,
    /// offerer or answerer; none before the first call.
    pub role: Option<String>,
    /// From the match to the partner's first picture on the screen.
    pub first_picture_ms: Option<f64>,
    /// What the partner says that it sends.
    pub partner_sends: Option<PartnerSends>,
    /// What the partner wrote.
    pub chat: Vec<String>,
    /// Why the last call ended.
    pub ended: Option<String>,
    /// What could not be done.
    pub trouble: Vec<String>,
    /// Pictures of the partner's that were decoded.
    pub frames_decoded: u64,
    /// Keyframes among them.
    pub keyframes_decoded: u64,
    /// How often the picture stood still.
    pub freezes: u64,
    /// For how long altogether, in seconds.
    pub frozen_s: f64,
    /// Pictures of the partner's screen that were decoded.
    pub screen_decoded: u64,
    /// The MIME type of the partner's pictures.
    pub video_codec: Option<String>,
    /// Packets of pictures that did not arrive and were not sent again.
    pub video_lost: i64,
    /// Requests for packets of pictures.
    pub nacks_sent: u64,
    /// Packets of pictures that came again (RTX).
    pub retransmitted_received: u64,
    /// Requests for a keyframe.
    pub keyframe_requests_sent: u64,
    /// Pictures sent.
    pub frames_sent: u64,
    /// Keyframes among what was sent.
    pub keyframes_sent: u64,
    /// Requests of the partner's for packets of pictures.
    pub nacks_received: u64,
    /// Packets of pictures that were sent again.
    pub retransmitted_sent: u64,
    /// Requests of the partner's for a keyframe.
    pub keyframe_requests_received: u64,
    /// Packets of sound.
    pub audio_packets_received: u64,
    /// The energy of what was heard: the square of the level, in seconds of full scale.
    pub audio_energy: f64,
    /// How much sound was made up for lost packets, in seconds.
    pub audio_concealed_s: f64,
    /// This end of the selected pair: host, srflx, prflx or relay.
    pub local_kind: Option<String>,
    /// The partner's end.
    pub remote_kind: Option<String>,
    /// The user name fragment of this end, which changes with each restart of ICE.
    pub user_fragment: Option<String>,
    /// To the partner and back, in milliseconds.
    pub round_trip_ms: f64,
    /// What the browser's congestion control believes that it may send. Without feedback it stays where it begins.
    pub available_bps: f64,
    /// How many addresses of the machine were told, as names or as they are.
    pub told_addresses: u32,
    /// How many of them as mDNS names.
    pub told_names: u32,
}

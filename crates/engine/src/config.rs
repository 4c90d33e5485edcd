//! How an engine is set up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use devices::{AudioSink, AudioSource, CameraSettings, VideoSource};
use media::audio::AudioPlan;
use voice::VoiceConfig;

use crate::{Identity, VideoCodecs};

/// What an [`crate::Engine`] starts with. Commands change most of it later.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The signalling server: a `ws://` or `wss://` URL.
    pub server: String,
    /// Where pictures come from.
    pub video: VideoSource,
    /// Where sound comes from.
    pub audio: AudioSource,
    /// Where sound goes.
    pub speaker: AudioSink,
    /// The size and rate asked of a camera or test pattern.
    pub picture: CameraSettings,
    /// The most at which pictures are encoded, in bits per second. They follow what the path takes.
    pub video_bps: u32,
    /// Which codecs pictures may be sent in.
    pub video_codecs: VideoCodecs,
    /// The most at which a voice is encoded, in bits per second, without what protects it from losses. It follows what the
    /// path takes; more than [`AudioPlan::BEST_VOICE_BPS`] is not heard.
    pub voice_bps: u32,
    /// How the voice in a microphone is cleaned: echo cancellation, noise suppression, gain control. Files and tones are sent
    /// as they are.
    pub voice: VoiceConfig,
    /// Let calls cost this machine little: fewer and smaller pictures both ways, in the cheapest codec. See
    /// [`crate::Command::SetPowerSaving`].
    pub power_saving: bool,
    /// Begin calls over a relay, so that partners do not learn this machine's address; they go direct when both people
    /// agree. See [`crate::Command::SetShield`].
    pub shield: bool,
    /// Begin calls behind a veil: pictures are but colours until both people have lifted it. See [`crate::Command::SetVeil`].
    pub veil: bool,
    /// Who this install is to servers; nobody in particular without it: blocks hold for one session then, and reports weigh little.
    pub identity: Option<Identity>,
    /// The file with those who are blocked, which is made if it is not there. Without it they are forgotten with the process.
    pub block_list: Option<PathBuf>,
    /// Whom to trust to vouch for a relay's name, beside those whom the system trusts: certificates in DER.
    pub extra_roots: Vec<Vec<u8>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: "ws://127.0.0.1:8080/".to_owned(),
            video: VideoSource::default(),
            audio: AudioSource::default(),
            speaker: AudioSink::default(),
            picture: CameraSettings::default(),
            video_bps: 2_000_000,
            video_codecs: VideoCodecs::default(),
            voice_bps: AudioPlan::BEST_VOICE_BPS,
            voice: VoiceConfig::default(),
            power_saving: false,
            shield: false,
            veil: false,
            identity: None,
            block_list: None,
            extra_roots: Vec::new(),
        }
    }
}

/// The local addresses for a call that `server` arranges: every interface, in both address families.
///
/// The wildcard leaves loopback out. A server on loopback means that the partner is on this machine too, which may have no
/// other interface, so loopback is added there and only there.
pub(crate) fn bind_addresses(server: &str) -> Vec<SocketAddr> {
    let mut addresses = vec![
        SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0),
    ];
    if is_loopback(server) {
        addresses.push(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0));
    }
    addresses
}

fn is_loopback(server: &str) -> bool {
    let Ok(uri) = server.parse::<tokio_tungstenite::tungstenite::http::Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_bound_only_for_a_server_on_loopback() {
        let binds_loopback = |server| bind_addresses(server).iter().any(|a| a.ip().is_loopback());
        assert!(binds_loopback("ws://127.0.0.1:8080/"));
        assert!(binds_loopback("ws://localhost:8080"));
        assert!(binds_loopback("ws://[::1]:8080/"));
        assert!(!binds_loopback("wss://passerby.example/"));
        assert!(!binds_loopback("not a url"));
    }
}

//! What a peer connection needs to know before it opens.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use media::congestion::EstimatorConfig;
use media::video::VideoCodec;
use protocol::IceServer;
use rustls_pki_types::CertificateDer;

use crate::Impairment;

/// How to open a [`Peer`](crate::Peer).
#[derive(Debug, Clone)]
pub struct PeerConfig {
    /// STUN and TURN servers. URLs that are not supported are left out: `stun:`, `turn:` over UDP and TCP, and `turns:`
    /// over TCP are. Relays behind TCP and TLS are used where no relay answers over UDP.
    pub ice_servers: Vec<IceServer>,
    /// Whom to trust, beside those whom the system trusts, to vouch for the name of a `turns:` server.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// Whether only relayed paths may be used, so that the partner never learns this side's address.
    pub relay_only: bool,
    /// The addresses to bind, port 0 for any. A wildcard stands for every interface except loopback.
    ///
    /// Addresses that cannot be bound are skipped; opening fails if none is left.
    pub bind: Vec<SocketAddr>,
    /// Whether this side sends the first offer. The offerer creates the message channel.
    pub is_offerer: bool,
    /// The codecs of pictures that this side can send and receive, the preferred one first. H.264 has to be among them: it is
    /// what everybody has.
    pub video_codecs: Vec<VideoCodec>,
    /// Limits and start of what is sent at, in bits per second on the wire, if the partner reports what arrives.
    pub rates: EstimatorConfig,
    /// Spoils what this peer sends. For tests and measurements.
    pub impairment: Option<Impairment>,
    /// What to do about the faults of the WebRTC stack.
    pub workarounds: Workarounds,
}

impl Default for PeerConfig {
    fn default() -> Self {
        Self {
            ice_servers: Vec::new(),
            extra_roots: Vec::new(),
            relay_only: false,
            bind: vec![
                (Ipv4Addr::UNSPECIFIED, 0).into(),
                (Ipv6Addr::UNSPECIFIED, 0).into(),
            ],
            is_offerer: false,
            video_codecs: vec![VideoCodec::H264],
            rates: EstimatorConfig {
                // Below that there is neither sound nor picture, and whoever shares the link would have all of it.
                floor_bps: 100_000,
                ..EstimatorConfig::default()
            },
            impairment: None,
            workarounds: Workarounds::default(),
        }
    }
}

/// The workarounds for faults of the WebRTC stack that can be switched off, to see whether they are still needed.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workarounds {
    /// Repeat handshake messages until the partner shows that it has them.
    pub repeat_handshake: bool,
    /// Let the stack take another turn at once while it connects and while it relays.
    pub extra_turns: bool,
    /// Nominate a direct pair with a check instead of after it (RFC 5245 section 8.1.1.2).
    pub nominate_at_once: bool,
    /// Tell the cookie of the handshake ahead, and use that of a partner that does (RFC 6347 section 4.2.1).
    pub tell_cookie: bool,
}

impl Default for Workarounds {
    fn default() -> Self {
        Self {
            repeat_handshake: true,
            extra_turns: true,
            nominate_at_once: true,
            tell_cookie: true,
        }
    }
}

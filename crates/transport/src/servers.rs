//! Which of the ICE servers that we are told of can be used, and how the WebRTC stack is told of them.
//!
//! One bad entry must not cost the others: the stack refuses the whole list for it. The stack speaks to relays over UDP
//! alone, so one that is reached over TCP or TLS is told to it under a made-up name, behind which is a tunnel of ours
//! (`runtime/tunnel.rs`).

use std::sync::atomic::{AtomicBool, Ordering};

use protocol::IceServer;
use rtc::ice::url::{ProtoType, SchemeType, Url};
use webrtc::peer_connection::RTCIceServer;

/// Most URLs that are used; each costs a request from each local address.
const MAX_URLS: usize = 8;

static HAS_WARNED: AtomicBool = AtomicBool::new(false);

/// The servers that are used.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    /// What the stack is told.
    pub(crate) for_stack: Vec<RTCIceServer>,
    /// Relays behind a stream, best first: [`tunnel_name`] of its index is the name of each.
    pub(crate) tunnelled: Vec<TunnelledServer>,
    /// Whether a relay is reached over UDP.
    pub(crate) has_udp_relay: bool,
}

impl Servers {
    pub(crate) fn has_relay(&self) -> bool {
        self.has_udp_relay || !self.tunnelled.is_empty()
    }
}

/// A TURN server that is reached over a stream (RFC 8656 section 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TunnelledServer {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Whether the stream is encrypted: `turns:` (RFC 7065).
    pub(crate) is_tls: bool,
}

/// The name under which the stack knows a tunnelled server. No server can have it (RFC 2606 section 2).
pub(crate) fn tunnel_name(index: usize) -> String {
    format!("tunnel-{index}.invalid")
}

/// Sorts out what can be used of `servers`.
pub(crate) fn usable(servers: &[IceServer]) -> Servers {
    let mut result = Servers::default();
    let mut streams = Vec::new();
    let mut count = 0;
    for server in servers {
        for text in &server.urls {
            if count == MAX_URLS {
                break;
            }
            let entry = |url: String| RTCIceServer {
                urls: vec![url],
                username: server.username.clone().unwrap_or_default(),
                credential: server.credential.clone().unwrap_or_default(),
            };
            match classify(text, server) {
                Some(Use::Stun) => result.for_stack.push(entry(text.clone())),
                Some(Use::UdpRelay) => {
                    result.has_udp_relay = true;
                    result.for_stack.push(entry(text.clone()));
                }
                Some(Use::StreamRelay(tunnelled)) => {
                    streams.push((tunnelled, entry(String::new())));
                }
                None => {
                    if HAS_WARNED.swap(true, Ordering::Relaxed) {
                        tracing::debug!(url = text, "this ICE server cannot be used");
                    } else {
                        tracing::warn!(
                            url = text,
                            "this ICE server cannot be used, and perhaps others"
                        );
                    }
                    continue;
                }
            }
            count += 1;
        }
    }
    // Plain TCP costs fewer round trips than TLS; where only TLS gets through, its turn comes soon.
    streams.sort_by_key(|(tunnelled, _)| tunnelled.is_tls);
    for (index, (tunnelled, mut entry)) in streams.into_iter().enumerate() {
        entry.urls = vec![format!(
            "turn:{}:{}?transport=udp",
            tunnel_name(index),
            tunnelled.port
        )];
        result.for_stack.push(entry);
        result.tunnelled.push(tunnelled);
    }
    result
}

enum Use {
    Stun,
    UdpRelay,
    StreamRelay(TunnelledServer),
}

fn classify(text: &str, server: &IceServer) -> Option<Use> {
    let url = Url::parse_url(text).ok()?;
    let has_text = |field: &Option<String>| field.as_ref().is_some_and(|text| !text.is_empty());
    let has_credential = has_text(&server.username) && has_text(&server.credential);
    let tunnelled = |is_tls| {
        Use::StreamRelay(TunnelledServer {
            host: url.host.clone(),
            port: url.port,
            is_tls,
        })
    };
    match (url.scheme, url.proto) {
        (SchemeType::Stun, _) => Some(Use::Stun),
        (SchemeType::Turn, ProtoType::Udp) if has_credential => Some(Use::UdpRelay),
        (SchemeType::Turn, ProtoType::Tcp) if has_credential => Some(tunnelled(false)),
        // Over UDP this would be DTLS, which we do not speak.
        (SchemeType::Turns, ProtoType::Tcp) if has_credential => Some(tunnelled(true)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(servers: &[IceServer]) -> Vec<String> {
        usable(servers)
            .for_stack
            .into_iter()
            .flat_map(|server| server.urls)
            .collect()
    }

    fn stun(url: &str) -> IceServer {
        IceServer {
            urls: vec![url.into()],
            username: None,
            credential: None,
        }
    }

    fn turn(url: &str) -> IceServer {
        IceServer {
            urls: vec![url.into()],
            username: Some("7:me".into()),
            credential: Some("secret".into()),
        }
    }

    fn tunnelled(host: &str, port: u16, is_tls: bool) -> TunnelledServer {
        TunnelledServer {
            host: host.into(),
            port,
            is_tls,
        }
    }

    #[test]
    fn one_bad_url_does_not_cost_the_others() {
        let servers = [
            stun("nonsense"),
            stun(""),
            stun("http://example.org"),
            stun("stun:example.org:3478"),
        ];
        assert_eq!(urls(&servers), ["stun:example.org:3478"]);
    }

    #[test]
    fn turn_is_used_with_a_credential_only() {
        let servers = [
            turn("turn:a.example:3478?transport=udp"),
            turn("turn:b.example"),
            stun("turn:c.example"),
            stun("turn:c.example?transport=tcp"),
            stun("turns:c.example"),
        ];
        assert_eq!(
            urls(&servers),
            ["turn:a.example:3478?transport=udp", "turn:b.example"]
        );
        assert!(usable(&servers).has_udp_relay);
        assert_eq!(usable(&servers).tunnelled, []);
    }

    #[test]
    fn relays_behind_streams_go_by_made_up_names_with_tcp_before_tls() {
        let mut servers = [
            turn("turns:a.example"),
            turn("turn:b.example?transport=tcp"),
            turn("turns:[2001:db8::1]:443?transport=tcp"),
            turn("turns:d.example?transport=udp"),
        ];
        servers[1].urls.push("turn:c.example?transport=udp".into());
        let usable = usable(&servers);
        assert_eq!(
            usable.tunnelled,
            [
                tunnelled("b.example", 3478, false),
                tunnelled("a.example", 5349, true),
                tunnelled("2001:db8::1", 443, true),
            ]
        );
        assert_eq!(
            urls(&servers),
            [
                "turn:c.example?transport=udp",
                "turn:tunnel-0.invalid:3478?transport=udp",
                "turn:tunnel-1.invalid:5349?transport=udp",
                "turn:tunnel-2.invalid:443?transport=udp",
            ]
        );
        assert!(usable.has_relay());
    }

    #[test]
    fn a_long_list_is_cut() {
        let servers: Vec<_> = (0..100)
            .map(|number| stun(&format!("stun:host{number}.example")))
            .chain([turn("turns:late.example")])
            .collect();
        assert_eq!(usable(&servers).for_stack.len(), MAX_URLS);
        let servers: Vec<_> = (0..100)
            .map(|number| turn(&format!("turns:host{number}.example")))
            .collect();
        assert_eq!(usable(&servers).tunnelled.len(), MAX_URLS);
    }
}

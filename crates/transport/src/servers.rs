//! Which of the ICE servers that we are told of the WebRTC stack can use.
//!
//! One bad entry must not cost the others: the stack refuses the whole list for it.

use std::sync::atomic::{AtomicBool, Ordering};

use protocol::IceServer;
use rtc::ice::url::{ProtoType, SchemeType, Url};
use webrtc::peer_connection::RTCIceServer;

/// Most URLs that are used; each costs a request from each local address.
const MAX_URLS: usize = 8;

static HAS_WARNED: AtomicBool = AtomicBool::new(false);

/// The usable part of `servers`: `stun:` and `turn:` over UDP.
pub(crate) fn usable(servers: &[IceServer]) -> Vec<RTCIceServer> {
    let mut result = Vec::new();
    for server in servers {
        for url in &server.urls {
            if result.len() == MAX_URLS {
                return result;
            }
            if is_usable(url, server) {
                result.push(RTCIceServer {
                    urls: vec![url.clone()],
                    username: server.username.clone().unwrap_or_default(),
                    credential: server.credential.clone().unwrap_or_default(),
                });
            } else if HAS_WARNED.swap(true, Ordering::Relaxed) {
                tracing::debug!(url, "this ICE server cannot be used");
            } else {
                tracing::warn!(url, "this ICE server cannot be used, and perhaps others");
            }
        }
    }
    result
}

fn is_usable(text: &str, server: &IceServer) -> bool {
    let Ok(url) = Url::parse_url(text) else {
        return false;
    };
    let has_text = |field: &Option<String>| field.as_ref().is_some_and(|text| !text.is_empty());
    match url.scheme {
        SchemeType::Stun => true,
        SchemeType::Turn => {
            url.proto == ProtoType::Udp
                && has_text(&server.username)
                && has_text(&server.credential)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(servers: &[IceServer]) -> Vec<String> {
        usable(servers)
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
    fn turn_is_used_over_udp_and_with_a_credential_only() {
        let mut servers = [
            turn("turn:a.example:3478?transport=udp"),
            turn("turn:b.example"),
            turn("turn:c.example?transport=tcp"),
            turn("turns:d.example"),
            stun("turn:e.example"),
        ];
        servers[0].urls.push("turn:f.example?transport=tcp".into());
        assert_eq!(
            urls(&servers),
            ["turn:a.example:3478?transport=udp", "turn:b.example"]
        );
    }

    #[test]
    fn a_long_list_is_cut() {
        let servers: Vec<_> = (0..100)
            .map(|number| stun(&format!("stun:host{number}.example")))
            .collect();
        assert_eq!(usable(&servers).len(), MAX_URLS);
    }
}

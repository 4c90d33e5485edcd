//! Which servers are to be asked, and how.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::IceServer;
use rtc::ice::url::{ProtoType, SchemeType, Url};
use tokio::time::{Instant, timeout_at};

use super::{ReachError, RelayTransport};

/// How long the name service may take. What is left of the check's time is for the server itself.
const RESOLVE_LIMIT: Duration = Duration::from_secs(2);
/// Most addresses of one name, of each family, that are tried.
const MAX_ADDRESSES: usize = 2;

/// One URL, and what to ask there.
#[derive(Clone)]
pub(super) struct Target {
    /// As it was given.
    pub(super) url: String,
    pub(super) service: Service,
    /// Host and port, or why they are unknown.
    place: Result<(Arc<str>, u16), ReachError>,
}

/// What a URL offers.
#[derive(Clone)]
pub(super) enum Service {
    Stun,
    Relay {
        transport: RelayTransport,
        login: Option<Login>,
    },
}

/// What a relay wants to know of us. Has no `Debug`, so that no log ever holds it.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) username: String,
    pub(super) password: String,
}

/// The first `limit` URLs of `servers`, each once, and how many there are besides. With `relay_only` those that are no
/// relays do not count.
pub(super) fn targets(
    servers: &[IceServer],
    relay_only: bool,
    limit: usize,
) -> (Vec<Target>, usize) {
    let mut targets: Vec<Target> = Vec::new();
    let mut left_out = 0;
    for server in servers {
        for url in &server.urls {
            if targets.iter().any(|target| target.url == *url) {
                continue;
            }
            let target = Target::new(url, server);
            if relay_only && matches!(target.service, Service::Stun) {
                continue;
            }
            if targets.len() < limit {
                targets.push(target);
            } else {
                left_out += 1;
            }
        }
    }
    (targets, left_out)
}

impl Target {
    fn new(text: &str, server: &IceServer) -> Self {
        let url = Url::parse_url(text).map_err(|_| ReachError::BadUrl);
        let transport = match &url {
            Ok(url) if url.scheme == SchemeType::Turns => Some(RelayTransport::Tls),
            Ok(url) if url.scheme == SchemeType::Turn && url.proto == ProtoType::Tcp => {
                Some(RelayTransport::Tcp)
            }
            Ok(url) if url.scheme == SchemeType::Turn => Some(RelayTransport::Udp),
            // The line of the report that it belongs to is chosen by what it begins with.
            Err(_) if text.starts_with("turn") => Some(RelayTransport::Udp),
            Ok(_) | Err(_) => None,
        };
        let has_dtls = |url: &Url| url.scheme == SchemeType::Turns && url.proto == ProtoType::Udp;
        let place = match url {
            Ok(url) if url.scheme == SchemeType::Stuns || has_dtls(&url) => {
                Err(ReachError::NotSupported)
            }
            Ok(url) if url.host.is_empty() || url.port == 0 => Err(ReachError::BadUrl),
            Ok(url) => Ok((url.host.into(), url.port)),
            Err(error) => Err(error),
        };
        let service = match transport {
            Some(transport) => Service::Relay {
                transport,
                login: login(server),
            },
            None => Service::Stun,
        };
        Self {
            url: text.to_owned(),
            service,
            place,
        }
    }

    /// Whether there is something to ask over UDP.
    pub(super) const fn is_udp(&self) -> bool {
        let is_udp = match &self.service {
            Service::Stun => true,
            Service::Relay { transport, .. } => matches!(transport, RelayTransport::Udp),
        };
        is_udp && self.place.is_ok()
    }

    /// The host as the URL names it: what a certificate must be for.
    pub(super) fn host(&self) -> Result<&str, ReachError> {
        self.place
            .as_ref()
            .map(|(host, _)| &**host)
            .map_err(|&error| error)
    }

    /// Where the server is: IPv4 addresses first, at least one in all.
    pub(super) async fn addresses(&self, deadline: Instant) -> Result<Vec<SocketAddr>, ReachError> {
        let (host, port) = self.place.as_ref().map_err(|&error| error)?;
        let limit = deadline.min(Instant::now() + RESOLVE_LIMIT);
        let all = timeout_at(limit, tokio::net::lookup_host((&**host, *port)));
        let all = all.await.map_err(|_| ReachError::NameNotFound)?;
        let all: Vec<SocketAddr> = all.map_err(|_| ReachError::NameNotFound)?.collect();
        let v4 = all
            .iter()
            .filter(|address| address.is_ipv4())
            .take(MAX_ADDRESSES);
        let v6 = all
            .iter()
            .filter(|address| address.is_ipv6())
            .take(MAX_ADDRESSES);
        let chosen: Vec<SocketAddr> = v4.chain(v6).copied().collect();
        if chosen.is_empty() {
            return Err(ReachError::NameNotFound);
        }
        Ok(chosen)
    }
}

fn login(server: &IceServer) -> Option<Login> {
    let given = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
    Some(Login {
        username: given(&server.username)?,
        password: given(&server.credential)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(urls: &[&str]) -> IceServer {
        IceServer {
            urls: urls.iter().map(|&url| url.to_owned()).collect(),
            username: Some("me".into()),
            credential: Some("secret".into()),
        }
    }

    fn one(url: &str) -> Target {
        Target::new(url, &server(&[url]))
    }

    fn transport(target: &Target) -> Option<RelayTransport> {
        match target.service {
            Service::Stun => None,
            Service::Relay { transport, .. } => Some(transport),
        }
    }

    #[test]
    fn urls_say_what_to_ask_and_how() {
        use RelayTransport::{Tcp, Tls, Udp};
        for (url, expected, port) in [
            ("stun:example.org", None, 3478),
            ("stun:[2001:db8::1]:19302", None, 19302),
            ("turn:example.org", Some(Udp), 3478),
            ("turn:example.org:443?transport=tcp", Some(Tcp), 443),
            ("turns:example.org", Some(Tls), 5349),
            ("turns:example.org:443?transport=tcp", Some(Tls), 443),
        ] {
            let target = one(url);
            assert_eq!(transport(&target), expected, "{url}");
            assert_eq!(target.place.as_ref().unwrap().1, port, "{url}");
        }
        assert_eq!(one("stun:[2001:db8::1]:19302").host(), Ok("2001:db8::1"));
    }

    #[test]
    fn urls_that_cannot_be_asked_say_why() {
        for (url, expected) in [
            ("", ReachError::BadUrl),
            ("nonsense", ReachError::BadUrl),
            ("http:example.org", ReachError::BadUrl),
            ("turn:example.org?transport=pigeon", ReachError::BadUrl),
            ("turn:example.org:0", ReachError::BadUrl),
            ("stuns:example.org", ReachError::NotSupported),
            ("turns:example.org?transport=udp", ReachError::NotSupported),
        ] {
            assert_eq!(one(url).host(), Err(expected), "{url}");
        }
    }

    #[test]
    fn a_long_list_is_cut_and_repetitions_are_left_out() {
        let (all, left_out) = targets(
            &[
                server(&["stun:a", "stun:b", "stun:a"]),
                server(&["stun:c", "stun:d"]),
            ],
            false,
            3,
        );
        assert_eq!((all.len(), left_out), (3, 1));
    }

    #[test]
    fn with_relays_only_all_others_are_left_alone_and_take_no_place() {
        let servers = [server(&[
            "stun:a", "stuns:b", "turn:c", "nonsense", "turns:d",
        ])];
        let (all, left_out) = targets(&servers, true, 2);
        let urls: Vec<&str> = all.iter().map(|target| &*target.url).collect();
        assert_eq!((urls, left_out), (vec!["turn:c", "turns:d"], 0));
    }

    #[tokio::test]
    async fn a_name_that_nobody_has_is_not_found() {
        let target = one("stun:nobody.invalid");
        let deadline = Instant::now() + Duration::from_secs(5);
        assert_eq!(
            target.addresses(deadline).await,
            Err(ReachError::NameNotFound)
        );
    }
}

//! Which STUN and TURN servers a pair is told to use, and with which credentials.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use protocol::IceServer;
use relay::Secrets;

/// The address of a STUN server: `stun:host` or `stuns:host`, with a port or without (RFC 7064).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StunUrl(String);

/// The address of a TURN server: `turn:host` or `turns:host`, with a port or without, with `?transport=udp` or
/// `?transport=tcp` or without (RFC 7065).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnUrl(String);

/// Why a text is not the address of a STUN or TURN server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IceUrlError {
    /// Another scheme.
    #[error("it must start with {0}")]
    WrongScheme(&'static str),
    /// `stun://host`, for instance.
    #[error("after the scheme comes a host name or address, without slashes")]
    NoHost,
    /// Not a number from 1 to 65535.
    #[error("after the host comes a port from 1 to 65535, or nothing")]
    BadPort,
    /// Something else than a transport after the question mark.
    #[error("after the question mark comes transport=udp or transport=tcp")]
    BadTransport,
}

impl FromStr for StunUrl {
    type Err = IceUrlError;

    fn from_str(url: &str) -> Result<Self, IceUrlError> {
        let authority = url
            .strip_prefix("stun:")
            .or_else(|| url.strip_prefix("stuns:"))
            .ok_or(IceUrlError::WrongScheme("stun: or stuns:"))?;
        check_authority(authority)?;
        Ok(Self(url.to_owned()))
    }
}

impl FromStr for TurnUrl {
    type Err = IceUrlError;

    fn from_str(url: &str) -> Result<Self, IceUrlError> {
        let rest = url
            .strip_prefix("turn:")
            .or_else(|| url.strip_prefix("turns:"))
            .ok_or(IceUrlError::WrongScheme("turn: or turns:"))?;
        let (authority, query) = rest.split_once('?').unwrap_or((rest, "transport=udp"));
        check_authority(authority)?;
        if !matches!(query, "transport=udp" | "transport=tcp") {
            return Err(IceUrlError::BadTransport);
        }
        Ok(Self(url.to_owned()))
    }
}

/// Checks `host`, `host:port`, `[v6]` or `[v6]:port`.
fn check_authority(authority: &str) -> Result<(), IceUrlError> {
    let (host, after_host) = match authority.strip_prefix('[') {
        Some(v6) => v6.split_once(']').ok_or(IceUrlError::NoHost)?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let is_host_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || !host.chars().all(is_host_char) {
        return Err(IceUrlError::NoHost);
    }
    let port = after_host.strip_prefix(':').map(u16::from_str);
    match port {
        Some(Ok(1..)) => Ok(()),
        None if after_host.is_empty() => Ok(()),
        _ => Err(IceUrlError::BadPort),
    }
}

/// TURN servers that share their credentials.
#[derive(Debug, Clone)]
pub struct Turn {
    /// Where they are; at least one.
    pub urls: Vec<TurnUrl>,
    /// What they ask for.
    pub credentials: TurnCredentials,
}

/// How clients prove to a TURN server that they may use it.
#[derive(Clone)]
pub enum TurnCredentials {
    /// Everybody uses the same.
    Fixed {
        /// The user name.
        username: String,
        /// The password.
        credential: String,
    },
    /// Every call gets its own, made from a secret that server and TURN server share
    /// (draft-uberti-behave-turn-rest-00; coturn's `use-auth-secret`).
    Minted {
        /// The shared secrets, of which the first is used.
        secrets: Secrets,
        /// For how long they are good.
        ttl: Duration,
    },
}

impl fmt::Debug for TurnCredentials {
    /// Leaves the secrets out, so that no log ever holds one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixed { .. } => "Fixed",
            Self::Minted { .. } => "Minted",
        })
    }
}

impl TurnCredentials {
    /// User name and password for one side of one call. `unix_time` is the time since 1970, `id` what tells this side
    /// from all others.
    fn for_call(&self, unix_time: Duration, id: u64) -> (String, String) {
        match self {
            Self::Fixed {
                username,
                credential,
            } => (username.clone(), credential.clone()),
            Self::Minted { secrets, ttl } => secrets.mint(unix_time, *ttl, id),
        }
    }
}

/// The relay inside this server, as clients are told of it.
#[derive(Debug, Clone)]
pub(crate) struct BuiltIn {
    pub(crate) secrets: Secrets,
    pub(crate) ttl: Duration,
    /// Its name, if it is not the one by which clients find the server.
    pub(crate) public_host: Option<String>,
    /// Its port for UDP and TCP.
    pub(crate) port: u16,
    /// Its port for TLS.
    pub(crate) tls_port: Option<u16>,
    /// Whether only programs on this machine reach it.
    pub(crate) is_local: bool,
    /// Where the server listens for signalling, and takes TURN too.
    pub(crate) listen: Vec<SocketAddr>,
}

impl BuiltIn {
    /// How one side of one call uses it. `host` is the name by which the client found this server. `None` if the client
    /// cannot reach it.
    fn for_call(&self, host: &str, unix_time: Duration, id: u64) -> Option<[IceServer; 2]> {
        if self.is_local && self.public_host.is_none() && !is_local(host) {
            return None;
        }
        let host = self.public_host.as_deref().unwrap_or(host);
        let port = self.port;
        let mut urls = vec![
            format!("turn:{host}:{port}?transport=udp"),
            format!("turn:{host}:{port}?transport=tcp"),
        ];
        // Behind a proxy the ports that we listen on are not those that the client reaches.
        let mut shared: Vec<u16> = self
            .listen
            .iter()
            .filter(|addr| self.is_local || !addr.ip().is_loopback())
            .map(SocketAddr::port)
            .collect();
        shared.sort_unstable();
        shared.dedup();
        let plain = shared.iter().filter(|&&shared| shared != port);
        urls.extend(plain.map(|shared| format!("turn:{host}:{shared}?transport=tcp")));
        if let Some(tls_port) = self.tls_port {
            urls.push(format!("turns:{host}:{tls_port}?transport=tcp"));
            let shared = shared.iter().filter(|&&shared| shared != tls_port);
            urls.extend(shared.map(|shared| format!("turns:{host}:{shared}?transport=tcp")));
        }
        let (username, credential) = self.secrets.mint(unix_time, self.ttl, id);
        let stun = IceServer {
            urls: vec![format!("stun:{host}:{port}")],
            username: None,
            credential: None,
        };
        let turn = IceServer {
            urls,
            username: Some(username),
            credential: Some(credential),
        };
        Some([stun, turn])
    }
}

/// The host in a Host header or an address: a name or an address, the latter in brackets if it is one of IPv6. `None` if
/// it is none that could be in a URL.
pub(crate) fn host_of(authority: &str) -> Option<&str> {
    check_authority(authority).ok()?;
    let end = match authority.find(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    Some(&authority[..end])
}

/// An address as it is written in a URL.
pub(crate) fn host_of_ip(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// Whether a host is this machine as it calls itself.
fn is_local(host: &str) -> bool {
    let ip = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || ip
            .parse()
            .is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
}

/// The list for one side of one call. `host` is the name by which the client found this server, `unix_time` the time
/// since 1970, `id` a number that nobody else gets.
pub(crate) fn for_call(
    stun: &[StunUrl],
    turn: Option<&Turn>,
    built_in: Option<&BuiltIn>,
    host: &str,
    unix_time: Duration,
    id: u64,
) -> Vec<IceServer> {
    let stun = (!stun.is_empty()).then(|| IceServer {
        urls: stun.iter().map(|url| url.0.clone()).collect(),
        username: None,
        credential: None,
    });
    let turn = turn.map(|turn| {
        let (username, credential) = turn.credentials.for_call(unix_time, id);
        IceServer {
            urls: turn.urls.iter().map(|url| url.0.clone()).collect(),
            username: Some(username),
            credential: Some(credential),
        }
    });
    let built_in = built_in.and_then(|relay| relay.for_call(host, unix_time, id));
    let built_in = built_in.into_iter().flatten();
    stun.into_iter().chain(turn).chain(built_in).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_with_and_without_port_are_taken() {
        for url in [
            "stun:a.example",
            "stuns:a.example:5349",
            "stun:192.0.2.1",
            "stun:[2001:db8::1]:3478",
        ] {
            assert_eq!(StunUrl::from_str(url), Ok(StunUrl(url.to_owned())));
        }
        for url in [
            "turn:a.example?transport=tcp",
            "turns:a.example:443",
            "turn:[::1]?transport=udp",
        ] {
            assert_eq!(TurnUrl::from_str(url), Ok(TurnUrl(url.to_owned())));
        }
    }

    #[test]
    fn what_is_no_url_is_refused_with_the_reason() {
        for (url, error) in [
            (
                "turn:a.example",
                IceUrlError::WrongScheme("stun: or stuns:"),
            ),
            ("stun://a.example", IceUrlError::NoHost),
            ("stun:", IceUrlError::NoHost),
            ("stun:[::1", IceUrlError::NoHost),
            ("stun:a b", IceUrlError::NoHost),
            ("stun:a.example:0", IceUrlError::BadPort),
            ("stun:a.example:99999", IceUrlError::BadPort),
            ("stun:[::1]x", IceUrlError::BadPort),
        ] {
            assert_eq!(StunUrl::from_str(url), Err(error), "{url}");
        }
        assert_eq!(
            TurnUrl::from_str("turn:a?transport=sctp"),
            Err(IceUrlError::BadTransport)
        );
    }

    fn secrets() -> Secrets {
        Secrets::new(vec!["north".to_owned()]).unwrap()
    }

    fn built_in() -> BuiltIn {
        BuiltIn {
            secrets: secrets(),
            ttl: Duration::from_hours(1),
            public_host: None,
            port: 3478,
            tls_port: None,
            is_local: false,
            listen: vec!["0.0.0.0:8080".parse().unwrap()],
        }
    }

    fn urls(relay: &BuiltIn, host: &str) -> Vec<String> {
        for_call(&[], None, Some(relay), host, Duration::ZERO, 0)
            .into_iter()
            .flat_map(|server| server.urls)
            .collect()
    }

    #[test]
    fn the_relay_is_told_of_by_the_name_that_the_client_knows() {
        assert_eq!(
            urls(&built_in(), "here.example"),
            [
                "stun:here.example:3478",
                "turn:here.example:3478?transport=udp",
                "turn:here.example:3478?transport=tcp",
                "turn:here.example:8080?transport=tcp",
            ]
        );
        let named = BuiltIn {
            public_host: Some("there.example".to_owned()),
            listen: vec!["127.0.0.1:8080".parse().unwrap()],
            ..built_in()
        };
        assert_eq!(
            urls(&named, "here.example"),
            [
                "stun:there.example:3478",
                "turn:there.example:3478?transport=udp",
                "turn:there.example:3478?transport=tcp",
            ],
            "a port that only a proxy reaches is not told of"
        );
    }

    #[test]
    fn with_a_certificate_tls_is_told_of_at_every_port() {
        let relay = BuiltIn {
            tls_port: Some(5349),
            listen: vec!["0.0.0.0:443".parse().unwrap(), "[::]:443".parse().unwrap()],
            ..built_in()
        };
        assert_eq!(
            urls(&relay, "[2001:db8::1]")[1..],
            [
                "turn:[2001:db8::1]:3478?transport=udp",
                "turn:[2001:db8::1]:3478?transport=tcp",
                "turn:[2001:db8::1]:443?transport=tcp",
                "turns:[2001:db8::1]:5349?transport=tcp",
                "turns:[2001:db8::1]:443?transport=tcp",
            ]
        );
    }

    #[test]
    fn a_relay_that_only_this_machine_reaches_is_told_of_to_nobody_else() {
        let relay = BuiltIn {
            is_local: true,
            listen: vec!["127.0.0.1:8080".parse().unwrap()],
            ..built_in()
        };
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            assert_eq!(urls(&relay, host).len(), 4, "{host}");
        }
        assert!(urls(&relay, "here.example").is_empty());
    }

    #[test]
    fn every_call_gets_credentials_of_its_own() {
        let relay = built_in();
        let credentials = |id| {
            let servers = for_call(&[], None, Some(&relay), "h", Duration::ZERO, id);
            servers[1].username.clone().unwrap()
        };
        assert_ne!(credentials(1), credentials(2));
    }

    #[test]
    fn hosts_are_read_from_what_clients_ask_for() {
        for (authority, host) in [
            ("here.example", Some("here.example")),
            ("here.example:8080", Some("here.example")),
            ("192.0.2.1:80", Some("192.0.2.1")),
            ("[::1]:80", Some("[::1]")),
            ("[::1]", Some("[::1]")),
            ("", None),
            ("a b", None),
            ("x?transport=udp", None),
            ("here.example:99999", None),
        ] {
            assert_eq!(host_of(authority), host, "{authority}");
        }
    }

    #[test]
    fn minted_credentials_are_what_coturn_computes() {
        let credentials = TurnCredentials::Minted {
            secrets: secrets(),
            ttl: Duration::from_hours(1),
        };

        let (username, credential) = credentials.for_call(Duration::from_secs(1_400_000_000), 0xab);

        assert_eq!(username, "1400003600:00000000000000ab");
        // printf 1400003600:00000000000000ab | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(credential, "VCW/QYNqhyGS/dAhHZoPUXBGSIE=");
    }

    #[test]
    fn no_servers_make_an_empty_list() {
        assert_eq!(for_call(&[], None, None, "h", Duration::ZERO, 0), []);
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let minted = TurnCredentials::Minted {
            secrets: secrets(),
            ttl: Duration::ZERO,
        };
        let fixed = TurnCredentials::Fixed {
            username: "north".into(),
            credential: "north".into(),
        };

        assert!(!format!("{minted:?}{fixed:?}").contains("north"));
    }
}

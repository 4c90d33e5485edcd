//! Which STUN and TURN servers a pair is told to use, and with which credentials.

use std::{fmt, str::FromStr, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, Mac as _};
use protocol::IceServer;
use sha1::Sha1;

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
        /// The shared secret.
        secret: String,
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
            Self::Minted { secret, ttl } => {
                let expiry = (unix_time + *ttl).as_secs();
                let username = format!("{expiry}:{id:016x}");
                let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes())
                    .expect("HMAC takes keys of any length");
                mac.update(username.as_bytes());
                let credential = BASE64_STANDARD.encode(mac.finalize().into_bytes());
                (username, credential)
            }
        }
    }
}

/// The list for one side of one call. `unix_time` is the time since 1970, `id` a number that nobody else gets.
pub(crate) fn for_call(
    stun: &[StunUrl],
    turn: Option<&Turn>,
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
    stun.into_iter().chain(turn).collect()
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

    #[test]
    fn minted_credentials_are_what_coturn_computes() {
        let credentials = TurnCredentials::Minted {
            secret: "north".to_owned(),
            ttl: Duration::from_hours(1),
        };

        let (username, credential) = credentials.for_call(Duration::from_secs(1_400_000_000), 0xab);

        assert_eq!(username, "1400003600:00000000000000ab");
        // printf 1400003600:00000000000000ab | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(credential, "VCW/QYNqhyGS/dAhHZoPUXBGSIE=");
    }

    #[test]
    fn no_servers_make_an_empty_list() {
        assert_eq!(for_call(&[], None, Duration::ZERO, 0), []);
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let minted = TurnCredentials::Minted {
            secret: "north".to_owned(),
            ttl: Duration::ZERO,
        };
        let fixed = TurnCredentials::Fixed {
            username: "north".into(),
            credential: "north".into(),
        };

        assert!(!format!("{minted:?}{fixed:?}").contains("north"));
    }
}

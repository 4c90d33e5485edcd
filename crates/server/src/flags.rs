//! The command line and the environment, and how they become [`Settings`].

use std::{net::SocketAddr, time::Duration};

use clap::{Parser, ValueEnum};
use protocol::PathPolicy;

use crate::{Settings, StunUrl, Turn, TurnCredentials, TurnUrl};

/// The signalling server of Passerby: it pairs strangers and relays what they need to find each other.
/// Their pictures, voices and words never pass through it.
#[derive(Debug, Parser)]
#[command(name = "passerby-server", version)]
pub struct Flags {
    /// Address and port to listen on; may be given several times. Port 0 takes a free one.
    #[arg(
        long,
        env = "PASSERBY_LISTEN",
        value_delimiter = ',',
        default_value = "127.0.0.1:8080"
    )]
    pub listen: Vec<SocketAddr>,

    /// A STUN server for the clients, such as stun:stun.example.org:3478; may be given several times.
    #[arg(long, env = "PASSERBY_STUN", value_delimiter = ',', value_name = "URL")]
    pub stun: Vec<StunUrl>,

    /// A TURN server for the clients, such as turn:turn.example.org:3478?transport=udp; may be given several times.
    #[arg(long, env = "PASSERBY_TURN", value_delimiter = ',', value_name = "URL")]
    pub turn: Vec<TurnUrl>,

    /// The user name for the TURN servers, the same for everybody.
    #[arg(long, env = "PASSERBY_TURN_USERNAME", requires = "turn_credential")]
    pub turn_username: Option<String>,

    /// The password that belongs to the user name.
    #[arg(
        long,
        env = "PASSERBY_TURN_CREDENTIAL",
        hide_env_values = true,
        requires = "turn_username"
    )]
    pub turn_credential: Option<String>,

    /// The secret shared with the TURN servers (coturn: static-auth-secret): every call gets credentials of its own.
    #[arg(
        long,
        env = "PASSERBY_TURN_SECRET",
        hide_env_values = true,
        conflicts_with = "turn_username"
    )]
    pub turn_secret: Option<String>,

    /// For how many seconds credentials made with the secret are good. Longer than the longest call.
    #[arg(long, env = "PASSERBY_TURN_TTL", default_value_t = 3600, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(60..=604_800))]
    pub turn_ttl: u32,

    /// How many clients may be connected at once; one more is told that the server is full.
    #[arg(long, env = "PASSERBY_MAX_CONNECTIONS", default_value_t = 10_000, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_connections: u32,

    /// How often clients are pinged, in seconds.
    #[arg(long, env = "PASSERBY_HEARTBEAT", default_value_t = 5, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=300))]
    pub heartbeat: u32,

    /// For how many seconds a client whose connection is lost may come back to its room; 0 for not at all.
    #[arg(long, env = "PASSERBY_GRACE", default_value_t = 20, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(0..=120))]
    pub grace: u32,

    /// Which paths calls may take. Anything but "any" needs TURN.
    #[arg(long, env = "PASSERBY_PATH_POLICY", default_value = "any")]
    pub path_policy: PathPolicyFlag,

    /// How to write the log, which goes to standard error.
    #[arg(long, env = "PASSERBY_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// What to log, such as warn or server=debug.
    #[arg(
        long,
        env = "PASSERBY_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub log: String,
}

/// Which paths calls may take: [`PathPolicy`] as a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PathPolicyFlag {
    /// Each person chooses.
    Any,
    /// Calls begin over a relay, and go direct once both people have asked for it.
    RelayFirst,
    /// Calls use a relay and nothing else.
    RelayOnly,
}

impl From<PathPolicyFlag> for PathPolicy {
    fn from(flag: PathPolicyFlag) -> Self {
        match flag {
            PathPolicyFlag::Any => Self::Any,
            PathPolicyFlag::RelayFirst => Self::RelayFirst,
            PathPolicyFlag::RelayOnly => Self::RelayOnly,
        }
    }
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Why flags do not go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// TURN servers that nobody could use.
    #[error("--turn needs either --turn-username and --turn-credential, or --turn-secret")]
    TurnWithoutCredentials,
    /// Credentials for no server.
    #[error("there are TURN credentials but no TURN server: add --turn")]
    CredentialsWithoutTurn,
    /// HMAC with an empty key protects nothing.
    #[error("--turn-secret must not be empty")]
    EmptySecret,
}

impl TryFrom<Flags> for Settings {
    type Error = SettingsError;

    fn try_from(flags: Flags) -> Result<Self, SettingsError> {
        let credentials = match (
            flags.turn_username,
            flags.turn_credential,
            flags.turn_secret,
        ) {
            (Some(username), Some(credential), _) => Some(TurnCredentials::Fixed {
                username,
                credential,
            }),
            (_, _, Some(secret)) if secret.is_empty() => return Err(SettingsError::EmptySecret),
            (_, _, Some(secret)) => {
                let ttl = Duration::from_secs(flags.turn_ttl.into());
                Some(TurnCredentials::Minted { secret, ttl })
            }
            _ => None,
        };
        let turn = match (flags.turn.is_empty(), credentials) {
            (true, None) => None,
            (true, Some(_)) => return Err(SettingsError::CredentialsWithoutTurn),
            (false, None) => return Err(SettingsError::TurnWithoutCredentials),
            (false, Some(credentials)) => Some(Turn {
                urls: flags.turn,
                credentials,
            }),
        };
        Ok(Self {
            listen: flags.listen,
            stun: flags.stun,
            turn,
            max_connections: flags.max_connections as usize,
            heartbeat: Duration::from_secs(flags.heartbeat.into()),
            grace: Duration::from_secs(flags.grace.into()),
            path_policy: flags.path_policy.into(),
            ..Self::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(flags: &[&str]) -> Result<Settings, String> {
        let flags = ["passerby-server"].iter().chain(flags);
        let flags = Flags::try_parse_from(flags).map_err(|error| error.to_string())?;
        Settings::try_from(flags).map_err(|error| error.to_string())
    }

    #[test]
    fn without_flags_the_server_is_reachable_from_this_machine_only() {
        let settings = settings(&[]).unwrap();

        assert!(
            settings
                .listen
                .iter()
                .all(|address| address.ip().is_loopback())
        );
        assert!(settings.stun.is_empty() && settings.turn.is_none());
    }

    #[test]
    fn addresses_and_servers_may_be_given_several_times() {
        let settings = settings(&[
            "--listen=127.0.0.1:0",
            "--listen=[::1]:0",
            "--stun=stun:a.example",
            "--stun=stun:b.example:3479",
        ])
        .unwrap();

        assert_eq!(settings.listen.len(), 2);
        assert_eq!(settings.stun.len(), 2);
    }

    #[test]
    fn sessions_and_paths_are_decided_by_flags() {
        let by_default = settings(&[]).unwrap();
        let decided = settings(&["--grace=0", "--path-policy=relay-only"]).unwrap();

        assert_eq!(by_default.grace, Duration::from_secs(20));
        assert_eq!(by_default.path_policy, PathPolicy::Any);
        assert_eq!(decided.grace, Duration::ZERO);
        assert_eq!(decided.path_policy, PathPolicy::RelayOnly);
    }

    #[test]
    fn flags_that_do_not_go_together_are_explained() {
        for (flags, words) in [
            (&["--turn=turn:t.example"][..], "--turn needs"),
            (&["--turn-secret=s"], "add --turn"),
            (
                &["--turn=turn:t.example", "--turn-secret="],
                "must not be empty",
            ),
            (
                &["--turn=turn:t.example", "--turn-username=u"],
                "--turn-credential",
            ),
            (
                &["--turn=stun:t.example", "--turn-secret=s"],
                "turn: or turns:",
            ),
            (&["--stun=http://t.example"], "stun: or stuns:"),
            (&["--listen=here"], "--listen"),
            (&["--heartbeat=0"], "1..=300"),
            (&["--grace=121"], "0..=120"),
            (&["--path-policy=relay"], "relay-first"),
        ] {
            let error = settings(flags).expect_err("refused");
            assert!(error.contains(words), "{flags:?}: {error}");
        }
    }
}

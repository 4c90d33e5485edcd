//! The command line and the environment, and how they become [`Settings`].

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use clap::{Parser, ValueEnum, builder::BoolishValueParser};
use protocol::PathPolicy;

use relay::{PeerPolicy, Rate, Secrets};

use crate::{
    RelaySettings, Settings, StunUrl, TlsSettings, Turn, TurnCredentials, TurnUrl,
    ice_servers::host_of,
};

/// The server of Passerby: it pairs strangers, relays what they need to find each other, and is the STUN and TURN server
/// for those whom NATs keep apart. It can read neither their pictures nor their voices nor their words.
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

    /// A secret with which every call gets TURN credentials of its own, shared with the TURN servers of --turn (coturn:
    /// static-auth-secret). May be given several times: the first makes credentials, the relay takes those of all.
    /// Without it the relay makes one up.
    #[arg(
        long,
        env = "PASSERBY_TURN_SECRET",
        hide_env_values = true,
        value_delimiter = ',',
        conflicts_with = "turn_username"
    )]
    pub turn_secret: Vec<String>,

    /// For how many seconds credentials made with the secret are good: longer than the longest call, which may need a new
    /// way at any time, and coturn asks for them again every few minutes.
    #[arg(long, env = "PASSERBY_TURN_TTL", default_value_t = 43_200, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(60..=604_800))]
    pub turn_ttl: u32,

    /// A PEM file with the certificate, and those that vouch for it: the server speaks TLS too then. Read again at SIGHUP.
    #[arg(
        long,
        env = "PASSERBY_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    pub tls_cert: Option<PathBuf>,

    /// A PEM file with the private key that belongs to the certificate.
    #[arg(
        long,
        env = "PASSERBY_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub tls_key: Option<PathBuf>,

    #[command(flatten)]
    pub relay: RelayFlags,

    /// How many clients may be connected at once; one more is told that the server is full.
    #[arg(long, env = "PASSERBY_MAX_CONNECTIONS", default_value_t = 10_000, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_connections: u32,

    /// How many clients may be connected from one address (IPv6: one /64), unless it is a private one.
    #[arg(long, env = "PASSERBY_MAX_PER_IP", default_value_t = 256, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_per_ip: u32,

    /// How many TCP connections from one address may be open that are not signalling, or not yet.
    #[arg(long, env = "PASSERBY_MAX_OTHERS_PER_IP", default_value_t = 256, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_others_per_ip: u32,

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

/// What the relay is told.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The relay (STUN and TURN)")]
pub struct RelayFlags {
    /// Do not relay.
    #[arg(long, env = "PASSERBY_NO_RELAY", value_parser = BoolishValueParser::new())]
    pub no_relay: bool,

    /// Relay although there is --turn.
    #[arg(long, env = "PASSERBY_RELAY", value_parser = BoolishValueParser::new())]
    pub relay: bool,

    /// An address to listen on, if not those of --listen; may be given several times.
    #[arg(
        long,
        env = "PASSERBY_RELAY_LISTEN",
        value_delimiter = ',',
        value_name = "IP"
    )]
    pub relay_listen: Vec<IpAddr>,

    /// The port for UDP and TCP; 0 takes a free one [default: 3478, or 0 if --listen has port 0]
    #[arg(long, env = "PASSERBY_RELAY_PORT", value_name = "PORT")]
    pub relay_port: Option<u16>,

    /// The port for TLS, if there is a certificate; 0 takes a free one [default: 5349, or 0 if --listen has port 0]
    #[arg(long, env = "PASSERBY_RELAY_TLS_PORT", value_name = "PORT")]
    pub relay_tls_port: Option<u16>,

    /// The UDP ports of relayed addresses.
    #[arg(long, env = "PASSERBY_RELAY_PORTS", default_value = "49152-65535", value_name = "FIRST-LAST",
          value_parser = port_range)]
    pub relay_ports: RangeInclusive<u16>,

    /// The address under which others reach this machine, if it is not its own (1:1 NAT); one for IPv4, one for IPv6.
    #[arg(
        long,
        env = "PASSERBY_RELAY_IP",
        value_delimiter = ',',
        value_name = "IP"
    )]
    pub relay_ip: Vec<IpAddr>,

    /// The name or address that clients are told, if it is not the one by which they found the server.
    #[arg(long, env = "PASSERBY_PUBLIC_HOST", value_name = "NAME_OR_IP", value_parser = public_host)]
    pub public_host: Option<String>,

    /// Relay to private addresses too: for a network without internet, and for tests.
    #[arg(long, env = "PASSERBY_RELAY_ALLOW_PRIVATE", value_parser = BoolishValueParser::new())]
    pub relay_allow_private: bool,

    /// How many allocations there may be; each takes a port and a file descriptor.
    #[arg(long, env = "PASSERBY_RELAY_MAX_ALLOCATIONS", default_value_t = 2000, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=65_000))]
    pub relay_max_allocations: u32,

    /// How many allocations one address may have.
    #[arg(long, env = "PASSERBY_RELAY_MAX_PER_IP", default_value_t = 64, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=65_000))]
    pub relay_max_per_ip: u32,

    /// What one allocation may carry in each direction, in kbit/s.
    #[arg(long, env = "PASSERBY_RELAY_KBITS", default_value_t = 8000, value_name = "KBIT/S",
          value_parser = clap::value_parser!(u64).range(100..=10_000_000))]
    pub relay_kbits: u64,

    /// What all together may carry, both directions added, in Mbit/s.
    #[arg(long, env = "PASSERBY_RELAY_TOTAL_MBITS", default_value_t = 1000, value_name = "MBIT/S",
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub relay_total_mbits: u64,
}

/// Reads FIRST-LAST.
fn port_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let range = text.split_once('-').and_then(|(first, last)| {
        let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
        (0 < first && first <= last).then_some(first..=last)
    });
    range.ok_or_else(|| "two ports from 1 to 65535 are wanted, such as 50000-50999".to_owned())
}

/// Reads a host without a port; an IPv6 address may come without brackets.
fn public_host(text: &str) -> Result<String, String> {
    if let Ok(ip) = text.parse::<std::net::Ipv6Addr>() {
        return Ok(format!("[{ip}]"));
    }
    match host_of(text) {
        Some(host) if host == text => Ok(text.to_owned()),
        _ => Err("a name or an address is wanted, without a port".to_owned()),
    }
}

impl RelayFlags {
    fn settings(
        self,
        listen: &[SocketAddr],
        secrets: Option<Secrets>,
        ttl: Duration,
    ) -> RelaySettings {
        let default_port = |port| {
            if listen.iter().any(|addr| addr.port() == 0) {
                0
            } else {
                port
            }
        };
        let bytes = |bits: u64| Rate::of(bits / 8);
        RelaySettings {
            secrets,
            ttl,
            listen: self.relay_listen,
            port: self.relay_port.unwrap_or_else(|| default_port(3478)),
            tls_port: self.relay_tls_port.unwrap_or_else(|| default_port(5349)),
            relay_ports: self.relay_ports,
            relay_ips: self.relay_ip,
            public_host: self.public_host,
            limits: relay::Config {
                peers: PeerPolicy {
                    allow_private: self.relay_allow_private,
                    ..PeerPolicy::default()
                },
                max_allocations: self.relay_max_allocations as usize,
                max_per_ip: self.relay_max_per_ip as usize,
                allocation_bytes: bytes(self.relay_kbits * 1000),
                total_bytes: Rate {
                    burst: self.relay_total_mbits * 1_000_000 / 80,
                    ..bytes(self.relay_total_mbits * 1_000_000)
                },
                ..relay::Config::default()
            },
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
    #[error("there are TURN credentials but no TURN server that takes them: add --turn")]
    CredentialsWithoutTurn,
    /// HMAC with an empty key protects nothing.
    #[error("--turn-secret must not be empty")]
    EmptySecret,
    /// Which of them?
    #[error("--relay cannot be used with --no-relay")]
    RelayAndNoRelay,
    /// Which one would clients be told?
    #[error("--relay-ip takes one address for IPv4 and one for IPv6")]
    TwoRelayIps,
}

impl TryFrom<Flags> for Settings {
    type Error = SettingsError;

    fn try_from(flags: Flags) -> Result<Self, SettingsError> {
        let has_secrets = !flags.turn_secret.is_empty();
        let secrets = Secrets::new(flags.turn_secret);
        if has_secrets && secrets.is_none() {
            return Err(SettingsError::EmptySecret);
        }
        // Here, as the environment may say no to one of them.
        if flags.relay.relay && flags.relay.no_relay {
            return Err(SettingsError::RelayAndNoRelay);
        }
        let ttl = Duration::from_secs(flags.turn_ttl.into());
        let relays = !flags.relay.no_relay && (flags.relay.relay || flags.turn.is_empty());
        let credentials = match (flags.turn_username, flags.turn_credential, &secrets) {
            (Some(username), Some(credential), _) => Some(TurnCredentials::Fixed {
                username,
                credential,
            }),
            (_, _, Some(secrets)) => Some(TurnCredentials::Minted {
                secrets: secrets.clone(),
                ttl,
            }),
            _ => None,
        };
        let turn = match (flags.turn.is_empty(), credentials) {
            (true, None) => None,
            // The relay takes what the secret makes.
            (true, Some(TurnCredentials::Minted { .. })) if relays => None,
            (true, Some(_)) => return Err(SettingsError::CredentialsWithoutTurn),
            (false, None) => return Err(SettingsError::TurnWithoutCredentials),
            (false, Some(credentials)) => Some(Turn {
                urls: flags.turn,
                credentials,
            }),
        };
        let has_two =
            |is: fn(&IpAddr) -> bool| flags.relay.relay_ip.iter().filter(|ip| is(ip)).count() > 1;
        if has_two(IpAddr::is_ipv4) || has_two(IpAddr::is_ipv6) {
            return Err(SettingsError::TwoRelayIps);
        }
        let tls = flags.tls_cert.zip(flags.tls_key);
        let tls = tls.map(|(certificate, key)| TlsSettings { certificate, key });
        let relay = relays.then(|| flags.relay.settings(&flags.listen, secrets, ttl));
        Ok(Self {
            listen: flags.listen,
            tls,
            relay,
            stun: flags.stun,
            turn,
            max_per_ip: flags.max_per_ip as usize,
            max_others_per_ip: flags.max_others_per_ip as usize,
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
        let relay = settings.relay.unwrap();
        assert_eq!((relay.port, relay.tls_port), (3478, 5349));
        assert!(relay.secrets.is_none() && !relay.limits.peers.allow_private);
    }

    #[test]
    fn the_limits_of_the_relay_are_those_that_it_has_by_itself() {
        let relay = settings(&[]).unwrap().relay.unwrap();
        assert_eq!(relay.limits, relay::Config::default());
        assert_eq!(relay.relay_ports, RelaySettings::default().relay_ports);
    }

    #[test]
    fn another_turn_server_takes_the_place_of_the_relay_unless_both_are_asked_for() {
        let turn = ["--turn=turn:t.example", "--turn-secret=s"];
        let both = ["--turn=turn:t.example", "--turn-secret=s", "--relay"];
        let none = ["--no-relay"];
        for (flags, has_turn, has_relay) in [
            (&turn[..], true, false),
            (&both, true, true),
            (&none, false, false),
        ] {
            let settings = settings(flags).unwrap();
            assert_eq!(settings.turn.is_some(), has_turn, "{flags:?}");
            assert_eq!(settings.relay.is_some(), has_relay, "{flags:?}");
        }
    }

    #[test]
    fn secrets_can_be_changed_without_refusing_anybody() {
        let settings = settings(&["--turn-secret=new", "--turn-secret=old"]).unwrap();
        let secrets = Secrets::new(vec!["new".to_owned(), "old".to_owned()]);
        assert!(settings.relay.unwrap().secrets == secrets);
    }

    #[test]
    fn with_free_ports_for_signalling_the_relay_takes_free_ones_too() {
        let relay = settings(&["--listen=127.0.0.1:0"]).unwrap().relay.unwrap();
        assert_eq!((relay.port, relay.tls_port), (0, 0));
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
            (&["--turn-secret=s", "--no-relay"], "add --turn"),
            (&["--turn-secret="], "must not be empty"),
            (&["--relay", "--no-relay"], "cannot be used with"),
            (&["--relay-ports=9"], "such as 50000-50999"),
            (&["--relay-ports=9-8"], "such as 50000-50999"),
            (&["--public-host=a.example:80"], "without a port"),
            (&["--relay-ip=192.0.2.1,192.0.2.2"], "one address for IPv4"),
            (&["--tls-cert=c.pem"], "--tls-key"),
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

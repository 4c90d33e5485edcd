//! How what an operator says becomes [`Settings`]: files with secrets are read, and what does not go together is refused.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use cluster::redis::AddressError;
use relay::{PeerPolicy, Rate, Secrets};

use crate::{
    AdminSettings, CertificateSource, ClusterSettings, Flags, Proxies, RelaySettings, Settings,
    TlsSettings, Turn, TurnCredentials, flags::RelayFlags, guard::MIN_TOKEN, settings::Limits,
};

/// Why settings do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
    /// Half of what TURN servers ask for.
    #[error("--turn-username and --turn-credential belong together: {0} is missing")]
    HalfTurnCredentials(&'static str),
    /// Which would clients be told?
    #[error(
        "--turn-secret makes credentials for each call, so --turn-username has no place beside it"
    )]
    SecretAndUsername,
    /// A certificate is of no use without its key.
    #[error("--tls-cert and --tls-key belong together: {0} is missing")]
    HalfTls(&'static str),
    /// Which of the two?
    #[error(
        "the certificate comes either from --tls-cert and --tls-key or by --acme-domain: leave one of them out"
    )]
    AcmeAndFiles,
    /// Nobody has read what the authority asks for.
    #[error(
        "--acme-domain needs --acme-agree: it says that you agree to the terms of the certificate authority, to which \
         \"termsOfService\" at {0} leads"
    )]
    NotAgreed(String),
    /// Authorities give only so many certificates: each must outlast a restart.
    #[error(
        "--acme-domain needs --acme-folder, where the certificate is kept, such as /var/lib/passerby/acme"
    )]
    AcmeWithoutFolder,
    /// A certificate for nothing.
    #[error("--{0} says something of certificates, but not for which name: add --acme-domain")]
    AcmeWithoutDomain(&'static str),
    /// No authority takes more.
    #[error("--acme-domain: a certificate has 100 names at most")]
    TooManyDomains,
    /// Which of the two?
    #[error("--{0} and --{0}-file say the same: leave one of them out")]
    Twice(&'static str),
    /// A file with a secret is not there, or not for us to read.
    #[error("--{setting}: cannot read {path}: {reason}")]
    SecretFile {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Anybody could look in.
    #[error(
        "--admin-listen needs --admin-token-file or --admin-token, with at least 16 characters"
    )]
    AdminWithoutToken,
    /// A token for nothing.
    #[error("there is a token for the operator but no place to say it: add --admin-listen")]
    TokenWithoutAdmin,
    /// It names no Redis server.
    #[error("--redis: {0}")]
    Redis(AddressError),
    /// Which of them?
    #[error("--relay cannot be used with --no-relay")]
    RelayAndNoRelay,
    /// One would be banned before one is slowed down, for instance.
    #[error("--slow-at, --separate-at and --ban-at must not become smaller in this order")]
    StandingsOutOfOrder,
    /// Which one would clients be told?
    #[error("--relay-ip takes one address for IPv4 and one for IPv6")]
    TwoRelayIps,
}

impl TryFrom<Flags> for Settings {
    type Error = SettingsError;

    fn try_from(flags: Flags) -> Result<Self, SettingsError> {
        let turn_secret = one_of(
            "turn-secret",
            Some(flags.turn_secret).filter(|secrets| !secrets.is_empty()),
            secrets_in("turn-secret-file", flags.turn_secret_file)?,
        )?;
        let turn_credential = one_of(
            "turn-credential",
            flags.turn_credential,
            secret_in("turn-credential-file", flags.turn_credential_file)?,
        )?;
        match (&flags.turn_username, &turn_credential, &turn_secret) {
            (Some(_), _, Some(_)) => return Err(SettingsError::SecretAndUsername),
            (Some(_), None, _) => {
                return Err(SettingsError::HalfTurnCredentials("--turn-credential"));
            }
            (None, Some(_), _) => {
                return Err(SettingsError::HalfTurnCredentials("--turn-username"));
            }
            _ => {}
        }
        let has_secrets = turn_secret.is_some();
        let secrets = turn_secret.and_then(Secrets::new);
        if has_secrets && secrets.is_none() {
            return Err(SettingsError::EmptySecret);
        }
        // Here, as the environment may say no to one of them.
        if flags.relay.relay && flags.relay.no_relay {
            return Err(SettingsError::RelayAndNoRelay);
        }
        let ttl = Duration::from_secs(flags.turn_ttl.into());
        let relays = !flags.relay.no_relay && (flags.relay.relay || flags.turn.is_empty());
        let credentials = match (flags.turn_username, turn_credential, &secrets) {
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
        let files = match (flags.tls_cert, flags.tls_key) {
            (Some(certificate), Some(key)) => Some(TlsSettings { certificate, key }),
            (Some(_), None) => return Err(SettingsError::HalfTls("--tls-key")),
            (None, Some(_)) => return Err(SettingsError::HalfTls("--tls-cert")),
            (None, None) => None,
        };
        let tls = match (files, flags.acme.settings()?) {
            (Some(_), Some(_)) => return Err(SettingsError::AcmeAndFiles),
            (files, acme) => {
                (files.map(CertificateSource::Files)).or_else(|| acme.map(CertificateSource::Acme))
            }
        };
        let admin_token = one_of(
            "admin-token",
            flags.admin.admin_token,
            secret_in("admin-token-file", flags.admin.admin_token_file)?,
        )?;
        let admin = match (flags.admin.admin_listen, admin_token) {
            (Some(listen), Some(token)) if token.chars().count() >= MIN_TOKEN => {
                Some(AdminSettings { listen, token })
            }
            (Some(_), _) => return Err(SettingsError::AdminWithoutToken),
            (None, Some(_)) => return Err(SettingsError::TokenWithoutAdmin),
            (None, None) => None,
        };
        let redis = one_of(
            "redis",
            flags.cluster.redis,
            secret_in("redis-file", flags.cluster.redis_file.clone())?,
        )?;
        let redis = redis.map(|url| url.parse()).transpose();
        let redis = redis.map_err(|error: AddressError| match flags.cluster.redis_file {
            Some(path) => SettingsError::SecretFile {
                setting: "redis-file",
                path,
                reason: error.to_string(),
            },
            None => SettingsError::Redis(error),
        })?;
        let cluster = redis.map(|redis| ClusterSettings {
            redis,
            prefix: flags.cluster.redis_prefix,
            name: flags.cluster.node_name,
        });
        let reputation = flags.safety.policy();
        let is_ordered = reputation.slow_at <= reputation.separate_at
            && reputation.separate_at <= reputation.ban_at;
        if !is_ordered {
            return Err(SettingsError::StandingsOutOfOrder);
        }
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
            answer_deadline: Duration::from_secs(flags.answer_within.into()),
            grace: Duration::from_secs(flags.grace.into()),
            path_policy: flags.path_policy.into(),
            limits: Limits::of(
                flags.limits.max_frames.into(),
                flags.limits.max_kbytes.into(),
                flags.limits.max_nexts.into(),
                flags.limits.max_nexts_per_ip.into(),
                flags.limits.max_handshakes_per_ip.into(),
            ),
            proxies: Proxies {
                trusted: flags.limits.trust_proxy,
                header: flags.limits.proxy_header.into(),
            },
            origins: flags.limits.allow_origin,
            drain: Duration::from_secs(flags.admin.drain.into()),
            admin,
            store: flags.safety.store,
            appeal: flags.safety.appeal,
            reputation,
            newcomers: flags.newcomers.policy(),
            cluster,
            ..Self::default()
        })
    }
}

/// What was said, if it was said once.
fn one_of<T>(
    setting: &'static str,
    said: Option<T>,
    in_file: Option<T>,
) -> Result<Option<T>, SettingsError> {
    match (said, in_file) {
        (Some(_), Some(_)) => Err(SettingsError::Twice(setting)),
        (said, in_file) => Ok(said.or(in_file)),
    }
}

/// The secrets in a file, one in a line.
fn secrets_in(
    setting: &'static str,
    path: Option<PathBuf>,
) -> Result<Option<Vec<String>>, SettingsError> {
    let Some(path) = path else {
        return Ok(None);
    };
    let refusal = |path: &Path, reason: String| SettingsError::SecretFile {
        setting,
        path: path.to_owned(),
        reason,
    };
    let text = fs::read_to_string(&path).map_err(|error| refusal(&path, error.to_string()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let secrets: Vec<String> = lines.map(str::to_owned).collect();
    if secrets.is_empty() {
        return Err(refusal(&path, "there is nothing in it".to_owned()));
    }
    Ok(Some(secrets))
}

/// The one secret in a file.
fn secret_in(
    setting: &'static str,
    path: Option<PathBuf>,
) -> Result<Option<String>, SettingsError> {
    let Some(path) = path else {
        return Ok(None);
    };
    let secrets = secrets_in(setting, Some(path.clone()))?;
    match <[String; 1]>::try_from(secrets.unwrap_or_default()) {
        Ok([secret]) => Ok(Some(secret)),
        Err(_) => Err(SettingsError::SecretFile {
            setting,
            path,
            reason: "one line is wanted".to_owned(),
        }),
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

#[cfg(test)]
pub(crate) mod tests {
    use clap::Parser as _;
    use protocol::PathPolicy;

    use super::*;

    /// What these flags come to, or what is wrong with them.
    pub(crate) fn settings(flags: &[&str]) -> Result<Settings, String> {
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
        let limits = settings(&[]).unwrap().limits;
        assert_eq!(limits, Limits::default());
        let reputation = settings(&[]).unwrap().reputation;
        assert_eq!(reputation, crate::Policy::default());
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
            (&["--admin-listen=127.0.0.1:9"], "at least 16"),
            (
                &["--admin-listen=127.0.0.1:9", "--admin-token=short"],
                "at least 16",
            ),
            (&["--admin-token=0123456789abcdef"], "add --admin-listen"),
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
            (&["--trust-proxy=10.0.0.0/33"], "such as 127.0.0.1"),
            (&["--allow-origin=example.org"], "such as https://"),
            (
                &["--allow-origin=https://a.example/page"],
                "such as https://",
            ),
            (&["--grace=121"], "0..=120"),
            (&["--slow-at=5"], "must not become smaller"),
            (&["--separate-at=9"], "must not become smaller"),
            (&["--appeal= "], "such as: write to"),
            (&["--redis=10.0.0.5:6379"], "such as redis://"),
            (&["--redis=rediss://10.0.0.5"], "no TLS to Redis"),
            (
                &["--redis=redis://10.0.0.5", "--redis-prefix=a b"],
                "hyphens",
            ),
            (&["--path-policy=relay"], "relay-first"),
        ] {
            let error = settings(flags).expect_err("refused");
            assert!(error.contains(words), "{flags:?}: {error}");
        }
    }
}

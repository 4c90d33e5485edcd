//! What an operator may say, with its name and its limits. `settings_file.rs` lets it be said in a file too, and `resolve.rs`
//! makes [`Settings`](crate::Settings) of it.

mod acme;

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use clap::{Parser, ValueEnum, builder::BoolishValueParser};
use protocol::PathPolicy;

pub(crate) use acme::AcmeFlags;

use crate::{Network, NewcomerPolicy, Policy, ProxyHeader, StunUrl, TurnUrl, ice_servers::host_of};

/// The server of Passerby: it pairs strangers, relays what they need to find each other, and is the STUN and TURN server
/// for those whom NATs keep apart. It can read neither their pictures nor their voices nor their words.
#[derive(Debug, Parser)]
#[command(name = "passerby-server", version)]
pub struct Flags {
    /// A file with settings: TOML, with the names of the flags as keys (relay-port = 3478). Flags come before the environment,
    /// the environment before the file.
    #[arg(long, env = "PASSERBY_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Read all settings and the files that they name, print what holds and what is wrong, and end: with 0 if all is well,
    /// else with 2.
    #[arg(long)]
    pub check_config: bool,

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
    #[arg(long, env = "PASSERBY_TURN_USERNAME", value_name = "NAME")]
    pub turn_username: Option<String>,

    /// The password that belongs to the user name.
    #[arg(
        long,
        env = "PASSERBY_TURN_CREDENTIAL",
        hide_env_values = true,
        value_name = "PASSWORD"
    )]
    pub turn_credential: Option<String>,

    /// A file with that password.
    #[arg(long, env = "PASSERBY_TURN_CREDENTIAL_FILE", value_name = "FILE")]
    pub turn_credential_file: Option<PathBuf>,

    /// A secret with which every call gets TURN credentials of its own, shared with the TURN servers of --turn (coturn:
    /// static-auth-secret). May be given several times: the first makes credentials, the relay takes those of all.
    /// Without it the relay makes one up.
    #[arg(
        long,
        env = "PASSERBY_TURN_SECRET",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "SECRET"
    )]
    pub turn_secret: Vec<String>,

    /// A file with such secrets, one in a line.
    #[arg(long, env = "PASSERBY_TURN_SECRET_FILE", value_name = "FILE")]
    pub turn_secret_file: Option<PathBuf>,

    /// For how many seconds credentials made with the secret are good: longer than the longest call, which may need a new
    /// way at any time, and coturn asks for them again every few minutes.
    #[arg(long, env = "PASSERBY_TURN_TTL", default_value_t = 43_200, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(60..=604_800))]
    pub turn_ttl: u32,

    /// A PEM file with the certificate, and those that vouch for it: the server speaks TLS too then. Read again at SIGHUP.
    #[arg(long, env = "PASSERBY_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// A PEM file with the private key that belongs to the certificate.
    #[arg(long, env = "PASSERBY_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    #[command(flatten)]
    pub acme: AcmeFlags,

    #[command(flatten)]
    pub relay: RelayFlags,

    #[command(flatten)]
    pub admin: AdminFlags,

    #[command(flatten)]
    pub limits: LimitFlags,

    #[command(flatten)]
    pub safety: SafetyFlags,

    #[command(flatten)]
    pub newcomers: NewcomerFlags,

    #[command(flatten)]
    pub cluster: ClusterFlags,

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

    /// How many seconds two who are matched may take until one has answered the other; then they are parted, and each keeps
    /// the place in the queue.
    #[arg(long, env = "PASSERBY_ANSWER_WITHIN", default_value_t = 10, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(2..=120))]
    pub answer_within: u32,

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
        value_name = "FILTER",
        value_parser = log_filter
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

/// How the operator looks in.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "For the operator (/metrics and /admin)")]
pub struct AdminFlags {
    /// Address and port of a listener for the operator; it speaks HTTP without TLS. Without it there is none.
    #[arg(long, env = "PASSERBY_ADMIN_LISTEN", value_name = "ADDR:PORT")]
    pub admin_listen: Option<SocketAddr>,

    /// Who says it there sees the figures and may empty the server; at least 16 characters.
    #[arg(
        long,
        env = "PASSERBY_ADMIN_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    pub admin_token: Option<String>,

    /// A file with the token.
    #[arg(long, env = "PASSERBY_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,

    /// For how many seconds rooms may go on when the server is to end.
    #[arg(long, env = "PASSERBY_DRAIN", default_value_t = 5, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(0..=86_400))]
    pub drain: u32,
}

/// How often anything may be asked, and by whom. At once, after a pause, some times as much.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits, a second")]
pub struct LimitFlags {
    /// How many frames a client may send; what is more is dropped.
    #[arg(long, env = "PASSERBY_MAX_FRAMES", default_value_t = 30, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_frames: u32,

    /// How many kilobytes a client may send; whoever sends more is listened to later. At least one whole frame.
    #[arg(long, env = "PASSERBY_MAX_KBYTES", default_value_t = 128, value_name = "KBYTES",
          value_parser = clap::value_parser!(u32).range(17..=1_000_000))]
    pub max_kbytes: u32,

    /// How often a client may ask for a partner; whoever asks more often waits longer each time.
    #[arg(long, env = "PASSERBY_MAX_NEXTS", default_value_t = 1, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_nexts: u32,

    /// How often one address may ask for partners, unless it is a private one.
    #[arg(long, env = "PASSERBY_MAX_NEXTS_PER_IP", default_value_t = 20, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_nexts_per_ip: u32,

    /// How many TCP connections one address may make, unless it is a private one; what is more waits longer each time.
    #[arg(long, env = "PASSERBY_MAX_HANDSHAKES_PER_IP", default_value_t = 10, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_handshakes_per_ip: u32,

    /// A network in which proxies stand that are believed when they say for whom they ask, such as 127.0.0.1 or 10.0.0.0/8;
    /// may be given several times.
    #[arg(
        long,
        env = "PASSERBY_TRUST_PROXY",
        value_delimiter = ',',
        value_name = "NETWORK"
    )]
    pub trust_proxy: Vec<Network>,

    /// Where they say it: the header that they write themselves.
    #[arg(long, env = "PASSERBY_PROXY_HEADER", default_value = "x-forwarded-for")]
    pub proxy_header: ProxyHeaderFlag,

    /// A page (<https://example.org>) of which browsers may connect, besides those of this host; * is all. May be given
    /// several times.
    #[arg(
        long,
        env = "PASSERBY_ALLOW_ORIGIN",
        value_delimiter = ',',
        value_name = "ORIGIN",
        value_parser = origin
    )]
    pub allow_origin: Vec<String>,
}

/// What follows from reports. A report counts up to 1, by how long its sender is known, and others at the sender's address count
/// no more.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Reports and bans")]
pub struct SafetyFlags {
    /// A file for what must outlast a restart: reports, bans, blocks, and hashes of the keys by which people are known. It is made if it
    /// is not there. Without it all that is forgotten with the process.
    #[arg(long, env = "PASSERBY_STORE", value_name = "FILE")]
    pub store: Option<PathBuf>,

    /// What those are told who are banned and think that it is wrong: where to write, for instance. At most 1000 characters.
    #[arg(long, env = "PASSERBY_APPEAL", value_name = "TEXT", value_parser = appeal)]
    pub appeal: Option<String>,

    /// From how many reports on one waits longer for each partner.
    #[arg(long, env = "PASSERBY_SLOW_AT", default_value_t = 2, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub slow_at: u32,

    /// By how many seconds one waits longer then; 0 for not at all.
    #[arg(long, env = "PASSERBY_SLOW_BY", default_value_t = 5, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(0..=120))]
    pub slow_by: u32,

    /// From how many reports on one meets only others who are reported so often.
    #[arg(long, env = "PASSERBY_SEPARATE_AT", default_value_t = 4, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub separate_at: u32,

    /// From how many reports on one is banned.
    #[arg(long, env = "PASSERBY_BAN_AT", default_value_t = 8, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub ban_at: u32,

    /// For how many days one is banned after so many reports.
    #[arg(long, env = "PASSERBY_BAN_DAYS", default_value_t = 7, value_name = "DAYS",
          value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub ban_days: u32,

    /// After how many days a report counts half.
    #[arg(long, env = "PASSERBY_REPORT_HALF_LIFE", default_value_t = 7, value_name = "DAYS",
          value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub report_half_life: u32,

    /// For how many days reports are kept.
    #[arg(long, env = "PASSERBY_REPORT_DAYS", default_value_t = 60, value_name = "DAYS",
          value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub report_days: u32,
}

/// What those do first whose key is known for less than a day, or who have none, while many come at once: their computers work for a
/// moment.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Many newcomers at once")]
#[expect(clippy::struct_field_names, reason = "they are the flags' names")]
pub struct NewcomerFlags {
    /// How many newcomers may come in a minute without work; 0 for any number.
    #[arg(long, env = "PASSERBY_WORK_AT", default_value_t = 600, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub work_at: u32,

    /// How many may come from one address, unless it is a private one; 0 for any number.
    #[arg(long, env = "PASSERBY_WORK_AT_PER_IP", default_value_t = 60, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub work_at_per_ip: u32,

    /// The most that one works, as a power of two: so many hashes, of which slow computers make a million a second.
    #[arg(long, env = "PASSERBY_WORK_BITS", default_value_t = 20, value_name = "BITS",
          value_parser = clap::value_parser!(u32).range(10..=i64::from(protocol::limits::WORK_BITS)))]
    pub work_bits: u32,
}

impl NewcomerFlags {
    pub(crate) const fn policy(&self) -> NewcomerPolicy {
        NewcomerPolicy {
            per_minute: self.work_at,
            per_minute_per_ip: self.work_at_per_ip,
            most_bits: self.work_bits,
        }
    }
}

/// How several servers are one.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Several servers as one")]
pub struct ClusterFlags {
    /// A Redis server (7 or later) by which several servers are one, such as <redis://:PASSWORD@10.0.0.5:6379>. Without it this
    /// one is alone.
    #[arg(
        long,
        env = "PASSERBY_REDIS",
        hide_env_values = true,
        value_name = "URL",
        value_parser = redis_url
    )]
    pub redis: Option<String>,

    /// A file with that URL.
    #[arg(long, env = "PASSERBY_REDIS_FILE", value_name = "FILE")]
    pub redis_file: Option<PathBuf>,

    /// A word for these servers together, if others use the same Redis.
    #[arg(long, env = "PASSERBY_REDIS_PREFIX", default_value = "passerby", value_name = "WORD", value_parser = word)]
    pub redis_prefix: String,

    /// What this server is called where all are shown [default: a random number]
    #[arg(long, env = "PASSERBY_NODE_NAME", value_name = "NAME", value_parser = word)]
    pub node_name: Option<String>,
}

/// Looks whether it names a Redis server.
fn redis_url(text: &str) -> Result<String, String> {
    match text.parse::<cluster::redis::Address>() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Looks whether it is a word.
fn word(text: &str) -> Result<String, String> {
    let is_part = |character: char| character.is_alphanumeric() || "-_.".contains(character);
    if (1..=64).contains(&text.chars().count()) && text.chars().all(is_part) {
        return Ok(text.to_owned());
    }
    Err("up to 64 letters, digits, hyphens, points and underscores are wanted".to_owned())
}

impl SafetyFlags {
    pub(crate) fn policy(&self) -> Policy {
        let days = |days: u32| Duration::from_hours(24) * days;
        Policy {
            slow_at: self.slow_at.into(),
            separate_at: self.separate_at.into(),
            ban_at: self.ban_at.into(),
            half_life: days(self.report_half_life),
            ban_for: days(self.ban_days),
            slow_by: Duration::from_secs(self.slow_by.into()),
            keep_for: days(self.report_days),
        }
    }
}

/// Looks whether it fits into a message.
fn appeal(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err("words are wanted, such as: write to appeals@example.org".to_owned()),
        count if count > protocol::limits::BAN_WORDS_CHARS => Err(format!(
            "at most 1000 characters are wanted, and these are {count}"
        )),
        _ => Ok(text.to_owned()),
    }
}

/// Where proxies say for whom they ask: [`ProxyHeader`] as a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProxyHeaderFlag {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl From<ProxyHeaderFlag> for ProxyHeader {
    fn from(flag: ProxyHeaderFlag) -> Self {
        match flag {
            ProxyHeaderFlag::XForwardedFor => Self::XForwardedFor,
            ProxyHeaderFlag::Forwarded => Self::Forwarded,
        }
    }
}

/// Reads what a browser says in `Origin` (RFC 6454 section 6.2).
fn origin(text: &str) -> Result<String, String> {
    let place = (text.strip_prefix("https://")).or_else(|| text.strip_prefix("http://"));
    let is_place = |place: &str| !place.is_empty() && !place.contains(['/', '?', '#', '@', ' ']);
    if text == "*" || place.is_some_and(is_place) {
        return Ok(text.to_ascii_lowercase());
    }
    Err("scheme, name and port of a page are wanted, such as https://example.org".to_owned())
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

/// Looks whether it is a filter.
fn log_filter(text: &str) -> Result<String, String> {
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!(
            "{error}; a level is wanted, such as warn, or server=debug"
        )),
    }
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

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

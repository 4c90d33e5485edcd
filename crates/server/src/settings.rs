//! What an operator decides, in checked types.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use ::relay::Rate;
use protocol::PathPolicy;

use crate::{
    AdminSettings, CertificateSource, ClusterSettings, NewcomerPolicy, Policy, Proxies,
    RelaySettings, StoreError, StunUrl, TlsError, Turn, safety::Store,
};

/// What an operator decides.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one. The default is the loopback interface: reaching it from outside,
    /// directly or through a proxy, is a decision.
    pub listen: Vec<SocketAddr>,
    /// The certificate with which the server speaks TLS too, at every port. Without it, it speaks none.
    pub tls: Option<CertificateSource>,
    /// The STUN and TURN server beside the signalling. `None` by default, unlike the program's: programs that bring their
    /// own server mostly need none.
    pub relay: Option<RelaySettings>,
    /// STUN servers that clients are told to use.
    pub stun: Vec<StunUrl>,
    /// TURN servers that clients are told to use.
    pub turn: Option<Turn>,
    /// How many WebSockets may be open at once. Each takes some 6 kB of memory, 14 with TLS and more while it talks, and a file descriptor.
    pub max_connections: usize,
    /// How many WebSockets one address (IPv6: one /64) may have, if it is not a private one. Too small: people behind one
    /// NAT are refused.
    pub max_per_ip: usize,
    /// Whether private addresses are limited too. Not by default: from the address of a proxy comes everybody.
    pub limits_private_ips: bool,
    /// How many TCP connections from one address (IPv6: one /64) may be open that are not, or not yet, signalling: those
    /// that have said nothing, and clients of the relay.
    pub max_others_per_ip: usize,
    /// How often a client is pinged. One who waits for a partner and is silent for two of these is gone, since strangers
    /// are matched with him; anybody else is after six.
    ///
    /// Short: traffic on mobile networks. Long: people are matched with ghosts.
    pub heartbeat: Duration,
    /// How long a client may take from the connection to its `hello`.
    pub hello_deadline: Duration,
    /// How long a client may take to read what the server has for it before it counts as gone.
    pub write_deadline: Duration,
    /// How long two who are matched may take until one has answered the other. Then they are parted, and each keeps the place
    /// in the queue. Short: a slow network has no chance. Long: a person waits for one who is not there.
    pub answer_deadline: Duration,
    /// For how long a client whose connection is lost may come back to its room and to what was said meanwhile; zero
    /// keeps nothing. At most as many are waited for as may be connected.
    ///
    /// Short: who changes networks loses the room. Long: somebody faces a picture that stands still.
    pub grace: Duration,
    /// Which paths calls may take.
    pub path_policy: PathPolicy,
    /// How long rooms may go on when the server is to end; those who are in none are sent away at once.
    pub drain: Duration,
    /// Where the operator may look in, if anywhere.
    pub admin: Option<AdminSettings>,
    /// How often anything may be asked.
    pub limits: Limits,
    /// Which proxies stand in front.
    pub proxies: Proxies,
    /// Pages of which browsers may connect, besides those of this host; `*` is all. Other programs name no page.
    pub origins: Vec<String>,
    /// The file with what outlasts a restart: keys, reports, bans, blocks. Without it that is forgotten with the process.
    pub store: Option<PathBuf>,
    /// When reports have which consequences.
    pub reputation: Policy,
    /// When newcomers work before they meet anybody. Never by default, unlike the program's.
    pub newcomers: NewcomerPolicy,
    /// What those are told who are banned and think that it is wrong.
    pub appeal: Option<String>,
    /// The Redis by which several servers are one, if this is one of several.
    pub cluster: Option<ClusterSettings>,
    /// How choosy the matchmaker is.
    pub matching: matchmaker::Config,
}

/// How often anything may be asked. What is more is put off, for longer each time and 5 seconds at most; only frames are
/// dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Frames of one client. A call's set-up takes some thirty from each side (descriptions and trickled candidates).
    pub frames: Rate,
    /// Bytes in the frames of one client. A call's set-up takes some ten thousand.
    pub bytes: Rate,
    /// Each `join` and `next` of one client. People look at a stranger for a moment; robots do not.
    pub nexts: Rate,
    /// Each `join` and `next` from one address. Too small: people behind one NAT wait for each other.
    pub nexts_per_ip: Rate,
    /// TCP connections from one address.
    pub handshakes_per_ip: Rate,
}

impl Limits {
    /// So many frames a second, kilobytes a second, and so on; at once a fixed multiple of each.
    pub(crate) const fn of(
        frames: u64,
        kbytes: u64,
        nexts: u64,
        nexts_per_ip: u64,
        handshakes_per_ip: u64,
    ) -> Self {
        const fn rate(per_second: u64, seconds: u64) -> Rate {
            Rate {
                per_second,
                burst: per_second * seconds,
            }
        }
        Self {
            frames: rate(frames, 4),
            bytes: rate(kbytes * 1000, 4),
            nexts: rate(nexts, 20),
            nexts_per_ip: rate(nexts_per_ip, 10),
            handshakes_per_ip: rate(handshakes_per_ip, 6),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::of(30, 128, 1, 20, 10)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))],
            tls: None,
            relay: None,
            stun: Vec::new(),
            turn: None,
            max_connections: 10_000,
            max_per_ip: 256,
            limits_private_ips: false,
            max_others_per_ip: 256,
            heartbeat: Duration::from_secs(5),
            hello_deadline: Duration::from_secs(5),
            write_deadline: Duration::from_secs(10),
            answer_deadline: Duration::from_secs(10),
            grace: Duration::from_secs(20),
            path_policy: PathPolicy::Any,
            drain: Duration::from_secs(5),
            admin: None,
            limits: Limits::default(),
            proxies: Proxies::default(),
            origins: Vec::new(),
            store: None,
            reputation: Policy::default(),
            newcomers: NewcomerPolicy::OFF,
            appeal: None,
            cluster: None,
            matching: matchmaker::Config::default(),
        }
    }
}

/// What is wrong with a file that the settings name.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The certificate or its key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Settings {
    /// Reads the files that the settings name and that are read only later. Makes and changes none.
    pub fn check_files(&self) -> Result<(), FilesError> {
        if let Some(source) = &self.tls {
            source.check()?;
        }
        match &self.store {
            Some(path) => Ok(Store::check(path)?),
            None => Ok(()),
        }
    }

    /// How long one who waits for a partner may be silent.
    pub(crate) fn waiting_silence(&self) -> Duration {
        self.heartbeat * 2
    }

    /// How long anybody else may be silent.
    pub(crate) fn silence(&self) -> Duration {
        self.heartbeat * 6
    }
}

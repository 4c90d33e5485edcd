//! What all sockets of one peer know of its paths, and which datagrams they let pass.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::checks::{Checks, PairChecks, PairKey};
use super::cookie::Cookie;
use super::datagram::{Content, Datagram, payload, wrapped_as_arrival};
use super::hold::Hold;
use super::inbox::Inbox;
use super::introductions::{self, INTRODUCTION, Introductions};
use super::nomination::Nomination;
use super::relay_gate::RelayGate;
use super::signature::Signer;
use super::stun::{self, Message};
use crate::CandidateKind;
use crate::stats::{PairState, PairStats, RoundTrip};

/// Candidates of the partner that are remembered: twice as many as it may have, as it may change.
const MAX_REMOTE_CANDIDATES: usize = 128;

/// How long a check may go unanswered before its pair counts as failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// Messages of a kind that wait at most: more than a flight of the handshake, and a check of each of many pairs.
const MAX_EARLY: usize = 32;

/// Messages that came before the stack could use them.
type Early = VecDeque<(Arc<Inbox>, SocketAddr, Vec<u8>)>;

/// What becomes of an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Pass,
    /// It is kept until the stack takes it.
    Hold,
    Drop,
}

/// The ends of a pair, as the stack names them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    /// The socket that packets leave from.
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    /// Whether they go to a relay of ours first.
    pub(crate) is_relayed: bool,
}

/// Shared by the sockets of one peer.
#[derive(Debug)]
pub(crate) struct Paths {
    /// Nothing may go to or come from anybody but the servers.
    is_shielded: AtomicBool,
    /// No pair is selected: relayed paths have to wait their turn.
    is_connecting: AtomicBool,
    /// Whether anything may be wanted by the hold; spares the lock otherwise.
    is_holding: AtomicBool,
    /// Whether packets wait whose streams are being introduced.
    is_introducing: AtomicBool,
    /// The path fell silent, and has not come back.
    is_lost: AtomicBool,
    last_arrival_us: AtomicU64,
    opened_at: Instant,
    /// What our stack asks a client for, if the partner was told.
    cookie: Option<Cookie>,
    round_trip: Arc<RoundTrip>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The addresses of STUN and TURN servers, made-up ones included.
    servers: BTreeSet<SocketAddr>,
    /// Where the partner says that its addresses are from.
    remote_kinds: BTreeMap<SocketAddr, CandidateKind>,
    checks: Checks,
    gate: RelayGate,
    nomination: Nomination,
    /// Handshake messages that came before the stack had a pair.
    early: Early,
    /// Checks that came before the partner's description.
    early_checks: Early,
    /// Whether the partner's description of this generation is known.
    is_partner_known: bool,
    /// What the partner's stack asks a client for, if it told us.
    remote_cookie: Option<Cookie>,
    hold: Hold<(Arc<Inbox>, SocketAddr)>,
    introductions: Introductions,
    /// Relayed packets of streams that are being introduced.
    waiting: Hold<(Arc<Inbox>, SocketAddr)>,
    relay: Option<SocketAddr>,
}

impl Paths {
    pub(crate) fn new(
        is_shielded: bool,
        nominates_at_once: bool,
        cookie: Option<Cookie>,
        now: Instant,
    ) -> Self {
        Self {
            is_shielded: AtomicBool::new(is_shielded),
            is_connecting: AtomicBool::new(true),
            is_holding: AtomicBool::new(true),
            is_introducing: AtomicBool::new(false),
            is_lost: AtomicBool::new(false),
            last_arrival_us: AtomicU64::new(0),
            opened_at: now,
            cookie,
            round_trip: Arc::default(),
            state: Mutex::new(State {
                servers: BTreeSet::new(),
                remote_kinds: BTreeMap::new(),
                checks: Checks::default(),
                gate: RelayGate::default(),
                nomination: Nomination::new(nominates_at_once),
                early: Early::new(),
                early_checks: Early::new(),
                is_partner_known: false,
                remote_cookie: None,
                hold: Hold::new(),
                introductions: Introductions::default(),
                waiting: Hold::new(),
                relay: None,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether only relays may be used from now on.
    pub(crate) fn set_shield(&self, is_shielded: bool) {
        self.is_shielded.store(is_shielded, Ordering::Relaxed);
    }

    /// These are a server's.
    pub(super) fn on_resolved(&self, addresses: &[SocketAddr]) {
        self.lock().servers.extend(addresses);
    }

    /// A generation of candidates begins (RFC 8445 section 9): media has no path until it is connected.
    pub(crate) fn on_restart(&self) {
        let mut state = self.lock();
        state.gate.restart();
        state.nomination.restart();
        state.early.clear();
        state.early_checks.clear();
        state.is_partner_known = false;
        state.remote_kinds.clear();
        state.checks.forget_pairs();
        state.hold.on_restart();
        self.is_connecting.store(true, Ordering::Relaxed);
        self.is_holding.store(true, Ordering::Relaxed);
    }

    /// The partner told its password (RFC 8839 section 5.4).
    pub(crate) fn on_remote_password(&self, password: &str) {
        self.lock().nomination.set_password(password);
    }

    /// The cookie to tell the partner of.
    pub(crate) fn cookie(&self) -> Option<Cookie> {
        self.cookie
    }

    /// The partner told of its cookie, or of none.
    pub(crate) fn on_remote_cookie(&self, cookie: Option<Cookie>) {
        // Whoever tells of none does not use one.
        self.lock().remote_cookie = cookie.filter(|_| self.cookie.is_some());
    }

    /// What the stack gets in answer to a message of the handshake, instead of its leaving.
    pub(super) fn answer_hello(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let cookie = self.lock().remote_cookie?;
        let answer = cookie.answer(payload(bytes))?;
        Some(wrapped_as_arrival(bytes, &answer))
    }

    /// The stack has the partner's description. Checks that came before it are handed over (RFC 8445 section 7.3).
    pub(crate) fn on_remote_description(&self) {
        let mut state = self.lock();
        state.is_partner_known = true;
        for (inbox, from, bytes) in std::mem::take(&mut state.early_checks) {
            inbox.push(from, bytes);
        }
    }

    /// The partner told of a candidate (RFC 8839 section 5.1).
    pub(crate) fn on_remote_candidate(&self, candidate: &str) {
        let words: Vec<&str> = candidate.split_whitespace().collect();
        let [_, _, _, priority, address, port, "typ", kind, ..] = words.as_slice() else {
            return;
        };
        let kind = match *kind {
            "host" => CandidateKind::Host,
            "srflx" => CandidateKind::ServerReflexive,
            "relay" => CandidateKind::Relay,
            _ => CandidateKind::PeerReflexive,
        };
        let mut state = self.lock();
        state.gate.on_remote_candidate(kind == CandidateKind::Relay);
        if state.remote_kinds.len() < MAX_REMOTE_CANDIDATES
            && let (Ok(ip), Ok(port)) = (address.parse::<IpAddr>(), port.parse())
        {
            let address = SocketAddr::new(ip, port);
            state.remote_kinds.insert(address, kind);
            let priority = priority.parse().unwrap_or(0);
            (state.nomination).on_remote_candidate(address, kind, priority);
        }
    }

    /// The partner has told of all its candidates.
    pub(crate) fn on_end_of_remote_candidates(&self) {
        self.lock().gate.on_end_of_candidates();
    }

    /// The stack takes media. What waited is handed over.
    pub(crate) fn on_connected(self: &Arc<Self>, now: Instant) {
        self.is_connecting.store(false, Ordering::Relaxed);
        let mut state = self.lock();
        for ((inbox, from), bytes) in state.hold.release(now) {
            let datagram = Datagram::classify(&bytes);
            if !self.introduce(&mut state, &inbox, from, datagram, &bytes, now) {
                inbox.push_admitted(from, bytes);
            }
        }
        self.is_holding.store(false, Ordering::Relaxed);
    }

    /// Whether a relayed packet waits until the stack knows its stream.
    fn introduce(
        self: &Arc<Self>,
        state: &mut State,
        inbox: &Arc<Inbox>,
        from: SocketAddr,
        datagram: Datagram,
        bytes: &[u8],
        now: Instant,
    ) -> bool {
        if !datagram.is_wrapped || datagram.content != Content::Media {
            return false;
        }
        let Some(ssrc) = introductions::ssrc(payload(bytes)) else {
            return false;
        };
        let must_wait = state.introductions.must_wait(ssrc, now);
        if must_wait {
            state.waiting.keep((Arc::clone(inbox), from), bytes, now);
            if !self.is_introducing.swap(true, Ordering::Relaxed) {
                let paths = Arc::clone(self);
                tokio::spawn(async move {
                    tokio::time::sleep(INTRODUCTION).await;
                    paths.end_introduction(Instant::now());
                });
            }
        }
        must_wait
    }

    fn end_introduction(&self, now: Instant) {
        let mut state = self.lock();
        self.is_introducing.store(false, Ordering::Relaxed);
        for ((inbox, from), bytes) in state.waiting.release(now) {
            inbox.push_admitted(from, bytes);
        }
    }

    /// The last round trip of a connectivity check.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trip.get()
    }

    /// The same, kept up to date.
    pub(crate) fn shared_round_trip(&self) -> Arc<RoundTrip> {
        Arc::clone(&self.round_trip)
    }

    /// The relay through which the last check left. Once a pair is selected, only that is checked.
    pub(crate) fn relay_in_use(&self) -> Option<SocketAddr> {
        self.lock().relay
    }

    /// The pairs that were tried since the last restart, `selected` by the addresses of its ends among them.
    pub(crate) fn pairs(&self, selected: Option<Ends>, now: Instant) -> Vec<PairStats> {
        let state = self.lock();
        let stats = |(pair, checks): (PairKey, PairChecks)| {
            let kind = state.remote_kinds.get(&pair.remote);
            let is_answered = checks.round_trip.is_some();
            let is_late = now.saturating_duration_since(checks.sent_at) > CHECK_TIMEOUT;
            let is_selected = |ends: Ends| {
                ends.is_relayed == pair.relay.is_some()
                    && ends.remote == pair.remote
                    && (ends.is_relayed || ends.local == pair.local)
            };
            PairStats {
                local: match pair.relay {
                    Some(_) => CandidateKind::Relay,
                    None => CandidateKind::Host,
                },
                remote: kind.copied().unwrap_or(CandidateKind::PeerReflexive),
                state: match (is_answered, is_late) {
                    (true, _) => PairState::Succeeded,
                    (false, false) => PairState::InProgress,
                    (false, true) => PairState::Failed,
                },
                round_trip: checks.round_trip,
                is_selected: selected.is_some_and(is_selected),
            }
        };
        state.checks.pairs().map(stats).collect()
    }

    /// How long nothing has come from the partner.
    pub(crate) fn silence(&self, now: Instant) -> Duration {
        let last =
            self.opened_at + Duration::from_micros(self.last_arrival_us.load(Ordering::Relaxed));
        now.saturating_duration_since(last)
    }

    /// Whether the path has fallen silent.
    pub(crate) fn set_lost(&self, is_lost: bool) {
        self.is_lost.store(is_lost, Ordering::Relaxed);
    }

    /// Whether the path that there was is of no use, nor perhaps the sockets that it used.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    /// Whether this is the address of a STUN or TURN server.
    pub(super) fn is_server(&self, address: SocketAddr) -> bool {
        self.lock().servers.contains(&address)
    }

    /// Whether a datagram may leave.
    pub(super) fn may_send(&self, to: SocketAddr) -> bool {
        !self.is_shielded.load(Ordering::Relaxed) || self.is_server(to)
    }

    /// What leaves instead of a datagram, if anything does.
    pub(super) fn rewrite(
        &self,
        local: SocketAddr,
        to: SocketAddr,
        bytes: &[u8],
        now: Instant,
    ) -> Option<Vec<u8>> {
        if !bytes.starts_with(&stun::BINDING_REQUEST.to_be_bytes())
            || !self.is_connecting.load(Ordering::Relaxed)
        {
            return None;
        }
        let mut state = self.lock();
        if !self.may_nominate(&state, to) {
            return None;
        }
        let rewritten = state.nomination.rewrite((local, to), bytes, now)?;
        state.nomination.on_rewritten(&rewritten);
        Some(rewritten)
    }

    /// A datagram left. Returns what is to follow it.
    pub(super) fn on_sent(
        &self,
        inbox: &Arc<Inbox>,
        local: SocketAddr,
        to: SocketAddr,
        datagram: Datagram,
        bytes: &[u8],
        now: Instant,
    ) -> Option<Vec<u8>> {
        if !matches!(datagram.content, Content::Check | Content::TurnControl) {
            return None;
        }
        let mut state = self.lock();
        if datagram.content == Content::TurnControl {
            if let Some(message) = Message::read(bytes) {
                state.checks.on_channel_bind(local, to, message);
            }
            return None;
        }
        if datagram.is_wrapped || !state.servers.contains(&to) {
            if datagram.is_wrapped {
                state.relay = Some(to);
            }
            state.gate.on_check(now);
            state.checks.on_sent(local, to, bytes, now);
        }
        if datagram.is_wrapped {
            return None;
        }
        if let Some(answer) = state.nomination.on_sent((local, to), bytes) {
            inbox.push_admitted(to, answer);
            state.release_early();
        }
        let is_answer = bytes.starts_with(&stun::BINDING_SUCCESS.to_be_bytes());
        if !is_answer || !self.may_nominate(&state, to) {
            return None;
        }
        let transaction = Signer::new_transaction();
        let check = (state.nomination).triggered((local, to), transaction, now)?;
        state.checks.on_sent(local, to, &check, now);
        Some(check)
    }

    fn may_nominate(&self, state: &State, to: SocketAddr) -> bool {
        self.is_connecting.load(Ordering::Relaxed)
            && !self.is_shielded.load(Ordering::Relaxed)
            && !state.servers.contains(&to)
    }

    /// A datagram came: what becomes of it. One to be held is already kept afterwards.
    pub(super) fn on_received(
        self: &Arc<Self>,
        inbox: &Arc<Inbox>,
        local: SocketAddr,
        from: SocketAddr,
        datagram: Datagram,
        bytes: &[u8],
        now: Instant,
    ) -> Fate {
        if self.is_shielded.load(Ordering::Relaxed) && !self.is_server(from) {
            return Fate::Drop;
        }
        if matches!(
            datagram.content,
            Content::Media | Content::DtlsRecord | Content::Handshake | Content::Check
        ) {
            let since = now.saturating_duration_since(self.opened_at);
            self.last_arrival_us
                .store(since.as_micros() as u64, Ordering::Relaxed);
        }
        if datagram.content == Content::Check {
            let mut state = self.lock();
            let is_request = payload(bytes).starts_with(&stun::BINDING_REQUEST.to_be_bytes());
            if is_request {
                state.gate.on_check_of_partner();
            }
            if is_request && !state.is_partner_known {
                if state.early_checks.len() >= MAX_EARLY {
                    state.early_checks.pop_front();
                }
                let early = (Arc::clone(inbox), from, bytes.to_vec());
                state.early_checks.push_back(early);
                return Fate::Hold;
            }
            if is_request && !datagram.is_wrapped {
                state.nomination.on_request((local, from), bytes);
            }
            let Some(round_trip) = state.checks.on_received(payload(bytes), now) else {
                return Fate::Pass;
            };
            self.round_trip.set(round_trip);
            let is_relayed =
                datagram.is_wrapped || state.remote_kinds.get(&from) == Some(&CandidateKind::Relay);
            if is_relayed {
                state.gate.on_round_trip(round_trip);
                let may_pass = !self.is_connecting.load(Ordering::Relaxed)
                    || self.is_shielded.load(Ordering::Relaxed)
                    || state.gate.is_open(now);
                if !may_pass {
                    return Fate::Drop;
                }
            }
            let pair = (!is_relayed).then_some((local, from));
            let verdict = state.nomination.on_answer(pair, payload(bytes), now);
            for made in verdict.made {
                // After the answer that it follows from.
                inbox.push_admitted(from, made);
            }
            if verdict.is_settled {
                state.release_early();
            }
            return if verdict.is_dropped {
                Fate::Drop
            } else {
                Fate::Pass
            };
        }
        if datagram.content == Content::Handshake && self.is_connecting.load(Ordering::Relaxed) {
            let first_hello = self
                .cookie
                .and_then(|cookie| cookie.first_hello(payload(bytes)));
            let first_hello = first_hello.map(|first| wrapped_as_arrival(bytes, &first));
            let mut state = self.lock();
            let must_wait = state.nomination.is_under_way(now);
            let is_kept = must_wait || first_hello.is_some();
            if is_kept {
                for message in first_hello.into_iter().chain([bytes.to_vec()]) {
                    if state.early.len() < MAX_EARLY {
                        let early = (Arc::clone(inbox), from, message);
                        state.early.push_back(early);
                    }
                }
            }
            if !must_wait {
                state.release_early();
            }
            if is_kept {
                return Fate::Hold;
            }
        }
        if self.is_holding.load(Ordering::Relaxed) {
            let mut state = self.lock();
            if state.hold.wants(datagram.content) {
                state.hold.keep((Arc::clone(inbox), from), bytes, now);
                return Fate::Hold;
            }
        }
        if datagram.is_wrapped
            && datagram.content == Content::Media
            && self.introduce(&mut self.lock(), inbox, from, datagram, bytes, now)
        {
            return Fate::Hold;
        }
        Fate::Pass
    }
}

impl State {
    /// The stack has a pair by the time that it reads these.
    fn release_early(&mut self) {
        for (inbox, from, bytes) in self.early.drain(..) {
            inbox.push_admitted(from, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::signature::{self, Signer};

    const RELAY: &str = "candidate:1 1 udp 1 192.0.2.9 4000 typ relay raddr 0.0.0.0 rport 9";
    const HOST: &str = "candidate:1 1 udp 1 198.51.100.3 4000 typ host";

    struct Socket {
        paths: Arc<Paths>,
        inbox: Arc<Inbox>,
        now: Instant,
    }

    impl Socket {
        fn new(is_shielded: bool) -> Self {
            let now = Instant::now();
            Self {
                paths: Arc::new(Paths::new(is_shielded, true, None, now)),
                inbox: Arc::default(),
                now,
            }
        }

        fn send(&self, to: &str, bytes: &[u8]) {
            let datagram = Datagram::classify(bytes);
            let (local, to) = ("10.0.0.1:9".parse().unwrap(), to.parse().unwrap());
            self.paths
                .on_sent(&self.inbox, local, to, datagram, bytes, self.now);
        }

        fn receive(&self, from: &str, bytes: &[u8], after_ms: u64) -> Fate {
            let now = self.now + Duration::from_millis(after_ms);
            let (local, from) = ("10.0.0.1:9".parse().unwrap(), from.parse().unwrap());
            let datagram = Datagram::classify(bytes);
            self.paths
                .on_received(&self.inbox, local, from, datagram, bytes, now)
        }
    }

    fn check(kind: u16) -> Vec<u8> {
        stun::write(kind, [5; 12], &[])
    }

    #[test]
    fn a_shield_lets_nothing_pass_but_from_and_to_servers() {
        let socket = Socket::new(true);
        let server = "203.0.113.1:3478".parse().unwrap();
        let partner = "198.51.100.3:4000".parse().unwrap();
        socket.paths.on_resolved(&[server]);
        socket.paths.on_remote_description();
        assert!(socket.paths.may_send(server) && !socket.paths.may_send(partner));
        let request = check(stun::BINDING_REQUEST);
        assert_eq!(socket.receive("198.51.100.3:4000", &request, 0), Fate::Drop);
        assert_eq!(socket.receive("203.0.113.1:3478", &request, 0), Fate::Pass);
        socket.paths.set_shield(false);
        assert!(socket.paths.may_send(partner));
        assert_eq!(socket.receive("198.51.100.3:4000", &request, 0), Fate::Pass);
    }

    #[test]
    fn answers_of_a_relayed_candidate_wait_while_a_direct_path_may_be_found() {
        let socket = Socket::new(false);
        socket.paths.on_remote_candidate(RELAY);
        socket.paths.on_remote_candidate(HOST);
        let (request, answer) = (check(stun::BINDING_REQUEST), check(stun::BINDING_SUCCESS));
        socket.send("192.0.2.9:4000", &request);
        assert_eq!(socket.receive("192.0.2.9:4000", &answer, 10), Fate::Drop);
        socket.send("192.0.2.9:4000", &request);
        assert_eq!(socket.receive("192.0.2.9:4000", &answer, 500), Fate::Pass);
        socket.paths.on_restart();
        socket.paths.on_remote_candidate(RELAY);
        socket.send("198.51.100.3:4000", &request);
        assert_eq!(
            socket.receive("198.51.100.3:4000", &answer, 1),
            Fate::Pass,
            "a direct path need not wait"
        );
    }

    #[test]
    fn once_connected_answers_through_a_relay_pass() {
        let socket = Socket::new(false);
        socket.paths.on_connected(socket.now);
        let wrap = |kind, content| {
            let peer = (stun::XOR_PEER_ADDRESS, &[0, 1, 0, 0, 1, 2, 3, 4][..]);
            stun::write(kind, [0; 12], &[peer, (stun::DATA, &check(content))])
        };
        let request = wrap(stun::SEND_INDICATION, stun::BINDING_REQUEST);
        socket.send("203.0.113.1:3478", &request);
        let answer = wrap(stun::DATA_INDICATION, stun::BINDING_SUCCESS);
        assert_eq!(socket.receive("203.0.113.1:3478", &answer, 0), Fate::Pass);
        assert_eq!(socket.paths.round_trip(), Some(Duration::ZERO));
    }

    #[test]
    fn checks_that_come_before_the_partners_description_wait_for_it() {
        let socket = Socket::new(false);
        let request = check(stun::BINDING_REQUEST);
        let context = std::task::Context::from_waker(std::task::Waker::noop());
        let partner = "198.51.100.3:4000";
        for _ in 0..2 {
            assert_eq!(socket.receive(partner, &request, 0), Fate::Hold);
            socket.paths.on_remote_description();
            let arrival = socket.inbox.poll(&context).expect("handed over");
            assert_eq!(arrival.bytes, request);
            assert!(!arrival.is_admitted, "to be looked at again");
            assert_eq!(socket.receive(partner, &request, 0), Fate::Pass);
            assert!(socket.inbox.poll(&context).is_none());
            socket.paths.on_restart();
        }
        for _ in 0..1000 {
            socket.receive(partner, &request, 0);
        }
        assert_eq!(socket.paths.lock().early_checks.len(), MAX_EARLY);
    }

    #[test]
    fn media_that_comes_too_early_is_handed_over_later() {
        let socket = Socket::new(false);
        assert_eq!(
            socket.receive("198.51.100.3:4000", &[0x80, 1], 0),
            Fate::Hold
        );
        socket.paths.on_connected(socket.now);
        let context = std::task::Context::from_waker(std::task::Waker::noop());
        let arrival = socket.inbox.poll(&context).expect("handed over");
        assert_eq!(arrival.bytes, [0x80, 1]);
        assert!(arrival.is_admitted);
        assert_eq!(
            socket.receive("198.51.100.3:4000", &[0x80, 2], 0),
            Fate::Pass
        );
    }

    #[test]
    fn a_handshake_that_comes_before_the_stack_has_a_pair_waits_for_that() {
        let socket = Socket::new(false);
        let signer = Signer::new("theirs").unwrap();
        let partner = "198.51.100.3:4000";
        socket.paths.on_remote_password("theirs");
        socket.paths.on_remote_candidate(HOST);
        socket.send(partner, &check(stun::BINDING_SUCCESS));
        let local = "10.0.0.1:9".parse().unwrap();
        let rewrite = |bytes: &[u8]| {
            let to = partner.parse().unwrap();
            socket.paths.rewrite(local, to, bytes, socket.now)
        };
        let controlling = [(stun::ICE_CONTROLLING, &[0; 8][..])];
        let plain = signature::check(&signer, 1, &controlling);
        let nominating = rewrite(&plain).expect("the pair works");
        socket.send(partner, &nominating);
        assert_eq!(socket.receive(partner, &[22, 254, 253], 1), Fate::Hold);
        let agreed = signer
            .answer([1; 12], "192.0.2.7:9".parse().unwrap())
            .unwrap();
        assert_eq!(socket.receive(partner, &agreed, 1), Fate::Pass);
        let own = signer
            .nominate(&signature::check(&signer, 2, &controlling), [2; 12])
            .unwrap();
        assert_eq!(rewrite(&own), None);
        socket.send(partner, &own);

        let context = std::task::Context::from_waker(std::task::Waker::noop());
        let next = || socket.inbox.poll(&context).expect("handed over").bytes;
        assert_eq!(
            Message::read(&next()).map(|answer| (answer.kind, answer.transaction)),
            Some((stun::BINDING_SUCCESS, [2; 12])),
            "first the answer with which the stack has a pair"
        );
        assert_eq!(next(), [22, 254, 253]);
        assert_eq!(socket.receive(partner, &[22, 254, 253], 2), Fate::Pass);
    }

    #[test]
    fn nothing_is_nominated_at_once_behind_a_shield_or_at_a_server() {
        let signer = Signer::new("theirs").unwrap();
        let plain = signature::check(&signer, 1, &[(stun::ICE_CONTROLLING, &[0; 8])]);
        let (local, to) = (
            "10.0.0.1:9".parse().unwrap(),
            "198.51.100.3:4000".parse().unwrap(),
        );
        let leaves_changed = |prepare: fn(&Arc<Paths>, SocketAddr)| {
            let socket = Socket::new(false);
            socket.paths.on_remote_password("theirs");
            socket.paths.on_remote_candidate(HOST);
            socket.send("198.51.100.3:4000", &check(stun::BINDING_SUCCESS));
            prepare(&socket.paths, to);
            (socket.paths.rewrite(local, to, &plain, socket.now)).is_some()
        };
        assert!(leaves_changed(|_, _| {}));
        assert!(!leaves_changed(|paths, _| paths.set_shield(true)));
        assert!(!leaves_changed(|paths, to| paths.on_resolved(&[to])));
        assert!(!leaves_changed(
            |paths, _| paths.on_connected(Instant::now())
        ));
    }

    #[test]
    fn silence_is_broken_by_the_partner_alone() {
        let socket = Socket::new(false);
        let at = |ms| socket.now + Duration::from_millis(ms);
        socket.receive("203.0.113.1:3478", &check(stun::ALLOCATE_SUCCESS), 300);
        assert_eq!(socket.paths.silence(at(400)), Duration::from_millis(400));
        socket.receive("198.51.100.3:4000", &check(stun::BINDING_REQUEST), 500);
        assert_eq!(socket.paths.silence(at(600)), Duration::from_millis(100));
    }
}

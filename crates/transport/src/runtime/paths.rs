//! What all sockets of one peer know of its paths, and which datagrams they let pass.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

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

/// The generation of this side's candidates that the partner was told of, and that the stack does not have yet.
#[derive(Debug)]
struct Next {
    fragment: String,
    /// Until the partner's first check of it.
    is_due: Option<oneshot::Sender<()>>,
}

/// The ends of a pair, as the stack names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// Where the partner's checks will go when it has left the path that there is.
    next: Option<Next>,
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
                next: None,
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
        // Checks of the generation that begins are for the stack.
        if state.next.take().is_none() {
            state.early_checks.clear();
        }
        state.is_partner_known = false;
        state.remote_kinds.clear();
        state.checks.forget_pairs();
        state.hold.on_restart();
        self.is_connecting.store(true, Ordering::Relaxed);
        self.is_holding.store(true, Ordering::Relaxed);
    }

    /// The partner was told of candidates with this user name fragment, which the stack does not have yet. Ends with the partner's first
    /// check of them, or when the path that there is is lost, and is cancelled by [`on_restart`](Self::on_restart).
    pub(crate) fn next_generation(&self, fragment: &str) -> oneshot::Receiver<()> {
        let (is_due, next) = oneshot::channel();
        self.lock().next = Some(Next {
            fragment: fragment.to_owned(),
            is_due: Some(is_due),
        });
        next
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
        if is_lost && let Some(next) = &mut self.lock().next {
            next.begin();
        }
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
}

impl Next {
    /// Whoever waits for this need wait no longer.
    fn begin(&mut self) {
        if let Some(is_due) = self.is_due.take() {
            // Nobody waits when the peer is being closed.
            _ = is_due.send(());
        }
    }
}

impl State {
    /// Whether a check is of the generation that is next: then that begins. The user name begins with the fragment of who is checked
    /// (RFC 8445 section 7.2.2).
    fn is_of_next_generation(&mut self, check: &[u8]) -> bool {
        let Some(next) = &mut self.next else {
            return false;
        };
        let name = Message::read(check).and_then(|check| check.attribute(stun::USERNAME));
        let is_next = name
            .and_then(|name| name.strip_prefix(next.fragment.as_bytes()))
            .is_some_and(|rest| rest.starts_with(b":"));
        if is_next {
            next.begin();
        }
        is_next
    }

    /// The stack has a pair by the time that it reads these.
    fn release_early(&mut self) {
        for (inbox, from, bytes) in self.early.drain(..) {
            inbox.push_admitted(from, bytes);
        }
    }
}

mod arrivals;
#[cfg(test)]
mod tests;

//! Nominates a direct pair with a check instead of after it.
//!
//! The stack of `rtc-ice` 0.21.1 (`agent_selector.rs`) nominates only when a check has been answered, with a second
//! request, and waits for the answer to that: another round trip before the handshake can begin. So the controlling
//! side's checks get USE-CANDIDATE here, before they leave, as in RFC 5245 section 8.1.1.2. When the stack later nominates
//! the same pair, which the partner has agreed to by then, the answer is made up at once.
//!
//! Both sides must end on the same pair. So only one pair of a generation is nominated like this: the best on which the
//! stack has answered a check of the partner, which therefore works in both directions and has succeeded for the partner
//! by the time that the nomination is there. (`rtc-ice` does not answer a nomination before.) Until the stack has nominated
//! it too, answers on other pairs are kept from the stack. Relayed pairs are nominated as ever.
//!
//! The stack's checks leave once in a check interval, and it nominates in the same rhythm. Neither is waited for: a check
//! that nominates follows at once on each answer to the partner's checks (RFC 8445 section 7.3.1.4), and once the partner
//! has agreed, the stack is given its last request again, on which it nominates.
//!
//! A handshake message may come before the stack has a pair, and would be lost. It waits for that.
//!
//! Owns no socket and no clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::signature::Signer;
use super::stun::{self, Message, TransactionId};
use crate::CandidateKind;

/// How long a host's path may take before another is nominated. Paths that have this choice are short, and there the
/// partner's checks follow each other by 20 ms.
const HEAD_START: Duration = Duration::from_millis(40);
/// How long other pairs wait for the nominated one. As long as relays wait at most.
const PATIENCE: Duration = Duration::from_millis(500);

/// Transactions of each kind that are remembered: more than a second's worth.
const MAX_TRANSACTIONS: usize = 64;
/// Pairs and candidates that are remembered at most.
const MAX_PAIRS: usize = 128;

/// A direct pair: our socket, and the partner's end.
pub(super) type Pair = (SocketAddr, SocketAddr);

/// What to do with an answer of the partner.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// It is kept from the stack.
    pub(super) is_dropped: bool,
    /// What the stack gets afterwards, as if it came from the partner.
    pub(super) made: Vec<Vec<u8>>,
    /// With this the stack has a pair.
    pub(super) is_settled: bool,
}

/// The pair that is nominated with its checks.
#[derive(Debug)]
struct Chosen {
    pair: Pair,
    since: Instant,
    /// Our address as the partner sees it, once it has answered.
    mapped: Option<SocketAddr>,
}

/// Decides for one generation of candidates after the other (RFC 8445 section 9).
#[derive(Debug)]
pub(super) struct Nomination {
    is_enabled: bool,
    signer: Option<Signer>,
    candidates: BTreeMap<SocketAddr, (CandidateKind, u32)>,
    first_check_at: Option<Instant>,
    /// Where the stack answered a check of the partner.
    live: BTreeSet<Pair>,
    chosen: Option<Chosen>,
    /// Nothing more is to be done here: the stack has a pair, or will find one by itself.
    is_over: bool,
    /// Where answers reached the stack.
    passed: BTreeSet<Pair>,
    /// The stack's last check of each pair.
    checks: BTreeMap<Pair, Vec<u8>>,
    /// The partner's last request on each pair.
    requests: BTreeMap<Pair, Vec<u8>>,
    /// Checks that nominate.
    nominating: VecDeque<TransactionId>,
    /// Which of them are not the stack's, and of which check of the stack each is a copy.
    copies: VecDeque<(TransactionId, TransactionId)>,
    /// Nominations of the stack that are not answered.
    own: VecDeque<(TransactionId, Pair)>,
    /// Requests of the stack that were answered here.
    answered: VecDeque<TransactionId>,
}

impl Nomination {
    pub(super) fn new(is_enabled: bool) -> Self {
        Self {
            is_enabled,
            signer: None,
            candidates: BTreeMap::new(),
            first_check_at: None,
            live: BTreeSet::new(),
            chosen: None,
            is_over: false,
            passed: BTreeSet::new(),
            checks: BTreeMap::new(),
            requests: BTreeMap::new(),
            nominating: VecDeque::new(),
            copies: VecDeque::new(),
            own: VecDeque::new(),
            answered: VecDeque::new(),
        }
    }

    /// Another generation begins, with another password.
    pub(super) fn restart(&mut self) {
        *self = Self::new(self.is_enabled);
    }

    /// The partner told its password (RFC 8839 section 5.4).
    pub(super) fn set_password(&mut self, password: &str) {
        self.signer = Signer::new(password);
    }

    /// The partner told of a candidate.
    pub(super) fn on_remote_candidate(
        &mut self,
        address: SocketAddr,
        kind: CandidateKind,
        priority: u32,
    ) {
        if self.candidates.len() < MAX_PAIRS {
            self.candidates.insert(address, (kind, priority));
        }
    }

    /// What leaves instead of `bytes`, if anything does. Nothing is decided for good before
    /// [`on_sent`](Self::on_sent).
    pub(super) fn rewrite(&mut self, pair: Pair, bytes: &[u8], now: Instant) -> Option<Vec<u8>> {
        let request = Message::read(bytes)?;
        let is_check = request.kind == stun::BINDING_REQUEST
            && request.attribute(stun::ICE_CONTROLLING).is_some()
            && request.attribute(stun::USE_CANDIDATE).is_none();
        if !self.is_enabled || self.is_over || !is_check {
            return None;
        }
        if self.checks.len() < MAX_PAIRS || self.checks.contains_key(&pair) {
            self.checks.insert(pair, bytes.to_vec());
        }
        self.first_check_at.get_or_insert(now);
        if !self.may_nominate(pair, now) {
            return None;
        }
        let nominating = self.signer.as_ref()?.nominate(bytes, request.transaction)?;
        self.choose(pair, now);
        Some(nominating)
    }

    /// An answer to a check of the partner left: what is to follow it on this pair, if anything is. A copy of the stack's
    /// last check, as `transaction`.
    pub(super) fn triggered(
        &mut self,
        pair: Pair,
        transaction: TransactionId,
        now: Instant,
    ) -> Option<Vec<u8>> {
        if !self.is_enabled || self.is_over || !self.may_nominate(pair, now) {
            return None;
        }
        let check = self.checks.get(&pair)?;
        let original = Message::read(check)?.transaction;
        let nominating = self.signer.as_ref()?.nominate(check, transaction)?;
        remember(&mut self.nominating, transaction);
        remember(&mut self.copies, (transaction, original));
        self.choose(pair, now);
        Some(nominating)
    }

    /// Whether this is the pair to nominate, and the partner has not agreed to it yet.
    fn may_nominate(&self, pair: Pair, now: Instant) -> bool {
        if let Some(chosen) = &self.chosen {
            return chosen.pair == pair && chosen.mapped.is_none();
        }
        let has_waited = self.kind(pair) == Some(CandidateKind::Host)
            || self
                .first_check_at
                .is_some_and(|first| now.saturating_duration_since(first) >= HEAD_START);
        // The stack may nominate any pair on which it got an answer.
        let is_only_one = self.passed.iter().all(|passed| *passed == pair);
        has_waited && is_only_one && self.best() == Some(pair)
    }

    fn choose(&mut self, pair: Pair, now: Instant) {
        self.chosen.get_or_insert(Chosen {
            pair,
            since: now,
            mapped: None,
        });
    }

    /// A request of the partner came.
    pub(super) fn on_request(&mut self, pair: Pair, bytes: &[u8]) {
        let is_wanted = self.is_enabled && !self.is_over;
        if is_wanted && (self.requests.len() < MAX_PAIRS || self.requests.contains_key(&pair)) {
            self.requests.insert(pair, bytes.to_vec());
        }
    }

    fn kind(&self, (_, remote): Pair) -> Option<CandidateKind> {
        self.candidates.get(&remote).map(|(kind, _)| *kind)
    }

    /// The best pair that works.
    fn best(&self) -> Option<Pair> {
        let is_direct = |pair: &&Pair| self.kind(**pair) != Some(CandidateKind::Relay);
        let priority =
            |(_, remote): &&Pair| self.candidates.get(remote).map(|(_, priority)| *priority);
        self.live
            .iter()
            .filter(is_direct)
            .max_by_key(priority)
            .copied()
    }

    /// A check or an answer left. What is returned is an answer for the stack, with which it has a pair.
    pub(super) fn on_sent(&mut self, pair: Pair, bytes: &[u8]) -> Option<Vec<u8>> {
        let message = Message::read(bytes).filter(|_| self.is_enabled && !self.is_over)?;
        if message.kind == stun::BINDING_SUCCESS && self.live.len() < MAX_PAIRS {
            self.live.insert(pair);
        }
        if message.kind != stun::BINDING_REQUEST || message.attribute(stun::USE_CANDIDATE).is_none()
        {
            return None;
        }
        let is_chosen = self
            .chosen
            .as_ref()
            .is_some_and(|chosen| chosen.pair == pair);
        // The stack makes another transaction of each of its nominations, so this tells whose it is.
        if is_chosen && self.is_ours(message) {
            return None;
        }
        if !is_chosen {
            self.is_over = true;
            return None;
        }
        remember(&mut self.own, (message.transaction, pair));
        self.answer_own()
    }

    /// Notes that a check was rewritten.
    pub(super) fn on_rewritten(&mut self, bytes: &[u8]) {
        if let Some(message) = Message::read(bytes) {
            remember(&mut self.nominating, message.transaction);
        }
    }

    fn is_ours(&self, message: Message<'_>) -> bool {
        self.nominating.contains(&message.transaction)
    }

    /// The answer to the stack's last nomination, if the partner has agreed already.
    fn answer_own(&mut self) -> Option<Vec<u8>> {
        let mapped = self.chosen.as_ref()?.mapped?;
        let (transaction, _) = *self.own.back()?;
        let answer = self.signer.as_ref()?.answer(transaction, mapped)?;
        self.is_over = true;
        let own = std::mem::take(&mut self.own);
        for (transaction, _) in own {
            remember(&mut self.answered, transaction);
        }
        Some(answer)
    }

    /// A success response came, the first to a request of ours. `pair` is `None` if a relay is in between.
    pub(super) fn on_answer(&mut self, pair: Option<Pair>, bytes: &[u8], now: Instant) -> Verdict {
        let mut verdict = Verdict::default();
        let Some(answer) = Message::read(bytes).filter(|_| self.is_enabled) else {
            return verdict;
        };
        verdict.is_dropped = self.answered.contains(&answer.transaction);
        if self.is_over {
            return verdict;
        }
        let Some(chosen) = &mut self.chosen else {
            match pair {
                Some(pair) if self.passed.len() < MAX_PAIRS => _ = self.passed.insert(pair),
                // The stack will nominate a relayed pair, or has too many to follow.
                _ => self.is_over = true,
            }
            return verdict;
        };
        if pair != Some(chosen.pair) {
            verdict.is_dropped |= self.is_under_way(now);
            return verdict;
        }
        let is_own = |(transaction, _): &(TransactionId, Pair)| *transaction == answer.transaction;
        if self.own.iter().any(is_own) {
            self.is_over = true;
            verdict.is_settled = true;
        } else if self.nominating.contains(&answer.transaction)
            && let Some(signer) = &self.signer
            && let Some(mapped) = signer.mapped_address(bytes)
        {
            chosen.mapped = Some(mapped);
            let is_copy = |(copy, _): &&(TransactionId, TransactionId)| *copy == answer.transaction;
            if let Some((_, original)) = self.copies.iter().find(is_copy) {
                // The stack knows of no such request, and the answer is as good for the one that it knows.
                verdict.is_dropped = true;
                if !self.answered.contains(original) {
                    verdict.made.extend(signer.answer(*original, mapped));
                    remember(&mut self.answered, *original);
                }
            }
            if let Some(answer) = self.answer_own() {
                verdict.made.push(answer);
                verdict.is_settled = true;
            } else {
                let request = self
                    .chosen
                    .as_ref()
                    .and_then(|chosen| self.requests.get(&chosen.pair));
                verdict.made.extend(request.cloned());
            }
        }
        verdict
    }

    /// Whether the partner may have a pair that the stack does not have yet.
    pub(super) fn is_under_way(&self, now: Instant) -> bool {
        let is_recent = |chosen: &Chosen| now.saturating_duration_since(chosen.since) < PATIENCE;
        !self.is_over && self.chosen.as_ref().is_some_and(is_recent)
    }
}

/// Adds one; the oldest goes if there are too many.
fn remember<T>(items: &mut VecDeque<T>, item: T) {
    if items.len() >= MAX_TRANSACTIONS {
        items.pop_front();
    }
    items.push_back(item);
}

#[cfg(test)]
mod tests;

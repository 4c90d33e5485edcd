//! How two partners agree on descriptions: perfect negotiation (W3C WebRTC 1.0 section 10.7) as a state machine.
//!
//! Either side may offer at any time. When two offers cross, the polite side takes its own back and answers the
//! other's; the impolite side ignores the other's offer. Who is polite is fixed for the call by [`Role`].
//!
//! At most one order to create or apply a description is outstanding. Whatever arrives meanwhile waits in a bounded
//! queue and is looked at in order, so that each decision is made in a known signalling state; this takes the place of
//! the flags that the W3C's example needs (`makingOffer`, `isSettingRemoteAnswerPending`).
//!
//! An offer that is never answered blocks later ones. Offering again would be worse: an answer does not say which
//! offer it is for. The relay is reliable, so an answer is missing only when the partner is broken or about to be
//! reported gone.

use std::collections::VecDeque;

use protocol::{Candidate, Description, DescriptionKind, Role};

/// The most candidates held, in each direction. A machine with many interfaces has about 30 in all.
const MAX_CANDIDATES: usize = 64;
/// The most descriptions of the partner's that wait. A partner that waits for answers has at most two on the way.
const MAX_DESCRIPTIONS: usize = 4;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The peer connection takes orders.
    Opened,
    /// [`Output::CreateOffer`] succeeded: this offer is the local description.
    OfferCreated(Description),
    /// [`Output::CreateAnswer`] succeeded: this answer is the local description.
    AnswerCreated(Description),
    /// [`Output::ApplyRemote`] succeeded.
    RemoteApplied,
    /// The outstanding order failed.
    OrderFailed,
    /// The local side gathered a candidate; `None` says that there are no more.
    LocalCandidate(Option<Candidate>),
    /// The local side wants to change something that needs an offer. Ignored before the first agreement: it is
    /// wanted again after that, if still so.
    ChangeNeeded,
    /// The path is lost and new ICE credentials may find another one.
    RestartNeeded,
    /// The partner sent a description.
    RemoteDescription(Description),
    /// The partner sent a candidate; `None` says that there are no more.
    RemoteCandidate(Option<Candidate>),
    /// Nothing can be said to the partner any more. What the partner said before still counts.
    RelayLost,
}

/// Something to be done, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Create an offer and make it the local description.
    CreateOffer {
        /// Ask for new ICE credentials.
        ice_restart: bool,
    },
    /// Create an answer and make it the local description.
    CreateAnswer,
    /// Make this the remote description.
    ApplyRemote(Description),
    /// Take the local offer back. Not answered: where it fails, the [`Output::ApplyRemote`] behind it fails too.
    Rollback,
    /// Add a candidate of the partner's. Not answered.
    AddCandidate(Option<Candidate>),
    /// Send this description to the partner.
    SendDescription(Description),
    /// Send this candidate to the partner.
    SendCandidate(Option<Candidate>),
}

/// One side of the negotiations of one call.
#[derive(Debug)]
pub struct Negotiator {
    role: Role,
    signalling: Signalling,
    /// The order whose outcome has not been reported yet.
    outstanding: Option<Order>,
    wanted: Option<Wanted>,
    is_open: bool,
    is_relay_up: bool,
    has_agreed: bool,
    /// The ICE generation of the remote description, once there is one.
    remote_generation: Option<Generation>,
    /// The ICE generation of a description that was ignored or failed since the last one that was accepted.
    ignored_generation: Option<Generation>,
    /// What the partner sent while an order was outstanding.
    inbox: VecDeque<FromPartner>,
    /// Candidates of the partner's that came before any description was applied.
    early_candidates: Vec<Option<Candidate>>,
    /// Local candidates that were gathered while the description that they belong to was being made.
    held_candidates: Vec<Option<Candidate>>,
    outputs: VecDeque<Output>,
}

/// The signalling state (W3C WebRTC 1.0 section 4.3.1), as far as it has been reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signalling {
    Stable,
    HaveLocalOffer(Wanted),
    HaveRemoteOffer,
    /// An answer could not be made. The partner's offer cannot be taken back by us, so nothing can be agreed any more;
    /// what was agreed before goes on.
    Stuck,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Order {
    CreateOffer(Wanted),
    CreateAnswer,
    ApplyOffer(Generation),
    ApplyAnswer(Generation),
}

/// Why an offer is to be made; the greater includes the lesser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wanted {
    Change,
    Restart,
}

#[derive(Debug)]
enum FromPartner {
    Description(Description),
    Candidate(Option<Candidate>),
}

/// The ICE user name fragment of a description: tells one ICE generation from the next. Empty where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Generation(String);

impl Generation {
    fn of(description: &Description) -> Self {
        let attribute = description
            .sdp
            .lines()
            .find_map(|line| line.strip_prefix("a=ice-ufrag:"));
        Self(attribute.unwrap_or_default().trim_end().to_owned())
    }
}

impl Negotiator {
    /// One side of a call that has not begun yet.
    pub const fn new(role: Role) -> Self {
        Self {
            role,
            signalling: Signalling::Stable,
            outstanding: None,
            wanted: None,
            is_open: false,
            is_relay_up: true,
            has_agreed: false,
            remote_generation: None,
            ignored_generation: None,
            inbox: VecDeque::new(),
            early_candidates: Vec::new(),
            held_candidates: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Whether an offer of either side has been answered.
    pub const fn has_agreed(&self) -> bool {
        self.has_agreed
    }

    /// Whether no offer is open and nothing is wanted, outstanding or waiting.
    pub fn is_settled(&self) -> bool {
        self.signalling == Signalling::Stable
            && self.outstanding.is_none()
            && self.wanted.is_none()
            && self.inbox.is_empty()
    }

    /// Something happened.
    pub fn handle(&mut self, input: Input) {
        match input {
            Input::Opened => self.on_opened(),
            Input::OfferCreated(offer) => self.on_offer_created(offer),
            Input::AnswerCreated(answer) => self.on_answer_created(answer),
            Input::RemoteApplied => self.on_remote_applied(),
            Input::OrderFailed => self.on_order_failed(),
            Input::LocalCandidate(candidate) => self.on_local_candidate(candidate),
            Input::ChangeNeeded => self.on_change_needed(),
            Input::RestartNeeded => self.on_restart_needed(),
            Input::RemoteDescription(description) => self.on_remote_description(description),
            Input::RemoteCandidate(candidate) => self.on_remote_candidate(candidate),
            Input::RelayLost => self.is_relay_up = false,
        }
        self.advance();
    }

    /// The next order. Call until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn on_opened(&mut self) {
        let is_first = !std::mem::replace(&mut self.is_open, true);
        if is_first && self.role == Role::Offerer {
            self.wanted = Some(Wanted::Change);
        }
    }

    fn on_offer_created(&mut self, offer: Description) {
        let Some(Order::CreateOffer(wanted)) = self.outstanding else {
            return;
        };
        self.outstanding = None;
        self.signalling = Signalling::HaveLocalOffer(wanted);
        self.say(Output::SendDescription(offer));
        self.release_candidates();
    }

    fn on_answer_created(&mut self, answer: Description) {
        if self.outstanding != Some(Order::CreateAnswer) {
            return;
        }
        self.outstanding = None;
        self.signalling = Signalling::Stable;
        self.has_agreed = true;
        self.say(Output::SendDescription(answer));
        self.release_candidates();
    }

    fn on_remote_applied(&mut self) {
        let generation = match self.outstanding.take() {
            Some(Order::ApplyOffer(generation)) => {
                self.signalling = Signalling::HaveRemoteOffer;
                generation
            }
            Some(Order::ApplyAnswer(generation)) => {
                self.signalling = Signalling::Stable;
                self.has_agreed = true;
                generation
            }
            other => {
                self.outstanding = other;
                return;
            }
        };
        self.remote_generation = Some(generation);
        self.ignored_generation = None;
        let early = std::mem::take(&mut self.early_candidates);
        self.outputs
            .extend(early.into_iter().map(Output::AddCandidate));
    }

    fn on_order_failed(&mut self) {
        match self.outstanding.take() {
            // What was wanted is not wanted again by itself: it would most likely fail again, for ever.
            Some(Order::CreateOffer(_)) => self.release_candidates(),
            Some(Order::CreateAnswer) => {
                self.signalling = Signalling::Stuck;
                self.release_candidates();
            }
            None => {}
            // A description that cannot be applied changes nothing (W3C WebRTC 1.0 section 4.4.1.5).
            Some(Order::ApplyOffer(generation)) => self.ignored_generation = Some(generation),
            Some(Order::ApplyAnswer(generation)) => {
                self.ignored_generation = Some(generation);
                self.outputs.push_back(Output::Rollback);
                self.signalling = Signalling::Stable;
            }
        }
    }

    /// Candidates can be reported before the description that they belong to. Sent in that order, they would be taken
    /// for candidates of the generation before.
    fn on_local_candidate(&mut self, candidate: Option<Candidate>) {
        if !matches!(
            self.outstanding,
            Some(Order::CreateOffer(_) | Order::CreateAnswer)
        ) {
            self.say(Output::SendCandidate(candidate));
        } else if self.held_candidates.len() < MAX_CANDIDATES {
            self.held_candidates.push(candidate);
        }
    }

    fn on_change_needed(&mut self) {
        if self.has_agreed {
            self.want(Wanted::Change);
        }
    }

    fn on_restart_needed(&mut self) {
        let is_under_way = self.signalling == Signalling::HaveLocalOffer(Wanted::Restart)
            || self.outstanding == Some(Order::CreateOffer(Wanted::Restart));
        // A second restart would throw away what the first one is about to find.
        if self.has_agreed && !is_under_way {
            self.want(Wanted::Restart);
        }
    }

    fn on_remote_description(&mut self, description: Description) {
        let is_description = |from: &&FromPartner| matches!(from, FromPartner::Description(_));
        if self.inbox.iter().filter(is_description).count() < MAX_DESCRIPTIONS {
            self.inbox.push_back(FromPartner::Description(description));
        }
    }

    fn on_remote_candidate(&mut self, candidate: Option<Candidate>) {
        let is_candidate = |from: &&FromPartner| matches!(from, FromPartner::Candidate(_));
        if self.inbox.iter().filter(is_candidate).count() < MAX_CANDIDATES {
            self.inbox.push_back(FromPartner::Candidate(candidate));
        }
    }

    /// Goes on as far as it gets without the outcome of an order.
    ///
    /// What the partner sent comes before what we want, which makes offers cross less often.
    fn advance(&mut self) {
        while self.is_open && self.outstanding.is_none() {
            if self.signalling == Signalling::Stuck {
                self.inbox.clear();
                return;
            } else if self.signalling == Signalling::HaveRemoteOffer {
                if !self.is_relay_up {
                    return;
                }
                self.order(Order::CreateAnswer, Output::CreateAnswer);
            } else if let Some(from_partner) = self.inbox.pop_front() {
                match from_partner {
                    FromPartner::Description(description) => self.consider(description),
                    FromPartner::Candidate(candidate) => self.take_candidate(candidate),
                }
            } else if self.signalling == Signalling::Stable
                && self.is_relay_up
                && let Some(wanted) = self.wanted.take()
            {
                let ice_restart = wanted == Wanted::Restart;
                self.order(
                    Order::CreateOffer(wanted),
                    Output::CreateOffer { ice_restart },
                );
            } else {
                return;
            }
        }
    }

    fn consider(&mut self, description: Description) {
        let generation = Generation::of(&description);
        match (description.kind, self.signalling) {
            (DescriptionKind::Answer, Signalling::HaveLocalOffer(_)) => {
                self.order(
                    Order::ApplyAnswer(generation),
                    Output::ApplyRemote(description),
                );
            }
            // Nobody asked for this answer.
            (DescriptionKind::Answer, _) => {}
            // It could be applied but not answered, and an offer that stays open helps nobody.
            (DescriptionKind::Offer, _) if !self.is_relay_up => {}
            (DescriptionKind::Offer, Signalling::HaveLocalOffer(_)) if !self.role.is_polite() => {
                self.ignored_generation = Some(generation);
            }
            (DescriptionKind::Offer, signalling) => {
                if let Signalling::HaveLocalOffer(wanted) = signalling {
                    self.outputs.push_back(Output::Rollback);
                    self.signalling = Signalling::Stable;
                    self.want(wanted);
                }
                self.order(
                    Order::ApplyOffer(generation),
                    Output::ApplyRemote(description),
                );
            }
        }
    }

    fn take_candidate(&mut self, candidate: Option<Candidate>) {
        if self.is_of_ignored_description(candidate.as_ref()) {
            return;
        }
        if self.remote_generation.is_some() {
            self.outputs.push_back(Output::AddCandidate(candidate));
        } else if self.early_candidates.len() < MAX_CANDIDATES {
            self.early_candidates.push(candidate);
        }
    }

    /// Whether `candidate` belongs to a description that was ignored and to none that was accepted.
    ///
    /// An ignored offer without an ICE restart is of the generation in use: its candidates are welcome. The partner
    /// sends candidates after the description that they belong to, so one that does not say whose it is belongs to
    /// the ignored one.
    fn is_of_ignored_description(&self, candidate: Option<&Candidate>) -> bool {
        let Some(ignored) = &self.ignored_generation else {
            return false;
        };
        let fragment = candidate.and_then(|candidate| candidate.username_fragment.as_ref());
        self.remote_generation.as_ref() != Some(ignored)
            && fragment.is_none_or(|fragment| *fragment == ignored.0)
    }

    fn want(&mut self, wanted: Wanted) {
        self.wanted = self.wanted.max(Some(wanted));
    }

    fn order(&mut self, order: Order, output: Output) {
        self.outstanding = Some(order);
        self.outputs.push_back(output);
    }

    fn say(&mut self, output: Output) {
        if self.is_relay_up {
            self.outputs.push_back(output);
        }
    }

    fn release_candidates(&mut self) {
        for candidate in std::mem::take(&mut self.held_candidates) {
            self.say(Output::SendCandidate(candidate));
        }
    }
}

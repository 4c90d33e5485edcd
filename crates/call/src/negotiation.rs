//! How two partners agree on descriptions: perfect negotiation (W3C WebRTC 1.0 section 10.7) as a state machine.
//!
//! Either side may offer at any time. When two offers cross, the polite side takes its own back and answers the
//! other's; the impolite side ignores the other's offer. Who is polite is fixed for the call by [`Role`].
//!
//! At most one order to create or apply a description is outstanding. Whatever arrives meanwhile waits in a bounded
//! queue and is looked at in order, so that each decision is made in a known signalling state; this takes the place of
//! the flags that the W3C's example needs (`makingOffer`, `isSettingRemoteAnswerPending`).
//!
//! Offers are numbered, and an answer has the number of its offer. So what comes late, or twice because it took two
//! ways, is told from what counts; and an open offer that a new network has made worthless is taken back for a better one.
//! For lesser reasons an open offer is left alone: what it may find would be thrown away.

mod said;

use std::collections::VecDeque;

use protocol::{Candidate, Description, DescriptionKind, Role, sdp};

use said::{Generation, Said};

pub(crate) use said::is_of_another_connection;

/// The most candidates held, in each direction. A machine with many interfaces has about 30 in all.
const MAX_CANDIDATES: usize = 64;
/// The most descriptions of the partner's that wait. A partner that waits for answers has at most two on the way.
const MAX_DESCRIPTIONS: usize = 4;

/// What the partner has of this side's offers when a call begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// So many were told ahead, and none of them is of use: the first one that is sent has the next number.
    After {
        /// How many.
        offers: u32,
    },
    /// The partner was given the one that [`Output::CreateOffer`] brings first: it has this number and is not sent.
    OfferGiven {
        /// Its number, from 1.
        number: u32,
    },
}

impl Default for Beginning {
    fn default() -> Self {
        Self::After { offers: 0 }
    }
}

/// How new ICE credentials and candidates are to be had (RFC 8839 section 4.4.1.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Restart {
    /// For a better path than the one that works. It goes on working until the partner has answered, and may carry offer and answer
    /// where the partner [can answer early](Negotiator::may_improve).
    Improve,
    /// With the sockets that there are.
    Keep,
    /// With new sockets, on the networks that there are now.
    Rebind,
}

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
    /// New ICE credentials may find a path, or a better one.
    RestartNeeded(Restart),
    /// The networks of this side are others than before: what was offered so far is worth little.
    NetworkChanged,
    /// The partner sent a description.
    RemoteDescription(Description),
    /// The partner sent a candidate; `None` says that there are no more.
    RemoteCandidate(Option<Candidate>),
    /// Whether anything can be said to the partner. What the partner said before still counts.
    RelayUp(bool),
    /// What was said last may not have reached the partner: an open offer is sent again.
    SayAgain,
}

/// Something to be done, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Create an offer and make it the local description.
    CreateOffer {
        /// Ask for new ICE credentials.
        restart: Option<Restart>,
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
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is so or not, in any combination"
)]
pub struct Negotiator {
    role: Role,
    signalling: Signalling,
    /// The order whose outcome has not been reported yet.
    outstanding: Option<Order>,
    wanted: Option<Wanted>,
    is_open: bool,
    is_relay_up: bool,
    has_agreed: bool,
    /// Whether the networks of this side have changed since it last bound sockets: at the last restart of either side.
    needs_rebind: bool,
    /// How many offers were made.
    offers: u32,
    /// Whether the partner has the first offer before it is made here.
    is_offer_given: bool,
    /// The number of the partner's last offer.
    remote_offers: u32,
    /// The last answer, for a partner that asks again.
    answer: Option<Said>,
    /// The open offer, for saying it again.
    offer: Option<Said>,
    /// Whether the partner can answer a restart over the path that there is.
    answers_early: bool,
    /// The ICE generation of the remote description, once there is one.
    remote_generation: Option<Generation>,
    /// The ICE generation of a description that was ignored or failed since the last one that was accepted.
    ignored_generation: Option<Generation>,
    /// What the partner sent while an order was outstanding.
    inbox: VecDeque<FromPartner>,
    /// Candidates of the partner's that came before the description that they belong to was applied.
    early_candidates: VecDeque<Option<Candidate>>,
    /// Local candidates that were gathered while the description that they belong to was being made.
    held_candidates: Vec<Option<Candidate>>,
    outputs: VecDeque<Output>,
}

/// The signalling state (W3C WebRTC 1.0 section 4.3.1), as far as it has been reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signalling {
    Stable,
    HaveLocalOffer(Wanted),
    HaveRemoteOffer {
        is_restart: bool,
    },
    /// An answer could not be made. The partner's offer cannot be taken back by us, so nothing can be agreed any more;
    /// what was agreed before goes on.
    Stuck,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Order {
    CreateOffer(Wanted),
    CreateAnswer { is_restart: bool },
    ApplyOffer(Generation),
    ApplyAnswer(Generation),
}

/// Why an offer is to be made; the greater includes the lesser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wanted {
    Change,
    Restart(Restart),
}

#[derive(Debug)]
enum FromPartner {
    Description(Description),
    Candidate(Option<Candidate>),
}

impl Negotiator {
    /// One side of a call that has not begun yet.
    pub fn new(role: Role) -> Self {
        Self::beginning(role, Beginning::default())
    }

    /// The same where offers were told ahead.
    pub const fn beginning(role: Role, beginning: Beginning) -> Self {
        let (offers, is_offer_given) = match beginning {
            Beginning::After { offers } => (offers, false),
            Beginning::OfferGiven { number } => (number.saturating_sub(1), true),
        };
        Self {
            role,
            signalling: Signalling::Stable,
            outstanding: None,
            wanted: None,
            is_open: false,
            is_relay_up: true,
            has_agreed: false,
            needs_rebind: false,
            offers,
            is_offer_given,
            remote_offers: 0,
            answer: None,
            offer: None,
            answers_early: false,
            remote_generation: None,
            ignored_generation: None,
            inbox: VecDeque::new(),
            early_candidates: VecDeque::new(),
            held_candidates: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Whether an offer of either side has been answered.
    pub const fn has_agreed(&self) -> bool {
        self.has_agreed
    }

    /// Whether a better path may be negotiated about on the path that there is.
    pub const fn may_improve(&self) -> bool {
        self.answers_early
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
            Input::RestartNeeded(restart) => self.on_restart_needed(restart),
            Input::NetworkChanged => self.on_network_changed(),
            Input::RemoteDescription(description) => self.on_remote_description(description),
            Input::RemoteCandidate(candidate) => self.on_remote_candidate(candidate),
            Input::RelayUp(is_up) => self.on_relay_up(is_up),
            Input::SayAgain => self.say_offer_again(),
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

    fn on_offer_created(&mut self, mut offer: Description) {
        let Some(Order::CreateOffer(wanted)) = self.outstanding else {
            return;
        };
        self.outstanding = None;
        self.signalling = Signalling::HaveLocalOffer(wanted);
        self.offers = self.offers.saturating_add(1);
        offer.number = self.offers;
        self.offer = Some(Said::new(offer.clone()));
        if !std::mem::take(&mut self.is_offer_given) {
            self.say(Output::SendDescription(offer));
        }
        self.release_candidates();
    }

    fn on_answer_created(&mut self, mut answer: Description) {
        let Some(Order::CreateAnswer { is_restart }) = self.outstanding else {
            return;
        };
        self.outstanding = None;
        self.signalling = Signalling::Stable;
        // The partner's restart has given this side new candidates too, and that was all that a restart of ours was for.
        if is_restart && matches!(self.wanted, Some(Wanted::Restart(_))) {
            self.wanted = Some(Wanted::Change);
        }
        self.on_agreed();
        answer.number = self.remote_offers;
        self.answer = Some(Said::new(answer.clone()));
        self.say(Output::SendDescription(answer));
        self.release_candidates();
    }

    fn on_agreed(&mut self) {
        self.has_agreed = true;
        self.offer = None;
        if self.needs_rebind {
            self.want(Wanted::Restart(Restart::Rebind));
        }
    }

    fn on_remote_applied(&mut self) {
        let generation = match self.outstanding.take() {
            Some(Order::ApplyOffer(generation)) => {
                let is_restart = self.is_restart(&generation);
                self.signalling = Signalling::HaveRemoteOffer { is_restart };
                generation
            }
            Some(Order::ApplyAnswer(generation)) => {
                self.signalling = Signalling::Stable;
                // The candidates that belonged to an earlier answer belong to nothing any more.
                self.answer = None;
                self.on_agreed();
                generation
            }
            other => {
                self.outstanding = other;
                return;
            }
        };
        self.remote_generation = Some(generation);
        self.ignored_generation = None;
        for candidate in std::mem::take(&mut self.early_candidates) {
            self.take_candidate(candidate);
        }
    }

    fn on_order_failed(&mut self) {
        match self.outstanding.take() {
            // What was wanted is not wanted again by itself: it would most likely fail again, for ever.
            Some(Order::CreateOffer(_)) => self.release_candidates(),
            Some(Order::CreateAnswer { .. }) => {
                self.signalling = Signalling::Stuck;
                self.release_candidates();
            }
            None => {}
            // A description that cannot be applied changes nothing (W3C WebRTC 1.0 section 4.4.1.5).
            Some(Order::ApplyOffer(generation)) => self.ignored_generation = Some(generation),
            Some(Order::ApplyAnswer(generation)) => {
                self.ignored_generation = Some(generation);
                self.roll_back();
            }
        }
    }

    fn roll_back(&mut self) {
        self.outputs.push_back(Output::Rollback);
        self.signalling = Signalling::Stable;
        self.offer = None;
    }

    /// Candidates can be reported before the description that they belong to; those of a connection that was made ready
    /// ahead are. Sent in that order, they would be taken for candidates of the generation before.
    fn on_local_candidate(&mut self, candidate: Option<Candidate>) {
        let has_spoken = self.has_agreed || self.offer.is_some();
        let is_about_to = matches!(
            self.outstanding,
            Some(Order::CreateOffer(_) | Order::CreateAnswer { .. })
        );
        if has_spoken && !is_about_to {
            self.say_candidate(candidate);
        } else if self.held_candidates.len() < MAX_CANDIDATES {
            self.held_candidates.push(candidate);
        }
    }

    fn on_change_needed(&mut self) {
        if self.has_agreed {
            self.want(Wanted::Change);
        }
    }

    fn on_restart_needed(&mut self, restart: Restart) {
        let is_under_way = matches!(
            self.signalling,
            Signalling::HaveLocalOffer(Wanted::Restart(_))
        ) || matches!(
            self.outstanding,
            Some(Order::CreateOffer(Wanted::Restart(_)))
        );
        // A second restart would throw away what the first one is about to find.
        if self.has_agreed && !is_under_way {
            self.want(Wanted::Restart(restart));
        }
    }

    fn on_network_changed(&mut self) {
        self.needs_rebind = true;
        if self.has_agreed {
            self.want(Wanted::Restart(Restart::Rebind));
        }
    }

    fn on_relay_up(&mut self, is_up: bool) {
        let was_up = std::mem::replace(&mut self.is_relay_up, is_up);
        if is_up && !was_up {
            self.say_offer_again();
        }
    }

    fn on_remote_description(&mut self, description: Description) {
        // A later one takes the place of those that nobody has looked at.
        if description.number > 0 {
            let is_older = |from: &FromPartner| {
                matches!(from, FromPartner::Description(other)
                    if other.kind == description.kind && other.number <= description.number)
            };
            self.inbox.retain(|from| !is_older(from));
        }
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
            } else if let Signalling::HaveRemoteOffer { is_restart } = self.signalling {
                if !self.is_relay_up {
                    return;
                }
                self.order(Order::CreateAnswer { is_restart }, Output::CreateAnswer);
            } else if !self.owes_given_offer()
                && let Some(from_partner) = self.inbox.pop_front()
            {
                match from_partner {
                    FromPartner::Description(description) => self.consider(description),
                    FromPartner::Candidate(candidate) => self.take_candidate(candidate),
                }
            } else if matches!(self.signalling, Signalling::HaveLocalOffer(_))
                && self.has_agreed
                && self.needs_rebind
            {
                self.roll_back();
            } else if self.signalling == Signalling::Stable
                && self.is_relay_up
                && let Some(wanted) = self.wanted.take()
            {
                let restart = match wanted {
                    Wanted::Change => None,
                    Wanted::Restart(_) if self.needs_rebind => Some(Restart::Rebind),
                    Wanted::Restart(restart) => Some(restart),
                };
                if restart == Some(Restart::Rebind) {
                    self.needs_rebind = false;
                }
                self.order(Order::CreateOffer(wanted), Output::CreateOffer { restart });
            } else {
                return;
            }
        }
    }

    /// Whether the partner has an offer that is not the local description yet: it may be answered already.
    const fn owes_given_offer(&self) -> bool {
        self.is_offer_given && self.wanted.is_some()
    }

    fn consider(&mut self, description: Description) {
        let generation = Generation::of(&description);
        if self.is_late(&description) {
            return;
        }
        self.answers_early = sdp::says(&description, sdp::ANSWERS_EARLY);
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
                    self.roll_back();
                    self.want(wanted);
                }
                if self.is_restart(&generation) {
                    self.needs_rebind = false;
                }
                self.order(
                    Order::ApplyOffer(generation),
                    Output::ApplyRemote(description),
                );
            }
        }
    }

    /// Whether a description of this generation restarts ICE.
    fn is_restart(&self, generation: &Generation) -> bool {
        let present = self.remote_generation.as_ref();
        present.is_some_and(|present| present != generation)
    }

    /// Whether a description comes too late to count, or for the second time. Answers again where that helps.
    fn is_late(&mut self, description: &Description) -> bool {
        let number = description.number;
        if number == 0 {
            return false;
        }
        if description.kind == DescriptionKind::Answer {
            return number != self.offers;
        }
        // It could not be answered, so it is looked at when it comes again.
        if !self.is_relay_up {
            return false;
        }
        if number > self.remote_offers {
            self.remote_offers = number;
            return false;
        }
        if let Some(answer) = &mut self.answer
            && answer.number() == number
        {
            self.outputs.extend(answer.repeated());
        }
        true
    }

    /// Uses a candidate of the description in use, keeps one of a description that may yet come, and drops one that says
    /// not whose it is when it can only be an ignored one's: the partner sends candidates after their description.
    fn take_candidate(&mut self, candidate: Option<Candidate>) {
        let fragment = candidate
            .as_ref()
            .and_then(|candidate| candidate.username_fragment.as_ref());
        let Some(present) = &self.remote_generation else {
            self.keep_candidate(candidate);
            return;
        };
        match fragment {
            Some(fragment) if *fragment != present.0 && !present.0.is_empty() => {
                self.keep_candidate(candidate);
            }
            // An ignored offer without an ICE restart is of the generation in use.
            None if self
                .ignored_generation
                .as_ref()
                .is_some_and(|ignored| ignored != present) => {}
            _ => self.outputs.push_back(Output::AddCandidate(candidate)),
        }
    }

    fn keep_candidate(&mut self, candidate: Option<Candidate>) {
        if self.early_candidates.len() == MAX_CANDIDATES {
            self.early_candidates.pop_front();
        }
        self.early_candidates.push_back(candidate);
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

    fn say_candidate(&mut self, candidate: Option<Candidate>) {
        if let Some(said) = self.offer.as_mut().or(self.answer.as_mut()) {
            said.add(candidate.clone());
        }
        self.say(Output::SendCandidate(candidate));
    }

    fn say_offer_again(&mut self) {
        if self.is_relay_up
            && let Some(offer) = &mut self.offer
        {
            self.outputs.extend(offer.repeated());
        }
    }

    fn release_candidates(&mut self) {
        for candidate in std::mem::take(&mut self.held_candidates) {
            self.say_candidate(candidate);
        }
    }
}

//! A peer connection that is stricter than any real one: it panics where a real one would merely refuse.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use call::negotiation::{Input, Output};
use protocol::{Candidate, Description, DescriptionKind};
use simulation::Random;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Tells which connection a description is of.
const NAME: &str = "a=fingerprint:";
/// Tells of a candidate in an SDP.
const HAS: &str = "x-has:";

/// A peer connection that knows only what descriptions are about: changes, ICE generations and candidates.
pub(crate) struct StrictStack {
    pub(crate) name: String,
    signalling: Signalling,
    outstanding: Option<(Instant, Output)>,
    next_change: u32,
    pub(crate) wanted_changes: BTreeSet<u32>,
    pub(crate) agreed_changes: BTreeSet<u32>,
    offers: u32,
    generations: u32,
    pub(crate) committed_local: Option<String>,
    pending_local: Option<String>,
    pub(crate) remote: Option<String>,
    /// Every remote generation that was ever in use.
    remotes: BTreeSet<String>,
    candidates: Vec<(Instant, Candidate)>,
    /// The candidates that were reported, and those of the other side that were added.
    pub(crate) reported: Vec<Candidate>,
    pub(crate) added: BTreeSet<String>,
    pub(crate) rollbacks: usize,
    /// Whether there was an agreement.
    has_been_stable: bool,
    fails_next: bool,
    /// The offer that was made before there was a partner.
    ahead: Option<Description>,
    /// The connection at the other end, once there is one.
    partner: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Signalling {
    Stable,
    HaveLocalOffer {
        offer: String,
        changes: BTreeSet<u32>,
    },
    HaveRemoteOffer {
        offer: String,
        is_restart: bool,
    },
}

impl StrictStack {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            signalling: Signalling::Stable,
            outstanding: None,
            next_change: 0,
            wanted_changes: BTreeSet::new(),
            agreed_changes: BTreeSet::new(),
            offers: 0,
            generations: 0,
            committed_local: None,
            pending_local: None,
            remote: None,
            remotes: BTreeSet::new(),
            candidates: Vec::new(),
            reported: Vec::new(),
            added: BTreeSet::new(),
            rollbacks: 0,
            has_been_stable: false,
            fails_next: false,
            ahead: None,
            partner: None,
        }
    }

    /// Makes the first offer before there is a partner, with all its candidates.
    pub(crate) fn offer_ahead(&mut self, now: Instant, random: &mut Random) -> Description {
        let order = Output::CreateOffer { restart: None };
        let Input::OfferCreated(mut offer) = self.complete(order, now, random) else {
            unreachable!("it was not made to fail");
        };
        for (_, candidate) in std::mem::take(&mut self.candidates) {
            offer.sdp.extend([HAS, &candidate.candidate, "\r\n"]);
            self.reported.push(candidate);
        }
        self.ahead = Some(offer.clone());
        offer
    }

    /// It answers instead.
    pub(crate) fn take_offer_back(&mut self) {
        if self.ahead.take().is_some() {
            self.signalling = Signalling::Stable;
            self.pending_local = None;
            self.reported.clear();
        }
    }

    /// The local side wants something that needs an offer.
    pub(crate) fn want_change(&mut self) {
        self.wanted_changes.insert(self.next_change);
        self.next_change += 1;
    }

    /// The next order about descriptions will fail.
    pub(crate) fn fail_next(&mut self) {
        self.fails_next = true;
    }

    pub(crate) fn is_stable(&self) -> bool {
        self.signalling == Signalling::Stable
    }

    /// The local ICE generation.
    pub(crate) fn local(&self) -> Option<String> {
        self.pending_local
            .clone()
            .or_else(|| self.committed_local.clone())
    }

    pub(crate) fn carry_out(&mut self, order: Output, now: Instant, random: &mut Random) {
        let name = &self.name;
        assert!(
            self.outstanding.is_none(),
            "{name}: {order:?} while another one is outstanding"
        );
        match &order {
            Output::CreateOffer { .. } => {
                assert!(
                    self.signalling == Signalling::Stable || self.ahead.is_some(),
                    "{name}: offer in the wrong state"
                );
            }
            Output::CreateAnswer => {
                let has_offer = matches!(self.signalling, Signalling::HaveRemoteOffer { .. });
                assert!(has_offer, "{name}: answer without an offer");
            }
            Output::ApplyRemote(description)
                if (self.partner.as_ref()).is_some_and(|name| *name != line(description, NAME)) =>
            {
                panic!("{name}: DTLS cannot change the partner");
            }
            Output::ApplyRemote(description) if description.kind == DescriptionKind::Offer => {
                assert_eq!(
                    self.signalling,
                    Signalling::Stable,
                    "{name}: offer applied in glare"
                );
            }
            Output::ApplyRemote(answer) => {
                let Signalling::HaveLocalOffer { offer, .. } = &self.signalling else {
                    panic!("{name}: an answer that nobody asked for was applied");
                };
                assert_eq!(
                    line(answer, "x-answers:"),
                    *offer,
                    "{name}: answer to another offer"
                );
            }
            Output::Rollback => {
                let has_offer = matches!(self.signalling, Signalling::HaveLocalOffer { .. });
                assert!(has_offer, "{name}: nothing to roll back");
                self.signalling = Signalling::Stable;
                self.pending_local = None;
                self.rollbacks += 1;
                return;
            }
            Output::AddCandidate(candidate) => {
                assert!(
                    self.remote.is_some(),
                    "{name}: candidate before the remote description"
                );
                let Some(candidate) = candidate else { return };
                let generation = candidate.username_fragment.as_ref().expect("all have one");
                assert!(
                    self.remotes.contains(generation),
                    "{name}: candidate of an ignored offer"
                );
                self.added.insert(candidate.candidate.clone());
                return;
            }
            Output::SendDescription(_) | Output::SendCandidate(_) => unreachable!("not for us"),
        }
        self.outstanding = Some((now + random.duration(ms(30)), order));
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let order = self.outstanding.as_ref().map(|(done_at, _)| *done_at);
        let candidate = self.candidates.iter().map(|(found_at, _)| *found_at).min();
        order.into_iter().chain(candidate).min()
    }

    /// The next facts that are due.
    pub(crate) fn poll(&mut self, now: Instant, random: &mut Random) -> Vec<Input> {
        if let Some((_, order)) = self.outstanding.take_if(|(done_at, _)| *done_at <= now) {
            let outcome = self.complete(order, now, random);
            // A candidate can be reported before the description that it belongs to.
            let is_found_at_once = !self.candidates.is_empty() && random.chance(0.5);
            let early = if is_found_at_once {
                self.report_candidate(0)
            } else {
                None
            };
            let again = self.fires_again().then_some(Input::ChangeNeeded);
            return early.into_iter().chain([outcome]).chain(again).collect();
        }
        let due = self
            .candidates
            .iter()
            .position(|(found_at, _)| *found_at <= now);
        due.and_then(|due| self.report_candidate(due))
            .into_iter()
            .collect()
    }

    fn report_candidate(&mut self, index: usize) -> Option<Input> {
        let (_, candidate) = self.candidates.remove(index);
        // Gathering for an older generation has stopped.
        (candidate.username_fragment == self.local()).then(|| {
            self.reported.push(candidate.clone());
            Input::LocalCandidate(Some(candidate))
        })
    }

    /// What was wanted before the first agreement is wanted again after it, as the W3C has it. After that, each change
    /// is reported just once, which is less than the W3C promises.
    fn fires_again(&mut self) -> bool {
        let is_first = self.signalling == Signalling::Stable
            && !std::mem::replace(&mut self.has_been_stable, true);
        is_first && self.wanted_changes != self.agreed_changes
    }

    fn complete(&mut self, order: Output, now: Instant, random: &mut Random) -> Input {
        if std::mem::take(&mut self.fails_next) {
            return Input::OrderFailed;
        }
        match order {
            Output::CreateOffer { restart } => {
                if let Some(offer) = self.ahead.take() {
                    return Input::OfferCreated(offer);
                }
                self.offers += 1;
                let offer = format!("{}-{}", self.name, self.offers);
                if restart.is_some() || self.committed_local.is_none() {
                    self.pending_local = Some(self.new_generation(now, random));
                }
                let changes = self.wanted_changes.clone();
                let sdp = self.sdp("x-offer:", &offer);
                self.signalling = Signalling::HaveLocalOffer { offer, changes };
                Input::OfferCreated(Description {
                    kind: DescriptionKind::Offer,
                    sdp,
                    number: 0,
                })
            }
            Output::CreateAnswer => {
                let Signalling::HaveRemoteOffer { offer, is_restart } = self.signalling.clone()
                else {
                    unreachable!("checked when it was ordered");
                };
                if is_restart {
                    self.committed_local = Some(self.new_generation(now, random));
                }
                let sdp = self.sdp("x-answers:", &offer);
                self.signalling = Signalling::Stable;
                Input::AnswerCreated(Description {
                    kind: DescriptionKind::Answer,
                    sdp,
                    number: 0,
                })
            }
            Output::ApplyRemote(description) => {
                let generation = line(&description, "a=ice-ufrag:");
                let is_restart = self.remote.as_ref() != Some(&generation);
                self.partner = Some(line(&description, NAME));
                self.remote = Some(generation.clone());
                self.remotes.insert(generation);
                let has = (description.sdp.lines()).filter_map(|line| line.strip_prefix(HAS));
                self.added.extend(has.map(str::to_owned));
                if description.kind == DescriptionKind::Offer {
                    let offer = line(&description, "x-offer:");
                    self.signalling = Signalling::HaveRemoteOffer { offer, is_restart };
                } else {
                    if let Signalling::HaveLocalOffer { changes, .. } = &self.signalling {
                        self.agreed_changes.extend(changes);
                    }
                    if let Some(generation) = self.pending_local.take() {
                        self.committed_local = Some(generation);
                    }
                    self.signalling = Signalling::Stable;
                }
                Input::RemoteApplied
            }
            other => unreachable!("{other:?} is done at once"),
        }
    }

    fn new_generation(&mut self, now: Instant, random: &mut Random) -> String {
        self.generations += 1;
        let generation = format!("{}{}", self.name, self.generations);
        for number in 0..=random.below(3) {
            let candidate = Candidate {
                candidate: format!("candidate:{generation} {number}"),
                sdp_mid: None,
                sdp_m_line_index: None,
                username_fragment: Some(generation.clone()),
            };
            self.candidates
                .push((now + random.duration(ms(150)), candidate));
        }
        generation
    }

    fn sdp(&self, what: &str, offer: &str) -> String {
        let generation = self
            .local()
            .expect("there is a generation before there is SDP");
        let name = &self.name;
        format!("v=0\r\n{NAME}{name}\r\n{what}{offer}\r\na=ice-ufrag:{generation}\r\n")
    }
}

/// Which offer this is, in all the world.
pub(crate) fn offer_name(offer: &Description) -> String {
    line(offer, "x-offer:")
}

fn line(description: &Description, prefix: &str) -> String {
    let value = description
        .sdp
        .lines()
        .find_map(|line| line.strip_prefix(prefix));
    value.expect("every description has the line").to_owned()
}

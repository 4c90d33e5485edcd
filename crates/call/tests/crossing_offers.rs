//! Two negotiators over a slow, ordered relay, each with a peer connection that is stricter than any real one.

mod fakes {
    pub(crate) mod strict_stack;
}

use std::time::{Duration, Instant};

use call::negotiation::{Beginning, Input, Negotiator, Output, Restart};
use proptest::prelude::*;
use protocol::{Candidate, Description, Role};
use simulation::{Conditions, Link, Random};

use fakes::strict_stack::{StrictStack, offer_name};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn the_first_offer_is_agreed_with_all_candidates() {
    let mut world = World::new(1, ms(50), ms(20));
    world.run(&[]);
    world.assert_agreed();
    assert!(world.sides.iter().all(|side| !side.stack.added.is_empty()));
}

#[test]
fn an_offer_that_the_partner_was_given_is_answered_and_not_sent() {
    let mut world = World::new(6, ms(50), ms(20));
    let offer = world.offer_ahead();
    assert_eq!(offer.number, 3);
    world.run(&[]);
    world.assert_agreed();
    let sent = &world.sides[0].sent;
    assert!(sent.is_empty(), "{sent:?}");
    let numbers: Vec<_> = (world.sides[1].sent.iter())
        .map(|answer| answer.number)
        .collect();
    assert_eq!(numbers, [3]);

    // What follows is numbered from there.
    world.run(&[(ms(0), Role::Offerer, Wish::Restart)]);
    world.assert_agreed();
    assert_eq!(world.sides[0].sent[0].number, 4);
}

#[test]
fn offers_that_cross_are_both_agreed_in_the_end() {
    let mut world = World::new(2, ms(50), ms(0));
    let at_once = [
        (ms(1000), Role::Offerer, Wish::Change),
        (ms(0), Role::Answerer, Wish::Change),
    ];
    world.run(&at_once);
    world.assert_agreed();
    assert_eq!(world.rollbacks(), (0, 1), "only the polite side yields");
}

#[test]
fn a_restart_that_crosses_an_offer_wins() {
    let mut world = World::new(3, ms(50), ms(0));
    let at_once = [
        (ms(1000), Role::Offerer, Wish::Restart),
        (ms(0), Role::Answerer, Wish::Change),
    ];
    world.run(&at_once);
    world.assert_agreed();
    assert_eq!(world.rollbacks(), (0, 1));
}

#[test]
fn a_polite_restart_that_had_to_yield_is_made_afterwards() {
    let mut world = World::new(4, ms(50), ms(0));
    let at_once = [
        (ms(1000), Role::Offerer, Wish::Change),
        (ms(0), Role::Answerer, Wish::Restart),
    ];
    world.run(&at_once);
    world.assert_agreed();
    assert_eq!(world.rollbacks(), (0, 1));
}

#[test]
fn a_negotiation_that_failed_does_not_stand_in_the_way_of_the_next() {
    let mut world = World::new(5, ms(50), ms(0));
    world.run(&[]);
    // First the answer cannot be applied, then an offer cannot be made.
    world.sides[0].stack.want_change();
    world.tell(0, Input::ChangeNeeded);
    world.until_sent(0);
    world.sides[0].stack.fail_next();
    world.run(&[]);
    world.sides[1].stack.fail_next();
    world.run(&[(ms(10), Role::Answerer, Wish::Change)]);
    assert!(
        world.sides[1].stack.agreed_changes.is_empty(),
        "it failed and is not tried for ever"
    );

    world.run(&[
        (ms(10), Role::Answerer, Wish::Change),
        (ms(500), Role::Offerer, Wish::Restart),
    ]);
    world.assert_agreed();
}

proptest! {
    #[test]
    fn every_wanted_change_is_agreed_whatever_crosses(
        seed: u64,
        latency in 0_u64..80,
        jitter in 0_u64..80,
        wishes in proptest::collection::vec((0_u64..200, any::<bool>(), 0_u32..4), 0..25),
        repeats: bool,
        is_offer_ahead: bool,
    ) {
        let wishes: Vec<_> = wishes
            .into_iter()
            .map(|(pause, is_offerer, what)| (
                ms(pause),
                if is_offerer { Role::Offerer } else { Role::Answerer },
                match what {
                    0 => Wish::Restart,
                    1 => Wish::Move,
                    _ => Wish::Change,
                },
            ))
            .collect();
        let mut world = World::new(seed, ms(latency), ms(jitter));
        world.repeats = repeats;
        if is_offer_ahead {
            world.offer_ahead();
        }
        world.run(&wishes);
        world.assert_agreed();
    }
}

#[derive(Debug, Clone, Copy)]
enum Wish {
    Change,
    Restart,
    /// The network changes.
    Move,
}

struct World {
    now: Instant,
    random: Random,
    /// The offerer and the answerer.
    sides: [Side; 2],
    /// Whether some of what is said is said again later, as where there are two ways.
    repeats: bool,
}

struct Side {
    negotiator: Negotiator,
    stack: StrictStack,
    /// What this side sends.
    link: Link<Signal>,
    /// The descriptions that it sent.
    sent: Vec<Description>,
    /// The committed generation at each moment when a restart was asked for.
    restarts_asked_in: Vec<Option<String>>,
}

#[derive(Debug, Clone)]
enum Signal {
    Description(Description),
    Candidate(Option<Candidate>),
}

impl World {
    fn new(seed: u64, latency: Duration, jitter: Duration) -> Self {
        let side = |role, name: &str| Side {
            negotiator: Negotiator::new(role),
            stack: StrictStack::new(name.to_owned()),
            link: Link::new(
                Conditions {
                    latency,
                    jitter,
                    ..Conditions::default()
                },
                seed.wrapping_add(u64::from(role == Role::Offerer)),
            ),
            sent: Vec::new(),
            restarts_asked_in: Vec::new(),
        };
        Self {
            now: simulation::start(),
            random: Random::new(seed),
            sides: [
                side(Role::Offerer, "impolite"),
                side(Role::Answerer, "polite"),
            ],
            repeats: false,
        }
    }

    /// Both sides have made an offer ahead, and the answerer was given the offerer's.
    fn offer_ahead(&mut self) -> Description {
        let given = Description {
            number: 3,
            ..self.sides[0].stack.offer_ahead(self.now, &mut self.random)
        };
        let number = given.number;
        let beginning = Beginning::OfferGiven { number };
        self.sides[0].negotiator = Negotiator::beginning(Role::Offerer, beginning);
        let own = self.sides[1].stack.offer_ahead(self.now, &mut self.random);
        self.sides[1].stack.take_offer_back();
        assert_ne!(offer_name(&own), offer_name(&given));
        self.tell(1, Input::RemoteDescription(given.clone()));
        given
    }

    /// Opens both sides, the answerer a little later, and lets each wish come true after its pause.
    fn run(&mut self, wishes: &[(Duration, Role, Wish)]) {
        self.tell(0, Input::Opened);
        let opens = self.now + self.random.duration(ms(100));
        let mut is_open = false;
        let mut wish_at = self.now;
        let mut wishes = wishes.iter();
        let mut wish = wishes.next();
        if let Some((pause, ..)) = wish {
            wish_at += *pause;
        }
        for _ in 0..100_000 {
            let happenings = [
                (!is_open).then_some(opens),
                wish.map(|_| wish_at),
                self.sides[0].stack.poll_timeout(),
                self.sides[1].stack.poll_timeout(),
                self.sides[0].link.poll_timeout(),
                self.sides[1].link.poll_timeout(),
            ];
            let Some(next) = happenings.into_iter().flatten().min() else {
                return;
            };
            self.now = self.now.max(next);
            if !is_open && opens <= self.now {
                is_open = true;
                self.tell(1, Input::Opened);
            } else if let Some((_, role, what)) = wish.filter(|_| wish_at <= self.now) {
                self.grant(usize::from(*role == Role::Answerer), *what);
                wish = wishes.next();
                if let Some((pause, ..)) = wish {
                    wish_at = self.now + *pause;
                }
            } else {
                self.deliver();
            }
        }
        panic!("the negotiations never end");
    }

    /// Lets a side get as far as having sent something.
    fn until_sent(&mut self, side: usize) {
        while self.sides[side].link.poll_timeout().is_none() {
            self.now = self.sides[side]
                .stack
                .poll_timeout()
                .expect("it has something to do");
            self.deliver();
        }
    }

    fn grant(&mut self, side: usize, wish: Wish) {
        let Side {
            negotiator,
            stack,
            restarts_asked_in,
            ..
        } = &mut self.sides[side];
        match wish {
            Wish::Change => {
                stack.want_change();
                self.tell(side, Input::ChangeNeeded);
            }
            Wish::Restart | Wish::Move => {
                if negotiator.has_agreed() {
                    restarts_asked_in.push(stack.committed_local.clone());
                }
                let is_restart = matches!(wish, Wish::Restart);
                self.tell(
                    side,
                    if is_restart {
                        Input::RestartNeeded(Restart::Keep)
                    } else {
                        Input::NetworkChanged
                    },
                );
            }
        }
    }

    fn deliver(&mut self) {
        for side in 0..2 {
            for fact in self.sides[side].stack.poll(self.now, &mut self.random) {
                self.tell(side, fact);
            }
            if let Some(signal) = self.sides[side].link.poll(self.now) {
                if self.repeats && self.random.chance(0.2) {
                    self.sides[side].link.send(self.now, signal.clone());
                }
                let input = match signal {
                    Signal::Description(description) => Input::RemoteDescription(description),
                    Signal::Candidate(candidate) => Input::RemoteCandidate(candidate),
                };
                self.tell(1 - side, input);
            }
        }
    }

    fn tell(&mut self, side: usize, input: Input) {
        let Side {
            negotiator,
            stack,
            link,
            sent,
            ..
        } = &mut self.sides[side];
        negotiator.handle(input);
        while let Some(output) = negotiator.poll_output() {
            match output {
                Output::SendDescription(description) => {
                    sent.push(description.clone());
                    link.send(self.now, Signal::Description(description));
                }
                Output::SendCandidate(candidate) => {
                    link.send(self.now, Signal::Candidate(candidate));
                }
                order => stack.carry_out(order, self.now, &mut self.random),
            }
        }
    }

    fn assert_agreed(&self) {
        for (side, other) in [
            (&self.sides[0], &self.sides[1]),
            (&self.sides[1], &self.sides[0]),
        ] {
            let (stack, name) = (&side.stack, &side.stack.name);
            assert!(
                side.negotiator.is_settled(),
                "{name} still has something to do"
            );
            assert!(stack.is_stable(), "{name} has an open offer");
            assert_eq!(
                stack.agreed_changes, stack.wanted_changes,
                "{name}: changes lost"
            );
            assert_eq!(
                stack.local(),
                other.stack.remote,
                "{name}: other generation at the partner"
            );
            for asked_in in &side.restarts_asked_in {
                assert_ne!(*asked_in, stack.local(), "{name}: a restart was lost");
            }
            for candidate in other
                .stack
                .reported
                .iter()
                .filter(|candidate| candidate.username_fragment == stack.remote)
            {
                assert!(
                    stack.added.contains(&candidate.candidate),
                    "{name}: a candidate was lost"
                );
            }
        }
    }

    /// How often the impolite and the polite side took an offer back.
    fn rollbacks(&self) -> (usize, usize) {
        (self.sides[0].stack.rollbacks, self.sides[1].stack.rollbacks)
    }
}

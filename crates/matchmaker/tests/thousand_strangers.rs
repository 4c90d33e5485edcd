//! A thousand people with their habits, for ten minutes of virtual time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use matchmaker::{Config, Input, Matchmaker, Output, PeerId, Wishes};
use protocol::RoomId;

const PEOPLE: u64 = 1000;
const STEP: Duration = Duration::from_millis(100);

#[test]
fn a_thousand_strangers_meet_quickly_and_widely() {
    let mut dice = Dice(0x5eed);
    let mut last_name = 0_u128;
    let names = || {
        last_name += 1;
        RoomId::from_bytes(last_name.to_be_bytes())
    };
    let mut evening = Evening {
        matchmaker: Matchmaker::new(Config::default(), names),
        now: simulation::start(),
        wishes: (0..PEOPLE).map(|_| dice.wishes()).collect(),
        waiting_since: BTreeMap::new(),
        talking: BTreeSet::new(),
        partners: BTreeMap::new(),
        counts: Counts::default(),
    };
    for (peer, wishes) in (0..).map(PeerId).zip(evening.wishes.clone()) {
        evening.waiting_since.insert(peer, evening.now);
        evening.happens(Input::JoinAsked { peer, wishes });
    }

    for step in 0..6000 {
        evening.now += STEP;
        evening.happens(Input::Timeout);
        for peer in (0..PEOPLE).map(PeerId) {
            // Everybody has had enough after 20 s on average.
            if evening.talking.contains(&peer) && dice.below(200) == 0 {
                evening.asks_for_the_next(peer);
            }
        }
        if step % 100 == 0 {
            evening.matchmaker.assert_invariants(evening.now);
        }
    }

    let counts = evening.counts;
    println!("{counts:?}");
    assert!(counts.rooms > 10_000, "{counts:?}");
    assert!(
        counts.repeats * 1_000 < counts.rooms,
        "hardly anybody met one of the last five again, with hundreds online: {counts:?}"
    );
    assert!(
        counts.shared * 3 > counts.both_had_interests * 2,
        "{counts:?}"
    );
}

struct Evening<Names> {
    matchmaker: Matchmaker<Names>,
    now: Instant,
    wishes: Vec<Wishes>,
    waiting_since: BTreeMap<PeerId, Instant>,
    talking: BTreeSet<PeerId>,
    partners: BTreeMap<PeerId, Vec<PeerId>>,
    counts: Counts,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    rooms: usize,
    both_had_interests: usize,
    shared: usize,
    repeats: usize,
}

impl<Names: FnMut() -> RoomId> Evening<Names> {
    fn asks_for_the_next(&mut self, peer: PeerId) {
        self.talking.remove(&peer);
        self.waiting_since.insert(peer, self.now);
        self.happens(Input::NextAsked { peer, room: None });
    }

    fn happens(&mut self, input: Input) {
        self.matchmaker.handle(input, self.now);
        while let Some(output) = self.matchmaker.poll_output() {
            match output {
                Output::TellMatched {
                    offerer,
                    answerer,
                    interests,
                    ..
                } => {
                    self.on_matched(offerer, answerer, &interests);
                }
                Output::TellPartnerLeft { peer, .. } => self.asks_for_the_next(peer),
                Output::TellWaiting { .. } => {}
                Output::RefuseRoom { .. } => panic!("nobody names a room here"),
            }
        }
    }

    fn on_matched(&mut self, offerer: PeerId, answerer: PeerId, interests: &[String]) {
        self.counts.rooms += 1;
        let config = Config::default();
        for (peer, partner) in [(offerer, answerer), (answerer, offerer)] {
            let asked_at = self
                .waiting_since
                .remove(&peer)
                .expect("asked for a partner");
            let waited = self.now - asked_at;
            assert!(waited <= config.longest_hold(), "{waited:?}");
            assert!(self.talking.insert(peer), "in one room at a time");
            let met = self.partners.entry(peer).or_default();
            self.counts.repeats += usize::from(met.iter().rev().take(5).any(|it| *it == partner));
            met.push(partner);
        }
        let has_interests = |peer: PeerId| !self.wishes[peer.0 as usize].interests().is_empty();
        if has_interests(offerer) && has_interests(answerer) {
            self.counts.both_had_interests += 1;
            self.counts.shared += usize::from(!interests.is_empty());
        }
    }
}

/// A small generator with a fixed seed (xorshift64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// None to three of a hundred interests, a few of them liked by many.
    fn wishes(&mut self) -> Wishes {
        let interests: Vec<String> = (0..self.below(4))
            .map(|_| {
                let limit = self.below(100) + 1;
                format!("interest {}", self.below(limit))
            })
            .collect();
        Wishes::new(&interests, None)
    }
}

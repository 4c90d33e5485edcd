//! Whatever happens, in whatever order: nobody is lost, nobody is in two rooms, nobody meets himself or one whom he has blocked,
//! nobody waits for longer than he may beside somebody who would do, and everybody is told what is true.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use matchmaker::{Config, Input, Matchmaker, Output, PeerId, Widening, Wishes};
use proptest::prelude::*;
use protocol::{LeaveReason, RoomId};

/// What one of a few people does next.
#[derive(Debug, Clone)]
enum Step {
    Join {
        interests: Vec<String>,
        language: Option<&'static str>,
    },
    Next {
        names_room: bool,
    },
    Leave {
        names_room: bool,
    },
    Vanish,
    Block {
        other: u64,
    },
    ComeUp,
    StayUnanswered,
    SetAside,
    GuestComes,
    GuestLeaves,
    Wait {
        ms: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let interests = proptest::collection::vec(
        prop_oneof![Just("tea"), Just("chess"), Just("jazz")].prop_map(str::to_owned),
        0..3,
    );
    let language = prop_oneof![Just(None), Just(Some("fr")), Just(Some("de"))];
    prop_oneof![
        4 => (interests, language)
            .prop_map(|(interests, language)| Step::Join { interests, language }),
        4 => any::<bool>().prop_map(|names_room| Step::Next { names_room }),
        1 => any::<bool>().prop_map(|names_room| Step::Leave { names_room }),
        1 => Just(Step::Vanish),
        1 => (0..7_u64).prop_map(|other| Step::Block { other }),
        2 => Just(Step::ComeUp),
        1 => Just(Step::StayUnanswered),
        1 => Just(Step::SetAside),
        2 => Just(Step::GuestComes),
        1 => Just(Step::GuestLeaves),
        3 => (0..4_000_u64).prop_map(|ms| Step::Wait { ms }),
    ]
}

/// What the people have been told and have asked for, and nothing else: all that the rules need to be checked.
#[derive(Default)]
struct Told {
    /// Since when.
    waiting: BTreeMap<PeerId, Instant>,
    /// Who has blocked whom.
    blocked: BTreeSet<(PeerId, PeerId)>,
    rooms: BTreeMap<PeerId, (RoomId, PeerId)>,
    names: BTreeSet<RoomId>,
}

impl Told {
    fn may_meet(&self, one: PeerId, other: PeerId) -> bool {
        one != other
            && !self.blocked.contains(&(one, other))
            && !self.blocked.contains(&(other, one))
    }

    /// How many pairs there are who may meet and of whom both have waited for this long.
    fn pairs_waiting_for(&self, longest: Duration, now: Instant) -> usize {
        let overdue = self
            .waiting
            .iter()
            .filter(|(_, since)| now >= **since + longest);
        let overdue: Vec<PeerId> = overdue.map(|(peer, _)| *peer).collect();
        let pairs = overdue
            .iter()
            .flat_map(|one| overdue.iter().map(move |other| (one, other)));
        pairs
            .filter(|(one, other)| self.may_meet(**one, **other))
            .count()
    }

    fn note(&mut self, output: &Output, now: Instant) {
        match *output {
            Output::TellWaiting { peer } => {
                assert!(
                    !self.rooms.contains_key(&peer),
                    "told to wait while in a room"
                );
                self.waiting.entry(peer).or_insert(now);
            }
            Output::TellMatched {
                room,
                offerer,
                answerer,
                ..
            } => {
                assert!(self.may_meet(offerer, answerer), "they would not meet");
                assert!(self.names.insert(room), "a room is named once");
                for (peer, partner) in [(offerer, answerer), (answerer, offerer)] {
                    self.waiting.remove(&peer);
                    let before = self.rooms.insert(peer, (room, partner));
                    assert_eq!(before, None, "matched while in a room");
                }
            }
            Output::TellPartnerLeft { peer, room, .. } => {
                let (known, _) = self
                    .rooms
                    .remove(&peer)
                    .expect("told of a room that it was in");
                assert_eq!(known, room);
            }
            Output::RefuseRoom { .. } => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everybody_is_where_he_was_told(
        recent_partners in 0..4_usize,
        is_fixed in any::<bool>(),
        steps in proptest::collection::vec((0..7_u64, step()), 1..120),
    ) {
        let mut last_name = 0_u128;
        let names = || {
            last_name += 1;
            RoomId::from_bytes(last_name.to_be_bytes())
        };
        let widening = if is_fixed { Widening::Fixed } else { Widening::Expected };
        let config = Config { recent_partners, widening, ..Config::default() };
        let mut matchmaker = Matchmaker::new(config, names);
        let mut now = simulation::start();
        let mut told = Told::default();
        let mut last_rooms: BTreeMap<PeerId, RoomId> = BTreeMap::new();
        let mut last_guest = 1000;

        for (peer, step) in steps {
            let peer = PeerId(peer);
            let named = |names_room: bool| last_rooms.get(&peer).copied().filter(|_| names_room);
            let input = match step {
                Step::Join { interests, language } => {
                    told.rooms.remove(&peer);
                    Input::JoinAsked { peer, wishes: Wishes::new(&interests, language) }
                }
                Step::Next { names_room } => {
                    told.rooms.remove(&peer);
                    Input::NextAsked { peer, room: named(names_room) }
                }
                Step::Leave { names_room } => {
                    told.rooms.remove(&peer);
                    told.waiting.remove(&peer);
                    Input::LeaveAsked { peer, room: named(names_room) }
                }
                Step::Vanish => {
                    told.rooms.remove(&peer);
                    told.waiting.remove(&peer);
                    told.blocked.retain(|(blocker, _)| *blocker != peer);
                    Input::Disconnected { peer }
                }
                Step::Block { other } => {
                    let other = PeerId(other);
                    told.blocked.insert((peer, other));
                    Input::Blocked { peer, other }
                }
                Step::ComeUp => match last_rooms.get(&peer).copied() {
                    Some(room) => Input::CameUp { peer, room },
                    None => Input::Timeout,
                },
                Step::StayUnanswered => match last_rooms.get(&peer).copied() {
                    Some(room) => Input::Unanswered { peer, room },
                    None => Input::Timeout,
                },
                Step::SetAside => {
                    told.waiting.remove(&peer);
                    Input::SetAside { peer }
                }
                Step::GuestComes if {
                    matchmaker.handle(Input::SetAside { peer }, now);
                    while let Some(output) = matchmaker.poll_output() {
                        told.note(&output, now);
                    }
                    told.waiting.remove(&peer).is_some()
                } => {
                    last_guest += 1;
                    let guest = PeerId(last_guest);
                    let room = RoomId::from_bytes((u128::from(last_guest) << 64).to_be_bytes());
                    for (one, other) in [(peer, guest), (guest, peer)] {
                        told.rooms.insert(one, (room, other));
                    }
                    let wishes = Wishes::new(&["tea".to_owned()], Some("fr"));
                    Input::GuestCame { peer, guest, wishes, room }
                }
                Step::GuestComes => Input::Timeout,
                Step::GuestLeaves => match told.rooms.get(&peer) {
                    Some(&(_, guest)) if guest.0 > 1000 => {
                        told.rooms.remove(&guest);
                        Input::GuestLeft { guest, reason: LeaveReason::Next }
                    }
                    _ => Input::Timeout,
                },
                Step::Wait { ms } => {
                    now += Duration::from_millis(ms);
                    Input::Timeout
                }
            };
            matchmaker.handle(input, now);
            while let Some(output) = matchmaker.poll_output() {
                told.note(&output, now);
            }
            matchmaker.assert_invariants(now);
            for (peer, (room, partner)) in &told.rooms {
                last_rooms.insert(*peer, *room);
                prop_assert_eq!(matchmaker.room_of(*peer), Some((*room, *partner)));
            }
            prop_assert_eq!(told.rooms.len(), 2 * matchmaker.room_count());
            prop_assert_eq!(told.waiting.len(), matchmaker.waiting_count());
            prop_assert_eq!(told.pairs_waiting_for(config.longest_hold(), now), 0);
        }

        now += config.longest_hold();
        matchmaker.handle(Input::Timeout, now);
        while let Some(output) = matchmaker.poll_output() {
            told.note(&output, now);
        }
        prop_assert_eq!(
            told.pairs_waiting_for(Duration::ZERO, now), 0,
            "in the end only those wait who have nobody else"
        );
        for peer in (0..7).chain(1000..=last_guest) {
            matchmaker.handle(Input::Disconnected { peer: PeerId(peer) }, now);
        }
        matchmaker.assert_invariants(now);
        prop_assert_eq!((matchmaker.waiting_count(), matchmaker.room_count()), (0, 0));
        prop_assert_eq!(matchmaker.poll_timeout(), None);
    }
}

//! One rule of matching each.

use std::time::{Duration, Instant};

use matchmaker::{Config, Input, Matchmaker, Output, PeerId, Widening, Wishes};
use protocol::{LeaveReason, RoomId};

const HOLD: Duration = Duration::from_secs(3);
const HOLDS: Config = Config {
    recent_partners: 5,
    hold_for_interest: HOLD,
    hold_for_language: HOLD,
    hold_for_new: HOLD,
    widening: Widening::Expected,
};
const ALICE: PeerId = PeerId(1);
const BOB: PeerId = PeerId(2);
const CAROL: PeerId = PeerId(3);
const DAVE: PeerId = PeerId(4);

#[test]
fn the_first_waits_and_the_second_is_matched_with_him() {
    let mut strangers = Strangers::new();

    assert_eq!(
        strangers.join(ALICE, &[], None),
        [Output::TellWaiting { peer: ALICE }]
    );

    assert_eq!(
        strangers.join(BOB, &[], None),
        [matched(1, BOB, ALICE, &[])]
    );
    assert_eq!(strangers.matchmaker.room_of(ALICE), Some((room(1), BOB)));
    assert_eq!(strangers.matchmaker.room_of(BOB), Some((room(1), ALICE)));
}

#[test]
fn a_person_who_asks_twice_is_not_matched_with_himself() {
    let mut strangers = Strangers::new();

    strangers.join(ALICE, &["tea"], None);
    let outputs = strangers.join(ALICE, &["tea"], None);

    assert_eq!(outputs, [Output::TellWaiting { peer: ALICE }]);
    assert_eq!(strangers.matchmaker.waiting_count(), 1);
}

#[test]
fn who_left_the_queue_is_not_matched() {
    for goodbye in [
        Input::LeaveAsked {
            peer: ALICE,
            room: None,
        },
        Input::Disconnected { peer: ALICE },
    ] {
        let mut strangers = Strangers::new();
        strangers.join(ALICE, &[], None);

        assert_eq!(strangers.handle(goodbye), []);

        assert_eq!(
            strangers.join(BOB, &[], None),
            [Output::TellWaiting { peer: BOB }]
        );
    }
}

#[test]
fn the_partner_is_told_once_how_he_was_left() {
    for (goodbye, reason) in [
        (
            Input::NextAsked {
                peer: ALICE,
                room: Some(room(1)),
            },
            LeaveReason::Next,
        ),
        (
            Input::JoinAsked {
                peer: ALICE,
                wishes: Wishes::default(),
            },
            LeaveReason::Next,
        ),
        (
            Input::LeaveAsked {
                peer: ALICE,
                room: Some(room(1)),
            },
            LeaveReason::Left,
        ),
        (
            Input::Disconnected { peer: ALICE },
            LeaveReason::Disconnected,
        ),
    ] {
        let mut strangers = Strangers::new();
        strangers.join(ALICE, &[], None);
        strangers.join(BOB, &[], None);

        let outputs = strangers.handle(goodbye);

        let told = Output::TellPartnerLeft {
            peer: BOB,
            room: room(1),
            reason,
        };
        assert_eq!(outputs[0], told);
        assert_eq!(strangers.matchmaker.room_of(BOB), None);
        assert_eq!(strangers.matchmaker.room_count(), 0);
        let later = strangers.handle(Input::Disconnected { peer: ALICE });
        assert!(!later.contains(&told), "told a second time");
    }
}

#[test]
fn next_after_the_partner_went_finds_somebody_else() {
    let mut strangers = Strangers::new();
    strangers.join(ALICE, &[], None);
    strangers.join(BOB, &[], None);
    strangers.came_up(ALICE, 1);
    strangers.handle(Input::Disconnected { peer: ALICE });
    strangers.join(CAROL, &[], None);

    let outputs = strangers.handle(Input::NextAsked {
        peer: BOB,
        room: Some(room(1)),
    });

    assert_eq!(outputs, [matched(2, BOB, CAROL, &[])]);
}

#[test]
fn a_late_next_or_leave_does_not_touch_the_room_after() {
    for late in [
        Input::NextAsked {
            peer: BOB,
            room: Some(room(1)),
        },
        Input::LeaveAsked {
            peer: BOB,
            room: Some(room(1)),
        },
    ] {
        let mut strangers = Strangers::new();
        strangers.join(ALICE, &[], None);
        strangers.join(BOB, &[], None);
        strangers.join(CAROL, &[], None);
        strangers.handle(Input::NextAsked {
            peer: BOB,
            room: Some(room(1)),
        });
        assert_eq!(strangers.matchmaker.room_of(BOB), Some((room(2), CAROL)));

        let outputs = strangers.handle(late);

        assert_eq!(
            outputs,
            [Output::RefuseRoom {
                peer: BOB,
                room: room(1)
            }]
        );
        assert_eq!(strangers.matchmaker.room_of(BOB), Some((room(2), CAROL)));
    }
}

#[test]
fn next_keeps_the_interests_of_the_last_join() {
    let mut strangers = Strangers::new();
    strangers.join(ALICE, &["tea", "chess"], None);
    strangers.join(BOB, &[], None);
    strangers.handle(Input::NextAsked {
        peer: ALICE,
        room: None,
    });

    let outputs = strangers.join(CAROL, &["chess"], None);

    assert_eq!(outputs, [matched(2, CAROL, ALICE, &["chess"])]);
}

#[test]
fn most_shared_interests_come_first_then_the_longest_wait() {
    let mut strangers = Strangers::among_others();
    strangers.join(ALICE, &["tea", "golf"], None);
    strangers.join(BOB, &["chess", "jazz", "golf"], None);
    assert_eq!(
        strangers.matchmaker.room_of(ALICE),
        Some((room(2), BOB)),
        "golf is shared"
    );
    let mut strangers = Strangers::among_others();
    strangers.join(ALICE, &["tea"], None);
    strangers.join(BOB, &["chess", "jazz"], None);
    strangers.join(CAROL, &["chess"], Some("fr"));
    assert_eq!(strangers.matchmaker.room_of(CAROL), Some((room(2), BOB)));

    strangers.handle(Input::NextAsked {
        peer: BOB,
        room: None,
    });
    let outputs = strangers.join(DAVE, &["tea", "chess", "jazz"], None);

    assert_eq!(
        outputs,
        [matched(3, DAVE, BOB, &["chess", "jazz"])],
        "two shared beat one and age"
    );
}

#[test]
fn among_equals_the_longest_wait_comes_first() {
    let mut strangers = Strangers::among_others();
    strangers.join(ALICE, &[], None);
    strangers.join(BOB, &[], None);
    strangers.came_up(ALICE, 2);
    // Both have just met, so both wait: for each other as a last resort, for anybody else at once.
    strangers.handle(Input::NextAsked {
        peer: BOB,
        room: None,
    });
    strangers.join(ALICE, &[], None);
    assert_eq!(strangers.matchmaker.waiting_count(), 2);

    assert_eq!(
        strangers.join(DAVE, &[], None),
        [matched(3, DAVE, BOB, &[])]
    );
}

#[test]
fn the_same_language_is_preferred_among_equals() {
    let mut strangers = Strangers::among_others();
    strangers.join(ALICE, &["tea"], None);
    strangers.join(BOB, &["chess"], Some("fr-CA"));

    let outputs = strangers.join(CAROL, &["tea", "chess"], Some("fr"));

    assert_eq!(outputs, [matched(2, CAROL, BOB, &["chess"])]);
}

#[test]
fn another_language_is_taken_only_when_nobody_else_comes() {
    let mut strangers = Strangers::among_others();
    strangers.join(ALICE, &[], Some("fr"));
    strangers.join(BOB, &[], Some("de"));
    assert_eq!(strangers.matchmaker.room_of(ALICE), None);

    strangers.advance(2 * HOLD);

    assert_eq!(strangers.partner_of(ALICE), Some(BOB));
}

#[test]
fn a_person_with_interests_holds_out_while_one_who_shares_them_is_likely_to_come() {
    let mut strangers = Strangers::among_others();
    strangers.join(ALICE, &["tea"], None);
    assert_eq!(
        strangers.join(BOB, &[], None),
        [Output::TellWaiting { peer: BOB }]
    );

    strangers.advance(HOLD.checked_sub(Duration::from_millis(1)).unwrap());
    assert_eq!(strangers.matchmaker.room_of(BOB), None);
    let outputs = strangers.advance(Duration::from_millis(1));

    assert_eq!(outputs, [matched(2, BOB, ALICE, &[])]);
}

#[test]
fn nobody_holds_out_for_an_interest_of_those_who_hardly_ever_come() {
    let mut strangers = Strangers::among_others();
    // The two others have talked for half an hour.
    strangers.advance(Duration::from_mins(30));
    strangers.join(ALICE, &["tea"], None);

    assert_eq!(
        strangers.join(BOB, &[], None),
        [matched(2, BOB, ALICE, &[])]
    );
}

#[test]
fn the_more_often_people_come_the_sooner_one_gives_up() {
    let waits = |asks_per_second: u64| {
        let mut strangers = Strangers::among_others();
        // Others come and go so often, one after the other, and meet nobody.
        for _ in 0..60 * asks_per_second {
            strangers.advance(Duration::from_secs(1) / asks_per_second as u32);
            strangers.join(PeerId(50), &[], None);
            strangers.handle(Input::LeaveAsked {
                peer: PeerId(50),
                room: None,
            });
        }
        let asked_at = strangers.now;
        strangers.join(ALICE, &["tea"], None);
        strangers.join(BOB, &[], None);
        while strangers.matchmaker.room_of(BOB).is_none() {
            strangers.now = strangers.matchmaker.poll_timeout().expect("it ends");
            strangers.handle(Input::Timeout);
        }
        strangers.now - asked_at
    };

    let (seldom, often, all_the_time) = (waits(1), waits(4), waits(16));
    assert!(
        seldom > often && often > all_the_time,
        "{seldom:?} {often:?} {all_the_time:?}"
    );
    assert!(all_the_time < Duration::from_secs(1), "{all_the_time:?}");
}

#[test]
fn fixed_times_are_waited_to_the_end_whoever_comes() {
    let mut strangers = Strangers::with(Config {
        widening: Widening::Fixed,
        ..HOLDS
    });
    strangers.join(PeerId(98), &["tea"], None);
    strangers.join(PeerId(99), &["tea"], None);
    strangers.advance(Duration::from_mins(30));
    strangers.join(ALICE, &["tea"], None);
    strangers.join(BOB, &[], None);

    strangers.advance(HOLD.checked_sub(Duration::from_millis(1)).unwrap());
    assert_eq!(strangers.matchmaker.room_of(BOB), None);
    strangers.advance(Duration::from_millis(1));

    assert_eq!(strangers.partner_of(BOB), Some(ALICE));
}

#[test]
fn nobody_holds_out_for_an_interest_that_nobody_online_has() {
    let mut strangers = Strangers::among_others();
    strangers.join(ALICE, &["golf"], None);

    assert_eq!(
        strangers.join(BOB, &["sailing"], None),
        [matched(2, BOB, ALICE, &[])]
    );
}

#[test]
fn nobody_holds_out_for_a_language_that_nobody_else_speaks() {
    let mut strangers = Strangers::new();
    strangers.join(PeerId(98), &[], Some("fr"));
    strangers.join(PeerId(99), &[], Some("fr"));
    strangers.join(ALICE, &[], Some("is"));

    assert_eq!(
        strangers.join(BOB, &[], Some("fi")),
        [matched(2, BOB, ALICE, &[])]
    );
}

#[test]
fn nobody_holds_out_once_nobody_is_in_a_room() {
    let mut strangers = Strangers::among_others();
    strangers.join(ALICE, &["tea"], None);
    strangers.join(BOB, &[], None);
    assert_eq!(strangers.matchmaker.waiting_count(), 2);

    let outputs = strangers.handle(Input::Disconnected { peer: PeerId(98) });

    assert!(
        outputs.contains(&matched(2, BOB, ALICE, &[])),
        "{outputs:?}"
    );
}

#[test]
fn two_who_have_just_met_do_not_meet_again_while_others_may_come() {
    let mut strangers = Strangers::among_others();
    strangers.join(ALICE, &["jazz"], None);
    strangers.join(BOB, &["jazz"], None);
    strangers.handle(Input::NextAsked {
        peer: ALICE,
        room: Some(room(2)),
    });

    let outputs = strangers.join(BOB, &["jazz"], None);

    assert_eq!(outputs, [Output::TellWaiting { peer: BOB }]);
    assert_eq!(
        strangers.join(CAROL, &[], None),
        [Output::TellWaiting { peer: CAROL }],
        "they hold out for jazz"
    );
    strangers.advance(HOLD);
    let met_carol = [ALICE, BOB].map(|peer| strangers.partner_of(peer) == Some(CAROL));
    assert_eq!(met_carol.iter().filter(|met| **met).count(), 1);
    assert_eq!(
        strangers.matchmaker.waiting_count(),
        1,
        "the other one waits"
    );
}

#[test]
fn two_who_have_just_met_do_meet_again_when_nobody_else_comes() {
    let mut strangers = Strangers::among_others();
    strangers.join(ALICE, &[], None);
    strangers.join(BOB, &[], None);
    strangers.came_up(ALICE, 2);
    strangers.handle(Input::NextAsked {
        peer: ALICE,
        room: None,
    });
    strangers.join(BOB, &[], None);
    assert_eq!(strangers.matchmaker.waiting_count(), 2);

    let outputs = strangers.advance(HOLD);

    assert_eq!(outputs, [matched(3, BOB, ALICE, &[])]);
}

#[test]
fn the_one_met_longest_ago_comes_back_first() {
    let mut strangers = Strangers::among_others();
    for partner in [BOB, CAROL] {
        strangers.join(ALICE, &[], None);
        strangers.join(partner, &[], None);
        assert_eq!(strangers.partner_of(ALICE), Some(partner));
        strangers.handle(Input::LeaveAsked {
            peer: partner,
            room: None,
        });
    }
    // The two wait, and would not have each other.
    let (peer, other) = (BOB, CAROL);
    strangers.handle(Input::Blocked { peer, other });
    strangers.join(CAROL, &[], None);
    strangers.join(BOB, &[], None);
    strangers.join(ALICE, &[], None);
    assert_eq!(strangers.matchmaker.waiting_count(), 3);

    strangers.now += HOLD;
    strangers.handle(Input::Timeout);

    assert_eq!(strangers.partner_of(ALICE), Some(BOB));
}

#[test]
fn who_has_blocked_somebody_never_meets_him_again() {
    for (peer, other) in [(ALICE, BOB), (BOB, ALICE)] {
        let mut strangers = Strangers::new();
        strangers.handle(Input::Blocked { peer, other });
        strangers.join(ALICE, &["tea"], Some("fr"));
        strangers.join(BOB, &["tea"], Some("fr"));

        strangers.advance(Duration::from_hours(1));
        assert_eq!(strangers.matchmaker.waiting_count(), 2);

        strangers.join(CAROL, &[], None);
        assert_eq!(strangers.partner_of(ALICE), Some(CAROL));
        assert_eq!(strangers.partner_of(BOB), None);
    }
}

#[test]
fn who_is_left_before_the_call_has_come_up_keeps_the_place_in_the_queue() {
    for (came_up, first) in [(false, ALICE), (true, DAVE)] {
        let mut strangers = Strangers::new();
        strangers.join(ALICE, &[], None);
        strangers.join(BOB, &[], None);
        if came_up {
            strangers.came_up(BOB, 1);
        }
        // Two more wait, and would not have each other nor Alice.
        for (peer, other) in [(DAVE, ALICE), (DAVE, PeerId(5)), (ALICE, PeerId(5))] {
            strangers.handle(Input::Blocked { peer, other });
        }
        strangers.join(DAVE, &[], None);
        strangers.join(PeerId(5), &[], None);
        strangers.handle(Input::Disconnected { peer: BOB });
        strangers.handle(Input::NextAsked {
            peer: ALICE,
            room: Some(room(1)),
        });
        assert_eq!(strangers.matchmaker.waiting_count(), 3);

        strangers.join(CAROL, &[], None);

        assert_eq!(strangers.partner_of(CAROL), Some(first), "{came_up}");
    }
}

#[test]
fn two_of_whom_none_answers_are_parted_and_both_keep_their_places() {
    const FRANK: PeerId = PeerId(6);
    let mut strangers = Strangers::new();
    strangers.join(ALICE, &[], None);
    strangers.join(BOB, &[], None);
    // They wait beside each other, so that it shows who comes first.
    for (peer, other) in [(ALICE, BOB), (DAVE, ALICE), (DAVE, BOB)] {
        strangers.handle(Input::Blocked { peer, other });
    }
    strangers.join(DAVE, &[], None);
    let parted = Input::Unanswered {
        peer: BOB,
        room: room(1),
    };

    let told = strangers.handle(parted.clone());

    let left = |peer| Output::TellPartnerLeft {
        peer,
        room: room(1),
        reason: LeaveReason::Disconnected,
    };
    assert_eq!(told, [left(ALICE), left(BOB)]);
    assert_eq!(strangers.handle(parted), [], "the room is closed once");
    for peer in [BOB, ALICE] {
        let room = Some(room(1));
        strangers.handle(Input::NextAsked { peer, room });
    }
    strangers.join(CAROL, &[], None);
    strangers.join(FRANK, &[], None);
    assert_eq!(strangers.partner_of(CAROL), Some(ALICE));
    assert_eq!(strangers.partner_of(FRANK), Some(BOB));
}

#[test]
fn a_call_that_has_come_up_is_not_parted_for_want_of_an_answer() {
    let mut strangers = Strangers::new();
    strangers.join(ALICE, &[], None);
    strangers.join(BOB, &[], None);
    strangers.came_up(ALICE, 1);

    for number in [1, 2] {
        let room = room(number);
        assert_eq!(strangers.handle(Input::Unanswered { peer: BOB, room }), []);
    }
    assert_eq!(strangers.partner_of(ALICE), Some(BOB));
}

#[test]
fn a_place_in_the_queue_is_not_kept_for_those_who_do_not_come_for_it() {
    let mut strangers = Strangers::new();
    strangers.join(ALICE, &[], None);
    strangers.join(BOB, &[], None);
    let (peer, other) = (DAVE, ALICE);
    strangers.handle(Input::Blocked { peer, other });
    strangers.join(DAVE, &[], None);
    strangers.handle(Input::Disconnected { peer: BOB });
    strangers.advance(Duration::from_secs(10));
    strangers.handle(Input::NextAsked {
        peer: ALICE,
        room: None,
    });

    strangers.join(CAROL, &[], None);

    assert_eq!(strangers.partner_of(CAROL), Some(DAVE));
}

#[test]
fn two_who_are_alone_meet_again_at_once() {
    let mut strangers = Strangers::new();
    strangers.join(ALICE, &["tea"], Some("fr"));
    strangers.join(BOB, &["tea"], Some("de"));

    for round in 1..20 {
        assert_eq!(
            strangers.matchmaker.room_of(ALICE),
            Some((room(round), BOB))
        );
        strangers.handle(Input::NextAsked {
            peer: BOB,
            room: None,
        });
        strangers.handle(Input::NextAsked {
            peer: ALICE,
            room: None,
        });
    }
}

#[test]
fn only_the_last_few_partners_are_avoided() {
    for (recent_partners, meet_again) in [(1, true), (2, false)] {
        let mut strangers = Strangers::with(Config {
            recent_partners,
            ..HOLDS
        });
        strangers.join(PeerId(98), &[], None);
        strangers.join(PeerId(99), &[], None);
        strangers.join(ALICE, &[], None);
        strangers.join(BOB, &[], None);
        // Each meets another one, and all of that ends.
        strangers.join(CAROL, &[], None);
        strangers.join(BOB, &[], None);
        strangers.join(DAVE, &[], None);
        strangers.join(ALICE, &[], None);
        assert_eq!(strangers.matchmaker.room_count(), 3);
        for peer in [CAROL, DAVE] {
            strangers.handle(Input::LeaveAsked { peer, room: None });
        }

        strangers.join(ALICE, &[], None);
        strangers.join(BOB, &[], None);

        assert_eq!(strangers.matchmaker.room_count() == 2, meet_again);
    }
}

#[test]
fn one_who_comes_and_goes_does_not_push_another_one_out_of_the_list_of_those_who_are_blocked() {
    let mut strangers = Strangers::new();
    strangers.join(BOB, &[], None);
    strangers.handle(Input::Blocked {
        peer: ALICE,
        other: BOB,
    });
    for number in 100..300 {
        let other = PeerId(number);
        strangers.handle(Input::LeaveAsked {
            peer: other,
            room: None,
        });
        strangers.handle(Input::Blocked { peer: ALICE, other });
        strangers.handle(Input::Disconnected { peer: other });
    }

    strangers.join(ALICE, &[], None);

    assert_eq!(strangers.partner_of(ALICE), None);
    assert_eq!(strangers.matchmaker.waiting_count(), 2);
}

/// A matchmaker in virtual time; rooms are named 1, 2, 3, ….
#[test]
fn one_who_was_set_aside_keeps_the_place_and_meets_nobody_meanwhile() {
    let mut strangers = Strangers::new();
    strangers.join(ALICE, &[], None);
    strangers.advance(Duration::from_secs(1));

    assert_eq!(strangers.handle(Input::SetAside { peer: ALICE }), []);
    let waiting = Output::TellWaiting { peer: BOB };
    assert_eq!(strangers.join(BOB, &[], None), [waiting]);
    assert_eq!(strangers.matchmaker.refusals_of(ALICE), None);

    let next = Input::NextAsked {
        peer: ALICE,
        room: None,
    };
    assert_eq!(
        strangers.handle(next),
        [matched(1, BOB, ALICE, &[])],
        "she has waited longer"
    );
}

#[test]
fn a_guest_is_in_a_room_like_anybody_and_gone_with_it() {
    let guest = PeerId(99);
    let came = |peer| Input::GuestCame {
        peer,
        guest,
        wishes: Wishes::default(),
        room: room(77),
    };
    let mut strangers = Strangers::new();
    strangers.join(ALICE, &[], None);
    strangers.handle(Input::SetAside { peer: ALICE });
    assert_eq!(strangers.handle(came(ALICE)), [], "the owner tells them");
    assert_eq!(strangers.matchmaker.room_of(ALICE), Some((room(77), guest)));
    let reason = LeaveReason::Next;
    let left = |peer| Output::TellPartnerLeft {
        peer,
        room: room(77),
        reason,
    };
    let gone = Input::GuestLeft { guest, reason };
    assert_eq!(strangers.handle(gone), [left(ALICE)]);
    assert_eq!(strangers.matchmaker.room_of(guest), None);

    strangers.join(BOB, &[], None);
    strangers.handle(Input::SetAside { peer: BOB });
    strangers.handle(came(BOB));
    let next = Input::NextAsked {
        peer: BOB,
        room: None,
    };
    assert_eq!(strangers.handle(next)[0], left(guest), "it is told so, too");
}

struct Strangers {
    matchmaker: Matchmaker<Box<dyn FnMut() -> RoomId>>,
    now: Instant,
}

impl Strangers {
    fn new() -> Self {
        Self::with(HOLDS)
    }

    fn with(config: Config) -> Self {
        let mut last = 0;
        let names = move || {
            last += 1;
            room(last)
        };
        Self {
            matchmaker: Matchmaker::new(config, Box::new(names)),
            now: simulation::start(),
        }
    }

    /// With two more people online, in room 1, who like what the others may like.
    fn among_others() -> Self {
        let mut strangers = Self::new();
        strangers.join(PeerId(98), &["tea", "chess", "jazz"], None);
        strangers.join(PeerId(99), &["tea", "chess", "jazz"], None);
        assert_eq!(strangers.matchmaker.room_count(), 1);
        strangers
    }

    fn join(&mut self, peer: PeerId, interests: &[&str], language: Option<&str>) -> Vec<Output> {
        let interests: Vec<String> = interests.iter().map(ToString::to_string).collect();
        self.handle(Input::JoinAsked {
            peer,
            wishes: Wishes::new(&interests, language),
        })
    }

    fn came_up(&mut self, peer: PeerId, number: u128) {
        let room = room(number);
        assert_eq!(self.handle(Input::CameUp { peer, room }), []);
    }

    fn partner_of(&self, peer: PeerId) -> Option<PeerId> {
        self.matchmaker.room_of(peer).map(|(_, partner)| partner)
    }

    fn advance(&mut self, by: Duration) -> Vec<Output> {
        self.now += by;
        self.handle(Input::Timeout)
    }

    fn handle(&mut self, input: Input) -> Vec<Output> {
        self.matchmaker.handle(input, self.now);
        self.matchmaker.assert_invariants(self.now);
        std::iter::from_fn(|| self.matchmaker.poll_output()).collect()
    }
}

fn room(number: u128) -> RoomId {
    RoomId::from_bytes(number.to_be_bytes())
}

fn matched(number: u128, offerer: PeerId, answerer: PeerId, interests: &[&str]) -> Output {
    let interests = interests.iter().map(ToString::to_string).collect();
    Output::TellMatched {
        room: room(number),
        offerer,
        answerer,
        interests,
    }
}

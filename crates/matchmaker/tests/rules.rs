//! One rule of matching each.

use std::time::{Duration, Instant};

use matchmaker::{Config, Input, Matchmaker, Output, PeerId, Wishes};
use protocol::{LeaveReason, RoomId};

const HOLD: Duration = Duration::from_secs(3);
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
    let mut strangers = Strangers::new();
    strangers.join(ALICE, &[], None);
    strangers.join(BOB, &[], None);
    strangers.join(CAROL, &[], None);
    strangers.handle(Input::LeaveAsked {
        peer: CAROL,
        room: None,
    });
    // Both have just met, so both wait: for each other as a last resort, for anybody else at once.
    strangers.handle(Input::NextAsked {
        peer: BOB,
        room: None,
    });
    strangers.join(ALICE, &[], None);
    assert_eq!(strangers.matchmaker.waiting_count(), 2);

    assert_eq!(
        strangers.join(DAVE, &[], None),
        [matched(2, DAVE, BOB, &[])]
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

    assert_eq!(
        strangers
            .matchmaker
            .room_of(ALICE)
            .map(|(_, partner)| partner),
        Some(BOB)
    );
}

#[test]
fn a_person_with_interests_holds_out_while_somebody_online_shares_one() {
    let mut strangers = Strangers::new();
    strangers.join(ALICE, &["tea"], None);
    strangers.join(BOB, &["tea"], None);
    strangers.join(CAROL, &["tea"], None);
    assert_eq!(
        strangers.join(DAVE, &[], None),
        [Output::TellWaiting { peer: DAVE }]
    );

    strangers.advance(HOLD.checked_sub(Duration::from_millis(1)).unwrap());
    assert_eq!(strangers.matchmaker.room_of(DAVE), None);
    let outputs = strangers.advance(Duration::from_millis(1));

    assert_eq!(outputs, [matched(2, DAVE, CAROL, &[])]);
}

#[test]
fn nobody_holds_out_for_an_interest_that_nobody_online_has() {
    let mut strangers = Strangers::new();
    strangers.join(ALICE, &["tea"], None);
    strangers.join(BOB, &["tea"], None);
    strangers.join(CAROL, &["chess"], None);

    assert_eq!(
        strangers.join(DAVE, &["golf"], None),
        [matched(2, DAVE, CAROL, &[])]
    );
}

#[test]
fn two_who_have_just_met_do_not_meet_again_while_others_may_come() {
    let mut strangers = Strangers::among_others();
    strangers.join(ALICE, &["tea"], None);
    strangers.join(BOB, &["tea"], None);
    strangers.handle(Input::NextAsked {
        peer: ALICE,
        room: Some(room(2)),
    });

    let outputs = strangers.join(BOB, &["tea"], None);

    assert_eq!(outputs, [Output::TellWaiting { peer: BOB }]);
    assert_eq!(
        strangers.join(CAROL, &[], None),
        [Output::TellWaiting { peer: CAROL }]
    );
    strangers.advance(HOLD);
    assert_eq!(
        strangers
            .matchmaker
            .room_of(CAROL)
            .map(|(_, partner)| partner),
        Some(ALICE)
    );
    strangers.advance(HOLD);
    assert_eq!(
        strangers.matchmaker.room_of(BOB),
        None,
        "still waits for anybody"
    );
}

#[test]
fn two_who_have_just_met_do_meet_again_when_nobody_else_comes() {
    let mut strangers = Strangers::among_others();
    strangers.join(ALICE, &[], None);
    strangers.join(BOB, &[], None);
    strangers.handle(Input::NextAsked {
        peer: ALICE,
        room: None,
    });
    strangers.join(BOB, &[], None);

    let outputs = strangers.advance(HOLD);

    assert_eq!(outputs, [matched(3, BOB, ALICE, &[])]);
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
            ..Config::default()
        });
        strangers.join(ALICE, &[], None);
        strangers.join(BOB, &[], None);
        // Each meets another one, and all of that ends.
        strangers.join(CAROL, &[], None);
        strangers.join(BOB, &[], None);
        strangers.join(DAVE, &[], None);
        strangers.join(ALICE, &[], None);
        assert_eq!(strangers.matchmaker.room_count(), 2);
        strangers.handle(Input::LeaveAsked {
            peer: CAROL,
            room: None,
        });
        strangers.handle(Input::LeaveAsked {
            peer: DAVE,
            room: None,
        });

        strangers.join(ALICE, &[], None);
        strangers.join(BOB, &[], None);

        assert_eq!(strangers.matchmaker.room_count() == 1, meet_again);
    }
}

/// A matchmaker in virtual time; rooms are named 1, 2, 3, ….
struct Strangers {
    matchmaker: Matchmaker<Box<dyn FnMut() -> RoomId>>,
    now: Instant,
}

impl Strangers {
    fn new() -> Self {
        Self::with(Config {
            hold_for_interest: HOLD,
            hold_for_new: HOLD,
            ..Config::default()
        })
    }

    fn with(config: Config) -> Self {
        let mut last = 0;
        let names = move || {
            last += 1;
            room(last)
        };
        Self {
            matchmaker: Matchmaker::new(config, Box::new(names)),
            now: Instant::now(),
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

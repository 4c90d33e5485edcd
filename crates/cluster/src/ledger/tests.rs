use super::*;

const SHELF: Shelf = Shelf {
    word: "test",
    limit: 100,
};
/// By the wall, in milliseconds and in seconds.
const MS: u64 = 1_800_000_000_000;
const S: u64 = MS / 1000;

fn fact(name: &str, ms: u64) -> Fact {
    Fact {
        name: name.into(),
        stamp: Stamp {
            ms,
            node: NodeId(9),
        },
        until: FOR_GOOD,
        text: "so".into(),
    }
}

fn page(last: u64, facts: Vec<Fact>) -> Page {
    Page {
        epoch: "e".to_owned(),
        last,
        facts,
        ..Page::default()
    }
}

/// One that has read all that Redis has, which is nothing.
fn reader(now: Instant) -> Ledger {
    let mut ledger = Ledger::new(SHELF, NodeId(1));
    ledger.on_up(now);
    ledger.poll(now).expect("it asks at once");
    assert_eq!(ledger.on_page(page(0, Vec::new()), MS, now), []);
    ledger
}

/// What it makes of facts that Redis has.
fn hears(ledger: &mut Ledger, facts: Vec<Fact>, now: Instant) -> Vec<Fact> {
    ledger.on_nudge(now);
    ledger.poll(now).expect("it asks");
    ledger.on_page(page(ledger.since + 1, facts), MS, now)
}

#[test]
fn what_others_say_never_pushes_out_what_is_known_and_there_is_no_more_than_may_be() {
    let now = simulation::start();
    let mut ledger = reader(now);
    ledger.decide("ours", "so", S + 10, MS);
    for flood in 0..1000 {
        let facts = (0..READ).map(|number| fact(&format!("{flood} {number}"), MS));
        hears(&mut ledger, facts.collect(), now);
    }
    assert_eq!(ledger.len(), SHELF.limit);
    assert!(ledger.get("ours").is_some());
    assert!(ledger.refused() > 200_000);

    // What is decided here finds room.
    let (_, forgotten) = ledger.decide("later", "so", FOR_GOOD, MS);
    assert_eq!(forgotten.as_deref(), Some("ours"), "what ends first");
    assert_eq!(ledger.len(), SHELF.limit);
}

#[test]
fn what_makes_no_sense_or_is_over_is_not_taken() {
    let now = simulation::start();
    let mut ledger = reader(now);
    let ahead = fact("ahead", MS + AHEAD + 1);
    let wordy = Fact {
        text: "x".repeat(TEXT + 1).into(),
        ..fact("wordy", MS)
    };
    let named = fact(&"x".repeat(NAME + 1), MS);
    let endless = Fact {
        until: FOR_GOOD + 1,
        ..fact("endless", MS)
    };
    let wrong = vec![ahead, wordy, named, endless];
    assert_eq!(hears(&mut ledger, wrong, now), []);
    assert_eq!(ledger.refused(), 4);
    let over = Fact {
        until: S,
        ..fact("over", MS)
    };
    assert_eq!(hears(&mut ledger, vec![over], now), []);
    let late = fact("late", MS + AHEAD);
    assert_eq!(hears(&mut ledger, vec![late.clone()], now), [late]);
    assert_eq!(ledger.len(), 1);
}

#[test]
fn a_decision_is_later_than_all_that_was_known_though_the_clock_is_late() {
    let now = simulation::start();
    let mut ledger = reader(now);
    hears(&mut ledger, vec![fact("it", MS + 5000)], now);
    let (ours, _) = ledger.decide("it", "not so", FOR_GOOD, MS);
    assert_eq!(ours.stamp.ms, MS + 5001);
    assert_eq!(hears(&mut ledger, vec![fact("it", MS + 5000)], now), []);
    let offered = ledger.poll(now).expect("Redis has the older one").offers;
    assert_eq!(offered, [ours]);
}

#[test]
fn what_is_over_is_forgotten_and_there_is_room_again() {
    let now = simulation::start();
    let mut ledger = reader(now);
    ledger.decide("short", "so", S + 10, MS);
    ledger.decide("long", "so", S + 20, MS);
    assert!(ledger.tidy(S + 9).is_empty());
    assert_eq!(ledger.tidy(S + 10), [Arc::<str>::from("short")]);
    assert_eq!((ledger.len(), ledger.tidy(S + 10).len()), (1, 0));
}

#[test]
fn what_is_decided_is_told_at_once_and_one_question_waits_at_a_time() {
    let now = simulation::start();
    let mut ledger = reader(now);
    assert_eq!(ledger.poll(now), None, "nothing to ask for a second");
    assert_eq!(ledger.poll_timeout(), Some(now + ASKED_EVERY));
    let (fact, _) = ledger.decide("it", "so", FOR_GOOD, MS);
    assert_eq!(ledger.untold(), 1);
    let question = ledger.poll(now).expect("at once");
    assert_eq!(
        (question.offers, question.epoch),
        (vec![fact.clone()], "e".to_owned())
    );
    ledger.decide("another", "so", FOR_GOOD, MS);
    assert_eq!(ledger.poll(now), None);
    assert_eq!(ledger.on_page(page(1, vec![fact]), MS, now), []);
    assert_eq!(ledger.untold(), 1);
    assert!(ledger.poll(now).is_some());

    ledger.on_failed(now);
    assert_eq!(ledger.poll(now), None, "not for a moment");
    let again = now + FAILED_AGAIN;
    assert_eq!(ledger.poll_timeout(), Some(again));
    assert_eq!(ledger.poll(again).expect("again").offers.len(), 1);
    ledger.on_lost();
    assert_eq!(ledger.poll(again), None, "Redis is away");
    assert_eq!(ledger.on_page(page(9, Vec::new()), MS, again), []);
}

//! Any history of two or three people, a server that panics when a client breaks the protocol, and peer connections
//! that panic at orders that make no sense. Nothing may panic, each step keeps the invariants, and once the world is
//! in order again, whoever looks for a partner finds one.

mod fakes {
    pub(crate) mod history;
    pub(crate) mod paths;
    pub(crate) mod someone;
    pub(crate) mod strict_server;
    pub(crate) mod strict_stack;
    pub(crate) mod world;
}

use std::time::Duration;

use call::State;
use proptest::prelude::*;

use fakes::history::{Event, any_event, pause};
use fakes::someone::Person;
use fakes::world::World;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn two_people_who_start_are_connected() {
    let mut world = World::new(1, 2);
    world.happen(Event::Start(0));
    world.happen(Event::Start(1));
    world.run(ms(3_000));
    world.assert_in_pairs();
    for person in &world.people {
        assert!(
            person
                .peer
                .as_ref()
                .is_some_and(|peer| peer.stack.is_stable()),
            "no open offer"
        );
    }
}

#[test]
fn a_new_address_is_survived_by_an_ice_restart() {
    let mut world = World::new(2, 2);
    world.happen(Event::Start(0));
    world.happen(Event::Start(1));
    world.run(ms(3_000));
    world.happen(Event::AddressChanged);
    world.run(ms(2_001));
    let reconnecting = |person: &Person| matches!(person.call.state(), State::Reconnecting { .. });
    assert!(world.people.iter().any(reconnecting), "the path was lost");
    world.run(ms(10_000));
    world.assert_in_pairs();
    assert_eq!(world.people[0].peers_opened, 1, "it is the same call");
}

#[test]
fn two_who_press_next_at_the_same_moment_meet_again_undisturbed() {
    for seed in 0..100 {
        let mut world = World::new(seed, 2);
        world.server.takes_late_next = seed % 2 == 0;
        world.happen(Event::Start(0));
        world.happen(Event::Start(1));
        world.run(ms(3_000));
        world.happen(Event::Next(0));
        world.happen(Event::Next(1));
        world.run(ms(5_000));
        world.assert_in_pairs();
        for person in &world.people {
            assert_eq!(person.peers_opened, 2, "no call in between, seed {seed}");
        }
    }
}

/// Whatever becomes of the connections that are ready while a match is under way, and whoever of the two offers.
#[test]
fn two_are_connected_whatever_becomes_of_the_offers_that_they_told() {
    let mut given = 0;
    for seed in 0..200 {
        for event in [
            None,
            Some(Event::ReadyGone as fn(usize) -> Event),
            Some(Event::Ready),
            Some(Event::Moved),
            Some(|who| Event::Shield(who, true)),
        ] {
            let mut world = World::new(seed, 2);
            for person in [0, 1] {
                world.happen(Event::Ready(person));
                world.happen(Event::Start(person));
            }
            // Before, while and after the server makes the match.
            world.run(ms(seed));
            if let Some(event) = event {
                world.happen(event(0));
                world.happen(event(1));
            }
            // No time-out is long enough for this.
            world.run(ms(3_000));
            world.assert_in_pairs();
            given += world.server.given.len();
        }
    }
    assert!(given > 500, "{given} were handed over");
}

proptest! {
    #[test]
    fn after_any_history_whoever_searches_finds_a_partner(
        seed: u64,
        people in 2_usize..=3,
        takes_late_next: bool,
        history in proptest::collection::vec((any_event(), pause()), 0..60),
        change_of_mind in (0_u64..300).prop_map(ms),
    ) {
        let mut world = World::new(seed, people);
        world.server.takes_late_next = takes_late_next;
        world.server.refusal_ratio = 0.05;
        world.open_failure_ratio = 0.05;
        for (event, pause) in history {
            world.happen(event);
            world.run(pause);
        }
        world.put_in_order();
        world.run(ms(60_000));
        world.let_everybody_search();
        world.run(ms(60_000));
        world.assert_in_pairs();

        // Once more, all at the same moment; and one changes their mind while that is under way. Nothing here waits
        // for a time-out.
        for person in 0..people {
            world.happen(Event::Next(person));
        }
        world.run(change_of_mind);
        world.happen(Event::Stop(0));
        world.happen(Event::Start(0));
        world.run(ms(5_000));
        world.let_everybody_search();
        world.run(ms(5_000));
        world.assert_in_pairs();
    }
}

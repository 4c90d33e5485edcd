//! Whatever happens, in whatever order: nobody is in two rooms, nobody meets himself or one whom he has blocked, and once faults end
//! nobody is alone in a room or waits beside somebody who would do.
//!
//! Some servers, a Redis and a bus, made up and in virtual time. Calls and answers get lost, the bus loses, doubles and overtakes, Redis
//! restarts and forgets everything, or freezes, and servers die.

mod ledgers;
mod redis;
mod world;

use std::time::Duration;

use proptest::prelude::*;
use world::{Faults, World};

fn run(seed: u64, faults: Faults) -> World {
    run_many(seed, (3, 4), faults)
}

/// With so many servers and people at each.
fn run_many(seed: u64, (servers, people_each): (usize, u64), faults: Faults) -> World {
    let mut world = World::new(seed, servers, people_each);
    for _ in 0..400 {
        world.step(&faults);
    }
    world.calm_down(Duration::from_secs(50));
    world.assert_whole();
    world
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn with_all_faults_at_once_nobody_is_in_two_rooms_and_afterwards_nobody_is_stranded(seed: u64) {
        run(seed, Faults {
            loss: 0.1,
            lost_calls: 0.01,
            restarts: 0.01,
            freezes: 0.005,
            deaths: 0.004,
            farewells: 0.004,
        });
    }

    #[test]
    fn with_seven_servers_it_is_the_same(seed: u64) {
        run_many(seed, (7, 2), Faults {
            loss: 0.1,
            lost_calls: 0.01,
            restarts: 0.01,
            freezes: 0.005,
            deaths: 0.01,
            farewells: 0.01,
        });
    }

    #[test]
    fn when_a_server_ends_in_good_order_the_others_hear_it_before_its_lease_ends(seed: u64) {
        let mut world = World::new(seed, 3, 4);
        for _ in 0..100 {
            world.step(&Faults::default());
        }
        // What is on its way arrives.
        world.advance(Duration::from_millis(100));
        world.end(0);
        world.advance(Duration::from_millis(100));
        prop_assert!(world.nobody_is_with_one_who_is_gone());
        world.calm_down(Duration::from_secs(50));
        world.assert_whole();
    }

    #[test]
    fn on_a_bad_bus_alone_rooms_stay_whole(seed: u64) {
        let world = run(seed, Faults { loss: 0.3, ..Faults::default() });
        prop_assert!(world.meetings > 10, "{}", world.meetings);
    }
}

#[test]
fn without_faults_people_of_all_servers_meet() {
    let meetings: usize = (0..20)
        .map(|seed| run(seed, Faults::default()).meetings)
        .sum();
    assert!(meetings > 20 * 30, "{meetings}");
}

#[test]
fn people_of_two_servers_are_together_when_one_of_them_ends() {
    let across = (0..20).map(|seed| {
        let mut world = World::new(seed, 3, 4);
        for _ in 0..100 {
            world.step(&Faults::default());
        }
        world.across()
    });
    assert!(across.sum::<usize>() > 20, "or the test above says nothing");
}

#[test]
fn all_that_may_happen_does_happen_in_these_tests() {
    let faults = Faults {
        loss: 0.1,
        lost_calls: 0.01,
        restarts: 0.01,
        freezes: 0.005,
        deaths: 0.004,
        farewells: 0.004,
    };
    let mut seen = std::collections::BTreeMap::new();
    for seed in 0..40 {
        for (what, count) in run(seed, faults).seen {
            *seen.entry(what).or_insert(0) += count;
        }
    }
    for what in [
        "accepted",
        "death",
        "farewell",
        "found, but blocked",
        "freeze",
        "partner gone",
        "proposed",
        "proposed, but blocked",
        "put back",
        "restart",
        "said",
        "taken",
    ] {
        assert!(
            seen.get(what).is_some_and(|count| *count > 0),
            "{what}: {seen:?}"
        );
    }
}

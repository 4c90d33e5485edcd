//! Crowds of made-up people, as those of `cargo xtask simulate`, in small.

#[expect(dead_code, reason = "the simulator shows more than is tested here")]
#[path = "../examples/simulate/crowd.rs"]
mod crowd;

use crowd::{Crowd, Habits};
use matchmaker::{Config, Widening};

const EVENTS: u64 = 30_000;

#[test]
fn in_a_crowd_of_any_size_nobody_is_stranded_and_nobody_meets_one_who_was_blocked() {
    for widening in [Widening::Expected, Widening::Fixed] {
        for people in [2, 3, 10, 300] {
            let (seen, stranded) = run(widening, people, EVENTS);
            assert_eq!((stranded, seen.blocked), (0, 0), "{widening:?} {people}");
            assert!(seen.matches > EVENTS / 20, "{}", seen.matches);
        }
    }
}

#[test]
fn in_a_million_events_nobody_is_stranded() {
    for people in [3, 30, 300, 3_000] {
        let (seen, stranded) = run(Widening::Expected, people, 1_000_000);
        assert_eq!((stranded, seen.blocked), (0, 0), "{people}");
    }
}

fn run(widening: Widening, people: u64, events: u64) -> (crowd::Seen, u64) {
    let config = Config {
        widening,
        ..Config::default()
    };
    let habits = Habits {
        people,
        interests: 200,
        languages: 4,
    };
    Crowd::new(config, habits, people).run_events(events, config.longest_hold())
}

//! Pictures over paths that lose packets: how long they stand still, how late they are, and what repairs them.

#[expect(unreachable_pub, reason = "shared with the example")]
#[expect(dead_code, reason = "the example compares more means")]
mod repair_lab;

use std::time::Duration;

use repair_lab::{Code, Means, Outcome, Scenario, run};

const TIME: Duration = Duration::from_mins(1);

const fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

const fn path(round_trip_ms: u64, loss_percent: u32) -> Scenario {
    Scenario {
        round_trip: ms(round_trip_ms),
        loss_ratio: loss_percent as f64 / 100.0,
        loss_run: 1.0,
        video_bps: 1_800_000,
        clean_from: None,
    }
}

/// A partner of our own.
const ALL: Means = Means {
    has_playout_delay: true,
    has_copies: true,
    protection: Some(Code::SlidingWindow),
};
/// A partner that retransmits and knows nothing else: a browser.
const NO_PROTECTION: Means = Means {
    protection: None,
    ..ALL
};

/// Fails unless all that is said holds for some seeds.
fn check(scenario: Scenario, means: Means, holds: impl Fn(&Outcome) -> bool) {
    for seed in 1..=3 {
        let outcome = run(scenario, means, TIME, seed);
        assert!(holds(&outcome), "seed {seed}: {outcome:?}");
    }
}

#[test]
fn a_path_without_losses_pays_for_a_second_of_protection_at_most() {
    for round_trip in [0, 40, 300] {
        check(path(round_trip, 0), ALL, |outcome| {
            let latest = ms(round_trip / 2 + 40);
            let most = if round_trip > 60 { 0.005 } else { 0.0 };
            outcome.overhead <= most
                && outcome.frozen == 0.0
                && outcome.last_delay == Duration::ZERO
                && outcome.latency_p95 <= latest
        });
    }
}

#[test]
fn on_a_long_lossy_path_pictures_neither_stand_still_nor_come_much_later() {
    for (loss, overhead) in [(2, 0.2), (5, 0.3), (10, 0.5)] {
        check(path(300, loss), ALL, |outcome| {
            outcome.frozen < 0.01
                && outcome.latency_p50 <= ms(150 + 80)
                && outcome.complete_at_once > 0.98
                && outcome.overhead < overhead
        });
    }
}

#[test]
fn without_any_of_it_they_stand_still_for_half_of_the_time() {
    let nothing = Means {
        has_playout_delay: false,
        has_copies: false,
        protection: None,
    };
    check(path(300, 5), nothing, |outcome| outcome.frozen > 0.3);
}

#[test]
fn with_a_partner_that_only_retransmits_they_wait_for_retransmissions() {
    check(path(300, 2), NO_PROTECTION, |outcome| {
        outcome.frozen < 0.02 && outcome.latency_p50 <= ms(550)
    });
    check(path(300, 5), NO_PROTECTION, |outcome| {
        outcome.frozen < 0.04 && outcome.latency_p50 <= ms(850)
    });
    check(path(100, 5), NO_PROTECTION, |outcome| {
        outcome.frozen < 0.02 && outcome.latency_p50 <= ms(300)
    });
}

#[test]
fn every_fifth_packet_may_be_lost() {
    for round_trip in [40, 100, 300] {
        check(path(round_trip, 20), ALL, |outcome| {
            outcome.frozen < 0.01 && outcome.latency_p50 <= ms(round_trip / 2 + 100)
        });
    }
}

#[test]
fn bursts_on_a_thin_path_are_survived() {
    let bursts = Scenario {
        loss_run: 4.0,
        video_bps: 600_000,
        ..path(40, 5)
    };
    check(bursts, ALL, |outcome| {
        outcome.frozen < 0.02 && outcome.latency_p50 <= ms(250)
    });
}

#[test]
fn the_delay_goes_away_when_the_losses_do() {
    let scenario = Scenario {
        clean_from: Some(ms(10_000)),
        ..path(300, 5)
    };
    check(scenario, NO_PROTECTION, |outcome| {
        outcome.last_delay == Duration::ZERO
    });
}

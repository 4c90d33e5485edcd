//! Congestion control on networks of all kinds, in virtual time.

#[expect(unreachable_pub, reason = "shared with the example")]
mod congestion_lab;

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use congestion_lab::call::{CEILING_BPS, run};
use congestion_lab::scenario::{all, named};
use media::congestion::{Estimator, EstimatorConfig, Fate, PacketReport};
use proptest::prelude::*;

const SEEDS: std::ops::RangeInclusive<u64> = 1..=3;
/// Seconds after a start or a change that are not judged by the figures for the long run.
const SETTLE: u64 = 10;

const fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

/// Where the long run is judged by other figures: share of the link in percent, and milliseconds of queue.
const EXCEPTIONS: [(&str, u64, u64); 1] = [
    // Jitter of ±25 ms hides the queue and makes probes err.
    ("1.5M jitter 25", 80, 130),
];

/// What a stretch of a scenario came to. Those with a download that keeps the queue full are left out: they have tests of their own.
struct Stretch {
    /// For messages.
    name: String,
    scenario: &'static str,
    /// The link's rate less what others use; none if it has no limit.
    left_bps: Option<u64>,
    is_application_limited: bool,
    sent_bps: f64,
    least_target_bps: u64,
    wait: Duration,
    pacer_wait: Duration,
    left_out_share: f64,
}

static STRETCHES: LazyLock<Vec<Stretch>> = LazyLock::new(|| {
    let mut stretches = Vec::new();
    for scenario in all() {
        if scenario.download.is_some() {
            continue;
        }
        for seed in SEEDS {
            let report = run(&scenario, seed);
            for (from, to) in scenario.spans(SETTLE) {
                let left_bps = scenario.left_bps(from);
                stretches.push(Stretch {
                    name: format!("{} from {from} to {to}, seed {seed}", scenario.name),
                    scenario: scenario.name,
                    left_bps,
                    is_application_limited: scenario.most_bps(from)
                        < left_bps.unwrap_or(CEILING_BPS),
                    sent_bps: report.sent_bps(from, to),
                    least_target_bps: report.least_target_bps(from, to),
                    wait: report.wait(0.95, from, to),
                    pacer_wait: report.pacer_wait(0.95, from, to),
                    left_out_share: report.skipped_frames as f64 / report.frames as f64,
                });
            }
        }
    }
    stretches
});

#[test]
fn every_link_is_used_without_a_long_queue() {
    for stretch in &*STRETCHES {
        let Some(left_bps) = stretch.left_bps else {
            continue;
        };
        let (_, least_percent, most_ms) = EXCEPTIONS
            .into_iter()
            .find(|(name, ..)| *name == stretch.scenario)
            .unwrap_or(("", 85, 110));
        let percent = 100.0 * stretch.sent_bps / left_bps as f64;
        let Stretch { name, wait, .. } = stretch;
        assert!(
            *wait <= ms(most_ms),
            "{name}: 5 % wait longer than {wait:?}"
        );
        assert!(
            percent >= least_percent as f64 || stretch.is_application_limited,
            "{name}: {percent:.0} % of the link"
        );
    }
}

#[test]
fn on_a_link_that_stays_as_it_is_room_is_left_for_pictures_that_are_larger_than_the_mean() {
    // A single packet of a picture fills the thinnest one for 30 ms.
    for (scenario, most_ms) in [("300k", 66), ("700k", 50), ("1.5M", 50), ("2M", 50)] {
        let waits = STRETCHES
            .iter()
            .filter(|stretch| stretch.scenario == scenario)
            .map(|stretch| stretch.wait);
        let longest = waits.max().unwrap();
        assert!(longest <= ms(most_ms), "{scenario}: {longest:?}");
    }
}

#[test]
fn where_there_is_no_limit_the_ceiling_is_reached_and_kept() {
    for stretch in STRETCHES
        .iter()
        .filter(|stretch| stretch.left_bps.is_none())
    {
        let least_bps = if stretch.scenario.contains("jitter") {
            0.8
        } else {
            0.95
        } * CEILING_BPS as f64;
        let Stretch { name, sent_bps, .. } = stretch;
        assert!(*sent_bps >= least_bps, "{name}: {sent_bps:.0}");
    }
}

#[test]
fn beside_a_download_a_call_keeps_a_share_and_gets_back_the_rest() {
    for (name, link_bps) in [("2M download", 2_000_000), ("700k download", 700_000)] {
        for seed in SEEDS {
            let report = run(&named(name), seed);
            let sent_bps = report.sent_bps(25, 50);
            let share = sent_bps / link_bps as f64;
            assert!(
                (0.25..0.6).contains(&share),
                "{name}, seed {seed}: {sent_bps:.0}"
            );
            let back = report.reaches(link_bps * 85 / 100, 50);
            assert!(
                back.is_some_and(|back| back < ms(12_000)),
                "{name}, seed {seed}: {back:?}"
            );
        }
    }
}

#[test]
fn the_target_never_stays_at_the_floor() {
    for stretch in &*STRETCHES {
        let left_bps = stretch.left_bps.unwrap_or(CEILING_BPS);
        let least = stretch.least_target_bps;
        assert!(
            4 * least >= left_bps,
            "{}: {least} of {left_bps}",
            stretch.name
        );
    }
}

#[test]
fn no_picture_is_left_out_and_none_waits_long_for_its_turn() {
    for stretch in &*STRETCHES {
        let Stretch {
            name, pacer_wait, ..
        } = stretch;
        assert!(*pacer_wait < ms(60), "{name}: {pacer_wait:?} in the pacer");
        assert!(
            stretch.left_out_share < 0.01,
            "{name}: {}",
            stretch.left_out_share
        );
    }
}

#[test]
fn where_nothing_limits_pictures_leave_almost_at_once() {
    for stretch in STRETCHES
        .iter()
        .filter(|stretch| matches!(stretch.scenario, "no limit" | "no limit rtt 300"))
    {
        let Stretch {
            name, pacer_wait, ..
        } = stretch;
        assert!(*pacer_wait < ms(10), "{name}: {pacer_wait:?} in the pacer");
    }
}

#[test]
fn the_start_finds_the_rate_within_moments() {
    for (name, kbps, within) in [
        ("300k", 250, ms(2_000)),
        ("700k", 595, ms(1_500)),
        ("1.5M", 1_275, ms(1_000)),
        ("no limit", 3_400, ms(1_000)),
        ("no limit rtt 300", 3_400, ms(2_500)),
        ("no limit loss 20%", 3_400, ms(3_000)),
    ] {
        for seed in SEEDS {
            let after = run(&named(name), seed).reaches(kbps * 1_000, 0);
            assert!(
                after.is_some_and(|after| after <= within),
                "{name}, seed {seed}: {after:?}"
            );
        }
    }
}

#[test]
fn a_link_that_narrows_is_followed_at_once_and_one_that_widens_soon() {
    for (name, round_trip, back_within) in [
        ("3M-700k-3M", ms(40), ms(8_000)),
        ("3M-700k-3M rtt 300", ms(300), ms(9_000)),
    ] {
        for seed in SEEDS {
            let report = run(&named(name), seed);
            let calm = report
                .samples
                .iter()
                .skip_while(|sample| sample.at < Duration::from_secs(25) + ms(300))
                .find(|sample| sample.queue < ms(60))
                .map(|sample| sample.at.saturating_sub(Duration::from_secs(25)));
            let limit = ms(2_000) + 2 * round_trip;
            assert!(
                calm.is_some_and(|calm| calm < limit),
                "{name}, seed {seed}: {calm:?}"
            );
            let back = report.reaches(2_550_000, 50);
            assert!(
                back.is_some_and(|back| back < back_within),
                "{name}, seed {seed}: {back:?}"
            );
        }
    }
}

#[test]
fn loss_by_chance_that_begins_or_ends_does_not_lower_the_rate() {
    for seed in SEEDS {
        let report = run(&named("loss 0-20-0%"), seed);
        let least = report.least_target_bps(5, 60);
        assert!(least * 2 >= CEILING_BPS, "seed {seed}: {least}");
        let snapshot = report.samples[390].snapshot;
        assert!(
            (0.14..0.27).contains(&snapshot.chance_loss_ratio),
            "seed {seed}: {snapshot:?}"
        );
    }
}

#[test]
fn a_link_without_a_queue_is_not_overrun_although_no_delay_tells() {
    for seed in SEEDS {
        let report = run(&named("policer 1M"), seed);
        let lost = report.overflow_share(30, 60);
        assert!(lost < 0.06, "seed {seed}: {lost}");
    }
}

#[test]
fn others_that_come_are_given_way_and_their_leaving_is_noticed() {
    for seed in SEEDS {
        let report = run(&named("1.5M cross 700k"), seed);
        let calm = report.wait(0.95, 23, 40);
        assert!(calm < ms(110), "seed {seed}: {calm:?}");
        let back = report.reaches(1_275_000, 40);
        assert!(
            back.is_some_and(|back| back < ms(6_000)),
            "seed {seed}: {back:?}"
        );
    }
}

#[test]
fn an_outage_is_survived() {
    for seed in SEEDS {
        let report = run(&named("1.5M outage 3 s"), seed);
        assert!(
            report.least_target_bps(32, 33) < 400_000,
            "less is sent into the void"
        );
        let back = report.reaches(1_275_000, 33);
        assert!(
            back.is_some_and(|back| back < ms(6_000)),
            "seed {seed}: {back:?}"
        );
    }
}

#[test]
fn a_way_that_becomes_longer_is_not_taken_for_a_queue_for_long() {
    for seed in SEEDS {
        let back = run(&named("1.5M longer way"), seed).reaches(1_200_000, 31);
        assert!(
            back.is_some_and(|back| back < ms(5_000)),
            "seed {seed}: {back:?}"
        );
    }
}

#[test]
fn another_path_is_found_out_about_at_once() {
    for seed in SEEDS {
        let longer = run(&named("1.5M longer path"), seed);
        let least = longer.least_target_bps(31, 60);
        assert!(
            least > 1_000_000,
            "its way is no queue; seed {seed}: {least}"
        );
        let narrower = run(&named("3M-700k path"), seed);
        let wait = narrower.wait(0.5, 32, 40);
        assert!(wait < ms(100), "seed {seed}: {wait:?}");
        assert!(narrower.sent_bps(32, 40) > 500e3, "seed {seed}");
        let wider = run(&named("700k-3M path"), seed);
        let after = wider.reaches(2_550_000, 30);
        assert!(
            after.is_some_and(|after| after < ms(2_000)),
            "seed {seed}: {after:?}"
        );
    }
}

#[test]
fn a_path_that_follows_a_lost_one_begins_with_what_that_took_while_it_worked() {
    for seed in SEEDS {
        let report = run(&named("1.5M lost for 3 s, 3M path"), seed);
        let lost = report.least_target_bps(32, 33);
        assert!(lost < 300_000, "it was silent; seed {seed}: {lost}");
        let first = report.least_target_bps(33, 34);
        assert!(first > 550_000, "seed {seed}: {first}");
        let after = report.reaches(2_550_000, 33);
        assert!(
            after.is_some_and(|after| after < ms(2_000)),
            "seed {seed}: {after:?}"
        );
    }
}

#[test]
fn an_application_that_sends_little_keeps_its_chance_and_pads_little() {
    for seed in SEEDS {
        let report = run(&named("2M app-limited till 30"), seed);
        let at_30 = report.samples[299];
        assert!(at_30.snapshot.is_application_limited);
        assert!(
            at_30.target_bps > 1_500_000 && at_30.target_bps < 2_300_000,
            "{at_30:?}"
        );
        let wait = report.wait(0.95, 30, 40);
        assert!(wait < ms(120), "seed {seed}: {wait:?}");
        let sent_bytes = report.sent_bps(0, 60) * 60.0 / 8.0;
        assert!(
            (report.padding_bytes as f64) < 0.02 * sent_bytes,
            "{}",
            report.padding_bytes
        );
    }
}

/// A link of 700 kbit/s that was sent twice that: the queue grows, and what got through is known from a few moments only.
#[test]
fn while_a_queue_is_to_become_empty_no_more_is_let_out_than_the_target() {
    let start = simulation::start();
    let at = |ms| start + Duration::from_millis(ms);
    let mut estimator = Estimator::new(
        EstimatorConfig {
            start_bps: 1_400_000,
            ..EstimatorConfig::default()
        },
        start,
    );
    let mut reports = Vec::new();
    for number in 0..400_u64 {
        let sent_at = at(5 * number);
        estimator.on_sent(sent_at, 875);
        // The first second is on an empty link, the rest takes twice as long as it takes to send it.
        let late = Duration::from_millis(20 + 5 * number.saturating_sub(200));
        reports.push(PacketReport {
            sent_at,
            size_bytes: 875,
            fate: Fate::Arrived(sent_at.duration_since(start) + late),
            probe: None,
        });
        if number % 20 == 19 {
            estimator.on_feedback(sent_at + late, &reports);
            reports.clear();
        }
    }
    let target_bps = estimator.target_bps();
    assert!(estimator.snapshot().is_congested && target_bps < 1_000_000);
    let pacing_bps = estimator.pacing_bps();
    assert!(
        pacing_bps * 100 <= target_bps * 116,
        "{pacing_bps} for {target_bps}"
    );
}

/// Milliseconds after now at which a packet was sent, its size, its fate (none: unknown; none within: lost) and its probe.
type AnyReport = (i64, usize, Option<Option<Duration>>, Option<u32>);

/// What may befall an estimator.
#[derive(Debug, Clone)]
enum Event {
    Sent { size_bytes: usize },
    Feedback { reports: Vec<AnyReport> },
    Timeout,
    Ceiling { bps: u64 },
    Pause { ms: u64 },
}

fn event() -> impl Strategy<Value = Event> {
    let arrival = prop_oneof![
        any::<u32>().prop_map(|us| Duration::from_micros(u64::from(us))),
        any::<Duration>(),
        Just(Duration::MAX),
    ];
    let size = prop_oneof![0_usize..2_000, any::<usize>()];
    let report = (
        prop_oneof![-2_000_i64..100, -1_000_000_000_i64..1_000_000_000],
        size.clone(),
        prop::option::of(prop::option::of(arrival)),
        prop::option::of(0_u32..10),
    );
    prop_oneof![
        4 => size.prop_map(|size_bytes| Event::Sent { size_bytes }),
        4 => prop::collection::vec(report, 0..30).prop_map(|reports| Event::Feedback { reports }),
        1 => Just(Event::Timeout),
        1 => any::<u64>().prop_map(|bps| Event::Ceiling { bps }),
        4 => prop_oneof![0_u64..200, 0_u64..100_000_000].prop_map(|ms| Event::Pause { ms }),
    ]
}

proptest! {
    #[test]
    fn whatever_the_other_side_says_the_target_stays_within_its_limits(
        floor_bps: u64,
        ceiling_bps: u64,
        start_bps: u64,
        events in prop::collection::vec(event(), 1..120),
    ) {
        // Far from where the clock begins, so that packets may have been sent long before.
        let mut now = simulation::start() + Duration::from_secs(10_000_000);
        let mut ceiling_bps = ceiling_bps.max(floor_bps);
        let mut estimator = Estimator::new(EstimatorConfig { floor_bps, ceiling_bps, start_bps }, now);
        for event in events {
            match event {
                Event::Sent { size_bytes } => estimator.on_sent(now, size_bytes),
                Event::Feedback { reports } => {
                    let reports: Vec<_> = reports
                        .into_iter()
                        .map(|(sent_ms, size_bytes, fate, probe)| PacketReport {
                            sent_at: shifted(now, sent_ms),
                            size_bytes,
                            fate: match fate {
                                None => Fate::Unknown,
                                Some(None) => Fate::Lost,
                                Some(Some(at)) => Fate::Arrived(at),
                            },
                            probe,
                        })
                        .collect();
                    estimator.on_feedback(now, &reports);
                }
                Event::Timeout => {
                    estimator.handle_timeout(now);
                    prop_assert!(estimator.poll_timeout().is_none_or(|at| at > now));
                }
                Event::Ceiling { bps } => {
                    ceiling_bps = bps.max(floor_bps);
                    estimator.set_ceiling(bps);
                }
                Event::Pause { ms: pause } => now += ms(pause),
            }
            if let Some(probe) = estimator.poll_probe() {
                prop_assert!(probe.min_packets > 0);
            }
            // Numbers of this size are rounded on their way through floating point.
            let target = estimator.target_bps() as f64;
            prop_assert!(target >= floor_bps.max(1_000) as f64 * 0.999_999);
            prop_assert!(target <= ceiling_bps.max(1_000) as f64 * 1.000_001);
            let snapshot = estimator.snapshot();
            prop_assert!((0.0..=1.0).contains(&snapshot.loss_ratio));
            prop_assert!((0.0..=1.0).contains(&snapshot.chance_loss_ratio));
        }
    }
}

#[test]
fn a_feedback_about_a_million_packets_costs_little() {
    let now = simulation::start();
    let mut estimator = Estimator::new(EstimatorConfig::default(), now);
    let reports: Vec<_> = (0..1_000_000)
        .map(|number| PacketReport {
            sent_at: now,
            size_bytes: 1_200,
            fate: Fate::Arrived(Duration::from_micros(number)),
            probe: Some(1),
        })
        .collect();
    let begun_at = Instant::now();
    for _ in 0..100 {
        estimator.on_feedback(now + ms(100), &reports);
    }
    assert!(
        begun_at.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun_at.elapsed()
    );
}

/// So much before or after, as far as the clock goes.
fn shifted(now: Instant, by_ms: i64) -> Instant {
    let by = ms(by_ms.unsigned_abs());
    if by_ms < 0 {
        now.checked_sub(by).unwrap_or(now)
    } else {
        now + by
    }
}

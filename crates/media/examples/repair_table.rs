//! Sends pictures over lossy paths in virtual time, with more and more means of repair, and prints what came out.
//!
//! `cargo run -p media --example repair_table`

#[expect(
    dead_code,
    unreachable_pub,
    reason = "shared with the tests, which use the rest"
)]
#[path = "../tests/repair_lab/mod.rs"]
mod repair_lab;

use std::time::Duration;

use repair_lab::{Code, Means, Scenario, run};

/// Each path is taken so many times, for that long; the mean is printed.
const SEEDS: u64 = 3;
const TIME: Duration = Duration::from_mins(2);

fn main() {
    println!(
        "| path | means | frozen | latency p50 | p95 | overhead | complete at once | keyframes asked for |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (round_trip_ms, loss_percent, loss_run, kbps) in [
        (20, 2, 1.0, 2000),
        (20, 5, 1.0, 2000),
        (20, 10, 1.0, 1800),
        (40, 5, 1.0, 2000),
        (40, 10, 1.0, 1800),
        (40, 20, 1.0, 1700),
        (100, 2, 1.0, 2000),
        (100, 5, 1.0, 2000),
        (100, 10, 1.0, 1800),
        (100, 20, 1.0, 1700),
        (300, 2, 1.0, 2000),
        (300, 5, 1.0, 2000),
        (300, 5, 1.0, 300),
        (300, 10, 1.0, 1800),
        (300, 20, 1.0, 1700),
        (300, 5, 4.0, 2000),
        (100, 5, 4.0, 600),
        (40, 5, 4.0, 600),
    ] {
        let scenario = Scenario {
            round_trip: Duration::from_millis(round_trip_ms),
            loss_ratio: f64::from(loss_percent) / 100.0,
            loss_run,
            video_bps: kbps * 1000,
            clean_from: None,
        };
        let means = |has_playout_delay, has_copies, protection| Means {
            has_playout_delay,
            has_copies,
            protection,
        };
        for (name, means) in [
            ("retransmission", means(false, false, None)),
            ("and a delay", means(true, false, None)),
            ("and copies", means(true, true, None)),
            ("packets twice", means(true, true, Some(Code::Repetition))),
            ("code of a frame", means(true, true, Some(Code::Frame))),
            (
                "sliding window",
                means(true, true, Some(Code::SlidingWindow)),
            ),
        ] {
            let runs = (1..=SEEDS).map(|seed| run(scenario, means, TIME, seed));
            let runs: Vec<_> = runs.collect();
            let mean = |of: &dyn Fn(&repair_lab::Outcome) -> f64| {
                runs.iter().map(of).sum::<f64>() / runs.len() as f64
            };
            println!(
                "| {round_trip_ms} ms, {loss_percent} % in runs of {loss_run}, {kbps}k | {name} | {:.1} % | {:.0} | {:.0} | {:.0} % | {:.1} % | {:.1} |",
                100.0 * mean(&|run| run.frozen),
                mean(&|run| run.latency_p50.as_secs_f64() * 1e3),
                mean(&|run| run.latency_p95.as_secs_f64() * 1e3),
                100.0 * mean(&|run| run.overhead),
                100.0 * mean(&|run| run.complete_at_once),
                mean(&|run| run.keyframe_requests as f64),
            );
        }
    }
}

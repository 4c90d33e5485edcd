//! Runs the scenarios of congestion control in virtual time and prints what came out.
//!
//! `cargo run -p media --example congestion_table [NAME [SEED]]`; with a name, that scenario moment by moment. `--seeds N` instead says how
//! often each scenario runs, with chance falling differently each time.

#[expect(
    dead_code,
    unreachable_pub,
    reason = "shared with the tests, which use the rest"
)]
#[path = "../tests/congestion_lab/mod.rs"]
mod congestion_lab;

use congestion_lab::call::{CEILING_BPS, Report, run};
use congestion_lab::scenario::{Scenario, all};

/// Each scenario runs so many times if nothing else is said; the worst of each figure is printed.
const SEEDS: u64 = 5;
/// Seconds that are not measured after the start and after a step.
const SETTLE: u64 = 10;

fn main() {
    let wanted = std::env::args().nth(1);
    let number: Option<u64> = std::env::args()
        .nth(2)
        .and_then(|number| number.parse().ok());
    let seeds = match wanted.as_deref() {
        Some("--seeds") => number.unwrap_or(SEEDS),
        _ => SEEDS,
    };
    if let Some(name) = wanted.filter(|wanted| wanted != "--seeds") {
        for scenario in all().iter().filter(|scenario| scenario.name == name) {
            print_run(&run(scenario, number.unwrap_or(1)));
        }
        return;
    }
    println!(
        "| scenario | from–to s | link kbit/s | sent kbit/s | share | least target | 85 % after s | queue p50 ms | p95 ms | pacer p95 ms | frames left out |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for scenario in all() {
        let reports: Vec<_> = (1..=seeds).map(|seed| run(&scenario, seed)).collect();
        for (from, to) in scenario.spans(SETTLE) {
            print_row(&scenario, &reports, from, to);
        }
    }
}

fn print_row(scenario: &Scenario, reports: &[Report], from: u64, to: u64) {
    let left = scenario.left_bps(from);
    let least =
        |figure: &dyn Fn(&Report) -> f64| reports.iter().map(figure).fold(f64::MAX, f64::min);
    let most = |figure: &dyn Fn(&Report) -> f64| reports.iter().map(figure).fold(0.0, f64::max);
    let sent = least(&|report| report.sent_bps(from, to));
    let goal = left.unwrap_or(CEILING_BPS) * 85 / 100;
    let after = most(&|report| {
        report
            .reaches(goal, from - SETTLE)
            .map_or(f64::INFINITY, |after| after.as_secs_f64())
    });
    println!(
        "| {} | {from}–{to} | {} | {:.0} | {} | {:.0} | {after:.1} | {:.0} | {:.0} | {:.0} | {:.0} of {} |",
        scenario.name,
        left.map_or("–".into(), |bps| (bps / 1_000).to_string()),
        sent / 1e3,
        left.map_or("–".into(), |bps| format!(
            "{:.0} %",
            100.0 * sent / bps as f64
        )),
        least(&|report| report.least_target_bps(from, to) as f64 / 1e3),
        most(&|report| report.wait(0.5, from, to).as_secs_f64() * 1e3),
        most(&|report| report.wait(0.95, from, to).as_secs_f64() * 1e3),
        most(&|report| report.pacer_wait(0.95, from, to).as_secs_f64() * 1e3),
        most(&|report| report.skipped_frames as f64),
        reports[0].frames,
    );
}

fn print_run(report: &Report) {
    println!("    s  target   sent  deliv  capac  losscap  loss chance  queue  seen  noise");
    for sample in report.samples.iter().step_by(2) {
        let seen = &sample.snapshot;
        let kbps = |bps: Option<u64>| bps.map_or("–".into(), |bps| (bps / 1_000).to_string());
        println!(
            "{:5.1} {:6} {:6} {:>6} {:>6} {:>6} {:6.1} {:6.1} {:6} {:6} {:6.1}{}{}",
            sample.at.as_secs_f64(),
            sample.target_bps / 1_000,
            kbps(seen.sent_bps),
            kbps(seen.delivered_bps),
            kbps(seen.capacity_bps),
            kbps(seen.loss_capacity_bps),
            seen.loss_ratio * 100.0,
            seen.chance_loss_ratio * 100.0,
            sample.queue.as_millis(),
            seen.queue_delay.as_millis(),
            seen.jitter.as_secs_f64() * 1e3,
            if seen.is_congested { " congested" } else { "" },
            if seen.is_application_limited {
                " app-limited"
            } else {
                ""
            },
        );
    }
}

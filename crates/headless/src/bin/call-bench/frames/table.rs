//! What was measured, as Markdown.

use std::collections::BTreeSet;

use headless::measure::quantile;

use super::Measured;
use super::way::STAGES;

/// Threads that use less, in CPU seconds in a second, have no row of their own.
const LEAST_CPU: f64 = 0.0005;

/// Two tables: one build, or the other build beside this one.
pub(crate) fn table(name: &str, builds: &[Measured]) -> String {
    let mut lines = vec![String::new(), format!("### {name}"), String::new()];
    let labels = ["The other build: ", "This build: "];
    for (index, build) in builds.iter().enumerate() {
        let label = if builds.len() == 1 { "" } else { labels[index] };
        lines.push(format!("{label}{}  ", summary(build)));
    }
    lines.extend(header("stage", ["median ms", "p95 ms"], builds.len()));
    for (stage, label) in STAGES.iter().enumerate() {
        let cells = builds.iter().flat_map(|build| {
            let times: Vec<f64> = build.ways.iter().map(|way| way.stages_ms[stage]).collect();
            let cell = |share| quantile(&times, share).map_or("-".into(), |ms| format!("{ms:.1}"));
            [cell(0.5), cell(0.95)]
        });
        lines.push(row(label, cells));
    }
    let title = "threads of one end";
    lines.extend(header(title, ["CPU s/s", "wakeups/s"], builds.len()));
    let names: BTreeSet<&String> = builds.iter().flat_map(|b| b.threads.keys()).collect();
    let most = |name: &str| {
        let costs = builds.iter().map(|build| cost(build, name).0);
        costs.fold(0.0, f64::max)
    };
    let mut names: Vec<&String> = names.into_iter().collect();
    names.sort_by(|a, b| most(b).total_cmp(&most(a)));
    for name in names.iter().filter(|name| most(name) >= LEAST_CPU) {
        let threads = builds.iter().filter_map(|build| build.threads.get(*name));
        let label = match threads.map(|cost| cost.threads).max() {
            Some(count) if count > 1 => format!("{name} ({count})"),
            _ => (*name).clone(),
        };
        let cells = builds.iter().flat_map(|build| cells_of(cost(build, name)));
        lines.push(row(&label, cells));
    }
    let cells = builds.iter().flat_map(|build| {
        let all = names.iter().map(|name| cost(build, name));
        cells_of(all.fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1)))
    });
    lines.push(row("**all**", cells));
    lines.push(String::new());
    lines.join("\n")
}

fn summary(build: &Measured) -> String {
    let seconds = build.seconds.max(f64::MIN_POSITIVE);
    let sent = match &build.sent {
        Some((codec, (width_px, height_px))) => format!("{width_px}x{height_px} in {codec}"),
        None => "nothing".to_owned(),
    };
    let bytes: usize = build.ways.iter().map(|way| way.len_bytes).sum();
    let idle = build.idle.iter().sum::<f64>() / build.idle.len().max(1) as f64;
    format!(
        "{} pictures shown ({:.1}/s each way), at the end {sent}, {:.0} kbit/s of pictures; {:.0} % of the machine was idle.",
        build.ways.len(),
        build.ways.len() as f64 / seconds,
        bytes as f64 * 8e-3 / seconds,
        idle * 100.0,
    )
}

/// CPU seconds and wakeups in a second of all threads of this name.
fn cost(build: &Measured, name: &str) -> (f64, f64) {
    let cost = build.threads.get(name).copied().unwrap_or_default();
    let seconds = build.seconds.max(f64::MIN_POSITIVE);
    (
        cost.cpu.as_secs_f64() / seconds,
        cost.wakeups as f64 / seconds,
    )
}

fn cells_of((cpu, wakeups): (f64, f64)) -> [String; 2] {
    [format!("{cpu:.4}"), format!("{wakeups:.0}")]
}

fn header(first: &str, columns: [&str; 2], builds: usize) -> [String; 3] {
    let whose: &[&str] = if builds == 1 {
        &[""]
    } else {
        &["other: ", "this: "]
    };
    let names = whose
        .iter()
        .flat_map(|whose| columns.map(|column| format!("{whose}{column}")));
    let rule = (0..2 * builds).map(|_| "---".to_owned());
    [String::new(), row(first, names), row("---", rule)]
}

fn row(first: &str, cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.collect();
    format!("| {first} | {} |", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use headless::measure::threads::ThreadCost;

    use super::super::way::Whole;
    use super::*;

    fn measured(ms: f64) -> Measured {
        let way = |captured_ms: f64| Whole {
            captured_ms,
            stages_ms: [ms; STAGES.len()],
            len_bytes: 1000,
        };
        let cost = ThreadCost {
            threads: 2,
            cpu: Duration::from_secs(3),
            wakeups: 500,
        };
        Measured {
            ways: (0..300).map(|n| way(f64::from(n))).collect(),
            threads: [("engine".to_owned(), cost)].into(),
            seconds: 10.0,
            idle: vec![0.5],
            sent: Some(("AV1".to_owned(), (640, 480))),
        }
    }

    #[test]
    fn one_build_has_its_figures_and_two_stand_side_by_side() {
        let one = table("av1", &[measured(2.0)]);
        assert!(one.contains("| → encoded | 2.0 | 2.0 |"), "{one}");
        assert!(one.contains("| engine (2) | 0.3000 | 50 |"), "{one}");
        assert!(one.contains("240 kbit/s"), "{one}");
        let two = table("av1", &[measured(2.0), measured(3.0)]);
        assert!(
            two.contains("| → encoded | 2.0 | 2.0 | 3.0 | 3.0 |"),
            "{two}"
        );
        assert!(
            two.contains("| **all** | 0.3000 | 50 | 0.3000 | 50 |"),
            "{two}"
        );
    }

    #[test]
    fn nothing_measured_is_nothing_shown() {
        let text = table("av1", &[Measured::default()]);
        assert!(text.contains("| → encoded | - | - |"), "{text}");
    }
}

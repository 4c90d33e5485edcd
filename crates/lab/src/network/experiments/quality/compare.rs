//! The two programs side by side: ratios, and where Passerby is behind.

use headless::measure::quantile;

use super::call::Row;
use super::cells::QualityCell;
use super::cost::Cost;
use super::ends::Program;
use super::figures::{PictureFigures, mean};
use super::table::{likeness, maybe, percent, score, seconds, whole};
use crate::network::experiments::Verdicts;

/// The most CPU that Passerby may use for each second of Chromium's.
const CPU_TARGET: f64 = 0.35;

/// Directions, in the order of the table.
const DIRECTIONS: [(Program, Program); 4] = [
    (Program::Passerby, Program::Passerby),
    (Program::Chromium, Program::Chromium),
    (Program::Passerby, Program::Chromium),
    (Program::Chromium, Program::Passerby),
];

/// Everything that was measured.
#[derive(Debug, Default)]
pub(super) struct Results {
    rows: Vec<Row>,
    /// Lines on which a call did not come about, and whose.
    failed: Vec<(String, [Program; 2])>,
}

impl Results {
    pub(super) fn add(&mut self, rows: Vec<Row>) {
        self.rows.extend(rows);
    }

    pub(super) fn add_failure(&mut self, cell: &QualityCell, pair: [Program; 2]) {
        let names = (0..cell.phases.len()).map(|phase| cell.phase_name(phase));
        self.failed.extend(names.map(|name| (name, pair)));
    }

    /// One row for each direction between programs: the mean of all calls, and of both ways between two of the same kind.
    pub(super) fn of_cell(&self, cell: &str) -> Vec<Row> {
        let merged = DIRECTIONS.iter().filter_map(|(from, to)| {
            let is_wanted = |row: &&Row| row.cell == cell && (row.from, row.to) == (*from, *to);
            let rows: Vec<&Row> = self.rows.iter().filter(is_wanted).collect();
            merge(&rows)
        });
        merged.collect()
    }

    /// The lines that were measured, in order.
    pub(super) fn cells(&self) -> Vec<String> {
        let mut cells: Vec<String> = Vec::new();
        let names = self.rows.iter().map(|row| &row.cell);
        for name in names.chain(self.failed.iter().map(|(name, _)| name)) {
            if !cells.contains(name) {
                cells.push(name.clone());
            }
        }
        cells
    }

    /// Passerby and Chromium among themselves on each line.
    fn pairs(&self) -> Vec<Pair> {
        let pair = |cell: String| {
            let rows = self.of_cell(&cell);
            let of = |program| {
                let is_among = |row: &&Row| (row.from, row.to) == (program, program);
                rows.iter().find(is_among).cloned()
            };
            Pair {
                ours: of(Program::Passerby),
                theirs: of(Program::Chromium),
                cell,
            }
        };
        self.cells().into_iter().map(pair).collect()
    }
}

/// Both on one line. None: no call came about.
#[derive(Debug, Clone)]
struct Pair {
    cell: String,
    ours: Option<Row>,
    theirs: Option<Row>,
}

/// The mean of rows of the same direction. What is not known of one is left out of its mean.
fn merge(rows: &[&Row]) -> Option<Row> {
    let last = *rows.last()?;
    let some = |of: &dyn Fn(&Row) -> Option<f64>| {
        mean(&rows.iter().filter_map(|row| of(row)).collect::<Vec<f64>>())
    };
    let all = |of: &dyn Fn(&Row) -> f64| some(&|row| Some(of(row))).unwrap_or_default();
    let two = |of: &dyn Fn(&Row) -> Option<[f64; 2]>| {
        let part = |index: usize| some(&|row| of(row).map(|pair| pair[index]));
        Some([part(0)?, part(1)?])
    };
    // The time to full size is none if one of them never got there.
    let full_size = rows.iter().all(|row| row.pictures.full_size_ms.is_some());
    let smallest = rows.iter().filter_map(|row| row.pictures.size_px).min();
    Some(Row {
        pictures: PictureFigures {
            frozen: all(&|row| row.pictures.frozen),
            fps: all(&|row| row.pictures.fps),
            broken: all(&|row| row.pictures.broken),
            latency_ms: two(&|row| row.pictures.latency_ms),
            size_px: smallest,
            full_size_ms: some(&|row| row.pictures.full_size_ms).filter(|_| full_size),
            likeness: some(&|row| row.pictures.likeness),
            likeness_p5: some(&|row| row.pictures.likeness_p5),
            judged: some(&|row| row.pictures.judged),
            likeness_to_own: some(&|row| row.pictures.likeness_to_own),
        },
        used_bps: all(&|row| row.used_bps),
        queue_ms: two(&|row| row.queue_ms),
        mouth_to_ear_ms: two(&|row| row.mouth_to_ear_ms),
        speech: some(&|row| row.speech),
        concealed: some(&|row| row.concealed),
        sound_buffer_ms: some(&|row| row.sound_buffer_ms),
        cost: Cost {
            cpu: all(&|row| row.cost.cpu),
            memory_bytes: all(&|row| row.cost.memory_bytes as f64) as u64,
        },
        idle: some(&|row| row.idle),
        ..last.clone()
    })
}

/// Something by which the two are compared.
struct Measure {
    name: &'static str,
    of: fn(&Row) -> Option<f64>,
    show: fn(f64) -> String,
    is_more_better: bool,
    /// Differences up to this much, and this share of Chromium's, are chance.
    slack: (f64, f64),
}

impl Measure {
    /// Whether Passerby is behind on a line.
    fn is_behind(&self, pair: &Pair) -> bool {
        let value = |row: &Option<Row>| row.as_ref().and_then(self.of);
        match (value(&pair.ours), value(&pair.theirs)) {
            (Some(ours), Some(theirs)) => {
                let slack = self.slack.0 + self.slack.1 * theirs.abs();
                let lag = if self.is_more_better {
                    theirs - ours
                } else {
                    ours - theirs
                };
                lag > slack
            }
            (ours, theirs) => ours.is_none() && theirs.is_some(),
        }
    }

    fn cell(&self, pair: &Pair) -> String {
        let show = |row: &Option<Row>| maybe(row.as_ref().and_then(self.of), self.show);
        let text = format!("{} / {}", show(&pair.ours), show(&pair.theirs));
        if self.is_behind(pair) {
            format!("**{text}**")
        } else {
            text
        }
    }

    /// Passerby's share of Chromium's.
    fn ratio(&self, pair: &Pair) -> Option<f64> {
        let value = |row: &Option<Row>| row.as_ref().and_then(self.of);
        let (ours, theirs) = value(&pair.ours).zip(value(&pair.theirs))?;
        (theirs.abs() > 1e-9).then(|| ours / theirs)
    }
}

const FROZEN: &str = "frozen";
const LATENCY_P50: &str = "latency p50";
const LATENCY_P95: &str = "latency p95";
const LIKENESS: &str = "likeness";
const CPU: &str = "CPU s/s";

/// In the order of their worth.
const MEASURES: [Measure; 15] = [
    Measure {
        name: FROZEN,
        of: |row| Some(row.pictures.frozen),
        show: percent,
        is_more_better: false,
        slack: (0.002, 0.0),
    },
    Measure {
        name: "pictures/s",
        of: |row| Some(row.pictures.fps),
        show: |fps| format!("{fps:.1}"),
        is_more_better: true,
        slack: (0.5, 0.0),
    },
    Measure {
        name: LATENCY_P50,
        of: |row| row.pictures.latency_ms.map(|[p50, _]| p50),
        show: whole,
        is_more_better: false,
        slack: (2.0, 0.02),
    },
    Measure {
        name: LATENCY_P95,
        of: |row| row.pictures.latency_ms.map(|[_, p95]| p95),
        show: whole,
        is_more_better: false,
        slack: (2.0, 0.02),
    },
    Measure {
        name: LIKENESS,
        of: |row| row.pictures.likeness,
        show: likeness,
        is_more_better: true,
        slack: (0.003, 0.0),
    },
    Measure {
        name: "SSIMULACRA2",
        of: |row| row.pictures.judged,
        show: whole,
        is_more_better: true,
        slack: (1.0, 0.0),
    },
    Measure {
        name: "full size after",
        of: |row| row.pictures.full_size_ms,
        show: seconds,
        is_more_better: false,
        slack: (100.0, 0.05),
    },
    Measure {
        name: "queue p95",
        of: |row| row.queue_ms.map(|[_, p95]| p95),
        show: whole,
        is_more_better: false,
        slack: (2.0, 0.02),
    },
    Measure {
        name: "mouth to ear p50",
        of: |row| row.mouth_to_ear_ms.map(|[p50, _]| p50),
        show: whole,
        is_more_better: false,
        slack: (10.0, 0.02),
    },
    Measure {
        name: "mouth to ear p95",
        of: |row| row.mouth_to_ear_ms.map(|[_, p95]| p95),
        show: whole,
        is_more_better: false,
        slack: (10.0, 0.02),
    },
    Measure {
        name: "speech (PESQ)",
        of: |row| row.speech,
        show: score,
        is_more_better: true,
        slack: (0.1, 0.0),
    },
    Measure {
        name: "sound made up",
        of: |row| row.concealed,
        show: percent,
        is_more_better: false,
        slack: (0.002, 0.0),
    },
    Measure {
        name: "sound buffer",
        of: |row| row.sound_buffer_ms,
        show: whole,
        is_more_better: false,
        slack: (2.0, 0.02),
    },
    Measure {
        name: CPU,
        of: |row| Some(row.cost.cpu),
        show: |cpu| format!("{cpu:.2}"),
        is_more_better: false,
        slack: (0.0, 0.0),
    },
    Measure {
        name: "memory MB",
        of: |row| Some(row.cost.memory_bytes as f64 / 1e6),
        show: whole,
        is_more_better: false,
        slack: (0.0, 0.0),
    },
];

/// Prints the two side by side and where Passerby is behind, and notes the targets.
pub(super) fn print(results: &Results, verdicts: &mut Verdicts) {
    let pairs = results.pairs();
    println!(
        "\n## Side by side: Passerby / Chromium, each with its own kind; bold where Passerby is behind\n"
    );
    let names = MEASURES.iter().map(|measure| measure.name);
    println!("| line | {} |", names.collect::<Vec<_>>().join(" | "));
    println!("|---|{}", "---|".repeat(MEASURES.len()));
    for pair in &pairs {
        let cells = MEASURES.iter().map(|measure| measure.cell(pair));
        println!(
            "| {} | {} |",
            pair.cell,
            cells.collect::<Vec<_>>().join(" | ")
        );
    }
    let ratios = MEASURES.iter().map(|measure| {
        maybe(median_ratio(measure, &pairs), |ratio| {
            format!("× {ratio:.2}")
        })
    });
    println!(
        "| median ratio | {} |",
        ratios.collect::<Vec<_>>().join(" | ")
    );

    println!("\n## Where Passerby is behind\n");
    let behind = behind(&pairs);
    if behind.is_empty() {
        println!("Nowhere.");
    }
    for line in behind {
        println!("- {line}");
    }
    for (cell, [one, other]) in &results.failed {
        println!("- {cell}: a call of {one} and {other} did not come about");
    }
    note_targets(results, &pairs, verdicts);
}

/// A line for each figure in which Passerby is behind, the weightiest figures first.
fn behind(pairs: &[Pair]) -> Vec<String> {
    let lines = MEASURES.iter().flat_map(|measure| {
        pairs
            .iter()
            .filter(|pair| measure.is_behind(pair))
            .map(|pair| {
                let cell = measure.cell(pair).replace('*', "");
                format!("{}: {} {cell}", pair.cell, measure.name)
            })
    });
    lines.collect()
}

fn median_ratio(measure: &Measure, pairs: &[Pair]) -> Option<f64> {
    let ratios: Vec<f64> = pairs
        .iter()
        .filter_map(|pair| measure.ratio(pair))
        .collect();
    quantile(&ratios, 0.5)
}

fn note_targets(results: &Results, pairs: &[Pair], verdicts: &mut Verdicts) {
    let measure = |name| MEASURES.iter().filter(move |measure| measure.name == name);
    for measure in [FROZEN, LATENCY_P50, LATENCY_P95]
        .into_iter()
        .flat_map(measure)
    {
        let count = pairs.iter().filter(|pair| measure.is_behind(pair)).count();
        verdicts.note(
            format!("{}: lines where Passerby is behind", measure.name),
            format!("{count} of {}", pairs.len()),
            "none",
            count == 0,
        );
    }
    for measure in measure(LIKENESS) {
        let ratio = median_ratio(measure, pairs);
        verdicts.note(
            "likeness: median of the share of Chromium's",
            maybe(ratio, |ratio| format!("{ratio:.3}")),
            "at least 1",
            ratio.is_some_and(|ratio| ratio >= 1.0),
        );
    }
    for measure in measure(CPU) {
        let ratio = median_ratio(measure, pairs);
        verdicts.note(
            "CPU: median of the share of Chromium's",
            maybe(ratio, |ratio| format!("{ratio:.2}")),
            format!("at most {CPU_TARGET}"),
            ratio.is_some_and(|ratio| ratio <= CPU_TARGET),
        );
    }
    let is_ours = |(_, pair): &&(String, [Program; 2])| pair.contains(&Program::Passerby);
    let failed = results.failed.iter().filter(is_ours).count();
    verdicts.note(
        "calls with Passerby that did not come about",
        failed.to_string(),
        "none",
        failed == 0,
    );
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::network::experiments::quality::{Loss, QualityLine};

    /// A good direction of a call.
    pub(in super::super) fn a_row(cell: &str, from: Program, to: Program) -> Row {
        Row {
            cell: cell.to_owned(),
            from,
            to,
            codec: Some("H264".to_owned()),
            pictures: PictureFigures {
                frozen: 0.0,
                fps: 30.0,
                broken: 0.0,
                latency_ms: Some([80.0, 100.0]),
                size_px: Some((640, 480)),
                full_size_ms: Some(900.0),
                likeness: Some(0.95),
                likeness_p5: Some(0.93),
                judged: Some(75.0),
                likeness_to_own: Some(0.96),
            },
            used_bps: 1.5e6,
            rate_bps: None,
            queue_ms: Some([1.0, 5.0]),
            mouth_to_ear_ms: Some([70.0, 90.0]),
            speech: Some(3.5),
            concealed: Some(0.0),
            sound_buffer_ms: Some(40.0),
            cost: Cost {
                cpu: 0.2,
                memory_bytes: 50_000_000,
            },
            idle: Some(0.5),
        }
    }

    fn two_kinds(change: impl Fn(&mut Row)) -> Results {
        let mut results = Results::default();
        for program in [Program::Passerby, Program::Chromium] {
            let mut rows = vec![a_row("a", program, program), a_row("a", program, program)];
            if program == Program::Passerby {
                rows.iter_mut().for_each(&change);
            }
            results.add(rows);
        }
        results
    }

    #[test]
    fn both_ways_and_all_runs_of_a_pair_are_one_row() {
        let mut results = Results::default();
        let mut other = a_row("a", Program::Passerby, Program::Passerby);
        other.pictures.frozen = 0.5;
        other.pictures.full_size_ms = None;
        other.pictures.size_px = Some((320, 240));
        other.queue_ms = None;
        results.add(vec![
            other,
            a_row("a", Program::Passerby, Program::Passerby),
        ]);
        results.add(vec![a_row("a", Program::Passerby, Program::Chromium)]);
        results.add(vec![a_row("b", Program::Passerby, Program::Passerby)]);
        let rows = results.of_cell("a");
        assert_eq!(rows.len(), 2);
        assert!((rows[0].pictures.frozen - 0.25).abs() < 1e-9);
        assert_eq!(rows[0].pictures.full_size_ms, None, "one never got there");
        assert_eq!(rows[0].pictures.size_px, Some((320, 240)));
        assert_eq!(rows[0].queue_ms, Some([1.0, 5.0]));
    }

    #[test]
    fn who_is_as_good_is_not_behind_and_who_is_worse_by_more_than_chance_is() {
        assert!(behind(&two_kinds(|_| {}).pairs()).is_empty());
        let better = two_kinds(|row| row.pictures.latency_ms = Some([40.0, 60.0]));
        assert!(behind(&better.pairs()).is_empty());
        let by_chance = two_kinds(|row| row.pictures.latency_ms = Some([81.0, 101.0]));
        assert!(behind(&by_chance.pairs()).is_empty());
        let worse = two_kinds(|row| {
            row.pictures.frozen = 0.01;
            row.pictures.likeness = Some(0.9);
        });
        let lines = behind(&worse.pairs());
        assert_eq!(
            lines,
            ["a: frozen 1.0 % / 0.0 %", "a: likeness 0.900 / 0.950"]
        );
    }

    #[test]
    fn who_never_gets_there_is_behind_and_who_has_no_call_is_in_everything() {
        let never = two_kinds(|row| row.pictures.full_size_ms = None);
        assert_eq!(behind(&never.pairs()), ["a: full size after - / 0.9 s"]);
        let mut none = two_kinds(|_| {});
        none.rows.retain(|row| row.from == Program::Chromium);
        assert_eq!(behind(&none.pairs()).len(), MEASURES.len());
    }

    #[test]
    fn a_call_that_did_not_come_about_misses_the_target() {
        let mut results = two_kinds(|_| {});
        let cell = QualityCell::steady(QualityLine {
            loss: Loss::random(20),
            round_trip_ms: 300,
            rate_kbps: None,
        });
        let met = |results: &Results| {
            let mut verdicts = Verdicts::default();
            note_targets(results, &results.pairs(), &mut verdicts);
            verdicts.end() == 0
        };
        assert!(!met(&results), "as much CPU as Chromium");
        for row in &mut results.rows {
            if row.from == Program::Passerby {
                row.cost.cpu = 0.05;
            }
        }
        assert!(met(&results));
        results.add_failure(&cell, [Program::Passerby; 2]);
        assert!(!met(&results));
    }
}

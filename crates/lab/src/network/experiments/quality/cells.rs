//! The lines that calls are measured on.

use std::time::Duration;

use clap::ValueEnum;

use crate::network::Shape;

/// Where pictures must find their rate first, that long before they count.
const SETTLING_TIME: Duration = Duration::from_secs(10);
/// How long they count.
const MEASURED_TIME: Duration = Duration::from_secs(15);
/// What is lost when losses come in bursts, and how many in a row on average.
const BURSTS: Loss = Loss { percent: 5, run: 4 };
const ROUND_TRIPS_MS: [u32; 3] = [20, 100, 300];
const RATES_KBPS: [Option<u32>; 4] = [Some(300), Some(700), Some(2000), None];
/// The default: a bit of everything, and the corners that are known to be hard. Loss, round trip, rate.
const SHORT: [(Loss, u32, Option<u32>); 13] = [
    (Loss::random(0), 20, None),
    (Loss::random(0), 300, None),
    (Loss::random(0), 20, Some(300)),
    (Loss::random(0), 100, Some(700)),
    (Loss::random(0), 20, Some(2000)),
    (Loss::random(2), 100, Some(2000)),
    (Loss::random(5), 20, None),
    (Loss::random(5), 300, None),
    (Loss::random(10), 100, None),
    (Loss::random(10), 20, Some(700)),
    (Loss::random(20), 20, None),
    (Loss::random(20), 100, Some(2000)),
    (BURSTS, 100, Some(700)),
];

/// Which lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum CellSet {
    /// Thirteen lines, the steps and a download: half an hour.
    #[default]
    Short,
    /// Every loss on every round trip at every rate, the steps and a download: three hours.
    Full,
}

/// What is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// Of a hundred packets.
    pub percent: u32,
    /// How many in a row, on average. At 1 each is lost or not by itself.
    pub run: u32,
}

impl Loss {
    /// Each by itself.
    pub const fn random(percent: u32) -> Self {
        Self { percent, run: 1 }
    }
}

/// A line, the same in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QualityLine {
    /// What is lost.
    pub loss: Loss,
    /// There and back.
    pub round_trip_ms: u32,
    /// None for no limit.
    pub rate_kbps: Option<u32>,
}

impl QualityLine {
    /// Client A's cable. The others only have the [`QualityLine::delay`].
    pub(super) fn shape(self) -> Shape {
        Shape {
            rate_bps: self.rate_kbps.map(|kbps| u64::from(kbps) * 1000),
            loss_ratio: f64::from(self.loss.percent) / 100.0,
            burst_frames: f64::from(self.loss.run),
            ..self.delay()
        }
    }

    /// A round trip passes two cables in each direction.
    pub(super) fn delay(self) -> Shape {
        Shape::delayed(Duration::from_millis(self.round_trip_ms.into()) / 4)
    }
}

/// A part of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    /// What the line is like.
    pub line: QualityLine,
    /// What does not count at its beginning.
    pub settle: Duration,
    /// What counts after that.
    pub measure: Duration,
    /// Somebody at A's downloads meanwhile.
    pub has_download: bool,
}

/// What each pair of programs goes through in one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualityCell {
    /// Loss, round trip and rate, or what happens.
    pub name: String,
    /// One after the other.
    pub phases: Vec<Phase>,
}

impl QualityCell {
    /// One line from beginning to end.
    pub fn steady(line: QualityLine) -> Self {
        let loss = match line.loss {
            Loss { percent, run: 1 } => format!("{percent}%"),
            Loss { percent, run } => format!("{percent}%-bursts-of-{run}"),
        };
        let rate = match line.rate_kbps {
            None => "none".to_owned(),
            Some(kbps) if kbps >= 1000 && kbps % 1000 == 0 => format!("{}M", kbps / 1000),
            Some(kbps) => format!("{kbps}k"),
        };
        Self {
            name: format!("{loss}/{}ms/{rate}", line.round_trip_ms),
            phases: vec![Phase {
                line,
                settle: SETTLING_TIME,
                measure: MEASURED_TIME,
                has_download: false,
            }],
        }
    }

    /// 3 Mbit/s, 700 kbit/s, 3 Mbit/s. The changes themselves count.
    pub fn steps() -> Self {
        let phase = |kbps, settle_s, measure_s| Phase {
            line: QualityLine {
                loss: Loss::random(0),
                round_trip_ms: 100,
                rate_kbps: Some(kbps),
            },
            settle: Duration::from_secs(settle_s),
            measure: Duration::from_secs(measure_s),
            has_download: false,
        };
        Self {
            name: "steps/100ms".to_owned(),
            phases: vec![phase(3000, 10, 8), phase(700, 0, 15), phase(3000, 0, 20)],
        }
    }

    /// 2 Mbit/s, at first for the call alone, then beside a download at A's.
    pub fn download() -> Self {
        let phase = |settle_s, measure_s, has_download| Phase {
            line: QualityLine {
                loss: Loss::random(0),
                round_trip_ms: 40,
                rate_kbps: Some(2000),
            },
            settle: Duration::from_secs(settle_s),
            measure: Duration::from_secs(measure_s),
            has_download,
        };
        Self {
            name: "download/40ms".to_owned(),
            phases: vec![phase(10, 8, false), phase(6, 20, true)],
        }
    }

    /// What a row of the table is called.
    pub(super) fn phase_name(&self, index: usize) -> String {
        match self.phases.get(index) {
            Some(phase) if self.phases.len() > 1 => {
                let kbps = phase.line.rate_kbps.unwrap_or_default();
                format!("{} {}: {kbps}k", self.name, index + 1)
            }
            _ => self.name.clone(),
        }
    }
}

/// The cells of a set whose names have all of these words in them.
pub(super) fn cells(set: CellSet, only: &[String]) -> Vec<QualityCell> {
    let line = |(loss, round_trip_ms, rate_kbps)| QualityLine {
        loss,
        round_trip_ms,
        rate_kbps,
    };
    let mut lines: Vec<QualityLine> = Vec::new();
    match set {
        CellSet::Short => lines.extend(SHORT.map(line)),
        CellSet::Full => {
            let losses = [0, 2, 5, 10, 20].map(Loss::random);
            for loss in losses.into_iter().chain([BURSTS]) {
                for round_trip_ms in ROUND_TRIPS_MS {
                    lines.extend(RATES_KBPS.map(|rate| line((loss, round_trip_ms, rate))));
                }
            }
        }
    }
    let steady = lines.into_iter().map(QualityCell::steady);
    steady
        .chain([QualityCell::steps(), QualityCell::download()])
        .filter(|cell| only.iter().all(|word| has(&cell.name, word)))
        .collect()
}

/// Whether one part of the name is this word, or begins with it if the word says so by a `*` at its end.
fn has(name: &str, word: &str) -> bool {
    name.split('/').any(|part| match word.strip_suffix('*') {
        Some(begin) => part.starts_with(begin),
        None => part == word,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_full_set_has_every_line_and_the_short_one_is_a_part_of_it() {
        let names = |set| -> Vec<String> {
            let cells = cells(set, &[]);
            cells.into_iter().map(|cell| cell.name).collect()
        };
        let full: BTreeSet<String> = names(CellSet::Full).into_iter().collect();
        assert_eq!(full.len(), 6 * 3 * 4 + 2);
        let short = names(CellSet::Short);
        assert_eq!(short.len(), SHORT.len() + 2);
        assert!(short.iter().all(|name| full.contains(name)), "{short:?}");
    }

    #[test]
    fn cells_are_found_by_the_parts_of_their_names() {
        let found = |words: &[&str]| -> Vec<String> {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let cells = cells(CellSet::Full, &words);
            cells.into_iter().map(|cell| cell.name).collect()
        };
        assert_eq!(found(&["5%", "300ms", "2M"]), ["5%/300ms/2M"]);
        assert_eq!(found(&["0%"]).len(), 12, "not 10 % and 20 %");
        assert_eq!(found(&["5%*", "20ms", "none"]).len(), 2);
        assert_eq!(found(&["steps"]), ["steps/100ms"]);
        assert!(found(&["7%"]).is_empty());
    }

    #[test]
    fn the_round_trip_is_that_of_four_cables() {
        let line = QualityLine {
            loss: BURSTS,
            round_trip_ms: 100,
            rate_kbps: Some(700),
        };
        let shape = line.shape();
        assert_eq!(shape.delay, Duration::from_millis(25));
        assert_eq!(shape.rate_bps, Some(700_000));
        assert!((shape.loss_ratio - 0.05).abs() < 1e-9);
        assert_eq!(line.delay().rate_bps, None);
    }
}

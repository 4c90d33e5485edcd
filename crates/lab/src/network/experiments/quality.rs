//! Passerby beside a browser: the same clip on the same lines, measured by the same means.
//!
//! On each line there is a call of two headless strangers, one of two Chromiums and one of a stranger with a Chromium. What is
//! measured, and how, is in `docs/quality.md`.

mod call;
mod cells;
mod clip;
mod compare;
mod cost;
mod ends;
mod figures;
mod scene;
mod ssim;
mod table;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;

use super::Verdicts;
use crate::check::Part;
use crate::network::{NatKind, Network, RelayKind, Servers};

pub use call::Row;
pub use cells::{CellSet, Loss, Phase, QualityCell, QualityLine};
pub use cost::Cost;
pub use ends::Program;
pub use figures::PictureFigures;

use clip::Clip;

/// Who calls whom: side A first.
const PAIRS: [[Program; 2]; 3] = [
    [Program::Passerby, Program::Passerby],
    [Program::Chromium, Program::Chromium],
    [Program::Passerby, Program::Chromium],
];

/// What is to be measured.
#[derive(Debug, Clone, Default, Args)]
pub struct QualityOptions {
    /// Which lines.
    #[arg(long, value_enum, default_value_t)]
    pub cells: CellSet,
    /// Of these, only those whose names have all of these parts, such as `5%,300ms,none`; `5%*` means those that begin so.
    #[arg(long, value_delimiter = ',', value_name = "PART,PART")]
    pub only: Vec<String>,
    /// How many calls of each pair on each line.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub runs: u32,
    /// Another clip than our own: 640x480, 4:2:0; its first ten seconds are used.
    #[arg(long, value_name = "FILE.y4m")]
    pub clip: Option<PathBuf>,
    /// Writes every row as a line of JSON as well.
    #[arg(long, value_name = "FILE.jsonl")]
    pub save: Option<PathBuf>,
}

/// A network, a server, and something to send.
#[derive(Debug)]
pub struct QualityLab {
    network: Network,
    servers: Servers,
    clip: Clip,
}

impl QualityLab {
    /// Builds it, with our own clip or this one.
    ///
    /// # Errors
    /// What the system refuses, or what is wrong with the clip.
    pub fn build(clip: Option<&Path>) -> anyhow::Result<Self> {
        let clip = Clip::make(clip)?;
        let network = Network::build(NatKind::PortRestricted, NatKind::PortRestricted)?;
        let servers = Servers::start(&network, RelayKind::Own)?;
        Ok(Self {
            network,
            servers,
            clip,
        })
    }

    /// Measures one call: a row for each direction of each phase.
    ///
    /// # Errors
    /// When the call does not come about, or the lab fails.
    pub fn measure(&self, pair: [Program; 2], cell: &QualityCell) -> anyhow::Result<Vec<Row>> {
        call::measure(&self.network, &self.servers, &self.clip, pair, cell)
    }
}

pub(super) fn run(options: &QualityOptions, verdicts: &mut Verdicts) -> anyhow::Result<()> {
    if let Some(reason) = Part::Browser.why_impossible() {
        return Err(crate::Unavailable(reason).into());
    }
    let cells = cells::cells(options.cells, &options.only);
    ensure!(
        !cells.is_empty(),
        "no cell has all of these parts in its name"
    );
    let mut save = match &options.save {
        Some(path) => {
            Some(File::create(path).with_context(|| format!("{} cannot be made", path.display()))?)
        }
        None => None,
    };
    let lab = QualityLab::build(options.clip.as_deref())?;
    println!("\n## Passerby beside a browser\n\n{}", table::HEADER);
    let mut results = compare::Results::default();
    for (index, cell) in cells.iter().enumerate() {
        for run in 0..options.runs {
            // Alternating, and not always the same one first.
            for turn in 0..PAIRS.len() {
                let pair = PAIRS[(turn + index + run as usize) % PAIRS.len()];
                match lab.measure(pair, cell) {
                    Ok(rows) => {
                        for row in &rows {
                            if let Some(file) = &mut save {
                                writeln!(file, "{}", serde_json::to_string(row)?)?;
                            }
                        }
                        results.add(rows);
                    }
                    Err(error) if crate::ffi::is_stop_requested() => return Err(error),
                    Err(error) => {
                        eprintln!("lab: {}, {} and {}: {error:#}", cell.name, pair[0], pair[1]);
                        results.add_failure(cell, pair);
                    }
                }
            }
        }
        for phase in 0..cell.phases.len() {
            for row in results.of_cell(&cell.phase_name(phase)) {
                println!("{}", table::row(&row));
            }
        }
    }
    compare::print(&results, verdicts);
    Ok(())
}

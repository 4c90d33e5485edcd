//! Passerby beside a browser: the same clip on the same lines, measured by the same means.
//!
//! On each line there is a call of two headless strangers, one of two Chromiums and one of a stranger with a Chromium. What is
//! measured, and how, is in `docs/quality.md`.

mod call;
mod cells;
mod clip;
mod compare;
mod cost;
mod download;
mod ends;
mod figures;
mod scene;
mod sound;
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
use compare::Results;

const TITLE: &str = "\n## Passerby beside a browser";

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
    /// Only these pairs of programs, such as `passerby-passerby,chromium-chromium`; all three without it.
    #[arg(long, value_delimiter = ',', value_parser = pair_of, value_name = "A-B,A-B")]
    pub pairs: Vec<[Program; 2]>,
    /// How many calls of each pair on each line.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub runs: u32,
    /// Another clip than our own: 640x480, 4:2:0; its first ten seconds are used.
    #[arg(long, value_name = "FILE.y4m")]
    pub clip: Option<PathBuf>,
    /// The codec that Passerby is to send: auto, h264 or av1.
    #[arg(long, value_name = "CODEC", default_value = "auto", value_parser = ["auto", "h264", "av1"])]
    pub video_codec: String,
    /// Keeps the clip in this folder, and what each Passerby wrote down of its calls: events and statistics, a file for each side and call.
    #[arg(long, value_name = "FOLDER")]
    pub keep: Option<PathBuf>,
    /// Writes every row as a line of JSON as well.
    #[arg(long, value_name = "FILE.jsonl")]
    pub save: Option<PathBuf>,
    /// Measures nothing, and prints what such files hold.
    #[arg(long, value_delimiter = ',', value_name = "FILE,FILE", conflicts_with_all = ["cells", "only", "pairs", "runs", "clip", "video_codec", "keep", "save"])]
    pub read: Vec<PathBuf>,
}

/// One of [`PAIRS`], by its name.
fn pair_of(name: &str) -> Result<[Program; 2], String> {
    let name_of = |[a, b]: [Program; 2]| format!("{a}-{b}").to_lowercase();
    let known = || PAIRS.map(name_of).join(", ");
    PAIRS
        .into_iter()
        .find(|pair| name_of(*pair) == name.to_lowercase())
        .ok_or_else(|| format!("there are these pairs: {}", known()))
}

/// A network, a server, and something to send.
#[derive(Debug)]
pub struct QualityLab {
    network: Network,
    servers: Servers,
    clip: Clip,
    /// The codec that Passerby is to send.
    video_codec: String,
    keep: Option<PathBuf>,
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
            video_codec: "auto".to_owned(),
            keep: None,
        })
    }

    /// Measures one call: a row for each direction of each phase.
    ///
    /// # Errors
    /// When the call does not come about, or the lab fails.
    pub fn measure(&self, pair: [Program; 2], cell: &QualityCell) -> anyhow::Result<Vec<Row>> {
        call::measure(self, pair, cell)
    }
}

pub(super) fn run(options: &QualityOptions, verdicts: &mut Verdicts) -> anyhow::Result<()> {
    let results = if options.read.is_empty() {
        measure_all(options)?
    } else {
        read(&options.read)?
    };
    compare::print(&results, verdicts);
    Ok(())
}

/// Measures everything, and prints the rows of each line when it is done.
fn measure_all(options: &QualityOptions) -> anyhow::Result<Results> {
    if let Some(reason) = Part::Browser.why_impossible() {
        return Err(crate::Unavailable(reason).into());
    }
    let cells = cells::cells(options.cells, &options.only);
    ensure!(
        !cells.is_empty(),
        "no line has all of these parts in its name"
    );
    let mut save = match &options.save {
        Some(path) => {
            Some(File::create(path).with_context(|| format!("{} cannot be made", path.display()))?)
        }
        None => None,
    };
    if let Some(folder) = &options.keep {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    let lab = QualityLab {
        video_codec: options.video_codec.clone(),
        keep: options.keep.clone(),
        ..QualityLab::build(options.clip.as_deref())?
    };
    if let Some(folder) = &options.keep {
        let kept = folder.join("clip.y4m");
        std::fs::copy(lab.clip.pictures(), &kept)
            .with_context(|| format!("{} cannot be written", kept.display()))?;
    }
    println!("{TITLE}\n\n{}", table::HEADER);
    let pairs: &[_] = if options.pairs.is_empty() {
        &PAIRS
    } else {
        &options.pairs
    };
    let calls = cells.len() * options.runs as usize * pairs.len();
    let mut results = Results::default();
    for (index, cell) in cells.iter().enumerate() {
        for run in 0..options.runs as usize {
            // Alternating, and not always the same one first.
            for turn in 0..pairs.len() {
                let pair = pairs[(turn + index + run) % pairs.len()];
                let number = (index * options.runs as usize + run) * pairs.len() + turn + 1;
                let what = format!("{}, {} and {}", cell.name, pair[0], pair[1]);
                eprintln!("lab: call {number} of {calls}: {what}");
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
                        eprintln!("lab: {what}: {error:#}");
                        results.add_failure(cell, pair);
                    }
                }
            }
        }
        for phase in 0..cell.phases.len() {
            print_rows(&results, &cell.phase_name(phase));
        }
    }
    Ok(results)
}

/// Takes in what was measured before, and prints the rows.
fn read(paths: &[PathBuf]) -> anyhow::Result<Results> {
    let mut results = Results::default();
    for path in paths {
        let name = path.display();
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{name} cannot be read"))?;
        let rows: Result<Vec<Row>, _> = text.lines().map(serde_json::from_str).collect();
        results.add(rows.with_context(|| format!("{name} holds something else than rows"))?);
    }
    println!("{TITLE}\n\n{}", table::HEADER);
    for cell in results.cells() {
        print_rows(&results, &cell);
    }
    Ok(results)
}

fn print_rows(results: &Results, cell: &str) {
    for row in results.of_cell(cell) {
        println!("{}", table::row(&row));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_known_by_their_names_and_others_are_told_what_there_is() {
        let pair = [Program::Passerby, Program::Chromium];
        assert_eq!(pair_of("Passerby-chromium"), Ok(pair));
        let error = pair_of("chromium-passerby").unwrap_err();
        assert!(error.contains("passerby-chromium"), "{error}");
    }

    #[test]
    fn what_was_saved_can_be_read_and_what_is_something_else_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let row = compare::tests::a_row("a", Program::Passerby, Program::Chromium);
        let line = serde_json::to_string(&row).unwrap();
        std::fs::write(file.path(), format!("{line}\n{line}\n")).unwrap();
        let paths = [file.path().to_owned(), file.path().to_owned()];
        let results = read(&paths).unwrap();
        assert_eq!(results.of_cell("a"), [row]);
        std::fs::write(file.path(), format!("{line}\nsomething else\n")).unwrap();
        let error = read(&paths).unwrap_err();
        assert!(error.to_string().contains("something else"), "{error}");
    }
}

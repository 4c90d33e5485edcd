//! Measurements of whole programs on the lab's network, each with the targets that it must meet.
//!
//! Each prints a table and adds to a [`Verdicts`]; the last word is whether all targets were met.

mod calls;
mod change;
mod interop;
mod loss;
mod matrix;
mod next;
mod pictures;
mod quality;
mod relayed;
mod server_death;

use clap::{Args, Subcommand};

pub use calls::{Pair, make_calls};
pub use change::{Change, recover_from};
pub use interop::{
    Ends, GuestRole, Talk, call_again, converse, hide, lose_packets, restart, roam_away,
    say_goodbye, show_screen,
};
pub use loss::connect_through_loss;
pub use matrix::{Cell, measure_cell};
pub use next::press_next;
pub use pictures::{Line, Shown, call_over};
pub use quality::{
    CellSet, Cost, Loss, Phase, PictureFigures, Program, QualityCell, QualityLab, QualityLine,
    QualityOptions, Row,
};
pub use relayed::{call_relayed, measure_voice};
pub use server_death::{Death, kill_the_server};

use super::{NatKind, RelayKind};

/// What is measured.
#[derive(Debug, Clone, Subcommand)]
pub enum Experiment {
    /// Network lab: all of the following, one after the other.
    Network(Common),
    /// Network lab: every kind of NAT against every kind: does it connect, which way, how fast.
    Matrix {
        /// What all experiments understand.
        #[command(flatten)]
        common: Common,
        /// Only these kinds: open, full-cone, restricted, port-restricted, symmetric, udp-blocked, only-443.
        #[arg(long, value_delimiter = ',')]
        kinds: Vec<NatKind>,
    },
    /// Network lab: another network, another address, a pulled cable: until pictures flow again.
    Change(Common),
    /// Network lab: calls through the relay alone, over UDP, TCP and TLS, beside direct ones.
    Relayed(Common),
    /// Network lab: from Next to the next partner's first picture.
    Next(Common),
    /// Network lab: the server is killed in mid-call and comes back.
    ServerDeath(Common),
    /// Network lab: calls over a long line that loses packets.
    Loss(Common),
    /// Network lab: pictures on lines that are thin, long or lossy.
    Pictures {
        /// What all experiments understand.
        #[command(flatten)]
        common: Common,
        /// Only lines whose name in the table contains this; may be repeated.
        #[arg(long)]
        only: Vec<String>,
    },
    /// Network lab: a Chromium calls a headless stranger and is called by it.
    Interop(Common),
    /// Network lab: Passerby beside a browser: the same clip on the same lines, side by side.
    Quality(QualityOptions),
}

/// What all experiments understand.
#[derive(Debug, Clone, Default, Args)]
pub struct Common {
    /// The relay that clients are given: the server's own, or a coturn beside it.
    #[arg(long, value_enum, default_value_t)]
    pub relay: RelayKind,
    /// How many calls (or runs) for each line of the table; each experiment has a number of its own.
    #[arg(long)]
    pub calls: Option<u32>,
}

/// Runs an experiment and prints what came of it; returns the exit code: 0 if all targets were met, or 1.
///
/// # Errors
/// When the lab itself fails; a call that does not come about is a result.
pub fn run(experiment: &Experiment) -> anyhow::Result<u8> {
    if let Some(reason) = crate::check::Part::Network.why_impossible() {
        return Err(crate::Unavailable(reason).into());
    }
    let mut verdicts = Verdicts::default();
    match experiment {
        Experiment::Matrix { common, kinds } => matrix::run(common, kinds, &mut verdicts)?,
        Experiment::Change(common) => change::run(common, &mut verdicts)?,
        Experiment::Relayed(common) => relayed::run(common, &mut verdicts)?,
        Experiment::Next(common) => next::run(common, &mut verdicts)?,
        Experiment::ServerDeath(common) => server_death::run(common, &mut verdicts)?,
        Experiment::Loss(common) => loss::run(common, &mut verdicts)?,
        Experiment::Pictures { common, only } => pictures::run(common, only, &mut verdicts)?,
        Experiment::Interop(common) => interop::run(common, &mut verdicts)?,
        Experiment::Quality(options) => quality::run(options, &mut verdicts)?,
        Experiment::Network(common) => {
            matrix::run(common, &[], &mut verdicts)?;
            change::run(common, &mut verdicts)?;
            relayed::run(common, &mut verdicts)?;
            next::run(common, &mut verdicts)?;
            server_death::run(common, &mut verdicts)?;
            loss::run(common, &mut verdicts)?;
            pictures::run(common, &[], &mut verdicts)?;
        }
    }
    Ok(verdicts.end())
}

/// What was to be shown, and whether it was.
#[derive(Debug, Default)]
pub struct Verdicts {
    lines: Vec<(String, String, String, bool)>,
}

impl Verdicts {
    /// Notes one target: of what, what was measured, what was wanted, and whether that is met.
    pub(crate) fn note(
        &mut self,
        what: impl Into<String>,
        measured: impl Into<String>,
        target: impl Into<String>,
        is_met: bool,
    ) {
        self.lines
            .push((what.into(), measured.into(), target.into(), is_met));
    }

    /// Notes a duration in milliseconds that must not be exceeded; one that was never measured exceeds everything.
    pub(crate) fn note_at_most(
        &mut self,
        what: impl Into<String>,
        measured_ms: Option<f64>,
        most_ms: f64,
    ) {
        let is_met = measured_ms.is_some_and(|measured| measured <= most_ms);
        self.note(
            what,
            milliseconds(measured_ms),
            format!("at most {most_ms:.0} ms"),
            is_met,
        );
    }

    fn end(&self) -> u8 {
        println!("\n## Targets\n\n| what | measured | target | |\n|---|---|---|---|");
        for (what, measured, target, is_met) in &self.lines {
            let word = if *is_met { "pass" } else { "**FAIL**" };
            println!("| {what} | {measured} | {target} | {word} |");
        }
        u8::from(self.lines.iter().any(|(.., is_met)| !is_met))
    }
}

/// A duration for a table.
fn milliseconds(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0} ms"))
}

/// Median and 95th percentile for a table.
fn two_quantiles(values: &[f64]) -> String {
    let at = |share| milliseconds(headless::measure::quantile(values, share));
    format!("{} | {}", at(0.5), at(0.95))
}

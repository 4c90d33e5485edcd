//! What the server costs beside a bare one: memory of a connection, processor time of a pairing, delay of a frame; and whether it stays
//! well for an hour.
//!
//! The servers take turns, so that whatever else the machine does hits both. Each runs in a process of its own, and what counts is what
//! that process takes, not what the clients here take.

mod bare;
mod certificate;
mod client;
mod memory;
mod pairings;
mod relay;
mod report;
mod servers;
mod soak;

use std::{
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::Context as _;
use clap::{Parser, ValueEnum};

use crate::{certificate::Certificate, report::Report};

/// Measures the server beside a bare one. Build with --release, or the figures mean nothing.
#[derive(Debug, Parser)]
#[command(name = "server-bench", version)]
struct Flags {
    /// Only these parts; all but the soak if nothing is said.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,

    /// With how many connections memory is measured [default: 10000, and as many as a process may have files]
    #[arg(long, value_delimiter = ',')]
    connections: Vec<usize>,

    /// For how many seconds each measurement lasts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=120))]
    seconds: u64,

    /// How often each measurement is made.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=20))]
    rounds: u16,

    /// The soak too, for so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(40..=86_400))]
    soak: Option<u64>,

    /// Be the bare server, at this port.
    #[arg(long, hide = true, value_name = "PORT")]
    serve_bare: Option<u16>,

    /// The folder with the bare server's certificate.
    #[arg(long, hide = true, value_name = "FOLDER")]
    certificate: Option<PathBuf>,
}

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Of idle connections, and of those that have exchanged descriptions.
    Memory,
    /// Processor time and rate.
    Pairings,
    /// Delay of signalling frames.
    Relay,
    /// What joining costs with up to a million people waiting: the example `join_cost` of the matchmaker.
    Join,
    /// People who come, go and vanish, and restarts.
    Soak,
}

/// What all measurements need.
struct Bench {
    flags: Flags,
    certificate: Certificate,
}

/// How long a soak takes that is only named.
const SOAK_SECONDS: u64 = 240;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Flags::parse()).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(missed) => {
            eprintln!("server-bench: goals that were missed: {missed}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("server-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// How many goals were missed.
async fn run(flags: Flags) -> anyhow::Result<usize> {
    if let Some(port) = flags.serve_bare {
        let certificate = flags.certificate.as_deref().map(Certificate::of);
        bare::run(port, certificate).await?;
        return Ok(0);
    }
    servers::raise_file_limit()?;
    let folder = tempfile::tempdir()?;
    let bench = Bench {
        certificate: Certificate::make(folder.path())?,
        flags,
    };
    let is_wanted = |part| {
        let flags = &bench.flags;
        flags.only.contains(&part) || (flags.only.is_empty() && part != Part::Soak)
    };
    let mut report = Report::default();
    let mut missed = 0;
    if is_wanted(Part::Join) {
        missed += usize::from(!join_cost()?);
    }
    if is_wanted(Part::Pairings) {
        pairings::measure(&bench, &mut report).await?;
    }
    if is_wanted(Part::Relay) {
        relay::measure(&bench, &mut report).await?;
    }
    if is_wanted(Part::Memory) {
        memory::measure(&bench, &mut report).await?;
    }
    if is_wanted(Part::Soak) || bench.flags.soak.is_some() {
        let seconds = bench.flags.soak.unwrap_or(SOAK_SECONDS);
        soak::measure(seconds, &mut report).await?;
    }
    Ok(missed + report.missed())
}

/// Lets the matchmaker's example print its table; whether the goal is reached.
fn join_cost() -> anyhow::Result<bool> {
    let program = servers::beside("join_cost")?;
    let mut command = Command::new(program);
    let status = command
        .status()
        .context("cannot start join_cost: is it built?")?;
    println!();
    Ok(status.success())
}

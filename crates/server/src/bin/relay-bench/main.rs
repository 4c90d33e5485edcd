//! How much a core relays, beside coturn: streams of 2 Mbit/s through channels, on the loopback interface.
//!
//! The two take turns, so that whatever else the machine does hits both. What counts is the time that their processes
//! spend on the processor, not what the load generator spends.

mod client;
mod load;
mod servers;

use std::{process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::Parser;

use crate::{
    load::{Streams, Traffic},
    servers::{Kind, Process},
};

/// Measures the relay beside coturn. Build with --release, or the figures mean nothing.
#[derive(Debug, Parser)]
#[command(name = "relay-bench", version)]
struct Flags {
    /// How many streams of 2 Mbit/s at once; may be given several times.
    #[arg(long, value_delimiter = ',', default_values_t = [20, 60],
          value_parser = clap::value_parser!(u16).range(1..=2000))]
    streams: Vec<u16>,

    /// For how many seconds each measurement lasts.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=120))]
    seconds: u64,

    /// How often each measurement is made.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=20))]
    rounds: u16,

    /// How many allocations memory is measured with.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(10..=2000))]
    allocations: u16,
}

/// One measurement.
#[derive(Debug, Clone, Copy)]
struct Measured {
    kind: Kind,
    streams: u16,
    traffic: Traffic,
    cpu: Duration,
}

impl Measured {
    /// Processor seconds for a gigabit that arrived.
    fn cpu_per_gbit(&self) -> f64 {
        self.cpu.as_secs_f64() / (self.traffic.bits_received() / 1e9)
    }

    /// How many streams would take one core, if each took as much as these do.
    fn streams_per_core(&self) -> f64 {
        f64::from(self.streams) * self.traffic.time.as_secs_f64() / self.cpu.as_secs_f64()
    }
}

fn main() -> ExitCode {
    match run(&Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("relay-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &Flags) -> anyhow::Result<()> {
    println!(
        "{:<10} {:>7} {:>8} {:>9} {:>8} {:>11} {:>12}",
        "server", "streams", "Mbit/s", "packets", "loss", "CPU s/Gbit", "streams/core"
    );
    let mut all = Vec::new();
    for &streams in &flags.streams {
        for _ in 0..flags.rounds {
            for kind in [Kind::Ours, Kind::Coturn] {
                let measured = measure(kind, streams, Duration::from_secs(flags.seconds))?;
                print_line(&measured);
                all.push(measured);
            }
        }
    }
    println!();
    println!("median of each; ours compared with coturn (below 1: ours takes less)");
    for &streams in &flags.streams {
        let of = |kind, figure: fn(&Measured) -> f64| {
            let of_kind = all
                .iter()
                .filter(|measured| (measured.kind, measured.streams) == (kind, streams));
            median(of_kind.map(figure).collect())
        };
        let [ours, theirs] =
            [Kind::Ours, Kind::Coturn].map(|kind| of(kind, Measured::cpu_per_gbit));
        let [ours_loss, their_loss] =
            [Kind::Ours, Kind::Coturn].map(|kind| of(kind, |measured| measured.traffic.loss()));
        let [ours_most, their_most] =
            [Kind::Ours, Kind::Coturn].map(|kind| of(kind, Measured::streams_per_core));
        println!(
            "{streams} streams: CPU s/Gbit {ours:.3} and {theirs:.3}, ratio {:.2}; streams/core {ours_most:.0} and \
             {their_most:.0}; loss {:.3} % and {:.3} %",
            ours / theirs,
            ours_loss * 100.0,
            their_loss * 100.0
        );
    }
    let mut memory = Vec::new();
    for kind in [Kind::Ours, Kind::Coturn] {
        let bytes = measure_memory(kind, flags.allocations)?;
        println!(
            "{kind}: {:.1} kB of memory for each of {} allocations",
            bytes / 1000.0,
            flags.allocations
        );
        memory.push(bytes);
    }
    println!("memory, ratio {:.2}", memory[0] / memory[1]);
    Ok(())
}

fn measure(kind: Kind, streams: u16, time: Duration) -> anyhow::Result<Measured> {
    let process = Process::start(kind)?;
    let mut load = Streams::open(process.addr(), streams).context(kind)?;
    // The first packets warm caches up.
    load.run(Duration::from_millis(500))?;
    let before = process.cpu()?;
    let traffic = load.run(time)?;
    let cpu = process.cpu()?.saturating_sub(before);
    Ok(Measured {
        kind,
        streams,
        traffic,
        cpu,
    })
}

/// Bytes of memory that a server's process takes for one allocation, with a permission and a channel.
fn measure_memory(kind: Kind, allocations: u16) -> anyhow::Result<f64> {
    let process = Process::start(kind)?;
    // What is only needed once is not counted.
    let _first = Streams::open(process.addr(), 10).context(kind)?;
    let before = process.memory()?;
    let _all = Streams::open_from(process.addr(), 10, allocations).context(kind)?;
    let grown = process.memory()?.saturating_sub(before);
    Ok(grown as f64 / f64::from(allocations))
}

fn print_line(measured: &Measured) {
    let Traffic { received, time, .. } = measured.traffic;
    println!(
        "{:<10} {:>7} {:>8.1} {:>9} {:>7.3}% {:>11.3} {:>12.0}",
        measured.kind,
        measured.streams,
        measured.traffic.bits_received() / 1e6 / time.as_secs_f64(),
        received,
        measured.traffic.loss() * 100.0,
        measured.cpu_per_gbit(),
        measured.streams_per_core()
    );
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

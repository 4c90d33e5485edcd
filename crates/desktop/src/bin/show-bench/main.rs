//! What it costs to show pictures: the real window with a made-up call in it, whose pictures come 30 times a second. The GPU's way and the
//! CPU's take turns, so that both meet the same machine. `cargo xtask bench show` runs it on a display of its own. Linux only: it reads `/proc`.

mod alone;
#[path = "../../../tests/made_up/scenes.rs"]
#[cfg_attr(
    test,
    expect(dead_code, reason = "other tests draw the mini window as well")
)]
mod scenes;
mod table;

use std::process::Command;

use anyhow::{Context as _, ensure};
use clap::Parser;
use desktop::planes::Render;
use serde::{Deserialize, Serialize};

use alone::Size;
use table::table;

/// The two ways, in turn.
const WAYS: [Render; 2] = [Render::Rgba, Render::Planes];

/// Measures what it costs to show pictures in the window, converted by the CPU and by the GPU's shader in turn. Needs a display.
#[derive(Debug, Parser)]
struct Args {
    /// How large the pictures are
    #[arg(long, value_delimiter = ',', default_value = "640x480,1280x720")]
    sizes: Vec<Size>,
    /// For how long each window is measured, in seconds
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// How often each way has its turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Open one window that shows pictures of the first size this way, and write what it took as JSON
    #[arg(long, value_name = "WAY")]
    alone: Option<Render>,
}

/// What one window took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Figures {
    /// The way that was in use at the end.
    way: String,
    /// How long was measured.
    seconds: f64,
    /// CPU seconds of the whole process in a second, the driver's threads included.
    cpu: f64,
    /// Those of the thread that draws.
    main_cpu: f64,
    /// Pictures that were shown in a second.
    pictures: f64,
    /// Passes of egui in a second.
    passes: f64,
    /// Resident memory at the end, in megabytes.
    memory_mb: f64,
    /// From the start of the program to its first pass, in milliseconds.
    first_pass_ms: f64,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let first = *args.sizes.first().context("there is no size")?;
    if let Some(way) = args.alone {
        let figures = alone::measure(first, way, args.seconds)?;
        println!("{}", serde_json::to_string(&figures)?);
        return Ok(());
    }
    for size in &args.sizes {
        let mut measured = WAYS.map(|_| Vec::new());
        for round in 0..args.rounds {
            for (way, measured) in WAYS.iter().zip(&mut measured) {
                eprintln!("{size} as {way}, {} of {}", round + 1, args.rounds);
                measured.push(in_own_process(*size, *way, args.seconds)?);
            }
        }
        println!("{}", table(*size, &measured));
    }
    Ok(())
}

/// Each window is a process of its own, so that none finds what another has left.
fn in_own_process(size: Size, way: Render, seconds: u32) -> anyhow::Result<Figures> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--sizes", &size.to_string(), "--alone", &way.to_string()])
        .args(["--seconds", &seconds.to_string()])
        .output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "a window failed: {complaint}");
    let figures: Figures = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("a window said nothing: {complaint}"))?;
    ensure!(
        figures.way == way.to_string(),
        "the window drew as {} and not as {way}: {complaint}",
        figures.way
    );
    Ok(figures)
}

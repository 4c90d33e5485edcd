//! `passerby-headless`: a stranger without a window, and the connection check.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use clap::Parser as _;
use headless::args::{Args, CommandLine, Task};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

fn main() -> ExitCode {
    let CommandLine { task, stranger } = CommandLine::parse();
    log_to_stderr();
    let result = match (task, stranger) {
        (Some(Task::Check(args)), _) => headless::check(&args).map(exit_code),
        (None, Some(args)) => try_main(&args),
        (None, None) => Err(anyhow::anyhow!("--server is missing")),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("passerby-headless: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Warnings by default, more by `RUST_LOG`; never what the WebRTC stack says of each packet.
fn log_to_stderr() {
    let wanted = std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".to_owned());
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(EnvFilter::new(wanted))
        .with(filter_fn(engine::may_be_logged))
        .with(lines)
        .init();
}

fn try_main(args: &Args) -> anyhow::Result<ExitCode> {
    let is_over = Arc::new(AtomicBool::new(false));
    ctrlc::set_handler({
        let is_over = Arc::clone(&is_over);
        move || is_over.store(true, Ordering::Relaxed)
    })
    .context("interrupts cannot be caught")?;
    let outcome = headless::run(args, &is_over)?;
    println!("calls made: {}, failed: {}", outcome.made, outcome.failed);
    let is_done = outcome.failed == 0 && (args.calls == 0 || outcome.made == args.calls);
    Ok(exit_code(is_done))
}

fn exit_code(is_well: bool) -> ExitCode {
    if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

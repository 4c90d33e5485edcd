//! How many WebSockets share one matchmaker: the program. `docs/operating.md` says how to run it.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Parser as _;
use server::{Flags, LogFormat, Server, Settings};
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Flags::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("passerby-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: Flags) -> anyhow::Result<()> {
    start_log(flags.log_format, &flags.log)?;
    let settings = Settings::try_from(flags)?;
    if settings.stun.is_empty() && settings.turn.is_none() && settings.relay.is_none() {
        warn!(
            "no relay, no --stun and no --turn: only people in one network will reach each other"
        );
    }
    let scheme = if settings.tls.is_some() { "wss" } else { "ws" };
    let stop = stop_signal().context("cannot listen for signals")?;
    let server = Server::bind(settings).await?;
    for addr in server.local_addrs() {
        // Read by programs that start the server and wait for it.
        writeln!(io::stdout(), "listening on {scheme}://{addr}")
            .context("cannot write to stdout")?;
    }
    if let Some(addr) = server.relay_addr() {
        info!("STUN and TURN at {addr}");
    }
    #[cfg(unix)]
    tokio::spawn(reload_at_hangup(server.certificate_reload())?);
    server.run(stop).await;
    Ok(())
}

fn start_log(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).context("--log is not a filter")?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}

/// Reads the certificate again at every SIGHUP.
#[cfg(unix)]
fn reload_at_hangup(
    reload: impl Fn() -> Result<(), server::TlsError> + Send,
) -> anyhow::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for signals")?;
    Ok(async move {
        while hangup.recv().await.is_some() {
            match reload() {
                Ok(()) => info!("the certificate was read again"),
                Err(error) => warn!("the old certificate stays: {error}"),
            }
        }
    })
}

/// Completes at Ctrl-C or, on Unix, at SIGTERM.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Completes at Ctrl-C.
#[cfg(windows)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}

//! How many WebSockets share one matchmaker: the program. `docs/operating.md` says how to run it.

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

use anyhow::Context as _;
use server::{LogFormat, Server, Settings, Sources, SourcesError};
use tracing::{Level, Metadata, info, warn};
use tracing_subscriber::{
    EnvFilter, Layer as _, filter::filter_fn, fmt, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// How the program ends when settings are wrong, wherever they were said.
const WRONG_SETTINGS: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let sources = match Sources::read(env::args_os()) {
        Ok(sources) => sources,
        // Prints by itself, in colour where that is seen, and ends.
        Err(SourcesError::Flags(error)) => error.exit(),
        Err(error) => return explain(&error.to_string()),
    };
    let flags = match sources.flags() {
        Ok(flags) => flags,
        Err(error) => return explain(&error.to_string()),
    };
    let (checks_only, log_format, log) = (flags.check_config, flags.log_format, flags.log.clone());
    let settings = Settings::try_from(flags);
    if checks_only {
        print!("{}", sources.effective());
        let settings = settings.map_err(anyhow::Error::from);
        return match settings.and_then(|settings| settings.check_files().map_err(Into::into)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => explain(&format!("{error:#}")),
        };
    }
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => return explain(&error.to_string()),
    };
    match run(settings, log_format, &log).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("passerby-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Says what is wrong with the settings.
fn explain(problems: &str) -> ExitCode {
    for problem in problems.lines() {
        eprintln!("passerby-server: {problem}");
    }
    ExitCode::from(WRONG_SETTINGS)
}

async fn run(settings: Settings, log_format: LogFormat, log: &str) -> anyhow::Result<()> {
    start_log(log_format, log)?;
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
    for addr in server.relay_addrs() {
        info!("STUN and TURN at {addr}");
    }
    #[cfg(unix)]
    tokio::spawn(reload_at_hangup(server.certificate_reload())?);
    server.run(stop).await;
    Ok(())
}

fn start_log(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).context("--log is not a filter")?;
    let lines = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(filter_fn(may_be_logged))
        .with(lines)
        .init();
    Ok(())
}

/// Whether a line may be in the log at all, whatever the operator asks for. Below `info`, the libraries print what people
/// say to each other: tungstenite every frame, with the addresses in it.
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    const OURS: [&str; 5] = [
        "passerby_server",
        "server",
        "relay",
        "matchmaker",
        "protocol",
    ];
    let place = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() <= Level::INFO || OURS.contains(&place)
}

/// Reads the certificate again at every SIGHUP, if there is one.
#[cfg(unix)]
fn reload_at_hangup(
    reload: Option<impl Fn() -> Result<(), server::TlsError> + Send>,
) -> anyhow::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for signals")?;
    Ok(async move {
        while hangup.recv().await.is_some() {
            match reload.as_ref().map(|reload| reload()) {
                None => info!("there is no certificate to read again"),
                Some(Ok(())) => info!("the certificate was read again: it is for new connections"),
                Some(Err(error)) => {
                    warn!(
                        "the old certificate stays: {:#}",
                        anyhow::Error::from(error)
                    );
                }
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

//! How many WebSockets share one matchmaker: the program. `docs/operating.md` says how to run it.

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use server::{
    BindError, CertificateSource, Drain, FilesError, LogFormat, Reload, Server, Settings, Sources,
    SourcesError, StoreError,
};
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
        return match settings.and_then(|settings| check_files(&settings)) {
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
            let is_wrong_setting = (error.downcast_ref()).is_some_and(BindError::is_wrong_setting);
            if is_wrong_setting {
                return explain(&format!("{error:#}"));
            }
            eprintln!("passerby-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Looks at the files that the settings name. That a server runs which has the store is no fault while it is only looked at.
fn check_files(settings: &Settings) -> anyhow::Result<()> {
    match settings.check_files() {
        Err(FilesError::Store(StoreError::InUse(path))) => {
            eprintln!(
                "passerby-server: --store: {} is in use by a server that runs, so it was not looked into: another \
                 server needs a store of its own",
                path.display()
            );
            Ok(())
        }
        result => Ok(result?),
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
    if settings.store.is_none() {
        warn!("no --store: reports, bans and blocks are forgotten when the server ends");
    }
    if matches!(settings.tls, Some(CertificateSource::Acme(_)))
        && settings.listen.iter().all(|addr| addr.port() != 443)
    {
        warn!(
            "the certificate authority comes to port 443 of each --acme-domain, and no --listen has it: lead it to this server"
        );
    }
    let scheme = if settings.tls.is_some() { "wss" } else { "ws" };
    let drain_time = settings.drain;
    let terminations = terminations().context("cannot listen for signals")?;
    let interrupt = interrupt().context("cannot listen for signals")?;
    let server = Server::bind(settings).await?;
    for addr in server.local_addrs() {
        // Read by programs that start the server and wait for it.
        writeln!(io::stdout(), "listening on {scheme}://{addr}")
            .context("cannot write to stdout")?;
    }
    for addr in server.relay_addrs() {
        info!("STUN and TURN at {addr}");
    }
    if let Some(addr) = server.admin_addr() {
        info!("/metrics and /admin at http://{addr}");
        if !addr.ip().is_loopback() {
            warn!(
                "what the operator says there is not encrypted: let a proxy speak TLS in front of it, or keep it to this machine"
            );
        }
    }
    #[cfg(unix)]
    tokio::spawn(reload_at_hangup(server.certificate_reload())?);
    let drain = server.drain();
    let end_of_patience = async move {
        tokio::select! {
            () = interrupt => {}
            () = drain_then_end(terminations, drain, drain_time) => {}
        }
    };
    server.run(end_of_patience).await;
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
    const OURS: [&str; 6] = [
        "passerby_server",
        "server",
        "relay",
        "matchmaker",
        "cluster",
        "protocol",
    ];
    let place = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() <= Level::INFO || OURS.contains(&place)
}

/// Reads the certificate again at every SIGHUP, if there is one, or orders one that is wanted.
#[cfg(unix)]
fn reload_at_hangup(
    reload: Option<impl Fn() -> Result<Reload, server::TlsError> + Send>,
) -> anyhow::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for signals")?;
    Ok(async move {
        while hangup.recv().await.is_some() {
            match reload.as_ref().map(|reload| reload()) {
                None => info!("there is no certificate to read again"),
                Some(Ok(Reload::Read)) => {
                    info!("the certificate was read again: it is for new connections");
                }
                Some(Ok(Reload::Hurried)) => {
                    info!("if a certificate is wanted, it is ordered now");
                }
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

/// Empties the server at the first SIGTERM, which ends it once it is empty; completes at the second.
#[cfg(unix)]
async fn drain_then_end(
    mut terminations: tokio::signal::unix::Signal,
    drain: Drain,
    drain_time: Duration,
) {
    terminations.recv().await;
    info!(
        seconds = drain_time.as_secs(),
        "asked to end: nobody new is let in"
    );
    drain.begin(drain_time);
    terminations.recv().await;
}

#[cfg(unix)]
fn terminations() -> io::Result<tokio::signal::unix::Signal> {
    use tokio::signal::unix::{SignalKind, signal};

    signal(SignalKind::terminate())
}

/// Completes at Ctrl-C.
#[cfg(unix)]
fn interrupt() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        interrupt.recv().await;
    })
}

/// Windows asks in this way before the machine shuts down.
#[cfg(windows)]
async fn drain_then_end(
    mut terminations: tokio::signal::windows::CtrlShutdown,
    drain: Drain,
    drain_time: Duration,
) {
    terminations.recv().await;
    drain.begin(drain_time);
    terminations.recv().await;
}

#[cfg(windows)]
fn terminations() -> io::Result<tokio::signal::windows::CtrlShutdown> {
    tokio::signal::windows::ctrl_shutdown()
}

/// Completes at Ctrl-C.
#[cfg(windows)]
fn interrupt() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}

//! The connection check as a program runs it: asks the signalling server for its relays, and tries them.

use std::time::{Duration, Instant};

use protocol::PathPolicy;
use transport::{CheckConfig, ConnectionReport};

use crate::SignallingProblem;
use crate::signalling::prepare;

/// What was found out about a signalling server and what it offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCheck {
    /// From the first packet until the server had said which STUN and TURN servers it has.
    pub signalling: Duration,
    /// Whether the server leaves the choice of the path to each person.
    pub path_policy: PathPolicy,
    /// What a call could use.
    pub connection: ConnectionReport,
}

/// Why there is nothing to report.
#[derive(Debug, thiserror::Error)]
pub enum ServerCheckError {
    /// The signalling server could not be asked.
    #[error("{}", words(.0))]
    Signalling(SignallingProblem),
    /// The system has no threads or sockets for us.
    #[error("the system has no threads for the check")]
    Thread(#[source] std::io::Error),
}

/// Asks the signalling server at `url` for its STUN and TURN servers, and checks what a call could use of them.
///
/// Where the server wants calls to begin over a relay, nobody but relays is asked, as if `config.relay_only` said so: a
/// call would ask no more.
///
/// Blocks the thread: up to about twenty seconds where the signalling server is silent, plus `config.limit`.
///
/// # Errors
/// When the signalling server cannot be asked. Servers that do not work are what the report is about.
pub fn check_server(url: &str, mut config: CheckConfig) -> Result<ServerCheck, ServerCheckError> {
    // Fails when somebody installed one before, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ServerCheckError::Thread)?;
    let result = runtime.block_on(async {
        let began = Instant::now();
        let prepared = prepare(url).await.map_err(ServerCheckError::Signalling)?;
        let signalling = began.elapsed();
        config.relay_only |= !prepared.path_policy.is_any();
        Ok(ServerCheck {
            signalling,
            path_policy: prepared.path_policy,
            connection: transport::check_connection(&prepared.ice_servers, config).await,
        })
    });
    // A name service that is still being asked must not keep anybody waiting.
    runtime.shutdown_background();
    result
}

fn words(problem: &SignallingProblem) -> String {
    let (what, why) = match problem {
        SignallingProblem::BadUrl(why) => ("this is no address of a signalling server", Some(why)),
        SignallingProblem::Unreachable(why) => {
            ("the signalling server cannot be reached", Some(why))
        }
        SignallingProblem::NotAServer(why) => {
            ("this is no signalling server that can be asked", Some(why))
        }
        SignallingProblem::Lost(why) => ("the signalling server hung up", Some(why)),
        SignallingProblem::WrongVersion => (
            "the signalling server speaks another version of the protocol",
            None,
        ),
        SignallingProblem::Full => ("the signalling server is full", None),
        SignallingProblem::Crowded => (
            "the signalling server allows no more connections from this address",
            None,
        ),
        SignallingProblem::ShutDown => ("the signalling server shuts down", None),
    };
    match why.filter(|why| !why.is_empty()) {
        Some(why) => format!("{what}: {why}"),
        None => what.to_owned(),
    }
}

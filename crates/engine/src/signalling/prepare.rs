//! Asks a server once which STUN and TURN servers it has, without a call.

use protocol::{ClientMessage, ErrorCode, IceServer, PathPolicy, ServerMessage};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::socket::{WELCOME_TIMEOUT, greet, next_message, write};
use crate::SignallingProblem;

/// What a server has for the next call.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) ice_servers: Vec<IceServer>,
    pub(crate) path_policy: PathPolicy,
}

/// Connects to `url`, asks, and leaves. Takes no longer than the timeouts of a connection.
pub(crate) async fn prepare(url: &str) -> Result<Prepared, SignallingProblem> {
    let mut socket = greet(url, None).await.map_err(|end| end.problem)?.socket;
    let asks = Message::text(protocol::encode(&ClientMessage::Prepare));
    write(&mut socket, asks).await.map_err(|end| end.problem)?;
    let answer = async {
        loop {
            match next_message(&mut socket).await {
                Ok(ServerMessage::Prepared {
                    ice_servers,
                    path_policy,
                }) => {
                    return Ok(Prepared {
                        ice_servers,
                        path_policy,
                    });
                }
                Ok(ServerMessage::Error { code, .. }) => return Err(refusal(code)),
                // Nothing else concerns one who waits for nobody.
                Ok(_) => {}
                Err(end) => return Err(end.problem),
            }
        }
    };
    let prepared = timeout(WELCOME_TIMEOUT, answer).await.map_err(|_| {
        SignallingProblem::NotAServer("it does not say which relays it has".to_owned())
    })?;
    drop(timeout(WELCOME_TIMEOUT, socket.close(None)).await);
    prepared
}

fn refusal(code: ErrorCode) -> SignallingProblem {
    let words = match code {
        ErrorCode::Full => return SignallingProblem::Full,
        ErrorCode::UnknownType => "it is too old to say which relays it has",
        ErrorCode::TooFast => "it was asked too often",
        _ => "it does not want to say which relays it has",
    };
    SignallingProblem::NotAServer(words.to_owned())
}

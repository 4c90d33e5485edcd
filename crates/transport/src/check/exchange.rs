//! One request and its answer, over a wire that may lose both.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::ReachError;
use super::message::{Answer, Reading, Request};
use super::wire::Wire;

/// How long to wait before a request is sent again, at first; each further time twice as long (RFC 8489 section 6.2.1).
///
/// Half of what the RFC starts with, because a person waits; most servers are nearer than that.
const FIRST_REPEAT: Duration = Duration::from_millis(250);
/// Most messages that are read while waiting for one answer: who sends more does not want to answer.
const MOST_MESSAGES: usize = 256;

/// An answer, and how long it took if that can be told: not if the request had to be repeated.
pub(super) struct Exchanged {
    pub(super) answer: Answer,
    pub(super) round_trip: Option<Duration>,
}

/// Sends `request`, again and again where it may be lost, until an answer comes or `deadline` is over.
pub(super) async fn exchange(
    wire: &mut Wire,
    request: &Request,
    deadline: Instant,
) -> Result<Exchanged, ReachError> {
    let mut sent_at = Instant::now();
    timeout_at(deadline, wire.send(&request.bytes))
        .await
        .map_err(|_| ReachError::NoAnswer)??;
    let mut is_repeated = false;
    let mut repeat_after = FIRST_REPEAT;
    let mut silence = ReachError::NoAnswer;
    let mut messages = 0;
    loop {
        let repeat_at = if wire.is_lossy() {
            deadline.min(sent_at + repeat_after)
        } else {
            deadline
        };
        let Ok(received) = timeout_at(repeat_at, wire.receive()).await else {
            if Instant::now() >= deadline {
                return Err(silence);
            }
            sent_at = Instant::now();
            is_repeated = true;
            repeat_after *= 2;
            wire.send(&request.bytes).await?;
            continue;
        };
        match request.read(&received?) {
            Reading::Answer(answer) => {
                return Ok(Exchanged {
                    answer,
                    round_trip: (!is_repeated).then(|| sent_at.elapsed()),
                });
            }
            Reading::Foreign => {}
            Reading::Garbage => silence = ReachError::Garbage,
        }
        messages += 1;
        if messages == MOST_MESSAGES {
            return Err(ReachError::Garbage);
        }
    }
}

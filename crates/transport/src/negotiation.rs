//! Offers, answers and candidates (RFC 9429): what is checked before the WebRTC stack sees them.
//!
//! When to make an offer, and who yields when two cross, is decided elsewhere.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use protocol::{Candidate, Description, DescriptionKind, limits};
use rtc::peer_connection::configuration::RTCOfferOptions;
use tokio::sync::Notify;
use webrtc::peer_connection::{PeerConnection, RTCIceCandidateInit, RTCSessionDescription};

use crate::handler::Fragment;

/// Why a step of a negotiation failed. The connection is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum NegotiationError {
    /// The partner's description or candidate is longer, or has more parts, than any honest one.
    #[error("the partner's {what} is over its limit")]
    OverLimit {
        /// What there is too much of.
        what: &'static str,
    },
    /// The stack refused: what the partner sent makes no sense, or this step is not due.
    #[error("cannot {step}")]
    Refused {
        /// What was tried.
        step: &'static str,
        /// May quote from the session description: not for logs above `debug`.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The stack panicked over it.
    #[error("the connection's machinery broke")]
    Broken,
}

/// Media sections: one for audio, one for video, one for messages, and a few that we refuse.
const MAX_SECTIONS: usize = 8;
/// Candidates of one partner, in its description and by themselves. Each is tried from each local address.
const MAX_CANDIDATES: usize = 64;

/// Makes descriptions and candidates known to one connection, a step at a time.
pub(crate) struct Negotiation {
    connection: Arc<dyn PeerConnection>,
    local_fragment: Arc<Fragment>,
    remote_candidates: AtomicUsize,
    /// Wakes the stack.
    wake: Arc<Notify>,
    /// One step at a time. True while an offer is set that is for nobody.
    turn: tokio::sync::Mutex<bool>,
}

type StackResult<T> = webrtc::error::Result<T>;

impl Negotiation {
    pub(crate) fn new(
        connection: Arc<dyn PeerConnection>,
        local_fragment: Arc<Fragment>,
        wake: Arc<Notify>,
    ) -> Self {
        Self {
            connection,
            local_fragment,
            remote_candidates: AtomicUsize::new(0),
            wake,
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Has candidates gathered for a call that is to come.
    ///
    /// The stack gathers when it has a local description, so it gets an offer that nobody will see. What was gathered and
    /// allocated outlives its rollback, and so does the user name fragment.
    pub(crate) async fn gather_ahead(&self) -> Result<(), NegotiationError> {
        let mut is_ahead = self.turn.lock().await;
        let (connection, fragment) = (
            Arc::clone(&self.connection),
            Arc::clone(&self.local_fragment),
        );
        step("gather ahead", async move {
            let offer = connection.create_offer(None).await?;
            set_local(connection.as_ref(), &fragment, offer).await
        })
        .await?;
        *is_ahead = true;
        Ok(())
    }

    /// Takes back the offer of [`gather_ahead`](Self::gather_ahead), if there was one.
    pub(crate) async fn end_gathering_ahead(&self) -> Result<(), NegotiationError> {
        let mut is_ahead = self.turn.lock().await;
        if !std::mem::take(&mut *is_ahead) {
            return Ok(());
        }
        let connection = Arc::clone(&self.connection);
        step("take a role", async move {
            connection
                .set_local_description(RTCSessionDescription::rollback(None)?)
                .await
        })
        .await
    }

    pub(crate) async fn create_offer(
        &self,
        ice_restart: bool,
    ) -> Result<Description, NegotiationError> {
        let _turn = self.turn.lock().await;
        let (connection, fragment) = (
            Arc::clone(&self.connection),
            Arc::clone(&self.local_fragment),
        );
        let sdp = step("offer", async move {
            let offer = connection
                .create_offer(Some(RTCOfferOptions { ice_restart }))
                .await?;
            set_local(connection.as_ref(), &fragment, offer).await
        });
        Ok(Description {
            kind: DescriptionKind::Offer,
            sdp: sdp.await?,
            number: 0,
        })
    }

    pub(crate) async fn create_answer(&self) -> Result<Description, NegotiationError> {
        let _turn = self.turn.lock().await;
        let (connection, fragment) = (
            Arc::clone(&self.connection),
            Arc::clone(&self.local_fragment),
        );
        let sdp = step("answer", async move {
            let answer = connection.create_answer(None).await?;
            set_local(connection.as_ref(), &fragment, answer).await
        });
        Ok(Description {
            kind: DescriptionKind::Answer,
            sdp: sdp.await?,
            number: 0,
        })
    }

    pub(crate) async fn apply_remote(
        &self,
        description: Description,
    ) -> Result<(), NegotiationError> {
        let candidates = check(&description.sdp)?;
        let _turn = self.turn.lock().await;
        let connection = Arc::clone(&self.connection);
        step("apply the partner's description", async move {
            let description = match description.kind {
                DescriptionKind::Offer => RTCSessionDescription::offer(description.sdp)?,
                DescriptionKind::Answer => RTCSessionDescription::answer(description.sdp)?,
            };
            connection.set_remote_description(description).await
        })
        .await?;
        self.remote_candidates.store(candidates, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) async fn rollback(&self) -> Result<(), NegotiationError> {
        let _turn = self.turn.lock().await;
        let (connection, fragment) = (
            Arc::clone(&self.connection),
            Arc::clone(&self.local_fragment),
        );
        step("roll back", async move {
            connection
                .set_local_description(RTCSessionDescription::rollback(None)?)
                .await?;
            if let Some(current) = connection.current_local_description().await {
                fragment.set_from(&current.sdp);
            }
            Ok(())
        })
        .await
    }

    pub(crate) async fn add_candidate(
        &self,
        candidate: Option<Candidate>,
    ) -> Result<(), NegotiationError> {
        // The stack does not wait for the end of candidates, so it need not know.
        let Some(candidate) = candidate else {
            return Ok(());
        };
        if candidate.candidate.len() > limits::CANDIDATE_BYTES {
            return Err(NegotiationError::OverLimit { what: "candidate" });
        }
        let _turn = self.turn.lock().await;
        if self.remote_candidates.load(Ordering::Relaxed) >= MAX_CANDIDATES {
            return Err(NegotiationError::OverLimit {
                what: "number of candidates",
            });
        }
        let connection = Arc::clone(&self.connection);
        step("add the partner's candidate", async move {
            let init = RTCIceCandidateInit {
                candidate: candidate.candidate,
                sdp_mid: candidate.sdp_mid,
                sdp_mline_index: candidate.sdp_m_line_index,
                username_fragment: candidate.username_fragment,
                url: None,
            };
            connection.add_ice_candidate(init).await
        })
        .await?;
        self.remote_candidates.fetch_add(1, Ordering::Relaxed);
        self.wake.notify_one();
        Ok(())
    }
}

async fn set_local(
    connection: &dyn PeerConnection,
    fragment: &Fragment,
    description: RTCSessionDescription,
) -> StackResult<String> {
    let sdp = description.sdp.clone();
    // Candidates may come before the call returns, so the fragment goes first.
    fragment.set_from(&sdp);
    connection.set_local_description(description).await?;
    Ok(sdp)
}

/// Refuses what is too large, and returns the number of candidates.
fn check(sdp: &str) -> Result<usize, NegotiationError> {
    if sdp.len() > limits::SDP_BYTES {
        return Err(NegotiationError::OverLimit {
            what: "description",
        });
    }
    if sdp.lines().filter(|line| line.starts_with("m=")).count() > MAX_SECTIONS {
        return Err(NegotiationError::OverLimit {
            what: "number of media sections",
        });
    }
    let candidates = sdp
        .lines()
        .filter(|line| line.starts_with("a=candidate:"))
        .count();
    if candidates > MAX_CANDIDATES {
        return Err(NegotiationError::OverLimit {
            what: "number of candidates",
        });
    }
    Ok(candidates)
}

/// Carries out one step in a task of its own, so that neither a panic of the stack nor a caller that gives up waiting
/// leaves half a step behind.
async fn step<T: Send + 'static>(
    name: &'static str,
    work: impl Future<Output = StackResult<T>> + Send + 'static,
) -> Result<T, NegotiationError> {
    match tokio::spawn(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(NegotiationError::Refused {
            step: name,
            source: Box::new(error),
        }),
        Err(error) => {
            tracing::error!(
                step = name,
                is_panic = error.is_panic(),
                "the connection's machinery broke"
            );
            Err(NegotiationError::Broken)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_measured_before_the_stack_sees_it() {
        assert_eq!(
            check("v=0\r\nm=audio\r\na=candidate:1\r\na=candidate:2\r\n").unwrap(),
            2
        );
        let what = |sdp: String| match check(&sdp) {
            Err(NegotiationError::OverLimit { what }) => what,
            other => panic!("{other:?}"),
        };
        assert_eq!(what("x".repeat(limits::SDP_BYTES + 1)), "description");
        assert_eq!(
            what("m=audio\r\n".repeat(MAX_SECTIONS + 1)),
            "number of media sections"
        );
        assert_eq!(
            what("a=candidate:\r\n".repeat(MAX_CANDIDATES + 1)),
            "number of candidates"
        );
    }

    #[tokio::test]
    async fn a_panic_of_the_stack_is_an_error_here() {
        let result = step::<()>("test", async { panic!("on purpose") }).await;
        assert!(
            matches!(result, Err(NegotiationError::Broken)),
            "{result:?}"
        );
    }
}

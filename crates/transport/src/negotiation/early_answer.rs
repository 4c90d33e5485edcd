//! Answering an ICE restart while the path that there is goes on, so that the answer can take it.
//!
//! The stack drops its path when it gets the partner's restart offer, and draws its new credentials only then (`rtc` 0.21.1; RFC 8445
//! section 2.4 would have it use the old path until there is a new one). So the offer is kept from it, its credentials are drawn ahead
//! (`runtime/draws.rs`), and the answer is the present local description with these. The partner gets it, leaves the old path, and checks
//! the candidates in it; its first check says that the stack may have the offer now. Until then media flows as before.

use std::sync::Arc;
use std::time::Duration;

use protocol::{Candidate, Description, DescriptionKind};
use rtc::peer_connection::configuration::RTCOfferOptions;
use tokio::sync::{MutexGuard, oneshot};

use super::{MAX_CANDIDATES, Negotiation, NegotiationError, Turn, fragment, password, step};
use crate::runtime::Draws;

/// How long a step of this side's own waits for the partner to take up a restart that was answered. Longer than any round trip.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it looks.
const GLANCE: Duration = Duration::from_millis(20);

/// A restart that the partner wants and the stack does not know of yet.
#[derive(Debug)]
pub(super) struct EarlyAnswer {
    offer: Description,
    candidates: Vec<Candidate>,
    /// Once it is answered.
    answered: Option<Answered>,
}

#[derive(Debug)]
struct Answered {
    fragment: String,
    draws: Draws,
}

impl EarlyAnswer {
    pub(super) const fn new(offer: Description) -> Self {
        Self {
            offer,
            candidates: Vec::new(),
            answered: None,
        }
    }

    /// Keeps a candidate that belongs to the offer. Whether it does.
    pub(super) fn keep(&mut self, candidate: &Candidate) -> bool {
        let is_of_offer = candidate.username_fragment.as_deref() == fragment(&self.offer.sdp);
        if is_of_offer && self.candidates.len() < MAX_CANDIDATES {
            self.candidates.push(candidate.clone());
        }
        is_of_offer
    }
}

/// What [`Negotiation::create_answer`] made.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) description: Description,
    /// For an answer that was made early: ends when the partner has it, and [`Negotiation::finish_restart`] is due.
    pub(crate) taken_up: Option<oneshot::Receiver<()>>,
}

impl Negotiation {
    /// The answer to an offer that the stack does not have yet.
    pub(super) async fn answer_early(
        &self,
        turn: &mut Turn,
        mut early: EarlyAnswer,
    ) -> Result<Answer, NegotiationError> {
        const ANSWER: &str = "answer early";
        // What is drawn for an offer of our own is what the answer will take; nothing else comes of this offer.
        let connection = Arc::clone(&self.connection);
        let (offer, draws) = step(ANSWER, async move {
            let options = RTCOfferOptions { ice_restart: true };
            let (offer, draws) = Draws::of(connection.create_offer(Some(options))).await;
            Ok((offer?, draws))
        })
        .await?;
        let present = self.connection.current_local_description().await;
        let (Some(present), Some(new_fragment), Some(new_password)) =
            (present, fragment(&offer.sdp), password(&offer.sdp))
        else {
            return Err(NegotiationError::Refused {
                step: ANSWER,
                source: "there is nothing to answer with".into(),
            });
        };
        let sdp = with_credentials(&present.sdp, new_fragment, new_password);
        let sdp = turn.dtls_role.answer(&self.told(&sdp));
        let taken_up = self.paths.next_generation(new_fragment);
        early.answered = Some(Answered {
            fragment: new_fragment.to_owned(),
            draws,
        });
        turn.early = Some(early);
        Ok(Answer {
            description: Description {
                kind: DescriptionKind::Answer,
                sdp,
                number: 0,
            },
            taken_up: Some(taken_up),
        })
    }

    /// Gives the stack a restart that was answered early, if one was. The path that there was is lost.
    ///
    /// # Errors
    /// [`NegotiationError`] if the stack does not take it, or draws other credentials than those that the partner was told.
    pub(crate) async fn finish_restart(&self) -> Result<(), NegotiationError> {
        let mut turn = self.turn.lock().await;
        self.finish_restart_in(&mut turn).await
    }

    pub(super) async fn finish_restart_in(&self, turn: &mut Turn) -> Result<(), NegotiationError> {
        const FINISH: &str = "finish a restart";
        let Some(early) = turn.early.take() else {
            return Ok(());
        };
        let Some(Answered {
            fragment: told,
            draws,
        }) = early.answered
        else {
            return Ok(());
        };
        self.leave_path().await;
        if let Err(error) = self.hand_over(turn, early.offer, true, Some(draws)).await {
            self.stay_on_path().await;
            return Err(error);
        }
        let connection = Arc::clone(&self.connection);
        let answer = step(FINISH, async move { connection.create_answer(None).await }).await?;
        let is_as_told = fragment(&answer.sdp) == Some(&told);
        self.set_local(FINISH, answer).await?;
        for candidate in early.candidates {
            // One that makes no sense takes nothing from the others.
            _ = self.add_candidate_in(candidate).await;
        }
        if is_as_told {
            Ok(())
        } else {
            Err(NegotiationError::Refused {
                step: FINISH,
                source: "the stack has other credentials than the partner was told".into(),
            })
        }
    }

    /// Before a step of this side's own: waits until the partner has taken up a restart that was answered early. One that does not
    /// is not waited for longer than it could take.
    pub(super) async fn after_early_answer(&self) -> MutexGuard<'_, Turn> {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let mut turn = self.turn.lock().await;
            if turn.early.is_none() {
                return turn;
            }
            if tokio::time::Instant::now() >= until {
                if let Err(error) = self.finish_restart_in(&mut turn).await {
                    tracing::debug!(%error, "a restart came to nothing");
                }
                return turn;
            }
            drop(turn);
            tokio::time::sleep(GLANCE).await;
        }
    }
}

/// A description with other ICE credentials.
fn with_credentials(sdp: &str, fragment: &str, password: &str) -> String {
    const NAMES: [&str; 2] = ["a=ice-ufrag:", "a=ice-pwd:"];
    sdp.split_inclusive('\n')
        .map(|line| {
            let mut changed = NAMES.into_iter().zip([fragment, password]);
            changed
                .find(|(name, _)| line.starts_with(name))
                .map_or_else(
                    || line.to_owned(),
                    |(name, value)| format!("{name}{value}\r\n"),
                )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_changes_its_credentials_in_every_section_and_nothing_else() {
        let sdp = "v=0\r\nm=audio 9 X\r\na=ice-ufrag:old\r\na=ice-pwd:older\r\na=mid:0\r\nm=video 9 X\r\na=ice-ufrag:old\r\na=ice-pwd:older\r\n";
        assert_eq!(
            with_credentials(sdp, "new", "newer"),
            sdp.replace("older", "newer").replace("old", "new")
        );
    }

    #[test]
    fn candidates_of_the_offer_are_kept_for_it_and_no_more_than_there_may_be() {
        let mut early = EarlyAnswer::new(Description {
            kind: DescriptionKind::Offer,
            sdp: "v=0\r\na=ice-ufrag:next\r\n".to_owned(),
            number: 2,
        });
        let candidate = |fragment: Option<&str>| Candidate {
            candidate: "candidate:1 1 udp 1 192.0.2.1 1 typ host".to_owned(),
            sdp_mid: None,
            sdp_m_line_index: None,
            username_fragment: fragment.map(str::to_owned),
        };
        assert!(!early.keep(&candidate(None)) && !early.keep(&candidate(Some("present"))));
        for _ in 0..2 * MAX_CANDIDATES {
            assert!(early.keep(&candidate(Some("next"))));
        }
        assert_eq!(early.candidates.len(), MAX_CANDIDATES);
    }
}

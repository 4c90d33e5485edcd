//! The offer that is made before there is a partner.

use std::sync::Arc;

use protocol::{Description, DescriptionKind};
use webrtc::peer_connection::RTCSessionDescription;

use super::{Negotiation, NegotiationError, step};

/// An offer that is the local description before there is a partner.
#[derive(Debug, Default)]
pub(super) enum Ahead {
    #[default]
    None,
    /// Nobody has seen it.
    Set,
    /// It was told, in these words.
    Told(Description),
}

impl Negotiation {
    /// Has candidates gathered for a call that is to come.
    ///
    /// The stack gathers when it has a local description, so it gets an offer. It may be told ahead, and stands if this side
    /// becomes the offerer. What was gathered and allocated outlives its rollback, and so does the user name fragment.
    pub(crate) async fn gather_ahead(&self) -> Result<(), NegotiationError> {
        const GATHER: &str = "gather ahead";
        let mut turn = self.turn.lock().await;
        let connection = Arc::clone(&self.connection);
        let offer = step(GATHER, async move { connection.create_offer(None).await }).await?;
        // Its candidates are told with whatever is said first, and belong to the same user name fragment.
        self.local_fragment.set_from(&offer.sdp);
        self.set_local(GATHER, offer).await?;
        turn.ahead = Ahead::Set;
        Ok(())
    }

    /// The offer of [`gather_ahead`](Self::gather_ahead), with the candidates that were gathered so far; the same each time.
    pub(crate) async fn offer_ahead(&self) -> Result<Description, NegotiationError> {
        let mut turn = self.turn.lock().await;
        let offer = match &turn.ahead {
            Ahead::None => {
                return Err(NegotiationError::Refused {
                    step: "tell an offer ahead",
                    source: "nothing was gathered ahead, or the peer plays its role already".into(),
                });
            }
            Ahead::Set => self.standing_offer().await?,
            Ahead::Told(offer) => offer.clone(),
        };
        turn.ahead = Ahead::Told(offer.clone());
        Ok(offer)
    }

    /// The offer that is the local description, as the partner may see it.
    pub(super) async fn standing_offer(&self) -> Result<Description, NegotiationError> {
        let pending = self.connection.pending_local_description().await;
        let pending = pending.ok_or_else(|| NegotiationError::Refused {
            step: "offer",
            source: "the offer is gone".into(),
        })?;
        Ok(Description {
            kind: DescriptionKind::Offer,
            sdp: self.told(&pending.sdp),
            number: 0,
        })
    }

    /// Takes back the offer of [`gather_ahead`](Self::gather_ahead), if there was one: this side will answer.
    pub(crate) async fn take_offer_back(&self) -> Result<(), NegotiationError> {
        let mut turn = self.turn.lock().await;
        if matches!(std::mem::take(&mut turn.ahead), Ahead::None) {
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
}

//! Offerer or answerer: a peer may be made ready before it is known which.

use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;
use webrtc::error::Result;
use webrtc::peer_connection::PeerConnection;

use crate::events::EventSink;
use crate::handler::{Handler, Tasks};
use crate::messages;

/// The role of one peer, and what waits for it.
pub(crate) struct Role {
    /// The messages for the partner, until there is somebody to carry them.
    outgoing: Mutex<Option<mpsc::Receiver<String>>>,
    events: EventSink,
    tasks: Tasks,
}

impl Role {
    pub(crate) fn new(outgoing: mpsc::Receiver<String>, events: EventSink, tasks: Tasks) -> Self {
        Self {
            outgoing: Mutex::new(Some(outgoing)),
            events,
            tasks,
        }
    }

    /// The offerer makes the message channel, the answerer awaits it.
    pub(crate) async fn take(
        &self,
        is_offerer: bool,
        connection: &dyn PeerConnection,
        handler: &Handler,
    ) -> Result<()> {
        let outgoing = self
            .outgoing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(outgoing) = outgoing else {
            return Ok(());
        };
        if is_offerer {
            let channel = connection
                .create_data_channel(messages::LABEL, None)
                .await?;
            self.tasks
                .spawn(messages::run(channel, outgoing, self.events.clone()));
        } else {
            handler.await_messages(outgoing);
        }
        Ok(())
    }
}

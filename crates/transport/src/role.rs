//! Offerer or answerer: a peer may be made ready before it is known which.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use webrtc::data_channel::DataChannel;
use webrtc::error::Result;
use webrtc::peer_connection::PeerConnection;

use crate::events::EventSink;
use crate::handler::{Handler, Tasks};
use crate::messages;

/// The role of one peer, and what waits for it.
pub(crate) struct Role {
    /// The messages for the partner, until there is somebody to carry them.
    outgoing: Mutex<Option<mpsc::Receiver<String>>>,
    /// The message channel, made before it is known whether it is needed: it is part of an offer that is told ahead.
    channel: Mutex<Option<Arc<dyn DataChannel>>>,
    events: EventSink,
    tasks: Tasks,
}

impl Role {
    pub(crate) fn new(outgoing: mpsc::Receiver<String>, events: EventSink, tasks: Tasks) -> Self {
        Self {
            outgoing: Mutex::new(Some(outgoing)),
            channel: Mutex::new(None),
            events,
            tasks,
        }
    }

    /// Makes the message channel for a peer that may become the offerer.
    pub(crate) async fn prepare(&self, connection: &dyn PeerConnection) -> Result<()> {
        if lock(&self.outgoing).is_some() && lock(&self.channel).is_none() {
            let channel = connection
                .create_data_channel(messages::LABEL, None)
                .await?;
            *lock(&self.channel) = Some(channel);
        }
        Ok(())
    }

    /// The offerer makes the message channel, the answerer awaits it. One that was closed before the connection is up is never
    /// opened at the other end.
    pub(crate) async fn take(
        &self,
        is_offerer: bool,
        connection: &dyn PeerConnection,
        handler: &Handler,
    ) -> Result<()> {
        let Some(outgoing) = lock(&self.outgoing).take() else {
            return Ok(());
        };
        let prepared = lock(&self.channel).take();
        if is_offerer {
            let channel = match prepared {
                Some(channel) => channel,
                None => {
                    connection
                        .create_data_channel(messages::LABEL, None)
                        .await?
                }
            };
            self.tasks
                .spawn(messages::run(channel, outgoing, self.events.clone()));
        } else {
            if let Some(channel) = prepared {
                channel.close().await?;
            }
            handler.await_messages(outgoing);
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

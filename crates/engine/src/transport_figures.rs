//! Asks a peer connection for its figures once a second, so that nobody who wants them has to wait.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;
use transport::{Peer, PeerStats};

use crate::pipeline::lock;

/// How often is asked.
const EVERY: Duration = Duration::from_secs(1);

/// The newest figures of one peer connection. Dropping it ends the asking.
#[derive(Debug)]
pub(crate) struct TransportFigures {
    newest: Arc<Mutex<Option<PeerStats>>>,
    task: JoinHandle<()>,
}

impl TransportFigures {
    pub(crate) fn watch(peer: Peer) -> Self {
        let newest = Arc::<Mutex<Option<PeerStats>>>::default();
        let task = tokio::spawn({
            let newest = Arc::clone(&newest);
            async move {
                loop {
                    sleep(EVERY).await;
                    let stats = peer.stats().await;
                    *lock(&newest) = Some(stats);
                }
            }
        });
        Self { newest, task }
    }

    pub(crate) fn newest(&self) -> Option<PeerStats> {
        lock(&self.newest).clone()
    }
}

impl Drop for TransportFigures {
    fn drop(&mut self) {
        self.task.abort();
    }
}

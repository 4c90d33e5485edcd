//! Watches over a connection: tells the owner when it comes and goes, and lets media out meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use webrtc::peer_connection::RTCPeerConnectionState;
use webrtc::rtp_transceiver::RtpSender;

use crate::events::EventSink;
use crate::runtime::DriverEnd;
use crate::send::Gate;
use crate::{MediaKind, PeerEvent, setup};

/// How long the DTLS server waits with its media.
///
/// It is ready half a step earlier than its partner, and packets that arrive before the partner has installed its keys
/// are dropped there. Nobody asks for these again: the first packet that arrives counts as the first.
const HOLD_BACK: Duration = Duration::from_millis(5);

pub(crate) struct Supervisor {
    pub(crate) events: EventSink,
    pub(crate) gate: Arc<Gate>,
    pub(crate) senders: Vec<(MediaKind, Arc<dyn RtpSender>)>,
    /// The answerer opens DTLS (RFC 8842 section 5.3 leaves it the choice), so the offerer is the server.
    pub(crate) is_offerer: Arc<AtomicBool>,
    pub(crate) closing: CancellationToken,
}

impl Supervisor {
    /// Runs until the connection has failed.
    ///
    /// The stack's own task may end without any event: a fatal error in a handshake, all sockets gone, a panic. That is
    /// a failure too (`webrtc` 0.21.1, `peer_connection/mod.rs`, `run_driver`).
    pub(crate) async fn run(
        self,
        mut states: watch::Receiver<RTCPeerConnectionState>,
        mut driver_end: DriverEnd,
    ) {
        let mut last = RTCPeerConnectionState::New;
        let mut was_connected = false;
        loop {
            tokio::select! {
                biased;
                changed = states.changed() => if changed.is_err() { break },
                _ = &mut driver_end => break,
            }
            let state = *states.borrow_and_update();
            match state {
                RTCPeerConnectionState::Connected if last != state => {
                    if self.is_offerer.load(Ordering::Relaxed) && !was_connected {
                        tokio::time::sleep(HOLD_BACK).await;
                    }
                    was_connected = true;
                    self.open_gate().await;
                    self.events.post(PeerEvent::Connected);
                }
                RTCPeerConnectionState::Disconnected if last != state => {
                    self.events.post(PeerEvent::Disconnected);
                }
                RTCPeerConnectionState::Failed => break,
                _ => {}
            }
            last = state;
        }
        // The machinery also ends when it is told to; then nobody wants to know.
        if !self.closing.is_cancelled() {
            tracing::debug!(state = %last, "the connection has failed");
            self.gate.shut();
            self.events.post(PeerEvent::Failed);
        }
    }

    async fn open_gate(&self) {
        for (kind, sender) in &self.senders {
            if let Some(payload_type) = payload_type(sender.as_ref(), setup::mime_type(*kind)).await
            {
                self.gate.open(*kind, payload_type);
            } else {
                tracing::warn!(?kind, "the partner does not take this kind of media");
            }
        }
    }
}

async fn payload_type(sender: &dyn RtpSender, mime_type: &str) -> Option<u8> {
    let parameters = sender.get_parameters().await.ok()?;
    let codecs = &parameters.rtp_parameters.codecs;
    let codec = codecs
        .iter()
        .find(|codec| codec.rtp_codec.mime_type.eq_ignore_ascii_case(mime_type))?;
    Some(codec.payload_type)
}

//! Takes what the WebRTC stack calls back with. The stack's own task waits meanwhile, so nothing here does.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use protocol::Candidate;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use webrtc::data_channel::DataChannel;
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::{
    PeerConnectionEventHandler, RTCIceGatheringState, RTCPeerConnectionIceEvent,
    RTCPeerConnectionState,
};

use crate::events::EventSink;
use crate::local_candidates::LocalCandidates;
use crate::payload_types::SCREEN;
use crate::receive::InboundStream;
use crate::runtime::Paths;
use crate::send::Gate;
use crate::{PeerEvent, messages};

/// The tasks of one peer. They all end when it closes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks {
    pub(crate) tracker: TaskTracker,
    pub(crate) closing: CancellationToken,
}

impl Tasks {
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let closing = self.closing.clone();
        self.tracker.spawn(async move {
            closing.run_until_cancelled(task).await;
        });
    }
}

pub(crate) struct Handler {
    pub(crate) events: EventSink,
    pub(crate) states: watch::Sender<StackNews>,
    pub(crate) local_fragment: Arc<Fragment>,
    pub(crate) candidates: Arc<SharedCandidates>,
    pub(crate) paths: Arc<Paths>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) tasks: Tasks,
    /// What is waiting for the partner to open it: each only once.
    pub(crate) awaited: Mutex<Awaited>,
}

/// The stack's state, and how often it has been connected: whoever looks late sees the last state alone.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct StackNews {
    pub(crate) state: RTCPeerConnectionState,
    pub(crate) connections: u64,
}

impl Handler {
    /// Keeps what will be sent over the message channel that the partner opens.
    pub(crate) fn await_messages(&self, outgoing: mpsc::Receiver<String>) {
        lock(&self.awaited).outgoing_messages = Some(outgoing);
    }

    /// Lets nothing more through. The stack may keep this handler for longer than the peer is open.
    pub(crate) fn end(&self) {
        *lock(&self.awaited) = Awaited::default();
        self.events.end();
    }
}

/// Our ends of what the partner may open.
#[derive(Debug, Default)]
pub(crate) struct Awaited {
    pub(crate) audio: Option<InboundStream>,
    pub(crate) video: Option<InboundStream>,
    pub(crate) screen: Option<InboundStream>,
    /// Messages for the channel; only the answerer awaits one.
    pub(crate) outgoing_messages: Option<mpsc::Receiver<String>>,
}

/// The ICE user name fragment of the description that candidates belong to (RFC 8839 section 5.4).
#[derive(Debug, Default)]
pub(crate) struct Fragment {
    text: Mutex<Option<String>>,
}

impl Fragment {
    /// Takes the first fragment of a session description; all of its media sections share it.
    pub(crate) fn set_from(&self, sdp: &str) {
        let found = sdp
            .lines()
            .find_map(|line| line.strip_prefix("a=ice-ufrag:"));
        *lock(&self.text) = found.map(|text| text.trim().to_owned());
    }

    fn get(&self) -> Option<String> {
        lock(&self.text).clone()
    }
}

/// What the partner may be told of; the stack's task adds to it, negotiations read it.
#[derive(Debug, Default)]
pub(crate) struct SharedCandidates {
    candidates: Mutex<LocalCandidates>,
}

impl SharedCandidates {
    pub(crate) fn lock(&self) -> MutexGuard<'_, LocalCandidates> {
        lock(&self.candidates)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_negotiation_needed(&self) {
        self.events.post(PeerEvent::NegotiationNeeded);
    }

    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        match event.candidate.to_json() {
            Ok(init) => {
                let told = self.candidates.lock().on_gathered(&init.candidate);
                if let Some(candidate) = told {
                    self.events.post(PeerEvent::LocalCandidate(Some(Candidate {
                        candidate,
                        // Everything is bundled, so that every candidate is one for the first section.
                        sdp_mid: None,
                        sdp_m_line_index: Some(0),
                        username_fragment: self.local_fragment.get(),
                    })));
                }
            }
            Err(error) => {
                tracing::debug!(%error, "a local candidate cannot be told to the partner");
            }
        }
    }

    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.events.post(PeerEvent::LocalCandidate(None));
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        tracing::debug!(%state, "connection");
        if state == RTCPeerConnectionState::Connected {
            self.paths.on_connected(Instant::now());
            self.gate.resume();
        }
        self.states.send_modify(|news| {
            let is_new = news.state != state;
            news.connections += u64::from(is_new && state == RTCPeerConnectionState::Connected);
            news.state = state;
        });
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        if channel
            .label()
            .await
            .is_ok_and(|label| label == messages::LABEL)
            && let Some(outgoing) = lock(&self.awaited).outgoing_messages.take()
        {
            self.tasks
                .spawn(messages::run(channel, outgoing, self.events.clone()));
        } else {
            tracing::debug!("the partner opened a data channel that we know nothing of");
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let kind = track.kind().await;
        let is_screen = track.track_id().await == SCREEN;
        let stream = {
            let mut awaited = lock(&self.awaited);
            match kind {
                RtpCodecKind::Audio => awaited.audio.take(),
                RtpCodecKind::Video if is_screen => awaited.screen.take(),
                RtpCodecKind::Video => awaited.video.take(),
                _ => None,
            }
        };
        if let Some(stream) = stream {
            self.tasks.spawn(stream.run(track));
        } else {
            tracing::debug!(%kind, "the partner sends a track that we have no use for");
        }
    }
}

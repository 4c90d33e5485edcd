//! Watches over a connection: tells the owner when it comes and goes, and lets media out meanwhile.

use std::sync::Arc;
use std::time::Instant;

use media::Codec;
use media::video::VideoCodec;
use rtc::peer_connection::configuration::media_engine::MIME_TYPE_RTX;
use rtc::rtp_transceiver::rtp_sender::RTCRtpCodecParameters;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use webrtc::peer_connection::{PeerConnection, RTCPeerConnectionState};
use webrtc::rtp_transceiver::RtpSender;

use crate::events::EventSink;
use crate::handler::StackNews;
use crate::presence::{self, Change, Presence, StackState};
use crate::runtime::{DriverEnd, Paths, Tunnels};
use crate::send::{Agreed, Gate};
use crate::{MediaKind, PeerEvent, setup, stats};

/// Our ends of the streams that the stack knows of.
pub(crate) type Senders = tokio::sync::Mutex<Vec<(MediaKind, Arc<dyn RtpSender>)>>;

pub(crate) struct Supervisor {
    pub(crate) events: EventSink,
    pub(crate) gate: Arc<Gate>,
    pub(crate) senders: Arc<Senders>,
    pub(crate) connection: Arc<dyn PeerConnection>,
    pub(crate) paths: Arc<Paths>,
    pub(crate) tunnels: Arc<Tunnels>,
    pub(crate) closing: CancellationToken,
}

impl Supervisor {
    /// Runs until the connection has failed.
    ///
    /// The stack's own task may end without any event: a fatal error in a handshake, all sockets gone, a panic. That is
    /// a failure too (`webrtc` 0.21.1, `peer_connection/mod.rs`, `run_driver`).
    pub(crate) async fn run(
        self,
        mut states: watch::Receiver<StackNews>,
        mut driver_end: DriverEnd,
    ) {
        let mut presence = Presence::new();
        let mut last_ends = None;
        let mut was_lost = false;
        let mut ticks = tokio::time::interval(presence::TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            let change = tokio::select! {
                biased;
                changed = states.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let news = *states.borrow_and_update();
                    let state = match news.state {
                        RTCPeerConnectionState::Connected => StackState::Connected,
                        RTCPeerConnectionState::Disconnected => StackState::Disconnected,
                        RTCPeerConnectionState::Failed => break,
                        _ => StackState::Connecting,
                    };
                    presence.on_news(state, news.connections)
                }
                () = self.gate.agreement() => {
                    if presence.is_connected() {
                        self.open_gate().await;
                    }
                    None
                }
                _ = &mut driver_end => break,
                // A connection that waits for its partner wakes nobody.
                _ = ticks.tick(), if presence.has_been_connected() => {
                    let now = Instant::now();
                    presence.on_silence(self.paths.silence(now), now)
                }
            };
            match change {
                Some(Change::Connected) => {
                    self.paths.set_lost(false);
                    let path = stats::path(self.connection.as_ref(), &self.paths, &self.tunnels);
                    if let Some(path) = path.await {
                        self.gate.set_relayed(path.is_relayed());
                        self.events.post(PeerEvent::PathSelected(path));
                    }
                    let ends = stats::ends(self.connection.as_ref()).await;
                    // One that was lost and is back may be another one beyond its ends.
                    let is_same = ends == last_ends && !std::mem::take(&mut was_lost);
                    self.gate.on_path(last_ends.is_none(), is_same);
                    last_ends = ends.or(last_ends);
                    self.open_gate().await;
                    self.events.post(PeerEvent::Connected);
                }
                Some(Change::Disconnected) => {
                    self.paths.set_lost(true);
                    was_lost = true;
                    self.events.post(PeerEvent::Disconnected);
                }
                None => {}
            }
        }
        // The machinery also ends when it is told to; then nobody wants to know.
        if !self.closing.is_cancelled() {
            tracing::debug!("the connection has failed");
            self.gate.shut();
            self.events.post(PeerEvent::Failed);
        }
    }

    async fn open_gate(&self) {
        for (kind, sender) in self.senders.lock().await.iter() {
            let agreed = match sender.get_parameters().await {
                Ok(parameters) => agreed(&parameters.rtp_parameters.codecs),
                Err(_) => Vec::new(),
            };
            // That a screen is shared comes to an agreement later.
            if agreed.is_empty() && *kind != MediaKind::Screen {
                tracing::warn!(?kind, "the partner does not take this kind of media");
            }
            self.gate.open(*kind, agreed);
        }
    }
}

/// Which of our codecs may be sent, and as what.
fn agreed(codecs: &[RTCRtpCodecParameters]) -> Vec<Agreed> {
    let is_named = |parameters: &&RTCRtpCodecParameters, name: &str| {
        parameters.rtp_codec.mime_type.eq_ignore_ascii_case(name)
    };
    let pictures = VideoCodec::ALL.map(Codec::Video);
    let known = [Codec::Opus].into_iter().chain(pictures);
    let agreed = known.filter_map(|codec| {
        let named = |parameters: &&_| is_named(parameters, setup::mime_type(codec));
        let payload_type = codecs.iter().find(named)?.payload_type;
        let repairs_it = |parameters: &&RTCRtpCodecParameters| {
            let mut words = parameters.rtp_codec.sdp_fmtp_line.split(';');
            is_named(parameters, MIME_TYPE_RTX)
                && words.any(|word| word.trim() == format!("apt={payload_type}"))
        };
        Some(Agreed {
            codec,
            payload_type,
            repair: codecs
                .iter()
                .find(repairs_it)
                .map(|found| found.payload_type),
        })
    });
    agreed.collect()
}

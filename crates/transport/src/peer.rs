//! One peer connection, from opening to closing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::video::way::Departure;
use media::video::{EncodedFrame, Pictures, VideoCodec};
use media::{Codec, RtpPacket};
use protocol::limits::PEER_MESSAGE_BYTES;
use protocol::{Candidate, Description};
use tokio::runtime::Handle;
use tokio::sync::{Notify, OnceCell, Semaphore, mpsc, watch};
use webrtc::peer_connection::PeerConnection;

use crate::Restart;
use crate::events::EventSink;
use crate::handler::{Awaited, Fragment, Handler, SharedCandidates, StackNews, Tasks};
use crate::hidden_names;
use crate::nack::NackGenerator;
use crate::negotiation::{Negotiation, Parts};
use crate::outgoing::{Budget, Outgoing, OutgoingParts, SharedBudget, SharedDepartures};
use crate::payload_types::InboundTypes;
use crate::receive::{self, InboundStream};
use crate::role::Role;
use crate::rtcp_tap::{LocalSsrcs, RtcpTap};
use crate::runtime::{Cookie, Paths, PeerRuntime, Tunnels};
use crate::send::{AUDIO_QUEUE_PACKETS, AudioPacket, Gate, OutboundStream, VIDEO_QUEUE_FRAMES};
use crate::sharing::Sharing;
use crate::stats::{self, Counters};
use crate::supervisor::{Senders, Supervisor};
use crate::{
    Dropped, MediaKind, NegotiationError, PeerConfig, PeerEvent, PeerStats, messages, servers,
    setup,
};

/// How long [`Peer::close`] waits for tasks that have been told to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A peer could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open a peer connection")]
pub struct OpenError {
    /// What the WebRTC stack or the system said.
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl OpenError {
    fn new(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self {
            source: Box::new(source),
        }
    }
}

/// A peer that was just opened, and what comes out of it.
///
/// All receivers end when the peer is closed. Packets that are not read in time are dropped and counted.
#[derive(Debug)]
pub struct Opened {
    /// The handle.
    pub peer: Peer,
    /// What happens to the connection. Read it steadily.
    pub events: mpsc::Receiver<PeerEvent>,
    /// The partner's video, of any codec that was agreed on, in order of arrival, some twice.
    pub video: mpsc::Receiver<RtpPacket>,
    /// The partner's audio: Opus in RTP (RFC 7587), in order of arrival, some twice.
    pub audio: mpsc::Receiver<RtpPacket>,
    /// The partner's screen while it shares one: as [`video`](Self::video).
    pub screen: mpsc::Receiver<RtpPacket>,
}

/// A handle on one peer connection. Cheap to clone.
///
/// [`close`](Self::close) it on every path. Dropping the last handle closes it too, but nobody learns when.
#[derive(Clone)]
pub struct Peer {
    shared: Arc<Shared>,
}

struct Shared {
    resources: Resources,
    negotiation: Negotiation,
    paths: Arc<Paths>,
    video: mpsc::Sender<EncodedFrame>,
    audio: mpsc::Sender<AudioPacket>,
    screen: mpsc::Sender<EncodedFrame>,
    sharing: Sharing,
    messages: mpsc::Sender<String>,
    role: Role,
    keyframe_wanted: Arc<Notify>,
    screen_keyframe_wanted: Arc<Notify>,
    counters: Arc<Counters>,
    budget: Arc<SharedBudget>,
    departures: Arc<SharedDepartures>,
    runtime: Handle,
    /// For those of the partner's hidden names that are being looked up.
    lookups: Arc<Semaphore>,
    is_closed: OnceCell<()>,
}

impl Peer {
    /// Opens a connection: binds sockets and prepares both media streams, in both directions.
    ///
    /// Nothing is sent before the first description is made or applied. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// [`OpenError`] if no address could be bound, or if only relayed paths may be used and there is no usable relay.
    pub async fn open(config: PeerConfig) -> Result<Opened, OpenError> {
        let is_offerer = config.is_offerer;
        let opened = Self::open_without_role(config).await?;
        opened.peer.take_role(is_offerer).await?;
        Ok(opened)
    }

    /// Opens a connection before anybody knows whom it is for. Its role in the configuration does not count.
    ///
    /// [`gather_ahead`](Self::gather_ahead) makes it ready; it becomes an ordinary one by
    /// [`take_role`](Self::take_role).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_without_role(config: PeerConfig) -> Result<Opened, OpenError> {
        let (events, event_receiver) = EventSink::new();
        let (video_packets, video_receiver) = mpsc::channel(receive::QUEUE_PACKETS);
        let (audio_packets, audio_receiver) = mpsc::channel(receive::QUEUE_PACKETS);
        let (screen_packets, screen_receiver) = mpsc::channel(receive::QUEUE_PACKETS);
        let (video, video_frames) = mpsc::channel(VIDEO_QUEUE_FRAMES);
        let (screen, screen_frames) = mpsc::channel(VIDEO_QUEUE_FRAMES);
        let (audio, audio_frames) = mpsc::channel(AUDIO_QUEUE_PACKETS);
        let (messages, outgoing) = mpsc::channel(messages::QUEUE_MESSAGES);
        let (states, state_changes) = watch::channel(StackNews::default());
        let servers = servers::usable(&config.ice_servers);
        if config.relay_only && !servers.has_relay() {
            return Err(OpenError {
                source: "only relayed paths may be used, and no relay is known".into(),
            });
        }
        let tunnels = Arc::new(Tunnels::new(&servers, &config.extra_roots));
        let cookie = (config.workarounds.tell_cookie)
            .then(Cookie::random)
            .transpose()
            .map_err(OpenError::new)?;
        let paths = Arc::new(Paths::new(
            config.relay_only,
            config.workarounds.nominate_at_once,
            cookie,
            Instant::now(),
        ));
        let (runtime, driver_end) =
            PeerRuntime::new(&config, Arc::clone(&tunnels), Arc::clone(&paths));

        let tasks = Tasks::default();
        let counters = Arc::<Counters>::default();
        let keyframe_wanted = Arc::<Notify>::default();
        let screen_keyframe_wanted = Arc::<Notify>::default();
        let local_fragment = Arc::<Fragment>::default();
        let candidates = Arc::<SharedCandidates>::default();
        candidates.lock().set_relay_only(config.relay_only);
        let gate = Arc::<Gate>::default();
        let types = Arc::<InboundTypes>::default();

        let inbound = |kind, packets| InboundStream {
            kind,
            packets,
            keyframe_wanted: match kind {
                MediaKind::Video => Arc::clone(&keyframe_wanted),
                MediaKind::Screen => Arc::clone(&screen_keyframe_wanted),
                MediaKind::Audio => Arc::default(),
            },
            types: Arc::clone(&types),
            counters: Arc::clone(&counters),
        };
        let awaited = Awaited {
            audio: Some(inbound(MediaKind::Audio, audio_packets)),
            video: Some(inbound(MediaKind::Video, video_packets)),
            screen: Some(inbound(MediaKind::Screen, screen_packets)),
            outgoing_messages: None,
        };
        let handler = Arc::new(Handler {
            events: events.clone(),
            states,
            local_fragment: Arc::clone(&local_fragment),
            candidates: Arc::clone(&candidates),
            paths: Arc::clone(&paths),
            gate: Arc::clone(&gate),
            tasks: tasks.clone(),
            awaited: awaited.into(),
        });

        let ssrcs = random_ssrcs()?;
        let budget = Arc::new(SharedBudget::new(config.rates));
        let departures = Arc::<SharedDepartures>::default();
        let connection = setup::connection(
            &config,
            servers.for_stack.clone(),
            setup::Interceptors {
                outgoing: Outgoing::new(
                    OutgoingParts {
                        ssrcs,
                        round_trip: paths.shared_round_trip(),
                        gate: Arc::clone(&gate),
                        budget: Arc::clone(&budget),
                        departures: Arc::clone(&departures),
                        events: events.clone(),
                        rates: config.rates,
                    },
                    Instant::now(),
                ),
                nack_generator: NackGenerator::new(
                    ssrcs.video,
                    paths.shared_round_trip(),
                    Arc::clone(&types),
                ),
                rtcp_tap: RtcpTap::new(
                    events.clone(),
                    ssrcs,
                    Arc::clone(&counters),
                    Arc::clone(&types),
                ),
            },
            Arc::clone(&handler) as Arc<_>,
            Arc::clone(&runtime) as Arc<_>,
            cookie,
        )
        .await
        .map_err(OpenError::new)?;

        let outbound =
            |kind, ssrc, rtx_ssrc| OutboundStream::new(kind, ssrc, rtx_ssrc, Arc::clone(&gate));
        let senders = Arc::<Senders>::default();
        let screen_stream = outbound(
            MediaKind::Screen,
            ssrcs.screen,
            Some(ssrcs.screen_retransmission),
        );
        let sharing = Sharing::new(
            screen_stream,
            screen_frames,
            Arc::clone(&senders),
            config.video_codecs.clone(),
        );
        let peer = Self {
            shared: Arc::new(Shared {
                negotiation: Negotiation::new(Parts {
                    connection: Arc::clone(&connection),
                    runtime,
                    paths: Arc::clone(&paths),
                    gate: Arc::clone(&gate),
                    candidates,
                    local_fragment,
                    types: Arc::clone(&types),
                    budget: Arc::clone(&budget),
                    video_codecs: config.video_codecs.clone(),
                    ice_servers: servers.for_stack,
                    is_relay_only: config.relay_only,
                }),
                paths: Arc::clone(&paths),
                resources: Resources {
                    connection: Arc::clone(&connection),
                    handler: Arc::clone(&handler),
                    gate: Arc::clone(&gate),
                    tasks: tasks.clone(),
                    tunnels: Arc::clone(&tunnels),
                },
                video,
                audio,
                screen,
                messages,
                role: Role::new(outgoing, events.clone(), tasks.clone()),
                keyframe_wanted,
                screen_keyframe_wanted,
                sharing,
                counters,
                budget,
                departures,
                runtime: Handle::current(),
                lookups: Arc::new(Semaphore::new(hidden_names::MAX_LOOKUPS)),
                is_closed: OnceCell::new(),
            }),
        };

        // From here on an early return drops `peer`, which closes the connection.
        let audio_stream = outbound(MediaKind::Audio, ssrcs.audio, None);
        let video_stream = outbound(
            MediaKind::Video,
            ssrcs.video,
            Some(ssrcs.video_retransmission),
        );
        for stream in [&audio_stream, &video_stream] {
            let sender = connection
                .add_track(Arc::clone(&stream.track) as Arc<_>)
                .await
                .map_err(OpenError::new)?;
            if stream.kind == MediaKind::Video {
                setup::allow_codecs(connection.as_ref(), sender.as_ref(), &config.video_codecs)
                    .await
                    .map_err(OpenError::new)?;
            }
            senders.lock().await.push((stream.kind, sender));
        }
        tasks.spawn(audio_stream.send_audio(audio_frames));
        tasks.spawn(video_stream.send_frames(video_frames));
        let supervisor = Supervisor {
            events,
            gate,
            senders,
            connection,
            paths,
            tunnels,
            closing: tasks.closing.clone(),
        };
        tasks.spawn(supervisor.run(state_changes, driver_end));

        Ok(Opened {
            peer,
            events: event_receiver,
            video: video_receiver,
            audio: audio_receiver,
            screen: screen_receiver,
        })
    }

    /// Binds everything that a call will need, makes an offer, and finds and allocates candidates, so that they are there when
    /// the partner is. They are reported as ever. Nothing of this reaches a partner by itself.
    ///
    /// # Errors
    /// [`NegotiationError::Refused`] if the peer has a role already.
    pub async fn gather_ahead(&self) -> Result<(), NegotiationError> {
        let shared = &self.shared;
        let prepared = shared
            .role
            .prepare(shared.resources.connection.as_ref())
            .await;
        prepared.map_err(|source| NegotiationError::Refused {
            step: "gather ahead",
            source: Box::new(source),
        })?;
        shared.negotiation.gather_ahead().await
    }

    /// The offer of a peer that has [gathered ahead](Self::gather_ahead), for telling it before there is a partner: with the
    /// candidates that were found so far. If the peer becomes the offerer, this is its first offer.
    ///
    /// # Errors
    /// [`NegotiationError::Refused`] if nothing was gathered ahead, or the peer plays its role already.
    pub async fn offer_ahead(&self) -> Result<Description, NegotiationError> {
        self.shared.negotiation.offer_ahead().await
    }

    /// Makes a peer that was opened [without a role](Self::open_without_role) the offerer or the answerer of a call.
    /// Counts once.
    ///
    /// # Errors
    /// [`OpenError`] if the message channel cannot be made, or the stack does not let go of what was gathered ahead.
    pub async fn take_role(&self, is_offerer: bool) -> Result<(), OpenError> {
        let shared = &self.shared;
        if !is_offerer {
            shared
                .negotiation
                .take_offer_back()
                .await
                .map_err(OpenError::new)?;
        }
        let resources = &shared.resources;
        shared
            .role
            .take(
                is_offerer,
                resources.connection.as_ref(),
                &resources.handler,
            )
            .await
            .map_err(OpenError::new)
    }

    /// Makes an offer. Gathering of candidates starts if they are needed.
    ///
    /// With [`Restart::Rebind`] media stops at once until the restart has connected. With [`Restart::Keep`] it goes on
    /// over the path that there is until the answer is applied, and from then on waits for the new path, which takes a
    /// few round trips; so it does with [`Restart::Improve`]. If such an offer is rolled back, media stops: then another restart must follow.
    ///
    /// # Errors
    /// [`NegotiationError::Refused`] if an offer is not due.
    pub async fn create_offer(
        &self,
        restart: Option<Restart>,
    ) -> Result<Description, NegotiationError> {
        self.shared.negotiation.create_offer(restart).await
    }

    /// Says that this side's network has changed: the next restart, of either side, binds the sockets anew.
    ///
    /// The answerer of a restart keeps its sockets otherwise, unless it is [disconnected](PeerEvent::Disconnected).
    pub fn rebind_at_next_restart(&self) {
        self.shared.negotiation.rebind_at_next_restart();
    }

    /// Lets a peer that was opened with relayed paths only use any, from the next restart on, of either side.
    ///
    /// Until then nothing changes. There is no way back: whoever was told an address of this side knows it for good.
    pub fn allow_direct(&self) {
        self.shared.negotiation.allow_direct();
    }

    /// Makes an answer to the partner's offer and sets it as the local description.
    ///
    /// An offer that restarts ICE for the sake of a better path is answered early: the path that there is goes on until the partner has
    /// the answer, and may carry it.
    ///
    /// # Errors
    /// [`NegotiationError::Refused`] if there is no offer to answer.
    pub async fn create_answer(&self) -> Result<Description, NegotiationError> {
        let answer = self.shared.negotiation.create_answer().await?;
        if let Some(taken_up) = answer.taken_up {
            let shared = Arc::downgrade(&self.shared);
            self.shared.resources.tasks.spawn(async move {
                // Cancelled when something else has taken the restart's place.
                if taken_up.await.is_ok()
                    && let Some(shared) = shared.upgrade()
                    && let Err(error) = shared.negotiation.finish_restart().await
                {
                    tracing::warn!(%error, "a restart that was answered came to nothing");
                }
            });
        }
        Ok(answer.description)
    }

    /// Sets what the partner sent as the remote description.
    ///
    /// # Errors
    /// [`NegotiationError`] if it cannot be accepted, or is not due. The partner may send anything.
    pub async fn apply_remote(&self, description: Description) -> Result<(), NegotiationError> {
        self.shared.negotiation.apply_remote(description).await
    }

    /// Takes back the last offer of this side (RFC 9429 section 5.7).
    ///
    /// # Errors
    /// [`NegotiationError::Refused`] if there is none.
    pub async fn rollback(&self) -> Result<(), NegotiationError> {
        self.shared.negotiation.rollback().await
    }

    /// Makes a candidate of the partner known; `None` says that there are no more.
    ///
    /// # Errors
    /// [`NegotiationError`] if there is no remote description yet, if it makes no sense, or if there are too many. One with a
    /// hidden name (mDNS) is looked up first, in the background; one that leads nowhere is left out.
    pub async fn add_candidate(
        &self,
        candidate: Option<Candidate>,
    ) -> Result<(), NegotiationError> {
        match candidate {
            Some(hidden) if hidden_names::name_in(&hidden.candidate).is_some() => {
                self.look_up(hidden);
                Ok(())
            }
            other => self.shared.negotiation.add_candidate(other).await,
        }
    }

    /// Makes a candidate known when its address is. Others need not wait for that.
    fn look_up(&self, mut hidden: Candidate) {
        let shared = &self.shared;
        // Behind a shield nobody on the local network is to be reached.
        if shared.negotiation.is_relay_only() {
            return;
        }
        let Ok(permit) = Arc::clone(&shared.lookups).try_acquire_owned() else {
            tracing::debug!("the partner has more hidden names than are looked up at a time");
            return;
        };
        let peer = Arc::downgrade(shared);
        shared.resources.tasks.spawn(async move {
            let revealed = hidden_names::reveal(&hidden.candidate).await;
            drop(permit);
            let (Some(revealed), Some(shared)) = (revealed, peer.upgrade()) else {
                return;
            };
            hidden.candidate = revealed;
            if let Err(error) = shared.negotiation.add_candidate(Some(hidden)).await {
                tracing::debug!(%error, "a candidate came too late");
            }
        });
    }

    /// To the partner and back, as the last connectivity check measured it. Any thread may ask.
    pub fn round_trip(&self) -> Option<Duration> {
        self.shared.paths.round_trip()
    }

    /// What may be sent at present. Renewed with every report of the partner and everything that is sent; any thread may ask.
    pub fn budget(&self) -> Budget {
        self.shared.budget.get()
    }

    /// When a picture has left, packet by packet, as far as nobody has asked before; the oldest of the newest 32. Any thread may ask.
    pub fn take_departure(&self) -> Option<Departure> {
        self.shared.departures.take()
    }

    /// The most that there is use for, in bits per second on the wire: nobody looks for room for more.
    pub fn set_budget_ceiling(&self, bits_per_second: u64) {
        self.shared.budget.set_ceiling_bps(bits_per_second);
    }

    /// Makes it possible to send pictures of a screen, for as long as the connection lives. They are taken once the partner has agreed:
    /// [`takes_video`](Self::takes_video) tells. Further calls do nothing.
    ///
    /// # Errors
    /// [`NegotiationError::Refused`] if the stack does not add the stream.
    pub async fn share_screen(&self) -> Result<(), NegotiationError> {
        let Resources {
            connection, tasks, ..
        } = &self.shared.resources;
        let begun = self.shared.sharing.begin(connection.as_ref(), tasks).await;
        begun.map_err(|source| NegotiationError::Refused {
            step: "share the screen",
            source: Box::new(source),
        })
    }

    /// Sends a picture. Never blocks; any thread may call it.
    ///
    /// # Errors
    /// [`Dropped`] if it will not be sent. The next one of these pictures must be a keyframe.
    pub fn send_video(&self, pictures: Pictures, frame: EncodedFrame) -> Result<(), Dropped> {
        let codec = Codec::Video(frame.codec);
        let queue = match pictures {
            Pictures::Camera => &self.shared.video,
            Pictures::Screen => &self.shared.screen,
        };
        self.send(pictures.into(), codec, queue, frame)
    }

    /// Sends one Opus packet, of the instant `timestamp` on the stream's 48 kHz clock. Never blocks.
    ///
    /// # Errors
    /// [`Dropped`] if it will not be sent.
    pub fn send_audio(&self, payload: Bytes, timestamp: u32) -> Result<(), Dropped> {
        self.send(
            MediaKind::Audio,
            Codec::Opus,
            &self.shared.audio,
            AudioPacket { payload, timestamp },
        )
    }

    /// Whether the partner takes such pictures in this codec. Nothing is taken before the connection is up.
    pub fn takes_video(&self, pictures: Pictures, codec: VideoCodec) -> bool {
        let gate = &self.shared.resources.gate;
        let codec = Codec::Video(codec);
        gate.payload_type(pictures.into(), codec).is_some()
    }

    fn send<T>(
        &self,
        kind: MediaKind,
        codec: Codec,
        queue: &mpsc::Sender<T>,
        item: T,
    ) -> Result<(), Dropped> {
        let gate = &self.shared.resources.gate;
        let is_open = gate.payload_type(kind, codec).is_some();
        let result = if is_open {
            queue.try_send(item).map_err(Dropped::from)
        } else {
            Err(Dropped::NotConnected)
        };
        if result.is_err() {
            self.shared
                .counters
                .of(kind)
                .frames_refused
                .fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    /// Asks the partner for a keyframe (RFC 4585 section 6.3.1), at once or when its first packet arrives.
    ///
    /// Never blocks. How often is the caller's business: requests that were not sent yet are one request.
    pub fn request_keyframe(&self, pictures: Pictures) {
        let wanted = match pictures {
            Pictures::Camera => &self.shared.keyframe_wanted,
            Pictures::Screen => &self.shared.screen_keyframe_wanted,
        };
        wanted.notify_one();
    }

    /// Sends a text over the message channel, or keeps it until the channel opens. Never blocks.
    ///
    /// # Errors
    /// [`Dropped`] if the text is too long, too much waits already, or the channel is closed.
    pub fn send_message(&self, text: String) -> Result<(), Dropped> {
        let result = if text.len() > PEER_MESSAGE_BYTES {
            Err(Dropped::TooLong)
        } else {
            self.shared.messages.try_send(text).map_err(Dropped::from)
        };
        if result.is_err() {
            self.shared
                .counters
                .messages_refused
                .fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    /// Counters of the connection and its path.
    pub async fn stats(&self) -> PeerStats {
        stats::collect(
            self.shared.resources.connection.as_ref(),
            &self.shared.paths,
            &self.shared.resources.tunnels,
            &self.shared.counters,
        )
        .await
    }

    /// Ends the connection. Waits for its tasks and sockets to go, for a few seconds at most: if some are left by then, an
    /// error is logged. Calling it again waits for the same.
    pub async fn close(&self) {
        let shared = &self.shared;
        shared
            .is_closed
            .get_or_init(|| shared.resources.release())
            .await;
    }
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer")
            .field("is_closed", &self.shared.is_closed.initialized())
            .finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.is_closed.initialized() {
            return;
        }
        let resources = self.resources.clone();
        self.runtime.spawn(async move { resources.release().await });
    }
}

/// What must be given back when a peer closes.
#[derive(Clone)]
struct Resources {
    connection: Arc<dyn PeerConnection>,
    handler: Arc<Handler>,
    gate: Arc<Gate>,
    tasks: Tasks,
    tunnels: Arc<Tunnels>,
}

impl Resources {
    async fn release(&self) {
        self.gate.shut();
        self.tasks.closing.cancel();
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "closing a connection");
        }
        self.handler.end();
        self.tunnels.close();
        self.tasks.tracker.close();
        let ended = async { tokio::join!(self.tasks.tracker.wait(), self.tunnels.closed()) };
        if tokio::time::timeout(CLOSE_TIMEOUT, ended).await.is_err() {
            tracing::error!(
                left = self.tasks.tracker.len(),
                "tasks of a closed connection go on"
            );
        }
    }
}

/// Different random SSRCs (RFC 3550 section 8.1). Zero is left out: it means unknown to some.
fn random_ssrcs() -> Result<LocalSsrcs, OpenError> {
    let first = getrandom::u32()
        .map_err(OpenError::new)?
        .clamp(1, u32::MAX - 4);
    Ok(LocalSsrcs {
        audio: first,
        video: first + 1,
        video_retransmission: first + 2,
        screen: first + 3,
        screen_retransmission: first + 4,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Impairment;
    use crate::runtime::Ends;

    const CALLS: u64 = 10;

    /// Connects two peers that have four pairs between them: the ends of the pair that each has selected.
    async fn call(seed: u64) -> [Ends; 2] {
        let config = |is_offerer| {
            let network = Impairment::seeded(2 * seed + u64::from(is_offerer));
            network.set_loss_ratio(0.2);
            network.set_delay(Duration::from_millis(15));
            PeerConfig {
                bind: vec![([127, 0, 0, 1], 0).into(), ([127, 0, 0, 2], 0).into()],
                is_offerer,
                impairment: Some(network),
                ..PeerConfig::default()
            }
        };
        let (mut a, mut b) = (
            Peer::open(config(true)).await.unwrap(),
            Peer::open(config(false)).await.unwrap(),
        );
        let offer = a.peer.create_offer(None).await.unwrap();
        b.peer.apply_remote(offer).await.unwrap();
        let answer = b.peer.create_answer().await.unwrap();
        a.peer.apply_remote(answer).await.unwrap();
        tokio::join!(
            connected(&mut a.events, &b.peer),
            connected(&mut b.events, &a.peer)
        );
        let (of_a, of_b) = (&a.peer.shared.resources, &b.peer.shared.resources);
        let ends = [
            stats::ends(of_a.connection.as_ref()).await.unwrap(),
            stats::ends(of_b.connection.as_ref()).await.unwrap(),
        ];
        a.peer.close().await;
        b.peer.close().await;
        ends
    }

    async fn connected(events: &mut mpsc::Receiver<PeerEvent>, partner: &Peer) {
        loop {
            let event = tokio::time::timeout(Duration::from_secs(20), events.recv()).await;
            match event.expect("in time").expect("it lives") {
                PeerEvent::LocalCandidate(told) => partner.add_candidate(told).await.unwrap(),
                PeerEvent::Connected => return,
                _ => {}
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn both_sides_select_the_same_of_several_pairs() {
        for seed in 0..CALLS {
            let [a, b] = call(seed).await;
            assert_eq!((a.local, a.remote), (b.remote, b.local), "seed {seed}");
        }
    }
}

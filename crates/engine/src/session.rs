//! The one loop that owns the [`Call`]: facts in, orders out, a [`Snapshot`] after each turn.
//!
//! Nothing here waits for a device, a peer or the server: all of them work in tasks and threads of their own and report.

use std::sync::Arc;
use std::time::{Duration, Instant};

use call::{Call, Input, Output, PeerFact, PeerId, State};
use protocol::{PeerMessage, limits};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use transport::{Peer, PeerConfig};

use crate::chat::Chat;
use crate::config::bind_addresses;
use crate::deck::DeviceDeck;
use crate::peer_task::{MediaTaps, News, Order, PeerTask};
use crate::pipeline::{ReceiveAudio, ReceiveVideo};
use crate::publisher::Publisher;
use crate::signalling::{Signalling, SignallingEvent};
use crate::statistics::CallStatistics;
use crate::transport_figures::TransportFigures;
use crate::{Command, Config, PartnerView, SignallingView, Snapshot};

/// How many events of each kind may wait for the session. Senders wait when it is full; none of them is a device or a window.
const EVENTS_LIMIT: usize = 256;
/// How often the microphone's level is shown.
const LEVEL_EVERY: Duration = Duration::from_millis(66);
/// How often figures are renewed.
const STATISTICS_EVERY: Duration = Duration::from_secs(1);
/// How long "is writing" stands without being renewed.
const TYPING_LASTS: Duration = Duration::from_secs(5);

/// Everything that belongs to the engine and outlives a call.
pub(crate) struct Session {
    config: Config,
    call: Call,
    signalling: Signalling,
    signalling_events: mpsc::Receiver<SignallingEvent>,
    signalling_view: SignallingView,
    news_sender: mpsc::Sender<(PeerId, News)>,
    news: mpsc::Receiver<(PeerId, News)>,
    live: Option<Live>,
    deck: DeviceDeck,
    partner: Partner,
    chat: Chat,
    statistics: CallStatistics,
    publisher: Arc<Publisher>,
}

/// The peer connection of the present call.
struct Live {
    id: PeerId,
    task: PeerTask,
    taps: MediaTaps,
    media: Option<LiveMedia>,
}

/// What exists once the connection has been opened.
struct LiveMedia {
    peer: Peer,
    video: ReceiveVideo,
    audio: ReceiveAudio,
    transport: TransportFigures,
    is_sending: bool,
}

/// What is known of the partner, and how long it holds.
#[derive(Default)]
struct Partner {
    view: PartnerView,
    typing_since: Option<Instant>,
}

impl Session {
    pub(crate) fn new(config: Config, publisher: Arc<Publisher>, deck: DeviceDeck) -> Self {
        let (signalling, signalling_events) = connect(&config.server);
        let (news_sender, news) = mpsc::channel(EVENTS_LIMIT);
        Self {
            config,
            call: Call::new(call::Config::default()),
            signalling,
            signalling_events,
            signalling_view: SignallingView::Connecting,
            news_sender,
            news,
            live: None,
            deck,
            partner: Partner::default(),
            chat: Chat::default(),
            statistics: CallStatistics::default(),
            publisher,
        }
    }

    /// Runs until the engine drops `commands`, then ends the call and lets go of everything.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut device_changes = self.deck.changes();
        let mut levels = ticker(LEVEL_EVERY);
        let mut seconds = ticker(STATISTICS_EVERY);
        loop {
            self.carry_out_orders();
            self.publish();
            let deadline = self.call.poll_timeout();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => break,
                },
                Some(event) = self.signalling_events.recv() => self.on_signalling(event),
                Some((id, item)) = self.news.recv() => self.on_news(id, item),
                Ok(()) = device_changes.changed() => self.on_devices_changed(),
                () = crate::at(deadline) => self.call.handle(Input::Timeout, Instant::now()),
                _ = levels.tick() => {}
                _ = seconds.tick() => self.on_second(),
            }
        }
        self.call
            .handle(Input::Command(call::Command::Stop), Instant::now());
        self.carry_out_orders();
        // The goodbye and the close run in the peer's task; give them the time that they need.
        tokio::time::sleep(Duration::from_millis(250)).await;
    }

    fn on_command(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Start {
                interests,
                language,
            } => {
                self.statistics.search_began(now);
                let start = call::Command::Start {
                    interests,
                    language,
                };
                self.call.handle(Input::Command(start), now);
            }
            Command::Next => {
                if !matches!(self.call.state(), State::Idle | State::Searching { .. }) {
                    self.statistics.search_began(now);
                }
                self.call.handle(Input::Command(call::Command::Next), now);
            }
            Command::Stop => self.call.handle(Input::Command(call::Command::Stop), now),
            Command::SetMicrophone(is_on) => {
                self.deck.set_microphone(is_on);
                self.tell_what_we_send();
            }
            Command::SetCamera(is_on) => {
                self.deck.set_camera(is_on);
                self.tell_what_we_send();
            }
            Command::ChooseVideo(source) => self.deck.choose_video(source),
            Command::ChooseAudio(source) => self.deck.choose_audio(source),
            Command::ChooseSpeaker(sink) => self.deck.choose_speaker(sink),
            Command::ListDevices => self.deck.list(),
            Command::SendChat(text) => self.send_chat(&text),
            Command::SetTyping(active) => self.send(&PeerMessage::Typing { active }),
            Command::SetServer(server) => self.set_server(server),
        }
    }

    fn set_server(&mut self, server: String) {
        let is_up = matches!(self.signalling_view, SignallingView::Connected { .. });
        if server == self.config.server && is_up {
            return;
        }
        // The same server again means: try now, not when its turn has come.
        (self.signalling, self.signalling_events) = connect(&server);
        self.config.server = server;
        self.signalling_view = SignallingView::Connecting;
        self.call.handle(Input::SignallingDown, Instant::now());
    }

    fn on_signalling(&mut self, event: SignallingEvent) {
        let now = Instant::now();
        match event {
            SignallingEvent::Connecting => {
                // "Away, because …" says more than "connecting" once there was a failure.
            }
            SignallingEvent::Up { online } => {
                tracing::info!("signalling is up");
                self.signalling_view = SignallingView::Connected { online };
                self.call.handle(Input::SignallingUp, now);
            }
            SignallingEvent::Message(message) => {
                match &message {
                    protocol::ServerMessage::Waiting { online } => {
                        self.signalling_view = SignallingView::Connected { online: *online };
                    }
                    protocol::ServerMessage::Error { code, message, .. } => {
                        tracing::warn!(?code, message, "the server refused a message");
                    }
                    _ => {}
                }
                self.call.handle(Input::Server(message), now);
            }
            SignallingEvent::Down { problem, retry_at } => {
                self.signalling_view = SignallingView::Away { problem, retry_at };
                self.call.handle(Input::SignallingDown, now);
            }
        }
    }

    fn on_news(&mut self, id: PeerId, item: News) {
        let Some(live) = self.live.as_mut().filter(|live| live.id == id) else {
            // Late news of a connection that is being closed.
            return;
        };
        match item {
            News::Opened { peer, video, audio } => {
                let (video, audio) = self.deck.receive(&peer, video, audio, &live.taps.lip_sync);
                let transport = TransportFigures::watch(peer.clone());
                let is_sending = false;
                live.media = Some(LiveMedia {
                    peer,
                    video,
                    audio,
                    transport,
                    is_sending,
                });
            }
            News::Fact(fact) => {
                if matches!(fact, PeerFact::Connected) {
                    self.statistics.connected(Instant::now());
                    if let Some(media) = &mut live.media
                        && !std::mem::replace(&mut media.is_sending, true)
                    {
                        self.deck.send_to(&media.peer);
                    }
                    // What was sent while the path was lost is missing at the other end.
                    (live.taps.keyframe_wanted)();
                }
                self.call
                    .handle(Input::Peer { peer: id, fact }, Instant::now());
            }
            News::MessageChannelOpen => {
                self.partner.view.is_chat_open = true;
                self.tell_what_we_send();
            }
            News::Message(text) => self.on_peer_message(id, &text),
        }
    }

    fn on_peer_message(&mut self, id: PeerId, text: &str) {
        match protocol::decode(text) {
            Ok(PeerMessage::Chat { text }) => {
                self.partner.set_typing(None);
                self.chat.push(crate::Speaker::Partner, text);
            }
            Ok(PeerMessage::Typing { active }) => {
                self.partner.set_typing(active.then(Instant::now));
            }
            Ok(PeerMessage::Sending { audio, video }) => {
                self.partner.view.is_sending_audio = audio;
                self.partner.view.is_sending_video = video;
            }
            Ok(PeerMessage::Bye) => {
                let bye = Input::Peer {
                    peer: id,
                    fact: PeerFact::Bye,
                };
                self.call.handle(bye, Instant::now());
            }
            // Not asked for yet.
            Ok(
                PeerMessage::Direct { .. }
                | PeerMessage::Description { .. }
                | PeerMessage::Candidate { .. },
            ) => {}
            // A newer partner may say more than we understand, and a hostile one anything: neither hurts.
            Err(error) => tracing::debug!(%error, "a message of the partner was not understood"),
        }
    }

    fn on_devices_changed(&mut self) {
        self.deck.refresh();
        self.tell_what_we_send();
    }

    fn on_second(&mut self) {
        self.deck.on_second();
        if self
            .partner
            .typing_since
            .is_some_and(|since| since.elapsed() > TYPING_LASTS)
        {
            self.partner.set_typing(None);
        }
        if let Some(media) = self.live.as_ref().and_then(|live| live.media.as_ref()) {
            let sent = self.deck.frames_sent();
            let received = media.video.figures();
            let heard = media.audio.figures();
            let transport = media.transport.newest();
            self.statistics
                .on_second(sent, &received, heard, transport.as_ref());
        }
        self.log_second();
    }

    /// A line a second for those who watch a program from outside; nothing in it says who talks or what is said.
    fn log_second(&self) {
        let figures = self.statistics.view();
        tracing::debug!(
            target: "engine::statistics",
            state = self.call.state().name(),
            is_signalling_up = matches!(self.signalling_view, SignallingView::Connected { .. }),
            received_fps = figures.received_fps,
            sent_fps = figures.sent_fps,
            frames_dropped = figures.frames_dropped,
            audio_concealed = figures.audio_concealed,
            picture_latency_ms = figures.picture_latency.map(|latency| latency.as_millis()),
            partner_sends_audio = self.partner.view.is_sending_audio,
            partner_sends_video = self.partner.view.is_sending_video,
        );
    }

    fn send_chat(&mut self, text: &str) {
        let text: String = text.trim().chars().take(limits::CHAT_CHARS).collect();
        if !text.is_empty() && self.partner.view.is_chat_open {
            self.send(&PeerMessage::Chat { text: text.clone() });
            self.chat.push(crate::Speaker::Me, text);
        }
    }

    /// Tells the partner which of sound and pictures to expect.
    fn tell_what_we_send(&self) {
        let (audio, video) = self.deck.is_sending();
        self.send(&PeerMessage::Sending { audio, video });
    }

    fn send(&self, message: &PeerMessage) {
        let media = self.live.as_ref().and_then(|live| live.media.as_ref());
        if let Some(media) = media.filter(|_| self.partner.view.is_chat_open)
            && media.peer.send_message(protocol::encode(message)).is_err()
        {
            tracing::warn!("a message to the partner was lost: the connection does not keep up");
        }
    }

    fn carry_out_orders(&mut self) {
        while let Some(output) = self.call.poll_output() {
            match output {
                Output::Send(message) => self.signalling.send(message),
                Output::OpenPeer {
                    peer,
                    role,
                    ice_servers,
                } => {
                    self.open_peer(peer, role, ice_servers);
                }
                Output::ClosePeer { peer, say_bye } => self.close_peer(peer, say_bye),
                Output::CreateOffer { peer, ice_restart } => {
                    self.order(peer, Order::CreateOffer { ice_restart });
                }
                Output::CreateAnswer { peer } => self.order(peer, Order::CreateAnswer),
                Output::ApplyRemote { peer, description } => {
                    self.order(peer, Order::ApplyRemote(description));
                }
                Output::Rollback { peer } => self.order(peer, Order::Rollback),
                Output::AddCandidate { peer, candidate } => {
                    self.order(peer, Order::AddCandidate(candidate));
                }
            }
        }
    }

    fn open_peer(&mut self, id: PeerId, role: protocol::Role, servers: Vec<protocol::IceServer>) {
        tracing::info!(?role, "matched");
        self.statistics.matched(Instant::now());
        self.chat.clear();
        self.partner = Partner::default();
        let config = PeerConfig {
            ice_servers: servers,
            relay_only: self.config.relay_only,
            bind: bind_addresses(&self.config.server),
            is_offerer: role == protocol::Role::Offerer,
            ..PeerConfig::default()
        };
        let taps = self.deck.media_taps();
        let task = PeerTask::open(id, config, taps.clone(), self.news_sender.clone());
        self.live = Some(Live {
            id,
            task,
            taps,
            media: None,
        });
    }

    fn close_peer(&mut self, id: PeerId, say_bye: bool) {
        if let Some(live) = self.live.take_if(|live| live.id == id) {
            self.deck.stop_sending();
            // The peer's task closes the connection in any case: it ends with its queue of orders.
            if live.task.order(Order::Close { say_bye }).is_err() {
                tracing::debug!("the peer connection was gone before it was closed");
            }
        }
        self.deck.clear_remote();
        self.partner = Partner::default();
        tracing::info!("the peer connection is closed");
    }

    fn order(&mut self, id: PeerId, order: Order) {
        let Some(live) = self.live.as_ref().filter(|live| live.id == id) else {
            return;
        };
        if live.task.order(order).is_err() {
            let fact = PeerFact::NegotiationFailed;
            self.call
                .handle(Input::Peer { peer: id, fact }, Instant::now());
        }
    }

    fn publish(&mut self) {
        self.publisher.publish(Snapshot {
            signalling: self.signalling_view.clone(),
            call: self.call.state().clone(),
            partner: self.partner.view,
            chat: self.chat.lines(),
            devices: self.deck.view(),
            statistics: self.statistics.view(),
        });
    }
}

impl Partner {
    fn set_typing(&mut self, since: Option<Instant>) {
        self.typing_since = since;
        self.view.is_typing = since.is_some();
    }
}

fn connect(server: &str) -> (Signalling, mpsc::Receiver<SignallingEvent>) {
    let (sender, events) = mpsc::channel(EVENTS_LIMIT);
    (Signalling::connect(server.to_owned(), sender), events)
}

fn ticker(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

//! The one loop that owns the [`Call`]: facts in, orders out, a [`Snapshot`] after each turn.
//!
//! Nothing here waits for a device, a peer or the server: all of them work in tasks and threads of their own and report.
//! `session/peers.rs` is what has to do with peer connections, `session/partner.rs` what the partner says, `session/screen.rs` what is
//! shared, `session/veil.rs` who may be recognised, `session/safety.rs` who is reported and blocked.

mod partner;
mod peers;
mod safety;
mod screen;
mod veil;

use std::sync::Arc;
use std::time::{Duration, Instant};

use call::{Call, Input, State};
use media::video::ShownNotices;
use protocol::{PeerMessage, ServerMessage};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::block_list::BlockList;
use crate::chat::Chat;
use crate::deck::DeviceDeck;
use crate::moves::{Move, Moves};
use crate::network::{NetworkFact, NetworkWatcher};
use crate::online::Online;
use crate::peer_task::{Key, News};
use crate::publisher::Publisher;
use crate::rest::Rests;
use crate::safety::Safety;
use crate::signalling::{Signalling, SignallingEvent};
use crate::signed_chat::SignedChat;
use crate::spare::SparePolicy;
use crate::statistics::CallStatistics;
use crate::{Command, Config, SignallingView, Snapshot, VeilView};
use partner::Partner;
use peers::{Live, PartnerScreen, Spare};

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
    /// Since when this machine works for the server.
    works_since: Option<Instant>,
    online: Online,
    news_sender: mpsc::Sender<(Key, News)>,
    news: mpsc::Receiver<(Key, News)>,
    last_key: Key,
    live: Option<Live>,
    spare: Option<Spare>,
    spare_policy: SparePolicy,
    network: NetworkWatcher,
    network_facts: mpsc::Receiver<NetworkFact>,
    moves: Moves,
    deck: DeviceDeck,
    rests: Rests,
    /// Whether anybody sees a window of ours.
    is_seen: bool,
    partner: Partner,
    /// The size at which the partner is shown, once a window has said it.
    shown_px: Option<(u32, u32)>,
    shown: ShownNotices,
    veil: Option<VeilView>,
    chat: Chat,
    /// What is signed of it, while there is a room in which that can be proved.
    signed_chat: Option<SignedChat>,
    /// Whether the server passes on with what chat is signed.
    takes_chat_keys: bool,
    safety: Safety,
    block_list: BlockList,
    statistics: CallStatistics,
    publisher: Arc<Publisher>,
}

impl Session {
    pub(crate) fn new(config: Config, publisher: Arc<Publisher>, deck: DeviceDeck) -> Self {
        let (signalling, signalling_events) = connect(&config);
        let block_list = BlockList::load(config.block_list.as_deref());
        let (news_sender, news) = mpsc::channel(EVENTS_LIMIT);
        let (network, network_facts) = NetworkWatcher::start();
        let mut call = Call::new(call::Config::default());
        let shield = call::Command::SetShield(config.shield);
        call.handle(Input::Command(shield), Instant::now());
        let mut session = Self {
            config,
            call,
            signalling,
            signalling_events,
            signalling_view: SignallingView::Connecting,
            works_since: None,
            online: Online::default(),
            news_sender,
            news,
            last_key: Key(0),
            live: None,
            spare: None,
            spare_policy: SparePolicy::new(Instant::now()),
            network,
            network_facts,
            moves: Moves::default(),
            deck,
            rests: Rests::new(Instant::now()),
            is_seen: true,
            partner: Partner::default(),
            shown_px: None,
            shown: ShownNotices::default(),
            veil: None,
            chat: Chat::default(),
            signed_chat: None,
            takes_chat_keys: false,
            safety: Safety::default(),
            block_list,
            statistics: CallStatistics::default(),
            publisher,
        };
        if session.config.power_saving {
            session.renew_shown(Instant::now());
        }
        session
    }

    /// Runs until the engine drops `commands`, then ends the call and lets go of everything.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut device_changes = self.deck.changes();
        let mut levels = ticker(LEVEL_EVERY);
        let mut seconds = ticker(STATISTICS_EVERY);
        loop {
            self.tend_spare();
            self.carry_out_orders();
            self.tend_devices();
            self.tell_what_is_shown();
            self.watch_partner();
            self.publish();
            let deadline = self.call.poll_timeout();
            let shown_deadline = self.shown_timeout();
            // Else there is no level, and nothing to look for.
            let is_watching = self.live.is_some() || self.deck.has_microphone();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => break,
                },
                Some(event) = self.signalling_events.recv() => self.on_signalling(event),
                Some((key, item)) = self.news.recv() => self.on_news(key, item),
                Some(fact) = self.network_facts.recv() => self.on_network(&fact),
                Ok(()) = device_changes.changed() => self.on_devices_changed(),
                () = crate::at(deadline) => self.call.handle(Input::Timeout, Instant::now()),
                // What is due is told at the head of the loop.
                () = crate::at(shown_deadline) => {}
                _ = levels.tick(), if is_watching => self.look_for_first_frame(),
                _ = seconds.tick() => self.on_second(),
            }
        }
        self.call
            .handle(Input::Command(call::Command::Stop), Instant::now());
        self.carry_out_orders();
        self.drop_spare();
        drop(self.signalling);
        // The good-byes and the close run in tasks of their own; give them the time that they need.
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
            Command::ChooseSpeaker(sink) => {
                self.deck.choose_speaker(sink);
                self.rests.on_speaker_chosen(now);
            }
            Command::SetVolume(percent) => self.deck.set_volume(percent),
            Command::SetVoice(config) => self.deck.set_voice(config),
            Command::ListDevices => self.deck.list(),
            Command::ListShareable => self.deck.list_shareable(),
            Command::ShareScreen(source) => self.share_screen(source),
            Command::SendChat(text) => self.send_chat(&text),
            Command::SetTyping(active) => self.send(&PeerMessage::Typing { active }),
            Command::SetShownSize(size_px) => {
                self.shown_px = Some(size_px);
                self.renew_shown(now);
            }
            Command::SetSeen(is_seen) => self.is_seen = is_seen,
            Command::SetPowerSaving(is_saving) => self.set_power_saving(is_saving, now),
            Command::SetServer(server) => self.set_server(server),
            Command::SetShield(is_wanted) => {
                if self.config.shield != is_wanted {
                    self.config.shield = is_wanted;
                    self.drop_spare();
                }
                let shield = call::Command::SetShield(is_wanted);
                self.call.handle(Input::Command(shield), now);
            }
            Command::SetVeil(is_wanted) => self.config.veil = is_wanted,
            Command::LiftVeil(is_lifted) => self.lift_veil(is_lifted),
            Command::Report {
                reason,
                note,
                block,
                lines,
            } => self.report(false, reason, &note, block, &lines),
            Command::ReportLast {
                reason,
                note,
                block,
                lines,
            } => self.report(true, reason, &note, block, &lines),
            Command::Block => self.block(),
            Command::AllowDirect(is_allowed) => {
                let allow = call::Command::AllowDirect(is_allowed);
                self.call.handle(Input::Command(allow), now);
            }
        }
    }

    /// Lets devices rest that nobody needs, and wakes them in time.
    fn tend_devices(&mut self) {
        let is_call = !matches!(self.call.state(), State::Idle | State::Ended { .. });
        let resting = self.rests.decide(is_call, self.is_seen, Instant::now());
        self.deck.rest(resting);
    }

    fn set_power_saving(&mut self, is_saving: bool, now: Instant) {
        if std::mem::replace(&mut self.config.power_saving, is_saving) != is_saving {
            self.deck.set_power_saving(is_saving);
            self.renew_shown(now);
            // It has offered other codecs.
            self.drop_spare();
        }
    }

    fn set_server(&mut self, server: String) {
        let is_up = matches!(self.signalling_view, SignallingView::Connected { .. });
        if server == self.config.server && is_up {
            return;
        }
        // The same server again means: try now, not when its turn has come.
        self.config.server = server;
        (self.signalling, self.signalling_events) = connect(&self.config);
        self.safety.on_another_server();
        self.signalling_view = SignallingView::Connecting;
        self.works_since = None;
        self.drop_spare();
        self.spare_policy.on_server_lost();
        self.call.handle(Input::SignallingDown, Instant::now());
    }

    fn on_signalling(&mut self, event: SignallingEvent) {
        let now = Instant::now();
        match event {
            SignallingEvent::Connecting => {
                // "Away, because …" says more than "connecting" once there was a failure.
            }
            SignallingEvent::Up {
                online,
                takes_reports,
                takes_chat_keys,
            } => {
                tracing::info!("signalling is up");
                self.takes_chat_keys = takes_chat_keys;
                self.safety.on_session(takes_reports);
                self.signalling_view = self.online.tell(online, now);
                // Another run of the server, perhaps: it knows nothing of what was allocated there.
                self.drop_spare();
                self.spare_policy.on_server_lost();
                self.call.handle(Input::SignallingUp, now);
            }
            SignallingEvent::Back { online } => {
                tracing::info!("signalling is back");
                self.signalling_view = self.online.tell(online, now);
                self.call.handle(Input::SignallingBack, now);
            }
            SignallingEvent::Message(ServerMessage::Prepared {
                ice_servers,
                path_policy,
            }) => self.make_spare(ice_servers, path_policy),
            SignallingEvent::Message(message) => {
                match &message {
                    ServerMessage::Waiting { online } => {
                        self.signalling_view = self.online.tell(*online, now);
                    }
                    ServerMessage::Error { code, message, .. } => {
                        tracing::warn!(?code, message, "the server refused a message");
                    }
                    _ => {}
                }
                self.on_safety_message(&message);
                let matched = match &message {
                    ServerMessage::Matched { room, partner, .. } => Some((*room, *partner)),
                    _ => None,
                };
                self.call.handle(Input::Server(message), now);
                if let Some((room, handle)) = matched {
                    self.on_matched(room, handle);
                }
            }
            SignallingEvent::Banned(ban) => self.on_banned(ban),
            SignallingEvent::Working(is_working) => self.works_since = is_working.then_some(now),
            SignallingEvent::Away { problem, retry_at } => {
                self.signalling_view = SignallingView::Away { problem, retry_at };
                self.works_since = None;
                self.call.handle(Input::SignallingAway, now);
            }
            SignallingEvent::SessionLost => {
                self.safety.on_session_lost();
                self.call.handle(Input::SignallingDown, now);
            }
        }
    }

    fn on_network(&mut self, fact: &NetworkFact) {
        tracing::info!(?fact, "the network changed");
        let is_path_up = !matches!(self.call.state(), State::Reconnecting { .. });
        // What was gathered on the networks before is worth little on others.
        self.drop_spare();
        self.signalling.doubt();
        match self.moves.on_fact(fact, is_path_up) {
            Move::Wait => {}
            Move::AtNextRestart => self.rebind_at_next_restart(),
            Move::Now => {
                self.rebind_at_next_restart();
                self.call.handle(Input::NetworkChanged, Instant::now());
                self.watch_address_in_use();
            }
        }
    }

    fn on_devices_changed(&mut self) {
        self.deck.refresh();
        if self.deck.has_sharing_ended() {
            self.deck.stop_sharing();
        }
        self.tell_what_we_send();
    }

    /// A call may be over before the second is.
    fn look_for_first_frame(&mut self) {
        if self.statistics.view().time_to_first_frame.is_none()
            && let Some(media) = self.live.as_ref().and_then(|live| live.media.as_ref())
        {
            self.statistics
                .on_first_frame(media.video.figures().first_frame_at);
        }
    }

    fn on_second(&mut self) {
        self.deck.on_second();
        self.safety.tidy(Instant::now());
        self.online
            .forget_old(&mut self.signalling_view, Instant::now());
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
            if let Some(stats) = &transport {
                self.deck.on_sound_stats(&stats.audio);
            }
            let is_cancelling_echo = self.deck.is_cancelling_echo();
            self.statistics.on_second(
                sent,
                &received,
                heard,
                is_cancelling_echo,
                transport.as_ref(),
            );
            let target_bps = media.peer.budget().target_bps;
            self.statistics
                .on_sending(target_bps, self.deck.sent_pictures());
            self.statistics.on_ways(self.deck.stage_times());
            let seen = match &media.screen {
                PartnerScreen::Received(screen) => Some(screen.figures()),
                _ => None,
            };
            self.statistics
                .on_screens(self.deck.screen_frames_sent(), seen.as_ref());
            self.ask_for_redundancy(heard.wants_dred);
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

    fn publish(&mut self) {
        self.publisher.publish(Snapshot {
            signalling: self.signalling_view.clone(),
            works_since: self.works_since,
            call: self.call.state().clone(),
            direct: self.call.direct(),
            veil: self.veil,
            safety: self.safety.view(Instant::now()),
            is_shielded: self.config.shield,
            is_saving_power: self.config.power_saving,
            partner: self.partner.view,
            chat: self.chat.lines(),
            devices: self.deck.view(),
            statistics: self.statistics.view(),
        });
    }
}

fn connect(config: &Config) -> (Signalling, mpsc::Receiver<SignallingEvent>) {
    let (sender, events) = mpsc::channel(EVENTS_LIMIT);
    let signalling = Signalling::connect(config.server.clone(), config.identity.clone(), sender);
    (signalling, events)
}

fn ticker(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

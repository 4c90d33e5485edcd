//! Peer connections: the present call's, and the one that is kept ready for the next.

use std::time::Instant;

use call::{Input, Output, PeerFact, PeerId, ReadyOffer, State};
use media::RtpPacket;
use protocol::{ClientMessage, IceServer, PathPolicy, Role};
use tokio::sync::mpsc;
use transport::{CertificateDer, Peer, PeerConfig};

use super::Session;
use super::partner::Partner;
use crate::config::bind_addresses;
use crate::network::route_address;
use crate::peer_task::{Key, MediaTaps, News, Order, PeerTask};
use crate::pipeline::{ReceiveAudio, ReceiveVideo};
use crate::power;
use crate::spare::{Activity, Decision};
use crate::transport_figures::TransportFigures;

/// How many candidates a spare connection may report before it is used: all of a machine with many interfaces. Later ones
/// are not missed.
const SPARE_CANDIDATES_LIMIT: usize = 80;
/// How much it may report in all.
const SPARE_NEWS_LIMIT: usize = SPARE_CANDIDATES_LIMIT + 16;

/// The peer connection of the present call.
pub(super) struct Live {
    pub(super) id: PeerId,
    pub(super) task: PeerTask,
    pub(super) taps: MediaTaps,
    pub(super) media: Option<LiveMedia>,
}

/// What exists once the connection has been opened.
pub(super) struct LiveMedia {
    pub(super) peer: Peer,
    pub(super) video: ReceiveVideo,
    pub(super) audio: ReceiveAudio,
    pub(super) screen: PartnerScreen,
    pub(super) transport: TransportFigures,
    pub(super) is_sending: bool,
}

/// The partner's screen, which costs nothing before there is one.
pub(super) enum PartnerScreen {
    /// Its packets would come here.
    Awaited(mpsc::Receiver<RtpPacket>),
    /// It has been shared once.
    Received(ReceiveVideo),
    /// In between.
    None,
}

/// A connection that is ready for the next call.
pub(super) struct Spare {
    task: PeerTask,
    taps: MediaTaps,
    relay_only: bool,
    /// What it reported so far, for the call that it will belong to.
    news: Vec<News>,
    has_gathered: bool,
    /// How much of `news` came before the offer that was told of it: the candidates among these are in the offer.
    in_offer: usize,
}

/// What is news to a call in which a spare has this role: the candidates among the first ones are in its offer.
fn news_for(role: Role, mut news: Vec<News>, in_offer: usize) -> Vec<News> {
    if role == Role::Offerer {
        let later = news.split_off(in_offer);
        news.retain(|item| !matches!(item, News::Fact(PeerFact::LocalCandidate(_))));
        news.extend(later);
    }
    news
}

impl Session {
    pub(super) fn on_news(&mut self, key: Key, item: News) {
        if let Some(live) = self.live.as_mut().filter(|live| live.task.key() == key) {
            match item {
                News::Opened {
                    peer,
                    video,
                    audio,
                    screen,
                } => {
                    let (video, audio) =
                        self.deck.receive(&peer, video, audio, &live.taps.lip_sync);
                    let transport = TransportFigures::watch(peer.clone());
                    let is_sending = false;
                    live.media = Some(LiveMedia {
                        peer,
                        video,
                        audio,
                        screen: PartnerScreen::Awaited(screen),
                        transport,
                        is_sending,
                    });
                }
                News::Fact(fact) => self.on_fact(fact),
                // It was taken for the call meanwhile.
                News::OfferAhead(_) => {}
                News::MessageChannelOpen => {
                    self.partner.view.is_chat_open = true;
                    self.tell_veil();
                    self.tell_what_we_send();
                    self.tell_call(PeerFact::ChannelOpen);
                }
                News::Message(text) => self.on_peer_message(&text),
            }
        } else if let Some(spare) = self.spare.as_mut().filter(|spare| spare.task.key() == key) {
            let count = spare.news.len();
            match item {
                News::Fact(PeerFact::OpenFailed | PeerFact::Failed) => self.drop_spare(),
                News::OfferAhead(offer) => {
                    spare.in_offer = count;
                    let relay_only = spare.relay_only;
                    self.tell_offer_ahead(Some(ReadyOffer { offer, relay_only }));
                }
                News::Fact(PeerFact::LocalCandidate(Some(_)))
                    if count >= SPARE_CANDIDATES_LIMIT => {}
                _ if count >= SPARE_NEWS_LIMIT => self.drop_spare(),
                item => {
                    let is_last = matches!(item, News::Fact(PeerFact::LocalCandidate(None)));
                    spare.news.push(item);
                    if is_last
                        && !std::mem::replace(&mut spare.has_gathered, true)
                        && spare.task.order(Order::TellOfferAhead).is_err()
                    {
                        self.drop_spare();
                    }
                }
            }
        }
        // Otherwise it is late news of a connection that is being closed.
    }

    fn tell_offer_ahead(&mut self, ready: Option<ReadyOffer>) {
        self.call.handle(Input::OfferAhead(ready), Instant::now());
    }

    fn on_fact(&mut self, fact: PeerFact) {
        match &fact {
            PeerFact::Connected => {
                self.statistics.connected(Instant::now());
                // Said again, in case that it was lost with the path.
                self.shown.forget_told();
                if let Some(live) = &mut self.live {
                    if let Some(media) = &mut live.media
                        && !std::mem::replace(&mut media.is_sending, true)
                    {
                        self.deck.send_to(&media.peer);
                    }
                    // What was sent while the path was lost is missing at the other end.
                    (live.taps.keyframe_wanted)();
                    (live.taps.screen_keyframe_wanted)();
                }
                self.watch_address_in_use();
            }
            // The server may be behind the same broken network; if so, it is well to know it at once.
            PeerFact::Disconnected | PeerFact::Failed => self.signalling.doubt(),
            _ => {}
        }
        self.tell_call(fact);
    }

    pub(super) fn carry_out_orders(&mut self) {
        while let Some(output) = self.call.poll_output() {
            match output {
                Output::Send(message) => self.signalling.send(message),
                Output::SendToPartner { message, .. } => self.send(&message),
                Output::OpenPeer {
                    peer,
                    role,
                    ice_servers,
                    relay_only,
                    with_offer_ahead,
                } => self.open_peer(peer, role, ice_servers, relay_only, with_offer_ahead),
                Output::CloseReady => self.drop_spare(),
                Output::AllowDirect { peer } => self.order(peer, Order::AllowDirect),
                Output::ClosePeer { peer, say_bye } => self.close_peer(peer, say_bye),
                Output::CreateOffer { peer, restart } => {
                    self.order(peer, Order::CreateOffer { restart });
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

    fn open_peer(
        &mut self,
        id: PeerId,
        role: Role,
        ice_servers: Vec<IceServer>,
        relay_only: bool,
        with_offer_ahead: bool,
    ) {
        self.statistics.matched(Instant::now());
        self.chat.clear();
        self.partner = Partner::default();
        self.begin_veil();
        let spare = self.spare.take_if(|spare| spare.relay_only == relay_only);
        let is_ready = spare.is_some();
        if with_offer_ahead && !is_ready {
            tracing::error!("the partner has an offer of a connection that is not there");
        }
        tracing::info!(?role, is_ready, with_offer_ahead, "matched");
        let (task, taps, news) = if let Some(spare) = spare {
            self.spare_policy.on_taken();
            let Spare {
                task,
                taps,
                news,
                in_offer,
                ..
            } = spare;
            (task, taps, news_for(role, news, in_offer))
        } else {
            let (task, taps) = self.begin_peer(ice_servers, relay_only);
            (task, taps, Vec::new())
        };
        let key = task.key();
        self.live = Some(Live {
            id,
            task,
            taps,
            media: None,
        });
        self.watch_address_in_use();
        self.order(id, Order::TakeRole(role));
        for item in news {
            self.on_news(key, item);
        }
    }

    /// Sees to it that the call hears of the loss of the address that its packets leave from.
    pub(super) fn watch_address_in_use(&self) {
        let transport = self.live.as_ref().and_then(|live| live.media.as_ref());
        let path = transport.and_then(|media| media.transport.newest()?.path);
        let is_ipv6 = path.is_some_and(|path| path.is_ipv6);
        self.network.set_address_in_use(route_address(is_ipv6));
    }

    fn begin_peer(
        &mut self,
        ice_servers: Vec<IceServer>,
        relay_only: bool,
    ) -> (PeerTask, MediaTaps) {
        let roots = self.config.extra_roots.iter().cloned();
        let codecs = if self.config.power_saving {
            power::codecs(self.config.video_codecs)
        } else {
            self.config.video_codecs
        };
        let config = PeerConfig {
            ice_servers,
            relay_only,
            bind: bind_addresses(&self.config.server),
            video_codecs: codecs.in_order().to_vec(),
            extra_roots: roots.map(CertificateDer::from).collect(),
            ..PeerConfig::default()
        };
        self.last_key = Key(self.last_key.0 + 1);
        let taps = self.deck.media_taps();
        let task = PeerTask::open(
            self.last_key,
            config,
            taps.clone(),
            self.news_sender.clone(),
        );
        (task, taps)
    }

    fn close_peer(&mut self, id: PeerId, say_bye: bool) {
        if let Some(live) = self.live.take_if(|live| live.id == id) {
            self.deck.stop_sending();
            // What was shown to one is not shown to the next.
            self.deck.stop_sharing();
            close(&live.task, say_bye);
        }
        self.deck.clear_remote();
        self.end_veil();
        self.partner = Partner::default();
        self.network.set_address_in_use(None);
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

    pub(super) fn rebind_at_next_restart(&self) {
        let media = self.live.as_ref().and_then(|live| live.media.as_ref());
        if let Some(media) = media {
            media.peer.rebind_at_next_restart();
        }
    }

    /// Sees to it that there is a connection ready for the next match, when there should be one.
    pub(super) fn tend_spare(&mut self) {
        let activity = match self.call.state() {
            State::Idle | State::Ended { .. } => Activity::Idle,
            State::Searching { .. } => Activity::Searching,
            State::Connecting { .. } | State::Reconnecting { .. } => Activity::Busy,
            State::Connected { .. } => Activity::InCall,
        };
        let is_server_there = matches!(
            self.signalling_view,
            crate::SignallingView::Connected { .. }
        );
        match self
            .spare_policy
            .decide(activity, is_server_there, Instant::now())
        {
            Some(Decision::Ask) => self.signalling.send(ClientMessage::Prepare),
            Some(Decision::Close) => self.drop_spare(),
            None => {}
        }
    }

    /// The server said what a spare needs.
    pub(super) fn make_spare(&mut self, ice_servers: Vec<IceServer>, policy: PathPolicy) {
        // A server that answers what nobody asked, or twice, gets no connection for it.
        if !self.spare_policy.take_answer() || self.spare.is_some() {
            return;
        }
        let relay_only = call::begins_hidden(policy, self.config.shield);
        let (task, taps) = self.begin_peer(ice_servers, relay_only);
        self.spare = Some(Spare {
            task,
            taps,
            relay_only,
            news: Vec::new(),
            has_gathered: false,
            in_offer: 0,
        });
        self.spare_policy.on_made(Instant::now());
    }

    pub(super) fn drop_spare(&mut self) {
        if let Some(spare) = self.spare.take() {
            close(&spare.task, false);
            self.tell_offer_ahead(None);
        }
        self.spare_policy.on_gone();
    }
}

fn close(task: &PeerTask, say_bye: bool) {
    // The peer's task closes the connection in any case: it ends with its queue of orders.
    if task.order(Order::Close { say_bye }).is_err() {
        tracing::debug!("the peer connection was gone before it was closed");
    }
}

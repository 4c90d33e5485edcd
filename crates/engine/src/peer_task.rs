//! One peer connection at work: carries out the session's orders, one after the other, and reports what happens.
//!
//! Two tasks, so that a slow order never keeps an event waiting: one carries out orders, one hands events on. Whatever
//! happens to the session, the connection is closed: a connection that is merely dropped leaks (about 1.5 MB each).

use std::sync::Arc;
use std::time::Duration;

use call::PeerFact;
use call::negotiation::Restart;
use media::RtpPacket;
use media::video::Pictures;
use protocol::{Candidate, Description, PeerMessage, Role};
use tokio::sync::mpsc;
use tokio::time::sleep;
use transport::{Opened, Peer, PeerConfig, PeerEvent};

use crate::lip_sync::LipSync;

/// How many orders may wait. The longest run is a description with all candidates that were held back for it.
const ORDERS_LIMIT: usize = 256;
/// How long a goodbye may take to leave before the connection is closed under it.
const GOODBYE_TIME: Duration = Duration::from_millis(150);

/// What the session wants done to the connection.
#[derive(Debug)]
pub(crate) enum Order {
    /// Report the offer of a connection that has gathered ahead.
    TellOfferAhead,
    TakeRole(Role),
    AllowDirect,
    CreateOffer {
        restart: Option<Restart>,
    },
    CreateAnswer,
    ApplyRemote(Description),
    Rollback,
    AddCandidate(Option<Candidate>),
    /// Make it possible to send pictures of a screen.
    ShareScreen,
    Close {
        say_bye: bool,
    },
}

/// What the session hears of the connection.
pub(crate) enum News {
    /// It is there. The receivers deliver what arrives.
    Opened {
        peer: Peer,
        video: mpsc::Receiver<RtpPacket>,
        audio: mpsc::Receiver<RtpPacket>,
        screen: mpsc::Receiver<RtpPacket>,
    },
    /// What the connection would offer, with all its candidates.
    OfferAhead(Description),
    /// Something that the call has to know.
    Fact(PeerFact),
    /// Messages can be sent.
    MessageChannelOpen,
    /// The partner sent a message.
    Message(String),
}

/// What the tasks tell somebody else than the session, because it is media's business.
#[derive(Clone)]
pub(crate) struct MediaTaps {
    /// Called when the partner needs a keyframe.
    pub(crate) keyframe_wanted: Arc<dyn Fn() + Send + Sync>,
    /// The same for the screen that is shared.
    pub(crate) screen_keyframe_wanted: Arc<dyn Fn() + Send + Sync>,
    /// Hears the sender reports.
    pub(crate) lip_sync: Arc<LipSync>,
}

/// Names one connection among all that this program ever made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) u64);

/// The session's end of the tasks. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct PeerTask {
    key: Key,
    orders: mpsc::Sender<Order>,
}

impl PeerTask {
    /// Begins to open a connection that has no role yet, and to gather its candidates. News carry `key`.
    ///
    /// The first order tells the role.
    pub(crate) fn open(
        key: Key,
        config: PeerConfig,
        taps: MediaTaps,
        news: mpsc::Sender<(Key, News)>,
    ) -> Self {
        let (orders, queue) = mpsc::channel(ORDERS_LIMIT);
        tokio::spawn(run(key, config, taps, queue, news));
        Self { key, orders }
    }

    pub(crate) const fn key(&self) -> Key {
        self.key
    }

    /// Queues an order.
    ///
    /// # Errors
    /// When the queue is full or the connection is gone: the call cannot go on.
    pub(crate) fn order(&self, order: Order) -> Result<(), ()> {
        self.orders.try_send(order).map_err(|_| ())
    }
}

async fn run(
    id: Key,
    config: PeerConfig,
    taps: MediaTaps,
    mut orders: mpsc::Receiver<Order>,
    news: mpsc::Sender<(Key, News)>,
) {
    let Opened {
        peer,
        events,
        video,
        audio,
        screen,
    } = match Peer::open_without_role(config).await {
        Ok(opened) => opened,
        Err(error) => {
            tracing::warn!(%error, "no peer connection");
            report(&news, id, News::Fact(PeerFact::OpenFailed)).await;
            return;
        }
    };
    report(
        &news,
        id,
        News::Opened {
            peer: peer.clone(),
            video,
            audio,
            screen,
        },
    )
    .await;
    let events = tokio::spawn(hand_on(id, events, taps, news.clone()));
    // An order that is there already says that there is no time to gather ahead.
    if orders.is_empty()
        && let Err(error) = peer.gather_ahead().await
    {
        tracing::warn!(%error, "candidates cannot be gathered ahead");
    }
    let mut say_bye = false;
    while let Some(order) = orders.recv().await {
        if let Order::Close { say_bye: bye } = order {
            say_bye = bye;
            break;
        }
        if let Some(item) = carry_out(&peer, order).await {
            report(&news, id, item).await;
        }
    }
    if say_bye
        && peer
            .send_message(protocol::encode(&PeerMessage::Bye))
            .is_ok()
    {
        sleep(GOODBYE_TIME).await;
    }
    peer.close().await;
    events.abort();
}

async fn carry_out(peer: &Peer, order: Order) -> Option<News> {
    if matches!(order, Order::TellOfferAhead) {
        let offer = peer.offer_ahead().await;
        let offer =
            offer.inspect_err(|error| tracing::debug!(%error, "there is no offer to tell ahead"));
        return offer.ok().map(News::OfferAhead);
    }
    negotiate(peer, order).await.map(News::Fact)
}

async fn negotiate(peer: &Peer, order: Order) -> Option<PeerFact> {
    let result = match order {
        Order::TakeRole(role) => {
            let fact = match peer.take_role(role == Role::Offerer).await {
                Ok(()) => PeerFact::Opened,
                Err(error) => {
                    tracing::warn!(%error, "the peer connection takes no role");
                    PeerFact::OpenFailed
                }
            };
            Ok(Some(fact))
        }
        Order::AllowDirect => {
            peer.allow_direct();
            Ok(None)
        }
        Order::CreateOffer { restart } => peer
            .create_offer(restart.map(in_the_words_of_transport))
            .await
            .map(|offer| Some(PeerFact::OfferCreated(offer))),
        Order::CreateAnswer => peer
            .create_answer()
            .await
            .map(|answer| Some(PeerFact::AnswerCreated(answer))),
        Order::ApplyRemote(description) => peer
            .apply_remote(description)
            .await
            .map(|()| Some(PeerFact::RemoteApplied)),
        Order::Rollback => {
            // Nothing is reported: where it fails, so does what comes next, and that says so.
            if let Err(error) = peer.rollback().await {
                tracing::warn!(%error, "a rollback failed");
            }
            Ok(None)
        }
        Order::AddCandidate(candidate) => {
            // One bad candidate of many harms nothing: the others may well do.
            if let Err(error) = peer.add_candidate(candidate).await {
                tracing::debug!(%error, "a candidate was refused");
            }
            Ok(None)
        }
        // The stack says next that there is something to negotiate.
        Order::ShareScreen => peer.share_screen().await.map(|()| None),
        Order::TellOfferAhead | Order::Close { .. } => Ok(None),
    };
    result.unwrap_or_else(|error| {
        tracing::warn!(%error, "the negotiation failed");
        Some(PeerFact::NegotiationFailed)
    })
}

const fn in_the_words_of_transport(restart: Restart) -> transport::Restart {
    match restart {
        Restart::Improve => transport::Restart::Improve,
        Restart::Keep => transport::Restart::Keep,
        Restart::Rebind => transport::Restart::Rebind,
    }
}

async fn hand_on(
    id: Key,
    mut events: mpsc::Receiver<PeerEvent>,
    taps: MediaTaps,
    news: mpsc::Sender<(Key, News)>,
) {
    while let Some(event) = events.recv().await {
        let item = match event {
            PeerEvent::LocalCandidate(candidate) => News::Fact(PeerFact::LocalCandidate(candidate)),
            PeerEvent::Connected => News::Fact(PeerFact::Connected),
            PeerEvent::PathSelected(path) => News::Fact(PeerFact::PathSelected {
                is_relayed: path.is_relayed(),
            }),
            PeerEvent::Disconnected => News::Fact(PeerFact::Disconnected),
            PeerEvent::Failed => News::Fact(PeerFact::Failed),
            PeerEvent::NegotiationNeeded => News::Fact(PeerFact::NegotiationNeeded),
            PeerEvent::MessageChannelOpen => News::MessageChannelOpen,
            PeerEvent::Message(text) => News::Message(text),
            PeerEvent::KeyframeRequested(Pictures::Camera) => {
                (taps.keyframe_wanted)();
                continue;
            }
            PeerEvent::KeyframeRequested(Pictures::Screen) => {
                (taps.screen_keyframe_wanted)();
                continue;
            }
            PeerEvent::SenderReport {
                kind,
                ntp,
                rtp_timestamp,
            } => {
                taps.lip_sync.on_sender_report(kind, ntp, rtp_timestamp);
                continue;
            }
        };
        report(&news, id, item).await;
    }
}

/// A session that is gone needs no news.
async fn report(news: &mpsc::Sender<(Key, News)>, id: Key, item: News) {
    drop(news.send((id, item)).await);
}

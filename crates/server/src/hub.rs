//! The one owner of the matchmaker and of the list of those who are there.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Instant, SystemTime},
};

use ::relay::Rate;
use cluster::{NodeId, redis::News};
use matchmaker::{Input, Output, PeerId, Wishes};
use protocol::{
    ClientMessage, DescriptionKind, ErrorCode, IceServer, Resume, RoomId, ServerMessage,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::{
    Settings,
    clients::{About, Client, Clients},
    counters::{Counters, Refusal, Total},
    drain::Drain,
    ice_servers::{self, BuiltIn},
    outbox::{Frames, Full},
    path_policy,
    random::{random_bytes, random_u64},
    safety::{Facts, KeyHash, Records, Shared, Writer, Written},
};

mod elsewhere;
mod matches;
mod newcomers;
mod pools;
mod safety;
mod sessions;
mod shared;

pub(crate) use elsewhere::{Elsewhere, ORDERS};
use newcomers::Entrance;
use pools::Pools;
use safety::{Desk, Said};
pub(crate) use safety::{Order, OrderResult, Overview, PutOff};

/// How many inputs may wait for the hub. Connections wait for room; the hub waits for nobody.
pub(crate) const INPUTS: usize = 1024;
/// How many inputs are taken before the hub looks at the time and at orders to end.
const AT_ONCE: usize = 64;

/// When the first and the last client may come back after a shutdown, in milliseconds: spread, so that they do not all
/// come at once.
const RECONNECT_MS: std::ops::Range<u64> = 1_000..10_000;

/// How often a client may ask to be prepared: each time costs credentials.
const PREPARES: Rate = Rate {
    per_second: 2,
    burst: 8,
};

/// What connections tell the hub.
#[derive(Debug)]
pub(crate) enum HubInput {
    /// A client said `hello`.
    Greeted {
        resume: Option<Resume>,
        about: About,
        admit: oneshot::Sender<Admission>,
    },
    /// A greeted client said something that concerns others.
    Said {
        peer: PeerId,
        message: ClientMessage,
    },
    /// A greeted client has proved a key.
    Identified { peer: PeerId, key: KeyHash },
    /// The operator wants something.
    Ordered(Order),
    /// Redis, or another server, has said something.
    News(News),
    /// The connection of a greeted client has ended.
    Ended {
        peer: PeerId,
        /// What it leaves behind.
        frames: Frames,
        /// Whether the client may come back.
        is_loss: bool,
    },
}

impl From<News> for HubInput {
    fn from(news: News) -> Self {
        Self::News(news)
    }
}

/// What a connection needs once its client has said `hello`.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) peer: PeerId,
    pub(crate) frames: Frames,
    /// Fires when the connection must end.
    pub(crate) cut: CancellationToken,
    pub(crate) welcome: ServerMessage,
}

/// See the module.
pub(crate) struct Hub {
    matchmaker: Pools,
    clients: Clients,
    relay: Option<BuiltIn>,
    settings: Arc<Settings>,
    counters: Arc<Counters>,
    /// Rooms in which no answer has come yet, and until when that is put up with; the oldest first. Rooms that are gone or
    /// have come up stay until then.
    unanswered: VecDeque<(Instant, PeerId, RoomId)>,
    /// Whose question for a partner waits, and until when. Entries whose question is gone stay until then.
    put_off: BTreeSet<(Instant, PeerId)>,
    /// Whose question is asked at this moment that was put off.
    told_waiting: Option<PeerId>,
    desk: Desk,
    entrance: Entrance,
    /// The other servers, if there are to be any.
    elsewhere: Option<Elsewhere>,
    /// What has been written down.
    written: mpsc::Receiver<Written>,
    /// Whether those who are in no room are sent away.
    is_draining: bool,
    /// Clients that are forgotten here, but the matchmaker does not know yet.
    forgotten: Vec<PeerId>,
}

impl Hub {
    pub(crate) fn new(
        settings: Arc<Settings>,
        relay: Option<BuiltIn>,
        counters: Arc<Counters>,
        (records, (facts, own_secret), writer, written): (
            Records,
            (Facts, [u8; 32]),
            Writer,
            mpsc::Receiver<Written>,
        ),
        elsewhere: Option<Elsewhere>,
    ) -> Self {
        let matchmaker = Pools::new(settings.matching, random_room);
        let me = (elsewhere.as_ref()).map_or_else(|| NodeId(random_u64()), Elsewhere::me);
        let shared = Shared::new(me, facts, &settings.reputation);
        Self {
            put_off: BTreeSet::new(),
            told_waiting: None,
            desk: Desk::new(records, (shared, own_secret), writer, Instant::now()),
            entrance: Entrance::new(settings.newcomers, Instant::now()),
            elsewhere,
            written,
            matchmaker,
            clients: Clients::new(settings.max_connections),
            relay,
            settings,
            counters,
            unanswered: VecDeque::new(),
            is_draining: false,
            forgotten: Vec::new(),
        }
    }

    /// Runs until `shutdown`; then says good-bye to everybody. From the beginning of `drain` on, those who are in no room
    /// are sent away, and it is told when nobody is left.
    pub(crate) async fn run(
        mut self,
        mut inputs: mpsc::Receiver<HubInput>,
        drain: Drain,
        shutdown: CancellationToken,
    ) {
        self.reconcile();
        self.count_records();
        loop {
            let due = [
                Some(self.desk.tidy_at()),
                self.put_off.first().map(|(until, _)| *until),
                self.entrance.poll_timeout(Instant::now()),
                self.matchmaker.poll_timeout(),
                self.clients.next_due(),
                self.unanswered.front().map(|(until, ..)| *until),
                self.elsewhere.as_ref().and_then(Elsewhere::poll_timeout),
                self.desk.shared.poll_timeout(),
            ];
            let due = due.into_iter().flatten().min();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = drain.begun(), if !self.is_draining => self.begin_drain(),
                // Before the inputs, which may never end: somebody waits for it, and there is little of it.
                Some(written) = self.written.recv() => self.on_written(written),
                input = inputs.recv() => match input {
                    Some(input) => self.on_input(input),
                    None => break,
                },
                () = sleep_until(due) => self.inform(Input::Timeout),
            }
            self.settle();
            // To wait for all of the above costs more than most inputs do.
            for _ in 0..AT_ONCE {
                let Ok(input) = inputs.try_recv() else { break };
                self.on_input(input);
                self.settle();
            }
            let Counters {
                waiting,
                rooms,
                absent,
                ..
            } = &*self.counters;
            waiting.store(self.matchmaker.waiting_count(), Relaxed);
            rooms.store(self.matchmaker.room_count(), Relaxed);
            absent.store(self.clients.away_count(), Relaxed);
            self.count_newcomers();
            self.counters
                .apart
                .store(self.matchmaker.apart_count(), Relaxed);
            if self.is_draining && self.clients.is_empty() {
                drain.nobody_is_left();
            }
        }
        self.say_goodbye();
        self.take_leave();
    }

    /// Does what follows from an input and from the time that has passed.
    fn settle(&mut self) {
        let now = Instant::now();
        self.tidy(now);
        self.ask_put_off(now);
        self.open_lane(now);
        self.part_unanswered(now);
        while let Some(peer) = self.clients.overdue(Instant::now()) {
            self.counters.count(Total::SessionsLost);
            self.forget(peer);
        }
        // Forgetting one tells his partner, who may be cut off for not reading.
        self.carry_out_elsewhere();
        while let Some(peer) = self.forgotten.pop() {
            self.forget_elsewhere(peer);
            self.entrance.forget(peer);
            self.inform(Input::Disconnected { peer });
        }
        // What has followed for other servers goes out now.
        self.carry_out_elsewhere();
    }

    fn on_input(&mut self, input: HubInput) {
        match input {
            HubInput::Greeted {
                resume,
                about,
                admit,
            } => self.on_greeted(resume, about, admit),
            HubInput::Said { peer, message } => {
                // A client that has just been cut off may have frames under way.
                if self.clients.get(peer).is_some() {
                    self.on_said(peer, message);
                    self.dismiss_if_alone(peer);
                }
            }
            HubInput::Identified { peer, key } => self.on_identified(peer, key),
            HubInput::Ordered(order) => self.on_order(order),
            HubInput::News(news) => self.on_news(news),
            HubInput::Ended {
                peer,
                frames,
                is_loss,
            } => self.on_ended(peer, frames, is_loss),
        }
    }

    fn on_said(&mut self, peer: PeerId, message: ClientMessage) {
        if self.has_answered(peer, &message) {
            return;
        }
        match message {
            // The connection sees to these.
            ClientMessage::Hello { .. } | ClientMessage::Identify { .. } => {}
            ClientMessage::Worked { nonce } => self.on_worked(peer, nonce),
            ClientMessage::Prepare => self.on_prepare(peer),
            ClientMessage::Join {
                interests,
                language,
                offer,
            } => {
                self.counters.count(Total::Joins);
                let wishes = Wishes::new(&interests, language.as_deref());
                self.on_partner_asked(peer, Input::JoinAsked { peer, wishes }, offer);
            }
            ClientMessage::Next { room, offer } => {
                self.counters.count(Total::Nexts);
                self.on_partner_asked(peer, Input::NextAsked { peer, room }, offer);
            }
            ClientMessage::Offer { offer } => self.on_offer(peer, offer),
            ClientMessage::Leave { room } => {
                self.counters.count(Total::Leaves);
                self.set_waiting(peer, false);
                self.inform(Input::LeaveAsked { peer, room });
            }
            ClientMessage::Report {
                room,
                reason,
                note,
                block,
                lines,
            } => self.on_report(
                peer,
                room,
                Said {
                    reason,
                    note,
                    block,
                    lines,
                },
            ),
            ClientMessage::Block { room } => self.on_block(peer, room),
            ClientMessage::Description { room, .. }
            | ClientMessage::Candidate { room, .. }
            | ClientMessage::ChatKey { room, .. } => {
                self.relay(peer, room, message);
            }
        }
    }

    fn on_prepare(&mut self, peer: PeerId) {
        let Some(client) = self.clients.get_mut(peer) else {
            return;
        };
        if !client.prepares.take(1, PREPARES, Instant::now()) {
            self.counters.refuse(Refusal::Prepares);
            let words = "prepare may be sent 8 times at once and twice a second on average";
            return self.refuse(peer, ErrorCode::TooFast, words, None);
        }
        let answer = ServerMessage::Prepared {
            ice_servers: self.ice_servers(peer),
            path_policy: self.settings.path_policy,
        };
        self.send(peer, &answer);
    }

    /// Passes to the partner what may be passed on of a description, candidate or key, if `peer` is in `room` at all.
    fn relay(&mut self, peer: PeerId, room: RoomId, message: ClientMessage) {
        match self.matchmaker.room_of(peer) {
            Some((present, partner)) if present == room => {
                if is_answer(&message) {
                    self.inform(Input::CameUp { peer, room });
                }
                if let ClientMessage::ChatKey { key, .. } = &message
                    && !self.desk.meetings.take_chat_key(room, peer, *key)
                {
                    // The first one counts, for the partner as for reports.
                    return;
                }
                if self.is_guest(partner) {
                    // The other server sees to what may be passed on.
                    return self.pass_elsewhere(room, message);
                }
                let passed = path_policy::pass(message, self.settings.path_policy);
                self.counters
                    .add(Total::WithheldCandidates, passed.withheld);
                if let Some(message) = passed.message {
                    self.counters.count(match message {
                        ServerMessage::Candidate { .. } => Total::Candidates,
                        ServerMessage::ChatKey { .. } => Total::ChatKeys,
                        _ => Total::Descriptions,
                    });
                    self.send(partner, &message);
                }
            }
            _ => self.refuse_room(peer, room),
        }
    }

    fn inform(&mut self, input: Input) {
        self.matchmaker.handle(input, Instant::now());
        self.carry_out_all();
    }

    fn carry_out_all(&mut self) {
        while let Some(output) = self.matchmaker.poll_output() {
            self.carry_out(output);
        }
    }

    /// Parts those of whom one has not answered the other: a silent one must not keep a person waiting.
    fn part_unanswered(&mut self, now: Instant) {
        while let Some((_, peer, room)) = self.unanswered.pop_front_if(|(until, ..)| *until <= now)
        {
            let rooms = self.matchmaker.room_count();
            self.inform(Input::Unanswered { peer, room });
            if self.matchmaker.room_count() < rooms {
                self.counters.count(Total::Unanswered);
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            // Nobody is matched any more: the one who asked is sent away.
            Output::TellWaiting { .. } if self.is_draining => {}
            // It was told when the question was put off.
            Output::TellWaiting { peer } if self.told_waiting == Some(peer) => {
                self.set_waiting(peer, true);
                self.offer_elsewhere(peer);
            }
            Output::TellWaiting { peer } => {
                self.set_waiting(peer, true);
                self.offer_elsewhere(peer);
                self.send(
                    peer,
                    &ServerMessage::Waiting {
                        online: self.online(),
                    },
                );
            }
            Output::TellMatched {
                room,
                offerer,
                answerer,
                interests,
            } => {
                debug!(rooms = self.matchmaker.room_count(), "matched");
                let until = Instant::now() + self.settings.answer_deadline;
                self.unanswered.push_back((until, offerer, room));
                self.note_meeting(room, [offerer, answerer]);
                self.tell_matched(room, offerer, answerer, &interests);
            }
            Output::TellPartnerLeft { peer, room, reason } => {
                debug!(rooms = self.matchmaker.room_count(), ?reason, "parted");
                self.desk.meetings.end(room, Instant::now());
                if self.dismiss_guest(peer, room, reason) {
                    return;
                }
                self.send(peer, &ServerMessage::PartnerLeft { room, reason });
                self.dismiss_if_alone(peer);
            }
            Output::RefuseRoom { peer, room } => self.refuse_room(peer, room),
        }
    }

    fn refuse_room(&mut self, peer: PeerId, room: RoomId) {
        self.counters.refuse(Refusal::WrongRoom);
        let words = "you are not in this room";
        self.refuse(peer, ErrorCode::WrongRoom, words, Some(room));
    }

    fn refuse(&mut self, peer: PeerId, code: ErrorCode, words: &str, room: Option<RoomId>) {
        let message = words.to_owned();
        let refusal = ServerMessage::Error {
            code,
            message,
            room,
        };
        self.send(peer, &refusal);
    }

    fn send(&mut self, peer: PeerId, message: &ServerMessage) {
        let Some(client) = self.clients.get_mut(peer) else {
            return;
        };
        if client.outbox.push(message) == Err(Full) {
            debug!("a client that does not read is cut off");
            self.counters.refuse(Refusal::SlowReader);
            self.forget(peer);
        }
    }

    fn set_waiting(&mut self, peer: PeerId, is_waiting: bool) {
        if !is_waiting {
            self.recall(peer);
        }
        if let Some(client) = self.clients.get_mut(peer) {
            client.outbox.set_waiting(is_waiting);
            if !is_waiting {
                client.put_off = None;
                client.withheld = None;
                client.offer = None;
                client.asked_at = None;
            }
        }
    }

    fn online(&self) -> u32 {
        let elsewhere = self.elsewhere.as_ref().map_or(0, Elsewhere::others_online);
        u32::try_from(self.clients.here_count() + elsewhere).unwrap_or(u32::MAX)
    }

    fn ice_servers(&self, peer: PeerId) -> Vec<IceServer> {
        let client = self.clients.get(peer);
        let host = client.map_or("", |client| client.about.host.as_ref());
        let unix_time = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let Settings { stun, turn, .. } = &*self.settings;
        ice_servers::for_call(
            stun,
            turn.as_ref(),
            self.relay.as_ref(),
            host,
            unix_time,
            random_u64(),
        )
    }

    /// From here on nobody new comes in, and whoever is in no room is sent away.
    fn begin_drain(&mut self) {
        self.is_draining = true;
        info!(
            rooms = self.matchmaker.room_count(),
            "the server empties itself: nobody new is let in, and rooms go on for a while"
        );
        let peers: Vec<PeerId> = self.clients.peers().collect();
        for peer in peers {
            self.dismiss_if_alone(peer);
        }
    }

    /// Sends one away who is in no room, if the server is to become empty.
    fn dismiss_if_alone(&mut self, peer: PeerId) {
        if !self.is_draining || self.matchmaker.room_of(peer).is_some() {
            return;
        }
        if let Some(mut client) = self.clients.let_go(peer) {
            tell_shutdown(&mut client);
            self.forgotten.push(peer);
        }
    }

    fn say_goodbye(&mut self) {
        self.clients.all_mut().for_each(tell_shutdown);
    }
}

fn tell_shutdown(client: &mut Client) {
    if client.outbox.push(&shutdown()) == Err(Full) {
        debug!("a client that does not read is not told of the shutdown");
    }
}

/// Says when to come back.
fn shutdown() -> ServerMessage {
    let spread = RECONNECT_MS.end - RECONNECT_MS.start;
    ServerMessage::Shutdown {
        reconnect_in_ms: RECONNECT_MS.start + random_u64() % spread,
    }
}

/// Whether a call may come up now: what comes after the first answer goes past the server.
fn is_answer(message: &ClientMessage) -> bool {
    matches!(
        message,
        ClientMessage::Description { description, .. } if description.kind == DescriptionKind::Answer
    )
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

fn random_room() -> RoomId {
    RoomId::from_bytes(random_bytes())
}

//! The one owner of the matchmaker and of the list of those who are there.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Instant, SystemTime},
};

use ::relay::Rate;
use matchmaker::{Input, Matchmaker, Output, PeerId, Wishes};
use protocol::{
    ClientMessage, DescriptionKind, ErrorCode, IceServer, Resume, RoomId, ServerMessage,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{
    Settings,
    clients::{About, Clients},
    ice_servers::{self, BuiltIn},
    outbox::{Frames, Full},
    path_policy,
    random::{random_bytes, random_u64},
    server::Counters,
};

mod matches;
mod sessions;

/// How many inputs may wait for the hub. Connections wait for room; the hub waits for nobody.
pub(crate) const INPUTS: usize = 1024;

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
    /// The connection of a greeted client has ended.
    Ended {
        peer: PeerId,
        /// What it leaves behind.
        frames: Frames,
        /// Whether the client may come back.
        is_loss: bool,
    },
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
    matchmaker: Matchmaker<fn() -> RoomId>,
    clients: Clients,
    relay: Option<BuiltIn>,
    settings: Arc<Settings>,
    counters: Arc<Counters>,
    /// Clients that are forgotten here, but the matchmaker does not know yet.
    forgotten: Vec<PeerId>,
}

impl Hub {
    pub(crate) fn new(
        settings: Arc<Settings>,
        relay: Option<BuiltIn>,
        counters: Arc<Counters>,
    ) -> Self {
        let matchmaker = Matchmaker::new(settings.matching, random_room as fn() -> RoomId);
        Self {
            matchmaker,
            clients: Clients::new(settings.max_connections),
            relay,
            settings,
            counters,
            forgotten: Vec::new(),
        }
    }

    /// Runs until `shutdown`; then says good-bye to everybody.
    pub(crate) async fn run(
        mut self,
        mut inputs: mpsc::Receiver<HubInput>,
        shutdown: CancellationToken,
    ) {
        loop {
            let due = [self.matchmaker.poll_timeout(), self.clients.next_due()];
            let due = due.into_iter().flatten().min();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                input = inputs.recv() => match input {
                    Some(input) => self.on_input(input),
                    None => break,
                },
                () = sleep_until(due) => self.inform(Input::Timeout),
            }
            while let Some(peer) = self.clients.overdue(Instant::now()) {
                self.forget(peer);
            }
            // Forgetting one tells his partner, who may be cut off for not reading.
            while let Some(peer) = self.forgotten.pop() {
                self.inform(Input::Disconnected { peer });
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
        }
        self.say_goodbye();
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
                }
            }
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
            // The connection answers every `hello`.
            ClientMessage::Hello { .. } => {}
            ClientMessage::Prepare => self.on_prepare(peer),
            ClientMessage::Join {
                interests,
                language,
                offer,
            } => {
                let wishes = Wishes::new(&interests, language.as_deref());
                self.on_partner_asked(peer, Input::JoinAsked { peer, wishes }, offer);
            }
            ClientMessage::Next { room, offer } => {
                self.on_partner_asked(peer, Input::NextAsked { peer, room }, offer);
            }
            ClientMessage::Offer { offer } => self.on_offer(peer, offer),
            ClientMessage::Leave { room } => {
                self.set_waiting(peer, false);
                self.inform(Input::LeaveAsked { peer, room });
            }
            ClientMessage::Description { room, .. } | ClientMessage::Candidate { room, .. } => {
                self.relay(peer, room, message);
            }
        }
    }

    fn on_prepare(&mut self, peer: PeerId) {
        let Some(client) = self.clients.get_mut(peer) else {
            return;
        };
        if !client.prepares.take(1, PREPARES, Instant::now()) {
            let words = "prepare may be sent 8 times at once and twice a second on average";
            return self.refuse(peer, ErrorCode::TooFast, words, None);
        }
        let answer = ServerMessage::Prepared {
            ice_servers: self.ice_servers(peer),
            path_policy: self.settings.path_policy,
        };
        self.send(peer, &answer);
    }

    /// Passes to the partner what may be passed on of a description or candidate, if `peer` is in `room` at all.
    fn relay(&mut self, peer: PeerId, room: RoomId, message: ClientMessage) {
        match self.matchmaker.room_of(peer) {
            Some((present, partner)) if present == room => {
                if is_answer(&message) {
                    self.inform(Input::CameUp { peer, room });
                }
                let passed = path_policy::pass(message, self.settings.path_policy);
                self.counters
                    .withheld_candidates
                    .fetch_add(passed.withheld, Relaxed);
                if let Some(message) = passed.message {
                    self.send(partner, &message);
                }
            }
            _ => self.refuse_room(peer, room),
        }
    }

    fn inform(&mut self, input: Input) {
        self.matchmaker.handle(input, Instant::now());
        while let Some(output) = self.matchmaker.poll_output() {
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::TellWaiting { peer } => {
                self.set_waiting(peer, true);
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
                self.tell_matched(room, offerer, answerer, &interests);
            }
            Output::TellPartnerLeft { peer, room, reason } => {
                debug!(rooms = self.matchmaker.room_count(), ?reason, "parted");
                self.send(peer, &ServerMessage::PartnerLeft { room, reason });
            }
            Output::RefuseRoom { peer, room } => self.refuse_room(peer, room),
        }
    }

    fn refuse_room(&mut self, peer: PeerId, room: RoomId) {
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
            self.forget(peer);
        }
    }

    fn set_waiting(&mut self, peer: PeerId, is_waiting: bool) {
        if let Some(client) = self.clients.get_mut(peer) {
            client.outbox.set_waiting(is_waiting);
            if !is_waiting {
                client.offer = None;
            }
        }
    }

    fn online(&self) -> u32 {
        u32::try_from(self.clients.here_count()).unwrap_or(u32::MAX)
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

    fn say_goodbye(&mut self) {
        let spread = RECONNECT_MS.end - RECONNECT_MS.start;
        for client in self.clients.all_mut() {
            let reconnect_in_ms = RECONNECT_MS.start + random_u64() % spread;
            let shutdown = ServerMessage::Shutdown { reconnect_in_ms };
            if client.outbox.push(&shutdown) == Err(Full) {
                debug!("a client that does not read is not told of the shutdown");
            }
        }
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

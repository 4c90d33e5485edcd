//! The one owner of the matchmaker and of the list of those who are connected.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Instant, SystemTime},
};

use matchmaker::{Input, Matchmaker, Output, PeerId, Wishes};
use protocol::{ClientMessage, ErrorCode, IceServer, Role, RoomId, ServerMessage};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{
    Settings,
    ice_servers::{self, BuiltIn},
    outbox::{Full, Outbox},
    server::Counters,
};

/// How many inputs may wait for the hub. Connections wait for room; the hub waits for nobody.
pub(crate) const INPUTS: usize = 1024;

/// When the first and the last client may come back after a shutdown, in milliseconds: spread, so that they do not all
/// come at once.
const RECONNECT_MS: std::ops::Range<u64> = 1_000..10_000;

/// What connections tell the hub.
#[derive(Debug)]
pub(crate) enum HubInput {
    /// A client said `hello`.
    Greeted {
        peer: PeerId,
        outbox: Outbox,
        /// The name by which it found the server.
        host: Box<str>,
    },
    /// A greeted client said something that concerns others.
    Said {
        peer: PeerId,
        message: ClientMessage,
    },
    /// The connection of a greeted client has ended.
    Gone { peer: PeerId },
}

/// See the module.
pub(crate) struct Hub {
    matchmaker: Matchmaker<fn() -> RoomId>,
    outboxes: BTreeMap<PeerId, Outbox>,
    /// The names by which the clients found the server.
    hosts: BTreeMap<PeerId, Box<str>>,
    relay: Option<BuiltIn>,
    settings: Arc<Settings>,
    counters: Arc<Counters>,
    /// Clients that did not read: cut off, but the matchmaker does not know yet.
    cut_off: Vec<PeerId>,
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
            outboxes: BTreeMap::new(),
            hosts: BTreeMap::new(),
            relay,
            settings,
            counters,
            cut_off: Vec::new(),
        }
    }

    /// Runs until `shutdown`; then says good-bye to everybody.
    pub(crate) async fn run(
        mut self,
        mut inputs: mpsc::Receiver<HubInput>,
        shutdown: CancellationToken,
    ) {
        loop {
            let due = self.matchmaker.poll_timeout();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                input = inputs.recv() => match input {
                    Some(input) => self.on_input(input),
                    None => break,
                },
                () = sleep_until(due) => self.inform(Input::Timeout),
            }
            // Cutting one off tells his partner, who may be cut off in turn.
            while let Some(peer) = self.cut_off.pop() {
                self.inform(Input::Disconnected { peer });
            }
            self.counters
                .waiting
                .store(self.matchmaker.waiting_count(), Relaxed);
            self.counters
                .rooms
                .store(self.matchmaker.room_count(), Relaxed);
        }
        self.say_goodbye();
    }

    fn on_input(&mut self, input: HubInput) {
        match input {
            HubInput::Greeted { peer, outbox, host } => {
                self.outboxes.insert(peer, outbox);
                self.hosts.insert(peer, host);
                let version = protocol::VERSION;
                self.send(
                    peer,
                    &ServerMessage::Welcome {
                        version,
                        online: self.online(),
                    },
                );
            }
            HubInput::Said { peer, message } => {
                // A client that has just been cut off may have frames under way.
                if self.outboxes.contains_key(&peer) {
                    self.on_said(peer, message);
                }
            }
            HubInput::Gone { peer } => {
                self.hosts.remove(&peer);
                if self.outboxes.remove(&peer).is_some() {
                    self.inform(Input::Disconnected { peer });
                }
            }
        }
    }

    fn on_said(&mut self, peer: PeerId, message: ClientMessage) {
        match message {
            // The connection answers every `hello`.
            ClientMessage::Hello { .. } => {}
            ClientMessage::Join {
                interests,
                language,
            } => {
                let wishes = Wishes::new(&interests, language.as_deref());
                self.inform(Input::JoinAsked { peer, wishes });
            }
            ClientMessage::Next { room } => self.inform(Input::NextAsked { peer, room }),
            ClientMessage::Leave { room } => {
                self.set_waiting(peer, false);
                self.inform(Input::LeaveAsked { peer, room });
            }
            ClientMessage::Description { room, description } => {
                self.relay(
                    peer,
                    room,
                    &ServerMessage::Description { room, description },
                );
            }
            ClientMessage::Candidate { room, candidate } => {
                self.relay(peer, room, &ServerMessage::Candidate { room, candidate });
            }
        }
    }

    /// Passes `message` to the partner, if `peer` is in `room` at all.
    fn relay(&mut self, peer: PeerId, room: RoomId, message: &ServerMessage) {
        match self.matchmaker.room_of(peer) {
            Some((present, partner)) if present == room => self.send(partner, message),
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
                for (peer, role) in [(offerer, Role::Offerer), (answerer, Role::Answerer)] {
                    self.set_waiting(peer, false);
                    let interests = interests.clone();
                    let ice_servers = self.ice_servers(peer);
                    self.send(
                        peer,
                        &ServerMessage::Matched {
                            room,
                            role,
                            interests,
                            ice_servers,
                        },
                    );
                }
            }
            Output::TellPartnerLeft { peer, room, reason } => {
                debug!(rooms = self.matchmaker.room_count(), ?reason, "parted");
                self.send(peer, &ServerMessage::PartnerLeft { room, reason });
            }
            Output::RefuseRoom { peer, room } => self.refuse_room(peer, room),
        }
    }

    fn refuse_room(&mut self, peer: PeerId, room: RoomId) {
        let message = "you are not in this room".to_owned();
        self.send(
            peer,
            &ServerMessage::Error {
                code: ErrorCode::WrongRoom,
                message,
                room: Some(room),
            },
        );
    }

    fn send(&mut self, peer: PeerId, message: &ServerMessage) {
        let Some(outbox) = self.outboxes.get(&peer) else {
            return;
        };
        if outbox.push(message) == Err(Full) {
            debug!("a client that does not read is cut off");
            if let Some(outbox) = self.outboxes.remove(&peer) {
                outbox.cut();
            }
            self.cut_off.push(peer);
        }
    }

    fn set_waiting(&self, peer: PeerId, is_waiting: bool) {
        if let Some(outbox) = self.outboxes.get(&peer) {
            outbox.set_waiting(is_waiting);
        }
    }

    fn online(&self) -> u32 {
        u32::try_from(self.outboxes.len()).unwrap_or(u32::MAX)
    }

    fn ice_servers(&self, peer: PeerId) -> Vec<IceServer> {
        let host = self.hosts.get(&peer).map_or("", AsRef::as_ref);
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

    fn say_goodbye(&self) {
        let spread = RECONNECT_MS.end - RECONNECT_MS.start;
        for outbox in self.outboxes.values() {
            let reconnect_in_ms = RECONNECT_MS.start + random_u64() % spread;
            if outbox.push(&ServerMessage::Shutdown { reconnect_in_ms }) == Err(Full) {
                debug!("a client that does not read is not told of the shutdown");
            }
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

fn random_room() -> RoomId {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system's random source works once it is running");
    RoomId::from_bytes(bytes)
}

fn random_u64() -> u64 {
    getrandom::u64().expect("the system's random source works once it is running")
}

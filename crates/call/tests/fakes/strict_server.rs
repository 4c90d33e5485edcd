//! A signalling server that keeps to the protocol and panics when a client does not.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{ClientMessage, Description, ErrorCode, LeaveReason, Role, RoomId, ServerMessage};
use simulation::Random;

use super::strict_stack::offer_name;

/// One WebSocket. A person who connects again gets another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnectionId(pub(crate) u64);

#[derive(Debug, Default)]
pub(crate) struct StrictServer {
    connections: BTreeMap<ConnectionId, Connection>,
    /// Who waits, longest first.
    queue: Vec<ConnectionId>,
    rooms: BTreeMap<RoomId, [ConnectionId; 2]>,
    next_room: u8,
    /// Whether a `next` for a room that is closed already counts as a wish for a partner. The protocol leaves it open.
    pub(crate) takes_late_next: bool,
    /// Refuse this share of the wishes for a partner.
    pub(crate) refusal_ratio: f64,
    /// The offers that were handed over, and in which room.
    pub(crate) given: Vec<(String, RoomId)>,
    /// What to say, in order.
    pub(crate) outbox: Vec<(ConnectionId, ServerMessage)>,
}

#[derive(Debug, Default)]
struct Connection {
    room: Option<RoomId>,
    /// The rooms that this connection was ever told of, and those that it said it left.
    told_of: BTreeSet<RoomId>,
    left: BTreeSet<RoomId>,
    /// What was told ahead. Left as it is by everything that ends a wait: the queue says who waits.
    offer: Option<Description>,
    takes_offer_ahead: bool,
}

impl StrictServer {
    pub(crate) fn connect(&mut self, id: ConnectionId, takes_offer_ahead: bool) {
        let connection = Connection {
            takes_offer_ahead,
            ..Connection::default()
        };
        self.connections.insert(id, connection);
    }

    /// The server notices that a connection is gone.
    pub(crate) fn disconnect(&mut self, id: ConnectionId) {
        self.leave_room(id, LeaveReason::Disconnected);
        self.queue.retain(|waiting| *waiting != id);
        self.connections.remove(&id);
    }

    /// The server loses a connection whose session it keeps: nobody is to wait for it in vain.
    pub(crate) fn suspend(&mut self, id: ConnectionId) {
        self.queue.retain(|waiting| *waiting != id);
    }

    pub(crate) fn hear(&mut self, id: ConnectionId, message: ClientMessage, random: &mut Random) {
        if !self.connections.contains_key(&id) {
            return;
        }
        let asks = matches!(
            message,
            ClientMessage::Join { .. } | ClientMessage::Next { .. }
        );
        if asks && random.chance(self.refusal_ratio) {
            self.refuse(id, ErrorCode::TooFast, None);
            return;
        }
        match message {
            ClientMessage::Hello { .. }
            | ClientMessage::Prepare
            | ClientMessage::Identify { .. }
            | ClientMessage::Worked { .. }
            | ClientMessage::ChatKey { .. }
            | ClientMessage::Report { .. }
            | ClientMessage::Block { .. } => {
                panic!("{id:?}: a call leaves {message:?} to the shell")
            }
            ClientMessage::Join { offer, .. } => {
                self.leave_room(id, LeaveReason::Next);
                self.connection(id).offer = offer;
                self.wait(id, random);
            }
            ClientMessage::Offer { offer } => {
                if self.queue.contains(&id) {
                    self.connection(id).offer = offer;
                }
            }
            ClientMessage::Next { room, offer } => {
                let room = room.unwrap_or_else(|| panic!("{id:?}: next without a room"));
                let is_outside = self.connections[&id].room.is_none();
                let was_there = self.take_leave(id, room, LeaveReason::Next);
                if was_there || (is_outside && self.takes_late_next) {
                    self.connection(id).offer = offer;
                    self.wait(id, random);
                } else if random.chance(0.5) {
                    self.refuse(id, ErrorCode::WrongRoom, Some(room));
                }
            }
            ClientMessage::Leave { room: Some(room) } => {
                // In no room, the name does not matter.
                if self.connections[&id].room.is_none() {
                    self.queue.retain(|waiting| *waiting != id);
                }
                self.take_leave(id, room, LeaveReason::Left);
            }
            ClientMessage::Leave { room: None } => {
                self.leave_room(id, LeaveReason::Left);
                self.queue.retain(|waiting| *waiting != id);
            }
            ClientMessage::Description { room, description } => {
                self.relay(id, room, ServerMessage::Description { room, description });
            }
            ClientMessage::Candidate { room, candidate } => {
                self.relay(id, room, ServerMessage::Candidate { room, candidate });
            }
        }
    }

    pub(crate) fn is_open(&self, room: RoomId) -> bool {
        self.rooms.contains_key(&room)
    }

    /// Whether the connection was in that room.
    fn take_leave(&mut self, id: ConnectionId, room: RoomId, reason: LeaveReason) -> bool {
        let connection = self.connections.get_mut(&id).expect("it speaks");
        assert!(
            connection.told_of.contains(&room),
            "{id:?} leaves a room it never heard of"
        );
        assert!(connection.left.insert(room), "{id:?} leaves a room twice");
        let is_there = connection.room == Some(room);
        if is_there {
            self.leave_room(id, reason);
        }
        is_there
    }

    fn leave_room(&mut self, id: ConnectionId, reason: LeaveReason) {
        let Some(room) = self
            .connections
            .get_mut(&id)
            .and_then(|left| left.room.take())
        else {
            return;
        };
        let both = self.rooms.remove(&room).expect("it was in it");
        let partner = both
            .into_iter()
            .find(|member| *member != id)
            .expect("there are two");
        self.connections
            .get_mut(&partner)
            .expect("it is in a room")
            .room = None;
        self.outbox
            .push((partner, ServerMessage::PartnerLeft { room, reason }));
    }

    fn wait(&mut self, id: ConnectionId, random: &mut Random) {
        self.queue.retain(|waiting| *waiting != id);
        if self.queue.is_empty() {
            self.queue.push(id);
            self.outbox.push((id, ServerMessage::Waiting { online: 2 }));
            return;
        }
        let partner = self.queue.remove(0);
        self.next_room += 1;
        let room = RoomId::from_bytes([self.next_room; 16]);
        self.rooms.insert(room, [id, partner]);
        let mut roles = [Role::Offerer, Role::Answerer];
        if random.chance(0.5) {
            roles.reverse();
        }
        let members = [id, partner];
        let [offerer, answerer] = if roles[0] == Role::Offerer {
            members
        } else {
            [partner, id]
        };
        let told = self.connection(offerer).offer.take();
        self.connection(answerer).offer = None;
        let offer = told.filter(|_| self.connection(answerer).takes_offer_ahead);
        if let Some(offer) = &offer {
            self.given.push((offer_name(offer), room));
        }
        for (member, role) in members.into_iter().zip(roles) {
            let connection = self.connections.get_mut(&member).expect("it waited");
            connection.room = Some(room);
            connection.told_of.insert(room);
            let matched = ServerMessage::Matched {
                room,
                role,
                interests: Vec::new(),
                ice_servers: Vec::new(),
                path_policy: protocol::PathPolicy::Any,
                offer: offer.clone().filter(|_| member == answerer),
                handed_over: (offer.as_ref())
                    .filter(|_| member == offerer)
                    .map(|offer| offer.number),
                partner: None,
            };
            self.outbox.push((member, matched));
        }
    }

    fn connection(&mut self, id: ConnectionId) -> &mut Connection {
        self.connections.get_mut(&id).expect("it speaks")
    }

    fn relay(&mut self, id: ConnectionId, room: RoomId, message: ServerMessage) {
        let connection = &self.connections[&id];
        assert!(
            connection.told_of.contains(&room),
            "{id:?} speaks in a room it never heard of"
        );
        assert!(
            !connection.left.contains(&room),
            "{id:?} speaks in a room that it left"
        );
        if connection.room != Some(room) {
            self.refuse(id, ErrorCode::WrongRoom, Some(room));
            return;
        }
        let partner = self.rooms[&room].into_iter().find(|member| *member != id);
        self.outbox.push((partner.expect("there are two"), message));
    }

    fn refuse(&mut self, id: ConnectionId, code: ErrorCode, room: Option<RoomId>) {
        let error = ServerMessage::Error {
            code,
            message: String::new(),
            room,
        };
        self.outbox.push((id, error));
    }
}

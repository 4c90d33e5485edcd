//! One person and the words to tell a story with.

use std::time::{Duration, Instant};

use call::{Call, Command, Config, EndReason, Input, Output, PeerFact, PeerId, State};
use protocol::{
    Candidate, ClientMessage, Description, DescriptionKind, ErrorCode, LeaveReason, Role, RoomId,
    ServerMessage,
};

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) const ROOM: RoomId = RoomId::from_bytes([1; 16]);
pub(crate) const NEXT_ROOM: RoomId = RoomId::from_bytes([2; 16]);
pub(crate) const FIRST: PeerId = PeerId(1);

/// One person, told fact by fact in virtual time.
pub(crate) struct Person {
    pub(crate) call: Call,
    pub(crate) now: Instant,
}

impl Person {
    pub(crate) fn new() -> Self {
        Self {
            call: Call::new(Config::default()),
            now: simulation::start(),
        }
    }

    pub(crate) fn with_signalling() -> Self {
        let mut person = Self::new();
        person.tell(Input::SignallingUp);
        person
    }

    pub(crate) fn searching() -> Self {
        let mut person = Self::with_signalling();
        person.command(start(&["chess"]));
        person.server(ServerMessage::Waiting { online: 2 });
        person
    }

    pub(crate) fn connected(role: Role) -> Self {
        let mut person = Self::searching();
        person.server(matched(ROOM, role));
        person.fact(PeerFact::Opened);
        if role == Role::Offerer {
            person.agree("a1", "b1");
        } else {
            person.server(ServerMessage::Description {
                room: ROOM,
                description: offer("b1"),
            });
            person.fact(PeerFact::RemoteApplied);
            person.fact(PeerFact::AnswerCreated(answer("a1")));
        }
        person.fact(PeerFact::Connected);
        person
    }

    /// An offer of ours is made, answered and agreed.
    pub(crate) fn agree(&mut self, local: &str, remote: &str) {
        self.fact(PeerFact::OfferCreated(offer(local)));
        self.server(ServerMessage::Description {
            room: ROOM,
            description: answer(remote),
        });
        self.fact(PeerFact::RemoteApplied);
    }

    pub(crate) fn tell(&mut self, input: Input) -> Vec<Output> {
        self.call.handle(input, self.now);
        std::iter::from_fn(|| self.call.poll_output()).collect()
    }

    pub(crate) fn command(&mut self, command: Command) -> Vec<Output> {
        self.tell(Input::Command(command))
    }

    pub(crate) fn server(&mut self, message: ServerMessage) -> Vec<Output> {
        self.tell(Input::Server(message))
    }

    pub(crate) fn fact(&mut self, fact: PeerFact) -> Vec<Output> {
        self.tell(Input::Peer { peer: FIRST, fact })
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    pub(crate) fn timeout(&mut self, after: Duration) -> Vec<Output> {
        self.pass(after);
        self.tell(Input::Timeout)
    }

    pub(crate) fn ended(&self) -> Option<EndReason> {
        match self.call.state() {
            State::Ended { reason } => Some(*reason),
            _ => None,
        }
    }
}

pub(crate) fn start(interests: &[&str]) -> Command {
    Command::Start {
        interests: owned(interests),
        language: Some("en".to_owned()),
    }
}

pub(crate) fn join(interests: &[&str]) -> ClientMessage {
    ClientMessage::Join {
        interests: owned(interests),
        language: Some("en".to_owned()),
        offer: None,
    }
}

pub(crate) fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

pub(crate) fn leave(room: RoomId) -> Output {
    Output::Send(ClientMessage::Leave { room: Some(room) })
}

pub(crate) fn close(peer: PeerId) -> Output {
    Output::ClosePeer {
        peer,
        say_bye: false,
    }
}

pub(crate) fn matched(room: RoomId, role: Role) -> ServerMessage {
    ServerMessage::Matched {
        room,
        role,
        interests: owned(&["chess"]),
        ice_servers: Vec::new(),
        path_policy: protocol::PathPolicy::Any,
        offer: None,
        handed_over: None,
        partner: None,
    }
}

pub(crate) fn partner_left(room: RoomId, reason: LeaveReason) -> ServerMessage {
    ServerMessage::PartnerLeft { room, reason }
}

pub(crate) fn error(code: ErrorCode, room: Option<RoomId>) -> ServerMessage {
    ServerMessage::Error {
        code,
        message: "refused".to_owned(),
        room,
    }
}

pub(crate) fn offer(generation: &str) -> Description {
    Description {
        kind: DescriptionKind::Offer,
        sdp: sdp(generation),
        number: 0,
    }
}

pub(crate) fn answer(generation: &str) -> Description {
    Description {
        kind: DescriptionKind::Answer,
        sdp: sdp(generation),
        number: 0,
    }
}

pub(crate) fn numbered(number: u32, description: Description) -> Description {
    Description {
        number,
        ..description
    }
}

pub(crate) fn sdp(generation: &str) -> String {
    format!("v=0\r\na=ice-ufrag:{generation}\r\n")
}

pub(crate) fn candidate(generation: &str, number: u32) -> Candidate {
    Candidate {
        candidate: format!("candidate:{number}"),
        sdp_mid: None,
        sdp_m_line_index: None,
        username_fragment: Some(generation.to_owned()),
    }
}

//! What a [`Node`](crate::Node) wants done, and what it is answered.

use matchmaker::PeerId;
use protocol::{ClientMessage, LeaveReason, RoomId};

use crate::{Acceptance, Introduction, NodeId, Tag, Ticket};

/// What Redis says to an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Nobody will do yet. The ticket waits there.
    Waits,
    /// Somebody will, and both tickets are taken.
    Found {
        /// The other one's ticket.
        ticket: Ticket,
        /// Who that is.
        who: Tag,
    },
    /// Another server has taken the ticket: it will propose something.
    Taken,
    /// The ticket was withdrawn.
    Withdrawn,
    /// There was no answer. What was asked may have been done.
    Failed,
}

/// What the owner must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Offer one who waits, and give the answer to [`Node::on_answer`](crate::Node::on_answer) or tell that Redis is lost.
    Ask {
        /// Who it is.
        peer: PeerId,
        /// With this ticket.
        ticket: Ticket,
    },
    /// Offer a ticket no longer. No answer is wanted.
    Withdraw {
        /// The ticket.
        ticket: Ticket,
    },
    /// Put it on the bus.
    Send {
        /// For whom.
        to: NodeId,
        /// What.
        packet: String,
    },
    /// One who waits must not be matched at home for a moment: say who he is with [`Node::introduce`](crate::Node::introduce).
    Introduce {
        /// Who it is.
        peer: PeerId,
        /// The room in which he may be soon.
        room: RoomId,
        /// Whom he would meet. If the two must not: [`Node::decline`](crate::Node::decline).
        who: Tag,
    },
    /// One who was set aside looks for a partner again: the proposal has come to nothing.
    PutBack {
        /// Who it is.
        peer: PeerId,
        /// Whether the other side may have his offer.
        is_offer_spent: bool,
        /// Whom he must not be offered to again, if that is so.
        never: Option<Tag>,
    },
    /// Somebody of another server's may meet one who waits: [`Node::accept`](crate::Node::accept) or [`Node::refuse`](crate::Node::refuse) it.
    Proposed {
        /// Who waits.
        peer: PeerId,
        /// The room.
        room: RoomId,
        /// Whom he would meet.
        introduction: Box<Introduction>,
    },
    /// One who was set aside is in the room.
    Accepted {
        /// Who it is.
        peer: PeerId,
        /// The room.
        room: RoomId,
        /// Who is there.
        acceptance: Box<Acceptance>,
    },
    /// The partner in another server's half of a room says something.
    Said {
        /// To whom.
        peer: PeerId,
        /// The room.
        room: RoomId,
        /// What.
        message: ClientMessage,
    },
    /// The partner has left the room, or his server is gone.
    PartnerGone {
        /// Who was left.
        peer: PeerId,
        /// The room.
        room: RoomId,
        /// Why.
        reason: LeaveReason,
    },
}

//! How several servers are one: who waits at one of them meets who waits at another.
//!
//! ```text
//!   hub ──▶ Node ──▶ Ask, Withdraw ─────────▶ Redis: who waits where (a script takes two at once)
//!    ▲       │  ▲                                  │
//!    │       │  └────────── Answer, Roster ◀───────┘
//!    └───────┘
//!            └─────▶ packets ──▶ bus ──▶ the other server's Node
//! ```
//!
//! Everybody has one owner: the server where he is connected. A server pairs its own people first, by itself. Who finds nobody there is
//! offered to the others with a ticket, and may still meet somebody at home. So what Redis finds is a proposal: the server whose person
//! has asked sets him aside and proposes the meeting to the other one, which either lets its person into the room at once or refuses.
//! Nobody is in a room before the other one's server knows of it or will hear of its end; and nothing that Redis forgets, repeats or says
//! too late can put anybody into two rooms.
//!
//! ```text
//!   asker's server            Redis               the other server
//!    Ask ────────────────────▶ │ takes both tickets
//!    set aside ◀─── Found ──── │
//!    Propose ──────────────────────────────────▶ waits with this ticket?
//!    in the room ◀──────────────────── Accept ── in the room
//!    back in the queue ◀────────────── Refuse ── no: matched at home, gone, blocked
//!    (no answer in time: back in the queue, and Gone)
//! ```
//!
//! What all servers are to know, such as bans, is in [`Ledger`]s.
//!
//! [`Node`] is one server's part of it: no socket, no clock, no task; facts go in and orders come out. [`redis`] is the shell that
//! carries them out. `docs/scaling.md` has the whole picture.

mod ids;
mod ledger;
mod link;
mod node;
mod orders;
pub mod redis;
mod wish;
mod words;

pub use ids::{InvalidName, NodeId, Tag, Ticket};
pub use ledger::{FOR_GOOD, Fact, Ledger, Page, Question, Shelf, Stamp};
pub use node::{Node, ROSTER_EVERY};
pub use orders::{Answer, Output};
pub use wish::{Holds, Wish};
pub use words::{Acceptance, Introduction};

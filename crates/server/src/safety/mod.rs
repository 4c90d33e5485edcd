//! Who is not wanted, and by whom: keys, reports, blocks, bans.
//!
//! [`Records`] is what is known, and decides; it has no socket, no file and no clock. What must outlast a restart leaves it as
//! [`Change`]s, which `store.rs` writes down. [`reputation`] is what reports amount to, [`Meetings`] who was in which
//! room with whom, [`keys`] whose proof is good, [`Newcomers`] how much those work who are not known yet, [`Shared`] what other servers are told. The hub owns all of it (`hub/safety.rs`); the operator orders
//! through it.

mod facts;
mod keys;
mod limits;
mod meetings;
mod newcomers;
mod person;
mod records;
mod reputation;
mod shared;
mod store;

pub(crate) use facts::{BANS, BLOCKS, REPORTS, SECRET, SHELVES, Verdict};
pub(crate) use keys::{are_lines_of, is_done, is_proof};
pub(crate) use limits::ReportLimits;
pub(crate) use meetings::Meetings;
pub use newcomers::NewcomerPolicy;
pub(crate) use newcomers::Newcomers;
pub(crate) use person::{KeyHash, Person, Who};
#[cfg(test)]
pub(crate) use records::ProvedLine;
pub(crate) use records::{
    Ban, BanOrder, BanTarget, Change, Changes, Records, Report, Source, Tables, Unknown,
};
pub use reputation::Policy;
pub(crate) use reputation::Standing;
pub(crate) use shared::Shared;
pub use store::StoreError;
pub(crate) use store::{Facts, Promise, Store, Writer, Written};

//! What is done about packets that are lost: asked for again, and given back by what was sent
//! beside them.
//!
//! Pure, like all of this crate: `transport` hears of packets and sends what these order.

mod missing;
mod protection;
pub mod rlc;
mod sound_requests;

pub use missing::MissingPackets;
pub use protection::Protection;
pub use sound_requests::SoundRequests;

//! What is done about packets that are lost: asked for again, and given back by what was sent
//! beside them.
//!
//! Pure, like all of this crate: `transport` hears of packets and sends what these order.

mod missing;
mod protection;
pub mod rlc;

pub use missing::MissingPackets;
pub use protection::Protection;

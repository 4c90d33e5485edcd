//! What microphone and speaker share: finding a device through cpal, choosing a format, counting what goes wrong.

mod choose;
mod devices;
mod health;
mod hush;
mod samples;

pub(crate) use choose::{Direction, Format, choose};
pub(crate) use devices::{find, problem_of};
pub use devices::{list_microphones, list_speakers};
pub(crate) use health::{Health, Watch};
pub(crate) use hush::hush;
pub(crate) use samples::with_sample_type;

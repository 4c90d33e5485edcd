//! A stranger without a window: bot, benchmark and test peer.
//!
//! It drives the same engine as the desktop window, with files or patterns for devices, and says in figures what it saw.

pub mod args;
mod check;
mod events;
pub mod measure;
mod record;
mod report;
mod shots;
mod stranger;
mod ways;

pub use check::check;
pub use events::{Event, EventLine};
pub use record::VideoRecorder;
pub use report::{
    Report, ReportLine, ReportedPair, ReportedStage, ReportedStream, ReportedTimesIn,
    ReportedTimesOut,
};
pub use stranger::{Outcome, run};
pub use ways::WayLine;

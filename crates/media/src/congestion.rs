//! How much may be sent, in which order, and as which picture. The idea: `docs/congestion.md`.

mod delay;
mod estimator;
mod feedback;
mod ladder;
mod loss;
mod loss_window;
mod pacer;
mod probe;
mod rate_control;
mod rate_meter;
mod rival;

pub use estimator::{Estimator, EstimatorConfig, EstimatorSnapshot};
pub use feedback::{Fate, PacketReport};
pub use ladder::{Ladder, LadderConfig, LadderInput, Rung};
pub use pacer::{Pacer, PacerConfig, PacerDrops, Priority, Release};
pub use probe::ProbeCluster;

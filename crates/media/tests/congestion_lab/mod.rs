//! One side of a call in virtual time: an encoder and a microphone that follow the estimator, the pacer, a link, and the feedback on
//! what arrived. Shared by the tests and by the example that prints the table.

pub mod call;
pub mod encoder;
pub mod receiver;
pub mod scenario;

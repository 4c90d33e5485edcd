//! What lies over or beside the stage.

pub(crate) mod chat;
pub(crate) mod dock;
pub(crate) mod self_view;
pub(crate) mod statistics;

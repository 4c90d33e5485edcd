//! What is shown of the servers that are one with this one.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use cluster::{NodeId, redis::Address};
use serde::{Deserialize, Serialize};

use crate::safety::SHELVES;

/// How many characters of a name are shown.
const NAME: usize = 64;

/// What an operator decides about being one of several.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// Where the Redis is by which they are one.
    pub redis: Address,
    /// What all keys there begin with.
    pub prefix: String,
    /// What this server is called where all are shown. Its random number if there is none.
    pub name: Option<String>,
}

/// What is known of the others, at a moment.
#[derive(Debug, Default)]
pub(crate) struct Cluster {
    /// Whether there are others at all.
    pub(crate) is_on: AtomicBool,
    /// Whether Redis is there.
    pub(crate) is_up: AtomicBool,
    /// Rooms of which another server has the other half.
    pub(crate) rooms: AtomicUsize,
    /// What all servers are to know, in the order of [`SHELVES`].
    pub(crate) shared: [SharedGauges; SHELVES.len()],
    servers: Mutex<Arc<[ServerView]>>,
}

/// How many facts of a kind there are.
#[derive(Debug, Default)]
pub(crate) struct SharedGauges {
    pub(crate) known: AtomicUsize,
    /// Of which Redis has not heard, as far as is known.
    pub(crate) untold: AtomicUsize,
    /// Not taken, here or by Redis: for want of room, or since they made no sense.
    pub(crate) refused: AtomicU64,
}

/// What is shown of it.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct SharedView {
    pub(crate) what: &'static str,
    pub(crate) known: usize,
    pub(crate) untold: usize,
    pub(crate) refused: u64,
}

/// What a server says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ServerView {
    #[serde(skip)]
    pub(crate) is_this: bool,
    pub(crate) name: String,
    pub(crate) connections: usize,
    pub(crate) waiting: usize,
    pub(crate) rooms: usize,
}

impl ServerView {
    /// What a server has said. One that says what we do not understand is there all the same.
    pub(crate) fn read(is_this: bool, text: &str) -> Self {
        let mut view: Self = serde_json::from_str(text).unwrap_or_default();
        view.name = view.name.chars().take(NAME).collect();
        Self { is_this, ..view }
    }

    pub(crate) fn written(&self) -> String {
        serde_json::to_string(self).expect("figures are plain data")
    }
}

impl Cluster {
    pub(crate) fn show(&self, servers: Vec<ServerView>) {
        *self.servers.lock().unwrap_or_else(PoisonError::into_inner) = servers.into();
    }

    /// What all servers are to know.
    pub(crate) fn shared(&self) -> [SharedView; SHELVES.len()] {
        let view = |at: usize| SharedView {
            what: SHELVES[at].word,
            known: self.shared[at].known.load(Relaxed),
            untold: self.shared[at].untold.load(Relaxed),
            refused: self.shared[at].refused.load(Relaxed),
        };
        std::array::from_fn(view)
    }

    /// The last that was heard of all servers, this one too.
    pub(crate) fn servers(&self) -> Arc<[ServerView]> {
        Arc::clone(&self.servers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a server is called that has no name.
pub(crate) fn name_of(settings: &ClusterSettings, me: NodeId) -> String {
    let name = settings
        .name
        .as_ref()
        .filter(|name| !name.trim().is_empty());
    name.map_or_else(|| me.to_string(), |name| name.chars().take(NAME).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_read_and_nonsense_is_a_server_of_which_nothing_is_known() {
        let view = ServerView {
            name: "a".repeat(NAME),
            connections: 3,
            ..ServerView::default()
        };
        assert_eq!(ServerView::read(false, &view.written()), view);
        assert_eq!(ServerView::read(false, "{"), ServerView::default());
        let long = ServerView {
            name: "é".repeat(1000),
            ..view
        };
        assert_eq!(
            ServerView::read(true, &long.written()).name.chars().count(),
            NAME
        );
    }
}

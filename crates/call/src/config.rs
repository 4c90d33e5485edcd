//! How patient a call is.

use std::time::Duration;

/// How patient a call is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The longest that two partners may take to connect. Good networks need less than 1 s, bad ones with a relay a
    /// few. Too short loses calls that would have come up; too long keeps people waiting for partners out of reach.
    pub connect_timeout: Duration,
    /// The time from one ICE restart to the next. Too short throws away checks that are about to succeed: they need
    /// a few round trips through the signalling server and between the partners.
    pub restart_every: Duration,
    /// How long a lost path is looked for. Long enough for a train tunnel or a change of network.
    pub give_up_after: Duration,
    /// How long the server may take to answer a wish for a partner before it is sent again. The connection is
    /// reliable, so this is only for a server that refused it, for instance because messages came too fast.
    pub ask_again_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(15),
            restart_every: Duration::from_secs(5),
            give_up_after: Duration::from_secs(30),
            ask_again_after: Duration::from_secs(10),
        }
    }
}

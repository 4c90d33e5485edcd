//! How choosy the matchmaker is.

use std::time::Duration;

/// How choosy the matchmaker is. The default suits services from two to some ten thousand people; `docs/matching.md` shows
/// how well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// How many of a person's last partners are avoided while somebody else may come.
    ///
    /// Zero: two who have just parted may meet again at once. Large: costs 8 bytes per person and entry, and a search
    /// looks at more of those who wait, since people who avoid each other pile up in the queue.
    pub recent_partners: usize,
    /// How long a person with interests waits at most for somebody who shares one.
    ///
    /// Short: pairs seldom share an interest. Long: people stare at a spinner where it is even odds that one comes.
    pub hold_for_interest: Duration,
    /// How long a person waits at most for somebody who did not name another language.
    ///
    /// Short: people meet who cannot talk. Long: who speaks a rare language waits for long.
    pub hold_for_language: Duration,
    /// How long a person waits at most for somebody who is none of the last partners.
    ///
    /// Short: in a small service Next brings back the person who was just left. Long: a few people alone wait for long.
    pub hold_for_new: Duration,
    /// Whether people hold out only for what can be expected to come.
    pub widening: Widening,
}

/// What decides how long one holds out, up to the limits of a [`Config`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Widening {
    /// How soon such a partner can be expected, from how many there are and how often they have come lately.
    Expected,
    /// Nothing: always to the limit, first for an interest and then for the rest, as long as anybody online could do. For comparison, and
    /// for services that want it plain.
    Fixed,
}

impl Config {
    /// The longest that anybody waits while somebody is there whom neither of the two has blocked.
    pub fn longest_hold(&self) -> Duration {
        let rest = self.hold_for_language.max(self.hold_for_new);
        match self.widening {
            Widening::Expected => self.hold_for_interest.max(rest),
            Widening::Fixed => self.hold_for_interest + rest,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            recent_partners: 5,
            hold_for_interest: Duration::from_secs(4),
            hold_for_language: Duration::from_secs(6),
            hold_for_new: Duration::from_secs(3),
            widening: Widening::Expected,
        }
    }
}

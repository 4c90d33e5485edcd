//! How choosy the matchmaker is.

use std::time::Duration;

/// How choosy the matchmaker is. The default suits services from two to some ten thousand people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// How many of a person's last partners are avoided while somebody else may come.
    ///
    /// Zero: two who have just parted may meet again at once. Large: costs 8 bytes per person and entry, and a search
    /// looks at more of those who wait, since people who avoid each other pile up in the queue.
    pub recent_partners: usize,
    /// How long a person with interests waits for somebody who shares one, if anybody online does.
    ///
    /// Short: pairs seldom share an interest. Long: people stare at a spinner. In a simulation with 2,000 skewed
    /// interests and 20,000 people, 1 s gave 77 % and 5 s gave 96 % of the possible pairs a common interest.
    pub hold_for_interest: Duration,
    /// How long a person waits after that for somebody who is neither a recent partner nor speaks another language.
    ///
    /// Short: in a small service Next brings back the person who was just left. Long: a few people alone wait for long.
    pub hold_for_new: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            recent_partners: 5,
            hold_for_interest: Duration::from_secs(3),
            hold_for_new: Duration::from_secs(3),
        }
    }
}

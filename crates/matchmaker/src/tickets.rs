//! Places in the queue, and groups of those who hold them.

use std::collections::BTreeSet;

use crate::groups::Tongue;

/// A place in the queue. The smaller, the longer its holder has waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(pub(crate) u64);

/// How many entries are kept in one piece of memory: a search then looks into one place only, which is what counts where many
/// wait.
const IN_ONE_PIECE: usize = 32;

/// One group of those who wait, by part and age.
#[derive(Debug)]
pub(crate) enum Queue {
    /// Sorted.
    Short(Vec<(Tongue, Ticket)>),
    Long(BTreeSet<(Tongue, Ticket)>),
}

impl Default for Queue {
    fn default() -> Self {
        Self::Short(Vec::new())
    }
}

impl Queue {
    pub(crate) fn insert(&mut self, tongue: Tongue, ticket: Ticket) {
        let entry = (tongue, ticket);
        match self {
            Self::Short(entries) => {
                if let Err(at) = entries.binary_search(&entry) {
                    entries.insert(at, entry);
                }
                if entries.len() > IN_ONE_PIECE {
                    *self = Self::Long(entries.iter().copied().collect());
                }
            }
            Self::Long(entries) => {
                entries.insert(entry);
            }
        }
    }

    pub(crate) fn remove(&mut self, tongue: Tongue, ticket: Ticket) {
        let entry = (tongue, ticket);
        match self {
            Self::Short(entries) => {
                if let Ok(at) = entries.binary_search(&entry) {
                    entries.remove(at);
                }
                if entries.is_empty() {
                    *self = Self::default();
                }
            }
            Self::Long(entries) => {
                entries.remove(&entry);
                // Not the moment that it would fit, so that it is not to and fro.
                if entries.len() <= IN_ONE_PIECE / 2 {
                    *self = Self::Short(entries.iter().copied().collect());
                }
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Short(entries) => entries.len(),
            Self::Long(entries) => entries.len(),
        }
    }

    /// Those of one part, oldest first.
    pub(crate) fn oldest_first(&self, tongue: Tongue) -> impl Iterator<Item = Ticket> {
        let (first, last) = ((tongue, Ticket(0)), (tongue, Ticket(u64::MAX)));
        let (short, long) = match self {
            Self::Short(entries) => {
                let begin = entries.partition_point(|entry| *entry < first);
                (Some(entries[begin..].iter()), None)
            }
            Self::Long(entries) => (None, Some(entries.range(first..=last))),
        };
        let entries = short
            .into_iter()
            .flatten()
            .chain(long.into_iter().flatten());
        entries
            .take_while(move |(part, _)| *part == tongue)
            .map(|(_, ticket)| *ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Names;

    #[test]
    fn a_queue_that_grew_and_shrank_holds_what_a_plain_set_does() {
        let language = Names::default().hold("fr");
        let tongues = [Tongue::All, Tongue::Speaks(language), Tongue::Unnamed];
        let (mut queue, mut plain) = (Queue::default(), BTreeSet::new());
        let mut dice = simulation::Random::new(4);
        let mut was_long = 0;
        for step in 0..20_000 {
            let entry = (tongues[dice.below(3) as usize], Ticket(dice.below(30)));
            // It grows and shrinks in turns.
            if dice.chance(if step / 1_000 % 2 == 0 { 0.8 } else { 0.1 }) {
                queue.insert(entry.0, entry.1);
                plain.insert(entry);
            } else {
                queue.remove(entry.0, entry.1);
                plain.remove(&entry);
            }
            was_long += usize::from(matches!(queue, Queue::Long(_)));
            assert_eq!(queue.len(), plain.len());
            for tongue in tongues {
                let expected = plain.iter().filter(|(part, _)| *part == tongue);
                assert!(
                    queue
                        .oldest_first(tongue)
                        .eq(expected.map(|(_, ticket)| *ticket))
                );
            }
        }
        assert!((1..20_000).contains(&was_long));
    }
}

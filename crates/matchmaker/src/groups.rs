//! The groups that people belong to by what they like and speak, and how many are in each.

use crate::{hashing::NumberMap, names::NameId};

/// What a person likes and speaks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Traits {
    /// Sorted, each once.
    pub(crate) interests: Vec<NameId>,
    pub(crate) language: Option<NameId>,
}

/// Whom an interest, or nothing at all, has in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Group {
    Everybody,
    Likes(NameId),
}

/// A part of a group by language. One person is in several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Tongue {
    /// All of the group.
    All,
    /// Those who named this language.
    Speaks(NameId),
    /// Those who named none.
    Unnamed,
    /// Those who no longer hold out for their language.
    TakesAny,
}

impl Traits {
    /// The groups of this person's interests.
    pub(crate) fn likes(&self) -> impl Iterator<Item = Group> {
        self.interests
            .iter()
            .map(|interest| Group::Likes(*interest))
    }

    /// The parts in which this person is, whatever happens.
    pub(crate) fn tongues(&self) -> [Tongue; 2] {
        [
            Tongue::All,
            self.language.map_or(Tongue::Unnamed, Tongue::Speaks),
        ]
    }

    /// The parts with all whom this person may understand, each of them in one.
    pub(crate) fn understands(&self) -> impl Iterator<Item = Tongue> + use<> {
        let (first, second) = match self.language {
            Some(language) => (Tongue::Speaks(language), Some(Tongue::Unnamed)),
            // Who names no language may speak any.
            None => (Tongue::All, None),
        };
        std::iter::once(first).chain(second)
    }

    /// How many interests both have.
    pub(crate) fn shared_with(&self, other: &Self) -> usize {
        let is_shared = |interest: &&NameId| other.interests.binary_search(interest).is_ok();
        self.interests.iter().filter(is_shared).count()
    }

    /// Whether both named a language, and the same one.
    pub(crate) fn speaks_like(&self, other: &Self) -> bool {
        self.language.is_some() && self.language == other.language
    }

    /// Whether both named a language, and not the same one.
    pub(crate) fn speaks_unlike(&self, other: &Self) -> bool {
        self.language.is_some() && other.language.is_some() && self.language != other.language
    }
}

/// How many are in each part of each group.
#[derive(Debug, Default)]
pub(crate) struct Tally(NumberMap<(Group, Tongue), usize>);

impl Tally {
    pub(crate) fn add(&mut self, group: Group, traits: &Traits) {
        for tongue in traits.tongues() {
            *self.0.entry((group, tongue)).or_default() += 1;
        }
    }

    pub(crate) fn remove(&mut self, group: Group, traits: &Traits) {
        for tongue in traits.tongues() {
            if let Some(count) = self.0.get_mut(&(group, tongue)) {
                *count -= 1;
                if *count == 0 {
                    self.0.remove(&(group, tongue));
                }
            }
        }
    }

    /// How many are in `group` altogether.
    pub(crate) fn all(&self, group: Group) -> usize {
        self.0.get(&(group, Tongue::All)).copied().unwrap_or(0)
    }

    /// How many in `group` one with `traits` may understand.
    pub(crate) fn understood(&self, group: Group, traits: &Traits) -> usize {
        let count = |tongue| self.0.get(&(group, tongue)).copied().unwrap_or(0);
        traits.understands().map(count).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Names;

    #[test]
    fn a_person_without_a_language_speaks_neither_like_nor_unlike_anybody() {
        let silent = Traits::default();
        let french = Traits {
            language: Some(Names::default().hold("fr")),
            ..Traits::default()
        };

        for (one, other) in [(&silent, &french), (&french, &silent), (&silent, &silent)] {
            assert!(!one.speaks_like(other));
            assert!(!one.speaks_unlike(other));
        }
    }

    #[test]
    fn people_are_counted_once_by_each_who_may_understand_them() {
        let mut names = Names::default();
        let [french, german, silent] = [Some("fr"), Some("de"), None].map(|language| Traits {
            language: language.map(|name| names.hold(name)),
            ..Traits::default()
        });
        let mut tally = Tally::default();
        for traits in [&french, &french, &german, &silent] {
            tally.add(Group::Everybody, traits);
        }

        assert_eq!(tally.all(Group::Everybody), 4);
        assert_eq!(tally.understood(Group::Everybody, &french), 3);
        assert_eq!(tally.understood(Group::Everybody, &german), 2);
        assert_eq!(tally.understood(Group::Everybody, &silent), 4);
        for traits in [&french, &french, &german, &silent] {
            tally.remove(Group::Everybody, traits);
        }
        assert!(tally.is_empty());
    }
}

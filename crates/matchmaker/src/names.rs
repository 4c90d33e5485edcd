//! Interests and languages as small numbers, so that nothing is looked up by its letters twice.

use std::{collections::HashMap, sync::Arc};

/// Stands for an interest or a language as long as somebody online names it; then it may stand for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NameId(u32);

impl NameId {
    /// For lists: a small number, since those of names that nobody names any longer are taken again.
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The names that people online hold, each with how many hold it.
#[derive(Debug, Default)]
pub(crate) struct Names {
    held: HashMap<Arc<str>, Held>,
    /// By number; those that nobody holds are in `free`.
    by_id: Vec<Arc<str>>,
    free: Vec<NameId>,
}

/// Beside the name, so that one look is enough to hold it.
#[derive(Debug)]
struct Held {
    id: NameId,
    holders: u32,
}

impl Names {
    /// One more holds `name`.
    pub(crate) fn hold(&mut self, name: &str) -> NameId {
        if let Some(held) = self.held.get_mut(name) {
            held.holders += 1;
            return held.id;
        }
        let name: Arc<str> = name.into();
        let id = if let Some(id) = self.free.pop() {
            self.by_id[id.index()] = Arc::clone(&name);
            id
        } else {
            self.by_id.push(Arc::clone(&name));
            let last = self.by_id.len() - 1;
            NameId(u32::try_from(last).expect("fewer names than people can hold"))
        };
        self.held.insert(name, Held { id, holders: 1 });
        id
    }

    /// One who held `id` holds it no longer.
    pub(crate) fn release(&mut self, id: NameId) {
        let name = &self.by_id[id.index()];
        if let Some(held) = self.held.get_mut(name) {
            held.holders -= 1;
            if held.holders == 0 {
                self.held.remove(name);
                self.free.push(id);
            }
        }
    }

    /// How many hold `id`.
    pub(crate) fn holders(&self, id: NameId) -> usize {
        let held = self.held.get(&self.by_id[id.index()]);
        held.map_or(0, |held| held.holders as usize)
    }

    /// How many names are held at all, and how often all of them together.
    pub(crate) fn totals(&self) -> (usize, usize) {
        let holders = self.held.values().map(|held| held.holders as usize).sum();
        (self.held.len(), holders)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_until_the_last_one_lets_go_of_it() {
        let mut names = Names::default();
        let tea = names.hold("tea");
        assert_eq!(names.hold("tea"), tea);
        assert_ne!(names.hold("golf"), tea);

        names.release(tea);
        assert_eq!(names.hold("tea"), tea);
        assert_eq!(names.holders(tea), 2);
    }

    #[test]
    fn names_that_nobody_holds_take_no_room() {
        let mut names = Names::default();
        for number in 0..1_000 {
            let id = names.hold(&format!("name {number}"));
            names.release(id);
        }

        assert_eq!(names.by_id.len(), 1);
        assert_eq!(names.totals(), (0, 0));
    }
}

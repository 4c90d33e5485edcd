//! Interests and languages as small numbers, so that nothing is looked up by its letters twice.

use std::{collections::HashMap, sync::Arc};

/// Stands for an interest or a language as long as somebody online names it; then it may stand for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NameId(u32);

/// The names that people online hold, each with how many hold it.
#[derive(Debug, Default)]
pub(crate) struct Names {
    ids: HashMap<Arc<str>, NameId>,
    /// By number; those that nobody holds are in `free`.
    held: Vec<Held>,
    free: Vec<NameId>,
}

#[derive(Debug)]
struct Held {
    name: Arc<str>,
    holders: usize,
}

impl Names {
    /// One more holds `name`.
    pub(crate) fn hold(&mut self, name: &str) -> NameId {
        if let Some(id) = self.ids.get(name) {
            self.held[id.0 as usize].holders += 1;
            return *id;
        }
        let held = Held {
            name: name.into(),
            holders: 1,
        };
        let name = Arc::clone(&held.name);
        let id = if let Some(id) = self.free.pop() {
            self.held[id.0 as usize] = held;
            id
        } else {
            self.held.push(held);
            NameId(u32::try_from(self.held.len() - 1).expect("fewer names than people can hold"))
        };
        self.ids.insert(name, id);
        id
    }

    /// One who held `id` holds it no longer.
    pub(crate) fn release(&mut self, id: NameId) {
        let held = &mut self.held[id.0 as usize];
        held.holders -= 1;
        if held.holders == 0 {
            self.ids.remove(&held.name);
            self.free.push(id);
        }
    }

    /// How many hold `id`.
    pub(crate) fn holders(&self, id: NameId) -> usize {
        self.held[id.0 as usize].holders
    }

    /// How many names are held at all, and how often all of them together.
    pub(crate) fn totals(&self) -> (usize, usize) {
        let holders = self.ids.values().map(|id| self.holders(*id)).sum();
        (self.ids.len(), holders)
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

        assert_eq!(names.held.len(), 1);
        assert_eq!(names.totals(), (0, 0));
    }
}

//! Who never meets whom.

use super::{BLOCKS, Change, Changes, Records, take_out};
use crate::safety::KeyHash;

impl Records {
    /// The two never meet from now on. Of more than can be kept, the first block of the same person goes.
    pub(crate) fn block(&mut self, by: KeyHash, whom: KeyHash) -> Changes {
        let mut changes = Changes::new();
        let number = self.next_number();
        let blocks = self.blocks.entry(by).or_default();
        blocks.retain(|other| *other != whom);
        blocks.push_back(whom);
        let gone = (blocks.len() > BLOCKS).then(|| blocks.pop_front());
        self.blocked_by.entry(whom).or_default().insert(by);
        changes.push(Change::Block(by, whom, Some(number)));
        if let Some(gone) = gone.flatten() {
            self.unlink_block(by, gone);
            changes.push(Change::Block(by, gone, None));
        }
        changes
    }

    /// The first has not blocked the second, as far as is known here.
    pub(crate) fn unblock(&mut self, by: KeyHash, whom: KeyHash) -> Changes {
        let Some(blocks) = self.blocks.get_mut(&by) else {
            return Changes::new();
        };
        blocks.retain(|other| *other != whom);
        if blocks.is_empty() {
            self.blocks.remove(&by);
        }
        self.unlink_block(by, whom);
        vec![Change::Block(by, whom, None)]
    }

    /// All blocks: by whom, and whom.
    pub(crate) fn blocks(&self) -> Vec<(KeyHash, KeyHash)> {
        let mut blocks: Vec<_> = (self.blocked_by.iter())
            .flat_map(|(whom, by)| by.iter().map(|by| (*by, *whom)))
            .collect();
        blocks.sort_unstable();
        blocks
    }

    /// Whom a key has blocked.
    pub(crate) fn blocked_by(&self, key: KeyHash) -> impl Iterator<Item = KeyHash> {
        self.blocks.get(&key).into_iter().flatten().copied()
    }

    /// Who has blocked a key.
    pub(crate) fn blockers_of(&self, key: KeyHash) -> impl Iterator<Item = KeyHash> {
        self.blocked_by.get(&key).into_iter().flatten().copied()
    }

    pub(super) fn unlink_block(&mut self, by: KeyHash, whom: KeyHash) {
        take_out(&mut self.blocked_by, &whom, &by);
    }
}

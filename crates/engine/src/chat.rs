//! The lines of chat of one call. They are kept nowhere else and vanish with it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::{ChatLine, Speaker};

/// How many lines are kept. A partner who writes without end pushes out old lines, not our memory.
const LINES_LIMIT: usize = 500;

#[derive(Debug, Default)]
pub(crate) struct Chat {
    lines: VecDeque<ChatLine>,
    shared: Arc<[ChatLine]>,
}

impl Chat {
    pub(crate) fn push(&mut self, speaker: Speaker, text: String) {
        if self.lines.len() == LINES_LIMIT {
            self.lines.pop_front();
        }
        self.lines.push_back(ChatLine { speaker, text });
        self.shared = self.lines.iter().cloned().collect();
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn lines(&self) -> Arc<[ChatLine]> {
        Arc::clone(&self.shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partner_who_writes_without_end_pushes_out_old_lines() {
        let mut chat = Chat::default();
        for i in 0..LINES_LIMIT + 3 {
            chat.push(Speaker::Partner, i.to_string());
        }
        assert_eq!(chat.lines().len(), LINES_LIMIT);
        assert_eq!(chat.lines()[0].text, "3");
    }
}

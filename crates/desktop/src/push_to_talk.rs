//! Push-to-talk: in calls the microphone is on only while a key is held. Plain state, no keyboard.

/// Whether the microphone follows the key, and what it was before.
#[derive(Debug, Default)]
pub struct PushToTalk {
    active: Option<Active>,
}

#[derive(Debug, Clone, Copy)]
struct Active {
    /// Whether the microphone was on before the key had a say.
    was_on: bool,
    is_held: bool,
}

impl PushToTalk {
    /// Whether the microphone follows the key.
    pub const fn is_active(&self) -> bool {
        self.active.is_some()
    }

    /// Takes note of the key. Returns what the microphone has to be switched to, if that is to change. Where it `is_wanted` no more,
    /// the microphone gets back what it was.
    pub fn observe(&mut self, is_wanted: bool, is_held: bool, is_on: bool) -> Option<bool> {
        let Some(active) = &mut self.active else {
            if !is_wanted {
                return None;
            }
            self.active = Some(Active {
                was_on: is_on,
                is_held,
            });
            return (is_on != is_held).then_some(is_held);
        };
        if !is_wanted {
            let was_on = active.was_on;
            self.active = None;
            return (is_on != was_on).then_some(was_on);
        }
        let is_news = active.is_held != is_held;
        active.is_held = is_held;
        // In between, the microphone can be switched by its own button.
        is_news.then_some(is_held)
    }

    /// The key cannot be seen any more, because the window is not the one that is used: it counts as let go.
    pub fn let_go(&mut self) -> Option<bool> {
        let active = self.active.as_mut()?;
        std::mem::take(&mut active.is_held).then_some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_microphone_is_on_while_the_key_is_held_and_afterwards_what_it_was() {
        let mut talk = PushToTalk::default();
        assert_eq!(talk.observe(false, true, true), None, "not wanted");
        assert_eq!(talk.observe(true, false, true), Some(false));
        assert_eq!(talk.observe(true, true, false), Some(true));
        assert_eq!(talk.observe(true, true, true), None, "once is enough");
        assert_eq!(talk.observe(true, false, true), Some(false));
        assert_eq!(talk.observe(false, false, false), Some(true));
        assert!(!talk.is_active());
    }

    #[test]
    fn a_microphone_that_was_off_stays_off_afterwards() {
        let mut talk = PushToTalk::default();
        assert_eq!(talk.observe(true, false, false), None);
        assert_eq!(talk.observe(true, true, false), Some(true));
        assert_eq!(talk.observe(false, true, true), Some(false));
    }

    #[test]
    fn a_window_that_is_left_with_the_key_held_lets_go_of_it_once() {
        let mut talk = PushToTalk::default();
        assert_eq!(talk.let_go(), None);
        talk.observe(true, false, true);
        talk.observe(true, true, false);
        assert_eq!(talk.let_go(), Some(false));
        assert_eq!(talk.let_go(), None);
        assert_eq!(talk.observe(true, false, false), None);
    }
}

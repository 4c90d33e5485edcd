//! Which keys do what, as this person wants it. Plain values, no window.

use std::collections::BTreeMap;

use egui::{Key, Modifiers};
use serde::{Deserialize, Serialize};

use crate::actions::Action;

/// One key, with what has to be held while it is pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortcut {
    /// The key.
    pub key: Key,
    /// Whether Ctrl (Command on a Mac) is held.
    pub has_command: bool,
    /// Whether Shift is held.
    pub has_shift: bool,
    /// Whether Alt is held.
    pub has_alt: bool,
}

/// Why a key cannot be had for an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It does this already.
    Taken(Action),
    /// It is needed for writing, or to walk through the window.
    Reserved,
}

impl Shortcut {
    /// The key alone.
    pub const fn plain(key: Key) -> Self {
        Self {
            key,
            has_command: false,
            has_shift: false,
            has_alt: false,
        }
    }

    /// With Ctrl (Command on a Mac).
    pub const fn command(key: Key) -> Self {
        Self {
            has_command: true,
            ..Self::plain(key)
        }
    }

    /// With Shift.
    pub const fn shift(key: Key) -> Self {
        Self {
            has_shift: true,
            ..Self::plain(key)
        }
    }

    /// What was pressed.
    pub const fn pressed(key: Key, modifiers: Modifiers) -> Self {
        Self {
            key,
            has_command: modifiers.command || modifiers.ctrl,
            has_shift: modifiers.shift,
            has_alt: modifiers.alt,
        }
    }

    /// Whether a text field would take it for writing, or for leaving the field.
    pub fn is_for_fields(self) -> bool {
        let is_writing = !self.has_command && !self.has_alt && !is_function_key(self.key);
        is_writing && !(self.key == Key::Escape && self.has_shift)
    }

    /// As it is printed on the keyboard: `Shift+Esc`.
    pub fn label(self) -> String {
        let key = match self.key {
            Key::Escape => "Esc",
            Key::ArrowUp => tr!("Up"),
            Key::ArrowDown => tr!("Down"),
            Key::ArrowLeft => tr!("Left"),
            Key::ArrowRight => tr!("Right"),
            Key::PageUp => tr!("Page Up"),
            Key::PageDown => tr!("Page Down"),
            Key::Minus => "-",
            other => other.symbol_or_name(),
        };
        let command = if cfg!(target_os = "macos") {
            "Cmd"
        } else {
            tr!("Ctrl")
        };
        self.joined([command, "Alt", tr!("Shift")], key)
    }

    /// As it is written in the settings, the same on every system.
    fn written(self) -> String {
        self.joined(["Ctrl", "Alt", "Shift"], self.key.name())
    }

    fn joined(self, [command, alt, shift]: [&str; 3], key: &str) -> String {
        let held = [
            (self.has_command, command),
            (self.has_alt, alt),
            (self.has_shift, shift),
        ];
        let held = held.iter().filter(|(is_held, _)| *is_held);
        held.map(|(_, name)| *name)
            .chain([key])
            .collect::<Vec<_>>()
            .join("+")
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('+').rev();
        let mut shortcut = Self::plain(Key::from_name(parts.next()?)?);
        for part in parts {
            match part {
                "Ctrl" => shortcut.has_command = true,
                "Alt" => shortcut.has_alt = true,
                "Shift" => shortcut.has_shift = true,
                _ => return None,
            }
        }
        Some(shortcut)
    }

    /// Whether `action` cannot have it. Space alone is for what is held while one talks, as everywhere.
    fn is_reserved_from(self, action: Action) -> bool {
        let is_talk_key = action == Action::PushToTalk && self == Self::plain(Key::Space);
        self.is_reserved() && !is_talk_key
    }

    /// Whether it belongs to those who write, or walk through the window by keyboard.
    fn is_reserved(self) -> bool {
        let is_walking = matches!(
            self.key,
            Key::Tab
                | Key::Enter
                | Key::Space
                | Key::ArrowUp
                | Key::ArrowDown
                | Key::ArrowLeft
                | Key::ArrowRight
                | Key::Backspace
                | Key::Delete
                | Key::Home
                | Key::End
                | Key::Copy
                | Key::Cut
                | Key::Paste
        );
        let is_editing = self.has_command
            && !self.has_alt
            && matches!(
                self.key,
                Key::A | Key::C | Key::V | Key::X | Key::Y | Key::Z
            );
        is_walking || is_editing
    }
}

fn is_function_key(key: Key) -> bool {
    let name = key.name();
    name.len() > 1 && name.starts_with('F') && name[1..].bytes().all(|byte| byte.is_ascii_digit())
}

/// The keys of all actions: those of [`Action::entry`], with what the person has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct Keymap {
    changed: Vec<(Action, Shortcut)>,
}

impl Keymap {
    /// The key that does `action`.
    pub fn shortcut(&self, action: Action) -> Shortcut {
        let change = self.changed.iter().find(|(other, _)| *other == action);
        change.map_or(action.entry().shortcut, |(_, shortcut)| *shortcut)
    }

    /// What `shortcut` does.
    pub fn action(&self, shortcut: Shortcut) -> Option<Action> {
        Action::ALL.into_iter().find(|action| {
            self.shortcut(*action) == shortcut || action.entry().also == Some(shortcut)
        })
    }

    /// Whether the person has given `action` another key.
    pub fn is_changed(&self, action: Action) -> bool {
        self.changed.iter().any(|(other, _)| *other == action)
    }

    /// Whether any key is another one than at first.
    pub fn has_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Gives `action` another key.
    ///
    /// # Errors
    /// [`Refusal`] when the key cannot be had; then everything stays as it was.
    pub fn change(&mut self, action: Action, shortcut: Shortcut) -> Result<(), Refusal> {
        if shortcut.is_reserved_from(action) {
            return Err(Refusal::Reserved);
        }
        match self.action(shortcut) {
            Some(other) if other != action => return Err(Refusal::Taken(other)),
            _ => {}
        }
        self.changed.retain(|(other, _)| *other != action);
        if shortcut != action.entry().shortcut {
            self.changed.push((action, shortcut));
        }
        Ok(())
    }

    /// Gives `action` the key that it had at first.
    ///
    /// # Errors
    /// [`Refusal`] when another action has that key by now.
    pub fn restore(&mut self, action: Action) -> Result<(), Refusal> {
        self.change(action, action.entry().shortcut)
    }
}

impl From<Keymap> for BTreeMap<String, String> {
    fn from(keymap: Keymap) -> Self {
        let changed = keymap.changed.into_iter();
        changed
            .map(|(action, shortcut)| (action.entry().id.to_owned(), shortcut.written()))
            .collect()
    }
}

impl From<BTreeMap<String, String>> for Keymap {
    /// What is not understood, or takes a key twice, is left at its default.
    fn from(written: BTreeMap<String, String>) -> Self {
        let mut keymap = Self::default();
        for action in Action::ALL {
            let entry = action.entry();
            let shortcut = written.get(entry.id).and_then(|text| Shortcut::parse(text));
            let wanted =
                shortcut.filter(|it| !it.is_reserved_from(action) && *it != entry.shortcut);
            if let Some(shortcut) = wanted
                && action.is_changeable()
            {
                keymap.changed.push((action, shortcut));
            }
        }
        // Two people may have swapped keys, so clashes are looked for when all are known. Dropping a change may bring a
        // default back that clashes in its turn.
        while let Some(place) = keymap.clash() {
            keymap.changed.remove(place);
        }
        keymap
    }
}

impl Keymap {
    /// A change that takes the key of another action.
    fn clash(&self) -> Option<usize> {
        self.changed.iter().position(|(action, shortcut)| {
            Action::ALL.into_iter().any(|other| {
                other != *action
                    && (self.shortcut(other) == *shortcut || other.entry().also == Some(*shortcut))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(pairs: &[(&str, &str)]) -> Keymap {
        let pairs = pairs
            .iter()
            .map(|(id, text)| ((*id).to_owned(), (*text).to_owned()));
        pairs.collect::<BTreeMap<_, _>>().into()
    }

    #[test]
    fn every_default_can_be_had_and_no_two_actions_share_one() {
        let keymap = Keymap::default();
        for action in Action::ALL {
            let entry = action.entry();
            for shortcut in std::iter::once(entry.shortcut).chain(entry.also) {
                assert_eq!(keymap.action(shortcut), Some(action), "{action:?}");
                assert_eq!(Shortcut::parse(&shortcut.written()), Some(shortcut));
                assert!(!shortcut.is_reserved_from(action) || !action.is_changeable());
            }
        }
    }

    #[test]
    fn a_key_is_called_what_is_printed_on_it() {
        assert_eq!(Shortcut::shift(Key::Escape).label(), "Shift+Esc");
        assert_eq!(
            Shortcut::command(Key::Comma).label(),
            if cfg!(target_os = "macos") {
                "Cmd+,"
            } else {
                "Ctrl+,"
            }
        );
        assert_eq!(Shortcut::plain(Key::F11).label(), "F11");
    }

    #[test]
    fn what_is_written_in_a_field_is_no_shortcut_there() {
        for key in [Key::M, Key::Escape, Key::F, Key::Comma] {
            assert!(Shortcut::plain(key).is_for_fields(), "{key:?}");
        }
        assert!(Shortcut::shift(Key::M).is_for_fields());
        for shortcut in [
            Shortcut::shift(Key::Escape),
            Shortcut::command(Key::I),
            Shortcut::plain(Key::F11),
            Shortcut::shift(Key::F2),
        ] {
            assert!(!shortcut.is_for_fields(), "{shortcut:?}");
        }
    }

    #[test]
    fn a_taken_key_is_refused_and_a_freed_one_can_be_had() {
        let mut keymap = Keymap::default();
        let (m, k) = (Shortcut::plain(Key::M), Shortcut::plain(Key::K));
        let taken = Err(Refusal::Taken(Action::ToggleMicrophone));
        assert_eq!(keymap.change(Action::ToggleCamera, m), taken);
        assert_eq!(keymap, Keymap::default(), "nothing has changed");
        assert_eq!(keymap.change(Action::ToggleMicrophone, k), Ok(()));
        assert_eq!(keymap.action(m), None);
        assert_eq!(keymap.change(Action::ToggleCamera, m), Ok(()));
        let taken = Err(Refusal::Taken(Action::ToggleCamera));
        assert_eq!(keymap.restore(Action::ToggleMicrophone), taken);
        assert_eq!(keymap.restore(Action::ToggleCamera), Ok(()));
        assert_eq!(keymap.restore(Action::ToggleMicrophone), Ok(()));
        assert!(!keymap.has_changes());
        let f11 = Shortcut::plain(Key::F11);
        let taken = Err(Refusal::Taken(Action::ToggleFullScreen));
        assert_eq!(keymap.change(Action::Next, f11), taken, "a second key too");
    }

    #[test]
    fn keys_for_writing_and_walking_cannot_be_had() {
        let mut keymap = Keymap::default();
        for shortcut in [
            Shortcut::plain(Key::Tab),
            Shortcut::plain(Key::Enter),
            Shortcut::shift(Key::Space),
            Shortcut::command(Key::C),
        ] {
            let refused = Err(Refusal::Reserved);
            assert_eq!(
                keymap.change(Action::Next, shortcut),
                refused,
                "{shortcut:?}"
            );
        }
    }

    #[test]
    fn changes_are_written_and_come_back_and_two_may_be_swapped() {
        let mut keymap = Keymap::default();
        let free = Shortcut::plain(Key::K);
        for (action, shortcut) in [
            (Action::ToggleMicrophone, free),
            (Action::ToggleCamera, Shortcut::plain(Key::M)),
            (Action::ToggleMicrophone, Shortcut::plain(Key::V)),
            (
                Action::Next,
                Shortcut::pressed(Key::N, Modifiers::CTRL | Modifiers::ALT),
            ),
        ] {
            keymap.change(action, shortcut).unwrap();
        }
        let text = serde_json::to_string(&keymap).unwrap();
        let back: Keymap = serde_json::from_str(&text).unwrap();
        for action in Action::ALL {
            assert_eq!(back.shortcut(action), keymap.shortcut(action));
        }
        assert!(text.contains(r#""next":"Ctrl+Alt+N""#), "{text}");
    }

    #[test]
    fn what_is_not_understood_or_taken_twice_falls_back_to_the_default() {
        assert_eq!(
            written(&[
                ("next", "Hyper+N"),
                ("stop", ""),
                ("camera", "Tab"),
                ("?", "K")
            ]),
            Keymap::default()
        );
        assert_eq!(written(&[("start", "K")]), Keymap::default());
        // The microphone keeps M; the chat wanted the camera's key, which the camera has given up.
        let keymap = written(&[("camera", "M"), ("chat", "V"), ("next", "V")]);
        for action in Action::ALL {
            let shortcut = keymap.shortcut(action);
            assert_eq!(keymap.action(shortcut), Some(action), "{action:?}");
        }
    }
}

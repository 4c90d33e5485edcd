//! Sentences about keys.

use crate::keymap::{Refusal, Shortcut};

/// Says why an action did not get a key.
pub fn refusal(refusal: Refusal) -> String {
    match refusal {
        Refusal::Taken(action) => format!(
            "This key is taken: {}. Choose another one, or change that one first.",
            action.entry().title
        ),
        Refusal::Reserved => {
            "This key is needed for writing or for moving around. Choose another one.".to_owned()
        }
    }
}

/// The keys that do an action, in words.
pub fn keys(shortcut: Shortcut, also: Option<Shortcut>) -> String {
    match also.filter(|also| *also != shortcut) {
        Some(also) => format!("{} or {}", shortcut.label(), also.label()),
        None => shortcut.label(),
    }
}

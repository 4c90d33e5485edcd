//! Sentences about keys.

use crate::keymap::{Refusal, Shortcut};

/// Says why an action did not get a key.
pub fn refusal(refusal: Refusal) -> String {
    match refusal {
        Refusal::Taken(action) => tr!(
            "This key is taken: {action}. Choose another one, or change that one first.",
            action = action.entry().title.text()
        ),
        Refusal::Reserved => {
            tr!("This key is needed for writing or for moving around. Choose another one.")
                .to_owned()
        }
    }
}

/// The keys that do an action, in words.
pub fn keys(shortcut: Shortcut, also: Option<Shortcut>) -> String {
    match also.filter(|also| *also != shortcut) {
        Some(also) => tr!(
            "{key} or {other}",
            key = shortcut.label(),
            other = also.label()
        ),
        None => shortcut.label(),
    }
}

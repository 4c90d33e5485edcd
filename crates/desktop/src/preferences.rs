//! What a person wants of the window, whatever the engine does. Plain values, remembered with the rest of the settings.

use serde::{Deserialize, Serialize};

use crate::keymap::Keymap;

/// What is remembered of the window. What an older file lacks is as at first; what it has too much is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Preferences {
    /// The keys that were changed.
    pub shortcuts: Keymap,
}

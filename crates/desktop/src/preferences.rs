//! What a person wants of the window, whatever the engine does. Plain values, remembered with the rest of the settings.

use serde::{Deserialize, Serialize};

use crate::keymap::Keymap;

/// Which rules one agrees to today. Everybody is asked again when it rises.
pub const RULES_VERSION: u32 = 1;

/// What is remembered of the window. What an older file lacks is as at first; what it has too much is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Preferences {
    /// The version of the rules that the person has agreed to, and said to be of age; 0 for none.
    pub consent: u32,
    /// The keys that were changed.
    pub shortcuts: Keymap,
}

impl Preferences {
    /// Whether the person has agreed to the rules of today, or to later ones in a newer program.
    pub const fn has_agreed(&self) -> bool {
        self.consent >= RULES_VERSION
    }
}

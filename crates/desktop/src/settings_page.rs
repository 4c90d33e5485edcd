//! Which part of the settings is open, and what is being changed there. Plain values.

use crate::actions::Action;
use crate::keymap::Refusal;

/// A part of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Devices, and what is done to voice and pictures.
    AudioVideo,
    /// The address, the server and the network.
    Network,
    /// Going on to the next stranger, and writing.
    Chat,
    /// Sizes and motion.
    Appearance,
    /// Which key does what.
    Shortcuts,
    /// What this program is.
    About,
}

impl Section {
    /// All of them, in the order of the list.
    pub const ALL: [Self; 6] = [
        Self::AudioVideo,
        Self::Network,
        Self::Chat,
        Self::Appearance,
        Self::Shortcuts,
        Self::About,
    ];
}

/// What is open of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettingsPage {
    /// The part that can be seen.
    pub section: Section,
    /// The action that waits for its new key.
    pub recording: Option<Action>,
    /// The action that did not get the key that was pressed for it, and why.
    pub refused: Option<(Action, Refusal)>,
}

impl SettingsPage {
    /// The settings at one of their parts.
    pub const fn at(section: Section) -> Self {
        Self {
            section,
            recording: None,
            refused: None,
        }
    }
}

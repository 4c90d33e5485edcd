//! What a person wants of the window, whatever the engine does. Plain values, remembered with the rest of the settings.

use engine::VoiceConfig;
use serde::{Deserialize, Serialize};

use crate::keymap::Keymap;
use crate::text::Language;

/// Which rules one agrees to today. Everybody is asked again when it rises.
pub const RULES_VERSION: u32 = 1;

/// The sizes of text that can be had, in per cent of the usual one.
const TEXT_PERCENT: std::ops::RangeInclusive<u16> = 80..=160;
/// One step larger or smaller.
const TEXT_STEP: u16 = 10;

/// A corner of the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Corner {
    /// Left, below what stands at the top.
    TopLeft,
    /// Right, below what stands at the top.
    TopRight,
    /// Left, beside or above the dock.
    BottomLeft,
    /// Right, beside or above the dock.
    #[default]
    BottomRight,
}

impl Corner {
    /// All of them, as one reads.
    pub const ALL: [Self; 4] = [
        Self::TopLeft,
        Self::TopRight,
        Self::BottomLeft,
        Self::BottomRight,
    ];

    /// The corner of a place.
    pub const fn of(is_left: bool, is_top: bool) -> Self {
        match (is_left, is_top) {
            (true, true) => Self::TopLeft,
            (false, true) => Self::TopRight,
            (true, false) => Self::BottomLeft,
            (false, false) => Self::BottomRight,
        }
    }

    /// Whether it is on the left.
    pub const fn is_left(self) -> bool {
        matches!(self, Self::TopLeft | Self::BottomLeft)
    }

    /// The one beside it.
    #[must_use]
    pub const fn beside(self) -> Self {
        Self::of(!self.is_left(), self.is_top())
    }

    /// Whether it is at the top.
    pub const fn is_top(self) -> bool {
        matches!(self, Self::TopLeft | Self::TopRight)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::TopLeft => tr!("Top left"),
            Self::TopRight => tr!("Top right"),
            Self::BottomLeft => tr!("Bottom left"),
            Self::BottomRight => tr!("Bottom right"),
        }
    }
}

/// Light or dark, outside of calls. Calls are dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Colors {
    /// As the system says; dark where it says nothing.
    #[default]
    System,
    /// Dark words on light ground.
    Light,
    /// Light words on dark ground.
    Dark,
}

impl Colors {
    /// All of them, in the order of the settings.
    pub const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => tr!("As the system"),
            Self::Light => tr!("Light"),
            Self::Dark => tr!("Dark"),
        }
    }
}

/// What is remembered of the window. What an older file lacks is as at first; what it has too much is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each one is a switch of the settings, by itself"
)]
pub struct Preferences {
    /// The version of the rules that the person has agreed to, and said to be of age; 0 for none.
    pub consent: u32,
    /// The keys that were changed.
    pub shortcuts: Keymap,
    /// Take what the speaker plays out of what the microphone hears.
    pub echo_cancellation: bool,
    /// Lower steady noise.
    pub noise_suppression: bool,
    /// Bring quiet and loud voices to a common level.
    pub gain_control: bool,
    /// In calls the microphone is on only while a key is held.
    pub push_to_talk: bool,
    /// Calls begin behind a veil.
    pub is_veiled: bool,
    /// The veil is lifted as soon as the stranger has lifted theirs.
    pub unveils_by_itself: bool,
    /// Tell the stranger while one is writing.
    pub tells_typing: bool,
    /// Open the chat with every call.
    pub opens_chat: bool,
    /// The language of the window; nothing for the system's.
    pub language: Option<Language>,
    /// Light or dark.
    pub colors: Colors,
    /// How large everything is, in per cent of the usual size.
    pub text_percent: u16,
    /// Nothing moves that need not.
    pub is_motion_reduced: bool,
    /// Go on to the next stranger by itself when one has left.
    pub goes_on_by_itself: bool,
    /// Ask for attention when somebody is found while the person is elsewhere.
    pub asks_for_attention: bool,
    /// Where one's own picture stands in a call.
    pub self_view: Corner,
    /// One's own picture is shown as in a mirror. The stranger always sees it as it is.
    pub is_mirrored: bool,
    /// The stranger's picture is shown whole, with bars where it has another shape, and does not fill the stage.
    pub fits_picture: bool,
    /// What the person has liked to talk about so far, the newest first.
    pub former_interests: Vec<String>,
}

impl Default for Preferences {
    fn default() -> Self {
        let voice = VoiceConfig::default();
        Self {
            consent: 0,
            shortcuts: Keymap::default(),
            echo_cancellation: voice.echo_cancellation,
            noise_suppression: voice.noise_suppression,
            gain_control: voice.gain_control,
            push_to_talk: false,
            is_veiled: true,
            unveils_by_itself: false,
            tells_typing: true,
            opens_chat: false,
            language: None,
            colors: Colors::default(),
            text_percent: 100,
            is_motion_reduced: false,
            goes_on_by_itself: true,
            asks_for_attention: true,
            self_view: Corner::default(),
            is_mirrored: true,
            fits_picture: false,
            former_interests: Vec::new(),
        }
    }
}

impl Preferences {
    /// Whether the person has agreed to the rules of today, or to later ones in a newer program.
    pub const fn has_agreed(&self) -> bool {
        self.consent >= RULES_VERSION
    }

    /// How the voice in a microphone is cleaned.
    pub const fn voice(&self) -> VoiceConfig {
        VoiceConfig {
            echo_cancellation: self.echo_cancellation,
            noise_suppression: self.noise_suppression,
            gain_control: self.gain_control,
        }
    }

    /// How large everything is; 1 is the usual size. A file may say anything, the window is never too small to read.
    pub fn zoom(&self) -> f32 {
        f32::from(
            self.text_percent
                .clamp(*TEXT_PERCENT.start(), *TEXT_PERCENT.end()),
        ) / 100.0
    }

    /// The size of text one step larger or smaller, if there is one.
    pub fn text_step(&self, is_larger: bool) -> Option<u16> {
        let next = if is_larger {
            self.text_percent.checked_add(TEXT_STEP)
        } else {
            self.text_percent.checked_sub(TEXT_STEP)
        };
        next.filter(|percent| TEXT_PERCENT.contains(percent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_grows_and_shrinks_in_steps_and_within_bounds() {
        let mut preferences = Preferences::default();
        let mut sizes = Vec::new();
        while let Some(percent) = preferences.text_step(true) {
            preferences.text_percent = percent;
            sizes.push(percent);
        }
        assert_eq!(sizes, [110, 120, 130, 140, 150, 160]);
        while let Some(percent) = preferences.text_step(false) {
            preferences.text_percent = percent;
        }
        assert_eq!(preferences.text_percent, 80);
        for (percent, zoom) in [(0, 0.8), (80, 0.8), (100, 1.0), (160, 1.6), (u16::MAX, 1.6)] {
            preferences.text_percent = percent;
            assert!((preferences.zoom() - zoom).abs() < 0.001, "{percent}");
        }
    }
}

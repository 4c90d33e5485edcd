//! What pictures are wished for, by the partner who sees them and by the person whose machine makes them.

use media::video::Shown;

use crate::power;

/// What the encoder is to go by, beside the path and the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Wish {
    /// How the partner shows pictures; none if that is not known.
    pub(super) shown: Option<Shown>,
    /// Whether they should cost this machine little.
    pub(super) is_saving: bool,
    /// Whether nobody is to recognise anything on them.
    pub(super) is_veiled: bool,
}

impl Wish {
    /// Whether anybody sees them.
    pub(super) fn is_seen(&self) -> bool {
        self.shown != Some(Shown::NOTHING)
    }

    /// What there is use for, as far as that is known.
    pub(super) fn limits(&self) -> Option<Shown> {
        if self.is_saving {
            Some(power::saving(self.shown.unwrap_or(Shown::ANY)))
        } else {
            self.shown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_window_stays_small_when_power_is_saved_and_a_large_one_does_not_stay_large() {
        let shown = |size_px| Shown {
            size_px,
            most_fps: Some(30),
        };
        let limits = |size_px, is_saving| {
            let shown = Some(shown(size_px));
            Wish {
                shown,
                is_saving,
                is_veiled: false,
            }
            .limits()
            .unwrap()
        };
        assert_eq!(limits((1920, 1088), false), shown((1920, 1088)));
        assert_eq!(limits((1920, 1088), true), power::SHOWN);
        assert_eq!(limits((320, 192), true).size_px, (320, 192));
        assert_eq!(Wish::default().limits(), None, "nobody knows");
        let saving = Wish {
            is_saving: true,
            ..Wish::default()
        };
        assert_eq!(saving.limits(), Some(power::SHOWN));
    }

    #[test]
    fn who_says_nothing_sees_them() {
        assert!(Wish::default().is_seen());
        let hidden = Wish {
            shown: Some(Shown::NOTHING),
            ..Wish::default()
        };
        assert!(!hidden.is_seen());
    }
}

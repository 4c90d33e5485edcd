//! How large pictures are shown, as it is told to whoever sends them: in coarse steps, and not at every twitch of a window.
//!
//! ```text
//! first, or seen again ──▶ told at once           larger or smaller ──▶ told a second after the last time at the earliest
//! not seen any more    ──▶ told after a second: who only looks elsewhere for a moment misses nothing
//! ```

use std::time::{Duration, Instant};

/// How pictures are shown, and so what more would be wasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Width and height in pixels of the screen.
    pub size_px: (u32, u32),
    /// The most pictures a second that there is use for; none if that is any number.
    pub most_fps: Option<u32>,
}

impl Shown {
    /// Nothing of them is seen.
    pub const NOTHING: Self = Self {
        size_px: (0, 0),
        most_fps: None,
    };

    /// There is use for whatever comes.
    pub const ANY: Self = Self {
        size_px: (u32::MAX, u32::MAX),
        most_fps: None,
    };

    /// No side is longer, whoever says so.
    const MAX_SIDE_PX: u32 = 8192;

    /// What makes sense, of what anybody may have made up.
    #[must_use]
    pub fn bounded(self) -> Self {
        let (width_px, height_px) = self.size_px;
        if width_px == 0 || height_px == 0 {
            return Self::NOTHING;
        }
        let side = |side_px: u32| side_px.min(Self::MAX_SIDE_PX);
        Self {
            size_px: (side(width_px), side(height_px)),
            most_fps: self.most_fps.map(|fps| fps.max(1)),
        }
    }
}

/// Decides what the partner is told of how its pictures are shown here, and when.
#[derive(Debug, Default)]
pub struct ShownNotices {
    is: Option<Since>,
    told: Option<Since>,
}

/// How pictures are shown, and from when on.
#[derive(Debug, Clone, Copy)]
struct Since {
    shown: Shown,
    at: Instant,
}

impl ShownNotices {
    /// Sides are told in multiples of this. Coarse, for an exact size tells one machine from others.
    const STEP_PX: u32 = 64;
    /// What was told holds for sides that differ from it by no more than this: half a step, and a little so that a side
    /// between two steps does not change from one to the other and back.
    const SLACK_PX: u32 = 48;
    /// Between two sizes that are told.
    const SPACING: Duration = Duration::from_secs(1);
    /// For so long nothing must be seen before that is told.
    const HIDDEN_TIME: Duration = Duration::from_secs(1);

    /// From now on pictures are shown so.
    pub fn set(&mut self, shown: Shown, now: Instant) {
        let shown = shown.bounded();
        if self.is.is_none_or(|is| is.shown != shown) {
            self.is = Some(Since { shown, at: now });
        }
    }

    /// What was told may not have arrived, or it was another partner.
    pub fn forget_told(&mut self) {
        self.told = None;
    }

    /// When [`ShownNotices::poll_output`] has something to tell, if nothing changes until then.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let is = self.is?;
        let Some(told) = self.told else {
            return Some(is.at);
        };
        let next = self.in_steps(is.shown);
        if next == told.shown {
            None
        } else if next == Shown::NOTHING {
            Some(is.at + Self::HIDDEN_TIME)
        } else if told.shown == Shown::NOTHING {
            Some(is.at)
        } else {
            Some(told.at + Self::SPACING)
        }
    }

    /// What to tell the partner now.
    pub fn poll_output(&mut self, now: Instant) -> Option<Shown> {
        let is_due = self.poll_timeout().is_some_and(|due| due <= now);
        let shown = self.in_steps(self.is.filter(|_| is_due)?.shown);
        self.told = Some(Since { shown, at: now });
        Some(shown)
    }

    fn in_steps(&self, shown: Shown) -> Shown {
        let told_px = self.told.map_or((0, 0), |told| told.shown.size_px);
        let side = |side_px: u32, told_px: u32| {
            if side_px == 0 {
                0
            } else if told_px > 0 && side_px.abs_diff(told_px) <= Self::SLACK_PX {
                told_px
            } else {
                let steps = (side_px + Self::STEP_PX / 2) / Self::STEP_PX;
                steps.max(1) * Self::STEP_PX
            }
        };
        let (width_px, height_px) = shown.size_px;
        Shown {
            size_px: (side(width_px, told_px.0), side(height_px, told_px.1)),
            ..shown
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    fn sized(size_px: (u32, u32)) -> Shown {
        Shown {
            size_px,
            most_fps: None,
        }
    }

    /// A window that is drawn sixty times a second: what is told of it, and when.
    fn watch(frames: impl IntoIterator<Item = (u32, u32)>) -> Vec<(u64, (u32, u32))> {
        let start = simulation::start();
        let mut shown = ShownNotices::default();
        let mut told = Vec::new();
        for (frame, size_px) in (0..).zip(frames) {
            let at = frame * 16;
            shown.set(sized(size_px), start + ms(at));
            let output = shown.poll_output(start + ms(at));
            told.extend(output.map(|shown| (at, shown.size_px)));
        }
        told
    }

    #[test]
    fn a_window_that_is_dragged_is_told_once_a_second_and_at_the_end() {
        let drag = (0..200).map(|frame| (640 + 4 * frame, 480 + 3 * frame));
        let rest = std::iter::repeat_n((1440, 1080), 100);
        let told = watch(drag.chain(rest));
        assert_eq!(told.first(), Some(&(0, (640, 512))));
        assert_eq!(told.last().unwrap().1, (1408, 1088));
        assert!(told.len() <= 6, "{told:?}");
    }

    #[test]
    fn a_side_between_two_steps_does_not_go_back_and_forth() {
        let told = watch((0..1000).map(|frame| (672 + frame % 3, 480 - frame % 17)));
        assert_eq!(told.len(), 1, "{told:?}");
    }

    #[test]
    fn what_is_hidden_for_a_second_is_told_and_what_is_seen_again_at_once() {
        let seen = |count| std::iter::repeat_n((640, 480), count);
        let hidden = |count| std::iter::repeat_n((0, 480), count);
        let glance_elsewhere = seen(100).chain(hidden(60)).chain(seen(100));
        assert_eq!(watch(glance_elsewhere).len(), 1);
        let told = watch(seen(100).chain(hidden(70)).chain(seen(100)));
        let told: Vec<_> = told
            .into_iter()
            .map(|(at, (width, _))| (at, width))
            .collect();
        assert_eq!(told, [(0, 640), (2608, 0), (2720, 640)]);
    }

    #[test]
    fn the_next_partner_is_told_at_once() {
        let start = simulation::start();
        let mut shown = ShownNotices::default();
        assert_eq!(shown.poll_timeout(), None, "nobody knows");
        for is in [Shown::NOTHING, sized((320, 256))] {
            shown.set(is, start);
            shown.forget_told();
            assert_eq!(shown.poll_output(start), Some(is));
            assert_eq!(shown.poll_timeout(), None);
        }
    }

    #[test]
    fn that_fewer_pictures_are_wanted_is_told_like_another_size() {
        let start = simulation::start();
        let mut shown = ShownNotices::default();
        shown.set(sized((640, 512)), start);
        shown.poll_output(start).unwrap();
        let fewer = Shown {
            most_fps: Some(15),
            ..sized((640, 480))
        };
        shown.set(fewer, start + ms(100));
        assert_eq!(shown.poll_output(start + ms(999)), None);
        let told = shown.poll_output(start + ms(1000)).unwrap();
        assert_eq!((told.size_px, told.most_fps), ((640, 512), Some(15)));
    }

    proptest! {
        #[test]
        fn whatever_a_window_does_little_is_told_and_in_the_end_what_is_so(
            steps in prop::collection::vec((any::<u32>(), any::<u32>(), 0_u32..4, 0_u64..1500), 1..60),
        ) {
            let mut now = simulation::start();
            let mut shown = ShownNotices::default();
            let mut told = Vec::new();
            for (width_px, height_px, kind, pause) in steps {
                now += ms(pause);
                let size_px = match kind {
                    0 => (0, height_px),
                    1 => (width_px, height_px),
                    _ => (width_px % 2000, height_px % 2000),
                };
                let most_fps = width_px.is_multiple_of(3).then_some(height_px % 60);
                shown.set(Shown { size_px, most_fps }, now);
                told.extend(shown.poll_output(now).map(|shown| (now, shown)));
                prop_assert!(shown.poll_timeout().is_none_or(|due| due > now));
            }
            while let Some(due) = shown.poll_timeout() {
                now = due;
                told.push((now, shown.poll_output(now).expect("it is due")));
            }
            for pair in told.windows(2) {
                prop_assert_ne!(pair[0].1, pair[1].1, "what is known is not told");
            }
            for three in told.windows(3) {
                prop_assert!(three[2].0 - three[0].0 >= ShownNotices::SPACING, "{three:?}");
            }
            let is = shown.is.unwrap().shown;
            let last = told.last().unwrap().1;
            prop_assert_eq!(is == Shown::NOTHING, last == Shown::NOTHING);
            prop_assert_eq!(is.most_fps, last.most_fps);
            prop_assert_ne!(last.most_fps, Some(0));
            let sides = [(is.size_px.0, last.size_px.0), (is.size_px.1, last.size_px.1)];
            for (side, told) in sides {
                prop_assert!(told <= Shown::MAX_SIDE_PX && told.is_multiple_of(ShownNotices::STEP_PX));
                prop_assert!(side.abs_diff(told) <= ShownNotices::STEP_PX, "{side} was told as {told}");
            }
        }
    }
}

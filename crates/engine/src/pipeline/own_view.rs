//! What the person who sends pictures sees of them: each one, or small ones now and then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use media::Newest;
use media::video::{Scaler, VideoFrame};

/// A glance at a shared screen is renewed so often: one looks whether it is the right one, and does not read there.
const GLANCE_EVERY: Duration = Duration::from_millis(250);
/// The most that a glance has, in pixels: twice the size of a corner, for screens with small pixels.
const GLANCE_PX: (u32, u32) = (400, 300);

type Slot = Arc<Newest<Arc<VideoFrame>>>;

/// Leaves pictures in a slot, on their way out.
pub(crate) struct OwnView {
    slot: Slot,
    glances: Option<Glances>,
}

/// How pictures are made few and small.
#[derive(Default)]
struct Glances {
    last_at: Option<Instant>,
    scaler: Scaler,
}

impl OwnView {
    /// Shows every picture as it is.
    pub(crate) const fn of_all(slot: Slot) -> Self {
        Self {
            slot,
            glances: None,
        }
    }

    /// Shows small pictures, four times a second at most.
    pub(crate) fn of_glances(slot: Slot) -> Self {
        Self {
            slot,
            glances: Some(Glances::default()),
        }
    }

    /// Takes note of a picture that goes out; returns whether there is something new to be seen.
    pub(crate) fn take(&mut self, frame: &Arc<VideoFrame>) -> bool {
        let shown = match &mut self.glances {
            None => Some(Arc::clone(frame)),
            Some(glances) => glances.of(frame),
        };
        let is_news = shown.is_some();
        if let Some(shown) = shown {
            self.slot.put(shown);
        }
        is_news
    }
}

impl Glances {
    fn of(&mut self, frame: &Arc<VideoFrame>) -> Option<Arc<VideoFrame>> {
        let at = frame.captured_at();
        let is_early = |last: Instant| at.saturating_duration_since(last) < GLANCE_EVERY;
        if self.last_at.is_some_and(is_early) {
            return None;
        }
        self.last_at = Some(at);
        let size_px = (frame.width_px(), frame.height_px());
        let small_px = fitted(size_px);
        if small_px == size_px {
            return Some(Arc::clone(frame));
        }
        self.scaler.scale(frame, small_px).ok().map(Arc::new)
    }
}

/// The largest even size with these proportions that a glance may have, and no larger than it is.
fn fitted((width_px, height_px): (u32, u32)) -> (u32, u32) {
    let share = |most: u32, size: u32| f64::from(most) / f64::from(size.max(1));
    let scale = share(GLANCE_PX.0, width_px).min(share(GLANCE_PX.1, height_px));
    if scale >= 1.0 {
        return (width_px, height_px);
    }
    let side = |size: u32| ((f64::from(size) * scale / 2.0).floor() as u32).max(1) * 2;
    (side(width_px), side(height_px))
}

#[cfg(test)]
mod tests {
    use media::video::TestPattern;
    use proptest::prelude::*;

    use super::*;

    fn frame(start: Instant, at_ms: u64) -> Arc<VideoFrame> {
        let pattern = TestPattern::new(1280, 720);
        let at = start + Duration::from_millis(at_ms);
        Arc::new(pattern.draw(0, 0, at))
    }

    #[test]
    fn the_camera_is_seen_as_it_is() {
        let slot = Slot::default();
        let mut view = OwnView::of_all(Arc::clone(&slot));
        let first = frame(Instant::now(), 0);
        assert!(view.take(&first));
        assert!(view.take(&first), "each one");
        assert!(Arc::ptr_eq(&slot.take().unwrap(), &first));
    }

    #[test]
    fn a_screen_is_seen_small_and_four_times_a_second() {
        let slot = Slot::default();
        let mut view = OwnView::of_glances(Arc::clone(&slot));
        let start = Instant::now();
        let times = (0..30).map(|number| number * 66);
        let seen: Vec<u64> = times.filter(|&ms| view.take(&frame(start, ms))).collect();
        assert_eq!(seen, [0, 264, 528, 792, 1056, 1320, 1584, 1848]);
        let shown = slot.take().unwrap();
        assert_eq!((shown.width_px(), shown.height_px()), (400, 224));
    }

    proptest! {
        #[test]
        fn a_glance_is_even_and_fits(width in 2..8000_u32, height in 2..8000_u32) {
            let (small_width, small_height) = fitted((width & !1, height & !1));
            prop_assert!(small_width % 2 == 0 && small_height % 2 == 0);
            prop_assert!((2..=400).contains(&small_width) && (2..=300).contains(&small_height));
        }
    }
}

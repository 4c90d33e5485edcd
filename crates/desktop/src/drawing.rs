//! How often the window is drawn, and for how many new pictures. Plain counting, no window.

use std::time::{Duration, Instant};

/// What is summed up at a time.
const SPAN: Duration = Duration::from_secs(1);

/// Counts passes and pictures, and sums them up about once a second while there are some. Nothing is woken for it.
#[derive(Debug, Default)]
pub struct Drawing {
    /// When the span began, and how many passes there had been by then.
    began: Option<(Instant, u64)>,
    pictures: u32,
}

/// What was drawn in a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawn {
    /// How long it was.
    pub span: Duration,
    /// How often the window was drawn.
    pub passes: u64,
    /// How many new pictures of people and screens there were to be drawn.
    pub pictures: u32,
}

impl Drawing {
    /// Takes note of a pass for which there were so many new `pictures`; `passes` is how many there have been so far, this one
    /// included. Returns the sum when a span is full.
    pub fn note(&mut self, pictures: u32, passes: u64, now: Instant) -> Option<Drawn> {
        let (since, before) = *self.began.get_or_insert((now, passes));
        self.pictures = self.pictures.saturating_add(pictures);
        let span = now.saturating_duration_since(since);
        if span < SPAN {
            return None;
        }
        let drawn = Drawn {
            span,
            passes: passes.saturating_sub(before),
            pictures: std::mem::take(&mut self.pictures),
        };
        self.began = Some((now, passes));
        Some(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_and_pictures_are_summed_up_when_a_second_is_full() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut drawing = Drawing::default();
        assert_eq!(drawing.note(0, 7, at(0)), None);
        assert_eq!(drawing.note(2, 8, at(500)), None);
        // One that was thrown away and drawn again counts twice.
        let first = Drawn {
            span: Duration::from_secs(1),
            passes: 3,
            pictures: 3,
        };
        assert_eq!(drawing.note(1, 10, at(1000)), Some(first));
        let second = Drawn {
            span: Duration::from_mins(1),
            passes: 1,
            pictures: 0,
        };
        assert_eq!(drawing.note(0, 11, at(61_000)), Some(second));
    }
}

//! How many people the server says are there, for as long as that is worth being said.

use std::time::{Duration, Instant};

use crate::SignallingView;

/// How long the number stands. The server says it when one connects and when one begins to look for a partner, and not again: later
/// it is a memory, and "only you" may keep people from trying.
const HOLDS: Duration = Duration::from_mins(1);

/// Knows how old the number is.
#[derive(Debug, Default)]
pub(crate) struct Online {
    told_at: Option<Instant>,
}

impl Online {
    /// The server is there and has said how many are connected.
    pub(crate) const fn tell(&mut self, online: u32, now: Instant) -> SignallingView {
        self.told_at = Some(now);
        SignallingView::Connected {
            online: Some(online),
        }
    }

    /// Takes the number out of what is shown once it is old.
    pub(crate) fn forget_old(&self, view: &mut SignallingView, now: Instant) {
        if let (SignallingView::Connected { online }, Some(told_at)) = (view, self.told_at)
            && now.saturating_duration_since(told_at) >= HOLDS
        {
            *online = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_forgotten_after_a_while_unless_it_is_said_again() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut online = Online::default();
        let mut view = online.tell(1, start);
        online.forget_old(&mut view, at(59));
        assert_eq!(view, SignallingView::Connected { online: Some(1) });
        view = online.tell(1, at(59));
        online.forget_old(&mut view, at(118));
        assert_eq!(view, SignallingView::Connected { online: Some(1) });
        online.forget_old(&mut view, at(119));
        assert_eq!(view, SignallingView::Connected { online: None });
    }

    #[test]
    fn a_server_that_is_away_stays_away() {
        let start = Instant::now();
        let mut online = Online::default();
        drop(online.tell(3, start));
        let mut view = SignallingView::Connecting;
        online.forget_old(&mut view, start + HOLDS);
        assert_eq!(view, SignallingView::Connecting);
    }
}

//! Stretches of what was sent, to see which share was lost at which rate.

/// Packets that were sent one after the other, and what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct LossWindow {
    is_begun: bool,
    /// When the first one was sent, in microseconds.
    pub(super) from_us: i64,
    /// How long it took to send them, in microseconds. Zero until the window is full.
    pub(super) length_us: i64,
    pub(super) received: u32,
    pub(super) lost: u32,
    /// Losses in a row count as one.
    pub(super) runs: u32,
    is_in_run: bool,
}

impl LossWindow {
    /// It is full after this time, in microseconds …
    const LENGTH_US: i64 = 300_000;
    /// … and this many packets.
    const PACKETS: u32 = 15;

    /// Counts the next packet; it is the first of a new window, and the last one is given back, if that is full.
    pub(super) fn count(&mut self, sent_us: i64, is_received: bool) -> Option<Self> {
        if !self.is_begun {
            self.is_begun = true;
            self.from_us = sent_us;
        }
        let length_us = sent_us.saturating_sub(self.from_us);
        let packets = self.received.saturating_add(self.lost);
        let full = (length_us >= Self::LENGTH_US && packets >= Self::PACKETS)
            .then_some(Self { length_us, ..*self });
        if full.is_some() {
            *self = Self {
                is_begun: true,
                from_us: sent_us,
                is_in_run: self.is_in_run,
                ..Self::default()
            };
        }
        if is_received {
            self.received = self.received.saturating_add(1);
        } else {
            self.lost = self.lost.saturating_add(1);
            self.runs = self.runs.saturating_add(u32::from(!self.is_in_run));
        }
        self.is_in_run = !is_received;
        full
    }

    /// A full one, each loss by itself.
    #[cfg(test)]
    pub(super) fn full(received: u32, lost: u32, seconds: f64) -> Self {
        Self {
            length_us: (seconds * 1e6) as i64,
            received,
            lost,
            runs: lost,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_window_has_what_was_sent_in_it() {
        let mut window = LossWindow::default();
        let full = (0..100)
            .find_map(|number| window.count(1_000_000 + number * 10_000, !(5..8).contains(&number)))
            .expect("it becomes full");
        assert_eq!((full.from_us, full.length_us), (1_000_000, 300_000));
        assert_eq!((full.received, full.lost, full.runs), (27, 3, 1));
    }

    #[test]
    fn few_packets_make_it_longer() {
        let mut window = LossWindow::default();
        let full = (0..100)
            .find_map(|number| window.count(number * 100_000, true))
            .expect("it becomes full");
        assert_eq!(full.length_us, 1_500_000);
    }
}

//! Keeps media that the stack would drop, until it does not.
//!
//! Before its keys are there, and from the start of an ICE restart until another pair is selected, the stack of `rtc`
//! 0.21.1 drops what the partner sends (`handler/srtp.rs`, `handler/ice.rs`). At the start nobody notices the loss: the
//! first packet that arrives counts as the first. So arrivals wait here, and are handed over in order.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::datagram::Content;

/// What may wait: at 8 Mbit/s a second.
const MAX_BYTES: usize = 1024 * 1024;
const MAX_DATAGRAMS: usize = 1024;
/// What has waited for longer is of no use to a call.
const MAX_AGE: Duration = Duration::from_secs(2);

/// What is kept at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Media: there are no keys. Handshake messages must pass.
    Connecting,
    /// Media and messages: there is no path.
    Restarting,
    Off,
}

/// Arrivals that wait, each with whatever says where it came from.
#[derive(Debug)]
pub(super) struct Hold<T> {
    mode: Mode,
    items: VecDeque<Item<T>>,
    bytes: usize,
}

#[derive(Debug)]
struct Item<T> {
    arrived_at: Instant,
    source: T,
    bytes: Vec<u8>,
}

impl<T> Hold<T> {
    pub(super) fn new() -> Self {
        Self {
            mode: Mode::Connecting,
            items: VecDeque::new(),
            bytes: 0,
        }
    }

    /// The path is gone, and another is looked for.
    pub(super) fn on_restart(&mut self) {
        if self.mode == Mode::Off {
            self.mode = Mode::Restarting;
        }
    }

    /// Whether an arrival is to be kept.
    pub(super) fn wants(&self, content: Content) -> bool {
        match self.mode {
            Mode::Connecting => content == Content::Media,
            Mode::Restarting => matches!(content, Content::Media | Content::DtlsRecord),
            Mode::Off => false,
        }
    }

    /// Keeps an arrival, unless there are too many already: those that came first are missed most, because for those
    /// that follow the receiver can ask again.
    pub(super) fn keep(&mut self, source: T, bytes: &[u8], now: Instant) {
        while let Some(first) = self.items.front()
            && now.saturating_duration_since(first.arrived_at) > MAX_AGE
        {
            self.bytes -= first.bytes.len();
            self.items.pop_front();
        }
        if self.bytes + bytes.len() <= MAX_BYTES && self.items.len() < MAX_DATAGRAMS {
            self.bytes += bytes.len();
            self.items.push_back(Item {
                arrived_at: now,
                source,
                bytes: bytes.to_vec(),
            });
        }
    }

    /// The stack takes media: what waited, in order of arrival.
    pub(super) fn release(&mut self, now: Instant) -> impl Iterator<Item = (T, Vec<u8>)> + use<T> {
        self.mode = Mode::Off;
        self.bytes = 0;
        std::mem::take(&mut self.items)
            .into_iter()
            .filter(move |item| now.saturating_duration_since(item.arrived_at) <= MAX_AGE)
            .map(|item| (item.source, item.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_there_are_keys_media_waits_and_the_handshake_does_not() {
        let now = Instant::now();
        let mut hold = Hold::new();
        assert!(hold.wants(Content::Media));
        assert!(!hold.wants(Content::Handshake) && !hold.wants(Content::DtlsRecord));
        hold.on_restart();
        assert!(!hold.wants(Content::DtlsRecord), "there are still no keys");
        hold.keep('a', &[1], now);
        hold.keep('b', &[2], now);
        let released: Vec<_> = hold.release(now).collect();
        assert_eq!(released, [('a', vec![1]), ('b', vec![2])]);
        assert!(!hold.wants(Content::Media));
    }

    #[test]
    fn during_a_restart_messages_wait_too() {
        let mut hold = Hold::<()>::new();
        assert_eq!(hold.release(Instant::now()).count(), 0);
        hold.on_restart();
        assert!(hold.wants(Content::Media) && hold.wants(Content::DtlsRecord));
        assert!(!hold.wants(Content::Check) && !hold.wants(Content::TurnControl));
    }

    #[test]
    fn it_is_bounded_and_forgets_what_is_old() {
        let start = Instant::now();
        let mut hold = Hold::new();
        for number in 0..100_000_u32 {
            hold.keep(number, &[0; 1200], start);
            assert!(hold.bytes <= MAX_BYTES && hold.items.len() <= MAX_DATAGRAMS);
        }
        let later = start + MAX_AGE + Duration::from_millis(1);
        hold.keep(7, &[1], later);
        let released: Vec<_> = hold.release(later).collect();
        assert_eq!(released, [(7, vec![1])]);
        assert_eq!(hold.bytes, 0);
    }
}

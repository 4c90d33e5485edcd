//! Which way to a relay is tried when.
//!
//! A relay over UDP is the best: a stream holds everything up for each lost segment. So streams are opened only if no
//! better way has worked a moment later, and not at all if one has: each way costs the server an allocation.

use std::time::{Duration, Instant};

/// How long each better way is given alone. Two round trips to a server on the same continent.
const HEAD_START: Duration = Duration::from_millis(250);

/// How long to wait for somebody to ask for an allocation. Whoever does says so.
const IDLE: Duration = Duration::from_mins(1);

/// Whether a stream may be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Open,
    /// Not before this instant.
    Wait(Instant),
    /// A relay is there already.
    Refuse,
}

/// The ways to relays: perhaps one over UDP, and streams, best first.
#[derive(Debug)]
pub(super) struct Choice {
    has_udp: bool,
    is_udp_allocated: bool,
    started_at: Option<Instant>,
    streams: Vec<Stream>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Untried,
    Failed,
    Allocated,
}

impl Choice {
    pub(super) fn new(has_udp: bool, streams: usize) -> Self {
        Self {
            has_udp,
            is_udp_allocated: false,
            started_at: None,
            streams: vec![Stream::Untried; streams],
        }
    }

    /// The stack asks for an allocation.
    pub(super) fn on_wanted(&mut self, now: Instant) {
        self.started_at.get_or_insert(now);
    }

    /// A relay answered over UDP.
    pub(super) fn on_udp_allocated(&mut self) {
        self.is_udp_allocated = true;
    }

    /// A relay answered on this stream.
    pub(super) fn on_stream_allocated(&mut self, index: usize) {
        self.set(index, Stream::Allocated);
    }

    /// A stream could not be opened, or broke.
    pub(super) fn on_stream_failed(&mut self, index: usize) {
        self.set(index, Stream::Failed);
    }

    fn set(&mut self, index: usize, state: Stream) {
        if let Some(stream) = self.streams.get_mut(index) {
            *stream = state;
        }
    }

    /// Whether the stream `index` may be opened at `now`.
    pub(super) fn verdict(&self, index: usize, now: Instant) -> Verdict {
        let is_served = self.is_udp_allocated
            || (self.streams.iter().enumerate())
                .any(|(other, state)| other != index && *state == Stream::Allocated);
        if is_served {
            return Verdict::Refuse;
        }
        let Some(started_at) = self.started_at else {
            return Verdict::Wait(now + IDLE);
        };
        let better = self.streams.iter().take(index);
        let better = better.filter(|state| **state == Stream::Untried).count();
        let opens_at = started_at + HEAD_START * (u32::from(self.has_udp) + better as u32);
        if now < opens_at {
            Verdict::Wait(opens_at)
        } else {
            Verdict::Open
        }
    }

    /// Everything is looked for anew, as on another network.
    pub(super) fn reset(&mut self) {
        self.is_udp_allocated = false;
        self.started_at = None;
        self.streams.fill(Stream::Untried);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(has_udp: bool, streams: usize) -> (Choice, Instant) {
        let start = Instant::now();
        let mut choice = Choice::new(has_udp, streams);
        choice.on_wanted(start);
        choice.on_wanted(start + HEAD_START);
        (choice, start)
    }

    #[test]
    fn a_stream_that_is_the_only_way_opens_at_once() {
        let (choice, start) = started(false, 1);
        assert_eq!(choice.verdict(0, start), Verdict::Open);
    }

    #[test]
    fn each_way_waits_for_the_better_ones() {
        let (choice, start) = started(true, 2);
        assert_eq!(choice.verdict(0, start), Verdict::Wait(start + HEAD_START));
        assert_eq!(choice.verdict(0, start + HEAD_START), Verdict::Open);
        assert_eq!(
            choice.verdict(1, start + HEAD_START),
            Verdict::Wait(start + 2 * HEAD_START)
        );
        assert_eq!(choice.verdict(1, start + 2 * HEAD_START), Verdict::Open);
    }

    #[test]
    fn nothing_opens_while_udp_works() {
        let (mut choice, start) = started(true, 2);
        choice.on_udp_allocated();
        assert_eq!(choice.verdict(0, start + 9 * HEAD_START), Verdict::Refuse);
        choice.reset();
        choice.on_wanted(start + 10 * HEAD_START);
        assert_eq!(choice.verdict(0, start + 11 * HEAD_START), Verdict::Open);
    }

    #[test]
    fn one_stream_is_enough_and_a_failed_one_is_not_waited_for() {
        let (mut choice, start) = started(false, 3);
        choice.on_stream_failed(0);
        assert_eq!(choice.verdict(1, start), Verdict::Open);
        choice.on_stream_allocated(1);
        assert_eq!(choice.verdict(2, start + 9 * HEAD_START), Verdict::Refuse);
        assert_eq!(
            choice.verdict(1, start),
            Verdict::Open,
            "it may be opened again itself"
        );
        choice.on_stream_failed(1);
        assert_eq!(choice.verdict(2, start), Verdict::Open);
    }
}

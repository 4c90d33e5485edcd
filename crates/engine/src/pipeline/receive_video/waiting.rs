//! Frames that are complete and wait to be decoded. Owns no clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use media::video::{AssembledFrame, PlayoutDelay};

/// In the order in which they are decoded, with the moments at which they are due.
#[derive(Debug, Default)]
pub(super) struct WaitingFrames {
    delay: PlayoutDelay,
    frames: VecDeque<(Instant, AssembledFrame)>,
    bytes: usize,
}

impl WaitingFrames {
    /// A frame that is due for longer finds a decoder that does not keep up: going on with a keyframe is better than falling further
    /// behind.
    const MAX_LATENESS: Duration = Duration::from_millis(500);
    /// How many frames are kept: [`PlayoutDelay::MAX`] and [`Self::MAX_LATENESS`] at 60 in a second.
    const MAX_FRAMES: usize = 90;
    /// How many bytes are kept, against a sender of giant frames.
    const MAX_BYTES: usize = 8 << 20;

    /// Takes in a frame that became ready `now`. Returns how many frames were dropped for it: all that waited, or none. What
    /// follows refers to them.
    pub(super) fn insert(&mut self, frame: AssembledFrame, now: Instant) -> u64 {
        let is_behind =
            |due_at: Instant| now.saturating_duration_since(due_at) > Self::MAX_LATENESS;
        let is_full = self.frames.len() >= Self::MAX_FRAMES
            || self.bytes + frame.data.len() > Self::MAX_BYTES
            || self
                .frames
                .front()
                .is_some_and(|(due_at, _)| is_behind(*due_at));
        let dropped = if is_full { self.frames.len() as u64 } else { 0 };
        if is_full {
            self.frames.clear();
            self.bytes = 0;
        }
        let due_at = self.delay.frame_ready(frame.media_time, now);
        self.bytes += frame.data.len();
        self.frames.push_back((due_at, frame));
        dropped
    }

    /// The next frame, if it is due.
    pub(super) fn poll_output(&mut self, now: Instant) -> Option<AssembledFrame> {
        let (due_at, _) = self.frames.front()?;
        if *due_at > now {
            return None;
        }
        let (_, frame) = self.frames.pop_front()?;
        self.bytes -= frame.data.len();
        Some(frame)
    }

    /// When the next frame is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.frames.front().map(|(due_at, _)| *due_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(33);

    fn frame(number: u32, len_bytes: usize, now: Instant) -> AssembledFrame {
        AssembledFrame {
            codec: media::video::VideoCodec::H264,
            data: vec![0; len_bytes].into(),
            is_keyframe: number == 0,
            timestamp: number * 2970,
            media_time: u64::from(number) * 2970,
            first_packet_at: now,
            completed_at: now,
            packets: 1,
        }
    }

    #[test]
    fn frames_that_come_in_time_are_due_at_once_and_in_order() {
        let start = Instant::now();
        let mut waiting = WaitingFrames::default();
        for number in 0..10 {
            let now = start + INTERVAL * number;
            assert_eq!(waiting.insert(frame(number, 100, now), now), 0);
            assert_eq!(waiting.poll_timeout(), Some(now));
            let due = waiting.poll_output(now).map(|frame| frame.timestamp);
            assert_eq!(due, Some(number * 2970));
            assert_eq!(waiting.poll_output(now), None);
        }
    }

    #[test]
    fn what_a_late_packet_sets_free_at_once_is_kept() {
        let start = Instant::now();
        let mut waiting = WaitingFrames::default();
        let dropped: u64 = (0..30)
            .map(|n| waiting.insert(frame(n, 5000, start), start))
            .sum();
        assert_eq!(dropped, 0);
        let decoded = std::iter::from_fn(|| waiting.poll_output(start + PlayoutDelay::MAX));
        assert_eq!(decoded.count(), 30);
    }

    #[test]
    fn a_decoder_that_does_not_keep_up_loses_all_that_waits() {
        let start = Instant::now();
        let mut waiting = WaitingFrames::default();
        let mut dropped = 0;
        for number in 0..100 {
            let now = start + INTERVAL * number;
            dropped += waiting.insert(frame(number, 100, now), now);
            assert!(waiting.frames.len() <= 17);
        }
        assert!((80..=99).contains(&dropped), "{dropped}");
    }

    #[test]
    fn giant_frames_take_no_more_than_the_limit() {
        let now = Instant::now();
        let mut waiting = WaitingFrames::default();
        for number in 0..100 {
            waiting.insert(frame(number, 3 << 20, now), now);
            assert!(waiting.bytes <= WaitingFrames::MAX_BYTES);
        }
    }
}

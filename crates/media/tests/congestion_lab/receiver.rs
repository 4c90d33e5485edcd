//! What the other side sees, and what it tells: transport-wide feedback each 100 ms, on a clock of its own.

use std::time::{Duration, Instant};

/// One packet as it travels.
#[derive(Debug, Clone, Copy)]
pub struct Packet {
    /// Transport-wide sequence number, unwrapped.
    pub number: u64,
    pub size_bytes: usize,
    pub kind: Kind,
    pub sent_at: Instant,
}

/// What it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sound,
    Picture,
    Padding,
    /// Of somebody else.
    Cross,
}

/// A feedback packet: what is known of a range of sequence numbers.
#[derive(Debug, Clone)]
pub struct Feedback {
    pub first: u64,
    /// Arrivals from `first` on, on the receiver's clock, in whole units of 250 µs.
    pub arrivals: Vec<Option<Duration>>,
}

/// Notes arrivals and makes feedback.
#[derive(Debug)]
pub struct Receiver {
    start: Instant,
    /// How much faster its clock runs, in parts per million.
    drift_ppm: f64,
    /// Its clock jumps ahead by this much …
    pub clock_jump: Duration,
    next: u64,
    arrived: Vec<(u64, Duration)>,
}

impl Receiver {
    pub const INTERVAL: Duration = Duration::from_millis(100);

    pub const fn new(start: Instant, drift_ppm: f64) -> Self {
        Self {
            start,
            drift_ppm,
            clock_jump: Duration::ZERO,
            next: 0,
            arrived: Vec::new(),
        }
    }

    pub fn on_packet(&mut self, now: Instant, number: u64) {
        let elapsed = now - self.start;
        let drifted = elapsed.mul_f64(1.0 + self.drift_ppm / 1e6);
        let on_clock = Duration::from_hours(1) + drifted + self.clock_jump;
        let ticks = on_clock.as_micros() as u64 / 250;
        self.arrived
            .push((number, Duration::from_micros(ticks * 250)));
    }

    /// What is to be told now, up to the newest that arrived.
    pub fn poll(&mut self) -> Option<Feedback> {
        let last = self.arrived.iter().map(|(number, _)| *number).max()?;
        let first = self
            .next
            .min(self.arrived.iter().map(|(number, _)| *number).min()?);
        let mut arrivals = vec![None; (last - first + 1) as usize];
        for (number, at) in self.arrived.drain(..) {
            arrivals[(number - first) as usize] = Some(at);
        }
        self.next = last + 1;
        Some(Feedback { first, arrivals })
    }
}

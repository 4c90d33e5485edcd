//! How one direction of a cable spoils what passes through it. Pure: time is an argument.

use std::time::{Duration, Instant};

use simulation::{Conditions, Link, Random};

/// How many frames may be on the way at once. A second of 100 Mbit/s in full-sized frames is 8,300.
const FRAMES_LIMIT: u64 = 20_000;

/// How one direction of a cable behaves. The default is a perfect one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// How long every frame takes at least.
    pub delay: Duration,
    /// How much longer it takes at most, evenly distributed. Keeps the order.
    pub jitter: Duration,
    /// The share of frames that is lost, from 0 to 1.
    pub loss_ratio: f64,
    /// How many are lost in a row, on average. At 1 each is lost or not by itself; above, losses come in bursts
    /// (the model of Gilbert).
    pub burst_frames: f64,
    /// What goes through in a second, in bits. None for no limit.
    pub rate_bps: Option<u64>,
    /// The longest that a frame may wait for its turn when there is a rate; one that would wait longer is dropped.
    pub queue: Duration,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss_ratio: 0.0,
            burst_frames: 1.0,
            rate_bps: None,
            queue: Duration::from_millis(300),
        }
    }
}

impl Shape {
    /// A perfect cable that takes this long.
    pub fn delayed(delay: Duration) -> Self {
        Self {
            delay,
            ..Self::default()
        }
    }

    /// A cable that lets nothing through.
    pub fn dead() -> Self {
        Self {
            loss_ratio: 1.0,
            ..Self::default()
        }
    }

    /// The same, with this share lost.
    #[must_use]
    pub const fn with_loss(self, loss_ratio: f64) -> Self {
        Self { loss_ratio, ..self }
    }
}

/// One direction of a cable: frames go in, and come out late or not at all.
#[derive(Debug)]
pub(crate) struct Shaper {
    shape: Shape,
    link: Link<Vec<u8>>,
    random: Random,
    is_in_burst: bool,
    /// Frames that go through untouched; see [`Shaper::put`].
    express: Option<Vec<u8>>,
    put: u64,
    taken: u64,
    lost: u64,
    overflowed: u64,
}

impl Shaper {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            shape: Shape::default(),
            link: Link::new(Conditions::default(), seed),
            random: Random::new(!seed),
            is_in_burst: false,
            express: None,
            put: 0,
            taken: 0,
            lost: 0,
            overflowed: 0,
        }
    }

    /// From here on it behaves like this. What is on the way arrives as it would have.
    pub(crate) fn set(&mut self, shape: Shape) {
        self.shape = shape;
        self.is_in_burst = false;
        self.link.set_conditions(Conditions {
            latency: shape.delay,
            jitter: shape.jitter,
            rate_bps: shape.rate_bps,
            queue: shape.queue,
            ..Conditions::default()
        });
    }

    /// Puts an Ethernet frame in.
    ///
    /// ARP goes through at once: a lost question is repeated after a whole second, which no long line has.
    pub(crate) fn put(&mut self, now: Instant, frame: &[u8]) {
        if is_arp(frame) && self.shape.loss_ratio < 1.0 && self.express.is_none() {
            self.express = Some(frame.to_vec());
            return;
        }
        if self.is_lost() {
            self.lost += 1;
            return;
        }
        if self.on_the_way() >= FRAMES_LIMIT {
            self.overflowed += 1;
            return;
        }
        self.put += 1;
        self.link.send_bytes(now, frame.to_vec(), frame.len());
    }

    /// A frame that has arrived by now.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Vec<u8>> {
        if let Some(frame) = self.express.take() {
            return Some(frame);
        }
        let frame = self.link.poll(now)?;
        self.taken += 1;
        Some(frame)
    }

    /// When the next frame arrives.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.link.poll_timeout()
    }

    /// How long a frame that is put in now has to wait for those before it.
    pub(crate) fn queue_delay(&self, now: Instant) -> Duration {
        self.link.queue_delay(now)
    }

    /// How many frames were lost by chance.
    pub(crate) const fn lost(&self) -> u64 {
        self.lost
    }

    /// How many frames found the queue full.
    pub(crate) const fn overflowed(&self) -> u64 {
        self.overflowed + self.link.overflowed()
    }

    const fn on_the_way(&self) -> u64 {
        self.put - self.taken - self.link.overflowed()
    }

    fn is_lost(&mut self) -> bool {
        let Shape {
            loss_ratio,
            burst_frames,
            ..
        } = self.shape;
        if loss_ratio >= 1.0 {
            return true;
        }
        if burst_frames <= 1.0 {
            return self.random.chance(loss_ratio);
        }
        // Two states: a burst ends with 1/length, and begins so often that the share of lost frames comes out right.
        let begin = loss_ratio / (burst_frames * (1.0 - loss_ratio));
        let stay = 1.0 - 1.0 / burst_frames;
        self.is_in_burst = self
            .random
            .chance(if self.is_in_burst { stay } else { begin });
        self.is_in_burst
    }
}

fn is_arp(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[0x08, 0x06])
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: [u8; 100] = [0; 100];

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn lost_of(shape: Shape, count: u32) -> Vec<bool> {
        let start = simulation::start();
        let mut shaper = Shaper::new(1);
        shaper.set(shape);
        (0..count)
            .map(|number| {
                let now = start + ms(1) * number;
                shaper.put(now, &FRAME);
                shaper.take(now).is_none()
            })
            .collect()
    }

    #[test]
    fn frames_are_late_by_the_delay() {
        let start = simulation::start();
        let mut shaper = Shaper::new(1);
        shaper.set(Shape::delayed(ms(20)));
        shaper.put(start, &FRAME);
        assert_eq!(shaper.take(start + ms(19)), None);
        assert_eq!(shaper.next_at(), Some(start + ms(20)));
        assert_eq!(shaper.take(start + ms(20)).unwrap(), FRAME);
    }

    #[test]
    fn jitter_makes_frames_later_by_no_more_than_asked_for_and_keeps_their_order() {
        let start = simulation::start();
        let mut shaper = Shaper::new(1);
        shaper.set(Shape {
            jitter: ms(30),
            ..Shape::delayed(ms(20))
        });
        let count = 500_u64;
        let (mut arrived, mut late) = (Vec::new(), Vec::new());
        for tick in 0..count + 100 {
            let now = start + ms(tick);
            if tick < count {
                shaper.put(now, &tick.to_be_bytes().repeat(8));
            }
            while let Some(frame) = shaper.take(now) {
                let number = u64::from_be_bytes(frame[..8].try_into().unwrap());
                arrived.push(number);
                late.push(tick - number);
            }
        }
        assert!(arrived.iter().copied().eq(0..count), "{arrived:?}");
        assert!(late.iter().all(|late| (20..=51).contains(late)), "{late:?}");
        assert!(late.iter().max() > late.iter().min(), "{late:?}");
    }

    #[test]
    fn losses_come_as_often_as_asked_for_one_by_one_and_in_bursts() {
        for burst_frames in [1.0, 5.0] {
            let shape = Shape {
                burst_frames,
                ..Shape::default().with_loss(0.1)
            };
            let lost = lost_of(shape, 50_000);
            let share = lost.iter().filter(|lost| **lost).count() as f64 / 50_000.0;
            assert!((0.085..0.115).contains(&share), "{burst_frames}: {share}");
            let bursts = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count();
            let length = 50_000.0 * share / bursts as f64;
            // By itself a loss is followed by another one in a tenth of all cases.
            let expected = if burst_frames > 1.0 { 5.0 } else { 1.11 };
            assert!(
                (length - expected).abs() < 0.1 * expected,
                "{burst_frames}: {length}"
            );
        }
    }

    #[test]
    fn a_dead_cable_lets_nothing_through_not_even_arp() {
        assert!(lost_of(Shape::dead(), 100).iter().all(|lost| *lost));
        let start = simulation::start();
        let mut shaper = Shaper::new(1);
        shaper.set(Shape::dead());
        shaper.put(start, &arp());
        assert_eq!(shaper.take(start), None);
    }

    #[test]
    fn arp_is_neither_lost_nor_late() {
        let start = simulation::start();
        let mut shaper = Shaper::new(1);
        shaper.set(Shape::delayed(ms(100)).with_loss(0.99));
        for _ in 0..100 {
            shaper.put(start, &arp());
            assert_eq!(shaper.take(start), Some(arp()));
        }
    }

    #[test]
    fn what_is_on_the_way_is_bounded() {
        let start = simulation::start();
        let mut shaper = Shaper::new(1);
        shaper.set(Shape::delayed(ms(1_000)));
        for _ in 0..FRAMES_LIMIT + 7 {
            shaper.put(start, &FRAME);
        }
        assert_eq!(shaper.overflowed(), 7);
        shaper.take(start + ms(1_000)).unwrap();
        shaper.put(start + ms(1_000), &FRAME);
        assert_eq!(shaper.overflowed(), 7, "one has left, so one has room");
    }

    fn arp() -> Vec<u8> {
        let mut frame = vec![0; 42];
        frame[12..14].copy_from_slice(&[0x08, 0x06]);
        frame
    }
}

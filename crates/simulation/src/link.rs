//! One direction of a network path.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::Random;

/// How a [`Link`] behaves. The default is a perfect one: at once, in order, without loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// How long everything takes at least.
    pub latency: Duration,
    /// How much longer it takes at most, evenly distributed. Keeps the order: what is held up holds up the rest.
    pub jitter: Duration,
    /// The share that never arrives, from 0 to 1.
    pub loss_ratio: f64,
    /// How many are lost in a row, on average. At 1 each is lost or not by itself; above, losses come in bursts (the model of
    /// Gilbert).
    pub loss_run: f64,
    /// The share that arrives twice, from 0 to 1.
    pub duplicate_ratio: f64,
    /// The share that what follows may overtake, from 0 to 1.
    pub reorder_ratio: f64,
    /// How much later than its turn something arrives that is overtaken.
    pub reorder_delay: Duration,
    /// What goes through in a second, in bits. None for no limit.
    pub rate_bps: Option<u64>,
    /// The longest that something may wait for its turn when there is a rate; what would wait longer is dropped.
    pub queue: Duration,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            jitter: Duration::ZERO,
            loss_ratio: 0.0,
            loss_run: 1.0,
            duplicate_ratio: 0.0,
            reorder_ratio: 0.0,
            reorder_delay: Duration::from_millis(20),
            rate_bps: None,
            queue: Duration::from_millis(300),
        }
    }
}

/// One direction of a network path, seeded and in virtual time.
#[derive(Debug)]
pub struct Link<T> {
    conditions: Conditions,
    random: Random,
    /// What is on the way, by arrival; the number keeps what arrives at the same moment in the order it was sent.
    on_the_way: BTreeMap<(Instant, u64), T>,
    sent: u64,
    lost: u64,
    overflowed: u64,
    /// The last one was lost, and with it maybe what follows.
    is_in_loss_run: bool,
    /// Until when the bottleneck is busy.
    busy_until: Option<Instant>,
    /// Nothing that keeps its order arrives before this.
    in_order_from: Option<Instant>,
}

impl<T: Clone> Link<T> {
    /// A link that behaves the same way every time for the same seed.
    pub const fn new(conditions: Conditions, seed: u64) -> Self {
        Self {
            conditions,
            random: Random::new(seed),
            on_the_way: BTreeMap::new(),
            sent: 0,
            lost: 0,
            overflowed: 0,
            is_in_loss_run: false,
            busy_until: None,
            in_order_from: None,
        }
    }

    /// Puts something in that takes no room: a rate does not delay it.
    pub fn send(&mut self, now: Instant, item: T) {
        self.send_bytes(now, item, 0);
    }

    /// Puts something in that is this long.
    pub fn send_bytes(&mut self, now: Instant, item: T, len_bytes: usize) {
        let Some(through_at) = self.pass_bottleneck(now, len_bytes) else {
            self.overflowed += 1;
            return;
        };
        if self.is_lost() {
            self.lost += 1;
            return;
        }
        if self.random.chance(self.conditions.duplicate_ratio) {
            self.put_on_the_way(through_at, item.clone());
        }
        self.put_on_the_way(through_at, item);
    }

    /// What has arrived by now, one at a time, in the order of arrival.
    pub fn poll(&mut self, now: Instant) -> Option<T> {
        let first = self.on_the_way.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// When the next thing arrives.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.on_the_way
            .first_key_value()
            .map(|((arrives_at, _), _)| *arrives_at)
    }

    /// From here on the link behaves like this. What is on the way arrives as it would have.
    pub const fn set_conditions(&mut self, conditions: Conditions) {
        self.conditions = conditions;
    }

    /// Drops everything that is on the way.
    pub fn cut(&mut self) {
        self.on_the_way.clear();
    }

    /// How many were lost by chance.
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// How many found the queue before the bottleneck full.
    pub const fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// How long something would wait for its turn that is put in now.
    pub fn queue_delay(&self, now: Instant) -> Duration {
        self.busy_until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    fn is_lost(&mut self) -> bool {
        let Conditions {
            loss_ratio,
            loss_run,
            ..
        } = self.conditions;
        if loss_run <= 1.0 || loss_ratio >= 1.0 {
            return self.random.chance(loss_ratio);
        }
        // A run ends with 1/length, and begins so often that the share of what is lost comes out right.
        let chance = if self.is_in_loss_run {
            1.0 - 1.0 / loss_run
        } else {
            loss_ratio / (loss_run * (1.0 - loss_ratio))
        };
        self.is_in_loss_run = self.random.chance(chance);
        self.is_in_loss_run
    }

    /// When something of this length is through the bottleneck. None when the queue is full.
    fn pass_bottleneck(&mut self, now: Instant, len_bytes: usize) -> Option<Instant> {
        let Some(rate_bps) = self.conditions.rate_bps else {
            return Some(now);
        };
        let begins_at = self
            .busy_until
            .map_or(now, |busy_until| busy_until.max(now));
        if begins_at - now > self.conditions.queue {
            return None;
        }
        let takes = Duration::from_secs_f64(len_bytes as f64 * 8.0 / rate_bps.max(1) as f64);
        self.busy_until = Some(begins_at + takes);
        self.busy_until
    }

    fn put_on_the_way(&mut self, through_at: Instant, item: T) {
        let jitter = self.random.duration(self.conditions.jitter);
        let mut arrives_at = through_at + self.conditions.latency + jitter;
        arrives_at = self
            .in_order_from
            .map_or(arrives_at, |from| from.max(arrives_at));
        if self.random.chance(self.conditions.reorder_ratio) {
            arrives_at += self.conditions.reorder_delay;
        } else {
            self.in_order_from = Some(arrives_at);
        }
        self.on_the_way.insert((arrives_at, self.sent), item);
        self.sent += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Sends 0, 1, 2, … one each `interval` and gives what arrives, with the milliseconds since the start.
    fn run(conditions: Conditions, seed: u64, count: u32, interval: Duration) -> Vec<(u32, u128)> {
        let start = crate::start();
        let mut link = Link::new(conditions, seed);
        for number in 0..count {
            link.send_bytes(start + interval * number, number, 1_000);
        }
        let mut arrived = Vec::new();
        while let Some(now) = link.poll_timeout() {
            let number = link.poll(now).expect("it is due");
            arrived.push((number, (now - start).as_millis()));
        }
        arrived
    }

    fn numbers(arrived: &[(u32, u128)]) -> Vec<u32> {
        arrived.iter().map(|(number, _)| *number).collect()
    }

    #[test]
    fn nothing_arrives_before_the_latency_is_over() {
        let start = crate::start();
        let mut link = Link::new(
            Conditions {
                latency: ms(50),
                ..Conditions::default()
            },
            1,
        );
        link.send(start, "hello");
        assert_eq!(link.poll(start + ms(49)), None);
        assert_eq!(link.poll_timeout(), Some(start + ms(50)));
        assert_eq!(link.poll(start + ms(50)), Some("hello"));
        assert_eq!(link.poll(start + ms(50)), None);
    }

    #[test]
    fn jitter_keeps_the_order() {
        let conditions = Conditions {
            latency: ms(20),
            jitter: ms(100),
            ..Conditions::default()
        };
        let arrived = run(conditions, 3, 500, ms(1));
        assert_eq!(numbers(&arrived), (0..500).collect::<Vec<_>>());
        assert!(
            arrived
                .iter()
                .any(|(number, at)| *at > u128::from(*number) + 60),
            "some jitter"
        );
    }

    #[test]
    fn loss_duplicates_and_reordering_come_as_often_as_asked_for() {
        let lossy = Conditions {
            loss_ratio: 0.1,
            ..Conditions::default()
        };
        let arrived = run(lossy, 4, 5_000, ms(1)).len();
        assert!((4_400..4_600).contains(&arrived), "{arrived}");

        let doubling = Conditions {
            duplicate_ratio: 0.1,
            ..Conditions::default()
        };
        let arrived = run(doubling, 4, 5_000, ms(1)).len();
        assert!((5_400..5_600).contains(&arrived), "{arrived}");

        let reordering = Conditions {
            reorder_ratio: 0.1,
            reorder_delay: ms(5),
            ..Conditions::default()
        };
        let order = numbers(&run(reordering, 4, 5_000, ms(1)));
        let overtaken = order.windows(2).filter(|pair| pair[0] > pair[1]).count();
        assert!((300..600).contains(&overtaken), "{overtaken}");
    }

    #[test]
    fn losses_in_runs_are_as_many_and_come_together() {
        let bursty = Conditions {
            loss_ratio: 0.1,
            loss_run: 5.0,
            ..Conditions::default()
        };
        let arrived = numbers(&run(bursty, 4, 20_000, ms(1)));
        let lost = 20_000 - arrived.len();
        assert!((1_700..2_300).contains(&lost), "{lost}");
        let runs = arrived
            .windows(2)
            .filter(|pair| pair[1] - pair[0] > 1)
            .count();
        let length = lost as f64 / runs as f64;
        assert!((4.0..6.0).contains(&length), "{length}");
    }

    #[test]
    fn the_queue_says_how_long_it_is() {
        let start = crate::start();
        let conditions = Conditions {
            rate_bps: Some(800_000),
            ..Conditions::default()
        };
        let mut link = Link::new(conditions, 6);
        assert_eq!(link.queue_delay(start), ms(0));
        link.send_bytes(start, 0, 3_000);
        assert_eq!(link.queue_delay(start + ms(10)), ms(20));
        assert_eq!(link.queue_delay(start + ms(50)), ms(0));
    }

    #[test]
    fn a_rate_spaces_what_goes_through() {
        // 1,000 bytes at 800 kbit/s take 10 ms.
        let conditions = Conditions {
            rate_bps: Some(800_000),
            queue: ms(1_000),
            ..Conditions::default()
        };
        let arrived = run(conditions, 5, 4, ms(0));
        assert_eq!(arrived, [(0, 10), (1, 20), (2, 30), (3, 40)]);
    }

    #[test]
    fn a_full_queue_drops_what_comes_last() {
        let start = crate::start();
        let conditions = Conditions {
            rate_bps: Some(800_000),
            queue: ms(25),
            ..Conditions::default()
        };
        let mut link = Link::new(conditions, 6);
        for number in 0..10 {
            link.send_bytes(start, number, 1_000);
        }
        assert_eq!(
            link.overflowed(),
            7,
            "those that would have to wait for 30 ms and more"
        );
        link.send_bytes(start + ms(100), 10, 1_000);
        assert_eq!(link.overflowed(), 7, "the queue is empty again");
    }

    #[test]
    fn a_cut_link_forgets_what_was_on_the_way() {
        let start = crate::start();
        let mut link = Link::new(Conditions::default(), 7);
        link.send(start, "gone");
        link.cut();
        link.send(start, "here");
        assert_eq!(link.poll(start), Some("here"));
        assert_eq!(link.poll(start), None);
    }

    proptest! {
        #[test]
        fn the_same_seed_gives_the_same_network(seed: u64) {
            let conditions = Conditions {
                latency: ms(10),
                jitter: ms(30),
                loss_ratio: 0.2,
                duplicate_ratio: 0.1,
                reorder_ratio: 0.2,
                rate_bps: Some(1_000_000),
                ..Conditions::default()
            };
            prop_assert_eq!(run(conditions, seed, 50, ms(3)), run(conditions, seed, 50, ms(3)));
        }

        #[test]
        fn without_loss_everything_arrives_once(seed: u64, jitter in 0_u64..100, reorder in 0.0..1.0) {
            let conditions = Conditions {
                jitter: ms(jitter),
                reorder_ratio: reorder,
                ..Conditions::default()
            };
            let mut order = numbers(&run(conditions, seed, 50, ms(3)));
            order.sort_unstable();
            prop_assert_eq!(order, (0..50).collect::<Vec<_>>());
        }
    }
}

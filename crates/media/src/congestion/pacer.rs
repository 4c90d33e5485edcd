//! When each packet leaves: sound at once, the rest spread out at the rate that the network takes.
//!
//! A picture is many packets that become ready at the same moment. Sent at once they would queue in the network, in front of the sound. Here
//! they queue instead where the sound may pass them, where there is a measure of how long they wait, and where what comes too late can
//! still be dropped.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::ProbeCluster;

/// What a packet is, in the order in which they may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Leaves at once, whatever the rate; what it uses up is taken from the others.
    Sound,
    /// Somebody waits for it, and pictures behind it cannot be shown without it.
    Retransmission,
    /// Pictures, and their forward error correction.
    Picture,
}

/// How the pacer behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacerConfig {
    /// What may leave at once after a pause: no more than between two wakes of who drives this, or packets would wait for a wake.
    pub burst: Duration,
    /// Pictures that wait longer are dropped, all of them: what they would show is past. The encoder is to be slowed by
    /// [`Pacer::queue_delay`] long before.
    pub max_picture_wait: Duration,
    /// Retransmissions that wait longer are dropped: a later one, or a keyframe, has taken their place.
    pub max_retransmission_wait: Duration,
    /// Bytes of pictures and of retransmissions, each, that may wait. Two keyframes of the largest size.
    pub max_bytes: usize,
}

impl Default for PacerConfig {
    fn default() -> Self {
        Self {
            burst: Duration::from_millis(5),
            max_picture_wait: Duration::from_millis(800),
            max_retransmission_wait: Duration::from_millis(400),
            max_bytes: 1 << 20,
        }
    }
}

/// Something that leaves now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release<T> {
    /// What leaves. None: padding of about this size is to be made, because a probe has nothing else to send; say what became of it
    /// with [`Pacer::on_padding`].
    pub item: Option<T>,
    /// The size on the wire.
    pub size_bytes: usize,
    /// The probe that it belongs to; to be given back in [`PacketReport::probe`](super::PacketReport::probe).
    pub probe: Option<u32>,
    /// How long it has waited.
    pub waited: Duration,
}

/// What was dropped so far, in packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PacerDrops {
    /// More sound than can be the case came between two wakes.
    pub sound: u64,
    /// Retransmissions that were too late or too many.
    pub retransmissions: u64,
    /// Packets of pictures that were too late or too many.
    pub pictures: u64,
}

/// Lets packets out at a rate, the most urgent first.
///
/// After [`Self::push`] and when [`Self::poll_timeout`] says so, call [`Self::poll`] until it gives none. Holds a bounded number of bytes.
#[derive(Debug)]
pub struct Pacer<T> {
    config: PacerConfig,
    rate_bps: f64,
    sound: Queue<T>,
    retransmissions: Queue<T>,
    pictures: Queue<T>,
    drops: PacerDrops,
    has_lost_picture: bool,
    /// Bits that may leave now; below zero, bits that have left too early.
    budget_bits: f64,
    budget_at: Instant,
    probe: Option<RunningProbe>,
}

#[derive(Debug)]
struct RunningProbe {
    cluster: ProbeCluster,
    begun_at: Option<Instant>,
    ordered_at: Instant,
    sent_packets: u32,
    sent_bytes: usize,
}

#[derive(Debug)]
struct Waiting<T> {
    item: T,
    size_bytes: usize,
    since: Instant,
}

#[derive(Debug)]
struct Queue<T> {
    waiting: VecDeque<Waiting<T>>,
    bytes: usize,
}

impl<T> Pacer<T> {
    /// Sound packets that may wait between two wakes: a second of them.
    pub const MAX_SOUND_PACKETS: usize = 100;
    /// The largest padding, which fits into every path.
    pub const MAX_PADDING_BYTES: usize = 1_100;
    /// The smallest padding: less is mostly header.
    pub const MIN_PADDING_BYTES: usize = 200;

    /// The rate never counts as lower than this, or nothing would ever leave.
    const MIN_RATE_BPS: f64 = 10_000.0;
    /// Sound and probes run up no more debt than this; else a picture would wait for very long.
    const MAX_DEBT: Duration = Duration::from_millis(200);
    /// A probe that has not begun or not ended by then is given up.
    const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
    /// No packet is larger.
    const MAX_PACKET_BYTES: usize = 65_535;

    /// An empty one that lets packets out at this rate, in bits per second.
    pub fn new(config: PacerConfig, rate_bps: u64, now: Instant) -> Self {
        Self {
            config,
            rate_bps: (rate_bps as f64).max(Self::MIN_RATE_BPS),
            sound: Queue::new(),
            retransmissions: Queue::new(),
            pictures: Queue::new(),
            drops: PacerDrops::default(),
            has_lost_picture: false,
            budget_bits: 0.0,
            budget_at: now,
            probe: None,
        }
    }

    /// Follows [`Estimator::pacing_bps`](super::Estimator::pacing_bps). What waits leaves at the new rate.
    pub fn set_rate(&mut self, rate_bps: u64, now: Instant) {
        self.refill(now);
        self.rate_bps = (rate_bps as f64).max(Self::MIN_RATE_BPS);
    }

    /// Sends what comes next as a probe. A probe that is under way is given up for it.
    pub fn start_probe(&mut self, cluster: ProbeCluster, now: Instant) {
        self.probe = Some(RunningProbe {
            cluster,
            begun_at: None,
            ordered_at: now,
            sent_packets: 0,
            sent_bytes: 0,
        });
    }

    /// Takes a packet in, whose size on the wire is given.
    pub fn push(&mut self, priority: Priority, size_bytes: usize, item: T, now: Instant) {
        self.drop_late(now);
        let size_bytes = size_bytes.min(Self::MAX_PACKET_BYTES);
        let waiting = Waiting {
            item,
            size_bytes,
            since: now,
        };
        let max_bytes = self.config.max_bytes;
        match priority {
            Priority::Sound => {
                if self.sound.waiting.len() == Self::MAX_SOUND_PACKETS {
                    self.sound.pop();
                    self.drops.sound += 1;
                }
                self.sound.push(waiting);
            }
            Priority::Retransmission => {
                while self.retransmissions.bytes + size_bytes > max_bytes
                    && self.retransmissions.pop().is_some()
                {
                    self.drops.retransmissions += 1;
                }
                self.retransmissions.push(waiting);
            }
            Priority::Picture => {
                if self.pictures.bytes + size_bytes > max_bytes {
                    self.drop_pictures();
                }
                self.pictures.push(waiting);
            }
        }
    }

    /// What leaves now. To be called until it gives none.
    pub fn poll(&mut self, now: Instant) -> Option<Release<T>> {
        self.refill(now);
        self.drop_late(now);
        if self.probe.as_ref().is_some_and(|probe| {
            now.saturating_duration_since(probe.ordered_at) > Self::PROBE_TIMEOUT
        }) {
            self.probe = None;
        }
        if let Some(waiting) = self.sound.pop() {
            self.spend(waiting.size_bytes);
            return Some(Release {
                item: Some(waiting.item),
                size_bytes: waiting.size_bytes,
                // Small packets that come when they will say nothing about a rate.
                probe: None,
                waited: now.saturating_duration_since(waiting.since),
            });
        }
        if now < self.next_at(now)? {
            return None;
        }
        let waiting = self.retransmissions.pop().or_else(|| self.pictures.pop());
        match waiting {
            Some(waiting) => Some(self.release(waiting, now)),
            None => self.order_padding(),
        }
    }

    /// When something leaves next. None when nothing waits.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        if !self.sound.waiting.is_empty() {
            return Some(now);
        }
        self.next_at(now)
    }

    /// The padding that was ordered last leaves, with this size on the wire; or nothing does, because there is nothing to make it of: then
    /// the probe is given up. The next padding is ordered after that.
    pub fn on_padding(&mut self, size_bytes: Option<usize>, now: Instant) {
        match size_bytes {
            Some(size_bytes) => {
                self.account(size_bytes.min(Self::MAX_PACKET_BYTES), now);
            }
            None => self.probe = None,
        }
    }

    /// How long a picture would wait that came now. The encoder is to leave pictures out rather than let this grow beyond some frames.
    pub fn queue_delay(&self) -> Duration {
        let bits = (self.pictures.bytes + self.retransmissions.bytes) as f64 * 8.0;
        let bits = bits - self.budget_bits.min(0.0);
        Duration::from_secs_f64(bits / self.rate_bps)
    }

    /// Bytes that are to be sent again.
    pub const fn retransmission_bytes(&self) -> usize {
        self.retransmissions.bytes
    }

    /// How long that would take.
    pub fn retransmission_delay(&self) -> Duration {
        Duration::from_secs_f64(self.retransmissions.bytes as f64 * 8.0 / self.rate_bps)
    }

    /// Whether pictures were dropped since this was last asked: the encoder must go on with a keyframe.
    pub const fn take_lost_picture(&mut self) -> bool {
        std::mem::replace(&mut self.has_lost_picture, false)
    }

    /// What was sent lately is lost. Drops all that waits but sound, since it refers to that or repeats it, and says so by
    /// [`take_lost_picture`](Self::take_lost_picture).
    pub fn start_anew(&mut self) {
        self.drops.retransmissions += self.retransmissions.waiting.len() as u64;
        self.retransmissions = Queue::new();
        self.drop_pictures();
    }

    /// What was dropped so far.
    pub const fn drops(&self) -> PacerDrops {
        self.drops
    }

    /// Bytes that wait.
    pub const fn queued_bytes(&self) -> usize {
        self.sound.bytes + self.retransmissions.bytes + self.pictures.bytes
    }

    /// When the next packet that is no sound may leave.
    fn next_at(&self, now: Instant) -> Option<Instant> {
        let is_empty = self.retransmissions.waiting.is_empty() && self.pictures.waiting.is_empty();
        if let Some(probe) = &self.probe {
            // A probe begins with something that is to be sent anyway, lest it wakes a path on which nothing is sent.
            let Some(begun_at) = probe.begun_at else {
                return (!is_empty).then_some(now);
            };
            let bits = probe.sent_bytes as f64 * 8.0;
            let rate_bps = (probe.cluster.rate_bps as f64).max(Self::MIN_RATE_BPS);
            return Some(begun_at + Duration::from_secs_f64(bits / rate_bps));
        }
        if is_empty {
            return None;
        }
        if self.budget_bits >= 0.0 {
            return Some(now);
        }
        // Rounded up, or the wake would come a nanosecond too early, again and again.
        let wait = Duration::from_secs_f64(-self.budget_bits / self.rate_bps);
        Some(self.budget_at + wait + Duration::from_nanos(1))
    }

    fn release(&mut self, waiting: Waiting<T>, now: Instant) -> Release<T> {
        Release {
            probe: self.account(waiting.size_bytes, now),
            item: Some(waiting.item),
            size_bytes: waiting.size_bytes,
            waited: now.saturating_duration_since(waiting.since),
        }
    }

    fn order_padding(&self) -> Option<Release<T>> {
        let cluster = self.probe.as_ref()?.cluster;
        // Enough packets for the cluster, and no more bytes than it needs.
        let size_bytes = (cluster.min_bytes / cluster.min_packets.max(1) as usize)
            .clamp(Self::MIN_PADDING_BYTES, Self::MAX_PADDING_BYTES);
        Some(Release {
            probe: Some(cluster.id),
            item: None,
            size_bytes,
            waited: Duration::ZERO,
        })
    }

    /// Takes what leaves from the budget, and counts it for the probe that it belongs to.
    fn account(&mut self, size_bytes: usize, now: Instant) -> Option<u32> {
        self.spend(size_bytes);
        let probe = self.probe.as_mut()?;
        probe.begun_at.get_or_insert(now);
        probe.sent_packets += 1;
        probe.sent_bytes += size_bytes;
        let cluster = probe.cluster;
        if probe.sent_packets >= cluster.min_packets && probe.sent_bytes >= cluster.min_bytes {
            self.probe = None;
        }
        Some(cluster.id)
    }

    fn spend(&mut self, size_bytes: usize) {
        let lowest = -self.rate_bps * Self::MAX_DEBT.as_secs_f64();
        self.budget_bits = (self.budget_bits - size_bytes as f64 * 8.0).max(lowest);
    }

    fn refill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.budget_at);
        self.budget_at = self.budget_at.max(now);
        let most = self.rate_bps * self.config.burst.as_secs_f64();
        self.budget_bits = (self.budget_bits + elapsed.as_secs_f64() * self.rate_bps).min(most);
    }

    fn drop_late(&mut self, now: Instant) {
        while self
            .retransmissions
            .has_waited(now, self.config.max_retransmission_wait)
        {
            self.retransmissions.pop();
            self.drops.retransmissions += 1;
        }
        if self.pictures.has_waited(now, self.config.max_picture_wait) {
            self.drop_pictures();
        }
    }

    /// Drops all pictures: each refers to the one before.
    fn drop_pictures(&mut self) {
        self.drops.pictures += self.pictures.waiting.len() as u64;
        self.has_lost_picture = true;
        self.pictures.waiting.clear();
        self.pictures.bytes = 0;
    }
}

impl<T> Queue<T> {
    const fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
        }
    }

    fn push(&mut self, waiting: Waiting<T>) {
        self.bytes += waiting.size_bytes;
        self.waiting.push_back(waiting);
    }

    fn pop(&mut self) -> Option<Waiting<T>> {
        let waiting = self.waiting.pop_front()?;
        self.bytes -= waiting.size_bytes;
        Some(waiting)
    }

    fn has_waited(&self, now: Instant, longest: Duration) -> bool {
        self.waiting
            .front()
            .is_some_and(|waiting| now.saturating_duration_since(waiting.since) > longest)
    }
}

#[cfg(test)]
mod tests;

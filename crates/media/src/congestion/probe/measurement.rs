//! What the arrivals of a probe's packets say.

use std::time::Instant;

use super::ProbeCluster;

/// If fewer of its packets arrive, a probe says nothing.
const MIN_ARRIVED_SHARE: f64 = 0.6;
/// Two intervals are the least to compare.
const MIN_ALIKE: usize = 3;
/// Packets that arrive slower than this share of the rate they were sent at were held up.
const HELD_UP_SHARE: f64 = 0.9;
/// A probe that finds a limit finds it from above, with the queue that it made itself; the target goes a little below.
const LIMIT_SHARE: f64 = 0.92;

/// What a probe has found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::congestion) struct ProbeResult {
    /// What gets through, in bits per second.
    pub(in crate::congestion) rate_bps: f64,
    /// The packets were held up, so that there is no more than that.
    pub(in crate::congestion) is_limit: bool,
}

/// A probe of which not all is known.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) cluster: ProbeCluster,
    pub(super) begun_at: Instant,
    reported: u32,
    reported_bytes: usize,
    /// Those that arrived, and the first of them only: [`Self::MAX_PACKETS`].
    arrived: Vec<ProbePacket>,
}

#[derive(Debug, Clone, Copy)]
struct ProbePacket {
    sent_us: i64,
    arrived_us: i64,
    size_bytes: usize,
}

impl Running {
    /// More packets make a result no better.
    const MAX_PACKETS: usize = 64;

    pub(super) const fn new(cluster: ProbeCluster, now: Instant) -> Self {
        Self {
            cluster,
            begun_at: now,
            reported: 0,
            reported_bytes: 0,
            arrived: Vec::new(),
        }
    }

    pub(super) fn on_packet(&mut self, sent_us: i64, arrived_us: Option<i64>, size_bytes: usize) {
        self.reported = self.reported.saturating_add(1);
        self.reported_bytes = self.reported_bytes.saturating_add(size_bytes);
        if let Some(arrived_us) = arrived_us
            && self.arrived.len() < Self::MAX_PACKETS
        {
            self.arrived.push(ProbePacket {
                sent_us,
                arrived_us,
                size_bytes,
            });
        }
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.reported >= self.cluster.min_packets && self.reported_bytes >= self.cluster.min_bytes
    }

    /// What the packets that arrived say; none if they say nothing.
    pub(super) fn result(&mut self, chance_ratio: f64, jitter_ms: f64) -> Option<ProbeResult> {
        let reported = (self.reported as usize).min(Self::MAX_PACKETS) as f64;
        if (self.arrived.len() as f64) < MIN_ARRIVED_SHARE * reported {
            return None;
        }
        self.arrived.sort_by_key(|packet| packet.sent_us);
        let packets = alike(&self.arrived);
        let [first, .., last] = packets else {
            return None;
        };
        if packets.len() < MIN_ALIKE {
            return None;
        }
        let bytes: usize = packets.iter().map(|packet| packet.size_bytes).sum();
        let first_arrived_us = packets.iter().map(|packet| packet.arrived_us).min()?;
        let last_arrived_us = packets.iter().map(|packet| packet.arrived_us).max()?;
        // Among n packets there are n - 1 intervals. What was lost by chance took its turn all the same.
        let present = 1.0 - chance_ratio.clamp(0.0, 0.4);
        let rate = |bytes: usize, from_us: i64, to_us: i64| {
            bytes as f64 * 8e6 / present / to_us.saturating_sub(from_us).max(1) as f64
        };
        let sent_bps = rate(bytes - last.size_bytes, first.sent_us, last.sent_us)
            .min(1.1 * self.cluster.rate_bps as f64);
        let arrived_bps = rate(bytes - first.size_bytes, first_arrived_us, last_arrived_us);
        // How much longer they took to arrive than they would have at the rate they were sent at.
        let arrived_in_us = last_arrived_us.saturating_sub(first_arrived_us) as f64;
        let late_us = arrived_in_us * (1.0 - arrived_bps / sent_bps);
        let is_limit = arrived_bps < HELD_UP_SHARE * sent_bps && late_us > jitter_ms * 1e3;
        let rate_bps = if is_limit {
            LIMIT_SHARE * arrived_bps
        } else {
            sent_bps.min(self.cluster.rate_bps as f64)
        };
        Some(ProbeResult { rate_bps, is_limit })
    }
}

/// The longest run of packets of about the same size.
///
/// At a bottleneck a packet takes as long as is its own size, but it was sent after a time that is as long as the size of the one before. Where sizes
/// differ, the two cannot be compared.
fn alike(packets: &[ProbePacket]) -> &[ProbePacket] {
    let mut longest = 0..0;
    let mut begin = 0;
    for (index, packet) in packets.iter().enumerate() {
        let model = packets[begin].size_bytes;
        if packet.size_bytes.abs_diff(model) > model / 8 {
            begin = index;
        }
        // The later one, if there are several: the queue has built up by then.
        if index + 1 - begin >= longest.len() {
            longest = begin..index + 1;
        }
    }
    &packets[longest]
}

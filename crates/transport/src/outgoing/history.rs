//! What was sent, until the partner has said what became of it.

use std::collections::VecDeque;
use std::time::Instant;

use media::congestion::{Fate, PacketReport};

use super::feedback::Status;

/// Packets that are remembered: at 20 Mbit/s more than two seconds. Of older ones nobody speaks any more.
const MAX_PACKETS: usize = 4096;

#[derive(Debug, Clone, Copy)]
struct Sent {
    at: Instant,
    size_bytes: usize,
    probe: Option<u32>,
    is_reported: bool,
}

/// Numbers packets across all streams, and matches feedback with them.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The number of the oldest one in `sent`.
    first: u16,
    sent: VecDeque<Sent>,
    /// How many of the oldest ones are reported for certain.
    settled: usize,
}

impl History {
    /// A packet leaves. Returns its transport-wide sequence number.
    pub(super) fn on_sent(&mut self, at: Instant, size_bytes: usize, probe: Option<u32>) -> u16 {
        if self.sent.len() == MAX_PACKETS {
            self.sent.pop_front();
            self.first = self.first.wrapping_add(1);
            self.settled = self.settled.saturating_sub(1);
        }
        let number = self.first.wrapping_add(self.sent.len() as u16);
        self.sent.push_back(Sent {
            at,
            size_bytes,
            probe,
            is_reported: false,
        });
        number
    }

    /// What is known of our packets now that was not known before, in the order in which they were sent. Of those before the
    /// first one that it mentions nobody will speak any more: their feedback is lost.
    ///
    /// A packet is reported once, as the first feedback says. That one which counted as lost came after all changes nothing:
    /// it was very late.
    pub(super) fn on_feedback(&mut self, statuses: &[Status]) -> Vec<PacketReport> {
        let index = |number: u16| usize::from(number.wrapping_sub(self.first));
        let Some(begin) = statuses.first().map(|status| index(status.number)) else {
            return Vec::new();
        };
        // It speaks of packets that were never sent, or are forgotten.
        if begin >= self.sent.len() {
            return Vec::new();
        }
        let mut reports = Vec::with_capacity(statuses.len());
        let mut report = |sent: &mut Sent, fate: Fate| {
            if !std::mem::replace(&mut sent.is_reported, true) {
                reports.push(PacketReport {
                    sent_at: sent.at,
                    size_bytes: sent.size_bytes,
                    fate,
                    probe: sent.probe,
                });
            }
        };
        for sent in self.sent.range_mut(self.settled.min(begin)..begin) {
            report(sent, Fate::Unknown);
        }
        for (sent, status) in self.sent.range_mut(begin..).zip(statuses) {
            report(sent, status.fate);
        }
        let end = self.sent.len().min(begin + statuses.len());
        self.settled = self.settled.max(end);
        reports
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn received(number: u16, ms: u64) -> Status {
        let fate = Fate::Arrived(Duration::from_millis(ms));
        Status { number, fate }
    }

    const fn lost(number: u16) -> Status {
        Status {
            number,
            fate: Fate::Lost,
        }
    }

    #[test]
    fn each_packet_is_reported_once() {
        let start = Instant::now();
        let mut history = History::default();
        assert_eq!(history.on_sent(start, 100, None), 0);
        assert_eq!(history.on_sent(start, 200, Some(7)), 1);
        let reports = history.on_feedback(&[received(0, 5), lost(1), lost(2)]);
        let known: Vec<_> = reports
            .iter()
            .map(|report| (report.size_bytes, report.fate != Fate::Lost, report.probe))
            .collect();
        assert_eq!(known, [(100, true, None), (200, false, Some(7))]);
        assert!(
            history
                .on_feedback(&[received(0, 5), received(1, 9)])
                .is_empty()
        );
    }

    #[test]
    fn numbers_wrap_and_old_packets_are_forgotten() {
        let start = Instant::now();
        let mut history = History::default();
        for number in 0..=u16::MAX {
            assert_eq!(history.on_sent(start, 1, None), number);
        }
        assert_eq!(history.on_sent(start, 2, None), 0, "it wraps");
        assert_eq!(history.sent.len(), MAX_PACKETS);
        let reports = history.on_feedback(&[received(u16::MAX, 1), received(0, 2)]);
        assert_eq!(reports.len(), MAX_PACKETS, "those before are settled too");
        assert_eq!(reports.last().unwrap().size_bytes, 2);
        assert!(
            history.on_feedback(&[received(1, 1)]).is_empty(),
            "never sent"
        );
    }

    #[test]
    fn packets_whose_feedback_is_lost_are_not_taken_for_lost_ones() {
        let mut history = History::default();
        for _ in 0..5 {
            history.on_sent(Instant::now(), 100, None);
        }
        let fates = |reports: Vec<PacketReport>| -> Vec<_> {
            reports.into_iter().map(|report| report.fate).collect()
        };
        let lost_or_late = history.on_feedback(&[received(2, 7), lost(3)]);
        let at = Duration::from_millis(7);
        assert_eq!(
            fates(lost_or_late),
            [Fate::Unknown, Fate::Unknown, Fate::Arrived(at), Fate::Lost]
        );
        let overtaken = history.on_feedback(&[received(0, 1), received(1, 2)]);
        assert!(overtaken.is_empty(), "it comes too late");
        assert_eq!(fates(history.on_feedback(&[lost(4)])), [Fate::Lost]);
    }
}

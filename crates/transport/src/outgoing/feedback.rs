//! Reads transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1).

use std::time::Duration;

use media::congestion::Fate;
use rtc::rtcp::transport_feedbacks::transport_layer_cc::{
    PacketStatusChunk, SymbolTypeTcc, TransportLayerCc,
};

/// What a feedback says of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status {
    /// The packet's transport-wide sequence number.
    pub(super) number: u16,
    /// [`Fate::Unknown`] if it arrived and nobody says when: that tells of no delay, and is no loss either.
    pub(super) fate: Fate,
}

/// The reference time counts in these (section 3.1), in 24 bits.
const REFERENCE_TICK: Duration = Duration::from_millis(64);
const REFERENCE_PERIOD: i64 = 1 << 24;

/// More packets than this in one feedback are nobody's honest report.
const MAX_STATUSES: usize = 8192;

/// Makes one clock of the reference times, which wrap after twelve days.
#[derive(Debug, Default)]
pub(super) struct FeedbackReader {
    last_reference: Option<i64>,
}

impl FeedbackReader {
    /// What the feedback says, in the order of the packets' numbers. Never more than it has room for.
    pub(super) fn read(&mut self, feedback: &TransportLayerCc) -> Vec<Status> {
        let reference = self.unwrap(i64::from(feedback.reference_time));
        // Far from zero, so that no report, however odd, comes before the clock's beginning.
        let reference = reference + 2 * REFERENCE_PERIOD;
        let mut arrival_us = reference * REFERENCE_TICK.as_micros() as i64;
        let mut deltas = feedback.recv_deltas.iter();
        let count = usize::from(feedback.packet_status_count).min(MAX_STATUSES);
        symbols(&feedback.packet_chunks)
            .take(count)
            .enumerate()
            .map(|(index, symbol)| {
                let number = feedback.base_sequence_number.wrapping_add(index as u16);
                let fate = match symbol {
                    SymbolTypeTcc::PacketNotReceived => Fate::Lost,
                    SymbolTypeTcc::PacketReceivedWithoutDelta => Fate::Unknown,
                    SymbolTypeTcc::PacketReceivedSmallDelta
                    | SymbolTypeTcc::PacketReceivedLargeDelta => match deltas.next() {
                        Some(delta) => {
                            // Deltas have 16 bits of 250 µs: what the stack gives is bounded by that.
                            arrival_us += delta.delta;
                            Fate::Arrived(Duration::from_micros(arrival_us.max(0) as u64))
                        }
                        None => Fate::Unknown,
                    },
                };
                Status { number, fate }
            })
            .collect()
    }

    fn unwrap(&mut self, reference: i64) -> i64 {
        let unwrapped = match self.last_reference {
            None => reference,
            Some(last) => {
                let ahead = (reference - last).rem_euclid(REFERENCE_PERIOD);
                if ahead < REFERENCE_PERIOD / 2 {
                    last + ahead
                } else {
                    last + ahead - REFERENCE_PERIOD
                }
            }
        };
        // A feedback that was overtaken does not turn the clock back; nor does one that lies for ever.
        let newest = self
            .last_reference
            .map_or(unwrapped, |last| last.max(unwrapped));
        self.last_reference = Some(newest.clamp(-REFERENCE_PERIOD, i64::MAX / REFERENCE_PERIOD));
        unwrapped
    }
}

fn symbols(chunks: &[PacketStatusChunk]) -> impl Iterator<Item = SymbolTypeTcc> {
    chunks.iter().flat_map(|chunk| {
        let (run, list) = match chunk {
            PacketStatusChunk::RunLengthChunk(run) => (
                Some((run.packet_status_symbol, run.run_length)),
                [].as_slice(),
            ),
            PacketStatusChunk::StatusVectorChunk(vector) => (None, vector.symbol_list.as_slice()),
        };
        let run = run
            .into_iter()
            .flat_map(|(symbol, length)| std::iter::repeat_n(symbol, usize::from(length)));
        run.chain(list.iter().copied())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtc::rtcp::transport_feedbacks::transport_layer_cc::{
        RecvDelta, RunLengthChunk, StatusChunkTypeTcc, StatusVectorChunk, SymbolSizeTypeTcc,
    };

    use super::*;

    fn run(packet_status_symbol: SymbolTypeTcc, run_length: u16) -> PacketStatusChunk {
        PacketStatusChunk::RunLengthChunk(RunLengthChunk {
            type_tcc: StatusChunkTypeTcc::RunLengthChunk,
            packet_status_symbol,
            run_length,
        })
    }

    fn delta(delta: i64) -> RecvDelta {
        RecvDelta {
            type_tcc_packet: SymbolTypeTcc::PacketReceivedLargeDelta,
            delta,
        }
    }

    fn fates(statuses: &[Status]) -> Vec<Fate> {
        statuses.iter().map(|status| status.fate).collect()
    }

    #[test]
    fn runs_and_vectors_tell_of_packets_one_after_the_other() {
        let vector = PacketStatusChunk::StatusVectorChunk(StatusVectorChunk {
            type_tcc: StatusChunkTypeTcc::StatusVectorChunk,
            symbol_size: SymbolSizeTypeTcc::TwoBit,
            symbol_list: vec![
                SymbolTypeTcc::PacketReceivedLargeDelta,
                SymbolTypeTcc::PacketReceivedWithoutDelta,
                SymbolTypeTcc::PacketNotReceived,
            ],
        });
        let feedback = TransportLayerCc {
            base_sequence_number: u16::MAX,
            packet_status_count: 4,
            reference_time: 2,
            packet_chunks: vec![run(SymbolTypeTcc::PacketReceivedSmallDelta, 2), vector],
            recv_deltas: vec![delta(1000), delta(250), delta(-500)],
            ..TransportLayerCc::default()
        };
        let statuses = FeedbackReader::default().read(&feedback);
        let numbers: Vec<u16> = statuses.iter().map(|status| status.number).collect();
        assert_eq!(numbers, [u16::MAX, 0, 1, 2], "no more than are counted");
        let [
            Fate::Arrived(first),
            Fate::Arrived(second),
            Fate::Arrived(third),
            Fate::Unknown,
        ] = fates(&statuses)[..]
        else {
            panic!("{statuses:?}");
        };
        assert_eq!(second.abs_diff(first), Duration::from_micros(250));
        assert_eq!(second.abs_diff(third), Duration::from_micros(500));
    }

    #[test]
    fn the_clock_goes_on_when_the_reference_time_wraps() {
        let mut reader = FeedbackReader::default();
        let mut at = |reference_time| {
            let feedback = TransportLayerCc {
                packet_status_count: 1,
                reference_time,
                packet_chunks: vec![run(SymbolTypeTcc::PacketReceivedSmallDelta, 1)],
                recv_deltas: vec![delta(0)],
                ..TransportLayerCc::default()
            };
            let [Fate::Arrived(at)] = fates(&reader.read(&feedback))[..] else {
                panic!("it was received")
            };
            at
        };
        let before = at((1 << 24) - 1);
        assert_eq!(at(1).abs_diff(before), REFERENCE_TICK * 2);
        assert_eq!(
            before.abs_diff(at((1 << 24) - 2)),
            REFERENCE_TICK,
            "a late one"
        );
        assert_eq!(at(2).abs_diff(before), REFERENCE_TICK * 3);
    }

    proptest! {
        #[test]
        fn no_feedback_does_harm(
            seen in proptest::collection::vec(
                (
                    any::<u16>(),
                    any::<u16>(),
                    any::<u32>(),
                    proptest::collection::vec((0..4_u16, any::<u16>()), 0..40),
                    proptest::collection::vec(any::<i16>(), 0..100),
                ),
                1..20,
            ),
        ) {
            let mut reader = FeedbackReader::default();
            for (base, count, reference_time, runs, deltas) in seen {
                let feedback = TransportLayerCc {
                    base_sequence_number: base,
                    packet_status_count: count,
                    reference_time,
                    packet_chunks: runs.into_iter().map(|(symbol, length)| run(symbol.into(), length)).collect(),
                    recv_deltas: deltas.into_iter().map(|ticks| delta(i64::from(ticks) * 250)).collect(),
                    ..TransportLayerCc::default()
                };
                prop_assert!(reader.read(&feedback).len() <= MAX_STATUSES.min(usize::from(count)));
            }
        }
    }
}

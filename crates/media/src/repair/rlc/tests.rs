use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

const REACH: Duration = Duration::from_secs(1);

fn packet(sequence_number: u16, len: usize) -> SourcePacket {
    let content = (0..len as u16).map(|at| at.wrapping_mul(31) ^ sequence_number.wrapping_mul(7));
    SourcePacket {
        sequence_number,
        payload_type: 102,
        marker: sequence_number.is_multiple_of(3),
        timestamp: u32::from(sequence_number) * 3000,
        payload: content.map(|value| value as u8).collect(),
    }
}

/// Sends `packets`, after every so many of them a repair packet; those are lost for which that is said. What came back.
fn transfer(
    packets: &[SourcePacket],
    every: usize,
    is_lost: impl Fn(usize) -> bool,
) -> Vec<SourcePacket> {
    let now = simulation::start();
    let mut encoder = RlcEncoder::new();
    let mut decoder = RlcDecoder::new();
    let mut recovered = Vec::new();
    for (index, packet) in packets.iter().enumerate() {
        encoder.push(packet.clone(), now);
        if !is_lost(index) {
            decoder.on_packet(packet.clone());
        }
        if (index + 1) % every == 0 {
            let repair = encoder.repair(REACH, now).expect("packets left");
            if let Some(newest) = decoder.on_repair(&repair) {
                assert_eq!(newest, packet.sequence_number);
            }
        }
        recovered.extend(std::iter::from_fn(|| decoder.poll_output()));
    }
    recovered
}

#[test]
fn a_lost_packet_comes_back_as_it_was() {
    let packets = [100, 1160, 1, 0, 700]
        .into_iter()
        .zip(0_u16..)
        .map(|(len, n)| packet(65_533_u16.wrapping_add(n), len));
    let packets: Vec<_> = packets.collect();
    for lost in 1..5 {
        let recovered = transfer(&packets, 5, |index| index == lost);
        assert_eq!(recovered, [packets[lost].clone()]);
    }
}

#[test]
fn as_many_repair_packets_as_losses_are_enough_whichever_are_lost() {
    let packets: Vec<_> = (0..40)
        .map(|n| packet(n, 200 + usize::from(n) * 20))
        .collect();
    // Seven repair packets after the first of a run of seven losses.
    let recovered = transfer(&packets, 5, |index| (5..12).contains(&index));
    let mut numbers: Vec<u16> = recovered
        .iter()
        .map(|packet| packet.sequence_number)
        .collect();
    numbers.sort_unstable();
    assert!(recovered.iter().all(|packet| packets.contains(packet)));
    assert_eq!(numbers, (5..12).collect::<Vec<_>>());
}

#[test]
fn a_retransmission_completes_what_repair_packets_alone_do_not() {
    let now = simulation::start();
    let mut encoder = RlcEncoder::new();
    let mut decoder = RlcDecoder::new();
    for number in 0..6 {
        encoder.push(packet(number, 300), now);
        if !(2..4).contains(&number) {
            decoder.on_packet(packet(number, 300));
        }
    }
    decoder.on_repair(&encoder.repair(REACH, now).unwrap());
    assert_eq!(decoder.poll_output(), None, "one equation for two packets");
    decoder.on_packet(packet(3, 300));
    assert_eq!(decoder.poll_output(), Some(packet(2, 300)));
    assert_eq!(decoder.counters().recovered, 1);
}

#[test]
fn the_window_reaches_no_further_back_than_is_asked_for() {
    let start = simulation::start();
    let mut encoder = RlcEncoder::new();
    encoder.push(packet(1, 50), start);
    encoder.push(packet(2, 50), start + Duration::from_millis(90));
    let repair = encoder.repair(
        Duration::from_millis(50),
        start + Duration::from_millis(100),
    );
    assert_eq!(repair.unwrap()[4], 1, "one packet");
    assert_eq!(
        encoder.repair(Duration::from_millis(50), start + REACH),
        None
    );
}

#[test]
fn who_sends_nothing_but_repair_packets_makes_no_work() {
    let now = simulation::start();
    let mut encoder = RlcEncoder::new();
    let mut decoder = RlcDecoder::new();
    for number in 0..20 {
        encoder.push(packet(number, 50), now);
    }
    decoder.on_packet(packet(0, 50));
    let accepted = (0..1000).filter(|_| {
        let repair = encoder.repair(REACH, now).unwrap();
        decoder.on_repair(&repair).is_some()
    });
    assert_eq!(accepted.count(), 2);
}

#[test]
fn a_sender_that_begins_anew_is_followed() {
    let packets: Vec<_> = (30_000..30_040)
        .chain(500..540)
        .map(|n| packet(n, 90))
        .collect();
    let recovered = transfer(&packets, 5, |index| index == 60);
    assert_eq!(recovered, [packets[60].clone()]);
}

proptest! {
    #[test]
    fn what_comes_back_is_what_was_sent(
        first: u16,
        lens in prop::collection::vec(0..1200_usize, 20..200),
        lost in prop::collection::vec(0..5_u8, 200),
        every in 1..9_usize,
    ) {
        let packets: Vec<_> = lens.iter().zip(0_u16..).map(|(len, n)| packet(first.wrapping_add(n), *len)).collect();
        let is_lost = |index: usize| index > 0 && lost[index] == 0;
        let recovered = transfer(&packets, every, is_lost);
        for packet in &recovered {
            let index = usize::from(packet.sequence_number.wrapping_sub(first));
            prop_assert!(is_lost(index));
            prop_assert_eq!(packet, &packets[index]);
        }
    }

    #[test]
    fn nothing_that_a_partner_sends_does_harm(
        sent in prop::collection::vec(
            (any::<bool>(), any::<u16>(), 0..100_u16, prop::collection::vec(any::<u8>(), 0..60)),
            1..300,
        ),
    ) {
        let mut decoder = RlcDecoder::new();
        for (is_repair, far, near, mut bytes) in sent {
            let number = if far.is_multiple_of(16) { far } else { near };
            if is_repair {
                if let [_, _, high, low, count, ..] = &mut bytes[..] {
                    [*high, *low] = number.to_be_bytes();
                    *count %= 100;
                }
                decoder.on_repair(&bytes);
            } else {
                decoder.on_packet(SourcePacket {
                    sequence_number: number,
                    payload_type: 0,
                    marker: false,
                    timestamp: 0,
                    payload: Bytes::from(bytes),
                });
            }
            let recovered = std::iter::from_fn(|| decoder.poll_output()).count();
            prop_assert!(recovered <= decoder::RlcDecoder::MAX_EQUATIONS);
            decoder.assert_bounded();
        }
    }
}

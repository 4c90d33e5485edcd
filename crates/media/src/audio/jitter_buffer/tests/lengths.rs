//! Packets that hold more or less than 20 ms, and streams in which that changes.

use super::*;

#[test]
fn packets_of_other_lengths_keep_the_time() {
    let start = simulation::start();
    let mut buffer = JitterBuffer::new(Config::default());
    // 60 ms in each packet: one pull in three is needed.
    for number in 0..50_u32 {
        let payload = Bytes::from([&[0x18][..], &number.to_be_bytes()].concat());
        let at = start + ms(60) * number;
        buffer.insert(RtpPacket {
            timestamp: number * 2880,
            payload,
            arrived_at: at,
            ..packet(start, number, 0)
        });
        if number >= 1 {
            assert_eq!(pull(&mut buffer, at), Packet(number - 1));
        }
    }
    assert_eq!(buffer.delay(), ms(60));
    assert_eq!(buffer.counters().samples_concealed, 0);
}

/// Packet `number` of a stream in which packets hold 10 ms from the first number to the second, and 20 ms before and after.
fn packet_of_changing_length(
    start: Instant,
    short: &std::ops::Range<u32>,
    number: u32,
) -> RtpPacket {
    let frames: u32 = (0..number)
        .map(|n| if short.contains(&n) { 1 } else { 2 })
        .sum();
    // 10 ms have another first byte.
    let (length, toc) = if short.contains(&number) {
        (1, 0x70)
    } else {
        (2, TOC_20_MS)
    };
    RtpPacket {
        timestamp: frames * 480,
        payload: Bytes::from([&[toc][..], &number.to_be_bytes()].concat()),
        // When it is full.
        arrived_at: start + FRAME_DURATION * (frames + length) + ms(10),
        ..packet(start, number, 0)
    }
}

#[test]
fn a_sender_that_changes_the_length_of_its_packets_is_heard_whole_and_as_soon() {
    let start = simulation::start();
    let mut buffer = JitterBuffer::new(Config::default());
    let packets = (0..400).map(|number| packet_of_changing_length(start, &(100..300), number));
    let played = play(
        &mut buffer,
        start,
        packets.collect(),
        Duration::ZERO,
        ms(6000),
    );
    let numbers = packets_in(&played);
    assert_eq!(numbers, (0..numbers.len() as u32).collect::<Vec<_>>());
    assert!(numbers.len() >= 396, "{}", numbers.len());
    // The first longer one is late by 10 ms.
    assert!(buffer.counters().samples_concealed <= 480);
    assert!(buffer.delay() <= ms(40), "{:?}", buffer.delay());
}

#[test]
fn what_is_lost_around_a_change_of_length_is_made_up_in_its_own_length() {
    let start = simulation::start();
    // The last long one and the first short one; then a short one, and a short and a long one.
    for (lost, samples) in [
        (99..100, 960),
        (100..101, 480),
        (99..101, 1440),
        (299..301, 1440),
    ] {
        let mut buffer = JitterBuffer::new(Config::default());
        buffer.set_wanted_delay(ms(100));
        let packets = (0..400)
            .filter(|number| !lost.contains(number))
            .map(|number| packet_of_changing_length(start, &(100..300), number));
        let played = play(
            &mut buffer,
            start,
            packets.collect(),
            Duration::ZERO,
            ms(6000),
        );
        let numbers = packets_in(&played);
        let expected = (0..400).filter(|number| !lost.contains(number));
        assert_eq!(numbers, expected.take(numbers.len()).collect::<Vec<_>>());
        let counters = buffer.counters();
        let made = counters.samples_concealed + counters.samples_recovered;
        assert_eq!(made, samples, "{lost:?}: {counters:?}");
    }
}

#[test]
fn a_lost_packet_of_60_ms_is_one_loss() {
    let start = simulation::start();
    let mut buffer = JitterBuffer::new(Config::default());
    buffer.set_wanted_delay(ms(200));
    let packets = (0..200)
        .filter(|number| number % 10 != 7)
        .map(|number| RtpPacket {
            timestamp: number * 2880,
            payload: Bytes::from([&[0x18][..], &number.to_be_bytes()].concat()),
            arrived_at: start + ms(60) * number,
            ..packet(start, number, 0)
        });
    let played = play(
        &mut buffer,
        start,
        packets.collect(),
        Duration::ZERO,
        ms(12_000),
    );
    assert!(!played[100..].contains(&Silence), "{played:?}");
    assert!(buffer.counters().samples_recovered >= 19 * 2880);
    assert!(!buffer.wants_deep_redundancy(), "no bursts");
}

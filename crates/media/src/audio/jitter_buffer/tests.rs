use super::*;

mod lengths;

const fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

const TOC_20_MS: u8 = 0x78;

/// Packet `number` of a stream of 20 ms packets, sent on time and arriving `delay_ms` later.
fn packet(start: Instant, number: u32, delay_ms: u64) -> RtpPacket {
    RtpPacket {
        codec: crate::Codec::Opus,
        sequence_number: number as u16,
        timestamp: number.wrapping_mul(960),
        marker: false,
        payload: payload(number),
        arrived_at: start + PACKET_DURATION * number + ms(delay_ms),
    }
}

fn payload(number: u32) -> Bytes {
    Bytes::from([&[TOC_20_MS][..], &number.to_be_bytes()].concat())
}

/// How much a packet is stretched by.
const STRETCH: Duration = ms(7);

/// What a pull gave, short enough to compare: the packet's number, or what was done instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Played {
    Packet(u32),
    RecoveredFrom(u32),
    /// From this packet, so many frames before it.
    Reconstructed(u32, u32),
    /// 10 ms.
    Concealed,
    /// 10 ms.
    Silence,
}

use Played::{Concealed, Packet, Reconstructed, RecoveredFrom, Silence};

/// The payload of packet `number`, with something like deep redundancy in its padding.
fn payload_with_dred(number: u32) -> Bytes {
    let head = [0x7b, 0x41, 7, 0, 126 << 1, b'D', 12];
    Bytes::from([&head[..], &number.to_be_bytes()].concat())
}

fn packet_with_dred(start: Instant, number: u32, delay_ms: u64) -> RtpPacket {
    RtpPacket {
        payload: payload_with_dred(number),
        ..packet(start, number, delay_ms)
    }
}

fn pull(buffer: &mut JitterBuffer, now: Instant) -> Played {
    pull_for(buffer, now).0
}

/// And how long it lasts.
fn pull_for(buffer: &mut JitterBuffer, now: Instant) -> (Played, Duration) {
    let number =
        |payload: &Bytes| u32::from_be_bytes(payload[payload.len() - 4..].try_into().unwrap());
    let lasts;
    let played = match buffer.pull(now) {
        Pull::Decode { packet, stretch } => {
            let whole = duration(opus_packet_samples(&packet).unwrap().into());
            // It is one long word.
            lasts = match stretch {
                None | Some(Stretch::ShortenInPause | Stretch::LengthenInPause) => whole,
                Some(how) => {
                    buffer.on_stretched(how, samples(STRETCH) as usize);
                    if how.is_shorter() {
                        whole.saturating_sub(STRETCH)
                    } else {
                        whole + STRETCH
                    }
                }
            };
            Packet(number(&packet))
        }
        Pull::Recover { packet, samples } => {
            lasts = duration(samples as u64);
            RecoveredFrom(number(&packet))
        }
        Pull::Reconstruct {
            packet,
            samples_before,
            samples,
        } => {
            lasts = duration(samples as u64);
            Reconstructed(number(&packet), samples_before / 480)
        }
        Pull::Conceal { samples } => {
            lasts = duration(samples as u64);
            Concealed
        }
        Pull::Silence { samples } => {
            lasts = duration(samples as u64);
            Silence
        }
    };
    (played, lasts)
}

/// Delivers packets by their arrival and pulls whenever what was pulled has been played, until `until`.
fn play(
    buffer: &mut JitterBuffer,
    start: Instant,
    mut packets: Vec<RtpPacket>,
    from: Duration,
    until: Duration,
) -> Vec<Played> {
    packets.sort_by_key(|packet| packet.arrived_at);
    let mut packets = packets.into_iter().peekable();
    let mut now = start + from;
    let mut played = Vec::new();
    while now < start + until {
        while let Some(packet) = packets.next_if(|packet| packet.arrived_at <= now) {
            buffer.insert(packet);
        }
        let (what, lasts) = pull_for(buffer, now);
        played.push(what);
        assert!(buffer.packets.len() <= JitterBuffer::MAX_PACKETS);
        now += lasts;
    }
    played
}

fn play_all(delays_ms: impl IntoIterator<Item = u64>, lost: &[u32]) -> (Vec<Played>, JitterBuffer) {
    let start = simulation::start();
    let packets: Vec<_> = (0..)
        .zip(delays_ms)
        .map(|(number, delay)| packet(start, number, delay))
        .collect();
    let until = PACKET_DURATION * packets.len() as u32;
    let packets = packets
        .into_iter()
        .filter(|packet| !lost.contains(&packet.sequence_number.into()))
        .collect();
    let mut buffer = JitterBuffer::new(Config::default());
    let played = play(&mut buffer, start, packets, Duration::ZERO, until);
    (played, buffer)
}

fn packets_in(played: &[Played]) -> Vec<u32> {
    played
        .iter()
        .filter_map(|played| match played {
            Packet(number) => Some(*number),
            _ => None,
        })
        .collect()
}

#[test]
fn a_steady_stream_is_played_whole_and_soon() {
    let (played, buffer) = play_all([30; 100], &[]);
    assert_eq!(played[..4], [Silence, Silence, Silence, Packet(0)]);
    assert_eq!(
        packets_in(&played),
        (0..packets_in(&played).len() as u32).collect::<Vec<_>>()
    );
    assert!(packets_in(&played).len() >= 97, "{played:?}");
    assert_eq!(buffer.counters().samples_concealed, 0);
    assert!(buffer.delay() <= ms(40));
    assert_eq!(
        buffer.last_timestamp(),
        Some(packets_in(&played).last().unwrap() * 960)
    );
}

#[test]
fn nothing_that_came_is_silence() {
    let mut buffer = JitterBuffer::new(Config::default());
    assert_eq!(
        buffer.pull(simulation::start()),
        Pull::Silence { samples: 480 }
    );
    assert_eq!(buffer.delay(), Duration::ZERO);
    assert_eq!(buffer.counters(), Counters::default());
}

#[test]
fn a_single_loss_is_recovered_from_the_packet_after_it() {
    let (played, buffer) = play_all([30; 50], &[20]);
    let at = played
        .iter()
        .position(|played| *played == Packet(19))
        .unwrap();
    // When 20 is due, 21 may not be there yet: concealment fills the time, and 21 still brings 20 back.
    let rest: Vec<_> = played[at + 1..]
        .iter()
        .copied()
        .filter(|played| *played != Concealed)
        .take(3)
        .collect();
    assert_eq!(rest, [RecoveredFrom(21), Packet(21), Packet(22)]);
    assert_eq!(buffer.counters().samples_recovered, 960);
}

/// The same with something like in-band FEC in it.
fn packet_with_fec(start: Instant, number: u32, delay_ms: u64) -> RtpPacket {
    RtpPacket {
        payload: Bytes::from([&[TOC_20_MS, 0x40][..], &number.to_be_bytes()].concat()),
        ..packet(start, number, delay_ms)
    }
}

#[test]
fn losses_that_come_back_are_waited_for_so_that_fec_bridges_them_and_single_ones_are_not() {
    let start = simulation::start();
    for (every, is_bridged) in [(40, true), (600, false)] {
        let packets = (0..1000)
            .filter(|number| number % every != every / 2)
            .map(|number| packet_with_fec(start, number, 30))
            .collect();
        let mut buffer = JitterBuffer::new(Config::default());
        let until = PACKET_DURATION * 1000;
        let played = play(&mut buffer, start, packets, Duration::ZERO, until);
        let half = &played[played.len() / 2..];
        let concealed = half.iter().filter(|played| **played == Concealed).count();
        let recovered = half
            .iter()
            .filter(|played| matches!(played, RecoveredFrom(_)))
            .count();
        assert_eq!(
            buffer.target_delay(),
            if is_bridged { ms(30) } else { ms(10) }
        );
        if is_bridged {
            assert_eq!(concealed, 0);
            assert!(recovered > 8, "{recovered}");
        }
    }
}

#[test]
fn a_burst_of_losses_is_concealed_and_its_last_frame_recovered() {
    let start = simulation::start();
    let mut buffer = JitterBuffer::new(Config::default());
    buffer.set_wanted_delay(ms(200));
    let packets = (0..60)
        .filter(|number| !(20..23).contains(number))
        .map(|number| packet(start, number, 30));
    let played = play(
        &mut buffer,
        start,
        packets.collect(),
        Duration::ZERO,
        ms(1200),
    );
    let at = played
        .iter()
        .position(|played| *played == Packet(19))
        .unwrap();
    assert_eq!(
        played[at + 1..at + 8],
        [
            Concealed,
            Concealed,
            Concealed,
            Concealed,
            RecoveredFrom(23),
            Packet(23),
            Packet(24)
        ]
    );
}

#[test]
fn a_burst_of_losses_is_reconstructed_from_the_deep_redundancy_after_it() {
    let start = simulation::start();
    let mut buffer = JitterBuffer::new(Config::default());
    buffer.set_wanted_delay(ms(200));
    let packets = (0..60)
        .filter(|number| !(20..23).contains(number) && *number != 30)
        .map(|number| packet_with_dred(start, number, 30));
    let played = play(
        &mut buffer,
        start,
        packets.collect(),
        Duration::ZERO,
        ms(1200),
    );
    let at = |wanted| played.iter().position(|played| *played == wanted).unwrap();
    assert_eq!(
        played[at(Packet(19)) + 1..][..7],
        [
            Reconstructed(23, 6),
            Reconstructed(23, 5),
            Reconstructed(23, 4),
            Reconstructed(23, 3),
            Reconstructed(23, 2),
            Reconstructed(23, 1),
            Packet(23)
        ]
    );
    assert_eq!(
        played[at(Packet(29)) + 1..][..3],
        [Reconstructed(31, 2), Reconstructed(31, 1), Packet(31)],
        "these packets carry no FEC"
    );
    assert_eq!(buffer.counters().samples_reconstructed, 4 * 960);
    assert_eq!(buffer.counters().samples_concealed, 0);
    buffer.on_out_of_reach(480);
    assert_eq!(buffer.counters().samples_reconstructed, 4 * 960 - 480);
    assert_eq!(buffer.counters().samples_concealed, 480);
}

#[test]
fn what_was_sent_again_does_not_say_how_late_fec_comes() {
    let start = simulation::start();
    let mut buffer = JitterBuffer::new(Config::default());
    // Once in a second two are lost, of which one comes again.
    let packets = (0..500).filter(|number| number % 50 != 20).map(|number| {
        let delay_ms = if number % 50 == 21 { 210 } else { 10 };
        packet_with_fec(start, number, delay_ms)
    });
    let mut packets: Vec<RtpPacket> = packets.collect();
    packets.sort_by_key(|packet| packet.arrived_at);
    for packet in packets {
        buffer.insert(packet);
    }
    let target = buffer.target_delay();
    assert!(target < ms(60), "{target:?}");
}

#[test]
fn one_lost_frame_is_left_to_fec_where_the_packet_carries_both() {
    let start = simulation::start();
    let mut buffer = JitterBuffer::new(Config::default());
    buffer.set_wanted_delay(ms(100));
    let with_both = |number| {
        let mut payload = payload_with_dred(number).to_vec();
        payload[3] = 0x40;
        RtpPacket {
            payload: payload.into(),
            ..packet(start, number, 30)
        }
    };
    let lost = [20, 30, 31];
    let packets = (0..60).filter(|number| !lost.contains(number));
    let played = play(
        &mut buffer,
        start,
        packets.map(with_both).collect(),
        Duration::ZERO,
        ms(1200),
    );
    let at = |wanted| played.iter().position(|played| *played == wanted).unwrap();
    assert_eq!(played[at(Packet(19)) + 1], RecoveredFrom(21));
    assert_eq!(
        played[at(Packet(29)) + 1..][..3],
        [
            Reconstructed(32, 4),
            Reconstructed(32, 3),
            RecoveredFrom(32)
        ]
    );
}

#[test]
fn frequent_bursts_make_the_buffer_wait_for_their_redundancy_and_no_others() {
    let start = simulation::start();
    let is_lost = |number: u32| number % 25 < 3 && number > 3;
    let run = |make: fn(Instant, u32, u64) -> RtpPacket, lost: &dyn Fn(u32) -> bool| {
        let packets = (0..300).filter(|number| !lost(*number));
        let mut buffer = JitterBuffer::new(Config::default());
        let played = play(
            &mut buffer,
            start,
            packets.map(|number| make(start, number, 30)).collect(),
            Duration::ZERO,
            ms(6000),
        );
        (played, buffer)
    };
    let (played, buffer) = run(packet_with_dred, &is_lost);
    assert_eq!(buffer.target_delay(), ms(70), "three packets and a frame");
    let late = &played[200..];
    let made_up = late.iter().filter(|played| **played == Concealed).count();
    assert_eq!(made_up, 0, "{late:?}");
    assert!(buffer.wants_deep_redundancy());
    let (_, buffer) = run(packet, &is_lost);
    assert_eq!(buffer.target_delay(), FRAME_DURATION);
    assert!(buffer.wants_deep_redundancy(), "it asks for what it lacks");
    let (_, buffer) = run(packet_with_dred, &|number| number % 20 == 7);
    assert_eq!(
        buffer.target_delay(),
        ms(30),
        "a packet and a frame for single losses"
    );
    assert!(!buffer.wants_deep_redundancy());
    let (_, buffer) = run(packet_with_dred, &|number| number % 50 < 20 && number > 20);
    let limit = Config::default().max_redundancy_delay + FRAME_DURATION;
    assert!(
        buffer.target_delay() <= limit,
        "{:?}",
        buffer.target_delay()
    );
}

#[test]
fn reordered_packets_are_played_in_order() {
    let delays = (0..100).map(|number| if number % 7 == 3 { 75 } else { 30 });
    let (played, buffer) = play_all(delays, &[]);
    let numbers = packets_in(&played);
    assert!(numbers.is_sorted(), "{numbers:?}");
    assert_eq!(
        numbers[40..],
        (numbers[40]..numbers[40] + numbers.len() as u32 - 40).collect::<Vec<_>>()
    );
    assert!(
        buffer.counters().packets_late <= 4,
        "{:?}",
        buffer.counters()
    );
}

#[test]
fn the_delay_follows_the_jitter_up_and_down() {
    let jittery = (0..200).map(|number| 30 + number * 37 % 100);
    let (played, buffer) = play_all(jittery.clone(), &[]);
    assert!(
        (ms(100)..=ms(140)).contains(&buffer.target_delay()),
        "{:?}",
        buffer.target_delay()
    );
    let late_half = &played[100..];
    let concealed = late_half
        .iter()
        .filter(|played| **played == Concealed)
        .count();
    assert!(
        concealed <= 4,
        "{concealed} of 200 frames are concealed: {late_half:?}"
    );

    let (_, buffer) = play_all(jittery.chain([30; 700]), &[]);
    assert_eq!(buffer.target_delay(), FRAME_DURATION);
    assert!(buffer.delay() <= ms(60), "{:?}", buffer.delay());
    let counters = buffer.counters();
    assert!(counters.packets_shortened > 0 && counters.packets_lengthened > 0);
    assert_eq!(counters.packets_dropped, 0, "all is heard");
}

#[test]
fn a_stall_grows_the_delay_and_then_it_is_worked_off() {
    // Everything sent within half a second arrives at its end.
    let delays = (0..600_u64).map(|number| {
        if (100..125).contains(&number) {
            30 + (125 - number) * 20
        } else {
            30
        }
    });
    let (played, buffer) = play_all(delays, &[]);
    let numbers = packets_in(&played);
    assert!(numbers.is_sorted());
    assert!(
        played[100..130].contains(&Silence),
        "concealment does not last for half a second"
    );
    assert!(buffer.delay() <= ms(100), "{:?}", buffer.delay());
    assert!(*numbers.last().unwrap() >= 594, "{numbers:?}");
}

#[test]
fn the_delay_never_exceeds_its_limit() {
    let start = simulation::start();
    let mut buffer = JitterBuffer::new(Config::default());
    for number in 0..200 {
        buffer.insert(RtpPacket {
            arrived_at: start + ms(4000),
            ..packet(start, number, 0)
        });
    }
    pull(&mut buffer, start + ms(4000));
    assert!(buffer.delay() <= ms(520), "{:?}", buffer.delay());
    assert!(buffer.counters().packets_dropped >= 170);
}

#[test]
fn a_wanted_delay_is_reached_and_given_up_again() {
    let start = simulation::start();
    let mut buffer = JitterBuffer::new(Config::default());
    let stream = |from, to| (from..to).map(|number| packet(start, number, 30)).collect();
    play(&mut buffer, start, stream(0, 100), Duration::ZERO, ms(2000));
    buffer.set_wanted_delay(ms(160));
    play(&mut buffer, start, stream(100, 400), ms(2000), ms(8000));
    assert!(
        (ms(100)..=ms(180)).contains(&buffer.delay()),
        "{:?}",
        buffer.delay()
    );
    buffer.set_wanted_delay(Duration::ZERO);
    play(&mut buffer, start, stream(400, 800), ms(8000), ms(16_000));
    assert!(buffer.delay() <= ms(60), "{:?}", buffer.delay());
}

#[test]
fn silence_left_out_by_the_sender_passes_in_silence() {
    let start = simulation::start();
    let mut buffer = JitterBuffer::new(Config::default());
    buffer.set_wanted_delay(ms(200));
    // The numbers go on, the time jumps by 100 ms (five frames).
    let packets = (0..60).map(|number| {
        let skipped = if number >= 20 { 5 } else { 0 };
        RtpPacket {
            sequence_number: number as u16,
            payload: payload(number),
            ..packet(start, number + skipped, 30)
        }
    });
    let played = play(
        &mut buffer,
        start,
        packets.collect(),
        Duration::ZERO,
        ms(1200),
    );
    let at = played
        .iter()
        .position(|played| *played == Packet(19))
        .unwrap();
    assert_eq!(
        played[at + 1..at + 12],
        [&[Silence; 10][..], &[Packet(20)]].concat()
    );
    assert_eq!(buffer.counters().samples_concealed, 0);
}

#[test]
fn a_long_pause_ends_in_silence_and_then_sound_comes_back_at_once() {
    let start = simulation::start();
    let mut buffer = JitterBuffer::new(Config::default());
    let packets = (0..100).map(|number| {
        let paused = if number >= 50 { 500 } else { 0 };
        RtpPacket {
            sequence_number: number as u16,
            payload: payload(number),
            ..packet(start, number + paused, 30)
        }
    });
    let played = play(
        &mut buffer,
        start,
        packets.collect(),
        Duration::ZERO,
        ms(12_000),
    );
    let numbers = packets_in(&played);
    assert_eq!(numbers, (0..numbers.len() as u32).collect::<Vec<_>>());
    let concealed = played.iter().filter(|played| **played == Concealed).count();
    assert!(concealed <= 10, "{concealed}");
    let resumed = played
        .iter()
        .position(|played| *played == Packet(50))
        .unwrap();
    assert!((1052..=1057).contains(&resumed), "{resumed}");
}

#[test]
fn late_and_doubled_packets_are_counted_and_not_played() {
    let start = simulation::start();
    let mut packets: Vec<_> = (0..50).map(|number| packet(start, number, 30)).collect();
    packets.push(packet(start, 30, 31));
    packets.push(packet(start, 20, 400));
    let mut buffer = JitterBuffer::new(Config::default());
    let numbers = packets_in(&play(&mut buffer, start, packets, Duration::ZERO, ms(1000)));
    assert!(
        numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "{numbers:?}"
    );
    assert_eq!(
        buffer.counters().packets_late + buffer.counters().packets_duplicate,
        2
    );
}

#[test]
fn numbers_and_timestamps_may_wrap() {
    let start = simulation::start();
    let mut buffer = JitterBuffer::new(Config::default());
    let packets = (0..200_u32).map(|number| RtpPacket {
        sequence_number: (number as u16).wrapping_sub(100),
        timestamp: (number * 960).wrapping_sub(50_000),
        ..packet(start, number, 30)
    });
    let played = play(
        &mut buffer,
        start,
        packets.collect(),
        Duration::ZERO,
        ms(4000),
    );
    assert!(packets_in(&played).len() >= 197);
    assert_eq!(buffer.counters().samples_concealed, 0);
}

#[test]
fn a_sender_that_begins_anew_is_followed() {
    let start = simulation::start();
    let mut buffer = JitterBuffer::new(Config::default());
    let packets = (0..100).map(|number| {
        let (sequence, timestamp) = if number < 50 {
            (0, 0)
        } else {
            (20_000, 3_000_000_000)
        };
        let packet = packet(start, number, 30);
        RtpPacket {
            sequence_number: packet.sequence_number + sequence,
            timestamp: packet.timestamp.wrapping_add(timestamp),
            ..packet
        }
    });
    let played = play(
        &mut buffer,
        start,
        packets.collect(),
        Duration::ZERO,
        ms(2000),
    );
    assert!(packets_in(&played).len() >= 95, "{played:?}");
    assert!(packets_in(&played).last() >= Some(&96), "{played:?}");
}

#[test]
fn the_packet_after_the_one_that_was_given_can_be_had_with_it_if_it_is_there() {
    let start = simulation::start();
    let mut buffer = JitterBuffer::new(Config::default());
    for number in [0, 1, 3] {
        buffer.insert(packet(start, number, 0));
    }
    assert_eq!(buffer.pull_next(start), None, "nothing was given yet");
    assert_eq!(pull(&mut buffer, start + ms(60)), Packet(0));
    assert_eq!(buffer.pull_next(start + ms(60)), Some(payload(1)));
    assert_eq!(buffer.last_timestamp(), Some(960));
    assert_eq!(buffer.pull_next(start + ms(60)), None, "2 is missing");
    assert_eq!(pull(&mut buffer, start + ms(60)), RecoveredFrom(3));
}

#[test]
fn what_is_no_opus_is_ignored() {
    let start = simulation::start();
    let mut buffer = JitterBuffer::new(Config::default());
    buffer.insert(RtpPacket {
        payload: Bytes::new(),
        ..packet(start, 1, 0)
    });
    buffer.insert(RtpPacket {
        payload: Bytes::from_static(&[0xff]),
        ..packet(start, 2, 0)
    });
    assert!(buffer.packets.is_empty());
}

proptest::proptest! {
    #[test]
    fn no_packets_break_it(
        packets in proptest::collection::vec((0_u16..200, 0_u32..300_000, 0_u64..3000, proptest::bool::ANY), 0..300),
        far in proptest::collection::vec(proptest::num::u32::ANY, 0..20),
    ) {
        let start = simulation::start();
        let mut buffer = JitterBuffer::new(Config::default());
        let mut now = start;
        let strays = far.into_iter().map(|far| (far as u16, far, 0, false));
        for (sequence_number, timestamp, at, then_pull) in packets.into_iter().chain(strays) {
            let arrived_at = start + ms(at);
            now = now.max(arrived_at);
            let made = if at % 2 == 0 { packet(start, 0, 0) } else { packet_with_dred(start, 0, 0) };
            buffer.insert(RtpPacket { sequence_number, timestamp, arrived_at, ..made });
            if then_pull {
                pull(&mut buffer, now);
            }
            proptest::prop_assert!(buffer.packets.len() <= JitterBuffer::MAX_PACKETS);
            proptest::prop_assert!(buffer.target_delay() <= buffer.config.max_delay);
        }
        // And it comes to rest: nothing is kept for ever.
        for _ in 0..4000 {
            now += FRAME_DURATION;
            pull(&mut buffer, now);
        }
        proptest::prop_assert!(buffer.packets.is_empty());
    }
}

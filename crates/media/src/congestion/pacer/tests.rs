use proptest::prelude::*;

use super::*;

const RATE_BPS: u64 = 800_000;

const fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

fn pacer(now: Instant) -> Pacer<u32> {
    Pacer::new(PacerConfig::default(), RATE_BPS, now)
}

/// Lets everything out that leaves until then, with the milliseconds at which it does.
fn run(pacer: &mut Pacer<u32>, start: Instant, until: Instant) -> Vec<(u64, Release<u32>)> {
    let mut now = start;
    let mut released = Vec::new();
    loop {
        while let Some(release) = pacer.poll(now) {
            if release.item.is_none() {
                pacer.on_padding(Some(release.size_bytes), now);
            }
            released.push(((now - start).as_millis() as u64, release));
        }
        match pacer.poll_timeout(now) {
            Some(next) if next <= until => {
                assert!(next > now, "a wake that lets nothing out");
                now = next;
            }
            _ => return released,
        }
    }
}

fn items(released: &[(u64, Release<u32>)]) -> Vec<Option<u32>> {
    released.iter().map(|(_, release)| release.item).collect()
}

#[test]
fn a_picture_is_spread_out_at_the_rate() {
    let start = simulation::start();
    let mut pacer = pacer(start);
    for number in 0..5 {
        pacer.push(Priority::Picture, 1_000, number, start);
    }
    assert_eq!(pacer.queue_delay(), ms(50));
    let times: Vec<_> = run(&mut pacer, start, start + ms(100))
        .iter()
        .map(|(at, _)| *at)
        .collect();
    assert_eq!(
        times,
        [0, 10, 20, 30, 40],
        "1,000 bytes at 800 kbit/s take 10 ms"
    );
}

#[test]
fn sound_never_waits_and_is_taken_from_the_pictures() {
    let start = simulation::start();
    let mut pacer = pacer(start);
    for number in 0..3 {
        pacer.push(Priority::Picture, 1_000, number, start);
    }
    pacer.poll(start).unwrap();
    pacer.push(Priority::Sound, 500, 100, start + ms(1));
    let sound = pacer.poll(start + ms(1)).unwrap();
    assert_eq!((sound.item, sound.waited), (Some(100), ms(0)));
    let rest = run(&mut pacer, start, start + ms(100));
    assert_eq!(
        rest[0].0, 15,
        "10 ms for the picture before and 5 ms for the sound"
    );
}

#[test]
fn retransmissions_leave_before_pictures_and_in_order() {
    let start = simulation::start();
    let mut pacer = pacer(start);
    for number in 0..3 {
        pacer.push(Priority::Picture, 1_000, number, start);
    }
    for number in 10..12 {
        pacer.push(Priority::Retransmission, 1_000, number, start);
    }
    let order = items(&run(&mut pacer, start, start + ms(100)));
    assert_eq!(order, [10, 11, 0, 1, 2].map(Some));
}

#[test]
fn after_a_pause_no_more_than_a_burst_leaves_at_once() {
    let start = simulation::start();
    let mut pacer = pacer(start);
    let later = start + Duration::from_mins(1);
    for number in 0..20 {
        pacer.push(Priority::Picture, 100, number, later);
    }
    let at_once = std::iter::from_fn(|| pacer.poll(later)).count();
    // 5 ms at 800 kbit/s are 500 bytes; the packet that uses it up leaves too.
    assert_eq!(at_once, 6);
}

#[test]
fn pictures_that_waited_too_long_are_dropped_together_and_reported() {
    let start = simulation::start();
    let mut pacer = pacer(start);
    for number in 0..200 {
        pacer.push(Priority::Picture, 1_000, number, start);
    }
    assert!(!pacer.take_lost_picture());
    let released = run(&mut pacer, start, start + ms(5_000));
    assert_eq!(released.len(), 80, "what leaves within 800 ms");
    assert_eq!(pacer.drops().pictures, 120);
    assert!(pacer.take_lost_picture());
    assert!(!pacer.take_lost_picture(), "it is told once");
}

#[test]
fn a_late_retransmission_is_dropped_alone() {
    let start = simulation::start();
    let mut pacer = pacer(start);
    pacer.push(Priority::Retransmission, 1_000, 1, start);
    pacer.push(Priority::Retransmission, 1_000, 2, start + ms(300));
    pacer.push(Priority::Picture, 1_000, 3, start + ms(300));
    let order = items(&run(&mut pacer, start + ms(500), start + ms(900)));
    assert_eq!(order, [Some(2), Some(3)]);
    assert_eq!(pacer.drops().retransmissions, 1);
}

#[test]
fn a_probe_sends_faster_and_fills_up_with_padding() {
    let start = simulation::start();
    let mut pacer = pacer(start);
    let cluster = ProbeCluster {
        id: 7,
        rate_bps: 1_600_000,
        min_packets: 5,
        min_bytes: 4_000,
    };
    pacer.start_probe(cluster, start);
    assert_eq!(pacer.poll(start), None, "nothing to begin with");
    pacer.push(Priority::Picture, 1_000, 1, start);
    pacer.push(Priority::Picture, 1_000, 2, start);
    let released = run(&mut pacer, start, start + ms(100));
    assert_eq!(items(&released), [Some(1), Some(2), None, None, None]);
    assert!(released.iter().all(|(_, release)| release.probe == Some(7)));
    let times: Vec<_> = released.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [0, 5, 10, 14, 18]);

    pacer.push(Priority::Picture, 1_000, 3, start + ms(100));
    let after = run(&mut pacer, start + ms(100), start + ms(200));
    assert_eq!(after[0].1.probe, None, "the probe is over");
}

#[test]
fn a_probe_that_finds_nothing_to_send_is_given_up() {
    let start = simulation::start();
    let mut pacer = pacer(start);
    let cluster = ProbeCluster {
        id: 7,
        rate_bps: 1_600_000,
        min_packets: 5,
        min_bytes: 4_000,
    };
    pacer.start_probe(cluster, start);
    assert_eq!(pacer.poll(start + ms(2_000)), None);
    pacer.push(Priority::Picture, 1_000, 3, start + ms(2_000));
    assert_eq!(pacer.poll(start + ms(2_000)).unwrap().probe, None);
}

#[test]
fn padding_counts_as_large_as_it_is_and_without_any_a_probe_ends() {
    let start = simulation::start();
    let cluster = ProbeCluster {
        id: 7,
        rate_bps: 800_000,
        min_packets: 5,
        min_bytes: 2_000,
    };
    let mut pacer = pacer(start);
    pacer.start_probe(cluster, start);
    pacer.push(Priority::Picture, 1_000, 1, start);
    assert_eq!(pacer.poll(start).unwrap().item, Some(1));
    for number in 1..5 {
        let at = start + ms(10 * number);
        let before = start + ms(10 * number - 1);
        assert_eq!(pacer.poll(before), None, "not faster than the probe");
        assert_eq!(pacer.poll(at).unwrap().probe, Some(7));
        pacer.on_padding(Some(1_000), at);
    }
    assert_eq!(pacer.poll(start + ms(60)), None, "it is complete");

    pacer.start_probe(cluster, start + ms(100));
    pacer.push(Priority::Picture, 1_000, 2, start + ms(100));
    assert_eq!(pacer.poll(start + ms(100)).unwrap().item, Some(2));
    assert_eq!(pacer.poll(start + ms(120)).unwrap().item, None);
    pacer.on_padding(None, start + ms(120));
    assert_eq!(pacer.poll(start + ms(120)), None);
    assert_eq!(pacer.poll_timeout(start + ms(120)), None);
}

proptest! {
    #[test]
    fn whatever_is_pushed_the_bounds_hold_and_everything_leaves_or_is_counted(
        pushes in prop::collection::vec((0_u8..3, 0_usize..100_000, 0_u64..60), 1..200),
        rate_bps in 0_u64..5_000_000,
        probe_bps in 0_u64..10_000_000,
        padding in prop::option::of(any::<usize>()),
    ) {
        let start = simulation::start();
        let mut now = start;
        let config = PacerConfig { max_bytes: 200_000, ..PacerConfig::default() };
        let mut pacer = Pacer::new(config, rate_bps, now);
        pacer.start_probe(ProbeCluster { id: 1, rate_bps: probe_bps, min_packets: 3, min_bytes: 3_000 }, now);
        let mut released = 0_u64;
        let count = pushes.len() as u64;
        let mut step = |pacer: &mut Pacer<u8>, now: Instant| {
            let mut turns = 0;
            while let Some(release) = pacer.poll(now) {
                if release.item.is_some() {
                    released += 1;
                } else {
                    pacer.on_padding(padding, now);
                }
                turns += 1;
                assert!(turns < 10_000, "it never ends");
                if release.item == Some(0) {
                    assert!(release.waited <= ms(60), "sound waits no longer than for a wake");
                }
            }
        };
        for (kind, size, pause) in pushes {
            let priority = [Priority::Sound, Priority::Retransmission, Priority::Picture][usize::from(kind)];
            pacer.push(priority, size, kind, now);
            prop_assert!(pacer.queued_bytes() <= 2 * 200_000 + 100 * 65_535);
            now += ms(pause);
            step(&mut pacer, now);
        }
        for _ in 0..500 {
            now += ms(20);
            step(&mut pacer, now);
        }
        let drops = pacer.drops();
        prop_assert_eq!(released + drops.sound + drops.retransmissions + drops.pictures, count);
        prop_assert_eq!(pacer.queued_bytes(), 0);
        prop_assert_eq!(pacer.poll_timeout(now), None);
    }
}

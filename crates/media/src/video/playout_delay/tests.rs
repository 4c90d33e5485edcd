use proptest::prelude::*;

use super::*;

const INTERVAL_MS: u64 = 33;

const fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

/// Plays frames whose transit times are given, from some frame on. When each became ready and was decoded, since the start.
fn play(
    delay: &mut PlayoutDelay,
    start: Instant,
    first: u64,
    transit_ms: impl IntoIterator<Item = u64>,
) -> Vec<(Duration, Duration)> {
    let mut ready = Duration::ZERO;
    let mut decoded = Duration::ZERO;
    (first..)
        .zip(transit_ms)
        .map(|(number, transit)| {
            // Frames are ready in order, however late those before were.
            ready = ready.max(ms(number * INTERVAL_MS + transit));
            let at = delay.frame_ready((1 << 48) + number * INTERVAL_MS * 90, start + ready);
            decoded = decoded.max(at - start);
            (ready, decoded)
        })
        .collect()
}

/// The share of time in pauses of 200 ms and more.
fn frozen(played: &[(Duration, Duration)]) -> f64 {
    let (first, last) = (played[0].1, played[played.len() - 1].1);
    let gaps = played.windows(2).map(|pair| pair[1].1.abs_diff(pair[0].1));
    let frozen: Duration = gaps.filter(|gap| *gap >= ms(200)).sum();
    frozen.as_secs_f64() / last.abs_diff(first).as_secs_f64()
}

/// Every so often a frame takes longer.
fn now_and_then(count: usize, every: usize, usual: u64, late: u64) -> impl Iterator<Item = u64> {
    (1..=count).map(move |n| if n % every == 0 { late } else { usual })
}

#[test]
fn on_a_quiet_network_every_frame_is_decoded_at_once() {
    let start = simulation::start();
    let mut delay = PlayoutDelay::new();
    // Keyframes take longer, the rest a few milliseconds more or less.
    let transit = (0..900).map(|n| if n % 100 == 0 { 90 } else { 20 + n * 7 % 13 });
    let played = play(&mut delay, start, 0, transit);
    assert!(played.iter().all(|(ready, decoded)| ready == decoded));
    assert_eq!(delay.delay(), Duration::ZERO);
}

#[test]
fn one_hiccup_is_not_paid_for_with_latency() {
    let start = simulation::start();
    let mut delay = PlayoutDelay::new();
    play(&mut delay, start, 0, std::iter::repeat_n(20, 300));
    play(&mut delay, start, 300, [400]);
    let played = play(&mut delay, start, 301, std::iter::repeat_n(20, 300));
    assert!(played[20..].iter().all(|(ready, decoded)| ready == decoded));
    assert!(frozen(&played) < 0.01);
    let mut delay = PlayoutDelay::new();
    play(&mut delay, start, 0, std::iter::repeat_n(20, 300));
    play(&mut delay, start, 300, [4000]);
    assert!(
        delay.delay() < ms(50),
        "a break of four seconds: nothing would help"
    );
}

#[test]
fn what_comes_back_is_waited_for() {
    let start = simulation::start();
    let mut delay = PlayoutDelay::new();
    play(&mut delay, start, 0, std::iter::repeat_n(20, 300));
    play(&mut delay, start, 300, now_and_then(100, 90, 20, 400));
    assert_eq!(delay.delay(), Duration::ZERO);
    play(&mut delay, start, 400, now_and_then(200, 90, 20, 400));
    assert!(delay.delay() > ms(100), "{:?}", delay.delay());
}

#[test]
fn what_a_call_begins_with_is_soon_forgotten() {
    let start = simulation::start();
    let mut delay = PlayoutDelay::new();
    // Three standstills, which are otherwise reason enough for a delay.
    let beginning = (0..80).map(|number| match number {
        5..9 | 38..42 | 71..75 => 500,
        _ => 20,
    });
    play(&mut delay, start, 0, beginning);
    assert!(delay.delay() > ms(50), "{:?}", delay.delay());
    play(&mut delay, start, 80, std::iter::repeat_n(20, 220));
    assert_eq!(delay.delay(), Duration::ZERO, "after ten seconds");
}

#[test]
fn where_retransmissions_take_long_it_rises_as_far_as_they_take_and_no_further() {
    let start = simulation::start();
    let mut delay = PlayoutDelay::new();
    let played = play(&mut delay, start, 0, now_and_then(1200, 15, 150, 460));
    assert!(
        (ms(180)..=ms(330)).contains(&delay.delay()),
        "{:?}",
        delay.delay()
    );
    assert!(frozen(&played[300..]) < 0.001, "{}", frozen(&played[300..]));
    let undelayed: Vec<_> = played[300..]
        .iter()
        .map(|(ready, _)| (*ready, *ready))
        .collect();
    assert!(frozen(&undelayed) > 0.5, "{}", frozen(&undelayed));
}

#[test]
fn no_pause_is_seen_while_the_delay_moves() {
    let start = simulation::start();
    let mut delay = PlayoutDelay::new();
    let transit = now_and_then(900, 15, 150, 460).chain(std::iter::repeat_n(150, 1500));
    let played = play(&mut delay, start, 0, transit);
    let gaps = played[150..]
        .windows(2)
        .map(|pair| pair[1].1.abs_diff(pair[0].1));
    for (gap, number) in gaps.zip(150..) {
        assert!(gap <= ms(INTERVAL_MS + 120), "frame {number}: {gap:?}");
    }
    assert_eq!(delay.delay(), Duration::ZERO, "the losses are long over");
}

#[test]
fn what_a_short_path_repairs_in_time_is_left_alone() {
    let start = simulation::start();
    let mut delay = PlayoutDelay::new();
    let played = play(&mut delay, start, 0, now_and_then(600, 4, 30, 80));
    assert_eq!(delay.delay(), Duration::ZERO);
    assert!(frozen(&played) < 0.001);
}

#[test]
fn a_longer_way_is_no_lateness() {
    let start = simulation::start();
    let mut delay = PlayoutDelay::new();
    play(&mut delay, start, 0, std::iter::repeat_n(20, 300));
    let played = play(&mut delay, start, 300, std::iter::repeat_n(220, 900));
    assert!(delay.delay() < ms(100), "{:?}", delay.delay());
    let (ready, decoded) = played[played.len() - 1];
    assert_eq!(ready, decoded);
}

#[test]
fn another_clock_of_the_sender_delays_nothing() {
    let start = simulation::start();
    let mut delay = PlayoutDelay::new();
    play(&mut delay, start, 0, now_and_then(600, 15, 150, 460));
    let later = start + ms(600 * INTERVAL_MS + 1000);
    assert!(delay.frame_ready(77, later) <= later + PlayoutDelay::MAX);
    for number in 1..900 {
        let now = later + ms(number * INTERVAL_MS);
        delay.frame_ready(77 + number * INTERVAL_MS * 90, now);
    }
    assert_eq!(delay.delay(), Duration::ZERO);
}

proptest! {
    #[test]
    fn nothing_waits_for_longer_than_the_limit_and_memory_is_bounded(
        frames in prop::collection::vec(
            (prop_oneof![any::<u64>(), 0..1_000_000_u64, Just(u64::MAX)], 0..3000_u64),
            1..800,
        ),
    ) {
        let start = simulation::start();
        let mut now = start;
        let mut delay = PlayoutDelay::new();
        for (media_time, pause_ms) in frames {
            now += ms(pause_ms);
            let at = delay.frame_ready(media_time, now);
            prop_assert!(at >= now && at <= now + PlayoutDelay::MAX);
            prop_assert!(delay.delay() <= PlayoutDelay::MAX);
            prop_assert!(delay.seen.len() <= PlayoutDelay::MAX_FRAMES);
        }
    }

    #[test]
    fn no_frame_waits_longer_than_the_delay_says(late in prop::collection::vec(20..700_u64, 1..400)) {
        let start = simulation::start();
        let mut delay = PlayoutDelay::new();
        let mut ready = Duration::ZERO;
        for (number, transit) in (0..).zip(late) {
            ready = ready.max(ms(number * INTERVAL_MS + transit));
            let at = delay.frame_ready(number * INTERVAL_MS * 90, start + ready);
            prop_assert!(at - (start + ready) <= delay.delay());
        }
    }
}

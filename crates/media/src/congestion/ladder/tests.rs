use proptest::prelude::*;
use simulation::Random;

use super::*;

const VGA: LadderConfig = LadderConfig {
    pictures: Pictures::Camera,
    capture_width_px: 640,
    capture_height_px: 480,
    capture_rate_hz: 30,
    bits_per_pixel: LadderConfig::H264_BITS_PER_PIXEL,
    max_effort: 2,
    start_effort: 1,
};

const fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

const fn input(picture_kbps: u64) -> LadderInput {
    LadderInput {
        picture_bps: picture_kbps * 1_000,
        encode_time: None,
        window_px: None,
    }
}

struct Run {
    ladder: Ladder,
    now: Instant,
    changes: usize,
}

impl Run {
    fn new(picture_kbps: u64) -> Self {
        Self {
            ladder: Ladder::new(VGA, picture_kbps * 1_000),
            now: simulation::start(),
            changes: 0,
        }
    }

    /// Goes on for so long with this input.
    fn go(&mut self, seconds: u64, mut input: impl FnMut(Rung) -> LadderInput) -> Rung {
        for _ in 0..seconds * 10 {
            let input = input(self.ladder.rung());
            self.changes += usize::from(self.ladder.update(&input, self.now).is_some());
            self.now += ms(100);
        }
        self.ladder.rung()
    }
}

#[test]
fn more_rate_gives_larger_pictures() {
    for (kbps, width_px, frame_rate_hz) in [
        (2_000, 640, 30),
        (500, 640, 30),
        (300, 480, 30),
        (150, 320, 30),
        (70, 240, 30),
        (20, 160, 15),
        (0, 160, 15),
    ] {
        let rung = Ladder::new(VGA, kbps * 1_000).rung();
        assert_eq!(
            (rung.width_px, rung.frame_rate_hz),
            (width_px, frame_rate_hz),
            "{kbps}"
        );
    }
}

#[test]
fn the_start_climbs_with_the_first_probes() {
    let mut run = Run::new(250);
    assert_eq!(run.ladder.rung().width_px, 320);
    assert_eq!(run.go(1, |_| input(1_300)).width_px, 640);
}

#[test]
fn at_the_start_plenty_counts_at_once_and_just_enough_when_it_has_lasted() {
    // 640x480 needs 460 kbit/s here.
    let mut run = Run::new(250);
    run.ladder.update(&input(250), run.now);
    run.ladder.update(&input(1_000), run.now + ms(50));
    assert_eq!(run.ladder.rung().width_px, 640);

    let mut run = Run::new(250);
    run.ladder.update(&input(600), run.now);
    run.ladder.update(&input(600), run.now + ms(250));
    assert_eq!(run.ladder.rung().width_px, 320);
    run.ladder.update(&input(600), run.now + ms(300));
    assert_eq!(run.ladder.rung().width_px, 640);
}

#[test]
fn a_short_dip_changes_nothing() {
    let mut run = Run::new(500);
    run.go(20, |_| input(500));
    for _ in 0..20 {
        for _ in 0..8 {
            run.ladder.update(&input(350), run.now);
            run.now += ms(100);
        }
        run.go(3, |_| input(500));
    }
    assert_eq!((run.changes, run.ladder.rung().width_px), (0, 640));
}

#[test]
fn a_lasting_fall_leads_down_and_a_deep_one_at_once() {
    let mut run = Run::new(2_000);
    run.go(10, |_| input(2_000));
    assert_eq!(run.go(2, |_| input(300)).width_px, 480);

    let mut run = Run::new(2_000);
    run.go(10, |_| input(2_000));
    run.ladder.update(&input(80), run.now);
    assert_eq!(run.ladder.rung().width_px, 240);
}

#[test]
fn a_rate_that_goes_up_and_down_does_not_pump_the_picture() {
    let mut run = Run::new(300);
    let mut random = Random::new(1);
    run.go(10, |_| input(300));
    for _ in 0..60 {
        run.go(2, |_| input(300 + random.below(30)));
        run.go(3, |_| input(560 + random.below(30)));
    }
    assert!(run.changes <= 25, "{} changes in five minutes", run.changes);
    run.changes = 0;
    for _ in 0..60 {
        run.go(2, |_| input(300));
        run.go(3, |_| input(560));
    }
    assert!(run.changes <= 25, "{} changes in five minutes", run.changes);
}

#[test]
fn a_slow_encoder_tries_less_and_then_gets_smaller_pictures() {
    // 90 ns for a pixel at the fastest, 1.6 times that for each step of effort: full size takes 28 ms at the fastest.
    let slow = |rung: Rung| LadderInput {
        encode_time: Some(Duration::from_secs_f64(
            f64::from(rung.width_px * rung.height_px)
                * 90e-9
                * 1.6_f64.powi(i32::from(rung.effort)),
        )),
        ..input(2_000)
    };
    let mut run = Run::new(2_000);
    let rung = run.go(120, slow);
    assert_eq!((rung.width_px, rung.effort), (480, 0));
    assert!(slow(rung).encode_time.unwrap() < ms(20), "60 % of 33 ms");
    assert!(run.changes <= 6, "{} changes in two minutes", run.changes);
}

#[test]
fn a_fast_encoder_tries_harder() {
    let fast = |_| LadderInput {
        encode_time: Some(ms(3)),
        ..input(2_000)
    };
    assert_eq!(Run::new(2_000).go(60, fast).effort, 2);
}

#[test]
fn a_small_window_gets_no_more_than_it_shows() {
    let small = |_| LadderInput {
        window_px: Some((330, 250)),
        ..input(2_000)
    };
    let mut run = Run::new(2_000);
    assert_eq!(run.go(5, small).width_px, 320);
    assert!(run.ladder.most_bps(Some((330, 250))) < run.ladder.most_bps(None));
    assert_eq!(run.go(1, |_| input(2_000)).width_px, 640, "enlarged again");
}

#[test]
fn a_window_that_is_enlarged_gets_what_the_path_has_long_had_room_for_at_once_and_no_more() {
    let small = |picture_kbps| LadderInput {
        window_px: Some((160, 120)),
        ..input(picture_kbps)
    };
    let mut run = Run::new(2_000);
    run.go(20, |_| small(2_000));
    assert_eq!(run.ladder.rung().width_px, 160);
    run.go(20, |_| small(290));
    assert!(run.ladder.update(&input(290), run.now).is_some());
    assert_eq!(
        run.ladder.rung().width_px,
        320,
        "480x360 would need 298 to begin"
    );
}

#[test]
fn a_window_that_grows_and_shrinks_all_the_time_does_not_make_each_picture_a_keyframe() {
    let mut run = Run::new(2_000);
    run.go(10, |_| input(2_000));
    run.changes = 0;
    let mut is_small = false;
    run.go(60, |_| {
        is_small = !is_small;
        LadderInput {
            window_px: Some(if is_small { (160, 120) } else { (640, 480) }),
            ..input(2_000)
        }
    });
    assert!(run.changes <= 62, "{} changes in a minute", run.changes);
}

#[test]
fn a_screen_is_shown_less_often_before_it_is_made_smaller() {
    let config = LadderConfig {
        pictures: Pictures::Screen,
        bits_per_pixel: LadderConfig::AV1_SCREEN_BITS_PER_PIXEL,
        capture_width_px: 1920,
        capture_height_px: 1080,
        capture_rate_hz: 15,
        ..VGA
    };
    let rung = |picture_bps| Ladder::new(config, picture_bps).rung();
    let sizes: Vec<_> = [300_000, 150_000, 90_000, 60_000, 30_000]
        .map(rung)
        .map(|rung| (rung.width_px, rung.frame_rate_hz))
        .into();
    assert_eq!(
        sizes,
        [(1920, 15), (1920, 7), (1920, 5), (1440, 5), (960, 5)]
    );
}

proptest! {
    #[test]
    fn any_input_gives_a_picture_that_can_be_encoded(
        width_px: u32,
        height_px: u32,
        rate_hz: u32,
        steps in prop::collection::vec((0_u64..u64::MAX, prop::option::of(0_u64..10_000), prop::option::of((0_u32..10_000, 0_u32..10_000)), 0_u64..5_000), 1..100),
    ) {
        let config = LadderConfig {
            capture_width_px: width_px,
            capture_height_px: height_px,
            capture_rate_hz: rate_hz,
            ..VGA
        };
        let mut ladder = Ladder::new(config, 300_000);
        let mut now = simulation::start();
        for (picture_bps, encode_ms, window_px, pause) in steps {
            now += ms(pause);
            let input = LadderInput { picture_bps, encode_time: encode_ms.map(ms), window_px };
            let before = ladder.rung();
            let changed = ladder.update(&input, now);
            let rung = ladder.rung();
            prop_assert_eq!(changed, (rung != before).then_some(rung));
            prop_assert!(rung.width_px >= 16 && rung.height_px >= 16 && rung.frame_rate_hz >= 1);
            prop_assert!(rung.width_px.is_multiple_of(2) && rung.height_px.is_multiple_of(2) && rung.effort <= 2);
        }
    }
}

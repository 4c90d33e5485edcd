use proptest::prelude::*;

use super::*;
use crate::audio::{FRAME_SAMPLES, Tone};

/// White noise through a one-pole low-pass: the more of the sample before, the darker.
struct Room {
    random: simulation::Random,
    darkness: f32,
    last: f32,
}

impl Room {
    fn new(darkness: f32) -> Self {
        Self {
            random: simulation::Random::new(9),
            darkness,
            last: 0.0,
        }
    }

    /// Noise whose root mean square is `level`.
    fn frame(&mut self, level: f32) -> [f32; FRAME_SAMPLES] {
        std::array::from_fn(|_| {
            let white = (self.random.unit() as f32 - 0.5) * 12.0_f32.sqrt();
            let rest = (1.0 - self.darkness * self.darkness).sqrt();
            self.last = self.last * self.darkness + white * rest;
            self.last * level
        })
    }
}

/// Somebody speaks in syllables for some seconds, with the room between them.
fn talk(noise: &mut ComfortNoise, room: &mut Room, level: f32, seconds: usize) {
    let mut voice = Tone::new(180.0);
    for number in 0..seconds * 100 {
        let mut frame = room.frame(level);
        if number % 40 < 25 {
            let mut syllable = [0.0; FRAME_SAMPLES];
            voice.fill(&mut syllable);
            for (sample, voice) in frame.iter_mut().zip(syllable) {
                *sample += voice;
            }
        }
        noise.heard(&mut frame);
    }
}

fn silence(noise: &mut ComfortNoise, frames: usize) -> Vec<f32> {
    let mut made = Vec::new();
    for _ in 0..frames {
        let mut frame = [0.0; FRAME_SAMPLES];
        noise.made_up(&mut frame);
        made.extend(frame);
    }
    made
}

/// How much a sample is like the one before it: the colour, from -1 (bright) to 1 (dark).
fn colour(samples: &[f32]) -> f32 {
    let product: f32 = samples.windows(2).map(|pair| pair[0] * pair[1]).sum();
    product / samples.iter().map(|sample| sample * sample).sum::<f32>()
}

fn db(a: f32, b: f32) -> f32 {
    10.0 * (a / b).log10()
}

#[test]
fn silence_is_filled_with_the_level_and_the_colour_of_the_room() {
    for (darkness, level) in [(0.0, 0.001), (0.6, 0.003), (0.95, 0.003)] {
        let (mut noise, mut room) = (ComfortNoise::new(), Room::new(darkness));
        talk(&mut noise, &mut room, level, 4);
        let made = silence(&mut noise, 100);
        let error_db = db(power(&made), level * level);
        assert!(
            (-4.0..0.5).contains(&error_db),
            "{error_db} dB at {darkness}"
        );
        let difference = (colour(&made) - darkness).abs();
        assert!(difference < 0.1, "{} is not {darkness}", colour(&made));
    }
}

#[test]
fn nothing_heard_and_digital_silence_are_followed_by_silence() {
    let mut noise = ComfortNoise::new();
    assert!(silence(&mut noise, 10).iter().all(|sample| *sample == 0.0));
    talk(&mut noise, &mut Room::new(0.0), 0.0, 2);
    assert!(silence(&mut noise, 10).iter().all(|sample| *sample == 0.0));
    let mut tone = Tone::new(300.0);
    for _ in 0..500 {
        let mut music = [0.0; FRAME_SAMPLES];
        tone.fill(&mut music);
        noise.heard(&mut music);
    }
    let made = silence(&mut noise, 10);
    assert!(power(&made) <= 1e-4, "what is loud is no background");
}

#[test]
fn what_has_a_background_of_its_own_gets_no_second_one() {
    let (mut noise, mut room) = (ComfortNoise::new(), Room::new(0.6));
    talk(&mut noise, &mut room, 0.003, 4);
    for _ in 0..50 {
        let mut frame = room.frame(0.003);
        let before = power(&frame);
        noise.made_up(&mut frame);
        assert!(db(power(&frame), before) < 1.0);
    }
    // Half of the power is there: the other half is added.
    let mut both = Vec::new();
    for _ in 0..100 {
        let mut frame = room.frame(0.003 * 0.5_f32.sqrt());
        noise.made_up(&mut frame);
        both.extend(frame);
    }
    let error_db = db(power(&both), 0.003 * 0.003);
    assert!(error_db.abs() < 1.5, "{error_db} dB");
}

#[test]
fn it_comes_and_goes_without_a_step() {
    let (mut noise, mut room) = (ComfortNoise::new(), Room::new(0.99));
    talk(&mut noise, &mut room, 0.003, 4);
    let mut made = vec![0.0];
    for _ in 0..20 {
        made.extend(silence(&mut noise, 5));
        let mut nothing = [0.0; FRAME_SAMPLES];
        noise.heard(&mut nothing);
        made.extend(nothing);
        let mut nothing = [0.0; FRAME_SAMPLES];
        noise.heard(&mut nothing);
        assert!(nothing.iter().all(|sample| *sample == 0.0), "it has faded");
        made.extend(nothing);
    }
    let steps = made.windows(2).map(|pair| (pair[1] - pair[0]).abs());
    let roughest = steps.fold(0.0, f32::max);
    assert!(roughest < 0.003, "{roughest}");
}

#[test]
fn a_dead_line_becomes_silent_and_a_muted_partner_at_once() {
    let (mut noise, mut room) = (ComfortNoise::new(), Room::new(0.5));
    talk(&mut noise, &mut room, 0.003, 4);
    let made = silence(&mut noise, 500);
    let (early, late) = made.split_at(300 * FRAME_SAMPLES);
    assert!(db(power(early), 0.003 * 0.003) > -4.0);
    assert!(
        late[101 * FRAME_SAMPLES..]
            .iter()
            .all(|sample| *sample == 0.0)
    );
    talk(&mut noise, &mut room, 0.003, 1);
    silence(&mut noise, 10);
    noise.set_muted(true);
    talk(&mut noise, &mut room, 0.003, 1);
    let made = silence(&mut noise, 100);
    assert!(made.iter().all(|sample| *sample == 0.0));
    noise.set_muted(false);
    talk(&mut noise, &mut room, 0.003, 1);
    assert!(power(&silence(&mut noise, 100)) > 0.0, "unmuted");
}

#[test]
fn a_room_that_becomes_quieter_is_followed_at_once_and_a_louder_one_after_a_while() {
    let (mut noise, mut room) = (ComfortNoise::new(), Room::new(0.5));
    talk(&mut noise, &mut room, 0.005, 6);
    talk(&mut noise, &mut room, 0.0005, 1);
    assert!(noise.level() < 0.0006, "{}", noise.level());
    talk(&mut noise, &mut room, 0.005, 8);
    assert!(noise.level() > 0.003, "{}", noise.level());
}

proptest! {
    #[test]
    fn whatever_is_heard_the_noise_is_no_louder_than_the_quietest_passages_and_the_same_each_time(
        frames in prop::collection::vec((-1.0_f32..1.0, 0.0_f32..1.0, 0_u32..3), 1..300),
        odd in prop::sample::select(vec![0.0, f32::NAN, f32::INFINITY, 1e20]),
    ) {
        let (mut noise, mut again) = (ComfortNoise::new(), ComfortNoise::new());
        let mut random = simulation::Random::new(2);
        let mut loudest = 0.0_f32;
        for (offset, level, kind) in frames {
            let mut frame: Vec<f32> = (0..FRAME_SAMPLES)
                .map(|_| offset * 0.01 + (random.unit() as f32 - 0.5) * level * level)
                .collect();
            if kind == 1 {
                frame[7] = odd;
            }
            let mut same = frame.clone();
            if kind == 2 {
                frame.fill(0.0);
                same.fill(0.0);
                noise.made_up(&mut frame);
                again.made_up(&mut same);
                prop_assert!(frame.iter().all(|sample| sample.is_finite() && sample.abs() <= 0.05));
            } else {
                loudest = loudest.max(power(&frame));
                noise.heard(&mut frame);
                again.heard(&mut same);
            }
            prop_assert!(noise.level() <= loudest.sqrt() * 1.001);
            prop_assert_eq!(format!("{frame:?}"), format!("{same:?}"));
        }
    }
}

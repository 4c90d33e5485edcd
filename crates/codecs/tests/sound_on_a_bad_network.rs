//! The whole way of sound: encoder, packets that are lost in bursts, jitter buffer, decoder.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use std::time::{Duration, Instant};

use codecs::{OpusEncoder, OpusPlayer};
use media::audio::{
    AudioPlan, Config, Counters, FRAME_DURATION, FRAME_SAMPLES, PACKET_DURATION, PACKET_SAMPLES,
    SAMPLE_RATE_HZ,
};
use media::{Codec, RtpPacket};

const DELAY: Duration = Duration::from_millis(30);

/// A voice of 150 Hz and its overtones, in syllables of 120 ms.
fn voice(frame: u32) -> [f32; PACKET_SAMPLES] {
    std::array::from_fn(|index| {
        let sample = frame as usize * PACKET_SAMPLES + index;
        let seconds = sample as f32 / SAMPLE_RATE_HZ as f32;
        let overtone =
            |number: f32| (std::f32::consts::TAU * 150.0 * number * seconds).sin() / number;
        let loudness = (std::f32::consts::PI * seconds / 0.12).sin().abs();
        (1..20).map(|number| overtone(number as f32)).sum::<f32>() * 0.2 * loudness
    })
}

struct Heard {
    counters: Counters,
    /// Energy of what was played in the place of lost frames, relative to what was said, in decibels.
    level_error_db: f32,
    wants_dred: bool,
}

/// Sends ten seconds; every 25th to 28th packet is lost. What comes is played as the engine plays it.
fn run(plan: &AudioPlan) -> Heard {
    let start = simulation::start();
    let mut encoder = OpusEncoder::new().unwrap();
    encoder.follow(plan).unwrap();
    let mut player = OpusPlayer::new(Config::default()).unwrap();
    let (mut said, mut made) = (0.0, 0.0);
    for number in 0..500_u32 {
        let payload = encoder.encode(&voice(number)).unwrap();
        let arrived_at = start + PACKET_DURATION * number + DELAY;
        if number % 25 < 21 {
            player.insert(packet(number, number * 960, payload, arrived_at));
        }
        let made_until = made_up(player.counters());
        let mut samples = [0.0; PACKET_SAMPLES];
        player.fill(&mut samples, arrived_at, |_, _| Duration::ZERO);
        let is_made = made_up(player.counters()) > made_until;
        // After the buffer has learned how long the bursts are.
        if is_made && number > 200 {
            let energy = |samples: &[f32]| samples.iter().map(|s| s * s).sum::<f32>();
            made += energy(&samples);
            said += (0..25).map(|frame| energy(&voice(frame))).sum::<f32>() / 25.0;
        }
    }
    Heard {
        counters: player.counters(),
        level_error_db: 10.0 * (made / said).log10(),
        wants_dred: player.wants_deep_redundancy(),
    }
}

const fn made_up(counters: Counters) -> u64 {
    counters.samples_concealed + counters.samples_recovered + counters.samples_reconstructed
}

fn packet(number: u32, timestamp: u32, payload: bytes::Bytes, arrived_at: Instant) -> RtpPacket {
    RtpPacket {
        codec: Codec::Opus,
        sequence_number: number as u16,
        timestamp,
        marker: false,
        payload,
        arrived_at,
    }
}

#[test]
fn bursts_of_losses_are_bridged_once_deep_redundancy_is_asked_for() {
    let before = run(&AudioPlan::for_voice(40_000, 0.16, false));
    assert!(before.wants_dred, "four lost packets in a row are a burst");
    assert_eq!(before.counters.samples_reconstructed, 0);
    let after = run(&AudioPlan::for_voice(40_000, 0.16, before.wants_dred));
    let made_up = after.counters.samples_concealed / 960;
    let reconstructed = after.counters.samples_reconstructed / 960;
    assert!(reconstructed >= 60, "{reconstructed} of 80 lost packets");
    let before_made_up = before.counters.samples_concealed / 960;
    assert!(
        made_up * 3 < before_made_up,
        "{made_up} instead of {before_made_up}"
    );
    assert!(
        after.level_error_db.abs() < 4.0 && before.level_error_db < -1.0,
        "{} dB with, {} dB without",
        after.level_error_db,
        before.level_error_db
    );
}

/// What is heard of `seconds` of sound whose frames are `sound`, in packets whose lengths are `length`, of which those arrive
/// that are `sent` at this frame.
fn hear(
    plan: &AudioPlan,
    frames: u32,
    sound: impl Fn(u32) -> [f32; FRAME_SAMPLES],
    length: impl Fn(u32) -> Duration,
    is_sent: impl Fn(u32) -> bool,
    mut each: impl FnMut(u32, &mut OpusPlayer),
) -> (Vec<f32>, Counters) {
    let start = simulation::start();
    let mut encoder = OpusEncoder::new().unwrap();
    encoder.follow(plan).unwrap();
    let mut packetizer = media::audio::Packetizer::new();
    let mut player = OpusPlayer::new(Config::default()).unwrap();
    let (mut heard, mut number) = (Vec::new(), 0);
    for frame in 0..frames {
        let captured = sound(frame);
        let full = packetizer.push(&captured, frame * FRAME_SAMPLES as u32, length(frame));
        let now = start + FRAME_DURATION * frame + DELAY;
        if let Some(full) = full {
            let payload = encoder.encode(&full.samples).unwrap();
            // As the engine does: what DTX leaves out has no number.
            if payload.len() > 2 {
                if is_sent(frame) {
                    player.insert(packet(number, full.timestamp, payload, now));
                }
                number += 1;
            }
        }
        each(frame, &mut player);
        let mut samples = [0.0; FRAME_SAMPLES];
        player.fill(&mut samples, now, |_, _| Duration::ZERO);
        heard.extend(samples);
    }
    (heard, player.counters())
}

fn steady_voice(frame: u32) -> [f32; FRAME_SAMPLES] {
    std::array::from_fn(|index| {
        let seconds = (frame as usize * FRAME_SAMPLES + index) as f32 / SAMPLE_RATE_HZ as f32;
        let overtone =
            |number: f32| (std::f32::consts::TAU * 150.0 * number * seconds).sin() / number;
        (1..12).map(|number| overtone(number as f32)).sum::<f32>() * 0.2
    })
}

/// What a high-pass leaves: a click stands out in it, a deep voice does not.
fn roughest(samples: &[f32]) -> f32 {
    let bends = samples.windows(3).map(|s| (s[0] - 2.0 * s[1] + s[2]).abs());
    bends.fold(0.0, f32::max)
}

#[test]
fn the_length_of_packets_changes_within_a_call_without_a_click() {
    let plan = AudioPlan::for_voice(AudioPlan::BEST_VOICE_BPS, 0.02, false);
    let run = |length: &dyn Fn(u32) -> Duration, made: u64| {
        let (heard, counters) = hear(&plan, 800, steady_voice, length, |_| true, |_, _| ());
        assert!(made_up(counters) <= made, "{counters:?}");
        // The encoder finds its mode first.
        heard[200 * FRAME_SAMPLES..].to_vec()
    };
    let steady = [run(&|_| PACKET_DURATION, 0), run(&|_| FRAME_DURATION, 0)].concat();
    let steady = roughest(&steady);
    // The first longer packet is late by 10 ms, which are made up; then that is reckoned with.
    let changing = run(
        &|frame| match frame / 50 % 2 {
            0 => FRAME_DURATION,
            _ => PACKET_DURATION,
        },
        960,
    );
    let changing = roughest(&changing);
    assert!(changing < 1.3 * steady, "{changing} instead of {steady}");
}

/// A quiet room.
fn room(frame: u32) -> [f32; FRAME_SAMPLES] {
    let mut random = simulation::Random::new(u64::from(frame) + 1);
    std::array::from_fn(|_| (random.unit() as f32 - 0.5) * 0.01)
}

/// Speech for half of each second, in a quiet room.
fn talk(frame: u32) -> [f32; FRAME_SAMPLES] {
    let (mut sound, voice) = (room(frame), steady_voice(frame));
    if frame % 100 < 50 {
        for (sample, voice) in sound.iter_mut().zip(voice) {
            *sample += voice;
        }
    }
    sound
}

fn level_dbfs(samples: &[f32]) -> f32 {
    let sum: f32 = samples.iter().map(|sample| sample * sample).sum();
    10.0 * (sum / samples.len() as f32).log10()
}

#[test]
fn a_line_that_breaks_off_sounds_like_the_room_and_not_like_a_dead_line() {
    let plan = AudioPlan::for_voice(AudioPlan::BEST_VOICE_BPS, 0.02, false);
    let is_sent = |frame| frame < 590;
    let (pause, after) = {
        let (heard, _) = hear(&plan, 800, talk, |_| PACKET_DURATION, is_sent, |_, _| ());
        let at = |frame: usize| frame * FRAME_SAMPLES;
        let pause = level_dbfs(&heard[at(560)..at(585)]);
        (pause, heard[at(620)..at(780)].to_vec())
    };
    let (first, last) = (
        level_dbfs(&after[..9600]),
        level_dbfs(&after[after.len() - 9600..]),
    );
    assert!((pause - first).abs() < 5.0, "{first} dBFS after {pause}");
    assert!((pause - last).abs() < 5.0, "{last} dBFS after {pause}");
    assert!(first < pause + 2.0 && last < pause + 2.0, "never louder");
}

#[test]
fn a_muted_partner_is_silent() {
    let plan = AudioPlan::for_voice(AudioPlan::BEST_VOICE_BPS, 0.02, false);
    let mute = |frame, player: &mut OpusPlayer| player.set_muted(frame >= 590);
    let is_sent = |frame| frame < 590;
    let (heard, _) = hear(&plan, 800, talk, |_| PACKET_DURATION, is_sent, mute);
    let after = &heard[620 * FRAME_SAMPLES..];
    assert!(after.iter().all(|sample| *sample == 0.0));
}

#[test]
fn silence_that_is_left_out_is_filled_with_the_room() {
    let plan = AudioPlan {
        has_dtx: true,
        ..AudioPlan::for_voice(16_000, 0.02, false)
    };
    // Somebody speaks for two seconds and then listens for six.
    let sound = |frame| {
        if frame < 200 {
            talk(frame)
        } else {
            room(frame)
        }
    };
    let (heard, _) = hear(&plan, 800, sound, |_| PACKET_DURATION, |_| true, |_, _| ());
    let piece = |frame: usize| level_dbfs(&heard[frame * FRAME_SAMPLES..][..FRAME_SAMPLES * 5]);
    let pieces: Vec<f32> = (300..790).step_by(5).map(piece).collect();
    let (least, most) = (pieces.iter()).fold((0.0_f32, -200.0_f32), |(least, most), level| {
        (least.min(*level), most.max(*level))
    });
    let said = level_dbfs(&room(300));
    assert!(least > said - 12.0, "{least} dBFS in a room of {said}");
    assert!(most < said + 4.0, "{most} dBFS in a room of {said}");
}

//! The whole way of sound: encoder, packets that are lost in bursts, jitter buffer, decoder.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use std::time::Duration;

use codecs::{OpusDecoder, OpusEncoder};
use media::audio::{
    AudioPlan, Config, Counters, FRAME_DURATION, FRAME_SAMPLES, JitterBuffer, Pull, SAMPLE_RATE_HZ,
};
use media::{Codec, RtpPacket};

/// A voice of 150 Hz and its overtones, in syllables of 120 ms.
fn voice(frame: u32) -> [f32; FRAME_SAMPLES] {
    std::array::from_fn(|index| {
        let sample = frame as usize * FRAME_SAMPLES + index;
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
    const DELAY: Duration = Duration::from_millis(30);
    let start = simulation::start();
    let mut encoder = OpusEncoder::new().unwrap();
    encoder.follow(plan).unwrap();
    let mut decoder = OpusDecoder::new().unwrap();
    let mut buffer = JitterBuffer::new(Config::default());
    let (mut said, mut made) = (0.0, 0.0);
    for number in 0..500_u32 {
        let payload = encoder.encode(&voice(number)).unwrap();
        let sent_at = start + FRAME_DURATION * number;
        if number % 25 < 21 {
            buffer.insert(RtpPacket {
                codec: Codec::Opus,
                sequence_number: number as u16,
                timestamp: number * FRAME_SAMPLES as u32,
                marker: false,
                payload,
                arrived_at: sent_at + DELAY,
            });
        }
        let pull = buffer.pull(sent_at + DELAY);
        let is_made = !matches!(pull, Pull::Decode { .. } | Pull::Silence);
        let samples = match pull {
            Pull::Decode { packet, .. } => decoder.decode(&packet).unwrap(),
            Pull::Recover(packet) => decoder.decode_fec(&packet).unwrap(),
            Pull::Reconstruct {
                packet,
                samples_before,
            } => decoder
                .reconstruct(&packet, samples_before as usize)
                .unwrap()
                .expect("the redundancy reaches so far"),
            Pull::Conceal => decoder.conceal().unwrap(),
            Pull::Silence => vec![0.0; FRAME_SAMPLES],
        };
        // After the buffer has learned how long the bursts are.
        if is_made && number > 200 {
            let energy = |samples: &[f32]| samples.iter().map(|s| s * s).sum::<f32>();
            made += energy(&samples);
            said += (0..25).map(|frame| energy(&voice(frame))).sum::<f32>() / 25.0;
        }
    }
    Heard {
        counters: buffer.counters(),
        level_error_db: 10.0 * (made / said).log10(),
        wants_dred: buffer.wants_deep_redundancy(),
    }
}

#[test]
fn bursts_of_losses_are_bridged_once_deep_redundancy_is_asked_for() {
    let before = run(&AudioPlan::for_voice(40_000, 0.16, false));
    assert!(before.wants_dred, "four lost packets in a row are a burst");
    assert_eq!(before.counters.frames_reconstructed, 0);
    let after = run(&AudioPlan::for_voice(40_000, 0.16, before.wants_dred));
    let (made_up, reconstructed) = (
        after.counters.frames_concealed,
        after.counters.frames_reconstructed,
    );
    assert!(reconstructed >= 60, "{reconstructed} of 80 lost frames");
    assert!(
        made_up * 3 < before.counters.frames_concealed,
        "{made_up} instead of {}",
        before.counters.frames_concealed
    );
    assert!(
        after.level_error_db.abs() < 4.0 && before.level_error_db < -1.0,
        "{} dB with, {} dB without",
        after.level_error_db,
        before.level_error_db
    );
}

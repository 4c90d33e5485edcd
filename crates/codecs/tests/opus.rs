//! Opus there and back.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use std::time::Duration;

use codecs::{CodecError, OpusDecoder, OpusEncoder};
use media::audio::{
    AudioPlan, PACKET_DURATION, PACKET_SAMPLES, SAMPLE_RATE_HZ, Tone, fundamental_hz, level,
    opus_packet_redundancy, opus_packet_samples,
};

fn encode(tone: &mut Tone, encoder: &mut OpusEncoder, frames: usize) -> Vec<bytes::Bytes> {
    let mut samples = [0.0; PACKET_SAMPLES];
    (0..frames)
        .map(|_| {
            tone.fill(&mut samples);
            encoder.encode(&samples).unwrap()
        })
        .collect()
}

/// Frame number `frame` of something like a voice: 150 Hz and its overtones.
fn vowel(frame: usize) -> [f32; PACKET_SAMPLES] {
    std::array::from_fn(|index| {
        let seconds = (frame * PACKET_SAMPLES + index) as f32 / SAMPLE_RATE_HZ as f32;
        let overtone =
            |number: f32| (std::f32::consts::TAU * 150.0 * number * seconds).sin() / number;
        (1..20).map(|number| overtone(number as f32)).sum::<f32>() * 0.2
    })
}

fn pitch(samples: &[f32]) -> f32 {
    fundamental_hz(samples, SAMPLE_RATE_HZ).expect("there is a tone")
}

#[test]
fn a_tone_keeps_its_pitch_and_its_loudness() {
    let mut encoder = OpusEncoder::new().unwrap();
    let mut decoder = OpusDecoder::new().unwrap();
    let mut samples = Vec::new();
    for packet in encode(&mut Tone::new(440.0), &mut encoder, 50) {
        assert_eq!(opus_packet_samples(&packet), Some(960));
        let decoded = decoder.decode(&packet).unwrap();
        assert_eq!(decoded.len(), PACKET_SAMPLES);
        samples.extend(decoded);
    }
    let end = &samples[samples.len() - 4800..];
    assert!((pitch(end) - 440.0).abs() < 2.0, "{} Hz", pitch(end));
    let mut original = [0.0; PACKET_SAMPLES];
    Tone::new(440.0).fill(&mut original);
    assert!((level(end) - level(&original)).abs() < 0.05, "3 dB at most");
}

#[test]
fn the_bitrate_follows_its_target() {
    let mut encoder = OpusEncoder::new().unwrap();
    let mut random = simulation::Random::new(3);
    let mut bits_per_second = |target: u32| -> usize {
        encoder.set_target_bitrate(target).unwrap();
        // Noise needs every bit that it can get.
        let mut second = || -> usize {
            let frames = (0..50).map(|_| -> [f32; PACKET_SAMPLES] {
                std::array::from_fn(|_| (random.unit() as f32 - 0.5) * 0.5)
            });
            frames
                .map(|samples| encoder.encode(&samples).unwrap().len() * 8)
                .sum()
        };
        second();
        second()
    };
    for target in [32_000, 12_000, 64_000] {
        let measured = bits_per_second(target);
        assert!(
            (target * 7 / 10..target * 13 / 10).contains(&(measured as u32)),
            "{measured} instead of {target} bit/s"
        );
    }
}

#[test]
fn a_lost_frame_is_recovered_from_the_next_packet() {
    let mut encoder = OpusEncoder::new().unwrap();
    encoder.set_expected_loss(0.2).unwrap();
    // A voice begins while packets are lost: concealment cannot know of it, FEC does.
    let silence: Vec<_> = (0..50)
        .map(|_| encoder.encode(&[0.0; PACKET_SAMPLES]).unwrap())
        .collect();
    let voice: Vec<_> = (0..10)
        .map(|frame| encoder.encode(&vowel(frame)).unwrap())
        .collect();
    let third_frame_of_voice = |is_recovered: bool| {
        let mut decoder = OpusDecoder::new().unwrap();
        for packet in &silence {
            decoder.decode(packet).unwrap();
        }
        decoder.conceal(PACKET_SAMPLES).unwrap();
        decoder.conceal(PACKET_SAMPLES).unwrap();
        let frame = if is_recovered {
            decoder.decode_fec(&voice[3], PACKET_SAMPLES)
        } else {
            decoder.conceal(PACKET_SAMPLES)
        }
        .unwrap();
        assert_eq!(frame.len(), PACKET_SAMPLES);
        level(&frame)
    };
    let (recovered, concealed) = (third_frame_of_voice(true), third_frame_of_voice(false));
    assert!(
        recovered > concealed + 0.2,
        "{recovered} with FEC, {concealed} without"
    );
}

#[test]
fn concealment_goes_on_for_a_while_and_fades_out() {
    let mut encoder = OpusEncoder::new().unwrap();
    let mut decoder = OpusDecoder::new().unwrap();
    for packet in encode(&mut Tone::new(300.0), &mut encoder, 50) {
        decoder.decode(&packet).unwrap();
    }
    let first = decoder.conceal(PACKET_SAMPLES).unwrap();
    assert_eq!(first.len(), PACKET_SAMPLES);
    assert!(level(&first) > 0.5, "{}", level(&first));
    let last = (0..50)
        .map(|_| decoder.conceal(PACKET_SAMPLES).unwrap())
        .last()
        .unwrap();
    assert!(
        level(&last) < level(&first) - 0.1,
        "{} after {}",
        level(&last),
        level(&first)
    );
}

#[test]
fn packets_of_other_senders_decode_to_what_they_hold() {
    let mut decoder = OpusDecoder::new().unwrap();
    for (milliseconds, samples) in [(10, 480), (20, 960), (40, 1920), (60, 2880)] {
        let mut encoder =
            opus::Encoder::new(48_000, opus::Channels::Stereo, opus::Application::Voip).unwrap();
        let interleaved = vec![0.1; samples * 2];
        let packet = encoder.encode_vec_float(&interleaved, 1500).unwrap();
        assert_eq!(
            decoder.decode(&packet).unwrap().len(),
            samples,
            "{milliseconds} ms of stereo"
        );
    }
}

#[test]
fn dtx_makes_silence_nearly_free() {
    let mut encoder = OpusEncoder::new().unwrap();
    let bytes = |encoder: &mut OpusEncoder| -> usize {
        (0..100)
            .map(|_| encoder.encode(&[0.0; PACKET_SAMPLES]).unwrap().len())
            .sum()
    };
    let without = bytes(&mut encoder);
    encoder.set_dtx(true).unwrap();
    bytes(&mut encoder);
    let with = bytes(&mut encoder);
    assert!(with * 2 < without, "{with} instead of {without} bytes");
}

#[test]
fn garbage_is_an_error_or_noise_but_never_a_panic() {
    let mut decoder = OpusDecoder::new().unwrap();
    assert!(matches!(decoder.decode(&[]), Err(CodecError::Undecodable)));
    assert!(matches!(
        decoder.decode(&[0xff]),
        Err(CodecError::Undecodable)
    ));
    assert!(matches!(
        decoder.decode_fec(&[], PACKET_SAMPLES),
        Err(CodecError::Undecodable)
    ));
    let mut random = simulation::Random::new(5);
    for _ in 0..2000 {
        let packet: Vec<u8> = (0..random.below(100))
            .map(|_| random.next_u64() as u8)
            .collect();
        for decoded in [
            decoder.decode(&packet),
            decoder.decode_fec(&packet, PACKET_SAMPLES),
        ] {
            match decoded {
                Ok(samples) => assert!(samples.len() <= 5760),
                Err(error) => assert!(matches!(error, CodecError::Undecodable), "{error:?}"),
            }
        }
    }
    let mut encoder = OpusEncoder::new().unwrap();
    let packets = encode(&mut Tone::new(440.0), &mut encoder, 20);
    let samples: Vec<f32> = packets
        .iter()
        .flat_map(|packet| decoder.decode(packet).unwrap())
        .collect();
    assert!(
        (pitch(&samples[samples.len() - 4800..]) - 440.0).abs() < 2.0,
        "and the stream goes on"
    );
}

/// Silence, then a voice, at a rate that leaves room for redundancy.
fn silence_then_voice(encoder: &mut OpusEncoder) -> (Vec<bytes::Bytes>, Vec<bytes::Bytes>) {
    let silence = (0..50).map(|_| encoder.encode(&[0.0; PACKET_SAMPLES]).unwrap());
    let silence = silence.collect();
    let voice = (0..20).map(|frame| encoder.encode(&vowel(frame)).unwrap());
    (silence, voice.collect())
}

fn encoder_with_dred(dred_ms: u64) -> OpusEncoder {
    let mut encoder = OpusEncoder::new().unwrap();
    let plan = AudioPlan {
        bitrate_bps: 40_000,
        expected_loss_ratio: 0.2,
        has_in_band_fec: false,
        dred: Duration::from_millis(dred_ms),
        has_dtx: false,
        packet: PACKET_DURATION,
    };
    encoder.follow(&plan).unwrap();
    encoder
}

#[test]
fn a_burst_of_lost_frames_is_reconstructed_from_deep_redundancy() {
    let (silence, voice) = silence_then_voice(&mut encoder_with_dred(200));
    let (lost, later_packet) = (4..8, &voice[8]);
    assert!(opus_packet_redundancy(later_packet).has_dred);
    let play = |is_reconstructed: bool| -> Vec<f32> {
        let mut decoder = OpusDecoder::new().unwrap();
        for packet in &silence {
            decoder.decode(packet).unwrap();
        }
        // The voice begins within the gap, so that concealment cannot know of it.
        for _ in 0..lost.start {
            decoder.conceal(PACKET_SAMPLES).unwrap();
        }
        let frames = lost.clone().map(|number| {
            let samples_before = (8 - number) * PACKET_SAMPLES;
            if is_reconstructed {
                let frame = decoder
                    .reconstruct(later_packet, samples_before, PACKET_SAMPLES)
                    .unwrap();
                frame.expect("the redundancy reaches so far")
            } else {
                decoder.conceal(PACKET_SAMPLES).unwrap()
            }
        });
        frames.flat_map(|frame| frame[..].to_vec()).collect()
    };
    let (reconstructed, concealed) = (play(true), play(false));
    assert_eq!(reconstructed.len(), 4 * PACKET_SAMPLES);
    let original = level(&vowel(6));
    let end = &reconstructed[2 * PACKET_SAMPLES..];
    assert!(
        (level(end) - original).abs() < 0.1,
        "{} instead of {original}: 6 dB at most",
        level(end)
    );
    assert!((pitch(end) - 150.0).abs() < 8.0, "{} Hz", pitch(end));
    assert!(level(&concealed) < original - 0.3, "{}", level(&concealed));
}

#[test]
fn redundancy_that_is_not_there_is_not_made_up() {
    let mut decoder = OpusDecoder::new().unwrap();
    let (_, voice) = silence_then_voice(&mut encoder_with_dred(100));
    let near = decoder
        .reconstruct(&voice[19], PACKET_SAMPLES, PACKET_SAMPLES)
        .unwrap();
    assert!(near.is_some());
    let far = decoder
        .reconstruct(&voice[19], 20 * PACKET_SAMPLES, PACKET_SAMPLES)
        .unwrap();
    assert!(far.is_none(), "400 ms are out of reach");
    let (_, voice) = silence_then_voice(&mut encoder_with_dred(0));
    assert!(!opus_packet_redundancy(&voice[19]).has_dred, "it was off");
    let none = decoder
        .reconstruct(&voice[19], PACKET_SAMPLES, PACKET_SAMPLES)
        .unwrap();
    assert!(none.is_none());
}

#[test]
fn deep_redundancy_is_part_of_the_bitrate() {
    let bytes = |dred_ms| -> usize {
        let (_, voice) = silence_then_voice(&mut encoder_with_dred(dred_ms));
        voice.iter().map(bytes::Bytes::len).sum()
    };
    let (without, with) = (bytes(0), bytes(500));
    assert!(with < without * 13 / 10, "{with} instead of {without}");
}

#[test]
fn damaged_redundancy_is_an_error_or_nothing_but_never_a_panic() {
    let (_, voice) = silence_then_voice(&mut encoder_with_dred(500));
    let mut decoder = OpusDecoder::new().unwrap();
    let mut random = simulation::Random::new(8);
    for round in 0..2000 {
        let mut packet = voice[round % voice.len()].to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(packet.len() as u64) as usize;
            packet[at] = random.next_u64() as u8;
        }
        packet.truncate(packet.len() - random.below(20) as usize);
        let samples_before = random.below(60_000) as usize;
        match decoder.reconstruct(&packet.into(), samples_before, PACKET_SAMPLES) {
            Ok(frame) => assert!(frame.is_none_or(|frame| frame.len() <= PACKET_SAMPLES)),
            Err(error) => assert!(matches!(error, CodecError::Undecodable), "{error:?}"),
        }
    }
    assert!(decoder.decode(&voice[0]).is_ok(), "and the stream goes on");
}

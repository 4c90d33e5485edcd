//! Opus there and back.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use codecs::{CodecError, OpusDecoder, OpusEncoder};
use media::audio::{
    FRAME_SAMPLES, SAMPLE_RATE_HZ, Tone, fundamental_hz, level, opus_packet_samples,
};

fn encode(tone: &mut Tone, encoder: &mut OpusEncoder, frames: usize) -> Vec<bytes::Bytes> {
    let mut samples = [0.0; FRAME_SAMPLES];
    (0..frames)
        .map(|_| {
            tone.fill(&mut samples);
            encoder.encode(&samples).unwrap()
        })
        .collect()
}

/// Frame number `frame` of something like a voice: 150 Hz and its overtones.
fn vowel(frame: usize) -> [f32; FRAME_SAMPLES] {
    std::array::from_fn(|index| {
        let seconds = (frame * FRAME_SAMPLES + index) as f32 / SAMPLE_RATE_HZ as f32;
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
        assert_eq!(decoded.len(), FRAME_SAMPLES);
        samples.extend(decoded);
    }
    let end = &samples[samples.len() - 4800..];
    assert!((pitch(end) - 440.0).abs() < 2.0, "{} Hz", pitch(end));
    let mut original = [0.0; FRAME_SAMPLES];
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
            let frames =
                (0..50).map(|_| std::array::from_fn(|_| (random.unit() as f32 - 0.5) * 0.5));
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
        .map(|_| encoder.encode(&[0.0; FRAME_SAMPLES]).unwrap())
        .collect();
    let voice: Vec<_> = (0..10)
        .map(|frame| encoder.encode(&vowel(frame)).unwrap())
        .collect();
    let third_frame_of_voice = |is_recovered: bool| {
        let mut decoder = OpusDecoder::new().unwrap();
        for packet in &silence {
            decoder.decode(packet).unwrap();
        }
        decoder.conceal().unwrap();
        decoder.conceal().unwrap();
        let frame = if is_recovered {
            decoder.decode_fec(&voice[3])
        } else {
            decoder.conceal()
        }
        .unwrap();
        assert_eq!(frame.len(), FRAME_SAMPLES);
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
    let first = decoder.conceal().unwrap();
    assert_eq!(first.len(), FRAME_SAMPLES);
    assert!(level(&first) > 0.5, "{}", level(&first));
    let last = (0..50).map(|_| decoder.conceal().unwrap()).last().unwrap();
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
            .map(|_| encoder.encode(&[0.0; FRAME_SAMPLES]).unwrap().len())
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
        decoder.decode_fec(&[]),
        Err(CodecError::Undecodable)
    ));
    let mut random = simulation::Random::new(5);
    for _ in 0..2000 {
        let packet: Vec<u8> = (0..random.below(100))
            .map(|_| random.next_u64() as u8)
            .collect();
        for decoded in [decoder.decode(&packet), decoder.decode_fec(&packet)] {
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

//! How well speech survives loss, with each kind of protection at the same bitrate: `cargo bench -p codecs --bench
//! lost_speech -- speech.wav`.
//!
//! Prints the bits that were spent and PESQ (ITU-T P.862.2) of what is heard against what was said. All rows of a run see
//! the same losses; the delay is taken to be long enough for the packet after a burst. Synthetic voices score lower than
//! real ones: compare within one run only.

use std::time::{Duration, Instant};

use codecs::{OpusDecoder, OpusEncoder};
use media::audio::{AudioPlan, PACKET_DURATION, PACKET_SAMPLES, opus_packet_redundancy};
use simulation::Random;

mod speech;

fn main() {
    let Some(speech) = speech::of_arguments() else {
        return;
    };
    let plan = |kbps: u32, loss: f32, fec: bool, dred_ms: u64| AudioPlan {
        bitrate_bps: kbps * 1000,
        expected_loss_ratio: loss,
        has_in_band_fec: fec,
        dred: Duration::from_millis(dred_ms),
        has_dtx: false,
        packet: PACKET_DURATION,
    };
    let losses: [(&str, f32, usize); 3] = [
        ("random 20 %", 0.2, 1),
        ("bursts of 3, 10 %", 0.1, 3),
        ("bursts of 5, 15 %", 0.15, 5),
    ];
    for (name, ratio, burst) in losses {
        println!("{name}");
        for kbps in [32, 48, 64] {
            for (label, fec, dred_ms, expected) in [
                ("nothing", false, 0, ratio),
                ("FEC", true, 0, ratio),
                ("DRED", false, 120, ratio),
                ("FEC, DRED", true, 120, ratio),
                ("FEC, DRED, told 25 %", true, 120, 0.25),
            ] {
                let plan = plan(kbps, expected, fec, dred_ms);
                print_row(kbps, label, &run(&speech, &plan, ratio, burst));
            }
        }
    }
}

fn print_row(kbps: u32, label: &str, outcome: &Outcome) {
    println!(
        "  {kbps} kbit/s, {label:<20} {:6.1} kbit/s  PESQ {:.2}  ({} lost: {} by FEC, {} by DRED)  encode {:4} us  decode {:4} us",
        outcome.kbps,
        outcome.score,
        outcome.lost,
        outcome.by_fec,
        outcome.by_dred,
        outcome.encode.as_micros(),
        outcome.decode.as_micros(),
    );
}

#[derive(Default)]
struct Outcome {
    kbps: f32,
    score: f32,
    lost: usize,
    by_fec: usize,
    by_dred: usize,
    /// Each frame, on average.
    encode: Duration,
    decode: Duration,
}

fn run(speech: &[f32], plan: &AudioPlan, loss_ratio: f32, burst: usize) -> Outcome {
    let mut encoder = OpusEncoder::new().expect("the library starts");
    encoder.follow(plan).expect("the library takes any plan");
    let mut outcome = Outcome::default();
    let began_at = Instant::now();
    let packets: Vec<_> = speech
        .as_chunks::<PACKET_SAMPLES>()
        .0
        .iter()
        .map(|frame| encoder.encode(frame).expect("any samples are encoded"))
        .collect();
    outcome.encode = began_at.elapsed() / packets.len() as u32;
    let bytes: usize = packets.iter().map(bytes::Bytes::len).sum();
    outcome.kbps = bytes as f32 * 8.0 / (packets.len() as f32 * 20.0);

    let is_lost = losses(packets.len(), loss_ratio, burst);
    outcome.lost = is_lost.iter().filter(|lost| **lost).count();
    let mut decoder = OpusDecoder::new().expect("the library starts");
    let mut heard = Vec::new();
    let began_at = Instant::now();
    for (number, packet) in packets.iter().enumerate() {
        let decoded = if is_lost[number] {
            let next = (number..packets.len()).find(|number| !is_lost[*number]);
            let frames_before = next.map_or(0, |next| next - number);
            let carried = next.map(|next| opus_packet_redundancy(&packets[next]));
            let is_for_fec = frames_before == 1 && carried.is_some_and(|carried| carried.has_fec);
            match next {
                Some(next) if is_for_fec => {
                    outcome.by_fec += 1;
                    decoder.decode_fec(&packets[next], PACKET_SAMPLES)
                }
                Some(next) => {
                    let samples_before = frames_before * PACKET_SAMPLES;
                    match decoder.reconstruct(&packets[next], samples_before, PACKET_SAMPLES) {
                        Ok(Some(reconstructed)) => {
                            outcome.by_dred += 1;
                            Ok(reconstructed)
                        }
                        _ => decoder.conceal(PACKET_SAMPLES),
                    }
                }
                None => decoder.conceal(PACKET_SAMPLES),
            }
        } else {
            decoder.decode(packet)
        };
        heard.extend(decoded.expect("our own packets can be decoded"));
    }
    outcome.decode = began_at.elapsed() / packets.len() as u32;
    outcome.score = speech::score(speech, &heard);
    outcome
}

fn losses(count: usize, ratio: f32, burst: usize) -> Vec<bool> {
    let mut random = Random::new(11);
    let mut lost = vec![false; count];
    let mut number = 10;
    while number < count {
        if (random.unit() as f32) < ratio / burst as f32 {
            let end = (number + burst).min(count);
            lost[number..end].fill(true);
            number = end;
        }
        number += 1;
    }
    lost
}

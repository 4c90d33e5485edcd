//! How well speech survives jitter, and what delay that costs: `cargo bench -p codecs --bench jittery_speech -- speech.wav`.
//!
//! Prints PESQ (ITU-T P.862.2) of what is heard against what was said, how long sound waited in the jitter buffer, and how
//! the time was made up. In virtual time: each row hears the same in every run. Compare within one file only.

use std::time::{Duration, Instant};

use codecs::{OpusDecoder, OpusEncoder};
use media::audio::{
    AudioPlan, Config, Counters, FRAME_DURATION, FRAME_SAMPLES, JitterBuffer, Pull, SAMPLE_RATE_HZ,
    stretch,
};
use media::{Codec, RtpPacket};
use simulation::Random;

mod speech;

/// From the mouth to the jitter buffer, without jitter.
const TRANSIT: Duration = Duration::from_millis(30);

/// How late a packet is that was sent so long after the beginning.
type Jitter = fn(Duration, &mut Random) -> Duration;

fn main() {
    let Some(speech) = speech::of_arguments() else {
        return;
    };
    let networks: [(&str, Jitter); 5] = [
        ("none", |_, _| Duration::ZERO),
        ("up to 40 ms", |_, random| {
            random.duration(Duration::from_millis(40))
        }),
        ("up to 100 ms", |_, random| {
            random.duration(Duration::from_millis(100))
        }),
        ("up to 80 ms in every other 3 s", |sent, random| {
            let limit = if sent.as_secs() / 3 % 2 == 1 { 80 } else { 0 };
            random.duration(Duration::from_millis(limit))
        }),
        ("a stall of 200 ms in every 4 s", |sent, _| {
            let into = Duration::from_millis((sent.as_millis() % 4000) as u64);
            Duration::from_millis(200).saturating_sub(into)
        }),
    ];
    let packets = encode(&speech);
    for (name, jitter) in networks {
        let outcome = play(&packets, jitter);
        println!(
            "{name:<32} PESQ {:.2}  waited {:3} ms in the middle, {:3} ms at most  {:?}",
            speech::score(&speech, &outcome.heard),
            outcome.delay(0.5).as_millis(),
            outcome.delay(1.0).as_millis(),
            outcome.counters,
        );
    }
}

fn encode(speech: &[f32]) -> Vec<bytes::Bytes> {
    let mut encoder = OpusEncoder::new().expect("the library starts");
    let plan = AudioPlan::for_voice(AudioPlan::BEST_VOICE_BPS, 0.0, false);
    encoder.follow(&plan).expect("the library takes any plan");
    let frames = speech.as_chunks::<FRAME_SAMPLES>().0.iter();
    frames
        .map(|frame| encoder.encode(frame).expect("any samples are encoded"))
        .collect()
}

struct Outcome {
    heard: Vec<f32>,
    counters: Counters,
    /// Of each packet, from its arrival without jitter to its turn.
    delays: Vec<Duration>,
}

impl Outcome {
    fn delay(&self, quantile: f64) -> Duration {
        let mut sorted = self.delays.clone();
        sorted.sort_unstable();
        sorted[((sorted.len() - 1) as f64 * quantile) as usize]
    }
}

/// Plays as the engine does.
fn play(packets: &[bytes::Bytes], jitter: Jitter) -> Outcome {
    let start = simulation::start();
    let mut random = Random::new(5);
    let sent_at = |number: u32| start + FRAME_DURATION * number;
    let mut arrivals: Vec<_> = (0..)
        .zip(packets)
        .map(|(number, payload)| RtpPacket {
            codec: Codec::Opus,
            sequence_number: number as u16,
            timestamp: number * FRAME_SAMPLES as u32,
            marker: false,
            payload: payload.clone(),
            arrived_at: sent_at(number) + TRANSIT + jitter(FRAME_DURATION * number, &mut random),
        })
        .collect();
    arrivals.sort_by_key(|packet| packet.arrived_at);
    let mut arrivals = arrivals.into_iter().peekable();
    let mut buffer = JitterBuffer::new(Config::default());
    let mut decoder = OpusDecoder::new().expect("the library starts");
    let mut outcome = Outcome {
        heard: Vec::new(),
        counters: Counters::default(),
        delays: Vec::new(),
    };
    let after = |samples: usize| -> Instant {
        start + Duration::from_secs_f64(samples as f64 / f64::from(SAMPLE_RATE_HZ))
    };
    // The speaker asks for 20 ms each 20 ms.
    for asked in 0..packets.len() {
        let asked_at = after(asked * FRAME_SAMPLES);
        while let Some(packet) = arrivals.next_if(|packet| packet.arrived_at <= asked_at) {
            buffer.insert(packet);
        }
        while outcome.heard.len() < (asked + 1) * FRAME_SAMPLES {
            let at = after(outcome.heard.len());
            let samples = match buffer.pull(at) {
                Pull::Decode {
                    packet,
                    stretch: how,
                } => {
                    let timestamp = buffer.last_timestamp().expect("one was given out");
                    let due_at = sent_at(timestamp / FRAME_SAMPLES as u32) + TRANSIT;
                    outcome.delays.push(at.saturating_duration_since(due_at));
                    let mut samples = decoder.decode(&packet).expect("our own packet");
                    if let Some(how) = how {
                        stretch(&mut samples, how);
                    }
                    samples
                }
                Pull::Recover(packet) => decoder.decode_fec(&packet).expect("our own packet"),
                Pull::Reconstruct { .. } | Pull::Conceal => {
                    decoder.conceal().expect("something is made up")
                }
                Pull::Silence => vec![0.0; FRAME_SAMPLES],
            };
            outcome.heard.extend(samples);
        }
    }
    outcome.counters = buffer.counters();
    outcome
}

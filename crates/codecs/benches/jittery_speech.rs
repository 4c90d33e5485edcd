//! How well speech survives jitter, and what delay that costs: `cargo bench -p codecs --bench jittery_speech -- speech.wav`.
//!
//! Prints PESQ (ITU-T P.862.2) of what is heard against what was said, how long sound waited in the jitter buffer, how long it
//! took from the mouth to the ear (with what a packet waits to be full and the encoder to look ahead, without sound cards),
//! and how the time was made up; with packets of 20 and of 10 ms,
//! and these with no more bits than those. In virtual time: each row hears the same in every run. Compare within one file only.

use std::time::Duration;

use codecs::{OpusEncoder, OpusPlayer};
use media::audio::{
    AudioPlan, Config, Counters, FRAME_DURATION, FRAME_SAMPLES, PACKET_DURATION, SAMPLE_RATE_HZ,
};
use media::{Codec, RtpPacket};
use simulation::Random;

mod speech;

/// From the mouth to the jitter buffer, without jitter.
const TRANSIT: Duration = Duration::from_millis(30);
/// What the encoder looks ahead.
const LOOK_AHEAD: Duration = Duration::from_micros(6500);

/// Real ones: how much longer than the fastest each packet of sound took beside the pictures of the same call, on such a line of
/// the network lab (20 ms round trip, no losses), in tenths of a millisecond; packets of 20 ms on the first, of 10 ms on the second.
const BESIDE_PICTURES_300K: &str = include_str!("arrivals/beside_pictures_300k.txt");
const BESIDE_PICTURES_2M: &str = include_str!("arrivals/beside_pictures_2m.txt");

/// How late a packet is that was sent so long after the beginning.
type Jitter = fn(Duration, &mut Random) -> Duration;

fn main() {
    let Some(speech) = speech::of_arguments() else {
        return;
    };
    let networks: [(&str, Jitter); 7] = [
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
        ("recorded: 300 kbit/s with pictures", |sent, _| {
            recorded(BESIDE_PICTURES_300K, PACKET_DURATION, sent)
        }),
        ("recorded: 2 Mbit/s with pictures", |sent, _| {
            recorded(BESIDE_PICTURES_2M, FRAME_DURATION, sent)
        }),
    ];
    let plan = AudioPlan::for_voice(AudioPlan::BEST_VOICE_BPS, 0.0, false);
    let plans = [
        plan.in_packets(PACKET_DURATION),
        plan.in_packets(FRAME_DURATION),
        AudioPlan {
            packet: FRAME_DURATION,
            ..plan
        },
    ];
    for plan in plans {
        let length = plan.packet;
        println!(
            "packets of {} ms, {} bit/s",
            length.as_millis(),
            plan.bitrate_bps
        );
        let packets = encode(&speech, &plan);
        for (name, jitter) in networks {
            let outcome = play(&packets, length, speech.len(), jitter);
            let waited = outcome.delay(0.5);
            println!(
                "  {name:<34} PESQ {:.2}  waited {:3} ms in the middle, {:3} ms at most  mouth to ear {:3} ms  {:?}",
                speech::score(&speech, &outcome.heard),
                waited.as_millis(),
                outcome.delay(1.0).as_millis(),
                (length + LOOK_AHEAD + TRANSIT + waited).as_millis(),
                outcome.counters,
            );
        }
    }
}

/// What was recorded for the moment so long after the beginning; from the beginning again after the end.
fn recorded(tenths: &str, step: Duration, sent: Duration) -> Duration {
    let count = tenths.split_whitespace().count();
    let index = (sent.as_millis() / step.as_millis()) as usize % count;
    let tenth = tenths.split_whitespace().nth(index);
    let tenth = tenth.and_then(|tenth| tenth.parse::<u64>().ok());
    Duration::from_micros(tenth.expect("whole numbers") * 100)
}

fn encode(speech: &[f32], plan: &AudioPlan) -> Vec<bytes::Bytes> {
    let mut encoder = OpusEncoder::new().expect("the library starts");
    encoder.follow(plan).expect("the library takes any plan");
    speech
        .chunks_exact(samples(plan.packet))
        .map(|piece| encoder.encode(piece).expect("any samples are encoded"))
        .collect()
}

fn samples(length: Duration) -> usize {
    (length.as_millis() * u128::from(SAMPLE_RATE_HZ) / 1000) as usize
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

/// Plays as the engine does: 10 ms each 10 ms.
fn play(packets: &[bytes::Bytes], length: Duration, count: usize, jitter: Jitter) -> Outcome {
    let start = simulation::start();
    let mut random = Random::new(5);
    let sent_at = |number: u32| start + length * number;
    let mut arrivals: Vec<_> = (0..)
        .zip(packets)
        .map(|(number, payload)| RtpPacket {
            codec: Codec::Opus,
            sequence_number: number as u16,
            timestamp: number * samples(length) as u32,
            marker: false,
            payload: payload.clone(),
            arrived_at: sent_at(number) + TRANSIT + jitter(length * number, &mut random),
        })
        .collect();
    arrivals.sort_by_key(|packet| packet.arrived_at);
    let mut arrivals = arrivals.into_iter().peekable();
    let mut player = OpusPlayer::new(Config::default()).expect("the library starts");
    let mut outcome = Outcome {
        heard: Vec::new(),
        counters: Counters::default(),
        delays: Vec::new(),
    };
    for asked in 0..count / FRAME_SAMPLES {
        let now = start + FRAME_DURATION * asked as u32;
        while let Some(packet) = arrivals.next_if(|packet| packet.arrived_at <= now) {
            player.insert(packet);
        }
        let mut frame = [0.0; FRAME_SAMPLES];
        player.fill(&mut frame, now, |timestamp, at| {
            let due_at = sent_at(timestamp / samples(length) as u32) + TRANSIT;
            outcome.delays.push(at.saturating_duration_since(due_at));
            Duration::ZERO
        });
        outcome.heard.extend(frame);
    }
    outcome.counters = player.counters();
    outcome
}

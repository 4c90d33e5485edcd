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

/// How late a packet is that was sent so long after the beginning. `None` if it is lost.
type Jitter = fn(Duration, &mut Random) -> Option<Duration>;

struct Network {
    name: &'static str,
    /// What the sender reckons with.
    loss_ratio: f32,
    jitter: Jitter,
}

fn main() {
    let Some(speech) = speech::of_arguments() else {
        return;
    };
    let network = |name, loss_ratio, jitter| Network {
        name,
        loss_ratio,
        jitter,
    };
    let networks = [
        network("none", 0.0, |_, _| Some(Duration::ZERO)),
        network("up to 40 ms", 0.0, |_, random| {
            Some(random.duration(Duration::from_millis(40)))
        }),
        network("up to 100 ms", 0.0, |_, random| {
            Some(random.duration(Duration::from_millis(100)))
        }),
        network("up to 80 ms in every other 3 s", 0.0, |sent, random| {
            let limit = if sent.as_secs() / 3 % 2 == 1 { 80 } else { 0 };
            Some(random.duration(Duration::from_millis(limit)))
        }),
        network("a stall of 200 ms in every 4 s", 0.0, |sent, _| {
            let into = Duration::from_millis((sent.as_millis() % 4000) as u64);
            Some(Duration::from_millis(200).saturating_sub(into))
        }),
        network("5 % asked for again over 20 ms", 0.05, |_, random| {
            let mut late = Duration::ZERO;
            while random.chance(0.05) {
                late += Duration::from_millis(35);
            }
            Some(late)
        }),
        network("10 % asked for again over 40 ms", 0.1, |_, random| {
            let mut late = Duration::ZERO;
            while random.chance(0.1) {
                late += Duration::from_millis(60);
            }
            Some(late)
        }),
        network("5 % lost", 0.05, |_, random| {
            (!random.chance(0.05)).then_some(Duration::ZERO)
        }),
        network("10 % lost", 0.1, |_, random| {
            (!random.chance(0.1)).then_some(Duration::ZERO)
        }),
        network("recorded: 300 kbit/s with pictures", 0.0, |sent, _| {
            Some(recorded(BESIDE_PICTURES_300K, PACKET_DURATION, sent))
        }),
        network("recorded: 2 Mbit/s with pictures", 0.0, |sent, _| {
            Some(recorded(BESIDE_PICTURES_2M, FRAME_DURATION, sent))
        }),
    ];
    let plan = |loss_ratio| AudioPlan::for_voice(AudioPlan::BEST_VOICE_BPS, loss_ratio, false);
    let plans: [&dyn Fn(f32) -> AudioPlan; 3] = [
        &|loss_ratio| plan(loss_ratio).in_packets(PACKET_DURATION),
        &|loss_ratio| plan(loss_ratio).in_packets(FRAME_DURATION),
        &|loss_ratio| AudioPlan {
            packet: FRAME_DURATION,
            ..plan(loss_ratio)
        },
    ];
    for plan in plans {
        let length = plan(0.0).packet;
        println!(
            "packets of {} ms, {} bit/s",
            length.as_millis(),
            plan(0.0).bitrate_bps
        );
        for network in &networks {
            let packets = encode(&speech, &plan(network.loss_ratio));
            let outcome = play(&packets, length, speech.len(), network.jitter);
            let waited = outcome.delay(0.5);
            println!(
                "  {:<34} PESQ {:.2}  waited {:3} ms in the middle, {:3} ms at most  mouth to ear {:3} ms  {:?}",
                network.name,
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
        .filter_map(|(number, payload)| {
            let late = jitter(length * number, &mut random)?;
            Some(RtpPacket {
                codec: Codec::Opus,
                sequence_number: number as u16,
                timestamp: number * samples(length) as u32,
                marker: false,
                payload: payload.clone(),
                arrived_at: sent_at(number) + TRANSIT + late,
            })
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

//! Runs a scenario and measures.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use media::congestion::{
    Estimator, EstimatorConfig, EstimatorSnapshot, Fate, Pacer, PacerConfig, PacketReport, Priority,
};
use simulation::{Conditions, Link, Random};

use super::encoder::Encoder;
use super::receiver::{Feedback, Kind, Packet, Receiver};
use super::scenario::Scenario;

/// The ceiling of the target in every scenario.
pub const CEILING_BPS: u64 = 4_000_000;
/// Sound: 32 kbit/s in packets of 20 ms, with all headers.
const SOUND_BYTES: usize = 80 + 70;
const SOUND_INTERVAL: Duration = Duration::from_millis(20);
const SOUND_BPS: u64 = SOUND_BYTES as u64 * 8 * 50;
const PACKET_BYTES: usize = 1_200;
const CROSS_BYTES: usize = 1_000;
/// A picture is left out when the one before still waits for longer.
const MAX_PACER_WAIT: Duration = Duration::from_millis(100);
/// What is sent is remembered for so many packets until its feedback comes.
const HISTORY: usize = 8_192;

/// A tenth of a second of a run.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub at: Duration,
    pub target_bps: u64,
    /// Bits that passed the bottleneck, whether or not they were lost after it.
    pub sent_bits: u64,
    pub queue: Duration,
    pub snapshot: EstimatorSnapshot,
}

/// What a run has shown.
#[derive(Debug, Default)]
pub struct Report {
    pub samples: Vec<Sample>,
    /// When each packet of ours was put into the link and how long it waited there.
    pub waits: Vec<(Duration, Duration)>,
    /// When each picture packet left and how long it waited in the pacer.
    pub pacer_waits: Vec<(Duration, Duration)>,
    pub skipped_frames: u64,
    pub frames: u64,
    pub padding_bytes: u64,
    /// When packets of ours found the queue full.
    pub overflows: Vec<Duration>,
}

impl Report {
    /// What was sent between these seconds, in bits per second.
    pub fn sent_bps(&self, from: u64, to: u64) -> f64 {
        let bits: u64 = self.between(from, to).map(|sample| sample.sent_bits).sum();
        bits as f64 / (to - from) as f64
    }

    /// The smallest target between these seconds.
    pub fn least_target_bps(&self, from: u64, to: u64) -> u64 {
        self.between(from, to)
            .map(|sample| sample.target_bps)
            .min()
            .unwrap_or(0)
    }

    /// The wait that this share of our packets stayed below in the link between these seconds.
    pub fn wait(&self, share: f64, from: u64, to: u64) -> Duration {
        percentile(&self.waits, share, from, to)
    }

    /// The same for picture packets in the pacer.
    pub fn pacer_wait(&self, share: f64, from: u64, to: u64) -> Duration {
        percentile(&self.pacer_waits, share, from, to)
    }

    /// The share of our packets that found the queue full between these seconds.
    pub fn overflow_share(&self, from: u64, to: u64) -> f64 {
        let span = Duration::from_secs(from)..Duration::from_secs(to);
        let lost = self.overflows.iter().filter(|at| span.contains(at)).count();
        let passed = self
            .waits
            .iter()
            .filter(|(at, _)| span.contains(at))
            .count();
        lost as f64 / (lost + passed).max(1) as f64
    }

    /// How long after this second the target first stays for a second above this rate.
    pub fn reaches(&self, bps: u64, from: u64) -> Option<Duration> {
        let begin = Duration::from_secs(from);
        let later: Vec<_> = self.samples.iter().filter(|s| s.at >= begin).collect();
        later
            .windows(10)
            .find(|second| second.iter().all(|sample| sample.target_bps >= bps))
            .map(|second| second[0].at.saturating_sub(begin))
    }

    fn between(&self, from: u64, to: u64) -> impl Iterator<Item = &Sample> {
        let span = Duration::from_secs(from)..Duration::from_secs(to);
        self.samples
            .iter()
            .filter(move |sample| span.contains(&sample.at))
    }
}

fn percentile(waits: &[(Duration, Duration)], share: f64, from: u64, to: u64) -> Duration {
    let span = Duration::from_secs(from)..Duration::from_secs(to);
    let mut waits: Vec<_> = waits
        .iter()
        .filter(|(at, _)| span.contains(at))
        .map(|(_, wait)| *wait)
        .collect();
    waits.sort_unstable();
    let index = (waits.len() as f64 * share) as usize;
    waits
        .get(index.min(waits.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

/// What is remembered of a packet until its feedback comes.
struct Departure {
    number: u64,
    at: Instant,
    size_bytes: usize,
    probe: Option<u32>,
}

struct Call<'a> {
    scenario: &'a Scenario,
    start: Instant,
    estimator: Estimator,
    pacer: Pacer<Kind>,
    encoder: Encoder,
    out: Link<Packet>,
    back: Link<Feedback>,
    receiver: Receiver,
    random: Random,
    history: VecDeque<Departure>,
    next_number: u64,
    held_back: Option<Feedback>,
    sent_bits: u64,
    download_bps: f64,
    download_fell_at: Instant,
    report: Report,
}

/// Runs a scenario; the seed makes the chances.
pub fn run(scenario: &Scenario, seed: u64) -> Report {
    let start = simulation::start();
    let config = EstimatorConfig {
        ceiling_bps: CEILING_BPS,
        ..EstimatorConfig::default()
    };
    let first = scenario.conditions_at(0);
    let back = Conditions {
        latency: first.latency,
        loss_ratio: scenario.feedback_loss,
        ..Conditions::default()
    };
    Call {
        scenario,
        start,
        estimator: Estimator::new(config, start),
        pacer: Pacer::new(PacerConfig::default(), config.start_bps, start),
        encoder: Encoder::new(seed ^ 1, u64::MAX),
        out: Link::new(first, seed ^ 2),
        back: Link::new(back, seed ^ 3),
        receiver: Receiver::new(start, scenario.drift_ppm),
        random: Random::new(seed ^ 4),
        history: VecDeque::new(),
        next_number: 0,
        held_back: None,
        sent_bits: 0,
        download_bps: 200_000.0,
        download_fell_at: start,
        report: Report::default(),
    }
    .run()
}

impl Call<'_> {
    fn run(mut self) -> Report {
        let end = self.start + Duration::from_secs(self.scenario.seconds);
        let mut next_second = 0;
        let mut next_frame = self.start + Duration::from_millis(3);
        let mut next_sound = self.start;
        let mut next_feedback = self.start + Receiver::INTERVAL;
        let mut next_sample = self.start + Duration::from_millis(100);
        let mut next_cross = self.start;
        let mut now = self.start;
        while now < end {
            let second = (now - self.start).as_secs();
            if second >= next_second {
                self.on_second(second, now);
                next_second = second + 1;
            }
            while next_cross <= now {
                let Some(bps) = self.others_bps(second) else {
                    next_cross += Duration::from_millis(10);
                    continue;
                };
                self.put(now, Kind::Cross, CROSS_BYTES);
                next_cross += Duration::from_secs_f64(CROSS_BYTES as f64 * 8.0 / bps);
            }
            if next_sound <= now {
                self.pacer
                    .push(Priority::Sound, SOUND_BYTES, Kind::Sound, now);
                next_sound += SOUND_INTERVAL;
            }
            if next_frame <= now {
                self.on_frame(now);
                next_frame += Encoder::FRAME_INTERVAL;
            }
            while let Some(packet) = self.out.poll(now) {
                if packet.kind != Kind::Cross {
                    self.receiver.on_packet(now, packet.number);
                }
            }
            if next_feedback <= now {
                if let Some(feedback) = self.receiver.poll() {
                    self.back.send(now, feedback);
                }
                next_feedback += Receiver::INTERVAL;
            }
            while let Some(feedback) = self.back.poll(now) {
                self.on_feedback(now, feedback);
            }
            self.estimator.handle_timeout(now);
            self.pacer.set_rate(self.estimator.pacing_bps(), now);
            while let Some(probe) = self.estimator.poll_probe() {
                self.pacer.start_probe(probe, now);
            }
            self.release(now);
            if next_sample <= now {
                self.sample(now);
                next_sample += Duration::from_millis(100);
            }
            let due = [
                Some(next_frame),
                Some(next_sound),
                Some(next_feedback),
                Some(next_sample),
                Some(next_cross),
                self.out.poll_timeout(),
                self.back.poll_timeout(),
                self.pacer.poll_timeout(now),
                self.estimator.poll_timeout(),
            ];
            let next = due.into_iter().flatten().min().expect("there are frames");
            now = next.max(now + Duration::from_micros(1));
        }
        self.report
    }

    /// What others send, in bits per second.
    fn others_bps(&self, second: u64) -> Option<f64> {
        let constant = self
            .scenario
            .cross
            .filter(|(from, to, _)| (*from..*to).contains(&second))
            .map(|(_, _, bps)| bps as f64);
        let is_crowded = self.scenario.is_crowded(second);
        constant.or(is_crowded.then_some(self.download_bps))
    }

    fn on_second(&mut self, second: u64, now: Instant) {
        self.out.set_conditions(self.scenario.conditions_at(second));
        self.encoder.most_bps = self.scenario.most_bps(second);
        if self.scenario.new_path == Some(second) {
            self.estimator.on_new_path(now);
        }
        if let Some((at, by)) = self.scenario.clock_jump
            && second >= at
        {
            self.receiver.clock_jump = by;
        }
    }

    fn on_frame(&mut self, now: Instant) {
        self.report.frames += 1;
        if self.pacer.queue_delay() > MAX_PACER_WAIT {
            self.report.skipped_frames += 1;
            return;
        }
        let needs_keyframe = self.pacer.take_lost_picture();
        let target_bps = self.estimator.target_bps().saturating_sub(SOUND_BPS);
        let mut left = self.encoder.next_frame(target_bps, needs_keyframe).max(100);
        let count = left.div_ceil(PACKET_BYTES);
        for part in 0..count {
            let size = left.div_ceil(count - part);
            left -= size;
            self.pacer.push(Priority::Picture, size, Kind::Picture, now);
        }
    }

    fn release(&mut self, now: Instant) {
        while let Some(release) = self.pacer.poll(now) {
            let kind = release.item.unwrap_or(Kind::Padding);
            let at = now - self.start;
            match kind {
                Kind::Sound => assert!(release.waited < Duration::from_millis(1)),
                Kind::Padding => {
                    self.pacer.on_padding(Some(release.size_bytes), now);
                    self.report.padding_bytes += release.size_bytes as u64;
                }
                _ => self.report.pacer_waits.push((at, release.waited)),
            }
            self.history.push_back(Departure {
                number: self.next_number,
                at: now,
                size_bytes: release.size_bytes,
                probe: release.probe,
            });
            if self.history.len() > HISTORY {
                self.history.pop_front();
            }
            self.estimator.on_sent(now, release.size_bytes);
            self.put(now, kind, release.size_bytes);
            self.next_number += 1;
        }
    }

    fn put(&mut self, now: Instant, kind: Kind, size_bytes: usize) {
        let packet = Packet {
            number: self.next_number,
            size_bytes,
            kind,
            sent_at: now,
        };
        if kind != Kind::Cross && self.random.chance(self.scenario.early_loss) {
            return;
        }
        let overflowed = self.out.overflowed();
        self.out.send_bytes(now, packet, size_bytes);
        if kind == Kind::Cross {
            // A packet's worth more for each round trip, and less when one is lost (RFC 5681, with the factor of CUBIC).
            if self.out.overflowed() == overflowed {
                let round_trip = 0.04 + self.out.queue_delay(now).as_secs_f64();
                let bits = CROSS_BYTES as f64 * 8.0;
                self.download_bps += bits / round_trip * bits / (self.download_bps * round_trip);
            } else if now > self.download_fell_at + Duration::from_millis(340) {
                self.download_bps = (0.7 * self.download_bps).max(200_000.0);
                self.download_fell_at = now;
            }
            return;
        }
        if self.out.overflowed() > overflowed {
            self.report.overflows.push(now - self.start);
        } else {
            self.sent_bits += packet.size_bytes as u64 * 8;
            let wait = self.out.queue_delay(now);
            self.report.waits.push((packet.sent_at - self.start, wait));
        }
    }

    fn on_feedback(&mut self, now: Instant, feedback: Feedback) {
        if self.held_back.is_none() && self.random.chance(self.scenario.feedback_reorder) {
            self.held_back = Some(feedback);
            return;
        }
        self.report_packets(now, &feedback);
        if let Some(late) = self.held_back.take() {
            self.report_packets(now, &late);
        }
    }

    /// Reports each packet once: those that the feedback is about, and before them those that no feedback was about.
    fn report_packets(&mut self, now: Instant, feedback: &Feedback) {
        let end = feedback.first + feedback.arrivals.len() as u64;
        let mut reports = Vec::new();
        while let Some(sent) = self.history.pop_front_if(|sent| sent.number < end) {
            let fate = match sent.number.checked_sub(feedback.first) {
                None => Fate::Unknown,
                Some(offset) => {
                    feedback.arrivals[offset as usize].map_or(Fate::Lost, Fate::Arrived)
                }
            };
            reports.push(PacketReport {
                sent_at: sent.at,
                size_bytes: sent.size_bytes,
                fate,
                probe: sent.probe,
            });
        }
        self.estimator.on_feedback(now, &reports);
    }

    fn sample(&mut self, now: Instant) {
        self.report.samples.push(Sample {
            at: now - self.start,
            target_bps: self.estimator.target_bps(),
            sent_bits: std::mem::take(&mut self.sent_bits),
            queue: self.out.queue_delay(now),
            snapshot: self.estimator.snapshot(),
        });
    }
}

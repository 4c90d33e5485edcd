//! The way of sound out: microphone frame → level → echo canceller and its like → encoder → peer.
//!
//! Runs on the microphone's own thread. A muted microphone goes on metering and sends nothing. Outside of calls nothing is
//! cleaned. How many bits the sound has and how much of it goes into a packet follow the network, and how well it is protected
//! what the partner misses.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use codecs::OpusEncoder;
use media::audio::{
    AudioFrame, AudioPlan, FRAME_SAMPLES, LevelMeter, MicrophoneNotice, MicrophoneWatch,
    PACKET_DURATION, PacketLength, Packetizer, SAMPLE_RATE_HZ,
};
use transport::{Budget, KindStats, Peer};
use voice::{VoiceConfig, VoiceProcessor};

use super::rates::Rates;
use super::{Played, lock};

/// The sending half of the sound path.
#[derive(Clone)]
pub(crate) struct SendAudio {
    shared: Arc<Shared>,
}

struct Shared {
    link: Mutex<Option<Arc<Link>>>,
    is_muted: AtomicBool,
    /// The bits of an `f32`.
    level: AtomicU32,
    rates: Rates,
    network: Mutex<Network>,
    voice: Mutex<VoiceConfig>,
    /// What the speaker is given.
    played: Played,
    /// Counts the speakers: with another one an echo has to be reckoned with again.
    speaker: AtomicU64,
    is_cancelling: AtomicBool,
    notice: Mutex<Option<MicrophoneNotice>>,
}

/// What is known of the way to the partner.
#[derive(Clone, Copy, Default, PartialEq)]
struct Network {
    /// Which share of the packets does not arrive, once that is known.
    loss_ratio: Option<f32>,
    /// Counters at the last report.
    packets_sent: u64,
    nacks_received: u64,
    partner_wants_dred: bool,
    packet_length: PacketLength,
}

/// What a call begins with: without protection the first loss would be heard.
const FIRST_LOSS_RATIO: f32 = 0.05;
/// How much of the loss that was known is still reckoned with at the next report, about a second later.
const LOSS_MEMORY: f32 = 0.9;

struct Link {
    peer: Peer,
}

impl SendAudio {
    pub(crate) fn new(rates: Rates, voice: VoiceConfig, played: Played) -> Self {
        Self {
            shared: Arc::new(Shared {
                link: Mutex::new(None),
                is_muted: AtomicBool::new(false),
                level: AtomicU32::new(0),
                rates,
                network: Mutex::default(),
                voice: Mutex::new(voice),
                played,
                speaker: AtomicU64::new(0),
                is_cancelling: AtomicBool::new(false),
                notice: Mutex::default(),
            }),
        }
    }

    /// From the next frame on, encodes for `peer`.
    pub(crate) fn link(&self, peer: Peer) {
        *lock(&self.shared.link) = Some(Arc::new(Link { peer }));
    }

    /// Stops encoding.
    pub(crate) fn unlink(&self) {
        lock(&self.shared.link).take();
        *lock(&self.shared.network) = Network::default();
    }

    /// Tells whether the partner wants deep redundancy.
    pub(crate) fn set_partner_wants_dred(&self, is_so: bool) {
        lock(&self.shared.network).partner_wants_dred = is_so;
    }

    /// Takes in what became of the sound that was sent, once a second.
    pub(crate) fn on_second(&self, sound: &KindStats) {
        lock(&self.shared.network).on_second(sound);
    }

    /// Mutes or unmutes, from the next frame on.
    pub(crate) fn set_muted(&self, is_muted: bool) {
        self.shared.is_muted.store(is_muted, Ordering::Relaxed);
    }

    /// How loud the microphone is, from 0 to 1.
    pub(crate) fn level(&self) -> f32 {
        f32::from_bits(self.shared.level.load(Ordering::Relaxed))
    }

    /// What the person should be told about the microphone.
    pub(crate) fn notice(&self) -> Option<MicrophoneNotice> {
        *lock(&self.shared.notice)
    }

    /// Forgets the level of a microphone that delivers no more.
    pub(crate) fn reset_level(&self) {
        self.shared.level.store(0, Ordering::Relaxed);
        lock(&self.shared.notice).take();
        self.shared.is_cancelling.store(false, Ordering::Relaxed);
    }

    /// Cleans the voice in this way, from the next frame on.
    pub(crate) fn set_voice(&self, config: VoiceConfig) {
        *lock(&self.shared.voice) = config;
    }

    /// Tells that another speaker plays.
    pub(crate) fn on_speaker_changed(&self) {
        self.shared.speaker.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether an echo is being cancelled, or would be.
    pub(crate) fn is_cancelling(&self) -> bool {
        self.shared.is_cancelling.load(Ordering::Relaxed)
    }

    /// What a microphone calls with each frame. Sound of a file or a generator is no `is_voice`: it is sent as it is.
    pub(crate) fn intake(&self, is_voice: bool) -> impl FnMut(AudioFrame) + Send + 'static {
        let shared = Arc::clone(&self.shared);
        let mut meter = LevelMeter::default();
        let mut watch = MicrophoneWatch::new();
        let mut cleaning: Option<Cleaning> = None;
        let mut encoding: Option<Encoding> = None;
        move |mut frame| {
            let level = meter.push(&frame.samples[..]);
            shared.level.store(level.to_bits(), Ordering::Relaxed);
            let captured = *frame.samples;
            let is_muted = shared.is_muted.load(Ordering::Relaxed);
            let link = lock(&shared.link).clone();
            if is_voice && link.is_some() {
                // In a mute, too: the canceller must not forget the room, and an echo is no speech.
                cleaning
                    .get_or_insert_with(|| Cleaning::new(&shared))
                    .clean(&mut frame, &shared);
            } else {
                cleaning = None;
                shared.is_cancelling.store(false, Ordering::Relaxed);
            }
            *lock(&shared.notice) = watch.push(&captured, &frame.samples[..], is_muted);
            let Some(link) = link else {
                encoding = None;
                return;
            };
            if encoding
                .as_ref()
                .is_none_or(|encoding| !Arc::ptr_eq(&encoding.link, &link))
            {
                encoding = Encoding::new(link);
            }
            let Some(encoding) = &mut encoding else {
                return;
            };
            if is_muted {
                encoding.packetizer.clear();
            } else {
                encoding.follow(&shared.plan(&encoding.link.peer.budget()));
                encoding.encode_and_send(&frame);
            }
        }
    }
}

impl Network {
    /// What was asked for again counts as lost, too: far away it comes too late, and the partner's reports do not tell.
    ///
    /// The ratio falls slowly, so that a quiet second does not strip the next burst of its protection.
    fn on_second(&mut self, sound: &KindStats) {
        let sent = sound.packets_sent.saturating_sub(self.packets_sent);
        let asked_for = sound.nacks_received.saturating_sub(self.nacks_received);
        (self.packets_sent, self.nacks_received) = (sound.packets_sent, sound.nacks_received);
        let asked_for_ratio = (asked_for as f32 / sent.max(1) as f32).min(1.0);
        let before = self.loss_ratio.unwrap_or(FIRST_LOSS_RATIO);
        self.loss_ratio = Some(
            (sound.loss_ratio_at_partner)
                .max(asked_for_ratio)
                .max(before * LOSS_MEMORY),
        );
    }
}

impl Shared {
    fn plan(&self, budget: &Budget) -> AudioPlan {
        let mut network = lock(&self.network);
        let loss_ratio = network.loss_ratio.unwrap_or(FIRST_LOSS_RATIO);
        let wants_dred = network.partner_wants_dred;
        let packet = (network.packet_length).follow(budget.target_bps, loss_ratio, wants_dred);
        (self.rates)
            .audio_plan(budget, loss_ratio, wants_dred)
            .in_packets(packet)
    }
}

/// What cleans the voice of one microphone in one call.
struct Cleaning {
    processor: VoiceProcessor,
    speaker: u64,
}

impl Cleaning {
    fn new(shared: &Shared) -> Self {
        Self {
            processor: VoiceProcessor::new(*lock(&shared.voice)),
            speaker: shared.speaker.load(Ordering::Relaxed),
        }
    }

    fn clean(&mut self, frame: &mut AudioFrame, shared: &Shared) {
        self.processor.set_config(*lock(&shared.voice));
        let speaker = shared.speaker.load(Ordering::Relaxed);
        if std::mem::replace(&mut self.speaker, speaker) != speaker {
            self.processor.on_device_changed();
        }
        // Bounded by what the queue holds.
        while let Some(played) = shared.played.pop() {
            self.processor.on_played(&played);
        }
        self.processor.process(&mut frame.samples);
        let is_cancelling = self.processor.is_cancelling();
        shared.is_cancelling.store(is_cancelling, Ordering::Relaxed);
    }
}

/// An encoder and the peer that it works for.
struct Encoding {
    link: Arc<Link>,
    encoder: OpusEncoder,
    plan: Option<AudioPlan>,
    clock: StreamClock,
    packetizer: Packetizer,
    is_broken: bool,
}

impl Encoding {
    fn new(link: Arc<Link>) -> Option<Self> {
        match OpusEncoder::new() {
            Ok(encoder) => {
                // RTP timestamps begin at a random value (RFC 3550 section 5.1).
                let clock = StreamClock::new(getrandom::u32().unwrap_or_default());
                Some(Self {
                    link,
                    encoder,
                    plan: None,
                    clock,
                    packetizer: Packetizer::new(),
                    is_broken: false,
                })
            }
            Err(error) => {
                tracing::error!(%error, "no encoder: the partner hears nothing");
                None
            }
        }
    }

    fn follow(&mut self, plan: &AudioPlan) {
        if self.plan.as_ref() == Some(plan) {
            return;
        }
        self.plan = Some(*plan);
        if let Err(error) = self.encoder.follow(plan) {
            tracing::error!(%error, "the encoder does not follow its plan");
        }
    }

    fn encode_and_send(&mut self, frame: &AudioFrame) {
        let timestamp = self.clock.stamp(frame.captured_at);
        let length = self.plan.map_or(PACKET_DURATION, |plan| plan.packet);
        let Some(packet) = self.packetizer.push(&frame.samples, timestamp, length) else {
            return;
        };
        match self.encoder.encode(&packet.samples) {
            // Silence that the encoder leaves out (DTX, RFC 7587 section 3.1.3); the timestamps go on.
            Ok(payload) if payload.len() <= 2 => {}
            // A packet that finds the queue full is late already: the partner conceals it.
            Ok(payload) => drop(self.link.peer.send_audio(payload, packet.timestamp)),
            Err(error) => {
                if !std::mem::replace(&mut self.is_broken, true) {
                    tracing::error!(%error, "sound could not be encoded");
                }
            }
        }
    }
}

/// How far a frame's capture time may be from its place in the stream before the stream jumps to it. Below this it is the
/// jitter of the device's thread; above it sound is missing, because the microphone was muted or changed.
const LARGEST_JITTER: Duration = Duration::from_millis(100);

/// Gives frames RTP timestamps that count samples, and jump only where sound is missing.
struct StreamClock {
    /// The timestamp and capture time that the next frame has if nothing is missing.
    next: u32,
    expected_at: Option<Instant>,
}

impl StreamClock {
    const fn new(first: u32) -> Self {
        Self {
            next: first,
            expected_at: None,
        }
    }

    fn stamp(&mut self, captured_at: Instant) -> u32 {
        let frame = samples_to_duration(FRAME_SAMPLES as u128);
        let expected_at = self.expected_at.unwrap_or(captured_at);
        let ahead = captured_at.saturating_duration_since(expected_at);
        let behind = expected_at.saturating_duration_since(captured_at);
        if ahead > LARGEST_JITTER {
            let missing = ahead.as_micros() * u128::from(SAMPLE_RATE_HZ) / 1_000_000;
            self.next = self.next.wrapping_add(missing as u32);
        }
        let is_in_place = ahead <= LARGEST_JITTER && behind <= LARGEST_JITTER;
        self.expected_at = Some(
            if is_in_place {
                expected_at
            } else {
                captured_at
            } + frame,
        );
        let timestamp = self.next;
        self.next = self.next.wrapping_add(FRAME_SAMPLES as u32);
        timestamp
    }
}

const fn samples_to_duration(samples: u128) -> Duration {
    Duration::from_micros((samples * 1_000_000 / SAMPLE_RATE_HZ as u128) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: u32 = FRAME_SAMPLES as u32;
    const RATES: Rates = Rates {
        most_video_bps: 2_000_000,
        voice_bps: 32_000,
    };

    #[test]
    fn timestamps_count_samples_whatever_the_jitter_of_the_capture_times() {
        let start = Instant::now();
        let mut clock = StreamClock::new(u32::MAX - 1000);
        for (i, jitter_ms) in [0_u64, 7, 0, 15, 3, 19, 0, 11].into_iter().enumerate() {
            let captured_at = start + Duration::from_millis(10 * i as u64 + jitter_ms);
            assert_eq!(
                clock.stamp(captured_at),
                (u32::MAX - 1000).wrapping_add(i as u32 * FRAME)
            );
        }
    }

    #[test]
    fn what_is_reported_lost_or_asked_for_again_is_reckoned_with_for_a_while() {
        let mut network = Network::default();
        let mut sound = KindStats::default();
        let mut second = |nacks, loss_ratio_at_partner| {
            sound.packets_sent += 50;
            sound.nacks_received += nacks;
            sound.loss_ratio_at_partner = loss_ratio_at_partner;
            network.on_second(&sound);
            network.loss_ratio.unwrap()
        };
        assert!(second(0, 0.0) < FIRST_LOSS_RATIO);
        assert!((second(0, 0.2) - 0.2).abs() < 1e-6, "reported");
        assert!((second(15, 0.0) - 0.3).abs() < 1e-6, "asked for again");
        assert!((second(0, 0.0) - 0.27).abs() < 1e-6, "falls slowly");
        assert!(second(5000, 0.0) <= 1.0);
    }

    #[test]
    fn an_echo_is_taken_out_until_that_is_switched_off() {
        let played = Played::default();
        let only_echo = VoiceConfig {
            echo_cancellation: true,
            ..VoiceConfig::OFF
        };
        let send = SendAudio::new(RATES, only_echo, played.clone());
        let mut cleaning = Cleaning::new(&send.shared);
        let mut seed = 1_u32;
        let mut before = [0.0; FRAME_SAMPLES];
        // Plays bursts of noise, which come back 10 ms later at half the level; returns the last second's loudest.
        let mut last_second = |frames: u32| {
            let mut loudest = 0.0_f32;
            for number in 0..frames {
                let loudness = if number % 40 < 24 { 0.4 } else { 0.01 };
                let noise: [f32; FRAME_SAMPLES] = std::array::from_fn(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    ((seed >> 8) as f32 / 8_388_608.0 - 1.0) * loudness
                });
                played.push(&noise);
                let mut frame = AudioFrame::silence(Instant::now());
                for (heard, played) in frame.samples.iter_mut().zip(before) {
                    *heard = 0.5 * played;
                }
                before = noise;
                cleaning.clean(&mut frame, &send.shared);
                if number + 100 >= frames {
                    let peak = frame.samples.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
                    loudest = loudest.max(peak);
                }
            }
            loudest
        };
        let left = last_second(800);
        assert!(left < 0.05, "{left} of 0.2");
        assert!(send.is_cancelling());
        send.set_voice(VoiceConfig::OFF);
        let left = last_second(200);
        assert!(left > 0.15, "{left} of 0.2");
        assert!(!send.is_cancelling());
    }

    #[test]
    fn timestamps_jump_by_the_time_that_the_microphone_was_muted() {
        let start = Instant::now();
        let mut clock = StreamClock::new(0);
        assert_eq!(clock.stamp(start), 0);
        let later = start + Duration::from_millis(2010);
        assert_eq!(clock.stamp(later), FRAME + 2000 * 48);
        assert_eq!(
            clock.stamp(later + Duration::from_millis(10)),
            2 * FRAME + 2000 * 48
        );
    }
}

//! A real speaker through cpal: our thread keeps a little sound in a ring, the callback copies it out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait as _, StreamTrait as _};
use cpal::{Device, FromSample, OutputCallbackInfo, SizedSample, Stream};
use media::audio::{FRAME_DURATION, Resampler, SAMPLE_RATE_HZ};
use rtrb::{Consumer, Producer, RingBuffer};

use super::FrameSource;
use super::cushion::Cushion;
use crate::DeviceProblem;
use crate::sound::{Direction, Format, Health, Watch, choose, find, problem_of, with_sample_type};
use crate::worker::{Reporter, StopSignal};

/// How often the ring is looked at.
const TICK: Duration = Duration::from_millis(5);
/// How much sound the ring can hold; far more than it ever does, except for devices with huge periods.
const RING: Duration = Duration::from_secs(1);
/// What a device is taken to ask for at once until it has asked.
const FIRST_PERIOD: Duration = Duration::from_millis(10);

/// What the callback tells our thread.
#[derive(Debug, Default)]
struct Demand {
    /// Most samples (of one channel) asked for at once.
    period: AtomicU64,
    /// From the callback to the ear, as far as the device knows, in microseconds.
    device_delay_us: AtomicU64,
    /// Callbacks that found too little in the ring.
    underruns: AtomicU64,
}

/// Plays until the device fails, the stop signal is given, or the speaker is to rest and the device has worked.
pub(super) fn play(
    wanted: Option<&str>,
    source: &mut FrameSource,
    stop: &StopSignal,
    reporter: &Reporter,
    has_worked: &mut bool,
) -> Result<(), DeviceProblem> {
    let (device, name) = find(wanted, Direction::Playout)?;
    let offers = device
        .supported_output_configs()
        .map_err(|error| problem_of(&error, false))?;
    let format = choose(offers, Direction::Playout).ok_or(DeviceProblem::NoUsableFormat)?;
    let (health, demand) = (Arc::new(Health::default()), Arc::new(Demand::default()));
    let (stream, ring) = open(&device, format, &health, &demand)?;
    let mut line = Line::new(format, ring)?;
    // Something lies ready when the device asks for the first time.
    if line
        .refill(in_samples(FIRST_PERIOD, format), source)
        .is_none()
    {
        return Ok(());
    }
    stream.play().map_err(|error| problem_of(&error, false))?;
    tracing::debug!(name, ?format, "speaker opened");

    let mut cushion = Cushion::new(Instant::now());
    let (mut counted_underruns, mut counted_errors) = (0, 0);
    let mut watch = Watch::new(Instant::now());
    while stop.sleep(TICK) {
        let now = Instant::now();
        let underruns = demand.underruns.load(Ordering::Relaxed);
        let period = demand.period.load(Ordering::Relaxed) as usize;
        let ready = period + in_samples(cushion.adapt(underruns, now), format);
        let Some(queued) = line.refill(ready, source) else {
            return Ok(());
        };
        let latency = line.duration(queued)
            + Duration::from_micros(demand.device_delay_us.load(Ordering::Relaxed));
        source
            .counters
            .latency_us
            .store(latency.as_micros() as u64, Ordering::Relaxed);
        source
            .counters
            .underruns
            .fetch_add(underruns - counted_underruns, Ordering::Relaxed);
        counted_underruns = underruns;
        let errors = health.errors();
        source
            .counters
            .errors
            .fetch_add(errors - counted_errors, Ordering::Relaxed);
        counted_errors = errors;

        if watch.look(&health, now)? {
            *has_worked = true;
            reporter.working(&name);
        }
        if *has_worked && stop.is_resting() {
            tracing::debug!(name, "speaker rests");
            break;
        }
    }
    Ok(())
}

fn in_samples(length: Duration, format: Format) -> usize {
    (u128::from(format.rate_hz) * length.as_micros() / 1_000_000) as usize
}

/// From frames to the ring.
struct Line {
    ring: Producer<f32>,
    rate_hz: u32,
    resampler: Resampler,
    resampled: Vec<f32>,
}

impl Line {
    fn new(format: Format, ring: Producer<f32>) -> Result<Self, DeviceProblem> {
        let resampler = Resampler::new(SAMPLE_RATE_HZ, format.rate_hz)
            .map_err(|_| DeviceProblem::NoUsableFormat)?;
        Ok(Self {
            ring,
            rate_hz: format.rate_hz,
            resampler,
            resampled: Vec::new(),
        })
    }

    /// Pulls frames until `ready` samples lie in the ring or it is full; returns how many do. `None` once stopped.
    fn refill(&mut self, ready: usize, source: &mut FrameSource) -> Option<usize> {
        let capacity = self.ring.buffer().capacity();
        // Room for a frame, and for what the resampler gives out late.
        let longest_frame = self.samples(FRAME_DURATION * 2);
        loop {
            let queued = capacity - self.ring.slots();
            if queued >= ready || self.ring.slots() < longest_frame {
                return Some(queued);
            }
            let frame = source.pull()?;
            self.resampled.clear();
            self.resampler.push(&frame, &mut self.resampled);
            let (_, left_over) = self.ring.push_partial_slice(&self.resampled);
            debug_assert!(left_over.is_empty(), "there was room for a frame");
        }
    }

    fn samples(&self, length: Duration) -> usize {
        (u128::from(self.rate_hz) * length.as_micros() / 1_000_000) as usize
    }

    fn duration(&self, samples: usize) -> Duration {
        Duration::from_nanos(samples as u64 * 1_000_000_000 / u64::from(self.rate_hz))
    }
}

type Opened = (Stream, Producer<f32>);

/// Opens the stream with the period that is wished for, or with the device's own.
fn open(
    device: &Device,
    format: Format,
    health: &Arc<Health>,
    demand: &Arc<Demand>,
) -> Result<Opened, DeviceProblem> {
    let build = |format: Format| {
        with_sample_type!(
            format.sample_type,
            Sample => build::<Sample>(device, format, health, demand),
            else Err(cpal::ErrorKind::UnsupportedConfig.into())
        )
    };
    build(format)
        .or_else(|_| build(format.with_default_period()))
        .map_err(|error| problem_of(&error, false))
}

fn build<T>(
    device: &Device,
    format: Format,
    health: &Arc<Health>,
    demand: &Arc<Demand>,
) -> Result<Opened, cpal::Error>
where
    T: SizedSample + FromSample<f32>,
{
    let channels = usize::from(format.channels);
    let (producer, mut consumer) = RingBuffer::new(in_samples(RING, format));
    let stream = device.build_output_stream(
        format.config(),
        {
            let (health, demand) = (Arc::clone(health), Arc::clone(demand));
            move |samples: &mut [T], info: &OutputCallbackInfo| {
                health.count_callback();
                let time = info.timestamp();
                let delay = time.playback.saturating_duration_since(time.callback);
                demand
                    .device_delay_us
                    .store(delay.as_micros() as u64, Ordering::Relaxed);
                demand
                    .period
                    .fetch_max((samples.len() / channels) as u64, Ordering::Relaxed);
                if !copy_out(samples, channels, &mut consumer) {
                    demand.underruns.fetch_add(1, Ordering::Relaxed);
                }
            }
        },
        {
            let health = Arc::clone(health);
            move |error| health.count_error(&error)
        },
        None,
    )?;
    Ok((stream, producer))
}

/// Copies mono sound to all channels, and silence where there is too little of it, which returns false.
fn copy_out<T>(out: &mut [T], channels: usize, ring: &mut Consumer<f32>) -> bool
where
    T: SizedSample + FromSample<f32>,
{
    let groups = out.len() / channels;
    let available = ring.slots().min(groups);
    let (played, silent) = out.split_at_mut(available * channels);
    if let Ok(chunk) = ring.read_chunk(available) {
        for (group, sample) in played.chunks_exact_mut(channels).zip(chunk) {
            group.fill(T::from_sample_(sample.clamp(-1.0, 1.0)));
        }
    }
    silent.fill(T::EQUILIBRIUM);
    available == groups
}

#[cfg(test)]
mod tests {
    use cpal::SampleFormat;

    use super::*;
    use crate::speaker::Counters;

    #[test]
    fn mono_goes_to_all_channels_and_gaps_are_silence() {
        let (mut producer, mut consumer) = RingBuffer::new(8);
        producer.push_entire_slice(&[0.5, -0.5, 7.0]).unwrap();
        let mut out = [9_i16; 4];
        assert!(copy_out(&mut out, 2, &mut consumer));
        assert_eq!(out, [16_384, 16_384, -16_384, -16_384]);
        assert!(!copy_out(&mut out, 2, &mut consumer));
        assert_eq!(out, [i16::MAX, i16::MAX, 0, 0]);
        let mut out = [9_u8; 2];
        assert!(!copy_out(&mut out, 1, &mut consumer));
        assert_eq!(out, [128, 128], "silence of unsigned samples is the middle");
    }

    #[test]
    fn no_more_sound_is_pulled_than_must_lie_ready() {
        let format = Format {
            channels: 2,
            rate_hz: 48_000,
            sample_type: SampleFormat::F32,
            period_frames: None,
        };
        let (producer, mut consumer) = RingBuffer::new(48_000);
        let mut line = Line::new(format, producer).unwrap();
        let stop = StopSignal::default();
        let counters = Arc::new(Counters::default());
        let fill = Box::new(|frame: &mut [f32; 480]| frame.fill(0.1));
        let mut source = FrameSource {
            fill,
            counters: Arc::clone(&counters),
            stop: stop.clone(),
        };

        assert_eq!(line.refill(240, &mut source), Some(480));
        assert_eq!(line.refill(480, &mut source), Some(480));
        let mut out = [0.0_f32; 480];
        assert!(copy_out(&mut out, 2, &mut consumer));
        assert_eq!(line.refill(241, &mut source), Some(240 + 480));
        assert_eq!(counters.frames.load(Ordering::Relaxed), 2);

        let full = line.refill(usize::MAX, &mut source).unwrap();
        assert!(
            full <= 48_000 && full > 45_000,
            "{full}: a full ring is the end of it"
        );
        stop.stop();
        copy_out(&mut vec![0.0_f32; 48_000], 1, &mut consumer);
        assert_eq!(
            line.refill(480, &mut source),
            None,
            "nothing is pulled once stopped"
        );
    }
}

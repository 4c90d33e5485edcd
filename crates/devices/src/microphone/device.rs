//! A real microphone through cpal: its callback copies into a ring, our thread makes frames of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait as _, StreamTrait as _};
use cpal::{Device, FromSample, InputCallbackInfo, SizedSample, Stream};
use media::audio::{Framer, Resampler, SAMPLE_RATE_HZ, downmix};
use rtrb::{Consumer, Producer, RingBuffer};

use super::FrameSink;
use super::capture_clock::CaptureClock;
use crate::DeviceProblem;
use crate::sound::{Direction, Format, Health, Watch, choose, find, problem_of, with_sample_type};
use crate::worker::{Reporter, StopSignal};

/// How often the ring is emptied: half a frame, so that no frame waits long.
const TICK: Duration = Duration::from_millis(5);
/// How much sound the ring holds. Only a machine that stands still for so long loses any.
const RING: Duration = Duration::from_millis(500);

/// Captures until the device fails or the stop signal is given.
pub(super) fn capture(
    wanted: Option<&str>,
    sink: &mut FrameSink,
    stop: &StopSignal,
    reporter: &Reporter,
) -> Result<(), DeviceProblem> {
    let (device, name) = find(wanted, Direction::Capture)?;
    let offers = device
        .supported_input_configs()
        .map_err(|error| problem_of(&error, false))?;
    let format = choose(offers, Direction::Capture).ok_or(DeviceProblem::NoUsableFormat)?;
    let health = Arc::new(Health::default());
    let (stream, ring, overruns) = open(&device, format, &health)?;
    stream.play().map_err(|error| problem_of(&error, false))?;
    tracing::debug!(name, ?format, "microphone opened");

    let mut line = Line::new(format, ring)?;
    let (mut counted_overruns, mut counted_errors) = (0, 0);
    let mut watch = Watch::new(Instant::now());
    while stop.sleep(TICK) {
        let now = Instant::now();
        if line.empty_ring(now) > 0 {
            reporter.working(&name);
        }
        while let Some(frame) = line.framer.pop() {
            sink.put(frame);
        }
        add_new(
            &sink.counters.overruns,
            overruns.load(Ordering::Relaxed),
            &mut counted_overruns,
        );
        add_new(&sink.counters.errors, health.errors(), &mut counted_errors);
        watch.look(&health, now)?;
    }
    Ok(())
}

/// Adds what a counter of this stream has grown by to the one of all streams.
fn add_new(total: &AtomicU64, of_stream: u64, counted: &mut u64) {
    total.fetch_add(of_stream - *counted, Ordering::Relaxed);
    *counted = of_stream;
}

/// From the ring to frames.
struct Line {
    ring: Consumer<f32>,
    format: Format,
    clock: CaptureClock,
    resampler: Resampler,
    framer: Framer,
    mono: Vec<f32>,
    resampled: Vec<f32>,
}

impl Line {
    fn new(format: Format, ring: Consumer<f32>) -> Result<Self, DeviceProblem> {
        let resampler = Resampler::new(format.rate_hz, SAMPLE_RATE_HZ)
            .map_err(|_| DeviceProblem::NoUsableFormat)?;
        Ok(Self {
            ring,
            format,
            clock: CaptureClock::new(format.rate_hz),
            resampler,
            framer: Framer::new(),
            mono: Vec::new(),
            resampled: Vec::new(),
        })
    }

    /// Takes out all whole groups of channels; returns how many there were.
    fn empty_ring(&mut self, now: Instant) -> usize {
        let channels = usize::from(self.format.channels);
        let groups = self.ring.slots() / channels;
        let Ok(chunk) = self.ring.read_chunk(groups * channels) else {
            return 0;
        };
        if groups == 0 {
            return 0;
        }
        self.mono.clear();
        let (first, second) = chunk.as_slices();
        // The ring is a multiple of the channels long, so its seam never splits a group.
        downmix(first, channels, &mut self.mono);
        downmix(second, channels, &mut self.mono);
        chunk.commit_all();
        let captured_at = self.clock.on_arrival(groups, now);
        self.resampled.clear();
        self.resampler.push(&self.mono, &mut self.resampled);
        self.framer.push(&self.resampled, captured_at);
        groups
    }
}

type Opened = (Stream, Consumer<f32>, Arc<AtomicU64>);

/// Opens the stream with the period that is wished for, or with the device's own.
fn open(device: &Device, format: Format, health: &Arc<Health>) -> Result<Opened, DeviceProblem> {
    let build = |format: Format| {
        with_sample_type!(
            format.sample_type,
            Sample => build::<Sample>(device, format, health),
            else Err(cpal::ErrorKind::UnsupportedConfig.into())
        )
    };
    build(format)
        .or_else(|_| build(format.with_default_period()))
        .map_err(|error| problem_of(&error, false))
}

fn build<T>(device: &Device, format: Format, health: &Arc<Health>) -> Result<Opened, cpal::Error>
where
    T: SizedSample,
    f32: FromSample<T>,
{
    let channels = usize::from(format.channels);
    let frames = (u128::from(format.rate_hz) * RING.as_millis() / 1000) as usize;
    let (mut producer, consumer) = RingBuffer::new(frames * channels);
    let overruns = Arc::new(AtomicU64::new(0));
    let stream = device.build_input_stream(
        format.config(),
        {
            let (health, overruns) = (Arc::clone(health), Arc::clone(&overruns));
            move |samples: &[T], _: &InputCallbackInfo| {
                health.count_callback();
                let lost = copy_in(samples, channels, &mut producer);
                if lost > 0 {
                    overruns.fetch_add(lost as u64, Ordering::Relaxed);
                }
            }
        },
        {
            let health = Arc::clone(health);
            move |error| health.count_error(&error)
        },
        None,
    )?;
    Ok((stream, consumer, overruns))
}

/// Copies whole groups of channels into the ring; returns how many samples found no room.
fn copy_in<T>(samples: &[T], channels: usize, ring: &mut Producer<f32>) -> usize
where
    T: SizedSample,
    f32: FromSample<T>,
{
    let fitting = ring.slots().min(samples.len()) / channels * channels;
    if let Ok(chunk) = ring.write_chunk_uninit(fitting) {
        chunk.fill_from_iter(samples.iter().map(|sample| f32::from_sample_(*sample)));
    }
    samples.len() - fitting
}

#[cfg(test)]
mod tests {
    use cpal::SampleFormat;

    use super::*;

    #[test]
    fn a_full_ring_loses_whole_groups_of_channels_and_counts_them() {
        let (mut producer, mut consumer) = RingBuffer::new(6);
        assert_eq!(copy_in(&[1.0_f32, -1.0, 2.0, -2.0], 2, &mut producer), 0);
        assert_eq!(copy_in(&[3.0_f32, -3.0, 4.0, -4.0], 2, &mut producer), 2);
        let mut held = [0.0; 6];
        consumer.pop_entire_slice(&mut held).unwrap();
        assert_eq!(held.map(|sample| sample as i32), [1, -1, 2, -2, 3, -3]);
        assert_eq!(
            copy_in(&[5.0_f32; 5], 2, &mut producer),
            1,
            "half a group is not taken"
        );
    }

    #[test]
    fn integer_samples_become_full_scale_floats() {
        let (mut producer, mut consumer) = RingBuffer::new(4);
        copy_in(&[0_i16, i16::MIN, 16_384, -16_384], 1, &mut producer);
        let mut held = [9.0; 4];
        consumer.pop_entire_slice(&mut held).unwrap();
        assert_eq!(held.map(|sample| (sample * 2.0) as i32), [0, -2, 1, -1]);
    }

    #[test]
    fn stereo_at_another_rate_comes_out_as_frames_that_know_their_time() {
        let format = Format {
            channels: 2,
            rate_hz: 96_000,
            sample_type: SampleFormat::F32,
            period_frames: None,
        };
        let (mut producer, consumer) = RingBuffer::new(96_000 * 2);
        let mut line = Line::new(format, consumer).unwrap();
        let start = Instant::now();
        let mut frames = Vec::new();
        for piece in 1..=50 {
            // 20 ms: the left channel carries what the right one lacks.
            copy_in(&[0.5_f32, 0.0].repeat(1920), 2, &mut producer);
            assert_eq!(
                line.empty_ring(start + Duration::from_millis(20) * piece),
                1920
            );
            frames.extend(std::iter::from_fn(|| line.framer.pop()));
        }
        assert!(
            (97..=100).contains(&frames.len()),
            "{} frames in a second",
            frames.len()
        );
        let last = frames.last().unwrap();
        assert!(
            (last.samples[240] - 0.25).abs() < 0.01,
            "{}",
            last.samples[240]
        );
        let expected = start + Duration::from_millis(10) * (frames.len() as u32 - 1);
        let error = last.captured_at.saturating_duration_since(expected)
            + expected.saturating_duration_since(last.captured_at);
        assert!(error < Duration::from_millis(10), "{error:?}");
    }
}

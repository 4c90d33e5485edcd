//! Sound in: from a microphone, a tone or a file, as frames of 10 ms at 48 kHz.

mod capture_clock;
mod device;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use media::audio::{AudioFrame, Framer, Tone};

use crate::schedule::Schedule;
use crate::wav::WavLoop;
use crate::worker::{Reporter, StopSignal, Worker};
use crate::{AudioSource, DeviceProblem, DeviceState, retry};

/// Longest that dropping a [`Microphone`] may take; a sound server that hangs is left behind.
const PATIENCE: Duration = Duration::from_millis(500);
/// Frames of 10 ms that a second holds.
const FRAMES_PER_SECOND: u32 = 100;

/// What became of the sound since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MicrophoneCounters {
    /// Frames of 10 ms that were handed out.
    pub frames: u64,
    /// Samples (of all channels) that the device brought and nobody fetched in time.
    pub overruns: u64,
    /// Errors that the sound system reported. It is liberal with them: they say little.
    pub errors: u64,
}

/// A running source of sound. Dropping it releases the device.
#[derive(Debug)]
pub struct Microphone {
    _worker: Option<Worker>,
    counters: Arc<Counters>,
}

impl Microphone {
    /// Starts to hand frames from `source` to `out`, and tells `notify` each time the state changes.
    ///
    /// Returns at once. Both run on a thread of their own (`notify` for [`AudioSource::None`] before this returns);
    /// they must not wait and must not drop the microphone. After the drop neither is called again.
    pub fn start(
        source: AudioSource,
        out: impl FnMut(AudioFrame) + Send + 'static,
        notify: impl Fn(DeviceState) + Send + Sync + 'static,
    ) -> Self {
        let stop = StopSignal::default();
        let counters = Arc::new(Counters::default());
        let mut sink = FrameSink {
            out: Box::new(out),
            counters: Arc::clone(&counters),
            stop: stop.clone(),
        };
        let reporter = Reporter::new(notify, stop);
        let worker = match source {
            AudioSource::None => {
                reporter.report(DeviceState::Off);
                None
            }
            source => Some(Worker::start(
                "microphone",
                PATIENCE,
                reporter,
                move |stop, reporter| {
                    run(&source, &mut sink, stop, reporter);
                },
            )),
        };
        Self {
            _worker: worker,
            counters,
        }
    }

    /// What became of the sound so far.
    pub fn counters(&self) -> MicrophoneCounters {
        MicrophoneCounters {
            frames: self.counters.frames.load(Ordering::Relaxed),
            overruns: self.counters.overruns.load(Ordering::Relaxed),
            errors: self.counters.errors.load(Ordering::Relaxed),
        }
    }
}

#[derive(Debug, Default)]
struct Counters {
    frames: AtomicU64,
    overruns: AtomicU64,
    errors: AtomicU64,
}

/// Where the microphone thread hands its frames; closed by the stop signal.
struct FrameSink {
    out: Box<dyn FnMut(AudioFrame) + Send>,
    counters: Arc<Counters>,
    stop: StopSignal,
}

impl FrameSink {
    fn put(&mut self, frame: AudioFrame) {
        self.stop.unless_stopped(|| {
            self.counters.frames.fetch_add(1, Ordering::Relaxed);
            (self.out)(frame);
        });
    }
}

/// Tries the source again and again until the stop signal.
fn run(source: &AudioSource, sink: &mut FrameSink, stop: &StopSignal, reporter: &Reporter) {
    reporter.report(DeviceState::Opening);
    let mut failures = 0;
    while !stop.is_stopped() {
        let handed_out = sink.counters.frames.load(Ordering::Relaxed);
        let result = match source {
            AudioSource::DefaultMicrophone => device::capture(None, sink, stop, reporter),
            AudioSource::Microphone(name) => device::capture(Some(name), sink, stop, reporter),
            AudioSource::Tone(hz) => {
                play_tone(*hz, sink, stop, reporter);
                Ok(())
            }
            AudioSource::File(path) => play_file(path, sink, stop, reporter),
            AudioSource::None => return,
        };
        let Err(problem) = result else { return };
        let has_worked = sink.counters.frames.load(Ordering::Relaxed) > handed_out;
        failures = if has_worked { 1 } else { failures + 1 };
        let pause = retry::delay(&problem, failures);
        reporter.failed(problem);
        stop.sleep(pause);
    }
}

fn play_tone(hz: u32, sink: &mut FrameSink, stop: &StopSignal, reporter: &Reporter) {
    let mut tone = Tone::new(f64::from(hz));
    let mut schedule = Schedule::new(Instant::now(), FRAMES_PER_SECOND, 1);
    reporter.working(&AudioSource::Tone(hz).to_string());
    loop {
        let (_, due) = schedule.next(Instant::now());
        if !stop.sleep_until(due) {
            return;
        }
        let mut frame = AudioFrame::silence(due);
        tone.fill(&mut frame.samples[..]);
        sink.put(frame);
    }
}

fn play_file(
    path: &Path,
    sink: &mut FrameSink,
    stop: &StopSignal,
    reporter: &Reporter,
) -> Result<(), DeviceProblem> {
    let mut wav = WavLoop::open(path)?;
    let mut schedule = Schedule::new(Instant::now(), FRAMES_PER_SECOND, 1);
    let (mut framer, mut sound) = (Framer::new(), Vec::new());
    reporter.working(&path.display().to_string());
    loop {
        let (_, due) = schedule.next(Instant::now());
        let frame = loop {
            if let Some(frame) = framer.pop() {
                break AudioFrame {
                    captured_at: due,
                    ..frame
                };
            }
            sound.clear();
            wav.read(&mut sound)?;
            framer.push(&sound, due);
        };
        if !stop.sleep_until(due) {
            return Ok(());
        }
        sink.put(frame);
    }
}

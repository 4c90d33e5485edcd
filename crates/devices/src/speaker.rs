//! Sound out: to a speaker, to a file or to nowhere, pulled in real time, or not at all while the speaker rests.

mod cushion;
mod device;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use media::audio::FRAME_SAMPLES;

use crate::schedule::Schedule;
use crate::wav::WavSink;
use crate::worker::{Reporter, StopSignal, Worker};
use crate::{AudioSink, DeviceState, retry};

/// Longest that dropping a [`Speaker`] may take; a sound server that hangs is left behind.
const PATIENCE: Duration = Duration::from_millis(500);
/// A file has to be completed; a slow disk gets more time for that.
const FILE_PATIENCE: Duration = Duration::from_secs(3);
/// Frames of 10 ms that a second holds.
const FRAMES_PER_SECOND: u32 = 100;

/// What became of the sound since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpeakerCounters {
    /// Frames of 10 ms that were asked for.
    pub frames: u64,
    /// Times that the device wanted sound and there was too little of it, which can be heard.
    pub underruns: u64,
    /// Errors that the sound system reported. It is liberal with them: they say little.
    pub errors: u64,
}

/// A running sink of sound. Dropping it releases the device, or completes the file.
#[derive(Debug)]
pub struct Speaker {
    _worker: Worker,
    signal: StopSignal,
    counters: Arc<Counters>,
}

impl Speaker {
    /// Starts to ask `fill` for 10 ms of mono sound at 48 kHz whenever they will be played soon, and tells `notify`
    /// each time the state changes.
    ///
    /// Returns at once. `fill` gets silence and may leave it. Both run on a thread of their own; they must not wait
    /// and must not drop the speaker. After the drop neither is called again. While a speaker cannot be had, `fill` is
    /// asked in real time all the same: the sound of the call goes by unheard.
    pub fn start(
        sink: AudioSink,
        fill: impl FnMut(&mut [f32; FRAME_SAMPLES]) + Send + 'static,
        notify: impl Fn(DeviceState) + Send + Sync + 'static,
    ) -> Self {
        let stop = StopSignal::default();
        let counters = Arc::new(Counters::default());
        let mut source = FrameSource {
            fill: Box::new(fill),
            counters: Arc::clone(&counters),
            stop: stop.clone(),
        };
        let reporter = Reporter::new(notify, stop.clone());
        let patience = if matches!(sink, AudioSink::File(_)) {
            FILE_PATIENCE
        } else {
            PATIENCE
        };
        let worker = Worker::start("speaker", patience, reporter, move |stop, reporter| {
            run(&sink, &mut source, stop, reporter);
        });
        Self {
            _worker: worker,
            signal: stop,
            counters,
        }
    }

    /// Lets the speaker rest, or play again. Returns at once.
    ///
    /// One that rests lets go of its device, wakes nobody and does not ask for sound, and its state stays what it was. It rests
    /// only once it has worked: one that cannot be had is still looked for. A file never rests, since what is recorded has
    /// its silence, too.
    pub fn set_resting(&self, is_resting: bool) {
        self.signal.set_resting(is_resting);
    }

    /// How long a sample that `fill` returns takes to become audible: our buffer and the device's, estimated. While the speaker
    /// rests it is what it was.
    pub fn latency(&self) -> Duration {
        Duration::from_micros(self.counters.latency_us.load(Ordering::Relaxed))
    }

    /// What became of the sound so far.
    pub fn counters(&self) -> SpeakerCounters {
        SpeakerCounters {
            frames: self.counters.frames.load(Ordering::Relaxed),
            underruns: self.counters.underruns.load(Ordering::Relaxed),
            errors: self.counters.errors.load(Ordering::Relaxed),
        }
    }
}

#[derive(Debug, Default)]
struct Counters {
    frames: AtomicU64,
    underruns: AtomicU64,
    errors: AtomicU64,
    latency_us: AtomicU64,
}

type Fill = Box<dyn FnMut(&mut [f32; FRAME_SAMPLES]) + Send>;

/// Where the speaker thread gets its frames; closed by the stop signal.
struct FrameSource {
    fill: Fill,
    counters: Arc<Counters>,
    stop: StopSignal,
}

impl FrameSource {
    /// The next 10 ms; `None` once stopped.
    fn pull(&mut self) -> Option<[f32; FRAME_SAMPLES]> {
        let mut frame = [0.0; FRAME_SAMPLES];
        self.stop.unless_stopped(|| {
            self.counters.frames.fetch_add(1, Ordering::Relaxed);
            (self.fill)(&mut frame);
        })?;
        Some(frame)
    }
}

fn run(sink: &AudioSink, source: &mut FrameSource, stop: &StopSignal, reporter: &Reporter) {
    let wanted = match sink {
        AudioSink::None => {
            reporter.working(&sink.to_string());
            pull_for(None, source, stop);
            return;
        }
        AudioSink::File(path) => {
            record(path, source, stop, reporter);
            return;
        }
        AudioSink::DefaultSpeaker => None,
        AudioSink::Speaker(name) => Some(name.as_str()),
    };
    reporter.report(DeviceState::Opening);
    let mut failures = 0;
    while !stop.is_stopped() {
        let mut has_worked = false;
        let Err(problem) = device::play(wanted, source, stop, reporter, &mut has_worked) else {
            // To stop, or to rest, in which case it works.
            failures = 0;
            stop.sleep_while_resting(None);
            continue;
        };
        source.counters.latency_us.store(0, Ordering::Relaxed);
        failures = if has_worked { 1 } else { failures + 1 };
        let pause = retry::delay(&problem, failures);
        reporter.failed(problem);
        pull_for(Some(pause), source, stop);
    }
}

/// Pulls sound in real time and lets it go by, for so long or until the stop signal. In a rest nothing is pulled.
fn pull_for(length: Option<Duration>, source: &mut FrameSource, stop: &StopSignal) {
    let start = Instant::now();
    let mut schedule = Schedule::new(start, FRAMES_PER_SECOND, 1);
    while length.is_none_or(|length| start.elapsed() < length) {
        if stop.is_resting() {
            // A device that failed is looked for when its time has come, in a rest too.
            let left = length.map(|length| length.saturating_sub(start.elapsed()));
            if !stop.sleep_while_resting(left) {
                return;
            }
            continue;
        }
        let (_, due) = schedule.next(Instant::now());
        if !stop.sleep_until(due) || source.pull().is_none() {
            return;
        }
    }
}

/// Writes a file in real time until the stop signal, and completes it.
fn record(path: &Path, source: &mut FrameSource, stop: &StopSignal, reporter: &Reporter) {
    let mut schedule = Schedule::new(Instant::now(), FRAMES_PER_SECOND, 1);
    let mut file = Recording::Wanted {
        try_at: Instant::now(),
    };
    loop {
        let (number, due) = schedule.next(Instant::now());
        if !stop.sleep_until(due) {
            break;
        }
        let Some(frame) = source.pull() else { break };
        file = file.write(path, &frame, number, reporter);
    }
    if let Recording::Open(wav) = file
        && let Err(problem) = wav.finish()
    {
        tracing::warn!(path = %path.display(), %problem, "the recording is incomplete");
    }
}

enum Recording {
    /// There is no file yet.
    Wanted {
        try_at: Instant,
    },
    Open(WavSink),
    /// Writing failed half-way. Beginning anew would overwrite what there is.
    Broken,
}

impl Recording {
    fn write(
        self,
        path: &Path,
        frame: &[f32; FRAME_SAMPLES],
        number: u64,
        reporter: &Reporter,
    ) -> Self {
        let mut wav = match self {
            Self::Wanted { try_at } if Instant::now() >= try_at => match WavSink::create(path) {
                Ok(wav) => {
                    reporter.working(&path.display().to_string());
                    wav
                }
                Err(problem) => {
                    let try_at = Instant::now() + retry::delay(&problem, 1);
                    reporter.failed(problem);
                    return Self::Wanted { try_at };
                }
            },
            Self::Open(wav) => wav,
            waiting @ (Self::Wanted { .. } | Self::Broken) => return waiting,
        };
        let is_second = number.is_multiple_of(u64::from(FRAMES_PER_SECOND));
        let written = wav
            .write(frame)
            .and_then(|()| if is_second { wav.flush() } else { Ok(()) });
        match written {
            Ok(()) => Self::Open(wav),
            Err(problem) => {
                reporter.failed(problem);
                Self::Broken
            }
        }
    }
}

//! Named threads that can be told to stop, sleep until a schedule says so, and never outlive their owner's patience.
//!
//! Whatever a device thread hands out goes through [`StopSignal::unless_stopped`], so that a thread which is stuck in a
//! driver and wakes up minutes later can no longer be heard or seen.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::{DeviceProblem, DeviceState};

/// Tells a thread to stop, or to rest, and wakes it for that.
#[derive(Debug, Clone, Default)]
pub(crate) struct StopSignal(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    told: Mutex<Told>,
    changed: Condvar,
}

/// What the thread was told.
#[derive(Debug, Default)]
struct Told {
    is_stopped: bool,
    is_resting: bool,
}

impl StopSignal {
    pub(crate) fn stop(&self) {
        self.lock().is_stopped = true;
        self.0.changed.notify_all();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().is_stopped
    }

    /// Tells the thread to rest, or to go on. What that means is the thread's business.
    pub(crate) fn set_resting(&self, is_resting: bool) {
        self.lock().is_resting = is_resting;
        self.0.changed.notify_all();
    }

    pub(crate) fn is_resting(&self) -> bool {
        self.lock().is_resting
    }

    /// Sleeps for as long as the thread is to rest, or up to `longest`, but not once the signal to stop is given. Returns whether
    /// work shall go on.
    pub(crate) fn sleep_while_resting(&self, longest: Option<Duration>) -> bool {
        let told = self.lock();
        let changed = &self.0.changed;
        let rests = |told: &mut Told| told.is_resting && !told.is_stopped;
        let told = match longest {
            Some(longest) => changed
                .wait_timeout_while(told, longest, rests)
                .map_or_else(|poison| poison.into_inner().0, |(told, _)| told),
            None => changed
                .wait_while(told, rests)
                .unwrap_or_else(PoisonError::into_inner),
        };
        !told.is_stopped
    }

    /// Runs `hand_out` unless the signal was given. Once [`Self::stop`] has returned, nothing is handed out any more.
    pub(crate) fn unless_stopped<R>(&self, hand_out: impl FnOnce() -> R) -> Option<R> {
        let told = self.lock();
        if told.is_stopped {
            None
        } else {
            Some(hand_out())
        }
    }

    /// Sleeps, but not once the signal is given. Returns whether work shall go on.
    pub(crate) fn sleep(&self, longest: Duration) -> bool {
        let (told, _) = self
            .0
            .changed
            .wait_timeout_while(self.lock(), longest, |told| !told.is_stopped)
            .unwrap_or_else(PoisonError::into_inner);
        !told.is_stopped
    }

    /// Like [`Self::sleep`]; a moment in the past means no sleep at all.
    pub(crate) fn sleep_until(&self, moment: Instant) -> bool {
        self.sleep(moment.saturating_duration_since(Instant::now()))
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passes on how a device is doing, each change once and nothing after the stop signal.
#[derive(Clone)]
pub(crate) struct Reporter {
    notify: Arc<dyn Fn(DeviceState) + Send + Sync>,
    last: Arc<Mutex<Option<DeviceState>>>,
    stop: StopSignal,
}

impl Reporter {
    pub(crate) fn new(
        notify: impl Fn(DeviceState) + Send + Sync + 'static,
        stop: StopSignal,
    ) -> Self {
        Self {
            notify: Arc::new(notify),
            last: Arc::default(),
            stop,
        }
    }

    pub(crate) fn report(&self, state: DeviceState) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref() != Some(&state) {
            tracing::debug!(?state, thread = std::thread::current().name(), "device");
            *last = Some(state.clone());
            drop(last);
            self.stop.unless_stopped(|| (self.notify)(state));
        }
    }

    pub(crate) fn working(&self, name: &str) {
        self.report(DeviceState::Working {
            name: name.to_owned(),
        });
    }

    /// Reports a failure. A device that was pulled out stays "unplugged" until it is back, although it is also not found.
    pub(crate) fn failed(&self, problem: DeviceProblem) {
        let was_unplugged = *self.last.lock().unwrap_or_else(PoisonError::into_inner)
            == Some(DeviceState::Failed(DeviceProblem::Unplugged));
        if !(was_unplugged && problem == DeviceProblem::NotFound) {
            self.report(DeviceState::Failed(problem));
        }
    }
}

/// Owns a device thread. Dropping it stops the thread and waits for its end, but no longer than the given patience.
#[derive(Debug)]
pub(crate) struct Worker {
    stop: StopSignal,
    ended: Receiver<()>,
    patience: Duration,
}

impl Worker {
    /// Starts `work` on a thread of that name. A panic in it is reported as a failed device.
    pub(crate) fn start(
        name: &str,
        patience: Duration,
        reporter: Reporter,
        work: impl FnOnce(&StopSignal, &Reporter) + Send + 'static,
    ) -> Self {
        let stop = reporter.stop.clone();
        let (ends, ended) = channel();
        let for_failure = reporter.clone();
        let spawned = spawn(name, ends, {
            let stop = stop.clone();
            move || {
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(&stop, &reporter))) {
                    reporter.failed(DeviceProblem::Other(panic_text(&*panic)));
                }
            }
        });
        if let Err(error) = spawned {
            for_failure.failed(DeviceProblem::Other(error.to_string()));
        }
        Self {
            stop,
            ended,
            patience,
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.stop();
        wait_for_end(&self.ended, self.patience);
    }
}

/// Starts a named thread that holds `ends` for as long as it lives.
pub(crate) fn spawn(
    name: &str,
    ends: Sender<()>,
    work: impl FnOnce() + Send + 'static,
) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            work();
            drop(ends);
        })
        .map(drop)
}

/// Waits until the thread that holds the other end is gone. Returns false if patience ran out first.
pub(crate) fn wait_for_end(ended: &Receiver<()>, patience: Duration) -> bool {
    ended.recv_timeout(patience) == Err(RecvTimeoutError::Disconnected)
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a driver panicked".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    fn reporter() -> (Reporter, Receiver<DeviceState>) {
        let (reports, reported) = channel();
        (
            Reporter::new(
                move |state| reports.send(state).unwrap(),
                StopSignal::default(),
            ),
            reported,
        )
    }

    #[test]
    fn dropping_a_worker_wakes_it_and_waits_for_its_end() {
        let (reporter, _reported) = reporter();
        let flag = Arc::new(Mutex::new(false));
        let worker = Worker::start("test", LONG, reporter, {
            let flag = Arc::clone(&flag);
            move |stop, _| {
                while stop.sleep(LONG) {}
                *flag.lock().unwrap() = true;
            }
        });
        drop(worker);
        assert!(*flag.lock().unwrap(), "the thread had not ended");
    }

    #[test]
    fn a_thread_that_rests_is_woken_by_the_end_of_its_rest_or_of_its_work() {
        let signal = StopSignal::default();
        assert!(signal.sleep_while_resting(None), "it is not to rest");
        signal.set_resting(true);
        assert!(signal.sleep_while_resting(Some(Duration::from_millis(1))));
        let rest = |signal: &StopSignal| {
            let signal = signal.clone();
            std::thread::spawn(move || signal.sleep_while_resting(None))
        };
        let resting = rest(&signal);
        signal.set_resting(false);
        assert!(resting.join().unwrap(), "work goes on");
        signal.set_resting(true);
        let resting = rest(&signal);
        signal.stop();
        assert!(!resting.join().unwrap());
    }

    #[test]
    fn a_stuck_thread_is_abandoned_and_cut_off() {
        let (reporter, reported) = reporter();
        let (free, stuck) = channel::<()>();
        let (tried, has_tried) = channel();
        let worker = Worker::start(
            "test",
            Duration::from_millis(10),
            reporter,
            move |stop, reporter| {
                stuck.recv_timeout(LONG).unwrap();
                reporter.working("late");
                tried.send(stop.unless_stopped(|| ()).is_some()).unwrap();
            },
        );
        drop(worker);
        free.send(()).unwrap();
        assert_eq!(has_tried.recv_timeout(LONG), Ok(false));
        assert!(
            reported.try_recv().is_err(),
            "an abandoned thread must not report"
        );
    }

    #[test]
    fn a_panic_becomes_a_failed_device() {
        let (reporter, reported) = reporter();
        let worker = Worker::start("test", LONG, reporter, |_, _| {
            std::panic::resume_unwind(Box::new("the driver fell over"));
        });
        assert_eq!(
            reported.recv_timeout(LONG),
            Ok(DeviceState::Failed(DeviceProblem::Other(
                "the driver fell over".to_owned()
            )))
        );
        drop(worker);
    }

    #[test]
    fn each_change_is_reported_once_and_an_unplugged_device_stays_unplugged_until_it_is_back() {
        let (reporter, reported) = reporter();
        reporter.working("a");
        reporter.working("a");
        reporter.failed(DeviceProblem::Unplugged);
        reporter.failed(DeviceProblem::NotFound);
        reporter.working("a");
        reporter.failed(DeviceProblem::NotFound);
        let working = DeviceState::Working {
            name: "a".to_owned(),
        };
        assert_eq!(
            reported.try_iter().collect::<Vec<_>>(),
            [
                working.clone(),
                DeviceState::Failed(DeviceProblem::Unplugged),
                working,
                DeviceState::Failed(DeviceProblem::NotFound),
            ]
        );
    }
}

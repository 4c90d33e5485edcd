//! Watches over the thread that reads a webcam: notices that nothing comes, and tries again when it has failed.
//!
//! The reading thread may be stuck in the driver for as long as the driver likes, so this one never calls a driver. A
//! stalled camera is not opened a second time: the system would refuse while the first thread still holds it. It
//! recovers when the driver answers, with a picture or with an error, which unplugging it brings about.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel, sync_channel};
use std::time::{Duration, Instant};

use super::webcam::{self, Event};
use super::{CameraSettings, FrameSink, PATIENCE};
use crate::worker::{Reporter, StopSignal, spawn, wait_for_end};
use crate::{DeviceProblem, DeviceState, VideoSource, retry};

/// A camera that delivers nothing for this long has stalled.
const STALL: Duration = Duration::from_secs(2);
/// Opening takes longer: some cameras answer a second after they were plugged in.
const OPENING_STALL: Duration = Duration::from_secs(5);
/// How often the stop signal is looked at while nothing happens.
const TICK: Duration = Duration::from_millis(50);
/// The watcher must give up before its own owner does.
const READER_PATIENCE: Duration = PATIENCE.saturating_sub(Duration::from_millis(100));

pub(super) fn run(
    source: &VideoSource,
    settings: CameraSettings,
    sink: &FrameSink,
    stop: &StopSignal,
    reporter: &Reporter,
) {
    reporter.report(DeviceState::Opening);
    let mut failures = 0;
    while !stop.is_stopped() {
        // A tick that finds no room may be lost: the ones in the queue say the same.
        let (events, received) = sync_channel(4);
        let (ends, ended) = channel();
        let spawned = spawn("camera", ends, {
            let (source, sink, stop) = (source.clone(), sink.clone(), stop.clone());
            move || webcam::read(&source, settings, &sink, &stop, &events)
        });
        let outcome = match spawned {
            Ok(()) => attend(&received, stop, reporter),
            Err(error) => Outcome {
                problem: DeviceProblem::Other(error.to_string()),
                has_worked: false,
            },
        };
        // Frees a reader that waits to say something.
        drop(received);
        if stop.is_stopped() {
            wait_for_end(&ended, READER_PATIENCE);
            return;
        }
        failures = if outcome.has_worked { 1 } else { failures + 1 };
        let pause = retry::delay(&outcome.problem, failures);
        reporter.failed(outcome.problem);
        // The reader has said its last word and only closes the device; retrying before that would find it busy.
        while !stop.is_stopped() && !wait_for_end(&ended, TICK) {}
        stop.sleep(pause);
    }
}

struct Outcome {
    problem: DeviceProblem,
    has_worked: bool,
}

/// Follows one reader until it ends or the stop signal is given.
fn attend(received: &Receiver<Event>, stop: &StopSignal, reporter: &Reporter) -> Outcome {
    let mut name = String::new();
    let mut has_worked = false;
    let mut alive_at = Instant::now();
    let mut patience = OPENING_STALL;
    loop {
        match received.recv_timeout(TICK) {
            Ok(Event::Opened { name: opened }) => {
                name = opened;
                alive_at = Instant::now();
                patience = STALL;
            }
            Ok(Event::Delivered) => {
                has_worked = true;
                alive_at = Instant::now();
                reporter.working(&name);
            }
            Ok(Event::Ended(problem)) => {
                return Outcome {
                    problem,
                    has_worked,
                };
            }
            Err(RecvTimeoutError::Timeout) => {
                if alive_at.elapsed() >= patience {
                    reporter.failed(DeviceProblem::Stalled);
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                let problem = DeviceProblem::Other("the camera thread ended".to_owned());
                return Outcome {
                    problem,
                    has_worked,
                };
            }
        }
        if stop.is_stopped() {
            return Outcome {
                problem: DeviceProblem::Stalled,
                has_worked,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reporter() -> (Reporter, Receiver<DeviceState>, StopSignal) {
        let (reports, reported) = channel();
        let stop = StopSignal::default();
        (
            Reporter::new(move |state| reports.send(state).unwrap(), stop.clone()),
            reported,
            stop,
        )
    }

    #[test]
    fn a_camera_works_from_its_first_picture_on_stalls_without_and_recovers() {
        let (reporter, reported, stop) = reporter();
        let (events, received) = sync_channel(4);
        let working = DeviceState::Working {
            name: "cam".to_owned(),
        };
        let wait = Duration::from_mins(1);
        std::thread::scope(|scope| {
            let (stop, reporter) = (&stop, &reporter);
            let attending = scope.spawn(move || attend(&received, stop, reporter));
            events
                .send(Event::Opened {
                    name: "cam".to_owned(),
                })
                .unwrap();
            events.send(Event::Delivered).unwrap();
            assert_eq!(reported.recv_timeout(wait).unwrap(), working);
            // Nothing for longer than `STALL`.
            assert_eq!(
                reported.recv_timeout(wait).unwrap(),
                DeviceState::Failed(DeviceProblem::Stalled)
            );
            events.send(Event::Delivered).unwrap();
            assert_eq!(reported.recv_timeout(wait).unwrap(), working);
            events.send(Event::Ended(DeviceProblem::Unplugged)).unwrap();
            let outcome = attending.join().unwrap();
            assert_eq!(outcome.problem, DeviceProblem::Unplugged);
            assert!(outcome.has_worked);
        });
    }

    #[test]
    fn the_stop_signal_ends_the_watch_over_a_stuck_reader() {
        let (reporter, _reported, stop) = reporter();
        let (_events, received) = sync_channel(4);
        std::thread::scope(|scope| {
            let (stop, reporter) = (&stop, &reporter);
            let attending = scope.spawn(move || attend(&received, stop, reporter));
            stop.stop();
            assert!(!attending.join().unwrap().has_worked);
        });
    }
}

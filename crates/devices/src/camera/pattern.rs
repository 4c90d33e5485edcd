//! The test pattern as a camera.

use std::time::Instant;

use media::video::{TestPattern, VideoFrame};

use super::{CameraSettings, FrameSink, unix_time_us};
use crate::schedule::Schedule;
use crate::worker::{Reporter, StopSignal};
use crate::{DeviceProblem, VideoSource};

pub(super) fn run(
    settings: CameraSettings,
    sink: &FrameSink,
    stop: &StopSignal,
    reporter: &Reporter,
) {
    let CameraSettings {
        width_px,
        height_px,
        fps,
    } = settings;
    let fits = [width_px, height_px]
        .iter()
        .all(|side| (2..=VideoFrame::MAX_SIDE_PX).contains(side) && side.is_multiple_of(2));
    if !fits || fps == 0 {
        reporter.failed(DeviceProblem::NoUsableFormat);
        return;
    }
    let pattern = TestPattern::new(width_px, height_px);
    let mut schedule = Schedule::new(Instant::now(), fps, 1);
    reporter.working(&VideoSource::Pattern.to_string());
    loop {
        let (number, due) = schedule.next(Instant::now());
        if !stop.sleep_until(due) {
            return;
        }
        // The time of the exposure is when it happens, not when it was due: latency is measured against it.
        let captured_at = Instant::now();
        sink.put(pattern.draw(number as u32, unix_time_us(), captured_at));
    }
}

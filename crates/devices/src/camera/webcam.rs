//! A real camera through nokhwa: found, opened, read and turned into I420. The only place that knows nokhwa.
//!
//! nokhwa is asked for raw bytes only. What is known of it and worked around here: it waits for a picture without a
//! limit (see `watch`), it hands out the whole buffer whatever the camera filled of it (see `jpeg`), it panics on
//! device nodes with odd names, it ends the whole process if a broken device cannot even be closed (see [`Opened`]),
//! and its errors are texts.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use media::video::convert::{nv12_to_i420, yuyv_to_i420};
use media::video::{PicturePool, VideoFrame};
use nokhwa::utils::{
    ApiBackend, CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType,
    Resolution,
};
use nokhwa::{Buffer, NokhwaError};

use super::format::{Offer, Pixels, choose};
use super::jpeg::Jpegs;
use super::registry::Claim;
use super::{CameraSettings, FrameSink};
use crate::worker::{StopSignal, panic_text};
use crate::{DeviceProblem, VideoSource};

/// What the reading thread tells its watcher.
#[derive(Debug)]
pub(super) enum Event {
    /// The camera is open. Pictures follow, or not.
    Opened {
        /// As the system calls it.
        name: String,
    },
    /// A whole picture came.
    Delivered,
    /// Reading is over.
    Ended(DeviceProblem),
}

const WANTED: [FrameFormat; 3] = [FrameFormat::YUYV, FrameFormat::NV12, FrameFormat::MJPEG];

/// The names of the cameras that are there, in the system's order; equal names are numbered. May take a second.
pub fn list_cameras() -> Vec<String> {
    cameras()
        .unwrap_or_default()
        .into_iter()
        .map(|(_, name)| name)
        .collect()
}

/// Opens the camera and reads it until it fails or the stop signal is given.
pub(super) fn read(
    source: &VideoSource,
    settings: CameraSettings,
    sink: &FrameSink,
    stop: &StopSignal,
    events: &SyncSender<Event>,
) {
    let result = catch_unwind(AssertUnwindSafe(|| {
        read_until_failure(source, settings, sink, stop, events)
    }));
    let problem = match result {
        Ok(Ok(())) => return,
        Ok(Err(problem)) => problem,
        Err(panic) => problem_of(&panic_text(&*panic), true),
    };
    // The watcher may be gone already; then nobody wants to know.
    events.send(Event::Ended(problem)).ok();
}

fn read_until_failure(
    source: &VideoSource,
    settings: CameraSettings,
    sink: &FrameSink,
    stop: &StopSignal,
    events: &SyncSender<Event>,
) -> Result<(), DeviceProblem> {
    // `claim` is declared first, so that the camera is closed before others may open it.
    let (_claim, mut camera, format) = open(source, settings, stop)?;
    let camera = camera.get();
    camera
        .open_stream()
        .map_err(|error| problem_of(&error.to_string(), false))?;
    events
        .send(Event::Opened {
            name: camera.info().human_name(),
        })
        .ok();
    let pool = PicturePool::default();
    let mut jpegs = Jpegs::new(pool.clone());
    while !stop.is_stopped() {
        let buffer = camera
            .frame()
            .map_err(|error| problem_of(&error.to_string(), true))?;
        let captured_at = captured_at(&buffer);
        if let Some(frame) = to_i420(&buffer, format, captured_at, &mut jpegs, &pool) {
            sink.put(frame);
            events.try_send(Event::Delivered).ok();
        } else {
            sink.count_broken();
        }
    }
    Ok(())
}

/// Opens the wanted camera; of several candidates the first one that can be used.
fn open(
    source: &VideoSource,
    settings: CameraSettings,
    stop: &StopSignal,
) -> Result<(Claim, Opened, Offer), DeviceProblem> {
    let candidates: Vec<u32> = match source {
        VideoSource::Camera(number) => vec![*number],
        VideoSource::CameraNamed(wanted) => cameras()?
            .into_iter()
            .filter(|(_, name)| name == wanted)
            .map(|(number, _)| number)
            .collect(),
        _ => cameras()?.into_iter().map(|(number, _)| number).collect(),
    };
    let mut problem = DeviceProblem::NotFound;
    for number in candidates {
        match open_number(number, settings, stop) {
            Ok(opened) => return Ok(opened),
            // The first real camera says best what is wrong; nodes without pictures say nothing.
            Err(error)
                if problem == DeviceProblem::NotFound
                    || problem == DeviceProblem::NoUsableFormat =>
            {
                problem = error;
            }
            Err(_) => {}
        }
    }
    Err(problem)
}

fn open_number(
    number: u32,
    settings: CameraSettings,
    stop: &StopSignal,
) -> Result<(Claim, Opened, Offer), DeviceProblem> {
    let failed = |error: NokhwaError| problem_of(&error.to_string(), false);
    ask_for_permission();
    let claim = Claim::take(number, stop)?;
    let any = RequestedFormat::with_formats(RequestedFormatType::None, &WANTED);
    let mut opened = Opened(Some(
        nokhwa::Camera::new(CameraIndex::Index(number), any).map_err(failed)?,
    ));
    let camera = opened.get();
    let offers: Vec<_> = camera
        .compatible_camera_formats()
        .map_err(failed)?
        .into_iter()
        .filter_map(offer_of)
        .collect();
    let chosen = choose(&offers, settings).ok_or(DeviceProblem::NoUsableFormat)?;
    if offer_of(camera.camera_format()) != Some(chosen) {
        let exact =
            RequestedFormat::with_formats(RequestedFormatType::Exact(format_of(chosen)), &WANTED);
        camera.set_camera_requset(exact).map_err(failed)?;
    }
    // What the driver made of it counts, not what was asked for.
    let format = offer_of(camera.camera_format()).ok_or(DeviceProblem::NoUsableFormat)?;
    tracing::debug!(number, ?format, "camera opened");
    Ok((claim, opened, format))
}

/// An open camera that is closed only if the system still answers for it.
///
/// Underneath nokhwa, closing a stream panics if the system refuses, once for the stream and once more for its buffers,
/// and two panics at a time end the process. Only "no such device" is forgiven. A camera that gives other errors is
/// left open: a few buffers lost, instead of the call.
struct Opened(Option<nokhwa::Camera>);

impl Opened {
    fn get(&mut self) -> &mut nokhwa::Camera {
        self.0.as_mut().expect("it is taken out only on drop")
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let Some(mut camera) = self.0.take() else {
            return;
        };
        let refusal = camera
            .refresh_camera_format()
            .err()
            .and_then(|error| errno_in(&error.to_string()));
        match refusal {
            // ENODEV
            None | Some(19) => drop(camera),
            Some(errno) => {
                tracing::warn!(errno, "a camera that cannot be closed is left open");
                std::mem::forget(camera);
            }
        }
    }
}

/// The numbers and names of all cameras, in the order of their numbers.
fn cameras() -> Result<Vec<(u32, String)>, DeviceProblem> {
    ask_for_permission();
    // It panics on a node like `/dev/video-decoder`.
    let found = catch_unwind(|| nokhwa::query(ApiBackend::Auto))
        .map_err(|panic| DeviceProblem::Other(panic_text(&*panic)))?
        .map_err(|error| problem_of(&error.to_string(), false))?;
    let mut cameras: Vec<(u32, String)> = found
        .into_iter()
        .filter_map(|camera| Some((camera.index().as_index().ok()?, camera.human_name())))
        .filter(|(number, _)| is_picture_node(*number))
        .collect();
    cameras.sort_by_key(|(number, _)| *number);
    Ok(number_equal_names(cameras))
}

/// Has macOS ask the person, once; until the answer, cameras fail to open and are tried again. Elsewhere nobody asks.
fn ask_for_permission() {
    static ASKED: Once = Once::new();
    ASKED.call_once(|| {
        nokhwa::nokhwa_initialize(|is_granted| tracing::debug!(is_granted, "camera"));
    });
}

/// On Linux one camera has several nodes, and only the first one, with index 0, carries pictures.
fn is_picture_node(number: u32) -> bool {
    let index = std::fs::read_to_string(format!("/sys/class/video4linux/video{number}/index"));
    index.map_or(true, |index| index.trim() == "0")
}

/// Makes equal names distinct: `Webcam`, `Webcam (2)`.
fn number_equal_names(cameras: Vec<(u32, String)>) -> Vec<(u32, String)> {
    let mut numbered: Vec<(u32, String)> = Vec::with_capacity(cameras.len());
    for (number, name) in cameras {
        let candidates =
            std::iter::once(name.clone()).chain((2..).map(|n| format!("{name} ({n})")));
        let free = |label: &String| numbered.iter().all(|(_, taken)| taken != label);
        let label = candidates.into_iter().find(free).unwrap_or(name);
        numbered.push((number, label));
    }
    numbered
}

fn offer_of(format: CameraFormat) -> Option<Offer> {
    let pixels = match format.format() {
        FrameFormat::YUYV => Pixels::Yuyv,
        FrameFormat::NV12 => Pixels::Nv12,
        FrameFormat::MJPEG => Pixels::Mjpeg,
        FrameFormat::GRAY | FrameFormat::RAWRGB | FrameFormat::RAWBGR => return None,
    };
    Some(Offer {
        width_px: format.width(),
        height_px: format.height(),
        fps: format.frame_rate(),
        pixels,
    })
}

fn format_of(offer: Offer) -> CameraFormat {
    let format = match offer.pixels {
        Pixels::Yuyv => FrameFormat::YUYV,
        Pixels::Nv12 => FrameFormat::NV12,
        Pixels::Mjpeg => FrameFormat::MJPEG,
    };
    CameraFormat::new(
        Resolution::new(offer.width_px, offer.height_px),
        format,
        offer.fps,
    )
}

/// The picture, or nothing if the bytes do not make one.
fn to_i420(
    buffer: &Buffer,
    format: Offer,
    captured_at: Instant,
    jpegs: &mut Jpegs,
    pool: &PicturePool,
) -> Option<VideoFrame> {
    let (width_px, height_px) = (format.width_px, format.height_px);
    match format.pixels {
        Pixels::Yuyv => yuyv_to_i420(width_px, height_px, buffer.buffer(), captured_at, pool).ok(),
        Pixels::Nv12 => nv12_to_i420(width_px, height_px, buffer.buffer(), captured_at, pool).ok(),
        Pixels::Mjpeg => jpegs.decode(buffer.buffer(), captured_at),
    }
}

/// When the picture was taken: the driver's word where it is believable, else now.
fn captured_at(buffer: &Buffer) -> Instant {
    let now = Instant::now();
    let age = buffer.capture_timestamp().and_then(|taken| {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .ok()?
            .checked_sub(taken)
    });
    age.filter(|age| *age < Duration::from_secs(1))
        .and_then(|age| now.checked_sub(age))
        .unwrap_or(now)
}

/// The system's number in a nokhwa error, which passes on the system's words: they end in `(os error NUMBER)`.
fn errno_in(text: &str) -> Option<i32> {
    let (_, rest) = text.split_once("(os error ")?;
    rest.split_once(')')?.0.parse().ok()
}

/// What a nokhwa error means.
fn problem_of(text: &str, was_running: bool) -> DeviceProblem {
    match errno_in(text) {
        // ENXIO, ENODEV, and ENOTCONN from a device in user space: there is nothing behind the node any more.
        Some(6 | 19 | 107) if was_running => DeviceProblem::Unplugged,
        // ENOENT
        Some(2 | 6 | 19 | 107) => DeviceProblem::NotFound,
        // EBUSY
        Some(16) => DeviceProblem::Busy,
        // EPERM, EACCES
        Some(1 | 13) => DeviceProblem::NotPermitted,
        // EINVAL and ENOTTY while opening: a node that is no camera.
        Some(22 | 25) if !was_running => DeviceProblem::NoUsableFormat,
        // nokhwa's own words, its spelling included.
        _ if text.contains("Failed to Fufill") || text.contains("unsupported") => {
            DeviceProblem::NoUsableFormat
        }
        _ => DeviceProblem::Other(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart_by_the_number_that_the_system_gave() {
        let open = |text: &str| problem_of(text, false);
        assert_eq!(
            open("Could not open device 0: V4L2 Error: No such file or directory (os error 2)"),
            DeviceProblem::NotFound
        );
        assert_eq!(
            open("Could not open device 0: V4L2 Error: Device or resource busy (os error 16)"),
            DeviceProblem::Busy
        );
        assert_eq!(
            open("Permission denied (os error 13)"),
            DeviceProblem::NotPermitted
        );
        assert_eq!(
            open("No such device (os error 19)"),
            DeviceProblem::NotFound
        );
        assert_eq!(
            problem_of(
                "Could not capture frame: No such device (os error 19)",
                true
            ),
            DeviceProblem::Unplugged
        );
        assert_eq!(
            open("Could not get device property CameraFormat: Failed to Fufill"),
            DeviceProblem::NoUsableFormat
        );
        assert_eq!(
            open("the moon is full"),
            DeviceProblem::Other("the moon is full".to_owned())
        );
    }

    #[test]
    fn equal_names_are_numbered_and_never_clash() {
        let names = |given: &[&str]| {
            let cameras = given
                .iter()
                .enumerate()
                .map(|(n, name)| (n as u32, (*name).to_owned()));
            number_equal_names(cameras.collect())
                .into_iter()
                .map(|(_, name)| name)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&["A", "B", "A", "A"]), ["A", "B", "A (2)", "A (3)"]);
        assert_eq!(names(&["A (2)", "A", "A"]), ["A (2)", "A", "A (3)"]);
    }
}

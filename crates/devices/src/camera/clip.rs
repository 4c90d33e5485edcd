//! A YUV4MPEG2 file as a camera: played over and over at its own rate, one picture in memory at a time.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _};
use std::path::Path;
use std::time::Instant;

use media::video::VideoFrame;

use super::FrameSink;
use crate::schedule::Schedule;
use crate::worker::{Reporter, StopSignal};
use crate::{DeviceProblem, retry};

/// A y4m header is one line, and no longer than this (the limit of the reader that parses it).
const MAX_HEADER_BYTES: u64 = 1024;
/// Faster files are taken for broken headers.
const MAX_FPS: usize = 240;

pub(super) fn run(path: &Path, sink: &FrameSink, stop: &StopSignal, reporter: &Reporter) {
    let mut failures = 0;
    loop {
        let Err(problem) = play(path, sink, stop, reporter) else {
            return;
        };
        failures += 1;
        let pause = retry::delay(&problem, failures);
        reporter.failed(problem);
        if !stop.sleep(pause) {
            return;
        }
    }
}

/// Plays the file until the stop signal.
fn play(
    path: &Path,
    sink: &FrameSink,
    stop: &StopSignal,
    reporter: &Reporter,
) -> Result<(), DeviceProblem> {
    let mut clip = Clip::open(path)?;
    let mut schedule = Schedule::new(Instant::now(), clip.rate.0, clip.rate.1);
    reporter.working(&path.display().to_string());
    loop {
        let (_, due) = schedule.next(Instant::now());
        let planes = clip.next_planes()?;
        if !stop.sleep_until(due) {
            return Ok(());
        }
        let frame = VideoFrame::from_planes(clip.width_px, clip.height_px, planes, Instant::now())
            .map_err(|error| DeviceProblem::File(error.to_string()))?;
        sink.put(frame);
    }
}

/// An open file, read picture by picture.
struct Clip {
    decoder: y4m::Decoder<BufReader<File>>,
    file: File,
    width_px: u32,
    height_px: u32,
    /// So many pictures in so many seconds.
    rate: (u32, u32),
}

impl Clip {
    fn open(path: &Path) -> Result<Self, DeviceProblem> {
        let mut file = File::open(path).map_err(|error| unusable(&error))?;
        let (width_px, height_px) = check_header(&mut file)?;
        let decoder = rewind(&mut file)?;
        if !matches!(
            decoder.get_colorspace(),
            y4m::Colorspace::C420
                | y4m::Colorspace::C420jpeg
                | y4m::Colorspace::C420mpeg2
                | y4m::Colorspace::C420paldv
        ) {
            return Err(unusable(&format!(
                "{:?} is not 4:2:0 with 8 bits",
                decoder.get_colorspace()
            )));
        }
        let y4m::Ratio { num, den } = decoder.get_framerate();
        if num == 0 || den == 0 || num / den > MAX_FPS {
            return Err(unusable(&format!("{num}:{den} is no frame rate")));
        }
        let rate = (narrow(num)?, narrow(den)?);
        Ok(Self {
            decoder,
            file,
            width_px,
            height_px,
            rate,
        })
    }

    /// The planes of the next picture; after the last one comes the first.
    fn next_planes(&mut self) -> Result<Vec<u8>, DeviceProblem> {
        match planes_of(&mut self.decoder) {
            Err(y4m::Error::EOF) => {
                self.decoder = rewind(&mut self.file)?;
                // Nothing twice in a row: there is no whole picture in the file at all.
                planes_of(&mut self.decoder).map_err(|error| match error {
                    y4m::Error::EOF => unusable(&"it holds no picture"),
                    error => unusable(&error),
                })
            }
            other => other.map_err(|error| unusable(&error)),
        }
    }
}

fn planes_of(decoder: &mut y4m::Decoder<BufReader<File>>) -> Result<Vec<u8>, y4m::Error> {
    let frame = decoder.read_frame()?;
    Ok([
        frame.get_y_plane(),
        frame.get_u_plane(),
        frame.get_v_plane(),
    ]
    .concat())
}

fn rewind(file: &mut File) -> Result<y4m::Decoder<BufReader<File>>, DeviceProblem> {
    file.rewind().map_err(|error| unusable(&error))?;
    // The clone shares the position; the reader is the only one that moves it until the next rewind.
    let reader = file.try_clone().map_err(|error| unusable(&error))?;
    y4m::Decoder::new(BufReader::new(reader)).map_err(|error| unusable(&error))
}

/// Reads width and height before the y4m reader does: it multiplies them unchecked and allocates what comes out.
fn check_header(file: &mut File) -> Result<(u32, u32), DeviceProblem> {
    let mut start = Vec::new();
    file.take(MAX_HEADER_BYTES)
        .read_to_end(&mut start)
        .map_err(|error| unusable(&error))?;
    let line = start
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    if !line.starts_with(b"YUV4MPEG2 ") {
        return Err(unusable(&"it is no YUV4MPEG2 file"));
    }
    let side = |tag: u8| {
        let mut fields = line
            .split(|byte| *byte == b' ')
            .filter(|field| field.first() == Some(&tag));
        let (first, second) = (fields.next(), fields.next());
        let side: u32 = std::str::from_utf8(&first?[1..]).ok()?.parse().ok()?;
        let is_good = (2..=VideoFrame::MAX_SIDE_PX).contains(&side) && side.is_multiple_of(2);
        (second.is_none() && is_good).then_some(side)
    };
    match (side(b'W'), side(b'H')) {
        (Some(width_px), Some(height_px)) => Ok((width_px, height_px)),
        _ => Err(unusable(&format!(
            "width and height must be even and at most {}",
            VideoFrame::MAX_SIDE_PX
        ))),
    }
}

fn narrow(number: usize) -> Result<u32, DeviceProblem> {
    u32::try_from(number).map_err(|_| unusable(&format!("{number} is too large for a frame rate")))
}

fn unusable(reason: &dyn std::fmt::Display) -> DeviceProblem {
    DeviceProblem::File(reason.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn problem_of(contents: &[u8]) -> String {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(contents).unwrap();
        match Clip::open(file.path()).and_then(|mut clip| clip.next_planes()) {
            Err(DeviceProblem::File(text)) => text,
            other => panic!("{other:?} from {:?}", String::from_utf8_lossy(contents)),
        }
    }

    #[test]
    fn broken_headers_are_named_and_never_believed() {
        assert!(problem_of(b"").contains("YUV4MPEG2"));
        assert!(problem_of(b"RIFF....").contains("YUV4MPEG2"));
        assert!(problem_of(b"YUV4MPEG2 W99999999999 H99999999999 F30:1\n").contains("at most"));
        assert!(problem_of(b"YUV4MPEG2 W2 W99999999999 H99999999999 F30:1\n").contains("at most"));
        assert!(problem_of(b"YUV4MPEG2 W3 H2 F30:1\n").contains("even"));
        assert!(problem_of(b"YUV4MPEG2 W2 H2 F30:0\nFRAME\n123456").contains("frame rate"));
        assert!(problem_of(b"YUV4MPEG2 W2 H2 F0:1\nFRAME\n123456").contains("frame rate"));
        assert!(problem_of(b"YUV4MPEG2 W2 H2 F30:1 C444\nFRAME\n123456").contains("4:2:0"));
        assert!(problem_of(b"YUV4MPEG2 W2 H2 F30:1\n").contains("no picture"));
        assert!(problem_of(b"YUV4MPEG2 W2 H2 F30:1\nFRAME\n12345").contains("no picture"));
        assert!(!problem_of(b"YUV4MPEG2 W2 H2 F30:1\nNOISE\n123456").is_empty());
    }

    #[test]
    fn a_clip_begins_again_after_its_last_whole_picture() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"YUV4MPEG2 W2 H2 F25:2\nFRAME\nabcdefFRAME\nghijklFRAME\nmn")
            .unwrap();
        let mut clip = Clip::open(file.path()).unwrap();
        assert_eq!((clip.width_px, clip.height_px, clip.rate), (2, 2, (25, 2)));
        let seen: Vec<_> = (0..5).map(|_| clip.next_planes().unwrap()).collect();
        assert_eq!(
            seen,
            [b"abcdef", b"ghijkl", b"abcdef", b"ghijkl", b"abcdef"]
        );
    }
}

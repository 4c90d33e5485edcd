//! Records the partner's pictures as they are shown.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use engine::Engine;
use media::video::VideoFrame;

/// How often the recorder looks whether it is to end.
const IDLE_CHECK: Duration = Duration::from_millis(100);

/// A thread that writes every shown picture to a `.y4m` file. The first picture sets the size; others of another size are left out.
#[derive(Debug)]
pub struct VideoRecorder {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<anyhow::Result<u64>>>,
}

impl VideoRecorder {
    /// Begins to record what `engine` shows.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn start(engine: Arc<Engine>, path: &Path, fps: u32) -> anyhow::Result<Self> {
        let file =
            File::create(path).with_context(|| format!("{} cannot be made", path.display()))?;
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new()
            .name("record-video".to_owned())
            .spawn({
                let is_over = Arc::clone(&is_over);
                move || record(&engine, BufWriter::new(file), fps, &is_over)
            })
            .context("no thread to record")?;
        Ok(Self {
            is_over,
            thread: Some(thread),
        })
    }

    /// Ends the recording and says how many pictures it has.
    ///
    /// # Errors
    /// When the file could not be written.
    pub fn finish(mut self) -> anyhow::Result<u64> {
        self.is_over.store(true, Ordering::Relaxed);
        let thread = self
            .thread
            .take()
            .context("the recording is over already")?;
        thread
            .join()
            .map_err(|_| anyhow::anyhow!("the recorder panicked"))?
    }
}

fn record(
    engine: &Engine,
    file: BufWriter<File>,
    fps: u32,
    is_over: &AtomicBool,
) -> anyhow::Result<u64> {
    let next = || {
        loop {
            if let Some(frame) = engine.remote_video().wait(IDLE_CHECK) {
                return Some(frame);
            }
            if is_over.load(Ordering::Relaxed) {
                return None;
            }
        }
    };
    let Some(first) = next() else { return Ok(0) };
    let (width, height) = (first.width_px() as usize, first.height_px() as usize);
    let ratio = y4m::Ratio::new(fps as usize, 1);
    let mut encoder = y4m::encode(width, height, ratio)
        .with_colorspace(y4m::Colorspace::C420)
        .write_header(file)
        .context("the recording cannot be written")?;
    let mut count = 0;
    let mut frame: Arc<VideoFrame> = first;
    loop {
        if (frame.width_px() as usize, frame.height_px() as usize) == (width, height) {
            encoder
                .write_frame(&y4m::Frame::new([frame.y(), frame.u(), frame.v()], None))
                .context("the recording cannot be written")?;
            count += 1;
        }
        match next() {
            Some(newer) => frame = newer,
            None => return Ok(count),
        }
    }
}

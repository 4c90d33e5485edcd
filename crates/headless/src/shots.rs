//! Copies of what the screen shows, at even times: a picture that stands still is copied as often as one that moves.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use media::video::{VideoFrame, read_mark};

use crate::Event;

/// From one copy to the next.
const INTERVAL: Duration = Duration::from_millis(250);

/// A file of pictures, one after the other as planar 4:2:0. Events say which is where.
#[derive(Debug)]
pub(crate) struct Shots {
    file: File,
    written_bytes: u64,
    due_at: Instant,
    on_screen: Option<OnScreen>,
}

#[derive(Debug)]
struct OnScreen {
    frame: Arc<VideoFrame>,
    number: Option<u32>,
    /// Where it lies in the file, once it does.
    offset_bytes: Option<u64>,
}

impl Shots {
    /// Begins a file.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let file =
            File::create(path).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self {
            file,
            written_bytes: 0,
            due_at: Instant::now(),
            on_screen: None,
        })
    }

    /// From now on the screen shows this.
    pub(crate) fn show(&mut self, frame: Arc<VideoFrame>) {
        self.on_screen = Some(OnScreen {
            number: read_mark(&frame).map(|mark| mark.frame_number),
            frame,
            offset_bytes: None,
        });
    }

    /// Copies what the screen shows, if it is time for that. A picture that is in the file already is only named again.
    ///
    /// # Errors
    /// When the disk is full or gone.
    pub(crate) fn take(&mut self, now: Instant) -> anyhow::Result<Option<Event>> {
        if now < self.due_at {
            return Ok(None);
        }
        self.due_at = now + INTERVAL;
        let Some(on_screen) = &mut self.on_screen else {
            return Ok(None);
        };
        let frame = &on_screen.frame;
        let offset_bytes = if let Some(offset_bytes) = on_screen.offset_bytes {
            offset_bytes
        } else {
            self.file
                .write_all(frame.planes())
                .context("a picture cannot be copied")?;
            let offset_bytes = self.written_bytes;
            self.written_bytes += frame.planes().len() as u64;
            *on_screen.offset_bytes.insert(offset_bytes)
        };
        Ok(Some(Event::Shot {
            number: on_screen.number,
            width_px: frame.width_px(),
            height_px: frame.height_px(),
            offset_bytes,
        }))
    }
}

#[cfg(test)]
mod tests {
    use media::video::TestPattern;

    use super::*;

    #[test]
    fn a_picture_that_stands_still_is_named_again_and_copied_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shots");
        let mut shots = Shots::create(&path).unwrap();
        let start = shots.due_at;
        assert_eq!(shots.take(start).unwrap(), None, "nothing is shown");

        let pattern = TestPattern::new(160, 160);
        let draw = |number| Arc::new(pattern.draw(number, 0, start));
        let shot = |number, offset_bytes| {
            Some(Event::Shot {
                number: Some(number),
                width_px: 160,
                height_px: 160,
                offset_bytes,
            })
        };
        shots.show(draw(7));
        let due = |count| start + INTERVAL * count;
        assert_eq!(shots.take(due(1)).unwrap(), shot(7, 0));
        assert_eq!(shots.take(due(1)).unwrap(), None, "it is not time yet");
        assert_eq!(shots.take(due(2)).unwrap(), shot(7, 0));
        shots.show(draw(8));
        shots.show(draw(9));
        let len = VideoFrame::len_bytes(160, 160) as u64;
        assert_eq!(shots.take(due(3)).unwrap(), shot(9, len));
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes, [draw(7).planes(), draw(9).planes()].concat());
    }
}

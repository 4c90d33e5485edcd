//! Whether there is a window on the display, seen on the display itself.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{ConnectionExt as _, ImageFormat};
use x11rb::rust_connection::RustConnection;

use super::{DISPLAY, PATIENCE};
use crate::ffi;

/// A window that is drawn has at least so many colours in the strip that is looked at.
const COLOURS: usize = 8;
/// Between two looks at the display.
const LOOK: Duration = Duration::from_millis(2);

/// A display that is looked at.
pub(super) struct Screen {
    connection: RustConnection,
    root: u32,
}

impl Screen {
    pub(super) fn open(display: &str) -> anyhow::Result<Self> {
        let (connection, number) = x11rb::connect(Some(display))?;
        let root = connection.setup().roots.get(number);
        let root = root.context("the display has no screen")?.root;
        Ok(Self { connection, root })
    }

    /// Waits until a window is drawn on it, or until none is.
    pub(super) fn wait(&self, is_drawn: bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.is_drawn()? != is_drawn {
            ensure!(Instant::now() < deadline, "nothing changes on the display");
            ensure!(!ffi::is_stop_requested(), "interrupted");
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Whether there is more than a bare display in the strip across its middle.
    fn is_drawn(&self) -> anyhow::Result<bool> {
        let (width, height) = (DISPLAY.width_px as u16, DISPLAY.height_px as i16);
        let image = self
            .connection
            .get_image(
                ImageFormat::Z_PIXMAP,
                self.root,
                0,
                height / 2,
                width,
                24,
                !0,
            )?
            .reply()?;
        let mut colours: Vec<&[u8]> = Vec::new();
        for pixel in image.data.chunks_exact(4) {
            if !colours.contains(&pixel) {
                colours.push(pixel);
            }
            if colours.len() >= COLOURS {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

//! A webcam where the kernel has none: a device node that answers the V4L2 system calls, served through FUSE.
//!
//! The node is a one-file FUSE file system. ioctl and poll are answered by this process; mmap works because the file is
//! a FUSE passthrough file (Linux 6.9), so that its pages are those of a file in memory that frames are written to.
//! A program does its real open, ioctl, poll and mmap, and nothing in it is replaced. What the node is not: a character
//! device, so that a program which checks for one refuses it.
//!
//! ```text
//!  program ─ open, ioctl, poll ─▶ kernel ─ /dev/fuse ─▶ session ─▶ device (the V4L2 state) ◀─ control
//!          ◀─── mmap ──────────── kernel ◀─ file in memory ◀─────── film (the clip's frames)
//! ```

mod buffers;
mod control;
mod device;
mod film;
mod format;
mod fuse;
mod run;
mod v4l2;

use std::path::PathBuf;

pub use format::{PixelFormat, Size};
pub use run::run;

/// What the camera is like.
#[derive(Debug, Clone)]
pub struct CameraOptions {
    /// What it sees, over and over: a y4m file, 4:2:0.
    pub clip: PathBuf,
    /// The node that programs open. Must not exist.
    pub device: PathBuf,
    /// Offered pixel formats, the first one preset.
    pub formats: Vec<PixelFormat>,
    /// Sizes offered besides the clip's own.
    pub sizes: Vec<Size>,
    /// Offered frame rates, the first one preset.
    pub rates_hz: Vec<u32>,
    /// A named pipe to make, which takes one command in each line.
    pub control: Option<PathBuf>,
}

//! What a webcam can be asked for.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, bail, ensure};

/// Width and height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// In pixels; even.
    pub width_px: u32,
    /// In pixels; even.
    pub height_px: u32,
}

impl Size {
    const MAX_SIDE_PX: u32 = 4096;

    pub(crate) const fn pixels(self) -> usize {
        self.width_px as usize * self.height_px as usize
    }
}

impl FromStr for Size {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (width, height) = text.split_once('x').context("a size is WIDTHxHEIGHT")?;
        let size = Self {
            width_px: width.parse()?,
            height_px: height.parse()?,
        };
        let is_good = |side: u32| (2..=Self::MAX_SIDE_PX).contains(&side) && side.is_multiple_of(2);
        ensure!(
            is_good(size.width_px) && is_good(size.height_px),
            "sides must be even and at most {}",
            Self::MAX_SIDE_PX
        );
        Ok(size)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width_px, self.height_px)
    }
}

/// How the pixels lie in a buffer, by the names that V4L2 gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelFormat {
    /// `YUYV`: 4:2:2, packed.
    Yuyv,
    /// `NV12`: 4:2:0, luma and interleaved chroma.
    Nv12,
    /// `MJPG`: each frame a JPEG file.
    Mjpg,
}

impl PixelFormat {
    /// The four characters as V4L2 stores them.
    pub(crate) const fn fourcc(self) -> u32 {
        u32::from_le_bytes(match self {
            Self::Yuyv => *b"YUYV",
            Self::Nv12 => *b"NV12",
            Self::Mjpg => *b"MJPG",
        })
    }

    /// How large a buffer must be. JPEG files are smaller than raw pictures; drivers reserve as much all the same.
    pub(crate) const fn buffer_len(self, size: Size) -> usize {
        match self {
            Self::Yuyv | Self::Mjpg => size.pixels() * 2,
            Self::Nv12 => size.pixels() * 3 / 2,
        }
    }

    /// From one row to the next in bytes; 0 where there are no rows.
    pub(crate) const fn stride(self, size: Size) -> u32 {
        match self {
            Self::Yuyv => size.width_px * 2,
            Self::Nv12 => size.width_px,
            Self::Mjpg => 0,
        }
    }
}

impl FromStr for PixelFormat {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        Ok(match text {
            "YUYV" => Self::Yuyv,
            "NV12" => Self::Nv12,
            "MJPG" => Self::Mjpg,
            _ => bail!("{text:?} is not one of YUYV, NV12, MJPG"),
        })
    }
}

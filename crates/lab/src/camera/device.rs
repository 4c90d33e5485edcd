//! The camera's own state: what V4L2 requires of a driver, without the way the requests come.
//!
//! Follows the kernel's "Video for Linux API": one program at a time owns the buffers; buffers go round from queued to
//! done and back; a frame for which no buffer is queued is lost, as with a real camera.

use std::fs::File;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::CameraOptions;
use super::buffers::{Buffers, Handle};
use super::film::Film;
use super::format::{PixelFormat, Size};
use super::v4l2::{self, Fields, request, word_at};

#[cfg(test)]
mod tests;

/// What an ioctl comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done(Vec<u8>),
    /// An errno.
    Error(i32),
    /// The program waits for a frame and none is there.
    Later,
}

use Answer::{Done, Error, Later};

/// A webcam.
#[derive(Debug)]
pub(super) struct Device {
    formats: Vec<PixelFormat>,
    sizes: Vec<Size>,
    rates_hz: Vec<u32>,
    format: PixelFormat,
    size: Size,
    rate_hz: u32,
    film: Film,
    buffers: Buffers,
    is_streaming: bool,
    next_at: Instant,
    sequence: u32,

    pub(super) is_stalled: bool,
    pub(super) is_busy: bool,
    pub(super) truncate: u32,
}

impl Device {
    pub(super) fn new(options: &CameraOptions) -> anyhow::Result<Self> {
        let film = Film::open(&options.clip)?;
        let mut sizes = vec![film.size()];
        for size in &options.sizes {
            if !sizes.contains(size) {
                sizes.push(*size);
            }
        }
        let fits = |size: &Size| size.pixels() * 2 <= Buffers::SPACING;
        ensure!(
            sizes.iter().all(fits),
            "a frame must fit into {} bytes",
            Buffers::SPACING
        );
        ensure!(
            options.rates_hz.iter().all(|rate| (1..=240).contains(rate)),
            "1 to 240 frames a second"
        );
        Ok(Self {
            format: *options.formats.first().context("there must be a format")?,
            size: film.size(),
            rate_hz: *options
                .rates_hz
                .first()
                .context("there must be a frame rate")?,
            formats: options.formats.clone(),
            sizes,
            rates_hz: options.rates_hz.clone(),
            film,
            buffers: Buffers::new().context("/dev/shm")?,
            is_streaming: false,
            next_at: Instant::now(),
            sequence: 0,
            is_stalled: false,
            is_busy: false,
            truncate: 0,
        })
    }

    /// What programs map.
    pub(super) const fn memory(&self) -> &File {
        self.buffers.memory()
    }

    /// When [`Device::tick`] shall be called next, if it shall.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.is_streaming.then_some(self.next_at)
    }

    /// Whether a frame waits for the program that owns `handle`; `None` if it has no stream.
    pub(super) fn has_frame(&self, handle: Handle) -> Option<bool> {
        (self.is_streaming && self.buffers.owner() == Some(handle))
            .then_some(self.buffers.has_filled())
    }

    /// Takes a picture if it is time. Returns whether one was left in a buffer.
    pub(super) fn tick(&mut self, now: Instant) -> anyhow::Result<bool> {
        if !self.is_streaming || now < self.next_at {
            return Ok(false);
        }
        let period = Duration::from_secs(1) / self.rate_hz;
        self.next_at += period;
        if now > self.next_at + 4 * period {
            self.next_at = now + period;
        }
        if self.is_stalled {
            return Ok(false);
        }
        let sequence = self.sequence;
        self.sequence += 1;
        let bytes = self.film.frame(u64::from(sequence), self.format, self.size);
        let is_cut = self.truncate > 0;
        let bytes = if is_cut {
            &bytes[..bytes.len() / 3]
        } else {
            bytes
        };
        let is_filled = self.buffers.fill(bytes, sequence)?;
        if is_cut && is_filled {
            self.truncate -= 1;
        }
        Ok(is_filled)
    }

    /// The program closed the file, or the camera was pulled out.
    pub(super) fn release(&mut self, handle: Handle) {
        if self.buffers.owner() == Some(handle) {
            self.stop();
            self.buffers.allocate(handle, 0);
        }
    }

    /// Stops and forgets whoever used it, as a new device.
    pub(super) fn reset(&mut self) {
        if let Some(owner) = self.buffers.owner() {
            self.release(owner);
        }
    }

    fn stop(&mut self) {
        self.is_streaming = false;
        self.buffers.free_all();
    }

    /// Answers request `number` with the argument `data`.
    pub(super) fn ioctl(
        &mut self,
        handle: Handle,
        number: u32,
        data: &[u8],
        may_wait: bool,
    ) -> Answer {
        let is_ours = |offset: usize| word_at(data, offset) == v4l2::VIDEO_CAPTURE;
        match number {
            request::QUERYCAP => Done(
                Fields::new()
                    .text("lab", 16)
                    .text("Lab Camera", 32)
                    .text("lab:fuse", 32)
                    .words(&[
                        6 << 16,
                        v4l2::DEVICE_CAPS | v4l2::CAP_DEVICE_CAPS,
                        v4l2::DEVICE_CAPS,
                    ])
                    .padded_to(104),
            ),
            request::ENUM_FMT => match self.formats.get(word_at(data, 0) as usize) {
                Some(format) if is_ours(4) => Done(describe(word_at(data, 0), *format)),
                _ => Error(libc::EINVAL),
            },
            request::ENUM_FRAMESIZES => match self.sizes.get(word_at(data, 0) as usize) {
                Some(size) if self.offers(word_at(data, 4)) => Done(
                    Fields::new()
                        .words(&[word_at(data, 0), word_at(data, 4), v4l2::DISCRETE])
                        .words(&[size.width_px, size.height_px])
                        .padded_to(44),
                ),
                _ => Error(libc::EINVAL),
            },
            request::ENUM_FRAMEINTERVALS => {
                let size = Size {
                    width_px: word_at(data, 8),
                    height_px: word_at(data, 12),
                };
                match self.rates_hz.get(word_at(data, 0) as usize) {
                    Some(rate) if self.offers(word_at(data, 4)) && self.sizes.contains(&size) => {
                        Done(
                            Fields::new()
                                .words(&[
                                    word_at(data, 0),
                                    word_at(data, 4),
                                    size.width_px,
                                    size.height_px,
                                ])
                                .words(&[v4l2::DISCRETE, 1, *rate])
                                .padded_to(52),
                        )
                    }
                    _ => Error(libc::EINVAL),
                }
            }
            request::G_FMT | request::S_FMT | request::TRY_FMT if is_ours(0) => {
                self.format_request(number, data)
            }
            request::G_PARM | request::S_PARM if is_ours(0) => {
                if number == request::S_PARM {
                    self.set_interval(word_at(data, 12), word_at(data, 16));
                }
                Done(
                    Fields::new()
                        .words(&[
                            v4l2::VIDEO_CAPTURE,
                            v4l2::CAP_TIMEPERFRAME,
                            0,
                            1,
                            self.rate_hz,
                        ])
                        .padded_to(204),
                )
            }
            request::REQBUFS if is_ours(4) && word_at(data, 8) == v4l2::MEMORY_MMAP => {
                self.request_buffers(handle, word_at(data, 0) as usize)
            }
            request::QUERYBUF if is_ours(4) => self.describe_buffer(word_at(data, 0) as usize),
            request::QBUF if is_ours(4) => self.queue_buffer(word_at(data, 0) as usize),
            request::DQBUF if is_ours(4) => self.dequeue_buffer(may_wait),
            request::STREAMON => {
                if self.buffers.owner() != Some(handle) || self.buffers.is_empty() {
                    return Error(libc::EINVAL);
                }
                self.is_streaming = true;
                self.sequence = 0;
                self.next_at = Instant::now() + Duration::from_secs(1) / self.rate_hz;
                Done(Vec::new())
            }
            request::STREAMOFF => {
                if self.buffers.owner() == Some(handle) {
                    self.stop();
                }
                Done(Vec::new())
            }
            request::ENUMINPUT if word_at(data, 0) == 0 => {
                // V4L2_INPUT_TYPE_CAMERA
                Done(
                    Fields::new()
                        .words(&[0])
                        .text("Camera", 32)
                        .words(&[2])
                        .padded_to(80),
                )
            }
            request::G_INPUT => Done(Fields::new().words(&[0]).padded_to(4)),
            request::S_INPUT if word_at(data, 0) == 0 => {
                Done(Fields::new().words(&[0]).padded_to(4))
            }
            // V4L2_PRIORITY_INTERACTIVE
            request::G_PRIORITY => Done(Fields::new().words(&[2]).padded_to(4)),
            request::S_PRIORITY => Done(Vec::new()),
            // It has no controls, and understands no other kind of buffer.
            request::G_FMT
            | request::S_FMT
            | request::TRY_FMT
            | request::G_PARM
            | request::S_PARM
            | request::REQBUFS
            | request::QUERYBUF
            | request::QBUF
            | request::DQBUF
            | request::ENUMINPUT
            | request::S_INPUT
            | request::QUERYCTRL
            | request::QUERY_EXT_CTRL => Error(libc::EINVAL),
            _ => Error(libc::ENOTTY),
        }
    }

    fn offers(&self, fourcc: u32) -> bool {
        self.formats.iter().any(|format| format.fourcc() == fourcc)
    }

    /// Reads, tries or sets the format. What is not offered becomes what is nearest to it.
    fn format_request(&mut self, number: u32, data: &[u8]) -> Answer {
        let (mut format, mut size) = (self.format, self.size);
        if number != request::G_FMT {
            let (width_px, height_px, fourcc) =
                (word_at(data, 8), word_at(data, 12), word_at(data, 16));
            let offered = self.formats.iter().find(|format| format.fourcc() == fourcc);
            format = *offered.unwrap_or(&self.formats[0]);
            let distance = |size: &&Size| {
                size.width_px
                    .abs_diff(width_px)
                    .saturating_add(size.height_px.abs_diff(height_px))
            };
            size = *self.sizes.iter().min_by_key(distance).unwrap_or(&self.size);
        }
        if number == request::S_FMT {
            if !self.buffers.is_empty() {
                return Error(libc::EBUSY);
            }
            (self.format, self.size) = (format, size);
        }
        let colorspace = if format == PixelFormat::Mjpg {
            v4l2::COLORSPACE_JPEG
        } else {
            v4l2::COLORSPACE_SRGB
        };
        Done(
            Fields::new()
                .words(&[
                    v4l2::VIDEO_CAPTURE,
                    0,
                    size.width_px,
                    size.height_px,
                    format.fourcc(),
                ])
                .words(&[
                    v4l2::FIELD_NONE,
                    format.stride(size),
                    format.buffer_len(size) as u32,
                ])
                .words(&[colorspace, v4l2::PRIV_MAGIC])
                .padded_to(208),
        )
    }

    fn set_interval(&mut self, numerator: u32, denominator: u32) {
        if numerator == 0 || denominator == 0 {
            return;
        }
        let wanted = f64::from(denominator) / f64::from(numerator);
        let distance = |rate: &u32| (f64::from(*rate) - wanted).abs();
        let nearest = self
            .rates_hz
            .iter()
            .copied()
            .min_by(|a, b| distance(a).total_cmp(&distance(b)));
        self.rate_hz = nearest.unwrap_or(self.rate_hz);
    }

    fn request_buffers(&mut self, handle: Handle, count: usize) -> Answer {
        if self.buffers.owner().is_some_and(|owner| owner != handle) || self.is_streaming {
            return Error(libc::EBUSY);
        }
        let count = self.buffers.allocate(handle, count);
        // The word after the memory type is V4L2_BUF_CAP_SUPPORTS_MMAP.
        Done(
            Fields::new()
                .words(&[count as u32, v4l2::VIDEO_CAPTURE, v4l2::MEMORY_MMAP, 1])
                .padded_to(20),
        )
    }

    fn queue_buffer(&mut self, index: usize) -> Answer {
        if self.buffers.queue(index) {
            self.describe_buffer(index)
        } else {
            Error(libc::EINVAL)
        }
    }

    fn describe_buffer(&self, index: usize) -> Answer {
        self.buffers
            .describe(index, self.format.buffer_len(self.size))
            .map_or(Error(libc::EINVAL), Done)
    }

    fn dequeue_buffer(&mut self, may_wait: bool) -> Answer {
        if !self.is_streaming {
            return Error(libc::EINVAL);
        }
        match self.buffers.dequeue(self.format.buffer_len(self.size)) {
            Some(description) => Done(description),
            None if may_wait => Later,
            None => Error(libc::EAGAIN),
        }
    }
}

/// `struct v4l2_fmtdesc`
fn describe(index: u32, format: PixelFormat) -> Vec<u8> {
    let (flags, name) = match format {
        PixelFormat::Yuyv => (0, "YUYV 4:2:2"),
        PixelFormat::Nv12 => (0, "Y/UV 4:2:0"),
        PixelFormat::Mjpg => (v4l2::FLAG_COMPRESSED, "Motion-JPEG"),
    };
    Fields::new()
        .words(&[index, v4l2::VIDEO_CAPTURE, flags])
        .text(name, 32)
        .words(&[format.fourcc()])
        .padded_to(64)
}

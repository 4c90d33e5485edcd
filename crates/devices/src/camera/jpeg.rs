//! Motion JPEG: finds where each picture ends, tells whole pictures from patched-up ones, and decodes to I420.
//!
//! What a camera hands over is a whole buffer: the JPEG file of this picture, then whatever older pictures left there.
//! After a cut on the wire the two run into each other and decode without an error, which shows as a picture of two
//! halves. libjpeg reports broken data by unwinding, so it runs inside `catch_unwind`.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use media::video::convert::{ChromaSubsampling, JpegPlanes, Plane, from_jpeg_planes};
use media::video::{PicturePool, VideoFrame};
use mozjpeg::{ColorSpace, CompInfoExt as _, Decompress};

/// How many pictures back an old one may still lie in a buffer: drivers use four buffers, a few more are no harm.
const REMEMBERED: usize = 8;
/// So many different byte values in an end that two pictures share mean that it is one end.
const TELLING_VALUES: usize = 48;

/// Decodes the pictures of one camera.
#[derive(Debug, Default)]
pub(super) struct Jpegs {
    recent: VecDeque<Vec<u8>>,
    /// What the library writes the three planes into, as the picture before has left it.
    samples: [Vec<u8>; 3],
    pool: PicturePool,
}

impl Jpegs {
    /// The memory of its pictures comes from `pool`.
    pub(super) fn new(pool: PicturePool) -> Self {
        Self {
            pool,
            ..Self::default()
        }
    }

    /// The picture at the start of `buffer`, or nothing if it is cut, patched up or broken.
    pub(super) fn decode(&mut self, buffer: &[u8], captured_at: Instant) -> Option<VideoFrame> {
        let jpeg = &buffer[..length(buffer)?];
        let is_patched_up = self.is_patched_up(jpeg);
        self.remember(jpeg);
        if is_patched_up {
            return None;
        }
        let (samples, pool) = (&mut self.samples, &self.pool);
        // Unwinding is how libjpeg gives up; what it leaves half done in the samples is cleared before the next picture.
        catch_unwind(AssertUnwindSafe(|| {
            decode(jpeg, captured_at, samples, pool)
        }))
        .ok()
        .flatten()
    }

    /// Whether the end of `jpeg` is the end of an older picture that lay in the same buffer.
    ///
    /// Pictures that were seen before as a whole are fine: screens and test clips repeat themselves.
    fn is_patched_up(&self, jpeg: &[u8]) -> bool {
        let has_old_end = self
            .recent
            .iter()
            .any(|old| is_telling(common_end(old, jpeg)));
        has_old_end && self.recent.iter().all(|old| old != jpeg)
    }

    fn remember(&mut self, jpeg: &[u8]) {
        let mut memory = if self.recent.len() < REMEMBERED {
            Vec::new()
        } else {
            self.recent.pop_front().unwrap_or_default()
        };
        memory.clear();
        memory.extend_from_slice(jpeg);
        self.recent.push_back(memory);
    }
}

/// The bytes in which two pictures of equal length end alike.
fn common_end<'a>(old: &[u8], new: &'a [u8]) -> &'a [u8] {
    let pairs = old.iter().rev().zip(new.iter().rev());
    let equal = if old.len() == new.len() {
        pairs.take_while(|(old, new)| old == new).count()
    } else {
        0
    };
    &new[new.len() - equal..]
}

/// Whether an end says that its picture is the same. A plain wall or a covered lens ends in one pattern over and over,
/// whatever the picture; detail of a real camera never repeats.
fn is_telling(end: &[u8]) -> bool {
    let mut is_there = [false; 256];
    for byte in end {
        is_there[usize::from(*byte)] = true;
    }
    is_there.iter().filter(|is_there| **is_there).count() >= TELLING_VALUES
}

/// How long the JPEG file at the start of `bytes` is (ITU-T T.81 annex B). `None` if it does not end in there.
fn length(bytes: &[u8]) -> Option<usize> {
    const START_OF_IMAGE: u8 = 0xd8;
    const END_OF_IMAGE: u8 = 0xd9;
    const START_OF_SCAN: u8 = 0xda;
    let is_restart = |marker: u8| (0xd0..=0xd7).contains(&marker);

    if bytes.get(..2)? != [0xff, START_OF_IMAGE] {
        return None;
    }
    let mut at = 2;
    loop {
        if *bytes.get(at)? != 0xff {
            return None;
        }
        // Any number of 0xff may stand before the marker's own byte.
        at += bytes[at..].iter().position(|byte| *byte != 0xff)?;
        let marker = bytes[at];
        at += 1;
        if marker == END_OF_IMAGE {
            return Some(at);
        }
        if is_restart(marker) || marker == 0x01 {
            continue;
        }
        let segment = usize::from(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        if segment < 2 {
            return None;
        }
        at += segment;
        if marker == START_OF_SCAN {
            // Coded data: a 0xff in it is followed by zero, or is a restart marker.
            at += bytes.get(at..)?.windows(2).position(|pair| {
                pair[0] == 0xff && pair[1] != 0 && pair[1] != 0xff && !is_restart(pair[1])
            })?;
        }
    }
}

/// Decodes to planes without a detour over RGB. Unwinds if libjpeg finds the data broken.
fn decode(
    jpeg: &[u8],
    captured_at: Instant,
    samples: &mut [Vec<u8>; 3],
    pool: &PicturePool,
) -> Option<VideoFrame> {
    let decompress = Decompress::new_mem(jpeg).ok()?;
    let (width, height) = decompress.size();
    let sides = 2..=VideoFrame::MAX_SIDE_PX as usize;
    if !(sides.contains(&width) && sides.contains(&height)) {
        return None;
    }
    let subsampling = subsampling(&decompress)?;
    let mut decompress = decompress.raw().ok()?;
    samples.iter_mut().for_each(Vec::clear);
    decompress.read_raw_data(&mut samples.each_mut());
    let mut strides = [0; 3];
    for (stride, component) in strides.iter_mut().zip(decompress.components()) {
        *stride = component.row_stride();
    }
    let plane = |n: usize| Plane {
        samples: &samples[n],
        stride: strides[n],
    };
    let planes = JpegPlanes {
        width_px: width as u32,
        height_px: height as u32,
        subsampling,
        y: plane(0),
        u: plane(1),
        v: plane(2),
    };
    from_jpeg_planes(&planes, captured_at, pool).ok()
}

/// How the planes relate to each other, if it is one of the ways that cameras use.
fn subsampling<R>(decompress: &Decompress<R>) -> Option<ChromaSubsampling> {
    match (decompress.color_space(), decompress.components()) {
        (ColorSpace::JCS_GRAYSCALE, [_]) => Some(ChromaSubsampling::Grey),
        (ColorSpace::JCS_YCbCr, [luma, blue, red]) if blue.sampling() == red.sampling() => {
            match (luma.sampling(), blue.sampling()) {
                ((2, 2), (1, 1)) => Some(ChromaSubsampling::Half),
                ((2, 1), (1, 1)) | ((2, 2), (1, 2)) => Some(ChromaSubsampling::HalfWidth),
                (luma, blue) if luma == blue => Some(ChromaSubsampling::Full),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use media::video::{TestPattern, read_mark};
    use mozjpeg::Compress;

    use super::*;

    /// A test picture as JPEG, chroma at half the width.
    fn jpeg(frame_number: u32) -> Vec<u8> {
        let frame = TestPattern::new(320, 240).draw(frame_number, 0, Instant::now());
        let expand = |plane: &[u8]| -> Vec<u8> {
            plane
                .chunks(160)
                .flat_map(|row| [row, row])
                .flatten()
                .copied()
                .collect()
        };
        let mut compress = Compress::new(ColorSpace::JCS_YCbCr);
        compress.set_size(320, 240);
        compress.set_fastest_defaults();
        compress.set_raw_data_in(true);
        compress.set_chroma_sampling_pixel_sizes((2, 1), (2, 1));
        let mut compress = compress.start_compress(Vec::new()).unwrap();
        assert!(compress.write_raw_data(&[frame.y(), &expand(frame.u()), &expand(frame.v())]));
        compress.finish().unwrap()
    }

    #[test]
    fn a_picture_is_decoded_whatever_follows_it_in_the_buffer() {
        let mut buffer = jpeg(7);
        buffer.extend([0xff, 0xd9, 1, 2, 3]);
        let frame = Jpegs::default().decode(&buffer, Instant::now()).unwrap();
        assert_eq!((frame.width_px(), frame.height_px()), (320, 240));
        assert_eq!(read_mark(&frame).unwrap().frame_number, 7);
    }

    #[test]
    fn a_cut_picture_is_refused() {
        let jpeg = jpeg(7);
        for kept in [0, 1, 2, 3, 20, jpeg.len() / 3, jpeg.len() - 1] {
            assert!(
                Jpegs::default()
                    .decode(&jpeg[..kept], Instant::now())
                    .is_none(),
                "{kept} bytes"
            );
        }
    }

    #[test]
    fn a_cut_picture_on_top_of_an_older_one_is_refused() {
        let mut jpegs = Jpegs::default();
        let mut buffer = jpeg(1);
        assert!(jpegs.decode(&buffer, Instant::now()).is_some());
        let newer = jpeg(2);
        let cut = newer.len() / 3;
        buffer[..cut].copy_from_slice(&newer[..cut]);
        assert!(jpegs.decode(&buffer, Instant::now()).is_none());
        assert!(jpegs.decode(&newer, Instant::now()).is_some());
    }

    #[test]
    fn pictures_that_repeat_are_no_reason_for_suspicion() {
        let mut jpegs = Jpegs::default();
        for number in [1, 1, 2, 1, 2, 2] {
            assert!(jpegs.decode(&jpeg(number), Instant::now()).is_some());
        }
        assert!(jpegs.recent.len() <= REMEMBERED);
    }

    #[test]
    fn plain_pictures_that_end_alike_are_no_reason_for_suspicion() {
        let mut jpegs = Jpegs::default();
        for grey in 60..80 {
            let mut compress = Compress::new(ColorSpace::JCS_GRAYSCALE);
            compress.set_size(320, 240);
            let mut compress = compress.start_compress(Vec::new()).unwrap();
            compress.write_scanlines(&[grey].repeat(320 * 240)).unwrap();
            let frame = jpegs.decode(&compress.finish().unwrap(), Instant::now());
            assert!(frame.is_some(), "grey level {grey}");
        }
    }

    #[test]
    fn a_thumbnail_inside_the_picture_does_not_end_it() {
        let whole = jpeg(3);
        let thumbnail = jpeg(4);
        let mut buffer = vec![0xff, 0xd8, 0xff, 0xe1];
        buffer.extend(u16::try_from(thumbnail.len() + 2).unwrap().to_be_bytes());
        buffer.extend(&thumbnail);
        buffer.extend(&whole[2..]);
        let frame = Jpegs::default().decode(&buffer, Instant::now()).unwrap();
        assert_eq!(read_mark(&frame).unwrap().frame_number, 3);
    }

    #[test]
    fn damaged_bytes_never_panic() {
        let jpeg = jpeg(5);
        for at in 0..jpeg.len().min(700) {
            for value in [0x00, 0x01, 0x7f, 0xd9, 0xda, 0xff] {
                let mut damaged = jpeg.clone();
                damaged[at] = value;
                // Whether it can be decoded depends on the byte; it must only come back.
                Jpegs::default().decode(&damaged, Instant::now());
            }
        }
    }
}

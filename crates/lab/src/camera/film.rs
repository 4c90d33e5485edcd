//! The clip's frames in the form that a camera delivers them.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context as _, ensure};
use mozjpeg::{ColorSpace, Compress};

use super::format::{PixelFormat, Size};

/// A clip longer than this is cut off, so that memory stays bounded: three seconds at 30 Hz are enough to see that
/// frames follow each other.
const MAX_FRAMES: usize = 90;
/// Close to what webcams use: about 60 KB for a picture of 1280x720.
const JPEG_QUALITY: f32 = 80.0;

/// One picture, I420.
type Planes = [Vec<u8>; 3];

/// A clip, and its frames in the format and size that were last asked for.
#[derive(Debug)]
pub(super) struct Film {
    size: Size,
    frames: Vec<Planes>,
    made: Option<(PixelFormat, Size)>,
    /// Made when they are first shown.
    deliveries: Vec<Option<Vec<u8>>>,
}

impl Film {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let read = || -> anyhow::Result<Self> {
            let mut decoder = y4m::decode(BufReader::new(File::open(path)?))?;
            let size: Size = format!("{}x{}", decoder.get_width(), decoder.get_height()).parse()?;
            let mut frames = Vec::new();
            while frames.len() < MAX_FRAMES {
                match decoder.read_frame() {
                    Ok(frame) => {
                        let planes = [
                            frame.get_y_plane(),
                            frame.get_u_plane(),
                            frame.get_v_plane(),
                        ];
                        ensure!(
                            planes[1].len() == size.pixels() / 4,
                            "it is not 4:2:0 with 8 bits"
                        );
                        frames.push(planes.map(<[u8]>::to_vec));
                    }
                    Err(y4m::Error::EOF) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            ensure!(!frames.is_empty(), "it holds no frame");
            let deliveries = vec![None; frames.len()];
            Ok(Self {
                size,
                frames,
                made: None,
                deliveries,
            })
        };
        read().with_context(|| format!("the clip {}", path.display()))
    }

    pub(super) const fn size(&self) -> Size {
        self.size
    }

    /// The bytes of frame `number`, which goes round.
    pub(super) fn frame(&mut self, number: u64, format: PixelFormat, size: Size) -> &[u8] {
        if self.made != Some((format, size)) {
            self.made = Some((format, size));
            self.deliveries.fill(None);
        }
        let index = (number % self.frames.len() as u64) as usize;
        let (clip_size, frames) = (self.size, &self.frames);
        self.deliveries[index].get_or_insert_with(|| make(&frames[index], clip_size, format, size))
    }
}

fn make(planes: &Planes, from: Size, format: PixelFormat, to: Size) -> Vec<u8> {
    let half = |size: Size| Size {
        width_px: size.width_px / 2,
        height_px: size.height_px / 2,
    };
    let y = scale(&planes[0], from, to);
    let [u, v] = [&planes[1], &planes[2]].map(|plane| scale(plane, half(from), half(to)));
    let chroma_width = to.width_px as usize / 2;
    match format {
        PixelFormat::Nv12 => {
            let mut bytes = y;
            bytes.extend(u.iter().zip(&v).flat_map(|(u, v)| [*u, *v]));
            bytes
        }
        PixelFormat::Yuyv => {
            let rows = y.chunks_exact(to.width_px as usize).enumerate();
            rows.flat_map(|(row, luma)| {
                let at = row / 2 * chroma_width;
                let chroma = u[at..].iter().zip(&v[at..]);
                luma.chunks_exact(2)
                    .zip(chroma)
                    .flat_map(|(y, (u, v))| [y[0], *u, y[1], *v])
            })
            .collect()
        }
        PixelFormat::Mjpg => jpeg(&y, &u, &v, to),
    }
}

/// Takes the nearest sample: quick, and good enough to be recognised.
fn scale(plane: &[u8], from: Size, to: Size) -> Vec<u8> {
    if from == to {
        return plane.to_vec();
    }
    let mut scaled = Vec::with_capacity(to.pixels());
    for row in 0..to.height_px {
        let source = (row * from.height_px / to.height_px * from.width_px) as usize;
        scaled.extend(
            (0..to.width_px)
                .map(|column| plane[source + (column * from.width_px / to.width_px) as usize]),
        );
    }
    scaled
}

/// A JPEG file with chroma at half the width, full range, as webcams send it.
fn jpeg(y: &[u8], u: &[u8], v: &[u8], size: Size) -> Vec<u8> {
    let (width, height) = (size.width_px as usize, size.height_px as usize);
    // Two blocks of luma lie over one of chroma.
    let (padded_width, padded_height) = (width.next_multiple_of(16), height.next_multiple_of(8));
    let luma = pad(y, width, height, (padded_width, padded_height), 1, |luma| {
        ((i32::from(luma) - 16) * 255 / 219).clamp(0, 255) as u8
    });
    let [blue, red] = [u, v].map(|plane| {
        pad(
            plane,
            width / 2,
            height,
            (padded_width / 2, padded_height),
            2,
            |chroma| (128 + (i32::from(chroma) - 128) * 255 / 224).clamp(0, 255) as u8,
        )
    });
    let mut compress = Compress::new(ColorSpace::JCS_YCbCr);
    compress.set_size(width, height);
    compress.set_fastest_defaults();
    compress.set_quality(JPEG_QUALITY);
    compress.set_raw_data_in(true);
    compress.set_chroma_sampling_pixel_sizes((2, 1), (2, 1));
    let mut compress = compress
        .start_compress(Vec::new())
        .expect("writing to memory does not fail");
    compress.write_raw_data(&[&luma, &blue, &red]);
    compress.finish().expect("writing to memory does not fail")
}

/// Makes whole blocks of a plane by repeating its edge. Each source row becomes `repeat` rows.
fn pad(
    plane: &[u8],
    width: usize,
    height: usize,
    (padded_width, padded_height): (usize, usize),
    repeat: usize,
    map: impl Fn(u8) -> u8,
) -> Vec<u8> {
    let mut padded = Vec::with_capacity(padded_width * padded_height);
    for row in 0..padded_height {
        let source = &plane[row.min(height - 1) / repeat * width..][..width];
        padded.extend((0..padded_width).map(|column| map(source[column.min(width - 1)])));
    }
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn film() -> Film {
        let size = Size {
            width_px: 4,
            height_px: 2,
        };
        let planes = |first: u8| [(first..first + 8).collect(), vec![100, 101], vec![200, 201]];
        Film {
            size,
            frames: vec![planes(1), planes(11)],
            made: None,
            deliveries: vec![None; 2],
        }
    }

    #[test]
    fn frames_are_laid_out_as_v4l2_says() {
        let mut film = film();
        let size = film.size();
        assert_eq!(
            film.frame(0, PixelFormat::Nv12, size),
            [1, 2, 3, 4, 5, 6, 7, 8, 100, 200, 101, 201]
        );
        assert_eq!(
            film.frame(3, PixelFormat::Yuyv, size),
            [
                11, 100, 12, 200, 13, 101, 14, 201, 15, 100, 16, 200, 17, 101, 18, 201
            ]
        );
    }

    #[test]
    fn every_size_and_format_fills_its_buffer_and_no_more() {
        let mut film = film();
        for (width_px, height_px) in [(2, 2), (4, 2), (18, 10), (64, 48)] {
            let size = Size {
                width_px,
                height_px,
            };
            for format in [PixelFormat::Yuyv, PixelFormat::Nv12] {
                assert_eq!(film.frame(0, format, size).len(), format.buffer_len(size));
            }
            let jpeg = film.frame(0, PixelFormat::Mjpg, size);
            assert!(jpeg.starts_with(&[0xff, 0xd8]) && jpeg.ends_with(&[0xff, 0xd9]));
        }
    }
}

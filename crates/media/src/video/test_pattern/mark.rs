//! The mark in the lowest rows of the test pattern: black and white cells, one for each bit.
//!
//! Three rows of 40 cells hold 32 bits of frame number, 56 bits of time and a CRC-32, most significant bit first. At a
//! width of 640 a cell is a macroblock of H.264, so that even the coarsest quantizer keeps it.

use crate::video::VideoFrame;

const COLUMNS: usize = 40;
const ROWS: usize = 3;
const BYTES: usize = COLUMNS * ROWS / 8;
const CRC_BYTES: usize = 4;
const BLACK: u8 = 16;
const WHITE: u8 = 235;
const TIME_BITS: u32 = 56;

/// What the mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Counts the frames that were drawn.
    pub frame_number: u32,
    /// When it was drawn, in microseconds since the Unix epoch by the clock of whoever drew it. 56 bits.
    pub capture_time_us: u64,
}

impl Mark {
    fn to_bytes(self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[..4].copy_from_slice(&self.frame_number.to_be_bytes());
        bytes[4..BYTES - CRC_BYTES].copy_from_slice(&self.capture_time_us.to_be_bytes()[1..]);
        let crc = crc32(&bytes[..BYTES - CRC_BYTES]);
        bytes[BYTES - CRC_BYTES..].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: [u8; BYTES]) -> Option<Self> {
        let number = |part: &[u8]| {
            part.iter()
                .fold(0_u64, |value, byte| value << 8 | u64::from(*byte))
        };
        let (content, crc) = bytes.split_at(BYTES - CRC_BYTES);
        (number(crc) == u64::from(crc32(content))).then(|| Self {
            frame_number: number(&content[..4]) as u32,
            capture_time_us: number(&content[4..]),
        })
    }
}

/// Where the cell for bit `index` lies in a plane of this size: columns and rows.
fn cell(
    index: usize,
    width: usize,
    height: usize,
) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let (row, column) = (index / COLUMNS, index % COLUMNS);
    // Rows are as high as columns are wide, counted from the bottom, so that scaling keeps the mark readable.
    let edge = |position: usize| position * width / COLUMNS;
    let top = height - edge(ROWS);
    (
        edge(column)..edge(column + 1),
        top + edge(row)..top + edge(row + 1),
    )
}

pub(super) fn draw(planes: &mut [u8], width: usize, height: usize, mark: &Mark) {
    let luma_len = width * height;
    let bytes = Mark {
        capture_time_us: mark.capture_time_us % (1 << TIME_BITS),
        ..*mark
    }
    .to_bytes();
    for index in 0..BYTES * 8 {
        let is_set = bytes[index / 8] << (index % 8) & 0x80 != 0;
        let (columns, rows) = cell(index, width, height);
        for row in rows {
            planes[row * width..][columns.clone()].fill(if is_set { WHITE } else { BLACK });
        }
    }
    let (half_width, half_height) = (width / 2, height / 2);
    let top = half_height - (ROWS * width / COLUMNS).div_ceil(2);
    for plane in planes[luma_len..].chunks_exact_mut(half_width * half_height) {
        plane[top * half_width..].fill(128);
    }
}

/// Reads the mark of a [`super::TestPattern`] frame, at whatever size it arrives. `None` if its checksum does not fit:
/// then this is another picture, or a broken one.
pub fn read_mark(frame: &VideoFrame) -> Option<Mark> {
    let (width, height) = (frame.width_px() as usize, frame.height_px() as usize);
    if width < COLUMNS * 2 || height < ROWS * width / COLUMNS {
        return None;
    }
    let mut bytes = [0; BYTES];
    for index in 0..BYTES * 8 {
        let (columns, rows) = cell(index, width, height);
        // Coding blurs the edges: only the middle counts.
        let (columns, rows) = (middle(columns), middle(rows));
        let count = columns.len() * rows.len();
        let sum: usize = rows
            .flat_map(|row| &frame.y()[row * width..][columns.clone()])
            .map(|luma| usize::from(*luma))
            .sum();
        if sum > count * usize::midpoint(BLACK.into(), WHITE.into()) {
            bytes[index / 8] |= 0x80 >> (index % 8);
        }
    }
    Mark::from_bytes(bytes)
}

/// The inner half of a range of at least one.
fn middle(range: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let margin = range.len() / 4;
    range.start + margin..range.end - margin
}

/// CRC-32 as Ethernet has it (reflected polynomial 0xedb88320).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::video::TestPattern;

    #[test]
    fn the_checksum_is_the_well_known_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_single_wrong_cell_makes_the_mark_unreadable() {
        let frame = TestPattern::new(640, 480).draw(7, 1_000_000, simulation::start());
        assert!(read_mark(&frame).is_some());
        let mut planes = frame.into_planes();
        let (columns, rows) = cell(31, 640, 480);
        for row in rows {
            for sample in &mut planes[row * 640..][columns.clone()] {
                *sample = BLACK + WHITE - *sample;
            }
        }
        let broken = VideoFrame::from_planes(640, 480, planes, simulation::start()).unwrap();
        assert_eq!(read_mark(&broken), None);
    }

    #[test]
    fn other_pictures_have_no_mark() {
        for (width, height) in [(2, 2), (80, 4), (640, 480)] {
            let planes = vec![90; VideoFrame::len_bytes(width, height)];
            let frame =
                VideoFrame::from_planes(width, height, planes, simulation::start()).unwrap();
            assert_eq!(read_mark(&frame), None);
        }
    }

    #[test]
    fn a_picture_of_half_the_size_still_says_what_it_is() {
        let frame = TestPattern::new(1280, 720).draw(99, 123_456_789, simulation::start());
        let every_second = |plane: &[u8], width: usize| -> Vec<u8> {
            plane
                .chunks_exact(width)
                .step_by(2)
                .flat_map(|row| row.iter().step_by(2).copied())
                .collect()
        };
        let planes = [
            every_second(frame.y(), 1280),
            every_second(frame.u(), 640),
            every_second(frame.v(), 640),
        ]
        .concat();
        let small = VideoFrame::from_planes(640, 360, planes, simulation::start()).unwrap();
        assert_eq!(
            read_mark(&small),
            Some(Mark {
                frame_number: 99,
                capture_time_us: 123_456_789
            })
        );
    }
}

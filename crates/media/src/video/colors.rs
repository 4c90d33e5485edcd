//! What the numbers of a picture mean as colours.

/// How luma and chroma are made of red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Matrix {
    /// ITU-R BT.601: cameras, and whatever says nothing.
    #[default]
    Bt601,
    /// ITU-R BT.709: some encoders in hardware, from 720 lines on.
    Bt709,
}

/// Which numbers stand for black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Range {
    /// Luma from 16 to 235, chroma from 16 to 240.
    #[default]
    Limited,
    /// Both from 0 to 255.
    Full,
}

/// What the numbers of a picture mean as colours. At first BT.601 with limited range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Colors {
    /// How luma and chroma are made.
    pub matrix: Matrix,
    /// Which numbers are black and white.
    pub range: Range,
}

/// Red, green and blue are `factors × (luma, blue difference, red difference) + added`, all of them from 0 to 1. What comes out beyond that
/// is to be cut off, and luma below [`ToRgb::black`] is as good as that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ToRgb {
    /// A row for each of red, green and blue.
    pub factors: [[f32; 3]; 3],
    /// For red, green and blue.
    pub added: [f32; 3],
    /// The luma of black.
    pub black: f32,
}

impl Colors {
    /// What a stream means by its code points (ITU-T H.273, table 4, and the flag of the full range). What is not known counts as BT.601,
    /// which is what a stream means that says nothing.
    pub const fn of_code_points(matrix_coefficients: u32, is_full_range: bool) -> Self {
        /// Between them and BT.709 there is nothing to be seen; with BT.601 there is.
        const NEAR_BT709: [u32; 4] = [1, 7, 9, 10];
        let mut matrix = Matrix::Bt601;
        let mut at = 0;
        while at < NEAR_BT709.len() {
            if NEAR_BT709[at] == matrix_coefficients {
                matrix = Matrix::Bt709;
            }
            at += 1;
        }
        let range = if is_full_range {
            Range::Full
        } else {
            Range::Limited
        };
        Self { matrix, range }
    }

    /// How such a picture is converted.
    pub fn to_rgb(self) -> ToRgb {
        // How much of luma is red, and how much is blue.
        let (red, blue) = match self.matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
        };
        let green = 1.0 - red - blue;
        let (luma, chroma, black) = match self.range {
            Range::Limited => (255.0 / 219.0, 255.0 / 224.0, 16.0 / 255.0),
            Range::Full => (1.0, 1.0, 0.0),
        };
        let (from_blue, from_red) = (2.0 * (1.0 - blue) * chroma, 2.0 * (1.0 - red) * chroma);
        let factors = [
            [luma, 0.0, from_red],
            [luma, -from_blue * blue / green, -from_red * red / green],
            [luma, from_blue, 0.0],
        ];
        let no_chroma = 128.0 / 255.0;
        let added = factors.map(|[y, u, v]: [f32; 3]| -y * black - (u + v) * no_chroma);
        ToRgb {
            factors,
            added,
            black,
        }
    }
}

impl ToRgb {
    /// Converts one pixel.
    pub fn pixel(&self, yuv: [u8; 3]) -> [u8; 3] {
        let [y, u, v] = yuv.map(|number| f32::from(number) / 255.0);
        let y = y.max(self.black);
        let mut rgb = [0; 3];
        for ((to, factors), added) in rgb.iter_mut().zip(self.factors).zip(self.added) {
            let color = factors[0] * y + factors[1] * u + factors[2] * v + added;
            *to = (color.clamp(0.0, 1.0) * 255.0).round() as u8;
        }
        rgb
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::video::{VideoFrame, to_rgba};

    const ALL: [Colors; 4] = [
        Colors::of_code_points(6, false),
        Colors::of_code_points(6, true),
        Colors::of_code_points(1, false),
        Colors::of_code_points(1, true),
    ];

    #[test]
    fn code_points_mean_what_the_table_says() {
        let of = Colors::of_code_points;
        for silent in [2, 5, 6, 0, 77] {
            assert_eq!(of(silent, false), Colors::default(), "{silent}");
        }
        assert_eq!(of(1, false).matrix, Matrix::Bt709);
        assert_eq!(of(2, true).range, Range::Full);
    }

    #[test]
    fn white_is_white_and_grey_has_no_colour() {
        for colors in ALL {
            let white = if colors.range == Range::Full {
                255
            } else {
                235
            };
            let to_rgb = colors.to_rgb();
            assert_eq!(to_rgb.pixel([white, 128, 128]), [255; 3], "{colors:?}");
            let [red, green, blue] = to_rgb.pixel([100, 128, 128]);
            assert!(red == green && green == blue, "{colors:?}");
        }
    }

    proptest! {
        #[test]
        fn the_conversion_of_whole_pictures_agrees(yuv in any::<[u8; 3]>(), colors in prop::sample::select(&ALL[..])) {
            let [y, u, v] = yuv;
            let planes = [vec![y; 64], vec![u; 16], vec![v; 16]].concat();
            let frame = VideoFrame::from_planes(8, 8, planes, simulation::start()).unwrap();
            let mut rgba = [0; 256];
            to_rgba(&frame.with_colors(colors), &mut rgba);
            let pixel = colors.to_rgb().pixel(yuv);
            for got in rgba.chunks_exact(4) {
                for (one, other) in got.iter().zip(pixel) {
                    prop_assert!(one.abs_diff(other) <= 1, "{yuv:?} {colors:?}: {got:?} {pixel:?}");
                }
            }
        }
    }
}

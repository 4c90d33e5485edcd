//! What is on the screen.

/// What is on the screen.
pub(crate) struct Picture {
    width: usize,
    rgb: Vec<u8>,
}

impl Picture {
    pub(crate) fn from_ppm(bytes: &[u8]) -> Self {
        let header: Vec<&[u8]> = bytes.splitn(4, u8::is_ascii_whitespace).collect();
        assert_eq!(header.first(), Some(&&b"P6"[..]), "no screenshot");
        let side = |text: &[u8]| String::from_utf8_lossy(text).parse::<usize>().unwrap();
        let (width, height) = (side(header[1]), side(header[2]));
        let rgb = bytes[bytes.len() - width * height * 3..].to_vec();
        Self { width, rgb }
    }

    pub(crate) fn pixels(&self) -> impl Iterator<Item = (u32, u32, [u8; 3])> {
        self.rgb.chunks_exact(3).enumerate().map(|(i, pixel)| {
            (
                (i % self.width) as u32,
                (i / self.width) as u32,
                [pixel[0], pixel[1], pixel[2]],
            )
        })
    }

    /// A part of the picture, in shares of its sides.
    pub(crate) fn part(&self, left: f64, top: f64, right: f64, bottom: f64) -> Self {
        let height = self.rgb.len() / 3 / self.width;
        let at = |share: f64, side: usize| (share * side as f64) as usize;
        let (from, to) = (at(left, self.width), at(right, self.width));
        let rows = at(top, height)..at(bottom, height);
        let rgb = rows
            .flat_map(|row| &self.rgb[(row * self.width + from) * 3..(row * self.width + to) * 3])
            .copied()
            .collect();
        Self {
            width: to - from,
            rgb,
        }
    }

    /// The share of bytes that differ clearly.
    pub(crate) fn difference(&self, other: &Self) -> f64 {
        let pairs = self.rgb.iter().zip(&other.rgb);
        let differing = pairs.filter(|(a, b)| a.abs_diff(**b) > 24).count();
        differing as f64 / self.rgb.len().max(1) as f64
    }
}

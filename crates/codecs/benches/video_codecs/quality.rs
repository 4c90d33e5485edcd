//! How alike two pictures are, and how many bits two encoders need for the same.

use media::video::VideoFrame;

/// Peak signal-to-noise ratio of luma, in decibels.
pub(super) fn psnr(one: &VideoFrame, other: &VideoFrame) -> f64 {
    let squares: f64 = one
        .y()
        .iter()
        .zip(other.y())
        .map(|(one, other)| f64::from(one.abs_diff(*other)).powi(2))
        .sum();
    10.0 * (255.0 * 255.0 * one.y().len() as f64 / squares.max(1.0)).log10()
}

/// Structural similarity of luma (Wang et al. 2004), over blocks of 8x8 that overlap by half.
pub(super) fn ssim(one: &VideoFrame, other: &VideoFrame) -> f64 {
    const BLOCK: usize = 8;
    let (width, height) = (one.width_px() as usize, one.height_px() as usize);
    let mut sum = 0.0;
    let mut count = 0_u32;
    for top in (0..=height - BLOCK).step_by(BLOCK / 2) {
        for left in (0..=width - BLOCK).step_by(BLOCK / 2) {
            let rows = (top..top + BLOCK).map(|row| row * width + left);
            let pairs = rows.flat_map(|start| {
                let range = start..start + BLOCK;
                one.y()[range.clone()].iter().zip(&other.y()[range])
            });
            sum += block_ssim(pairs);
            count += 1;
        }
    }
    sum / f64::from(count.max(1))
}

fn block_ssim<'a>(pairs: impl Iterator<Item = (&'a u8, &'a u8)>) -> f64 {
    const C1: f64 = 0.01 * 255.0 * 0.01 * 255.0;
    const C2: f64 = 0.03 * 255.0 * 0.03 * 255.0;
    let [mut n, mut a, mut b, mut aa, mut bb, mut ab] = [0.0; 6];
    for (one, other) in pairs {
        let (one, other) = (f64::from(*one), f64::from(*other));
        n += 1.0;
        a += one;
        b += other;
        aa += one * one;
        bb += other * other;
        ab += one * other;
    }
    let (mean_a, mean_b) = (a / n, b / n);
    let (var_a, var_b) = (aa / n - mean_a * mean_a, bb / n - mean_b * mean_b);
    let covariance = ab / n - mean_a * mean_b;
    (2.0 * mean_a * mean_b + C1) * (2.0 * covariance + C2)
        / ((mean_a * mean_a + mean_b * mean_b + C1) * (var_a + var_b + C2))
}

/// Quality against the logarithm of the bitrate, in order of quality.
pub(super) struct Curve(Vec<(f64, f64)>);

impl Curve {
    pub(super) fn new(points: impl Iterator<Item = (f64, f64)>) -> Self {
        let mut points: Vec<_> = points.map(|(quality, kbps)| (quality, kbps.ln())).collect();
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        Self(points)
    }

    /// The share of the other's bits that this one needs, on average over the qualities that both reach (Bjøntegaard's
    /// measure with straight lines).
    pub(super) fn bits_for_the_same(&self, other: &Self) -> Option<f64> {
        const STEPS: u32 = 100;
        let (low, high) = (
            self.0.first()?.0.max(other.0.first()?.0),
            self.0.last()?.0.min(other.0.last()?.0),
        );
        if low >= high {
            return None;
        }
        let mut sum = 0.0;
        for step in 0..=STEPS {
            let quality = low + (high - low) * f64::from(step) / f64::from(STEPS);
            sum += self.at(quality)? - other.at(quality)?;
        }
        Some((sum / f64::from(STEPS + 1)).exp())
    }

    fn at(&self, quality: f64) -> Option<f64> {
        let pair = self.0.windows(2).find(|pair| quality <= pair[1].0 + 1e-9)?;
        let [(from, low), (to, high)] = [pair[0], pair[1]];
        let share = (quality - from) / (to - from).max(1e-9);
        Some(low + (high - low) * share)
    }
}

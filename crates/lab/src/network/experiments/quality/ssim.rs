//! How alike two pictures are: the structural similarity index (SSIM) of Wang, Bovik, Sheikh and Simoncelli (2004).
//!
//! Of brightness alone, over windows of 8 × 8 pixels, 4 apart, each counting the same: the windows of `ffmpeg`'s filter of that
//! name.

/// Across and down, in pixels.
const WINDOW: usize = 8;
/// From one window to the next.
const STEP: usize = 4;
/// The two constants that keep flat windows from dividing by nothing: (0.01 × 255)² and (0.03 × 255)².
const C1: f64 = 6.5025;
const C2: f64 = 58.5225;

/// The similarity of two planes of this width: 1 if they are the same, about 0 if they have nothing in common.
///
/// # Panics
/// When they differ in length, or have no room for a window.
pub(super) fn ssim(a: &[u8], b: &[u8], width_px: usize) -> f64 {
    assert_eq!(a.len(), b.len(), "pictures of two sizes");
    let height_px = a.len() / width_px;
    assert!(
        width_px >= WINDOW && height_px >= WINDOW,
        "too small a picture"
    );
    let mut sum = 0.0;
    let mut count = 0_u32;
    for top in (0..=height_px - WINDOW).step_by(STEP) {
        for left in (0..=width_px - WINDOW).step_by(STEP) {
            sum += window(a, b, width_px, top * width_px + left);
            count += 1;
        }
    }
    sum / f64::from(count)
}

/// Of the window whose first pixel is at `start`.
fn window(a: &[u8], b: &[u8], width_px: usize, start: usize) -> f64 {
    let (mut sum_a, mut sum_b, mut squares, mut products) = (0_u32, 0_u32, 0_u32, 0_u32);
    for row in 0..WINDOW {
        let from = start + row * width_px;
        for (a, b) in a[from..from + WINDOW].iter().zip(&b[from..from + WINDOW]) {
            let (a, b) = (u32::from(*a), u32::from(*b));
            sum_a += a;
            sum_b += b;
            squares += a * a + b * b;
            products += a * b;
        }
    }
    let pixels = (WINDOW * WINDOW) as f64;
    let (mean_a, mean_b) = (f64::from(sum_a) / pixels, f64::from(sum_b) / pixels);
    // Of the sample, not of the population.
    let unbiased = pixels / (pixels - 1.0);
    let variances = (f64::from(squares) / pixels - mean_a * mean_a - mean_b * mean_b) * unbiased;
    let covariance = (f64::from(products) / pixels - mean_a * mean_b) * unbiased;
    (2.0 * mean_a * mean_b + C1) * (2.0 * covariance + C2)
        / ((mean_a * mean_a + mean_b * mean_b + C1) * (variances + C2))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn noise(seed: u32, len: usize) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn a_flat_picture_that_is_brighter_differs_by_the_formula_of_the_means() {
        let similarity = ssim(&[100; 256], &[110; 256], 16);
        let expected = (2.0 * 100.0 * 110.0 + C1) / (100.0 * 100.0 + 110.0 * 110.0 + C1);
        assert!((similarity - expected).abs() < 1e-9, "{similarity}");
    }

    #[test]
    fn two_noises_have_nothing_in_common() {
        let similarity = ssim(&noise(1, 64 * 64), &noise(2, 64 * 64), 64);
        assert!(similarity.abs() < 0.1, "{similarity}");
    }

    #[test]
    fn the_more_a_picture_is_spoilt_the_less_it_is_like_itself() {
        let picture: Vec<u8> = (0..64 * 64)
            .map(|i| (128.0 + 90.0 * (f64::from(i) * 0.13).sin()) as u8)
            .collect();
        let noise = noise(3, picture.len());
        let spoilt = |most: i32| -> Vec<u8> {
            let pairs = picture.iter().zip(&noise);
            pairs
                .map(|(pixel, noise)| {
                    let noise = (i32::from(*noise) - 128) * most / 128;
                    (i32::from(*pixel) + noise).clamp(0, 255) as u8
                })
                .collect()
        };
        let likeness = [0, 5, 20, 80].map(|most| ssim(&picture, &spoilt(most), 64));
        assert!((likeness[0] - 1.0).abs() < 1e-9, "{likeness:?}");
        assert!(
            likeness.windows(2).all(|pair| pair[0] > pair[1]),
            "{likeness:?}"
        );
    }

    proptest! {
        #[test]
        fn it_is_the_same_both_ways_and_at_most_one(
            a in proptest::collection::vec(any::<u8>(), 12 * 12),
            b in proptest::collection::vec(any::<u8>(), 12 * 12),
        ) {
            let (one, other) = (ssim(&a, &b, 12), ssim(&b, &a, 12));
            prop_assert!((one - other).abs() < 1e-9);
            prop_assert!((-1.0 - 1e-9..=1.0 + 1e-9).contains(&one), "{}", one);
        }
    }
}

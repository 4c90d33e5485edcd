//! Which tone this is: a test sends a tone and wants to hear the same one at the other end.

/// The range that is searched, in hertz: speech and test tones.
const LOWEST_HZ: f32 = 50.0;
const HIGHEST_HZ: f32 = 2000.0;
/// More samples than this make the answer slower, not better: 100 ms at 48 kHz.
const MAX_SAMPLES: usize = 4800;
/// How unlike itself a period later a sound may be to count as a tone: 0 is the same, 1 is noise.
const MAX_DIFFERENCE: f32 = 0.2;
/// A mean square of -60 dBFS: below is silence, which has no pitch.
const SILENCE: f32 = 1e-6;

/// The fundamental frequency of `samples` in hertz; `None` for silence, noise, or fewer samples than two periods need.
///
/// The method is YIN (de Cheveigné and Kawahara 2002) without its last refinements. Tones from 50 to 2000 Hz.
pub fn fundamental_hz(samples: &[f32], sample_rate_hz: u32) -> Option<f32> {
    let samples = &samples[..samples.len().min(MAX_SAMPLES)];
    let rate = sample_rate_hz as f32;
    let shortest = ((rate / HIGHEST_HZ) as usize).max(2);
    let longest = ((rate / LOWEST_HZ) as usize).min(samples.len() / 2);
    let window = samples.len() - longest;
    let energy: f32 = samples.iter().map(|sample| sample * sample).sum();
    let is_audible = energy > SILENCE * samples.len() as f32;
    if !is_audible || longest <= shortest + 1 {
        return None;
    }

    let difference = |lag: usize| -> f32 {
        samples[..window]
            .iter()
            .zip(&samples[lag..])
            .map(|(now, later)| (now - later).powi(2))
            .sum()
    };
    // Each difference is divided by the mean of those at shorter lags, which keeps lag zero from winning.
    let mut sum = 0.0;
    let normalised: Vec<f32> = (1..=longest)
        .map(|lag| {
            let difference = difference(lag);
            sum += difference;
            if sum > 0.0 {
                difference * lag as f32 / sum
            } else {
                1.0
            }
        })
        .collect();
    let at = |lag: usize| normalised[lag - 1];

    // The first dip, not the deepest: the deepest may be at twice the period.
    let dip =
        (shortest..longest).find(|&lag| at(lag) < MAX_DIFFERENCE && at(lag) <= at(lag + 1))?;
    Some(rate / (dip as f32 + vertex(at(dip - 1), at(dip), at(dip + 1))))
}

/// Where a parabola through three points one apart is lowest, counted from the middle one.
fn vertex(left: f32, middle: f32, right: f32) -> f32 {
    let curvature = left - 2.0 * middle + right;
    if curvature > 0.0 {
        ((left - right) / (2.0 * curvature)).clamp(-0.5, 0.5)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;

    fn sine(hz: f32, rate: u32, len: usize) -> Vec<f32> {
        (0..len)
            .map(|index| 0.3 * (TAU * hz * index as f32 / rate as f32).sin())
            .collect()
    }

    #[test]
    fn sines_are_measured_within_one_percent() {
        for rate in [16_000, 48_000] {
            for hz in [80.0, 220.0, 440.0, 1000.0, 1500.0] {
                let pitch = fundamental_hz(&sine(hz, rate, 2400), rate).unwrap();
                assert!(
                    (pitch / hz - 1.0).abs() < 0.01,
                    "{hz} Hz at {rate} came out as {pitch}"
                );
            }
        }
    }

    #[test]
    fn overtones_do_not_change_the_fundamental() {
        let samples: Vec<f32> = sine(200.0, 48_000, 4800)
            .iter()
            .zip(sine(400.0, 48_000, 4800))
            .map(|(first, second)| first + second)
            .collect();
        let pitch = fundamental_hz(&samples, 48_000).unwrap();
        assert!((pitch - 200.0).abs() < 2.0, "{pitch}");
    }

    #[test]
    fn silence_noise_and_too_little_have_no_pitch() {
        assert_eq!(fundamental_hz(&vec![0.0; 4800], 48_000), None);
        let mut state = 1_u32;
        let noise: Vec<f32> = (0..4800)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect();
        assert_eq!(fundamental_hz(&noise, 48_000), None);
        assert_eq!(fundamental_hz(&[], 48_000), None);
        assert_eq!(fundamental_hz(&[0.5; 10], 48_000), None);
        assert_eq!(fundamental_hz(&vec![f32::NAN; 4800], 48_000), None);
    }
}

//! How loud the partner is played, without clicks when that changes and without clipping when it is loud.

use media::audio::FRAME_SAMPLES;

/// From this level on loud samples are bent towards full scale instead of cut off there.
const KNEE: f32 = 0.75;

/// The gain of what is played, on its way from one value to the next.
#[derive(Debug)]
pub(crate) struct Volume {
    gain: f32,
}

impl Default for Volume {
    fn default() -> Self {
        Self { gain: 1.0 }
    }
}

impl Volume {
    /// Plays `samples` at `percent` of their loudness. A new value is reached within the frame, sample by sample.
    pub(crate) fn apply(&mut self, percent: u32, samples: &mut [f32; FRAME_SAMPLES]) {
        let wanted = percent as f32 / 100.0;
        let step = (wanted - self.gain) / FRAME_SAMPLES as f32;
        for sample in samples.iter_mut() {
            self.gain += step;
            // What was not made louder is left as it is, whatever it is.
            *sample = if self.gain > 1.0 {
                bent(*sample * self.gain)
            } else {
                *sample * self.gain
            };
        }
        self.gain = wanted;
    }
}

/// Straight up to the knee, then ever flatter; never beyond full scale.
fn bent(sample: f32) -> f32 {
    let over = sample.abs() - KNEE;
    if over <= 0.0 {
        return sample;
    }
    let room = 1.0 - KNEE;
    (KNEE + room * (over / room).tanh()).copysign(sample)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is not changed is the very same")]
mod tests {
    use super::*;

    fn tone(peak: f32) -> [f32; FRAME_SAMPLES] {
        std::array::from_fn(|place| peak * (place as f32 * std::f32::consts::TAU / 48.0).sin())
    }

    fn steady(percent: u32, samples: &[f32; FRAME_SAMPLES]) -> [f32; FRAME_SAMPLES] {
        let mut volume = Volume {
            gain: percent as f32 / 100.0,
        };
        let mut played = *samples;
        volume.apply(percent, &mut played);
        played
    }

    #[test]
    fn at_the_usual_volume_every_sample_stays_what_it_is() {
        assert!(steady(100, &tone(1.0)) == tone(1.0));
        assert!(steady(0, &tone(1.0)) == [0.0; FRAME_SAMPLES]);
    }

    #[test]
    fn quiet_sound_becomes_as_much_louder_as_was_asked_for() {
        for (loud, quiet) in steady(200, &tone(0.3)).into_iter().zip(tone(0.3)) {
            assert!((loud - 2.0 * quiet).abs() < 1e-6);
        }
    }

    #[test]
    fn loud_sound_is_bent_and_never_cut() {
        let played = steady(200, &tone(0.9));
        assert!(played.iter().all(|sample| sample.abs() < 1.0));
        // A cut top is flat: neighbours would be equal there.
        let top = played.iter().copied().fold(0.0, f32::max);
        let at_top = |sample: &&f32| (**sample - top).abs() < 1e-6;
        assert!(played.iter().filter(at_top).count() <= 20);
        // Louder stays louder.
        let mut last = 0.0;
        for level in 1..=200 {
            let now = bent(level as f32 / 100.0);
            assert!(now > last && now < 1.0, "{level}");
            last = now;
        }
    }

    #[test]
    fn a_change_is_no_click() {
        let mut volume = Volume::default();
        let mut samples = [0.4; FRAME_SAMPLES];
        volume.apply(0, &mut samples);
        let jump = |pair: &[f32]| (pair[1] - pair[0]).abs();
        assert!(samples.windows(2).map(jump).fold(0.0, f32::max) < 0.002);
        assert!((samples[0] - 0.4).abs() < 0.002 && samples[FRAME_SAMPLES - 1].abs() < 0.002);
    }
}

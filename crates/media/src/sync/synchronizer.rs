//! From "this sound is heard now" to "this picture is to be seen then".

use std::time::{Duration, Instant};

/// Decides when pictures are shown, and whether sound should wait for them.
#[derive(Debug, Clone, Default)]
pub struct Synchronizer {
    sound: Option<Sound>,
    /// How late pictures are on average, in seconds; negative if they have to wait.
    lateness_s: f64,
    adjusted_at: Option<Instant>,
    sound_delay: Duration,
}

/// Sound taken at `captured` (by the sender's clock) is heard at `audible_at` (by ours).
#[derive(Debug, Clone, Copy)]
struct Sound {
    captured: Duration,
    audible_at: Instant,
}

impl Synchronizer {
    /// Pictures are handed out so much before their sound is heard, which is that much less latency where sound takes longer than
    /// they do. Nobody notices it: sound may be late by 60 ms (EBU R 37), and a display adds some ten to the pictures.
    const LEAD: Duration = Duration::from_millis(40);
    /// Sound older than this says nothing: the other side is muted, and pictures need not wait.
    const MAX_SOUND_AGE: Duration = Duration::from_secs(1);
    /// Sound never waits longer for pictures: conversation matters more than lips. Pictures that are repaired over a long path are
    /// late by a round trip.
    pub const MAX_SOUND_DELAY: Duration = Duration::from_millis(400);
    /// The delay of sound changes by at most [`Self::STEP`] in this time, so that nobody hears it, and by [`Self::LARGE_STEP`] while
    /// it is wrong by more than [`Self::LARGE_ERROR_S`].
    const STEP_INTERVAL: Duration = Duration::from_secs(1);
    const STEP: Duration = Duration::from_millis(20);
    const LARGE_STEP: Duration = Duration::from_millis(60);
    const LARGE_ERROR_S: f64 = 0.1;
    /// Smaller errors are left alone: people notice 40 ms.
    const TOLERANCE_S: f64 = 0.02;
    /// How much of the past one picture overrides in the average.
    const GAIN: f64 = 0.05;
    /// How much of a difference between expected and reported sound is believed: devices report in steps.
    const SOUND_GAIN: f64 = 0.2;
    /// A difference beyond this is a new situation, not noise.
    const SOUND_JUMP: Duration = Duration::from_millis(100);

    /// Makes a synchronizer that has heard nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sound that was taken at `captured` by the sender's clock is heard at `audible_at`, or will be.
    pub fn sound_audible(&mut self, captured: Duration, audible_at: Instant) {
        let smoothed = self
            .sound
            .and_then(|sound| sound.when_audible(captured))
            .map(
                |expected| match audible_at.checked_duration_since(expected) {
                    Some(later) if later < Self::SOUND_JUMP => {
                        expected + later.mul_f64(Self::SOUND_GAIN)
                    }
                    None if expected - audible_at < Self::SOUND_JUMP => {
                        let earlier = (expected - audible_at).mul_f64(Self::SOUND_GAIN);
                        expected.checked_sub(earlier).unwrap_or(audible_at)
                    }
                    _ => audible_at,
                },
            );
        self.sound = Some(Sound {
            captured,
            audible_at: smoothed.unwrap_or(audible_at),
        });
    }

    /// When the picture taken at `captured` by the sender's clock, decoded `now`, is to be seen. `None` means at once:
    /// there is no sound to meet. A moment in the past means that the picture is late.
    pub fn picture_decoded(&mut self, captured: Duration, now: Instant) -> Option<Instant> {
        let sound = self.sound?;
        if now.saturating_duration_since(sound.audible_at) > Self::MAX_SOUND_AGE {
            self.sound = None;
            return None;
        }
        let play_at = sound.when_audible(captured)?;
        let lateness_s = signed_seconds(play_at, now);
        self.lateness_s += (lateness_s.clamp(-1.0, 1.0) - self.lateness_s) * Self::GAIN;
        self.adjust_sound(now);
        Some(play_at.checked_sub(Self::LEAD).unwrap_or(play_at))
    }

    /// How much longer than it needs for itself sound should wait, so that pictures can keep up. Changes slowly.
    pub const fn sound_delay(&self) -> Duration {
        self.sound_delay
    }

    fn adjust_sound(&mut self, now: Instant) {
        let adjusted_at = *self.adjusted_at.get_or_insert(now);
        if now.saturating_duration_since(adjusted_at) < Self::STEP_INTERVAL {
            return;
        }
        self.adjusted_at = Some(now);
        let error_s = self.lateness_s.abs();
        let largest = if error_s > Self::LARGE_ERROR_S {
            Self::LARGE_STEP
        } else {
            Self::STEP
        };
        let step = Duration::from_secs_f64(error_s).min(largest);
        if self.lateness_s > Self::TOLERANCE_S {
            self.sound_delay = (self.sound_delay + step).min(Self::MAX_SOUND_DELAY);
        } else if self.lateness_s < -Self::TOLERANCE_S {
            self.sound_delay = self.sound_delay.saturating_sub(step);
        }
    }
}

impl Sound {
    /// When sound of another moment is heard, if it flows on as it does.
    fn when_audible(&self, captured: Duration) -> Option<Instant> {
        match captured.checked_sub(self.captured) {
            Some(later) => self.audible_at.checked_add(later),
            None => self
                .audible_at
                .checked_sub(self.captured.abs_diff(captured)),
        }
    }
}

/// Seconds from `from` to `to`; negative if `to` is before `from`.
fn signed_seconds(from: Instant, to: Instant) -> f64 {
    match to.checked_duration_since(from) {
        Some(after) => after.as_secs_f64(),
        None => -from.duration_since(to).as_secs_f64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    /// Plays a call in which sound takes `sound_ms` (plus what the synchronizer asks for) and pictures take `picture_ms`
    /// until they are decoded. Gives the error of the last picture in milliseconds, and the synchronizer.
    fn simulate(sound_ms: u64, picture_ms: u64, jitter_ms: u64) -> (i64, Synchronizer) {
        let start = simulation::start();
        let epoch = Duration::from_mins(65_000_000);
        let mut synchronizer = Synchronizer::new();
        let mut error = 0;
        for step in 0..1500_u64 {
            let now = ms(step * 20);
            let jitter = step * 7 % (jitter_ms + 1);
            let heard = now + ms(sound_ms + jitter) + synchronizer.sound_delay();
            synchronizer.sound_audible(epoch + now, start + heard);
            let decoded = now + ms(picture_ms + jitter);
            let play_at = synchronizer
                .picture_decoded(epoch + now, start + decoded)
                .unwrap();
            let seen = play_at.max(start + decoded).min(start + decoded + ms(250)) - start;
            error = seen.as_millis() as i64
                - (now + ms(sound_ms) + synchronizer.sound_delay()).as_millis() as i64;
        }
        (error, synchronizer)
    }

    #[test]
    fn a_picture_that_is_early_waits_for_its_sound() {
        let (error, synchronizer) = simulate(120, 40, 0);
        assert_eq!(error, -40, "a little before it");
        assert_eq!(synchronizer.sound_delay(), Duration::ZERO);
    }

    #[test]
    fn sound_waits_for_pictures_that_are_late_for_long() {
        let (error, synchronizer) = simulate(60, 180, 0);
        assert!(error.abs() <= 40, "{error} ms");
        assert!(
            (ms(80)..=ms(140)).contains(&synchronizer.sound_delay()),
            "{:?}",
            synchronizer.sound_delay()
        );
    }

    #[test]
    fn lips_and_voice_stay_together_within_40_ms_despite_jitter() {
        for (sound, picture) in [(40, 40), (80, 30), (200, 60), (50, 150)] {
            let (error, _) = simulate(sound, picture, 30);
            assert!(
                error.abs() <= 40,
                "sound {sound}, picture {picture}: {error} ms"
            );
        }
    }

    #[test]
    fn sound_follows_pictures_that_are_repaired_over_a_long_path() {
        let (error, _) = simulate(60, 400, 0);
        assert!(error.abs() <= 40, "{error} ms");
    }

    #[test]
    fn sound_does_not_wait_without_end() {
        let (_, synchronizer) = simulate(60, 900, 0);
        assert_eq!(synchronizer.sound_delay(), Synchronizer::MAX_SOUND_DELAY);
    }

    #[test]
    fn the_delay_of_sound_goes_back_when_pictures_are_in_time_again() {
        let (_, mut synchronizer) = simulate(60, 180, 0);
        let start = simulation::start() + Duration::from_mins(1);
        for step in 0..1500 {
            let captured = Duration::from_mins(65_000_002) + ms(step * 20);
            let now = start + ms(step * 20);
            synchronizer.sound_audible(captured, now + ms(60) + synchronizer.sound_delay());
            synchronizer.picture_decoded(captured, now + ms(40));
        }
        assert!(
            synchronizer.sound_delay() <= ms(20),
            "{:?}",
            synchronizer.sound_delay()
        );
    }

    #[test]
    fn without_sound_pictures_do_not_wait() {
        let now = simulation::start();
        let mut synchronizer = Synchronizer::new();
        assert_eq!(synchronizer.picture_decoded(ms(5000), now), None);
        synchronizer.sound_audible(ms(5000), now + ms(100));
        assert_eq!(
            synchronizer.picture_decoded(ms(5020), now),
            Some(now + ms(80))
        );
        assert_eq!(
            synchronizer.picture_decoded(ms(7000), now + ms(2000)),
            None,
            "muted since"
        );
    }

    #[test]
    fn a_new_clock_at_the_other_side_is_followed_at_once() {
        let now = simulation::start();
        let mut synchronizer = Synchronizer::new();
        synchronizer.sound_audible(ms(5000), now);
        synchronizer.sound_audible(ms(900_000), now + ms(20));
        assert_eq!(
            synchronizer.picture_decoded(ms(900_040), now + ms(20)),
            Some(now + ms(20))
        );
    }
}

//! What a person should be told about the microphone: it hears nothing at all, or they speak while it is muted.

use std::time::Duration;

use super::{SAMPLE_RATE_HZ, level};

/// Something to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MicrophoneNotice {
    /// Somebody speaks into the muted microphone.
    SpeakingWhileMuted,
    /// The microphone delivers nothing but silence: muted in hardware, or the wrong one.
    Silent,
}

/// Listens to what the microphone captures, muted or not. Time passes by the samples.
#[derive(Debug, Clone)]
pub struct MicrophoneWatch {
    silent_for: Duration,
    /// The level of the room when nobody speaks, from 0 to 1 as [`level()`] gives it.
    floor: f32,
    /// Speech while muted; runs up with speech and down without.
    spoken: Duration,
    is_speaking: bool,
}

impl Default for MicrophoneWatch {
    fn default() -> Self {
        Self::new()
    }
}

impl MicrophoneWatch {
    /// Silence that lasts so long is told. Not sooner: some microphones give pure silence while nobody speaks.
    pub const SILENCE: Duration = Duration::from_secs(10);
    /// So much speech is told: a word or two, longer than a cough.
    pub const SPEECH: Duration = Duration::from_millis(600);
    /// The most that is remembered: so long the notice stays when speech ends.
    const MEMORY: Duration = Duration::from_secs(3);
    /// No sample beyond this (-80 dBFS) is silence. The noise of any working microphone is louder.
    const SILENCE_PEAK: f32 = 0.0001;
    /// Speech is at least so far above the room: 12 dB.
    const ABOVE_FLOOR: f32 = 0.2;
    /// And at least this loud: -42 dBFS.
    const MIN_LEVEL: f32 = 0.3;
    /// How fast the room's level is believed to rise, a second: 3 dB. It falls at once.
    const FLOOR_RISE: f32 = 0.05;

    /// Makes one that has heard nothing yet.
    pub const fn new() -> Self {
        Self {
            silent_for: Duration::ZERO,
            floor: 1.0,
            spoken: Duration::ZERO,
            is_speaking: false,
        }
    }

    /// Takes in samples at 48 kHz, as they were captured and as they were cleaned (an echo is no speech, and a suppressor may
    /// leave nothing of a quiet room), and says what there is to tell.
    pub fn push(
        &mut self,
        captured: &[f32],
        cleaned: &[f32],
        is_muted: bool,
    ) -> Option<MicrophoneNotice> {
        let length = Duration::from_secs(1) * captured.len() as u32 / SAMPLE_RATE_HZ;
        let is_silent = captured.iter().all(|s| s.abs() < Self::SILENCE_PEAK);
        self.silent_for = if is_silent {
            self.silent_for.saturating_add(length)
        } else {
            Duration::ZERO
        };

        let level = level(cleaned);
        self.floor = level.min(self.floor + Self::FLOOR_RISE * length.as_secs_f32());
        let is_speech = level > Self::MIN_LEVEL && level > self.floor + Self::ABOVE_FLOOR;
        self.spoken = if !is_muted {
            Duration::ZERO
        } else if is_speech {
            (self.spoken + length).min(Self::MEMORY)
        } else {
            self.spoken.saturating_sub(length)
        };
        if self.spoken >= Self::SPEECH {
            // From here on the notice stays until it has been quiet for as long as is remembered.
            if !self.is_speaking {
                self.spoken = Self::MEMORY;
            }
            self.is_speaking = true;
        } else if self.spoken.is_zero() {
            self.is_speaking = false;
        }
        if self.is_speaking {
            Some(MicrophoneNotice::SpeakingWhileMuted)
        } else if self.silent_for >= Self::SILENCE && !is_muted {
            Some(MicrophoneNotice::Silent)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{FRAME_SAMPLES, Tone};

    /// Seconds of a room with faint noise, in which somebody speaks or not.
    fn hear(
        watch: &mut MicrophoneWatch,
        seconds: f32,
        is_speech: bool,
        is_muted: bool,
    ) -> Option<MicrophoneNotice> {
        let mut random = simulation::Random::new(3);
        let mut tone = Tone::new(200.0);
        let mut notice = None;
        for number in 0..(seconds * 100.0) as u32 {
            let mut frame = [0.0; FRAME_SAMPLES];
            // Syllables and the gaps between them.
            if is_speech && number % 20 < 14 {
                tone.fill(&mut frame);
            }
            for sample in &mut frame {
                *sample = *sample * 0.3 + (random.unit() as f32 - 0.5) * 0.002;
            }
            notice = watch.push(&frame, &frame, is_muted);
        }
        notice
    }

    #[test]
    fn speech_into_a_muted_microphone_is_told_until_it_ends() {
        let mut watch = MicrophoneWatch::new();
        assert_eq!(hear(&mut watch, 5.0, false, true), None);
        let told = Some(MicrophoneNotice::SpeakingWhileMuted);
        assert_eq!(hear(&mut watch, 0.3, true, true), None, "a cough");
        assert_eq!(hear(&mut watch, 1.5, true, true), told);
        assert_eq!(hear(&mut watch, 2.0, false, true), told);
        assert_eq!(hear(&mut watch, 2.0, false, true), None);
        assert_eq!(hear(&mut watch, 2.0, true, true), told);
        assert_eq!(hear(&mut watch, 0.1, true, false), None, "unmuted");
    }

    #[test]
    fn speech_into_an_open_microphone_and_steady_noise_are_not_told() {
        let mut watch = MicrophoneWatch::new();
        assert_eq!(hear(&mut watch, 5.0, true, false), None);
        let mut watch = MicrophoneWatch::new();
        let mut random = simulation::Random::new(3);
        for _ in 0..2000 {
            let fan: [f32; FRAME_SAMPLES] =
                std::array::from_fn(|_| (random.unit() as f32 - 0.5) * 0.1);
            assert_eq!(watch.push(&fan, &fan, true), None);
        }
    }

    #[test]
    fn a_microphone_that_hears_nothing_at_all_is_told_after_a_while() {
        let mut watch = MicrophoneWatch::new();
        let nothing = [0.0; FRAME_SAMPLES];
        for _ in 0..999 {
            assert_eq!(watch.push(&nothing, &nothing, false), None);
        }
        let told = Some(MicrophoneNotice::Silent);
        assert_eq!(watch.push(&nothing, &nothing, false), told);
        assert_eq!(
            watch.push(&nothing, &nothing, true),
            None,
            "muted, it does not matter"
        );
        assert_eq!(watch.push(&nothing, &nothing, false), told);
        assert_eq!(
            hear(&mut watch, 0.1, false, false),
            None,
            "it hears the room"
        );
        let quiet_room = [0.001; FRAME_SAMPLES];
        for _ in 0..1200 {
            let told = watch.push(&quiet_room, &nothing, false);
            assert_eq!(told, None, "only the suppressor left nothing");
        }
        for _ in 0..1200 {
            watch.push(&[f32::NAN; 960], &[f32::NAN; 960], false);
        }
        assert_eq!(hear(&mut watch, 0.1, true, true), None);
    }
}

//! Makes a piece of speech a little shorter or longer, and leaves its pitch alone.
//!
//! A voiced sound repeats itself, once in each period of the voice. So one period is taken out, or put in once more, and
//! both sides of the cut are faded into each other over the length of a period (WSOLA, Verhelst and Roelands 1993). Where
//! there is no period, as in hissing sounds, a cut is heard, and nothing is done unless it must be. Between words there is
//! only the room, of which as much is taken or added as fits: nobody hears that a pause is shorter (Ramjee et al. 1994).

/// Periods that are looked for, in samples at 48 kHz: of voices from 100 to 400 Hz. A deeper voice is left as it is.
const SHORTEST_PERIOD: usize = 120;
const LONGEST_PERIOD: usize = 480;
/// How alike two neighbouring periods are where a cut between them is not heard (normalised correlation).
const ALIKE: f32 = 0.85;
/// A mean square of -50 dBFS: below it anything may be cut.
const SILENCE: f32 = 1e-5;

/// Which change of length is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stretch {
    /// By one period, where that is not heard.
    Shorten,
    /// By one period, whatever it sounds like.
    ShortenAnyhow,
    /// By one period, where that is not heard.
    Lengthen,
    /// By as much as can be, between words only.
    ShortenInPause,
    /// By as much as can be, between words only.
    LengthenInPause,
}

impl Stretch {
    /// Whether there is to be less of it.
    pub const fn is_shorter(self) -> bool {
        match self {
            Self::Shorten | Self::ShortenAnyhow | Self::ShortenInPause => true,
            Self::Lengthen | Self::LengthenInPause => false,
        }
    }

    pub(super) const fn waits_for_a_pause(self) -> bool {
        matches!(self, Self::ShortenInPause | Self::LengthenInPause)
    }
}

/// Changes the length of `samples`, mono at 48 kHz, which follow `before`, by one period of what is in them: between 2.5 and
/// 10 ms. Returns by how many samples; none where a cut would be heard, or where there is too little sound: a period is
/// put in after one that has been heard, and taken out where two of them are to come. `is_pause` says that there is only
/// the background of the partner's room in it.
///
/// The first sample and the end stay, so that what was before and what follows go on smoothly.
pub fn stretch(before: &[f32], samples: &mut Vec<f32>, how: Stretch, is_pause: bool) -> usize {
    if how.waits_for_a_pause() && !is_pause {
        return 0;
    }
    let before = &before[before.len().saturating_sub(LONGEST_PERIOD)..];
    let mut all = [before, &samples[..]].concat();
    let longest = if how.is_shorter() {
        samples.len() / 2
    } else {
        samples.len().min(all.len() / 2)
    };
    let longest = LONGEST_PERIOD.min(longest);
    if longest < SHORTEST_PERIOD {
        return 0;
    }
    let is_silent = energy(&all) <= SILENCE * all.len() as f32;
    let (period, likeness) = if is_silent || is_pause {
        (longest, 1.0)
    } else {
        best_period(&all, longest)
    };
    if likeness < ALIKE && how != Stretch::ShortenAnyhow {
        return 0;
    }
    if how.is_shorter() {
        let faded = fade(&samples[..period], &samples[period..2 * period]);
        samples.splice(..2 * period, faded);
    } else {
        // Nothing that was heard already changes.
        let cut = before.len().max(period);
        let faded = fade(&all[cut..cut + period], &all[cut - period..cut]);
        all.splice(cut..cut, faded);
        samples.clear();
        samples.extend_from_slice(&all[before.len()..]);
    }
    period
}

/// From one sound to another of the same length.
fn fade(from: &[f32], to: &[f32]) -> Vec<f32> {
    let step = 1.0 / from.len() as f32;
    (from.iter().zip(to).enumerate())
        .map(|(number, (from, to))| {
            let weight = (number as f32 + 0.5) * step;
            from + (to - from) * weight
        })
        .collect()
}

/// After how many samples the sound is most like itself, and how much so: 1 is the same.
fn best_period(samples: &[f32], longest: usize) -> (usize, f32) {
    let window = samples.len() - longest;
    let now = &samples[..window];
    let energy_now = energy(now);
    let mut energy_later = energy(&samples[SHORTEST_PERIOD..][..window]);
    let mut best = (longest, f32::MIN);
    for period in SHORTEST_PERIOD..=longest {
        let later = &samples[period..][..window];
        let product: f32 = now.iter().zip(later).map(|(now, later)| now * later).sum();
        let likeness = product / (energy_now * energy_later).sqrt().max(f32::MIN_POSITIVE);
        if likeness > best.1 {
            best = (period, likeness);
        }
        // The window moves on by one sample.
        let next = samples.get(period + window).copied().unwrap_or_default();
        energy_later = (energy_later + next * next - later[0] * later[0]).max(0.0);
    }
    best
}

fn energy(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum()
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use proptest::prelude::*;

    use super::*;
    use crate::audio::{FRAME_SAMPLES, PACKET_SAMPLES, SAMPLE_RATE_HZ, fundamental_hz};

    /// Something like a vowel: a tone with overtones.
    fn vowel(hertz: f32, from: usize, count: usize) -> Vec<f32> {
        (from..from + count)
            .map(|number| {
                let phase = TAU * hertz * number as f32 / SAMPLE_RATE_HZ as f32;
                0.3 * (phase.sin() + 0.5 * (2.0 * phase).sin() + 0.25 * (5.0 * phase).cos())
            })
            .collect()
    }

    fn noise(count: usize) -> Vec<f32> {
        let mut seed = 7_u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / 8_388_608.0 - 1.0
        };
        (0..count).map(|_| 0.2 * next()).collect()
    }

    /// The largest step from a sample to the next.
    fn roughest(samples: &[f32]) -> f32 {
        let steps = samples.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        steps.fold(0.0, f32::max)
    }

    /// What is heard of 20 pieces of a vowel, each of which is changed, and by how many samples.
    fn change_all(hertz: f32, how: Stretch, piece: usize) -> (Vec<f32>, Vec<usize>) {
        let (mut heard, mut changes) = (Vec::new(), Vec::new());
        for number in 0..20 {
            let mut samples = vowel(hertz, number * piece, piece);
            changes.push(stretch(&heard, &mut samples, how, false));
            heard.extend(samples);
        }
        (heard, changes)
    }

    fn assert_sounds_like(hertz: f32, heard: &[f32], what: &str) {
        let smooth = roughest(&vowel(hertz, 0, 20_000));
        assert!(roughest(heard) < 1.1 * smooth, "{hertz} Hz, {what}");
        let pitch = fundamental_hz(&heard[4000..], SAMPLE_RATE_HZ).unwrap();
        assert!((pitch / hertz - 1.0).abs() < 0.02, "{pitch} of {hertz} Hz");
    }

    #[test]
    fn a_vowel_keeps_its_pitch_and_has_no_clicks() {
        for hertz in [110.0, 160.0, 220.0, 390.0] {
            for how in [Stretch::Shorten, Stretch::Lengthen] {
                let (heard, changes) = change_all(hertz, how, PACKET_SAMPLES);
                for changed in changes {
                    let periods = changed as f32 * hertz / SAMPLE_RATE_HZ as f32;
                    assert!(
                        changed > 0 && (periods - periods.round()).abs() < 0.03,
                        "{changed} samples at {hertz} Hz"
                    );
                }
                assert_sounds_like(hertz, &heard, &format!("{how:?}"));
            }
        }
    }

    #[test]
    fn a_short_piece_of_a_deep_voice_is_lengthened_by_what_was_heard_before() {
        for hertz in [110.0, 160.0, 390.0] {
            let (heard, changes) = change_all(hertz, Stretch::Lengthen, FRAME_SAMPLES);
            assert!(
                changes[1..].iter().all(|changed| *changed > 0),
                "{hertz} Hz"
            );
            assert_sounds_like(hertz, &heard, "10 ms");
        }
        let (_, changes) = change_all(110.0, Stretch::Shorten, FRAME_SAMPLES);
        assert_eq!(changes, [0; 20], "there is no whole period to take out");
    }

    #[test]
    fn a_hissing_sound_is_left_alone_unless_it_must_be_cut() {
        let mut frame = noise(PACKET_SAMPLES);
        assert_eq!(stretch(&[], &mut frame, Stretch::Shorten, false), 0);
        assert_eq!(stretch(&[], &mut frame, Stretch::Lengthen, false), 0);
        assert_eq!(frame, noise(PACKET_SAMPLES));
        assert!(stretch(&[], &mut frame, Stretch::ShortenAnyhow, false) >= SHORTEST_PERIOD);
    }

    #[test]
    fn between_words_as_much_is_taken_or_added_as_fits_and_within_them_nothing() {
        for (how, expected) in [
            (Stretch::ShortenInPause, PACKET_SAMPLES - LONGEST_PERIOD),
            (Stretch::LengthenInPause, PACKET_SAMPLES + LONGEST_PERIOD),
        ] {
            let before = noise(LONGEST_PERIOD);
            let mut room = noise(PACKET_SAMPLES);
            assert_eq!(stretch(&before, &mut room, how, true), LONGEST_PERIOD);
            assert_eq!(room.len(), expected);
            let mut word = vowel(160.0, 0, PACKET_SAMPLES);
            assert_eq!(stretch(&before, &mut word, how, false), 0);
            assert_eq!(word, vowel(160.0, 0, PACKET_SAMPLES));
        }
    }

    #[test]
    fn silence_is_cut_as_much_as_a_cut_can() {
        let mut frame = vec![0.0; PACKET_SAMPLES];
        assert_eq!(
            stretch(&[], &mut frame, Stretch::Shorten, false),
            LONGEST_PERIOD
        );
        assert_eq!(frame.len(), PACKET_SAMPLES - LONGEST_PERIOD);
    }

    proptest! {
        #[test]
        fn any_sound_changes_by_what_is_said_and_keeps_its_end(
            before in prop::collection::vec(-1.0_f32..1.0, 0..1000),
            samples in prop::collection::vec(-1.0_f32..1.0, 0..3000),
            how in prop::sample::select(vec![
                Stretch::Shorten,
                Stretch::ShortenAnyhow,
                Stretch::ShortenInPause,
                Stretch::Lengthen,
                Stretch::LengthenInPause,
            ]),
            is_pause: bool,
        ) {
            let mut stretched = samples.clone();
            let changed = stretch(&before, &mut stretched, how, is_pause);
            let expected = if how.is_shorter() { samples.len() - changed } else { samples.len() + changed };
            prop_assert_eq!(stretched.len(), expected);
            prop_assert!(changed == 0 || (SHORTEST_PERIOD..=LONGEST_PERIOD).contains(&changed));
            let tail = samples.len().saturating_sub(2 * changed);
            prop_assert_eq!(&stretched[stretched.len() - tail..], &samples[samples.len() - tail..]);
        }
    }
}

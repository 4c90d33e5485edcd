//! From what both ends noticed to figures. Pure.
//!
//! The sender says when it took which picture of the clip, the receiver when it showed which. Both are programs on this machine,
//! so one clock serves them.

use std::ops::Range;

use headless::measure::quantile;
use serde::{Deserialize, Serialize};

use super::clip::{FPS, LEN};

/// Without a new picture for this long, it is frozen.
const FROZEN_MS: f64 = 200.0;
/// A sender that is busy may not notice a picture of its own; those so many numbers away tell when it was.
const REACH: u32 = 15;
/// A picture that is shown this long after its capture, or later, cannot be told from one of the next round of the clip.
const ROUND_MS: f64 = 0.9 * LEN as f64 * 1e3 / FPS as f64;
/// A picture whose age differs from the median by no more than this is compared with its own original: one and a half pictures.
const TOLERANCE_MS: f64 = 50.0;
/// Pictures of full size count when they stay so for this long: a browser begins with them whatever the line takes.
const STAYS_MS: f64 = 3000.0;
/// SSIMULACRA2 takes its time: every how many shots are judged by it.
const JUDGED_SHOTS: usize = 5;

/// What one end noticed of a call. Times are in milliseconds since the Unix epoch, in ascending order.
#[derive(Debug, Clone, Default)]
pub(super) struct Noticed {
    /// When it was matched.
    pub(super) matched_ms: Option<f64>,
    /// Which pictures it took, and when.
    pub(super) captured: Vec<(f64, u32)>,
    /// What it showed of the partner.
    pub(super) shown: Vec<Shown>,
    /// What its screen showed at even times.
    pub(super) shots: Vec<Shot>,
}

/// A picture that was shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shown {
    pub(super) at_ms: f64,
    /// None if its mark cannot be read.
    pub(super) number: Option<u32>,
    pub(super) size_px: (u32, u32),
}

/// What a screen showed at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shot {
    pub(super) at_ms: f64,
    pub(super) number: Option<u32>,
    /// Which picture it is in `pictures` of whoever has them: the same for a picture that stands still.
    pub(super) picture: usize,
}

/// How pictures of one direction fared in a stretch of time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PictureFigures {
    /// The share of time that no new picture came for 200 ms or more.
    pub frozen: f64,
    /// New pictures shown in a second.
    pub fps: f64,
    /// The share of pictures whose mark could not be read.
    pub broken: f64,
    /// From capture to display, in milliseconds: median and 95th percentile.
    pub latency_ms: Option<[f64; 2]>,
    /// The size of the last picture.
    pub size_px: Option<(u32, u32)>,
    /// From the match (or a change of the line) to the first picture of full size after which they stayed so, in milliseconds.
    pub full_size_ms: Option<f64>,
    /// How like what the screen showed is to what was captured at that moment less the median latency, from 0 to 1;
    /// 50 ms more or less do not matter.
    pub likeness: Option<f64>,
    /// The worst twentieth of that.
    pub likeness_p5: Option<f64>,
    /// That as people would judge it (SSIMULACRA2): 100 for the same, 90 if hardly anybody sees a difference, 70 for high, 50
    /// for medium and 30 for low quality; less is possible.
    pub judged: Option<f64>,
    /// How like what the screen showed is to the captured picture that it is of: coding and size, and nothing else.
    pub likeness_to_own: Option<f64>,
}

/// A stretch of time, in milliseconds since the Unix epoch.
#[derive(Debug, Clone)]
pub(super) struct Stretch {
    /// From where the way to full size is counted.
    pub(super) begin_ms: f64,
    /// In which all else counts.
    pub(super) counted_ms: Range<f64>,
}

/// Compares the picture of a shot with the captured one of a number.
pub(super) trait Compare {
    /// By SSIM.
    fn likeness(&self, number: u32, picture: usize) -> Option<f64>;
    /// By SSIMULACRA2.
    fn judged(&self, number: u32, picture: usize) -> Option<f64>;
}

/// Looks at one direction.
pub(super) fn look(
    sender: &Noticed,
    receiver: &Noticed,
    stretch: &Stretch,
    full_size_px: (u32, u32),
    compare: &impl Compare,
) -> PictureFigures {
    let begin_ms = stretch.begin_ms;
    let span = &stretch.counted_ms;
    let (from_ms, to_ms) = (span.start, span.end);
    let within: Vec<Shown> = receiver
        .shown
        .iter()
        .filter(|shown| span.contains(&shown.at_ms))
        .copied()
        .collect();
    let new = new_pictures(&within);
    let latencies: Vec<f64> = new
        .iter()
        .filter_map(|shown| {
            Some(shown.at_ms - captured_at(&sender.captured, shown.number?, shown.at_ms)?)
        })
        .collect();
    let latency = |share| quantile(&latencies, share);
    let unreadable = within.iter().filter(|shown| shown.number.is_none()).count();
    let mut figures = PictureFigures {
        frozen: frozen_ms(&new, from_ms, to_ms) / (to_ms - from_ms),
        fps: new.len() as f64 / (to_ms - from_ms) * 1e3,
        broken: unreadable as f64 / within.len().max(1) as f64,
        latency_ms: latency(0.5).zip(latency(0.95)).map(|(p50, p95)| [p50, p95]),
        size_px: within.last().map(|shown| shown.size_px),
        full_size_ms: full_size_from(&receiver.shown, begin_ms..to_ms, full_size_px)
            .map(|at_ms| at_ms - begin_ms),
        ..PictureFigures::default()
    };
    let shots = receiver
        .shots
        .iter()
        .filter(|shot| span.contains(&shot.at_ms));
    let (mut then, mut own, mut judged) = (Vec::new(), Vec::new(), Vec::new());
    for (index, shot) in shots.enumerate() {
        let own_likeness = |number| compare.likeness(number, shot.picture);
        own.extend(shot.number.and_then(own_likeness));
        let moment_ms = shot.at_ms - latency(0.5).unwrap_or_default();
        let Some(number) = expected_at(&sender.captured, shot, moment_ms) else {
            continue;
        };
        then.extend(compare.likeness(number, shot.picture));
        if index.is_multiple_of(JUDGED_SHOTS) {
            judged.extend(compare.judged(number, shot.picture));
        }
    }
    figures.judged = mean(&judged);
    figures.likeness = mean(&then);
    figures.likeness_p5 = quantile(&then, 0.05);
    figures.likeness_to_own = mean(&own);
    figures
}

/// When the first picture of full size was shown after which they stayed so, within this time.
fn full_size_from(shown: &[Shown], within_ms: Range<f64>, full_px: (u32, u32)) -> Option<f64> {
    let mut since = None;
    for picture in shown {
        if !within_ms.contains(&picture.at_ms) || picture.number.is_none() {
            continue;
        }
        let (width_px, height_px) = picture.size_px;
        if width_px < full_px.0 || height_px < full_px.1 {
            since = None;
        } else if picture.at_ms - *since.get_or_insert(picture.at_ms) >= STAYS_MS {
            break;
        }
    }
    since
}

/// Those that show something else than the one before. One that cannot be read is taken for new.
fn new_pictures(shown: &[Shown]) -> Vec<Shown> {
    let mut new: Vec<Shown> = Vec::new();
    for picture in shown {
        let is_the_same = new
            .last()
            .is_some_and(|last| last.number.is_some() && last.number == picture.number);
        if !is_the_same {
            new.push(*picture);
        }
    }
    new
}

fn frozen_ms(new: &[Shown], from_ms: f64, to_ms: f64) -> f64 {
    let moments: Vec<f64> = std::iter::once(from_ms)
        .chain(new.iter().map(|shown| shown.at_ms))
        .chain([to_ms])
        .collect();
    let gaps = moments.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.filter(|gap| *gap >= FROZEN_MS)
        .fold(0.0, |sum, gap| sum + gap)
}

/// When the picture of this number was captured that is shown at `at_ms`: the last time before.
fn captured_at(captured: &[(f64, u32)], number: u32, at_ms: f64) -> Option<f64> {
    let before = &captured[..captured.partition_point(|(captured_ms, _)| *captured_ms <= at_ms)];
    let round = before.partition_point(|(captured_ms, _)| *captured_ms <= at_ms - ROUND_MS);
    let away = |other: u32| {
        let ahead = (number + LEN - other % LEN) % LEN;
        // From -LEN / 2 to LEN / 2: the clip is a circle.
        if ahead > LEN / 2 {
            f64::from(ahead) - f64::from(LEN)
        } else {
            f64::from(ahead)
        }
    };
    let (captured_ms, nearest) = before[round..]
        .iter()
        .rev()
        .min_by(|(_, a), (_, b)| away(*a).abs().total_cmp(&away(*b).abs()))?;
    let away = away(*nearest);
    (away.abs() <= f64::from(REACH)).then(|| captured_ms + away * 1e3 / f64::from(FPS))
}

/// Which picture a screen should show that is to show what was captured at a moment: what it does show, if that is near enough.
fn expected_at(captured: &[(f64, u32)], shot: &Shot, moment_ms: f64) -> Option<u32> {
    let is_near = |number: &u32| {
        let captured_ms = captured_at(captured, *number, shot.at_ms);
        captured_ms.is_some_and(|captured_ms| (captured_ms - moment_ms).abs() <= TOLERANCE_MS)
    };
    shot.number
        .filter(is_near)
        .or_else(|| number_at(captured, moment_ms))
}

/// Which picture was the newest one at a moment.
fn number_at(captured: &[(f64, u32)], at_ms: f64) -> Option<u32> {
    let before = captured.partition_point(|(captured_ms, _)| *captured_ms <= at_ms);
    Some(captured.get(before.checked_sub(1)?)?.1)
}

/// The mean; none of nothing.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FULL: (u32, u32) = (640, 480);

    /// Nothing is known of any picture but this one, which is like itself and little like others.
    struct Only(Option<u32>);

    impl Compare for Only {
        fn likeness(&self, number: u32, _: usize) -> Option<f64> {
            Some(if number == self.0? { 1.0 } else { 0.25 })
        }

        fn judged(&self, number: u32, picture: usize) -> Option<f64> {
            Some(100.0 * self.likeness(number, picture)?)
        }
    }

    fn captured(count: u32) -> Vec<(f64, u32)> {
        (0..count)
            .map(|picture| (1000.0 + f64::from(picture) * 1e3 / 30.0, picture % LEN))
            .collect()
    }

    fn shown(at_ms: f64, number: u32) -> Shown {
        Shown {
            at_ms,
            number: Some(number),
            size_px: FULL,
        }
    }

    /// A call in which every picture is shown 100 ms later, but for those of `lost`.
    fn call(count: u32, lost: impl Fn(u32) -> bool) -> (Noticed, Noticed) {
        let captured = captured(count);
        let arrived = captured.iter().zip(0..).filter(|(_, index)| !lost(*index));
        let seen = arrived.map(|((at_ms, number), _)| shown(at_ms + 100.0, *number));
        let receiver = Noticed {
            shown: seen.collect(),
            ..Noticed::default()
        };
        let sender = Noticed {
            captured,
            ..Noticed::default()
        };
        (sender, receiver)
    }

    fn stretch(from_ms: f64, to_ms: f64) -> Stretch {
        Stretch {
            begin_ms: 0.0,
            counted_ms: from_ms..to_ms,
        }
    }

    #[test]
    fn a_call_without_fault_has_every_picture_at_the_same_latency_for_longer_than_the_clip() {
        let (sender, receiver) = call(1000, |_| false);
        let figures = look(
            &sender,
            &receiver,
            &stretch(10_000.0, 30_000.0),
            FULL,
            &Only(None),
        );
        assert!((figures.fps - 30.0).abs() < 0.1, "{figures:?}");
        assert!(figures.frozen.abs() < 1e-9);
        let [p50, p95] = figures.latency_ms.unwrap();
        assert!((p50 - 100.0).abs() < 1e-6 && (p95 - 100.0).abs() < 1e-6);
        assert_eq!(figures.full_size_ms, Some(1100.0));
    }

    #[test]
    fn time_without_a_new_picture_is_frozen_also_when_the_old_one_is_shown_again() {
        let (sender, mut receiver) = call(300, |index| (100..130).contains(&index));
        // Repeats of number 99 all through the gap.
        let repeats = (0..29).map(|i| shown(4450.0 + f64::from(i) * 33.0, 99));
        receiver.shown.splice(100..100, repeats);
        let figures = look(
            &sender,
            &receiver,
            &stretch(3000.0, 8000.0),
            FULL,
            &Only(None),
        );
        assert!(
            (figures.frozen - 31.0 / 30.0 / 5.0).abs() < 0.001,
            "{figures:?}"
        );
    }

    #[test]
    fn a_picture_that_the_sender_overlooked_is_timed_by_its_neighbours() {
        let (mut sender, receiver) = call(900, |_| false);
        sender
            .captured
            .retain(|(_, number)| number % 4 != 0 && *number > 2);
        let figures = look(
            &sender,
            &receiver,
            &stretch(5000.0, 25_000.0),
            FULL,
            &Only(None),
        );
        let [p50, p95] = figures.latency_ms.unwrap();
        assert!((p50 - 100.0).abs() < 0.1 && (p95 - 100.0).abs() < 0.1);
    }

    #[test]
    fn a_picture_that_the_sender_overlooked_with_all_its_neighbours_is_not_taken_for_one_of_the_round_before()
     {
        let (mut sender, receiver) = call(900, |_| false);
        sender
            .captured
            .retain(|(at_ms, number)| *at_ms < 11_000.0 || !(100..140).contains(number));
        let stretch = stretch(12_000.0, 20_000.0);
        let [p50, most] = look(&sender, &receiver, &stretch, FULL, &Only(None))
            .latency_ms
            .unwrap();
        assert!(
            (p50 - 100.0).abs() < 0.1 && (most - 100.0).abs() < 0.1,
            "{most}"
        );
        let late = captured_at(&sender.captured, 120, 15_200.0);
        assert_eq!(late, None, "nobody knows");
    }

    #[test]
    fn a_screen_that_stands_still_is_compared_with_what_was_captured_meanwhile() {
        let (sender, mut receiver) = call(300, |_| false);
        // The screen shows number 30 at 2100, a little too late, and still when it should show 60.
        receiver.shots = [2149.0, 3100.5]
            .map(|at_ms| Shot {
                at_ms,
                number: Some(30),
                picture: 0,
            })
            .to_vec();
        let figures = look(
            &sender,
            &receiver,
            &stretch(2000.0, 8000.0),
            FULL,
            &Only(Some(30)),
        );
        assert_eq!(figures.likeness, Some(0.625));
        assert_eq!(figures.likeness_p5, Some(0.25));
        assert_eq!(figures.likeness_to_own, Some(1.0));
        assert_eq!(figures.judged, Some(100.0), "the first one alone");
    }

    #[test]
    fn broken_pictures_are_counted_and_full_size_is_reached_by_whole_ones() {
        let (sender, mut receiver) = call(300, |_| false);
        for picture in &mut receiver.shown[..60] {
            picture.size_px = (320, 240);
        }
        for picture in &mut receiver.shown[60..90] {
            picture.number = None;
        }
        let figures = look(
            &sender,
            &receiver,
            &stretch(1000.0, 9000.0),
            FULL,
            &Only(None),
        );
        assert!((figures.broken - 30.0 / 237.0).abs() < 0.001, "{figures:?}");
        assert!((figures.full_size_ms.unwrap() - 4100.0).abs() < 1.0);
    }

    #[test]
    fn full_size_counts_when_it_lasts() {
        let (sender, mut receiver) = call(600, |_| false);
        for picture in &mut receiver.shown[20..120] {
            picture.size_px = (320, 240);
        }
        let full_size_ms = |receiver: &Noticed, to_ms| {
            let figures = look(
                &sender,
                receiver,
                &stretch(1000.0, to_ms),
                FULL,
                &Only(None),
            );
            figures.full_size_ms
        };
        assert!((full_size_ms(&receiver, 15_000.0).unwrap() - 5100.0).abs() < 1.0);
        assert_eq!(full_size_ms(&receiver, 5000.0), None);
        for picture in &mut receiver.shown[580..] {
            picture.size_px = (320, 240);
        }
        assert!(full_size_ms(&receiver, 21_100.0).is_some(), "it had lasted");
    }

    #[test]
    fn nothing_shown_is_frozen_all_the_time() {
        let (sender, _) = call(300, |_| false);
        let receiver = Noticed::default();
        let figures = look(
            &sender,
            &receiver,
            &stretch(1000.0, 9000.0),
            FULL,
            &Only(None),
        );
        assert!((figures.frozen - 1.0).abs() < 1e-9);
        assert_eq!(figures.latency_ms, None);
        assert_eq!(figures.size_px, None);
    }

    proptest! {
        #[test]
        fn shares_are_shares_whatever_is_noticed(
            numbers in proptest::collection::vec(proptest::option::of(0..2 * LEN), 0..200),
            gap_ms in 1.0..300.0_f64,
        ) {
            let (sender, _) = call(600, |_| false);
            let pictures = numbers.iter().enumerate().map(|(index, number)| Shown {
                at_ms: 1500.0 + index as f64 * gap_ms,
                number: *number,
                size_px: (2, 2),
            });
            let receiver = Noticed { shown: pictures.collect(), ..Noticed::default() };
            let figures = look(&sender, &receiver, &stretch(1000.0, 9000.0), FULL, &Only(None));
            prop_assert!((0.0..=1.0 + 1e-9).contains(&figures.frozen));
            prop_assert!((0.0..=1.0).contains(&figures.broken));
            if let Some([p50, p95]) = figures.latency_ms {
                prop_assert!(p50 <= p95);
            }
            prop_assert_eq!(figures.full_size_ms, None);
        }
    }
}

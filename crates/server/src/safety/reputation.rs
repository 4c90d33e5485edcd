//! What reports amount to.
//!
//! ```text
//! score = Σ over addresses of the largest, over reporters there, of  weight · ½^(age of the report ÷ half-life)
//!
//!           slow_at          separate_at          ban_at
//!   good ─────┼──── slower ──────┼───── apart ──────┼──── banned for a while
//! ```
//!
//! A reporter counts once for each person, with the newest report, and so do all reporters at one address together. So a
//! score has no more than as many units as there are people and addresses that complain, whatever one of them does. The weight of a
//! report is settled when it comes: little from a new key, from one who is reported himself, who reports many people, or
//! whose reports the operator has dismissed.
//!
//! Pure: times are arguments, in seconds since the Unix epoch.

use std::{collections::BTreeMap, time::Duration};

/// When reports have which consequences. A report has a weight from 0 to 1: that of a person who has been here for a week, whom nobody
/// complains about and who reports seldom is 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// From which score on one waits longer for each partner. Small: a few who dislike somebody slow him down.
    pub slow_at: f64,
    /// From which score on one meets only others like that.
    pub separate_at: f64,
    /// From which score on one is banned for [`Policy::ban_for`].
    pub ban_at: f64,
    /// After which time a report counts half.
    pub half_life: Duration,
    /// How long a ban lasts that follows from reports alone.
    pub ban_for: Duration,
    /// By how much one waits longer, from `slow_at` on.
    pub slow_by: Duration,
    /// How long reports are kept.
    pub keep_for: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            slow_at: 2.0,
            separate_at: 4.0,
            ban_at: 8.0,
            half_life: DAY * 7,
            ban_for: DAY * 7,
            slow_by: Duration::from_secs(5),
            keep_for: DAY * 60,
        }
    }
}

/// What follows from a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    Good,
    /// Waits longer for each partner.
    Slower,
    /// Meets only others who are apart, and waits longer.
    Apart,
    /// Is to be banned.
    Banned,
}

/// Who reports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Reporter {
    /// Since when the key is known; `None` for one without a key.
    pub(crate) known_for: Option<Duration>,
    /// What reports about the reporter amount to.
    pub(crate) score: f64,
    /// How many others the reporter has reported in the last day.
    pub(crate) reports_in_a_day: usize,
    /// How many of the reporter's reports the operator has dismissed.
    pub(crate) dismissed: u32,
}

/// One report, as far as it counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Evidence {
    pub(crate) weight: f64,
    /// In seconds since the Unix epoch.
    pub(crate) at: u64,
    /// Stands for the reporter's address. `None` if all kinds of people have it: then the reporter counts alone.
    pub(crate) place: Option<u64>,
}

const DAY: Duration = Duration::from_hours(24);
/// The weight of a report from a key that was never seen before, and of one without a key.
const NEWCOMER: f64 = 0.2;
/// After how long a key weighs as much as it ever will.
const GROWN_UP: Duration = Duration::from_hours(7 * 24);
/// How many people one may report in a day without weighing less.
const OFTEN: f64 = 5.0;

impl Policy {
    /// How much a report weighs, from 0 to 1.
    pub(crate) fn weight(&self, reporter: &Reporter) -> f64 {
        let known_for = reporter.known_for.unwrap_or(Duration::ZERO);
        let age = (known_for.as_secs_f64() / GROWN_UP.as_secs_f64()).min(1.0);
        let by_age = NEWCOMER + (1.0 - NEWCOMER) * age;
        let by_standing = (1.0 - reporter.score / self.ban_at).clamp(0.0, 1.0);
        let by_number = (OFTEN / (reporter.reports_in_a_day as f64 + 1.0)).min(1.0);
        let by_past = 1.0 / (1.0 + f64::from(reporter.dismissed));
        by_age * by_standing * by_number * by_past
    }

    /// What these reports of distinct reporters amount to.
    pub(crate) fn score(&self, reports: impl IntoIterator<Item = Evidence>, now: u64) -> f64 {
        let mut alone = 0.0;
        let mut by_place: BTreeMap<u64, f64> = BTreeMap::new();
        for report in reports {
            let age = now.saturating_sub(report.at) as f64;
            let counts = report.weight * 0.5_f64.powf(age / self.half_life.as_secs_f64());
            match report.place {
                None => alone += counts,
                Some(place) => {
                    let most = by_place.entry(place).or_default();
                    *most = most.max(counts);
                }
            }
        }
        alone + by_place.values().sum::<f64>()
    }

    /// What follows from a score.
    pub(crate) fn standing(&self, score: f64) -> Standing {
        if score >= self.ban_at {
            Standing::Banned
        } else if score >= self.separate_at {
            Standing::Apart
        } else if score >= self.slow_at {
            Standing::Slower
        } else {
            Standing::Good
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    const TRUSTED: Reporter = Reporter {
        known_for: Some(GROWN_UP),
        score: 0.0,
        reports_in_a_day: 0,
        dismissed: 0,
    };

    fn evidence(weight: f64, place: u64) -> Evidence {
        Evidence {
            weight,
            at: NOW,
            place: Some(place),
        }
    }

    #[test]
    fn a_trusted_reporter_weighs_one_and_nobody_more() {
        let policy = Policy::default();
        assert!((policy.weight(&TRUSTED) - 1.0).abs() < 1e-9);
        let newcomer = Reporter {
            known_for: None,
            ..TRUSTED
        };
        assert!((policy.weight(&newcomer) - NEWCOMER).abs() < 1e-9);
    }

    #[test]
    fn eight_trusted_people_at_eight_addresses_have_one_banned_and_one_address_never_does() {
        let policy = Policy::default();
        let crowd = (0..8).map(|place| evidence(1.0, place));
        let at_one_address = (0..1000).map(|_| evidence(1.0, 1));

        assert_eq!(policy.standing(policy.score(crowd, NOW)), Standing::Banned);
        let score = policy.score(at_one_address, NOW);
        assert_eq!(policy.standing(score), Standing::Good);
    }

    #[test]
    fn after_a_half_life_it_counts_half() {
        let policy = Policy::default();
        let later = NOW + policy.half_life.as_secs();
        let score = policy.score([evidence(1.0, 1), evidence(1.0, 2)], later);
        assert!((score - 1.0).abs() < 1e-9, "{score}");
    }

    fn any_reporter() -> impl Strategy<Value = Reporter> {
        let known_for = proptest::option::of((0_u64..1_000_000_000).prop_map(Duration::from_secs));
        (known_for, 0.0..1000.0, 0_usize..10_000, any::<u32>()).prop_map(
            |(known_for, score, reports_in_a_day, dismissed)| Reporter {
                known_for,
                score,
                reports_in_a_day,
                dismissed,
            },
        )
    }

    fn any_evidence() -> impl Strategy<Value = Vec<Evidence>> {
        let one = (
            0.0..=1.0,
            NOW - 10_000_000..NOW,
            proptest::option::of(0_u64..6),
        );
        let one = one.prop_map(|(weight, at, place)| Evidence { weight, at, place });
        proptest::collection::vec(one, 0..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_weight_is_from_zero_to_one(reporter in any_reporter()) {
            let weight = Policy::default().weight(&reporter);
            prop_assert!((0.0..=1.0).contains(&weight), "{weight}");
        }

        #[test]
        fn who_is_newer_or_worse_or_reports_more_never_weighs_more(reporter in any_reporter(), more in 0_usize..100) {
            let policy = Policy::default();
            let weight = policy.weight(&reporter);
            let worse = [
                Reporter { known_for: None, ..reporter },
                Reporter { score: reporter.score + more as f64, ..reporter },
                Reporter { reports_in_a_day: reporter.reports_in_a_day + more, ..reporter },
                Reporter { dismissed: reporter.dismissed.saturating_add(more as u32), ..reporter },
            ];
            for worse in worse {
                prop_assert!(policy.weight(&worse) <= weight, "{worse:?}");
            }
        }

        #[test]
        fn a_score_is_never_above_the_number_of_those_who_count(reports in any_evidence(), later in 0_u64..100_000_000) {
            let policy = Policy::default();
            let alone = reports.iter().filter(|report| report.place.is_none()).count();
            let places: std::collections::BTreeSet<_> = reports.iter().filter_map(|it| it.place).collect();
            let score = policy.score(reports.clone(), NOW + later);
            prop_assert!((0.0..=(alone + places.len()) as f64 + 1e-9).contains(&score));
            prop_assert!(policy.score(reports, NOW + later + 1000) <= score + 1e-9, "time only forgives");
        }

        #[test]
        fn another_report_never_helps_and_the_order_does_not_matter(reports in any_evidence(), other in any_evidence()) {
            let policy = Policy::default();
            let score = policy.score(reports.clone(), NOW);
            let both: Vec<_> = reports.iter().chain(&other).copied().collect();
            let with_others = policy.score(both.clone(), NOW);
            prop_assert!(with_others >= score - 1e-9);
            let backwards = policy.score(both.into_iter().rev(), NOW);
            prop_assert!((backwards - with_others).abs() < 1e-9);
            prop_assert!(policy.standing(with_others) >= policy.standing(score - 1e-6));
        }
    }
}

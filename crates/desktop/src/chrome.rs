//! When what floats over the stranger's picture is to be seen. Plain values, no window.

use std::time::Duration;

/// After so long without pointer or key, the picture is all there is.
const STAYS: Duration = Duration::from_secs(3);
/// How long it takes to go.
const FADES: Duration = Duration::from_millis(250);

/// How much of it is seen after `idle` without pointer or key, from 0 to 1, and when to draw it again, if that changes.
pub fn fade(idle: Duration, is_motion_reduced: bool) -> (f32, Option<Duration>) {
    let gone = idle.saturating_sub(STAYS);
    let fades = if is_motion_reduced {
        Duration::ZERO
    } else {
        FADES
    };
    if idle < STAYS {
        (1.0, Some(STAYS.saturating_sub(idle)))
    } else if gone < fades {
        let seen = 1.0 - gone.as_secs_f32() / fades.as_secs_f32();
        (seen, Some(Duration::from_millis(16)))
    } else {
        (0.0, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_for_three_seconds_then_goes_and_costs_nothing_more() {
        let ms = Duration::from_millis;
        assert_eq!(fade(ms(0), false), (1.0, Some(ms(3000))));
        assert_eq!(fade(ms(2999), false), (1.0, Some(ms(1))));
        let (seen, again) = fade(ms(3125), false);
        assert!((seen - 0.5).abs() < 0.01 && again.is_some(), "{seen}");
        assert_eq!(fade(ms(3250), false), (0.0, None));
        assert_eq!(fade(Duration::MAX, false), (0.0, None));
    }

    #[test]
    fn with_reduced_motion_it_goes_at_once() {
        assert_eq!(fade(Duration::from_secs(3), true), (0.0, None));
    }
}

//! How long to wait before a failed device is tried again.

use std::time::Duration;

use crate::DeviceProblem;

/// A device that may come back by a hand's movement is looked for each second; a device that answers, but wrongly, is
/// left alone for longer each time, up to this.
const LONGEST: Duration = Duration::from_secs(8);

/// The pause after so many failures in a row (the present one included).
pub(crate) fn delay(problem: &DeviceProblem, failures: u32) -> Duration {
    match problem {
        DeviceProblem::Unplugged | DeviceProblem::Busy | DeviceProblem::File(_) => {
            Duration::from_secs(1)
        }
        DeviceProblem::NotFound => Duration::from_secs(u64::from(failures.clamp(1, 3))),
        DeviceProblem::NotPermitted
        | DeviceProblem::Stalled
        | DeviceProblem::NoUsableFormat
        | DeviceProblem::SystemLacks(_)
        | DeviceProblem::Other(_) => {
            Duration::from_secs(1 << failures.saturating_sub(1).min(8)).min(LONGEST)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stubborn_device_is_left_alone_for_longer_each_time_but_never_for_good() {
        let delays: Vec<_> = (1..8)
            .map(|n| delay(&DeviceProblem::Stalled, n).as_secs())
            .collect();
        assert_eq!(delays, [1, 2, 4, 8, 8, 8, 8]);
        assert_eq!(
            delay(&DeviceProblem::Unplugged, 1000),
            Duration::from_secs(1)
        );
        assert!(delay(&DeviceProblem::NotFound, u32::MAX) <= Duration::from_secs(3));
    }
}

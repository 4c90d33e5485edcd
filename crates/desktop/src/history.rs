//! The figures of the last minute, for the panel of connection details. Plain values.

use engine::Statistics;

/// How many seconds of figures the statistics panel draws.
pub const HISTORY_SECONDS: usize = 60;

/// Figures of the last minute, one per second.
#[derive(Debug, Default)]
pub struct History {
    /// Round trips, in milliseconds.
    pub round_trip_ms: Vec<f32>,
    /// Received, in kilobits per second.
    pub received_kbps: Vec<f32>,
    last: Statistics,
}

impl History {
    /// Takes note of the newest figures.
    pub(crate) fn record(&mut self, statistics: &Statistics) {
        // The engine renews the figures once a second; the window draws more often than that.
        if *statistics == self.last {
            return;
        }
        self.last = statistics.clone();
        if let Some(round_trip) = statistics.round_trip {
            push(&mut self.round_trip_ms, round_trip.as_secs_f32() * 1000.0);
        }
        push(
            &mut self.received_kbps,
            statistics.received_bps as f32 / 1000.0,
        );
    }
}

fn push(series: &mut Vec<f32>, value: f32) {
    if series.len() == HISTORY_SECONDS {
        series.remove(0);
    }
    series.push(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_of_figures_is_kept_and_no_more() {
        let mut history = History::default();
        for second in 0..200 {
            let statistics = Statistics {
                received_bps: second * 1000,
                ..Statistics::default()
            };
            history.record(&statistics);
            history.record(&statistics);
        }
        assert_eq!(history.received_kbps.len(), HISTORY_SECONDS);
        assert_eq!(history.received_kbps.last(), Some(&199.0));
        assert_eq!(history.received_kbps.first(), Some(&140.0));
    }
}

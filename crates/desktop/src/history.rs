//! The figures of the last minutes, for the panel of connection details and for the diagnostics. Plain values.

use engine::Statistics;

/// How many seconds of figures the statistics panel draws.
pub const HISTORY_SECONDS: usize = 60;
/// How many seconds are kept, and drawn by the diagnostics.
pub const KEPT_SECONDS: usize = 300;

/// Figures of the last five minutes, one per second.
#[derive(Debug, Default)]
pub struct History {
    /// Round trips, in milliseconds.
    pub round_trip_ms: Vec<f32>,
    /// Received, in kilobits per second.
    pub received_kbps: Vec<f32>,
    /// Sent, in kilobits per second.
    pub sent_kbps: Vec<f32>,
    /// Lost of what the stranger sent, in per cent.
    pub lost_percent: Vec<f32>,
    /// Pictures shown in each second.
    pub received_fps: Vec<f32>,
    /// How long pictures took from the first packet to the window, or from the camera where that is known, in milliseconds.
    pub picture_ms: Vec<f32>,
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
        if let Some(ratio) = statistics.loss_ratio {
            push(&mut self.lost_percent, ratio * 100.0);
        }
        let in_all = statistics.times_in.map(|times| times.total.median);
        if let Some(time) = statistics.picture_latency.or(in_all) {
            push(&mut self.picture_ms, time.as_secs_f32() * 1000.0);
        }
        let kbps = |bps: u64| bps as f32 / 1000.0;
        push(&mut self.received_kbps, kbps(statistics.received_bps));
        push(&mut self.sent_kbps, kbps(statistics.sent_bps));
        push(&mut self.received_fps, statistics.received_fps as f32);
    }
}

/// The part of `series` that the last minute brought.
pub fn last_minute(series: &[f32]) -> &[f32] {
    &series[series.len().saturating_sub(HISTORY_SECONDS)..]
}

fn push(series: &mut Vec<f32>, value: f32) {
    if series.len() == KEPT_SECONDS {
        series.remove(0);
    }
    series.push(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_minutes_of_figures_are_kept_and_no_more() {
        let mut history = History::default();
        for second in 0..500 {
            let statistics = Statistics {
                received_bps: second * 1000,
                ..Statistics::default()
            };
            history.record(&statistics);
            history.record(&statistics);
        }
        assert_eq!(history.received_kbps.len(), KEPT_SECONDS);
        assert_eq!(history.received_kbps.last(), Some(&499.0));
        assert_eq!(history.received_kbps.first(), Some(&200.0));
        assert_eq!(last_minute(&history.received_kbps).first(), Some(&440.0));
        assert!(
            history.round_trip_ms.is_empty(),
            "what is not known is not drawn"
        );
    }
}

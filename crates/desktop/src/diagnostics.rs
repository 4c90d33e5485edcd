//! What the diagnostics say, as text that can be given to somebody who can help. It is in English, and has no address.

use std::fmt::Write as _;

use engine::{Snapshot, StageTime, Statistics};

use crate::history::History;
use crate::log_tail::{LogTail, without_addresses};

/// Everything as text, line by line.
pub fn report(snapshot: &Snapshot, history: &History, log: &LogTail) -> String {
    let mut text = format!("Passerby {}\n", env!("CARGO_PKG_VERSION"));
    // Writing to a string does not fail.
    figures(&mut text, &snapshot.statistics).unwrap_or_default();
    for (name, series) in [
        ("round trip, ms", &history.round_trip_ms),
        ("lost, %", &history.lost_percent),
        ("received, kbit/s", &history.received_kbps),
        ("sent, kbit/s", &history.sent_kbps),
        ("pictures per second", &history.received_fps),
        ("time per picture, ms", &history.picture_ms),
    ] {
        let values: Vec<String> = series.iter().map(|it| format!("{it:.0}")).collect();
        writeln!(text, "{name}, each second: {}", values.join(" ")).unwrap_or_default();
    }
    text.push_str("log:\n");
    for line in log.lines() {
        text.push_str(&line);
        text.push('\n');
    }
    without_addresses(&text)
}

fn figures(text: &mut String, statistics: &Statistics) -> std::fmt::Result {
    let it = statistics;
    writeln!(text, "path: {:?}", it.path)?;
    for pair in it.pairs.iter() {
        writeln!(text, "pair: {pair:?}")?;
    }
    writeln!(
        text,
        "round trip: {:?}, lost: {:?}",
        it.round_trip, it.loss_ratio
    )?;
    writeln!(text, "sent: {} bit/s of {:?}", it.sent_bps, it.target_bps)?;
    writeln!(text, "received: {} bit/s", it.received_bps)?;
    writeln!(
        text,
        "sent pictures: {:?} {:?}",
        it.sent_video_codec, it.sent_size_px
    )?;
    writeln!(
        text,
        "received pictures: {:?} {:?}",
        it.video_codec, it.received_size_px
    )?;
    writeln!(text, "audio: {:?}", it.audio_stream)?;
    writeln!(text, "video: {:?}", it.video_stream)?;
    for (name, time) in stages(it) {
        writeln!(text, "{name}: {:?}, {:?}", time.median, time.p95)?;
    }
    Ok(())
}

/// How long pictures took from place to place, out and in, by English names.
fn stages(statistics: &Statistics) -> Vec<(&'static str, StageTime)> {
    let mut stages = Vec::new();
    if let Some(out) = statistics.times_out {
        stages.extend([
            ("out, waiting", out.waiting),
            ("out, scaling", out.scaling),
            ("out, encoding", out.encoding),
            ("out, queueing", out.queueing),
            ("out, pacing", out.pacing),
            ("out, in all", out.total),
        ]);
    }
    if let Some(times) = statistics.times_in {
        stages.extend([
            ("in, arriving", times.arriving),
            ("in, held back", times.holding),
            ("in, decoding", times.decoding),
            ("in, playout", times.playout),
            ("in, in all", times.total),
        ]);
    }
    stages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::nothing_yet;

    #[test]
    fn the_report_has_the_figures_and_the_log_and_no_address() {
        let mut snapshot = nothing_yet();
        snapshot.statistics.received_bps = 1_234_567;
        let mut history = History::default();
        history.record(&snapshot.statistics);
        let log = LogTail::default();
        log.push("WARN engine: the way to 198.51.100.7:40000 is gone");
        let report = report(&snapshot, &history, &log);
        for part in [
            "received: 1234567 bit/s",
            "received, kbit/s, each second: 1235",
            "is gone",
        ] {
            assert!(report.contains(part), "{report}");
        }
        assert!(!report.contains("198.51"), "{report}");
    }
}

//! What pictures do on bad lines, of Passerby alone: it recovers, it uses what there is, and what it shows is whole. How well
//! beside a browser is for `cargo xtask bench --quality` to say.

use std::time::Duration;

use lab::network::experiments::{Loss, Phase, Program, QualityCell, QualityLab, QualityLine, Row};

use crate::enter;

#[test]
fn pictures_follow_a_rate_that_falls_and_rises_again_and_are_never_broken() {
    let Some(_turn) = enter() else { return };
    let phase = |kbps, settle_s, measure_s| Phase {
        settle: Duration::from_secs(settle_s),
        measure: Duration::from_secs(measure_s),
        has_download: false,
        line: line(Loss::random(0), 100, Some(kbps)),
    };
    let rows = measure(vec![
        phase(3000, 3, 3),
        phase(700, 4, 4),
        phase(3000, 11, 4),
    ]);
    let [_, _, thin_there, thin_back, wide_there, wide_back] = &rows[..] else {
        panic!("three phases, both ways: {rows:?}");
    };
    for row in [thin_there, thin_back] {
        assert!(row.used_bps < 750e3, "{row:?}");
        // Not at the floor: most of what the line takes is used.
        assert!(row.used_bps > 250e3, "{row:?}");
        let [queue_p50_ms, _] = row.queue_ms.unwrap();
        assert!(queue_p50_ms < 150.0, "the queue is not left full: {row:?}");
    }
    for (wide, thin) in [(wide_there, thin_there), (wide_back, thin_back)] {
        // A machine that is too slow for AV1 sends smaller pictures for a while, which use less.
        assert!(wide.used_bps > 1.3 * thin.used_bps, "{wide:?}");
        let [thin, wide] = [thin, wide].map(|row| row.pictures.size_px);
        assert!(wide.is_some() && wide >= thin, "{wide:?} after {thin:?}");
    }
}

#[test]
fn pictures_flow_on_a_long_line_that_loses_packets_in_bursts() {
    let Some(_turn) = enter() else { return };
    let bursts = Loss { percent: 5, run: 4 };
    let rows = measure(vec![Phase {
        line: line(bursts, 100, None),
        settle: Duration::from_secs(5),
        measure: Duration::from_secs(6),
        has_download: false,
    }]);
    for row in rows {
        assert!(row.used_bps > 200e3, "not stuck at the floor: {row:?}");
    }
}

#[test]
fn beside_a_download_a_call_keeps_a_share_of_the_line() {
    let Some(_turn) = enter() else { return };
    let phase = |settle_s, measure_s, has_download| Phase {
        line: line(Loss::random(0), 40, Some(2000)),
        settle: Duration::from_secs(settle_s),
        measure: Duration::from_secs(measure_s),
        has_download,
    };
    let rows = measure(vec![phase(4, 3, false), phase(8, 6, true)]);
    let [_, _, _, to_downloader] = &rows[..] else {
        panic!("two phases, both ways: {rows:?}");
    };
    // At the floor it would be 100 kbit/s of pictures at most.
    assert!(to_downloader.used_bps > 300e3, "{to_downloader:?}");
    let [queue_p50_ms, _] = to_downloader.queue_ms.unwrap();
    assert!(
        queue_p50_ms > 50.0,
        "there is a download: {to_downloader:?}"
    );
}

/// Measures a call, and asserts what must be so on any line.
fn measure(phases: Vec<Phase>) -> Vec<Row> {
    let lab = QualityLab::build(None).unwrap();
    let cell = QualityCell {
        name: "test".to_owned(),
        phases,
    };
    let rows = lab.measure([Program::Passerby; 2], &cell).unwrap();
    for row in &rows {
        println!("{row:?}");
        let pictures = &row.pictures;
        // One in a hundred or so has a mark that compression has smeared; whether they are broken is told below.
        assert!(pictures.broken < 0.05, "{row:?}");
        // Of a machine that may be busy with other tests.
        assert!(pictures.fps > 10.0 && pictures.frozen < 0.5, "{row:?}");
        // A broken picture would be unlike its source.
        assert!(pictures.likeness_to_own.unwrap() > 0.6, "{row:?}");
    }
    rows
}

fn line(loss: Loss, round_trip_ms: u32, rate_kbps: Option<u32>) -> QualityLine {
    QualityLine {
        loss,
        round_trip_ms,
        rate_kbps,
    }
}

//! Rows for people, in Markdown.

use super::call::Row;

/// Above the rows of [`row`].
pub(super) const HEADER: &str = "\
| line | from → to | codec | frozen | pictures/s | latency p50 / p95 ms | used kbit/s (of the line) | size | full size after | \
likeness, its worst 5 %, of coding | SSIMULACRA2 | broken | queue p50 / p95 ms | mouth to ear p50 / p95 ms | speech (PESQ) | sound made up | sound buffer ms | CPU s/s | memory MB | idle |\n\
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|";

/// One direction of one line.
pub(super) fn row(row: &Row) -> String {
    let pictures = &row.pictures;
    let cells = [
        row.cell.clone(),
        format!("{} → {}", row.from, row.to),
        row.codec.clone().unwrap_or_else(dash),
        percent(pictures.frozen),
        format!("{:.1}", pictures.fps),
        two(pictures.latency_ms),
        used(row),
        pictures
            .size_px
            .map_or_else(dash, |(width, height)| format!("{width}x{height}")),
        pictures.full_size_ms.map_or_else(dash, seconds),
        format!(
            "{}, {}, {}",
            maybe(pictures.likeness, likeness),
            maybe(pictures.likeness_p5, likeness),
            maybe(pictures.likeness_to_own, likeness)
        ),
        maybe(pictures.judged, whole),
        percent(pictures.broken),
        two(row.queue_ms),
        two(row.mouth_to_ear_ms),
        maybe(row.speech, score),
        maybe(row.concealed, percent),
        maybe(row.sound_buffer_ms, whole),
        format!("{:.2}", row.cost.cpu),
        format!("{:.0}", row.cost.memory_bytes as f64 / 1e6),
        maybe(row.idle, |idle| format!("{:.0} %", idle * 100.0)),
    ];
    format!("| {} |", cells.join(" | "))
}

fn used(row: &Row) -> String {
    let kbps = row.used_bps / 1e3;
    match row.rate_bps {
        Some(rate_bps) => format!("{kbps:.0} ({:.0} %)", row.used_bps / rate_bps * 100.0),
        None => format!("{kbps:.0}"),
    }
}

fn two(values: Option<[f64; 2]>) -> String {
    values.map_or_else(dash, |[one, other]| format!("{one:.0} / {other:.0}"))
}

/// A figure that may not have been had.
pub(super) fn maybe(value: Option<f64>, show: impl Fn(f64) -> String) -> String {
    value.map_or_else(dash, show)
}

/// A share.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Milliseconds as seconds.
pub(super) fn seconds(ms: f64) -> String {
    format!("{:.1} s", ms / 1e3)
}

/// Without decimals.
pub(super) fn whole(value: f64) -> String {
    format!("{value:.0}")
}

/// Of SSIM.
pub(super) fn likeness(value: f64) -> String {
    format!("{value:.3}")
}

/// Of opinion.
pub(super) fn score(value: f64) -> String {
    format!("{value:.2}")
}

fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::compare::tests::a_row;
    use super::super::ends::Program;
    use super::*;

    #[test]
    fn a_row_has_as_many_cells_as_the_header_and_says_what_is_not_known() {
        let cells = |line: &str| line.matches('|').count();
        let mut lines = HEADER.lines().map(cells);
        let header = lines.next().unwrap();
        assert_eq!(lines.next(), Some(header));
        let mut one = a_row("5%/100ms/700k", Program::Chromium, Program::Passerby);
        one.rate_bps = Some(700e3);
        one.used_bps = 350e3;
        let line = row(&one);
        assert_eq!(cells(&line), header, "{line}");
        assert!(line.contains("| Chromium → Passerby |"), "{line}");
        assert!(line.contains("| 350 (50 %) |"), "{line}");
        one.pictures = super::super::PictureFigures::default();
        assert!(row(&one).contains("| - |"));
    }
}

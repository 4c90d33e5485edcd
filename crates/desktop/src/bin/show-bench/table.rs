//! What was measured, as Markdown.

use crate::alone::Size;
use crate::{Figures, WAYS};

/// A row for each way with the medians of all rounds, and how the ways compare.
pub(crate) fn table(size: Size, measured: &[Vec<Figures>; 2]) -> String {
    let mut lines = vec![
        String::new(),
        format!("### {size}, 30 a second"),
        String::new(),
        "| way | CPU s/s | of the thread that draws | ms CPU a picture | pictures/s | passes/s | memory | first pass |".to_owned(),
        "|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    for (way, rounds) in WAYS.iter().zip(measured) {
        let of = |pick: fn(&Figures) -> f64| median(rounds, pick);
        lines.push(format!(
            "| {way} | {:.3} | {:.3} | {:.2} | {:.1} | {:.1} | {:.0} MB | {:.0} ms |",
            of(|it| it.cpu),
            of(|it| it.main_cpu),
            of(ms_of_picture),
            of(|it| it.pictures),
            of(|it| it.passes),
            of(|it| it.memory_mb),
            of(|it| it.first_pass_ms),
        ));
    }
    let [rgba, planes] = measured;
    let ratio = |pick: fn(&Figures) -> f64| median(planes, pick) / median(rgba, pick);
    lines.push(String::new());
    lines.push(format!(
        "Planes to RGBA: {:.2} of the CPU time of a picture ({:.2} on the thread that draws), {:.2} of the memory.",
        ratio(ms_of_picture),
        ratio(|it| it.main_cpu / it.pictures),
        ratio(|it| it.memory_mb),
    ));
    let each: Vec<String> = rgba
        .iter()
        .zip(planes)
        .map(|(rgba, planes)| format!("{:.2}", ms_of_picture(planes) / ms_of_picture(rgba)))
        .collect();
    lines.push(format!("Round by round: {}.", each.join(", ")));
    lines.join("\n")
}

/// CPU time of the whole process for each picture that was shown.
fn ms_of_picture(figures: &Figures) -> f64 {
    figures.cpu / figures.pictures * 1e3
}

/// Of an even number the upper one of both in the middle; not a number if there is none.
fn median(rounds: &[Figures], pick: fn(&Figures) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(pick).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_that_of_the_medians_and_of_a_picture_that_was_shown() {
        let figures = |cpu, pictures| Figures {
            way: String::new(),
            seconds: 8.0,
            cpu,
            main_cpu: cpu / 2.0,
            pictures,
            passes: pictures,
            memory_mb: 100.0,
            first_pass_ms: 300.0,
        };
        let rgba = vec![
            figures(0.30, 30.0),
            figures(0.90, 30.0),
            figures(0.32, 30.0),
        ];
        // Half of the pictures for a quarter of the time.
        let planes = vec![
            figures(0.08, 15.0),
            figures(0.08, 15.0),
            figures(0.02, 15.0),
        ];
        let text = table(Size(640, 480), &[rgba, planes]);
        assert!(
            text.contains("| rgba | 0.320 | 0.160 | 10.67 | 30.0 |"),
            "{text}"
        );
        assert!(text.contains("Planes to RGBA: 0.50 of the CPU"), "{text}");
        assert!(text.contains("Round by round: 0.53, 0.18, 0.12."), "{text}");
    }
}

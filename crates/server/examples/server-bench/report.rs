//! The table that is printed, and whether all goals are reached.

/// What the figure of our server is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    /// It is told, and that is all.
    None,
    AtMost(f64),
    /// At most so many times the bare server's.
    Ratio(f64),
}

impl Goal {
    fn is_reached(self, ours: f64, bare: Option<f64>) -> bool {
        match self {
            Self::None => true,
            Self::AtMost(most) => ours <= most,
            Self::Ratio(most) => bare.is_some_and(|bare| ours <= bare * most),
        }
    }

    fn words(self) -> String {
        match self {
            Self::None => String::new(),
            Self::AtMost(most) => format!("≤ {}", figure(most)),
            Self::Ratio(most) => format!("ratio ≤ {most}"),
        }
    }
}

/// Rows of a Markdown table, which are printed as they come: who measures for long wants to see something.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<String>,
    missed: usize,
}

impl Report {
    /// Adds a row. What could not be measured is no row.
    pub(crate) fn row(&mut self, what: &str, ours: Option<f64>, bare: Option<f64>, goal: Goal) {
        let Some(value) = ours else { return };
        let is_reached = goal.is_reached(value, bare);
        self.missed += usize::from(!is_reached);
        let ratio = bare.filter(|bare| *bare > 0.0);
        let ratio = ratio.map_or_else(String::new, |bare| format!("{:.2}", value / bare));
        let verdict = match goal {
            Goal::None => "",
            _ if is_reached => "reached",
            _ => "**missed**",
        };
        if self.rows.is_empty() {
            println!("| | passerby | bare | ratio | goal | |");
            println!("|---|---:|---:|---:|---:|---|");
        }
        let row = format!(
            "| {what} | {} | {} | {ratio} | {} | {verdict} |",
            figure(value),
            bare.map(figure).unwrap_or_default(),
            goal.words(),
        );
        println!("{row}");
        self.rows.push(row);
    }

    pub(crate) const fn missed(&self) -> usize {
        self.missed
    }
}

/// With as many digits as mean something.
fn figure(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ if value == 0.0 => "0".to_owned(),
        _ => format!("{value:.3}"),
    }
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_that_is_missed_is_said_and_counted_and_others_are_not() {
        let mut report = Report::default();
        report.row("memory", Some(7.0), Some(7.5), Goal::AtMost(6.5));
        report.row("processor", Some(0.09), Some(0.1), Goal::AtMost(0.1));
        report.row("delay", Some(120.0), Some(100.0), Goal::Ratio(1.1));
        report.row("rate", Some(5000.0), None, Goal::None);

        assert_eq!(report.missed(), 2);
        assert_eq!(
            report.rows[0],
            "| memory | 7.00 | 7.50 | 0.93 | ≤ 6.50 | **missed** |"
        );
        assert_eq!(
            report.rows[1],
            "| processor | 0.090 | 0.100 | 0.90 | ≤ 0.100 | reached |"
        );
        assert_eq!(report.rows[3], "| rate | 5000 |  |  |  |  |");
    }
}

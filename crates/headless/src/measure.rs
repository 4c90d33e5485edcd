//! How good a recording is, and what a process costs. For benches and tests.

pub mod machine;
pub mod pictures;
pub mod process;
pub mod speech;
pub mod threads;

/// The value below which `share` (0 to 1) of `values` lie; `None` of nothing.
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    sorted
        .get(((last as f64) * share).round() as usize)
        .copied()
}

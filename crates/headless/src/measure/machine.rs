//! What the machine had left, from Linux's `/proc`.

/// What all processors have done so far.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    idle_ticks: u64,
    all_ticks: u64,
}

impl Machine {
    /// As it is now. None where there is no `/proc`.
    pub fn now() -> Option<Self> {
        Self::read(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    /// The first line: user, nice, system, idle, waiting for disks, interrupts, soft interrupts, stolen.
    fn read(stat: &str) -> Option<Self> {
        let numbers = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = numbers
            .split_whitespace()
            .take(8)
            .map_while(|number| number.parse().ok())
            .collect();
        Some(Self {
            idle_ticks: *ticks.get(3)? + *ticks.get(4)?,
            all_ticks: ticks.iter().sum(),
        })
    }

    /// The share of all processors' time that nobody wanted since `earlier`, from 0 to 1.
    pub fn idle_since(self, earlier: Self) -> f64 {
        let all = self.all_ticks.saturating_sub(earlier.all_ticks).max(1);
        self.idle_ticks.saturating_sub(earlier.idle_ticks) as f64 / all as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_wanted_is_idle() {
        let before = Machine::read("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1").unwrap();
        let after = Machine::read("cpu  150 0 75 860 65 0 0 0 9 9\n").unwrap();
        assert!((after.idle_since(before) - 0.5).abs() < 1e-9);
        assert!(Machine::read("intr 1").is_none());
    }
}

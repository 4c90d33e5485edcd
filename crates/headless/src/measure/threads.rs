//! What the threads of a process cost, by their names, from Linux's `/proc`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::process::ticks_of_stat;

/// What all threads of one name have used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ThreadCost {
    /// How many there are.
    pub threads: u32,
    /// CPU time in user and system mode.
    pub cpu: Duration,
    /// How often they had waited for something and went on.
    pub wakeups: u64,
}

impl ThreadCost {
    /// What was used since `earlier`. Threads that have ended since then are not known.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            threads: self.threads,
            cpu: self.cpu.saturating_sub(earlier.cpu),
            wakeups: self.wakeups.saturating_sub(earlier.wakeups),
        }
    }
}

/// The threads of a process by their names, of which Linux keeps 15 bytes. Empty where there is no `/proc`.
pub fn by_name(pid: u32) -> BTreeMap<String, ThreadCost> {
    let mut costs = BTreeMap::<String, ThreadCost>::new();
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return costs;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let read = |name| std::fs::read_to_string(path.join(name)).ok();
        // It may have ended meanwhile.
        let (Some(stat), Some(status)) = (read("stat"), read("status")) else {
            continue;
        };
        let (Some(name), Some(cpu)) = (name_of(&stat), ticks_of_stat(&stat)) else {
            continue;
        };
        let cost = costs.entry(name.to_owned()).or_default();
        cost.threads += 1;
        cost.cpu += cpu;
        cost.wakeups += wakeups_of(&status).unwrap_or_default();
    }
    costs
}

fn name_of(stat: &str) -> Option<&str> {
    Some(stat.split_once('(')?.1.rsplit_once(')')?.0)
}

fn wakeups_of(status: &str) -> Option<u64> {
    let mut lines = status.lines();
    let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
    count.trim().parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn threads_of_one_name_count_together() {
        let is_over = Arc::new(AtomicBool::new(false));
        for _ in 0..2 {
            let is_over = Arc::clone(&is_over);
            let work = move || {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            };
            let thread = std::thread::Builder::new().name("busy (test)".to_owned());
            thread.spawn(work).unwrap();
        }
        // Until they have worked, however busy the machine is.
        let busy = loop {
            let busy = by_name(std::process::id()).remove("busy (test)");
            match busy {
                Some(busy) if busy.threads == 2 && busy.cpu > Duration::ZERO => break busy,
                _ => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(busy.since(busy).cpu, Duration::ZERO);
        assert_eq!(busy.since(ThreadCost::default()), busy);
    }

    #[test]
    fn a_name_may_hold_anything() {
        assert_eq!(name_of("7 (a) b) S 1"), Some("a) b"));
        assert_eq!(
            wakeups_of("x:\t1\nvoluntary_ctxt_switches:\t12\n"),
            Some(12)
        );
        assert_eq!(wakeups_of("nonvoluntary_ctxt_switches:\t12\n"), None);
    }
}

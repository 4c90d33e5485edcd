//! What a program costs: CPU time and memory of a process and all that came from it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use headless::measure::process;
use serde::{Deserialize, Serialize};

/// What one end of a call cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// CPU seconds in a second of call.
    pub cpu: f64,
    /// In RAM, in bytes; what processes share counts once (PSS).
    pub memory_bytes: u64,
}

/// CPU times at one moment.
#[derive(Debug)]
pub(super) struct CpuTimes {
    taken_at: Instant,
    by_process: BTreeMap<u32, Duration>,
}

impl CpuTimes {
    /// Of this process and those that came from it.
    pub(super) fn of(root: u32) -> Self {
        let times = family(root, &parents())
            .into_iter()
            .filter_map(|pid| Some((pid, process::cpu_time(pid)?)));
        Self {
            taken_at: Instant::now(),
            by_process: times.collect(),
        }
    }

    /// CPU seconds in a second since `earlier`. What a process that has ended since then used is not known.
    pub(super) fn since(&self, earlier: &Self) -> f64 {
        let used = self.by_process.iter().map(|(pid, now)| {
            let before = earlier.by_process.get(pid).copied().unwrap_or_default();
            now.saturating_sub(before).as_secs_f64()
        });
        used.sum::<f64>() / (self.taken_at - earlier.taken_at).as_secs_f64()
    }
}

/// Memory of this process and those that came from it, in bytes; what they share counts once.
pub(super) fn memory_bytes(root: u32) -> u64 {
    let of = |pid: u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kilobytes * 1024)
    };
    family(root, &parents()).into_iter().filter_map(of).sum()
}

/// Who is whose parent, of all processes.
fn parents() -> BTreeMap<u32, u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    let parent = |entry: std::fs::DirEntry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // After the name in brackets, which may hold anything: the state, then the parent (proc(5)).
        let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
        Some((pid, parent.parse().ok()?))
    };
    entries.flatten().filter_map(parent).collect()
}

/// The root and all that descend from it.
fn family(root: u32, parents: &BTreeMap<u32, u32>) -> Vec<u32> {
    let mut family = vec![root];
    let mut looked_at = 0;
    while let Some(parent) = family.get(looked_at).copied() {
        let children = parents
            .iter()
            .filter(|(pid, of)| **of == parent && **pid != parent);
        let children: Vec<u32> = children.map(|(pid, _)| *pid).collect();
        family.extend(children);
        looked_at += 1;
    }
    family
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_and_grandchildren_belong_to_the_family_and_others_do_not() {
        let parents = [(1, 0), (2, 1), (3, 2), (4, 1), (5, 3), (6, 6)].into();
        assert_eq!(family(2, &parents), [2, 3, 5]);
        assert_eq!(family(6, &parents), [6]);
        assert_eq!(family(99, &parents), [99]);
    }

    #[test]
    fn the_work_of_a_child_is_counted() {
        let child = std::process::Command::new("sh")
            .args(["-c", "while :; do :; done & wait"])
            .spawn();
        let mut child = child.unwrap();
        let before = CpuTimes::of(child.id());
        // Until it has worked, however busy the machine is.
        let (used, memory) = loop {
            std::thread::sleep(Duration::from_millis(50));
            let used = CpuTimes::of(child.id()).since(&before);
            if used > 0.0 {
                break (used, memory_bytes(child.id()));
            }
        };
        for pid in family(child.id(), &parents()).into_iter().rev() {
            let kill = std::process::Command::new("kill")
                .arg(pid.to_string())
                .status();
            assert!(kill.is_ok());
        }
        child.wait().unwrap();
        assert!(used <= 1.5, "{used}");
        assert!(memory > 10_000, "{memory}");
    }
}

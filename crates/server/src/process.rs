//! What the process takes of the machine, from Linux's `/proc` (proc(5)). Elsewhere nothing is known.

use std::fs;

/// What the process takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Process {
    /// Seconds of processor time, the kernel's for us included.
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_bytes: u64,
    pub(crate) threads: u64,
    pub(crate) open_files: u64,
    pub(crate) max_files: u64,
}

/// In what the kernel counts processor time for programs, on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

impl Process {
    /// `None` where there is no `/proc`.
    pub(crate) fn read() -> Option<Self> {
        let read = |name| fs::read_to_string(format!("/proc/self/{name}")).ok();
        let open_files = fs::read_dir("/proc/self/fd").ok()?.count() as u64;
        Self::parse(
            &read("stat")?,
            &read("status")?,
            &read("limits")?,
            open_files,
        )
    }

    fn parse(stat: &str, status: &str, limits: &str, open_files: u64) -> Option<Self> {
        // The second field is the program's name, in which anything may be.
        let (_, after_name) = stat.rsplit_once(") ")?;
        let field =
            |number: usize| -> Option<u64> { after_name.split(' ').nth(number - 3)?.parse().ok() };
        let line = |text: &str, name: &str| -> Option<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) as f64 / TICKS_PER_SECOND,
            resident_bytes: line(status, "VmRSS:")? * 1024,
            threads: line(status, "Threads:")?,
            open_files,
            max_files: line(limits, "Max open files").unwrap_or(u64::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found_whatever_the_program_is_called() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 4 0 9 1 1";
        let status = "Name:\ta\nVmRSS:\t    5000 kB\nThreads:\t4\n";
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files   1024   4096   files\n";
        let process = Process::parse(stat, status, limits, 12).unwrap();

        assert!((process.cpu_seconds - 3.0).abs() < 1e-9);
        assert_eq!(process.resident_bytes, 5_120_000);
        assert_eq!((process.threads, process.open_files), (4, 12));
        assert_eq!(process.max_files, 1024);
        assert_eq!(Process::parse("", status, limits, 0), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_takes_something() {
        let process = Process::read().expect("there is /proc");
        assert!(process.resident_bytes > 100_000 && process.open_files > 2);
    }
}

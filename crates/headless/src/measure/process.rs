//! What a process costs, from Linux's `/proc`.

use std::time::Duration;

/// Kernel ticks per second: fixed at 100 for user space on every Linux architecture that Rust runs on.
const TICKS_PER_SECOND: u32 = 100;

/// CPU time that a process has used so far, in user and system mode. `None` where there is no `/proc`.
pub fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    ticks_of_stat(&stat)
}

/// The CPU time in the text of a `stat` file, of a process or of a thread.
pub(super) fn ticks_of_stat(stat: &str) -> Option<Duration> {
    // The second field is the name in brackets and may hold anything; fields 14 and 15 are utime and stime (proc(5)).
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_whitespace().skip(11);
    let ticks: u32 = fields.next()?.parse::<u32>().ok()? + fields.next()?.parse::<u32>().ok()?;
    Some(Duration::from_secs(1) * ticks / TICKS_PER_SECOND)
}

/// Memory that a process has in RAM, in bytes.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    status_field(pid, "VmRSS:").map(|kilobytes| kilobytes * 1024)
}

/// How many threads a process has.
pub fn threads(pid: u32) -> Option<u64> {
    status_field(pid, "Threads:")
}

/// How many file descriptors a process has open.
pub fn open_files(pid: u32) -> Option<u64> {
    Some(std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64)
}

fn status_field(pid: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_costs_something() {
        let me = std::process::id();
        let mut sum = 0_u64;
        while cpu_time(me).unwrap() == Duration::ZERO {
            sum = sum.wrapping_mul(31).wrapping_add(1);
        }
        assert!(resident_bytes(me).unwrap() > 100_000, "{sum}");
        assert!(threads(me).unwrap() >= 1);
        assert!(open_files(me).unwrap() >= 3);
    }
}

//! What a process costs, from Linux's `/proc`.

use std::collections::BTreeMap;
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

/// How often a thread has gone to sleep by itself, to be woken again: its voluntary switches of context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sleeper {
    /// The thread's name, cut by the kernel to 15 bytes.
    pub name: String,
    /// How often so far.
    pub sleeps: u64,
}

/// How often each thread of a process has gone to sleep so far, by the kernel's number of the thread. `None` where there is no
/// `/proc`.
pub fn sleepers(pid: u32) -> Option<BTreeMap<u32, Sleeper>> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let sleeper = |task: std::fs::DirEntry| {
        let number = task.file_name().to_str()?.parse().ok()?;
        // One that has just ended has none.
        let status = std::fs::read_to_string(task.path().join("status")).ok()?;
        Some((number, sleeper_of(&status)?))
    };
    Some(tasks.flatten().filter_map(sleeper).collect())
}

fn sleeper_of(status: &str) -> Option<Sleeper> {
    Some(Sleeper {
        name: field(status, "Name:")?.to_owned(),
        sleeps: field(status, "voluntary_ctxt_switches:")?.parse().ok()?,
    })
}

fn status_field(pid: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    field(&status, name)?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim())
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

    #[test]
    fn a_thread_that_sleeps_is_counted_by_its_name() {
        let (naps, thread) = std::sync::mpsc::channel::<()>();
        let (done, has_slept) = std::sync::mpsc::channel();
        let sleeper = std::thread::Builder::new().name("a sleeper".to_owned());
        let sleeper = sleeper.spawn(move || {
            for () in thread {
                std::thread::sleep(Duration::from_millis(1));
                done.send(()).unwrap();
            }
        });
        let count = || {
            let all = sleepers(std::process::id()).unwrap();
            let mine = all.into_values().find(|found| found.name == "a sleeper");
            mine.map_or(0, |found| found.sleeps)
        };
        let nap = || {
            naps.send(()).unwrap();
            has_slept.recv().unwrap();
        };
        nap();
        let before = count();
        for _ in 0..10 {
            nap();
        }
        assert!(count() >= before + 10);
        drop(naps);
        sleeper.unwrap().join().unwrap();
    }

    #[test]
    fn voluntary_switches_are_not_taken_for_the_others() {
        let status = "Name:\tengine\nThreads:\t3\nvoluntary_ctxt_switches:\t7\n\
                      nonvoluntary_ctxt_switches:\t900\n";
        let read = sleeper_of(status).unwrap();
        assert_eq!((read.name.as_str(), read.sleeps), ("engine", 7));
        assert!(sleeper_of("Name:\tengine\n").is_none());
    }
}

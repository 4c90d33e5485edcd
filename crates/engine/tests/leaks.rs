//! What many calls leave behind. A file of its own, because it counts the threads and files of its process.
#![cfg(target_os = "linux")]

mod support;

use std::time::Duration;

use engine::{CallView, Command};
use support::{Stranger, TestServer, pair};

#[test]
fn calls_in_a_row_leave_nothing_behind() {
    let server = TestServer::start();
    let (one, two) = pair(&server.url());
    one.see();
    let next = |stranger: &Stranger, other: &Stranger| {
        let earlier = stranger.engine.snapshot().statistics.clone();
        stranger.engine.send(Command::Next);
        other.wait("the end", |s| matches!(s.call, CallView::Ended { .. }));
        other.engine.send(Command::Next);
        stranger.wait("the next call", |s| {
            matches!(s.call, CallView::Connected { .. })
                && s.statistics.time_to_connected != earlier.time_to_connected
        });
        other.wait_connected();
        stranger.see();
    };
    for _ in 0..3 {
        next(&one, &two);
    }
    std::thread::sleep(Duration::from_secs(1));
    let (threads, files) = (count("task"), count("fd"));
    for _ in 0..10 {
        next(&one, &two);
    }
    // The last connection closes in its own time.
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(server.census().rooms, 1);
    assert!(
        count("task") <= threads + 1,
        "threads: {threads} → {}",
        count("task")
    );
    assert!(
        count("fd") <= files + 2,
        "open files: {files} → {}",
        count("fd")
    );
}

/// How many entries a folder of this process's `/proc` has.
fn count(what: &str) -> usize {
    std::fs::read_dir(format!("/proc/self/{what}")).map_or(0, Iterator::count)
}

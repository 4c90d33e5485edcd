//! A closed peer leaves nothing behind. Alone in its process, because it counts what the process holds.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use transport::{Opened, Peer, PeerConfig, PeerEvent};

fn entries(folder: &str) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// Open files, threads, and tasks of this runtime.
fn held() -> [usize; 3] {
    [
        entries("/proc/self/fd"),
        entries("/proc/self/task"),
        Handle::current().metrics().num_alive_tasks(),
    ]
}

async fn open(is_offerer: bool) -> Opened {
    let bind = vec!["127.0.0.1:0".parse().unwrap()];
    Peer::open(PeerConfig {
        bind,
        is_offerer,
        ..PeerConfig::default()
    })
    .await
    .unwrap()
}

async fn until_open(events: &mut mpsc::Receiver<PeerEvent>, partner: &Peer) {
    while let Some(event) = events.recv().await {
        match event {
            PeerEvent::LocalCandidate(candidate) => partner.add_candidate(candidate).await.unwrap(),
            PeerEvent::MessageChannelOpen => return,
            _ => {}
        }
    }
}

/// Two peers that are connected, with media, messages and a message channel.
async fn call() -> [Opened; 2] {
    let (mut a, mut b) = (open(true).await, open(false).await);
    b.peer
        .apply_remote(a.peer.create_offer(None).await.unwrap())
        .await
        .unwrap();
    a.peer
        .apply_remote(b.peer.create_answer().await.unwrap())
        .await
        .unwrap();
    let both = async {
        tokio::join!(
            until_open(&mut a.events, &b.peer),
            until_open(&mut b.events, &a.peer)
        )
    };
    tokio::time::timeout(Duration::from_secs(20), both)
        .await
        .expect("the message channels open");
    for _ in 0..20 {
        // Refused before the connection is up, which is fine: this only has to set all parts in motion.
        let _refused = a.peer.send_audio(vec![1; 40].into(), 0);
        let _refused = b.peer.send_audio(vec![1; 40].into(), 0);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    a.peer.send_message("x".into()).unwrap();
    [a, b]
}

/// Waits until no more is held than `before`, or fails.
async fn returns_to(before: [usize; 3], what: &str) {
    for _ in 0..200 {
        let now = held();
        if now.iter().zip(before).all(|(now, before)| *now <= before) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!(
        "{what}: files, threads and tasks were {before:?} and are {:?}",
        held()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_threads_and_tasks_of_twenty_calls_are_given_back() {
    // The first call may set up what the process keeps.
    for end in &call().await {
        end.peer.close().await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let before = held();

    for _ in 0..20 {
        let ends = call().await;
        let during = held();
        assert!(
            during[0] > before[0] && during[2] > before[2],
            "the counting counts nothing: {during:?}"
        );
        for end in &ends {
            end.peer.close().await;
        }
    }
    returns_to(before, "after closing").await;

    for _ in 0..5 {
        drop(call().await);
    }
    returns_to(before, "after dropping the handles").await;
}

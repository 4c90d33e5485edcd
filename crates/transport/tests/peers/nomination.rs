//! How many round trips it takes until the handshake begins.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use protocol::{Candidate, Description};
use tokio::net::UdpSocket;
use transport::{PeerConfig, PeerEvent, Workarounds};

use crate::support::{PATIENCE, Pair, loopback};

/// Each way. Long, so that a busy machine does not change the order of what happens.
const DELAY: Duration = Duration::from_millis(150);

/// What was seen on the wire, in the order in which it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// The offerer's request left.
    Check { nominates: bool },
    /// An answer of the answerer has reached the offerer.
    AnswerArrived,
    /// The first message of the handshake left.
    ClientHello,
}

#[derive(Debug, Default, Clone)]
struct Log(Arc<Mutex<Vec<Seen>>>);

impl Log {
    fn push(&self, seen: Seen) {
        self.0.lock().unwrap().push(seen);
    }

    /// What happened before the handshake began.
    fn before_client_hello(&self) -> Vec<Seen> {
        let log = self.0.lock().unwrap();
        let is_before = |seen: &&Seen| **seen != Seen::ClientHello;
        let before: Vec<_> = log.iter().take_while(is_before).copied().collect();
        assert!(before.len() < log.len(), "there was a handshake");
        before
    }
}

/// A long wire between two loopback sockets. Each side knows the other by the wire's end.
async fn wire(a: SocketAddr, b: SocketAddr) -> (SocketAddr, SocketAddr, Log) {
    let bind = || async { Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap()) };
    let (near_a, near_b, log) = (bind().await, bind().await, Log::default());
    let addresses = (near_a.local_addr().unwrap(), near_b.local_addr().unwrap());
    for (from, to, target, is_of_offerer) in [
        (Arc::clone(&near_a), Arc::clone(&near_b), b, true),
        (near_b, near_a, a, false),
    ] {
        let log = log.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 2048];
            while let Ok((len, _)) = from.recv_from(&mut buffer).await {
                let (bytes, to, log) = (buffer[..len].to_vec(), Arc::clone(&to), log.clone());
                match bytes.as_slice() {
                    [0, 1, ..] if is_of_offerer => log.push(Seen::Check {
                        nominates: nominates(&bytes),
                    }),
                    // A handshake record with a ClientHello.
                    [22, ..] if !is_of_offerer && bytes.get(13) == Some(&1) => {
                        log.push(Seen::ClientHello);
                    }
                    _ => {}
                }
                tokio::spawn(async move {
                    tokio::time::sleep(DELAY).await;
                    if bytes.starts_with(&[1, 1]) && !is_of_offerer {
                        log.push(Seen::AnswerArrived);
                    }
                    let _is_gone = to.send_to(&bytes, target).await;
                });
            }
        });
    }
    (addresses.0, addresses.1, log)
}

/// Whether a request has USE-CANDIDATE (RFC 8445 section 7.1.2).
fn nominates(request: &[u8]) -> bool {
    let mut rest = &request[20..];
    while let [high, low, len_high, len_low, after @ ..] = rest {
        if [*high, *low] == [0, 0x25] {
            return true;
        }
        let len = usize::from(u16::from_be_bytes([*len_high, *len_low]));
        rest = &after[len.next_multiple_of(4)..];
    }
    false
}

/// The same candidate at another address.
fn moved(candidate: &Candidate, to: SocketAddr) -> Candidate {
    let mut words: Vec<String> = candidate.candidate.split(' ').map(str::to_owned).collect();
    words[5] = to.port().to_string();
    Candidate {
        candidate: words.join(" "),
        ..candidate.clone()
    }
}

/// The address of the first candidate that an end tells of.
async fn own_candidate(end: &mut crate::support::End) -> (SocketAddr, Candidate) {
    let told = async {
        loop {
            if let Some(PeerEvent::LocalCandidate(Some(candidate))) = end.events.recv().await {
                let words: Vec<&str> = candidate.candidate.split(' ').collect();
                let address = format!("{}:{}", words[4], words[5]);
                return (address.parse().unwrap(), candidate);
            }
        }
    };
    tokio::time::timeout(PATIENCE, told)
        .await
        .expect("a candidate")
}

fn without_candidates(mut description: Description) -> Description {
    let is_kept = |line: &&str| !line.starts_with("a=candidate:") && !line.starts_with("a=end-of");
    let lines: Vec<&str> = description.sdp.lines().filter(is_kept).collect();
    description.sdp = lines.join("\r\n") + "\r\n";
    description
}

/// Connects over a long wire, where the answer takes as long as anything else; what was on it before the handshake.
async fn call(nominates_at_once: bool) -> Vec<Seen> {
    let config = |is_offerer| PeerConfig {
        workarounds: Workarounds {
            nominate_at_once: nominates_at_once,
            ..Workarounds::default()
        },
        ..loopback(is_offerer)
    };
    let mut pair = Pair::open(config(true), config(false)).await;
    let offer = pair.a.peer.create_offer(None).await.expect("offers");
    (pair.b.peer.apply_remote(without_candidates(offer)).await).expect("takes the offer");
    let answer = pair.b.peer.create_answer().await.expect("answers");
    let (a, told_by_a) = own_candidate(&mut pair.a).await;
    let (b, told_by_b) = own_candidate(&mut pair.b).await;
    let (near_a, near_b, log) = wire(a, b).await;
    (pair
        .b
        .peer
        .add_candidate(Some(moved(&told_by_a, near_b)))
        .await)
        .expect("takes a candidate");
    tokio::time::sleep(DELAY).await;
    (pair.a.peer.apply_remote(without_candidates(answer)).await).expect("takes the answer");
    (pair
        .a
        .peer
        .add_candidate(Some(moved(&told_by_b, near_a)))
        .await)
        .expect("takes a candidate");
    for end in [&mut pair.a, &mut pair.b] {
        let connected = async {
            while let Some(event) = end.events.recv().await {
                if event == PeerEvent::Connected {
                    return;
                }
            }
        };
        (tokio::time::timeout(PATIENCE, connected).await).expect("connects");
    }
    pair.close().await;
    log.before_client_hello()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_handshake_begins_before_an_answer_is_back() {
    let seen = call(true).await;
    assert!(!seen.contains(&Seen::AnswerArrived), "{seen:?}");
    assert!(seen.contains(&Seen::Check { nominates: true }), "{seen:?}");
}

/// A round trip more: an answer has come back, and the nomination that follows it has arrived.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_workaround_it_waits_for_an_answer() {
    let seen = call(false).await;
    let answer = seen.iter().position(|seen| *seen == Seen::AnswerArrived);
    let nomination = (seen.iter()).position(|seen| *seen == Seen::Check { nominates: true });
    assert!(answer.is_some() && answer < nomination, "{seen:?}");
}

//! Round trips that connecting does without: the second check of a nomination, and the cookie of the handshake.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
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
    /// The answerer began the handshake.
    ClientHello { has_cookie: bool },
    /// The offerer went on with it.
    ServerHello,
}

#[derive(Debug, Default, Clone)]
struct Log(Arc<Mutex<Vec<Seen>>>);

impl Log {
    fn push(&self, seen: Seen) {
        self.0.lock().unwrap().push(seen);
    }

    /// What happened before something did.
    fn before(&self, is_it: impl Fn(&Seen) -> bool) -> Vec<Seen> {
        let log = self.0.lock().unwrap();
        let it = log.iter().position(is_it).expect("it happened");
        log[..it].to_vec()
    }

    fn before_handshake(&self) -> Vec<Seen> {
        self.before(|seen| matches!(seen, Seen::ClientHello { .. }))
    }

    /// Whether each `ClientHello` had a cookie, until the offerer went on.
    fn hellos(&self) -> Vec<bool> {
        let before = self.before(|seen| *seen == Seen::ServerHello);
        let cookie = |seen: &Seen| match seen {
            Seen::ClientHello { has_cookie } => Some(*has_cookie),
            _ => None,
        };
        before.iter().filter_map(cookie).collect()
    }
}

/// What a side is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    Nothing,
    /// A NAT that lets nothing in before something went out (RFC 4787 section 5).
    Nat,
}

/// A long wire between two loopback sockets. Each side knows the other by the wire's end.
async fn wire(a: SocketAddr, b: SocketAddr, behind: Behind) -> (SocketAddr, SocketAddr, Log) {
    let bind = || async { Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap()) };
    let (near_a, near_b, log) = (bind().await, bind().await, Log::default());
    let addresses = (near_a.local_addr().unwrap(), near_b.local_addr().unwrap());
    let has_sent = |_| Arc::new(AtomicBool::new(behind == Behind::Nothing));
    let [a_has_sent, b_has_sent]: [_; 2] = std::array::from_fn(has_sent);
    let flags = (Arc::clone(&a_has_sent), Arc::clone(&b_has_sent));
    for (from, to, target, (own, other), is_of_offerer) in [
        (Arc::clone(&near_a), Arc::clone(&near_b), b, flags, true),
        (near_b, near_a, a, (b_has_sent, a_has_sent), false),
    ] {
        let log = log.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 2048];
            while let Ok((len, _)) = from.recv_from(&mut buffer).await {
                let (bytes, to, log) = (buffer[..len].to_vec(), Arc::clone(&to), log.clone());
                own.store(true, Ordering::Relaxed);
                let other = Arc::clone(&other);
                match bytes.as_slice() {
                    [0, 1, ..] if is_of_offerer => log.push(Seen::Check {
                        nominates: nominates(&bytes),
                    }),
                    // Handshake records (RFC 6347 section 4.3.2), a ClientHello without a session.
                    [22, ..] if bytes.get(13) == Some(&1) => {
                        let has_cookie = bytes[60] > 0;
                        log.push(Seen::ClientHello { has_cookie });
                    }
                    [22, ..] if bytes.get(13) == Some(&2) => log.push(Seen::ServerHello),
                    _ => {}
                }
                tokio::spawn(async move {
                    tokio::time::sleep(DELAY).await;
                    if !other.load(Ordering::Relaxed) {
                        return;
                    }
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
fn moved(candidate: &Candidate, to: SocketAddr, behind: Behind) -> Candidate {
    let mut words: Vec<String> = candidate.candidate.split(' ').map(str::to_owned).collect();
    words[5] = to.port().to_string();
    let mut line = words.join(" ");
    if behind == Behind::Nat {
        line = line.replace("typ host", "typ srflx raddr 0.0.0.0 rport 9");
    }
    Candidate {
        candidate: line,
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

/// Connects over a long wire, where the answer takes as long as anything else; what was on it.
async fn call(workarounds: [Workarounds; 2], behind: Behind) -> Log {
    let config = |is_offerer: bool| PeerConfig {
        workarounds: workarounds[usize::from(!is_offerer)],
        ..loopback(is_offerer)
    };
    let mut pair = Pair::open(config(true), config(false)).await;
    let offer = pair.a.peer.create_offer(None).await.expect("offers");
    (pair.b.peer.apply_remote(without_candidates(offer)).await).expect("takes the offer");
    let answer = pair.b.peer.create_answer().await.expect("answers");
    let (a, told_by_a) = own_candidate(&mut pair.a).await;
    let (b, told_by_b) = own_candidate(&mut pair.b).await;
    let (near_a, near_b, log) = wire(a, b, behind).await;
    (pair
        .b
        .peer
        .add_candidate(Some(moved(&told_by_a, near_b, behind)))
        .await)
        .expect("takes a candidate");
    tokio::time::sleep(DELAY).await;
    (pair.a.peer.apply_remote(without_candidates(answer)).await).expect("takes the answer");
    (pair
        .a
        .peer
        .add_candidate(Some(moved(&told_by_b, near_a, behind)))
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
    log
}

/// Without the workaround of this file that is named.
const NOMINATES_AFTERWARDS: Workarounds = Workarounds {
    nominate_at_once: false,
    ..EVERYTHING
};
const ASKS_FOR_A_COOKIE: Workarounds = Workarounds {
    tell_cookie: false,
    ..EVERYTHING
};
const EVERYTHING: Workarounds = Workarounds {
    repeat_handshake: true,
    extra_turns: true,
    nominate_at_once: true,
    tell_cookie: true,
};

async fn begins_before_an_answer_is_back(behind: Behind) {
    let seen = call([EVERYTHING; 2], behind).await.before_handshake();
    assert!(!seen.contains(&Seen::AnswerArrived), "{seen:?}");
    assert!(seen.contains(&Seen::Check { nominates: true }), "{seen:?}");
}

/// A round trip more: an answer has come back, and the nomination that follows it has arrived.
async fn waits_for_an_answer(behind: Behind) {
    let log = call([NOMINATES_AFTERWARDS; 2], behind).await;
    let seen = log.before_handshake();
    let answer = seen.iter().position(|seen| *seen == Seen::AnswerArrived);
    let nomination = (seen.iter()).position(|seen| *seen == Seen::Check { nominates: true });
    assert!(answer.is_some() && answer < nomination, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_handshake_begins_before_an_answer_is_back() {
    begins_before_an_answer_is_back(Behind::Nothing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_handshake_begins_before_an_answer_is_back_through_nats_too() {
    begins_before_an_answer_is_back(Behind::Nat).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_workaround_it_waits_for_an_answer() {
    waits_for_an_answer(Behind::Nothing).await;
    waits_for_an_answer(Behind::Nat).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_that_was_told_is_not_asked_for() {
    let hellos = call([EVERYTHING; 2], Behind::Nothing).await.hellos();
    assert!(!hellos.is_empty() && !hellos.contains(&false), "{hellos:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_side_that_tells_of_no_cookie_connects_to_one_that_does() {
    for workarounds in [
        [EVERYTHING, ASKS_FOR_A_COOKIE],
        [ASKS_FOR_A_COOKIE, EVERYTHING],
    ] {
        let hellos = call(workarounds, Behind::Nothing).await.hellos();
        assert_eq!(hellos.first(), Some(&false), "it has to ask");
        assert_eq!(hellos.last(), Some(&true));
    }
}

//! Measures how surely and how fast calls connect on bad paths, in one process on loopback, and what each workaround for
//! a fault of the WebRTC stack is worth.
//!
//! `cargo run -p transport --example connect_table -- 20` makes 20 calls of each kind. `--without-each` makes as many with
//! each workaround left out, in turns, so that a busy machine slows all of them alike; when a row without one is as good as
//! the row with all of them, it can go. `--without-workarounds` leaves out all of them. `--round-trip 150` measures that
//! one alone; `--at-once 10` makes ten calls at a time, for large numbers. Times are from the first offer to media being
//! possible on both sides. With `--slow-signalling` offer and answer take half a round trip each, as through a server
//! between the two; else they take no time.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use transport::{Impairment, Opened, Peer, PeerConfig, PeerEvent, Workarounds};

const LOSS_PERCENT: [u32; 4] = [0, 5, 10, 20];
const ROUND_TRIPS_MS: [u64; 3] = [0, 50, 150];
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

const NONE: Workarounds = Workarounds {
    repeat_handshake: false,
    extra_turns: false,
    nominate_at_once: false,
    tell_cookie: false,
};

fn without_each() -> [(&'static str, Workarounds); 4] {
    let all = Workarounds::default();
    [
        (
            "  handshake not repeated",
            Workarounds {
                repeat_handshake: false,
                ..all
            },
        ),
        (
            "  no extra turns",
            Workarounds {
                extra_turns: false,
                ..all
            },
        ),
        (
            "  nominated after a check",
            Workarounds {
                nominate_at_once: false,
                ..all
            },
        ),
        (
            "  cookie asked for",
            Workarounds {
                tell_cookie: false,
                ..all
            },
        ),
    ]
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let calls = arguments.first().and_then(|text| text.parse().ok());
    let calls: u64 = calls.unwrap_or(20);
    let value_of = |flag: &str| -> Option<u64> {
        let at = arguments.iter().position(|text| text == flag)?;
        arguments.get(at + 1)?.parse().ok()
    };
    let at_once = value_of("--at-once").unwrap_or(1).max(1);
    let only_round_trip = value_of("--round-trip");
    let has = |flag: &str| arguments.iter().any(|text| text == flag);
    let mut kinds = vec![("", Workarounds::default())];
    if has("--without-each") {
        kinds.extend(without_each());
    }
    if has("--without-workarounds") {
        kinds.push(("  without workarounds", NONE));
    }
    let is_signalling_slow = has("--slow-signalling");
    println!("loss  round trip  connected  p50 ms  p95 ms  max ms");
    let round_trips = ROUND_TRIPS_MS.into_iter();
    for round_trip in round_trips.filter(|ms| only_round_trip.is_none_or(|only| only == *ms)) {
        for loss in LOSS_PERCENT {
            let mut results = vec![Vec::new(); kinds.len()];
            for first in (0..calls).step_by(at_once as usize) {
                for ((_, workarounds), result) in kinds.iter().zip(&mut results) {
                    let delay = Duration::from_millis(round_trip) / 2;
                    let loss_ratio = f64::from(loss) / 100.0;
                    let workarounds = *workarounds;
                    let together: Vec<_> = (first..calls.min(first + at_once))
                        .map(|seed| {
                            let call =
                                call(seed, workarounds, loss_ratio, delay, is_signalling_slow);
                            tokio::spawn(call)
                        })
                        .collect();
                    for call in together {
                        result.extend(call.await.expect("it does not panic"));
                    }
                }
            }
            for ((name, _), mut result) in kinds.iter().zip(results) {
                result.sort();
                let ms = |index: usize| {
                    let time = result.get(index.min(result.len().saturating_sub(1)));
                    time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
                };
                println!(
                    "{loss:3} % {round_trip:8} ms {:5}/{calls:<5} {:6.0}  {:6.0}  {:6.0}{name}",
                    result.len(),
                    ms(result.len() / 2),
                    ms(result.len() * 95 / 100),
                    ms(usize::MAX),
                );
            }
        }
    }
}

/// Makes one call; the time to connect, unless it does not.
async fn call(
    seed: u64,
    workarounds: Workarounds,
    loss_ratio: f64,
    delay: Duration,
    is_signalling_slow: bool,
) -> Option<Duration> {
    let config = |is_offerer: bool| {
        let network = Impairment::seeded(2 * seed + u64::from(is_offerer));
        network.set_loss_ratio(loss_ratio);
        network.set_delay(delay);
        PeerConfig {
            bind: vec![([127, 0, 0, 1], 0).into()],
            is_offerer,
            impairment: Some(network),
            workarounds,
            ..PeerConfig::default()
        }
    };
    let mut a = Peer::open(config(true)).await.expect("opens");
    let mut b = Peer::open(config(false)).await.expect("opens");
    let start = Instant::now();
    let signal = || async {
        if is_signalling_slow {
            tokio::time::sleep(delay).await;
        }
    };
    let connecting = async {
        let offer = a.peer.create_offer(None).await.expect("offers");
        signal().await;
        b.peer.apply_remote(offer).await.expect("takes the offer");
        let answer = b.peer.create_answer().await.expect("answers");
        let answering = async {
            signal().await;
            a.peer.apply_remote(answer).await.expect("takes the answer");
            connected(&mut b.events, &a.peer).await
        };
        tokio::join!(connected(&mut a.events, &b.peer), answering)
    };
    let both = tokio::time::timeout(GIVE_UP_AFTER, connecting).await;
    let elapsed = start.elapsed();
    for Opened { peer, .. } in [a, b] {
        peer.close().await;
    }
    matches!(both, Ok((true, true))).then_some(elapsed)
}

/// Tells the partner of candidates until connected. False if that fails.
async fn connected(events: &mut mpsc::Receiver<PeerEvent>, partner: &Peer) -> bool {
    while let Some(event) = events.recv().await {
        match event {
            PeerEvent::LocalCandidate(candidate) => {
                partner.add_candidate(candidate).await.expect("is taken");
            }
            PeerEvent::Connected => return true,
            PeerEvent::Failed => return false,
            _ => {}
        }
    }
    false
}

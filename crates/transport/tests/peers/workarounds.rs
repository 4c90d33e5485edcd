//! Measures whether the workarounds for faults of the WebRTC stack are still needed.
//!
//! Run it with `cargo test -p transport --test peers workarounds -- --ignored --nocapture --test-threads 1`. The rows are
//! made in turns, so that a busy machine slows all of them alike. When a row without a workaround is as good as one
//! with it, the workaround can go.

use std::time::{Duration, Instant};

use transport::{Impairment, PeerConfig, PeerEvent, Workarounds};

use crate::support::{Pair, frame, loopback};

const CALLS: u64 = 20;
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

/// Milliseconds from the offer on.
struct Times {
    connected: f64,
    first_packets: f64,
}

/// Makes one call with media from the first moment on.
async fn call(
    seed: u64,
    workarounds: Workarounds,
    loss_ratio: f64,
    delay: Duration,
) -> Option<Times> {
    let config = |is_offerer: bool| {
        let impairment = (loss_ratio > 0.0 || !delay.is_zero()).then(|| {
            let network = Impairment::seeded(2 * seed + u64::from(is_offerer));
            network.set_loss_ratio(loss_ratio);
            network.set_delay(delay);
            network
        });
        PeerConfig {
            workarounds,
            impairment,
            ..loopback(is_offerer)
        }
    };
    let start = Instant::now();
    let mut pair = Pair::open(config(true), config(false)).await;
    pair.negotiate(None).await;
    let (mut connected, mut ends) = (None, [false; 2]);
    while start.elapsed() < GIVE_UP_AFTER {
        for (end, has_first) in [&mut pair.a, &mut pair.b].into_iter().zip(&mut ends) {
            if end.has_seen(&PeerEvent::Connected) {
                let _is_full = end.peer.send_video(frame(1, 10));
            }
            *has_first |= end.video.try_recv().is_ok();
        }
        pair.step(Duration::from_micros(500)).await;
        if connected.is_none() && pair.is_connected() {
            connected = Some(start.elapsed());
        }
        if ends == [true; 2] {
            break;
        }
    }
    pair.close().await;
    let connected = connected?;
    (ends == [true; 2]).then(|| Times {
        connected: connected.as_secs_f64() * 1e3,
        first_packets: start.elapsed().as_secs_f64() * 1e3,
    })
}

fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values
        .get((values.len() as f64 * share) as usize)
        .copied()
        .unwrap_or(f64::NAN)
}

async fn compare(title: &str, loss_ratio: f64, delay: Duration) {
    let rows = [
        ("with both", Workarounds::default()),
        (
            "no repeats",
            Workarounds {
                repeat_handshake: false,
                ..Workarounds::default()
            },
        ),
        (
            "no turns",
            Workarounds {
                extra_turns: false,
                ..Workarounds::default()
            },
        ),
    ];
    let mut results: [Vec<Times>; 3] = Default::default();
    for seed in 0..CALLS {
        for ((_, workarounds), result) in rows.iter().zip(&mut results) {
            result.extend(call(seed, *workarounds, loss_ratio, delay).await);
        }
    }
    println!("{title}");
    for ((name, _), result) in rows.iter().zip(&results) {
        let mut connected: Vec<f64> = result.iter().map(|times| times.connected).collect();
        let mut first: Vec<f64> = result.iter().map(|times| times.first_packets).collect();
        println!(
            "  {name:10}  {}/{CALLS}  connected p50 {:6.1} p90 {:6.1} ms   first packets both ways p50 {:6.1} p90 {:6.1} ms",
            result.len(),
            quantile(&mut connected, 0.5),
            quantile(&mut connected, 0.9),
            quantile(&mut first, 0.5),
            quantile(&mut first, 0.9),
        );
    }
    assert_eq!(
        results[0].len() as u64,
        CALLS,
        "with the workarounds every call connects"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn on_loopback() {
    compare("loopback", 0.0, Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn at_twenty_percent_loss() {
    compare(
        "20 % loss, round trip 50 ms",
        0.2,
        Duration::from_millis(25),
    )
    .await;
}

/// The two sides install their keys at different moments, and packets that come too early are lost without a trace.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn first_frames() {
    let mut arrived = [0; 2];
    for _ in 0..CALLS {
        let mut pair = Pair::on_loopback().await;
        pair.negotiate(None).await;
        let mut has_sent = [false; 2];
        while has_sent != [true; 2] {
            pair.step(Duration::from_micros(500)).await;
            for (end, has_sent) in [&pair.a, &pair.b].into_iter().zip(&mut has_sent) {
                if !*has_sent && end.has_seen(&PeerEvent::Connected) {
                    *has_sent = end.peer.send_video(frame(1, 3000)).is_ok();
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        for (arrived, end) in arrived.iter_mut().zip([&mut pair.b, &mut pair.a]) {
            let packets = std::iter::from_fn(|| end.video.try_recv().ok()).count();
            *arrived += u32::from(packets == 3);
        }
        pair.close().await;
    }
    let [offerer, answerer] = arrived;
    println!(
        "first frames that arrived whole: {offerer}/{CALLS} of the offerer, {answerer}/{CALLS} of the answerer"
    );
}

//! How soon all servers know what one of them has decided, and what that costs Redis.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cluster::{
    FOR_GOOD, Ledger, NodeId, Shelf,
    redis::{News, Order},
};
use tokio::sync::mpsc;

use crate::{RedisServer, join};

const SHELF: Shelf = Shelf {
    word: "bans",
    limit: 20_000,
};
const SERVERS: u64 = 4;
const IDLE: Duration = Duration::from_secs(20);

/// Decides so many things at one of four servers, one after the other. Whether all others have heard of each.
pub(crate) async fn measure(decisions: u64) -> bool {
    let redis = RedisServer::start();
    let (heard, mut hears) = mpsc::channel(1024);
    let mut deciders = Vec::new();
    for number in 1..=SERVERS {
        let (decide, decisions) = mpsc::channel(16);
        deciders.push(decide);
        tokio::spawn(serve(number, redis.port, decisions, heard.clone()));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = redis.cpu();
    tokio::time::sleep(IDLE).await;
    let idle = redis.cpu().saturating_sub(before);

    let before = redis.cpu();
    let began = Instant::now();
    let mut delays = Vec::new();
    for number in 0..decisions {
        let decided = Instant::now();
        let sent = deciders[0].send(format!("key {number:032x}")).await;
        sent.expect("the server is there");
        for _ in 1..SERVERS {
            match tokio::time::timeout(Duration::from_secs(5), hears.recv()).await {
                Ok(Some(at)) => delays.push(at - decided),
                _ => return false,
            }
        }
    }
    let took = began.elapsed();
    let cpu = redis.cpu().saturating_sub(before);
    delays.sort_unstable();
    let ms = |part: f64| {
        let at = (delays.len() as f64 * part) as usize;
        delays.get(at).map_or(0.0, |it| it.as_secs_f64() * 1e3)
    };
    println!(
        "facts: {SERVERS} servers, {decisions} decisions at one of them, one after the other: known to another one after p50 {:.1} ms, p99 {:.1} ms, \
         {:.0} a second; Redis {:.0} us of CPU for each, and {:.0} us a second for each server while nothing happens",
        ms(0.5),
        ms(0.99),
        decisions as f64 / took.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / decisions as f64,
        idle.as_secs_f64() * 1e6 / IDLE.as_secs_f64() / SERVERS as f64,
    );
    true
}

/// A server that decides what it is told to, and says when it has heard of what another one has decided.
async fn serve(
    number: u64,
    port: u16,
    mut decisions: mpsc::Receiver<String>,
    heard: mpsc::Sender<Instant>,
) {
    let me = NodeId(number);
    let (orders, mut news) = join(me, port);
    let mut ledger = Ledger::new(SHELF, me);
    loop {
        let due = ledger.poll_timeout();
        let due = due.unwrap_or_else(|| Instant::now() + Duration::from_secs(1));
        tokio::select! {
            it = news.recv() => match it {
                Some(News::Up) => ledger.on_up(Instant::now()),
                Some(News::Lost) => ledger.on_lost(),
                Some(News::Nudge(_)) => ledger.on_nudge(Instant::now()),
                Some(News::Page { page, .. }) => {
                    for _ in ledger.on_page(page, unix_ms(), Instant::now()) {
                        if heard.send(Instant::now()).await.is_err() {
                            return;
                        }
                    }
                }
                Some(_) => {}
                None => return,
            },
            it = decisions.recv() => match it {
                Some(name) => drop(ledger.decide(&name, TEXT, FOR_GOOD, unix_ms())),
                None => return,
            },
            () = tokio::time::sleep_until(due.into()) => {}
        }
        while let Some(question) = ledger.poll(Instant::now()) {
            if orders.send(Order::Facts(Box::new(question))).await.is_err() {
                return;
            }
        }
    }
}

/// As long as that of a ban.
const TEXT: &str = r#"{"is":"banned","reason":"The operator of this server does not want you here.","from":1800000000,"is_automatic":false}"#;

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_millis() as u64
}

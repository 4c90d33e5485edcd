//! What a pairing costs: a match, two descriptions and ten candidates each way; then Next on the same socket, or a new connection.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use protocol::Role;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    Bench,
    client::{Client, PATIENCE, Target},
    report::{Goal, Report, median},
    servers::{Kind, Process},
};

/// How many clients are there at once.
const CLIENTS: u32 = 200;

/// What a client does after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Next,
    Reconnect,
}

/// Of one round.
struct Measured {
    cpu_per_thousand: f64,
    per_second: f64,
}

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    for (name, after, has_tls, goal) in [
        ("Next", After::Next, false, Goal::AtMost(0.10)),
        ("reconnect", After::Reconnect, false, Goal::AtMost(0.25)),
        ("reconnect over TLS", After::Reconnect, true, Goal::None),
    ] {
        let mut rounds: [Vec<Measured>; 2] = [Vec::new(), Vec::new()];
        for round in 0..bench.flags.rounds {
            for (kind, measured) in Kind::BOTH.into_iter().zip(&mut rounds) {
                eprintln!("pairings with {name}: {kind}, round {}", round + 1);
                measured.push(measure_one(bench, kind, after, has_tls).await?);
            }
        }
        let of = |figure: fn(&Measured) -> f64| {
            rounds
                .each_ref()
                .map(|rounds| median(rounds.iter().map(figure).collect()))
        };
        let [ours, bare] = of(|measured| measured.cpu_per_thousand);
        report.row(
            &format!("CPU seconds for 1,000 pairings with {name}"),
            Some(ours),
            Some(bare),
            goal,
        );
        let [ours, bare] = of(|measured| measured.per_second);
        report.row(
            &format!("pairings a second with {name}, {CLIENTS} clients on the same cores"),
            Some(ours),
            Some(bare),
            Goal::None,
        );
    }
    Ok(())
}

async fn measure_one(
    bench: &Bench,
    kind: Kind,
    after: After,
    has_tls: bool,
) -> anyhow::Result<Measured> {
    let certificate = has_tls.then_some(&bench.certificate);
    let process = Process::start(kind, 0, certificate)?;
    let target = Target {
        addr: process.addr,
        tls: certificate
            .map(crate::certificate::Certificate::client_config)
            .transpose()?,
    };
    let pairings = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let (target, pairings) = (target.clone(), Arc::clone(&pairings));
        clients.spawn(async move { meet_all(&target, number, after, &pairings).await });
    }
    // Whoever fails ends the measurement: a figure of a server that loses people means nothing.
    let watched = async {
        match clients.join_next().await {
            Some(Ok(Err(error))) => error,
            other => anyhow::anyhow!("a client ended: {other:?}"),
        }
    };
    let counted = async {
        sleep(Duration::from_secs(1)).await;
        let (cpu, count, start) = (process.cpu()?, pairings.load(Relaxed), Instant::now());
        sleep(Duration::from_secs(bench.flags.seconds)).await;
        let cpu = process.cpu()?.saturating_sub(cpu).as_secs_f64();
        let count = (pairings.load(Relaxed) - count) as f64;
        anyhow::ensure!(count > 0.0, "nobody met");
        Ok(Measured {
            cpu_per_thousand: 1000.0 * cpu / count,
            per_second: count / start.elapsed().as_secs_f64(),
        })
    };
    tokio::select! {
        error = watched => Err(error.context(kind)),
        measured = counted => measured,
    }
}

async fn meet_all(
    target: &Target,
    number: u32,
    after: After,
    pairings: &AtomicU64,
) -> anyhow::Result<()> {
    let mut client = Client::connect(target, number).await?;
    client.join().await?;
    loop {
        let met = timeout(PATIENCE, client.meet()).await??;
        let is_whole = timeout(PATIENCE, client.exchange(met)).await??;
        if is_whole && met.role == Role::Offerer {
            pairings.fetch_add(1, Relaxed);
        }
        if is_whole && met.role == Role::Answerer {
            // The offerer leaves once it has everything.
            timeout(PATIENCE, client.until_left(met.room)).await??;
        }
        match after {
            After::Next => client.next(is_offerer_in(met)).await?,
            After::Reconnect => {
                timeout(PATIENCE, client.close()).await??;
                client = Client::connect(target, number).await?;
                client.join().await?;
            }
        }
    }
}

/// The room to leave; who was left is in none.
fn is_offerer_in(met: crate::client::Met) -> Option<protocol::RoomId> {
    (met.role == Role::Offerer).then_some(met.room)
}

//! How long a signalling frame is under way from one client to its partner, at a steady rate.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use protocol::ServerMessage;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant as At, MissedTickBehavior, interval_at, timeout},
};

use crate::{
    Bench,
    client::{Client, Met, PATIENCE, Target, candidate, said_at},
    report::{Goal, Report, median},
    servers::{Kind, Process},
};

const CLIENTS: u32 = 1000;
/// Frames a second, of all together.
const RATE: u32 = 5000;
/// How much more than the bare server's counts as the same: what runs differ by on a machine with other things to do.
const NOISE: f64 = 1.1;

/// Of one round: microseconds, and CPU microseconds for each frame.
struct Measured {
    p50: f64,
    p99: f64,
    cpu: f64,
}

/// What is told of a round.
type Figure = fn(&Measured) -> f64;

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let mut rounds: [Vec<Measured>; 2] = [Vec::new(), Vec::new()];
    for round in 0..bench.flags.rounds {
        for (kind, measured) in Kind::BOTH.into_iter().zip(&mut rounds) {
            eprintln!("relay: {kind}, round {}", round + 1);
            measured.push(measure_one(bench, kind).await?);
        }
    }
    let figures: [(&str, Figure, Goal); 3] = [
        ("µs under way, p50", |it| it.p50, Goal::Ratio(NOISE)),
        ("µs under way, p99", |it| it.p99, Goal::Ratio(NOISE)),
        ("CPU µs for a frame", |it| it.cpu, Goal::None),
    ];
    for (name, figure, goal) in figures {
        let [ours, bare] =
            (rounds.each_ref()).map(|rounds| median(rounds.iter().map(figure).collect()));
        let what = format!("{name}, {RATE} frames a second");
        report.row(&what, Some(ours), Some(bare), goal);
    }
    Ok(())
}

async fn measure_one(bench: &Bench, kind: Kind) -> anyhow::Result<Measured> {
    let process = Process::start(kind, 0, None)?;
    let target = Target {
        addr: process.addr,
        tls: None,
    };
    let mut joining = JoinSet::new();
    for number in 0..CLIENTS {
        let target = target.clone();
        joining.spawn(async move {
            let mut client = Client::connect(&target, number).await?;
            client.join().await?;
            let met = timeout(PATIENCE, client.meet()).await??;
            anyhow::ensure!(client.exchange(met).await?, "the partner went away");
            anyhow::Ok((client, met))
        });
    }
    let mut clients = Vec::new();
    while let Some(client) = joining.join_next().await {
        clients.push(client??);
    }
    let time = Duration::from_secs(bench.flags.seconds);
    let expected = time.as_secs() as usize * RATE as usize;
    let (told, mut latencies) = mpsc::channel(4096);
    let gather = tokio::spawn(async move {
        let mut all = Vec::with_capacity(expected);
        while let Some(micros) = latencies.recv().await {
            all.push(micros);
        }
        all
    });
    let begin = Instant::now();
    let cpu = process.cpu()?;
    let mut talking = JoinSet::new();
    for (number, (client, met)) in clients.into_iter().enumerate() {
        let told = told.clone();
        let first = begin + Duration::from_secs(1) * number as u32 / RATE;
        talking.spawn(talk(client, met, begin, first, time, told));
    }
    drop(told);
    while let Some(talked) = talking.join_next().await {
        talked??;
    }
    let cpu = process.cpu()?.saturating_sub(cpu).as_secs_f64();
    let mut latencies = gather.await?;
    anyhow::ensure!(
        latencies.len() * 10 > expected * 9,
        "{} of {expected} frames arrived",
        latencies.len()
    );
    latencies.sort_by(f64::total_cmp);
    let at = |part: f64| latencies[(latencies.len() as f64 * part) as usize];
    Ok(Measured {
        p50: at(0.5),
        p99: at(0.99),
        cpu: cpu * 1e6 / latencies.len() as f64,
    })
}

async fn talk(
    mut client: Client,
    met: Met,
    begin: Instant,
    first: Instant,
    time: Duration,
    told: mpsc::Sender<f64>,
) -> anyhow::Result<()> {
    let mut ticks = interval_at(At::from_std(first), Duration::from_secs(1) * CLIENTS / RATE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let end = begin + time;
    let mut is_over = false;
    loop {
        tokio::select! {
            // What is still under way is heard for a moment longer.
            () = tokio::time::sleep_until(At::from_std(end + Duration::from_millis(500))) => return Ok(()),
            _ = ticks.tick(), if !is_over => {
                is_over = Instant::now() >= end;
                let at = begin.elapsed().as_nanos() as u64;
                client.say(&candidate(met.room, at)).await?;
            }
            heard = client.hear() => match heard? {
                ServerMessage::Candidate { candidate: Some(candidate), .. } => {
                    let at = said_at(&candidate).context("it is ours")?;
                    let micros = (begin.elapsed().as_nanos() as u64).saturating_sub(at) as f64 / 1e3;
                    told.send(micros).await?;
                }
                ServerMessage::PartnerLeft { .. } => return Ok(()),
                _ => {}
            },
        }
    }
}

//! The server is killed in mid-call and comes back.

use std::time::Duration;

use anyhow::Context as _;
use headless::measure::quantile;
use headless::{Event, EventLine};

use super::{Common, Verdicts, milliseconds};
use crate::network::client::now_ms;
use crate::network::{Client, ClientOptions, NatKind, Network, Servers, Side};

const DEFAULT_RUNS: u32 = 5;
/// How long each call lasts; the server dies and comes back within the first one.
const CALL_SECONDS: f64 = 14.0;
const SETTLING_TIME: Duration = Duration::from_secs(3);
/// How long the server is away.
const AWAY_TIME: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(20);
const SIGNED_IN_TARGET_MS: f64 = 3000.0;

/// What came of a server's death.
#[derive(Debug, Clone, Default)]
pub struct Death {
    /// Pictures that were lost while the server was away, of both sides: given up by the receiver.
    pub lost_pictures: u64,
    /// The longest time between two pictures before the death, of both sides, in milliseconds.
    pub longest_gap_before_ms: Option<f64>,
    /// The longest time between two pictures while the server was away.
    pub longest_gap_ms: Option<f64>,
    /// From the server's return until both were signed in, in milliseconds; `None` if one never was.
    pub signed_in_ms: Option<f64>,
    /// Whether Next led to another call with pictures on both sides.
    pub is_next_working: bool,
}

/// Makes a call, kills the server, starts it again, and lets A press Next.
///
/// # Errors
/// When the lab fails, or the first call does not come about.
pub fn kill_the_server(network: &Network, servers: &mut Servers) -> anyhow::Result<Death> {
    let pressing = ClientOptions {
        calls: 2,
        seconds: Some(CALL_SECONDS),
        ..ClientOptions::default()
    };
    let waiting = ClientOptions {
        seconds: None,
        ..pressing.clone()
    };
    let mut clients = [
        Client::start(network, servers, Side::A, &pressing)?,
        Client::start(network, servers, Side::B, &waiting)?,
    ];
    for client in &mut clients {
        client.wait_for_pictures(SETTLING_TIME, LONGEST)?;
    }
    let mut death = Death::default();
    let dropped_before = dropped(&mut clients)?;
    let killed_at = now_ms();
    servers.kill_server()?;
    std::thread::sleep(AWAY_TIME);
    let returning_at = now_ms();
    // Lines of statistics come once a second; this one is of a time when the server was away.
    death.lost_pictures = dropped(&mut clients)?.saturating_sub(dropped_before);
    for client in &mut clients {
        let gap = |from, to, pictures: &[f64]| longest_gap(pictures, from, to);
        let pictures = client.pictures_ms()?;
        let before = gap(killed_at - 2000.0, killed_at, &pictures);
        let during = gap(killed_at, returning_at, &pictures);
        death.longest_gap_before_ms = later(death.longest_gap_before_ms, before);
        death.longest_gap_ms = later(death.longest_gap_ms, during);
    }
    servers.start_server(network)?;
    let returned_at = now_ms();
    let mut signed_in = Vec::new();
    for client in &mut clients {
        let at = client.wait_for("signing in again", LONGEST, |events| {
            signed_in_at(events, returning_at)
        });
        match at {
            Ok(at) => signed_in.push((at - returned_at).max(0.0)),
            Err(error) => eprintln!("{error:#}"),
        }
    }
    if signed_in.len() == clients.len() {
        death.signed_in_ms = signed_in.into_iter().reduce(f64::max);
    }
    death.is_next_working = clients
        .iter_mut()
        .all(|client| client.wait_for_call(2, LONGEST).is_ok());
    Ok(death)
}

/// Pictures given up so far, by both.
fn dropped(clients: &mut [Client; 2]) -> anyhow::Result<u64> {
    let mut sum = 0;
    for client in clients {
        let last = client.reports()?.last();
        sum += last.context("there are no statistics yet")?.frames_dropped;
    }
    Ok(sum)
}

fn later(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    [a, b].into_iter().flatten().reduce(f64::max)
}

/// The longest time without a picture between two moments.
fn longest_gap(pictures: &[f64], from: f64, to: f64) -> Option<f64> {
    let within = pictures
        .iter()
        .copied()
        .filter(|at| (from..to).contains(at));
    let moments: Vec<f64> = std::iter::once(from).chain(within).chain([to]).collect();
    moments
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .reduce(f64::max)
}

fn signed_in_at(events: &[EventLine], after: f64) -> Option<f64> {
    events
        .iter()
        .find(|line| {
            line.at_ms >= after
                && matches!(&line.event, Event::Signalling { state } if state == "connected")
        })
        .map(|line| line.at_ms)
}

pub(super) fn run(common: &Common, verdicts: &mut Verdicts) -> anyhow::Result<()> {
    let runs = common.calls.unwrap_or(DEFAULT_RUNS);
    let network = Network::build(NatKind::PortRestricted, NatKind::PortRestricted)?;
    let mut servers = Servers::start(&network, common.relay)?;
    println!("\n## Server death: SIGKILL in mid-call, back after 5 s, {runs} runs\n");
    println!(
        "| run | pictures lost | longest gap before | longest gap while away | signed in after | Next works |\n|---|---|---|---|---|---|"
    );
    let mut deaths = Vec::new();
    for run in 1..=runs {
        let death = kill_the_server(&network, &mut servers)?;
        println!(
            "| {run} | {} | {} | {} | {} | {} |",
            death.lost_pictures,
            milliseconds(death.longest_gap_before_ms),
            milliseconds(death.longest_gap_ms),
            milliseconds(death.signed_in_ms),
            if death.is_next_working { "yes" } else { "no" },
        );
        deaths.push(death);
    }
    let lost: u64 = deaths.iter().map(|death| death.lost_pictures).sum();
    verdicts.note(
        "server death: pictures lost",
        lost.to_string(),
        "0",
        lost == 0,
    );
    let signed_in: Vec<f64> = deaths
        .iter()
        .filter_map(|death| death.signed_in_ms)
        .collect();
    let worst = quantile(&signed_in, 1.0).filter(|_| signed_in.len() == deaths.len());
    verdicts.note_at_most(
        "server death: both signed in again, worst",
        worst,
        SIGNED_IN_TARGET_MS,
    );
    let working = deaths.iter().filter(|death| death.is_next_working).count();
    verdicts.note(
        "server death: Next works afterwards",
        working.to_string(),
        format!("{runs} of {runs}"),
        working == deaths.len(),
    );
    Ok(())
}

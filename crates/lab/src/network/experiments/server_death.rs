//! The server is killed in mid-call and comes back.

use std::collections::BTreeSet;
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
/// With this long between two pictures the field says that a picture is frozen. They come every 33 ms, so this leaves room
/// for some that are late on a busy machine, and none for a call that looks for another path.
const LONGEST_GAP_TARGET_MS: f64 = 200.0;

/// What came of a server's death.
#[derive(Debug, Clone, Default)]
pub struct Death {
    /// Pictures that were lost while the server was away, of both sides: given up by the receiver.
    pub lost_pictures: u64,
    /// Pictures that were sent while the server was away and not shown, of both sides, by the numbers in them. Those that a
    /// busy machine left out are among them.
    pub unseen_pictures: u64,
    /// Whether both sides called themselves connected all the time that the server was away.
    pub is_undisturbed: bool,
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
    let mut death = Death {
        is_undisturbed: true,
        ..Death::default()
    };
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
        let events = client.events()?;
        death.unseen_pictures += unseen(events, killed_at, returning_at);
        death.is_undisturbed &= !has_changed(events, killed_at, returning_at);
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

/// How many numbers are missing among the pictures that were shown between two moments.
fn unseen(events: &[EventLine], from: f64, to: f64) -> u64 {
    let within = events
        .iter()
        .filter(|line| (from..to).contains(&line.at_ms));
    let numbers: BTreeSet<u32> = within
        .filter_map(|line| match line.event {
            Event::Picture { number, .. } => number,
            _ => None,
        })
        .collect();
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else {
        return 0;
    };
    (u64::from(last - first) + 1).saturating_sub(numbers.len() as u64)
}

/// Whether the call had another state between two moments, if only for a short while.
fn has_changed(events: &[EventLine], from: f64, to: f64) -> bool {
    events
        .iter()
        .any(|line| (from..to).contains(&line.at_ms) && matches!(line.event, Event::Call { .. }))
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
        "| run | pictures lost | not shown | longest gap before | longest gap while away | signed in after | Next works |\n|---|---|---|---|---|---|---|"
    );
    let mut deaths = Vec::new();
    for run in 1..=runs {
        let death = kill_the_server(&network, &mut servers)?;
        println!(
            "| {run} | {} | {} | {} | {} | {} | {} |",
            death.lost_pictures,
            death.unseen_pictures,
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
    let unseen: u64 = deaths.iter().map(|death| death.unseen_pictures).sum();
    verdicts.note(
        "server death: pictures sent while away and not shown",
        unseen.to_string(),
        "0",
        unseen == 0,
    );
    let gaps: Vec<f64> = deaths
        .iter()
        .filter_map(|death| death.longest_gap_ms)
        .collect();
    verdicts.note_at_most(
        "server death: longest gap between two pictures while away, worst",
        quantile(&gaps, 1.0).filter(|_| gaps.len() == deaths.len()),
        LONGEST_GAP_TARGET_MS,
    );
    let undisturbed = deaths.iter().filter(|death| death.is_undisturbed).count();
    verdicts.note(
        "server death: calls that stayed connected while it was away",
        undisturbed.to_string(),
        format!("{runs} of {runs}"),
        undisturbed == deaths.len(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(at_ms: f64, number: u32) -> EventLine {
        EventLine {
            at_ms,
            event: Event::Picture {
                number: Some(number),
                captured_ms: None,
            },
        }
    }

    #[test]
    fn pictures_that_are_missing_in_between_are_unseen_and_those_before_and_after_are_not() {
        let events: Vec<EventLine> = [
            (1.0, 3),
            (10.0, 7),
            (11.0, 8),
            (12.0, 11),
            (13.0, 11),
            (20.0, 19),
        ]
        .map(|(at_ms, number)| picture(at_ms, number))
        .into();
        assert_eq!(unseen(&events, 10.0, 20.0), 2);
        assert_eq!(unseen(&events, 2.0, 9.0), 0);
    }

    #[test]
    fn a_call_that_looked_for_another_path_was_disturbed_however_short_it_was() {
        let state = |at_ms, state: &str| EventLine {
            at_ms,
            event: Event::Call {
                state: state.to_owned(),
            },
        };
        let mut events = vec![state(1.0, "connected"), picture(11.0, 1)];
        assert!(!has_changed(&events, 10.0, 20.0));
        events.extend([state(12.0, "reconnecting"), state(12.1, "connected")]);
        assert!(has_changed(&events, 10.0, 20.0));
    }

    #[test]
    fn the_time_before_the_first_and_after_the_last_picture_is_a_gap_too() {
        assert_eq!(longest_gap(&[90.0, 110.0, 140.0], 100.0, 200.0), Some(60.0));
        assert_eq!(longest_gap(&[], 100.0, 200.0), Some(100.0));
    }
}

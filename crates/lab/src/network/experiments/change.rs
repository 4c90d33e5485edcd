//! The network changes under a call.

use std::fmt;
use std::time::Duration;

use anyhow::ensure;
use headless::measure::quantile;
use headless::{Event, EventLine};

use super::{Common, Verdicts, milliseconds};
use crate::network::client::now_ms;
use crate::network::{Client, ClientOptions, NatKind, Network, Servers, Side, Uplink};

const DEFAULT_RUNS: u32 = 5;
/// For how long a pulled cable is out.
const PULLED_TIME: Duration = Duration::from_secs(6);
/// How long pictures flow before the change.
const SETTLING_TIME: Duration = Duration::from_secs(3);
/// How long they may take to flow again. A call that has not recovered after that is lost.
const LONGEST: Duration = Duration::from_secs(30);
/// As many pictures in a second are a flow and no stray ones.
const FLOWING_PICTURES: usize = 10;
const TARGET_MS: f64 = 1500.0;

/// What happens to client A.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It leaves one network and joins another one: other interface, address and NAT.
    Roam,
    /// It gets another address of the same network.
    Readdress,
    /// Its cable is out for six seconds.
    Pull,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Roam => "roaming",
            Self::Readdress => "another address",
            Self::Pull => "cable out for 6 s",
        })
    }
}

/// Makes a call, has the network change, and measures from the moment when the new path is there until pictures that were
/// taken later flow again: to A and to B, in milliseconds; `None` where they never did.
///
/// # Errors
/// When the lab fails, or the call does not come about in the first place.
pub fn recover_from(
    change: Change,
    network: &mut Network,
    servers: &Servers,
) -> anyhow::Result<[Option<f64>; 2]> {
    let options = ClientOptions {
        seconds: Some(120.0),
        ..ClientOptions::default()
    };
    let mut clients = [
        Client::start(network, servers, Side::A, &options)?,
        Client::start(network, servers, Side::B, &options)?,
    ];
    for client in &mut clients {
        client.wait_for_pictures(SETTLING_TIME, LONGEST)?;
    }
    match change {
        Change::Roam => network.roam(Uplink::ASecond)?,
        Change::Readdress => network.readdress(Side::A)?,
        Change::Pull => {
            network.pull(Side::A)?;
            std::thread::sleep(PULLED_TIME);
            network.plug(Side::A)?;
        }
    }
    let there_at = now_ms();
    let mut recovered = [None; 2];
    for (client, recovered) in clients.iter_mut().zip(&mut recovered) {
        let flowing = client.wait_for("pictures again", LONGEST, |events| {
            flows_again_at(events, there_at)
        });
        match flowing {
            Ok(at_ms) => *recovered = Some(at_ms - there_at),
            Err(error) => eprintln!("{change}: {error:#}"),
        }
    }
    // Without that it would have waited a second for an answer on a connection that is dead.
    let has_left = clients[0].has_said("the network has changed");
    let last_words = clients[0].last_words();
    drop(clients);
    if change == Change::Roam {
        network.roam(Uplink::A)?;
    }
    ensure!(
        has_left || change == Change::Pull,
        "the client did not see that the address is gone from which it reached the server: {last_words}"
    );
    Ok(recovered)
}

/// When pictures that were taken after `there_at` flow.
fn flows_again_at(events: &[EventLine], there_at: f64) -> Option<f64> {
    let shown: Vec<f64> = events
        .iter()
        .filter(|line| {
            matches!(line.event, Event::Picture { captured_ms: Some(captured), .. } if captured >= there_at)
        })
        .map(|line| line.at_ms)
        .collect();
    shown
        .windows(FLOWING_PICTURES)
        .find(|window| window[FLOWING_PICTURES - 1] - window[0] < 1000.0)
        .map(|window| window[0])
}

pub(super) fn run(common: &Common, verdicts: &mut Verdicts) -> anyhow::Result<()> {
    let runs = common.calls.unwrap_or(DEFAULT_RUNS);
    let mut network = Network::build(NatKind::PortRestricted, NatKind::PortRestricted)?;
    let servers = Servers::start(&network, common.relay)?;
    println!("\n## Change: from the new path to flowing pictures, {runs} runs each\n");
    println!(
        "| change | recovered | to A p50 | worst | to B p50 | worst |\n|---|---|---|---|---|---|"
    );
    for change in [Change::Roam, Change::Readdress, Change::Pull] {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..runs {
            let recovered = recover_from(change, &mut network, &servers)?;
            for (times, recovered) in times.iter_mut().zip(recovered) {
                times.extend(recovered);
            }
        }
        let whole = times[0].len().min(times[1].len());
        let worst = |times: &[f64]| times.iter().copied().reduce(f64::max);
        println!(
            "| {change} | {whole} of {runs} | {} | {} | {} | {} |",
            milliseconds(quantile(&times[0], 0.5)),
            milliseconds(worst(&times[0])),
            milliseconds(quantile(&times[1], 0.5)),
            milliseconds(worst(&times[1])),
        );
        let all = times.concat();
        let complete = whole == runs as usize;
        let measured = worst(&all).filter(|_| complete);
        verdicts.note_at_most(
            format!("{change}: pictures flow again, worst of all runs"),
            measured,
            TARGET_MS,
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_taken_before_and_stray_ones_are_no_flow() {
        let picture = |at_ms: f64, captured_ms: f64| EventLine {
            at_ms,
            event: Event::Picture {
                number: None,
                captured_ms: Some(captured_ms),
            },
        };
        let mut events: Vec<_> = (0..100)
            .map(|n| picture(1000.0 + f64::from(n), 900.0))
            .collect();
        events.push(picture(1500.0, 1400.0));
        assert_eq!(flows_again_at(&events, 1000.0), None);
        events.extend((0..10).map(|n| picture(3000.0 + f64::from(n) * 33.0, 2900.0)));
        assert_eq!(flows_again_at(&events, 1000.0), Some(3000.0));
    }
}

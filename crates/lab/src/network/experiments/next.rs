//! From Next to the next partner's first picture.

use std::time::Duration;

use headless::measure::quantile;

use super::calls::{Pair, make_calls};
use super::{Common, Verdicts, milliseconds, two_quantiles};
use crate::network::{NatKind, Network, Servers, Shape};

const DEFAULT_PRESSES: u32 = 200;
/// How long each call lasts after it has connected. Short, as people are when they look for somebody.
const CALL_SECONDS: f64 = 1.0;
/// How many round trips ICE and DTLS took in trials with nothing done in advance.
const ROUND_TRIPS_IN_TRIALS: f64 = 5.2;

/// Presses Next `presses` times at a round trip of `round_trip` between the clients; the server is half-way.
///
/// # Errors
/// When the lab fails.
pub fn press_next(
    network: &Network,
    servers: &Servers,
    round_trip: Duration,
    presses: u32,
) -> anyhow::Result<Pair> {
    network.shape_all(Shape::delayed(round_trip / 4));
    let pair = make_calls(network, servers, presses + 1, CALL_SECONDS, false);
    network.shape_all(Shape::default());
    let mut pair = pair?;
    pair.leave_out_the_first();
    Ok(pair)
}

pub(super) fn run(common: &Common, verdicts: &mut Verdicts) -> anyhow::Result<()> {
    let presses = common.calls.unwrap_or(DEFAULT_PRESSES);
    let network = Network::build(NatKind::PortRestricted, NatKind::PortRestricted)?;
    let servers = Servers::start(&network, common.relay)?;
    println!(
        "\n## Next: from the key to the first picture of the next call, {presses} presses each\n"
    );
    println!("| round trip | calls made | p50 | p95 |\n|---|---|---|---|");
    for round_trip_ms in [0, 100] {
        let round_trip = Duration::from_millis(round_trip_ms);
        let pair = press_next(&network, &servers, round_trip, presses)?;
        // Of the side that pressed; the other one's Next is pressed by its partner's leaving.
        let times: Vec<f64> = pair
            .a
            .iter()
            .filter_map(|line| line.next_to_first_frame_ms)
            .collect();
        println!(
            "| {round_trip_ms} ms | {} of {presses} | {} |",
            pair.made,
            two_quantiles(&times)
        );
        if !pair.complaints.is_empty() {
            eprintln!("next, {round_trip_ms} ms: {}", pair.complaints);
        }
        let what = format!("next, round trip {round_trip_ms} ms:");
        verdicts.note(
            format!("{what} calls made"),
            pair.made.to_string(),
            format!("{presses} of {presses}"),
            pair.made == presses,
        );
        let (median, high) = (quantile(&times, 0.5), quantile(&times, 0.95));
        if round_trip_ms == 0 {
            verdicts.note_at_most(format!("{what} p50"), median, 120.0);
            verdicts.note_at_most(format!("{what} p95"), high, 250.0);
        } else {
            let floor_ms = ROUND_TRIPS_IN_TRIALS * round_trip_ms as f64;
            verdicts.note(
                format!("{what} p50"),
                milliseconds(median),
                format!("below {ROUND_TRIPS_IN_TRIALS} round trips, {floor_ms:.0} ms"),
                median.is_some_and(|median| median < floor_ms),
            );
        }
    }
    Ok(())
}

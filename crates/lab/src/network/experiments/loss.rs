//! Calls over a long line that loses packets.

use std::time::Duration;

use super::calls::{Pair, make_calls};
use super::{Common, Verdicts, two_quantiles};
use crate::network::{NatKind, Network, Servers, Shape, Uplink};

const DEFAULT_CALLS: u32 = 50;
/// How long pictures may take after the call has connected.
const CALL_SECONDS: f64 = 4.0;
const LOSS_RATIOS: [f64; 4] = [0.0, 0.05, 0.1, 0.2];
const ROUND_TRIP: Duration = Duration::from_millis(150);

/// Makes calls that lose `loss_ratio` of the packets in each direction, at a round trip of 150 ms between the clients.
///
/// The loss is on A's cable alone, so that a packet between the clients meets it once. Signalling meets it too.
///
/// # Errors
/// When the lab fails.
pub fn connect_through_loss(
    network: &Network,
    servers: &Servers,
    loss_ratio: f64,
    calls: u32,
) -> anyhow::Result<Pair> {
    let shape = Shape::delayed(ROUND_TRIP / 4);
    network.shape_all(shape);
    network
        .cable(Uplink::A)
        .shape_both(shape.with_loss(loss_ratio));
    let pair = make_calls(network, servers, calls, CALL_SECONDS, false);
    network.shape_all(Shape::default());
    pair
}

pub(super) fn run(common: &Common, verdicts: &mut Verdicts) -> anyhow::Result<()> {
    let calls = common.calls.unwrap_or(DEFAULT_CALLS);
    let network = Network::build(NatKind::PortRestricted, NatKind::PortRestricted)?;
    let servers = Servers::start(&network, common.relay)?;
    println!("\n## Loss: calls at a round trip of 150 ms, {calls} each\n");
    println!(
        "| loss | connected | with pictures | connected p50 | p95 | first picture p50 | p95 |\n|---|---|---|---|---|---|---|"
    );
    for loss_ratio in LOSS_RATIOS {
        let pair = connect_through_loss(&network, &servers, loss_ratio, calls)?;
        let percent = loss_ratio * 100.0;
        println!(
            "| {percent:.0} % | {} of {calls} | {} of {calls} | {} | {} |",
            pair.connected(),
            pair.made,
            two_quantiles(&pair.figures(|line| line.time_to_connected_ms)),
            two_quantiles(&pair.figures(|line| line.time_to_first_frame_ms)),
        );
        if !pair.complaints.is_empty() {
            eprintln!("loss {percent:.0} %: {}", pair.complaints);
        }
        let what = format!("loss {percent:.0} %, round trip 150 ms:");
        for (what, count) in [
            (format!("{what} calls that connected"), pair.connected()),
            (
                format!("{what} and showed pictures within {CALL_SECONDS} s"),
                pair.made,
            ),
        ] {
            verdicts.note(
                what,
                count.to_string(),
                format!("{calls} of {calls}"),
                count == calls,
            );
        }
    }
    Ok(())
}

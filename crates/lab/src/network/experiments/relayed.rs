//! Calls through the relay alone, over UDP, TCP and TLS, beside direct ones.

use std::time::Duration;

use headless::measure::quantile;

use super::calls::{Pair, make_calls};
use super::{Common, Verdicts, milliseconds, two_quantiles};
use crate::network::{NatKind, Network, Path, Servers, Shape, Side, Uplink};

const DEFAULT_CALLS: u32 = 20;
const CALL_SECONDS: f64 = 3.0;
const ROUND_TRIP: Duration = Duration::from_millis(40);
const CONNECT_TARGET_MS: f64 = 300.0;

/// Makes calls through the relay alone, at a round trip of 40 ms between the clients, behind boxes that leave only
/// `path` to the relay. Returns which way the bytes of A really took.
///
/// # Errors
/// When the lab fails.
pub fn call_relayed(
    network: &mut Network,
    servers: &Servers,
    path: Path,
    calls: u32,
) -> anyhow::Result<(Pair, Option<Path>)> {
    let kind = match path {
        Path::RelayTcp => NatKind::UdpBlocked,
        Path::RelayTls => NatKind::Only443,
        Path::Direct | Path::PartnersRelay | Path::RelayUdp => NatKind::PortRestricted,
    };
    for uplink in [Uplink::A, Uplink::B] {
        network.set_nat(uplink, kind)?;
    }
    network.shape_all(Shape::delayed(ROUND_TRIP / 4));
    let cable = network.cable(Network::first_uplink(Side::A));
    cable.forget_flows();
    let pair = make_calls(network, servers, calls, CALL_SECONDS, path != Path::Direct);
    let taken = cable.paths().first().map(|(path, _)| *path);
    network.shape_all(Shape::default());
    Ok((pair?, taken))
}

pub(super) fn run(common: &Common, verdicts: &mut Verdicts) -> anyhow::Result<()> {
    let calls = common.calls.unwrap_or(DEFAULT_CALLS);
    let mut network = Network::build(NatKind::PortRestricted, NatKind::PortRestricted)?;
    let servers = Servers::start(&network, common.relay)?;
    println!("\n## Relayed: calls at a round trip of 40 ms, {calls} each\n");
    println!(
        "| wanted | taken | calls made | connected p50 | p95 | first picture p50 | p95 | picture's age p50 |\n\
         |---|---|---|---|---|---|---|---|"
    );
    for wanted in [Path::Direct, Path::RelayUdp, Path::RelayTcp, Path::RelayTls] {
        let (pair, taken) = call_relayed(&mut network, &servers, wanted, calls)?;
        let connected = pair.figures(|line| line.time_to_connected_ms);
        println!(
            "| {wanted} | {} | {} of {calls} | {} | {} | {} |",
            taken.map_or_else(|| "-".to_owned(), |path| path.to_string()),
            pair.made,
            two_quantiles(&connected),
            two_quantiles(&pair.figures(|line| line.time_to_first_frame_ms)),
            milliseconds(quantile(&pair.figures(|line| line.picture_latency_ms), 0.5)),
        );
        if wanted == Path::Direct {
            continue;
        }
        verdicts.note(
            format!("{wanted}: calls made, over it"),
            format!(
                "{} ({})",
                pair.made,
                taken.map_or_else(String::new, |path| path.to_string())
            ),
            format!("{calls} of {calls}"),
            pair.made == calls && taken == Some(wanted),
        );
        verdicts.note_at_most(
            format!("{wanted}, round trip 40 ms: connected p50"),
            quantile(&connected, 0.5),
            CONNECT_TARGET_MS,
        );
    }
    Ok(())
}

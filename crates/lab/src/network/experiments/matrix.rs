//! Every kind of NAT against every kind.

use headless::measure::quantile;

use super::calls::{Pair, make_calls};
use super::{Common, Verdicts, two_quantiles};
use crate::network::{NatKind, Network, Path, Servers, Side, Uplink, can_be_direct};

const DEFAULT_CALLS: u32 = 5;
/// Long enough that media are most of what goes over the cable.
const CALL_SECONDS: f64 = 2.0;
/// The share of the bytes that must go the way that the call is said to take. The rest is the looking for it.
const SHARE_OF_PATH: f64 = 0.6;

/// What was measured for a pair of kinds.
#[derive(Debug, Clone)]
pub struct Cell {
    /// The kinds of A and B.
    pub kinds: [NatKind; 2],
    /// The ways that media took on the sides of A and B, by their share of the bytes on the cable, the busiest first.
    pub paths: [Vec<(Path, f64)>; 2],
    /// The calls.
    pub pair: Pair,
    /// How many were asked for.
    pub calls: u32,
}

impl Cell {
    /// Whether all calls came about, with sound and pictures both ways.
    pub fn is_connected(&self) -> bool {
        self.pair.made == self.calls && self.pair.has_sound_and_pictures()
    }

    /// Whether media went without a relay.
    pub fn is_direct(&self) -> bool {
        self.paths.iter().all(
            |paths| matches!(paths.first(), Some((Path::Direct, share)) if *share >= SHARE_OF_PATH),
        )
    }

    /// Whether the path is as good as theory allows.
    pub fn is_as_in_theory(&self) -> bool {
        let [a, b] = self.kinds;
        self.is_direct() || !can_be_direct(a, b)
    }

    fn path(&self, index: usize) -> String {
        let shares = self.paths[index].iter().filter(|(_, share)| *share > 0.05);
        let words: Vec<String> = shares
            .map(|(path, share)| {
                if *share >= SHARE_OF_PATH {
                    path.to_string()
                } else {
                    format!("{path} {:.0} %", share * 100.0)
                }
            })
            .collect();
        words.join(", ")
    }

    fn first_frames(&self) -> Vec<f64> {
        self.pair.figures(|line| line.time_to_first_frame_ms)
    }
}

/// Makes calls between two kinds of NAT.
///
/// # Errors
/// When the lab fails.
pub fn measure_cell(
    network: &mut Network,
    servers: &Servers,
    kinds: [NatKind; 2],
    calls: u32,
) -> anyhow::Result<Cell> {
    let [a, b] = kinds;
    network.set_nat(Uplink::A, a)?;
    network.set_nat(Uplink::B, b)?;
    for side in Side::BOTH {
        network.cable(Network::first_uplink(side)).forget_flows();
    }
    let pair = make_calls(network, servers, calls, CALL_SECONDS, false)?;
    let paths = Side::BOTH.map(|side| network.cable(Network::first_uplink(side)).paths());
    Ok(Cell {
        kinds,
        paths,
        pair,
        calls,
    })
}

pub(super) fn run(
    common: &Common,
    kinds: &[NatKind],
    verdicts: &mut Verdicts,
) -> anyhow::Result<()> {
    let kinds = if kinds.is_empty() {
        &NatKind::ALL
    } else {
        kinds
    };
    let calls = common.calls.unwrap_or(DEFAULT_CALLS);
    let mut network = Network::build(NatKind::Open, NatKind::Open)?;
    let servers = Servers::start(&network, common.relay)?;
    println!("\n## Matrix: NAT of A × NAT of B, {calls} calls each\n");
    println!(
        "| A | B | calls made | path of A | path of B | first picture p50 | p95 | |\n|---|---|---|---|---|---|---|---|"
    );
    let mut cells = Vec::new();
    for a in kinds {
        for b in kinds {
            let cell = measure_cell(&mut network, &servers, [*a, *b], calls)?;
            let words = match (cell.is_connected(), cell.is_as_in_theory()) {
                (true, true) => "ok".to_owned(),
                (true, false) => "**relayed where direct is possible**".to_owned(),
                (false, _) => format!("**FAILED** {}", cell.pair.complaints.replace('\n', " ")),
            };
            println!(
                "| {a} | {b} | {} of {calls} | {} | {} | {} | {words} |",
                cell.pair.made,
                cell.path(0),
                cell.path(1),
                two_quantiles(&cell.first_frames()),
            );
            cells.push(cell);
        }
    }
    print_grid(kinds, &cells);
    let count = |is: fn(&Cell) -> bool| cells.iter().filter(|cell| is(cell)).count();
    let (connected, in_theory) = (count(Cell::is_connected), count(Cell::is_as_in_theory));
    let all = cells.len();
    verdicts.note(
        "matrix: cells where every call connects, with sound and pictures",
        connected.to_string(),
        format!("{all} of {all}"),
        connected == all,
    );
    verdicts.note(
        "matrix: cells whose path is direct, or cannot be",
        in_theory.to_string(),
        format!("{all} of {all}"),
        in_theory == all,
    );
    Ok(())
}

/// The same at a glance: the path and the median time to the first picture.
fn print_grid(kinds: &[NatKind], cells: &[Cell]) {
    print!("\n| A \\ B |");
    for kind in kinds {
        print!(" {kind} |");
    }
    print!("\n|---|");
    for _ in kinds {
        print!("---|");
    }
    for (a, row) in kinds.iter().zip(cells.chunks(kinds.len())) {
        print!("\n| {a} |");
        for cell in row {
            let way = match (cell.is_connected(), cell.is_direct()) {
                (false, _) => "FAILED",
                (true, true) => "direct",
                (true, false) => "relayed",
            };
            let median = super::milliseconds(quantile(&cell.first_frames(), 0.5));
            print!(" {way} {median} |");
        }
    }
    println!();
}

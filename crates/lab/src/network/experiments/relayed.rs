//! Calls through the relay alone, over UDP, TCP and TLS, beside direct ones: time to connect, and how late sound is.

use std::fs::File;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};

use headless::measure::quantile;

use super::calls::{Pair, make_calls};
use super::{Common, Verdicts, milliseconds, two_quantiles};
use crate::command::Running;
use crate::ffi;
use crate::network::servers::tail;
use crate::network::voice::Voice;
use crate::network::{NatKind, Network, Path, Servers, Shape, Side, Uplink};
use crate::server::program;

const DEFAULT_CALLS: u32 = 20;
const CALL_SECONDS: f64 = 3.0;
const ROUND_TRIP: Duration = Duration::from_millis(40);
const CONNECT_TARGET_MS: f64 = 300.0;
/// How often sound is measured each way, and for how long. Ways take turns, so that a busy moment meets all of them.
const VOICE_ROUNDS: u32 = 5;
const VOICE_SECONDS: u32 = 4;
/// How long the peers may take to connect, to settle and to end.
const VOICE_PATIENCE: Duration = Duration::from_secs(20);
/// What a relay may add to the delay of sound over UDP.
const ADDED_DELAY_TARGET_MS: f64 = 1.0;
const WAYS: [Path; 4] = [Path::Direct, Path::RelayUdp, Path::RelayTcp, Path::RelayTls];

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
    leave_only(path, network)?;
    let cable = network.cable(Network::first_uplink(Side::A));
    cable.forget_flows();
    let pair = make_calls(network, servers, calls, CALL_SECONDS, path != Path::Direct);
    let taken = cable.paths().first().map(|(path, _)| *path);
    network.shape_all(Shape::default());
    Ok((pair?, taken))
}

/// Puts boxes in both sides that leave this way to the relay, and delays the cables.
fn leave_only(path: Path, network: &mut Network) -> anyhow::Result<()> {
    let kind = match path {
        Path::RelayTcp => NatKind::UdpBlocked,
        Path::RelayTls => NatKind::Only443,
        Path::Direct | Path::PartnersRelay | Path::RelayUdp => NatKind::PortRestricted,
    };
    for uplink in [Uplink::A, Uplink::B] {
        network.set_nat(uplink, kind)?;
    }
    network.shape_all(Shape::delayed(ROUND_TRIP / 4));
    Ok(())
}

/// Measures how late sound is over one way, at a round trip of 40 ms between the clients.
///
/// # Errors
/// When the peers do not connect, or over another way.
pub fn measure_voice(
    network: &mut Network,
    servers: &Servers,
    path: Path,
    seconds: u32,
) -> anyhow::Result<Voice> {
    leave_only(path, network)?;
    // In a process of its own: the certificate to trust is a matter of the process.
    let mut command = Command::new(program("lab")?);
    command.arg("voice");
    for side in Side::BOTH {
        command.arg(network.client(side).path());
    }
    command
        .args(["--server", &servers.ice_url(path)])
        .args(["--seconds", &seconds.to_string()])
        .env("SSL_CERT_FILE", servers.certificate());
    if path != Path::Direct {
        command.arg("--relay-only");
    }
    let cable = network.cable(Network::first_uplink(Side::A));
    cable.forget_flows();
    let said = network.folder().join("voice.out");
    let log = network.folder().join("voice.log");
    command
        .stdout(File::create(&said)?)
        .stderr(File::create(&log)?);
    let code = Running::start_helper(&mut command)
        .context("cannot run lab voice")
        .and_then(|mut voice| voice.wait(VOICE_PATIENCE + Duration::from_secs(seconds.into())));
    let taken = cable.paths().first().map(|(path, _)| *path);
    network.shape_all(Shape::default());
    match code? {
        Some(0) => {}
        Some(code) => bail!("lab voice ended with {code}: {}", tail(&log)),
        None => bail!("lab voice did not end: {}", tail(&log)),
    }
    if taken != Some(path) {
        bail!("the sound did not go this way but {taken:?}");
    }
    serde_json::from_slice(&std::fs::read(said)?).context("lab voice said something else")
}

fn run_voice(
    network: &mut Network,
    servers: &Servers,
    verdicts: &mut Verdicts,
) -> anyhow::Result<()> {
    println!(
        "\nSound, packet by packet from one peer to the other, {VOICE_ROUNDS} times {VOICE_SECONDS} s each way:\n\n\
         | way | connected p50 | delay p50 | p95 | added to direct, p50 | lost | in the worst run |\n|---|---|---|---|---|---|---|"
    );
    let mut voices = WAYS.map(|_| Vec::new());
    for _ in 0..VOICE_ROUNDS {
        for (way, voices) in WAYS.into_iter().zip(&mut voices) {
            match measure_voice(network, servers, way, VOICE_SECONDS) {
                Ok(voice) => voices.push(voice),
                // Whoever interrupts wants the next one neither.
                Err(error) if ffi::is_stop_requested() => return Err(error),
                Err(error) => eprintln!("sound, {way}: {error:#}"),
            }
        }
    }
    print_voices(&voices, verdicts);
    Ok(())
}

/// Prints what was measured of each of [`WAYS`], and judges it.
fn print_voices(all: &[Vec<Voice>; WAYS.len()], verdicts: &mut Verdicts) {
    let mut direct_ms = None;
    for (way, voices) in WAYS.into_iter().zip(all) {
        let delays: Vec<f64> = voices
            .iter()
            .flat_map(|voice| voice.delays_ms.clone())
            .collect();
        let connected: Vec<f64> = voices.iter().map(|voice| voice.connected_ms).collect();
        let sent: u64 = voices.iter().map(|voice| voice.sent).sum();
        let delay_ms = quantile(&delays, 0.5);
        if way == Path::Direct {
            direct_ms = delay_ms;
        }
        let added_ms = delay_ms
            .zip(direct_ms)
            .map(|(delay, direct)| delay - direct);
        let fine =
            |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.2} ms"));
        println!(
            "| {way} | {} | {} | {} | {} | {} of {sent} | {} |",
            milliseconds(quantile(&connected, 0.5)),
            fine(delay_ms),
            fine(quantile(&delays, 0.95)),
            fine(added_ms),
            sent.saturating_sub(delays.len() as u64),
            voices.iter().map(Voice::lost).max().unwrap_or(0),
        );
        let heard = voices
            .iter()
            .filter(|voice| !voice.delays_ms.is_empty())
            .count();
        verdicts.note(
            format!("{way}: sound measured, over it"),
            heard.to_string(),
            format!("{VOICE_ROUNDS} of {VOICE_ROUNDS}"),
            heard == VOICE_ROUNDS as usize,
        );
        if way == Path::RelayUdp {
            verdicts.note(
                "relay/udp: added to the delay of sound, p50",
                fine(added_ms),
                format!("at most {ADDED_DELAY_TARGET_MS} ms"),
                added_ms.is_some_and(|added| added <= ADDED_DELAY_TARGET_MS),
            );
        }
    }
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
    for wanted in WAYS {
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
    run_voice(&mut network, &servers, verdicts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exit code after one way was heard so often, and the others in every round.
    fn judged(way: usize, heard: usize) -> u8 {
        let voice = Voice {
            connected_ms: 50.0,
            delays_ms: vec![20.0; 100],
            sent: 100,
        };
        let mut voices = WAYS.map(|_| vec![voice.clone(); VOICE_ROUNDS as usize]);
        voices[way].truncate(heard);
        let mut verdicts = Verdicts::default();
        print_voices(&voices, &mut verdicts);
        verdicts.end()
    }

    #[test]
    fn a_way_over_which_no_sound_could_be_measured_fails_the_run() {
        let rounds = VOICE_ROUNDS as usize;
        assert_eq!(judged(0, rounds), 0);
        for (number, way) in WAYS.iter().enumerate() {
            assert_eq!(judged(number, rounds - 1), 1, "{way}");
        }
    }
}

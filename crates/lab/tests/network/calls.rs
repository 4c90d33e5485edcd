//! A fast part of the experiments: whole programs call each other through the lab's network.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lab::network::experiments::{
    Change, Line, call_over, kill_the_server, make_calls, measure_cell, recover_from,
};
use lab::network::{ClientOptions, NatKind, Network, Path, RelayKind, Servers, Side};

use crate::enter;

#[test]
fn two_home_routers_connect_directly() {
    let Some(_turn) = enter() else { return };
    let (mut network, servers) = network();
    let cell = measure_cell(
        &mut network,
        &servers,
        [NatKind::PortRestricted, NatKind::Restricted],
        1,
    );
    let cell = cell.unwrap();
    assert!(cell.is_connected(), "{:?}", cell.pair);
    if cell.is_direct() {
        return;
    }
    // On a machine that is busy with other tests a relay may have been quicker. It is left within seconds then.
    println!("relayed at first: {:?}", cell.paths);
    let pair = make_calls(&network, &servers, 1, 12.0, false).unwrap();
    assert!(pair.has_sound_and_pictures(), "{pair:?}");
    for line in pair.a.iter().chain(&pair.b) {
        let kinds = [&line.local_candidate, &line.remote_candidate];
        let is_relayed = |kind: &&Option<String>| kind.as_deref() == Some("relay");
        assert!(!kinds.iter().any(is_relayed), "{line:?}");
    }
}

#[test]
fn two_symmetric_boxes_connect_through_the_relay() {
    let Some(_turn) = enter() else { return };
    let cell = one_call(NatKind::Symmetric, NatKind::Symmetric);
    let [(path, _), ..] = cell.paths[0][..] else {
        panic!("nothing went over the cable")
    };
    assert!(
        matches!(path, Path::RelayUdp | Path::PartnersRelay),
        "{:?}",
        cell.paths
    );
}

#[test]
fn a_network_that_lets_only_port_443_through_connects_to_one_without_udp() {
    let Some(_turn) = enter() else { return };
    let cell = one_call(NatKind::Only443, NatKind::UdpBlocked);
    let first = |index: usize| cell.paths[index].first().map(|(path, _)| *path);
    assert_eq!(first(0), Some(Path::RelayTls), "{:?}", cell.paths);
    assert!(
        matches!(first(1), Some(Path::RelayTcp | Path::RelayTls)),
        "{:?}",
        cell.paths
    );
}

#[test]
fn a_call_survives_roaming() {
    let Some(_turn) = enter() else { return };
    let (mut network, servers) = network();
    let recovered = recover_from(Change::Roam, &mut network, &servers).unwrap();
    println!("pictures flow again after {recovered:?} ms");
    // How fast is for `lab change` to say; a machine that is busy with tests only shows that it recovers.
    assert!(recovered.iter().all(Option::is_some), "{recovered:?}");
}

#[test]
fn pictures_become_smaller_on_a_thin_line_and_keep_flowing() {
    let Some(_turn) = enter() else { return };
    let (network, servers) = network();
    let line = Line {
        rate_bps: Some(300_000),
        round_trip: Duration::from_millis(40),
        loss_ratio: 0.0,
        loss_run: 1.0,
    };
    let options = ClientOptions {
        size_px: (640, 480),
        video_kbps: 2000,
        ..ClientOptions::default()
    };
    for shown in call_over(&network, &servers, line, &options).unwrap() {
        println!("{shown:?}");
        let (width_px, _) = shown.size_px.unwrap();
        assert!(width_px < 640, "{shown:?}");
        // How well is for `lab pictures` to say.
        assert!(shown.fps > 5.0 && shown.frozen < 0.5, "{shown:?}");
    }
}

#[test]
fn a_call_does_not_notice_the_servers_death_and_next_works_after_its_return() {
    let Some(_turn) = enter() else { return };
    let (network, mut servers) = network();
    let death = kill_the_server(&network, &mut servers).unwrap();
    println!("{death:?}");
    assert!(death.signed_in_ms.is_some(), "{death:?}");
    assert!(death.is_next_working, "{death:?}");
    // How long the longest gap was is for `lab server-death` to judge: a busy machine shows a picture late now and then.
    assert_eq!(death.lost_pictures, 0, "{death:?}");
    assert!(death.is_undisturbed, "{death:?}");
}

#[test]
fn a_measurement_of_sound_that_is_interrupted_ends_at_once() {
    let Some(_turn) = enter() else { return };
    let network = Network::build(NatKind::Open, NatKind::Open).unwrap();
    let servers = Servers::start(&network, RelayKind::Own).unwrap();
    let mut voice = Command::new(env!("CARGO_BIN_EXE_lab"))
        .arg("voice")
        .args(Side::BOTH.map(|side| network.client(side).path()))
        .args(["--server", &servers.ice_url(Path::Direct)])
        .args(["--seconds", "600"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Past the patience for a connection: it would go on for ten minutes now.
    let id = voice.id().to_string();
    std::thread::sleep(Duration::from_secs(11));
    assert_eq!(voice.try_wait().unwrap(), None, "the peers connected");
    Command::new("kill").args(["-INT", &id]).status().unwrap();
    let asked_at = Instant::now();
    let code = loop {
        if let Some(status) = voice.try_wait().unwrap() {
            break status.code();
        }
        if asked_at.elapsed() > Duration::from_mins(1) {
            voice.kill().unwrap();
            panic!("it goes on");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(code, Some(2));
}

fn network() -> (Network, Servers) {
    let network = Network::build(NatKind::PortRestricted, NatKind::PortRestricted).unwrap();
    let servers = Servers::start(&network, RelayKind::Own).unwrap();
    (network, servers)
}

fn one_call(a: NatKind, b: NatKind) -> lab::network::experiments::Cell {
    let (mut network, servers) = network();
    let cell = measure_cell(&mut network, &servers, [a, b], 1).unwrap();
    println!(
        "{a} and {b}: {:?}, first picture after {:?} ms",
        cell.paths,
        cell.pair.figures(|line| line.time_to_first_frame_ms)
    );
    assert!(cell.is_connected(), "{:?}", cell.pair);
    cell
}

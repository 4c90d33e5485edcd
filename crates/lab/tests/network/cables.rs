//! The cables delay, lose and limit what really passes through them.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use lab::network::{NatKind, Network, Shape, Side, Uplink, Way};

use crate::enter;

const PORT: u16 = 7100;
const ROUND_TRIPS: u32 = 21;

#[test]
fn what_passes_is_late_by_the_delay_both_ways() {
    let Some(_turn) = enter() else { return };
    let line = Line::new();
    let quick = line.shortest_round_trip();
    line.network
        .cable(Uplink::A)
        .shape_both(Shape::delayed(Duration::from_millis(25)));
    let slow = line.shortest_round_trip();
    let carried = Way::BOTH.map(|way| line.network.cable(Uplink::A).counts(way).carried);
    println!(
        "round trip without delay {quick:?}, with 25 ms each way {slow:?}, carried {carried:?}"
    );
    assert!(
        carried
            .iter()
            .all(|carried| *carried >= 2 * u64::from(ROUND_TRIPS)),
        "not all went over the cable: {carried:?}"
    );
    // Later than that is a matter of how busy the machine is; that the delay is exact is tested in virtual time.
    assert!(slow >= 2 * Duration::from_millis(25), "{slow:?}");
}

#[test]
fn the_share_that_was_asked_for_is_lost_in_the_direction_that_was_asked_for() {
    let Some(_turn) = enter() else { return };
    let line = Line::new();
    let cable = line.network.cable(Uplink::A);
    cable.shape(Way::Up, Shape::default().with_loss(0.3));
    let arrived = line.send(1000, Duration::from_micros(200));
    println!("30 % of 1000 lost: {arrived} arrived");
    assert!((640..760).contains(&arrived), "{arrived}");
    assert!(cable.counts(Way::Up).lost > 240);
    assert_eq!(cable.counts(Way::Down).lost, 0);

    cable.shape(Way::Up, Shape::dead());
    assert_eq!(line.send(100, Duration::ZERO), 0);
    cable.shape(Way::Up, Shape::default());
    assert_eq!(line.send(100, Duration::from_micros(200)), 100);
}

#[test]
fn a_slow_line_lets_its_rate_through_and_drops_what_waits_too_long() {
    let Some(_turn) = enter() else { return };
    let line = Line::new();
    let cable = line.network.cable(Uplink::A);
    // A thousand packets of 1042 bytes on the wire at 4 Mbit/s are two seconds' worth; they are sent in much less.
    cable.shape(
        Way::Up,
        Shape {
            rate_bps: Some(4_000_000),
            queue: Duration::from_millis(100),
            ..Shape::default()
        },
    );
    let began = Instant::now();
    let arrived = line.send(1000, Duration::from_micros(100));
    let seconds = began.elapsed().as_secs_f64();
    let overflowed = cable.counts(Way::Up).overflowed;
    println!("4 Mbit/s: {arrived} of 1000 arrived in {seconds:.2} s, {overflowed} waited too long");
    let rate_bps = f64::from(arrived) * 1042.0 * 8.0 / seconds;
    assert!(rate_bps <= 4_000_000.0, "{rate_bps}");
    assert!(arrived > 0 && overflowed > 0, "{arrived}, {overflowed}");
}

/// A socket of client A's and one in the internet.
struct Line {
    network: Network,
    near: UdpSocket,
    far: UdpSocket,
}

impl Line {
    fn new() -> Self {
        let network = Network::build(NatKind::PortRestricted, NatKind::Open).unwrap();
        let bind = |namespace: &lab::network::Namespace, port| {
            let socket = namespace.enter(|| UdpSocket::bind(("0.0.0.0", port)));
            let socket = socket.unwrap().unwrap();
            socket
                .set_read_timeout(Some(Duration::from_millis(400)))
                .unwrap();
            socket
        };
        let near = bind(network.client(Side::A), 0);
        let far = bind(network.internet(), PORT);
        near.connect((Network::SERVER, PORT)).unwrap();
        Self { network, near, far }
    }

    fn shortest_round_trip(&self) -> Duration {
        (0..ROUND_TRIPS)
            .map(|_| {
                let began = Instant::now();
                self.near.send(b"question").unwrap();
                let mut buffer = [0; 16];
                let (_, from) = self.far.recv_from(&mut buffer).unwrap();
                self.far.send_to(b"answer", from).unwrap();
                self.near.recv(&mut buffer).unwrap();
                began.elapsed()
            })
            .min()
            .unwrap()
    }

    /// Sends packets of 1000 bytes; counts those that arrive.
    fn send(&self, count: u32, interval: Duration) -> u32 {
        std::thread::scope(|scope| {
            let receiving = scope.spawn(|| {
                let mut buffer = [0; 1500];
                let mut arrived = 0;
                while self.far.recv(&mut buffer).is_ok() {
                    arrived += 1;
                }
                arrived
            });
            for _ in 0..count {
                // A queue that is full loses packets, which is part of what is measured.
                drop(self.near.send(&[0; 1000]));
                std::thread::sleep(interval);
            }
            receiving.join().unwrap()
        })
    }
}

use super::*;
use crate::runtime::signature::{self, Signer};

const RELAY: &str = "candidate:1 1 udp 1 192.0.2.9 4000 typ relay raddr 0.0.0.0 rport 9";
const HOST: &str = "candidate:1 1 udp 1 198.51.100.3 4000 typ host";

struct Socket {
    paths: Arc<Paths>,
    inbox: Arc<Inbox>,
    now: Instant,
}

impl Socket {
    fn new(is_shielded: bool) -> Self {
        let now = Instant::now();
        Self {
            paths: Arc::new(Paths::new(is_shielded, true, None, now)),
            inbox: Arc::default(),
            now,
        }
    }

    fn send(&self, to: &str, bytes: &[u8]) {
        let datagram = Datagram::classify(bytes);
        let (local, to) = ("10.0.0.1:9".parse().unwrap(), to.parse().unwrap());
        self.paths
            .on_sent(&self.inbox, local, to, datagram, bytes, self.now);
    }

    fn receive(&self, from: &str, bytes: &[u8], after_ms: u64) -> Fate {
        let now = self.now + Duration::from_millis(after_ms);
        let (local, from) = ("10.0.0.1:9".parse().unwrap(), from.parse().unwrap());
        let datagram = Datagram::classify(bytes);
        self.paths
            .on_received(&self.inbox, local, from, datagram, bytes, now)
    }
}

fn check(kind: u16) -> Vec<u8> {
    stun::write(kind, [5; 12], &[])
}

#[test]
fn a_shield_lets_nothing_pass_but_from_and_to_servers() {
    let socket = Socket::new(true);
    let server = "203.0.113.1:3478".parse().unwrap();
    let partner = "198.51.100.3:4000".parse().unwrap();
    socket.paths.on_resolved(&[server]);
    socket.paths.on_remote_description();
    assert!(socket.paths.may_send(server) && !socket.paths.may_send(partner));
    let request = check(stun::BINDING_REQUEST);
    assert_eq!(socket.receive("198.51.100.3:4000", &request, 0), Fate::Drop);
    assert_eq!(socket.receive("203.0.113.1:3478", &request, 0), Fate::Pass);
    socket.paths.set_shield(false);
    assert!(socket.paths.may_send(partner));
    assert_eq!(socket.receive("198.51.100.3:4000", &request, 0), Fate::Pass);
}

#[test]
fn answers_of_a_relayed_candidate_wait_while_a_direct_path_may_be_found() {
    let socket = Socket::new(false);
    socket.paths.on_remote_candidate(RELAY);
    socket.paths.on_remote_candidate(HOST);
    let (request, answer) = (check(stun::BINDING_REQUEST), check(stun::BINDING_SUCCESS));
    socket.send("192.0.2.9:4000", &request);
    assert_eq!(socket.receive("192.0.2.9:4000", &answer, 10), Fate::Drop);
    socket.send("192.0.2.9:4000", &request);
    assert_eq!(socket.receive("192.0.2.9:4000", &answer, 500), Fate::Pass);
    socket.paths.on_restart();
    socket.paths.on_remote_candidate(RELAY);
    socket.send("198.51.100.3:4000", &request);
    assert_eq!(
        socket.receive("198.51.100.3:4000", &answer, 1),
        Fate::Pass,
        "a direct path need not wait"
    );
}

#[test]
fn once_connected_answers_through_a_relay_pass() {
    let socket = Socket::new(false);
    socket.paths.on_connected(socket.now);
    let wrap = |kind, content| {
        let peer = (stun::XOR_PEER_ADDRESS, &[0, 1, 0, 0, 1, 2, 3, 4][..]);
        stun::write(kind, [0; 12], &[peer, (stun::DATA, &check(content))])
    };
    let request = wrap(stun::SEND_INDICATION, stun::BINDING_REQUEST);
    socket.send("203.0.113.1:3478", &request);
    let answer = wrap(stun::DATA_INDICATION, stun::BINDING_SUCCESS);
    assert_eq!(socket.receive("203.0.113.1:3478", &answer, 0), Fate::Pass);
    assert_eq!(socket.paths.round_trip(), Some(Duration::ZERO));
}

#[test]
fn checks_that_come_before_the_partners_description_wait_for_it() {
    let socket = Socket::new(false);
    let request = check(stun::BINDING_REQUEST);
    let context = std::task::Context::from_waker(std::task::Waker::noop());
    let partner = "198.51.100.3:4000";
    for _ in 0..2 {
        assert_eq!(socket.receive(partner, &request, 0), Fate::Hold);
        socket.paths.on_remote_description();
        let arrival = socket.inbox.poll(&context).expect("handed over");
        assert_eq!(arrival.bytes, request);
        assert!(!arrival.is_admitted, "to be looked at again");
        assert_eq!(socket.receive(partner, &request, 0), Fate::Pass);
        assert!(socket.inbox.poll(&context).is_none());
        socket.paths.on_restart();
    }
    for _ in 0..1000 {
        socket.receive(partner, &request, 0);
    }
    assert_eq!(socket.paths.lock().early_checks.len(), MAX_EARLY);
}

#[test]
fn media_that_comes_too_early_is_handed_over_later() {
    let socket = Socket::new(false);
    assert_eq!(
        socket.receive("198.51.100.3:4000", &[0x80, 1], 0),
        Fate::Hold
    );
    socket.paths.on_connected(socket.now);
    let context = std::task::Context::from_waker(std::task::Waker::noop());
    let arrival = socket.inbox.poll(&context).expect("handed over");
    assert_eq!(arrival.bytes, [0x80, 1]);
    assert!(arrival.is_admitted);
    assert_eq!(
        socket.receive("198.51.100.3:4000", &[0x80, 2], 0),
        Fate::Pass
    );
}

#[test]
fn a_handshake_that_comes_before_the_stack_has_a_pair_waits_for_that() {
    let socket = Socket::new(false);
    let signer = Signer::new("theirs").unwrap();
    let partner = "198.51.100.3:4000";
    socket.paths.on_remote_password("theirs");
    socket.paths.on_remote_candidate(HOST);
    socket.send(partner, &check(stun::BINDING_SUCCESS));
    let local = "10.0.0.1:9".parse().unwrap();
    let rewrite = |bytes: &[u8]| {
        let to = partner.parse().unwrap();
        socket.paths.rewrite(local, to, bytes, socket.now)
    };
    let controlling = [(stun::ICE_CONTROLLING, &[0; 8][..])];
    let plain = signature::check(&signer, 1, &controlling);
    let nominating = rewrite(&plain).expect("the pair works");
    socket.send(partner, &nominating);
    assert_eq!(socket.receive(partner, &[22, 254, 253], 1), Fate::Hold);
    let agreed = signer
        .answer([1; 12], "192.0.2.7:9".parse().unwrap())
        .unwrap();
    assert_eq!(socket.receive(partner, &agreed, 1), Fate::Pass);
    let own = signer
        .nominate(&signature::check(&signer, 2, &controlling), [2; 12])
        .unwrap();
    assert_eq!(rewrite(&own), None);
    socket.send(partner, &own);

    let context = std::task::Context::from_waker(std::task::Waker::noop());
    let next = || socket.inbox.poll(&context).expect("handed over").bytes;
    assert_eq!(
        Message::read(&next()).map(|answer| (answer.kind, answer.transaction)),
        Some((stun::BINDING_SUCCESS, [2; 12])),
        "first the answer with which the stack has a pair"
    );
    assert_eq!(next(), [22, 254, 253]);
    assert_eq!(socket.receive(partner, &[22, 254, 253], 2), Fate::Pass);
}

#[test]
fn nothing_is_nominated_at_once_behind_a_shield_or_at_a_server() {
    let signer = Signer::new("theirs").unwrap();
    let plain = signature::check(&signer, 1, &[(stun::ICE_CONTROLLING, &[0; 8])]);
    let (local, to) = (
        "10.0.0.1:9".parse().unwrap(),
        "198.51.100.3:4000".parse().unwrap(),
    );
    let leaves_changed = |prepare: fn(&Arc<Paths>, SocketAddr)| {
        let socket = Socket::new(false);
        socket.paths.on_remote_password("theirs");
        socket.paths.on_remote_candidate(HOST);
        socket.send("198.51.100.3:4000", &check(stun::BINDING_SUCCESS));
        prepare(&socket.paths, to);
        (socket.paths.rewrite(local, to, &plain, socket.now)).is_some()
    };
    assert!(leaves_changed(|_, _| {}));
    assert!(!leaves_changed(|paths, _| paths.set_shield(true)));
    assert!(!leaves_changed(|paths, to| paths.on_resolved(&[to])));
    assert!(!leaves_changed(
        |paths, _| paths.on_connected(Instant::now())
    ));
}

#[test]
fn silence_is_broken_by_the_partner_alone() {
    let socket = Socket::new(false);
    let at = |ms| socket.now + Duration::from_millis(ms);
    socket.receive("203.0.113.1:3478", &check(stun::ALLOCATE_SUCCESS), 300);
    assert_eq!(socket.paths.silence(at(400)), Duration::from_millis(400));
    socket.receive("198.51.100.3:4000", &check(stun::BINDING_REQUEST), 500);
    assert_eq!(socket.paths.silence(at(600)), Duration::from_millis(100));
}

/// A check of the candidates with this user name fragment.
fn check_of(fragment: &str) -> Vec<u8> {
    let name = format!("{fragment}:partner");
    stun::write(
        stun::BINDING_REQUEST,
        [6; 12],
        &[(stun::USERNAME, name.as_bytes())],
    )
}

#[test]
fn the_next_generation_begins_with_the_partners_first_check_of_it() {
    let socket = Socket::new(false);
    socket.paths.on_remote_description();
    let from = "198.51.100.3:4000";
    let mut next = socket.paths.next_generation("next");
    for other in ["present", "nex", "next2", ""] {
        assert_eq!(socket.receive(from, &check_of(other), 0), Fate::Pass);
    }
    assert!(next.try_recv().is_err(), "not yet");
    assert_eq!(socket.receive(from, &check_of("next"), 1), Fate::Hold);
    assert_eq!(socket.receive(from, &check_of("next"), 2), Fate::Hold);
    assert_eq!(next.try_recv(), Ok(()));
    socket.paths.on_restart();
    let context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(socket.inbox.poll(&context).is_none());
    socket.paths.on_remote_description();
    let handed_over = std::iter::from_fn(|| socket.inbox.poll(&context)).count();
    assert_eq!(handed_over, 2, "the stack gets what was for it");
    assert_eq!(socket.receive(from, &check_of("next"), 3), Fate::Pass);
}

#[test]
fn the_next_generation_begins_at_once_where_there_is_nothing_to_keep() {
    let socket = Socket::new(false);
    let mut next = socket.paths.next_generation("next");
    socket.paths.set_lost(false);
    assert!(next.try_recv().is_err());
    socket.paths.set_lost(true);
    assert_eq!(next.try_recv(), Ok(()));
    let next = socket.paths.next_generation("another");
    socket.paths.on_restart();
    assert!(
        next.blocking_recv().is_err(),
        "something else took its place"
    );
}

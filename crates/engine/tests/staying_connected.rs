//! Calls whose server and paths come and go: two engines, a server with its relay, and a wire that can be cut.

mod support;

use std::time::{Duration, Instant};

use engine::{CallView, CandidateKind, Command, Config, EndReason, PathPolicy, SignallingView};
use support::wire::Wire;
use support::{SOON, Stranger, TestServer, pair, synthetic};

fn is_relayed(snapshot: &engine::Snapshot) -> bool {
    let path = snapshot.statistics.path;
    path.is_some_and(|path| [path.local, path.remote].contains(&CandidateKind::Relay))
}

fn is_direct(snapshot: &engine::Snapshot) -> bool {
    let path = snapshot.statistics.path;
    path.is_some_and(|path| ![path.local, path.remote].contains(&CandidateKind::Relay))
}

fn is_signed_in(snapshot: &engine::Snapshot) -> bool {
    matches!(snapshot.signalling, SignallingView::Connected { .. })
}

/// One who hides the address, and one who does not, in a call.
fn shielded_and_open(shielded_url: &str, open_url: &str) -> (Stranger, Stranger) {
    let shielded = Stranger::with(Config {
        shield: true,
        ..synthetic(shielded_url)
    });
    let open = Stranger::new(open_url);
    shielded.start_searching();
    open.start_searching();
    shielded.wait_connected();
    open.wait_connected();
    (shielded, open)
}

/// The longest time between two pictures while `until` becomes true.
#[track_caller]
fn longest_gap(stranger: &Stranger, until: impl Fn(&engine::Snapshot) -> bool) -> Duration {
    stranger.see();
    let (began, mut last, mut longest) = (Instant::now(), Instant::now(), Duration::ZERO);
    let mut is_reached_at = None;
    // A little longer than until then: a gap may come with it.
    while is_reached_at.is_none_or(|at: Instant| at.elapsed() < Duration::from_secs(1)) {
        assert!(began.elapsed() < SOON, "it does not come about");
        stranger.see();
        longest = longest.max(last.elapsed());
        last = Instant::now();
        if is_reached_at.is_none() && until(&stranger.engine.snapshot()) {
            is_reached_at = Some(Instant::now());
        }
    }
    longest
}

#[test]
fn a_connection_to_the_server_that_breaks_is_taken_up_with_its_room() {
    let server = TestServer::start();
    let wire = Wire::to(&server.url());
    let one = Stranger::new(&wire.url());
    let two = Stranger::new(&server.url());
    one.start_searching();
    two.start_searching();
    one.wait_connected();
    two.wait_connected();

    wire.cut();
    one.wait("the loss", |s| {
        matches!(s.signalling, SignallingView::Away { .. })
    });
    assert!(matches!(
        one.engine.snapshot().call,
        CallView::Connected { .. }
    ));
    one.see();
    assert_eq!(server.census().rooms, 1, "it is kept");

    wire.mend();
    one.wait("the server", is_signed_in);
    let census = server.census();
    assert_eq!((census.connections, census.rooms), (2, 1));
    two.engine.send(Command::Next);
    one.wait("the partner to leave", |s| {
        matches!(
            s.call,
            CallView::Ended {
                reason: EndReason::PartnerLeft
            }
        )
    });
}

#[test]
fn one_who_searches_while_the_connection_breaks_finds_a_partner_all_the_same() {
    let server = TestServer::start();
    let wire = Wire::to(&server.url());
    let one = Stranger::new(&wire.url());
    one.start_searching();
    one.wait("to wait", |_| server.census().waiting == 1);
    wire.cut();
    one.wait("the loss", |s| {
        matches!(s.signalling, SignallingView::Away { .. })
    });
    one.wait("the server to know", |_| server.census().waiting == 0);
    wire.mend();
    one.wait("to wait again", |_| server.census().waiting == 1);
    let two = Stranger::new(&server.url());
    two.start_searching();
    one.wait_connected();
    two.wait_connected();
}

#[test]
fn a_shielded_call_goes_over_the_relay_and_direct_when_both_agree() {
    let server = TestServer::with_relay(PathPolicy::Any);
    let (shielded, open) = shielded_and_open(&server.url(), &server.url());
    shielded.wait("a relayed path", is_relayed);
    open.wait("a relayed path", is_relayed);
    let view = shielded.wait("the partner to say that it agrees", |s| {
        s.direct
            .is_some_and(|direct| direct.partner_allows == Some(true))
    });
    let direct = view.direct.unwrap();
    assert!(direct.is_hidden && !direct.is_allowed && direct.is_permitted);

    shielded.engine.send(Command::AllowDirect(true));
    let gap = longest_gap(&open, is_direct);
    assert!(
        gap < Duration::from_secs(1),
        "the picture stood for {gap:?}"
    );
    shielded.wait("a direct path", is_direct);
    assert!(!shielded.engine.snapshot().direct.unwrap().is_hidden);
    assert!(matches!(
        shielded.engine.snapshot().call,
        CallView::Connected { .. }
    ));
}

#[test]
fn two_whose_room_is_gone_go_direct_all_the_same() {
    let server = TestServer::with_relay_and_no_grace();
    let wire = Wire::to(&server.url());
    let (shielded, open) = shielded_and_open(&wire.url(), &server.url());
    for stranger in [&shielded, &open] {
        stranger.wait("a relayed path", is_relayed);
        stranger.wait_chat_open();
    }
    wire.cut();
    shielded.wait("the loss", |s| !is_signed_in(s));
    shielded.wait("the server to forget the room", |_| {
        server.census().rooms == 0
    });
    wire.mend();
    shielded.wait("another session", is_signed_in);

    shielded.engine.send(Command::AllowDirect(true));
    let gap = longest_gap(&open, is_direct);
    assert!(
        gap < Duration::from_secs(1),
        "the picture stood for {gap:?}"
    );
    shielded.wait("a direct path", is_direct);
    for stranger in [&shielded, &open] {
        let call = &stranger.engine.snapshot().call;
        assert!(matches!(call, CallView::Connected { .. }), "{call:?}");
    }
}

#[test]
fn one_who_quits_is_gone_at_once_and_nobody_waits_for_him() {
    let server = TestServer::start();
    let (one, two) = pair(&server.url());
    drop(two);
    one.wait("the partner to be gone", |s| {
        matches!(s.call, CallView::Ended { .. })
    });
    one.wait("the server to know", |_| server.census().connections == 1);
    assert_eq!(server.census().absent, 0, "no session is kept for him");
}

#[test]
fn a_call_that_is_up_does_not_need_the_server() {
    let server = TestServer::with_relay(PathPolicy::Any);
    let (one, two) = pair(&server.url());
    one.wait_chat_open();
    two.wait_chat_open();
    one.wait("figures", is_direct);
    server.kill();
    one.wait("the loss", |s| !is_signed_in(s));
    two.wait("the loss", |s| !is_signed_in(s));
    one.see();
    two.see();
    one.engine.send(Command::SendChat("still here".to_owned()));
    two.wait("the line", |s| !s.chat.is_empty());
}

#[test]
fn a_server_can_keep_every_call_on_its_relay() {
    let server = TestServer::with_relay(PathPolicy::RelayOnly);
    let (one, two) = pair(&server.url());
    one.wait("a relayed path", is_relayed);
    two.wait("a relayed path", is_relayed);
    one.wait_chat_open();
    one.engine.send(Command::AllowDirect(true));
    two.engine.send(Command::AllowDirect(true));
    std::thread::sleep(Duration::from_secs(2));
    for stranger in [&one, &two] {
        let snapshot = stranger.engine.snapshot();
        assert!(is_relayed(&snapshot));
        assert!(!snapshot.direct.unwrap().is_permitted);
    }
    one.see();
}

#[test]
fn a_server_can_let_calls_begin_on_its_relay() {
    let server = TestServer::with_relay(PathPolicy::RelayFirst);
    let (one, two) = pair(&server.url());
    one.wait("a relayed path", is_relayed);
    one.wait_chat_open();
    two.wait_chat_open();
    one.engine.send(Command::AllowDirect(true));
    two.wait("the partner to agree", |s| {
        s.direct
            .is_some_and(|direct| direct.partner_allows == Some(true))
    });
    assert!(is_relayed(&one.engine.snapshot()), "one is not enough");
    two.engine.send(Command::AllowDirect(true));
    one.wait("a direct path", is_direct);
    two.wait("a direct path", is_direct);
    one.see();
    two.see();
}

#[test]
fn the_next_connection_is_ready_before_its_partner_is() {
    let server = TestServer::with_relay(PathPolicy::Any);
    let one = Stranger::new(&server.url());
    one.wait("an allocation in the lobby", |_| server.allocations() >= 1);
    // One for each address of the machine.
    let mut in_the_lobby = 0;
    while in_the_lobby != server.allocations() {
        in_the_lobby = server.allocations();
        std::thread::sleep(Duration::from_millis(500));
    }
    let two = Stranger::new(&server.url());
    two.wait("another one", |_| server.allocations() > in_the_lobby);
    one.start_searching();
    two.start_searching();
    one.wait_connected();
    two.wait_connected();
    one.see();
    // The one in use, and one for the next call, of each.
    one.wait("the next ones", |_| {
        server.allocations() >= 4 * in_the_lobby
    });
    std::thread::sleep(Duration::from_secs(2));
    assert!(
        server.allocations() <= 4 * in_the_lobby,
        "no more than one spare each"
    );
    drop((one, two));
    let deadline = Instant::now() + SOON;
    while server.allocations() > 0 {
        assert!(Instant::now() < deadline, "they are given back");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_was_ready_at_a_server_that_is_gone_is_made_ready_at_the_next() {
    let server = TestServer::with_relay(PathPolicy::Any);
    let one = Stranger::new(&server.url());
    one.wait("a spare", |_| server.allocations() >= 1);
    let addr = server.kill();
    one.wait("the loss", |s| !is_signed_in(s));
    let server = TestServer::with_relay_at(addr, PathPolicy::Any);
    one.wait("the server", is_signed_in);
    one.wait("another spare", |_| server.allocations() >= 1);
}

//! Reports, blocks and bans through engines and a server on this machine.

mod support;

use std::sync::mpsc;
use std::time::Duration;

use engine::{
    CallView, Command, Config, Identity, ReportReason, ReportState, Reportable, SafetyView,
    SignallingView,
};
use futures_util::{SinkExt as _, StreamExt as _};
use protocol::{
    Challenge, ClientMessage, Handle, PathPolicy, Role, RoomId, ServerMessage, decode, encode,
};
use support::{SOON, Stranger, TestServer, synthetic};
use tokio::net::TcpListener;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

fn known(url: &str) -> Stranger {
    Stranger::with(Config {
        identity: Some(Identity::fleeting().expect("random numbers")),
        ..synthetic(url)
    })
}

impl Stranger {
    #[track_caller]
    fn wait_safety(&self, what: &str, is_true: impl Fn(&SafetyView) -> bool) {
        self.wait(what, |snapshot| is_true(&snapshot.safety));
    }

    fn report(&self, block: bool) {
        self.engine.send(Command::Report {
            reason: ReportReason::Spam,
            note: "a test".to_owned(),
            block,
            lines: Vec::new(),
        });
    }
}

fn is_searching(call: &CallView) -> bool {
    matches!(call, CallView::Searching { .. })
}

#[test]
fn who_is_reported_and_blocked_is_not_met_again_and_others_are() {
    let server = TestServer::start();
    let [one, two] = [known(&server.url()), known(&server.url())];
    for stranger in [&one, &two] {
        stranger.wait("a greeting", |it| {
            matches!(it.signalling, SignallingView::Connected { .. })
        });
        assert_eq!(stranger.engine.snapshot().safety.reportable, None);
        stranger.start_searching();
    }
    one.wait_connected();
    one.wait_safety("somebody to report", |it| {
        it.reportable == Some(Reportable::Present)
    });
    one.report(true);
    one.wait_safety("the answer", |it| it.report == Some(ReportState::Received));
    assert!(one.engine.snapshot().safety.is_blocked);

    one.engine.send(Command::Next);
    one.wait_safety("the last one to be reported", |it| {
        matches!(it.reportable, Some(Reportable::Last { .. }))
    });
    two.wait("the end", |it| matches!(it.call, CallView::Ended { .. }));
    two.engine.send(Command::Next);
    two.wait("a search", |it| is_searching(&it.call));
    std::thread::sleep(Duration::from_secs(1));
    assert!(
        is_searching(&one.engine.snapshot().call),
        "they wait beside each other"
    );
    let three = known(&server.url());
    three.start_searching();
    three.wait_connected();
    let searching = [&one, &two].map(|it| is_searching(&it.engine.snapshot().call));
    assert!(searching.contains(&true), "the other one goes on waiting");
}

#[test]
fn what_the_partner_wrote_is_proved_to_the_server_if_it_is_chosen() {
    let server = TestServer::start();
    let [one, two] = [known(&server.url()), known(&server.url())];
    for stranger in [&one, &two] {
        stranger.start_searching();
    }
    for stranger in [&one, &two] {
        stranger.wait_chat_open();
    }
    for line in ["hush", "<b>or else</b>"] {
        two.engine.send(Command::SendChat(line.to_owned()));
    }
    one.engine.send(Command::SendChat("no".to_owned()));
    one.wait_safety("both lines", |it| it.chat.lines.len() == 2);
    two.wait_safety("the answer", |it| it.chat.lines.len() == 1);
    let safety = one.engine.snapshot().safety.clone();
    let said: Vec<_> = safety
        .chat
        .lines
        .iter()
        .map(|it| (it.number, &*it.text))
        .collect();
    assert_eq!(said, [(1, "hush"), (2, "<b>or else</b>")]);
    assert_eq!(safety.chat.unproved, 0);

    one.engine.send(Command::Next);
    one.wait_safety("the last one to be reported", |it| {
        matches!(it.reportable, Some(Reportable::Last { .. })) && it.chat.lines.len() == 2
    });
    one.engine.send(Command::Report {
        reason: ReportReason::Harassment,
        note: String::new(),
        block: true,
        lines: vec![2],
    });
    // A line that is not the partner's would be refused.
    one.wait_safety("the answer", |it| it.report == Some(ReportState::Received));
}

#[test]
fn one_who_is_banned_learns_why_and_for_how_long_and_is_back_in_the_lobby() {
    let server = TestServer::with(server::Settings {
        listen: vec![([127, 0, 0, 1], 0).into()],
        reputation: server::Policy {
            slow_at: 0.1,
            separate_at: 0.1,
            ban_at: 0.1,
            ..server::Policy::default()
        },
        appeal: Some("write to us".to_owned()),
        ..server::Settings::default()
    });
    let [one, two] = [known(&server.url()), known(&server.url())];
    for stranger in [&one, &two] {
        stranger.start_searching();
    }
    one.wait_connected();
    two.wait_connected();
    one.report(false);
    one.wait("the partner to be gone", |it| {
        matches!(it.call, CallView::Ended { .. })
    });
    one.wait_safety("the answer", |it| it.report == Some(ReportState::Received));
    two.wait_safety("a word on the ban", |it| it.ban.is_some());
    two.wait("the lobby", |it| it.call == CallView::Idle);
    let ban = two.engine.snapshot().safety.ban.clone().unwrap();
    assert!(ban.until.is_some() && !ban.reason.is_empty());
    assert_eq!(ban.appeal.as_deref(), Some("write to us"));
    two.wait("signalling to be away", |it| {
        matches!(it.signalling, SignallingView::Away { .. })
    });
    assert!(two.engine.snapshot().safety.ban.is_some(), "it stays");
}

/// A server that finds the same one again and again, whatever it is told, and brings what it is told.
fn forgetful_server() -> (
    tokio::runtime::Runtime,
    String,
    mpsc::Receiver<ClientMessage>,
) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("loopback works");
    let listener = runtime
        .block_on(TcpListener::bind("127.0.0.1:0"))
        .expect("loopback works");
    let url = format!("ws://{}/", listener.local_addr().expect("loopback works"));
    let (sender, said) = mpsc::channel();
    runtime.spawn(async move {
        let mut rooms = 0;
        while let Ok((stream, _)) = listener.accept().await {
            let mut socket = accept_async(stream).await.expect("loopback works");
            while let Some(Ok(frame)) = socket.next().await {
                let Message::Text(text) = frame else { continue };
                let message = decode::<ClientMessage>(&text).expect("loopback works");
                let answer = match &message {
                    ClientMessage::Hello { .. } => Some(ServerMessage::Welcome {
                        version: 1,
                        online: 2,
                        session: None,
                        resumed: None,
                        challenge: Some(Challenge::from_bytes([1; 16])),
                        capabilities: Vec::new(),
                    }),
                    ClientMessage::Join { .. } => {
                        rooms += 1;
                        Some(matched(rooms))
                    }
                    ClientMessage::Block { room } => Some(ServerMessage::Blocked {
                        room: *room,
                        refused: None,
                    }),
                    _ => None,
                };
                drop(sender.send(message));
                if let Some(answer) = answer {
                    socket
                        .send(Message::text(encode(&answer)))
                        .await
                        .expect("loopback works");
                }
            }
        }
    });
    (runtime, url, said)
}

fn matched(room: u8) -> ServerMessage {
    ServerMessage::Matched {
        room: RoomId::from_bytes([room; 16]),
        role: Role::Answerer,
        interests: Vec::new(),
        ice_servers: Vec::new(),
        path_policy: PathPolicy::Any,
        offer: None,
        handed_over: None,
        partner: Some(Handle::from_bytes([9; 16])),
    }
}

/// Waits until the server has been told something.
fn is_told(said: &mpsc::Receiver<ClientMessage>, is_it: impl Fn(&ClientMessage) -> bool) {
    while !is_it(&said.recv_timeout(SOON).expect("the server is told in time")) {}
}

#[test]
fn one_who_was_blocked_before_the_last_start_is_left_at_once_and_the_server_is_told_again() {
    let folder = tempfile::tempdir().unwrap();
    let (_runtime, url, said) = forgetful_server();
    let identity = Identity::load_or_create(&folder.path().join("identity")).unwrap();
    let config = || Config {
        identity: Some(identity.clone()),
        block_list: Some(folder.path().join("blocked")),
        ..synthetic(&url)
    };
    let room = |number| RoomId::from_bytes([number; 16]);
    let stranger = Stranger::with(config());
    is_told(&said, |it| matches!(it, ClientMessage::Identify { .. }));
    stranger.start_searching();
    stranger.wait_safety("somebody", |it| it.reportable == Some(Reportable::Present));
    assert!(!stranger.engine.snapshot().safety.is_blocked);
    stranger.engine.send(Command::Block);
    is_told(&said, |it| *it == ClientMessage::Block { room: room(1) });
    stranger.wait_safety("the answer", |it| it.report == Some(ReportState::Received));
    let file = folder.path().join("blocked");
    let deadline = std::time::Instant::now() + SOON;
    while !file.exists() {
        assert!(
            std::time::Instant::now() < deadline,
            "nothing is written down"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(stranger);

    let stranger = Stranger::with(config());
    stranger.start_searching();
    is_told(&said, |it| *it == ClientMessage::Block { room: room(2) });
    is_told(
        &said,
        |it| matches!(it, ClientMessage::Next { room: Some(left), .. } if *left == room(2)),
    );
    stranger.wait("the search to go on", |it| is_searching(&it.call));
}

//! What outlasts the process, however it ends.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
};

use protocol::{ClientMessage, NotTaken, ServerMessage};
use server::{BindError, Server, Settings, StoreError};

use crate::{
    client::{Client, Pair, brief, join, start},
    http::request,
    people::report,
};

const TOKEN: &str = "correct horse battery";
const BEARER: &str = "Authorization: Bearer correct horse battery";

struct Program {
    child: Child,
    url: String,
    admin: std::net::SocketAddr,
}

/// A free port, of which nobody else knows.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it has one").port()
}

/// Starts the program by a shell that is told `before`.
fn program(store: &Path, before: &str) -> Program {
    let admin = format!("127.0.0.1:{}", free_port());
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(format!("{before} exec \"$0\" \"$@\""))
        .arg(env!("CARGO_BIN_EXE_passerby-server"))
        .args([
            "--listen",
            "127.0.0.1:0",
            "--no-relay",
            "--admin-token",
            TOKEN,
        ])
        .args(["--admin-listen", &admin, "--store"])
        .arg(store)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it is piped"))
        .read_line(&mut line)
        .expect("it says where it listens");
    let addr = line.trim().strip_prefix("listening on ws://");
    Program {
        url: format!("ws://{}/v1/signalling", addr.expect("the address")),
        admin: admin.parse().expect("an address"),
        child,
    }
}

impl Program {
    /// As the kernel ends a process: without a word.
    fn kill(mut self) -> String {
        self.child.kill().expect("it can be killed");
        let mut log = String::new();
        let mut stderr = self.child.stderr.take().expect("it is piped");
        stderr.read_to_string(&mut log).expect("it writes text");
        self.child.wait().expect("it ends");
        log
    }

    async fn meet(&self, seeds: [u8; 2]) -> Pair {
        let waiter = Client::known(&self.url, seeds[0]).await.waits().await;
        Pair::of(waiter, Client::known(&self.url, seeds[1]).await).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_there_after_the_process_was_killed() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let store = folder.path().join("store.redb");
    let server = program(&store, "");
    let mut pair = server.meet([1, 2]).await;
    pair.offerer.is_heard(report(pair.room, true)).await;
    let handle = handle_of(&mut server.meet([5, 6]).await).await;
    let shown = request(server.admin, "GET /admin/people", &[BEARER], "").await;
    let shown: serde_json::Value = serde_json::from_str(&shown.body).expect("JSON");
    let (number, key) = (
        &shown["reports"][0]["number"],
        &shown["reports"][0]["about"]["key"],
    );
    let ban = format!("POST /admin/people/ban?number={number}&days=3&reason=killed");
    assert_eq!(request(server.admin, &ban, &[BEARER], "").await.status, 200);
    server.kill();

    let server = program(&store, "");
    let mut banned = Client::known(&server.url, 1).await;
    let notice = banned.hears_ban().await;
    let is_same = |it: &ServerMessage| matches!(it, ServerMessage::Banned { reason, until: Some(_), .. } if reason == "killed");
    assert!(is_same(&notice), "{notice:?}");
    let after = request(server.admin, "GET /admin/people", &[BEARER], "").await;
    let after: serde_json::Value = serde_json::from_str(&after.body).expect("JSON");
    assert_eq!(after["reports"], shown["reports"]);
    assert_eq!(&after["bans"][0]["whom"]["key"], key);
    assert_eq!(handle_of(&mut server.meet([5, 6]).await).await, handle);

    // Let in again, and killed again: the block stands.
    let number = &after["bans"][0]["number"];
    let unban = format!("POST /admin/people/unban?number={number}");
    assert_eq!(
        request(server.admin, &unban, &[BEARER], "").await.status,
        200
    );
    server.kill();
    let server = program(&store, "");
    let mut first = Client::known(&server.url, 1).await.waits().await;
    let mut second = Client::known(&server.url, 2).await.waits().await;
    first.has_heard_all().await;
    second.has_heard_all().await;
    server.kill();
}

/// What the answerer calls the offerer, by another meeting of the two.
async fn handle_of(pair: &mut Pair) -> protocol::Handle {
    pair.answerer.say(&join()).await;
    pair.answerer.hears_waiting().await;
    pair.offerer.hears().await;
    pair.offerer.say(&join()).await;
    match pair.answerer.hears().await {
        ServerMessage::Matched {
            partner: Some(handle),
            ..
        } => handle,
        other => panic!("expected a match, got {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_and_ends_nothing() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let store = folder.path().join("store.redb");
    program(&store, "").kill();
    // A file may not become larger than it is: what a full disk is to a program.
    let blocks = std::fs::metadata(&store)
        .expect("it is there")
        .len()
        .div_ceil(512);
    let server = program(&store, &format!("trap '' XFSZ; ulimit -f {blocks};"));
    let mut refused = 0;
    'people: for round in 0_u8..20 {
        let mut pair = server.meet([2 * round, 2 * round + 1]).await;
        for _ in 0..9 {
            let room = pair.room;
            let note = "é".repeat(protocol::limits::NOTE_CHARS);
            let reason = protocol::ReportReason::Other;
            let message = ClientMessage::Report {
                room,
                reason,
                note,
                block: true,
                lines: Vec::new(),
            };
            pair.offerer.say(&message).await;
            match pair.offerer.hears().await {
                ServerMessage::Reported { refused: None, .. } => {}
                ServerMessage::Reported {
                    refused: Some(why), ..
                } => {
                    assert_eq!(why, NotTaken::NotStored);
                    refused += 1;
                    break 'people;
                }
                other => panic!("expected an answer, got {other:?}"),
            }
        }
    }
    if refused > 0 {
        server.meet([200, 201]).await.goes_on().await;
    }
    let log = server.kill();
    assert!(refused > 0, "the store takes more than it can: {log}");
    assert!(log.contains("is the disk full?"), "{log}");
    program(&store, "").kill();
}

#[tokio::test]
async fn a_server_says_what_is_wrong_with_its_store_and_does_not_begin_without() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let store = Some(folder.path().join("store.redb"));
    let settings = || Settings {
        store: store.clone(),
        listen: vec![([127, 0, 0, 1], 0).into()],
        ..brief()
    };
    let server = start(settings()).await;
    let second = Server::bind(settings()).await.expect_err("it is in use");
    assert!(
        matches!(second, BindError::Store(StoreError::InUse(_))),
        "{second}"
    );
    server.stop().await;
    start(settings()).await.stop().await;
    std::fs::write(store.as_ref().expect("a path"), "no store").expect("it takes text");
    let damaged = Server::bind(settings()).await.expect_err("it is damaged");
    assert!(
        damaged.to_string().contains("damaged or no store"),
        "{damaged}"
    );
}

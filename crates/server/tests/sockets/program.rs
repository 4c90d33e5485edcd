//! The program itself: what it prints, and how it ends.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use protocol::{ClientMessage, ServerMessage};

use crate::client::{Client, Pair, candidate};

fn program(flags: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_passerby-server"))
        .args(flags)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

#[test]
fn it_says_where_it_listens_and_ends_at_sigterm() {
    let (mut child, addr) = listening(&[]);
    std::net::TcpStream::connect(addr).expect("somebody listens there");

    signal(&child, "-TERM");

    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "does not end");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(status.success(), "{status}");
}

/// A program that listens, and its address.
fn listening(flags: &[&str]) -> (Child, String) {
    let mut child = program(&[&["--listen", "127.0.0.1:0"], flags].concat());
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it is piped"))
        .read_line(&mut line)
        .expect("it says where it listens");
    let addr = line.trim().strip_prefix("listening on ws://");
    (child, addr.expect("the address").to_owned())
}

fn signal(child: &Child, name: &str) {
    let killed = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(killed.expect("kill is there").success());
}

/// Ends it and returns what it has logged.
fn logged(mut child: Child) -> String {
    signal(&child, "-TERM");
    let mut words = String::new();
    let mut stderr = child.stderr.take().expect("it is piped");
    stderr.read_to_string(&mut words).expect("it writes text");
    child.wait().expect("it ends");
    words
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_no_level_does_it_log_what_people_say_to_each_other() {
    let (child, addr) = listening(&["--log", "trace,tungstenite=trace,hyper=trace"]);
    let url = format!("ws://{addr}/v1/signalling");
    let waiter = Client::greeted_at(&url).await;
    let newcomer = Client::greeted_at(&url).await;
    let Pair {
        mut offerer,
        mut answerer,
        room,
    } = Pair::of(waiter.waits().await, newcomer).await;
    let secret = "candidate:1 1 udp 1 192.0.2.77 9 typ host";
    offerer
        .say(&ClientMessage::Candidate {
            room,
            candidate: Some(candidate(secret)),
        })
        .await;
    let heard = answerer.hears().await;
    assert!(
        matches!(heard, ServerMessage::Candidate { .. }),
        "{heard:?}"
    );

    let words = tokio::task::spawn_blocking(|| logged(child)).await.unwrap();
    assert!(words.contains("DEBUG server::hub"), "it logs at all");
    for never in ["192.0.2.77", "127.0.0.1:", "\"room\"", "v1/signalling"] {
        let line = words
            .lines()
            .filter(|line| !line.contains("STUN and TURN at"))
            .find(|line| line.contains(never));
        assert_eq!(line, None);
    }
}

#[test]
fn without_a_certificate_a_hangup_is_no_reason_to_end() {
    let (child, addr) = listening(&[]);
    signal(&child, "-HUP");
    std::thread::sleep(Duration::from_millis(500));
    std::net::TcpStream::connect(addr).expect("it is there still");

    let words = logged(child);
    assert!(words.contains("there is no certificate"), "{words}");
}

#[test]
fn in_the_environment_flags_are_switched_on_and_off() {
    for (no_relay, relay, relays) in [("false", "true", true), ("0", "", true), ("1", "no", false)]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_passerby-server"));
        command
            .args(["--listen", "127.0.0.1:0"])
            .env("PASSERBY_NO_RELAY", no_relay)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if !relay.is_empty() {
            command.env("PASSERBY_RELAY", relay);
        }
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();

        let words = logged(child);
        assert!(line.starts_with("listening on"), "{words}");
        assert_eq!(words.contains("STUN and TURN at"), relays, "{words}");
    }
}

#[test]
fn it_explains_an_address_in_use() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();

    let mut child = program(&["--listen", &addr]);

    assert!(!child.wait().unwrap().success());
    let mut words = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut words)
        .unwrap();
    assert!(words.contains(&format!("{addr} is in use")), "{words}");
}

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

/// A server in a process of its own, which ends with the test.
pub(crate) struct Program {
    child: Child,
    addr: String,
}

impl Program {
    pub(crate) fn start(flags: &[&str]) -> Self {
        let (child, addr) = listening(flags);
        Self { child, addr }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/v1/signalling", self.addr)
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.child.kill().is_ok() && self.child.wait().is_err() {
            eprintln!("the server cannot be waited for");
        }
    }
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

/// How the program ends at once, and what it says on standard output and standard error.
fn outcome(flags: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_passerby-server"))
        .args(flags)
        .envs(variables.iter().copied())
        .output()
        .expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it writes text");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("a folder for the test");
    path.to_str().expect("it is text").to_owned()
}

#[test]
fn settings_can_be_checked_and_what_holds_is_shown_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let secret = file(&folder, "secret", "from-a-file\n\n  the-old-one \n");
    let config = file(
        &folder,
        "it.toml",
        &format!("turn-secret-file = {secret:?}\ngrace = 30\nheartbeat = 9"),
    );

    let (code, shown, words) = outcome(
        &["--check-config", "--heartbeat=7"],
        &[("PASSERBY_CONFIG", &config), ("PASSERBY_GRACE", "31")],
    );

    assert_eq!(code, Some(0), "{words}");
    assert!(
        shown.contains("grace = 31  # from PASSERBY_GRACE"),
        "{shown}"
    );
    assert!(
        shown.contains("heartbeat = 7  # from the command line"),
        "{shown}"
    );
    assert!(
        shown.contains(&format!("{secret:?}  # from {config}")),
        "{shown}"
    );
    assert!(!shown.contains("from-a-file"), "{shown}");
    // Without any file, too.
    let (code, shown, _) = outcome(&["--check-config"], &[("PASSERBY_TURN_SECRET", "hush")]);
    assert_eq!(code, Some(0));
    assert!(shown.contains("turn-secret") && !shown.contains("hush"));
}

#[test]
fn what_is_wrong_with_the_settings_is_explained_and_ends_with_two() {
    let folder = tempfile::tempdir().unwrap();
    let empty = file(&folder, "empty", "\n");
    let two = file(&folder, "two", "one\ntwo\n");
    for (text, words) in [
        ("relay-prot = 1".to_owned(), "perhaps relay-port is meant"),
        ("tls-cert = \"c.pem\"".to_owned(), "--tls-key is missing"),
        (
            format!("tls-cert = {empty:?}\ntls-key = {empty:?}"),
            "cannot read the certificate",
        ),
        (
            format!("turn-secret-file = {empty:?}"),
            "there is nothing in it",
        ),
        ("turn-secret-file = \"/nothing\"".to_owned(), "/nothing"),
        (
            format!("turn-secret-file = {two:?}\nturn-secret = [\"s\"]"),
            "leave one of them out",
        ),
        (
            format!("turn-credential-file = {two:?}\nturn-username = \"u\""),
            "one line is wanted",
        ),
    ] {
        let config = file(&folder, "it.toml", &text);
        let (code, _, said) = outcome(&["--check-config", "--config", &config], &[]);
        assert_eq!(code, Some(2), "{text}: {said}");
        assert!(said.contains(words), "{text}: {said}");
    }
    for (variable, value, words) in [
        ("PASSERBY_GRACE", "soon", "a whole number is wanted"),
        ("PASSERBY_HEARTBEAT", "0", "from 1 to 300"),
        (
            "PASSERBY_LISTEN",
            "127.0.0.1:8080,here",
            "PASSERBY_LISTEN = ",
        ),
        ("PASSERBY_NO_RELAY", "perhaps", "true or false"),
    ] {
        let (code, _, said) = outcome(&[], &[(variable, value)]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(variable) && said.contains(words), "{said}");
    }
    let (code, _, said) = outcome(&["--grace=later"], &[("PASSERBY_GRACE", "soon")]);
    assert_eq!(code, Some(2));
    assert!(said.contains("--grace") && said.contains("later"), "{said}");
    let config = file(&folder, "it.toml", "relay-prot = 1\nfoo = 2");
    let (code, _, said) = outcome(&["--config", &config], &[]);
    assert_eq!(code, Some(2));
    assert_eq!(said.matches("it.toml, line").count(), 2, "{said}");
}

#[test]
fn a_check_looks_at_the_store_too_and_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.redb");
    let store = store.to_str().expect("it is text");
    let check = |store: &str| outcome(&["--check-config", "--store", store], &[]);
    let (code, _, said) = check(store);
    assert_eq!((code, &*said), (Some(0), ""));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    // A server that has it is no fault.
    let mut server = Program::start(&["--no-relay", "--store", store]);
    let (code, _, said) = check(store);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("in use by a server that runs"), "{said}");
    server.kill();
    let (code, _, said) = check(store);
    assert_eq!(
        (code, &*said),
        (Some(0), ""),
        "what is left can be repaired"
    );

    let diary = file(&folder, "diary", &"Dear diary, ".repeat(1000));
    let nowhere = format!("{store}/store");
    let lost = folder.path().join("no such folder/store");
    let lost = lost.to_str().expect("it is text");
    for (store, words) in [
        (&*diary, "damaged or no store"),
        (&*nowhere, "there is no folder"),
        (lost, "there is no folder"),
    ] {
        // The server itself ends so, too: to start it again would not help.
        for flags in [&["--check-config"][..], &["--listen=127.0.0.1:0"]] {
            let (code, _, said) =
                outcome(&[flags, &["--no-relay", "--store", store]].concat(), &[]);
            assert_eq!(code, Some(2), "{flags:?}: {said}");
            assert!(said.contains(words), "{flags:?}: {said}");
        }
    }
}

/// Like `outcome` without variables, but as somebody whom permissions hold back, as they do not hold back root.
#[cfg(target_os = "linux")]
fn outcome_for_a_person(flags: &[&str]) -> (Option<i32>, String) {
    let program = env!("CARGO_BIN_EXE_passerby-server");
    let is_root = std::fs::read_to_string("/proc/self/status")
        .expect("there is one")
        .lines()
        .any(|line| line.starts_with("Uid:\t0\t"));
    let mut command = if is_root {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-dac_override,-dac_read_search", program]);
        command
    } else {
        Command::new(program)
    };
    let output = command.args(flags).output().expect("the program starts");
    let words = String::from_utf8(output.stderr).expect("it writes text");
    (output.status.code(), words)
}

#[cfg(target_os = "linux")]
#[test]
fn where_the_server_may_not_write_a_check_says_so() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let diary = file(&folder, "diary", "");
    let set_mode = |path: &std::path::Path, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, mode).expect("it is ours");
    };
    set_mode(diary.as_ref(), 0o400);
    set_mode(folder.path(), 0o500);
    let new = folder.path().join("new");
    let said: Vec<_> = [diary.as_str(), new.to_str().expect("it is text")]
        .into_iter()
        .flat_map(|store| ["--check-config", "--no-relay"].map(|flag| (store, flag)))
        .map(|(store, flag)| {
            outcome_for_a_person(&[flag, "--listen=127.0.0.1:0", "--store", store])
        })
        .collect();
    set_mode(folder.path(), 0o700);
    for ((code, words), expected) in said.iter().zip([
        "Permission denied",
        "Permission denied",
        "no file can be made in",
        "no file can be made in",
    ]) {
        assert_eq!(*code, Some(2), "{words}");
        assert!(words.contains(expected), "{words}");
    }
}

#[test]
fn a_certificate_that_cannot_be_used_ends_the_server_as_other_wrong_settings_do() {
    let folder = tempfile::tempdir().unwrap();
    let empty = file(&folder, "empty", "");
    let pem = |name: &str| {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let certificate = file(&folder, &format!("{name}.pem"), &made.cert.pem());
        let key = made.signing_key.serialize_pem();
        (certificate, file(&folder, &format!("{name}.key"), &key))
    };
    let ((certificate, key), (_, other_key)) = (pem("one"), pem("other"));
    for (certificate, key, words) in [
        (&empty, &key, "cannot read the certificate"),
        (&certificate, &empty, "cannot read the private key"),
        (&certificate, &other_key, "does not belong to"),
    ] {
        let flags = ["--listen=127.0.0.1:0", "--no-relay"];
        let tls = ["--tls-cert", certificate, "--tls-key", key];
        let (code, _, said) = outcome(&[&flags[..], &tls].concat(), &[]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_sigterm_rooms_go_on_for_a_while_and_at_the_second_it_ends() {
    let (mut child, addr) = listening(&["--drain=600"]);
    let url = format!("ws://{addr}/v1/signalling");
    let mut waiter = Client::greeted_at(&url).await.waits().await;
    let newcomer = Client::greeted_at(&url).await;
    let mut pair = Pair::of(waiter, newcomer).await;
    waiter = Client::greeted_at(&url).await.waits().await;

    signal(&child, "-TERM");

    let (heard, _) = waiter.hears_to_the_end().await;
    let is_told = matches!(heard[..], [ServerMessage::Shutdown { .. }]);
    assert!(is_told, "{heard:?}");
    pair.goes_on().await;
    assert!(child.try_wait().unwrap().is_none(), "it is there still");
    signal(&child, "-TERM");
    let (heard, _) = pair.offerer.hears_to_the_end().await;
    let is_told = matches!(heard[..], [ServerMessage::Shutdown { .. }]);
    assert!(is_told, "{heard:?}");
    let ended = tokio::task::spawn_blocking(move || child.wait());
    assert!(ended.await.unwrap().unwrap().success());
}

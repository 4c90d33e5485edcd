//! The connection check as a person and as a script use it.

#![expect(clippy::unwrap_used, reason = "in a test that is how to fail")]

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Command, Output};

use engine::PathPolicy;
use server::{Running, Server, Settings, Turn, TurnCredentials};
use tokio::runtime::Runtime;

struct TestServer {
    _runtime: Runtime,
    running: Running,
}

impl TestServer {
    fn start(settings: Settings) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let settings = Settings {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            ..settings
        };
        let running = runtime.block_on(async { Server::bind(settings).await.unwrap().start() });
        Self {
            _runtime: runtime,
            running,
        }
    }

    fn check(&self, arguments: &[&str]) -> Output {
        check(&self.running.url(), arguments)
    }
}

fn check(url: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_passerby-headless"))
        .args(["check", "--server", url])
        .args(arguments)
        .output()
        .unwrap()
}

/// A STUN server (RFC 8489) on loopback that answers Binding requests as long as the test runs.
fn stun_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((_, client)) = socket.recv_from(&mut buffer) {
            let IpAddr::V4(ip) = client.ip() else {
                continue;
            };
            let port = client.port() ^ 0x2112;
            let masked = ip.to_bits() ^ 0x2112_A442;
            let header = [&[0x01, 0x01, 0, 12][..], &buffer[4..20]].concat();
            let attribute = [
                &[0, 0x20, 0, 8, 0, 1][..],
                &port.to_be_bytes(),
                &masked.to_be_bytes(),
            ];
            let answer = [header, attribute.concat()].concat();
            drop(socket.send_to(&answer, client));
        }
    });
    address
}

/// A server whose STUN works and whose relay refuses connections.
fn half_broken() -> TestServer {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    TestServer::start(Settings {
        stun: vec![format!("stun:{}", stun_server()).parse().unwrap()],
        turn: Some(Turn {
            urls: vec![format!("turn:{closed}?transport=tcp").parse().unwrap()],
            credentials: TurnCredentials::Fixed {
                username: "me".into(),
                credential: "top-secret".into(),
            },
        }),
        ..Settings::default()
    })
}

/// What reaches a UDP socket, which answers nothing.
fn listener() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

fn has_heard(socket: &UdpSocket) -> bool {
    socket.recv(&mut [0; 1500]).is_ok()
}

/// A server that names a STUN server, and a relay that is silent, and wants calls to go such ways.
fn with_stun(stun: &UdpSocket, relay: &UdpSocket, path_policy: PathPolicy) -> TestServer {
    let at =
        |scheme: &str, socket: &UdpSocket| format!("{scheme}:{}", socket.local_addr().unwrap());
    TestServer::start(Settings {
        stun: vec![at("stun", stun).parse().unwrap()],
        turn: Some(Turn {
            urls: vec![at("turn", relay).parse().unwrap()],
            credentials: TurnCredentials::Fixed {
                username: "me".into(),
                credential: "top-secret".into(),
            },
        }),
        path_policy,
        ..Settings::default()
    })
}

#[test]
fn a_person_reads_what_works_and_what_does_not() {
    let output = half_broken().check(&[]);
    let said = String::from_utf8_lossy(&output.stdout);
    eprintln!("{said}");
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.starts_with("Calls will probably connect directly."),
        "{said}"
    );
    assert!(said.contains("NAT:               none"), "{said}");
    assert!(said.contains("answers after"), "{said}");
    assert!(said.contains("it refuses connections"), "{said}");
    assert!(said.contains("--show-address shows it"), "{said}");
    let all = format!("{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(!all.contains("top-secret"), "{all}");
}

#[test]
fn a_script_reads_json() {
    let server = half_broken();
    let read = |arguments: &[&str]| -> serde_json::Value {
        let output = server.check(arguments);
        assert_eq!(output.status.code(), Some(0));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let report = read(&["--json"]);
    assert_eq!(report["verdict"], "direct_likely");
    assert_eq!(report["udp"], "works");
    assert_eq!(report["nat"]["mapping"], "no_nat");
    assert_eq!(report["nat"]["filtering"], "unknown");
    assert_eq!(report["path_policy"], "any");
    assert_eq!(report["stun"][0]["works"], true);
    assert!(report["stun"][0]["round_trip_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(report["relays"][0]["transport"], "tcp");
    assert_eq!(report["relays"][0]["error"], "refused");
    assert!(report["took_ms"].as_f64().unwrap() > 0.0);
    assert!(report.get("public_address").is_none());
    let report = read(&["--json", "--show-address"]);
    let address = report["public_address"].as_str().unwrap();
    assert!(address.starts_with("127.0.0.1:"), "{address}");
}

#[test]
fn who_hides_the_address_asks_relays_and_nobody_else() {
    for (path_policy, arguments, is_stun_asked) in [
        (PathPolicy::Any, &["--limit", "1"][..], true),
        (PathPolicy::Any, &["--limit", "1", "--relay-only"], false),
        (PathPolicy::RelayFirst, &["--limit", "1"], false),
        (PathPolicy::RelayOnly, &["--limit", "1"], false),
    ] {
        let (stun, relay) = (listener(), listener());
        let output = with_stun(&stun, &relay, path_policy).check(arguments);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(has_heard(&relay), "{path_policy:?}: {said}");
        assert_eq!(has_heard(&stun), is_stun_asked, "{path_policy:?}: {said}");
        assert_eq!(said.contains("not looked at"), !is_stun_asked, "{said}");
        assert_eq!(output.status.code(), Some(1), "nothing answers: {said}");
    }
}

#[test]
fn where_nothing_works_the_exit_code_says_so() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = TestServer::start(Settings {
        stun: vec![
            format!("stun:{}", silent.local_addr().unwrap())
                .parse()
                .unwrap(),
        ],
        ..Settings::default()
    });
    let output = server.check(&["--limit", "1"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("it does not answer in time"), "{said}");
}

#[test]
fn a_server_that_cannot_be_asked_is_named_in_words() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let output = check(&format!("ws://{closed}/"), &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("cannot be reached"), "{said}");
    let output = check("nonsense", &[]);
    assert_eq!(output.status.code(), Some(2));
}

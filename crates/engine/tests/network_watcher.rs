//! The watcher in a network namespace of its own, where addresses really come and go.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test that is how to fail")]

use std::net::IpAddr;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use engine::{AddressChange, NetworkFact, NetworkWatcher};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

/// Set for the test inside the namespace by the one outside.
const INSIDE: &str = "PASSERBY_NETWORK_WATCHER_INSIDE";
const WLAN: &str = "192.168.1.7";
const MOBILE: &str = "100.64.3.4";
const IPV6: &str = "2001:db8:1:2::5";

/// A namespace that ends with the test.
struct Namespace(String);

impl Namespace {
    /// `None` where namespaces cannot be made, unless `PASSERBY_LAB=on` says that they must be.
    fn new() -> Option<Self> {
        let name = format!("passerby-watcher-{}", std::process::id());
        let made = ip(&format!("netns add {name}"));
        let problem = match made {
            Ok(output) if output.status.success() => return Some(Self(name)),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        let is_demanded = std::env::var("PASSERBY_LAB").is_ok_and(|value| value == "on");
        assert!(!is_demanded, "no network namespace can be made: {problem}");
        eprintln!("left out: no network namespace can be made: {problem}");
        None
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(ip(&format!("netns delete {}", self.0)));
    }
}

#[test]
fn addresses_that_come_and_go_are_told() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    let inside = Command::new("ip")
        .args(["netns", "exec", &namespace.0])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "inside_the_namespace",
            "--ignored",
            "--nocapture",
        ])
        .env(INSIDE, "yes")
        .output()
        .unwrap();
    let said = [inside.stdout, inside.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    eprintln!("{said}");
    assert!(inside.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

#[tokio::test]
#[ignore = "the test above runs it, in a namespace"]
async fn inside_the_namespace() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    must("link set lo up");
    must("link add passerby0 type veth peer name passerby1");
    must("link set passerby0 up");
    must("link set passerby1 up");
    must(&format!("addr add {WLAN}/24 dev passerby0"));
    let (watcher, mut facts) = NetworkWatcher::start();
    nothing(&mut facts, "at the start").await;

    let began = Instant::now();
    must(&format!("addr add {MOBILE}/24 dev passerby0"));
    let change = next(&mut facts).await;
    assert_eq!(
        change,
        AddressChange {
            gained: vec![address(MOBILE)],
            ..AddressChange::default()
        }
    );
    let took = began.elapsed();
    assert!(took < Duration::from_millis(600), "{took:?}");
    eprintln!("an address more: told after {took:?}");

    watcher.set_address_in_use(Some(address(WLAN)));
    tokio::time::sleep(Duration::from_millis(200)).await;
    let began = Instant::now();
    must(&format!("addr del {WLAN}/24 dev passerby0"));
    let change = next(&mut facts).await;
    assert_eq!(
        change,
        AddressChange {
            lost: vec![address(WLAN)],
            lost_in_use: true,
            ..AddressChange::default()
        }
    );
    eprintln!("the address in use lost: told after {:?}", began.elapsed());

    // Loopback addresses lead nowhere, and an address that is gone at once was never there.
    must("addr add 127.0.0.9/8 dev lo");
    must(&format!("addr add {WLAN}/24 dev passerby0"));
    must(&format!("addr del {WLAN}/24 dev passerby0"));
    nothing(&mut facts, "after loopback and a flap").await;

    // Is told when it can be used, after the system has made sure that nobody else has it.
    let began = Instant::now();
    must(&format!("addr add {IPV6}/64 dev passerby0"));
    let change = next(&mut facts).await;
    assert_eq!(change.gained, [address(IPV6)]);
    std::net::UdpSocket::bind((address(IPV6), 0)).expect("it can be used");
    eprintln!("an IPv6 address: told after {:?}", began.elapsed());

    must("link set passerby0 down");
    let change = next(&mut facts).await;
    assert!(change.is_offline, "{change:?}");
    assert_eq!(change.lost, [address(MOBILE), address(IPV6)]);
}

async fn next(facts: &mut Receiver<NetworkFact>) -> AddressChange {
    let fact = timeout(Duration::from_secs(5), facts.recv())
        .await
        .expect("a fact comes in time");
    match fact.unwrap() {
        NetworkFact::Changed(change) => change,
        NetworkFact::Resumed { .. } => panic!("nobody slept"),
    }
}

async fn nothing(facts: &mut Receiver<NetworkFact>, when: &str) {
    let fact = timeout(Duration::from_millis(1500), facts.recv()).await;
    assert!(fact.is_err(), "{when}: {fact:?}");
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn ip(arguments: &str) -> std::io::Result<Output> {
    Command::new("ip").args(arguments.split(' ')).output()
}

fn must(arguments: &str) {
    let output = ip(arguments).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {said}");
}

//! The program: what it refuses with which words, and its certificate at SIGHUP.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::{TcpListener, UdpSocket},
    process::{Child, Command, Stdio},
};

use crate::client::Certificate;

/// The program, which ends with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn program(flags: &[&str]) -> Program {
    let child = Command::new(env!("CARGO_BIN_EXE_passerby-server"))
        .args(flags)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    Program(child)
}

/// What a program that cannot start says.
fn complaint(flags: &[&str]) -> String {
    let mut program = program(flags);
    assert!(!program.0.wait().unwrap().success());
    let mut words = String::new();
    let mut stderr = program.0.stderr.take().unwrap();
    stderr.read_to_string(&mut words).unwrap();
    words
}

#[test]
fn a_port_that_is_taken_is_explained() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = udp.local_addr().unwrap().port().to_string();
    let words = complaint(&["--listen=127.0.0.1:0", "--relay-port", &port]);
    assert!(
        words.contains(&format!("127.0.0.1:{port} is in use")),
        "{words}"
    );
    assert!(words.contains("--relay-port") && words.contains("--no-relay"));

    let certificate = Certificate::new();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port().to_string();
    let words = complaint(&[
        "--listen=127.0.0.1:0",
        "--relay-tls-port",
        &port,
        "--tls-cert",
        certificate.settings.certificate.to_str().unwrap(),
        "--tls-key",
        certificate.settings.key.to_str().unwrap(),
    ]);
    assert!(words.contains("--relay-tls-port"), "{words}");
}

#[test]
fn a_certificate_that_is_not_there_is_explained() {
    let words = complaint(&[
        "--listen=127.0.0.1:0",
        "--tls-cert=nowhere.pem",
        "--tls-key=nowhere.pem",
    ]);
    assert!(
        words.contains("cannot read the certificate nowhere.pem"),
        "{words}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_reads_its_certificate_again_at_sighup() {
    let mut certificate = Certificate::new();
    let mut program = program(&[
        "--listen=127.0.0.1:0",
        "--tls-cert",
        certificate.settings.certificate.to_str().unwrap(),
        "--tls-key",
        certificate.settings.key.to_str().unwrap(),
    ]);
    let mut line = String::new();
    BufReader::new(program.0.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let addr = line.trim().strip_prefix("listening on wss://");
    let addr = addr.expect("the address").parse().unwrap();
    certificate.connect(addr, &[]).await.unwrap();

    certificate.renew();
    let killed = Command::new("kill")
        .args(["-HUP", &program.0.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());

    let mut is_new = false;
    for _ in 0..400 {
        is_new = certificate.connect(addr, &[]).await.is_ok();
        if is_new {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(is_new);
}

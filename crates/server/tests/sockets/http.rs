//! HTTP requests for tests, as a browser or a collector makes them.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// A header of the answer.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find_map(|(header, value)| header.eq_ignore_ascii_case(name).then_some(value))
    }
}

/// Asks and waits for the answer. `headers` are lines.
pub(crate) async fn request(addr: SocketAddr, what: &str, headers: &[&str], body: &str) -> Answer {
    let exchange = async {
        let mut stream = TcpStream::connect(addr).await.expect("somebody listens");
        let headers = headers.join("\r\n") + if headers.is_empty() { "" } else { "\r\n" };
        let request = format!(
            "{what} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            body.len(),
        );
        stream
            .write_all(request.as_bytes())
            .await
            .expect("it reads");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.expect("it answers");
        String::from_utf8(bytes).expect("it answers text")
    };
    let answer = timeout(PATIENCE, exchange).await.expect("in time");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole answer");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Answer {
        status: status.expect("a status"),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// Asks for a WebSocket with these headers, and says with which status it was answered. The connection is open as long as what
/// is returned lives.
pub(crate) async fn upgrade(addr: SocketAddr, headers: &[&str]) -> (u16, TcpStream) {
    let exchange = async {
        let mut stream = TcpStream::connect(addr).await.expect("somebody listens");
        let headers = headers.join("\r\n") + if headers.is_empty() { "" } else { "\r\n" };
        let request = format!(
            "GET /v1/signalling HTTP/1.1\r\nHost: {addr}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        stream
            .write_all(request.as_bytes())
            .await
            .expect("it reads");
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.expect("it answers");
        let status = std::str::from_utf8(&first[9..])
            .ok()
            .and_then(|text| text.parse().ok());
        (status.expect("a status"), stream)
    };
    timeout(PATIENCE, exchange).await.expect("in time")
}

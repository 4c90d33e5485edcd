//! A real Redis server for tests, from Debian's package redis-server. It keeps nothing, and ends with the test.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

pub(crate) struct RedisServer {
    process: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl RedisServer {
    /// Starts one at a free port.
    pub(crate) fn start() -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = free.local_addr().expect("bound").port();
        drop(free);
        let folder = tempfile::tempdir().expect("a folder for the test");
        let process = launch(port, &folder);
        let server = Self {
            process,
            port,
            folder,
        };
        server.wait_for_it();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it; everything in it is forgotten.
    pub(crate) fn stop(&mut self) {
        self.process.kill().expect("it is ours");
        self.process.wait().expect("it ends");
    }

    /// Starts it again at the same port.
    pub(crate) fn start_again(&mut self) {
        self.process = launch(self.port, &self.folder);
        self.wait_for_it();
    }

    /// Lets it hang: connections stay, and nothing is answered.
    #[cfg(unix)]
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    #[cfg(unix)]
    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([name, &self.process.id().to_string()])
            .status();
        assert!(sent.expect("kill is there").success());
    }

    /// Has it carry out a command of words without spaces, and returns the first line of the answer.
    pub(crate) fn does(&self, command: &str) -> String {
        let mut answer = String::new();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("it is there");
        let asked = stream.write_all(format!("{command}\r\n").as_bytes());
        let heard = asked.and_then(|()| BufReader::new(stream).read_line(&mut answer));
        heard.expect("it answers");
        assert!(!answer.starts_with('-'), "{command}: {answer}");
        answer.trim_end().to_owned()
    }

    fn wait_for_it(&self) {
        let started = Instant::now();
        while !self.answers() {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "redis-server does not answer"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) else {
            return false;
        };
        let mut answer = [0; 7];
        let asked = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let asked = asked.and_then(|()| stream.write_all(b"PING\r\n"));
        asked.and_then(|()| stream.read_exact(&mut answer)).is_ok() && &answer == b"+PONG\r\n"
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // One that was stopped is gone already.
        if self.process.kill().is_ok() && self.process.wait().is_err() {
            eprintln!("redis-server cannot be waited for");
        }
    }
}

fn launch(port: u16, folder: &tempfile::TempDir) -> Child {
    Command::new("redis-server")
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .arg("--dir")
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("redis-server cannot be started ({error}): apt-get install redis-server")
        })
}

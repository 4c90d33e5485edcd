//! A server and strangers for tests: real sockets on loopback, synthetic devices.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    clippy::unwrap_used,
    reason = "each test file uses a part of it"
)]

pub mod partner;
pub mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{AudioSink, AudioSource, CallView, Command, Config, Engine, Snapshot, VideoSource};
use media::video::{Mark, VideoFrame, read_mark};
use tokio::runtime::Runtime;

/// Longest that anything may take that should be there in a moment. The machine may be busy.
pub const SOON: Duration = Duration::from_secs(20);

/// A signalling server that can be killed and started again at the same address.
pub struct TestServer {
    runtime: Runtime,
    running: Option<server::Running>,
    addr: SocketAddr,
}

impl TestServer {
    pub fn start() -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    fn at(addr: SocketAddr) -> Self {
        Self::with(server::Settings {
            listen: vec![addr],
            ..server::Settings::default()
        })
    }

    /// One that relays too, and to whom it may: everybody here is on loopback.
    pub fn with_relay(path_policy: engine::PathPolicy) -> Self {
        Self::with_relay_at(SocketAddr::from(([127, 0, 0, 1], 0)), path_policy)
    }

    pub fn with_relay_at(addr: SocketAddr, path_policy: engine::PathPolicy) -> Self {
        Self::with(Self::relaying(addr, path_policy))
    }

    /// One that relays, and forgets a session with its connection.
    pub fn with_relay_and_no_grace() -> Self {
        Self::with(server::Settings {
            grace: Duration::ZERO,
            ..Self::relaying(
                SocketAddr::from(([127, 0, 0, 1], 0)),
                engine::PathPolicy::Any,
            )
        })
    }

    fn relaying(addr: SocketAddr, path_policy: engine::PathPolicy) -> server::Settings {
        let mut relay = server::RelaySettings {
            port: 0,
            tls_port: 0,
            ..server::RelaySettings::default()
        };
        relay.limits.peers.allow_private = true;
        server::Settings {
            listen: vec![addr],
            relay: Some(relay),
            path_policy,
            ..server::Settings::default()
        }
    }

    pub fn with(settings: server::Settings) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let running =
            runtime.block_on(async { server::Server::bind(settings).await.unwrap().start() });
        let addr = running.addr();
        Self {
            runtime,
            running: Some(running),
            addr,
        }
    }

    pub fn url(&self) -> String {
        format!("ws://{}/", self.addr)
    }

    pub fn census(&self) -> server::Census {
        self.running.as_ref().unwrap().census()
    }

    /// How many have worked before they met anybody.
    pub fn newcomers_who_worked(&self) -> u64 {
        self.running.as_ref().unwrap().newcomers_who_worked()
    }

    /// How many allocations there are at the relay.
    pub fn allocations(&self) -> u64 {
        let running = self.running.as_ref().unwrap();
        running.relay_counters().unwrap_or_default().allocations
    }

    /// Ends without a word, as a machine does that loses its power.
    pub fn kill(self) -> SocketAddr {
        self.runtime.shutdown_timeout(Duration::from_secs(1));
        self.addr
    }

    pub fn start_again_at(addr: SocketAddr) -> Self {
        Self::at(addr)
    }
}

/// A person at an engine with a test picture and a tone.
pub struct Stranger {
    pub engine: Engine,
}

impl Stranger {
    pub fn new(url: &str) -> Self {
        Self::with(Config {
            audio: AudioSource::Tone(440),
            ..synthetic(url)
        })
    }

    pub fn with(config: Config) -> Self {
        Self {
            engine: Engine::start(config, || {}).unwrap(),
        }
    }

    pub fn start_searching(&self) {
        self.engine.send(Command::Start {
            interests: vec!["tests".to_owned()],
            language: None,
        });
    }

    /// Waits for something to be true; panics with `what` and the last state if it is not in time.
    #[track_caller]
    pub fn wait(&self, what: &str, is_true: impl FnMut(&Snapshot) -> bool) -> Arc<Snapshot> {
        match self.engine.wait_until(SOON, is_true) {
            Ok(snapshot) => snapshot,
            Err(last) => panic!("waited for {what} in vain; the last state was {last:#?}"),
        }
    }

    #[track_caller]
    pub fn wait_connected(&self) -> Arc<Snapshot> {
        self.wait("a call", |snapshot| {
            matches!(snapshot.call, CallView::Connected { .. })
        })
    }

    #[track_caller]
    pub fn wait_chat_open(&self) {
        self.wait("the chat to open", |snapshot| snapshot.partner.is_chat_open);
    }

    /// The next picture of the partner that carries a mark.
    #[track_caller]
    pub fn see(&self) -> (Arc<VideoFrame>, Mark) {
        let deadline = Instant::now() + SOON;
        while Instant::now() < deadline {
            if let Some(frame) = self.engine.remote_video().wait(Duration::from_millis(100))
                && let Some(mark) = read_mark(&frame)
            {
                return (frame, mark);
            }
        }
        panic!("no picture of the partner came");
    }

    /// Waits until no picture has come for half a second.
    #[track_caller]
    pub fn wait_for_no_picture(&self) {
        let deadline = Instant::now() + SOON;
        while self
            .engine
            .remote_video()
            .wait(Duration::from_millis(500))
            .is_some()
        {
            assert!(Instant::now() < deadline, "pictures keep coming");
        }
    }
}

/// Two strangers in a call.
pub fn pair(url: &str) -> (Stranger, Stranger) {
    let (one, two) = (Stranger::new(url), Stranger::new(url));
    one.start_searching();
    two.start_searching();
    one.wait_connected();
    two.wait_connected();
    (one, two)
}

pub fn synthetic(url: &str) -> Config {
    Config {
        server: url.to_owned(),
        video: VideoSource::Pattern,
        audio: AudioSource::None,
        speaker: AudioSink::None,
        picture: engine::CameraSettings {
            width_px: 320,
            height_px: 240,
            fps: 30,
        },
        video_bps: 400_000,
        ..Config::default()
    }
}

//! How late sound is: two peers of the `transport` crate, one in each client's namespace, that send each other packets with
//! the moment of sending in them.
//!
//! Both are in one process, and so on one clock. What a person hears is later by the jitter buffer and the sound card, which
//! are the same whichever way the packets go; and less exact by far.

use std::fs::File;
use std::path::Path as FilePath;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use bytes::{BufMut as _, Bytes, BytesMut};
use clap::Args;
use protocol::{Candidate, Description, DescriptionKind, IceServer};
use relay::Secrets;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use transport::{Opened, Peer, PeerConfig, PeerEvent};

use super::servers::SECRET;
use crate::ffi;

/// As often as the programs send sound.
const PACKET_INTERVAL: Duration = Duration::from_millis(20);
/// As long as 20 ms of Opus at 32 kbit/s.
const PACKET_BYTES: usize = 80;
/// How long packets flow before they are measured.
const SETTLING_TIME: Duration = Duration::from_secs(1);
/// How long it may take to connect.
const PATIENCE: Duration = Duration::from_secs(10);
/// For how long a relay takes the credentials.
const CREDENTIALS_LAST: Duration = Duration::from_hours(1);
/// Descriptions and candidates on their way to the other side.
const SIGNALS_LIMIT: usize = 256;

/// What is measured.
#[derive(Debug, Clone, Args)]
pub struct VoiceOptions {
    /// The files of the two namespaces.
    #[arg(num_args = 2)]
    pub namespaces: Vec<std::path::PathBuf>,
    /// A STUN or TURN server; the lab's secret opens it.
    #[arg(long)]
    pub server: String,
    /// Uses relayed candidates only.
    #[arg(long)]
    pub relay_only: bool,
    /// For how long is measured.
    #[arg(long, default_value_t = 5)]
    pub seconds: u32,
}

/// What was measured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Voice {
    /// From the offer to both sides being connected, in milliseconds.
    pub connected_ms: f64,
    /// How late each packet was, in both directions, in milliseconds.
    pub delays_ms: Vec<f64>,
    /// How many packets were sent while it was measured.
    pub sent: u64,
}

impl Voice {
    /// How many packets did not arrive; one that was on its way at the beginning or end counts for or against.
    pub fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.delays_ms.len() as u64)
    }
}

enum Signal {
    Description(Description),
    Candidate(Option<Candidate>),
    Connected,
}

/// Measures, and prints a [`Voice`] as a line of JSON.
///
/// # Errors
/// When the peers do not connect.
pub fn run(options: &VoiceOptions) -> anyhow::Result<u8> {
    let [a, b] = &options.namespaces[..] else {
        bail!("two namespaces are needed")
    };
    let began_at = Instant::now();
    let (to_b, from_a) = mpsc::channel(SIGNALS_LIMIT);
    let (to_a, from_b) = mpsc::channel(SIGNALS_LIMIT);
    let voices = std::thread::scope(|scope| {
        let a = scope.spawn(|| side(options, a, true, began_at, to_b, from_b));
        let b = scope.spawn(|| side(options, b, false, began_at, to_a, from_a));
        [a, b].map(|side| {
            side.join()
                .map_err(|_| anyhow::anyhow!("a side panicked"))?
        })
    });
    let mut sum = Voice::default();
    for voice in voices {
        let voice = voice?;
        sum.connected_ms = sum.connected_ms.max(voice.connected_ms);
        sum.delays_ms.extend(voice.delays_ms);
        sum.sent += voice.sent;
    }
    println!("{}", serde_json::to_string(&sum)?);
    Ok(0)
}

fn side(
    options: &VoiceOptions,
    namespace: &FilePath,
    is_offerer: bool,
    began_at: Instant,
    signals: mpsc::Sender<Signal>,
    partner: mpsc::Receiver<Signal>,
) -> anyhow::Result<Voice> {
    let file = File::open(namespace)
        .with_context(|| format!("{} cannot be opened", namespace.display()))?;
    ffi::enter_namespace(&file)?;
    // Its threads are made by this one, and so in the namespace.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let config = PeerConfig {
            ice_servers: vec![ice_server(&options.server)?],
            relay_only: options.relay_only,
            is_offerer,
            ..PeerConfig::default()
        };
        let opened = Peer::open(config).await?;
        let peer = opened.peer.clone();
        let length = Duration::from_secs(options.seconds.into());
        let result = talk(opened, is_offerer, began_at, length, signals, partner).await;
        peer.close().await;
        result
    })
}

async fn talk(
    opened: Opened,
    is_offerer: bool,
    began_at: Instant,
    length: Duration,
    signals: mpsc::Sender<Signal>,
    mut partner: mpsc::Receiver<Signal>,
) -> anyhow::Result<Voice> {
    let Opened {
        peer,
        mut events,
        video: _video,
        mut audio,
        screen: _screen,
    } = opened;
    if is_offerer {
        let offer = peer.create_offer(None).await?;
        signals.send(Signal::Description(offer)).await.ok();
    }
    let mut voice = Voice::default();
    let (mut is_connected, mut is_partner_connected) = (false, false);
    let mut measured_from = None;
    let mut ticks = interval(PACKET_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut timestamp = 0_u32;
    loop {
        if ffi::is_stop_requested() {
            bail!("interrupted");
        }
        let now = Instant::now();
        if measured_from.is_some_and(|from| now > from + length) {
            return Ok(voice);
        }
        if measured_from.is_none() && now > began_at + PATIENCE {
            bail!("the peers did not connect within {PATIENCE:?}");
        }
        let is_measured = measured_from.is_some_and(|from| now >= from);
        tokio::select! {
            event = events.recv() => match event.context("the peer ended")? {
                PeerEvent::LocalCandidate(candidate) => {
                    signals.send(Signal::Candidate(candidate)).await.ok();
                }
                PeerEvent::Connected => {
                    is_connected = true;
                    voice.connected_ms = began_at.elapsed().as_secs_f64() * 1e3;
                    signals.send(Signal::Connected).await.ok();
                }
                PeerEvent::Failed => bail!("the peers cannot connect"),
                _ => {}
            },
            Some(signal) = partner.recv() => match signal {
                Signal::Description(description) => {
                    let is_offer = description.kind == DescriptionKind::Offer;
                    peer.apply_remote(description).await?;
                    if is_offer {
                        let answer = peer.create_answer().await?;
                        signals.send(Signal::Description(answer)).await.ok();
                    }
                }
                Signal::Candidate(candidate) => peer.add_candidate(candidate).await?,
                Signal::Connected => is_partner_connected = true,
            },
            Some(packet) = audio.recv() => {
                let sent_at = packet.payload.get(..8).and_then(|bytes| bytes.try_into().ok());
                if let (true, Some(sent_at)) = (is_measured, sent_at) {
                    let sent_at = Duration::from_nanos(u64::from_be_bytes(sent_at));
                    let arrived_at = packet.arrived_at.duration_since(began_at);
                    let late = arrived_at.saturating_sub(sent_at);
                    voice.delays_ms.push(late.as_secs_f64() * 1e3);
                }
            },
            _ = ticks.tick() => {
                timestamp = timestamp.wrapping_add(960);
                let is_sent = peer.send_audio(payload(began_at), timestamp).is_ok();
                voice.sent += u64::from(is_sent && is_measured);
            },
        }
        if is_connected && is_partner_connected && measured_from.is_none() {
            measured_from = Some(Instant::now() + SETTLING_TIME);
        }
    }
}

/// A packet that says when it was sent.
fn payload(began_at: Instant) -> Bytes {
    let mut payload = BytesMut::zeroed(PACKET_BYTES);
    let nanos = u64::try_from(began_at.elapsed().as_nanos()).unwrap_or(u64::MAX);
    (&mut payload[..8]).put_u64(nanos);
    payload.freeze()
}

/// A server with credentials made from the lab's secret.
fn ice_server(url: &str) -> anyhow::Result<IceServer> {
    let secrets = Secrets::new(vec![SECRET.to_owned()]).context("the secret is none")?;
    let unix_time = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let (username, credential) = secrets.mint(unix_time, CREDENTIALS_LAST, 0);
    Ok(IceServer {
        urls: vec![url.to_owned()],
        username: Some(username),
        credential: Some(credential),
    })
}

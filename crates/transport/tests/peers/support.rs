//! Two peers in one process, and the signalling between them.

use std::time::Duration;

use bytes::Bytes;
use media::RtpPacket;
use media::congestion::EstimatorConfig;
use media::video::{EncodedFrame, VideoCodec};
use protocol::{Description, DescriptionKind};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use transport::{Impairment, MediaKind, Opened, PathStats, Peer, PeerConfig, PeerEvent, Restart};

/// The longest that anything on loopback may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Packets leave as fast as they come.
pub(crate) const UNLIMITED: EstimatorConfig = EstimatorConfig {
    floor_bps: 100_000_000,
    ceiling_bps: 100_000_000,
    start_bps: 100_000_000,
};

/// A configuration for loopback, where no wildcard reaches.
pub(crate) fn loopback(is_offerer: bool) -> PeerConfig {
    PeerConfig {
        bind: vec!["127.0.0.1:0".parse().unwrap()],
        is_offerer,
        // What is sent is up to the test, and nothing holds it back.
        rates: UNLIMITED,
        ..PeerConfig::default()
    }
}

/// A network that loses this share of what one side sends and delays the rest, alike for the same seed.
pub(crate) fn network(seed: u64, loss_ratio: f64, delay: Duration) -> Impairment {
    let network = Impairment::seeded(seed);
    network.set_loss_ratio(loss_ratio);
    network.set_delay(delay);
    network
}

/// A configuration for loopback behind such a network.
pub(crate) fn behind(network: &Impairment, is_offerer: bool) -> PeerConfig {
    PeerConfig {
        impairment: Some(network.clone()),
        ..loopback(is_offerer)
    }
}

/// A configuration for a partner that is this far away.
pub(crate) fn distant(is_offerer: bool, seed: u64, loss_ratio: f64, delay: Duration) -> PeerConfig {
    let seed = 2 * seed + u64::from(is_offerer);
    behind(&network(seed, loss_ratio, delay), is_offerer)
}

/// One end of a call.
pub(crate) struct End {
    pub(crate) peer: Peer,
    pub(crate) events: mpsc::Receiver<PeerEvent>,
    pub(crate) video: mpsc::Receiver<RtpPacket>,
    pub(crate) audio: mpsc::Receiver<RtpPacket>,
    pub(crate) screen: mpsc::Receiver<RtpPacket>,
    /// Every event that was read, without local candidates and paths.
    pub(crate) history: Vec<PeerEvent>,
    /// Every local candidate that was told by itself.
    pub(crate) told: Vec<String>,
    /// Every path that was selected.
    pub(crate) paths: Vec<PathStats>,
}

impl End {
    pub(crate) async fn open(config: PeerConfig) -> Self {
        Self::new(Peer::open(config).await.expect("opens"))
    }

    pub(crate) fn new(opened: Opened) -> Self {
        let Opened {
            peer,
            events,
            video,
            audio,
            screen,
        } = opened;
        Self {
            peer,
            events,
            video,
            audio,
            screen,
            history: Vec::new(),
            told: Vec::new(),
            paths: Vec::new(),
        }
    }

    pub(crate) fn has_seen(&self, event: &PeerEvent) -> bool {
        self.history.contains(event)
    }

    /// How often an event was read.
    pub(crate) fn count(&self, event: &PeerEvent) -> usize {
        self.history.iter().filter(|seen| *seen == event).count()
    }

    pub(crate) fn reports(&self, kind: MediaKind) -> usize {
        let is_report = |event: &&PeerEvent| matches!(event, PeerEvent::SenderReport { kind: of, .. } if *of == kind);
        self.history.iter().filter(is_report).count()
    }

    pub(crate) fn messages(&self) -> Vec<String> {
        let text = |event: &'_ PeerEvent| match event {
            PeerEvent::Message(text) => Some(text.clone()),
            _ => None,
        };
        self.history.iter().filter_map(text).collect()
    }
}

/// Two ends and what the server would do between them.
pub(crate) struct Pair {
    /// The offerer.
    pub(crate) a: End,
    /// The answerer.
    pub(crate) b: End,
}

impl Pair {
    pub(crate) async fn open(a: PeerConfig, b: PeerConfig) -> Self {
        assert!(a.is_offerer && !b.is_offerer);
        Self {
            a: End::open(a).await,
            b: End::open(b).await,
        }
    }

    pub(crate) async fn on_loopback() -> Self {
        Self::open(loopback(true), loopback(false)).await
    }

    /// A pair that is connected on loopback.
    pub(crate) async fn connected() -> Self {
        let mut pair = Self::on_loopback().await;
        pair.negotiate(None).await;
        pair.until("both are connected", Self::is_connected).await;
        pair
    }

    /// Has each end send something in the moment in which it is connected.
    pub(crate) async fn send_once_connected(&mut self, send: impl Fn(&Peer)) {
        let mut has_sent = [false; 2];
        while has_sent != [true; 2] {
            self.step(Duration::from_micros(500)).await;
            for (end, has_sent) in [&self.a, &self.b].into_iter().zip(&mut has_sent) {
                if !*has_sent && end.has_seen(&PeerEvent::Connected) {
                    send(&end.peer);
                    *has_sent = true;
                }
            }
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.a.has_seen(&PeerEvent::Connected) && self.b.has_seen(&PeerEvent::Connected)
    }

    /// A offers, B answers.
    pub(crate) async fn negotiate(&mut self, restart: Option<Restart>) {
        self.negotiate_through(restart, |sdp| sdp).await;
    }

    /// The same; each description goes through `change` on its way.
    pub(crate) async fn negotiate_through(
        &mut self,
        restart: Option<Restart>,
        change: impl Fn(String) -> String,
    ) {
        let changed = |mut description: Description| {
            description.sdp = change(description.sdp);
            description
        };
        let offer = self.a.peer.create_offer(restart).await.expect("offers");
        self.b
            .peer
            .apply_remote(changed(offer))
            .await
            .expect("takes the offer");
        let answer = self.b.peer.create_answer().await.expect("answers");
        assert_eq!(answer.kind, DescriptionKind::Answer);
        self.a
            .peer
            .apply_remote(changed(answer))
            .await
            .expect("takes the answer");
    }

    /// Relays candidates and reads events until `is_done`, or fails and says what it waited for.
    pub(crate) async fn until(&mut self, what: &str, mut is_done: impl FnMut(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !is_done(self) {
            let now = tokio::time::Instant::now();
            assert!(
                now < deadline,
                "waited in vain: {what}; {:?} {:?}",
                self.a.history,
                self.b.history
            );
            self.step(Duration::from_millis(20)).await;
        }
    }

    /// Relays candidates and reads events for this long.
    pub(crate) async fn wait(&mut self, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        while tokio::time::Instant::now() < end {
            self.step(Duration::from_millis(5)).await;
        }
    }

    /// Takes one event of either end, or waits for this long.
    pub(crate) async fn step(&mut self, wait: Duration) {
        tokio::select! {
            Some(event) = self.a.events.recv() => self.take(true, event).await,
            Some(event) = self.b.events.recv() => self.take(false, event).await,
            () = tokio::time::sleep(wait) => {}
        }
    }

    async fn take(&mut self, from_a: bool, event: PeerEvent) {
        let (from, to) = if from_a {
            (&mut self.a, &self.b)
        } else {
            (&mut self.b, &self.a)
        };
        match event {
            PeerEvent::LocalCandidate(candidate) => {
                from.told
                    .extend(candidate.iter().map(|told| told.candidate.clone()));
                let added = to.peer.add_candidate(candidate).await;
                added.expect("takes a candidate");
            }
            PeerEvent::PathSelected(path) => from.paths.push(path),
            event => from.history.push(event),
        }
    }

    pub(crate) async fn close(&self) {
        self.a.peer.close().await;
        self.b.peer.close().await;
    }
}

/// A keyframe of `len` bytes that no other number has.
pub(crate) fn frame(number: u32, len: usize) -> EncodedFrame {
    let mut data = vec![0, 0, 0, 1, 0x65];
    // Never zero, so that no start code comes about.
    data.extend((0..len).map(|index| (number as usize * 7 + index) as u8 | 1));
    EncodedFrame {
        codec: VideoCodec::H264,
        data: data.into(),
        is_keyframe: true,
        timestamp: number * 3000,
    }
}

/// An audio payload that no other number has.
pub(crate) fn sound(number: u32) -> Bytes {
    Bytes::from(number.to_be_bytes().repeat(10))
}

/// Sends a numbered packet each 20 ms until it is aborted.
pub(crate) fn speak(peer: &Peer) -> JoinHandle<()> {
    let peer = peer.clone();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        for number in 0.. {
            ticks.tick().await;
            peer.send_audio(sound(number), number * 960)
                .expect("the queue has room");
        }
    })
}

/// Puts the packets of a stream in order, without duplicates, and says how many are missing in between.
pub(crate) fn in_order(mut packets: Vec<RtpPacket>) -> (Vec<RtpPacket>, usize) {
    packets.sort_by_key(|packet| packet.sequence_number);
    packets.dedup_by_key(|packet| packet.sequence_number);
    let span = match (packets.first(), packets.last()) {
        (Some(first), Some(last)) => usize::from(last.sequence_number - first.sequence_number) + 1,
        _ => 0,
    };
    let missing = span - packets.len();
    (packets, missing)
}

/// Whatever has arrived.
pub(crate) fn drain(packets: &mut mpsc::Receiver<RtpPacket>) -> Vec<RtpPacket> {
    std::iter::from_fn(|| packets.try_recv().ok()).collect()
}

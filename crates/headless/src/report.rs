//! Statistics as lines of JSON, and as lines for people.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use engine::{
    CandidateKind, MicrophoneNotice, PairState, PairView, PathProtocol, Snapshot, StageTime,
    StreamView, TimesIn, TimesOut,
};
use serde::{Deserialize, Serialize};

/// One second of one call. Durations are in milliseconds; a field that is not known yet is `null`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReportLine {
    /// Which call, counted from 1.
    pub call: u32,
    /// idle, searching, connecting, connected, reconnecting or ended.
    pub state: String,
    /// From the match to both directions being open.
    pub time_to_connected_ms: Option<f64>,
    /// From the match to the partner's first picture.
    pub time_to_first_frame_ms: Option<f64>,
    /// From Next (or Start) to the partner's first picture.
    pub next_to_first_frame_ms: Option<f64>,
    /// Pictures sent in this call.
    pub frames_sent: u64,
    /// Whole pictures received in this call.
    pub frames_received: u64,
    /// Pictures decoded in this call.
    pub frames_decoded: u64,
    /// Pictures given up in this call.
    pub frames_dropped: u64,
    /// Pictures decoded in the last second.
    pub received_fps: u32,
    /// Pictures sent in the last second.
    pub sent_fps: u32,
    /// Sent in the last second, in bits per second.
    pub sent_bps: u64,
    /// Received in the last second, in bits per second.
    pub received_bps: u64,
    /// To the partner and back.
    pub round_trip_ms: Option<f64>,
    /// Share of packets lost in the last second, from 0 to 1.
    pub loss_ratio: Option<f32>,
    /// How long pictures wait in the jitter buffer.
    pub video_jitter_buffer_ms: Option<f64>,
    /// How long sound waits in the jitter buffer.
    pub audio_jitter_buffer_ms: Option<f64>,
    /// Pieces of 10 ms of sound made up for lost ones.
    pub audio_concealed: u64,
    /// Pieces of 10 ms of sound recovered from in-band FEC.
    #[serde(default)]
    pub audio_recovered: u64,
    /// Pieces of 10 ms of sound reconstructed from deep redundancy.
    #[serde(default)]
    pub audio_reconstructed: u64,
    /// Whether an echo is taken out of what the microphone hears.
    #[serde(default)]
    pub is_cancelling_echo: bool,
    /// How loud the microphone is, from 0 (-60 dBFS or less) to 1.
    #[serde(default)]
    pub microphone_level: f32,
    /// What there is to tell about the microphone: `speaking_while_muted` or `silent`.
    #[serde(default)]
    pub microphone_notice: Option<String>,
    /// host, srflx, prflx or relay.
    pub local_candidate: Option<String>,
    /// host, srflx, prflx or relay.
    pub remote_candidate: Option<String>,
    /// How packets leave: udp, tcp or tls, to the relay if this side uses one, else to the partner.
    pub path_protocol: Option<String>,
    /// Whether they leave over IPv6.
    pub path_is_ipv6: Option<bool>,
    /// The candidate pairs that were tried since the last restart.
    #[serde(default)]
    pub pairs: Vec<ReportedPair>,
    /// What the path takes, in bits per second on the wire.
    #[serde(default)]
    pub target_bps: Option<u64>,
    /// The codec of the pictures that are sent.
    #[serde(default)]
    pub sent_codec: Option<String>,
    /// Width and height of the pictures that are sent, in pixels.
    #[serde(default)]
    pub sent_size: Option<(u32, u32)>,
    /// Pictures of this side's screen that were sent since it is shared.
    #[serde(default)]
    pub screen_frames_sent: u64,
    /// Pictures of the partner's screen that were decoded in this call.
    #[serde(default)]
    pub screen_frames_decoded: u64,
    /// Width and height of the pictures of the partner's screen, in pixels.
    #[serde(default)]
    pub screen_size: Option<(u32, u32)>,
    /// The codec of the pictures that arrive.
    pub codec: Option<String>,
    /// Width and height of the pictures that arrive, in pixels.
    pub received_size: Option<(u32, u32)>,
    /// How long pictures took at each stage of their way out: the newest 300 of this call.
    #[serde(default)]
    pub times_out: Option<ReportedTimesOut>,
    /// The same of the way in, by this side's clock alone.
    #[serde(default)]
    pub times_in: Option<ReportedTimesIn>,
    /// From capture to display, where the picture carries its capture time.
    pub picture_latency_ms: Option<f64>,
    /// What the connection counts of sound.
    #[serde(default)]
    pub audio_stream: ReportedStream,
    /// What the connection counts of pictures.
    #[serde(default)]
    pub video_stream: ReportedStream,
    /// Reports of the partner's on what has arrived when (transport-wide congestion control).
    #[serde(default)]
    pub feedback_received: u64,
    /// Whether the partner says that sound comes.
    pub partner_sends_audio: bool,
    /// Whether the partner says that pictures come.
    pub partner_sends_video: bool,
}

/// One kind of stream in both directions, counted since the connection was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedStream {
    /// Packets sent; of pictures without those that were sent again.
    pub packets_sent: u64,
    /// Packets received, those that were sent again among them.
    pub packets_received: u64,
    /// Packets that did not arrive at first.
    pub packets_lost: u64,
    /// Requests for packets to be sent again (NACK), each for one or many.
    pub nacks_sent: u64,
    /// The same, of the partner's.
    pub nacks_received: u64,
    /// Packets sent again on a stream of their own (RTX).
    pub retransmitted_sent: u64,
    /// The same, of the partner's.
    pub retransmitted_received: u64,
    /// Keyframe requests of this side.
    pub keyframe_requests_sent: u64,
    /// Keyframe requests of the partner's.
    pub keyframe_requests_received: u64,
}

impl From<StreamView> for ReportedStream {
    fn from(stream: StreamView) -> Self {
        Self {
            packets_sent: stream.packets_sent,
            packets_received: stream.packets_received,
            packets_lost: stream.packets_lost,
            nacks_sent: stream.nacks_sent,
            nacks_received: stream.nacks_received,
            retransmitted_sent: stream.retransmitted_sent,
            retransmitted_received: stream.retransmitted_received,
            keyframe_requests_sent: stream.keyframe_requests_sent,
            keyframe_requests_received: stream.keyframe_requests_received,
        }
    }
}

/// How long pictures took at one stage of their way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ReportedStage {
    /// Of half of them, no longer.
    pub median_ms: f64,
    /// Of 95 of 100, no longer.
    pub p95_ms: f64,
}

impl From<StageTime> for ReportedStage {
    fn from(stage: StageTime) -> Self {
        Self {
            median_ms: milliseconds(stage.median),
            p95_ms: milliseconds(stage.p95),
        }
    }
}

/// The stages of the way out: see [`engine::TimesOut`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ReportedTimesOut {
    /// Until the encoder's thread took the picture.
    pub waiting: ReportedStage,
    /// Until it had the size that is sent.
    pub scaling: ReportedStage,
    /// In the encoder.
    pub encoding: ReportedStage,
    /// Until its first packet left.
    pub queueing: ReportedStage,
    /// Until its last packet left.
    pub pacing: ReportedStage,
    /// All of it.
    pub total: ReportedStage,
}

impl From<TimesOut> for ReportedTimesOut {
    fn from(times: TimesOut) -> Self {
        Self {
            waiting: times.waiting.into(),
            scaling: times.scaling.into(),
            encoding: times.encoding.into(),
            queueing: times.queueing.into(),
            pacing: times.pacing.into(),
            total: times.total.into(),
        }
    }
}

/// The stages of the way in: see [`engine::TimesIn`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ReportedTimesIn {
    /// From the first packet to the last.
    pub arriving: ReportedStage,
    /// Until it was to be decoded.
    pub holding: ReportedStage,
    /// In the decoder.
    pub decoding: ReportedStage,
    /// For the sound that belongs to it.
    pub playout: ReportedStage,
    /// All of it.
    pub total: ReportedStage,
}

impl From<TimesIn> for ReportedTimesIn {
    fn from(times: TimesIn) -> Self {
        Self {
            arriving: times.arriving.into(),
            holding: times.holding.into(),
            decoding: times.decoding.into(),
            playout: times.playout.into(),
            total: times.total.into(),
        }
    }
}

/// A candidate pair that was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportedPair {
    /// host, srflx, prflx or relay.
    pub local: String,
    /// host, srflx, prflx or relay.
    pub remote: String,
    /// `in_progress`, `succeeded` or `failed`.
    pub state: String,
    /// Of the last check that was answered.
    pub round_trip_ms: Option<f64>,
    /// Whether media takes this way.
    pub is_selected: bool,
}

impl ReportedPair {
    fn new(pair: &PairView) -> Self {
        Self {
            local: kind_name(pair.local).to_owned(),
            remote: kind_name(pair.remote).to_owned(),
            state: match pair.state {
                PairState::InProgress => "in_progress",
                PairState::Succeeded => "succeeded",
                PairState::Failed => "failed",
            }
            .to_owned(),
            round_trip_ms: pair.round_trip.map(milliseconds),
            is_selected: pair.is_selected,
        }
    }
}

impl ReportLine {
    /// What a snapshot says, as a line.
    pub fn new(call: u32, snapshot: &Snapshot) -> Self {
        let figures = &snapshot.statistics;
        Self {
            call,
            state: snapshot.call.name().to_owned(),
            time_to_connected_ms: figures.time_to_connected.map(milliseconds),
            time_to_first_frame_ms: figures.time_to_first_frame.map(milliseconds),
            next_to_first_frame_ms: figures.next_to_first_frame.map(milliseconds),
            frames_sent: figures.frames_sent,
            frames_received: figures.frames_received,
            frames_decoded: figures.frames_decoded,
            frames_dropped: figures.frames_dropped,
            received_fps: figures.received_fps,
            sent_fps: figures.sent_fps,
            sent_bps: figures.sent_bps,
            received_bps: figures.received_bps,
            round_trip_ms: figures.round_trip.map(milliseconds),
            loss_ratio: figures.loss_ratio,
            video_jitter_buffer_ms: figures.video_jitter_buffer.map(milliseconds),
            audio_jitter_buffer_ms: figures.audio_jitter_buffer.map(milliseconds),
            audio_concealed: figures.audio_concealed,
            audio_recovered: figures.audio_recovered,
            audio_reconstructed: figures.audio_reconstructed,
            is_cancelling_echo: figures.is_cancelling_echo,
            microphone_level: snapshot.devices.microphone_level,
            microphone_notice: snapshot.devices.microphone_notice.map(|notice| {
                match notice {
                    MicrophoneNotice::SpeakingWhileMuted => "speaking_while_muted",
                    MicrophoneNotice::Silent => "silent",
                }
                .to_owned()
            }),
            local_candidate: figures.path.map(|path| kind_name(path.local).to_owned()),
            remote_candidate: figures.path.map(|path| kind_name(path.remote).to_owned()),
            path_protocol: figures
                .path
                .map(|path| protocol_name(path.protocol).to_owned()),
            path_is_ipv6: figures.path.map(|path| path.is_ipv6),
            pairs: figures.pairs.iter().map(ReportedPair::new).collect(),
            target_bps: figures.target_bps,
            sent_codec: figures.sent_video_codec.map(str::to_owned),
            sent_size: figures.sent_size_px,
            screen_frames_sent: figures.screen_frames_sent,
            screen_frames_decoded: figures.screen_frames_decoded,
            screen_size: figures.screen_size_px,
            codec: figures.video_codec.map(str::to_owned),
            received_size: figures.received_size_px,
            times_out: figures.times_out.map(ReportedTimesOut::from),
            times_in: figures.times_in.map(ReportedTimesIn::from),
            picture_latency_ms: figures.picture_latency.map(milliseconds),
            audio_stream: figures.audio_stream.into(),
            video_stream: figures.video_stream.into(),
            feedback_received: figures.feedback_received,
            partner_sends_audio: snapshot.partner.is_sending_audio,
            partner_sends_video: snapshot.partner.is_sending_video,
        }
    }

    fn for_people(&self) -> String {
        let ms =
            |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0} ms"));
        format!(
            "call {} {:<12} in {:>2}/s {:>5} kbit/s, out {:>2}/s {:>5} kbit/s, lost {:>4.1} %, round trip {}, \
             connected in {}, first picture in {}, latency {}, sound buffer {}",
            self.call,
            self.state,
            self.received_fps,
            self.received_bps / 1000,
            self.sent_fps,
            self.sent_bps / 1000,
            100.0 * self.loss_ratio.unwrap_or_default(),
            ms(self.round_trip_ms),
            ms(self.time_to_connected_ms),
            ms(self.time_to_first_frame_ms),
            ms(self.picture_latency_ms),
            ms(self.audio_jitter_buffer_ms),
        )
    }
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

const fn kind_name(kind: CandidateKind) -> &'static str {
    match kind {
        CandidateKind::Host => "host",
        CandidateKind::ServerReflexive => "srflx",
        CandidateKind::PeerReflexive => "prflx",
        CandidateKind::Relay => "relay",
    }
}

const fn protocol_name(protocol: PathProtocol) -> &'static str {
    match protocol {
        PathProtocol::Udp => "udp",
        PathProtocol::Tcp => "tcp",
        PathProtocol::Tls => "tls",
    }
}

/// Where the lines go.
#[derive(Debug)]
pub struct Report {
    file: Option<BufWriter<File>>,
    is_quiet: bool,
}

impl Report {
    /// Writes JSON to `path` if there is one, and words to the standard output unless it is to be quiet.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: Option<&Path>, is_quiet: bool) -> anyhow::Result<Self> {
        let file = match path {
            Some(path) => {
                let file = File::create(path)
                    .with_context(|| format!("{} cannot be made", path.display()))?;
                Some(BufWriter::new(file))
            }
            None => None,
        };
        Ok(Self { file, is_quiet })
    }

    /// Writes one line.
    ///
    /// # Errors
    /// When the disk is full or gone.
    pub fn line(&mut self, line: &ReportLine) -> anyhow::Result<()> {
        if let Some(file) = &mut self.file {
            serde_json::to_writer(&mut *file, line).context("the statistics cannot be written")?;
            file.write_all(b"\n")?;
            // Whoever follows the file sees each second when it is over.
            file.flush()?;
        }
        if !self.is_quiet {
            println!("{}", line.for_people());
        }
        Ok(())
    }
}

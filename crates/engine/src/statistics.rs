//! Turns counters into the figures of a [`Statistics`]: durations from moments, rates from differences.

use std::time::{Duration, Instant};

use media::video::VideoCodec;
use media::video::way::{TimesIn, TimesOut};
use transport::PeerStats;

use crate::Statistics;
use crate::pipeline::SentPictures;

/// What the receiving picture path has counted since the call began.
#[derive(Debug, Clone, Default)]
pub(crate) struct VideoFigures {
    pub(crate) frames_received: u64,
    pub(crate) frames_decoded: u64,
    pub(crate) frames_dropped: u64,
    pub(crate) first_frame_at: Option<Instant>,
    pub(crate) size_px: Option<(u32, u32)>,
    pub(crate) codec: Option<VideoCodec>,
    /// Since the last time somebody asked: how long pictures were held back, on average.
    pub(crate) held_back: Option<Duration>,
    /// Since the last time somebody asked: from capture to hand-over, the median.
    pub(crate) latency: Option<Duration>,
}

/// What the receiving sound path has counted since the call began.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AudioFigures {
    pub(crate) concealed: u64,
    pub(crate) recovered: u64,
    pub(crate) reconstructed: u64,
    /// Losses come in bursts.
    pub(crate) wants_dred: bool,
    pub(crate) delay: Option<Duration>,
}

/// The figures of the present or last call.
#[derive(Debug, Default)]
pub(crate) struct CallStatistics {
    view: Statistics,
    search_began_at: Option<Instant>,
    matched_at: Option<Instant>,
    last: Totals,
}

/// Counters at the end of the last second.
#[derive(Debug, Default, Clone, Copy)]
struct Totals {
    frames_sent: u64,
    frames_decoded: u64,
    sent_bytes: u64,
    received_bytes: u64,
    packets_received: u64,
    packets_lost: u64,
}

impl CallStatistics {
    pub(crate) fn search_began(&mut self, now: Instant) {
        self.search_began_at = Some(now);
    }

    /// A new call: everything begins at zero.
    pub(crate) fn matched(&mut self, now: Instant) {
        *self = Self {
            search_began_at: self.search_began_at.take(),
            matched_at: Some(now),
            ..Self::default()
        };
    }

    pub(crate) fn connected(&mut self, now: Instant) {
        let since_match = self.matched_at.map(|matched_at| now - matched_at);
        self.view.time_to_connected = self.view.time_to_connected.or(since_match);
    }

    /// When the first picture of this call came, as far as it has come.
    pub(crate) fn on_first_frame(&mut self, first_frame_at: Option<Instant>) {
        if let Some(first) = first_frame_at {
            let since = |moment: Instant| first.saturating_duration_since(moment);
            self.view.time_to_first_frame = self.matched_at.map(since);
            self.view.next_to_first_frame = self.search_began_at.map(since);
        }
    }

    /// Takes in the counters, once a second.
    pub(crate) fn on_second(
        &mut self,
        frames_sent: u64,
        video: &VideoFigures,
        audio: AudioFigures,
        is_cancelling_echo: bool,
        transport: Option<&PeerStats>,
    ) {
        self.on_first_frame(video.first_frame_at);
        let view = &mut self.view;
        view.frames_sent = frames_sent;
        view.frames_received = video.frames_received;
        view.frames_decoded = video.frames_decoded;
        view.frames_dropped = video.frames_dropped;
        view.received_size_px = video.size_px;
        view.video_codec = video.codec.map(VideoCodec::name);
        view.video_jitter_buffer = video.held_back;
        view.picture_latency = video.latency;
        view.audio_jitter_buffer = audio.delay;
        view.is_cancelling_echo = is_cancelling_echo;
        view.audio_concealed = audio.concealed;
        view.audio_recovered = audio.recovered;
        view.audio_reconstructed = audio.reconstructed;
        view.sent_fps = frames_sent.saturating_sub(self.last.frames_sent) as u32;
        view.received_fps = video
            .frames_decoded
            .saturating_sub(self.last.frames_decoded) as u32;
        let mut totals = Totals {
            frames_sent,
            frames_decoded: video.frames_decoded,
            ..self.last
        };
        if let Some(stats) = transport {
            let (sound, pictures) = (stats.audio, stats.video);
            totals.sent_bytes = sound.bytes_sent + pictures.bytes_sent;
            totals.received_bytes = sound.bytes_received + pictures.bytes_received;
            totals.packets_received = sound.packets_received + pictures.packets_received;
            totals.packets_lost = sound.packets_lost + pictures.packets_lost;
            view.sent_bps = 8 * totals.sent_bytes.saturating_sub(self.last.sent_bytes);
            view.received_bps = 8 * totals
                .received_bytes
                .saturating_sub(self.last.received_bytes);
            view.loss_ratio = loss_ratio(&self.last, &totals);
            view.round_trip = stats.round_trip;
            view.path = stats.path;
            (view.audio_stream, view.video_stream) = (sound, pictures);
            view.feedback_received = stats.feedback_received;
            view.pairs = stats.pairs.as_slice().into();
        }
        self.last = totals;
    }

    /// What the path takes, and what is made of it.
    pub(crate) fn on_sending(&mut self, target_bps: Option<u64>, pictures: Option<SentPictures>) {
        self.view.target_bps = target_bps;
        self.view.sent_size_px = pictures.map(|pictures| pictures.size_px);
        self.view.sent_video_codec = pictures.map(|pictures| pictures.codec.name());
    }

    /// Screens that are shared, ours and the partner's.
    pub(crate) fn on_screens(&mut self, frames_sent: u64, received: Option<&VideoFigures>) {
        self.view.screen_frames_sent = frames_sent;
        self.view.screen_frames_decoded = received.map_or(0, |video| video.frames_decoded);
        self.view.screen_size_px = received.and_then(|video| video.size_px);
    }

    /// How long pictures take at each stage.
    pub(crate) fn on_ways(&mut self, (out, into): (Option<TimesOut>, Option<TimesIn>)) {
        (self.view.times_out, self.view.times_in) = (out, into);
    }

    pub(crate) fn view(&self) -> Statistics {
        self.view.clone()
    }
}

fn loss_ratio(before: &Totals, after: &Totals) -> Option<f32> {
    let received = after
        .packets_received
        .saturating_sub(before.packets_received);
    let lost = after.packets_lost.saturating_sub(before.packets_lost);
    (received + lost > 0).then(|| lost as f32 / (received + lost) as f32)
}

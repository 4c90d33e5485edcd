//! Everything that a window may show, cheap to clone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use call::DirectView;
pub use call::{EndReason, State as CallView};
use devices::{AudioSink, AudioSource, DeviceProblem, DeviceState, Shareable, VideoSource};
pub use media::audio::MicrophoneNotice;
use media::video::way::{TimesIn, TimesOut};
pub use transport::{CandidateKind, KindStats as StreamView, PathProtocol, PathStats as PathView};
pub use transport::{PairState, PairStats as PairView};

use crate::{Config, SafetyView, VeilView};

/// The state of the whole engine at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The connection to the signalling server.
    pub signalling: SignallingView,
    /// Since when this machine works before the server looks for somebody: many newcomers come at once, and this is one of them.
    pub works_since: Option<Instant>,
    /// The call.
    pub call: CallView,
    /// What there is to know and to decide about the path of the present call.
    pub direct: Option<DirectView>,
    /// What is said about the veil in the present call.
    pub veil: Option<VeilView>,
    /// Whom the person can report, what became of that, and whether the server wants the person at all.
    pub safety: SafetyView,
    /// Whether later calls begin over a relay.
    pub is_shielded: bool,
    /// Whether calls are to cost this machine little.
    pub is_saving_power: bool,
    /// What is known of the partner.
    pub partner: PartnerView,
    /// The lines of chat of this call, oldest first.
    pub chat: Arc<[ChatLine]>,
    /// Our own devices.
    pub devices: Deck,
    /// Figures about the running call; renewed once a second.
    pub statistics: Statistics,
}

impl Snapshot {
    /// What can be said before anything has happened.
    pub(crate) fn initial(devices: Deck, config: &Config) -> Self {
        Self {
            signalling: SignallingView::Connecting,
            works_since: None,
            call: CallView::Idle,
            direct: None,
            veil: None,
            safety: SafetyView::default(),
            is_shielded: config.shield,
            is_saving_power: config.power_saving,
            partner: PartnerView::default(),
            chat: Arc::new([]),
            devices,
            statistics: Statistics::default(),
        }
    }
}

/// The connection to the signalling server.
#[derive(Debug, Clone, PartialEq)]
pub enum SignallingView {
    /// The first attempt is under way.
    Connecting,
    /// Greeted.
    Connected {
        /// How many people are connected, this one included; nothing once that was said too long ago to be true.
        online: Option<u32>,
    },
    /// Lost or never had. Tried again by itself.
    Away {
        /// Why.
        problem: SignallingProblem,
        /// When the next attempt begins.
        retry_at: Instant,
    },
}

/// Why the signalling server cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignallingProblem {
    /// The URL is no `ws://` or `wss://` URL.
    BadUrl(String),
    /// Nothing answers there.
    Unreachable(String),
    /// It answers, but not as a Passerby server.
    NotAServer(String),
    /// It speaks another version of the protocol.
    WrongVersion,
    /// It has no room for more people.
    Full,
    /// It has as many connections from this address as it allows.
    Crowded,
    /// The connection was there and broke.
    Lost(String),
    /// The server said that it shuts down.
    ShutDown,
}

/// What is known of the partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "five things that are each so or not, in any combination"
)]
pub struct PartnerView {
    /// False while the partner's microphone is muted or absent.
    pub is_sending_audio: bool,
    /// False while the partner's camera is off or absent.
    pub is_sending_video: bool,
    /// The partner shares a screen.
    pub is_sending_screen: bool,
    /// The partner is writing.
    pub is_typing: bool,
    /// Chat can be sent.
    pub is_chat_open: bool,
}

/// Who wrote a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// This side.
    Me,
    /// The other side.
    Partner,
}

/// One line of chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatLine {
    /// Who wrote it.
    pub speaker: Speaker,
    /// What was written; untrusted when the partner wrote it.
    pub text: String,
}

/// Our own devices.
#[derive(Debug, Clone, PartialEq)]
pub struct Deck {
    /// The chosen source of pictures.
    pub video_source: VideoSource,
    /// The chosen source of sound.
    pub audio_source: AudioSource,
    /// The chosen place for sound.
    pub audio_sink: AudioSink,
    /// How the camera is doing.
    pub camera: DeviceState,
    /// How the microphone is doing.
    pub microphone: DeviceState,
    /// How the speaker is doing.
    pub speaker: DeviceState,
    /// False while the person has switched the camera off.
    pub is_camera_on: bool,
    /// False while the person has muted the microphone.
    pub is_microphone_on: bool,
    /// How loud the microphone is, from 0 (silence, -60 dBFS or less) to 1 (full scale); renewed 15 times a second.
    pub microphone_level: f32,
    /// What the person should be told about the microphone.
    pub microphone_notice: Option<MicrophoneNotice>,
    /// Names of the cameras that are there.
    pub cameras: Arc<[String]>,
    /// Names of the microphones that are there.
    pub microphones: Arc<[String]>,
    /// Names of the speakers that are there.
    pub speakers: Arc<[String]>,
    /// What of ours is shared with the partner, if anything is.
    pub screen: Option<ScreenView>,
    /// What can be shared, or why nothing can; none before anybody has asked.
    pub shareable: Option<Result<Arc<[Shareable]>, DeviceProblem>>,
    /// The desktop lets the person pick what to share, in a dialog of its own ([`VideoSource::Portal`]).
    pub is_screen_picked_by_desktop: bool,
}

/// A screen or a window of ours that is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScreenView {
    /// Which.
    pub source: VideoSource,
    /// How taking pictures of it goes.
    pub state: DeviceState,
}

/// Figures about the running call. `None` means "not known yet".
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statistics {
    /// From the match to both directions being open.
    pub time_to_connected: Option<Duration>,
    /// From the match to the partner's first picture.
    pub time_to_first_frame: Option<Duration>,
    /// From Next (or Start) to the partner's first picture.
    pub next_to_first_frame: Option<Duration>,
    /// The selected candidate pair.
    pub path: Option<PathView>,
    /// The candidate pairs that were tried since the last restart.
    pub pairs: Arc<[PairView]>,
    /// To the partner and back.
    pub round_trip: Option<Duration>,
    /// Packets lost of those that the partner sent in the last second, from 0 to 1.
    pub loss_ratio: Option<f32>,
    /// Sent in the last second, sound and picture, in bits per second.
    pub sent_bps: u64,
    /// Received in the last second, sound and picture, in bits per second.
    pub received_bps: u64,
    /// What the path to the partner takes, as far as that is known, in bits per second on the wire.
    pub target_bps: Option<u64>,
    /// The codec of the pictures that are sent.
    pub sent_video_codec: Option<&'static str>,
    /// Size of the pictures that are sent, in pixels.
    pub sent_size_px: Option<(u32, u32)>,
    /// What the connection counts of sound, since it was opened.
    pub audio_stream: StreamView,
    /// What the connection counts of pictures, since it was opened.
    pub video_stream: StreamView,
    /// Reports of the partner's on what has arrived when, since the connection was opened.
    pub feedback_received: u64,
    /// The codec of the pictures that arrive.
    pub video_codec: Option<&'static str>,
    /// Size of the pictures that arrive, in pixels.
    pub received_size_px: Option<(u32, u32)>,
    /// Pictures shown in the last second.
    pub received_fps: u32,
    /// Pictures sent in the last second.
    pub sent_fps: u32,
    /// Pictures encoded and sent since the call began.
    pub frames_sent: u64,
    /// Pictures of our screen that were sent since it is shared.
    pub screen_frames_sent: u64,
    /// Pictures of the partner's screen that were decoded since the call began.
    pub screen_frames_decoded: u64,
    /// Size of the pictures of the partner's screen, in pixels.
    pub screen_size_px: Option<(u32, u32)>,
    /// Whole pictures received since the call began.
    pub frames_received: u64,
    /// Pictures decoded since the call began.
    pub frames_decoded: u64,
    /// Pictures given up (incomplete, undecodable or too late) since the call began.
    pub frames_dropped: u64,
    /// How long pictures wait in the jitter buffer, on average over the last second.
    pub video_jitter_buffer: Option<Duration>,
    /// How long sound waits in the jitter buffer, on average over the last second.
    pub audio_jitter_buffer: Option<Duration>,
    /// 10 ms pieces of sound made up for lost ones since the call began.
    pub audio_concealed: u64,
    /// 10 ms pieces of sound recovered from in-band FEC since the call began.
    pub audio_recovered: u64,
    /// 10 ms pieces of sound reconstructed from deep redundancy (DRED) since the call began.
    pub audio_reconstructed: u64,
    /// Whether an echo is being taken out of what the microphone hears. False with headphones, once none was found for long.
    pub is_cancelling_echo: bool,
    /// How long pictures took at each stage of their way out: the newest 300 of this call.
    pub times_out: Option<TimesOut>,
    /// The same of the way in, by this side's clock alone.
    pub times_in: Option<TimesIn>,
    /// From capture to display, where the picture carries its capture time: the median over the last second.
    pub picture_latency: Option<Duration>,
}

//! Our devices and the media paths that hang on them.
//!
//! Devices outlive calls: the preview and the level run in the lobby. A call links its peer to the paths and unlinks it.

mod screen;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use devices::{
    AudioSink, AudioSource, Camera, CameraSettings, DeviceState, Microphone, Speaker, VideoSource,
};
use media::video::way::{TimesIn, TimesOut};
use media::video::{Pictures, Shown, VideoFrame};
use media::{Newest, RtpPacket};
use tokio::sync::{mpsc, watch};
use transport::{KindStats, Peer};
use voice::VoiceConfig;

use crate::lip_sync::LipSync;
use crate::peer_task::MediaTaps;
use crate::pipeline::{
    BitShares, OwnView, Playback, Rates, ReceiveAudio, ReceiveVideo, SendAudio, SendVideo,
    SentPictures, Stream, Wake,
};
use crate::rest::Resting;
use crate::{Config, Deck, EngineError, Ways, power};
pub use screen::Preview;
pub(crate) use screen::PreviewSlot;
use screen::{Listed, Screens};

/// Where pictures lie for the window: always the newest one.
pub(crate) type PictureSlot = Arc<Newest<Arc<VideoFrame>>>;

/// What the devices' threads report.
#[derive(Debug, Clone, Default)]
struct Reports {
    camera: Report,
    microphone: Report,
    speaker: Report,
    screen: Report,
    cameras: Arc<[String]>,
    microphones: Arc<[String]>,
    speakers: Arc<[String]>,
    shareable: Option<Listed>,
}

/// How one device is doing. A thread of an earlier device that is slow to end must not speak for the present one.
#[derive(Debug, Clone, Default)]
struct Report {
    generation: u64,
    state: DeviceState,
}

/// Picks one device's report out of all.
type Which = fn(&mut Reports) -> &mut Report;

pub(crate) struct DeviceDeck {
    settings: CameraSettings,
    reports: watch::Sender<Reports>,
    is_listing: Arc<AtomicBool>,
    video_source: VideoSource,
    audio_source: AudioSource,
    audio_sink: AudioSink,
    is_camera_on: bool,
    is_microphone_on: bool,
    is_saving: bool,
    resting: Resting,
    camera: Option<Camera>,
    microphone: Option<Microphone>,
    speaker: Option<Speaker>,
    camera_slot: PictureSlot,
    remote: PictureSlot,
    /// The camera's pictures on their way out.
    stream: Stream,
    screens: Screens,
    send_video: SendVideo,
    send_audio: SendAudio,
    playback: Playback,
    ways: Arc<Ways>,
    wake: Wake,
}

impl DeviceDeck {
    /// Opens the devices that `config` names. They report when they are there; nothing here waits for them.
    pub(crate) fn new(
        config: &Config,
        preview: PictureSlot,
        remote: PictureSlot,
        ways: Arc<Ways>,
        wake: Wake,
    ) -> Result<Self, EngineError> {
        let camera_slot = PictureSlot::default();
        let rates = Rates {
            most_video_bps: config.video_bps,
            voice_bps: config.voice_bps,
        };
        let stream = Stream {
            pictures: Pictures::Camera,
            rates,
            shares: Arc::<BitShares>::default(),
            capture_fps: config.picture.fps,
            codecs: config.video_codecs,
            ways: Arc::clone(&ways),
            is_keyframe_wanted: Arc::default(),
        };
        let send_video = SendVideo::start(
            Arc::clone(&camera_slot),
            OwnView::of_all(preview),
            stream.clone(),
            Arc::clone(&wake),
        )
        .map_err(EngineError::Thread)?;
        let playback = Playback::default();
        let mut deck = Self {
            settings: config.picture,
            reports: watch::Sender::default(),
            is_listing: Arc::default(),
            video_source: config.video.clone(),
            audio_source: config.audio.clone(),
            audio_sink: config.speaker.clone(),
            is_camera_on: true,
            is_microphone_on: true,
            is_saving: config.power_saving,
            resting: Resting::default(),
            camera: None,
            microphone: None,
            speaker: None,
            camera_slot,
            remote,
            stream,
            screens: Screens::new(),
            send_video,
            send_audio: SendAudio::new(rates, config.voice, playback.played()),
            playback,
            ways,
            wake,
        };
        deck.send_video.set_power_saving(config.power_saving);
        deck.open_camera();
        deck.open_microphone();
        deck.open_speaker();
        deck.list();
        Ok(deck)
    }

    /// Where the newest picture of the partner's screen lies.
    pub(crate) fn remote_screen(&self) -> PictureSlot {
        Arc::clone(&self.screens.remote)
    }

    /// Where the newest small picture of our own screen lies, while it is shared.
    pub(crate) fn local_screen(&self) -> PictureSlot {
        Arc::clone(&self.screens.own)
    }

    /// Fires whenever a device has something to report.
    pub(crate) fn changes(&self) -> watch::Receiver<impl Sized + use<>> {
        self.reports.subscribe()
    }

    pub(crate) fn set_camera(&mut self, is_on: bool) {
        if std::mem::replace(&mut self.is_camera_on, is_on) != is_on {
            self.open_camera();
        }
    }

    pub(crate) fn set_microphone(&mut self, is_on: bool) {
        self.is_microphone_on = is_on;
        self.send_audio.set_muted(!is_on);
    }

    pub(crate) fn choose_video(&mut self, source: VideoSource) {
        self.video_source = source;
        self.open_camera();
    }

    pub(crate) fn choose_audio(&mut self, source: AudioSource) {
        self.audio_source = source;
        self.open_microphone();
    }

    pub(crate) fn set_voice(&self, config: VoiceConfig) {
        self.send_audio.set_voice(config);
    }

    pub(crate) fn set_volume(&self, percent: u16) {
        self.playback.set_volume(percent);
    }

    /// Whether an echo is being cancelled.
    pub(crate) fn is_cancelling_echo(&self) -> bool {
        self.send_audio.is_cancelling()
    }

    pub(crate) fn choose_speaker(&mut self, sink: AudioSink) {
        self.audio_sink = sink;
        self.open_speaker();
    }

    /// Lets these devices rest, and wakes the others.
    pub(crate) fn rest(&mut self, resting: Resting) {
        let before = std::mem::replace(&mut self.resting, resting);
        if before.speaker != resting.speaker
            && let Some(speaker) = &self.speaker
        {
            speaker.set_resting(resting.speaker);
        }
        if before.capture != resting.capture {
            self.open_camera();
            self.open_microphone();
        }
    }

    /// Whether there is a microphone that delivers, or may soon.
    pub(crate) const fn has_microphone(&self) -> bool {
        self.microphone.is_some()
    }

    /// Looks which devices there are. That can take seconds, so a thread does it.
    pub(crate) fn list(&self) {
        if self.is_listing.swap(true, Ordering::AcqRel) {
            return;
        }
        let (reports, is_listing) = (self.reports.clone(), Arc::clone(&self.is_listing));
        let spawned = std::thread::Builder::new()
            .name("list-devices".to_owned())
            .spawn(move || {
                let cameras = devices::list_cameras();
                let microphones = devices::list_microphones();
                let speakers = devices::list_speakers();
                reports.send_modify(|reports| {
                    reports.cameras = cameras.into();
                    reports.microphones = microphones.into();
                    reports.speakers = speakers.into();
                });
                is_listing.store(false, Ordering::Release);
            });
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread to list the devices");
            self.is_listing.store(false, Ordering::Release);
        }
    }

    /// Whether sound and pictures are being sent, as far as our devices are concerned.
    pub(crate) fn is_sending(&self) -> (bool, bool) {
        let reports = self.reports.borrow();
        let works = |report: &Report| matches!(report.state, DeviceState::Working { .. });
        (
            self.is_microphone_on && works(&reports.microphone),
            self.is_camera_on && works(&reports.camera),
        )
    }

    /// Acts on what the devices have reported.
    pub(crate) fn refresh(&mut self) {
        let reports = self.reports.borrow();
        if !matches!(reports.microphone.state, DeviceState::Working { .. }) {
            self.send_audio.reset_level();
        }
    }

    pub(crate) fn media_taps(&self) -> MediaTaps {
        let is_keyframe_wanted = Arc::clone(&self.stream.is_keyframe_wanted);
        MediaTaps {
            keyframe_wanted: Arc::new(move || is_keyframe_wanted.store(true, Ordering::Relaxed)),
            screen_keyframe_wanted: Arc::new(self.screen_keyframe_requests()),
            lip_sync: Arc::new(LipSync::default()),
        }
    }

    /// Begins to take in what the partner sends.
    pub(crate) fn receive(
        &self,
        peer: &Peer,
        video: mpsc::Receiver<RtpPacket>,
        audio: mpsc::Receiver<RtpPacket>,
        lip_sync: &Arc<LipSync>,
    ) -> (ReceiveVideo, ReceiveAudio) {
        let pictures = ReceiveVideo::start(
            Pictures::Camera,
            video,
            peer.clone(),
            Arc::clone(&self.remote),
            Arc::clone(lip_sync),
            Arc::clone(&self.ways),
            Arc::clone(&self.wake),
        );
        (pictures, self.playback.receive(audio, Arc::clone(lip_sync)))
    }

    /// Begins to send to `peer`.
    pub(crate) fn send_to(&self, peer: &Peer) {
        self.send_video.link(peer.clone());
        self.send_audio.link(peer.clone());
    }

    /// Tells whether the partner wants deep redundancy. Holds until sending stops.
    pub(crate) fn set_partner_wants_dred(&self, is_so: bool) {
        self.send_audio.set_partner_wants_dred(is_so);
    }

    /// Tells how the partner shows our pictures. Holds until sending stops.
    pub(crate) fn set_partner_shows(&self, shown: Shown) {
        self.send_video.set_partner_shows(shown);
        self.set_screen_seen(shown != Shown::NOTHING);
    }

    /// Draws a veil over the camera's pictures that are sent, or takes it away.
    pub(crate) fn set_veiled(&self, is_veiled: bool) {
        self.send_video.set_veiled(is_veiled);
    }

    /// Makes pictures cheap from now on, or good again. The camera is opened anew, since it need not take more than are sent.
    pub(crate) fn set_power_saving(&mut self, is_saving: bool) {
        self.is_saving = is_saving;
        self.send_video.set_power_saving(is_saving);
        if let Some(screen) = &self.screens.shared {
            screen.set_power_saving(is_saving);
        }
        self.open_camera();
    }

    /// Tells whether the partner sends sound. Holds until receiving ends.
    pub(crate) fn set_partner_sends_audio(&self, is_so: bool) {
        self.playback.set_partner_muted(!is_so);
    }

    /// Tells what became of the sound that was sent, once a second.
    pub(crate) fn on_sound_stats(&self, sound: &KindStats) {
        self.send_audio.on_second(sound);
    }

    pub(crate) fn stop_sending(&self) {
        self.send_video.unlink();
        self.send_audio.unlink();
    }

    /// Takes away the last partner's pictures, so that nobody else's are ever shown in their place.
    pub(crate) fn clear_remote(&self) {
        self.remote.take();
        self.screens.remote.take();
        (self.wake)();
    }

    /// Renews what changes slowly and without a word: how long sound takes to the ear.
    pub(crate) fn on_second(&self) {
        if let Some(speaker) = &self.speaker {
            self.playback.set_output_latency(speaker.latency());
        }
    }

    /// The size of the last picture that was sent, in pixels.
    pub(crate) fn sent_pictures(&self) -> Option<SentPictures> {
        self.send_video.sent_pictures()
    }

    /// How long pictures take at each stage of their way out and in.
    pub(crate) fn stage_times(&self) -> (Option<TimesOut>, Option<TimesIn>) {
        self.ways.times()
    }

    pub(crate) fn frames_sent(&self) -> u64 {
        self.send_video.frames_sent()
    }

    pub(crate) fn view(&self) -> Deck {
        let reports = self.reports.borrow();
        Deck {
            video_source: self.video_source.clone(),
            audio_source: self.audio_source.clone(),
            audio_sink: self.audio_sink.clone(),
            camera: reports.camera.state.clone(),
            microphone: reports.microphone.state.clone(),
            speaker: reports.speaker.state.clone(),
            is_camera_on: self.is_camera_on,
            is_microphone_on: self.is_microphone_on,
            microphone_level: self.send_audio.level(),
            microphone_notice: self.send_audio.notice(),
            cameras: Arc::clone(&reports.cameras),
            microphones: Arc::clone(&reports.microphones),
            speakers: Arc::clone(&reports.speakers),
            screen: self.screen_view(&reports.screen.state),
            shareable: reports.shareable.clone(),
            is_screen_picked_by_desktop: self.screens.is_picked_by_desktop,
        }
    }

    fn open_camera(&mut self) {
        close(&mut self.camera);
        let notify = self.notifier(|reports| &mut reports.camera);
        let is_open =
            self.is_camera_on && self.video_source != VideoSource::None && !self.resting.capture;
        self.stream.shares.set(Pictures::Camera, is_open);
        if is_open {
            let slot = Arc::clone(&self.camera_slot);
            let settings = if self.is_saving {
                power::camera(self.settings)
            } else {
                self.settings
            };
            self.camera = Some(Camera::start(
                self.video_source.clone(),
                settings,
                slot,
                notify,
            ));
        }
    }

    fn open_microphone(&mut self) {
        close(&mut self.microphone);
        let notify = self.notifier(|reports| &mut reports.microphone);
        if self.audio_source != AudioSource::None && !self.resting.capture {
            let is_voice = matches!(
                self.audio_source,
                AudioSource::DefaultMicrophone | AudioSource::Microphone(_)
            );
            let intake = self.send_audio.intake(is_voice);
            self.microphone = Some(Microphone::start(self.audio_source.clone(), intake, notify));
        }
    }

    fn open_speaker(&mut self) {
        // First the old one: two must not pull from one playback.
        close(&mut self.speaker);
        let notify = self.notifier(|reports| &mut reports.speaker);
        let speaker = Speaker::start(self.audio_sink.clone(), self.playback.outlet(), notify);
        // It is tried before it may rest.
        self.resting.speaker = false;
        self.speaker = Some(speaker);
        self.send_audio.on_speaker_changed();
        self.on_second();
    }

    /// A way for the next device of one kind to report; it silences all earlier ones of that kind.
    fn notifier(&self, which: Which) -> impl Fn(DeviceState) + Send + Sync + 'static {
        let mut generation = 0;
        self.reports.send_modify(|reports| {
            let report = which(reports);
            report.generation += 1;
            report.state = DeviceState::Off;
            generation = report.generation;
        });
        let reports = self.reports.clone();
        move |state| {
            reports.send_if_modified(|reports| {
                let report = which(reports);
                let is_news = report.generation == generation && report.state != state;
                if is_news {
                    report.state = state.clone();
                }
                is_news
            });
        }
    }
}

/// Closes a device, which may take half a second; tasks that share this thread go on elsewhere meanwhile.
fn close<D>(device: &mut Option<D>) {
    tokio::task::block_in_place(|| drop(device.take()));
}

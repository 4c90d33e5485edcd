//! Our screen, while it is shared: captured and sent beside the camera. It belongs to one call, and ends with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use devices::{Camera, CameraSettings, DeviceProblem, DeviceState, Shareable, VideoSource};
use media::video::{Pictures, Shown, VideoFrame};
use media::{Newest, RtpPacket};
use tokio::sync::mpsc;
use transport::Peer;

use super::{DeviceDeck, PictureSlot, close};
use crate::lip_sync::LipSync;
use crate::pipeline::{OwnView, ReceiveVideo, SendVideo, Stream};
use crate::{ScreenView, Ways};

/// So many pictures of a screen are taken in a second: enough for a page that scrolls, and half the work of a camera's.
const SCREEN_FPS: u32 = 15;

/// What there is while a screen is shared.
pub(super) struct Screen {
    source: VideoSource,
    /// Before `send`, so that it ends first.
    capture: Option<Camera>,
    send: SendVideo,
    slot: PictureSlot,
}

impl Screen {
    pub(super) fn set_power_saving(&self, is_saving: bool) {
        self.send.set_power_saving(is_saving);
    }
}

/// What there is whether or not a screen is shared.
#[derive(Default)]
pub(super) struct Screens {
    pub(super) shared: Option<Screen>,
    /// The partner's.
    pub(super) remote: PictureSlot,
    /// Small pictures of ours, for ourselves.
    pub(super) own: PictureSlot,
    is_keyframe_wanted: Arc<AtomicBool>,
    /// What can be shared is being looked at.
    is_listing: Arc<AtomicBool>,
    /// Small pictures of what can be shared.
    previews: PreviewSlot,
    /// The desktop lets the person pick.
    pub(super) is_picked_by_desktop: bool,
}

impl Screens {
    pub(super) fn new() -> Self {
        Self {
            is_picked_by_desktop: devices::is_screen_picked_by_desktop(),
            ..Self::default()
        }
    }
}

/// A small picture of something that can be shared.
#[derive(Debug, Clone)]
pub struct Preview {
    /// What it shows.
    pub source: VideoSource,
    /// How it looked a moment ago; at most 192 by 120 pixels.
    pub picture: Arc<VideoFrame>,
}

/// Where the newest previews lie for the window: all of one look at a time.
pub(crate) type PreviewSlot = Arc<Newest<Vec<Preview>>>;

/// So many screens and windows are pictured at a time, those in front; the others are listed by name.
const MOST_PREVIEWS: usize = 12;
/// The size that a preview has at most, in pixels.
const PREVIEW_PX: (u32, u32) = (192, 120);

impl DeviceDeck {
    /// Begins to take pictures of `source`, or takes them of something else from now on. They are sent when
    /// [`send_screen_to`](Self::send_screen_to) says to whom.
    pub(crate) fn share(&mut self, source: VideoSource) {
        let running = self.screens.shared.take();
        let (send, slot) = if let Some(running) = running {
            let Screen {
                mut capture,
                send,
                slot,
                ..
            } = running;
            close(&mut capture);
            (send, slot)
        } else {
            let slot = PictureSlot::default();
            let stream = Stream {
                pictures: Pictures::Screen,
                capture_fps: SCREEN_FPS,
                ways: Arc::<Ways>::default(),
                is_keyframe_wanted: Arc::clone(&self.screens.is_keyframe_wanted),
                ..self.stream.clone()
            };
            let (pictures, wake) = (Arc::clone(&slot), Arc::clone(&self.wake));
            let own_view = OwnView::of_glances(Arc::clone(&self.screens.own));
            match SendVideo::start(pictures, own_view, stream, wake) {
                Ok(send) => (send, slot),
                Err(error) => {
                    tracing::error!(%error, "no thread for the screen");
                    return;
                }
            }
        };
        send.set_power_saving(self.is_saving);
        let notify = self.notifier(|reports| &mut reports.screen);
        // "Off" is what it says when the person has ended it elsewhere.
        self.reports
            .send_modify(|reports| reports.screen.state = DeviceState::Opening);
        let settings = CameraSettings {
            fps: SCREEN_FPS,
            ..self.settings
        };
        let capture = Camera::start(source.clone(), settings, Arc::clone(&slot), notify);
        self.stream.shares.set(Pictures::Screen, true);
        self.screens.shared = Some(Screen {
            source,
            capture: Some(capture),
            send,
            slot,
        });
    }

    /// Tells whether the partner sees anything at all. How large the screen is shown there nobody says: what is written on it is worth
    /// its size.
    pub(super) fn set_screen_seen(&self, is_seen: bool) {
        let shown = if is_seen { Shown::ANY } else { Shown::NOTHING };
        if let Some(screen) = &self.screens.shared {
            screen.send.set_partner_shows(shown);
        }
    }

    /// Begins to send the screen to `peer`, as soon as that has agreed to it.
    pub(crate) fn send_screen_to(&self, peer: &Peer) {
        if let Some(screen) = &self.screens.shared {
            screen.send.link(peer.clone());
        }
    }

    /// Ends it.
    pub(crate) fn stop_sharing(&mut self) {
        let Some(mut screen) = self.screens.shared.take() else {
            return;
        };
        self.stream.shares.set(Pictures::Screen, false);
        // Silences it.
        drop(self.notifier(|reports| &mut reports.screen));
        close(&mut screen.capture);
        screen.send.unlink();
        close(&mut Some(screen.send));
        // Nobody puts anything there any more.
        self.screens.own.take();
    }

    /// Whether the person has ended it outside of the window, or has chosen nothing.
    pub(crate) fn has_sharing_ended(&self) -> bool {
        self.screens.shared.is_some() && self.reports.borrow().screen.state == DeviceState::Off
    }

    /// Whether pictures of a screen are being sent, as far as our side is concerned.
    pub(crate) fn is_sending_screen(&self) -> bool {
        let state = &self.reports.borrow().screen.state;
        self.screens.shared.is_some() && matches!(state, DeviceState::Working { .. })
    }

    /// Pictures of the screen that were sent since it is shared.
    pub(crate) fn screen_frames_sent(&self) -> u64 {
        let shared = self.screens.shared.as_ref();
        shared.map_or(0, |screen| screen.send.frames_sent())
    }

    /// Something that asks for a keyframe of the screen, for those who hear the partner's requests.
    pub(super) fn screen_keyframe_requests(&self) -> impl Fn() + Send + Sync + 'static {
        let is_wanted = Arc::clone(&self.screens.is_keyframe_wanted);
        move || is_wanted.store(true, Ordering::Relaxed)
    }

    /// Begins to take in the partner's screen.
    pub(crate) fn receive_screen(
        &self,
        peer: &Peer,
        packets: mpsc::Receiver<RtpPacket>,
    ) -> ReceiveVideo {
        ReceiveVideo::start(
            Pictures::Screen,
            packets,
            peer.clone(),
            Arc::clone(&self.screens.remote),
            // Nothing is said that belongs to it to the hundredth of a second.
            Arc::<LipSync>::default(),
            Arc::<Ways>::default(),
            Arc::clone(&self.wake),
        )
    }

    /// Takes away the partner's screen.
    pub(crate) fn clear_remote_screen(&self) {
        self.screens.remote.take();
        (self.wake)();
    }

    /// Looks what can be shared, and how it looks. That can take a moment, so a thread does it; while one does, nothing more is
    /// begun.
    pub(crate) fn list_shareable(&self) {
        let reports = self.reports.clone();
        let (previews, wake) = (Arc::clone(&self.screens.previews), Arc::clone(&self.wake));
        let is_listing = Arc::clone(&self.screens.is_listing);
        if is_listing.swap(true, Ordering::AcqRel) {
            return;
        }
        let spawned = std::thread::Builder::new()
            .name("list-screens".to_owned())
            .spawn(move || {
                let found: Listed = devices::list_shareable().map(Into::into);
                let sources: Vec<VideoSource> = (found.iter().flat_map(|found| found.iter()))
                    .map(|item| item.source.clone())
                    .take(MOST_PREVIEWS)
                    .collect();
                reports.send_if_modified(|reports| {
                    let is_news = reports.shareable.as_ref() != Some(&found);
                    reports.shareable = Some(found);
                    is_news
                });
                previews.put(look_at(sources));
                wake();
                is_listing.store(false, Ordering::Release);
            });
        if let Err(error) = spawned {
            self.screens.is_listing.store(false, Ordering::Release);
            tracing::error!(%error, "no thread to list the screens");
        }
    }

    /// Where the newest previews of what can be shared lie.
    pub(crate) fn previews(&self) -> PreviewSlot {
        Arc::clone(&self.screens.previews)
    }

    pub(super) fn screen_view(&self, state: &DeviceState) -> Option<ScreenView> {
        let screen = self.screens.shared.as_ref()?;
        Some(ScreenView {
            source: screen.source.clone(),
            state: state.clone(),
        })
    }
}

/// Pictures of all that can be read; what is gone meanwhile has none.
fn look_at(sources: Vec<VideoSource>) -> Vec<Preview> {
    let look = |source: VideoSource| {
        let picture = devices::preview(&source, PREVIEW_PX).ok()?;
        Some(Preview {
            source,
            picture: Arc::new(picture),
        })
    };
    sources.into_iter().filter_map(look).collect()
}

/// What can be shared, or why nothing can.
pub(super) type Listed = Result<Arc<[Shareable]>, DeviceProblem>;

//! The way of a picture out: camera slot → own view → encoder → peer.
//!
//! The thread lives as long as the engine, so that the preview runs in the lobby too. Pictures are encoded only while a peer
//! is linked.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use media::Newest;
use media::video::{Pictures, Shown, VideoFrame};
use transport::Peer;

use super::codec_choice::CodecChoice;
use super::encoding::{Encoding, Link, Sent, SentPictures, Stream};
use super::wish::Wish;
use super::{OwnView, Wake, lock};
use crate::veil::Weaver;

/// How long the thread waits for a picture at a time. When it is to end, the slot is closed, which wakes it.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// The sending half of the picture path.
pub(crate) struct SendVideo {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    camera: Arc<Newest<Arc<VideoFrame>>>,
    link: Mutex<Option<Arc<Link>>>,
    wish: Mutex<Wish>,
    frames_sent: AtomicU64,
    sent: Mutex<Option<SentPictures>>,
    stream: Stream,
    wake: Wake,
}

impl SendVideo {
    /// Starts the thread. Pictures are taken from `camera`, and shown in `own_view` on their way.
    pub(crate) fn start(
        camera: Arc<Newest<Arc<VideoFrame>>>,
        own_view: OwnView,
        stream: Stream,
        wake: Wake,
    ) -> std::io::Result<Self> {
        let name = match stream.pictures {
            Pictures::Camera => "encode-video",
            Pictures::Screen => "encode-screen",
        };
        let shared = Arc::new(Shared {
            camera,
            link: Mutex::new(None),
            wish: Mutex::default(),
            frames_sent: AtomicU64::new(0),
            sent: Mutex::default(),
            stream,
            wake,
        });
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || run(&shared, own_view)
        })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// From the next picture on, encodes for `peer`, beginning with a keyframe.
    pub(crate) fn link(&self, peer: Peer) {
        let streams = match self.shared.stream.pictures {
            Pictures::Camera => 1,
            // Beside the camera.
            Pictures::Screen => 2,
        };
        peer.set_budget_ceiling(self.shared.stream.rates.ceiling_bps(streams));
        *lock(&self.shared.sent) = None;
        self.shared.stream.ways.forget_out();
        let first_timestamp = getrandom::u32().unwrap_or_default();
        self.shared.frames_sent.store(0, Ordering::Relaxed);
        *lock(&self.shared.link) = Some(Arc::new(Link {
            peer,
            epoch: Instant::now(),
            first_timestamp,
        }));
    }

    /// Stops encoding. The preview goes on.
    pub(crate) fn unlink(&self) {
        let link = lock(&self.shared.link).take();
        let stream = &self.shared.stream;
        if let Some(link) = link.filter(|_| stream.pictures == Pictures::Screen) {
            // The camera's alone.
            link.peer.set_budget_ceiling(stream.rates.ceiling_bps(1));
        }
        lock(&self.shared.wish).shown = None;
    }

    /// Tells how the partner shows our pictures; [`Shown::NOTHING`] ends them until there is another word. Holds until
    /// [`SendVideo::unlink`].
    pub(crate) fn set_partner_shows(&self, shown: Shown) {
        lock(&self.shared.wish).shown = Some(shown.bounded());
    }

    /// Draws a veil over the pictures that are sent, or takes it away. The first one without it comes as soon as it would anyway.
    pub(crate) fn set_veiled(&self, is_veiled: bool) {
        lock(&self.shared.wish).is_veiled = is_veiled;
    }

    /// Tells whether pictures should cost little from now on.
    pub(crate) fn set_power_saving(&self, is_saving: bool) {
        lock(&self.shared.wish).is_saving = is_saving;
    }

    /// What the last picture that was sent is like.
    pub(crate) fn sent_pictures(&self) -> Option<SentPictures> {
        *lock(&self.shared.sent)
    }

    /// Pictures sent since the last [`SendVideo::link`].
    pub(crate) fn frames_sent(&self) -> u64 {
        self.shared.frames_sent.load(Ordering::Relaxed)
    }
}

impl Drop for SendVideo {
    fn drop(&mut self) {
        self.shared.camera.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a thread that encodes pictures panicked");
        }
    }
}

fn run(shared: &Shared, mut own_view: OwnView) {
    let mut encoding: Option<Encoding> = None;
    let mut weaver = Weaver::default();
    let mut choice = CodecChoice::new(shared.stream.codecs);
    while !shared.camera.is_closed() {
        let Some(frame) = shared.camera.wait(LONGEST_WAIT) else {
            continue;
        };
        if own_view.take(&frame) {
            (shared.wake)();
        }
        let link = lock(&shared.link).clone();
        let Some(link) = link else {
            encoding = None;
            continue;
        };
        if encoding
            .as_ref()
            .is_none_or(|encoding| !encoding.is_for(&link))
        {
            encoding = Some(Encoding::new(link, shared.stream.clone()));
        }
        let wish = *lock(&shared.wish);
        if !wish.is_seen() {
            // The first one that is seen again refers to none that was not sent.
            shared
                .stream
                .is_keyframe_wanted
                .store(true, Ordering::Relaxed);
            continue;
        }
        if let Some(encoding) = &mut encoding {
            // One that cannot be veiled is left out.
            let veiled = wish.is_veiled.then(|| weaver.veil(&frame));
            let Some(frame) = veiled.as_ref().map_or(Some(&*frame), Option::as_ref) else {
                continue;
            };
            let force_keyframe = shared
                .stream
                .is_keyframe_wanted
                .swap(false, Ordering::Relaxed);
            match encoding.take(frame, wish, force_keyframe, &mut choice) {
                Sent::Yes(pictures) => {
                    *lock(&shared.sent) = Some(pictures);
                    shared.frames_sent.fetch_add(1, Ordering::Relaxed);
                }
                // It still wants one.
                Sent::Skipped if !force_keyframe => {}
                // What follows would refer to a picture that the partner never gets.
                Sent::Skipped | Sent::Lost => {
                    shared
                        .stream
                        .is_keyframe_wanted
                        .store(true, Ordering::Relaxed);
                }
            }
        }
    }
}

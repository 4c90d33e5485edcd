//! The way of a picture out: camera slot → preview → encoder → peer.
//!
//! The thread lives as long as the engine, so that the preview runs in the lobby too. Pictures are encoded only while a peer
//! is linked.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use codecs::{H264Encoder, H264Settings, VideoEncoder};
use media::Newest;
use media::video::VideoFrame;
use transport::Peer;

use super::{Wake, lock};

/// The RTP clock rate of video (RFC 6184 section 8.2.1).
const CLOCK_HZ: u128 = 90_000;
/// How often the thread looks whether it is to end while no pictures come.
const IDLE_CHECK: Duration = Duration::from_millis(200);

/// The sending half of the picture path.
pub(crate) struct SendVideo {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    camera: Arc<Newest<Arc<VideoFrame>>>,
    preview: Arc<Newest<Arc<VideoFrame>>>,
    link: Mutex<Option<Arc<Link>>>,
    is_keyframe_wanted: AtomicBool,
    frames_sent: AtomicU64,
    bitrate_bps: u32,
    fps: u32,
    wake: Wake,
}

/// The peer that pictures go to, and the clock of the stream that it gets.
struct Link {
    peer: Peer,
    epoch: Instant,
    /// RTP timestamps begin at a random value (RFC 3550 section 5.1).
    first_timestamp: u32,
}

impl SendVideo {
    /// Starts the thread. Pictures are taken from `camera`; each is left in `preview` as well.
    pub(crate) fn start(
        camera: Arc<Newest<Arc<VideoFrame>>>,
        preview: Arc<Newest<Arc<VideoFrame>>>,
        bitrate_bps: u32,
        fps: u32,
        wake: Wake,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            camera,
            preview,
            link: Mutex::new(None),
            is_keyframe_wanted: AtomicBool::new(false),
            frames_sent: AtomicU64::new(0),
            bitrate_bps,
            fps,
            wake,
        });
        let thread = std::thread::Builder::new()
            .name("encode-video".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || run(&shared)
            })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// From the next picture on, encodes for `peer`, beginning with a keyframe.
    pub(crate) fn link(&self, peer: Peer) {
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
        lock(&self.shared.link).take();
    }

    /// Something that asks for a keyframe, for those who hear the partner's requests.
    pub(crate) fn keyframe_requests(&self) -> impl Fn() + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.is_keyframe_wanted.store(true, Ordering::Relaxed)
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
            tracing::error!("the encode-video thread panicked");
        }
    }
}

fn run(shared: &Shared) {
    let mut encoding: Option<Encoding> = None;
    while !shared.camera.is_closed() {
        let Some(frame) = shared.camera.wait(IDLE_CHECK) else {
            continue;
        };
        shared.preview.put(Arc::clone(&frame));
        (shared.wake)();
        let link = lock(&shared.link).clone();
        let Some(link) = link else {
            encoding = None;
            continue;
        };
        if encoding
            .as_ref()
            .is_none_or(|encoding| !Arc::ptr_eq(&encoding.link, &link))
        {
            encoding = Some(Encoding::new(link, shared.bitrate_bps, shared.fps));
        }
        if let Some(encoding) = &mut encoding {
            let force_keyframe = shared.is_keyframe_wanted.swap(false, Ordering::Relaxed);
            match encoding.encode_and_send(&frame, force_keyframe) {
                Sent::Yes => {
                    shared.frames_sent.fetch_add(1, Ordering::Relaxed);
                }
                Sent::Skipped => {}
                // What follows would refer to a picture that the partner never gets.
                Sent::Lost => shared.is_keyframe_wanted.store(true, Ordering::Relaxed),
            }
        }
    }
}

/// An encoder and the peer that it works for.
struct Encoding {
    link: Arc<Link>,
    encoder: Box<dyn VideoEncoder>,
    is_broken: bool,
}

enum Sent {
    Yes,
    Skipped,
    Lost,
}

impl Encoding {
    fn new(link: Arc<Link>, bitrate_bps: u32, fps: u32) -> Self {
        let settings = H264Settings {
            target_bitrate: bitrate_bps,
            frames_per_second: fps as f32,
        };
        Self {
            link,
            encoder: Box::new(H264Encoder::new(settings)),
            is_broken: false,
        }
    }

    fn encode_and_send(&mut self, frame: &VideoFrame, force_keyframe: bool) -> Sent {
        let elapsed = frame
            .captured_at()
            .saturating_duration_since(self.link.epoch);
        let ticks = (elapsed.as_micros() * CLOCK_HZ / 1_000_000) as u32;
        let timestamp = self.link.first_timestamp.wrapping_add(ticks);
        match self.encoder.encode(frame, timestamp, force_keyframe) {
            Ok(Some(encoded)) => {
                self.is_broken = false;
                if self.link.peer.send_video(encoded).is_ok() {
                    Sent::Yes
                } else {
                    Sent::Lost
                }
            }
            Ok(None) => Sent::Skipped,
            Err(error) => {
                // Once, not thirty times a second.
                if !std::mem::replace(&mut self.is_broken, true) {
                    tracing::error!(%error, "a picture could not be encoded");
                }
                Sent::Lost
            }
        }
    }
}

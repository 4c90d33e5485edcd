//! The way of a picture in: packets → jitter buffer → decoder → playout → window.
//!
//! A task puts frames together; a thread decodes each when it is due ([`waiting`]) and shows it. A decoder that does not keep up
//! loses frames, asks for a keyframe and goes on from it.

mod waiting;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use codecs::VideoDecoder;
use media::RtpPacket;
use media::video::jitter_buffer::{Config, Input, Output};
use media::video::way::WayIn;
use media::video::{
    AssembledFrame, JitterBuffer, Pictures, Playout, VideoCodec, VideoFrame, read_mark,
};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use transport::Peer;

use super::{Wake, lock};
use crate::Ways;
use crate::deck::PictureSlot;
use crate::lip_sync::LipSync;
use crate::statistics::VideoFigures;
use waiting::WaitingFrames;

/// How many frames may be on the way to the thread: what a retransmission over a long path sets free at once.
const DECODE_QUEUE: usize = 64;
/// How often the thread looks whether it is to end while no frames come.
const IDLE_CHECK: Duration = Duration::from_millis(100);
/// How many latencies of one second are kept.
const LATENCIES_LIMIT: usize = 120;
/// A mark that is older tells no time: clips carry a number alone.
const OLDEST_PICTURE: Duration = Duration::from_mins(1);

/// The receiving half of the picture path, for one call. Dropping it ends it; no picture is shown afterwards.
pub(crate) struct ReceiveVideo {
    shared: Arc<Shared>,
    assembly: JoinHandle<()>,
}

struct Shared {
    pictures: Pictures,
    peer: Peer,
    remote: PictureSlot,
    lip_sync: Arc<LipSync>,
    is_over: AtomicBool,
    /// Whether anybody sees the pictures.
    is_seen: AtomicBool,
    /// Rung by the decoder for the jitter buffer.
    decode_failed: Notify,
    figures: Mutex<Running>,
    ways: Arc<Ways>,
    wake: Wake,
}

/// Figures as they come together.
#[derive(Default)]
struct Running {
    totals: VideoFigures,
    dropped_in_assembly: u64,
    dropped_in_decoding: u64,
    held_back: Duration,
    held_back_count: u32,
    latencies: Vec<Duration>,
}

impl ReceiveVideo {
    /// Begins to show what comes in `packets`.
    pub(crate) fn start(
        pictures: Pictures,
        packets: mpsc::Receiver<RtpPacket>,
        peer: Peer,
        remote: PictureSlot,
        lip_sync: Arc<LipSync>,
        ways: Arc<Ways>,
        wake: Wake,
    ) -> Self {
        ways.forget_in();
        let shared = Arc::new(Shared {
            pictures,
            peer,
            remote,
            lip_sync,
            is_over: AtomicBool::new(false),
            is_seen: AtomicBool::new(true),
            decode_failed: Notify::new(),
            figures: Mutex::default(),
            ways,
            wake,
        });
        let (frames, queue) = sync_channel(DECODE_QUEUE);
        let name = match pictures {
            Pictures::Camera => "decode-video",
            Pictures::Screen => "decode-screen",
        };
        let decoding = std::thread::Builder::new().name(name.to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || Decoding::new(&shared).run(&queue)
        });
        if let Err(error) = decoding {
            tracing::error!(%error, "no thread to decode: the partner stays unseen");
        }
        let assembly = tokio::spawn(assemble(packets, frames, Arc::clone(&shared)));
        Self { shared, assembly }
    }

    /// Tells whether anybody sees the pictures. While nobody does, none is decoded, nor asked for.
    pub(crate) fn set_seen(&self, is_seen: bool) {
        self.shared.is_seen.store(is_seen, Ordering::Relaxed);
    }

    /// What was counted so far. What is an average or a median is of the time since the last call.
    pub(crate) fn figures(&self) -> VideoFigures {
        let mut running = lock(&self.shared.figures);
        let mut figures = running.totals.clone();
        figures.frames_dropped = running.dropped_in_assembly + running.dropped_in_decoding;
        let held_back = std::mem::take(&mut running.held_back);
        figures.held_back = held_back.checked_div(std::mem::take(&mut running.held_back_count));
        let mut latencies = std::mem::take(&mut running.latencies);
        latencies.sort_unstable();
        figures.latency = latencies.get(latencies.len() / 2).copied();
        figures
    }
}

impl Drop for ReceiveVideo {
    fn drop(&mut self) {
        // With the lock that a picture is shown under: none comes after this.
        let _figures = lock(&self.shared.figures);
        self.shared.is_over.store(true, Ordering::Release);
        // The task owns the queue's sender, so the thread ends with it.
        self.assembly.abort();
    }
}

/// Puts frames together and hands them to the decoder.
async fn assemble(
    mut packets: mpsc::Receiver<RtpPacket>,
    frames: SyncSender<AssembledFrame>,
    shared: Arc<Shared>,
) {
    let mut buffer = JitterBuffer::new(Config::default());
    loop {
        let deadline = buffer.poll_timeout();
        let input = tokio::select! {
            packet = packets.recv() => match packet {
                Some(packet) => Input::Packet(packet),
                None => return,
            },
            () = crate::at(deadline) => Input::Timeout,
            () = shared.decode_failed.notified() => Input::DecodeFailed,
        };
        let now = Instant::now();
        if let Some(round_trip) = shared.peer.round_trip() {
            buffer.set_max_wait(Config::max_wait_for(round_trip));
        }
        buffer.handle(input, now);
        while let Some(output) = buffer.poll_output() {
            match output {
                Output::Frame(frame) => {
                    lock(&shared.figures).totals.frames_received += 1;
                    match frames.try_send(frame) {
                        Ok(()) => {}
                        Err(TrySendError::Full(_)) => {
                            lock(&shared.figures).dropped_in_decoding += 1;
                            buffer.handle(Input::DecodeFailed, now);
                        }
                        Err(TrySendError::Disconnected(_)) => return,
                    }
                }
                Output::KeyframeRequest if shared.is_seen.load(Ordering::Relaxed) => {
                    shared.peer.request_keyframe(shared.pictures);
                }
                Output::KeyframeRequest => {}
            }
        }
        lock(&shared.figures).dropped_in_assembly = buffer.counters().frames_dropped;
    }
}

/// The thread's own state.
struct Decoding<'a> {
    shared: &'a Shared,
    /// For the codec of the newest frame.
    decoder: Option<(VideoCodec, Box<dyn VideoDecoder>)>,
    waiting: WaitingFrames,
    playout: Playout<Decoded>,
    /// Frames that were queued behind a broken one are worth nothing until a keyframe.
    needs_keyframe: bool,
    /// Whether the last frame was left undecoded because nobody would have seen it.
    is_resting: bool,
}

/// A picture, and its way so far.
struct Decoded {
    picture: Arc<VideoFrame>,
    way: WayIn,
}

impl<'a> Decoding<'a> {
    fn new(shared: &'a Shared) -> Self {
        Self {
            shared,
            decoder: None,
            waiting: WaitingFrames::default(),
            playout: Playout::new(),
            needs_keyframe: false,
            is_resting: false,
        }
    }

    fn run(&mut self, queue: &Receiver<AssembledFrame>) {
        while !self.shared.is_over.load(Ordering::Acquire) {
            let now = Instant::now();
            let due = [self.playout.poll_timeout(), self.waiting.poll_timeout()];
            let due = due.into_iter().flatten().min();
            let wait = due.map_or(IDLE_CHECK, |due| due.saturating_duration_since(now));
            match queue.recv_timeout(wait.min(IDLE_CHECK)) {
                Ok(frame) => self.take_in(frame),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while let Ok(frame) = queue.try_recv() {
                self.take_in(frame);
            }
            if let Some(frame) = self.waiting.poll_output(Instant::now()) {
                self.decode(&frame);
            }
            if let Some(decoded) = self.playout.poll_output(Instant::now()) {
                self.show(decoded);
            }
        }
    }

    fn take_in(&mut self, frame: AssembledFrame) {
        let dropped = self.waiting.insert(frame, Instant::now());
        if dropped > 0 {
            tracing::debug!(dropped, "the decoder does not keep up");
            lock(&self.shared.figures).dropped_in_decoding += dropped;
            self.needs_keyframe = true;
            self.shared.decode_failed.notify_one();
        }
    }

    fn decode(&mut self, frame: &AssembledFrame) {
        if !self.shared.is_seen.load(Ordering::Relaxed) {
            self.is_resting = true;
            return;
        }
        if std::mem::take(&mut self.is_resting) && !frame.is_keyframe {
            // A partner who does not know that nobody looked has gone on sending, and has to be asked for one.
            self.needs_keyframe = true;
            self.shared.decode_failed.notify_one();
        }
        if self.needs_keyframe && !frame.is_keyframe {
            lock(&self.shared.figures).dropped_in_decoding += 1;
            return;
        }
        let decoding_at = Instant::now();
        {
            let mut running = lock(&self.shared.figures);
            running.held_back += decoding_at.saturating_duration_since(frame.first_packet_at);
            running.held_back_count += 1;
        }
        let Some(decoder) = self.decoder(frame.codec) else {
            return;
        };
        match decoder.decode(&frame.data) {
            Ok(Some(picture)) => {
                self.needs_keyframe = false;
                let now = Instant::now();
                let play_at = self.shared.lip_sync.picture_play_at(frame.timestamp, now);
                let decoded = Decoded {
                    picture: Arc::new(picture),
                    way: WayIn {
                        timestamp: frame.timestamp,
                        first_packet_at: frame.first_packet_at,
                        completed_at: frame.completed_at,
                        decoding_at,
                        decoded_at: now,
                        shown_at: now,
                    },
                };
                self.playout.insert(decoded, play_at, now);
                let totals = &mut lock(&self.shared.figures).totals;
                totals.frames_decoded += 1;
                totals.codec = Some(frame.codec);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(%error, "a frame could not be decoded");
                self.needs_keyframe = true;
                lock(&self.shared.figures).dropped_in_decoding += 1;
                self.shared.decode_failed.notify_one();
            }
        }
    }

    /// The decoder for this codec. Another one than before begins anew, with the keyframe at which the partner has changed.
    fn decoder(&mut self, codec: VideoCodec) -> Option<&mut Box<dyn VideoDecoder>> {
        let kept = self.decoder.take_if(|(kept, _)| *kept == codec);
        let decoder = match kept {
            Some((_, decoder)) => decoder,
            None => codecs::video_decoder(codec)
                .inspect_err(|error| tracing::error!(%error, "the partner stays unseen"))
                .ok()?,
        };
        let (_, decoder) = self.decoder.insert((codec, decoder));
        Some(decoder)
    }

    fn show(&self, Decoded { picture, way }: Decoded) {
        let latency = latency(&picture);
        {
            let mut running = lock(&self.shared.figures);
            if self.shared.is_over.load(Ordering::Acquire) {
                return;
            }
            let size = (picture.width_px(), picture.height_px());
            running
                .totals
                .first_frame_at
                .get_or_insert_with(Instant::now);
            running.totals.size_px = Some(size);
            if let Some(latency) = latency
                && running.latencies.len() < LATENCIES_LIMIT
            {
                running.latencies.push(latency);
            }
            self.shared.remote.put(picture);
        }
        self.shared.ways.shown(WayIn {
            shown_at: Instant::now(),
            ..way
        });
        (self.shared.wake)();
    }
}

/// How old a picture is that carries its capture time. Means something only if both sides have the same clock.
fn latency(picture: &VideoFrame) -> Option<Duration> {
    let mark = read_mark(picture)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let latency = now.checked_sub(Duration::from_micros(mark.capture_time_us))?;
    (latency < OLDEST_PICTURE).then_some(latency)
}

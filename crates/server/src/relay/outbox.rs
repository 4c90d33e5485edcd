//! What the worker has for a client behind TCP or TLS. Bounded: the oldest media is dropped for the newest.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use tokio::sync::Notify;

/// The most bytes of media that wait: half a second of a call at its best.
const MAX_MEDIA: usize = 192 * 1024;
/// The most bytes of answers that wait. A client that has asked for more and reads none is cut off.
const MAX_ANSWERS: usize = 16 * 1024;

/// What waits for a client.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    filled: Notify,
    /// Whether the client has an allocation. One that has none is cut off after a while.
    pub(super) is_used: AtomicBool,
    is_cut: AtomicBool,
    cut: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Frame>,
    media: usize,
    answers: usize,
}

#[derive(Debug)]
struct Frame {
    bytes: Box<[u8]>,
    is_media: bool,
}

impl Outbox {
    /// Adds a frame, unless the client is cut off. Returns how many frames of media were dropped.
    pub(super) fn push(&self, bytes: &[u8], is_media: bool) -> u64 {
        let mut dropped = 0;
        {
            let mut queue = self.lock();
            if self.is_cut.load(Relaxed) {
                return u64::from(is_media);
            }
            if is_media {
                queue.media += bytes.len();
                while queue.media > MAX_MEDIA && queue.drop_oldest_media() {
                    dropped += 1;
                }
            } else {
                queue.answers += bytes.len();
                if queue.answers > MAX_ANSWERS {
                    self.is_cut.store(true, Relaxed);
                    *queue = Queue::default();
                    drop(queue);
                    self.cut.notify_one();
                    self.filled.notify_one();
                    return 0;
                }
            }
            queue.frames.push_back(Frame {
                bytes: bytes.into(),
                is_media,
            });
        }
        self.filled.notify_one();
        dropped
    }

    /// Waits until there is something, and moves up to `room` bytes of it to the end of `bytes`, or one frame if that
    /// is longer. `false` if the client is cut off.
    pub(super) async fn drain(&self, bytes: &mut Vec<u8>, room: usize) -> bool {
        loop {
            if self.is_cut.load(Relaxed) {
                return false;
            }
            self.lock().drain(bytes, room);
            if !bytes.is_empty() {
                return true;
            }
            self.filled.notified().await;
        }
    }

    /// Completes when the client is cut off.
    pub(super) async fn cut(&self) {
        while !self.is_cut.load(Relaxed) {
            self.cut.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn drain(&mut self, bytes: &mut Vec<u8>, room: usize) {
        while let Some(frame) = self.frames.front() {
            if !bytes.is_empty() && bytes.len() + frame.bytes.len() > room {
                return;
            }
            bytes.extend_from_slice(&frame.bytes);
            self.forget(frame.bytes.len(), frame.is_media);
            self.frames.pop_front();
        }
    }

    fn drop_oldest_media(&mut self) -> bool {
        let Some(at) = self.frames.iter().position(|frame| frame.is_media) else {
            return false;
        };
        if let Some(frame) = self.frames.remove(at) {
            self.forget(frame.bytes.len(), true);
        }
        true
    }

    const fn forget(&mut self, len: usize, is_media: bool) {
        let sum = if is_media {
            &mut self.media
        } else {
            &mut self.answers
        };
        *sum -= len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_media_and_all_answers_survive_a_client_that_does_not_read() {
        let outbox = Outbox::default();
        outbox.push(&[0xff; 100], false);
        let dropped: u64 = (0..1000_u32)
            .map(|i| outbox.push(&[i.to_be_bytes(); 300].concat(), true))
            .sum();

        let mut bytes = Vec::new();
        assert!(outbox.drain(&mut bytes, usize::MAX).await);
        assert_eq!(bytes[..100], [0xff; 100]);
        assert_eq!(bytes.len(), 100 + (1000 - dropped as usize) * 1200);
        assert!(bytes.len() <= 100 + MAX_MEDIA);
        assert_eq!(bytes[bytes.len() - 4..], 999_u32.to_be_bytes());
    }

    #[tokio::test]
    async fn a_client_that_asks_and_does_not_read_is_cut_off() {
        let outbox = Outbox::default();
        for _ in 0..=MAX_ANSWERS / 100 {
            outbox.push(&[0; 100], false);
        }

        assert!(!outbox.drain(&mut Vec::new(), 1000).await);
        outbox.cut().await;
        // Nobody will take it.
        assert_eq!(outbox.push(&[0; 100], true), 1);
        assert_eq!(outbox.push(&[0; 100], false), 0);
        assert!(outbox.lock().frames.is_empty());
    }

    #[tokio::test]
    async fn it_comes_out_in_pieces_that_fit() {
        let outbox = Outbox::default();
        for _ in 0..5 {
            outbox.push(&[0; 400], true);
        }

        for expected in [800, 800, 400] {
            let mut bytes = Vec::new();
            assert!(outbox.drain(&mut bytes, 1000).await);
            assert_eq!(bytes.len(), expected);
        }
    }
}

//! The four media paths, each one readable loop of calls: what happens to a frame is decided in `media` and `codecs`.

mod bit_shares;
mod codec_choice;
mod encoding;
mod own_view;
mod played;
mod plenty;
mod rates;
mod receive_audio;
mod receive_video;
mod send_audio;
mod send_video;
mod volume;
mod wish;

pub(crate) use bit_shares::BitShares;
pub(crate) use encoding::{SentPictures, Stream};
pub(crate) use own_view::OwnView;
pub(crate) use played::Played;
pub(crate) use rates::Rates;
pub(crate) use receive_audio::{Playback, ReceiveAudio};
pub(crate) use receive_video::ReceiveVideo;
pub(crate) use send_audio::SendAudio;
pub(crate) use send_video::SendVideo;

use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Tells the window that there is something new to draw.
pub(crate) type Wake = Arc<dyn Fn() + Send + Sync>;

/// Locks a mutex whose value stays whole when a holder panics.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

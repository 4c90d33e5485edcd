//! A screen beside the camera. Its stream is added to the connection when a screen is shared for the first time, which both sides then
//! negotiate about; afterwards it costs nothing while nothing is sent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use media::video::{EncodedFrame, VideoCodec};
use tokio::sync::mpsc;
use webrtc::error::Result;
use webrtc::peer_connection::PeerConnection;

use crate::handler::Tasks;
use crate::send::OutboundStream;
use crate::setup;
use crate::supervisor::Senders;

/// The way out for pictures of a screen.
pub(crate) struct Sharing {
    /// Until it is needed.
    waiting: Mutex<Option<Waiting>>,
    senders: Arc<Senders>,
    /// In order of preference.
    video_codecs: Vec<VideoCodec>,
}

struct Waiting {
    stream: OutboundStream,
    frames: mpsc::Receiver<EncodedFrame>,
}

impl Sharing {
    pub(crate) fn new(
        stream: OutboundStream,
        frames: mpsc::Receiver<EncodedFrame>,
        senders: Arc<Senders>,
        video_codecs: Vec<VideoCodec>,
    ) -> Self {
        Self {
            waiting: Mutex::new(Some(Waiting { stream, frames })),
            senders,
            video_codecs,
        }
    }

    /// Adds the stream to the connection, once. The stack says then that there is something to negotiate.
    ///
    /// # Errors
    /// When the stack refuses. The next attempt may do better.
    pub(crate) async fn begin(&self, connection: &dyn PeerConnection, tasks: &Tasks) -> Result<()> {
        // Held all the time, so that nobody else begins meanwhile.
        let mut senders = self.senders.lock().await;
        let Some(Waiting { stream, frames }) = self.waiting().take() else {
            return Ok(());
        };
        let added = connection
            .add_track(Arc::clone(&stream.track) as Arc<_>)
            .await;
        let sender = match added {
            Ok(sender) => sender,
            Err(error) => {
                *self.waiting() = Some(Waiting { stream, frames });
                return Err(error);
            }
        };
        senders.push((stream.kind, Arc::clone(&sender)));
        tasks.spawn(stream.send_frames(frames));
        setup::allow_codecs(connection, sender.as_ref(), &self.video_codecs).await
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! RTP packets in, in whatever order they come.
//!
//! Retransmissions arrive here in the shape of what they repeat: the stack has taken them apart. Some are duplicates.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use media::{Codec, RtpPacket};
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use tokio::sync::{Notify, mpsc};
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};

use crate::MediaKind;
use crate::payload_types::InboundTypes;
use crate::stats::Counters;

/// Packets that wait for their reader: a large keyframe and more.
pub(crate) const QUEUE_PACKETS: usize = 512;

/// Where the packets of one kind go.
#[derive(Debug)]
pub(crate) struct InboundStream {
    pub(crate) kind: MediaKind,
    pub(crate) packets: mpsc::Sender<RtpPacket>,
    pub(crate) keyframe_wanted: Arc<Notify>,
    pub(crate) types: Arc<InboundTypes>,
    pub(crate) counters: Arc<Counters>,
}

impl InboundStream {
    /// Passes on packets, and keyframe requests the other way, until the track ends.
    pub(crate) async fn run(self, track: Arc<dyn TrackRemote>) {
        let mut ssrc = None;
        loop {
            tokio::select! {
                event = track.poll() => match event {
                    Some(TrackRemoteEvent::OnRtpPacket(packet)) => {
                        ssrc = Some(packet.header.ssrc);
                        self.pass_on(packet);
                    }
                    None | Some(TrackRemoteEvent::OnEnded) => return,
                    Some(_) => {}
                },
                () = self.keyframe_wanted.notified(), if ssrc.is_some() => {
                    let media_ssrc = ssrc.unwrap_or_default();
                    let request = PictureLossIndication { sender_ssrc: 0, media_ssrc };
                    if let Err(error) = track.write_rtcp(vec![Box::new(request)]).await {
                        tracing::debug!(%error, "a keyframe request was not sent");
                    }
                }
            }
        }
    }

    fn pass_on(&self, packet: rtc::rtp::Packet) {
        let codec = match self.kind {
            MediaKind::Audio => Some(Codec::Opus),
            MediaKind::Video | MediaKind::Screen => {
                let codec = self.types.codec(packet.header.payload_type);
                codec.map(Codec::Video)
            }
        };
        let Some(codec) = codec else {
            return self.count_dropped();
        };
        let packet = RtpPacket {
            codec,
            sequence_number: packet.header.sequence_number,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            payload: packet.payload,
            arrived_at: Instant::now(),
        };
        if self.packets.try_send(packet).is_err() {
            self.count_dropped();
        }
    }

    fn count_dropped(&self) {
        let counters = self.counters.of(self.kind);
        counters.packets_dropped.fetch_add(1, Ordering::Relaxed);
    }
}

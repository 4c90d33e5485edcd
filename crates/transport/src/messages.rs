//! The message channel: ordered, reliable text between the two peers (RFC 8831).

use std::sync::Arc;

use protocol::limits::PEER_MESSAGE_BYTES;
use tokio::sync::{Notify, mpsc};
use webrtc::data_channel::{DataChannel, DataChannelEvent, RTCDataChannelMessage};

use crate::PeerEvent;
use crate::events::EventSink;

/// The channel's label. Others that a partner opens are ignored.
pub(crate) const LABEL: &str = "passerby";

/// Messages that wait to be sent.
pub(crate) const QUEUE_MESSAGES: usize = 32;

/// Carries messages both ways until the channel closes or the peer is dropped.
pub(crate) async fn run(
    channel: Arc<dyn DataChannel>,
    outgoing: mpsc::Receiver<String>,
    events: EventSink,
) {
    let is_open = Notify::new();
    tokio::select! {
        () = read(channel.as_ref(), &events, &is_open) => {}
        () = write(channel.as_ref(), outgoing, &is_open) => {}
    }
}

async fn read(channel: &dyn DataChannel, events: &EventSink, is_open: &Notify) {
    while let Some(event) = channel.poll().await {
        match event {
            DataChannelEvent::OnOpen => {
                events.post(PeerEvent::MessageChannelOpen);
                is_open.notify_one();
            }
            DataChannelEvent::OnMessage(message) => {
                let Some(text) = text(&message) else {
                    tracing::debug!(
                        len_bytes = message.data.len(),
                        "a message is no acceptable text"
                    );
                    continue;
                };
                if !events.deliver(PeerEvent::Message(text)).await {
                    return;
                }
            }
            DataChannelEvent::OnClose => return,
            _ => {}
        }
    }
}

async fn write(channel: &dyn DataChannel, mut outgoing: mpsc::Receiver<String>, is_open: &Notify) {
    is_open.notified().await;
    while let Some(text) = outgoing.recv().await {
        if let Err(error) = channel.send_text(&text).await {
            tracing::debug!(%error, "the message channel takes no more");
            return;
        }
    }
}

fn text(message: &RTCDataChannelMessage) -> Option<String> {
    if !message.is_string || message.data.len() > PEER_MESSAGE_BYTES {
        return None;
    }
    std::str::from_utf8(&message.data).ok().map(str::to_owned)
}

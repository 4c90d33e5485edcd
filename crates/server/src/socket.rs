//! A WebSocket whose buffers are given back when it is quiet.
//!
//! Both buffers of a `tungstenite` WebSocket stay as large as its largest frame has made them, and a description is larger than
//! all else that a connection takes of memory. There is no way to shrink them; but where nothing is in them, a new WebSocket on
//! the same stream goes on where the old one was. Nothing is in the one that is written from once it is flushed. Nothing is in
//! the one that is read into if all bytes that came are those of the messages that came, which is counted here.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        protocol::{Role, WebSocketConfig},
    },
};

/// How much is read at once, and how large the buffer for it is at first.
const READ_BUFFER: usize = 1024;
/// How much may be gathered before it is written.
const WRITE_BUFFER: usize = 16 * 1024;

/// The limits of a WebSocket. The read buffer's default of 128 KiB would be most of the memory of a connection.
fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(4 * protocol::limits::FRAME_BYTES)
        .max_message_size(Some(protocol::limits::FRAME_BYTES))
        .max_frame_size(Some(protocol::limits::FRAME_BYTES))
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Socket<S> {
    /// Is there between any two calls. Boxed, since tasks keep a copy for each function that a socket goes through.
    inner: Option<Box<WebSocketStream<Counted<S>>>>,
    /// Bytes of the messages that came, each in a frame as short as can be.
    came: u64,
    /// Bytes that were added since the last flush.
    fed: usize,
    /// Whether so much went either way at once since the buffers were new that one of them is larger now.
    has_grown: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// The server's end of a stream after the handshake.
    pub(crate) async fn new(stream: S) -> Self {
        let stream = Counted { stream, read: 0 };
        let inner = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config())).await;
        Self {
            inner: Some(Box::new(inner)),
            came: 0,
            fed: 0,
            has_grown: false,
        }
    }

    fn inner(&mut self) -> &mut WebSocketStream<Counted<S>> {
        self.inner.as_mut().expect("it is there between two calls")
    }

    /// The next message; `None` at the end. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Option<tungstenite::Result<Message>> {
        let read = self.inner().next().await;
        if let Some(Ok(message)) = &read {
            self.came += frame_len(message.len());
            self.has_grown |= message.len() > READ_BUFFER;
        }
        read
    }

    /// Adds a message to what is written at the next [`flush`](Self::flush), or earlier.
    pub(crate) async fn feed(&mut self, message: Message) -> tungstenite::Result<()> {
        self.fed += message.len();
        self.has_grown |= self.fed > READ_BUFFER;
        self.inner().feed(message).await
    }

    /// Writes all that there is to write.
    pub(crate) async fn flush(&mut self) -> tungstenite::Result<()> {
        self.fed = 0;
        self.inner().flush().await
    }

    /// Whether the buffers have grown and nothing is in the one that is read into.
    pub(crate) fn can_shrink(&mut self) -> bool {
        self.has_grown && self.inner().get_ref().read == self.came
    }

    /// Gives the memory of the buffers back, if they [can be](Self::can_shrink). All must be [flushed](Self::flush), also the answer
    /// to a ping that was read last.
    pub(crate) async fn shrink(&mut self) {
        if !self.can_shrink() {
            return;
        }
        if let Some(inner) = self.inner.take() {
            *self = Self::new(inner.into_inner().stream).await;
        }
    }

    /// For the last words.
    pub(crate) fn into_inner(self) -> WebSocketStream<impl AsyncRead + AsyncWrite + Unpin> {
        *self.inner.expect("it is there between two calls")
    }
}

/// Bytes of what every client's frame begins with.
const FLAGS_LENGTH_AND_MASK: usize = 2 + 4;

/// Bytes of a client's frame with a payload of `len`, as short as can be (RFC 6455 section 5.2). One that a client has cut in
/// pieces, or told the length of in more bytes than it takes, is longer: then the buffer never seems empty.
const fn frame_len(len: usize) -> u64 {
    let extended = match len {
        ..126 => 0,
        126..65_536 => 2,
        _ => 8,
    };
    (FLAGS_LENGTH_AND_MASK + extended + len) as u64
}

/// Counts what is read.
#[derive(Debug)]
struct Counted<S> {
    stream: S,
    read: u64,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.read += (buffer.filled().len() - before) as u64;
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    async fn ends() -> (DuplexStream, Socket<DuplexStream>) {
        let (client, server) = duplex(1 << 20);
        (client, Socket::new(server).await)
    }

    /// A client's frame as short as can be (RFC 6455 section 5.2), with a mask that changes nothing.
    fn frame(first_byte: u8, text: &str) -> Vec<u8> {
        let len = text.len();
        let mut bytes = vec![first_byte];
        match len {
            ..126 => bytes.push(0x80 | len as u8),
            126..65_536 => {
                bytes.push(0xfe);
                bytes.extend((len as u16).to_be_bytes());
            }
            _ => {
                bytes.push(0xff);
                bytes.extend((len as u64).to_be_bytes());
            }
        }
        bytes.extend([0; 4]);
        bytes.extend(text.as_bytes());
        bytes
    }

    fn text_frame(text: &str) -> Vec<u8> {
        frame(0x81, text)
    }

    async fn heard(socket: &mut Socket<DuplexStream>) -> String {
        let message = socket.next().await.unwrap().unwrap();
        message.into_text().unwrap().to_string()
    }

    #[tokio::test]
    async fn buffers_that_are_empty_are_given_back_after_frames_of_any_length() {
        let (mut client, mut socket) = ends().await;
        for len in [1_025, 5_000, 65_535, 65_536] {
            for small in [0, 1, 125, 126, 127] {
                let text = "x".repeat(small);
                client.write_all(&text_frame(&text)).await.unwrap();
                assert_eq!(heard(&mut socket).await.len(), small);
                assert!(!socket.has_grown);
            }
            let text = "x".repeat(len);
            client.write_all(&text_frame(&text)).await.unwrap();
            assert_eq!(heard(&mut socket).await.len(), len);
            assert!(socket.has_grown);

            socket.shrink().await;

            assert!(!socket.has_grown, "{len} bytes");
        }
    }

    #[tokio::test]
    async fn nothing_is_lost_that_has_come_and_was_not_heard_yet() {
        let (mut client, mut socket) = ends().await;
        let (second, third) = (text_frame("second"), text_frame("third"));
        let first = "first".repeat(READ_BUFFER);
        let bytes = [text_frame(&first), second, third[..3].to_vec()].concat();
        client.write_all(&bytes).await.unwrap();
        assert_eq!(heard(&mut socket).await, first);

        socket.shrink().await;
        assert!(socket.has_grown);
        assert_eq!(heard(&mut socket).await, "second");

        socket.shrink().await;
        assert!(socket.has_grown);
        client.write_all(&third[3..]).await.unwrap();
        assert_eq!(heard(&mut socket).await, "third");

        socket.shrink().await;
        assert!(!socket.has_grown);
    }

    #[tokio::test]
    async fn a_message_in_pieces_keeps_the_buffers_and_loses_nothing() {
        let (mut client, mut socket) = ends().await;
        let long = "x".repeat(READ_BUFFER);
        let pieces = [frame(0x01, &long), frame(0x80, "two")];
        client.write_all(&pieces.concat()).await.unwrap();
        assert_eq!(heard(&mut socket).await, long + "two");

        socket.shrink().await;

        assert!(socket.has_grown);
        client.write_all(&text_frame("after")).await.unwrap();
        assert_eq!(heard(&mut socket).await, "after");
    }

    #[tokio::test]
    async fn what_was_fed_goes_out_when_it_is_flushed_and_in_order() {
        use tokio::io::AsyncReadExt as _;

        let (mut client, mut socket) = ends().await;
        for text in ["a", "b"] {
            socket.feed(Message::text(text)).await.unwrap();
        }
        socket.flush().await.unwrap();
        let mut bytes = [0; 6];
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes, *b"\x81\x01a\x81\x01b");
    }
}

//! The practical limit: a server that pairs whoever comes next and passes frames on unread. No limits, no heartbeat, no session,
//! no checks; but what any such server needs to be sparing: small read buffers, no Nagle, a new task after the handshake.

use std::{
    future::Future,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use anyhow::Context as _;
use futures_util::{SinkExt as _, StreamExt as _};
use protocol::{LeaveReason, Role, RoomId, ServerMessage};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::{
    WebSocketStream, accept_async_with_config,
    tungstenite::{Message, Utf8Bytes, protocol::WebSocketConfig},
};

use crate::certificate::Certificate;

/// How many frames may wait for a client.
const INBOX: usize = 64;

/// Two who are paired.
struct Room {
    name: RoomId,
    /// Set once, by whoever leaves first.
    is_closed: AtomicBool,
}

/// What one client's task tells another's.
enum Note {
    Matched(Arc<Room>, mpsc::Sender<Self>),
    Frame(Arc<Room>, Utf8Bytes),
    Left(Arc<Room>),
}

/// Who waits, if anybody does, and how many rooms there were.
#[derive(Default)]
struct Lobby {
    waiting: Option<mpsc::Sender<Note>>,
    rooms: u128,
}

type SharedLobby = Arc<Mutex<Lobby>>;

/// Serves until the process is ended. Says where on standard output, as `passerby-server` does.
pub(crate) async fn run(port: u16, certificate: Option<Certificate>) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let tls = certificate.map(|it| it.acceptor()).transpose()?;
    let scheme = if tls.is_some() { "wss" } else { "ws" };
    println!("listening on {scheme}://{}", listener.local_addr()?);
    let lobby = SharedLobby::default();
    loop {
        let (stream, _) = listener.accept().await.context("cannot accept")?;
        stream.set_nodelay(true)?;
        tokio::spawn(receive(stream, tls.clone(), Arc::clone(&lobby)));
    }
}

async fn receive(stream: TcpStream, tls: Option<TlsAcceptor>, lobby: SharedLobby) {
    // A client that goes away during its handshake is nobody's loss.
    match tls {
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                upgrade(stream, lobby).await;
            }
        }
        None => upgrade(stream, lobby).await,
    }
}

async fn upgrade<S>(stream: S, lobby: SharedLobby)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = WebSocketConfig::default().read_buffer_size(4096);
    if let Ok(socket) = accept_async_with_config(stream, Some(config)).await {
        // A task keeps the size of the largest thing that it waits for: this one's is the handshake.
        spawn_boxed(serve(socket, lobby));
    }
}

fn spawn_boxed(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

async fn serve<S>(mut socket: WebSocketStream<S>, lobby: SharedLobby)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (own, mut inbox) = mpsc::channel(INBOX);
    let mut seat: Option<(Arc<Room>, mpsc::Sender<Note>)> = None;
    loop {
        let answer = tokio::select! {
            note = inbox.recv() => match note {
                Some(Note::Matched(room, partner)) => {
                    let text = matched(&room, Role::Answerer);
                    seat = Some((room, partner));
                    text
                }
                Some(Note::Frame(room, text)) if is_at(seat.as_ref(), &room) => text,
                Some(Note::Left(room)) if is_at(seat.as_ref(), &room) => {
                    seat = None;
                    encoded(&ServerMessage::PartnerLeft { room: room.name, reason: LeaveReason::Next })
                }
                Some(Note::Frame(..) | Note::Left(_)) => continue,
                None => break,
            },
            read = socket.next() => match read {
                Some(Ok(Message::Text(text))) => {
                    if text.starts_with(r#"{"type":"hello""#) {
                        encoded(&welcome())
                    } else if text.starts_with(r#"{"type":"join""#) || text.starts_with(r#"{"type":"next""#) {
                        leave(seat.take());
                        match pair(&lobby, &own) {
                            Some((room, partner)) => {
                                let text = matched(&room, Role::Offerer);
                                seat = Some((room, partner));
                                text
                            }
                            None => encoded(&ServerMessage::Waiting { online: 1 }),
                        }
                    } else {
                        if let Some((room, partner)) = &seat {
                            let note = Note::Frame(Arc::clone(room), text);
                            // A partner who has gone takes nothing, which it is told itself.
                            drop(partner.send(note).await);
                        }
                        continue;
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => continue,
            },
        };
        if socket.send(Message::Text(answer)).await.is_err() {
            break;
        }
    }
    leave(seat);
    drop(socket.close(None).await);
}

fn is_at(seat: Option<&(Arc<Room>, mpsc::Sender<Note>)>, room: &Arc<Room>) -> bool {
    seat.is_some_and(|(own, _)| Arc::ptr_eq(own, room))
}

fn leave(seat: Option<(Arc<Room>, mpsc::Sender<Note>)>) {
    if let Some((room, partner)) = seat
        && !room.is_closed.swap(true, Relaxed)
    {
        // Full: it has not read for long and will find out when it answers.
        drop(partner.try_send(Note::Left(room)));
    }
}

/// A room with the one who waits; otherwise this one waits now.
fn pair(lobby: &SharedLobby, own: &mpsc::Sender<Note>) -> Option<(Arc<Room>, mpsc::Sender<Note>)> {
    let mut lobby = lobby.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(other) = lobby.waiting.take()
        && !other.is_closed()
        && !other.same_channel(own)
    {
        lobby.rooms += 1;
        let room = Arc::new(Room {
            name: RoomId::from_bytes(lobby.rooms.to_be_bytes()),
            is_closed: AtomicBool::new(false),
        });
        let note = Note::Matched(Arc::clone(&room), own.clone());
        if other.try_send(note).is_ok() {
            return Some((room, other));
        }
    }
    lobby.waiting = Some(own.clone());
    None
}

fn encoded(message: &ServerMessage) -> Utf8Bytes {
    protocol::encode(message).into()
}

const fn welcome() -> ServerMessage {
    ServerMessage::Welcome {
        version: protocol::VERSION,
        online: 1,
        session: None,
        resumed: None,
        challenge: None,
        capabilities: Vec::new(),
    }
}

fn matched(room: &Room, role: Role) -> Utf8Bytes {
    encoded(&ServerMessage::Matched {
        room: room.name,
        role,
        interests: Vec::new(),
        ice_servers: Vec::new(),
        path_policy: protocol::PathPolicy::Any,
        offer: None,
        handed_over: None,
        partner: None,
    })
}

//! One client's WebSocket, from its first frame to its end.
//!
//! Turns frames into messages for the hub, the hub's messages into frames, and bad behaviour into refusals. Whatever it
//! waits for has a limit.

use std::{
    net::IpAddr,
    pin::{Pin, pin},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use matchmaker::PeerId;
use protocol::{
    Challenge, ClientMessage, DecodeError, ErrorCode, PublicKey, Resume, ServerMessage, Signature,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
    time::{MissedTickBehavior, interval, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::{
    self, Bytes, Message, Utf8Bytes, protocol::frame::coding::CloseCode,
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{
    clients::About,
    counters::{Refusal, Total},
    ending::{Ending, received, say_farewell},
    hub::{Admission, HubInput},
    outbox::Frames,
    pace::Pace,
    rate_limit::{RateLimit, Verdict},
    safety::{KeyHash, Person, is_proof},
    socket::Socket,
    surroundings::{Paces, Surroundings, Whereabouts},
};

/// How many messages in a row a client may send that cannot be understood.
const MAX_STRIKES: u32 = 3;

/// Tells a client that the server is full.
pub(crate) async fn refuse_as_full<S: AsyncRead + AsyncWrite + Unpin>(socket: Socket<S>) {
    let full = Ending::Refused(CloseCode::Again, ErrorCode::Full, "the server is full");
    Box::pin(say_farewell(socket.into_inner(), full)).await;
}

/// Serves one client until it is gone.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: Socket<S>,
    from: Whereabouts,
    surroundings: &Surroundings,
) {
    surroundings.counters.connections.fetch_add(1, Relaxed);
    surroundings.counters.count(Total::Connections);
    let deadline = surroundings.settings.hello_deadline;
    let greeted = tokio::select! {
        () = surroundings.shutdown.cancelled() => Err(Ending::Restart),
        greeted = timeout(deadline, await_hello(&mut socket)) => greeted.unwrap_or(Err(
            Ending::Refused(CloseCode::Policy, ErrorCode::HelloExpected, "hello did not come in time"),
        )),
    };
    let ending = match greeted {
        Ok(hello) => converse(&mut socket, from, surroundings, hello).await,
        Err(ending) => ending,
    };
    debug!(?ending, "connection ends");
    surroundings.counters.connections.fetch_sub(1, Relaxed);
    if let Some(why) = ending.refusal() {
        surroundings.counters.refuse(why);
    }
    // Not a part of each connection's task from its beginning.
    Box::pin(say_farewell(socket.into_inner(), ending)).await;
}

/// What matters of a `hello`.
struct Hello {
    /// Which session it takes up.
    resume: Option<Resume>,
    takes_offer_ahead: bool,
    takes_work: bool,
}

/// Waits for a `hello` in a version that the server speaks.
async fn await_hello<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut Socket<S>,
) -> Result<Hello, Ending> {
    loop {
        let text = match received(socket.next().await)? {
            Message::Text(text) => text,
            Message::Ping(_) | Message::Pong(_) => continue,
            _ => {
                return Err(Ending::Refused(
                    CloseCode::Unsupported,
                    ErrorCode::Malformed,
                    BINARY,
                ));
            }
        };
        return match protocol::decode(&text) {
            Ok(ClientMessage::Hello {
                version: protocol::VERSION,
                resume,
                capabilities,
            }) => {
                let takes =
                    |ability: &str| capabilities.iter().any(|capability| capability == ability);
                Ok(Hello {
                    resume,
                    takes_offer_ahead: takes(protocol::TAKES_OFFER_AHEAD),
                    takes_work: takes(protocol::TAKES_WORK),
                })
            }
            Ok(ClientMessage::Hello { .. }) => Err(Ending::Refused(
                CloseCode::Policy,
                ErrorCode::UnsupportedVersion,
                "the server speaks version 1",
            )),
            Ok(_) | Err(_) => Err(Ending::Refused(
                CloseCode::Policy,
                ErrorCode::HelloExpected,
                "the first message must be hello",
            )),
        };
    }
}

const BINARY: &str = "messages are text frames";
const TOO_FAST: &str = "too many messages in too short a time: they are dropped";

/// Serves one who has said `hello`.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut Socket<S>,
    from: Whereabouts,
    surroundings: &Surroundings,
    hello: Hello,
) -> Ending {
    let about = About {
        host: from.host,
        takes_offer_ahead: hello.takes_offer_ahead,
        takes_work: hello.takes_work,
        person: Person::at(from.ip, !surroundings.limits(from.ip)),
    };
    let (peer, frames, cut, challenge, welcome) =
        match admission(surroundings, hello.resume, about).await {
            Ok(admission) if matches!(admission.welcome, ServerMessage::Banned { .. }) => {
                return Ending::Banned(Box::new(admission.welcome));
            }
            Ok(admission) => {
                let challenge = match &admission.welcome {
                    ServerMessage::Welcome { challenge, .. } => *challenge,
                    _ => None,
                };
                let welcome = protocol::encode(&admission.welcome);
                let Admission {
                    peer, frames, cut, ..
                } = admission;
                (peer, frames, cut, challenge, welcome)
            }
            Err(ending) => return ending,
        };
    let mut conversation = Conversation {
        socket,
        surroundings,
        peer,
        frames,
        cut,
        ip: from.ip,
        paces: from.paces,
        rate_limit: RateLimit::new(surroundings.settings.limits.frames, Instant::now()),
        bytes: Pace::new(Instant::now()),
        nexts: Pace::new(Instant::now()),
        put_off: None,
        strikes: 0,
        challenge,
        heard_at: Instant::now(),
    };
    let ending = conversation.run(welcome).await;
    let ended = HubInput::Ended {
        peer,
        frames: conversation.frames,
        is_loss: ending.is_loss(),
    };
    if surroundings.hub.send(ended).await.is_err() {
        debug!("the hub has stopped before the connection");
    }
    ending
}

async fn at(time: Option<Instant>) {
    if let Some(time) = time {
        sleep_until(time.into()).await;
    }
}

/// Asks the hub to let a client in. It answers at once, unless the session's older connection has to end first.
async fn admission(
    surroundings: &Surroundings,
    resume: Option<Resume>,
    about: About,
) -> Result<Admission, Ending> {
    let (admit, mut admission) = oneshot::channel();
    let greeted = HubInput::Greeted {
        resume,
        about,
        admit,
    };
    if surroundings.hub.send(greeted).await.is_err() {
        return Err(Ending::Restart);
    }
    match timeout(surroundings.settings.hello_deadline, &mut admission).await {
        Ok(Ok(admission)) => Ok(admission),
        Ok(Err(_)) if surroundings.shutdown.is_cancelled() => Err(Ending::Restart),
        // Yet another connection has taken up the session.
        Ok(Err(_)) => Err(Ending::Gone),
        Err(_) => {
            // What the hub sends from here on it gets back; what it has sent must not be dropped with the channel.
            admission.close();
            admission.try_recv().map_err(|_| Ending::Gone)
        }
    }
}

struct Conversation<'a, S> {
    socket: &'a mut Socket<S>,
    surroundings: &'a Surroundings,
    peer: PeerId,
    frames: Frames,
    /// Fires when the hub does not want to hear from this connection again.
    cut: CancellationToken,
    ip: IpAddr,
    paces: Arc<Paces>,
    rate_limit: RateLimit,
    bytes: Pace,
    nexts: Pace,
    /// What has to wait. Until then nothing else is read, so that the order stays and the client's own queue fills.
    put_off: Option<PutOff>,
    /// How many messages in a row could not be understood.
    strikes: u32,
    /// What is to be signed to prove a key. None once that was done.
    challenge: Option<Challenge>,
    heard_at: Instant,
}

/// See [`Conversation::put_off`].
struct PutOff {
    until: Instant,
    message: Option<ClientMessage>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<'_, S> {
    /// The task of a connection has room for whatever this may ever wait for, so what is rare is boxed where it is asked for.
    async fn run(&mut self, welcome: String) -> Ending {
        // It is no part of the session: each connection has its own.
        if let Err(ending) = self.write(Message::text(welcome)).await {
            return ending;
        }
        let mut heartbeat = interval(self.surroundings.settings.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let cut = self.cut.clone();
        let mut is_cut = pin!(cut.cancelled());
        let mut silence_is_over = pin!(sleep_until((self.heard_at + self.silence()).into()));
        loop {
            let put_off_until = self.put_off.as_ref().map(|put_off| put_off.until);
            // Later it is set when it goes off: to set it with every frame would cost more than the frame does.
            let gone_at = (self.heard_at + self.silence()).into();
            if silence_is_over.is_elapsed() || silence_is_over.deadline() > gone_at {
                silence_is_over.as_mut().reset(gone_at);
            }
            let step = tokio::select! {
                () = &mut is_cut => Err(Ending::Gone),
                frame = self.frames.next() => match frame {
                    Some(text) => self.write_waiting(text).await,
                    None if self.cut.is_cancelled() => Err(Ending::Gone),
                    None => Err(Ending::Restart),
                },
                () = at(put_off_until), if put_off_until.is_some() => self.on_put_off_is_over().await,
                read = self.socket.next(), if put_off_until.is_none() => match received(read) {
                    Ok(message) => self.on_frame(message).await,
                    Err(ending) => Err(ending),
                },
                _ = heartbeat.tick() => {
                    let ping = self.ping();
                    self.write(ping).await
                }
                () = &mut silence_is_over, if put_off_until.is_none() => {
                    Box::pin(self.on_silence()).await
                }
            };
            if let Err(ending) = step {
                return ending;
            }
            // At once, or a busy minute would leave every connection large, and freed memory between what is not free.
            if self.socket.can_shrink() {
                if let Err(ending) = self.flush().await {
                    return ending;
                }
                self.socket.shrink().await;
            }
        }
    }

    /// How long the client may be silent.
    fn silence(&self) -> Duration {
        let settings = &self.surroundings.settings;
        if self.frames.is_waiting() {
            settings.waiting_silence()
        } else {
            settings.silence()
        }
    }

    async fn on_silence(&mut self) -> Result<(), Ending> {
        // What came while the whole machine stood still is heard first.
        if let Some(read) = self.socket.next().now_or_never() {
            return self.on_frame(received(read)?).await;
        }
        // It may be in a room meanwhile.
        if self.heard_at.elapsed() < self.silence() {
            return Ok(());
        }
        self.surroundings.counters.refuse(Refusal::Silence);
        Err(Ending::Gone)
    }

    fn ping(&mut self) -> Message {
        Message::Ping(Bytes::copy_from_slice(&self.frames.session.ping()))
    }

    async fn on_frame(&mut self, frame: Message) -> Result<(), Ending> {
        let now = Instant::now();
        self.heard_at = now;
        let counters = &self.surroundings.counters;
        if frame.is_text() {
            // Whatever becomes of it: the client counts what it has sent.
            self.frames.session.count_received();
            counters.count(Total::FramesReceived);
            counters.add(Total::BytesReceived, frame.len() as u64);
        }
        let rate = self.surroundings.settings.limits.bytes;
        let delay = self.bytes.delay(frame.len() as u64, rate, now);
        if !delay.is_zero() {
            counters.refuse(Refusal::Bytes);
            self.put_off = Some(PutOff {
                until: now + delay,
                message: None,
            });
        }
        match self.rate_limit.judge(now) {
            Verdict::Take => {}
            Verdict::Drop => {
                counters.refuse(Refusal::FrameRate);
                return Ok(());
            }
            Verdict::DropAloud => {
                counters.refuse(Refusal::FrameRate);
                let refused = self.refuse(ErrorCode::TooFast, TOO_FAST.to_owned());
                return Box::pin(refused).await;
            }
            Verdict::Close => {
                return Err(Ending::Refused(
                    CloseCode::Policy,
                    ErrorCode::TooFast,
                    TOO_FAST,
                ));
            }
        }
        match frame {
            Message::Text(text) => match protocol::decode(&text) {
                Ok(message) => {
                    self.strikes = 0;
                    self.on_message(message).await
                }
                Err(error) => {
                    let code = match error {
                        DecodeError::Malformed(_) => ErrorCode::Malformed,
                        DecodeError::UnknownType(_) => ErrorCode::UnknownType,
                        DecodeError::TooLarge { .. } => ErrorCode::TooLarge,
                    };
                    Box::pin(self.on_nonsense(code, error.to_string())).await
                }
            },
            Message::Binary(_) => {
                let refused = self.on_nonsense(ErrorCode::Malformed, BINARY.to_owned());
                Box::pin(refused).await
            }
            Message::Pong(payload) => {
                self.frames.session.on_pong(&payload);
                Ok(())
            }
            Message::Ping(_) | Message::Close(_) | Message::Frame(_) => Ok(()),
        }
    }

    async fn on_message(&mut self, message: ClientMessage) -> Result<(), Ending> {
        if matches!(message, ClientMessage::Hello { .. }) {
            let words = "hello is said once".to_owned();
            return Box::pin(self.refuse(ErrorCode::AlreadyGreeted, words)).await;
        }
        if let ClientMessage::Identify { key, signature } = message {
            return Box::pin(self.on_identify(&key, &signature)).await;
        }
        if matches!(
            message,
            ClientMessage::Join { .. } | ClientMessage::Next { .. }
        ) {
            let now = Instant::now();
            let until = self.put_off.as_ref().map_or(now, |put_off| put_off.until);
            let until = until.max(now + self.next_delay(now));
            if until > now {
                let message = Some(message);
                self.put_off = Some(PutOff { until, message });
                return Ok(());
            }
        }
        self.say(message).await
    }

    /// Looks at a proof, here rather than at the hub: it takes a tenth of a millisecond. There is one in a session.
    async fn on_identify(&mut self, key: &PublicKey, signature: &Signature) -> Result<(), Ending> {
        let challenge = self.challenge.take();
        if !challenge.is_some_and(|challenge| is_proof(&challenge, key, signature)) {
            let words = "this is no proof of that key in this session";
            return Err(Ending::Refused(
                CloseCode::Policy,
                ErrorCode::BadProof,
                words,
            ));
        }
        let (peer, key) = (self.peer, KeyHash::of(key));
        let identified = HubInput::Identified { peer, key };
        let sent = self.surroundings.hub.send(identified).await;
        sent.map_err(|_| Ending::Restart)
    }

    /// How long a question for a partner has to wait.
    fn next_delay(&mut self, now: Instant) -> Duration {
        let counters = &self.surroundings.counters;
        let own = self
            .nexts
            .delay(1, self.surroundings.settings.limits.nexts, now);
        if !own.is_zero() {
            counters.refuse(Refusal::Nexts);
        }
        if !self.surroundings.limits(self.ip) {
            return own;
        }
        let of_address = self.paces.nexts.delay(self.ip, now);
        if !of_address.is_zero() {
            counters.refuse(Refusal::NextsPerIp);
        }
        own.max(of_address)
    }

    async fn on_put_off_is_over(&mut self) -> Result<(), Ending> {
        // Nobody has listened meanwhile.
        self.heard_at = Instant::now();
        match self.put_off.take().and_then(|put_off| put_off.message) {
            Some(message) => self.say(message).await,
            None => Ok(()),
        }
    }

    async fn say(&mut self, message: ClientMessage) -> Result<(), Ending> {
        // The place first, so that the task of each connection has no room for an input that waits.
        let place = self.surroundings.hub.reserve().await;
        place.map_err(|_| Ending::Restart)?.send(HubInput::Said {
            peer: self.peer,
            message,
        });
        Ok(())
    }

    async fn on_nonsense(&mut self, code: ErrorCode, words: String) -> Result<(), Ending> {
        self.strikes += 1;
        self.surroundings.counters.refuse(Refusal::Nonsense);
        self.refuse(code, words).await?;
        if self.strikes < MAX_STRIKES {
            return Ok(());
        }
        let words = "three messages in a row could not be understood";
        Err(Ending::Refused(CloseCode::Policy, code, words))
    }

    async fn refuse(&mut self, code: ErrorCode, message: String) -> Result<(), Ending> {
        let refusal = ServerMessage::Error {
            code,
            message,
            room: None,
        };
        // Those that are to be sent again come first, as they were said first.
        self.write_all().await?;
        self.frames.session.push(protocol::encode(&refusal).into());
        self.write_all().await
    }

    /// Writes what the session has to be written.
    async fn write_all(&mut self) -> Result<(), Ending> {
        while let Some(text) = self.frames.session.next() {
            self.feed_text(text).await?;
        }
        self.flush().await
    }

    /// Writes a frame and those that wait behind it, together.
    async fn write_waiting(&mut self, first: Utf8Bytes) -> Result<(), Ending> {
        let mut next = Some(first);
        while let Some(text) = next {
            self.feed_text(text).await?;
            next = self.frames.next_waiting();
        }
        self.flush().await
    }

    async fn feed_text(&mut self, text: Utf8Bytes) -> Result<(), Ending> {
        self.feed(Message::Text(text)).await?;
        if self.frames.session.is_ping_due() {
            let ping = self.ping();
            self.feed(ping).await?;
        }
        Ok(())
    }

    async fn write(&mut self, message: Message) -> Result<(), Ending> {
        self.feed(message).await?;
        self.flush().await
    }

    async fn feed(&mut self, message: Message) -> Result<(), Ending> {
        let fed = pin!(self.socket.feed(message));
        in_time(self.surroundings, &self.cut, fed).await
    }

    async fn flush(&mut self) -> Result<(), Ending> {
        let flushed = pin!(self.socket.flush());
        in_time(self.surroundings, &self.cut, flushed).await
    }
}

/// Waits until something is written, but not for a client that does not read or is cut off.
async fn in_time(
    surroundings: &Surroundings,
    cut: &CancellationToken,
    written: Pin<&mut impl Future<Output = tungstenite::Result<()>>>,
) -> Result<(), Ending> {
    tokio::select! {
        biased;
        // First, since it hardly ever has to wait, and to wait for the others costs more.
        written = timeout(surroundings.settings.write_deadline, written) => {
            if written.is_err() {
                surroundings.counters.refuse(Refusal::SlowReader);
            }
            match written {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) | Err(_) => Err(Ending::Gone),
            }
        }
        () = cut.cancelled() => Err(Ending::Gone),
    }
}

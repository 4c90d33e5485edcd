//! The WebSocket to the signalling server: connects, greets, carries messages and connects again.
//!
//! It decides nothing about the call. What it knows of the world it tells the session as [`SignallingEvent`]s. After a loss it
//! takes its session with the server up again (`docs/protocol.md`, section 6): then nothing that either side said is lost.

mod pace;
mod prepare;
mod socket;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use protocol::{ClientMessage, Ledger, LedgerLimits, Nonce, ResumeToken, ServerMessage};
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::work::Worker;
use crate::{BanNotice, Identity, SignallingProblem};
use pace::Pace;
use socket::{End, Greeting, Socket, banned, greet, is_stranded, read, write};

pub(crate) use prepare::prepare;

/// How often we show the server that we are alive, and make it show the same.
const PING_EVERY: Duration = Duration::from_secs(5);
/// How long nothing may arrive before the connection counts as dead: more than two pings.
const SILENCE_LIMIT: Duration = Duration::from_secs(12);
/// The same when there is reason to doubt: the network has changed, or the path to the partner is lost.
const DOUBTED_SILENCE: Duration = Duration::from_secs(1);
/// How long a good-bye may take to leave.
const GOODBYE_TIME: Duration = Duration::from_millis(200);
/// What is kept for a server that may not have received it: more than a negotiation.
const KEPT: LedgerLimits = LedgerLimits {
    frames: 128,
    bytes: 256 * 1024,
};
/// How many messages may wait to be sent. A whole negotiation has about thirty.
const OUTGOING_LIMIT: usize = 128;

/// What the session hears of the server.
#[derive(Debug)]
pub(crate) enum SignallingEvent {
    /// An attempt to connect began.
    Connecting,
    /// The server has greeted us, in a new session.
    Up {
        online: u32,
        /// Whether it takes reports.
        takes_reports: bool,
        /// Whether it passes on with what chat is signed.
        takes_chat_keys: bool,
    },
    /// The server does not want us. That it is away follows.
    Banned(BanNotice),
    /// The server has taken up our session.
    Back { online: u32 },
    /// Whether this machine works for the server, which has many newcomers. Over, too, when the connection is.
    Working(bool),
    /// The server said something.
    Message(ServerMessage),
    /// The connection is gone, or was not to be had. If there is a session, it may yet be taken up.
    Away {
        problem: SignallingProblem,
        retry_at: Instant,
    },
    /// There is no session any more.
    SessionLost,
}

/// A connection that renews itself until it is dropped. Then it says good-bye to the server, in the background.
#[derive(Debug)]
pub(crate) struct Signalling {
    outgoing: mpsc::Sender<ClientMessage>,
    doubt: Arc<Notify>,
}

impl Signalling {
    /// Begins to connect to `url`, and proves `identity` there. `events` gets at most a few messages a second; the task waits when it is full.
    pub(crate) fn connect(
        url: String,
        identity: Option<Identity>,
        events: mpsc::Sender<SignallingEvent>,
    ) -> Self {
        let (outgoing, queue) = mpsc::channel(OUTGOING_LIMIT);
        let doubt = Arc::<Notify>::default();
        tokio::spawn(run(url, identity, queue, events, Arc::clone(&doubt)));
        Self { outgoing, doubt }
    }

    /// There is reason to think that the connection is dead, or that it can be had again: look at once.
    pub(crate) fn doubt(&self) {
        self.doubt.notify_one();
    }

    /// Queues a message. One that finds the queue full is lost, as on a connection that has just broken.
    pub(crate) fn send(&self, message: ClientMessage) {
        if self.outgoing.try_send(message).is_err() {
            tracing::warn!("a signalling message was lost: the connection does not keep up");
        }
    }
}

impl Drop for Signalling {
    fn drop(&mut self) {
        // Ends whatever the task waits for; that nobody is left it sees by itself.
        self.doubt.notify_one();
    }
}

/// A session with the server, over all its connections.
struct Session {
    token: ResumeToken,
    grace: Duration,
    ledger: Ledger<String>,
}

async fn run(
    url: String,
    identity: Option<Identity>,
    mut outgoing: mpsc::Receiver<ClientMessage>,
    events: mpsc::Sender<SignallingEvent>,
    doubt: Arc<Notify>,
) {
    let mut session: Option<Session> = None;
    let mut lost_at = Instant::now();
    let mut pace = Pace::new(lost_at);
    loop {
        if events.send(SignallingEvent::Connecting).await.is_err() {
            return;
        }
        let greeting = loop {
            tokio::select! {
                greeting = greet(&url, session.as_ref()) => break greeting,
                // It began on a network that is gone, perhaps.
                () = doubt.notified() => if outgoing.is_closed() { return },
            }
        };
        let end = match greeting {
            Ok(greeting) => {
                let greeted_at = Instant::now();
                let challenge = greeting.challenge;
                let (mut socket, settled) = settle(&mut session, greeting);
                let Some(event) = settled else {
                    tracing::warn!("the server has a session that cannot go on");
                    say_goodbye(&mut socket).await;
                    if events.send(SignallingEvent::SessionLost).await.is_err() {
                        return;
                    }
                    continue;
                };
                if matches!(event, SignallingEvent::Up { .. }) {
                    // What was queued for the last session means nothing to this one.
                    while outgoing.try_recv().is_ok() {}
                }
                let proof = challenge
                    .filter(|_| matches!(event, SignallingEvent::Up { .. }))
                    .and_then(|challenge| identity.as_ref()?.prove(&url, &challenge));
                if events.send(event).await.is_err() {
                    return;
                }
                let ledger = session.as_mut().map(|session| &mut session.ledger);
                let end = carry(&mut socket, ledger, proof, &mut outgoing, &events, &doubt).await;
                if outgoing.is_closed() {
                    say_goodbye(&mut socket).await;
                    return;
                }
                lost_at = Instant::now();
                pace.on_lost(greeted_at, lost_at);
                if end.is_final {
                    session = None;
                }
                end
            }
            Err(problem) => problem,
        };
        if let Some(ban) = end.ban
            && events.send(SignallingEvent::Banned(ban)).await.is_err()
        {
            return;
        }
        let wait = end
            .wait
            .unwrap_or_else(|| pace.next_delay(Instant::now(), random_fraction()));
        tracing::info!(problem = ?end.problem, wait_ms = wait.as_millis(), "signalling is away");
        let retry_at = Instant::now() + wait;
        let away = SignallingEvent::Away {
            problem: end.problem,
            retry_at,
        };
        if events.send(away).await.is_err() {
            return;
        }
        let is_over = session
            .as_ref()
            .is_none_or(|session| retry_at >= lost_at + session.grace);
        if is_over {
            session = None;
            if events.send(SignallingEvent::SessionLost).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = sleep(wait) => {}
            () = doubt.notified() => if outgoing.is_closed() { return },
        }
    }
}

/// So that the server does not keep the session for somebody who will not come back.
async fn say_goodbye(socket: &mut Socket) {
    if timeout(GOODBYE_TIME, socket.close(None)).await.is_err() {
        tracing::debug!("the server did not take the good-bye");
    }
}

/// Takes the session up if the server did, or begins the new one. `None` if the server took up one that cannot go on, for what
/// it lacks is not kept any more: there is no session then.
fn settle(session: &mut Option<Session>, greeting: Greeting) -> (Socket, Option<SignallingEvent>) {
    let Greeting {
        socket,
        online,
        session: offered,
        resumed,
        challenge,
        takes_chat_keys,
    } = greeting;
    if let (Some(current), Some(received)) = (session.as_mut(), resumed) {
        if current.ledger.resume(received).is_ok() {
            return (socket, Some(SignallingEvent::Back { online }));
        }
        *session = None;
        return (socket, None);
    }
    *session = offered.map(|offered| Session {
        token: offered.token,
        grace: Duration::from_millis(offered.grace_ms),
        ledger: Ledger::new(KEPT),
    });
    let takes_reports = challenge.is_some();
    let event = SignallingEvent::Up {
        online,
        takes_reports,
        takes_chat_keys,
    };
    (socket, Some(event))
}

/// Carries messages both ways until the connection ends, `first` before all others.
async fn carry(
    socket: &mut Socket,
    mut ledger: Option<&mut Ledger<String>>,
    first: Option<ClientMessage>,
    outgoing: &mut mpsc::Receiver<ClientMessage>,
    events: &mpsc::Sender<SignallingEvent>,
    doubt: &Notify,
) -> End {
    let mut pings = tokio::time::interval(PING_EVERY);
    let mut heard_at = Instant::now();
    let mut doubted_at: Option<Instant> = None;
    let mut worker: Option<Worker> = None;
    let mut works = 0;
    if let Some(first) = first
        && let Some(message) = queued(&first, ledger.as_deref_mut())
        && let Err(end) = write(socket, message).await
    {
        return end;
    }
    loop {
        // What the server has not received of an earlier connection goes first.
        while let Some(frame) = ledger.as_mut().and_then(|ledger| ledger.next()) {
            if let Err(end) = write(socket, Message::text(frame)).await {
                return end;
            }
        }
        let is_ping_due = ledger.as_ref().is_some_and(|ledger| ledger.is_ping_due());
        let message = tokio::select! {
            biased;
            () = doubt.notified() => {
                if is_stranded(socket) {
                    return End {
                        wait: Some(Duration::ZERO),
                        ..SignallingProblem::Lost("the network has changed".to_owned()).into()
                    };
                }
                doubted_at = Some(Instant::now());
                ping(ledger.as_deref_mut())
            }
            () = std::future::ready(()), if is_ping_due => ping(ledger.as_deref_mut()),
            () = crate::at(doubted_at.map(|at| at + DOUBTED_SILENCE)) => {
                return SignallingProblem::Lost("the server does not answer".to_owned()).into();
            }
            frame = socket.next() => {
                heard_at = Instant::now();
                doubted_at = None;
                match (&frame, ledger.as_mut()) {
                    (Some(Ok(Message::Text(_))), Some(ledger)) => ledger.count_received(),
                    (Some(Ok(Message::Pong(payload))), Some(ledger)) => ledger.on_pong(payload),
                    _ => {}
                }
                match read(frame) {
                    Ok(Some(ServerMessage::Shutdown { reconnect_in_ms })) => {
                        let wait = Duration::from_millis(reconnect_in_ms.min(60_000));
                        return End {
                            problem: SignallingProblem::ShutDown,
                            wait: Some(wait),
                            is_final: true,
                            ban: None,
                        };
                    }
                    Ok(Some(ServerMessage::Banned { reason, until, appeal })) => {
                        return banned(reason, until, appeal);
                    }
                    Ok(Some(message)) => {
                        if let ServerMessage::Work(work) = &message
                            && !worker.as_ref().is_some_and(|worker| worker.does(work))
                        {
                            tracing::info!(bits = work.bits, "the server has many newcomers: we work");
                            worker = match Worker::start(*work, works) {
                                Ok(worker) => Some(worker),
                                Err(problem) => {
                                    return SignallingProblem::NotAServer(problem.to_string()).into();
                                }
                            };
                            works += 1;
                            if events.send(SignallingEvent::Working(true)).await.is_err() {
                                return closed_by_us();
                            }
                        }
                        if events.send(SignallingEvent::Message(message)).await.is_err() {
                            return closed_by_us();
                        }
                        continue;
                    }
                    Ok(None) => continue,
                    Err(end) => return end,
                }
            }
            found = found(&mut worker) => {
                worker = None;
                if events.send(SignallingEvent::Working(false)).await.is_err() {
                    return closed_by_us();
                }
                let worked = found.map(|nonce| ClientMessage::Worked { nonce });
                match worked.and_then(|worked| queued(&worked, ledger.as_deref_mut())) {
                    Some(message) => message,
                    None => continue,
                }
            }
            message = outgoing.recv() => {
                let Some(message) = message else { return closed_by_us() };
                // Who asks for nobody need not work. The server says it again when it is asked again.
                if matches!(message, ClientMessage::Leave { .. })
                    && worker.take().is_some()
                    && events.send(SignallingEvent::Working(false)).await.is_err()
                {
                    return closed_by_us();
                }
                match queued(&message, ledger.as_deref_mut()) {
                    Some(message) => message,
                    None => continue,
                }
            }
            _ = pings.tick() => {
                if heard_at.elapsed() > SILENCE_LIMIT {
                    return SignallingProblem::Lost("the server fell silent".to_owned()).into();
                }
                ping(ledger.as_deref_mut())
            }
        };
        if let Err(end) = write(socket, message).await {
            return end;
        }
    }
}

fn closed_by_us() -> End {
    SignallingProblem::Lost("closed by us".to_owned()).into()
}

/// Queues a message in the session or, where there is none, returns it as a frame to be written.
fn queued(message: &ClientMessage, ledger: Option<&mut Ledger<String>>) -> Option<Message> {
    let frame = protocol::encode(message);
    match ledger {
        Some(ledger) => {
            ledger.push(frame);
            None
        }
        None => Some(Message::text(frame)),
    }
}

/// Waits until the work is done, for ever if there is none.
async fn found(worker: &mut Option<Worker>) -> Option<Nonce> {
    match worker {
        Some(worker) => worker.found().await,
        None => std::future::pending().await,
    }
}

/// A ping that asks the server, in passing, how much has reached it.
fn ping(ledger: Option<&mut Ledger<String>>) -> Message {
    let payload = ledger.map_or_else(Vec::new, |ledger| ledger.ping().to_vec());
    Message::Ping(payload.into())
}

/// A number from 0 to 1, so that many clients do not come back in the same moment.
fn random_fraction() -> f64 {
    f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX)
}

//! The shell: carries out what a [`Node`](crate::Node) orders with a Redis server (7 or later, or what speaks like it), and tells what
//! comes of it.
//!
//! One connection asks, another one listens. Everything has a time-out; after the first one both connections are given up and made
//! anew. What waits is bounded: orders by their channel, what the bus brings by a limit of its own.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use redis::{
    AsyncConnectionConfig, Client, FromRedisValue, IntoConnectionInfo as _, Pipeline, RedisError,
    Value, aio::MultiplexedConnection, aio::PubSub, from_redis_value,
};
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tracing::{debug, info, warn};

use crate::{Answer, NodeId, Page, Question, ROSTER_EVERY, Ticket, Wish};

mod facts;

const ASK: &str = include_str!("ask.lua");
const WITHDRAW: &str = include_str!("withdraw.lua");
const LEASE: &str = include_str!("lease.lua");
const FACTS: &str = include_str!("facts.lua");

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long an answer may.
const CALL: Duration = Duration::from_secs(1);
/// How long a server counts as there that says no more that it is.
const LEASE_LASTS: Duration = Duration::from_secs(3);
/// How long nothing may come of the bus, which brings our own words back once a second.
const SILENCE: Duration = Duration::from_secs(3);
/// How long a ticket waits that is not offered again.
const TICKET_LIVES: Duration = Duration::from_secs(10);
/// How long it is known what has become of a ticket, and how long a queue is kept into which nobody comes.
const KEPT: Duration = Duration::from_secs(30);
/// How many of each queue a search looks at, the oldest first.
const SCANNED: usize = 24;
/// How many orders go at once.
const AT_ONCE: usize = 128;
/// How many packets of the bus may wait to be told. One more, and the connection is given up.
const BROUGHT: usize = 8192;
/// How long to wait before another attempt, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Where a Redis server is, and how one says who one is there. Shown without the password.
#[derive(Clone)]
pub struct Address(Client);

/// The text names no Redis server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It wants TLS.
    #[error(
        "this server speaks no TLS to Redis: put both into one private network, or a tunnel between them, and say redis://"
    )]
    Tls,
    /// It is something else.
    #[error("a URL is wanted, such as redis://:PASSWORD@10.0.0.5:6379/0")]
    Wrong,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        match scheme {
            Some("rediss" | "valkeys") => return Err(AddressError::Tls),
            Some("redis" | "valkey" | "redis+unix" | "unix") => {}
            _ => return Err(AddressError::Wrong),
        }
        let info = text
            .into_connection_info()
            .map_err(|_| AddressError::Wrong)?;
        Client::open(info)
            .map(Self)
            .map_err(|_| AddressError::Wrong)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.get_connection_info().addr().fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// What a Redis server is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Offer somebody.
    Ask(Box<Wish>),
    /// Offer a ticket no longer.
    Withdraw(Ticket),
    /// Bring something to another server.
    Send {
        /// To which.
        to: NodeId,
        /// What.
        packet: String,
    },
    /// Keep facts, and say which are new.
    Facts(Box<Question>),
}

/// What comes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Redis is there.
    Up,
    /// It is no more; what was asked and is not answered is not known.
    Lost,
    /// An answer to [`Order::Ask`].
    Answer {
        /// Of the ticket with this number.
        number: u64,
        /// What it is.
        answer: Answer,
    },
    /// The bus has brought a packet.
    Packet(String),
    /// An answer to [`Order::Facts`].
    Page {
        /// Of this shelf.
        shelf: &'static str,
        /// What it is.
        page: Page,
    },
    /// There are new facts on the shelf that is called so.
    Nudge(String),
    /// Which servers there are, this one too, each with what it says of itself.
    Roster(Vec<(NodeId, String)>),
}

/// What a node needs to be one of several.
#[derive(Clone)]
pub struct Membership {
    /// Where Redis is.
    pub address: Address,
    /// What all keys begin with: other installations at the same Redis have another word.
    pub prefix: String,
    /// Who this server is.
    pub me: NodeId,
    /// What it says of itself to the others.
    pub about_me: Arc<dyn Fn() -> String + Send + Sync>,
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership")
            .field("address", &self.address)
            .field("me", &self.me)
            .finish_non_exhaustive()
    }
}

/// Why a connection is given up.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Redis(#[from] RedisError),
    #[error("no answer in time")]
    Time,
    #[error("the connection for the bus was closed")]
    Closed,
    #[error("the bus brings more than this server can take")]
    TooMuch,
    #[error("an answer that was not understood")]
    Answer,
    /// The owner is gone.
    #[error("the end")]
    End,
}

/// Carries out `orders` until nobody gives any, and tells what comes of it.
pub async fn run<T: From<News>>(
    membership: Membership,
    mut orders: mpsc::Receiver<Order>,
    tell: mpsc::Sender<T>,
) {
    let mut wait = RETRY.0;
    let mut is_first = true;
    loop {
        let mut was_up = false;
        let failure = session(&membership, &mut orders, &tell, &mut was_up).await;
        if matches!(failure, Failure::End) {
            return;
        }
        if was_up || is_first {
            warn!("Redis is away, so that people meet those of this server alone: {failure}");
            wait = RETRY.0;
        }
        is_first = false;
        if tell.send(News::Lost.into()).await.is_err() {
            return;
        }
        // What was ordered for a connection that is gone is not wanted any more: when Redis is back, all is ordered anew.
        let pause = sleep(wait);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                order = orders.recv() => if order.is_none() { return },
            }
        }
        wait = (wait * 2).min(RETRY.1);
    }
}

async fn session<T: From<News>>(
    membership: &Membership,
    orders: &mut mpsc::Receiver<Order>,
    tell: &mpsc::Sender<T>,
    was_up: &mut bool,
) -> Failure {
    match connect(membership).await {
        Err(failure) => failure,
        Ok((desk, bus)) => {
            let (brought, packets) = mpsc::channel(BROUGHT);
            let result = tokio::select! {
                failure = desk.serve(orders, tell, was_up) => failure,
                failure = listen(bus, membership.for_all(), brought) => failure,
                failure = forward(packets, tell) => failure,
            };
            result.err().unwrap_or(Failure::End)
        }
    }
}

async fn within<T, E: Into<Failure>>(
    time: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    timeout(time, work)
        .await
        .map_err(|_| Failure::Time)?
        .map_err(Into::into)
}

async fn connect(membership: &Membership) -> Result<(Desk<'_>, PubSub), Failure> {
    let Address(client) = &membership.address;
    // All times are watched here.
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_connection_timeout(None);
    let connection = client.get_multiplexed_async_connection_with_config(&config);
    let mut connection = within(CONNECT, connection).await?;
    let mut hashes = [const { String::new() }; 4];
    for (hash, script) in hashes.iter_mut().zip([ASK, WITHDRAW, LEASE, FACTS]) {
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(script);
        *hash = within(CALL, load.query_async(&mut connection)).await?;
    }
    let mut bus = within(CONNECT, client.get_async_pubsub()).await?;
    let channels = [membership.channel(membership.me), membership.for_all()];
    within(CALL, bus.subscribe(&channels[..])).await?;
    let desk = Desk {
        membership,
        connection,
        hashes,
    };
    Ok((desk, bus))
}

impl Membership {
    /// All keys are on one shard of a Redis Cluster, since a script touches several.
    fn root(&self) -> String {
        format!("{{{}}}", self.prefix)
    }

    fn channel(&self, node: NodeId) -> String {
        format!("{}:to:{node}", self.root())
    }

    fn for_all(&self) -> String {
        format!("{}:all", self.root())
    }
}

/// The connection that asks.
struct Desk<'a> {
    membership: &'a Membership,
    connection: MultiplexedConnection,
    /// Of the four scripts.
    hashes: [String; 4],
}

/// What is asked for in one go, to know whose the answers are.
enum Asked {
    /// The ticket's number.
    Ticket(u64),
    Roster,
    Shelf(&'static str),
    Nothing,
}

impl Desk<'_> {
    async fn serve<T: From<News>>(
        mut self,
        orders: &mut mpsc::Receiver<Order>,
        tell: &mpsc::Sender<T>,
        was_up: &mut bool,
    ) -> Result<(), Failure> {
        // Before anybody is offered, the others must know that we are there.
        let mut pipe = Pipeline::new();
        let asked = self.add_lease(&mut pipe);
        let roster = self.call(&pipe, vec![asked]).await?;
        info!("Redis is there, and people meet those of the other servers too");
        *was_up = true;
        send(tell, News::Up).await?;
        for news in roster {
            send(tell, news).await?;
        }

        let mut ticks = interval(ROSTER_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(AT_ONCE);
        loop {
            let mut pipe = Pipeline::new();
            let mut asked = Vec::new();
            tokio::select! {
                _ = ticks.tick() => asked.push(self.add_lease(&mut pipe)),
                count = orders.recv_many(&mut batch, AT_ONCE) => if count == 0 {
                    return self.leave().await;
                },
            }
            for order in batch.drain(..) {
                self.add(order, &mut pipe, &mut asked);
            }
            for news in self.call(&pipe, asked).await? {
                // If the owner is gone, what it has ordered last is carried out yet.
                if tell.send(news.into()).await.is_err() {
                    debug!("nobody waits for an answer of Redis");
                }
            }
        }
    }

    /// This server is there no more.
    async fn leave(&mut self) -> Result<(), Failure> {
        let (root, me) = (self.membership.root(), self.membership.me.to_string());
        let mut pipe = Pipeline::new();
        pipe.cmd("ZREM")
            .arg(format!("{root}:nodes"))
            .arg(&me)
            .ignore();
        pipe.cmd("DEL").arg(format!("{root}:n:{me}")).ignore();
        self.call(&pipe, Vec::new()).await?;
        Err(Failure::End)
    }

    fn script(&self, pipe: &mut Pipeline, which: usize, arguments: &[String]) {
        pipe.cmd("EVALSHA")
            .arg(&self.hashes[which])
            .arg(1)
            .arg(self.membership.root());
        for argument in arguments {
            pipe.arg(argument);
        }
    }

    fn add_lease(&self, pipe: &mut Pipeline) -> Asked {
        let me = self.membership.me;
        let lasts = LEASE_LASTS.as_millis().to_string();
        let about_me = (self.membership.about_me)();
        self.script(pipe, 2, &[me.to_string(), lasts, about_me]);
        // Comes back by the bus: so we know that we hear.
        pipe.cmd("PUBLISH")
            .arg(self.membership.channel(me))
            .arg("")
            .ignore();
        Asked::Roster
    }

    fn add(&self, order: Order, pipe: &mut Pipeline, asked: &mut Vec<Asked>) {
        let ms = |time: Duration| time.as_millis().to_string();
        match order {
            Order::Ask(wish) => {
                let limits = [ms(TICKET_LIVES), ms(KEPT), SCANNED.to_string()];
                let arguments: Vec<String> = wish.arguments().into_iter().chain(limits).collect();
                self.script(pipe, 0, &arguments);
                asked.push(Asked::Ticket(wish.ticket.number));
            }
            Order::Withdraw(ticket) => {
                self.script(pipe, 1, &[ticket.to_string(), ms(KEPT)]);
                asked.push(Asked::Nothing);
            }
            Order::Send { to, packet } => {
                pipe.cmd("PUBLISH")
                    .arg(self.membership.channel(to))
                    .arg(packet)
                    .ignore();
            }
            Order::Facts(question) => {
                self.script(pipe, 3, &facts::arguments(&question));
                asked.push(Asked::Shelf(question.shelf.word));
            }
        }
    }

    /// Asks all in one go. `asked` has one entry for each answer that is not ignored.
    async fn call(&mut self, pipe: &Pipeline, asked: Vec<Asked>) -> Result<Vec<News>, Failure> {
        let answers: Vec<Value> = within(CALL, pipe.query_async(&mut self.connection)).await?;
        let mut news = Vec::with_capacity(answers.len());
        for (asked, value) in asked.into_iter().zip(answers) {
            match asked {
                Asked::Nothing => {}
                Asked::Ticket(number) => {
                    let answer = answer(&read::<String>(value)?).ok_or(Failure::Answer)?;
                    news.push(News::Answer { number, answer });
                }
                Asked::Shelf(shelf) => {
                    let page = facts::page(read(value)?).ok_or(Failure::Answer)?;
                    news.push(News::Page { shelf, page });
                }
                Asked::Roster => {
                    let mut texts = read::<Vec<String>>(value)?.into_iter();
                    let mut roster = Vec::new();
                    while let (Some(node), Some(about)) = (texts.next(), texts.next()) {
                        roster.extend(node.parse().ok().map(|node| (node, about)));
                    }
                    news.push(News::Roster(roster));
                }
            }
        }
        Ok(news)
    }
}

fn read<T: FromRedisValue>(value: Value) -> Result<T, Failure> {
    from_redis_value(value).map_err(|_| Failure::Answer)
}

/// What `ask.lua` says.
fn answer(text: &str) -> Option<Answer> {
    let mut words = text.split(' ');
    Some(match words.next()? {
        "waits" => Answer::Waits,
        "taken" => Answer::Taken,
        "withdrawn" => Answer::Withdrawn,
        "found" => Answer::Found {
            ticket: words.next()?.parse().ok()?,
            who: words.next()?.parse().ok()?,
        },
        _ => return None,
    })
}

async fn send<T: From<News>>(tell: &mpsc::Sender<T>, news: News) -> Result<(), Failure> {
    tell.send(news.into()).await.map_err(|_| Failure::End)
}

/// Takes from the bus whatever comes. The library's own queue has no bound, so that nothing may wait in it.
async fn listen(
    mut bus: PubSub,
    for_all: String,
    brought: mpsc::Sender<News>,
) -> Result<(), Failure> {
    let mut messages = bus.on_message();
    loop {
        let message = timeout(SILENCE, messages.next()).await;
        let message = message.map_err(|_| Failure::Time)?.ok_or(Failure::Closed)?;
        let Ok(text) = message.get_payload::<String>() else {
            continue;
        };
        // Our own word that we hear.
        if text.is_empty() {
            continue;
        }
        let is_for_all = message.get_channel_name() == for_all;
        let news = if is_for_all {
            News::Nudge(text)
        } else {
            News::Packet(text)
        };
        match brought.try_send(news) {
            // It ends when the orders do.
            Ok(()) | Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(_)) => return Err(Failure::TooMuch),
        }
    }
}

async fn forward<T: From<News>>(
    mut packets: mpsc::Receiver<News>,
    tell: &mpsc::Sender<T>,
) -> Result<(), Failure> {
    while let Some(news) = packets.recv().await {
        if tell.send(news.into()).await.is_err() {
            break;
        }
    }
    // The owner is gone, but not what it has ordered.
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password_and_a_wrong_one_is_explained() {
        let address: Address = "redis://:hush@192.0.2.1:7000/2"
            .parse()
            .expect("an address");
        assert_eq!(
            format!("{address} {address:?}")
                .matches("192.0.2.1:7000")
                .count(),
            2
        );
        assert!(!format!("{address} {address:?}").contains("hush"));
        for (text, wrong) in [
            ("rediss://192.0.2.1", AddressError::Tls),
            ("192.0.2.1:6379", AddressError::Wrong),
            ("http://192.0.2.1", AddressError::Wrong),
            ("redis://", AddressError::Wrong),
            ("redis://192.0.2.1/x", AddressError::Wrong),
        ] {
            assert_eq!(text.parse::<Address>().map(|_| ()), Err(wrong), "{text}");
        }
    }

    #[test]
    fn what_the_script_says_is_understood_and_nothing_else_is() {
        let name = |number: u64| format!("00000000000000aa.{number:016x}");
        let found = answer(&format!("found {} {}", name(1), name(2)));
        let Some(Answer::Found { ticket, who }) = found else {
            panic!("{found:?}");
        };
        assert_eq!((ticket.number, who.peer.0), (1, 2));
        assert_eq!(answer("waits"), Some(Answer::Waits));
        for wrong in ["", "found", "found x y", "who knows"] {
            assert_eq!(answer(wrong), None, "{wrong}");
        }
    }
}

//! What kind of NAT is between this machine and the servers? (RFC 4787, RFC 5780)
//!
//! One socket asks every server over UDP how it is seen: if all see the same address, a partner will see it too. Who is let in
//! can only be told with a server that answers from another address of its own, where we have not sent anything.

mod mapping;

use std::net::SocketAddr;
use std::time::Duration;

use rtc::stun::message::{METHOD_BINDING, Setter};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::message::{
    Answer, Attributes, CHANGE_ADDRESS, CHANGE_PORT, Reading, Request, change_request,
    mapped_address, other_address,
};
use super::target::Target;
use super::wire::wildcard;
use super::{NatFiltering, NatMapping, NatReport, PublicAddress, ReachError};

use mapping::Sighting;

/// Most servers that are asked; two are enough if they answer.
const MOST_SERVERS: usize = 6;
/// When questions without an answer are asked again, counted from the first time.
const REPEATS: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];
/// How much longer than the first answer the others may take before they are not waited for.
const STRAGGLERS: Duration = Duration::from_millis(700);
/// How long nothing may come before it counts as filtered out.
const FILTER_LIMIT: Duration = Duration::from_millis(1500);
/// Most datagrams that are read for one set of questions: a flood does not keep us busy.
const MOST_DATAGRAMS: usize = 256;

/// What was found out.
#[derive(Debug)]
pub(super) struct Discovered {
    pub(super) nat: NatReport,
    pub(super) public_address: Option<PublicAddress>,
    /// Whether any server answered.
    pub(super) has_answer: bool,
}

impl Default for Discovered {
    fn default() -> Self {
        Self {
            nat: NatReport {
                mapping: NatMapping::Unknown,
                filtering: NatFiltering::Unknown,
            },
            public_address: None,
            has_answer: false,
        }
    }
}

/// Asks `servers` over UDP, by IPv4 if any has such an address, else by IPv6.
pub(super) async fn discover(servers: Vec<Target>, deadline: Instant) -> Discovered {
    let mut resolving = JoinSet::new();
    for server in servers {
        resolving.spawn(async move { server.addresses(deadline).await });
    }
    let found = resolving.join_all().await;
    let mut addresses: Vec<SocketAddr> = found.into_iter().flatten().flatten().collect();
    let is_ipv4 = addresses.iter().any(SocketAddr::is_ipv4);
    addresses.retain(|address| address.is_ipv4() == is_ipv4);
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(MOST_SERVERS);
    match ask_around(&addresses, deadline).await {
        Ok(discovered) => discovered,
        Err(error) => {
            tracing::debug!(%error, "the NAT cannot be looked at");
            Discovered::default()
        }
    }
}

async fn ask_around(servers: &[SocketAddr], deadline: Instant) -> Result<Discovered, ReachError> {
    let Some(&any) = servers.first() else {
        return Ok(Discovered::default());
    };
    let socket = UdpSocket::bind(wildcard(any)).await?;
    let first = servers
        .iter()
        .filter_map(|&server| Question::new(server, 0));
    let mut heard = ask(&socket, first.collect(), Some(STRAGGLERS), deadline).await;
    let rich = heard.iter().find_map(|hearing| {
        let other = hearing
            .other
            .filter(|&other| is_plausible(hearing.asked, other))?;
        Some((hearing.asked, other))
    });
    let mut filtering = NatFiltering::Unknown;
    if let Some((server, other)) = rich {
        // From a socket that has sent nothing to the server's other address.
        let fresh = UdpSocket::bind(wildcard(server)).await?;
        let limit = deadline.min(Instant::now() + FILTER_LIMIT);
        let elsewhere = [SocketAddr::new(other.ip(), server.port()), other];
        let elsewhere = elsewhere
            .into_iter()
            .filter_map(|place| Question::new(place, 0));
        let changed = [0, CHANGE_PORT, CHANGE_ADDRESS | CHANGE_PORT];
        let changed = changed
            .into_iter()
            .filter_map(|flags| Question::new(server, flags));
        let (more, let_in) = tokio::join!(
            ask(&socket, elsewhere.collect(), Some(STRAGGLERS), limit),
            ask(&fresh, changed.collect(), None, limit)
        );
        if !more.is_empty() {
            filtering =
                mapping::filtering(|flags| let_in.iter().any(|hearing| hearing.flags == flags));
        }
        heard.extend(more);
    }
    let port = socket.local_addr()?.port();
    let mut sightings = Vec::new();
    for hearing in &heard {
        sightings.push(Sighting {
            asked: hearing.asked,
            seen: hearing.seen,
            local: local_address(hearing.asked, port).await,
        });
    }
    Ok(Discovered {
        nat: NatReport {
            mapping: mapping::mapping(&sightings),
            filtering,
        },
        public_address: heard.first().map(|hearing| PublicAddress(hearing.seen)),
        has_answer: !heard.is_empty(),
    })
}

/// One Binding request, and who is to answer it.
struct Question {
    to: SocketAddr,
    flags: u32,
    request: Request,
}

/// The answer to one question.
struct Hearing {
    asked: SocketAddr,
    flags: u32,
    seen: SocketAddr,
    other: Option<SocketAddr>,
}

impl Question {
    fn new(to: SocketAddr, flags: u32) -> Option<Self> {
        let attributes: Attributes<'_> = if flags == 0 {
            Vec::new()
        } else {
            vec![Box::new(change_request(flags)) as Box<dyn Setter>]
        };
        Some(Self {
            to,
            flags,
            request: Request::new(METHOD_BINDING, attributes, None).ok()?,
        })
    }

    fn is_answered_by(&self, bytes: &[u8]) -> bool {
        matches!(self.request.read(bytes), Reading::Answer(_))
    }

    fn hear(self, bytes: &[u8]) -> Option<Hearing> {
        let Reading::Answer(Answer::Success(message)) = self.request.read(bytes) else {
            return None;
        };
        Some(Hearing {
            asked: self.to,
            flags: self.flags,
            seen: mapped_address(&message)?,
            other: other_address(&message),
        })
    }
}

/// Asks all `questions` until each is answered, `deadline` is over, or `stragglers` after the first answer.
async fn ask(
    socket: &UdpSocket,
    mut questions: Vec<Question>,
    stragglers: Option<Duration>,
    mut deadline: Instant,
) -> Vec<Hearing> {
    let began = Instant::now();
    let mut repeats = REPEATS.iter();
    let mut heard = Vec::new();
    let mut buffer = vec![0; 2048];
    let mut datagrams = 0;
    send_all(socket, &questions).await;
    let mut repeat_at = repeats.next().map(|&after| began + after);
    while !questions.is_empty() && datagrams < MOST_DATAGRAMS {
        let next_repeat = repeat_at.unwrap_or(deadline);
        tokio::select! {
            () = sleep_until(deadline) => break,
            () = sleep_until(next_repeat), if repeat_at.is_some() => {
                send_all(socket, &questions).await;
                repeat_at = repeats.next().map(|&after| began + after);
            }
            received = socket.recv_from(&mut buffer) => {
                datagrams += 1;
                // An error is about some datagram that we sent, not about those to come.
                let Ok((len, _)) = received else { continue };
                let bytes = &buffer[..len];
                let answered = questions.iter().position(|question| question.is_answered_by(bytes));
                let Some(position) = answered else { continue };
                let question = questions.swap_remove(position);
                if let Some(hearing) = question.hear(bytes) {
                    if let Some(stragglers) = stragglers && heard.is_empty() {
                        deadline = deadline.min(Instant::now() + stragglers);
                    }
                    heard.push(hearing);
                }
            }
        }
    }
    heard
}

async fn send_all(socket: &UdpSocket, questions: &[Question]) {
    for question in questions {
        // Where there is no way, there is no answer either.
        drop(socket.send_to(&question.request.bytes, question.to).await);
    }
}

/// From which address packets to `server` leave this machine.
async fn local_address(server: SocketAddr, port: u16) -> Option<SocketAddr> {
    let socket = UdpSocket::bind(wildcard(server)).await.ok()?;
    socket.connect(server).await.ok()?;
    Some(SocketAddr::new(socket.local_addr().ok()?.ip(), port))
}

/// Whether `server` may name `other` as an address of its own. It must not have us send packets wherever it likes.
fn is_plausible(server: SocketAddr, other: SocketAddr) -> bool {
    let ip = other.ip();
    other.port() != 0
        && other.port() != server.port()
        && ip != server.ip()
        && ip.is_ipv4() == server.is_ipv4()
        && !ip.is_unspecified()
        && !ip.is_multicast()
        && (!ip.is_loopback() || server.ip().is_loopback())
}

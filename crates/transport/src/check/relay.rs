//! Does a TURN server relay? (RFC 8656)
//!
//! Allocates a relayed address, binds a channel to that very address, sends datagrams there and sees them come back. So one
//! allocation is enough to see that the relay takes data from us, sends it on, takes it from the network and sends it to us.

use std::net::SocketAddr;
use std::time::Duration;

use rtc::stun::message::{METHOD_ALLOCATE, METHOD_CHANNEL_BIND, METHOD_REFRESH, Message, Method};
use rtc::turn::proto::PROTO_UDP;
use rtc::turn::proto::chandata::ChannelData;
use rtc::turn::proto::channum::{ChannelNumber, MIN_CHANNEL_NUMBER};
use rtc::turn::proto::lifetime::Lifetime;
use rtc::turn::proto::peeraddr::PeerAddress;
use rtc::turn::proto::reqtrans::RequestedTransport;
use tokio::time::{Instant, timeout_at};

use super::exchange::exchange;
use super::message::{Answer, Attributes, Refusal, Request, Signer, relayed_address};
use super::target::{Login, Service, Target};
use super::wire::{Tls, Wire};
use super::{ReachError, RelayAnswer, RelayCheck, RelayError, RelayTransport};

/// How many datagrams must come back: the shortest round trip of some is a fairer figure than that of one.
const ECHOES: usize = 3;
/// How long to wait for a datagram before the next one is sent.
const ECHO_REPEAT: Duration = Duration::from_millis(200);
/// How long nothing may come back before the relay counts as one that does not relay.
const ECHO_LIMIT: Duration = Duration::from_millis(1500);
/// How long the server may take to release the allocation. It is released by time otherwise; until then it counts against
/// the person's quota.
const RELEASE_LIMIT: Duration = Duration::from_millis(300);
/// "Unauthorized", which says how to sign the request (RFC 8489 section 9.2).
const UNAUTHORIZED: u16 = 401;
/// "Stale Nonce", which brings a new one.
const STALE_NONCE: u16 = 438;

const CHANNEL: ChannelNumber = ChannelNumber(MIN_CHANNEL_NUMBER);

/// Tries the relay of `target` at each of its addresses until one answers.
pub(super) async fn check(target: &Target, tls: &Tls, deadline: Instant) -> RelayCheck {
    let (transport, login) = match &target.service {
        Service::Relay { transport, login } => (*transport, login.as_ref()),
        Service::Stun => (RelayTransport::Udp, None),
    };
    RelayCheck {
        url: target.url.clone(),
        transport,
        outcome: try_all(target, transport, login, tls, deadline - RELEASE_LIMIT).await,
    }
}

async fn try_all(
    target: &Target,
    transport: RelayTransport,
    login: Option<&Login>,
    tls: &Tls,
    deadline: Instant,
) -> Result<RelayAnswer, RelayError> {
    let host = target.host()?;
    let login = login.ok_or(RelayError::NoCredentials)?;
    let addresses = target.addresses(deadline).await?;
    let mut outcome = Err(ReachError::NameNotFound.into());
    for (number, &server) in addresses.iter().enumerate() {
        // An address that is silent leaves time for the others.
        let now = Instant::now();
        let share = deadline.saturating_duration_since(now) / (addresses.len() - number) as u32;
        let opened = timeout_at(now + share, Wire::open(transport, server, host, tls)).await;
        outcome = match opened.unwrap_or(Err(ReachError::NoAnswer)) {
            Ok(wire) => {
                let attempt = Attempt {
                    wire,
                    signer: None,
                    shortest: None,
                    deadline: now + share,
                };
                attempt.run(login, now, server.is_ipv6()).await
            }
            Err(error) => Err(error.into()),
        };
        match outcome {
            Err(RelayError::Reach(_)) => {}
            _ => break,
        }
    }
    outcome
}

/// One server at one of its addresses.
struct Attempt {
    wire: Wire,
    signer: Option<Signer>,
    /// The shortest round trip to the server so far.
    shortest: Option<Duration>,
    deadline: Instant,
}

impl Attempt {
    async fn run(
        mut self,
        login: &Login,
        began: Instant,
        is_ipv6: bool,
    ) -> Result<RelayAnswer, RelayError> {
        let relayed = self.allocate(login).await?;
        let set_up = began.elapsed();
        let relayed_round_trip = self.echo(relayed).await;
        self.release().await;
        Ok(RelayAnswer {
            round_trip: self.shortest,
            relayed_round_trip: relayed_round_trip?,
            set_up,
            is_ipv6,
        })
    }

    async fn allocate(&mut self, login: &Login) -> Result<SocketAddr, RelayError> {
        let what = || -> Attributes<'static> {
            vec![Box::new(RequestedTransport {
                protocol: PROTO_UDP,
            })]
        };
        let unsigned = self.sign(METHOD_ALLOCATE, what())?;
        let message = match self.ask(unsigned).await? {
            Ok(message) => message,
            Err(Refusal {
                code: UNAUTHORIZED,
                challenge: Some(challenge),
            }) => {
                let signer = Signer::new(&login.username, &login.password, &challenge);
                self.signer = Some(signer.ok_or(RelayError::WrongCredentials)?);
                self.request(METHOD_ALLOCATE, what).await?
            }
            Err(refusal) => return Err(RelayError::from_code(refusal.code)),
        };
        Ok(relayed_address(&message).ok_or(ReachError::Garbage)?)
    }

    /// Binds a channel to `relayed`, which permits to relay as well, and sends through it and back.
    async fn echo(&mut self, relayed: SocketAddr) -> Result<Duration, RelayError> {
        self.request(METHOD_CHANNEL_BIND, || {
            let peer = PeerAddress {
                ip: relayed.ip(),
                port: relayed.port(),
            };
            vec![Box::new(CHANNEL), Box::new(peer)]
        })
        .await?;
        let mut shortest: Option<Duration> = None;
        let mut sent: Vec<([u8; 16], Instant)> = Vec::new();
        let mut echoes = 0;
        let limit = self.deadline.min(Instant::now() + ECHO_LIMIT);
        while echoes < ECHOES && Instant::now() < limit {
            let data = random_data()?;
            sent.push((data, Instant::now()));
            self.wire.send(&channel_data(&data)).await?;
            let repeat_at = limit.min(Instant::now() + ECHO_REPEAT);
            while let Ok(received) = timeout_at(repeat_at, self.wire.receive()).await {
                let received = received?;
                let is_ours = |(data, _): &([u8; 16], Instant)| is_echo(&received, data);
                if let Some(position) = sent.iter().position(is_ours) {
                    let (_, sent_at) = sent.swap_remove(position);
                    let round_trip = sent_at.elapsed();
                    shortest = Some(shortest.map_or(round_trip, |other| other.min(round_trip)));
                    echoes += 1;
                    break;
                }
            }
        }
        shortest.ok_or(RelayError::NothingRelayed)
    }

    /// Gives the allocation back, whether or not the server answers.
    async fn release(&mut self) {
        self.deadline = Instant::now() + RELEASE_LIMIT;
        let lifetime = || -> Attributes<'static> { vec![Box::new(Lifetime(Duration::ZERO))] };
        if let Err(error) = self.request(METHOD_REFRESH, lifetime).await {
            tracing::debug!(%error, "an allocation was not released");
        }
    }

    /// Asks for something that the server should grant, once more if it finds the nonce stale.
    async fn request(
        &mut self,
        method: Method,
        attributes: impl Fn() -> Attributes<'static>,
    ) -> Result<Message, RelayError> {
        let request = self.sign(method, attributes())?;
        let mut answer = self.ask(request).await?;
        if let Err(Refusal {
            code: STALE_NONCE,
            challenge: Some(challenge),
        }) = &answer
            && let Some(signer) = &mut self.signer
        {
            signer.renew(challenge);
            let request = self.sign(method, attributes())?;
            answer = self.ask(request).await?;
        }
        answer.map_err(|refusal| RelayError::from_code(refusal.code))
    }

    /// Makes a request, signed if the server has said how.
    fn sign(&self, method: Method, attributes: Attributes<'_>) -> Result<Request, RelayError> {
        // What is too long to be sent is no user name of this server's.
        Request::new(method, attributes, self.signer.as_ref())
            .map_err(|_| RelayError::WrongCredentials)
    }

    async fn ask(&mut self, request: Request) -> Result<Result<Message, Refusal>, RelayError> {
        let exchanged = exchange(&mut self.wire, &request, self.deadline).await?;
        if let Some(round_trip) = exchanged.round_trip {
            self.shortest = Some(
                self.shortest
                    .map_or(round_trip, |other| other.min(round_trip)),
            );
        }
        Ok(match exchanged.answer {
            Answer::Success(message) => Ok(message),
            Answer::Refused(refusal) => Err(refusal),
        })
    }
}

/// What nobody else can have sent.
fn random_data() -> Result<[u8; 16], ReachError> {
    let mut data = [0; 16];
    getrandom::fill(&mut data).map_err(|_| ReachError::NotSupported)?;
    Ok(data)
}

fn channel_data(data: &[u8]) -> Vec<u8> {
    let mut message = ChannelData {
        data: data.to_vec(),
        number: CHANNEL,
        raw: Vec::new(),
    };
    message.encode();
    message.raw
}

fn is_echo(received: &[u8], data: &[u8]) -> bool {
    let mut message = ChannelData {
        raw: received.to_vec(),
        ..ChannelData::default()
    };
    message.decode().is_ok() && message.number == CHANNEL && message.data == data
}

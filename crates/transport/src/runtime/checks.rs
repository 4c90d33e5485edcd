//! Connectivity checks as the sockets see them: which pairs are tried, and how long the partner takes to answer.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::datagram::payload;
use super::stun::{self, Message, TransactionId};

/// Requests whose answer is awaited at most: a second's worth on many pairs.
const MAX_PENDING: usize = 256;
/// Pairs that are followed at most: what a few sockets and the candidates of a partner make.
const MAX_PAIRS: usize = 256;
/// Channels that are remembered: a relay has one for each address of the partner.
const MAX_CHANNELS: usize = 128;

/// A way to the partner (RFC 8445 section 6.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PairKey {
    /// Our socket.
    pub(crate) local: SocketAddr,
    /// The server of the relay in between, if it is ours.
    pub(crate) relay: Option<SocketAddr>,
    /// The partner's end.
    pub(crate) remote: SocketAddr,
}

/// What became of a pair's checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PairChecks {
    /// The last request.
    pub(crate) sent_at: Instant,
    /// The round trip of the last answer, if there was one.
    pub(crate) round_trip: Option<Duration>,
}

/// Ties answers to requests (RFC 8489 section 6.3.3).
#[derive(Debug, Default)]
pub(super) struct Checks {
    pending: VecDeque<(TransactionId, Instant, PairKey)>,
    pairs: BTreeMap<PairKey, PairChecks>,
    /// Whom a channel leads to: of a socket of ours, at a relay. Each socket has an allocation of its own, which numbers
    /// its channels by itself.
    channels: BTreeMap<(SocketAddr, SocketAddr, u16), SocketAddr>,
}

impl Checks {
    /// A request for a channel left (RFC 8656 section 12.1).
    pub(super) fn on_channel_bind(
        &mut self,
        local: SocketAddr,
        relay: SocketAddr,
        message: Message<'_>,
    ) {
        if message.kind != stun::CHANNEL_BIND_REQUEST {
            return;
        }
        if let (Some([high, low, ..]), Some(remote)) = (
            message.attribute(stun::CHANNEL_NUMBER),
            message.peer_address(),
        ) {
            let channel = (local, relay, u16::from_be_bytes([*high, *low]));
            if self.channels.len() < MAX_CHANNELS || self.channels.contains_key(&channel) {
                self.channels.insert(channel, remote);
            }
        }
    }

    /// A check left, perhaps wrapped for a relay.
    pub(super) fn on_sent(
        &mut self,
        local: SocketAddr,
        to: SocketAddr,
        bytes: &[u8],
        now: Instant,
    ) {
        let request = Message::read(payload(bytes));
        let Some(request) = request.filter(|message| message.kind == stun::BINDING_REQUEST) else {
            return;
        };
        let Some(pair) = self.pair(local, to, bytes) else {
            return;
        };
        if self.pending.len() >= MAX_PENDING {
            self.pending.pop_front();
        }
        self.pending.push_back((request.transaction, now, pair));
        if self.pairs.len() < MAX_PAIRS || self.pairs.contains_key(&pair) {
            let new = PairChecks {
                sent_at: now,
                round_trip: None,
            };
            self.pairs.entry(pair).or_insert(new).sent_at = now;
        }
    }

    fn pair(&self, local: SocketAddr, to: SocketAddr, bytes: &[u8]) -> Option<PairKey> {
        let (relay, remote) = if let [high @ 0x40..=0x4F, low, ..] = bytes {
            let number = u16::from_be_bytes([*high, *low]);
            (Some(to), *self.channels.get(&(local, to, number))?)
        } else {
            let message = Message::read(bytes)?;
            if message.kind == stun::SEND_INDICATION {
                (Some(to), message.peer_address()?)
            } else {
                (None, to)
            }
        };
        Some(PairKey {
            local,
            relay,
            remote,
        })
    }

    /// A check or an answer came, without what it was wrapped in. Returns the round trip if it is the first answer to a
    /// request of ours.
    pub(super) fn on_received(&mut self, message: &[u8], now: Instant) -> Option<Duration> {
        let answer = Message::read(message)?;
        if answer.kind != stun::BINDING_SUCCESS {
            return None;
        }
        let mut pending = self.pending.iter();
        let index = pending.position(|(transaction, ..)| *transaction == answer.transaction)?;
        let (_, sent_at, pair) = self.pending.remove(index)?;
        let round_trip = now.saturating_duration_since(sent_at);
        if let Some(checks) = self.pairs.get_mut(&pair) {
            checks.round_trip = Some(round_trip);
        }
        Some(round_trip)
    }

    /// All pairs that were tried since the last [`forget_pairs`](Self::forget_pairs).
    pub(super) fn pairs(&self) -> impl Iterator<Item = (PairKey, PairChecks)> {
        self.pairs.iter().map(|(key, checks)| (*key, *checks))
    }

    /// Another generation of candidates begins.
    pub(super) fn forget_pairs(&mut self) {
        self.pairs.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn request(number: u8) -> Vec<u8> {
        stun::write(stun::BINDING_REQUEST, [number; 12], &[])
    }

    fn answer(number: u8) -> Vec<u8> {
        stun::write(stun::BINDING_SUCCESS, [number; 12], &[])
    }

    /// 198.51.100.3:4000, as TURN writes it.
    const XOR_PEER: &[u8] = &[0, 1, 0x2E, 0xB2, 0xE7, 0x21, 0xC0, 0x41];

    #[test]
    fn a_round_trip_is_from_the_request_to_its_own_answer() {
        let start = Instant::now();
        let partner = address("198.51.100.3:4000");
        let mut checks = Checks::default();
        checks.on_sent(LOCAL, partner, &request(1), start);
        checks.on_sent(LOCAL, partner, &request(2), start + ms(20));
        assert_eq!(checks.on_received(&request(2), start + ms(30)), None);
        assert_eq!(checks.on_received(&answer(3), start + ms(30)), None);
        assert_eq!(checks.on_received(&answer(2), start + ms(50)), Some(ms(30)));
        assert_eq!(
            checks.on_received(&answer(2), start + ms(60)),
            None,
            "a duplicate"
        );
        assert_eq!(checks.on_received(&answer(1), start + ms(60)), Some(ms(60)));
    }

    #[test]
    fn pairs_are_told_apart_also_behind_a_relay() {
        let now = Instant::now();
        let (relay, partner) = (address("203.0.113.1:3478"), address("198.51.100.3:4000"));
        let mut checks = Checks::default();
        checks.on_sent(LOCAL, partner, &request(1), now);
        let wrapped = [
            (stun::XOR_PEER_ADDRESS, XOR_PEER),
            (stun::DATA, &request(2)),
        ];
        let wrapped = stun::write(stun::SEND_INDICATION, [9; 12], &wrapped);
        checks.on_sent(LOCAL, relay, &wrapped, now);
        let in_channel = [&[0x40, 7, 0, 20][..], &request(3)].concat();
        checks.on_sent(LOCAL, relay, &in_channel, now);
        assert_eq!(
            checks.pending.len(),
            2,
            "nobody knows where the channel leads"
        );

        let bind = [
            (stun::CHANNEL_NUMBER, &[0x40, 7, 0, 0][..]),
            (stun::XOR_PEER_ADDRESS, XOR_PEER),
        ];
        let bind = stun::write(stun::CHANNEL_BIND_REQUEST, [8; 12], &bind);
        checks.on_channel_bind(LOCAL, relay, Message::read(&bind).unwrap());
        checks.on_sent(LOCAL, relay, &in_channel, now);
        let other = address("127.0.0.1:10");
        checks.on_sent(other, relay, &in_channel, now);
        assert_eq!(checks.pending.len(), 3, "another socket's channel");
        checks.on_received(&answer(3), now + ms(7));

        let seen: Vec<_> = checks.pairs().collect();
        let pair = |relay| PairKey {
            local: LOCAL,
            relay,
            remote: partner,
        };
        let tried = |round_trip| PairChecks {
            sent_at: now,
            round_trip,
        };
        assert_eq!(
            seen,
            [
                (pair(None), tried(None)),
                (pair(Some(relay)), tried(Some(ms(7))))
            ]
        );
        checks.forget_pairs();
        assert_eq!(checks.pairs().count(), 0);
    }

    #[test]
    fn nothing_piles_up() {
        let mut checks = Checks::default();
        for number in 0..10_000_u32 {
            let partner = SocketAddr::new(LOCAL.ip(), number as u16);
            checks.on_sent(LOCAL, partner, &request(number as u8), Instant::now());
        }
        assert_eq!(checks.pending.len(), MAX_PENDING);
        assert_eq!(checks.pairs.len(), MAX_PAIRS);
    }
}

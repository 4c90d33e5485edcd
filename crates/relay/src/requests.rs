//! Requests and their answers.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{
    AllocationId, Client, Config, Family, OpenError, Opening, Order, Relay, Time,
    allocation::{Allocation, BindError},
    credentials::{CredentialError, user_of},
    stun::{Class, Message, Writer, attribute, method},
};

/// What is granted to a client that does not ask for a lifetime (RFC 8656 §7.2).
const DEFAULT_LIFETIME: Duration = Duration::from_mins(10);
/// The longest user name; ours have under 40 bytes.
const MAX_USERNAME: usize = 128;
/// How many unknown attributes are listed in an answer, so that it does not outgrow the question.
const MAX_LISTED: usize = 4;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    BadRequest,
    Challenge,
    WrongCredentials,
    ExpiredCredentials,
    OthersAllocation,
    StaleNonce,
    DeniedPeer,
    UnknownAttributes,
    NoAllocation,
    HasAllocation,
    NoSuchFamily,
    NotUdp,
    OtherFamily,
    Quota,
    Capacity,
}

impl Refusal {
    /// Code and reason (RFC 8489 §14.8, RFC 8656 §18).
    const fn words(self) -> (u16, &'static str) {
        match self {
            Self::BadRequest => (400, "Bad Request"),
            Self::Challenge | Self::WrongCredentials | Self::ExpiredCredentials => {
                (401, "Unauthorized")
            }
            Self::DeniedPeer => (403, "Forbidden"),
            Self::UnknownAttributes => (420, "Unknown Attribute"),
            Self::NoAllocation | Self::HasAllocation => (437, "Allocation Mismatch"),
            Self::StaleNonce => (438, "Stale Nonce"),
            Self::NoSuchFamily => (440, "Address Family not Supported"),
            Self::OthersAllocation => (441, "Wrong Credentials"),
            Self::NotUdp => (442, "Unsupported Transport Protocol"),
            Self::OtherFamily => (443, "Peer Address Family Mismatch"),
            Self::Quota => (486, "Allocation Quota Reached"),
            Self::Capacity => (508, "Insufficient Capacity"),
        }
    }
}

/// Who asks.
struct Asker {
    key: [u8; 16],
    /// The allocation that the client has.
    allocation: Option<AllocationId>,
}

impl Relay {
    pub(crate) fn on_request(
        &mut self,
        client: Client,
        message: &Message<'_>,
        time: Time,
        reply: &mut Vec<u8>,
    ) -> Order {
        let Time { now, .. } = time;
        let is_known = matches!(
            message.method,
            method::BINDING
                | method::ALLOCATE
                | method::REFRESH
                | method::CREATE_PERMISSION
                | method::CHANNEL_BIND
        );
        if !is_known {
            return self.malformed();
        }
        let allocation = self.allocation_of(client);
        let is_admitted = match allocation {
            Some(id) => {
                let rate = self.config.allocation_packets;
                self.allocation(id)
                    .is_some_and(|allocation| allocation.packets.take(1, rate, now))
            }
            None => self.sources.admit(client, now),
        };
        if !is_admitted {
            self.counters.rate_limited += 1;
            return Order::Nothing;
        }
        if message.method == method::BINDING {
            if unknown_attributes(message).next().is_some() {
                let refusal = Refusal::UnknownAttributes;
                return self.refuse(refusal, None, client, message, now, reply);
            }
            self.counters.bindings += 1;
            let answer =
                success(reply, message).xor_address(attribute::XOR_MAPPED_ADDRESS, client.addr());
            return finish(answer, None, message.has_fingerprint);
        }
        let asker = match self.authenticate(client, message, time) {
            Ok(asker) => asker,
            Err(refusal) => return self.refuse(refusal, None, client, message, now, reply),
        };
        let key = asker.key;
        let answer = if unknown_attributes(message).next().is_some() {
            Err(Refusal::UnknownAttributes)
        } else {
            match message.method {
                method::ALLOCATE => self.on_allocate(client, &asker, message, time, reply),
                method::REFRESH => self.on_refresh(&asker, message, now, reply),
                method::CREATE_PERMISSION => self.on_create_permission(&asker, message, now, reply),
                _ => self.on_channel_bind(&asker, message, now, reply),
            }
        };
        answer
            .unwrap_or_else(|refusal| self.refuse(refusal, Some(&key), client, message, now, reply))
    }

    /// The long-term credential mechanism (RFC 8489 §9.2.4).
    fn authenticate(
        &self,
        client: Client,
        message: &Message<'_>,
        time: Time,
    ) -> Result<Asker, Refusal> {
        if !message.has_integrity() {
            return Err(Refusal::Challenge);
        }
        let (Some(username), Some(realm), Some(nonce)) = (
            message.text(attribute::USERNAME),
            message.text(attribute::REALM),
            message.attribute(attribute::NONCE),
        ) else {
            return Err(Refusal::BadRequest);
        };
        if username.len() > MAX_USERNAME {
            return Err(Refusal::BadRequest);
        }
        if !self.nonces.is_good(nonce, client.addr(), time.now) {
            return Err(Refusal::StaleNonce);
        }
        if realm != self.config.realm {
            return Err(Refusal::WrongCredentials);
        }
        let allocation = self.allocation_of(client);
        let key = self
            .secrets
            .authenticate(username, realm, |key| message.is_signed_with(key))
            .map_err(|_| Refusal::WrongCredentials)?;
        let is_owner = allocation
            .and_then(|id| self.allocation_ref(id))
            .is_none_or(|allocation| *allocation.username == *username);
        if !is_owner {
            return Err(Refusal::OthersAllocation);
        }
        Ok(Asker { key, allocation })
    }

    fn on_allocate(
        &mut self,
        client: Client,
        asker: &Asker,
        message: &Message<'_>,
        time: Time,
        reply: &mut Vec<u8>,
    ) -> Result<Order, Refusal> {
        if let Some(id) = asker.allocation {
            return match self.allocation_ref(id) {
                // The answer was lost.
                Some(allocation) if allocation.transaction == message.transaction => {
                    let order = answer_allocate(
                        reply,
                        allocation,
                        time.now,
                        message
                            .attribute(attribute::ADDITIONAL_ADDRESS_FAMILY)
                            .is_some(),
                        message.has_fingerprint,
                    );
                    Ok(order)
                }
                _ => Err(Refusal::HasAllocation),
            };
        }
        let username = message
            .text(attribute::USERNAME)
            .ok_or(Refusal::BadRequest)?;
        let user = user_of(username, time.unix).map_err(|error| match error {
            CredentialError::Wrong => Refusal::WrongCredentials,
            CredentialError::Expired => Refusal::ExpiredCredentials,
        })?;
        match message.attribute(attribute::REQUESTED_TRANSPORT) {
            Some([17, ..]) => {}
            Some([_, ..]) => return Err(Refusal::NotUdp),
            Some([]) | None => return Err(Refusal::BadRequest),
        }
        let requested = message.attribute(attribute::REQUESTED_ADDRESS_FAMILY);
        let additional = message.attribute(attribute::ADDITIONAL_ADDRESS_FAMILY);
        let reservation = message.attribute(attribute::RESERVATION_TOKEN);
        let even_port = message.attribute(attribute::EVEN_PORT);
        let family = match requested {
            None | Some([1, ..]) => Family::V4,
            Some([2, ..]) => Family::V6,
            Some(_) => return Err(Refusal::NoSuchFamily),
        };
        if (requested.is_some() && (additional.is_some() || reservation.is_some()))
            || (even_port.is_some() && reservation.is_some())
            || additional.is_some_and(|family| family.first() != Some(&2))
        {
            return Err(Refusal::BadRequest);
        }
        // The next port is reserved for nobody.
        let reserves = even_port.is_some_and(|flags| flags.first().is_none_or(|r| r & 0x80 != 0));
        if reservation.is_some() || reserves || self.len() >= self.config.max_allocations {
            return Err(Refusal::Capacity);
        }
        if self.count_of_user(user) >= self.config.max_per_user
            || self.count_of_place(client.addr().ip()) >= self.config.max_per_ip
        {
            return Err(Refusal::Quota);
        }
        Ok(Order::Open(Opening {
            client,
            username: username.into(),
            key: asker.key,
            transaction: message.transaction,
            lifetime: self.lifetime(message, Duration::ZERO),
            family,
            wants_even_port: even_port.is_some(),
            wants_second_family: additional.is_some(),
            has_fingerprint: message.has_fingerprint,
        }))
    }

    /// The socket of an allocation is open, with the address as peers know it, or there is none. The answer to the
    /// client is in `reply` then.
    pub fn opened(
        &mut self,
        opening: Opening,
        relayed: Result<SocketAddr, OpenError>,
        now: Instant,
        reply: &mut Vec<u8>,
    ) -> Option<AllocationId> {
        let Opening {
            client,
            username,
            key,
            transaction,
            lifetime,
            wants_second_family,
            has_fingerprint,
            ..
        } = opening;
        let inserted = relayed.and_then(|relayed| {
            let allocation =
                Allocation::new(client, username, key, relayed, transaction, lifetime, now);
            self.insert(allocation).ok_or(OpenError::NoCapacity)
        });
        match inserted {
            Ok(id) => {
                let allocation = self.allocation_ref(id)?;
                let _reply =
                    answer_allocate(reply, allocation, now, wants_second_family, has_fingerprint);
                Some(id)
            }
            Err(error) => {
                let refusal = match error {
                    OpenError::NoSuchFamily => Refusal::NoSuchFamily,
                    OpenError::NoCapacity => Refusal::Capacity,
                };
                self.count(refusal);
                let (code, reason) = refusal.words();
                let answer = Writer::new(reply, Class::Error, method::ALLOCATE, transaction)
                    .error(code, reason);
                let _reply = finish(answer, Some(&key), has_fingerprint);
                None
            }
        }
    }

    fn on_refresh(
        &mut self,
        asker: &Asker,
        message: &Message<'_>,
        now: Instant,
        reply: &mut Vec<u8>,
    ) -> Result<Order, Refusal> {
        let id = asker.allocation.ok_or(Refusal::NoAllocation)?;
        let allocation = self.allocation_ref(id).ok_or(Refusal::NoAllocation)?;
        let family = match message.attribute(attribute::REQUESTED_ADDRESS_FAMILY) {
            None => Family::of(allocation.relayed.ip()),
            Some([1, ..]) => Family::V4,
            Some([2, ..]) => Family::V6,
            Some(_) => return Err(Refusal::BadRequest),
        };
        if family != Family::of(allocation.relayed.ip()) {
            return Err(Refusal::OtherFamily);
        }
        let lifetime = if message.number(attribute::LIFETIME) == Some(0) {
            self.close(id);
            Duration::ZERO
        } else {
            let age = now.saturating_duration_since(allocation.opened_at);
            let lifetime = self.lifetime(message, age);
            self.prolong(id, now + lifetime);
            lifetime
        };
        let seconds = lifetime.as_secs() as u32;
        let answer = success(reply, message).attribute(attribute::LIFETIME, &seconds.to_be_bytes());
        Ok(finish(answer, Some(&asker.key), message.has_fingerprint))
    }

    /// What is granted to an allocation of this age.
    fn lifetime(&self, message: &Message<'_>, age: Duration) -> Duration {
        let asked = message
            .number(attribute::LIFETIME)
            .map_or(DEFAULT_LIFETIME, |seconds| {
                Duration::from_secs(seconds.into())
            });
        asked
            .max(DEFAULT_LIFETIME)
            .min(self.config.max_lifetime)
            .min(self.config.max_age.saturating_sub(age))
    }

    fn on_create_permission(
        &mut self,
        asker: &Asker,
        message: &Message<'_>,
        now: Instant,
        reply: &mut Vec<u8>,
    ) -> Result<Order, Refusal> {
        let id = asker.allocation.ok_or(Refusal::NoAllocation)?;
        let relayed = self
            .allocation_ref(id)
            .ok_or(Refusal::NoAllocation)?
            .relayed;
        let peers = message
            .attributes()
            .filter(|(number, _)| *number == attribute::XOR_PEER_ADDRESS)
            .map(|(_, value)| message.xor_address(value).map(|peer| peer.ip()));
        if peers.clone().count() == 0 || peers.clone().any(|peer| peer.is_none()) {
            return Err(Refusal::BadRequest);
        }
        let peers = peers.flatten();
        if peers
            .clone()
            .any(|peer| Family::of(peer) != Family::of(relayed.ip()))
        {
            return Err(Refusal::OtherFamily);
        }
        let policy = &self.config.peers;
        if !peers
            .clone()
            .all(|peer| policy.may_permit(relayed.ip(), peer))
        {
            return Err(Refusal::DeniedPeer);
        }
        let max = self.config.max_permissions;
        self.allocation(id)
            .ok_or(Refusal::NoAllocation)?
            .permit(peers, max, now)
            .map_err(|_| Refusal::Capacity)?;
        let answer = success(reply, message);
        Ok(finish(answer, Some(&asker.key), message.has_fingerprint))
    }

    fn on_channel_bind(
        &mut self,
        asker: &Asker,
        message: &Message<'_>,
        now: Instant,
        reply: &mut Vec<u8>,
    ) -> Result<Order, Refusal> {
        let id = asker.allocation.ok_or(Refusal::NoAllocation)?;
        let relayed = self
            .allocation_ref(id)
            .ok_or(Refusal::NoAllocation)?
            .relayed;
        let channel = message
            .number(attribute::CHANNEL_NUMBER)
            .map(|value| (value >> 16) as u16)
            // RFC 8656 ends at 0x4fff; clients of RFC 5766, coturn's among them, take any up to here.
            .filter(|number| (0x4000..=0x7fff).contains(number));
        let peer = message
            .attribute(attribute::XOR_PEER_ADDRESS)
            .and_then(|value| message.xor_address(value))
            .filter(|peer| peer.port() != 0);
        let (Some(channel), Some(peer)) = (channel, peer) else {
            return Err(Refusal::BadRequest);
        };
        if Family::of(peer.ip()) != Family::of(relayed.ip()) {
            return Err(Refusal::OtherFamily);
        }
        if !self.config.peers.may_permit(relayed.ip(), peer.ip()) {
            return Err(Refusal::DeniedPeer);
        }
        let Config {
            max_channels,
            max_permissions,
            ..
        } = self.config;
        self.allocation(id)
            .ok_or(Refusal::NoAllocation)?
            .bind(channel, peer, max_channels, max_permissions, now)
            .map_err(|error| match error {
                BindError::Mismatch => Refusal::BadRequest,
                BindError::Full => Refusal::Capacity,
            })?;
        let answer = success(reply, message);
        Ok(finish(answer, Some(&asker.key), message.has_fingerprint))
    }

    fn refuse(
        &mut self,
        refusal: Refusal,
        key: Option<&[u8; 16]>,
        client: Client,
        message: &Message<'_>,
        now: Instant,
        reply: &mut Vec<u8>,
    ) -> Order {
        self.count(refusal);
        let (code, reason) = refusal.words();
        let mut answer = Writer::new(reply, Class::Error, message.method, message.transaction)
            .error(code, reason);
        if matches!(
            refusal,
            Refusal::Challenge
                | Refusal::WrongCredentials
                | Refusal::ExpiredCredentials
                | Refusal::StaleNonce
        ) {
            let nonce = self.nonces.make(client.addr(), now);
            answer = answer
                .attribute(attribute::REALM, self.config.realm.as_bytes())
                .attribute(attribute::NONCE, nonce.as_bytes());
        }
        if refusal == Refusal::UnknownAttributes {
            let mut numbers = [0; 2 * MAX_LISTED];
            let mut len = 0;
            for number in unknown_attributes(message).take(MAX_LISTED) {
                numbers[len..len + 2].copy_from_slice(&number.to_be_bytes());
                len += 2;
            }
            answer = answer.attribute(attribute::UNKNOWN_ATTRIBUTES, &numbers[..len]);
        }
        finish(answer, key, message.has_fingerprint)
    }

    const fn count(&mut self, refusal: Refusal) {
        let counters = &mut self.counters;
        let count = match refusal {
            Refusal::Challenge => &mut counters.challenges,
            Refusal::WrongCredentials | Refusal::OthersAllocation => {
                &mut counters.wrong_credentials
            }
            Refusal::ExpiredCredentials => &mut counters.expired_credentials,
            Refusal::StaleNonce => &mut counters.stale_nonces,
            Refusal::DeniedPeer => &mut counters.denied_peers,
            Refusal::Quota => &mut counters.quota_refusals,
            Refusal::Capacity => &mut counters.capacity_refusals,
            _ => &mut counters.other_refusals,
        };
        *count += 1;
    }
}

/// The answer to the request that made an allocation.
fn answer_allocate(
    reply: &mut Vec<u8>,
    allocation: &Allocation,
    now: Instant,
    wants_second_family: bool,
    has_fingerprint: bool,
) -> Order {
    let lifetime = allocation.expires_at.saturating_duration_since(now);
    let seconds = lifetime.as_secs() as u32;
    let mut answer = Writer::new(
        reply,
        Class::Success,
        method::ALLOCATE,
        allocation.transaction,
    )
    .xor_address(attribute::XOR_RELAYED_ADDRESS, allocation.relayed)
    .attribute(attribute::LIFETIME, &seconds.to_be_bytes())
    .xor_address(attribute::XOR_MAPPED_ADDRESS, allocation.client.addr());
    if wants_second_family {
        // IPv6, 440 (RFC 8656 §18.12).
        answer = answer.attribute(attribute::ADDRESS_ERROR_CODE, &[2, 0, 4, 40]);
    }
    finish(answer, Some(&allocation.key), has_fingerprint)
}

fn success<'b>(reply: &'b mut Vec<u8>, message: &Message<'_>) -> Writer<'b> {
    Writer::new(reply, Class::Success, message.method, message.transaction)
}

fn finish(mut answer: Writer<'_>, key: Option<&[u8; 16]>, has_fingerprint: bool) -> Order {
    if let Some(key) = key {
        answer = answer.sign(key);
    }
    if has_fingerprint {
        answer.fingerprint();
    }
    Order::Reply
}

/// Attributes that must be understood and are not (RFC 8489 §6.3.1).
fn unknown_attributes(message: &Message<'_>) -> impl Iterator<Item = u16> {
    message
        .attributes()
        .map(|(number, _)| number)
        .filter(|number| {
            *number < 0x8000
                && !matches!(
                    *number,
                    attribute::USERNAME
                        | attribute::CHANNEL_NUMBER
                        | attribute::LIFETIME
                        | attribute::XOR_PEER_ADDRESS
                        | attribute::DATA
                        | attribute::REALM
                        | attribute::NONCE
                        | attribute::REQUESTED_ADDRESS_FAMILY
                        | attribute::EVEN_PORT
                        | attribute::REQUESTED_TRANSPORT
                        | attribute::RESERVATION_TOKEN
                        | attribute::MESSAGE_INTEGRITY_SHA256
                )
        })
}

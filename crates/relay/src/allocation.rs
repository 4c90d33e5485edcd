//! What one client was given: a relayed address, and what it may be used for.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use crate::{Bucket, Client, stun::TransactionId};

/// How long a permission lasts (RFC 8656 §9).
pub(crate) const PERMISSION: Duration = Duration::from_mins(5);
/// How long a channel lasts (RFC 8656 §12).
pub(crate) const CHANNEL: Duration = Duration::from_mins(10);

/// See the module.
#[derive(Debug)]
pub(crate) struct Allocation {
    pub(crate) client: Client,
    pub(crate) username: Box<str>,
    pub(crate) key: [u8; 16],
    /// The address as peers know it.
    pub(crate) relayed: SocketAddr,
    /// The request that made it: the same request again gets the same answer.
    pub(crate) transaction: TransactionId,
    pub(crate) opened_at: Instant,
    pub(crate) expires_at: Instant,
    permissions: Vec<Permission>,
    channels: Vec<Channel>,
    pub(crate) to_peers: Bucket,
    pub(crate) to_clients: Bucket,
    pub(crate) packets: Bucket,
}

#[derive(Debug, Clone, Copy)]
struct Permission {
    peer: IpAddr,
    expires_at: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Channel {
    number: u16,
    peer: SocketAddr,
    expires_at: Instant,
}

/// Why a channel cannot be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BindError {
    /// Number and peer do not belong together.
    Mismatch,
    /// There are enough.
    Full,
}

/// There are enough permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl Allocation {
    pub(crate) fn new(
        client: Client,
        username: Box<str>,
        key: [u8; 16],
        relayed: SocketAddr,
        transaction: TransactionId,
        lifetime: Duration,
        now: Instant,
    ) -> Self {
        Self {
            client,
            username,
            key,
            relayed,
            transaction,
            opened_at: now,
            expires_at: now + lifetime,
            permissions: Vec::new(),
            channels: Vec::new(),
            to_peers: Bucket::new(now),
            to_clients: Bucket::new(now),
            packets: Bucket::new(now),
        }
    }

    /// Permits all of `peers`, or none of them.
    pub(crate) fn permit(
        &mut self,
        peers: impl Iterator<Item = IpAddr> + Clone,
        max: usize,
        now: Instant,
    ) -> Result<(), Full> {
        self.permissions
            .retain(|permission| now < permission.expires_at);
        let mut new: Vec<IpAddr> = Vec::new();
        for peer in peers.clone() {
            if !self.is_listed(peer) && !new.contains(&peer) {
                new.push(peer);
            }
            if self.permissions.len() + new.len() > max {
                return Err(Full);
            }
        }
        let expires_at = now + PERMISSION;
        for peer in peers {
            match self.permissions.iter_mut().find(|known| known.peer == peer) {
                Some(known) => known.expires_at = expires_at,
                None => self.permissions.push(Permission { peer, expires_at }),
            }
        }
        Ok(())
    }

    fn is_listed(&self, peer: IpAddr) -> bool {
        self.permissions.iter().any(|known| known.peer == peer)
    }

    /// Whether `peer` may be sent to and heard.
    pub(crate) fn permits(&self, peer: IpAddr, now: Instant) -> bool {
        self.permissions
            .iter()
            .any(|permission| permission.peer == peer && now < permission.expires_at)
    }

    /// Binds a channel to a peer, or keeps it bound, and permits the peer.
    pub(crate) fn bind(
        &mut self,
        number: u16,
        peer: SocketAddr,
        max_channels: usize,
        max_permissions: usize,
        now: Instant,
    ) -> Result<(), BindError> {
        self.channels.retain(|channel| now < channel.expires_at);
        let known = self
            .channels
            .iter()
            .position(|channel| channel.number == number || channel.peer == peer);
        match known {
            Some(at) if (self.channels[at].number, self.channels[at].peer) != (number, peer) => {
                return Err(BindError::Mismatch);
            }
            None if self.channels.len() >= max_channels => return Err(BindError::Full),
            _ => {}
        }
        self.permit(std::iter::once(peer.ip()), max_permissions, now)
            .map_err(|Full| BindError::Full)?;
        let expires_at = now + CHANNEL;
        match known {
            Some(at) => self.channels[at].expires_at = expires_at,
            None => self.channels.push(Channel {
                number,
                peer,
                expires_at,
            }),
        }
        Ok(())
    }

    /// The peer behind a channel.
    pub(crate) fn peer_of(&self, number: u16, now: Instant) -> Option<SocketAddr> {
        self.channels
            .iter()
            .find(|channel| channel.number == number && now < channel.expires_at)
            .map(|channel| channel.peer)
    }

    /// The channel to a peer.
    pub(crate) fn channel_of(&self, peer: SocketAddr, now: Instant) -> Option<u16> {
        self.channels
            .iter()
            .find(|channel| channel.peer == peer && now < channel.expires_at)
            .map(|channel| channel.number)
    }
}

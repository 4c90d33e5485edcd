//! Decides when a change of the network is worth a fact. Owns no socket and no clock.
//!
//! A roam has several steps within a few milliseconds (an address goes, another comes, IPv6 follows), and a call should react once,
//! soon after there is a new path. So changes settle first; only the loss of the address in use, or of the last address, is told at
//! once. What is gone again before it was told is never told.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use super::usable::{is_usable, network};
use super::{AddressChange, NetworkFact};

/// When the monitor speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Config {
    /// How long the addresses must stay as they are before a change is told, and the least time between two such facts.
    ///
    /// Shorter: a roam tells of its steps. Longer: the call heals later.
    pub(crate) settle: Duration,
    /// How long a change is held back at most while further ones keep coming.
    pub(crate) longest: Duration,
    /// How far the wall clock must run ahead of the monotonic one for the machine to have slept.
    ///
    /// Shorter: a clock that is set right looks like a nap, which costs an ICE restart. Longer: naps go unnoticed here, and it is
    /// left to the silence on the path to show them.
    pub(crate) nap: Duration,
    /// How long nobody read the clocks if the machine slept and its monotonic clock went on, as on Windows.
    ///
    /// Far above the reading interval, so that a busy machine does not seem to sleep.
    pub(crate) gap: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            settle: Duration::from_millis(150),
            longest: Duration::from_millis(500),
            nap: Duration::from_secs(3),
            gap: Duration::from_secs(10),
        }
    }
}

/// What happened.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    /// These are all the machine's addresses now, in whatever order and of whatever kind.
    AddressesListed(BTreeSet<IpAddr>),
    /// The call uses this local address, or none that is known.
    AddressUsed(Option<IpAddr>),
    /// The wall clock was read.
    ClockRead(SystemTime),
}

/// Collects inputs and gives out facts, in the order in which they are due.
#[derive(Debug)]
pub(crate) struct NetworkMonitor {
    config: Config,
    /// The usable addresses, and those that the facts so far add up to. `None` before the first listing.
    addresses: Option<Addresses>,
    in_use: Option<IpAddr>,
    has_lost_in_use: bool,
    unsettled: Option<Unsettled>,
    told_at: Option<Instant>,
    clocks: Option<(Instant, SystemTime)>,
    asleep: Option<Duration>,
}

#[derive(Debug)]
struct Addresses {
    now: BTreeSet<IpAddr>,
    told: BTreeSet<IpAddr>,
}

/// Changes that are not told yet.
#[derive(Debug, Clone, Copy)]
struct Unsettled {
    first_at: Instant,
    last_at: Instant,
}

impl NetworkMonitor {
    /// Knows of no addresses yet: the first listing is the state of things, not a change.
    pub(crate) const fn new(config: Config) -> Self {
        Self {
            config,
            addresses: None,
            in_use: None,
            has_lost_in_use: false,
            unsettled: None,
            told_at: None,
            clocks: None,
            asleep: None,
        }
    }

    /// Takes in what happened at `now`.
    pub(crate) fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::AddressesListed(all) => {
                let usable = all.into_iter().map(|address| address.to_canonical());
                self.on_addresses_listed(
                    usable.filter(|&address| is_usable(address)).collect(),
                    now,
                );
            }
            Input::AddressUsed(address) => {
                self.in_use = address.map(|address| address.to_canonical());
                self.has_lost_in_use = false;
                self.note_difference(false, now);
            }
            Input::ClockRead(wall) => self.on_clock_read(wall, now),
        }
    }

    /// The fact that is due at `now`, if there is one. Call it until there is none, or leave it for later: what is not fetched is
    /// brought up to date meanwhile.
    pub(crate) fn poll_fact(&mut self, now: Instant) -> Option<NetworkFact> {
        if let Some(asleep) = self.asleep.take() {
            return Some(NetworkFact::Resumed { asleep });
        }
        self.change_due_at().filter(|&due_at| due_at <= now)?;
        let change = self.change();
        let addresses = self.addresses.as_mut()?;
        addresses.told.clone_from(&addresses.now);
        if change.lost_in_use {
            self.in_use = None;
        }
        self.has_lost_in_use = false;
        self.unsettled = None;
        self.told_at = Some(now);
        Some(NetworkFact::Changed(change))
    }

    /// When there is a fact to fetch if nothing else happens.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.asleep.is_some() {
            return self.clocks.map(|(at, _)| at);
        }
        self.change_due_at()
    }

    fn on_addresses_listed(&mut self, usable: BTreeSet<IpAddr>, now: Instant) {
        let Some(addresses) = &mut self.addresses else {
            self.addresses = Some(Addresses {
                told: usable.clone(),
                now: usable,
            });
            return;
        };
        if addresses.now == usable {
            return;
        }
        if let Some(in_use) = &self.in_use {
            if usable.contains(in_use) {
                self.has_lost_in_use = false;
            } else if addresses.now.contains(in_use) {
                self.has_lost_in_use = true;
            }
        }
        addresses.now = usable;
        self.note_difference(true, now);
    }

    /// Starts, prolongs or ends the time in which changes settle.
    fn note_difference(&mut self, has_moved: bool, now: Instant) {
        if self.change() == AddressChange::default() {
            self.unsettled = None;
            return;
        }
        let unsettled = self.unsettled.get_or_insert(Unsettled {
            first_at: now,
            last_at: now,
        });
        if has_moved {
            unsettled.last_at = now;
        }
    }

    fn change_due_at(&self) -> Option<Instant> {
        let Unsettled { first_at, last_at } = self.unsettled?;
        let is_urgent = self.has_lost_in_use || self.is_newly_offline();
        let due_at = if is_urgent {
            last_at
        } else {
            (last_at + self.config.settle).min(first_at + self.config.longest)
        };
        let earliest = self.told_at.map_or(due_at, |at| at + self.config.settle);
        Some(due_at.max(earliest))
    }

    fn is_newly_offline(&self) -> bool {
        self.addresses
            .as_ref()
            .is_some_and(|addresses| addresses.now.is_empty() && !addresses.told.is_empty())
    }

    /// What there is to tell; the default if nothing that matters is different.
    fn change(&self) -> AddressChange {
        let Some(Addresses { now, told }) = &self.addresses else {
            return AddressChange::default();
        };
        let missing_in = |addresses: &BTreeSet<IpAddr>, others: &BTreeSet<IpAddr>| {
            let others: BTreeSet<IpAddr> = others.iter().copied().map(network).collect();
            let is_new = |address: &IpAddr| !others.contains(&network(*address));
            addresses.iter().copied().filter(is_new).collect()
        };
        AddressChange {
            gained: missing_in(now, told),
            lost: missing_in(told, now),
            lost_in_use: self.has_lost_in_use,
            is_offline: self.is_newly_offline(),
        }
    }

    fn on_clock_read(&mut self, wall: SystemTime, now: Instant) {
        let before = self.clocks.replace((now, wall));
        let Some((now_before, wall_before)) = before else {
            return;
        };
        let awake = now.saturating_duration_since(now_before);
        // A wall clock that was set back says nothing about sleep.
        let passed = wall.duration_since(wall_before).unwrap_or_default();
        let ahead = passed.saturating_sub(awake);
        let asleep = if ahead > self.config.nap {
            ahead
        } else if awake > self.config.gap {
            awake
        } else {
            return;
        };
        self.asleep = Some(self.asleep.unwrap_or_default().saturating_add(asleep));
    }
}

#[cfg(test)]
mod tests;

//! What is known of people, and what follows from it.
//!
//! Bounded: so many keys, reports and bans, and so many blocks of one key; of more, the oldest go. Times are arguments, in seconds since
//! the Unix epoch. Whatever changes is returned as [`Changes`] too, for those who write it down.

mod bans;
mod blocks;
mod reports;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    hash::Hash,
    sync::Arc,
    time::Duration,
};

use cluster::Fact;
use protocol::{Handle, ReportReason};
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::{Facts, KeyHash, Person, Policy, Standing, Who};
use crate::{Network, random::random_secret};

/// How many keys are remembered.
const KEYS: usize = 200_000;
/// How many reports are.
const REPORTS: usize = 50_000;
/// How many reports are kept with lines of chat. Of more, the oldest stay without them.
const REPORTS_WITH_LINES: usize = 4096;
/// How many reports about one person count.
const REPORTS_OF_ONE: usize = 64;
/// How many bans there are at once.
const BANS: usize = 10_000;
/// How many one person can block; as many as the matchmaker keeps.
const BLOCKS: usize = 64;
/// How long a key is remembered that is not seen.
const KEY_KEPT: u64 = 180 * DAY;
const DAY: u64 = 24 * 3600;

/// The reason of bans that follow from reports alone.
const REPORTED: &str = "Several people have reported you.";

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) first_seen: u64,
    /// To the day.
    pub(crate) last_seen: u64,
    /// How many of its reports the operator has dismissed.
    #[serde(default)]
    pub(crate) dismissed: u32,
}

/// Who has reported, as far as that is kept: a key, or what an address was made into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    Key(KeyHash),
    Place(u64),
}

/// One report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Whom it counts against, if the person could be told from others.
    pub(crate) about: Option<Who>,
    /// Where that person was, for the operator.
    pub(crate) about_place: Network,
    /// `None` for one who could not be told from others: it does not count then.
    pub(crate) from: Option<Source>,
    /// Stands for the reporter's address, if it is the reporter's.
    pub(crate) from_place: Option<u64>,
    pub(crate) reason: ReportReason,
    pub(crate) note: String,
    pub(crate) at: u64,
    pub(crate) weight: f64,
    /// What the person it is about has certainly written, as far as the reporter wanted that to be known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) lines: Vec<ProvedLine>,
}

/// A line of chat whose signature was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProvedLine {
    /// Which of its writer's lines in that room, from 1.
    pub(crate) number: u32,
    pub(crate) text: String,
}

/// Somebody is not wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ban {
    /// A key or a network.
    pub(crate) whom: Who,
    pub(crate) reason: String,
    pub(crate) from: u64,
    /// `None` for good.
    pub(crate) until: Option<u64>,
    /// Whether it follows from reports alone.
    pub(crate) is_automatic: bool,
}

/// Whom an operator bans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BanTarget {
    Who(Who),
    /// Whoever this report is about.
    Reported(u64),
}

/// What an operator orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BanOrder {
    pub(crate) target: BanTarget,
    pub(crate) reason: String,
    /// For good if there is none.
    pub(crate) lasts: Option<Duration>,
}

/// There is no such thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unknown;

/// One thing is so from now on, or is no more.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    Key(KeyHash, Option<Known>),
    Report(u64, Option<Report>),
    Ban(u64, Option<Ban>),
    /// The first has blocked the second; the number says in which order.
    Block(KeyHash, KeyHash, Option<u64>),
    /// What all servers are to know, by the word of its shelf and its name.
    Fact(&'static str, Arc<str>, Option<Fact>),
}

/// What changes together.
pub(crate) type Changes = Vec<Change>;

/// Everything that is kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tables {
    /// With which handles are made, and what stands for an address.
    pub(crate) secret: [u8; 32],
    pub(crate) keys: HashMap<KeyHash, Known>,
    pub(crate) reports: BTreeMap<u64, Report>,
    pub(crate) bans: BTreeMap<u64, Ban>,
    pub(crate) blocks: BTreeMap<(KeyHash, KeyHash), u64>,
    /// What all servers are to know: for the ledgers.
    pub(crate) facts: Facts,
}

impl Tables {
    /// Empty, with a secret that nobody knows and nobody keeps.
    pub(crate) fn forgotten_soon() -> Self {
        Self {
            secret: random_secret(),
            ..Self::default()
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Records {
    policy: Policy,
    secret: hmac::Key,
    keys: HashMap<KeyHash, Known>,
    reports: BTreeMap<u64, Report>,
    about: HashMap<Who, BTreeSet<u64>>,
    from: HashMap<Source, BTreeSet<u64>>,
    /// Which reports have lines of chat.
    with_lines: BTreeSet<u64>,
    bans: BTreeMap<u64, Ban>,
    /// The bans of keys, and of addresses of one person.
    banned: HashMap<Who, BTreeSet<u64>>,
    /// Those of other networks.
    banned_networks: BTreeSet<u64>,
    /// Whom each key has blocked, oldest first.
    blocks: HashMap<KeyHash, VecDeque<KeyHash>>,
    blocked_by: HashMap<KeyHash, BTreeSet<KeyHash>>,
    last_number: u64,
}

impl Records {
    pub(crate) fn new(policy: Policy, tables: Tables) -> Self {
        let mut records = Self {
            policy,
            secret: hmac::Key::new(hmac::HMAC_SHA256, &tables.secret),
            keys: tables.keys,
            reports: BTreeMap::new(),
            about: HashMap::new(),
            from: HashMap::new(),
            with_lines: BTreeSet::new(),
            bans: BTreeMap::new(),
            banned: HashMap::new(),
            banned_networks: BTreeSet::new(),
            blocks: HashMap::new(),
            blocked_by: HashMap::new(),
            last_number: 0,
        };
        for (number, report) in tables.reports {
            records.list(number, report);
        }
        let mut blocks: Vec<_> = tables.blocks.into_iter().collect();
        blocks.sort_unstable_by_key(|(_, number)| *number);
        for ((by, whom), number) in blocks {
            records.blocks.entry(by).or_default().push_back(whom);
            records.blocked_by.entry(whom).or_default().insert(by);
            records.last_number = records.last_number.max(number);
        }
        for (number, ban) in tables.bans {
            records.list_ban(number, ban);
        }
        records
    }

    /// What the server calls `partner` towards `viewer`.
    pub(crate) fn handle(&self, viewer: KeyHash, partner: KeyHash) -> Handle {
        let tag = hmac::sign(
            &self.secret,
            &[b"handle", &viewer.0[..], &partner.0].concat(),
        );
        let mut half = [0; 16];
        half.copy_from_slice(&tag.as_ref()[..16]);
        Handle::from_bytes(half)
    }

    /// One who has this key is here.
    pub(crate) fn seen(&mut self, key: KeyHash, now: u64) -> Changes {
        let mut changes = Changes::new();
        let is_new = !self.keys.contains_key(&key);
        let known = self.keys.entry(key).or_insert(Known {
            first_seen: now,
            last_seen: now,
            dismissed: 0,
        });
        if is_new || now >= known.last_seen + DAY {
            known.last_seen = now;
            changes.push(Change::Key(key, Some(*known)));
        }
        if self.keys.len() > KEYS {
            self.forget_keys(KEYS - KEYS / 16, &mut changes);
        }
        changes
    }

    /// Whether a key was there before today.
    pub(crate) fn is_known(&self, key: KeyHash) -> bool {
        self.keys.contains_key(&key)
    }

    /// Whether a key was there a day ago, so that it is nobody's who makes up one after the other.
    pub(crate) fn is_settled(&self, key: KeyHash, now: u64) -> bool {
        let known = self.keys.get(&key);
        known.is_some_and(|known| known.first_seen.saturating_add(DAY) <= now)
    }

    /// What follows from that. Nobody is banned by it: that takes a [`Ban`], which may be over.
    pub(crate) fn standing(&self, person: &Person, now: u64) -> Standing {
        let Some(who) = person.who() else {
            return Standing::Good;
        };
        let standing = self.policy.standing(self.score(who, now));
        standing.min(Standing::Apart)
    }

    /// Handles and the places of reporters are made with this from now on, as at the other servers.
    pub(crate) fn set_secret(&mut self, secret: &[u8; 32]) {
        self.secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
    }

    /// Since when there is something here, in seconds since the Unix epoch.
    pub(crate) fn oldest(&self) -> Option<u64> {
        let keys = self.keys.values().map(|known| known.first_seen).min();
        let reports = self.reports.values().map(|report| report.at).min();
        keys.into_iter().chain(reports).min()
    }

    /// Forgets what is over: to be called now and then.
    pub(crate) fn tidy(&mut self, now: u64) -> Changes {
        let mut changes = Changes::new();
        let over = self.bans.iter();
        let over = over.filter(|(_, ban)| ban.until.is_some_and(|until| until <= now));
        let over: Vec<u64> = over.map(|(number, _)| *number).collect();
        for number in over {
            self.drop_ban(number, &mut changes);
        }
        let keep_for = self.policy.keep_for.as_secs();
        let old = self.reports.iter();
        let old = old.filter(|(_, report)| report.at.saturating_add(keep_for) <= now);
        let old: Vec<u64> = old.map(|(number, _)| *number).collect();
        for number in old {
            self.drop_report(number, &mut changes);
        }
        let unseen = self.keys.iter();
        let unseen = unseen.filter(|(_, known)| known.last_seen.saturating_add(KEY_KEPT) <= now);
        let mut unseen: Vec<KeyHash> = unseen.map(|(key, _)| *key).collect();
        unseen.sort_unstable();
        for key in unseen {
            self.forget_key(key, &mut changes);
        }
        changes
    }

    /// How many reports, bans, blocks and keys there are.
    pub(crate) fn census(&self) -> [usize; 4] {
        let blocks = self.blocks.values().map(VecDeque::len).sum();
        [self.reports.len(), self.bans.len(), blocks, self.keys.len()]
    }

    /// Everything that is kept of an address in a reporter's place.
    fn tag(&self, place: Network) -> u64 {
        let tag = hmac::sign(&self.secret, format!("place {place}").as_bytes());
        let mut part = [0; 8];
        part.copy_from_slice(&tag.as_ref()[..8]);
        u64::from_be_bytes(part)
    }

    /// Forgets those who were not seen for longest, until so many are left.
    fn forget_keys(&mut self, left: usize, changes: &mut Changes) {
        let keys = self.keys.iter();
        let mut keys: Vec<_> = keys.map(|(key, known)| (known.last_seen, *key)).collect();
        keys.sort_unstable();
        let too_many = keys.len().saturating_sub(left);
        for (_, key) in keys.into_iter().take(too_many) {
            self.forget_key(key, changes);
        }
    }

    fn forget_key(&mut self, key: KeyHash, changes: &mut Changes) {
        self.keys.remove(&key);
        changes.push(Change::Key(key, None));
        for whom in self.blocks.remove(&key).into_iter().flatten() {
            self.unlink_block(key, whom);
            changes.push(Change::Block(key, whom, None));
        }
    }

    const fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

/// The first of more than `most` that belong to `key`.
fn first_of_too_many<K: Eq + Hash>(
    map: &HashMap<K, BTreeSet<u64>>,
    key: &K,
    most: usize,
) -> Option<u64> {
    let numbers = map.get(key).filter(|numbers| numbers.len() > most)?;
    numbers.first().copied()
}

fn take_out<K: Eq + Hash, V: Ord>(map: &mut HashMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(values) = map.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            map.remove(key);
        }
    }
}

#[cfg(test)]
mod tests;

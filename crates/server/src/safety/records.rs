//! What is known of people, and what follows from it.
//!
//! Bounded: so many keys, reports and bans, and so many blocks of one key; of more, the oldest go. Times are arguments, in seconds since
//! the Unix epoch. Whatever changes is returned as [`Changes`] too, for those who write it down.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    hash::Hash,
    sync::Arc,
    time::Duration,
};

use cluster::Fact;
use protocol::{Handle, ReportReason, SignedLine};
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::{
    Facts, KeyHash, Person, Policy, Standing, Who,
    reputation::{Evidence, Reporter},
};
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

    /// What reports about somebody amount to.
    pub(crate) fn score(&self, who: Who, now: u64) -> f64 {
        let reports = self.about.get(&who).into_iter().flatten();
        let reports = reports.filter_map(|number| self.reports.get(number));
        let evidence = reports.map(|report| Evidence {
            weight: report.weight,
            at: report.at,
            place: report.from_place,
        });
        self.policy.score(evidence, now)
    }

    /// What follows from that. Nobody is banned by it: that takes a [`Ban`], which may be over.
    pub(crate) fn standing(&self, person: &Person, now: u64) -> Standing {
        let Some(who) = person.who() else {
            return Standing::Good;
        };
        let standing = self.policy.standing(self.score(who, now));
        standing.min(Standing::Apart)
    }

    /// Why somebody is not wanted.
    pub(crate) fn ban_of(&self, person: &Person, now: u64) -> Option<&Ban> {
        let own = [person.key.map(Who::Key), Some(Who::Place(person.place))];
        let own = own.into_iter().flatten();
        let own = own.filter_map(|who| self.banned.get(&who)).flatten();
        let bans = own.chain(&self.banned_networks);
        let bans = bans.filter_map(|number| self.bans.get(number));
        let applies = |ban: &&Ban| {
            let is_meant = match ban.whom {
                Who::Key(_) => true,
                Who::Place(network) => network.contains(person.place.ip()),
            };
            is_meant && ban.until.is_none_or(|until| now < until)
        };
        // The one that lasts longest.
        bans.filter(applies)
            .max_by_key(|ban| ban.until.unwrap_or(u64::MAX))
    }

    /// Somebody says what somebody else has done. Takes the place of what the reporter said of the same person before. Says whether that
    /// person is banned for it.
    pub(crate) fn report(
        &mut self,
        reporter: &Person,
        about: &Person,
        reason: ReportReason,
        note: String,
        now: u64,
    ) -> (Changes, bool) {
        let mut changes = Changes::new();
        let from_place = (!reporter.is_shared).then(|| self.tag(reporter.place));
        let from = match reporter.key {
            Some(key) => Some(Source::Key(key)),
            None => from_place.map(Source::Place),
        };
        let who = about.who();
        let weight = match from {
            // Nobody counts against himself either: it would be a way to be banned with others at one address.
            Some(from) if who != reporter.who() => self.weight(reporter, from, now),
            _ => 0.0,
        };
        let report = Report {
            about: who,
            about_place: about.place,
            from,
            from_place,
            reason,
            note,
            at: now,
            weight,
            lines: Vec::new(),
        };
        let is_banned = self.add_report(report, about, now, &mut changes);
        (changes, is_banned)
    }

    /// Another server has heard a report. Takes the place of what the same reporter said of the same person before. Says whether that person
    /// is banned for it.
    pub(crate) fn adopt_report(&mut self, report: Report, now: u64) -> (Changes, bool) {
        let mut changes = Changes::new();
        let about = Person {
            key: match report.about {
                Some(Who::Key(key)) => Some(key),
                _ => None,
            },
            place: report.about_place,
            is_shared: false,
        };
        let is_banned = self.add_report(report, &about, now, &mut changes);
        (changes, is_banned)
    }

    /// A report counts no longer: another server's operator has dismissed it, or forgiven the person whom it is about.
    pub(crate) fn take_back(&mut self, about: Who, from: Source, is_dismissed: bool) -> Changes {
        let mut changes = Changes::new();
        for number in self.reports_of(about, from) {
            if is_dismissed {
                changes.extend(self.dismiss(number).unwrap_or_default());
            } else {
                self.drop_report(number, &mut changes);
            }
        }
        changes
    }

    /// About whom and from whom a report is, if it counts.
    pub(crate) fn parties(&self, number: u64) -> Option<(Who, Source)> {
        let report = self.reports.get(&number)?;
        report.about.zip(report.from)
    }

    /// Who has said something about somebody.
    pub(crate) fn reporters_of(&self, about: Who) -> Vec<Source> {
        let numbers = self.about.get(&about).into_iter().flatten();
        let reports = numbers.filter_map(|number| self.reports.get(number));
        reports.filter_map(|report| report.from).collect()
    }

    fn reports_of(&self, about: Who, from: Source) -> Vec<u64> {
        let numbers = self.about.get(&about).into_iter().flatten();
        let is_his = |number: &&u64| {
            let report = self.reports.get(number);
            report.is_some_and(|report| report.from == Some(from))
        };
        numbers.filter(is_his).copied().collect()
    }

    fn add_report(
        &mut self,
        report: Report,
        about: &Person,
        now: u64,
        changes: &mut Changes,
    ) -> bool {
        let who = report.about;
        if let (Some(who), Some(from)) = (who, report.from) {
            for number in self.reports_of(who, from) {
                self.drop_report(number, changes);
            }
        }
        let number = self.next_number();
        changes.push(Change::Report(number, Some(report.clone())));
        self.list(number, report);
        if let Some(who) = who
            && let Some(oldest) = first_of_too_many(&self.about, &who, REPORTS_OF_ONE)
        {
            self.drop_report(oldest, changes);
        }
        if self.reports.len() > REPORTS
            && let Some((&oldest, _)) = self.reports.first_key_value()
        {
            self.drop_report(oldest, changes);
        }
        let is_banned = who.is_some_and(|who| {
            let standing = self.policy.standing(self.score(who, now));
            standing == Standing::Banned && self.ban_of(about, now).is_none()
        });
        if let Some(whom) = who.filter(|_| is_banned) {
            let ban = Ban {
                whom,
                reason: REPORTED.to_owned(),
                from: now,
                until: Some(now + self.policy.ban_for.as_secs()),
                is_automatic: true,
            };
            self.drop_bans_of(whom, changes);
            self.add_ban(ban, changes);
        }
        is_banned
    }

    /// Adds lines of chat, which were checked, to the report that was just made with these changes.
    pub(crate) fn add_lines(&mut self, lines: Vec<SignedLine>, changes: &mut Changes) {
        let made = changes.iter_mut().rev().find_map(|change| match change {
            Change::Report(number, Some(report)) => Some((*number, report)),
            _ => None,
        });
        let Some((number, report)) = made.filter(|_| !lines.is_empty()) else {
            return;
        };
        let proved = lines.into_iter().map(|line| ProvedLine {
            number: line.number,
            text: line.text,
        });
        report.lines = proved.collect();
        // One that was pushed out again at once is in no list.
        if let Some(kept) = self.reports.get_mut(&number) {
            kept.lines.clone_from(&report.lines);
            self.with_lines.insert(number);
        }
        if self.with_lines.len() > REPORTS_WITH_LINES
            && let Some(oldest) = self.with_lines.pop_first()
            && let Some(report) = self.reports.get_mut(&oldest)
        {
            report.lines = Vec::new();
            changes.push(Change::Report(oldest, Some(report.clone())));
        }
    }

    /// The two never meet from now on. Of more than can be kept, the first block of the same person goes.
    pub(crate) fn block(&mut self, by: KeyHash, whom: KeyHash) -> Changes {
        let mut changes = Changes::new();
        let number = self.next_number();
        let blocks = self.blocks.entry(by).or_default();
        blocks.retain(|other| *other != whom);
        blocks.push_back(whom);
        let gone = (blocks.len() > BLOCKS).then(|| blocks.pop_front());
        self.blocked_by.entry(whom).or_default().insert(by);
        changes.push(Change::Block(by, whom, Some(number)));
        if let Some(gone) = gone.flatten() {
            self.unlink_block(by, gone);
            changes.push(Change::Block(by, gone, None));
        }
        changes
    }

    /// The first has not blocked the second, as far as is known here.
    pub(crate) fn unblock(&mut self, by: KeyHash, whom: KeyHash) -> Changes {
        let Some(blocks) = self.blocks.get_mut(&by) else {
            return Changes::new();
        };
        blocks.retain(|other| *other != whom);
        if blocks.is_empty() {
            self.blocks.remove(&by);
        }
        self.unlink_block(by, whom);
        vec![Change::Block(by, whom, None)]
    }

    /// All blocks: by whom, and whom.
    pub(crate) fn blocks(&self) -> Vec<(KeyHash, KeyHash)> {
        let mut blocks: Vec<_> = (self.blocked_by.iter())
            .flat_map(|(whom, by)| by.iter().map(|by| (*by, *whom)))
            .collect();
        blocks.sort_unstable();
        blocks
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

    /// Whom a key has blocked.
    pub(crate) fn blocked_by(&self, key: KeyHash) -> impl Iterator<Item = KeyHash> {
        self.blocks.get(&key).into_iter().flatten().copied()
    }

    /// Who has blocked a key.
    pub(crate) fn blockers_of(&self, key: KeyHash) -> impl Iterator<Item = KeyHash> {
        self.blocked_by.get(&key).into_iter().flatten().copied()
    }

    /// The operator sees nothing in a report. Who has sent it weighs less from now on.
    pub(crate) fn dismiss(&mut self, number: u64) -> Result<Changes, Unknown> {
        let mut changes = Changes::new();
        let report = self.drop_report(number, &mut changes).ok_or(Unknown)?;
        if let Some(Source::Key(key)) = report.from
            && let Some(known) = self.keys.get_mut(&key)
        {
            known.dismissed = known.dismissed.saturating_add(1);
            changes.push(Change::Key(key, Some(*known)));
        }
        Ok(changes)
    }

    /// The operator wants somebody away. Takes the place of another ban of the same.
    pub(crate) fn ban(&mut self, order: BanOrder, now: u64) -> Result<Changes, Unknown> {
        let whom = match order.target {
            BanTarget::Who(who) => who,
            BanTarget::Reported(number) => {
                let report = self.reports.get(&number).ok_or(Unknown)?;
                report.about.ok_or(Unknown)?
            }
        };
        let mut changes = Changes::new();
        self.drop_bans_of(whom, &mut changes);
        let ban = Ban {
            whom,
            reason: order.reason,
            from: now,
            until: order.lasts.map(|lasts| now.saturating_add(lasts.as_secs())),
            is_automatic: false,
        };
        self.add_ban(ban, &mut changes);
        Ok(changes)
    }

    /// The operator lets somebody in again. What was reported is forgiven.
    pub(crate) fn unban(&mut self, number: u64) -> Result<Changes, Unknown> {
        let mut changes = Changes::new();
        let ban = self.drop_ban(number, &mut changes).ok_or(Unknown)?;
        self.forgive(ban.whom, &mut changes);
        Ok(changes)
    }

    /// Whom a ban is of.
    pub(crate) fn banned(&self, number: u64) -> Option<Who> {
        self.bans.get(&number).map(|ban| ban.whom)
    }

    /// Another server has banned somebody. Takes the place of another ban of the same; if there are as many as may be, nothing changes.
    pub(crate) fn adopt_ban(&mut self, ban: Ban) -> Changes {
        let mut changes = Changes::new();
        let before = self.bans_of(ban.whom);
        if before.len() == 1 && self.bans.get(&before[0]) == Some(&ban) {
            return changes;
        }
        if before.is_empty() && self.bans.len() >= BANS {
            return changes;
        }
        self.drop_bans_of(ban.whom, &mut changes);
        self.add_ban(ban, &mut changes);
        changes
    }

    /// Another server has let somebody in again. What was reported, it takes back by itself.
    pub(crate) fn let_in(&mut self, whom: Who) -> Changes {
        let mut changes = Changes::new();
        self.drop_bans_of(whom, &mut changes);
        changes
    }

    fn forgive(&mut self, whom: Who, changes: &mut Changes) {
        let about = self.about.get(&whom).into_iter().flatten();
        let about: Vec<u64> = about.copied().collect();
        for number in about {
            self.drop_report(number, changes);
        }
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

    /// The newest reports first.
    pub(crate) fn reports(&self) -> impl Iterator<Item = (u64, &Report)> {
        self.reports
            .iter()
            .rev()
            .map(|(number, report)| (*number, report))
    }

    /// The newest bans first.
    pub(crate) fn bans(&self) -> impl Iterator<Item = (u64, &Ban)> {
        self.bans.iter().rev().map(|(number, ban)| (*number, ban))
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

    fn weight(&self, reporter: &Person, from: Source, now: u64) -> f64 {
        let known = reporter.key.and_then(|key| self.keys.get(&key));
        let lately = self.from.get(&from).into_iter().flatten();
        let lately = lately.filter_map(|number| self.reports.get(number));
        self.policy.weight(&Reporter {
            known_for: known.map(|known| Duration::from_secs(now.saturating_sub(known.first_seen))),
            score: reporter.who().map_or(0.0, |who| self.score(who, now)),
            reports_in_a_day: lately.filter(|report| report.at + DAY > now).count(),
            dismissed: known.map_or(0, |known| known.dismissed),
        })
    }

    fn list(&mut self, number: u64, report: Report) {
        if let Some(who) = report.about {
            self.about.entry(who).or_default().insert(number);
        }
        if let Some(from) = report.from {
            self.from.entry(from).or_default().insert(number);
        }
        if !report.lines.is_empty() {
            self.with_lines.insert(number);
        }
        self.reports.insert(number, report);
        self.last_number = self.last_number.max(number);
    }

    fn drop_report(&mut self, number: u64, changes: &mut Changes) -> Option<Report> {
        let report = self.reports.remove(&number)?;
        self.with_lines.remove(&number);
        if let Some(who) = report.about {
            take_out(&mut self.about, &who, &number);
        }
        if let Some(from) = report.from {
            take_out(&mut self.from, &from, &number);
        }
        changes.push(Change::Report(number, None));
        Some(report)
    }

    /// The bans of exactly this key or network: one, but for those that follow from reports while another one is over.
    fn bans_of(&self, whom: Who) -> Vec<u64> {
        match whom {
            Who::Place(network) if !network.is_place() => {
                let is_his =
                    |number: &&u64| self.bans.get(number).is_some_and(|it| it.whom == whom);
                self.banned_networks
                    .iter()
                    .filter(is_his)
                    .copied()
                    .collect()
            }
            who => self
                .banned
                .get(&who)
                .into_iter()
                .flatten()
                .copied()
                .collect(),
        }
    }

    fn drop_bans_of(&mut self, whom: Who, changes: &mut Changes) {
        for number in self.bans_of(whom) {
            self.drop_ban(number, changes);
        }
    }

    fn add_ban(&mut self, ban: Ban, changes: &mut Changes) {
        let number = self.next_number();
        changes.push(Change::Ban(number, Some(ban.clone())));
        self.list_ban(number, ban);
        // An operator's outlasts what follows from reports.
        let weakest = |(number, ban): &(&u64, &Ban)| (!ban.is_automatic, **number);
        if self.bans.len() > BANS
            && let Some((&number, _)) = self.bans.iter().min_by_key(weakest)
        {
            self.drop_ban(number, changes);
        }
    }

    fn list_ban(&mut self, number: u64, ban: Ban) {
        match ban.whom {
            Who::Place(network) if !network.is_place() => {
                self.banned_networks.insert(number);
            }
            who => {
                self.banned.entry(who).or_default().insert(number);
            }
        }
        self.bans.insert(number, ban);
        self.last_number = self.last_number.max(number);
    }

    fn drop_ban(&mut self, number: u64, changes: &mut Changes) -> Option<Ban> {
        let ban = self.bans.remove(&number)?;
        take_out(&mut self.banned, &ban.whom, &number);
        self.banned_networks.remove(&number);
        changes.push(Change::Ban(number, None));
        Some(ban)
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

    fn unlink_block(&mut self, by: KeyHash, whom: KeyHash) {
        take_out(&mut self.blocked_by, &whom, &by);
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

//! What the servers that are one tell each other of people.
//!
//! What is decided here becomes a fact in a [`Ledger`], among the same [`Changes`] as what it is about. What others have decided becomes in
//! [`Records`] what it would be if it had been decided here. So all is kept by each, and it does not matter what Redis forgets.

use std::time::Instant;

use cluster::{FOR_GOOD, Fact, Ledger, NodeId, Page, Question, Shelf};
use tracing::debug;

use super::{
    BANS, BLOCKS, Change, Changes, Facts, KeyHash, Policy, REPORTS, Records, Report, SECRET,
    SHELVES, Source, Verdict, Who,
    facts::{Complaint, block_name, block_of, complaint_name, name_of, secret_of, secret_text},
};

/// How long a block is told that is not renewed, in seconds.
const BLOCK_LASTS: u64 = 365 * 24 * 3600;
/// The secret that was made first is to hold, which is the one with the latest stamp: so many milliseconds, less those at which it was made.
const SECRETS: u64 = 3_000_000_000_000;
/// The name of the one fact on its shelf.
const THE_SECRET: &str = "secret";

/// The ledgers of a server, in the order of [`SHELVES`]. They are there without others, too: there may be some after the next start. Times
/// by the wall are in milliseconds since the Unix epoch.
#[derive(Debug)]
pub(crate) struct Shared {
    ledgers: [Ledger; SHELVES.len()],
    /// For how long reports are kept, in seconds.
    reports_last: u64,
}

/// What others have said, and what has followed.
#[derive(Debug, Default)]
pub(crate) struct Adopted {
    pub(crate) changes: Changes,
    /// How many have been banned.
    pub(crate) bans: usize,
    /// Whether one of them follows from reports that came together here.
    pub(crate) is_by_reports: bool,
    /// Who has blocked whom.
    pub(crate) blocks: Vec<(KeyHash, KeyHash)>,
}

impl Shared {
    /// With what was on the disk.
    pub(crate) fn new(me: NodeId, facts: Facts, policy: &Policy) -> Self {
        let mut ledgers = SHELVES.map(|shelf| Ledger::new(shelf, me));
        for ((word, _), fact) in facts {
            if let Some(ledger) = ledgers.iter_mut().find(|it| it.shelf().word == word) {
                ledger.restore(fact);
            }
        }
        let reports_last = policy.keep_for.as_secs();
        Self {
            ledgers,
            reports_last,
        }
    }

    /// When there is something to ask.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.ledgers.iter().filter_map(Ledger::poll_timeout).min()
    }

    /// The next question for Redis. Call until `None`.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Question> {
        self.ledgers.iter_mut().find_map(|it| it.poll(now))
    }

    /// A question could not be put.
    pub(crate) fn on_failed(&mut self, word: &str, now: Instant) {
        if let Some(ledger) = self.ledger(word) {
            ledger.on_failed(now);
        }
    }

    /// Redis is there.
    pub(crate) fn on_up(&mut self, now: Instant) {
        self.ledgers.iter_mut().for_each(|it| it.on_up(now));
    }

    /// Redis is away.
    pub(crate) fn on_lost(&mut self) {
        self.ledgers.iter_mut().for_each(Ledger::on_lost);
    }

    /// There is something new of that kind.
    pub(crate) fn on_nudge(&mut self, word: &str, now: Instant) {
        if let Some(ledger) = self.ledger(word) {
            ledger.on_nudge(now);
        }
    }

    /// All kinds, for what is shown of them.
    pub(crate) fn ledgers(&self) -> impl Iterator<Item = &Ledger> {
        self.ledgers.iter()
    }

    /// Forgets what is over, but for blocks by those who are known here: these are told again. `now` is in seconds.
    pub(crate) fn tidy(&mut self, records: &mut Records, now: u64, changes: &mut Changes) {
        for at in 0..SHELVES.len() {
            let shelf = self.ledgers[at].shelf();
            for name in self.ledgers[at].tidy(now) {
                match block_of(&name).filter(|_| shelf == BLOCKS) {
                    Some((by, whom)) if records.is_known(by) => {
                        self.share_block(by, whom, changes, now * 1000);
                        continue;
                    }
                    Some((by, whom)) => changes.extend(records.unblock(by, whom)),
                    None => {}
                }
                changes.push(Change::Fact(shelf.word, name, None));
            }
        }
    }

    /// Once, at the start: of a ban and a fact that differ the fact holds, and what was kept before there were facts gets them. `secret` is this
    /// server's own.
    pub(crate) fn reconcile(
        &mut self,
        records: &mut Records,
        secret: &[u8; 32],
        now_ms: u64,
    ) -> Changes {
        let now = now_ms / 1000;
        let mut changes = Changes::new();
        for fact in self.on(BANS).facts() {
            changes.extend(adopt_verdict(records, fact, now));
        }
        for (_, ban) in records.bans() {
            let is_told = self.on(BANS).get(&name_of(ban.whom)).is_some();
            if !is_told && ban.until.is_none_or(|until| until > now) {
                let at_ms = ban.from.saturating_mul(1000).min(now_ms);
                self.tell_verdict(ban.whom, &Verdict::of(ban), at_ms, &mut changes);
            }
        }
        for (_, report) in records.reports() {
            self.tell_report(report, report.at.saturating_mul(1000), true, &mut changes);
        }
        for (by, whom) in records.blocks() {
            if self.on(BLOCKS).get(&block_name(by, whom)).is_none() {
                self.share_block(by, whom, &mut changes, now_ms);
            }
        }
        if self.on(SECRET).is_empty() {
            let made = records
                .oldest()
                .map_or(now_ms, |oldest| oldest.saturating_mul(1000));
            // Not ahead of the time, as no fact may be.
            let at_ms = SECRETS.saturating_sub(made.max(SECRETS / 2));
            let text = secret_text(secret);
            self.tell(SECRET, THE_SECRET, &text, FOR_GOOD, at_ms, &mut changes);
        }
        self.adopt_secret(records);
        changes
    }

    /// What begins with these changes holds on all servers.
    pub(crate) fn share(&mut self, changes: &mut Changes, now_ms: u64) {
        for change in changes.clone() {
            match change {
                Change::Ban(_, Some(ban)) => {
                    self.tell_verdict(ban.whom, &Verdict::of(&ban), now_ms, changes);
                }
                Change::Report(_, Some(report)) => {
                    self.tell_report(&report, now_ms, false, changes);
                }
                Change::Block(by, whom, Some(_)) => self.share_block(by, whom, changes, now_ms),
                _ => {}
            }
        }
    }

    /// Whoever it is is let in again by all, and what these have reported is forgiven.
    pub(crate) fn share_end_of_ban(
        &mut self,
        whom: Who,
        reporters: &[Source],
        changes: &mut Changes,
        now_ms: u64,
    ) {
        self.tell_verdict(whom, &Verdict::LetIn, now_ms, changes);
        for from in reporters {
            self.take_back(whom, *from, &Complaint::Forgiven, changes, now_ms);
        }
    }

    /// An operator has dismissed a report.
    pub(crate) fn share_dismissal(
        &mut self,
        (about, from): (Who, Source),
        changes: &mut Changes,
        now_ms: u64,
    ) {
        self.take_back(about, from, &Complaint::Dismissed, changes, now_ms);
    }

    /// Redis has answered.
    pub(crate) fn on_page(
        &mut self,
        records: &mut Records,
        (word, page): (&str, Page),
        now_ms: u64,
        now: Instant,
    ) -> Adopted {
        let mut adopted = Adopted::default();
        let Some(ledger) = self.ledger(word) else {
            return adopted;
        };
        let shelf = ledger.shelf();
        for fact in ledger.on_page(page, now_ms, now) {
            self.adopt(records, shelf, &fact, now_ms, &mut adopted);
            let name = fact.name.clone();
            adopted
                .changes
                .push(Change::Fact(shelf.word, name, Some(fact)));
        }
        if shelf == SECRET {
            self.adopt_secret(records);
        }
        adopted
    }

    fn adopt(
        &mut self,
        records: &mut Records,
        shelf: Shelf,
        fact: &Fact,
        now_ms: u64,
        adopted: &mut Adopted,
    ) {
        let now = now_ms / 1000;
        match shelf {
            BANS => {
                let changes = adopt_verdict(records, fact, now);
                let begin = |change: &&Change| matches!(change, Change::Ban(_, Some(_)));
                adopted.bans += changes.iter().filter(begin).count();
                adopted.changes.extend(changes);
            }
            REPORTS => {
                let Some((about, from, complaint)) = Complaint::read(fact, now) else {
                    debug!("a word about a report that is not understood");
                    return;
                };
                let is_dismissed = complaint == Complaint::Dismissed;
                if let Complaint::Made { report } = complaint {
                    let (mut changes, is_banned) = records.adopt_report(report, now);
                    if is_banned {
                        // Perhaps it has come together here alone.
                        let bans = changes.extract_if(.., |it| matches!(it, Change::Ban(..)));
                        let mut bans: Changes = bans.collect();
                        self.share(&mut bans, now_ms);
                        changes.extend(bans);
                        adopted.is_by_reports = true;
                    }
                    adopted.changes.extend(changes);
                } else {
                    let changes = records.take_back(about, from, is_dismissed);
                    adopted.changes.extend(changes);
                }
            }
            BLOCKS => {
                if let Some((by, whom)) = block_of(&fact.name) {
                    adopted.changes.extend(records.block(by, whom));
                    adopted.blocks.push((by, whom));
                }
            }
            _ => {}
        }
    }

    fn adopt_secret(&mut self, records: &mut Records) {
        let fact = self.on(SECRET).get(THE_SECRET);
        if let Some(secret) = fact.and_then(|fact| secret_of(&fact.text)) {
            records.set_secret(&secret);
        }
    }

    fn ledger(&mut self, word: &str) -> Option<&mut Ledger> {
        self.ledgers.iter_mut().find(|it| it.shelf().word == word)
    }

    fn on(&mut self, shelf: Shelf) -> &mut Ledger {
        let at = SHELVES.iter().position(|it| *it == shelf);
        &mut self.ledgers[at.unwrap_or_default()]
    }

    fn tell_verdict(&mut self, whom: Who, verdict: &Verdict, at_ms: u64, changes: &mut Changes) {
        let name = name_of(whom);
        let before = self.on(BANS).get(&name).map(|fact| fact.until);
        let until = verdict.known_until(before, at_ms / 1000);
        self.tell(BANS, &name, &verdict.written(), until, at_ms, changes);
    }

    /// Tells a report that counts for somebody; with `is_old` only if nothing was told before.
    fn tell_report(&mut self, report: &Report, at_ms: u64, is_old: bool, changes: &mut Changes) {
        let Some((about, from)) = report.about.zip(report.from) else {
            return;
        };
        let name = complaint_name(about, from);
        if is_old && self.on(REPORTS).get(&name).is_some() {
            return;
        }
        let until = report.at.saturating_add(self.reports_last);
        // Lines of chat stay here: others could not check who has written them.
        let report = Report {
            lines: Vec::new(),
            ..report.clone()
        };
        let text = Complaint::Made { report }.written();
        self.tell(REPORTS, &name, &text, until, at_ms, changes);
    }

    fn take_back(
        &mut self,
        about: Who,
        from: Source,
        complaint: &Complaint,
        changes: &mut Changes,
        now_ms: u64,
    ) {
        let name = complaint_name(about, from);
        // Nobody counts it after that.
        let until = self.on(REPORTS).get(&name).map(|fact| fact.until);
        let until = until.unwrap_or((now_ms / 1000).saturating_add(self.reports_last));
        self.tell(REPORTS, &name, &complaint.written(), until, now_ms, changes);
    }

    fn share_block(&mut self, by: KeyHash, whom: KeyHash, changes: &mut Changes, now_ms: u64) {
        let until = (now_ms / 1000).saturating_add(BLOCK_LASTS);
        let name = block_name(by, whom);
        self.tell(BLOCKS, &name, "", until, now_ms, changes);
    }

    fn tell(
        &mut self,
        shelf: Shelf,
        name: &str,
        text: &str,
        until: u64,
        at_ms: u64,
        changes: &mut Changes,
    ) {
        let (fact, forgotten) = self.on(shelf).decide(name, text, until, at_ms);
        changes.extend(forgotten.map(|name| Change::Fact(shelf.word, name, None)));
        let name = fact.name.clone();
        changes.push(Change::Fact(shelf.word, name, Some(fact)));
    }
}

/// Somebody is banned or let in again by the word of another server, or by what was known before this start. `now` is in seconds.
fn adopt_verdict(records: &mut Records, fact: &Fact, now: u64) -> Changes {
    let Some((whom, verdict)) = Verdict::read(fact) else {
        debug!("a word about a ban that is not understood");
        return Changes::new();
    };
    match verdict.ban(whom) {
        None => records.let_in(whom),
        Some(ban) if ban.until.is_some_and(|until| until <= now) => Changes::new(),
        Some(ban) => records.adopt_ban(ban),
    }
}

#[cfg(test)]
mod tests;

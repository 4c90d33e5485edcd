use std::time::Duration;

use protocol::ReportReason;

use super::*;
use crate::safety::{Ban, BanOrder, BanTarget, KeyHash, Person, Policy, Tables};

mod reports;

/// By the wall, in milliseconds.
const NOW: u64 = 1_800_000_000_000;

/// A server without sockets, and what would be on its disk.
struct Server {
    records: Records,
    shared: Shared,
    tables: Tables,
}

impl Server {
    fn new(me: u64, tables: Tables) -> Self {
        let policy = Policy::default();
        let mut shared = Shared::new(NodeId(me), tables.facts.clone(), &policy);
        let mut records = Records::new(policy, tables.clone());
        let secret = [me as u8; 32];
        let changes = shared.reconcile(&mut records, &secret, NOW);
        let mut server = Self {
            records,
            shared,
            tables,
        };
        server.write(changes);
        server
    }

    fn write(&mut self, changes: Changes) {
        for change in changes {
            match change {
                Change::Ban(number, Some(ban)) => drop(self.tables.bans.insert(number, ban)),
                Change::Ban(number, None) => drop(self.tables.bans.remove(&number)),
                Change::Fact(word, name, Some(fact)) => {
                    self.tables.facts.insert((word.to_owned(), name), fact);
                }
                Change::Fact(word, name, None) => {
                    self.tables.facts.remove(&(word.to_owned(), name));
                }
                Change::Report(number, Some(report)) => {
                    self.tables.reports.insert(number, report);
                }
                Change::Report(number, None) => drop(self.tables.reports.remove(&number)),
                Change::Block(by, whom, Some(number)) => {
                    self.tables.blocks.insert((by, whom), number);
                }
                Change::Block(by, whom, None) => drop(self.tables.blocks.remove(&(by, whom))),
                Change::Key(..) => {}
            }
        }
    }

    /// As it is after the next start.
    fn again(self, me: u64) -> Self {
        Self::new(me, self.tables)
    }

    fn bans(&mut self, whom: Who, now_ms: u64) {
        let order = BanOrder {
            target: BanTarget::Who(whom),
            reason: "words".to_owned(),
            lasts: Some(Duration::from_hours(1)),
        };
        let mut changes = self.records.ban(order, now_ms / 1000).expect("somebody");
        self.shared.share(&mut changes, now_ms);
        self.write(changes);
    }

    fn lets_in(&mut self, whom: Who, now_ms: u64) {
        let number = self.records.bans().find(|(_, ban)| ban.whom == whom);
        let number = number.expect("banned").0;
        let reporters = self.records.reporters_of(whom);
        let mut changes = self.records.unban(number).expect("banned");
        self.shared
            .share_end_of_ban(whom, &reporters, &mut changes, now_ms);
        self.write(changes);
    }

    /// Hears all that another one knows.
    fn hears(&mut self, other: &Self, now_ms: u64) {
        self.hears_facts(other.all_facts(), now_ms);
    }

    fn all_facts(&self) -> [Vec<Fact>; SHELVES.len()] {
        (self.shared.ledgers.each_ref()).map(|ledger| ledger.facts().cloned().collect())
    }

    fn hears_facts(&mut self, facts: [Vec<Fact>; SHELVES.len()], now_ms: u64) {
        let now = Instant::now();
        self.shared.on_up(now);
        while self.shared.poll(now).is_some() {}
        for (shelf, facts) in SHELVES.into_iter().zip(facts) {
            let page = Page {
                epoch: "e".to_owned(),
                last: 1,
                facts,
                ..Page::default()
            };
            let page = (shelf.word, page);
            let adopted = self.shared.on_page(&mut self.records, page, now_ms, now);
            self.write(adopted.changes);
        }
    }

    fn hears_a_report(&mut self, from: &Person, about: &Person, now_ms: u64) {
        let now = now_ms / 1000;
        let reason = ReportReason::Spam;
        let (mut changes, _) = self.records.report(from, about, reason, String::new(), now);
        self.shared.share(&mut changes, now_ms);
        self.write(changes);
    }

    fn dismisses(&mut self, about: Who, now_ms: u64) {
        let reports = self.records.reports();
        let mut numbers = reports.filter(|(_, report)| report.about == Some(about));
        let number = numbers.next().expect("there is one").0;
        drop(numbers);
        let parties = self.records.parties(number).expect("it counts");
        let mut changes = self.records.dismiss(number).expect("it is there");
        self.shared.share_dismissal(parties, &mut changes, now_ms);
        self.write(changes);
    }

    fn blocks(&mut self, by: u8, whom: u8, now_ms: u64) {
        let mut changes = self.records.block(KeyHash([by; 16]), KeyHash([whom; 16]));
        self.shared.share(&mut changes, now_ms);
        self.write(changes);
    }

    /// About whom and from whom there are reports, with what they weigh in millionths.
    fn reported(&self) -> Vec<(Option<Who>, Option<Source>, u64)> {
        let reports = self.records.reports();
        let all = reports.map(|(_, it)| (it.about, it.from, (it.weight * 1e6).round() as u64));
        let mut all: Vec<_> = all.collect();
        all.sort_unstable();
        all
    }

    fn banned(&self) -> Vec<Ban> {
        let mut bans: Vec<Ban> = self.tables.bans.values().cloned().collect();
        bans.sort_by_key(|ban| ban.whom);
        let known: Vec<Ban> = self.records.bans().map(|(_, ban)| ban.clone()).collect();
        assert_eq!(bans.len(), known.len(), "the disk has what is known");
        bans
    }
}

fn key(number: u8) -> Who {
    Who::Key(KeyHash([number; 16]))
}

#[test]
fn bans_that_were_kept_before_servers_told_each_other_are_told_and_later_words_hold() {
    let ban = |whom, until| Ban {
        whom,
        reason: "old".to_owned(),
        from: NOW / 1000 - 100,
        until,
        is_automatic: false,
    };
    let mut tables = Tables::default();
    tables.bans.insert(1, ban(key(1), None));
    tables.bans.insert(2, ban(key(2), Some(NOW / 1000)));
    let mut old = Server::new(1, tables);
    assert_eq!(old.shared.ledgers[0].len(), 1, "what is over is not told");
    let mut other = Server::new(2, Tables::default());
    other.bans(key(1), NOW - 50_000);
    let expected = other.banned();
    other.hears(&old, NOW);
    assert_eq!(other.banned(), expected, "what is older changes nothing");
    old.hears(&other, NOW);
    assert_eq!(old.banned()[0], expected[0]);
}

#[test]
fn after_a_start_all_is_as_it_was_and_an_end_that_was_missed_is_heard_of() {
    let mut one = Server::new(1, Tables::default());
    let mut other = Server::new(2, Tables::default());
    for number in 1..4 {
        one.bans(key(number), NOW);
    }
    other.hears(&one, NOW);
    assert_eq!(other.banned(), one.banned());
    // The clock of this one is late by five seconds.
    other.lets_in(key(1), NOW - 5000);

    let (mut one, mut other) = (one.again(3), other.again(4));
    assert_eq!((one.banned().len(), other.banned().len()), (3, 2));
    other.hears(&one, NOW);
    assert_eq!(
        other.banned().len(),
        2,
        "a ban that was ended does not come back"
    );
    one.hears(&other, NOW);
    assert_eq!(one.banned(), other.banned());
    one.bans(key(1), NOW - 9000);
    other.hears(&one, NOW);
    assert_eq!(other.banned().len(), 3, "unless it is ordered again");
}

#[test]
fn of_a_ban_and_its_end_that_did_not_know_of_each_other_the_later_holds_on_both() {
    for later_is_end in [true, false] {
        let mut one = Server::new(1, Tables::default());
        let mut other = Server::new(2, Tables::default());
        one.bans(key(1), NOW);
        other.hears(&one, NOW);
        let (ban, end) = if later_is_end {
            (1000, 2000)
        } else {
            (2000, 1000)
        };
        one.bans(key(1), NOW + ban);
        other.lets_in(key(1), NOW + end);
        one.hears(&other, NOW);
        other.hears(&one, NOW);
        assert_eq!(one.banned(), other.banned());
        assert_eq!(one.banned().is_empty(), later_is_end);
    }
}

#[test]
fn what_is_over_is_forgotten_by_the_ledgers_too() {
    let mut one = Server::new(1, Tables::default());
    one.bans(key(1), NOW);
    let hour = NOW / 1000 + 3600;
    let mut changes = one.records.tidy(hour);
    one.shared.tidy(&mut one.records, hour, &mut changes);
    one.write(changes);
    assert_eq!(one.banned().len(), 0);
    let left: Vec<_> = one
        .tables
        .facts
        .into_keys()
        .map(|(shelf, _)| shelf)
        .collect();
    assert_eq!(left, ["secret"]);
}

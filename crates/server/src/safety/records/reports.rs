//! What people have said of each other.

use std::time::Duration;

use protocol::{ReportReason, SignedLine};

use super::{
    Ban, Change, Changes, DAY, ProvedLine, REPORTED, REPORTS, REPORTS_OF_ONE, REPORTS_WITH_LINES,
    Records, Report, Source, Unknown, first_of_too_many, take_out,
};
use crate::safety::{
    Person, Standing, Who,
    reputation::{Evidence, Reporter},
};

impl Records {
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

    pub(super) fn reports_of(&self, about: Who, from: Source) -> Vec<u64> {
        let numbers = self.about.get(&about).into_iter().flatten();
        let is_his = |number: &&u64| {
            let report = self.reports.get(number);
            report.is_some_and(|report| report.from == Some(from))
        };
        numbers.filter(is_his).copied().collect()
    }

    pub(super) fn add_report(
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

    pub(super) fn forgive(&mut self, whom: Who, changes: &mut Changes) {
        let about = self.about.get(&whom).into_iter().flatten();
        let about: Vec<u64> = about.copied().collect();
        for number in about {
            self.drop_report(number, changes);
        }
    }

    /// The newest reports first.
    pub(crate) fn reports(&self) -> impl Iterator<Item = (u64, &Report)> {
        self.reports
            .iter()
            .rev()
            .map(|(number, report)| (*number, report))
    }

    pub(super) fn weight(&self, reporter: &Person, from: Source, now: u64) -> f64 {
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

    pub(super) fn list(&mut self, number: u64, report: Report) {
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

    pub(super) fn drop_report(&mut self, number: u64, changes: &mut Changes) -> Option<Report> {
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
}

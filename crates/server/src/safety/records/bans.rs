//! Who is not wanted.

use super::{BANS, Ban, BanOrder, BanTarget, Change, Changes, Records, Unknown, take_out};
use crate::safety::{Person, Who};

impl Records {
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

    /// The newest bans first.
    pub(crate) fn bans(&self) -> impl Iterator<Item = (u64, &Ban)> {
        self.bans.iter().rev().map(|(number, ban)| (*number, ban))
    }

    /// The bans of exactly this key or network: one, but for those that follow from reports while another one is over.
    pub(super) fn bans_of(&self, whom: Who) -> Vec<u64> {
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

    pub(super) fn drop_bans_of(&mut self, whom: Who, changes: &mut Changes) {
        for number in self.bans_of(whom) {
            self.drop_ban(number, changes);
        }
    }

    pub(super) fn add_ban(&mut self, ban: Ban, changes: &mut Changes) {
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

    pub(super) fn list_ban(&mut self, number: u64, ban: Ban) {
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

    pub(super) fn drop_ban(&mut self, number: u64, changes: &mut Changes) -> Option<Ban> {
        let ban = self.bans.remove(&number)?;
        take_out(&mut self.banned, &ban.whom, &number);
        self.banned_networks.remove(&number);
        changes.push(Change::Ban(number, None));
        Some(ban)
    }
}

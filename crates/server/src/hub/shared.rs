//! What the servers that are one tell each other of people, as far as it concerns those who are here.

use std::{sync::atomic::Ordering::Relaxed, time::Instant};

use cluster::{Page, redis::Order};
use matchmaker::Input;
use tracing::info;

use super::{Hub, safety::unix_ms};
use crate::{counters::Total, safety::KeyHash};

impl Hub {
    /// Once, at the start.
    pub(super) fn reconcile(&mut self) {
        let desk = &mut self.desk;
        let (records, secret) = (&mut desk.records, &desk.own_secret);
        let changes = desk.shared.reconcile(records, secret, unix_ms());
        self.write_down(changes);
    }

    /// Asks Redis for what is new, and tells it what is new here.
    pub(super) fn ask_for_facts(&mut self, now: Instant) {
        while let Some(question) = self.desk.shared.poll(now) {
            let word = question.shelf.word;
            if !self.order(Order::Facts(Box::new(question))) {
                self.desk.shared.on_failed(word, now);
            }
        }
        let gauges = &self.counters.cluster.shared;
        for (gauges, ledger) in gauges.iter().zip(self.desk.shared.ledgers()) {
            gauges.known.store(ledger.len(), Relaxed);
            gauges.untold.store(ledger.untold(), Relaxed);
            gauges.refused.store(ledger.refused(), Relaxed);
        }
    }

    /// Those who are here by these keys do not meet from now on.
    fn part_blocked(&mut self, by: KeyHash, whom: KeyHash) {
        let here = |key| self.clients.with_key(key);
        let pairs = here(by).flat_map(|peer| here(whom).map(move |other| (peer, other)));
        let pairs: Vec<_> = pairs.collect();
        for (peer, other) in pairs {
            self.inform(Input::Blocked { peer, other });
        }
    }

    /// Redis has answered.
    pub(super) fn on_page(&mut self, word: &str, page: Page, now: Instant) {
        let desk = &mut self.desk;
        let adopted = (desk.shared).on_page(&mut desk.records, (word, page), unix_ms(), now);
        if adopted.changes.is_empty() {
            return;
        }
        self.write_down(adopted.changes);
        for (by, whom) in adopted.blocks {
            self.part_blocked(by, whom);
        }
        if adopted.is_by_reports {
            info!("somebody is banned after reports at several servers");
            self.counters.count(Total::AutomaticBans);
            self.throw_out_banned();
        }
        if adopted.bans > 0 {
            info!(adopted.bans, "other servers have banned somebody");
            self.counters
                .add(Total::BansFromOthers, adopted.bans as u64);
            self.throw_out_banned();
        }
    }
}

//! What all servers are to know, such as who is banned: each has all of it, and Redis carries it from one to the other.
//!
//! A [`Fact`] has a name, and of two with the same name the later one holds, by its [`Stamp`]. So it does not matter in which order, how
//! often and by which way a server hears of them: once all have heard the same, all know the same (a last-writer-wins register for each
//! name). Redis keeps them in the order in which it got them (`redis/facts.lua`). A server asks for all that came after what it has read,
//! once a second and whenever it hears that there is something new; what it offers goes with the same question. After each loss of Redis
//! it reads all from the beginning, and offers what is missing there: so a Redis that comes back empty, or with what it knew an hour ago,
//! is filled by those who know.
//!
//! Bounded: what others say never pushes out what is known, and questions, answers and facts have a greatest size.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::NodeId;

/// How often it is asked for what is new, whatever is heard.
const ASKED_EVERY: Duration = Duration::from_secs(1);
/// After how long a question is asked again that could not be put.
const FAILED_AGAIN: Duration = Duration::from_millis(500);
/// How many facts are offered at once, and read at once.
const OFFERED: usize = 64;
pub(crate) const READ: usize = 256;
/// How many bytes of them, about.
pub(crate) const BYTES: usize = 256 * 1024;
/// The longest name and the longest text, in bytes.
const NAME: usize = 160;
const TEXT: usize = 16 * 1024;
/// How far ahead of this server's clock another one's may be, in milliseconds.
const AHEAD: u64 = 24 * 3600 * 1000;

/// The last second of the year 9999, in seconds since the Unix epoch: until then holds what holds for good.
pub const FOR_GOOD: u64 = 253_402_300_799;

/// When something was decided, and where. The later of two holds; of two in the same millisecond, that of the greater server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// In milliseconds since the Unix epoch by the clock of the server that decided, but always later than what it knew by then.
    pub ms: u64,
    /// The server.
    pub node: NodeId,
}

/// One thing that all are to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// About what it is.
    pub name: Arc<str>,
    /// When it was decided.
    pub stamp: Stamp,
    /// Until when it is to be known, in seconds since the Unix epoch. [`FOR_GOOD`] at most.
    pub until: u64,
    /// What is so.
    pub text: Arc<str>,
}

/// One kind of facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shelf {
    /// What it is called in Redis.
    pub word: &'static str,
    /// How many facts there may be.
    pub limit: usize,
}

/// A question for Redis, and what is told to it by the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Of which kind.
    pub shelf: Shelf,
    /// Which count of facts `since` belongs to; empty if none is known.
    pub epoch: String,
    /// After which fact of that count the answer begins.
    pub since: u64,
    /// What the count is to be called if Redis has to begin a new one.
    pub new_epoch: String,
    /// What Redis is to keep, unless it has something later.
    pub offers: Vec<Fact>,
}

/// Redis' answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Which count it is of. If it is another one than that of the question, the answer begins with the first.
    pub epoch: String,
    /// The last fact that was looked at.
    pub last: u64,
    /// Whether there are more.
    pub is_cut: bool,
    /// How many of the offers it had no room for.
    pub refused: u64,
    /// Those that came after what was named.
    pub facts: Vec<Fact>,
}

#[derive(Debug)]
struct Held {
    fact: Fact,
    /// Whether Redis has it, or something later.
    is_there: bool,
}

/// All facts of a kind that a server knows. The time is an argument.
#[derive(Debug)]
pub struct Ledger {
    shelf: Shelf,
    me: NodeId,
    facts: BTreeMap<Arc<str>, Held>,
    /// What ends when.
    ends: BTreeSet<(u64, Arc<str>)>,
    /// How many Redis has.
    there: usize,
    /// What Redis is to be told, while it is there and all of it has been read. Some of it may be settled meanwhile.
    to_offer: VecDeque<Arc<str>>,
    is_up: bool,
    epoch: String,
    since: u64,
    /// Not all has been read since Redis was lost: what it lacks is not known yet.
    is_reading_all: bool,
    /// What was offered with the question that is not answered.
    asked: Option<Vec<(Arc<str>, Stamp)>>,
    /// Whether there is something new since it was asked.
    is_nudged: bool,
    /// When to ask again. `None` before the first time.
    due: Option<Instant>,
    /// Before which time not, whatever there is to tell.
    not_before: Option<Instant>,
    questions: u64,
    refused: u64,
}

impl Ledger {
    /// Knows nothing. Redis counts as away.
    pub const fn new(shelf: Shelf, me: NodeId) -> Self {
        Self {
            shelf,
            me,
            facts: BTreeMap::new(),
            ends: BTreeSet::new(),
            there: 0,
            to_offer: VecDeque::new(),
            is_up: false,
            epoch: String::new(),
            since: 0,
            is_reading_all: false,
            asked: None,
            is_nudged: false,
            due: None,
            not_before: None,
            questions: 0,
            refused: 0,
        }
    }

    /// Which kind of facts it has.
    pub const fn shelf(&self) -> Shelf {
        self.shelf
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// How many are not known to be in Redis.
    pub fn untold(&self) -> usize {
        self.facts.len() - self.there
    }

    /// How many facts were not taken, here or by Redis: for want of room, or since they made no sense.
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// What is known under a name.
    pub fn get(&self, name: &str) -> Option<&Fact> {
        self.facts.get(name).map(|held| &held.fact)
    }

    /// All facts, by name.
    pub fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.facts.values().map(|held| &held.fact)
    }

    /// What was known before this start.
    pub fn restore(&mut self, fact: Fact) {
        if self.facts.len() < self.shelf.limit {
            self.hold(fact, false);
        }
    }

    /// Something is so from now on, and is to be known until then (seconds since the Unix epoch). It is later than all that is known under
    /// this name. The second is what had to be forgotten for it, if there was no room.
    pub fn decide(
        &mut self,
        name: &str,
        text: &str,
        until: u64,
        now_ms: u64,
    ) -> (Fact, Option<Arc<str>>) {
        let before = self.facts.get(name).map_or(0, |held| held.fact.stamp.ms);
        let fact = Fact {
            name: name.into(),
            stamp: Stamp {
                ms: now_ms.max(before.saturating_add(1)),
                node: self.me,
            },
            until: until.min(FOR_GOOD),
            text: text.into(),
        };
        let is_too_much = !self.facts.contains_key(name) && self.facts.len() >= self.shelf.limit;
        let first = self.ends.first().filter(|_| is_too_much).cloned();
        let forgotten = first.map(|(_, first)| {
            self.drop_fact(&first);
            first
        });
        self.hold(fact.clone(), false);
        self.offer(Arc::clone(&fact.name));
        (fact, forgotten)
    }

    /// Forgets what is over, and says what that was.
    pub fn tidy(&mut self, now: u64) -> Vec<Arc<str>> {
        let mut over = Vec::new();
        while let Some((until, name)) = self.ends.first().cloned()
            && until <= now
        {
            self.drop_fact(&name);
            over.push(name);
        }
        over
    }

    /// Redis is there.
    pub fn on_up(&mut self, now: Instant) {
        self.is_up = true;
        self.due = Some(now);
        self.not_before = None;
        self.read_all();
    }

    /// Redis is away.
    pub fn on_lost(&mut self) {
        self.is_up = false;
        self.asked = None;
        self.to_offer.clear();
    }

    /// It could not be asked.
    pub fn on_failed(&mut self, now: Instant) {
        for (name, _) in self.asked.take().into_iter().flatten() {
            self.offer(name);
        }
        self.not_before = Some(now + FAILED_AGAIN);
    }

    /// There is something new.
    pub fn on_nudge(&mut self, now: Instant) {
        self.is_nudged = true;
        self.due = Some(now);
    }

    /// Redis has answered. Returns what is new here, in the order in which Redis got it.
    pub fn on_page(&mut self, page: Page, now_ms: u64, now: Instant) -> Vec<Fact> {
        let Some(offered) = self.asked.take() else {
            // Of a question before Redis was lost.
            return Vec::new();
        };
        self.refused += page.refused;
        let is_new_count = page.epoch != self.epoch;
        // One that goes back is that of a replica which had not heard all.
        if is_new_count || page.last < self.since {
            self.epoch = page.epoch;
            self.since = 0;
            self.read_all();
        }
        for (name, stamp) in offered {
            self.is_there(&name, stamp);
        }
        let mut news = Vec::new();
        for fact in page.facts.into_iter().take(READ) {
            if self.merge(&fact, now_ms) {
                news.push(fact);
            }
        }
        let is_cut = page.is_cut && page.last > self.since;
        self.since = page.last;
        if !is_cut && self.is_reading_all {
            self.is_reading_all = false;
            let missing = self.facts.iter().filter(|(_, held)| !held.is_there);
            self.to_offer = missing.map(|(name, _)| Arc::clone(name)).collect();
        }
        let is_more = is_cut || self.is_nudged;
        self.due = Some(if is_more { now } else { now + ASKED_EVERY });
        news
    }

    /// The next question. Call until `None`.
    pub fn poll(&mut self, now: Instant) -> Option<Question> {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let may_ask = self.is_up && self.asked.is_none();
        let may_ask = may_ask && (self.not_before.is_none() || is_due(self.not_before));
        if !may_ask || (!is_due(self.due) && self.to_offer.is_empty()) {
            return None;
        }
        self.not_before = None;
        let mut offers = Vec::new();
        let mut bytes = 0;
        while offers.len() < OFFERED
            && bytes < BYTES
            && let Some(name) = self.to_offer.pop_front()
        {
            let held = self.facts.get(&name).filter(|held| !held.is_there);
            if let Some(Held { fact, .. }) = held {
                bytes += fact.name.len() + fact.text.len();
                offers.push(fact.clone());
            }
        }
        let asked = offers.iter().map(|it| (Arc::clone(&it.name), it.stamp));
        self.asked = Some(asked.collect());
        self.is_nudged = false;
        self.questions += 1;
        Some(Question {
            shelf: self.shelf,
            epoch: self.epoch.clone(),
            since: self.since,
            new_epoch: format!("{}.{}", self.me, self.questions),
            offers,
        })
    }

    /// When to ask next if nothing else happens.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.is_up || self.asked.is_some() {
            return None;
        }
        self.not_before.or(self.due)
    }

    /// Takes over what another server says, if it is new.
    fn merge(&mut self, fact: &Fact, now_ms: u64) -> bool {
        let Fact { name, stamp, .. } = fact;
        if fact.until <= now_ms / 1000 {
            return false;
        }
        let makes_sense = name.len() <= NAME
            && fact.text.len() <= TEXT
            && fact.until <= FOR_GOOD
            && stamp.ms <= now_ms.saturating_add(AHEAD);
        let known = self.facts.get(name).map(|held| held.fact.stamp);
        let has_room = known.is_some() || self.facts.len() < self.shelf.limit;
        if !makes_sense || !has_room {
            self.refused += 1;
            return false;
        }
        match known {
            Some(known) if known > *stamp => {
                // Redis has heard of something older last.
                self.is_not_there(name);
                self.offer(Arc::clone(name));
                false
            }
            Some(known) if known == *stamp => {
                self.is_there(name, known);
                false
            }
            _ => {
                self.hold(fact.clone(), true);
                true
            }
        }
    }

    /// Puts something in the place of what had its name.
    fn hold(&mut self, fact: Fact, is_there: bool) {
        let name = Arc::clone(&fact.name);
        self.drop_fact(&name);
        self.ends.insert((fact.until, Arc::clone(&name)));
        self.there += usize::from(is_there);
        self.facts.insert(name, Held { fact, is_there });
    }

    fn drop_fact(&mut self, name: &Arc<str>) {
        if let Some(held) = self.facts.remove(name) {
            self.there -= usize::from(held.is_there);
            self.ends.remove(&(held.fact.until, Arc::clone(name)));
        }
    }

    /// Has Redis told, in its turn. Unless it is to be read first: then it is seen what it lacks.
    fn offer(&mut self, name: Arc<str>) {
        if self.is_up && !self.is_reading_all {
            self.to_offer.push_back(name);
        }
    }

    /// Redis has what was decided then.
    fn is_there(&mut self, name: &str, stamp: Stamp) {
        if let Some(held) = self.facts.get_mut(name)
            && held.fact.stamp == stamp
            && !held.is_there
        {
            held.is_there = true;
            self.there += 1;
        }
    }

    fn is_not_there(&mut self, name: &str) {
        if let Some(held) = self.facts.get_mut(name) {
            self.there -= usize::from(held.is_there);
            held.is_there = false;
        }
    }

    /// From the beginning: Redis may be another one, or have forgotten.
    fn read_all(&mut self) {
        self.is_reading_all = true;
        self.since = 0;
        self.to_offer.clear();
        self.there = 0;
        for held in self.facts.values_mut() {
            held.is_there = false;
        }
    }
}

#[cfg(test)]
mod tests;

//! What all are to know: servers whose clocks differ decide things, while Redis forgets, comes back as it was an hour ago, hangs, and
//! servers come and go. Once that ends all know the same, and of each thing the last that was decided.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use cluster::{FOR_GOOD, Fact, Ledger, NodeId, Page, Question, Shelf, Stamp};
use proptest::prelude::*;
use simulation::Random;

const SHELF: Shelf = Shelf {
    word: "bans",
    limit: 40,
};
/// How many facts one answer has, so that some answers are cut.
const PAGE: usize = 5;
/// The time by the wall at the beginning, in milliseconds.
const WALL: u64 = 1_800_000_000_000;

/// What `facts.lua` does, in memory.
#[derive(Debug, Clone, Default)]
struct Redis {
    epoch: String,
    last: u64,
    facts: BTreeMap<Arc<str>, (u64, Fact)>,
}

impl Redis {
    fn answer(&mut self, question: &Question) -> (Page, bool) {
        if self.epoch.is_empty() {
            self.epoch.clone_from(&question.new_epoch);
        }
        let (mut refused, mut is_new) = (0, false);
        for fact in &question.offers {
            let before = self.facts.get(&fact.name);
            if before.is_some_and(|(_, before)| before.stamp >= fact.stamp) {
                continue;
            }
            if before.is_none() && self.facts.len() >= question.shelf.limit {
                refused += 1;
                continue;
            }
            self.last += 1;
            let name = Arc::clone(&fact.name);
            self.facts.insert(name, (self.last, fact.clone()));
            is_new = true;
        }
        let is_known = self.epoch == question.epoch && question.since <= self.last;
        let since = if is_known { question.since } else { 0 };
        let mut found: Vec<&(u64, Fact)> =
            self.facts.values().filter(|(at, _)| *at > since).collect();
        found.sort_unstable_by_key(|(at, _)| *at);
        let is_cut = found.len() >= PAGE;
        found.truncate(PAGE);
        let page = Page {
            epoch: self.epoch.clone(),
            last: found.last().map_or(since, |(at, _)| *at),
            is_cut,
            refused,
            facts: found.into_iter().map(|(_, fact)| fact.clone()).collect(),
        };
        (page, is_new)
    }
}

struct Server {
    ledger: Ledger,
    /// By how much its clock is late.
    late_ms: u64,
    /// Counts connections: what comes of an earlier one is not heard.
    connection: u64,
    is_there: bool,
}

enum Event {
    Up(usize, u64),
    Asked(usize, u64, Box<Question>),
    Answered(usize, u64, Page),
    Lost(usize, u64),
    Nudge(usize),
    Back(usize),
}

struct World {
    random: Random,
    start: Instant,
    now: Instant,
    servers: Vec<Server>,
    redis: Redis,
    /// As a replica knows it.
    replica: Redis,
    events: BTreeMap<(Instant, u64), Event>,
    last_event: u64,
    last_node: u64,
    faults: f64,
    /// The last that was decided of each thing.
    decided: BTreeMap<String, Stamp>,
    seen: BTreeSet<&'static str>,
}

impl World {
    fn new(seed: u64, servers: usize) -> Self {
        let start = simulation::start();
        let mut world = Self {
            random: Random::new(seed),
            start,
            now: start,
            servers: Vec::new(),
            redis: Redis::default(),
            replica: Redis::default(),
            events: BTreeMap::new(),
            last_event: 0,
            last_node: 0,
            faults: 0.0,
            decided: BTreeMap::new(),
            seen: BTreeSet::new(),
        };
        for at in 0..servers {
            let ledger = world.ledger();
            let late_ms = world.random.below(8000);
            world.servers.push(Server {
                ledger,
                late_ms,
                connection: 0,
                is_there: true,
            });
            world.later(Duration::from_millis(100), Event::Up(at, 0));
        }
        world
    }

    fn ledger(&mut self) -> Ledger {
        self.last_node += 1;
        Ledger::new(SHELF, NodeId(self.last_node))
    }

    fn later(&mut self, most: Duration, event: Event) {
        let after = self.random.duration(most);
        self.last_event += 1;
        self.events
            .insert((self.now + after, self.last_event), event);
    }

    fn wall_ms(&self, at: usize) -> u64 {
        let since = self.now.saturating_duration_since(self.start);
        WALL + since.as_millis() as u64 - self.servers[at].late_ms
    }

    fn goes_wrong(&mut self, how_often: f64) -> bool {
        let ratio = self.faults * how_often;
        self.random.chance(ratio)
    }

    fn step(&mut self) {
        let at = self.random.below(self.servers.len() as u64) as usize;
        if self.servers[at].is_there && self.random.chance(0.5) {
            let name = format!("thing {}", self.random.below(30));
            let now_ms = self.wall_ms(at);
            let ledger = &mut self.servers[at].ledger;
            let before = ledger.get(&name).map(|fact| fact.stamp);
            let (fact, forgotten) = ledger.decide(&name, "so", FOR_GOOD, now_ms);
            assert_eq!(forgotten, None, "there is room");
            assert!(before < Some(fact.stamp), "later than what was known");
            let last = self.decided.entry(name).or_insert(fact.stamp);
            *last = fact.stamp.max(*last);
            self.poll(at);
        }
        if self.goes_wrong(0.02) {
            self.seen.insert("Redis forgets");
            self.redis = Redis::default();
            self.lose_all();
        }
        if self.goes_wrong(0.02) {
            self.seen.insert("a replica takes over");
            self.redis = self.replica.clone();
            self.lose_all();
        }
        if self.random.chance(0.2) {
            self.replica = self.redis.clone();
        }
        if self.servers[at].is_there && self.goes_wrong(0.03) {
            self.seen.insert("a server is away");
            // What was known is on its disk.
            let mut ledger = self.ledger();
            for fact in self.servers[at].ledger.facts() {
                ledger.restore(fact.clone());
            }
            let server = &mut self.servers[at];
            server.ledger = ledger;
            server.connection += 1;
            server.is_there = false;
            self.later(Duration::from_mins(1), Event::Back(at));
        }
        let time = self.random.duration(Duration::from_millis(400));
        self.advance(time);
    }

    fn lose_all(&mut self) {
        for at in 0..self.servers.len() {
            let connection = self.servers[at].connection;
            self.later(Duration::from_millis(10), Event::Lost(at, connection));
        }
    }

    fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let event = self.events.first_key_value().map(|((at, _), _)| *at);
            let there = self.servers.iter().filter(|server| server.is_there);
            let timeouts = there.filter_map(|server| server.ledger.poll_timeout());
            let next = timeouts.chain(event).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            while let Some(entry) = self.events.first_entry()
                && entry.key().0 <= self.now
            {
                let event = entry.remove();
                self.on_event(event);
            }
            for at in 0..self.servers.len() {
                self.poll(at);
            }
        }
        self.now = end;
    }

    fn poll(&mut self, at: usize) {
        let server = &mut self.servers[at];
        if !server.is_there {
            return;
        }
        let connection = server.connection;
        while let Some(question) = self.servers[at].ledger.poll(self.now) {
            let [has_no_room, is_lost] = [(); 2].map(|()| self.goes_wrong(0.02));
            if has_no_room {
                self.seen.insert("no room for a question");
                self.servers[at].ledger.on_failed(self.now);
            } else if is_lost {
                self.seen.insert("a question is lost");
                self.later(Duration::from_secs(1), Event::Lost(at, connection));
            } else {
                let event = Event::Asked(at, connection, Box::new(question));
                self.later(Duration::from_millis(20), event);
            }
        }
    }

    fn on_event(&mut self, event: Event) {
        let (Event::Up(at, connection)
        | Event::Asked(at, connection, _)
        | Event::Answered(at, connection, _)
        | Event::Lost(at, connection)) = event
        else {
            return self.on_other(&event);
        };
        // A question is carried out that nobody waits for any more; all else is of that connection.
        if let Event::Asked(_, _, question) = &event {
            let (page, is_new) = self.redis.answer(question);
            if is_new {
                for other in 0..self.servers.len() {
                    if !self.goes_wrong(0.3) {
                        self.later(Duration::from_millis(20), Event::Nudge(other));
                    }
                }
            }
            if self.goes_wrong(0.02) {
                self.seen.insert("an answer is lost");
                self.later(Duration::from_secs(1), Event::Lost(at, connection));
            } else {
                let event = Event::Answered(at, connection, page);
                self.later(Duration::from_millis(20), event);
            }
            return;
        }
        if self.servers[at].connection != connection || !self.servers[at].is_there {
            return;
        }
        let (now, now_ms) = (self.now, self.wall_ms(at));
        match event {
            Event::Up(..) => self.servers[at].ledger.on_up(now),
            Event::Answered(_, _, page) => {
                for fact in self.servers[at].ledger.on_page(page, now_ms, now) {
                    let known = self.servers[at].ledger.get(&fact.name);
                    assert_eq!(known, Some(&fact), "what is new is known from then on");
                }
            }
            _ => {
                self.servers[at].ledger.on_lost();
                self.servers[at].connection += 1;
                self.later(Duration::from_secs(1), Event::Up(at, connection + 1));
            }
        }
        self.poll(at);
    }

    fn on_other(&mut self, event: &Event) {
        match *event {
            Event::Nudge(at) => self.servers[at].ledger.on_nudge(self.now),
            Event::Back(at) => {
                let server = &mut self.servers[at];
                server.is_there = true;
                let connection = server.connection;
                self.later(Duration::from_millis(100), Event::Up(at, connection));
            }
            _ => {}
        }
    }

    fn assert_all_know_the_last(&self) {
        for (at, server) in self.servers.iter().enumerate() {
            let known = server.ledger.facts();
            let known: BTreeMap<String, Stamp> = known
                .map(|fact| (fact.name.to_string(), fact.stamp))
                .collect();
            assert_eq!(known, self.decided, "server {at}");
            assert_eq!(server.ledger.untold(), 0, "server {at}");
        }
        assert_eq!(self.redis.facts.len(), self.decided.len());
    }
}

fn run(seed: u64, servers: usize, faults: f64) -> World {
    let mut world = World::new(seed, servers);
    world.faults = faults;
    for _ in 0..300 {
        world.step();
    }
    world.faults = 0.0;
    world.advance(Duration::from_secs(90));
    world.assert_all_know_the_last();
    world
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn once_faults_end_all_servers_know_the_last_of_everything_and_nothing_is_lost(seed: u64, servers in 2_usize..8) {
        run(seed, servers, 1.0);
    }

    #[test]
    fn without_faults_all_know_it_too(seed: u64) {
        run(seed, 3, 0.0);
    }
}

#[test]
fn all_that_may_go_wrong_does_in_these_tests() {
    let mut seen = BTreeSet::new();
    for seed in 0..20 {
        seen.extend(run(seed, 4, 1.0).seen);
    }
    let all = [
        "Redis forgets",
        "a question is lost",
        "a replica takes over",
        "a server is away",
        "an answer is lost",
        "no room for a question",
    ];
    assert_eq!(seen, BTreeSet::from(all));
}

//! A crowd of made-up people who use a matchmaker, in virtual time.
//!
//! The model is written down in `docs/matching.md`: a steady number of people, conversations of which many are short,
//! interests and languages by Zipf's law, people who lose patience or have had enough, and others who come in their stead.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    time::{Duration, Instant},
};

use matchmaker::{Config, Input, Matchmaker, Output, PeerId, Wishes};
use protocol::RoomId;
use simulation::Random;

/// How people behave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Habits {
    /// How many there are at any time.
    pub(crate) people: u64,
    /// How many different interests there are.
    pub(crate) interests: usize,
    /// How many different languages.
    pub(crate) languages: usize,
}

/// Chances and means of the model. `docs/matching.md` says why.
const NO_INTERESTS: f64 = 0.25;
const MOST_INTERESTS: u64 = 5;
const INTEREST_EXPONENT: f64 = 1.0;
const NO_LANGUAGE: f64 = 0.2;
const LANGUAGE_EXPONENT: f64 = 1.5;
const SKIPS: f64 = 0.5;
const SKIPPED_AFTER_S: f64 = 6.0;
const TALKS_FOR_S: f64 = 150.0;
const GOES_AFTER_CALL: f64 = 0.08;
const LOSES_PATIENCE_AFTER_S: f64 = 45.0;
const COMES_AFTER_S: f64 = 5.0;
const NOTICES_AFTER_S: f64 = 1.0;
/// One in this many calls never comes up, and one of the two is gone.
const VANISHES: f64 = 0.02;
const BLOCKS: f64 = 0.01;

/// What was seen of a crowd.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How long those who were matched had waited, sorted at the end.
    pub(crate) waits: Vec<Duration>,
    pub(crate) matches: u64,
    /// Of pairs of whom both have interests, and those who share one.
    pub(crate) with_interests: u64,
    pub(crate) shared: u64,
    /// The same for languages.
    pub(crate) with_languages: u64,
    pub(crate) understood: u64,
    /// Pairs of people of whom one was among the other's last five partners.
    pub(crate) again: u64,
    /// Who lost patience while waiting.
    pub(crate) gave_up: u64,
    /// Everything that the matchmaker was told.
    pub(crate) events: u64,
    /// Pairs who had blocked each other: must stay zero.
    pub(crate) blocked: u64,
}

impl Seen {
    /// The wait below which this share of all is.
    pub(crate) fn wait(&self, share: f64) -> Duration {
        let last = self.waits.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        self.waits.get(at).copied().unwrap_or_default()
    }

    pub(crate) fn mean_wait(&self) -> Duration {
        let sum: Duration = self.waits.iter().sum();
        sum.checked_div(u32::try_from(self.waits.len()).unwrap_or(u32::MAX))
            .unwrap_or_default()
    }
}

/// Something that a person does at some time, unless what it belongs to is over by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    Comes,
    AsksAgain,
    Ends,
    LosesPatience,
    /// Is gone before the call has come up.
    Vanishes,
}

/// What is known of one person.
#[derive(Debug, Default)]
struct Person {
    wishes: Wishes,
    /// Counts what a person goes through, so that deeds planned for what is over are not done.
    chapter: u64,
    waits_since: Option<Instant>,
    room: Option<(RoomId, u64)>,
    last: Vec<u64>,
    blocked: Vec<u64>,
}

/// See the module.
pub(crate) struct Crowd {
    matchmaker: Matchmaker<Box<dyn FnMut() -> RoomId>>,
    random: Random,
    interests: Zipf,
    languages: Zipf,
    start: Instant,
    now: Instant,
    plan: BinaryHeap<Reverse<(Instant, u64, Deed, u64)>>,
    people: BTreeMap<u64, Person>,
    last_peer: u64,
    counts_from: Instant,
    seen: Seen,
}

impl Crowd {
    pub(crate) fn new(config: Config, habits: Habits, seed: u64) -> Self {
        let mut last_name = 0_u128;
        let names = move || {
            last_name += 1;
            RoomId::from_bytes(last_name.to_be_bytes())
        };
        let start = simulation::start();
        let mut crowd = Self {
            matchmaker: Matchmaker::new(config, Box::new(names)),
            random: Random::new(seed),
            interests: Zipf::new(habits.interests, INTEREST_EXPONENT),
            languages: Zipf::new(habits.languages, LANGUAGE_EXPONENT),
            start,
            now: start,
            plan: BinaryHeap::new(),
            people: BTreeMap::new(),
            last_peer: 0,
            counts_from: start,
            seen: Seen::default(),
        };
        for _ in 0..habits.people {
            let at = crowd.random.duration(Duration::from_mins(1));
            crowd.plan_newcomer(at);
        }
        crowd
    }

    /// Runs for `warm_up`, of which nothing counts, and `then` for as long as something is to be counted.
    pub(crate) fn run(mut self, warm_up: Duration, then: Duration) -> Seen {
        self.counts_from = self.start + warm_up;
        let end = self.counts_from + then;
        while self.now < end {
            self.step();
        }
        self.matchmaker.assert_invariants(self.now);
        self.seen.waits.sort_unstable();
        self.seen
    }

    /// Runs until the matchmaker has been told this many things; says what was seen, and how often somebody was found who waited for
    /// longer than the matchmaker may let anybody wait. Looks every now and then.
    pub(crate) fn run_events(mut self, events: u64, longest: Duration) -> (Seen, u64) {
        let mut stranded = 0;
        while self.seen.events < events {
            let before = self.seen.events;
            self.step();
            if before / 1_000 < self.seen.events / 1_000 {
                self.tell(Input::Timeout);
                stranded += self.stranded(longest);
            }
        }
        self.matchmaker.assert_invariants(self.now);
        (self.seen, stranded)
    }

    /// How many wait longer than they may: all but those whom everybody else who waits avoids for good.
    fn stranded(&self, longest: Duration) -> u64 {
        let overdue: Vec<(&u64, &Person)> = self
            .people
            .iter()
            .filter(|(_, person)| {
                person
                    .waits_since
                    .is_some_and(|since| self.now > since + longest)
            })
            .collect();
        let could_meet = |(one, this): &(&u64, &Person), (other, that): &(&u64, &Person)| {
            one != other && !this.blocked.contains(other) && !that.blocked.contains(one)
        };
        let is_stranded =
            |one: &&(&u64, &Person)| overdue.iter().any(|other| could_meet(one, other));
        overdue.iter().filter(is_stranded).count() as u64
    }

    /// The next thing that happens.
    fn step(&mut self) {
        let planned = self.plan.peek().map(|Reverse((at, ..))| *at);
        let due = self.matchmaker.poll_timeout();
        if let Some(due) = due
            && planned.is_none_or(|at| due < at)
        {
            self.now = self.now.max(due);
            return self.tell(Input::Timeout);
        }
        let Some(Reverse((at, peer, deed, chapter))) = self.plan.pop() else {
            return;
        };
        self.now = at;
        if deed == Deed::Comes {
            return self.comes();
        }
        let Some(person) = self.people.get(&peer).filter(|it| it.chapter == chapter) else {
            return;
        };
        match deed {
            Deed::Comes => {}
            Deed::AsksAgain => self.asks(peer, person.room.map(|(room, _)| room)),
            Deed::LosesPatience => {
                self.seen.gave_up += u64::from(self.now >= self.counts_from);
                self.goes(peer);
            }
            Deed::Ends => self.ends_call(peer),
            Deed::Vanishes => self.goes(peer),
        }
    }

    fn comes(&mut self) {
        self.last_peer += 1;
        let peer = self.last_peer;
        let wishes = self.wishes();
        let person = Person {
            wishes: wishes.clone(),
            ..Person::default()
        };
        self.people.insert(peer, person);
        self.begins_to_wait(peer);
        let peer = PeerId(peer);
        self.tell(Input::JoinAsked { peer, wishes });
    }

    fn asks(&mut self, peer: u64, room: Option<RoomId>) {
        self.begins_to_wait(peer);
        let peer = PeerId(peer);
        self.tell(Input::NextAsked { peer, room });
    }

    fn begins_to_wait(&mut self, peer: u64) {
        let now = self.now;
        let chapter = self.person(peer, |person| {
            person.waits_since = Some(now);
            person.room = None;
        });
        let patience = self.random.exponential(LOSES_PATIENCE_AFTER_S);
        self.plan(patience, peer, Deed::LosesPatience, chapter);
    }

    /// Has had enough of the call: of this one, or of all.
    fn ends_call(&mut self, peer: u64) {
        let partner = self.people.get(&peer).and_then(|person| person.room);
        if let Some((_, partner)) = partner
            && self.random.chance(BLOCKS)
        {
            self.person(peer, |person| person.blocked.push(partner));
            let (peer, other) = (PeerId(peer), PeerId(partner));
            self.tell(Input::Blocked { peer, other });
        }
        if self.random.chance(GOES_AFTER_CALL) {
            self.goes(peer);
        } else {
            self.asks(peer, partner.map(|(room, _)| room));
        }
    }

    /// Goes for good; somebody else comes.
    fn goes(&mut self, peer: u64) {
        self.people.remove(&peer);
        self.tell(Input::Disconnected { peer: PeerId(peer) });
        let after = self.random.exponential(COMES_AFTER_S);
        self.plan_newcomer(after);
    }

    fn plan_newcomer(&mut self, after: Duration) {
        self.plan(after, 0, Deed::Comes, 0);
    }

    fn plan(&mut self, after: Duration, peer: u64, deed: Deed, chapter: u64) {
        self.plan
            .push(Reverse((self.now + after, peer, deed, chapter)));
    }

    /// Changes what is known of somebody, for whom a new chapter begins.
    fn person(&mut self, peer: u64, change: impl FnOnce(&mut Person)) -> u64 {
        let person = self.people.entry(peer).or_default();
        change(person);
        person.chapter += 1;
        person.chapter
    }

    fn tell(&mut self, input: Input) {
        self.seen.events += 1;
        self.matchmaker.handle(input, self.now);
        while let Some(output) = self.matchmaker.poll_output() {
            match output {
                Output::TellMatched {
                    room,
                    offerer,
                    answerer,
                    interests,
                } => self.on_matched(room, offerer.0, answerer.0, &interests),
                Output::TellPartnerLeft { peer, .. } => {
                    let chapter = self.person(peer.0, |person| person.room = None);
                    let after = self.random.exponential(NOTICES_AFTER_S);
                    self.plan(after, peer.0, Deed::AsksAgain, chapter);
                }
                Output::TellWaiting { .. } => {}
                Output::RefuseRoom { .. } => panic!("nobody names a room of the past here"),
            }
        }
    }

    fn on_matched(&mut self, room: RoomId, offerer: u64, answerer: u64, interests: &[String]) {
        assert_ne!(offerer, answerer, "nobody meets himself");
        let both = [(offerer, answerer), (answerer, offerer)];
        self.note_match(offerer, answerer, interests);
        let skips = self.random.chance(SKIPS);
        let vanishes = self.random.chance(VANISHES);
        let after = if skips { SKIPPED_AFTER_S } else { TALKS_FOR_S };
        let length = self.random.exponential(after);
        // The first of both who has had enough ends it; which one is a toss.
        let ender = both[self.random.below(2) as usize].0;
        for (peer, partner) in both {
            let now = self.now;
            let mut waited = None;
            let chapter = self.person(peer, |person| {
                waited = person.waits_since.take();
                assert_eq!(person.room.replace((room, partner)), None, "in one room");
                person.last.insert(0, partner);
                person.last.truncate(5);
            });
            let waited = waited.expect("matched while waiting");
            if now >= self.counts_from {
                self.seen.waits.push(now - waited);
            }
            if peer == ender && !vanishes {
                self.plan(length, peer, Deed::Ends, chapter);
            }
        }
        if vanishes {
            // Soon enough for the other one to get his place in the queue back.
            let chapter = self.people[&ender].chapter;
            self.plan(Duration::from_secs(3), ender, Deed::Vanishes, chapter);
        } else {
            let peer = PeerId(offerer);
            self.plan_came_up(peer, room);
        }
    }

    fn plan_came_up(&mut self, peer: PeerId, room: RoomId) {
        // At once: how long it takes plays no part here.
        self.seen.events += 1;
        self.matchmaker
            .handle(Input::CameUp { peer, room }, self.now);
    }

    fn note_match(&mut self, one: u64, other: u64, interests: &[String]) {
        let (this, that) = (&self.people[&one], &self.people[&other]);
        let is_blocked = this.blocked.contains(&other) || that.blocked.contains(&one);
        self.seen.blocked += u64::from(is_blocked);
        if self.now < self.counts_from {
            return;
        }
        let have_interests =
            !this.wishes.interests().is_empty() && !that.wishes.interests().is_empty();
        let languages = this.wishes.language().zip(that.wishes.language());
        self.seen.matches += 1;
        self.seen.with_interests += u64::from(have_interests);
        self.seen.shared += u64::from(!interests.is_empty());
        self.seen.with_languages += u64::from(languages.is_some());
        self.seen.understood += u64::from(languages.is_some_and(|(one, other)| one == other));
        self.seen.again += u64::from(this.last.contains(&other) || that.last.contains(&one));
    }

    fn wishes(&mut self) -> Wishes {
        let count = if self.random.chance(NO_INTERESTS) {
            0
        } else {
            1 + self.random.below(MOST_INTERESTS)
        };
        let interests: Vec<String> = (0..count)
            .map(|_| format!("interest {}", self.interests.draw(&mut self.random)))
            .collect();
        let language = (!self.random.chance(NO_LANGUAGE))
            .then(|| format!("l{}", self.languages.draw(&mut self.random)));
        Wishes::new(&interests, language.as_deref())
    }
}

/// Numbers from 0 up, each the rarer the larger: the n-th as often as 1/nˢ (Zipf's law).
struct Zipf {
    /// How likely a number is up to this one.
    cumulative: Vec<f64>,
}

impl Zipf {
    fn new(count: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let mut cumulative: Vec<f64> = (1..=count)
            .map(|rank| {
                sum += (rank as f64).powf(-exponent);
                sum
            })
            .collect();
        for chance in &mut cumulative {
            *chance /= sum;
        }
        Self { cumulative }
    }

    fn draw(&self, random: &mut Random) -> usize {
        let at = random.unit();
        self.cumulative.partition_point(|chance| *chance <= at)
    }
}

trait Exponential {
    /// A time that is this long on average and forgets how much of it is over.
    fn exponential(&mut self, mean_s: f64) -> Duration;
}

impl Exponential for Random {
    fn exponential(&mut self, mean_s: f64) -> Duration {
        Duration::from_secs_f64(-mean_s * (1.0 - self.unit()).ln())
    }
}

//! Servers with people, and what is between them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use cluster::{
    Acceptance, Answer, Holds, Introduction, Node, NodeId, Output, ROSTER_EVERY, Tag, Ticket, Wish,
};
use matchmaker::PeerId;
use protocol::{Candidate, ClientMessage, LeaveReason, RoomId};
use simulation::Random;

use crate::redis::Redis;

/// How often what goes wrong: shares of packets and calls, and chances in each step.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    pub(crate) loss: f64,
    pub(crate) lost_calls: f64,
    pub(crate) restarts: f64,
    pub(crate) freezes: f64,
    pub(crate) deaths: f64,
    pub(crate) farewells: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Partner {
    AtHome(PeerId),
    Elsewhere(Tag),
}

#[derive(Debug, Default)]
struct Person {
    waits_since: Option<Instant>,
    is_set_aside: bool,
    room: Option<(RoomId, Partner)>,
    /// How many words were sent and heard in the room.
    words: (u32, u32),
    never: BTreeSet<Tag>,
}

struct Server {
    node: Node<Box<dyn FnMut() -> RoomId>>,
    people: BTreeMap<PeerId, Person>,
    /// Counts connections to Redis: what comes of an earlier one is not heard.
    connection: u64,
}

enum Event {
    Call(usize, u64, Box<Wish>),
    Withdraw(Ticket),
    Answer(usize, u64, u64, Answer),
    Packet(NodeId, String),
    Roster(usize, u64),
    Lost(usize, u64),
    Up(usize, u64),
}

pub(crate) struct World {
    random: Random,
    now: Instant,
    servers: Vec<Server>,
    redis: Redis,
    frozen_until: Instant,
    events: BTreeMap<(Instant, u64), Event>,
    last_event: u64,
    last_node: u64,
    people_each: u64,
    faults: Faults,
    is_calm: bool,
    /// Everybody who was ever let into a room, to see that there are two at most.
    rooms: BTreeMap<RoomId, BTreeSet<Tag>>,
    pub(crate) meetings: usize,
    pub(crate) seen: BTreeMap<&'static str, usize>,
}

impl World {
    pub(crate) fn new(seed: u64, servers: usize, people_each: u64) -> Self {
        let now = simulation::start();
        let mut world = Self {
            random: Random::new(seed),
            now,
            servers: Vec::new(),
            redis: Redis::default(),
            frozen_until: now,
            events: BTreeMap::new(),
            last_event: 0,
            last_node: 0,
            people_each,
            faults: Faults::default(),
            is_calm: false,
            rooms: BTreeMap::new(),
            meetings: 0,
            seen: BTreeMap::new(),
        };
        for at in 0..servers {
            let server = world.server();
            world.servers.push(server);
            world.later(Duration::ZERO, Event::Up(at, 0));
        }
        world
    }

    fn server(&mut self) -> Server {
        self.last_node += 1;
        let number = self.last_node;
        let mut rooms = 0_u64;
        let names = move || {
            rooms += 1;
            RoomId::from_bytes((u128::from(number) << 64 | u128::from(rooms)).to_be_bytes())
        };
        let node = Node::new(NodeId(number), Box::new(names) as Box<_>);
        let people = (1..=self.people_each).map(|peer| (PeerId(peer), Person::default()));
        Server {
            node,
            people: people.collect(),
            connection: 0,
        }
    }

    fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_insert(0) += 1;
    }

    fn later(&mut self, after: Duration, event: Event) {
        self.last_event += 1;
        self.events
            .insert((self.now + after, self.last_event), event);
    }

    /// Some tens of milliseconds, in which people do something and things go wrong.
    pub(crate) fn step(&mut self, faults: &Faults) {
        self.faults = *faults;
        let at = self.random.below(self.servers.len() as u64) as usize;
        let peer = PeerId(1 + self.random.below(self.people_each));
        match self.random.below(10) {
            0..5 => self.ask(at, peer),
            5 => self.stop(at, peer),
            6 => self.block(at, peer),
            _ => self.talk(at, peer),
        }
        if self.random.chance(faults.restarts) {
            self.saw("restart");
            self.redis = Redis::default();
            self.lose_all(Duration::ZERO);
        }
        if self.random.chance(faults.freezes) {
            self.saw("freeze");
            let time = self.random.duration(Duration::from_secs(8));
            self.frozen_until = self.now + time;
            self.lose_all(Duration::from_secs(1));
        }
        if self.random.chance(faults.deaths) {
            self.saw("death");
            let connection = self.servers[at].connection + 1;
            self.servers[at] = self.server();
            self.servers[at].connection = connection;
            let after = self.random.duration(Duration::from_secs(3));
            self.later(after, Event::Up(at, connection));
        }
        if self.random.chance(faults.farewells) {
            self.saw("farewell");
            self.end(at);
        }
        let time = self.random.duration(Duration::from_millis(100));
        self.advance(time);
    }

    /// A server ends in good order, and another one starts in its place.
    pub(crate) fn end(&mut self, at: usize) {
        let (now, me) = (self.now, self.servers[at].node.me());
        self.servers[at].node.farewell(now);
        while let Some(output) = self.servers[at].node.poll_output(now) {
            if matches!(output, Output::Send { .. }) {
                self.carry_out_one(at, output);
            }
        }
        if now >= self.frozen_until {
            self.redis.end_lease(me);
        }
        let connection = self.servers[at].connection + 1;
        self.servers[at] = self.server();
        self.servers[at].connection = connection;
        let after = self.random.duration(Duration::from_secs(3));
        self.later(after, Event::Up(at, connection));
    }

    /// How many people are in a room with somebody of another server's.
    pub(crate) fn across(&self) -> usize {
        let people = self
            .servers
            .iter()
            .flat_map(|server| server.people.values());
        let is_across = |it: &&Person| matches!(it.room, Some((_, Partner::Elsewhere(_))));
        people.filter(is_across).count()
    }

    /// Whether all partners of other servers are at servers that are there.
    pub(crate) fn nobody_is_with_one_who_is_gone(&self) -> bool {
        let people = self
            .servers
            .iter()
            .flat_map(|server| server.people.values());
        let partners = people.filter_map(|person| match person.room {
            Some((_, Partner::Elsewhere(who))) => Some(who.node),
            _ => None,
        });
        let mut partners = partners;
        partners.all(|node| self.servers.iter().any(|server| server.node.me() == node))
    }

    /// Nothing goes wrong any more, and nobody does anything.
    pub(crate) fn calm_down(&mut self, time: Duration) {
        self.faults = Faults::default();
        self.is_calm = true;
        self.advance(time);
    }

    fn lose_all(&mut self, after: Duration) {
        for at in 0..self.servers.len() {
            let connection = self.servers[at].connection;
            self.later(after, Event::Lost(at, connection));
        }
    }

    pub(crate) fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let event = self.events.first_key_value().map(|((at, _), _)| *at);
            let timeout = |server: &Server| server.node.poll_timeout();
            let timeouts = self.servers.iter().filter_map(timeout).min();
            let next = event.into_iter().chain(timeouts).min();
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
                self.servers[at].node.on_timeout(self.now);
                self.carry_out(at);
            }
        }
        self.now = end;
    }

    fn on_event(&mut self, event: Event) {
        let (now, is_frozen) = (self.now, self.now < self.frozen_until);
        match event {
            Event::Up(at, connection) if is_frozen => {
                self.later(Duration::from_millis(300), Event::Up(at, connection));
            }
            Event::Up(at, connection) if self.servers[at].connection == connection => {
                self.servers[at].connection += 1;
                let connection = self.servers[at].connection;
                let me = self.servers[at].node.me();
                self.redis.renew_lease(me, now);
                self.servers[at].node.on_up(now);
                self.later(Duration::ZERO, Event::Roster(at, connection));
                self.carry_out(at);
            }
            Event::Lost(at, connection) if self.servers[at].connection == connection => {
                self.servers[at].connection += 1;
                self.servers[at].node.on_lost();
                let after = self.random.duration(Duration::from_secs(1));
                self.later(after, Event::Up(at, connection + 1));
                self.carry_out(at);
            }
            Event::Roster(at, connection) if self.servers[at].connection == connection => {
                if !is_frozen {
                    let me = self.servers[at].node.me();
                    let roster = self.redis.renew_lease(me, now);
                    self.servers[at].node.on_roster(roster, now);
                    self.carry_out(at);
                }
                self.later(ROSTER_EVERY, Event::Roster(at, connection));
            }
            Event::Call(at, connection, wish) => {
                if is_frozen {
                    let after = Duration::from_millis(300);
                    return self.later(after, Event::Call(at, connection, wish));
                }
                let number = wish.ticket.number;
                let answer = self.redis.ask(*wish, now);
                if answer == Answer::Taken {
                    self.saw("taken");
                }
                if self.random.chance(self.faults.lost_calls) {
                    let after = Duration::from_secs(1);
                    return self.later(after, Event::Lost(at, connection));
                }
                let after = self.random.duration(Duration::from_millis(5));
                self.later(after, Event::Answer(at, connection, number, answer));
            }
            Event::Withdraw(ticket) => self.redis.withdraw(ticket),
            Event::Answer(at, connection, number, answer)
                if self.servers[at].connection == connection =>
            {
                self.servers[at].node.on_answer(number, answer, now);
                self.carry_out(at);
            }
            Event::Packet(to, text) => {
                let at = self
                    .servers
                    .iter()
                    .position(|server| server.node.me() == to);
                if let Some(at) = at {
                    assert!(self.servers[at].node.on_packet(&text, now));
                    self.carry_out(at);
                }
            }
            Event::Up(..) | Event::Lost(..) | Event::Roster(..) | Event::Answer(..) => {}
        }
    }

    fn carry_out(&mut self, at: usize) {
        while let Some(output) = self.servers[at].node.poll_output(self.now) {
            self.carry_out_one(at, output);
        }
        self.servers[at].node.assert_invariants();
        let waiting = self.servers[at]
            .people
            .values()
            .filter(|it| it.waits_since.is_some());
        assert_eq!(waiting.count(), self.servers[at].node.waiting_count());
    }

    fn carry_out_one(&mut self, at: usize, output: Output) {
        let (now, me) = (self.now, self.servers[at].node.me());
        let connection = self.servers[at].connection;
        let tag = |peer| Tag { node: me, peer };
        match output {
            Output::Ask { peer, ticket } => {
                let wish = Box::new(self.wish(at, peer, ticket));
                let after = self.random.duration(Duration::from_millis(5));
                if self.random.chance(self.faults.lost_calls) {
                    self.later(Duration::from_secs(1), Event::Lost(at, connection));
                } else {
                    self.later(after, Event::Call(at, connection, wish));
                }
            }
            Output::Withdraw { ticket } => {
                if !self.random.chance(self.faults.loss) {
                    let after = self.random.duration(Duration::from_millis(20));
                    self.later(after, Event::Withdraw(ticket));
                }
            }
            Output::Send { to, packet } => {
                let is_frozen = now < self.frozen_until;
                let copies = 1 + u64::from(self.random.chance(self.faults.loss));
                for _ in 0..copies {
                    if !is_frozen && !self.random.chance(self.faults.loss) {
                        let after = self.random.duration(Duration::from_millis(30));
                        self.later(after, Event::Packet(to, packet.clone()));
                    }
                }
            }
            Output::Introduce { peer, who, .. } => {
                if self.person(at, peer).never.contains(&who) {
                    self.saw("found, but blocked");
                    return self.servers[at].node.decline(peer, now);
                }
                let person = self.person(at, peer);
                assert!(person.waits_since.is_some() && !person.is_set_aside);
                person.is_set_aside = true;
                let introduction = introduction(tag(peer));
                self.servers[at].node.introduce(peer, introduction, now);
            }
            Output::PutBack { peer, never, .. } => {
                self.saw("put back");
                let person = self.person(at, peer);
                person.never.extend(never);
                person.is_set_aside = false;
                if person.waits_since.is_some() {
                    person.is_set_aside = false;
                    self.look_for_partner(at, peer);
                }
            }
            Output::Proposed {
                peer,
                room,
                introduction,
            } => {
                self.saw("proposed");
                let person = self.person(at, peer);
                assert!(person.waits_since.is_some() && !person.is_set_aside);
                if person.never.contains(&introduction.who) {
                    self.saw("proposed, but blocked");
                    return self.servers[at].node.refuse(peer, now);
                }
                let acceptance = Acceptance {
                    introduction: self::introduction(tag(peer)),
                    interests: Vec::new(),
                    offers: false,
                    handed_over: None,
                };
                self.enter(at, peer, room, Partner::Elsewhere(introduction.who));
                self.servers[at].node.accept(peer, acceptance, now);
            }
            Output::Accepted {
                peer,
                room,
                acceptance,
            } => {
                self.saw("accepted");
                assert!(self.person(at, peer).is_set_aside);
                self.meetings += 1;
                let who = acceptance.introduction.who;
                self.enter(at, peer, room, Partner::Elsewhere(who));
            }
            Output::Said {
                peer,
                room,
                message,
            } => {
                self.saw("said");
                let person = self.person(at, peer);
                assert_eq!(person.room.map(|(room, _)| room), Some(room));
                person.words.1 += 1;
                assert_eq!(message, word(room, person.words.1), "in order, each once");
            }
            Output::PartnerGone { peer, room, .. } => {
                self.saw("partner gone");
                let person = self.person(at, peer);
                assert_eq!(person.room.map(|(room, _)| room), Some(room));
                person.room = None;
            }
        }
    }

    fn person(&mut self, at: usize, peer: PeerId) -> &mut Person {
        self.servers[at].people.get_mut(&peer).expect("one of ours")
    }

    fn wish(&mut self, at: usize, peer: PeerId, ticket: Ticket) -> Wish {
        let node = self.servers[at].node.me();
        // Half of the blocks are news to the other side only.
        let knows = self.is_calm || self.random.chance(0.5);
        let never = self
            .person(at, peer)
            .never
            .iter()
            .copied()
            .filter(|_| knows);
        Wish {
            ticket,
            who: Tag { node, peer },
            key: None,
            is_apart: false,
            interests: Vec::new(),
            language: None,
            never: never.collect(),
            never_keys: Vec::new(),
            met: Vec::new(),
            holds: Holds::default(),
            waited: Duration::ZERO,
        }
    }

    fn enter(&mut self, at: usize, peer: PeerId, room: RoomId, partner: Partner) {
        let node = self.servers[at].node.me();
        let me = Tag { node, peer };
        let person = self.person(at, peer);
        assert!(
            person.waits_since.take().is_some(),
            "only who waits is let in"
        );
        assert_eq!(person.room, None, "nobody is in two rooms");
        if let Partner::Elsewhere(who) = partner {
            assert!(who.node != node, "who is here is matched here");
            assert!(!person.never.contains(&who), "blocked pairs never meet");
        }
        person.is_set_aside = false;
        person.words = (0, 0);
        person.room = Some((room, partner));
        let people = self.rooms.entry(room).or_default();
        people.insert(me);
        assert!(people.len() <= 2, "three in a room");
    }

    fn ask(&mut self, at: usize, peer: PeerId) {
        self.leave_room(at, peer);
        let now = self.now;
        let person = self.person(at, peer);
        person.is_set_aside = false;
        person.waits_since.get_or_insert(now);
        self.look_for_partner(at, peer);
        self.carry_out(at);
    }

    /// At home first, sometimes, and then with the others.
    fn look_for_partner(&mut self, at: usize, peer: PeerId) {
        let now = self.now;
        let others = self.servers[at]
            .people
            .iter()
            .filter(|(other, it)| **other != peer && it.waits_since.is_some() && !it.is_set_aside);
        let other = others.map(|(other, _)| *other).next();
        self.servers[at].node.waits(peer, now);
        if let Some(other) = other
            && self.random.chance(0.2)
        {
            self.last_event += 1;
            let room = RoomId::from_bytes(u128::from(self.last_event).to_be_bytes());
            for (one, partner) in [(peer, other), (other, peer)] {
                self.servers[at].node.no_longer(one, now);
                self.enter(at, one, room, Partner::AtHome(partner));
            }
        }
    }

    fn stop(&mut self, at: usize, peer: PeerId) {
        self.leave_room(at, peer);
        let now = self.now;
        let person = self.person(at, peer);
        person.waits_since = None;
        person.is_set_aside = false;
        self.servers[at].node.no_longer(peer, now);
        self.carry_out(at);
    }

    fn leave_room(&mut self, at: usize, peer: PeerId) {
        let now = self.now;
        match self.person(at, peer).room.take() {
            None => {}
            Some((_, Partner::AtHome(partner))) => self.person(at, partner).room = None,
            Some((room, Partner::Elsewhere(_))) => {
                self.servers[at].node.leave(room, LeaveReason::Next, now);
            }
        }
    }

    fn block(&mut self, at: usize, peer: PeerId) {
        let person = self.person(at, peer);
        if let Some((_, Partner::Elsewhere(who))) = person.room
            && person.never.len() < 3
        {
            person.never.insert(who);
        }
    }

    fn talk(&mut self, at: usize, peer: PeerId) {
        let now = self.now;
        let person = self.person(at, peer);
        if let Some((room, Partner::Elsewhere(_))) = person.room {
            person.words.0 += 1;
            let word = word(room, person.words.0);
            assert!(self.servers[at].node.pass(room, word, now));
            self.carry_out(at);
        }
    }

    /// Panics unless all who are in a room are there together, and nobody waits beside one who would do.
    pub(crate) fn assert_whole(&mut self) {
        let mut waiting = Vec::new();
        for server in &self.servers {
            let node = server.node.me();
            assert!(server.node.is_up());
            for (&peer, person) in &server.people {
                let me = Tag { node, peer };
                if person.waits_since.is_some() {
                    assert!(!person.is_set_aside, "nobody is set aside for long");
                    waiting.push((me, &person.never));
                }
                let Some((room, Partner::Elsewhere(who))) = person.room else {
                    continue;
                };
                let home = self.servers.iter().find(|it| it.node.me() == who.node);
                let partner = home.and_then(|home| home.people.get(&who.peer));
                let theirs = partner.and_then(|it| it.room);
                let expected = Some((room, Partner::Elsewhere(me)));
                assert_eq!(theirs, expected, "nobody is alone in a room");
                let words = partner.map(|partner| partner.words.1);
                assert_eq!(words, Some(person.words.0), "everything was heard");
            }
        }
        for (one, one_never) in &waiting {
            for (other, other_never) in &waiting {
                let may_meet = one.node != other.node
                    && !one_never.contains(other)
                    && !other_never.contains(one);
                assert!(!may_meet, "{one} and {other} wait beside each other");
            }
        }
    }
}

fn word(room: RoomId, number: u32) -> ClientMessage {
    let candidate = Candidate {
        candidate: number.to_string(),
        sdp_mid: None,
        sdp_m_line_index: None,
        username_fragment: None,
    };
    ClientMessage::Candidate {
        room,
        candidate: Some(candidate),
    }
}

fn introduction(who: Tag) -> Introduction {
    Introduction {
        who,
        key: None,
        place: "192.0.2.1/32".to_owned(),
        is_shared: false,
        interests: Vec::new(),
        language: None,
        takes_offer_ahead: false,
        offer: None,
    }
}

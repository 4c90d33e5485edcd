//! A world for some people: signalling with delays and losses, peer connections with paths that come and go.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use call::{Call, Command, Config, Input, Output, PeerFact, State, negotiation};
use protocol::{LeaveReason, Role, ServerMessage};
use simulation::{Conditions, Link, Random};

use super::history::Event;
use super::someone::{FakePeer, Person, Ready};
use super::strict_server::{ConnectionId, StrictServer};
use super::strict_stack::{StrictStack, offer_name};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Some people, a server, and what lies between them.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) random: Random,
    pub(crate) server: StrictServer,
    pub(crate) people: Vec<Person>,
    next_connection: u64,
    pub(crate) is_path_broken: bool,
    /// This share of the peer connections cannot be opened.
    pub(crate) open_failure_ratio: f64,
    /// ICE generations that lead nowhere any more.
    pub(crate) dead_generations: Vec<String>,
    /// Connections whose loss the server has not noticed yet.
    unnoticed: Vec<(Instant, ConnectionId)>,
}

impl World {
    pub(crate) fn new(seed: u64, people: usize) -> Self {
        let mut random = Random::new(seed);
        let conditions = Conditions {
            latency: ms(10),
            jitter: ms(40),
            ..Conditions::default()
        };
        let mut world = Self {
            now: simulation::start(),
            server: StrictServer::default(),
            people: Vec::new(),
            next_connection: 1,
            is_path_broken: false,
            open_failure_ratio: 0.0,
            dead_generations: Vec::new(),
            unnoticed: Vec::new(),
            random: random.clone(),
        };
        for number in 0..people {
            world.people.push(Person {
                name: format!("person {number}"),
                call: Call::new(Config::default()),
                connection: None,
                is_away: false,
                to_server: Link::new(conditions, random.next_u64()),
                from_server: Link::new(conditions, random.next_u64()),
                heard: Vec::new(),
                peer: None,
                ready: None,
                readies: 0,
                wants_shield: false,
                peers_opened: 0,
                peers_closed: 0,
                facts: BTreeMap::new(),
                facts_sent: 0,
            });
            world.happen(Event::SignallingBack(number));
        }
        world
    }

    pub(crate) fn happen(&mut self, event: Event) {
        match event {
            Event::Start(who) => {
                let wish = Command::Start {
                    interests: vec!["chess".to_owned()],
                    language: None,
                };
                self.tell(who, Input::Command(wish));
            }
            Event::Next(who) => self.tell(who, Input::Command(Command::Next)),
            Event::Stop(who) => self.tell(who, Input::Command(Command::Stop)),
            Event::SignallingLost(who) => self.lose_signalling(who),
            Event::SignallingAway(who) => self.suspend_signalling(who),
            Event::Moved(who) => {
                if let Some(peer) = self.open_peer(who) {
                    peer.may_yield = true;
                    let generation = peer.stack.local();
                    self.dead_generations.extend(generation);
                }
                self.drop_ready(who);
                self.tell(who, Input::NetworkChanged);
            }
            Event::Shield(who, wanted) => {
                if let Some(person) = self.people.get_mut(who) {
                    person.wants_shield = wanted;
                }
                // A shell that keeps a connection that does not fit is not well advised, and harms nobody.
                if self.random.chance(0.7) {
                    self.drop_ready(who);
                }
                self.tell(who, Input::Command(Command::SetShield(wanted)));
            }
            Event::AllowDirect(who, allowed) => {
                self.tell(who, Input::Command(Command::AllowDirect(allowed)));
            }
            Event::SignallingBack(who) => self.regain_signalling(who),
            Event::PathBroken => self.is_path_broken = true,
            Event::PathRepaired => self.is_path_broken = false,
            Event::AddressChanged => {
                let peers = self.people.iter().filter_map(|person| person.peer.as_ref());
                self.dead_generations
                    .extend(peers.filter_map(|peer| peer.stack.local()));
            }
            Event::Change(who) => {
                let Some(peer) = self.open_peer(who) else {
                    return;
                };
                peer.stack.want_change();
                let id = peer.id;
                self.tell(
                    who,
                    Input::Peer {
                        peer: id,
                        fact: PeerFact::NegotiationNeeded,
                    },
                );
            }
            Event::Failure(who) => {
                if let Some(peer) = self.open_peer(who) {
                    peer.stack.fail_next();
                    peer.may_yield = true;
                }
            }
            Event::Echo(who) => self.echo(who),
            Event::Ready(who) => self.make_ready(who),
            Event::ReadyGone(who) => self.drop_ready(who),
        }
    }

    fn make_ready(&mut self, who: usize) {
        let Some(person) = self.people.get_mut(who) else {
            return;
        };
        person.readies += 1;
        let mut stack = StrictStack::new(format!("{} ready {}-", person.name, person.readies));
        let offer = stack.offer_ahead(self.now, &mut self.random);
        let relay_only = person.wants_shield;
        person.ready = Some(Ready {
            offer: offer.clone(),
            stack,
            relay_only,
        });
        let ready = call::ReadyOffer { offer, relay_only };
        self.tell(who, Input::OfferAhead(Some(ready)));
    }

    fn drop_ready(&mut self, who: usize) {
        if (self.people.get_mut(who)).is_some_and(|person| person.ready.take().is_some()) {
            self.tell(who, Input::OfferAhead(None));
        }
    }

    /// The connection that a call takes. Nobody but the partner may have its password.
    fn take_ready(
        &mut self,
        who: usize,
        role: Role,
        relay_only: bool,
        with_offer_ahead: bool,
    ) -> Option<StrictStack> {
        let person = &mut self.people[who];
        let ready = person.ready.take_if(|ready| ready.relay_only == relay_only);
        assert!(
            !with_offer_ahead || (ready.is_some() && role == Role::Offerer),
            "{}: an offer of a connection that is not there",
            person.name
        );
        let Ready {
            offer, mut stack, ..
        } = ready?;
        let room = *person.call.room().expect("there is a partner");
        let name = offer_name(&offer);
        let mut rooms = self.server.given.iter().filter(|(given, _)| *given == name);
        // In a room that is closed already nobody hears of it, and the next match is under way.
        let is_elsewhere = rooms.clone().next().is_some() && self.server.is_open(room);
        assert!(
            !is_elsewhere || rooms.any(|(_, given_in)| *given_in == room),
            "{}: a connection that was offered to somebody else",
            person.name
        );
        if role == Role::Answerer {
            stack.take_offer_back();
        }
        Some(stack)
    }

    fn open_peer(&mut self, who: usize) -> Option<&mut FakePeer> {
        self.people
            .get_mut(who)?
            .peer
            .as_mut()
            .filter(|peer| peer.opens_at.is_none())
    }

    fn suspend_signalling(&mut self, who: usize) {
        let Some(person) = self.people.get_mut(who) else {
            return;
        };
        if let Some(connection) = person.connection
            && !std::mem::replace(&mut person.is_away, true)
        {
            self.server.suspend(connection);
            self.tell(who, Input::SignallingAway);
        }
    }

    fn lose_signalling(&mut self, who: usize) {
        let Some(person) = self.people.get_mut(who) else {
            return;
        };
        person.is_away = false;
        let Some(connection) = person.connection.take() else {
            return;
        };
        person.to_server.cut();
        // What was on the way is sometimes still read after the loss is known.
        if self.random.chance(0.5) {
            person.from_server.cut();
        }
        let noticed_at = self.now + self.random.duration(ms(3_000));
        self.unnoticed.push((noticed_at, connection));
        self.tell(who, Input::SignallingDown);
    }

    fn regain_signalling(&mut self, who: usize) {
        let Some(person) = self.people.get_mut(who) else {
            return;
        };
        if person.connection.is_some() {
            if std::mem::take(&mut person.is_away) {
                self.tell(who, Input::SignallingBack);
            }
            return;
        }
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        person.connection = Some(connection);
        person.from_server.cut();
        let takes_offer_ahead = self.random.chance(0.8);
        self.server.connect(connection, takes_offer_ahead);
        self.drop_ready(who);
        self.tell(who, Input::SignallingUp);
    }

    fn echo(&mut self, who: usize) {
        let Some(person) = self.people.get(who) else {
            return;
        };
        let Some(last) = person.heard.last().cloned() else {
            return;
        };
        let index = self.random.below(person.heard.len() as u64) as usize;
        let old = person.heard[index].clone();
        let present = person.call.room().copied();
        // Nothing else is repeated: in order, a `waiting` and another room's `matched` say something true.
        let may_be_repeated = match &last {
            ServerMessage::Matched { room, .. } => present == Some(*room),
            other => matches!(other, ServerMessage::PartnerLeft { .. }),
        };
        if may_be_repeated {
            self.tell(who, Input::Server(last));
        }
        let old_room = match &old {
            ServerMessage::Matched { room, .. } => Some(*room),
            _ => None,
        };
        if let Some(room) = old_room.filter(|room| Some(*room) != present) {
            let reason = LeaveReason::Next;
            self.tell(
                who,
                Input::Server(ServerMessage::PartnerLeft { room, reason }),
            );
            self.tell(
                who,
                Input::Server(ServerMessage::Candidate {
                    room,
                    candidate: None,
                }),
            );
        }
    }

    pub(crate) fn put_in_order(&mut self) {
        self.server.refusal_ratio = 0.0;
        self.open_failure_ratio = 0.0;
        self.is_path_broken = false;
        for who in 0..self.people.len() {
            self.happen(Event::SignallingBack(who));
        }
    }

    pub(crate) fn let_everybody_search(&mut self) {
        for who in 0..self.people.len() {
            match self.people[who].call.state() {
                State::Idle => self.happen(Event::Start(who)),
                State::Ended { .. } => self.happen(Event::Next(who)),
                _ => {}
            }
        }
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        for _ in 0..1_000_000 {
            self.settle_paths();
            match self.next_moment() {
                Some(next) if next <= until => self.now = self.now.max(next),
                _ => {
                    self.now = until;
                    return;
                }
            }
            self.step();
        }
        panic!("time stands still");
    }

    fn next_moment(&self) -> Option<Instant> {
        let noticed = self.unnoticed.iter().map(|(noticed_at, _)| *noticed_at);
        let people = self.people.iter().enumerate().flat_map(|(who, person)| {
            let peer = person.peer.as_ref();
            let unless_away = |at: Option<Instant>| at.filter(|_| !person.is_away);
            [
                person.call.poll_timeout(),
                unless_away(person.to_server.poll_timeout()),
                unless_away(person.from_server.poll_timeout()),
                self.channel_due_at(who),
                person.facts.keys().next().map(|(at, _)| *at),
                peer.and_then(|peer| peer.opens_at),
                peer.and_then(|peer| peer.report_at),
                peer.and_then(|peer| peer.stack.poll_timeout()),
            ]
        });
        noticed.chain(people.flatten()).min()
    }

    /// Whatever is due happens.
    fn step(&mut self) {
        let now = self.now;
        if let Some(index) = self.unnoticed.iter().position(|(at, _)| *at <= now) {
            let (_, connection) = self.unnoticed.remove(index);
            self.server.disconnect(connection);
        }
        for who in 0..self.people.len() {
            if self.people[who]
                .call
                .poll_timeout()
                .is_some_and(|at| at <= now)
            {
                self.tell(who, Input::Timeout);
                let next = self.people[who].call.poll_timeout();
                assert!(
                    next.is_none_or(|at| at > now),
                    "a timeout that changes nothing"
                );
            }
            let person = &mut self.people[who];
            if !person.is_away
                && let Some(message) = person.to_server.poll(now)
                && let Some(connection) = person.connection
            {
                self.server.hear(connection, message, &mut self.random);
            }
            let person = &mut self.people[who];
            if !person.is_away
                && let Some(message) = person.from_server.poll(now)
            {
                person.heard.push(message.clone());
                self.tell(who, Input::Server(message));
            }
            let person = &mut self.people[who];
            if let Some(entry) = person.facts.first_entry()
                && entry.key().0 <= now
            {
                let (peer, fact) = entry.remove();
                if fact == PeerFact::ChannelOpen
                    && let Some(open) = person.peer.as_mut().filter(|open| open.id == peer)
                {
                    open.is_channel_open = true;
                }
                self.tell(who, Input::Peer { peer, fact });
            }
            self.step_peer(who);
            self.step_channel(who);
        }
        for (connection, message) in std::mem::take(&mut self.server.outbox) {
            let mut people = self.people.iter_mut();
            if let Some(person) = people.find(|person| person.connection == Some(connection)) {
                person.from_server.send(now, message);
            }
        }
    }

    pub(crate) fn tell(&mut self, who: usize, input: Input) {
        let Some(person) = self.people.get_mut(who) else {
            return;
        };
        person.call.handle(input, self.now);
        while let Some(output) = self.people[who].call.poll_output() {
            self.carry_out(who, output);
        }
        self.people[who].assert_invariants();
    }

    fn carry_out(&mut self, who: usize, output: Output) {
        let now = self.now;
        let partner = self.partner_of(who);
        let person = &mut self.people[who];
        let (peer, order) = match output {
            Output::Send(message) => {
                assert!(
                    person.connection.is_some(),
                    "{}: {message:?} to nobody",
                    person.name
                );
                person.to_server.send(now, message);
                return;
            }
            Output::SendToPartner { peer: id, message } => {
                let peer = person.peer.as_mut().filter(|peer| peer.id == id);
                let peer = peer.expect("a message through no peer connection");
                assert!(peer.is_channel_open, "{}: says it too early", person.name);
                let last = peer.channel.back().map_or(now, |(at, _)| *at);
                let at = last.max(now + self.random.duration(ms(100)));
                peer.channel.push_back((at, message));
                return;
            }
            Output::AllowDirect { peer: id } => {
                let view = person.call.direct().expect("there is a call");
                assert!(view.is_allowed && view.partner_allows == Some(true));
                let peer = person.peer.as_mut().filter(|peer| peer.id == id);
                let peer = peer.expect("it is about the present call");
                assert!(std::mem::take(&mut peer.is_relay_only), "it was hidden");
                return;
            }
            Output::OpenPeer {
                peer: id,
                role,
                relay_only,
                with_offer_ahead,
                ..
            } => {
                let ready = self.take_ready(who, role, relay_only, with_offer_ahead);
                let person = &mut self.people[who];
                assert!(
                    person.peer.is_none(),
                    "{}: two peer connections at once",
                    person.name
                );
                assert!(
                    id.0 > person.peers_opened,
                    "{}: an old id is used again",
                    person.name
                );
                person.peers_opened += 1;
                if self.random.chance(self.open_failure_ratio) {
                    person.report_later(now, id, PeerFact::OpenFailed);
                }
                person.peer = Some(FakePeer {
                    id,
                    role,
                    opens_at: Some(now + self.random.duration(ms(100))),
                    stack: ready
                        .unwrap_or_else(|| StrictStack::new(format!("{} {}-", person.name, id.0))),
                    established: None,
                    has_path: false,
                    reported: None,
                    report_at: None,
                    may_yield: false,
                    is_channel_open: false,
                    channel: VecDeque::new(),
                    is_relay_only: relay_only,
                });
                return;
            }
            Output::CloseReady => {
                assert!(person.ready.take().is_some(), "there is none to close");
                return;
            }
            Output::ClosePeer { peer: id, say_bye } => {
                let peer = person.peer.take().expect("no peer connection to close");
                assert_eq!(peer.id, id, "{}: closes another one", person.name);
                let may_yield = peer.role == Role::Answerer || peer.may_yield;
                assert!(
                    may_yield || peer.stack.rollbacks == 0,
                    "{}: impolite yields",
                    person.name
                );
                person.peers_closed += 1;
                for fact in [
                    PeerFact::Opened,
                    PeerFact::RemoteApplied,
                    PeerFact::Connected,
                ] {
                    person.report_later(now + self.random.duration(ms(3_000)), id, fact);
                }
                if let Some(partner) = partner.filter(|_| say_bye)
                    && let Some(peer) = &self.people[partner].peer
                {
                    let (id, at) = (peer.id, now + self.random.duration(ms(100)));
                    self.people[partner].report_later(at, id, PeerFact::Bye);
                }
                return;
            }
            Output::CreateOffer { peer, restart } => {
                (peer, negotiation::Output::CreateOffer { restart })
            }
            Output::CreateAnswer { peer } => (peer, negotiation::Output::CreateAnswer),
            Output::ApplyRemote { peer, description } => {
                (peer, negotiation::Output::ApplyRemote(description))
            }
            Output::Rollback { peer } => (peer, negotiation::Output::Rollback),
            Output::AddCandidate { peer, candidate } => {
                (peer, negotiation::Output::AddCandidate(candidate))
            }
        };
        let present = person
            .peer
            .as_mut()
            .expect("an order without a peer connection");
        assert_eq!(
            present.id, peer,
            "{}: an order about another peer connection",
            person.name
        );
        assert!(
            present.opens_at.is_none(),
            "{}: an order before it is open",
            person.name
        );
        present.stack.carry_out(order, now, &mut self.random);
    }

    /// Two talk to each other; a third one waits.
    pub(crate) fn assert_in_pairs(&self) {
        let states: Vec<_> = self
            .people
            .iter()
            .map(|person| person.call.state())
            .collect();
        let in_pairs: Vec<_> = (0..self.people.len())
            .filter(|who| {
                matches!(states[*who], State::Connected { .. }) && self.partner_of(*who).is_some()
            })
            .collect();
        assert_eq!(in_pairs.len(), 2, "{states:?}");
        for (who, state) in states.iter().enumerate() {
            let waits = matches!(state, State::Searching { .. });
            assert!(waits || in_pairs.contains(&who), "{states:?}");
        }
    }
}

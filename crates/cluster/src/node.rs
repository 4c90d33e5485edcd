//! One server's part: its tickets, its proposals, its rooms with others. What has to do with another server as a whole is in
//! `node/neighbours.rs`.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use matchmaker::PeerId;
use protocol::{ClientMessage, LeaveReason, RoomId};

use crate::{
    Acceptance, Answer, Introduction, NodeId, Output, Tag, Ticket, link::Link, words::Word,
};

mod neighbours;

/// How often the owner tells which servers there are, while Redis is there.
pub const ROSTER_EVERY: Duration = Duration::from_secs(1);
/// How many questions may be with Redis at once; others wait for their turn here.
const MAX_ASKING: usize = 256;
/// After how long a ticket is offered again at the latest, so that it does not expire.
const OFFERED_AGAIN: Duration = Duration::from_secs(3);
/// After how long a question is asked again that has failed.
const FAILED_AGAIN: Duration = Duration::from_millis(500);
/// How long a proposal waits for its answer.
const ANSWERED_WITHIN: Duration = Duration::from_millis(1500);
/// How long one whose ticket is taken waits for the proposal.
const PROPOSED_WITHIN: Duration = Duration::from_secs(2);
/// After how long a server is gone of which nothing is heard.
const GONE_AFTER: Duration = Duration::from_secs(4);
/// For how long it is remembered that it is gone, and told, should it come back.
const REMEMBERED: Duration = Duration::from_mins(1);
/// How many servers there may be.
const MAX_NODES: usize = 256;

/// One of ours who waits.
#[derive(Debug)]
struct Waiter {
    ticket: u64,
    stage: Stage,
    /// When the owner wants it to be offered again, after this time.
    again_at: Option<Instant>,
    /// When something is to be done about it. It is in `due` then.
    due: Option<Instant>,
}

#[derive(Debug)]
enum Stage {
    /// Redis is to be asked. It is in `ready`, unless Redis is away.
    Ready,
    /// Redis is asked.
    Asking,
    /// The ticket waits there.
    Offered,
    /// Somebody has taken it.
    Taken,
    /// We have taken somebody's, and proposed.
    Proposing {
        room: RoomId,
        other: Ticket,
        who: Tag,
    },
    /// Another server has proposed, and the owner answers in a moment.
    Proposed { room: RoomId, from: NodeId },
}

/// A room of which another server has the other half.
#[derive(Debug, Clone, Copy)]
struct Room {
    peer: PeerId,
    node: NodeId,
}

/// Another server.
#[derive(Debug)]
struct Neighbour {
    link: Link,
    /// When it was last on the roster, or said something.
    seen_at: Instant,
    is_gone: bool,
}

/// See the module. `Names` makes the name of each room; every call must return another one that cannot be guessed.
///
/// After each call take what is to be done with [`poll_output`](Self::poll_output) until it returns `None`. The time must not go back.
#[derive(Debug)]
pub struct Node<Names> {
    me: NodeId,
    names: Names,
    waiters: BTreeMap<PeerId, Waiter>,
    by_ticket: BTreeMap<u64, PeerId>,
    due: BTreeSet<(Instant, PeerId)>,
    /// Who is to be offered now, in order.
    ready: BTreeSet<(u64, PeerId)>,
    asking: BTreeSet<u64>,
    /// Whose proposal a room is.
    proposals: BTreeMap<RoomId, PeerId>,
    rooms: BTreeMap<RoomId, Room>,
    neighbours: BTreeMap<NodeId, Neighbour>,
    /// Since when Redis is there.
    up_since: Option<Instant>,
    last_ticket: u64,
    last_run: u64,
    outputs: VecDeque<Output>,
}

impl<Names: FnMut() -> RoomId> Node<Names> {
    /// A server that knows nobody yet. Redis counts as away.
    pub const fn new(me: NodeId, names: Names) -> Self {
        Self {
            me,
            names,
            waiters: BTreeMap::new(),
            by_ticket: BTreeMap::new(),
            due: BTreeSet::new(),
            ready: BTreeSet::new(),
            asking: BTreeSet::new(),
            proposals: BTreeMap::new(),
            rooms: BTreeMap::new(),
            neighbours: BTreeMap::new(),
            up_since: None,
            last_ticket: 0,
            last_run: 0,
            outputs: VecDeque::new(),
        }
    }

    /// The name of this server.
    pub const fn me(&self) -> NodeId {
        self.me
    }

    /// Whether Redis is there.
    pub const fn is_up(&self) -> bool {
        self.up_since.is_some()
    }

    /// How many rooms have their other half elsewhere.
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// How many of ours are offered, or to be.
    pub fn waiting_count(&self) -> usize {
        self.waiters.len()
    }

    /// One of ours has asked for a partner and found nobody at home, or has asked again.
    pub fn waits(&mut self, peer: PeerId, now: Instant) {
        self.no_longer(peer, now);
        self.begin(peer);
    }

    /// One of ours waits no longer: matched at home, gone, or not wanting anybody.
    pub fn no_longer(&mut self, peer: PeerId, now: Instant) {
        let Some(waiter) = self.remove(peer) else {
            return;
        };
        match waiter.stage {
            // To what another server proposes, it is told no.
            Stage::Ready | Stage::Taken => {}
            Stage::Asking | Stage::Offered => {
                let ticket = self.ticket(waiter.ticket);
                self.outputs.push_back(Output::Withdraw { ticket });
            }
            Stage::Proposing { room, other, .. } => {
                let reason = LeaveReason::Left;
                self.say(other.node, &Word::Gone { room, reason }, now);
            }
            Stage::Proposed { room, from } => {
                let is_forever = false;
                self.say(from, &Word::Refuse { room, is_forever }, now);
            }
        }
    }

    /// When one who is just asked for is to be offered again at the latest, if nobody is found: he will be content with less then.
    pub fn again_at(&mut self, peer: PeerId, at: Option<Instant>) {
        if let Some(waiter) = self.waiters.get_mut(&peer) {
            waiter.again_at = at;
        }
    }

    /// Redis has answered an offer.
    pub fn on_answer(&mut self, number: u64, answer: Answer, now: Instant) {
        if !self.asking.remove(&number) {
            // Of a question before Redis was lost.
            return;
        }
        let Some(&peer) = self.by_ticket.get(&number) else {
            if let Answer::Found { ticket, .. } = answer {
                self.say(ticket.node, &Word::Decline { ticket }, now);
            }
            return;
        };
        match answer {
            Answer::Waits => {
                let again = self.waiters.get(&peer).and_then(|waiter| waiter.again_at);
                let latest = now + OFFERED_AGAIN;
                let at = again.filter(|at| *at > now).unwrap_or(latest).min(latest);
                self.set(peer, Stage::Offered, Some(at));
            }
            Answer::Failed => self.set(peer, Stage::Offered, Some(now + FAILED_AGAIN)),
            Answer::Taken => self.set(peer, Stage::Taken, Some(now + PROPOSED_WITHIN)),
            Answer::Withdrawn => self.renew(peer),
            Answer::Found { ticket: other, who } => {
                let room = (self.names)();
                let stage = Stage::Proposing { room, other, who };
                self.set(peer, stage, Some(now + ANSWERED_WITHIN));
                self.outputs
                    .push_back(Output::Introduce { peer, room, who });
            }
        }
    }

    /// Says who one is whom [`Output::Introduce`] named.
    pub fn introduce(&mut self, peer: PeerId, introduction: Introduction, now: Instant) {
        let stage = self.waiters.get(&peer).map(|waiter| &waiter.stage);
        if let Some(&Stage::Proposing { room, other, .. }) = stage {
            let introduction = Box::new(introduction);
            let ticket = other;
            let word = Word::Propose {
                room,
                ticket,
                introduction,
            };
            self.say(other.node, &word, now);
        }
    }

    /// One whom [`Output::Introduce`] named must not meet the one who was found. Both go on waiting.
    pub fn decline(&mut self, peer: PeerId, now: Instant) {
        let stage = self.waiters.get(&peer).map(|waiter| &waiter.stage);
        if let Some(&Stage::Proposing { other: ticket, .. }) = stage {
            self.say(ticket.node, &Word::Decline { ticket }, now);
            self.put_back(peer, false, true);
        }
    }

    /// One of ours is in the room that was proposed.
    pub fn accept(&mut self, peer: PeerId, acceptance: Acceptance, now: Instant) {
        if let Some((room, from)) = self.proposal_for(peer) {
            self.remove(peer);
            self.rooms.insert(room, Room { peer, node: from });
            let acceptance = Box::new(acceptance);
            self.say(from, &Word::Accept { room, acceptance }, now);
        }
    }

    /// The two must not meet, in no other room either. The one of ours goes on waiting.
    pub fn refuse(&mut self, peer: PeerId, now: Instant) {
        if let Some((room, from)) = self.proposal_for(peer) {
            let is_forever = true;
            self.say(from, &Word::Refuse { room, is_forever }, now);
            self.renew(peer);
        }
    }

    fn proposal_for(&self, peer: PeerId) -> Option<(RoomId, NodeId)> {
        match self.waiters.get(&peer)?.stage {
            Stage::Proposed { room, from } => Some((room, from)),
            _ => None,
        }
    }

    /// Passes something to the partner. False if there is no such room.
    pub fn pass(&mut self, room: RoomId, message: ClientMessage, now: Instant) -> bool {
        let Some(&Room { node, .. }) = self.rooms.get(&room) else {
            return false;
        };
        self.say(node, &Word::Said { room, message }, now);
        true
    }

    /// One of ours has left a room.
    pub fn leave(&mut self, room: RoomId, reason: LeaveReason, now: Instant) {
        if let Some(Room { node, .. }) = self.rooms.remove(&room) {
            self.say(node, &Word::Gone { room, reason }, now);
        }
    }

    /// Redis is there, and everybody can be offered anew.
    pub fn on_up(&mut self, now: Instant) {
        if self.up_since.replace(now).is_some() {
            return;
        }
        for neighbour in self.neighbours.values_mut() {
            neighbour.link.say_all_again(now);
        }
        self.renew_all();
    }

    /// Redis is away. Who waits is matched at home alone.
    pub fn on_lost(&mut self) {
        if self.up_since.take().is_none() {
            return;
        }
        self.asking.clear();
        self.renew_all();
    }

    /// Does what is due. Call at the time of [`poll_timeout`](Self::poll_timeout), or whenever.
    pub fn on_timeout(&mut self, now: Instant) {
        while let Some(&(at, peer)) = self.due.first()
            && at <= now
        {
            let stage = self.waiters.get(&peer).map(|waiter| &waiter.stage);
            match stage {
                Some(&Stage::Proposing { room, other, .. }) => {
                    self.say(other.node, &gone(room), now);
                    self.put_back(peer, true, false);
                }
                Some(Stage::Offered) => self.make_ready(peer),
                Some(Stage::Taken | Stage::Proposed { .. }) => self.renew(peer),
                Some(Stage::Ready | Stage::Asking) => self.set_due(peer, None),
                None => {
                    self.due.pop_first();
                }
            }
        }
        let of_all = self.neighbours.iter();
        let stuck = of_all.filter(|(_, it)| it.link.is_stuck(now));
        let stuck: Vec<NodeId> = stuck.map(|(node, _)| *node).collect();
        for node in stuck {
            let is_gone = self.neighbours.get(&node).is_some_and(|it| it.is_gone);
            if is_gone {
                self.neighbours.remove(&node);
            } else {
                self.cut(node, now);
            }
        }
    }

    /// When to call [`on_timeout`](Self::on_timeout) if nothing else happens.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let waiter = self.due.first().map(|(at, _)| *at);
        let links = self.neighbours.values().map(|it| &it.link);
        let links = links.flat_map(|link| {
            let due = link.next_due().filter(|_| self.is_up());
            [due, link.stuck_at()]
        });
        links.chain([waiter]).flatten().min()
    }

    /// The next thing to do. Call until `None`.
    pub fn poll_output(&mut self, now: Instant) -> Option<Output> {
        while let Some(output) = self.outputs.pop_front() {
            if self.still_holds(&output) {
                return Some(output);
            }
        }
        if !self.is_up() {
            return None;
        }
        if self.asking.len() < MAX_ASKING
            && let Some((number, peer)) = self.ready.pop_first()
        {
            self.set(peer, Stage::Asking, None);
            self.asking.insert(number);
            let ticket = self.ticket(number);
            return Some(Output::Ask { peer, ticket });
        }
        let me = self.me;
        self.neighbours.iter_mut().find_map(|(&to, neighbour)| {
            let packet = neighbour.link.poll(me, now)?;
            Some(Output::Send { to, packet })
        })
    }

    const fn ticket(&self, number: u64) -> Ticket {
        Ticket {
            node: self.me,
            number,
        }
    }

    /// Whether something is to be done yet: what was done before may have changed that.
    fn still_holds(&self, output: &Output) -> bool {
        let waiter = |peer| self.waiters.get(peer).map(|it: &Waiter| &it.stage);
        match output {
            Output::Introduce { peer, room, .. } => {
                matches!(waiter(peer), Some(Stage::Proposing { room: of, .. }) if of == room)
            }
            Output::Proposed { peer, room, .. } => {
                matches!(waiter(peer), Some(Stage::Proposed { room: of, .. }) if of == room)
            }
            _ => true,
        }
    }

    fn begin(&mut self, peer: PeerId) {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        self.by_ticket.insert(ticket, peer);
        let waiter = Waiter {
            ticket,
            stage: Stage::Ready,
            again_at: None,
            due: None,
        };
        self.waiters.insert(peer, waiter);
        self.make_ready(peer);
    }

    fn make_ready(&mut self, peer: PeerId) {
        self.set(peer, Stage::Ready, None);
        if let Some(waiter) = self.waiters.get(&peer) {
            self.ready.insert((waiter.ticket, peer));
        }
    }

    /// Gives one who waits another ticket: the old one is spent.
    fn renew(&mut self, peer: PeerId) {
        self.remove(peer);
        self.begin(peer);
    }

    /// Gives everybody another ticket but those for whom an answer is awaited, which may come yet.
    fn renew_all(&mut self) {
        let of_all = self.waiters.iter();
        let others = of_all.filter(|(_, it)| !matches!(it.stage, Stage::Proposing { .. }));
        let others: Vec<PeerId> = others.map(|(peer, _)| *peer).collect();
        for peer in others {
            self.renew(peer);
        }
    }

    fn remove(&mut self, peer: PeerId) -> Option<Waiter> {
        self.set_due(peer, None);
        let waiter = self.waiters.remove(&peer)?;
        self.by_ticket.remove(&waiter.ticket);
        self.ready.remove(&(waiter.ticket, peer));
        if let Stage::Proposing { room, .. } = waiter.stage {
            self.proposals.remove(&room);
        }
        Some(waiter)
    }

    fn set(&mut self, peer: PeerId, stage: Stage, due: Option<Instant>) {
        self.set_due(peer, due);
        if let Some(waiter) = self.waiters.get_mut(&peer) {
            if let Stage::Proposing { room, .. } = stage {
                self.proposals.insert(room, peer);
            }
            waiter.stage = stage;
        }
    }

    fn set_due(&mut self, peer: PeerId, due: Option<Instant>) {
        if let Some(waiter) = self.waiters.get_mut(&peer) {
            if let Some(before) = waiter.due.take() {
                self.due.remove(&(before, peer));
            }
            waiter.due = due;
            self.due.extend(due.map(|due| (due, peer)));
        }
    }

    /// Who waits with this ticket and has proposed nothing himself.
    fn holder(&self, ticket: Ticket) -> Option<PeerId> {
        let peer = self.by_ticket.get(&ticket.number)?;
        let waiter = self.waiters.get(peer)?;
        let is_free = !matches!(
            waiter.stage,
            Stage::Proposing { .. } | Stage::Proposed { .. }
        );
        (ticket.node == self.me && is_free).then_some(*peer)
    }

    /// Who of ours has proposed this room to that server.
    fn proposer(&self, room: RoomId, to: NodeId) -> Option<PeerId> {
        let peer = *self.proposals.get(&room)?;
        let stage = &self.waiters.get(&peer)?.stage;
        let is_to = matches!(stage, Stage::Proposing { other, .. } if other.node == to);
        is_to.then_some(peer)
    }

    /// To whom of ours this room was proposed just now.
    fn proposed(&self, room: RoomId) -> Option<PeerId> {
        self.outputs.iter().find_map(|output| match output {
            Output::Proposed { peer, room: of, .. } if *of == room => Some(*peer),
            _ => None,
        })
    }

    /// One whose proposal has come to nothing. The owner lets him ask anew.
    fn put_back(&mut self, peer: PeerId, is_offer_spent: bool, is_forever: bool) {
        let who = match self.remove(peer).map(|waiter| waiter.stage) {
            Some(Stage::Proposing { who, .. }) => Some(who),
            _ => None,
        };
        self.outputs.push_back(Output::PutBack {
            peer,
            is_offer_spent,
            never: who.filter(|_| is_forever),
        });
    }

    /// Panics unless all that must always be true is. For tests.
    pub fn assert_invariants(&self) {
        assert_eq!(self.waiters.len(), self.by_ticket.len());
        let mut due = 0;
        for (peer, waiter) in &self.waiters {
            assert_eq!(self.by_ticket.get(&waiter.ticket), Some(peer));
            due += usize::from(waiter.due.is_some());
            let is_in_room = self.rooms.values().any(|room| room.peer == *peer);
            assert!(!is_in_room, "nobody waits who is in a room");
            match waiter.stage {
                Stage::Ready => {
                    let entry = (waiter.ticket, *peer);
                    assert!(self.ready.contains(&entry), "everybody's turn comes");
                }
                Stage::Asking => assert!(self.asking.contains(&waiter.ticket)),
                Stage::Offered
                | Stage::Taken
                | Stage::Proposing { .. }
                | Stage::Proposed { .. } => {
                    assert!(waiter.due.is_some(), "nobody is forgotten");
                }
            }
        }
        assert_eq!(due, self.due.len());
        assert!(self.ready.len() <= self.waiters.len());
        assert!(self.proposals.len() <= self.waiters.len());
        assert!(self.asking.len() <= MAX_ASKING && self.neighbours.len() <= MAX_NODES);
        let people: BTreeSet<PeerId> = self.rooms.values().map(|room| room.peer).collect();
        assert_eq!(people.len(), self.rooms.len(), "nobody is in two rooms");
    }
}

/// The room is not there any more.
const fn gone(room: RoomId) -> Word {
    Word::Gone {
        room,
        reason: LeaveReason::Disconnected,
    }
}

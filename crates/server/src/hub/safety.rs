//! Keys, reports, blocks and bans, as far as they concern those who are here, and the operator's orders.
//!
//! What a client or the operator is told is true after a restart too: the answer comes when it is on the disk.

use std::{
    collections::HashMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use matchmaker::{Input, PeerId};
use protocol::{Description, NotTaken, ReportReason, RoomId, ServerMessage, SignedLine};
use tokio::sync::oneshot;
use tracing::{debug, info};

use super::Hub;
use crate::{
    counters::{Refusal, Total},
    safety::{
        Ban, BanOrder, Changes, KeyHash, Meetings, Promise, Records, Report, ReportLimits, Shared,
        Standing, Unknown, Who, Writer, Written, are_lines_of,
    },
};

/// How many blocks of a session are remembered of people without keys, or by one.
const SESSION_BLOCKS: usize = 64;
/// How often what is over is forgotten.
const TIDY_EVERY: Duration = Duration::from_mins(10);
/// How many reports and bans the operator is shown.
const SHOWN: usize = 200;

/// Everything of the hub's that is about safety.
pub(super) struct Desk {
    pub(super) records: Records,
    /// What the other servers are told of it, and have told.
    pub(super) shared: Shared,
    /// This server's own secret, in case that it is the oldest.
    pub(super) own_secret: [u8; 32],
    pub(super) meetings: Meetings,
    writer: Writer,
    limits: ReportLimits,
    /// Who is told when something is on the disk. As many as may wait for it.
    promised: HashMap<u64, Promised>,
    tidy_at: Instant,
}

/// Who is told that it is kept.
#[derive(Debug)]
enum Promised {
    Reported { peer: PeerId, room: RoomId },
    Blocked { peer: PeerId, room: RoomId },
    Ordered(oneshot::Sender<OrderResult>),
}

/// What the operator wants.
#[derive(Debug)]
pub(crate) enum Order {
    /// To see what there is.
    Show(oneshot::Sender<Overview>),
    /// Nothing is to follow from a report.
    Dismiss(u64, oneshot::Sender<OrderResult>),
    /// Somebody is not wanted.
    Ban(BanOrder, oneshot::Sender<OrderResult>),
    /// Somebody is wanted again.
    Unban(u64, oneshot::Sender<OrderResult>),
}

/// What came of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderResult {
    Done,
    /// There is no such report or ban, or it is about nobody who could be told from others.
    Unknown,
    /// It holds, but not after a restart: the store cannot be written.
    NotStored,
}

/// What the operator is shown.
#[derive(Debug, Default)]
pub(crate) struct Overview {
    /// The newest first, with what all about the same person amount to.
    pub(crate) reports: Vec<(u64, Report, f64)>,
    pub(crate) bans: Vec<(u64, Ban)>,
    /// How many there are of each.
    pub(crate) report_count: usize,
    pub(crate) ban_count: usize,
    /// In seconds since the Unix epoch.
    pub(crate) now: u64,
}

/// What somebody says of a partner.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) reason: ReportReason,
    pub(super) note: String,
    pub(super) block: bool,
    pub(super) lines: Vec<SignedLine>,
}

/// A question for a partner that is put off.
#[derive(Debug)]
pub(crate) struct PutOff {
    pub(crate) until: Instant,
    pub(crate) question: Input,
}

impl Desk {
    pub(super) fn new(
        records: Records,
        (shared, own_secret): (Shared, [u8; 32]),
        writer: Writer,
        now: Instant,
    ) -> Self {
        Self {
            records,
            shared,
            own_secret,
            meetings: Meetings::default(),
            writer,
            limits: ReportLimits::new(now),
            promised: HashMap::new(),
            tidy_at: now,
        }
    }

    /// When to look next whether something is over.
    pub(super) const fn tidy_at(&self) -> Instant {
        self.tidy_at
    }
}

impl Hub {
    /// A client has proved that a key is its own.
    pub(super) fn on_identified(&mut self, peer: PeerId, key: KeyHash) {
        if !self.clients.identify(peer, key) {
            return;
        }
        self.counters.count(Total::Identified);
        let now = unix_time();
        if !self.desk.records.is_known(key) {
            self.counters.count(Total::NewKeys);
        }
        let changes = self.desk.records.seen(key, now);
        // Nobody waits for that to be kept.
        self.write(changes, None);
        self.throw_out_if_banned(peer);
    }

    /// Why somebody who comes, or is here, is not wanted.
    pub(super) fn ban_notice(&self, person: &crate::safety::Person) -> Option<ServerMessage> {
        let ban = self.desk.records.ban_of(person, unix_time())?;
        Some(ServerMessage::Banned {
            reason: ban.reason.clone(),
            until: ban.until,
            appeal: self.settings.appeal.clone(),
        })
    }

    fn throw_out_if_banned(&mut self, peer: PeerId) {
        let person = self.clients.get(peer).map(|client| client.about.person);
        let Some(notice) = person.and_then(|person| self.ban_notice(&person)) else {
            return;
        };
        debug!("one who is banned is sent away");
        self.counters.refuse(Refusal::Banned);
        // The call ends for the partner, too: it is not as if a connection were lost.
        self.set_waiting(peer, false);
        self.inform(Input::LeaveAsked { peer, room: None });
        if let Some(mut client) = self.clients.let_go(peer) {
            if client.outbox.push(&notice).is_err() {
                debug!("a client that does not read is not told that it is banned");
            }
            self.forgotten.push(peer);
        }
    }

    /// After a ban: sends away all whom it concerns.
    pub(super) fn throw_out_banned(&mut self) {
        let peers: Vec<PeerId> = self.clients.peers().collect();
        for peer in peers {
            self.throw_out_if_banned(peer);
        }
    }

    pub(super) fn on_report(&mut self, peer: PeerId, room: RoomId, said: Said) {
        let partner = match self.partner_in(peer, room) {
            Ok(partner) => partner,
            Err(refused) => {
                let refused = Some(refused);
                return self.send(peer, &ServerMessage::Reported { room, refused });
            }
        };
        let Some(person) = self.clients.get(peer).map(|client| client.about.person) else {
            return;
        };
        let Said {
            reason,
            note,
            block: is_block,
            lines,
        } = said;
        // A millisecond at most, and not more often than people may report.
        let key = self.desk.meetings.chat_key(room, partner.0);
        let are_proved = key.is_some_and(|key| are_lines_of(&key, &room, &lines));
        if !lines.is_empty() && !are_proved {
            self.counters.refuse(Refusal::Lines);
            let refused = Some(NotTaken::BadLines);
            return self.send(peer, &ServerMessage::Reported { room, refused });
        }
        self.counters.count(Total::Reports);
        let records = &mut self.desk.records;
        let (mut changes, is_banned) =
            records.report(&person, &partner.1, reason, note, unix_time());
        records.add_lines(lines, &mut changes);
        if is_banned {
            info!("somebody is banned after reports of several people");
            self.counters.count(Total::AutomaticBans);
        }
        if is_block {
            changes.extend(self.block(peer, partner));
        }
        self.desk.shared.share(&mut changes, unix_ms());
        self.write(changes, Some(Promised::Reported { peer, room }));
        if is_banned {
            self.throw_out_banned();
        }
    }

    pub(super) fn on_block(&mut self, peer: PeerId, room: RoomId) {
        match self.partner_in(peer, room) {
            Ok(partner) => {
                let mut changes = self.block(peer, partner);
                self.desk.shared.share(&mut changes, unix_ms());
                self.write(changes, Some(Promised::Blocked { peer, room }));
            }
            Err(refused) => {
                let refused = Some(refused);
                self.send(peer, &ServerMessage::Blocked { room, refused });
            }
        }
    }

    /// With whom `peer` is or was in `room`, if it may say something of him now.
    fn partner_in(
        &mut self,
        peer: PeerId,
        room: RoomId,
    ) -> Result<(PeerId, crate::safety::Person), NotTaken> {
        let now = Instant::now();
        let client = self.clients.get(peer).ok_or(NotTaken::UnknownRoom)?;
        let person = client.about.person;
        let meetings = &mut self.desk.meetings;
        let partner = meetings.partner(room, peer, person.key, now);
        let partner = partner.ok_or(NotTaken::UnknownRoom)?;
        if !self.desk.limits.take(&person, peer, now) {
            self.counters.refuse(Refusal::Reports);
            return Err(NotTaken::TooFast);
        }
        Ok(partner)
    }

    fn block(&mut self, peer: PeerId, partner: (PeerId, crate::safety::Person)) -> Changes {
        self.counters.count(Total::Blocks);
        let (other, person) = partner;
        if let Some(client) = self.clients.get_mut(peer) {
            client.blocked.retain(|blocked| *blocked != other);
            client.blocked.push_back(other);
            if client.blocked.len() > SESSION_BLOCKS {
                client.blocked.pop_front();
            }
        }
        self.inform(Input::Blocked { peer, other });
        self.block_guest(peer, other);
        let own = self.clients.get(peer).and_then(|it| it.about.person.key);
        match (own, person.key) {
            (Some(own), Some(key)) => self.desk.records.block(own, key),
            _ => Changes::new(),
        }
    }

    /// Tells the matchmaker whom of those who are here somebody must not meet, before it looks for a partner.
    pub(super) fn tell_blocks(&mut self, peer: PeerId) {
        let Some(client) = self.clients.get(peer) else {
            return;
        };
        let mut pairs: Vec<_> = client.blocked.iter().map(|other| (peer, *other)).collect();
        if let Some(key) = client.about.person.key {
            let records = &self.desk.records;
            let here = |key| self.clients.with_key(key);
            // Nobody meets himself, at another machine either.
            let own = here(key).filter(|other| *other != peer);
            let blocked = records.blocked_by(key).flat_map(here);
            pairs.extend(own.chain(blocked).map(|other| (peer, other)));
            let blockers = records.blockers_of(key).flat_map(here);
            pairs.extend(blockers.map(|other| (other, peer)));
        }
        for (peer, other) in pairs {
            self.inform(Input::Blocked { peer, other });
        }
    }

    /// Somebody asks for a partner. `None` if the question has to wait.
    pub(super) fn weigh(
        &mut self,
        peer: PeerId,
        mut question: Input,
        offer: Option<Description>,
    ) -> Option<(Input, Option<Description>)> {
        if let (Input::JoinAsked { wishes, .. }, Some(client)) =
            (&question, self.clients.get_mut(peer))
        {
            client.wishes = wishes.clone();
        }
        let Some(client) = self.clients.get(peer) else {
            return Some((question, offer));
        };
        let standing = (self.desk.records).standing(&client.about.person, unix_time());
        let waits_already = client.outbox.is_waiting() && client.put_off.is_none();
        let put_off_until = client.put_off.as_ref().map(|put_off| put_off.until);
        let room = match &question {
            Input::NextAsked { room, .. } => *room,
            _ => None,
        };
        let is_late = room.is_some_and(|named| {
            let present = self.matchmaker.room_of(peer);
            present.is_some_and(|(present, _)| present != named)
        });
        if !is_late {
            let is_apart = standing >= Standing::Apart;
            if self.matchmaker.set_apart(peer, is_apart, Instant::now()) {
                // The other matchmaker has never heard of them.
                let wishes = self.clients.get(peer).map(|client| client.wishes.clone());
                let wishes = wishes.unwrap_or_default();
                question = Input::JoinAsked { peer, wishes };
            }
            self.carry_out_all();
            self.tell_blocks(peer);
        }
        let slow_by = self.settings.reputation.slow_by;
        if standing < Standing::Slower || waits_already || is_late || slow_by.is_zero() {
            return Some((question, offer));
        }
        self.inform(Input::LeaveAsked { peer, room });
        self.recall(peer);
        let until = put_off_until.unwrap_or_else(|| Instant::now() + slow_by);
        self.counters.refuse(Refusal::Standing);
        self.set_waiting(peer, true);
        if let Some(client) = self.clients.get_mut(peer) {
            client.offer = offer;
            client.put_off = Some(PutOff { until, question });
            client.asked_at.get_or_insert_with(Instant::now);
            self.put_off.insert((until, peer));
        }
        let online = self.online();
        self.send(peer, &ServerMessage::Waiting { online });
        None
    }

    /// Asks the questions whose time has come.
    pub(super) fn ask_put_off(&mut self, now: Instant) {
        while let Some(&(until, peer)) = self.put_off.first()
            && until <= now
        {
            self.put_off.pop_first();
            let Some(client) = self.clients.get_mut(peer) else {
                continue;
            };
            let is_due = |put_off: &mut PutOff| put_off.until == until;
            if let Some(put_off) = client.put_off.take_if(is_due) {
                let offer = client.offer.take();
                self.tell_blocks(peer);
                self.told_waiting = Some(peer);
                self.ask(peer, put_off.question, offer);
                self.told_waiting = None;
            }
        }
    }

    /// What the two call each other.
    pub(super) fn handle_for(&self, viewer: PeerId, partner: PeerId) -> Option<protocol::Handle> {
        let key = |peer| self.person(peer)?.key;
        Some((self.desk.records).handle(key(viewer)?, key(partner)?))
    }

    /// Two are in a room.
    pub(super) fn note_meeting(&mut self, room: RoomId, people: [PeerId; 2]) {
        let person = |peer| Some((peer, self.person(peer)?));
        if let [Some(one), Some(other)] = people.map(person) {
            self.desk.meetings.begin(room, [one, other]);
        }
    }

    /// Has changes written down for which nobody waits.
    pub(super) fn write_down(&mut self, changes: Changes) {
        self.write(changes, None);
    }

    /// Has changes written down, and tells `promised` when they are.
    fn write(&mut self, changes: Changes, promised: Option<Promised>) {
        let promise = self.desk.writer.write(changes);
        match (promise, promised) {
            (Promise::Later(number), Some(promised)) => {
                self.desk.promised.insert(number, promised);
            }
            (Promise::Done, Some(promised)) => self.keep_promise(promised, true),
            (Promise::Refused, Some(promised)) => self.keep_promise(promised, false),
            (_, None) => {}
        }
        self.count_records();
    }

    pub(super) fn count_records(&self) {
        use std::sync::atomic::Ordering::Relaxed;
        let counts = self.desk.records.census();
        for (gauge, count) in self.counters.records.iter().zip(counts) {
            gauge.store(count, Relaxed);
        }
    }

    pub(super) fn on_written(&mut self, written: Written) {
        if !written.is_kept {
            self.counters.refuse(Refusal::Store);
        }
        if let Some(promised) = self.desk.promised.remove(&written.number) {
            self.keep_promise(promised, written.is_kept);
        }
    }

    fn keep_promise(&mut self, promised: Promised, is_kept: bool) {
        let refused = (!is_kept).then_some(NotTaken::NotStored);
        match promised {
            Promised::Reported { peer, room } => {
                self.send(peer, &ServerMessage::Reported { room, refused });
            }
            Promised::Blocked { peer, room } => {
                self.send(peer, &ServerMessage::Blocked { room, refused });
            }
            Promised::Ordered(answer) => {
                let result = if is_kept {
                    OrderResult::Done
                } else {
                    OrderResult::NotStored
                };
                tell(answer, result);
            }
        }
    }

    pub(super) fn on_order(&mut self, order: Order) {
        let now = unix_time();
        let (result, answer) = match order {
            Order::Show(answer) => {
                if answer.send(self.show(now)).is_err() {
                    debug!("the operator does not wait for the answer");
                }
                return;
            }
            Order::Dismiss(number, answer) => (self.dismiss(number), answer),
            Order::Unban(number, answer) => (self.unban(number), answer),
            Order::Ban(order, answer) => {
                let mut result = self.desk.records.ban(order, now);
                if let Ok(changes) = &mut result {
                    self.desk.shared.share(changes, unix_ms());
                    self.counters.count(Total::OperatorBans);
                }
                (result, answer)
            }
        };
        match result {
            Ok(changes) => {
                self.write(changes, Some(Promised::Ordered(answer)));
                self.throw_out_banned();
            }
            Err(_) => tell(answer, OrderResult::Unknown),
        }
    }

    fn dismiss(&mut self, number: u64) -> Result<Changes, Unknown> {
        let parties = self.desk.records.parties(number);
        let mut changes = self.desk.records.dismiss(number)?;
        if let Some(parties) = parties {
            let shared = &mut self.desk.shared;
            shared.share_dismissal(parties, &mut changes, unix_ms());
        }
        Ok(changes)
    }

    fn unban(&mut self, number: u64) -> Result<Changes, Unknown> {
        let whom = self.desk.records.banned(number).ok_or(Unknown)?;
        let reporters = self.desk.records.reporters_of(whom);
        let mut changes = self.desk.records.unban(number)?;
        let shared = &mut self.desk.shared;
        shared.share_end_of_ban(whom, &reporters, &mut changes, unix_ms());
        Ok(changes)
    }

    fn show(&self, now: u64) -> Overview {
        let records = &self.desk.records;
        let score = |who: Option<Who>| who.map_or(0.0, |who| records.score(who, now));
        let reports = records.reports().take(SHOWN);
        let reports = reports.map(|(number, it)| (number, it.clone(), score(it.about)));
        let bans = records.bans().take(SHOWN);
        let [report_count, ban_count, ..] = records.census();
        Overview {
            reports: reports.collect(),
            bans: bans.map(|(number, ban)| (number, ban.clone())).collect(),
            report_count,
            ban_count,
            now,
        }
    }

    /// Forgets what is over, now and then.
    pub(super) fn tidy(&mut self, now: Instant) {
        if now >= self.desk.tidy_at {
            self.desk.tidy_at = now + TIDY_EVERY;
            let mut changes = self.desk.records.tidy(unix_time());
            let desk = &mut self.desk;
            (desk.shared).tidy(&mut desk.records, unix_time(), &mut changes);
            self.write(changes, None);
        }
    }
}

fn tell(answer: oneshot::Sender<OrderResult>, result: OrderResult) {
    if answer.send(result).is_err() {
        debug!("the operator does not wait for the answer");
    }
}

/// In seconds.
pub(super) fn unix_time() -> u64 {
    unix_ms() / 1000
}

/// In milliseconds.
pub(super) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

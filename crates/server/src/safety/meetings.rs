//! Who was in which room with whom, for as long as that may be asked.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use matchmaker::PeerId;
use protocol::{PublicKey, RoomId};

use super::{KeyHash, Person};

/// How long after a room is closed it may be asked for.
const REMEMBERED: Duration = Duration::from_mins(5);
/// How many closed rooms are remembered at most; of more, the first is forgotten.
const CLOSED: usize = 100_000;

/// See the module. The time is an argument.
#[derive(Debug, Default)]
pub(crate) struct Meetings {
    rooms: HashMap<RoomId, Meeting>,
    /// Rooms that are closed, the first one first, and when they are forgotten.
    closed: VecDeque<(Instant, RoomId)>,
}

#[derive(Debug)]
struct Meeting {
    people: [(PeerId, Person); 2],
    /// With what each of them signs chat there.
    chat_keys: [Option<PublicKey>; 2],
    is_closed: bool,
}

impl Meetings {
    /// Two are in a room.
    pub(crate) fn begin(&mut self, room: RoomId, people: [(PeerId, Person); 2]) {
        let meeting = Meeting {
            people,
            chat_keys: [None; 2],
            is_closed: false,
        };
        self.rooms.insert(room, meeting);
    }

    /// One of the two says with what he signs chat there. False if he has said so before, or is not there.
    pub(crate) fn take_chat_key(&mut self, room: RoomId, peer: PeerId, key: PublicKey) -> bool {
        let Some(meeting) = self.rooms.get_mut(&room) else {
            return false;
        };
        let place = meeting.people.iter().position(|(id, _)| *id == peer);
        let Some(place) = place.filter(|place| meeting.chat_keys[*place].is_none()) else {
            return false;
        };
        meeting.chat_keys[place] = Some(key);
        true
    }

    /// With what one of the two signs chat there, if he has said so.
    pub(crate) fn chat_key(&self, room: RoomId, peer: PeerId) -> Option<PublicKey> {
        let meeting = self.rooms.get(&room)?;
        let place = meeting.people.iter().position(|(id, _)| *id == peer)?;
        meeting.chat_keys[place]
    }

    /// They are there no longer.
    pub(crate) fn end(&mut self, room: RoomId, now: Instant) {
        self.forget(now);
        let Some(meeting) = self.rooms.get_mut(&room) else {
            return;
        };
        if !std::mem::replace(&mut meeting.is_closed, true) {
            self.closed.push_back((now + REMEMBERED, room));
        }
        if self.closed.len() > CLOSED
            && let Some((_, first)) = self.closed.pop_front()
        {
            self.rooms.remove(&first);
        }
    }

    /// With whom one is or was there: by the session, or by the key in a later one.
    pub(crate) fn partner(
        &mut self,
        room: RoomId,
        peer: PeerId,
        key: Option<KeyHash>,
        now: Instant,
    ) -> Option<(PeerId, Person)> {
        self.forget(now);
        let [one, other] = self.rooms.get(&room)?.people;
        let is_me =
            |(id, person): (PeerId, Person)| id == peer || key.is_some() && person.key == key;
        match (is_me(one), is_me(other)) {
            (true, _) => Some(other),
            (false, true) => Some(one),
            (false, false) => None,
        }
    }

    fn forget(&mut self, now: Instant) {
        while let Some((_, room)) = self.closed.pop_front_if(|(until, _)| *until <= now) {
            self.rooms.remove(&room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(number: u8) -> RoomId {
        RoomId::from_bytes([number; 16])
    }

    fn person(number: u8) -> (PeerId, Person) {
        let place = Person::at([192, 0, 2, number].into(), false);
        let key = Some(KeyHash([number; 16]));
        (PeerId(number.into()), Person { key, ..place })
    }

    #[test]
    fn a_partner_may_be_asked_for_until_five_minutes_after_the_end() {
        let start = Instant::now();
        let mut meetings = Meetings::default();
        meetings.begin(room(1), [person(1), person(2)]);
        let hour = start + Duration::from_hours(1);
        assert_eq!(
            meetings.partner(room(1), PeerId(1), None, hour),
            Some(person(2))
        );
        meetings.end(room(1), hour);
        meetings.end(room(1), hour + REMEMBERED / 2);

        let last = hour + REMEMBERED * 9 / 10;
        assert_eq!(
            meetings.partner(room(1), PeerId(2), None, last),
            Some(person(1))
        );
        assert_eq!(
            meetings.partner(room(1), PeerId(2), None, hour + REMEMBERED),
            None
        );
        assert!(meetings.rooms.is_empty() && meetings.closed.is_empty());
    }

    #[test]
    fn only_those_who_were_there_may_ask_in_a_later_session_too() {
        let now = Instant::now();
        let mut meetings = Meetings::default();
        meetings.begin(room(1), [person(1), person(2)]);
        assert_eq!(meetings.partner(room(1), PeerId(3), None, now), None);
        assert_eq!(meetings.partner(room(2), PeerId(1), None, now), None);
        assert_eq!(
            meetings.partner(room(1), PeerId(9), person(3).1.key, now),
            None
        );
        assert_eq!(
            meetings.partner(room(1), PeerId(9), person(2).1.key, now),
            Some(person(1))
        );
    }

    #[test]
    fn who_was_there_signs_with_the_first_key_that_he_named() {
        let now = Instant::now();
        let mut meetings = Meetings::default();
        let [first, second] = [1, 2].map(|number| PublicKey::from_bytes([number; 32]));
        assert!(!meetings.take_chat_key(room(1), PeerId(1), first));
        meetings.begin(room(1), [person(1), person(2)]);
        assert!(meetings.take_chat_key(room(1), PeerId(1), first));
        assert!(!meetings.take_chat_key(room(1), PeerId(1), second));
        assert!(!meetings.take_chat_key(room(1), PeerId(3), second));
        meetings.end(room(1), now);
        let key = |meetings: &Meetings, peer| meetings.chat_key(room(1), PeerId(peer));
        assert_eq!(
            [1, 2, 3].map(|peer| key(&meetings, peer)),
            [Some(first), None, None]
        );
        meetings.end(room(2), now + REMEMBERED);
        assert_eq!(key(&meetings, 1), None);
    }

    #[test]
    fn it_remembers_no_more_than_it_may() {
        let now = Instant::now();
        let mut meetings = Meetings::default();
        for number in 0..CLOSED as u128 + 10 {
            let room = RoomId::from_bytes(number.to_be_bytes());
            meetings.begin(room, [person(1), person(2)]);
            meetings.end(room, now);
        }
        assert_eq!(meetings.rooms.len(), CLOSED);
        assert_eq!(meetings.closed.len(), CLOSED);
    }
}

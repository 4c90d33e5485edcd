//! Who is there, and who may come back.
//!
//! ```text
//!             connection lost                    grace is over
//!  ┌▶ here ────────────────────▶ away ──────────────────────────▶ forgotten
//!  │   │ another connection       │ another connection              ▲
//!  │   ▼ takes up the session     │ takes up the session            │
//!  │ moving ──────────────────────┤                                 │
//!  │   the older one has ended    ▼           it lacks a frame      │
//!  └───────────────────────── taken up ─────────────────────────────┘
//! ```
//!
//! The time is an argument. The hub does what follows for others.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    mem,
    time::{Duration, Instant},
};

use ::relay::Bucket;
use matchmaker::{Input, PeerId, Wishes};
use protocol::{Challenge, Description, ResumeToken, Work};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::{
    hub::{Admission, PutOff},
    outbox::{Frames, Outbox},
    safety::{KeyHash, Person},
};

/// Everybody who said `hello`. See the module.
#[derive(Debug)]
pub(crate) struct Clients {
    known: BTreeMap<PeerId, Client>,
    by_token: HashMap<ResumeToken, PeerId>,
    by_key: HashMap<KeyHash, BTreeSet<PeerId>>,
    /// Who is away, and until when that is put up with.
    away: BTreeSet<(Instant, PeerId)>,
    /// How many may be away at once. One more, and whoever is away for longest is forgotten.
    max_away: usize,
}

/// One who said `hello`.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) outbox: Outbox,
    pub(crate) about: About,
    /// Limits `prepare`.
    pub(crate) prepares: Bucket,
    /// Limits `offer`.
    pub(crate) offers: Bucket,
    /// Since when the client waits for a partner.
    pub(crate) asked_at: Option<Instant>,
    /// What the client would offer a partner, told ahead. Only while it waits, and given to one partner at most.
    pub(crate) offer: Option<Description>,
    /// The number of the last `matched` among the frames for this client.
    pub(crate) matched: Option<u64>,
    /// Whether a `matched` was under way when the client was lost: a `join` that comes then is answered by it.
    pub(crate) has_missed_match: bool,
    pub(crate) token: Option<ResumeToken>,
    /// What is to be signed to prove a key, until one is.
    pub(crate) challenge: Option<Challenge>,
    /// Whom this one has blocked in this session, oldest first.
    pub(crate) blocked: VecDeque<PeerId>,
    /// The wishes of the last `join`.
    pub(crate) wishes: Wishes,
    /// A question for a partner that waits.
    pub(crate) put_off: Option<PutOff>,
    pub(crate) entry: Entry,
    /// What a newcomer has asked and is told later: a question for a partner, with the offer that came with it.
    pub(crate) withheld: Option<Box<(Input, Option<Description>)>>,
    presence: Presence,
}

/// How far somebody has come who may be a newcomer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Has not asked for a partner yet.
    Unasked,
    /// Has to work first.
    Owes(Work),
    /// Cannot work, and waits until it is his turn.
    InLane,
    /// Asks as everybody does.
    Open,
}

/// What a client's `hello` and its connection say of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    /// The name by which the client found the server.
    pub(crate) host: Box<str>,
    /// Whether it takes a partner's offer with `matched`.
    pub(crate) takes_offer_ahead: bool,
    /// Whether it works when it is asked to.
    pub(crate) takes_work: bool,
    /// Who it is, as far as that is known.
    pub(crate) person: Person,
}

#[derive(Debug)]
enum Presence {
    /// `cut` ends the connection.
    Here {
        cut: CancellationToken,
    },
    Away {
        frames: Frames,
        until: Instant,
    },
    /// Another connection waits until the older one has handed over what it has.
    Moving {
        newcomer: Newcomer,
    },
}

/// A connection that takes up a session.
#[derive(Debug)]
pub(crate) struct Newcomer {
    /// How many frames its client has received in the session.
    pub(crate) received: u64,
    pub(crate) about: About,
    pub(crate) admit: oneshot::Sender<Admission>,
}

/// What a client's connection leaves behind.
#[derive(Debug)]
pub(crate) enum Leftover {
    /// Another connection waits for it. The client counts as here, by `cut`.
    ForNewcomer {
        frames: Frames,
        newcomer: Newcomer,
        cut: CancellationToken,
    },
    /// Nobody does.
    ForNobody { frames: Frames },
}

impl Clients {
    pub(crate) fn new(max_away: usize) -> Self {
        Self {
            known: BTreeMap::new(),
            by_token: HashMap::new(),
            by_key: HashMap::new(),
            away: BTreeSet::new(),
            max_away,
        }
    }

    /// Adds one who is here. Without a token nobody can take its place.
    pub(crate) fn add(
        &mut self,
        peer: PeerId,
        outbox: Outbox,
        about: About,
        token: Option<ResumeToken>,
        now: Instant,
    ) -> CancellationToken {
        let cut = CancellationToken::new();
        self.by_token.extend(token.map(|token| (token, peer)));
        let client = Client {
            outbox,
            about,
            prepares: Bucket::new(now),
            offers: Bucket::new(now),
            asked_at: None,
            offer: None,
            matched: None,
            has_missed_match: false,
            token,
            challenge: None,
            blocked: VecDeque::new(),
            wishes: Wishes::default(),
            put_off: None,
            entry: Entry::Unasked,
            withheld: None,
            presence: Presence::Here { cut: cut.clone() },
        };
        self.known.insert(peer, client);
        cut
    }

    /// Forgets one, and ends its connection if it is there.
    pub(crate) fn remove(&mut self, peer: PeerId) -> Option<Client> {
        let client = self.let_go(peer)?;
        if let Presence::Here { cut } = &client.presence {
            cut.cancel();
        }
        Some(client)
    }

    /// Forgets one. Its connection sends what its outbox still holds, and ends once that is dropped.
    pub(crate) fn let_go(&mut self, peer: PeerId) -> Option<Client> {
        let client = self.known.remove(&peer)?;
        if let Some(token) = client.token {
            self.by_token.remove(&token);
        }
        if let Some(key) = client.about.person.key
            && let Some(peers) = self.by_key.get_mut(&key)
        {
            peers.remove(&peer);
            if peers.is_empty() {
                self.by_key.remove(&key);
            }
        }
        if let Presence::Away { until, .. } = &client.presence {
            self.away.remove(&(*until, peer));
        }
        Some(client)
    }

    /// `peer` has proved a key, the first and only time in its session. False if it has done so before.
    pub(crate) fn identify(&mut self, peer: PeerId, key: KeyHash) -> bool {
        let Some(client) = self.known.get_mut(&peer) else {
            return false;
        };
        if client.about.person.key.is_some() {
            return false;
        }
        client.challenge = None;
        client.about.person.key = Some(key);
        self.by_key.entry(key).or_default().insert(peer);
        true
    }

    /// Who has proved this key.
    pub(crate) fn with_key(&self, key: KeyHash) -> impl Iterator<Item = PeerId> {
        self.by_key.get(&key).into_iter().flatten().copied()
    }

    /// Whose session the token stands for.
    pub(crate) fn holder(&self, token: ResumeToken) -> Option<PeerId> {
        self.by_token.get(&token).copied()
    }

    /// Lets a connection take `peer`'s place. What the client left behind comes at once or, if its older connection is
    /// still there, once that has ended. One that waited for the same is sent away.
    pub(crate) fn take_place(&mut self, peer: PeerId, newcomer: Newcomer) -> Option<Leftover> {
        let client = self.known.get_mut(&peer)?;
        match mem::replace(&mut client.presence, Presence::Moving { newcomer }) {
            Presence::Here { cut } => {
                cut.cancel();
                None
            }
            Presence::Moving { .. } => None,
            Presence::Away { frames, until } => {
                self.away.remove(&(until, peer));
                self.on_connection_ended(peer, frames)
            }
        }
    }

    /// `peer`'s connection has ended and left `frames` behind; `None` if the client was forgotten before.
    pub(crate) fn on_connection_ended(&mut self, peer: PeerId, frames: Frames) -> Option<Leftover> {
        let client = self.known.get_mut(&peer)?;
        let cut = CancellationToken::new();
        let here = Presence::Here { cut: cut.clone() };
        match mem::replace(&mut client.presence, here) {
            Presence::Moving { newcomer } => Some(Leftover::ForNewcomer {
                frames,
                newcomer,
                cut,
            }),
            Presence::Here { .. } | Presence::Away { .. } => Some(Leftover::ForNobody { frames }),
        }
    }

    /// Keeps `peer`, who is here, although the connection has ended. Returns who must be forgotten for that.
    pub(crate) fn keep(
        &mut self,
        peer: PeerId,
        frames: Frames,
        grace: Duration,
        now: Instant,
    ) -> Option<PeerId> {
        let until = now + grace;
        let client = self.known.get_mut(&peer)?;
        client.presence = Presence::Away { frames, until };
        self.away.insert((until, peer));
        let (_, first) = *self.away.first()?;
        (self.away.len() > self.max_away).then_some(first)
    }

    /// Somebody who was away for too long.
    pub(crate) fn overdue(&self, now: Instant) -> Option<PeerId> {
        let (until, peer) = *self.away.first()?;
        (until <= now).then_some(peer)
    }

    /// When the next one will have been away for too long.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.away.first().map(|(until, _)| *until)
    }

    pub(crate) fn get(&self, peer: PeerId) -> Option<&Client> {
        self.known.get(&peer)
    }

    pub(crate) fn get_mut(&mut self, peer: PeerId) -> Option<&mut Client> {
        self.known.get_mut(&peer)
    }

    /// Whether nobody is here or away.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub(crate) fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.known.keys().copied()
    }

    /// Everybody, here or away.
    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut Client> {
        self.known.values_mut()
    }

    pub(crate) fn here_count(&self) -> usize {
        self.known.len() - self.away.len()
    }

    pub(crate) fn away_count(&self) -> usize {
        self.away.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::{KEPT, outbox};

    const GRACE: Duration = Duration::from_secs(20);

    fn add(clients: &mut Clients, number: u8, now: Instant) -> (Frames, CancellationToken) {
        let (outbox, frames) = outbox(KEPT);
        let token = Some(token(number));
        let about = About::default();
        let cut = clients.add(PeerId(number.into()), outbox, about, token, now);
        (frames, cut)
    }

    const fn token(number: u8) -> ResumeToken {
        ResumeToken::from_bytes([number; 16])
    }

    fn newcomer() -> (Newcomer, oneshot::Receiver<Admission>) {
        let (admit, admission) = oneshot::channel();
        let newcomer = Newcomer {
            received: 0,
            about: About::default(),
            admit,
        };
        (newcomer, admission)
    }

    #[test]
    fn one_who_is_away_is_overdue_after_the_grace_and_nobody_before() {
        let start = Instant::now();
        let mut clients = Clients::new(10);
        for number in [1, 2] {
            let (frames, _) = add(&mut clients, number, start);
            let lost_at = start + GRACE / 2 * number.into();
            assert_eq!(
                clients.keep(PeerId(number.into()), frames, GRACE, lost_at),
                None
            );
        }

        assert_eq!(clients.next_due(), Some(start + GRACE * 3 / 2));
        assert_eq!(clients.overdue(start + GRACE), None);
        assert_eq!(clients.overdue(start + GRACE * 3 / 2), Some(PeerId(1)));
        assert_eq!((clients.here_count(), clients.away_count()), (0, 2));
    }

    #[test]
    fn no_more_are_away_than_allowed_and_the_longest_goes_first() {
        let start = Instant::now();
        let mut clients = Clients::new(1);
        let (first, _) = add(&mut clients, 1, start);
        let (second, _) = add(&mut clients, 2, start);
        clients.keep(PeerId(1), first, GRACE, start);

        let too_many = clients.keep(PeerId(2), second, GRACE, start + GRACE / 2);

        assert_eq!(too_many, Some(PeerId(1)));
    }

    #[test]
    fn the_place_of_one_who_is_away_is_free_at_once() {
        let now = Instant::now();
        let mut clients = Clients::new(1);
        let (frames, _) = add(&mut clients, 1, now);
        clients.keep(PeerId(1), frames, GRACE, now);

        let leftover = clients.take_place(PeerId(1), newcomer().0);

        assert!(matches!(leftover, Some(Leftover::ForNewcomer { .. })));
        assert_eq!((clients.here_count(), clients.away_count()), (1, 0));
        assert_eq!(clients.next_due(), None);
    }

    #[test]
    fn the_place_of_one_who_is_here_is_free_once_its_connection_has_ended() {
        let now = Instant::now();
        let mut clients = Clients::new(1);
        let (frames, cut) = add(&mut clients, 1, now);

        let leftover = clients.take_place(PeerId(1), newcomer().0);
        assert!(leftover.is_none() && cut.is_cancelled());
        let leftover = clients.on_connection_ended(PeerId(1), frames);

        let Some(Leftover::ForNewcomer { cut, .. }) = leftover else {
            panic!("{leftover:?}");
        };
        assert!(!cut.is_cancelled());
        clients.remove(PeerId(1));
        assert!(cut.is_cancelled());
    }

    #[test]
    fn of_two_that_want_one_place_the_later_gets_it() {
        let now = Instant::now();
        let mut clients = Clients::new(1);
        let (frames, _) = add(&mut clients, 1, now);
        let (first, mut first_admission) = newcomer();
        let (second, mut second_admission) = newcomer();

        clients.take_place(PeerId(1), first);
        clients.take_place(PeerId(1), second);

        let closed = Err(oneshot::error::TryRecvError::Closed);
        assert_eq!(first_admission.try_recv().map(drop), closed);
        let leftover = clients.on_connection_ended(PeerId(1), frames);
        let empty = Err(oneshot::error::TryRecvError::Empty);
        assert_eq!(second_admission.try_recv().map(drop), empty);
        assert!(matches!(leftover, Some(Leftover::ForNewcomer { .. })));
    }

    #[test]
    fn one_who_is_let_go_may_still_be_sent_what_waits() {
        let now = Instant::now();
        let mut clients = Clients::new(1);
        let (_frames, cut) = add(&mut clients, 1, now);

        assert!(clients.let_go(PeerId(1)).is_some());

        assert!(!cut.is_cancelled() && clients.is_empty());
        assert_eq!(clients.holder(token(1)), None);
    }

    #[test]
    fn nothing_is_left_of_one_who_is_forgotten() {
        let now = Instant::now();
        let mut clients = Clients::new(1);
        let (frames, _) = add(&mut clients, 1, now);
        clients.keep(PeerId(1), frames, GRACE, now);
        let (key, other) = (KeyHash([1; 16]), KeyHash([2; 16]));
        assert!(clients.identify(PeerId(1), key));
        assert!(!clients.identify(PeerId(1), other), "once in a session");
        assert_eq!(clients.with_key(key).collect::<Vec<_>>(), [PeerId(1)]);
        assert_eq!(clients.with_key(other).count(), 0);

        assert!(clients.remove(PeerId(1)).is_some());

        assert_eq!(clients.holder(token(1)), None);
        assert_eq!((clients.here_count(), clients.away_count()), (0, 0));
        assert_eq!(clients.next_due(), None);
        assert!(clients.by_token.is_empty() && clients.by_key.is_empty());
        let (frames, _) = add(&mut clients, 2, now);
        assert!(clients.on_connection_ended(PeerId(1), frames).is_none());
    }
}

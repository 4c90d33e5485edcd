//! A person's life in the app: the state machine behind [`State`].
//!
//! Two rules keep it safe against everything that is late, doubled or lost:
//!
//! - **Everything is fenced.** A message about a room counts only for the present room, a fact about a peer connection
//!   only for the present one.
//! - **There is one way out.** Every path away from a partner goes through [`Call::close_peer`], so a peer connection
//!   is closed exactly once, and none is opened before the last one was closed.

mod offer_ahead;
mod peer_facts;
mod server_messages;

use std::collections::VecDeque;
use std::time::Instant;

use protocol::{ClientMessage, Description, RoomId};

use crate::negotiation;
use crate::peer::Peer;
use offer_ahead::OfferAhead;

use crate::{Command, Config, DirectView, EndReason, Input, Output, PeerId, State};

/// A person's life in the app.
#[derive(Debug)]
pub struct Call {
    config: Config,
    state: State,
    signalling: Signalling,
    /// The room that the server has us in, as far as we know. Outlives the peer connection where the partner said bye
    /// and the server has not said so yet.
    room: Option<RoomId>,
    peer: Option<Peer>,
    next_peer: PeerId,
    wish: Wish,
    /// Whether the person wants later calls to begin over a relay.
    wants_shield: bool,
    offer_ahead: OfferAhead,
    /// While searching: the wish for a partner that the server has not answered.
    question: Option<Question>,
    outputs: VecDeque<Output>,
}

/// What is left of the session with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signalling {
    /// All of it.
    Up,
    /// Everything but the connection.
    Away,
    /// Nothing.
    Down,
}

/// Whom the person wants to meet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Wish {
    interests: Vec<String>,
    language: Option<String>,
}

/// A `join` or `next` that the server has not answered.
#[derive(Debug)]
struct Question {
    /// The room that it leaves, as long as the server has not closed it before.
    leaves: Option<RoomId>,
    ask_again_at: Instant,
    /// Whether the wish is to be said again because the session was taken up, whatever the server said before.
    is_after_resume: bool,
}

impl Call {
    /// A person in the lobby, without signalling.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            state: State::Idle,
            signalling: Signalling::Down,
            room: None,
            peer: None,
            next_peer: PeerId(1),
            wish: Wish::default(),
            wants_shield: false,
            offer_ahead: OfferAhead::default(),
            question: None,
            outputs: VecDeque::new(),
        }
    }

    /// Where the person is.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The room that the server has us in, as far as we know. None in a call whose room was closed or forgotten.
    pub const fn room(&self) -> Option<&RoomId> {
        self.room.as_ref()
    }

    /// What the person may know and decide about the path of the present call.
    pub fn direct(&self) -> Option<DirectView> {
        self.peer.as_ref().map(Peer::direct_view)
    }

    /// Something happened.
    pub fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::Command(Command::Start {
                interests,
                language,
            }) => {
                self.on_start(
                    Wish {
                        interests,
                        language,
                    },
                    now,
                );
            }
            Input::Command(Command::Next) => self.on_next(now),
            Input::Command(Command::Stop) => self.on_stop(),
            Input::Command(Command::SetShield(wants_shield)) => self.wants_shield = wants_shield,
            Input::Command(Command::AllowDirect(allowed)) => {
                self.tell_peer(|peer| peer.on_direct_choice(allowed, now));
            }
            Input::OfferAhead(ready) => {
                self.offer_ahead.set(ready);
                self.update_offer_ahead();
            }
            Input::SignallingUp => self.on_signalling_up(now),
            Input::SignallingAway => self.on_signalling_away(),
            Input::SignallingBack => self.on_signalling_back(now),
            Input::SignallingDown => self.on_signalling_down(),
            Input::NetworkChanged => self.on_network_changed(now),
            // A message can still be under way inside the shell when its session is gone already.
            Input::Server(_) if self.signalling == Signalling::Down => {}
            Input::Server(message) => self.on_server_message(message, now),
            Input::Peer { peer, fact } => {
                if self.peer.as_ref().is_some_and(|present| present.id == peer) {
                    self.on_peer_fact(fact, now);
                }
            }
            Input::Timeout => self.on_timeout(now),
        }
    }

    /// The next order. Call until `None` after each [`Call::handle`].
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to send [`Input::Timeout`] if nothing else happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Searching { .. } => self.question.as_ref().map(|question| question.ask_again_at),
            State::Connecting { since, .. } => Some(*since + self.config.connect_timeout),
            State::Reconnecting { .. } => {
                let peer = self.peer.as_ref()?;
                let (give_up_at, _) = peer.give_up(&self.config)?;
                Some(
                    peer.restart_at()
                        .map_or(give_up_at, |restart_at| restart_at.min(give_up_at)),
                )
            }
            State::Connected { .. } => self.peer.as_ref()?.restart_at(),
            State::Idle | State::Ended { .. } => None,
        }
    }

    fn on_start(&mut self, wish: Wish, now: Instant) {
        match self.state {
            State::Idle | State::Ended { .. } => {
                self.wish = wish;
                self.state = State::Searching { since: now };
                self.ask_first(now);
            }
            State::Searching { .. } if wish != self.wish => {
                self.wish = wish;
                self.ask(now);
            }
            State::Searching { .. }
            | State::Connecting { .. }
            | State::Connected { .. }
            | State::Reconnecting { .. } => {}
        }
    }

    fn on_next(&mut self, now: Instant) {
        if matches!(self.state, State::Idle | State::Searching { .. }) {
            return;
        }
        self.close_peer(true);
        self.state = State::Searching { since: now };
        match self.room.take() {
            Some(room) if self.signalling == Signalling::Away => {
                self.send(ClientMessage::Leave { room: Some(room) });
            }
            Some(room) => {
                let offer = self.offer_ahead.tell(self.wants_shield);
                self.send(ClientMessage::Next {
                    room: Some(room),
                    offer,
                });
                self.expect_answer(Some(room), now);
            }
            None => self.ask_first(now),
        }
    }

    fn on_stop(&mut self) {
        let was_searching = matches!(self.state, State::Searching { .. });
        self.close_peer(true);
        self.state = State::Idle;
        self.question = None;
        let room = self.room.take();
        if was_searching || room.is_some() {
            self.send(ClientMessage::Leave { room });
        }
    }

    fn on_timeout(&mut self, now: Instant) {
        match &self.state {
            State::Searching { .. } => {
                if self
                    .question
                    .as_ref()
                    .is_some_and(|question| now >= question.ask_again_at)
                {
                    self.ask(now);
                }
            }
            State::Connecting { since, .. } => {
                if now >= *since + self.config.connect_timeout {
                    self.end(EndReason::CouldNotConnect);
                }
            }
            State::Reconnecting { .. } => {
                match self
                    .peer
                    .as_ref()
                    .and_then(|peer| peer.give_up(&self.config))
                {
                    Some((at, reason)) if now >= at => self.end(reason),
                    _ => self.restart_if_due(now),
                }
            }
            State::Connected { .. } => self.restart_if_due(now),
            State::Idle | State::Ended { .. } => {}
        }
    }

    /// Begins to ask for a partner, and tells what it would be offered.
    fn ask_first(&mut self, now: Instant) {
        let offer = if self.signalling == Signalling::Up {
            self.offer_ahead.tell(self.wants_shield)
        } else {
            None
        };
        self.ask_with(offer, now);
    }

    /// Asks again. The offer follows when the server says that we wait.
    fn ask(&mut self, now: Instant) {
        self.offer_ahead.withhold();
        self.ask_with(None, now);
    }

    /// Asks for a partner. `join` rather than `next`: it is right whatever the server knows of us.
    ///
    /// A wish is not kept for a server that is away: it may be another one by the time it arrives.
    fn ask_with(&mut self, offer: Option<Description>, now: Instant) {
        self.room = None;
        if self.signalling != Signalling::Up {
            return;
        }
        let Wish {
            interests,
            language,
        } = self.wish.clone();
        self.send(ClientMessage::Join {
            interests,
            language,
            offer,
        });
        self.expect_answer(None, now);
    }

    /// Tells the server with which we wait what has become of the offer that it has. Before that it hears nothing: what is
    /// said could cross a match.
    fn update_offer_ahead(&mut self) {
        let waits = matches!(self.state, State::Searching { .. }) && self.question.is_none();
        if waits
            && self.signalling == Signalling::Up
            && let Some(message) = self.offer_ahead.update(self.wants_shield)
        {
            self.send(message);
        }
    }

    /// Without signalling there is nothing to wait for: the search begins anew when it is up.
    fn expect_answer(&mut self, leaves: Option<RoomId>, now: Instant) {
        if self.signalling == Signalling::Up && matches!(self.state, State::Searching { .. }) {
            let ask_again_at = now + self.config.ask_again_after;
            self.question = Some(Question {
                leaves,
                ask_again_at,
                is_after_resume: false,
            });
        }
    }

    /// The call is over and the person did not end it. Takes the server's room along, if it is still there, so that
    /// the partner hears of it too.
    fn end(&mut self, reason: EndReason) {
        self.close_peer(false);
        self.state = State::Ended { reason };
        if let Some(room) = self.room.take() {
            self.send(ClientMessage::Leave { room: Some(room) });
        }
    }

    fn close_peer(&mut self, say_bye: bool) {
        if let Some(peer) = self.peer.take() {
            self.outputs.push_back(Output::ClosePeer {
                peer: peer.id,
                say_bye,
            });
        }
    }

    /// The server does not have us in a room: nothing can be relayed.
    fn close_room(&mut self) {
        self.room = None;
        if let Some(peer) = &mut self.peer {
            self.outputs.extend(peer.on_room_closed());
        }
    }

    fn negotiate(&mut self, input: negotiation::Input) {
        self.tell_peer(|peer| peer.negotiate(input));
    }

    fn tell_peer(&mut self, tell: impl FnOnce(&mut Peer) -> Vec<Output>) {
        if let Some(peer) = &mut self.peer {
            self.outputs.extend(tell(peer));
        }
    }

    fn send(&mut self, message: ClientMessage) {
        if self.signalling != Signalling::Down {
            self.outputs.push_back(Output::Send(message));
        }
    }
}

//! How clients come in, come back and are forgotten.

use std::time::Instant;

use matchmaker::{Input, PeerId};
use protocol::{
    Challenge, ClientMessage, LedgerLimits, Resume, ResumeToken, ServerMessage, Session,
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{Admission, Hub};
use crate::{
    clients::{About, Leftover, Newcomer},
    counters::{Refusal, Total},
    outbox::{Frames, KEPT, outbox},
    random::random_bytes,
};

impl Hub {
    pub(super) fn on_greeted(
        &mut self,
        resume: Option<Resume>,
        about: About,
        admit: oneshot::Sender<Admission>,
    ) {
        if let Some(notice) = self.ban_notice(&about.person) {
            self.counters.refuse(Refusal::Banned);
            return send_away(self.counters.next_peer(), admit, notice);
        }
        let session = resume.and_then(|resume| {
            let holder = self.clients.holder(resume.token)?;
            Some((holder, resume.received))
        });
        let Some((peer, received)) = session else {
            return self.admit(about, admit);
        };
        let newcomer = Newcomer {
            received,
            about,
            admit,
        };
        if let Some(leftover) = self.clients.take_place(peer, newcomer) {
            self.take_up(peer, leftover);
        }
    }

    pub(super) fn on_ended(&mut self, peer: PeerId, frames: Frames, is_loss: bool) {
        match self.clients.on_connection_ended(peer, frames) {
            Some(Leftover::ForNobody { frames }) if is_loss => self.keep(peer, frames),
            Some(Leftover::ForNobody { .. }) => self.forget(peer),
            Some(leftover) => self.take_up(peer, leftover),
            None => {}
        }
    }

    /// Whether a message is answered already by what was under way to a client that was lost.
    ///
    /// One who waited joins again when he comes back. If he was matched before the loss was noticed, that is what he
    /// asks for: he must not lose the partner, of whom he does not know yet.
    pub(super) fn has_answered(&mut self, peer: PeerId, message: &ClientMessage) -> bool {
        if matches!(
            message,
            ClientMessage::Prepare
                | ClientMessage::ChatKey { .. }
                | ClientMessage::Report { .. }
                | ClientMessage::Block { .. }
        ) {
            return false;
        }
        let Some(client) = self.clients.get_mut(peer) else {
            return false;
        };
        let has_missed_match = std::mem::take(&mut client.has_missed_match);
        has_missed_match
            && matches!(message, ClientMessage::Join { .. })
            && self.matchmaker.room_of(peer).is_some()
    }

    /// Lets one in who has no session yet.
    fn admit(&mut self, about: About, admit: oneshot::Sender<Admission>) {
        let peer = self.counters.next_peer();
        if self.is_draining {
            return send_away(peer, admit, super::shutdown());
        }
        self.counters.count(Total::Sessions);
        let token = self.keeps_sessions().then(random_token);
        let limits = if token.is_some() {
            KEPT
        } else {
            LedgerLimits::NOTHING
        };
        let (outbox, frames) = outbox(limits);
        let cut = self.clients.add(peer, outbox, about, token, Instant::now());
        let challenge = Challenge::from_bytes(random_bytes());
        if let Some(client) = self.clients.get_mut(peer) {
            client.challenge = Some(challenge);
        }
        let admission = Admission {
            peer,
            frames,
            cut,
            welcome: self.welcome(token, None, Some(challenge)),
        };
        if admit.send(admission).is_err() {
            self.forget(peer);
        }
    }

    /// Lets one in who takes up `peer`'s session, if nothing of it is lost.
    fn take_up(&mut self, peer: PeerId, leftover: Leftover) {
        let Leftover::ForNewcomer {
            mut frames,
            newcomer,
            cut,
        } = leftover
        else {
            return;
        };
        if frames.session.resume(newcomer.received).is_err() {
            debug!("a session cannot be taken up: what the client lacks is not kept");
            self.counters.count(Total::SessionsLost);
            self.forget(peer);
            return self.admit(newcomer.about, newcomer.admit);
        }
        self.leave_queue(peer);
        let Some(client) = self.clients.get_mut(peer) else {
            return;
        };
        client.has_missed_match = client
            .matched
            .is_some_and(|matched| matched + frames.len() as u64 >= client.outbox.pushed());
        let key = client.about.person.key;
        client.about = newcomer.about;
        client.about.person.key = key;
        let (token, challenge) = (client.token, client.challenge);
        let admission = Admission {
            peer,
            welcome: self.welcome(token, Some(frames.session.received()), challenge),
            frames,
            cut,
        };
        debug!("a session is taken up");
        match newcomer.admit.send(admission) {
            Ok(()) => self.counters.count(Total::SessionsResumed),
            Err(admission) => self.keep(peer, admission.frames),
        }
        self.dismiss_if_alone(peer);
    }

    /// Keeps what belongs to one whose connection is lost, in case he comes back.
    fn keep(&mut self, peer: PeerId, frames: Frames) {
        if !self.keeps_sessions() {
            return self.forget(peer);
        }
        // Strangers must not meet one who is not there, nor wait for him: he joins again when he is back.
        self.leave_queue(peer);
        if self.matchmaker.room_of(peer).is_none() {
            self.inform(Input::Disconnected { peer });
        }
        let grace = self.settings.grace;
        if let Some(peer) = self.clients.keep(peer, frames, grace, Instant::now()) {
            debug!("too many are away: the first of them is forgotten");
            self.counters.refuse(Refusal::TooManyAway);
            self.counters.count(Total::SessionsLost);
            self.forget(peer);
        }
        self.dismiss_if_alone(peer);
    }

    /// The end of `peer`'s session. The matchmaker is told soon.
    pub(super) fn forget(&mut self, peer: PeerId) {
        if self.clients.remove(peer).is_some() {
            self.forgotten.push(peer);
        }
    }

    fn leave_queue(&mut self, peer: PeerId) {
        if let Some(client) = self.clients.get(peer)
            && (client.outbox.is_waiting() || client.withheld.is_some())
        {
            self.set_waiting(peer, false);
            self.inform(Input::LeaveAsked { peer, room: None });
        }
    }

    fn keeps_sessions(&self) -> bool {
        !self.settings.grace.is_zero()
    }

    fn welcome(
        &self,
        token: Option<ResumeToken>,
        resumed: Option<u64>,
        challenge: Option<Challenge>,
    ) -> ServerMessage {
        let grace_ms = u64::try_from(self.settings.grace.as_millis()).unwrap_or(u64::MAX);
        ServerMessage::Welcome {
            version: protocol::VERSION,
            online: self.online(),
            session: token.map(|token| Session { token, grace_ms }),
            resumed,
            challenge,
            capabilities: vec![protocol::TAKES_CHAT_KEYS.to_owned()],
        }
    }
}

/// Says one thing to one who comes while the server empties itself, or who is not wanted.
fn send_away(peer: PeerId, admit: oneshot::Sender<Admission>, welcome: ServerMessage) {
    // Nothing follows, so that the connection ends after the first word.
    let (_, frames) = outbox(LedgerLimits::NOTHING);
    let admission = Admission {
        peer,
        frames,
        cut: CancellationToken::new(),
        welcome,
    };
    if admit.send(admission).is_err() {
        debug!("one who came late is gone already");
    }
}

fn random_token() -> ResumeToken {
    ResumeToken::from_bytes(random_bytes())
}

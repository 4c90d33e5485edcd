//! What the partner says over the data channel, what is said to the partner, and how long it holds.

use std::time::Instant;

use call::{Input, PeerFact, State};
use media::video::Shown;
use protocol::{PeerMessage, limits};

use super::Session;
use super::peers::PartnerScreen;
use crate::{PartnerView, power};

/// What is known of the partner, and how long it holds.
#[derive(Default)]
pub(super) struct Partner {
    pub(super) view: PartnerView,
    pub(super) typing_since: Option<Instant>,
    /// Whether the partner was asked for deep redundancy.
    pub(super) is_asked_for_dred: bool,
}

impl Partner {
    pub(super) fn set_typing(&mut self, since: Option<Instant>) {
        self.typing_since = since;
        self.view.is_typing = since.is_some();
    }
}

impl Session {
    /// Of the present peer connection.
    pub(super) fn on_peer_message(&mut self, text: &str) {
        match protocol::decode(text) {
            Ok(PeerMessage::Chat { text, seal }) => {
                self.partner.set_typing(None);
                match &mut self.signed_chat {
                    Some(chat) => {
                        chat.on_line(text.clone(), seal);
                        self.show_proofs();
                    }
                    None => self.safety.on_line_without_proof(),
                }
                self.chat.push(crate::Speaker::Partner, text);
            }
            Ok(PeerMessage::Typing { active }) => {
                self.partner.set_typing(active.then(Instant::now));
            }
            Ok(PeerMessage::Sending {
                audio,
                video,
                screen,
            }) => {
                self.partner.view.is_sending_audio = audio;
                self.partner.view.is_sending_video = video;
                self.deck.set_partner_sends_audio(audio);
                self.on_partner_screen(screen);
            }
            Ok(PeerMessage::Direct { allowed }) => {
                self.tell_call(PeerFact::DirectAllowed(allowed));
            }
            Ok(PeerMessage::Redundancy { dred }) => self.deck.set_partner_wants_dred(dred),
            Ok(PeerMessage::Showing {
                width_px,
                height_px,
                most_fps,
            }) => self.deck.set_partner_shows(Shown {
                size_px: (width_px, height_px),
                most_fps,
            }),
            Ok(PeerMessage::Veil { lifted }) => self.on_partner_veil(lifted),
            Ok(PeerMessage::Description { description }) => {
                self.tell_call(PeerFact::RemoteDescription(description));
            }
            Ok(PeerMessage::Candidate { candidate }) => {
                self.tell_call(PeerFact::RemoteCandidate(candidate));
            }
            Ok(PeerMessage::Bye) => self.tell_call(PeerFact::Bye),
            // A newer partner may say more than we understand, and a hostile one anything: neither hurts.
            Err(error) => tracing::debug!(%error, "a message of the partner was not understood"),
        }
    }

    /// Tells the call what the present peer connection reports.
    pub(super) fn tell_call(&mut self, fact: PeerFact) {
        if let Some(live) = &self.live {
            let peer = live.id;
            self.call.handle(Input::Peer { peer, fact }, Instant::now());
        }
    }

    pub(super) fn send_chat(&mut self, text: &str) {
        let text: String = text.trim().chars().take(limits::CHAT_CHARS).collect();
        if !text.is_empty() && self.partner.view.is_chat_open {
            let seal = self.signed_chat.as_mut().and_then(|chat| chat.seal(&text));
            let line = text.clone();
            self.send(&PeerMessage::Chat { text: line, seal });
            self.chat.push(crate::Speaker::Me, text);
        }
    }

    /// Tells the partner how to protect the sound, where that changes.
    pub(super) fn ask_for_redundancy(&mut self, dred: bool) {
        if self.partner.view.is_chat_open && self.partner.is_asked_for_dred != dred {
            self.partner.is_asked_for_dred = dred;
            self.send(&PeerMessage::Redundancy { dred });
        }
    }

    /// Tells the partner how large its pictures are shown here, when that is due. What nobody sees is not decoded.
    pub(super) fn tell_what_is_shown(&mut self) {
        if !self.can_tell_what_is_shown() {
            return;
        }
        let Some(shown) = self.shown.poll_output(Instant::now()) else {
            return;
        };
        if let Some(media) = self.live.as_ref().and_then(|live| live.media.as_ref()) {
            let is_seen = shown != Shown::NOTHING;
            media.video.set_seen(is_seen);
            if let PartnerScreen::Received(screen) = &media.screen {
                screen.set_seen(is_seen && self.partner.view.is_sending_screen);
            }
        }
        let (width_px, height_px) = shown.size_px;
        self.send(&PeerMessage::Showing {
            width_px,
            height_px,
            most_fps: shown.most_fps,
        });
    }

    /// Takes note of how the partner's pictures are shown from now on, and of what there is use for.
    pub(super) fn renew_shown(&mut self, now: Instant) {
        let is = Shown {
            size_px: self.shown_px.unwrap_or(Shown::ANY.size_px),
            most_fps: None,
        };
        let shown = if self.config.power_saving {
            power::saving(is)
        } else {
            is
        };
        self.shown.set(shown, now);
    }

    /// When there will be something to tell of it.
    pub(super) fn shown_timeout(&self) -> Option<Instant> {
        self.shown
            .poll_timeout()
            .filter(|_| self.can_tell_what_is_shown())
    }

    /// Not while the path is lost: there the newest would wait behind all that was so meanwhile.
    fn can_tell_what_is_shown(&self) -> bool {
        self.partner.view.is_chat_open && matches!(self.call.state(), State::Connected { .. })
    }

    /// Tells the partner which of sound and pictures to expect.
    pub(super) fn tell_what_we_send(&self) {
        let (audio, video) = self.deck.is_sending();
        self.send(&PeerMessage::Sending {
            audio,
            video,
            screen: self.deck.is_sending_screen(),
        });
    }

    pub(super) fn send(&self, message: &PeerMessage) {
        let media = self.live.as_ref().and_then(|live| live.media.as_ref());
        if let Some(media) = media.filter(|_| self.partner.view.is_chat_open)
            && media.peer.send_message(protocol::encode(message)).is_err()
        {
            tracing::warn!("a message to the partner was lost: the connection does not keep up");
        }
    }
}

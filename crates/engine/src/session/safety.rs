//! Reports, blocks and bans, between the person, the server and the call.

use std::time::Instant;

use call::{Input, State};
use protocol::{ClientMessage, Handle, ReportReason, RoomId, ServerMessage};

use super::Session;
use crate::BanNotice;
use crate::block_list::save;
use crate::identity::host_of;
use crate::safety::Said;
use crate::signed_chat::SignedChat;

impl Session {
    pub(super) fn report(
        &mut self,
        is_before: bool,
        reason: ReportReason,
        note: &str,
        block: bool,
        lines: &[u32],
    ) {
        let now = Instant::now();
        let about = (is_before, block);
        let said = self.safety.report(about, reason, note, lines, now);
        self.say_and_remember(said);
    }

    pub(super) fn block(&mut self) {
        let said = self.safety.block(Instant::now());
        self.say_and_remember(said);
    }

    fn say_and_remember(&mut self, said: Said) {
        if let Some(message) = said.message {
            self.signalling.send(message);
        }
        let host = host_of(&self.config.server);
        let Some((handle, host)) = said.blocks.zip(host) else {
            return;
        };
        if let Some((path, text)) = self.block_list.add(host, handle) {
            // The disk may take its time.
            tokio::task::spawn_blocking(move || {
                if let Err(error) = save(&path, &text) {
                    tracing::warn!(%error, "the list of blocked people cannot be written");
                }
            });
        }
    }

    /// The server has found somebody. One whom the person has blocked is left at once, and the server told again: it has
    /// forgotten.
    pub(super) fn on_matched(&mut self, room: RoomId, handle: Option<Handle>) {
        if self.call.room() != Some(&room) {
            return;
        }
        let host = host_of(&self.config.server);
        let is_blocked = handle
            .zip(host)
            .is_some_and(|(handle, host)| self.block_list.contains(&host, handle));
        let now = Instant::now();
        self.safety.on_met(room, handle, is_blocked, now);
        self.begin_signing(room);
        if let Some(block) = self.safety.block_again() {
            tracing::info!("the server has found one who is blocked: the search goes on");
            self.signalling.send(block);
            self.statistics.search_began(now);
            self.call.handle(Input::Command(call::Command::Next), now);
        }
    }

    /// Tells the partner, over the server, with what is signed what is written in this room.
    fn begin_signing(&mut self, room: RoomId) {
        self.signed_chat = None;
        if self.takes_chat_keys
            && let Some(chat) = SignedChat::new(room)
        {
            let key = chat.key();
            self.signalling.send(ClientMessage::ChatKey { room, key });
            self.signed_chat = Some(chat);
        }
    }

    /// What can be proved of the chat has changed.
    pub(super) fn show_proofs(&mut self) {
        if let Some(chat) = &self.signed_chat {
            self.safety.on_proofs(chat.room(), chat.proofs());
        }
    }

    pub(super) fn on_safety_message(&mut self, message: &ServerMessage) {
        if let ServerMessage::ChatKey { room, key } = message
            && let Some(chat) = self
                .signed_chat
                .as_mut()
                .filter(|chat| chat.room() == *room)
        {
            chat.on_partner_key(*key);
            self.show_proofs();
        }
        if let ServerMessage::Reported { room, refused }
        | ServerMessage::Blocked { room, refused } = message
        {
            self.safety.on_answer(*room, *refused);
        }
    }

    /// The server does not want the person, who is back in the lobby then.
    pub(super) fn on_banned(&mut self, ban: BanNotice) {
        tracing::warn!("the server does not want us");
        self.safety.on_banned(ban);
        let stop = Input::Command(call::Command::Stop);
        self.call.handle(stop, Instant::now());
    }

    /// Takes note of a partner who is gone.
    pub(super) fn watch_partner(&mut self) {
        let is_there = matches!(
            self.call.state(),
            State::Connecting { .. } | State::Connected { .. } | State::Reconnecting { .. }
        );
        if !is_there {
            self.safety.on_alone(Instant::now());
        }
    }
}

//! Reports, blocks and bans, between the person, the server and the call.

use std::time::Instant;

use call::{Input, State};
use protocol::{Handle, ReportReason, RoomId, ServerMessage};

use super::Session;
use crate::BanNotice;
use crate::block_list::save;
use crate::identity::host_of;
use crate::safety::Said;

impl Session {
    pub(super) fn report(
        &mut self,
        is_before: bool,
        reason: ReportReason,
        note: &str,
        block: bool,
    ) {
        let now = Instant::now();
        let said = self.safety.report(is_before, reason, note, block, now);
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
        if let Some(block) = self.safety.block_again() {
            tracing::info!("the server has found one who is blocked: the search goes on");
            self.signalling.send(block);
            self.statistics.search_began(now);
            self.call.handle(Input::Command(call::Command::Next), now);
        }
    }

    pub(super) fn on_safety_message(&mut self, message: &ServerMessage) {
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

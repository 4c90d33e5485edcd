//! Whom the person can report, what became of it, and whether the server wants the person at all.
//!
//! Pure: facts go in, what is to be said to the server comes out, and the [`SafetyView`] is what a window shows.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

pub use protocol::ReportReason;
use protocol::{ClientMessage, Handle, NotTaken, RoomId, SignedLine, limits};

use crate::signed_chat::Proofs;

/// For how long somebody who is gone can be reported; a server keeps rooms for as long.
const REPORTABLE: Duration = Duration::from_mins(5);

/// What a window shows of all this.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SafetyView {
    /// Whom [`crate::Command::Report`] and [`crate::Command::Block`] would concern, if anybody.
    pub reportable: Option<Reportable>,
    /// Until when the one before can be reported with [`crate::Command::ReportLast`], while somebody else is there.
    pub before_until: Option<Instant>,
    /// What can go with [`crate::Command::Report`] of what the person has written.
    pub chat: ReportableChat,
    /// The same for [`crate::Command::ReportLast`].
    pub chat_before: ReportableChat,
    /// What became of the last report or block; none before there is one.
    pub report: Option<ReportState>,
    /// Whether the one whom `reportable` names is blocked.
    pub is_blocked: bool,
    /// The server does not want the person. It says so before anything else, and this goes when it changes its mind, or another one is
    /// asked. Meanwhile signalling is away; this says why.
    pub ban: Option<BanNotice>,
}

/// What somebody has written, as far as it can go with a report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportableChat {
    /// The newest lines that a server can check to be the person's, oldest first; untrusted.
    pub lines: Arc<[SignedLine]>,
    /// How many lines there were that nobody can check, since the person's program did not sign them.
    pub unproved: usize,
}

/// Somebody who can be reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reportable {
    /// The partner of the present call.
    Present,
    /// The last partner, who is gone.
    Last {
        /// Until when.
        until: Instant,
    },
}

/// What became of a report or block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportState {
    /// It is on its way.
    Sending,
    /// The server has it and keeps it.
    Received,
    /// It does not.
    Failed(ReportProblem),
}

/// Why a report or block came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReportProblem {
    /// There is nobody, or the person has left too long ago.
    #[error("there is nobody to report, or it is too long ago")]
    TooLate,
    /// This install, or others at the same address, have reported too many.
    #[error("too many reports in a short time: wait a minute")]
    TooOften,
    /// The server could not write it down.
    #[error("the server could not keep the report: try again later")]
    NotStored,
    /// The connection to the server is gone.
    #[error("the server is not reached")]
    Offline,
    /// The server takes no reports.
    #[error("this server takes no reports")]
    Unsupported,
    /// The server could not check a line of chat in it.
    #[error("the server could not check the lines of chat: report without them")]
    BadLines,
    /// The server says no, and this version does not know why.
    #[error("the server did not take the report")]
    Refused,
}

/// Why a server does not want the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BanNotice {
    /// In the words of the server; untrusted.
    pub reason: String,
    /// Until when; for good if there is none.
    pub until: Option<SystemTime>,
    /// What the operator says to those who think that this is wrong; untrusted.
    pub appeal: Option<String>,
}

/// One who was met.
#[derive(Debug, Clone)]
struct Met {
    room: RoomId,
    /// What the server calls the person, if it knows a key.
    handle: Option<Handle>,
    /// Until when the person can be reported, who is gone; none for one who is there.
    until: Option<Instant>,
    is_blocked: bool,
    /// What the person has written, as far as it can be proved. Goes when the person cannot be reported any more.
    proofs: Proofs,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Safety {
    /// Whether the server takes reports.
    is_supported: bool,
    /// Whether there is a session with it.
    is_up: bool,
    newest: Option<Met>,
    /// Who was met before.
    before: Option<Met>,
    /// What was said to the server and is not answered.
    asked: Option<RoomId>,
    report: Option<ReportState>,
    ban: Option<BanNotice>,
}

/// What follows from a wish of the person.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// To the server.
    pub(crate) message: Option<ClientMessage>,
    /// Whom to keep in the list of those who are blocked.
    pub(crate) blocks: Option<Handle>,
}

impl Safety {
    /// A new session with a server has begun.
    pub(crate) fn on_session(&mut self, takes_reports: bool) {
        self.on_session_lost();
        self.is_supported = takes_reports;
        self.is_up = true;
        self.ban = None;
    }

    /// Another server is asked from now on, which knows nothing of those who were met.
    pub(crate) fn on_another_server(&mut self) {
        self.on_session_lost();
        *self = Self {
            report: self.report,
            ..Self::default()
        };
    }

    /// The session is gone. The server may know by the key who was met, once there is another one.
    pub(crate) fn on_session_lost(&mut self) {
        self.is_up = false;
        if self.asked.take().is_some() {
            self.report = Some(ReportState::Failed(ReportProblem::Offline));
        }
    }

    pub(crate) fn on_banned(&mut self, ban: BanNotice) {
        self.ban = Some(ban);
    }

    /// A call with somebody begins.
    pub(crate) fn on_met(
        &mut self,
        room: RoomId,
        handle: Option<Handle>,
        is_blocked: bool,
        now: Instant,
    ) {
        self.on_alone(now);
        self.before = self.newest.take();
        self.newest = Some(Met {
            room,
            handle,
            until: None,
            is_blocked,
            proofs: Proofs::default(),
        });
    }

    /// What can be proved of what was written in this room.
    pub(crate) fn on_proofs(&mut self, room: RoomId, proofs: Proofs) {
        if let Some(met) = self.newest.as_mut().filter(|met| met.room == room) {
            met.proofs = proofs;
        }
    }

    /// The partner has written something where nothing can be proved.
    pub(crate) fn on_line_without_proof(&mut self) {
        if let Some(met) = &mut self.newest {
            met.proofs.unproved += 1;
        }
    }

    /// Forgets what was written by those who cannot be reported any more. To be called now and then.
    pub(crate) fn tidy(&mut self, now: Instant) {
        let over = |met: &&mut Met| met.until.is_some_and(|until| until <= now);
        for met in [&mut self.newest, &mut self.before] {
            if let Some(met) = met.as_mut().filter(over) {
                met.proofs = Proofs::default();
            }
        }
    }

    /// There is no call at this moment.
    pub(crate) fn on_alone(&mut self, now: Instant) {
        if let Some(met) = &mut self.newest {
            met.until.get_or_insert(now + REPORTABLE);
        }
    }

    /// The server has answered a report or a block.
    pub(crate) fn on_answer(&mut self, room: RoomId, refused: Option<NotTaken>) {
        if self.asked.take_if(|asked| *asked == room).is_none() {
            return;
        }
        self.report = Some(match refused {
            None => ReportState::Received,
            Some(NotTaken::UnknownRoom) => ReportState::Failed(ReportProblem::TooLate),
            Some(NotTaken::TooFast) => ReportState::Failed(ReportProblem::TooOften),
            Some(NotTaken::NotStored) => ReportState::Failed(ReportProblem::NotStored),
            Some(NotTaken::BadLines) => ReportState::Failed(ReportProblem::BadLines),
            Some(NotTaken::Unknown) => ReportState::Failed(ReportProblem::Refused),
        });
    }

    /// The person reports the newest one who was met, or the one before, and wants that one blocked or not. Lines that are not there
    /// are left out.
    pub(crate) fn report(
        &mut self,
        (is_before, block): (bool, bool),
        reason: ReportReason,
        note: &str,
        lines: &[u32],
        now: Instant,
    ) -> Said {
        let note: String = note.trim().chars().take(limits::NOTE_CHARS).collect();
        self.say(is_before, block, now, |met| {
            let chosen = met.proofs.lines.iter();
            let chosen = chosen.filter(|line| lines.contains(&line.number));
            ClientMessage::Report {
                room: met.room,
                reason,
                note,
                block,
                lines: chosen.cloned().collect(),
            }
        })
    }

    /// The person does not want to meet the newest one again.
    pub(crate) fn block(&mut self, now: Instant) -> Said {
        self.say(false, true, now, |met| ClientMessage::Block {
            room: met.room,
        })
    }

    /// Tells the server again that one is blocked whom it has brought back.
    pub(crate) fn block_again(&self) -> Option<ClientMessage> {
        let met = self.newest.as_ref().filter(|met| met.is_blocked)?;
        Some(ClientMessage::Block { room: met.room })
    }

    fn say(
        &mut self,
        is_before: bool,
        is_block: bool,
        now: Instant,
        message: impl FnOnce(&Met) -> ClientMessage,
    ) -> Said {
        let met = if is_before {
            &mut self.before
        } else {
            &mut self.newest
        };
        let is_there = |met: &&mut Met| met.until.is_none_or(|until| now < until);
        let Some(met) = met.as_mut().filter(is_there) else {
            self.report = Some(ReportState::Failed(ReportProblem::TooLate));
            return Said::default();
        };
        let blocks = met.handle.filter(|_| is_block);
        met.is_blocked |= is_block;
        if !self.is_supported {
            self.report = Some(ReportState::Failed(ReportProblem::Unsupported));
            return Said::default();
        }
        if !self.is_up {
            self.report = Some(ReportState::Failed(ReportProblem::Offline));
            return Said {
                blocks,
                ..Said::default()
            };
        }
        self.asked = Some(met.room);
        self.report = Some(ReportState::Sending);
        let message = Some(message(met));
        Said { message, blocks }
    }

    pub(crate) fn view(&self, now: Instant) -> SafetyView {
        let is_heard = self.is_supported && self.is_up;
        let lasts = |met: &&Met| is_heard && met.until.is_none_or(|until| now < until);
        let newest = self.newest.as_ref().filter(lasts);
        let before = self.before.as_ref().filter(lasts);
        let before = before.filter(|_| newest.is_some());
        let chat = |met: Option<&Met>| {
            met.map_or_else(ReportableChat::default, |met| ReportableChat {
                lines: Arc::clone(&met.proofs.lines),
                unproved: met.proofs.unproved,
            })
        };
        SafetyView {
            reportable: newest.map(|met| match met.until {
                None => Reportable::Present,
                Some(until) => Reportable::Last { until },
            }),
            before_until: before.and_then(|met| met.until),
            chat: chat(newest),
            chat_before: chat(before),
            report: self.report,
            is_blocked: newest.is_some_and(|met| met.is_blocked),
            ban: self.ban.clone(),
        }
    }
}

impl BanNotice {
    /// From what a server says.
    pub(crate) fn new(reason: String, until: Option<u64>, appeal: Option<String>) -> Self {
        let until = until.map(|until| {
            let since = Duration::from_secs(until);
            // A time that no clock here knows never comes.
            SystemTime::UNIX_EPOCH.checked_add(since)
        });
        Self {
            reason,
            until: until.flatten(),
            appeal,
        }
    }
}

impl SafetyView {
    /// The words of a ban, for a log or a program without a window.
    pub fn ban_words(&self) -> Option<Arc<str>> {
        let ban = self.ban.as_ref()?;
        let appeal = ban
            .appeal
            .as_ref()
            .map_or(String::new(), |appeal| format!(" {appeal}"));
        Some(format!("{}{appeal}", ban.reason).into())
    }
}

#[cfg(test)]
mod tests {
    use protocol::{LineHash, Signature};

    use super::*;

    const fn room(number: u8) -> RoomId {
        RoomId::from_bytes([number; 16])
    }

    fn spam(safety: &mut Safety, is_before: bool, block: bool, now: Instant) -> Said {
        safety.report((is_before, block), ReportReason::Spam, "  note ", &[], now)
    }

    fn said(room: RoomId, block: bool) -> ClientMessage {
        ClientMessage::Report {
            room,
            reason: ReportReason::Spam,
            note: "note".to_owned(),
            block,
            lines: Vec::new(),
        }
    }

    fn greeted() -> Safety {
        let mut safety = Safety::default();
        safety.on_session(true);
        safety
    }

    #[test]
    fn the_present_partner_is_reported_and_the_last_one_for_five_minutes() {
        let start = Instant::now();
        let mut safety = greeted();
        assert_eq!(safety.view(start).reportable, None);
        safety.on_met(room(1), None, false, start);
        assert_eq!(safety.view(start).reportable, Some(Reportable::Present));
        assert_eq!(
            spam(&mut safety, false, false, start).message,
            Some(said(room(1), false))
        );
        assert_eq!(safety.view(start).report, Some(ReportState::Sending));
        safety.on_answer(room(1), None);
        assert_eq!(safety.view(start).report, Some(ReportState::Received));

        safety.on_alone(start);
        safety.on_alone(start + REPORTABLE / 2);
        let until = start + REPORTABLE;
        assert_eq!(
            safety.view(start).reportable,
            Some(Reportable::Last { until })
        );
        let late = start + REPORTABLE * 9 / 10;
        assert_eq!(
            spam(&mut safety, false, false, late).message,
            Some(said(room(1), false))
        );
        assert_eq!(safety.view(until).reportable, None);
        assert_eq!(spam(&mut safety, false, false, until), Said::default());
        let problem = ReportState::Failed(ReportProblem::TooLate);
        assert_eq!(safety.view(until).report, Some(problem));
    }

    #[test]
    fn when_somebody_else_is_there_the_one_before_can_still_be_reported() {
        let start = Instant::now();
        let mut safety = greeted();
        safety.on_met(room(1), None, false, start);
        assert_eq!(safety.view(start).before_until, None);
        safety.on_met(room(2), None, false, start);
        let view = safety.view(start);
        assert_eq!(view.reportable, Some(Reportable::Present));
        assert_eq!(view.before_until, Some(start + REPORTABLE));
        assert_eq!(
            spam(&mut safety, true, true, start).message,
            Some(said(room(1), true))
        );
        assert!(!safety.view(start).is_blocked, "the other one is");
        assert_eq!(safety.view(start + REPORTABLE).before_until, None);
    }

    #[test]
    fn whom_the_server_has_a_name_for_is_remembered_when_blocked() {
        let now = Instant::now();
        let handle = Handle::from_bytes([5; 16]);
        let mut safety = greeted();
        safety.on_met(room(1), Some(handle), false, now);
        assert_eq!(spam(&mut safety, false, false, now).blocks, None);
        let block = safety.block(now);
        assert_eq!(block.blocks, Some(handle));
        assert_eq!(block.message, Some(ClientMessage::Block { room: room(1) }));
        assert!(safety.view(now).is_blocked);
        safety.on_met(room(2), Some(handle), true, now);
        assert_eq!(
            safety.block_again(),
            Some(ClientMessage::Block { room: room(2) })
        );
    }

    #[test]
    fn without_a_session_nothing_is_said_and_answers_for_another_room_mean_nothing() {
        let now = Instant::now();
        let mut safety = greeted();
        safety.on_met(room(1), None, false, now);
        spam(&mut safety, false, false, now);
        safety.on_answer(room(2), Some(NotTaken::TooFast));
        assert_eq!(safety.view(now).report, Some(ReportState::Sending));
        safety.on_session_lost();
        let view = safety.view(now);
        assert_eq!(
            view.report,
            Some(ReportState::Failed(ReportProblem::Offline))
        );
        assert_eq!(view.reportable, None);
        assert_eq!(spam(&mut safety, false, false, now), Said::default());
        safety.on_session(true);
        assert_eq!(safety.view(now).reportable, Some(Reportable::Present));
        safety.on_another_server();
        safety.on_session(true);
        assert_eq!(safety.view(now).reportable, None);
    }

    #[test]
    fn what_was_written_goes_with_a_report_where_it_is_wanted_and_is_forgotten_when_it_is_too_late()
    {
        let start = Instant::now();
        let mut safety = greeted();
        let line = |number: u32| SignedLine {
            number,
            previous: LineHash::NOTHING,
            text: format!("line {number}"),
            signature: Signature::from_bytes([1; 64]),
        };
        safety.on_met(room(1), None, false, start);
        safety.on_proofs(
            room(2),
            Proofs {
                lines: [line(9)].into(),
                unproved: 0,
            },
        );
        safety.on_proofs(
            room(1),
            Proofs {
                lines: [1, 2, 3].map(line).into(),
                unproved: 4,
            },
        );
        assert_eq!(safety.view(start).chat.lines.len(), 3);
        assert_eq!(safety.view(start).chat.unproved, 4);
        safety.on_met(room(2), None, false, start);
        safety.on_line_without_proof();
        let view = safety.view(start);
        assert_eq!((view.chat.lines.len(), view.chat.unproved), (0, 1));
        assert_eq!(view.chat_before.lines.len(), 3);
        let said = safety.report((true, false), ReportReason::Hate, "", &[3, 1, 7], start);
        let Some(ClientMessage::Report {
            room: about, lines, ..
        }) = said.message
        else {
            panic!("{said:?}");
        };
        assert_eq!((about, lines), (room(1), vec![line(1), line(3)]));
        safety.on_answer(room(1), Some(NotTaken::BadLines));
        let problem = ReportState::Failed(ReportProblem::BadLines);
        assert_eq!(safety.view(start).report, Some(problem));
        safety.tidy(start + REPORTABLE / 2);
        assert_eq!(
            safety.before.as_ref().map(|met| met.proofs.lines.len()),
            Some(3)
        );
        safety.tidy(start + REPORTABLE);
        assert_eq!(
            safety.before.as_ref().map(|met| met.proofs.lines.len()),
            Some(0)
        );
    }

    #[test]
    fn a_server_that_takes_no_reports_is_asked_for_none() {
        let now = Instant::now();
        let mut safety = Safety::default();
        safety.on_session(false);
        safety.on_met(room(1), None, false, now);
        assert_eq!(safety.view(now).reportable, None);
        assert_eq!(spam(&mut safety, false, true, now), Said::default());
        let problem = ReportState::Failed(ReportProblem::Unsupported);
        assert_eq!(safety.view(now).report, Some(problem));
    }

    #[test]
    fn a_ban_is_shown_until_the_server_greets_again() {
        let now = Instant::now();
        let mut safety = greeted();
        let appeal = Some("write".to_owned());
        safety.on_banned(BanNotice::new("enough".to_owned(), Some(u64::MAX), appeal));
        let view = safety.view(now);
        assert_eq!(view.ban.as_ref().and_then(|ban| ban.until), None);
        assert_eq!(view.ban_words().as_deref(), Some("enough write"));
        safety.on_session(true);
        assert_eq!(safety.view(now).ban, None);
    }
}

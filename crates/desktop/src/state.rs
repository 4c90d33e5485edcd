//! What the window itself remembers: what is typed, what is open, what was last seen. Plain values, no engine, no window.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use engine::{CallView, Command, ReportReason, ReportState, ReportableChat, Snapshot, Speaker};

use crate::actions::Action;
use crate::automatic_next::AutomaticNext;
use crate::connection_check::{Check, Outcome, Question};
pub use crate::history::{HISTORY_SECONDS, History};
use crate::link::Link;
use crate::log_tail::LogTail;
use crate::preferences::{Preferences, RULES_VERSION};
use crate::push_to_talk::PushToTalk;
pub use crate::settings_page::{Section, SettingsPage};
use crate::shield::Shield;
use crate::text::Language;
use crate::trouble::Trouble;

/// After so long without a key the stranger no longer reads that we are writing.
const TYPING_LINGERS: Duration = Duration::from_secs(3);
/// How often the stranger is told again while keys are being pressed: the notice goes stale after five seconds.
const TYPING_REPEAT: Duration = Duration::from_secs(3);
/// A line that nobody has read yet shows what floats over the picture for so much longer, with the number on the chat.
const UNREAD_SHOWS: Duration = Duration::from_secs(5);

/// Twice as loud as it was sent.
pub(crate) const MAX_VOLUME_PERCENT: u16 = 200;

/// What became of a report can be read for so long.
const REPORT_SHOWS: Duration = Duration::from_secs(8);

/// So many lines go with a report, if any are to, before the person has chosen.
const FEW_LINES: usize = 5;

/// A report that is being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportSheet {
    /// What it was; nothing before the person has said so.
    pub reason: Option<ReportReason>,
    /// More about it.
    pub note: String,
    /// Never to meet the person again.
    pub blocks: bool,
    /// It is about the one before, though somebody else is there by now.
    pub is_about_before: bool,
    /// What the person has written is to go with it.
    pub adds_chat: bool,
    /// Which lines of that, by their numbers.
    pub lines: BTreeSet<u32>,
}

impl ReportSheet {
    /// Adds what the person has written, or nothing of it: the newest lines first, of which more or fewer can be chosen.
    pub(crate) fn set_adds_chat(&mut self, adds: bool, chat: &ReportableChat) {
        let few = chat.lines.iter().rev().take(FEW_LINES);
        self.lines = few.filter(|_| adds).map(|line| line.number).collect();
        self.adds_chat = adds;
    }
}

impl Default for ReportSheet {
    fn default() -> Self {
        Self {
            reason: None,
            note: String::new(),
            blocks: true,
            is_about_before: false,
            adds_chat: false,
            lines: BTreeSet::new(),
        }
    }
}

/// What the window remembers from one frame to the next.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each one is a panel that is open or not, by itself"
)]
pub struct WindowState {
    /// The signalling server that is in use.
    pub server: String,
    /// What the person wants of the window; remembered when it changes.
    pub preferences: Preferences,
    /// The time of day, as whoever draws the window has set it last: what ends at a date is reckoned from it.
    pub time_of_day: SystemTime,
    /// The language of the system, as far as the window speaks it.
    pub system_language: Language,
    /// The settings, while they are open.
    pub settings: Option<SettingsPage>,
    /// Where they are kept, as a person reads it; nowhere if they are not.
    pub settings_file: Option<String>,
    /// Where settings that could not be read were put, until the person has gone on from the first screen.
    pub settings_set_aside: Option<String>,
    /// Whether the person has still to agree to the rules. Nothing can be started before.
    pub is_welcome_open: bool,
    /// Whether the box that says so is ticked.
    pub is_consent_ticked: bool,
    /// Look for somebody as soon as the person has agreed.
    pub starts_when_agreed: bool,
    /// Who may learn it, as it was last chosen in this window. The engine's word for it comes a moment later.
    pub shield_choice: Option<bool>,
    /// A link to a server, until the person has answered it.
    pub link: Option<Link>,
    /// The connection check, while its card is open.
    pub check: Option<Check>,
    /// The person wants the check to begin; see [`WindowState::take_question`].
    pub wants_check: bool,
    /// The report that is being written.
    pub report: Option<ReportSheet>,
    /// What the person likes to talk about.
    pub interests: Vec<String>,
    /// The interest that is being typed.
    pub interest_draft: String,
    /// The words that are offered for it.
    pub interest_list: InterestList,
    /// The server address that is being typed.
    pub server_draft: String,
    /// The line of chat that is being typed.
    pub chat_draft: String,
    /// Whether the chat can be seen.
    pub is_chat_open: bool,
    /// Whether the statistics can be seen.
    pub is_statistics_open: bool,
    /// Whether the diagnostics can be seen.
    pub is_diagnostics_open: bool,
    /// The newest lines of the log.
    pub log: LogTail,
    /// Whether one's own picture is out of sight during a call.
    pub is_self_view_hidden: bool,
    /// Whether one's own picture has the stage, and the stranger's the corner.
    pub is_swapped: bool,
    /// How loud this stranger is played, in per cent of what is sent.
    pub volume_percent: u16,
    /// The microphone follows a key, where that is wanted.
    pub push_to_talk: PushToTalk,
    /// Whether the mini window is there.
    pub is_mini_open: bool,
    /// Whether the veil of this call was lifted because the stranger had.
    pub has_unveiled_by_itself: bool,
    /// Whether the person is choosing what to share.
    pub is_picking_screen: bool,
    /// When it was last asked what there is to be shared, while the person is choosing.
    pub shareable_asked_at: Option<Instant>,
    /// Whether the window fills the screen.
    pub is_full_screen: bool,
    /// On to the next stranger by itself.
    pub automatic_next: AutomaticNext,
    /// How long the call was that the person has ended, until something else is begun.
    pub after_call: Option<Duration>,
    /// The person has ended the call, and the engine has not said so yet.
    pub is_stopping: bool,
    /// When the pointer or a key was last used.
    pub active_at: Option<Instant>,
    /// Where the pointer keeps what floats over the picture from going; set in each frame of a call.
    pub is_pointer_on_chrome: bool,
    /// How much of it is seen, from 0 to 1.
    pub chrome: f32,
    /// How large the stranger was shown in the last frame, in pixels of the screen; nothing outside of calls.
    pub stranger_px: Option<(u32, u32)>,
    /// The chat wants the keyboard in the next frame.
    pub wants_chat_focus: bool,
    /// Something was typed into the message field since [`Self::typing_notice`] was last asked.
    pub is_draft_changed: bool,
    /// Who had the keyboard when the last frame was done.
    pub keyboard: KeyboardOwner,
    /// Troubles that the person has put away.
    pub put_away: Vec<Trouble>,
    /// How long the last call was; set when one ends.
    pub last_call: Option<Duration>,
    /// Figures of the last minutes.
    pub history: History,
    /// The words of the search that is on.
    pub searched_for: Vec<String>,
    /// How far the call has got from a hidden address to a direct path.
    pub shield: Shield,
    /// What became of the last report, and since when that is known.
    report_told: Option<(ReportState, Instant)>,
    /// Until when the one before can be reported: another moment is another one.
    before_until: Option<Instant>,
    read_lines: usize,
    known_unread: usize,
    /// Somebody was found, and nobody has been told yet.
    is_match_news: bool,
    typing_since: Option<Instant>,
    /// When the stranger was last told so.
    typing_told_at: Option<Instant>,
    call_since: Option<Instant>,
}

/// The words that are offered while an interest is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InterestList {
    /// Whether it is wanted.
    pub is_open: bool,
    /// Which of them the arrows have come to.
    pub picked: Option<usize>,
}

impl InterestList {
    /// Moves to the next one of `count`, or the one before, and round at the ends.
    pub fn step(&mut self, is_down: bool, count: usize) {
        let last = count.saturating_sub(1);
        self.picked = Some(match self.picked {
            Some(at) if is_down => {
                if at >= last {
                    0
                } else {
                    at + 1
                }
            }
            None if is_down => 0,
            Some(0) | None => last,
            Some(at) => (at - 1).min(last),
        });
    }
}

/// Who gets what is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyboardOwner {
    /// Nobody: letters are shortcuts.
    #[default]
    Nobody,
    /// A button or the like: letters are shortcuts, Enter and Space belong to it.
    Control,
    /// A text field, an open menu or a card over everything: all of it is theirs.
    Field,
}

impl WindowState {
    /// A window that has just been opened.
    pub fn new(server: String, interests: Vec<String>) -> Self {
        Self {
            server_draft: server.clone(),
            server,
            preferences: Preferences::default(),
            time_of_day: SystemTime::UNIX_EPOCH,
            system_language: Language::default(),
            settings: None,
            settings_file: None,
            settings_set_aside: None,
            is_welcome_open: false,
            is_consent_ticked: false,
            starts_when_agreed: false,
            shield_choice: None,
            link: None,
            check: None,
            wants_check: false,
            report: None,
            interests,
            interest_draft: String::new(),
            interest_list: InterestList::default(),
            chat_draft: String::new(),
            is_chat_open: false,
            is_statistics_open: false,
            is_diagnostics_open: false,
            log: LogTail::default(),
            is_self_view_hidden: false,
            is_swapped: false,
            volume_percent: 100,
            push_to_talk: PushToTalk::default(),
            is_mini_open: false,
            has_unveiled_by_itself: false,
            is_picking_screen: false,
            shareable_asked_at: None,
            is_full_screen: false,
            automatic_next: AutomaticNext::default(),
            after_call: None,
            is_stopping: false,
            active_at: None,
            is_pointer_on_chrome: false,
            chrome: 1.0,
            stranger_px: None,
            wants_chat_focus: false,
            is_draft_changed: false,
            keyboard: KeyboardOwner::Nobody,
            put_away: Vec::new(),
            last_call: None,
            history: History::default(),
            searched_for: Vec::new(),
            shield: Shield::default(),
            report_told: None,
            before_until: None,
            read_lines: 0,
            known_unread: 0,
            is_match_news: false,
            typing_since: None,
            typing_told_at: None,
            call_since: None,
        }
    }

    /// Which cards lie over the window. Each is drawn above the ones before it.
    pub fn open_cards(&self, snapshot: &Snapshot) -> [bool; 6] {
        let is_lobby = snapshot.call == CallView::Idle && self.after_call.is_none();
        [
            self.check.is_some() && is_lobby && !self.is_welcome_open,
            self.is_picking_screen,
            self.settings.is_some(),
            self.is_diagnostics_open,
            self.report.is_some(),
            self.link.is_some(),
        ]
    }

    /// A report that is being written stays about the person for whom it was begun, when somebody else has come meanwhile.
    fn keep_report_about_its_person(&mut self, snapshot: &Snapshot) {
        let Some(until) = snapshot.safety.before_until else {
            return;
        };
        if self.before_until.replace(until) == Some(until) {
            return;
        }
        // Whoever was the one before is nobody's by now.
        self.report = (self.report.take())
            .filter(|sheet| !sheet.is_about_before)
            .map(|sheet| ReportSheet {
                is_about_before: true,
                ..sheet
            });
    }

    /// The language that the window speaks.
    pub fn language(&self) -> Language {
        self.preferences.language.unwrap_or(self.system_language)
    }

    /// Takes note of what the engine says, before anything is drawn.
    pub fn observe(&mut self, snapshot: &Snapshot, now: Instant) {
        self.active_at.get_or_insert(now);
        self.automatic_next.observe(snapshot, now);
        let known = self.report_told.map(|(report, _)| report);
        if snapshot.safety.report != known {
            self.report_told = snapshot.safety.report.map(|report| (report, now));
        }
        self.keep_report_about_its_person(snapshot);
        if snapshot.call == CallView::Idle {
            self.is_mini_open = false;
        }
        match &snapshot.call {
            CallView::Connected { since, .. } | CallView::Reconnecting { since, .. } => {
                let is_new = self.call_since.replace(*since).is_none();
                if is_new {
                    self.is_match_news = true;
                    // Who one meets is told for a while, whoever moves.
                    self.active_at = self.active_at.max(Some(*since));
                }
                if is_new && self.preferences.opens_chat {
                    self.is_chat_open = true;
                }
                self.history.record(&snapshot.statistics);
                self.shield.observe(snapshot, now);
            }
            CallView::Ended { .. } => {
                self.is_stopping = false;
                if let Some(since) = self.call_since.take() {
                    self.last_call = Some(now.saturating_duration_since(since));
                }
                self.forget_partner();
            }
            CallView::Idle | CallView::Searching { .. } | CallView::Connecting { .. } => {
                let call_since = self.call_since.take();
                if std::mem::take(&mut self.is_stopping) && snapshot.call == CallView::Idle {
                    self.after_call = call_since.map(|since| now.saturating_duration_since(since));
                }
                self.last_call = None;
                self.forget_partner();
            }
        }
        if self.is_chat_open || snapshot.chat.len() < self.read_lines {
            self.read_lines = snapshot.chat.len();
        }
        let unread = self.unread(snapshot);
        if unread > std::mem::replace(&mut self.known_unread, unread) {
            self.active_at = self.active_at.max(Some(now + UNREAD_SHOWS));
        }
        let troubles = Trouble::all(snapshot);
        self.put_away
            .retain(|known| troubles.iter().any(|trouble| trouble.is_same_as(known)));
    }

    /// Takes a link that was given to the program; the newest one counts. One to the server that is in use asks nothing.
    pub fn open_link(&mut self, link: &str, now: Instant) {
        let link = Link::new(link, now);
        let is_in_use = link.server.as_ref() == Ok(&self.server);
        self.link = (!is_in_use).then_some(link);
    }

    /// What became of the last report, while that is news.
    pub(crate) fn report_news(&self, now: Instant) -> Option<ReportState> {
        let (report, since) = self.report_told?;
        (now.saturating_duration_since(since) < REPORT_SHOWS).then_some(report)
    }

    /// How many lines of the stranger have come since the chat was last open.
    pub fn unread(&self, snapshot: &Snapshot) -> usize {
        snapshot
            .chat
            .iter()
            .skip(self.read_lines)
            .filter(|line| line.speaker == Speaker::Partner)
            .count()
    }

    /// Tells once whether to ask for attention: somebody was found, and the window is not the one that is used.
    pub fn take_attention(&mut self, is_focused: bool) -> bool {
        let is_news = std::mem::take(&mut self.is_match_news);
        is_news && !is_focused && self.preferences.asks_for_attention
    }

    /// Tells whether the stranger has to hear that we are writing, or have stopped.
    pub fn typing_notice(&mut self, now: Instant) -> Option<bool> {
        let is_changed = std::mem::take(&mut self.is_draft_changed);
        if self.chat_draft.is_empty() {
            self.typing_told_at = None;
            return self.typing_since.take().map(|_| false);
        }
        if is_changed {
            self.typing_since = Some(now);
            let is_stale = |told_at| now.saturating_duration_since(told_at) >= TYPING_REPEAT;
            let is_due = self.typing_told_at.is_none_or(is_stale);
            if is_due {
                self.typing_told_at = Some(now);
            }
            return is_due.then_some(true);
        }
        let has_lingered = self
            .typing_since
            .is_some_and(|since| now.saturating_duration_since(since) >= TYPING_LINGERS);
        if has_lingered {
            self.typing_since = None;
            self.typing_told_at = None;
        }
        has_lingered.then_some(false)
    }

    /// When [`Self::typing_notice`] has to be asked again although nothing happens.
    pub fn typing_ends_at(&self) -> Option<Instant> {
        self.typing_since.map(|since| since + TYPING_LINGERS)
    }

    /// Plays this stranger so loud, in per cent of what is sent; at most [`MAX_VOLUME_PERCENT`].
    pub(crate) fn set_volume(&mut self, percent: u16) -> Option<Command> {
        let percent = percent.min(MAX_VOLUME_PERCENT);
        let is_news = std::mem::replace(&mut self.volume_percent, percent) != percent;
        is_news.then_some(Command::SetVolume(percent))
    }

    fn forget_partner(&mut self) {
        // Nobody is there to share with.
        self.is_picking_screen = false;
        self.is_swapped = false;
        self.volume_percent = 100;
        self.has_unveiled_by_itself = false;
        self.chat_draft.clear();
        self.typing_since = None;
        self.typing_told_at = None;
        self.read_lines = 0;
        self.history = History::default();
        self.shield = Shield::default();
    }

    /// Takes the consent, if the box is ticked, and who may learn the network address as it is marked.
    pub fn agree(&mut self, snapshot: &Snapshot, out: &mut Vec<Command>) {
        if !self.is_consent_ticked {
            return;
        }
        self.is_welcome_open = false;
        self.preferences.consent = RULES_VERSION;
        out.push(Command::SetShield(self.is_shielded(snapshot)));
        if std::mem::take(&mut self.starts_when_agreed) {
            Action::Start.perform(snapshot, self, out);
        }
    }

    /// Whether later calls hide the network address.
    pub fn is_shielded(&self, snapshot: &Snapshot) -> bool {
        self.shield_choice.unwrap_or(snapshot.is_shielded)
    }

    /// Begins the connection check, or begins it again.
    pub fn begin_check(&mut self, now: Instant) {
        self.check = Some(Check::Running { since: now });
        self.wants_check = true;
    }

    /// What the check is to find out that the person has asked for, once.
    pub fn take_question(&mut self, snapshot: &Snapshot) -> Option<Question> {
        std::mem::take(&mut self.wants_check).then(|| Question {
            server: self.server.clone(),
            is_shielded: self.is_shielded(snapshot),
        })
    }

    /// Takes note of the outcome of a check. Whoever closed the card meanwhile does not want it.
    pub fn end_check(&mut self, outcome: Outcome) {
        if matches!(self.check, Some(Check::Running { .. })) {
            self.check = Some(Check::Done(Box::new(outcome)));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use engine::{
        AudioSink, AudioSource, Deck, DeviceState, PartnerView, SignallingView, Statistics,
        VideoSource,
    };

    use super::*;

    /// A snapshot of an engine to which nothing has happened.
    pub(crate) fn nothing_yet() -> Snapshot {
        let nobody: Arc<[String]> = Arc::new([]);
        Snapshot {
            signalling: SignallingView::Connecting,
            works_since: None,
            call: CallView::Idle,
            direct: None,
            veil: None,
            safety: engine::SafetyView::default(),
            is_shielded: false,
            is_saving_power: false,
            partner: PartnerView::default(),
            chat: Arc::new([]),
            devices: Deck {
                video_source: VideoSource::None,
                audio_source: AudioSource::None,
                audio_sink: AudioSink::None,
                camera: DeviceState::Off,
                microphone: DeviceState::Off,
                speaker: DeviceState::Off,
                is_camera_on: false,
                is_microphone_on: false,
                microphone_level: 0.0,
                microphone_notice: None,
                cameras: Arc::clone(&nobody),
                microphones: Arc::clone(&nobody),
                speakers: nobody,
                screen: None,
                shareable: None,
                is_screen_picked_by_desktop: false,
            },
            statistics: Statistics::default(),
        }
    }

    fn write(state: &mut WindowState, draft: &str) {
        draft.clone_into(&mut state.chat_draft);
        state.is_draft_changed = true;
    }

    #[test]
    fn the_stranger_hears_that_we_write_before_it_goes_stale_and_once_that_we_stopped() {
        let mut state = WindowState::new(String::new(), Vec::new());
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(state.typing_notice(at(0)), None);
        write(&mut state, "h");
        assert_eq!(state.typing_notice(at(100)), Some(true));
        write(&mut state, "hi");
        assert_eq!(state.typing_notice(at(2000)), None);
        assert_eq!(state.typing_notice(at(2500)), None);
        write(&mut state, "hi!");
        assert_eq!(state.typing_notice(at(3100)), Some(true));
        assert_eq!(state.typing_notice(at(6099)), None);
        assert_eq!(state.typing_notice(at(6100)), Some(false));
        assert_eq!(state.typing_notice(at(9000)), None);
    }

    #[test]
    fn an_emptied_field_ends_the_writing_at_once() {
        let mut state = WindowState::new(String::new(), Vec::new());
        let start = Instant::now();
        write(&mut state, "h");
        assert_eq!(state.typing_notice(start), Some(true));
        write(&mut state, "");
        assert_eq!(state.typing_notice(start), Some(false));
        assert_eq!(state.typing_notice(start), None);
    }
}

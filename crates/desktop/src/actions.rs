//! Everything that a button or a key can do, in one table: its words, its first key, when it is possible and what it does.
//!
//! Buttons, tooltips, the keyboard and the page of shortcuts all read this table, so they cannot disagree. What a person
//! has changed about the keys is in [`crate::keymap`].

use egui::Key;
use engine::{CallView, Command, ReportReason, Reportable, Snapshot, VideoSource};

use crate::interests;
use crate::keymap::Shortcut;
use crate::state::{ReportSheet, Section, SettingsPage, WindowState};
use crate::text::Sentence;

/// How much louder one press makes the stranger, in per cent of what is sent.
const VOLUME_STEP: u16 = 10;

/// Something that a person can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Look for somebody.
    Start,
    /// On to the next stranger.
    Next,
    /// Say that this person, or the last one, has broken the rules.
    Report,
    /// On to the next stranger, and never again this one, who is reported.
    SkipAndReport,
    /// Stop the search or the call, back to the lobby.
    Stop,
    /// Mute or unmute.
    ToggleMicrophone,
    /// Camera off or on.
    ToggleCamera,
    /// A screen or a window shown to the stranger, or no more.
    ToggleSharing,
    /// The microphone is on while its key is held, where that is wanted. Nothing that could be pressed once.
    PushToTalk,
    /// The stranger is played a step louder.
    Louder,
    /// The stranger is played a step quieter.
    Quieter,
    /// Chat open or closed.
    ToggleChat,
    /// Own picture in or out of sight.
    ToggleSelfView,
    /// Figures about the connection open or closed.
    ToggleStatistics,
    /// How the last minutes went, at length, open or closed.
    ToggleDiagnostics,
    /// The whole screen or a window.
    ToggleFullScreen,
    /// Agree to a direct path in this call, or take that back.
    ToggleDirect,
    /// A small window above all others, or none.
    ToggleMini,
    /// The stranger's picture whole, or filling the stage.
    ToggleFit,
    /// One's own picture on the stage and the stranger's in the corner, or the other way round.
    ToggleSwap,
    /// Lift the veil of this call, or let it down.
    ToggleVeil,
    /// Everything a step larger.
    LargerText,
    /// Everything a step smaller.
    SmallerText,
    /// The settings open or closed.
    ToggleSettings,
}

/// Where an action stands on the page of shortcuts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Who one talks to.
    People,
    /// Being seen and heard, and being read.
    Talking,
    /// What the window shows.
    Window,
}

impl Group {
    /// All of them, in the order of the page.
    pub const ALL: [Self; 3] = [Self::People, Self::Talking, Self::Window];

    /// Its heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::People => tr!("Meeting people"),
            Self::Talking => tr!("Talking"),
            Self::Window => tr!("The window"),
        }
    }
}

/// What is the same about an action whatever happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the settings file. It stays, whatever the words become.
    pub id: &'static str,
    /// What it does, for the page of shortcuts.
    pub title: Sentence,
    /// Where it stands there.
    pub group: Group,
    /// The key that does it at first.
    pub shortcut: Shortcut,
    /// Another key that does it, always.
    pub also: Option<Shortcut>,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 24] = [
        Self::Start,
        Self::Next,
        Self::Stop,
        Self::Report,
        Self::SkipAndReport,
        Self::ToggleMicrophone,
        Self::ToggleCamera,
        Self::PushToTalk,
        Self::ToggleSharing,
        Self::ToggleChat,
        Self::Louder,
        Self::Quieter,
        Self::ToggleSelfView,
        Self::ToggleSwap,
        Self::ToggleStatistics,
        Self::ToggleDiagnostics,
        Self::ToggleFullScreen,
        Self::ToggleDirect,
        Self::ToggleVeil,
        Self::ToggleMini,
        Self::ToggleFit,
        Self::LargerText,
        Self::SmallerText,
        Self::ToggleSettings,
    ];

    /// Its line in the table.
    pub const fn entry(self) -> Entry {
        use Group::{People, Talking, Window};
        let (id, title, group, shortcut) = match self {
            Self::Start => (
                "start",
                sentence!("Start"),
                People,
                Shortcut::plain(Key::Enter),
            ),
            Self::Next => (
                "next",
                sentence!("Next stranger, or cancel the search"),
                People,
                Shortcut::plain(Key::Escape),
            ),
            Self::Stop => (
                "stop",
                sentence!("End the call or the search"),
                People,
                Shortcut::shift(Key::Escape),
            ),
            Self::Report => (
                "report",
                sentence!("Report this person"),
                People,
                Shortcut::plain(Key::R),
            ),
            Self::SkipAndReport => (
                "skip-and-report",
                sentence!("Skip, report and block"),
                People,
                Shortcut::shift(Key::R),
            ),
            Self::ToggleDirect => (
                "direct",
                sentence!("Go direct, in a call that hides your address"),
                People,
                Shortcut::plain(Key::D),
            ),
            Self::ToggleVeil => (
                "veil",
                sentence!("Lift the veil, or let it down"),
                People,
                Shortcut::plain(Key::U),
            ),
            Self::ToggleMicrophone => (
                "microphone",
                sentence!("Mute or unmute the microphone"),
                Talking,
                Shortcut::plain(Key::M),
            ),
            Self::ToggleCamera => (
                "camera",
                sentence!("Turn the camera off or on"),
                Talking,
                Shortcut::plain(Key::V),
            ),
            Self::PushToTalk => (
                "push-to-talk",
                sentence!("Talk while the key is held (push-to-talk)"),
                Talking,
                Shortcut::plain(Key::Space),
            ),
            Self::Louder => (
                "louder",
                sentence!("Stranger louder"),
                Talking,
                Shortcut::plain(Key::Plus),
            ),
            Self::Quieter => (
                "quieter",
                sentence!("Stranger quieter"),
                Talking,
                Shortcut::plain(Key::Minus),
            ),
            Self::ToggleSwap => (
                "swap",
                sentence!("Swap both pictures"),
                Window,
                Shortcut::plain(Key::X),
            ),
            Self::ToggleSharing => (
                "share",
                sentence!("Share a screen or a window, or stop sharing"),
                Talking,
                Shortcut::plain(Key::S),
            ),
            Self::ToggleChat => (
                "chat",
                sentence!("Open or close the chat"),
                Talking,
                Shortcut::plain(Key::T),
            ),
            Self::ToggleFullScreen => (
                "full-screen",
                sentence!("Full screen"),
                Window,
                Shortcut::plain(Key::F),
            ),
            Self::ToggleSelfView => (
                "self-view",
                sentence!("Hide or show my own picture"),
                Window,
                Shortcut::plain(Key::H),
            ),
            Self::ToggleStatistics => (
                "statistics",
                sentence!("Connection details"),
                Window,
                Shortcut::command(Key::I),
            ),
            Self::ToggleDiagnostics => (
                "diagnostics",
                sentence!("Diagnostics"),
                Window,
                Shortcut {
                    has_shift: true,
                    ..Shortcut::command(Key::I)
                },
            ),
            Self::ToggleMini => (
                "mini-window",
                sentence!("Mini window above all others"),
                Window,
                Shortcut::plain(Key::P),
            ),
            Self::ToggleFit => (
                "picture-fit",
                sentence!("Show the whole picture, or fill the window"),
                Window,
                Shortcut::plain(Key::Z),
            ),
            Self::LargerText => (
                "larger-text",
                sentence!("Larger text"),
                Window,
                Shortcut::command(Key::Plus),
            ),
            Self::SmallerText => (
                "smaller-text",
                sentence!("Smaller text"),
                Window,
                Shortcut::command(Key::Minus),
            ),
            Self::ToggleSettings => (
                "settings",
                sentence!("Settings"),
                Window,
                Shortcut::command(Key::Comma),
            ),
        };
        let also = match self {
            Self::ToggleFullScreen => Some(Shortcut::plain(Key::F11)),
            // Where the plus needs Shift, its key alone is the equals sign.
            Self::LargerText => Some(Shortcut::command(Key::Equals)),
            Self::Louder => Some(Shortcut::plain(Key::Equals)),
            _ => None,
        };
        Entry {
            id,
            title,
            group,
            shortcut,
            also,
        }
    }

    /// Whether its key can be changed. Enter is everybody's: it belongs to the button that has the keyboard, and starts
    /// where none has.
    pub const fn is_changeable(self) -> bool {
        !matches!(self, Self::Start)
    }

    /// What it would do right now, in words.
    pub fn name(self, snapshot: &Snapshot, state: &WindowState) -> &'static str {
        let either = |is: bool, yes, no| if is { yes } else { no };
        match self {
            Self::Start => tr!("Start"),
            Self::Next => tr!("Next stranger"),
            Self::Stop => match snapshot.call {
                CallView::Searching { .. } => tr!("Stop searching"),
                CallView::Idle | CallView::Ended { .. } => tr!("Back to the lobby"),
                _ => tr!("End the call"),
            },
            Self::ToggleMicrophone => either(
                snapshot.devices.is_microphone_on,
                tr!("Mute microphone"),
                tr!("Unmute microphone"),
            ),
            Self::ToggleCamera => either(
                snapshot.devices.is_camera_on,
                tr!("Turn camera off"),
                tr!("Turn camera on"),
            ),
            Self::ToggleVeil => either(
                snapshot.veil.is_some_and(|veil| veil.is_lifted),
                tr!("Let the veil down"),
                tr!("Lift the veil"),
            ),
            Self::ToggleSharing => either(
                snapshot.devices.screen.is_some(),
                tr!("Stop sharing"),
                tr!("Share a screen or a window"),
            ),
            Self::ToggleChat => either(state.is_chat_open, tr!("Close chat"), tr!("Open chat")),
            Self::ToggleSelfView => either(
                state.is_self_view_hidden,
                tr!("Show my picture"),
                tr!("Hide my picture"),
            ),
            Self::ToggleStatistics => either(
                state.is_statistics_open,
                tr!("Hide connection details"),
                tr!("Show connection details"),
            ),
            Self::ToggleFullScreen => either(
                state.is_full_screen,
                tr!("Leave full screen"),
                tr!("Full screen"),
            ),
            Self::ToggleDirect => either(
                snapshot.direct.is_some_and(|direct| direct.is_allowed),
                tr!("Stay hidden after all"),
                tr!("Go direct"),
            ),
            Self::ToggleMini => either(
                state.is_mini_open,
                tr!("Close the mini window"),
                tr!("Mini window"),
            ),
            Self::ToggleFit => either(
                state.preferences.fits_picture,
                tr!("Fill the window"),
                tr!("Show the whole picture"),
            ),
            Self::ToggleSwap => either(
                state.is_swapped,
                tr!("Swap back"),
                tr!("Swap both pictures"),
            ),
            Self::Report => either(
                snapshot.safety.reportable == Some(Reportable::Present),
                tr!("Report this person"),
                tr!("Report the last person"),
            ),
            Self::SkipAndReport
            | Self::PushToTalk
            | Self::Louder
            | Self::Quieter
            | Self::LargerText
            | Self::SmallerText => self.entry().title.text(),
            Self::ToggleDiagnostics => either(
                state.is_diagnostics_open,
                tr!("Close the diagnostics"),
                tr!("Diagnostics"),
            ),
            Self::ToggleSettings => either(
                state.settings.is_some(),
                tr!("Close the settings"),
                tr!("Settings"),
            ),
        }
    }

    /// The key that does it, as it is printed on the keyboard.
    pub fn key(self, state: &WindowState) -> String {
        state.preferences.shortcuts.shortcut(self).label()
    }

    /// Words and key, for a tooltip.
    pub fn hint(self, snapshot: &Snapshot, state: &WindowState) -> String {
        format!("{}  ({})", self.name(snapshot, state), self.key(state))
    }

    /// Whether it makes sense right now.
    pub fn is_possible(self, snapshot: &Snapshot, state: &WindowState) -> bool {
        if state.is_welcome_open {
            return matches!(
                self,
                Self::ToggleFullScreen | Self::LargerText | Self::SmallerText
            );
        }
        let has_partner = matches!(
            snapshot.call,
            CallView::Connecting { .. }
                | CallView::Connected { .. }
                | CallView::Reconnecting { .. }
        );
        let is_ended = matches!(snapshot.call, CallView::Ended { .. });
        match self {
            Self::Start => {
                matches!(snapshot.call, CallView::Idle)
                    && !matches!(snapshot.signalling, engine::SignallingView::Away { .. })
            }
            Self::Next => has_partner || is_ended,
            Self::Report => snapshot.safety.reportable.is_some(),
            Self::SkipAndReport => {
                has_partner && snapshot.safety.reportable == Some(Reportable::Present)
            }
            Self::Stop => state.after_call.is_some() || !matches!(snapshot.call, CallView::Idle),
            Self::ToggleSelfView | Self::ToggleMini => !matches!(snapshot.call, CallView::Idle),
            // It is held and not pressed; see `push_to_talk`.
            Self::PushToTalk => false,
            Self::ToggleChat
            | Self::ToggleStatistics
            | Self::ToggleFit
            | Self::ToggleSwap
            | Self::Louder
            | Self::Quieter => has_partner,
            Self::ToggleVeil => {
                snapshot.veil.is_some() && matches!(snapshot.call, CallView::Connected { .. })
            }
            Self::ToggleSharing => {
                snapshot.devices.screen.is_some()
                    || matches!(snapshot.call, CallView::Connected { .. })
                        && snapshot.partner.is_chat_open
            }
            Self::ToggleDirect => {
                matches!(
                    snapshot.call,
                    CallView::Connected { .. } | CallView::Reconnecting { .. }
                ) && snapshot
                    .direct
                    .is_some_and(|direct| direct.is_hidden && direct.is_permitted)
            }
            Self::ToggleMicrophone
            | Self::ToggleCamera
            | Self::ToggleFullScreen
            | Self::ToggleDiagnostics
            | Self::LargerText
            | Self::SmallerText
            | Self::ToggleSettings => true,
        }
    }

    /// Does it: changes what the window remembers, or asks the engine.
    pub fn perform(self, snapshot: &Snapshot, state: &mut WindowState, out: &mut Vec<Command>) {
        if !self.is_possible(snapshot, state) {
            return;
        }
        match self {
            Self::Start => {
                crate::widgets::finish_interest(state);
                state.after_call = None;
                state.searched_for.clone_from(&state.interests);
                let former = &mut state.preferences.former_interests;
                interests::remember(former, &state.interests);
                out.push(Command::Start {
                    interests: state.interests.clone(),
                    // Who has chosen a language for the window likes to talk in it, too.
                    language: (state.preferences.language.map(|it| it.tag().to_owned()))
                        .or_else(language),
                });
            }
            Self::Next => out.push(Command::Next),
            Self::Report => state.report = Some(ReportSheet::default()),
            Self::SkipAndReport => {
                out.push(Command::Report {
                    reason: ReportReason::Other,
                    note: String::new(),
                    block: true,
                    lines: Vec::new(),
                });
                out.push(Command::Next);
            }
            Self::Stop if snapshot.call == CallView::Idle => state.after_call = None,
            Self::Stop => {
                state.is_stopping = matches!(
                    snapshot.call,
                    CallView::Connected { .. } | CallView::Reconnecting { .. }
                );
                out.push(Command::Stop);
            }
            Self::ToggleMicrophone => {
                out.push(Command::SetMicrophone(!snapshot.devices.is_microphone_on));
            }
            Self::ToggleCamera => out.push(Command::SetCamera(!snapshot.devices.is_camera_on)),
            Self::ToggleVeil => {
                let is_lifted = snapshot.veil.is_some_and(|veil| veil.is_lifted);
                out.push(Command::LiftVeil(!is_lifted));
            }
            Self::ToggleSharing if snapshot.devices.screen.is_some() => {
                out.push(Command::ShareScreen(None));
            }
            // Its dialog has previews, too, and nothing is to come in between.
            Self::ToggleSharing if snapshot.devices.is_screen_picked_by_desktop => {
                out.push(Command::ShareScreen(Some(VideoSource::Portal)));
            }
            Self::ToggleSharing => state.is_picking_screen = true,
            Self::ToggleChat => {
                state.is_chat_open = !state.is_chat_open;
                state.wants_chat_focus = state.is_chat_open;
            }
            Self::ToggleSelfView => state.is_self_view_hidden = !state.is_self_view_hidden,
            Self::ToggleStatistics => state.is_statistics_open = !state.is_statistics_open,
            Self::ToggleDiagnostics => state.is_diagnostics_open = !state.is_diagnostics_open,
            Self::ToggleFullScreen => state.is_full_screen = !state.is_full_screen,
            Self::ToggleDirect => {
                let is_allowed = snapshot.direct.is_some_and(|direct| direct.is_allowed);
                out.push(Command::AllowDirect(!is_allowed));
            }
            Self::ToggleMini => state.is_mini_open = !state.is_mini_open,
            Self::PushToTalk => {}
            Self::Louder | Self::Quieter => {
                let volume = if self == Self::Louder {
                    state.volume_percent + VOLUME_STEP
                } else {
                    state.volume_percent.saturating_sub(VOLUME_STEP)
                };
                out.extend(state.set_volume(volume));
            }
            Self::ToggleSwap => state.is_swapped = !state.is_swapped,
            Self::ToggleFit => {
                state.preferences.fits_picture = !state.preferences.fits_picture;
            }
            Self::LargerText | Self::SmallerText => {
                let preferences = &mut state.preferences;
                if let Some(percent) = preferences.text_step(self == Self::LargerText) {
                    preferences.text_percent = percent;
                }
            }
            Self::ToggleSettings => {
                state.settings = match state.settings {
                    Some(_) => None,
                    None => Some(SettingsPage::at(Section::AudioVideo)),
                };
            }
        }
    }
}

/// The language of the system, as a BCP 47 tag: `de_AT.UTF-8` becomes `de-AT`.
pub(crate) fn language() -> Option<String> {
    language_tag(&sys_locale::get_locale()?)
}

fn language_tag(locale: &str) -> Option<String> {
    let tag = locale
        .split(['.', '@'])
        .next()
        .unwrap_or_default()
        .replace('_', "-");
    let is_tag = tag.len() <= protocol::limits::LANGUAGE_BYTES
        && tag.split('-').all(|part| {
            (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        });
    (is_tag && tag.as_bytes()[0].is_ascii_alphabetic() && tag != "POSIX").then_some(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_becomes_a_language_tag_or_nothing() {
        assert_eq!(language_tag("de_AT.UTF-8").as_deref(), Some("de-AT"));
        assert_eq!(language_tag("sr_RS@latin").as_deref(), Some("sr-RS"));
        assert_eq!(language_tag("en").as_deref(), Some("en"));
        for none in ["C", "C.UTF-8", "POSIX", "", "_", "12"] {
            assert_eq!(language_tag(none), None, "{none}");
        }
    }
}

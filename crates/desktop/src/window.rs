//! The whole window: keys, then the screen. It knows no engine, so that tests and the gallery can show it any state.

use std::sync::Arc;
use std::time::Instant;

use egui::{Context, Event, Key, Popup, Theme, Ui, ViewportCommand};
use engine::{CallView, Command, DeviceState, Preview, Snapshot};
use media::video::VideoFrame;

use crate::actions::Action;
use crate::keymap::Shortcut;
use crate::pictures::Pictures;
use crate::preferences::Colors;
use crate::previews::Previews;
use crate::screens::{self, View};
use crate::shortcuts;
use crate::state::{KeyboardOwner, WindowState};
use crate::theme;
use crate::veil;

/// What there is of a window from one frame to the next.
pub struct Window {
    /// What is typed and what is open.
    pub state: WindowState,
    /// The newest pictures.
    pub pictures: Pictures,
    /// Small ones of what can be shared, while the person chooses.
    pub previews: Previews,
    /// How large the engine was told that the stranger is shown, in pixels of the screen; zero of a window that cannot be seen.
    told_shown_px: Option<(u32, u32)>,
    /// How large the mini window shows the stranger, while there is one.
    pub mini_px: Option<(u32, u32)>,
    /// What the style was last told about motion.
    is_motion_reduced: bool,
    /// How large everything was last made.
    zoom: f32,
}

impl Window {
    /// A window that has just been opened.
    pub fn new(state: WindowState) -> Self {
        Self {
            state,
            pictures: Pictures::default(),
            previews: Previews::default(),
            told_shown_px: None,
            mini_px: None,
            is_motion_reduced: false,
            zoom: 1.0,
        }
    }

    /// Forgets what belongs to an egui context that is gone, to go on in another one as it was. There is no picture until the next one comes.
    pub fn begin_anew(&mut self) {
        self.pictures = Pictures::default();
        self.previews.clear();
        self.is_motion_reduced = false;
        self.zoom = 1.0;
    }

    /// What the engine has to know of the size at which the stranger is shown, where that has changed since the last time. To be
    /// asked after each frame, and while the window cannot be seen: because it is minimised, or something covers all of it.
    pub fn shown_size(&mut self, is_hidden: bool) -> Option<Command> {
        let size_px = if is_hidden {
            (0, 0)
        } else {
            self.state.stranger_px?
        };
        let mini_px = self.mini_px.unwrap_or_default();
        let size_px = (size_px.0.max(mini_px.0), size_px.1.max(mini_px.1));
        let is_news = self.told_shown_px.replace(size_px) != Some(size_px);
        is_news.then_some(Command::SetShownSize(size_px))
    }

    /// Takes note of a new snapshot: nothing of the last stranger may be seen when the call is over.
    pub fn observe(&mut self, snapshot: &Snapshot, now: Instant) {
        self.state.observe(snapshot, now);
        // A call that is being reconnected keeps its last picture, but not one from before the stranger's camera went off.
        let is_camera_off = matches!(snapshot.call, CallView::Connected { .. })
            && !snapshot.partner.is_sending_video;
        let is_veiled = self
            .pictures
            .remote
            .size_px()
            .is_some_and(|size| !veil::may_show(snapshot, size));
        if !has_partner_picture(snapshot) || is_camera_off || is_veiled {
            self.pictures.remote.clear();
        }
        if !has_partner_picture(snapshot) || !snapshot.partner.is_sending_screen {
            self.pictures.remote_screen.clear();
        }
        if !shows_own_screen(snapshot) {
            self.pictures.local_screen.clear();
        }
        if !has_own_picture(snapshot) {
            self.pictures.local.clear();
        }
    }

    /// Shows a picture of the stranger, unless it is late and belongs to a call that is over.
    pub fn show_remote(
        &mut self,
        ctx: &Context,
        snapshot: &Snapshot,
        frame: impl Into<Arc<VideoFrame>>,
    ) {
        let frame = frame.into();
        if has_partner_picture(snapshot) && veil::lets_through(snapshot, &frame) {
            self.pictures.remote.set(ctx, frame);
        }
    }

    /// Shows a picture of the stranger's screen, unless it is late and shared no more.
    pub fn show_remote_screen(
        &mut self,
        ctx: &Context,
        snapshot: &Snapshot,
        frame: impl Into<Arc<VideoFrame>>,
    ) {
        if has_partner_picture(snapshot) && snapshot.partner.is_sending_screen {
            self.pictures.remote_screen.set(ctx, frame);
        }
    }

    /// Shows a picture of one's own screen, unless it is late and shared no more.
    pub fn show_local_screen(
        &mut self,
        ctx: &Context,
        snapshot: &Snapshot,
        frame: impl Into<Arc<VideoFrame>>,
    ) {
        if shows_own_screen(snapshot) {
            self.pictures.local_screen.set(ctx, frame);
        }
    }

    /// Shows one's own picture, unless it is late and the camera is off.
    pub fn show_local(
        &mut self,
        ctx: &Context,
        snapshot: &Snapshot,
        frame: impl Into<Arc<VideoFrame>>,
    ) {
        if has_own_picture(snapshot) {
            self.pictures.local.set(ctx, frame);
        }
    }

    /// Shows how that which can be shared looks, while the person chooses.
    pub fn show_previews(&mut self, ctx: &Context, previews: &[Preview]) {
        if self.state.is_picking_screen {
            self.previews.set(ctx, previews);
        }
    }

    /// What a window that is left, or seen no more, asks for: nobody talks in it. To be asked also while it is not drawn.
    pub fn let_go(&mut self) -> Option<Command> {
        self.state.push_to_talk.let_go().map(Command::SetMicrophone)
    }

    /// Draws everything over the whole of `ui` and returns what the person wishes.
    pub fn ui(&mut self, ui: &mut Ui, snapshot: &Snapshot, now: Instant) -> Vec<Command> {
        theme::readable(ui.ctx(), self.state.language()).speak();
        let over_video = snapshot.call != CallView::Idle;
        theme::wear(ui, self.theme(ui.ctx(), over_video));
        let mut out = Vec::new();
        let was_full_screen = self.state.is_full_screen;
        self.record_shortcut(ui.ctx());
        let cards_before = self.state.open_cards(snapshot);
        for action in shortcuts::actions(ui.ctx(), snapshot, &self.state, now) {
            action.perform(snapshot, &mut self.state, &mut out);
        }
        let cards = self.state.open_cards(snapshot);
        let pressed_late = shortcuts::pressed_after_close(ui.ctx());
        if cards.iter().zip(cards_before).any(|(&is, was)| is && !was) {
            // It would lie above the card.
            Popup::close_all(ui.ctx());
        }
        let wants_talk_key = self.state.preferences.push_to_talk && over_video;
        let is_held = shortcuts::is_talk_key_held(ui.ctx(), &self.state);
        let is_on = snapshot.devices.is_microphone_on;
        let talk = self
            .state
            .push_to_talk
            .observe(wants_talk_key, is_held, is_on);
        out.extend(talk.map(Command::SetMicrophone));
        self.apply_preferences(ui.ctx());
        if is_in_use(ui.ctx()) {
            self.state.automatic_next.on_use();
            self.state.active_at = Some(now);
        }
        ui.painter()
            .rect_filled(ui.max_rect(), 0.0, theme::background());
        let view = View {
            snapshot,
            pictures: &self.pictures,
            previews: &self.previews,
            now,
        };
        self.state.stranger_px = None;
        screens::ui(ui, view, &mut self.state, &mut out);
        if !self.state.is_picking_screen {
            self.previews.clear();
        }
        out.extend(veil::lift_by_itself(&mut self.state, snapshot));
        let goes_on = self.state.preferences.goes_on_by_itself && self.state.settings.is_none();
        if self.state.automatic_next.take(goes_on, now) {
            Action::Next.perform(snapshot, &mut self.state, &mut out);
        }
        // Asked here and not in the chat: one can close it in the middle of a line.
        if let Some(is_typing) = self.state.typing_notice(now)
            && self.state.preferences.tells_typing
        {
            out.push(Command::SetTyping(is_typing));
        }
        if let Some(end) = self.state.typing_ends_at() {
            ui.request_repaint_after(end.saturating_duration_since(now));
        }
        if self.state.is_full_screen != was_full_screen {
            ui.ctx()
                .send_viewport_cmd(ViewportCommand::Fullscreen(self.state.is_full_screen));
        }
        let is_covered = self.state.open_cards(snapshot).contains(&true);
        self.state.keyboard = keyboard_owner(ui, is_covered);
        if cards.contains(&true) && !is_covered {
            self.uncover(ui.ctx());
            for action in shortcuts::actions_of(pressed_late, snapshot, &self.state, now) {
                action.perform(snapshot, &mut self.state, &mut out);
                ui.request_repaint();
            }
        }
        out
    }

    /// Gives the keyboard back after the last card was closed, to the keys too that were pressed right after that and have come with
    /// the same frame, as they do on a busy machine.
    fn uncover(&mut self, ctx: &Context) {
        // Of what has it there is nothing left.
        ctx.memory_mut(|memory| {
            if let Some(id) = memory.focused() {
                memory.surrender_focus(id);
            }
        });
        self.state.keyboard = KeyboardOwner::Nobody;
    }

    /// The colours of this frame.
    fn theme(&self, ctx: &Context, over_video: bool) -> Theme {
        match self.state.preferences.colors {
            _ if over_video => Theme::Dark,
            Colors::Dark => Theme::Dark,
            Colors::Light => Theme::Light,
            // A system that does not say is taken for a dark one.
            Colors::System => ctx.system_theme().unwrap_or(Theme::Dark),
        }
    }

    fn apply_preferences(&mut self, ctx: &Context) {
        let preferences = &self.state.preferences;
        let zoom = preferences.zoom();
        if (self.zoom - zoom).abs() > f32::EPSILON {
            self.zoom = zoom;
            // It holds from the next frame on, which this asks for.
            ctx.set_zoom_factor(zoom);
        }
        if self.is_motion_reduced != preferences.is_motion_reduced {
            self.is_motion_reduced = preferences.is_motion_reduced;
            theme::set_motion(ctx, self.is_motion_reduced);
        }
    }

    /// Gives the action that waits for it the key that was pressed. Esc alone means that it was not meant so.
    fn record_shortcut(&mut self, ctx: &Context) {
        let Some(page) = &mut self.state.settings else {
            return;
        };
        let Some(action) = page.recording else {
            return;
        };
        let Some(shortcut) = shortcuts::take(ctx) else {
            return;
        };
        page.recording = None;
        if shortcut == Shortcut::plain(Key::Escape) {
            return;
        }
        let changed = self.state.preferences.shortcuts.change(action, shortcut);
        page.refused = changed.err().map(|refusal| (action, refusal));
    }
}

pub(crate) fn has_partner_picture(snapshot: &Snapshot) -> bool {
    matches!(
        snapshot.call,
        CallView::Connected { .. } | CallView::Reconnecting { .. }
    )
}

fn has_own_picture(snapshot: &Snapshot) -> bool {
    let deck = &snapshot.devices;
    deck.is_camera_on && matches!(deck.camera, DeviceState::Working { .. })
}

/// Whether something of one's own is shared, and can be read.
fn shows_own_screen(snapshot: &Snapshot) -> bool {
    let screen = snapshot.devices.screen.as_ref();
    screen.is_some_and(|screen| matches!(screen.state, DeviceState::Working { .. }))
}

/// Whether the person does something in this frame.
fn is_in_use(ctx: &Context) -> bool {
    ctx.input(|input| {
        input.pointer.any_down()
            || input.events.iter().any(|event| {
                matches!(
                    event,
                    Event::Key { .. }
                        | Event::Text(_)
                        | Event::PointerMoved(_)
                        | Event::PointerButton { .. }
                        | Event::MouseWheel { .. }
                        | Event::Touch { .. }
                        | Event::AccessKitActionRequest(_)
                )
            })
    })
}

/// egui takes the focus from a text field on Esc before anybody sees the key, so the owner is noted at the end of each
/// frame for the keys of the next one. Whether a card is open, the state says: egui takes a closed one for open for two more frames.
pub(crate) fn keyboard_owner(ui: &Ui, is_covered: bool) -> KeyboardOwner {
    if ui.ctx().text_edit_focused() || Popup::is_any_open(ui.ctx()) || is_covered {
        KeyboardOwner::Field
    } else if ui.memory(|memory| memory.focused().is_some()) {
        KeyboardOwner::Control
    } else {
        KeyboardOwner::Nobody
    }
}

//! The mini window: the stranger's picture and what one needs most, above all other windows while one does something else.
//!
//! It has its own [`WindowState`], because it is drawn by itself, also while the main window cannot be seen.

use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{
    Align2, Id, Rect, StrokeKind, Theme, Ui, Vec2, ViewportBuilder, ViewportId, accesskit::Role,
    pos2, vec2,
};
use engine::{CallView, Command, Snapshot};
use media::video::VideoFrame;

use crate::actions::Action;
use crate::icons::{self, Icon};
use crate::pictures::Picture;
use crate::preferences::Preferences;
use crate::shortcuts;
use crate::state::WindowState;
use crate::veil;
use crate::widgets::{Button, Look, Notice, Sign, VideoView, describe, shown_size, was_pressed};
use crate::window::{has_partner_picture, keyboard_owner};
use crate::{text, theme};

const BAR: f32 = 52.0;
const CONTROL: f32 = 40.0;
const GAP: f32 = 8.0;
/// The keys that work here; the others belong to the main window.
const ACTIONS: [Action; 5] = [
    Action::Next,
    Action::Stop,
    Action::ToggleMicrophone,
    Action::ToggleCamera,
    Action::ToggleMini,
];

/// What there is of the mini window from one frame to the next.
pub struct Mini {
    state: WindowState,
    picture: Picture,
    wants_main: bool,
    /// Whether the key of push-to-talk is held here. What the microphone was before, the main window knows.
    is_talk_key_held: bool,
}

impl Mini {
    /// A mini window that shows `picture`, the same that the main window has.
    pub fn new(picture: Picture) -> Self {
        let mut state = WindowState::new(String::new(), Vec::new());
        state.is_mini_open = true;
        Self {
            state,
            picture,
            wants_main: false,
            is_talk_key_held: false,
        }
    }

    /// Which window it is.
    pub fn viewport() -> ViewportId {
        ViewportId::from_hash_of("mini")
    }

    /// How the window is made.
    pub fn builder() -> ViewportBuilder {
        ViewportBuilder::default()
            .with_app_id("passerby")
            .with_title("Passerby")
            .with_inner_size([336.0, 232.0])
            .with_min_inner_size([200.0, 150.0])
            .with_always_on_top()
    }

    /// Takes over what the person wants of all windows.
    pub fn follow(&mut self, preferences: &Preferences) {
        if self.state.preferences != *preferences {
            self.state.preferences.clone_from(preferences);
        }
    }

    /// Whether it is still wanted.
    pub fn is_open(&self) -> bool {
        self.state.is_mini_open
    }

    /// Whether the person has closed it to go on in the main window.
    pub fn wants_main(&self) -> bool {
        self.wants_main
    }

    /// Shows a picture of the stranger, unless it is late and belongs to a call that is over.
    pub fn show_remote(&mut self, ui: &Ui, snapshot: &Snapshot, frame: impl Into<Arc<VideoFrame>>) {
        let frame = frame.into();
        if has_partner_picture(snapshot) && veil::lets_through(snapshot, &frame) {
            self.picture.set(ui.ctx(), frame);
        }
    }

    /// How large the stranger was shown in the last frame, in pixels of the screen.
    pub fn stranger_px(&self) -> Option<(u32, u32)> {
        self.state.stranger_px
    }

    /// Draws everything over the whole of `ui` and returns what the person wishes.
    pub fn ui(&mut self, ui: &mut Ui, snapshot: &Snapshot, now: Instant) -> Vec<Command> {
        theme::wear(ui, Theme::Dark);
        let mut out = Vec::new();
        self.state.observe(snapshot, now);
        for action in shortcuts::actions(ui.ctx(), snapshot, &self.state, now) {
            if ACTIONS.contains(&action) {
                action.perform(snapshot, &mut self.state, &mut out);
            }
        }
        // A window that was closed is drawn once more, perhaps.
        let is_wanted = self.state.preferences.push_to_talk
            && self.state.is_mini_open
            && snapshot.call != CallView::Idle;
        let is_held = is_wanted && shortcuts::is_talk_key_held(ui.ctx(), &self.state);
        out.extend(self.hold_talk_key(is_held));
        let rect = ui.max_rect();
        ui.painter().rect_filled(rect, 0.0, theme::background());
        self.picture_ui(ui, rect, snapshot, now);
        self.bar_ui(ui, rect, snapshot, &mut out);
        if ui.input(|input| input.viewport().close_requested()) {
            self.state.is_mini_open = false;
        }
        if !self.state.is_mini_open {
            out.extend(self.let_go());
        }
        self.state.keyboard = keyboard_owner(ui, false);
        out
    }

    /// What a mini window that is left, seen no more or closed asks for: nobody talks in it. To be asked also while it is not
    /// drawn.
    pub fn let_go(&mut self) -> Option<Command> {
        self.hold_talk_key(false)
    }

    fn hold_talk_key(&mut self, is_held: bool) -> Option<Command> {
        let is_news = std::mem::replace(&mut self.is_talk_key_held, is_held) != is_held;
        is_news.then_some(Command::SetMicrophone(is_held))
    }

    fn picture_ui(&mut self, ui: &mut Ui, rect: Rect, snapshot: &Snapshot, now: Instant) {
        self.state.stranger_px = None;
        let is_connected = matches!(snapshot.call, CallView::Connected { .. });
        let may_show = |size| veil::may_show(snapshot, size);
        let is_allowed = self.picture.size_px().is_some_and(may_show);
        let picture = self.picture.get().filter(|_| is_allowed).filter(|_| {
            matches!(snapshot.call, CallView::Reconnecting { .. })
                || is_connected && snapshot.partner.is_sending_video
        });
        if let Some(picture) = picture {
            let shown = shown_size(picture.1, rect, self.state.preferences.fits_picture);
            let side = |points: f32| (points * ui.pixels_per_point()).round().max(1.0) as u32;
            self.state.stranger_px = Some((side(shown.x), side(shown.y)));
            VideoView::new(tr!("The stranger's picture"), picture)
                .fitted(self.state.preferences.fits_picture)
                .brightness(if is_connected { 1.0 } else { 0.45 })
                .show_at(ui, Id::unique("mini-stranger"), rect);
            if is_connected {
                return;
            }
        } else if is_connected {
            self.state.stranger_px = Some((1, 1));
        }
        let gone;
        let (title, detail) = match &snapshot.call {
            CallView::Searching { since } => {
                let age = now.saturating_duration_since(*since);
                let rest = 1_000 - u64::from(age.subsec_millis());
                ui.request_repaint_after(Duration::from_millis(rest));
                (tr!("Looking for somebody…"), text::clock(age))
            }
            CallView::Connecting { .. } => (tr!("Found somebody"), tr!("Connecting…").to_owned()),
            CallView::Connected { .. } if snapshot.partner.is_sending_video => (
                tr!("Connected"),
                tr!("Their picture is on its way…").to_owned(),
            ),
            CallView::Connected { .. } => (tr!("Their camera is off"), String::new()),
            CallView::Reconnecting { .. } => (tr!("Reconnecting…"), String::new()),
            CallView::Ended { reason } => {
                gone = text::end_reason(*reason).title;
                (gone.as_str(), String::new())
            }
            CallView::Idle => (tr!("No call"), String::new()),
        };
        let notice = Notice {
            sign: Sign::None,
            title,
            detail: &detail,
            footnote: "",
        };
        let body = rect.with_max_y((rect.bottom() - BAR).max(rect.top() + 1.0));
        notice.show(ui, Id::unique("mini-notice"), body, 0.0);
    }

    /// Microphone, Next, and back to the main window.
    fn bar_ui(&mut self, ui: &mut Ui, rect: Rect, snapshot: &Snapshot, out: &mut Vec<Command>) {
        let is_on = snapshot.devices.is_microphone_on;
        let (look, icon) = if is_on {
            (Look::Bare, Icon::Microphone)
        } else {
            (Look::Off, Icon::MicrophoneOff)
        };
        let name = |action: Action| action.name(snapshot, &self.state);
        let hint = |action: Action| action.hint(snapshot, &self.state);
        let microphone = Button::icon(look, icon, name(Action::ToggleMicrophone))
            .hint(hint(Action::ToggleMicrophone))
            .on(is_on);
        let next = Button::new(Look::Primary, tr!("Next"))
            .named(name(Action::Next))
            .with_icon(Icon::Next)
            .icon_size(17.0)
            .font(theme::semibold(14.0))
            .hint(hint(Action::Next))
            .enabled(Action::Next.is_possible(snapshot, &self.state));
        let back = Button::icon(Look::Bare, Icon::Grow, tr!("Back to the large window"));
        let next_width = next.natural_width(ui.painter());
        let width = 2.0 * CONTROL + next_width + 2.0 * GAP + 12.0;
        let bar = Align2::CENTER_BOTTOM
            .anchor_size(pos2(rect.center().x, rect.bottom() - 8.0), vec2(width, BAR));
        let painter = ui.painter();
        painter.rect(
            bar,
            17.0,
            theme::overlay(),
            theme::overlay_line(),
            StrokeKind::Inside,
        );
        let mut x = bar.left() + 6.0;
        let buttons = [
            (microphone, CONTROL, Action::ToggleMicrophone),
            (next, next_width, Action::Next),
            (back, CONTROL, Action::ToggleMini),
        ];
        let mut pressed = None;
        for (index, (button, width, action)) in buttons.into_iter().enumerate() {
            let place = Rect::from_min_size(pos2(x, bar.top() + 6.0), vec2(width, CONTROL));
            x += width + GAP;
            if was_pressed(&button.show_at(ui, Id::unique(("mini", index)), place)) {
                pressed = Some(action);
            }
        }
        if let Some(action) = pressed {
            self.wants_main = action == Action::ToggleMini;
            action.perform(snapshot, &mut self.state, out);
        }
        let is_up = matches!(snapshot.call, CallView::Connected { .. });
        if is_up && !snapshot.partner.is_sending_audio {
            muted_ui(ui, rect);
        }
    }
}

/// Says that the stranger cannot be heard.
fn muted_ui(ui: &Ui, rect: Rect) {
    let sign = Rect::from_min_size(rect.min + vec2(8.0, 8.0), Vec2::splat(26.0));
    let painter = ui.painter();
    painter.circle_filled(sign.center(), 13.0, theme::overlay());
    icons::paint(painter, Icon::MicrophoneOff, sign.shrink(6.0), theme::bad());
    let id = Id::unique("mini-muted");
    describe(ui, id, sign, Role::Image, tr!("The stranger is muted"));
}

//! Who learns one's network address, the server, and whether the network lets calls through.

use egui::{Id, Ui, vec2};
use engine::{CallView, Command, SignallingView};

use super::parts::{heading_ui, words_ui};
use crate::icons::Icon;
use crate::screens::{View, address};
use crate::state::WindowState;
use crate::widgets::{Button, Look, was_pressed};
use crate::{text, theme};

pub(super) fn ui(ui: &mut Ui, view: View<'_>, state: &mut WindowState, out: &mut Vec<Command>) {
    heading_ui(ui, text::SHIELD_QUESTION.text(), true);
    ui.spacing_mut().item_spacing.y = 8.0;
    address::choices_ui(ui, ui.available_width(), view, state, out);
    ui.spacing_mut().item_spacing.y = 0.0;
    ui.add_space(8.0);
    words_ui(ui, tr!("It holds for calls that begin from now on."));

    let is_idle = matches!(view.snapshot.call, CallView::Idle);
    heading_ui(ui, tr!("Server"), false);
    let about = match &view.snapshot.signalling {
        SignallingView::Connecting => tr!("Connecting…").to_owned(),
        SignallingView::Connected { online: None } => tr!("Connected").to_owned(),
        SignallingView::Connected { online } => {
            tr!(
                "Connected. {people}.",
                people = text::people_online(*online)
            )
        }
        SignallingView::Away { problem, .. } => text::signalling_problem(problem).title,
    };
    words_ui(ui, &about);
    ui.add_space(8.0);
    if is_idle {
        address::server_ui(ui, Id::unique("settings-server"), state, out);
    } else {
        words_ui(ui, tr!("You can change the server when the call is over."));
    }

    heading_ui(ui, tr!("Connection check"), false);
    words_ui(
        ui,
        tr!("Tries what a call could use from here, and says in plain words what works."),
    );
    ui.add_space(10.0);
    let check = Button::new(Look::Quiet, tr!("Check now"))
        .with_icon(Icon::Pulse)
        .icon_size(16.0)
        .font(theme::medium(13.5))
        .enabled(is_idle);
    if was_pressed(&check.show(ui, vec2(0.0, theme::CONTROL))) {
        state.settings = None;
        state.begin_check(view.now);
    }

    heading_ui(ui, tr!("Diagnostics"), false);
    ui.add_space(4.0);
    let open = Button::new(Look::Quiet, tr!("Show connection details"))
        .with_icon(Icon::Pulse)
        .icon_size(16.0)
        .font(theme::medium(13.5));
    if was_pressed(&open.show(ui, vec2(0.0, theme::CONTROL))) {
        state.settings = None;
        state.is_diagnostics_open = true;
    }
}

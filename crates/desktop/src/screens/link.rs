//! The card for a link to a server: the question whether to use it, or why it cannot be used.

use std::time::Duration;

use egui::{
    Id, Ui,
    accesskit::{Live, Role},
    vec2,
};
use engine::{CallView, Command};

use super::View;
use crate::link;
use crate::state::WindowState;
use crate::text;
use crate::theme;
use crate::widgets::{Button, Look, card, describe, was_pressed, words};

const MAX_WIDTH: f32 = 440.0;
const BUTTON: f32 = 44.0;

/// What the person says to it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Use,
    Leave,
}

/// Draws the card, if there is a link.
pub(super) fn ui(ui: &mut Ui, view: View<'_>, state: &mut WindowState, out: &mut Vec<Command>) {
    let Some(link) = state.link.clone() else {
        return;
    };
    let settles_in = link.settles_in(view.now);
    let (title, detail) = match &link.server {
        Ok(server) => (
            tr!("Use another server?").to_owned(),
            tr!(
                "A link asks for {server}. Whoever runs it decides whom you meet, and learns your network address.",
                server = text::plain(server)
            ),
        ),
        Err(problem) => {
            let explanation = link::problem(problem);
            (explanation.title, explanation.detail)
        }
    };
    let may_change = view.snapshot.call == CallView::Idle;
    let (answer, is_left) = card(ui, "link", MAX_WIDTH, |ui| {
        title_ui(ui, &title);
        ui.add_space(8.0);
        let said = ui.label(words(&detail, theme::regular(14.0), theme::text_second()));
        ui.ctx()
            .accesskit_node_builder(said.id, |node| node.set_live(Live::Polite));
        if link.server.is_err() {
            ui.add_space(18.0);
            return buttons_ui(ui, None);
        }
        ui.add_space(10.0);
        let note = if may_change {
            tr!("Now: {server}", server = text::plain(&state.server))
        } else {
            tr!("You can change the server when the call is over.").to_owned()
        };
        ui.label(words(note, theme::regular(13.0), theme::text_third()));
        ui.add_space(18.0);
        buttons_ui(ui, Some(may_change && settles_in == Duration::ZERO))
    });
    if settles_in > Duration::ZERO {
        ui.request_repaint_after(settles_in);
    }
    if answer == Some(Answer::Use)
        && let Ok(server) = link.server
    {
        state.server.clone_from(&server);
        state.server_draft.clone_from(&server);
        out.push(Command::SetServer(server));
    }
    if is_left || answer.is_some() {
        state.link = None;
    }
}

fn title_ui(ui: &mut Ui, title: &str) {
    let font = theme::semibold(18.0);
    let width = ui.available_width();
    let galley = ui
        .painter()
        .layout(title.to_owned(), font, theme::text(), width);
    let (_, place) = ui.allocate_space(vec2(width, galley.size().y));
    ui.painter().galley(place.min, galley, theme::text());
    describe(ui, Id::unique("link-title"), place, Role::Heading, title);
}

/// Yes and no where there is a question, else one that closes; the first is what is safe.
fn buttons_ui(ui: &mut Ui, can_use: Option<bool>) -> Option<Answer> {
    let mut answer = None;
    let whole = ui.available_width();
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 10.0;
        let (leave, width) = match can_use {
            Some(_) => (tr!("Keep mine"), (whole - 10.0) / 2.0),
            None => (tr!("Close"), whole),
        };
        let leave = Button::new(Look::Quiet, leave).font(theme::semibold(14.0));
        if was_pressed(&leave.show(ui, vec2(width, BUTTON))) {
            answer = Some(Answer::Leave);
        }
        if let Some(can_use) = can_use {
            let take = Button::new(Look::Primary, tr!("Use this server"))
                .font(theme::semibold(14.0))
                .enabled(can_use);
            if was_pressed(&take.show(ui, vec2(width, BUTTON))) {
                answer = Some(Answer::Use);
            }
        }
    });
    answer
}

//! Every action with its key, which can be changed.

use egui::{
    Align, Layout, Rect, Sense, Stroke, StrokeKind, Ui, WidgetInfo,
    accesskit::{Live, Role},
    vec2,
};

use super::parts::{heading_ui, line_ui};
use crate::actions::{Action, Group};
use crate::icons::Icon;
use crate::keymap::Keymap;
use crate::state::{SettingsPage, WindowState};
use crate::widgets::{Button, Look, was_pressed, words};
use crate::{text, theme};

const ROW: f32 = 44.0;

pub(super) fn ui(ui: &mut Ui, state: &mut WindowState) {
    let Some(page) = &mut state.settings else {
        return;
    };
    let keymap = &mut state.preferences.shortcuts;
    let hint = tr!(
        "Press a key on the right, then the key that you want instead. Single letters rest while you write."
    );
    ui.label(words(hint, theme::regular(13.0), theme::text_second()));
    for group in Group::ALL {
        heading_ui(ui, group.title(), false);
        let actions = Action::ALL.into_iter();
        for action in actions.filter(|action| action.entry().group == group) {
            row_ui(ui, action, keymap, page);
        }
    }
    if keymap.has_changes() {
        ui.add_space(14.0);
        let all = Button::new(Look::Quiet, tr!("Set all keys back")).font(theme::medium(13.0));
        if was_pressed(&all.show(ui, vec2(0.0, theme::CONTROL))) {
            *keymap = Keymap::default();
            page.refused = None;
        }
    }
}

fn row_ui(ui: &mut Ui, action: Action, keymap: &mut Keymap, page: &mut SettingsPage) {
    let title = action.entry().title.text();
    let size = vec2(ui.available_width(), ROW);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
        ui.spacing_mut().item_spacing.x = 8.0;
        key_ui(ui, action, keymap, page);
        if keymap.is_changed(action) {
            let name = tr!("Set back: {title}", title = title);
            let back = Button::icon(Look::Bare, Icon::Again, &name).icon_size(15.0);
            if was_pressed(&back.show(ui, vec2(0.0, theme::CONTROL))) {
                let refused = keymap.restore(action).err();
                page.refused = refused.map(|refusal| (action, refusal));
            }
        }
        let width = ui.available_width();
        ui.allocate_ui_with_layout(
            vec2(width, ROW),
            Layout::left_to_right(Align::Center),
            |ui| {
                ui.set_width(width);
                ui.label(words(title, theme::regular(14.0), theme::text()));
            },
        );
    });
    if let Some((_, refusal)) = page.refused.filter(|(refused, _)| *refused == action) {
        let response = ui.label(words(
            text::refusal(refusal),
            theme::regular(13.0),
            theme::warning(),
        ));
        ui.ctx()
            .accesskit_node_builder(response.id, |node| node.set_live(Live::Assertive));
        ui.add_space(6.0);
    }
    line_ui(ui);
}

/// The key as a cap that waits for another one once it is pressed.
fn key_ui(ui: &mut Ui, action: Action, keymap: &Keymap, page: &mut SettingsPage) {
    let entry = action.entry();
    let is_recording = page.recording == Some(action);
    let label = text::keys(keymap.shortcut(action), entry.also);
    let shown = if is_recording {
        tr!("Press a key…")
    } else {
        label.as_str()
    };
    let is_changeable = action.is_changeable();
    let ink = match (is_recording, is_changeable) {
        (true, _) => theme::accent_hovered(),
        (false, true) => theme::text(),
        (false, false) => theme::text_second(),
    };
    let galley = ui
        .painter()
        .layout_no_wrap(shown.to_owned(), theme::medium(13.0), ink);
    let size = vec2((galley.size().x + 24.0).max(56.0), 32.0);
    let sense = if is_changeable {
        Sense::click()
    } else {
        Sense::hover()
    };
    let (rect, response) = ui.allocate_exact_size(size, sense);
    let name = if is_recording {
        tr!(
            "Press the new key for: {title}. Esc leaves it as it is.",
            title = entry.title.text()
        )
    } else {
        format!("{}: {label}", entry.title.text())
    };
    response.widget_info(|| {
        let role = if is_changeable {
            Role::Button
        } else {
            Role::Label
        };
        WidgetInfo::labeled(role, true, &name)
    });
    paint_cap(
        ui,
        rect,
        is_changeable,
        is_recording,
        response.hovered() || response.has_focus(),
    );
    if response.has_focus() {
        let stroke = Stroke::new(2.0, theme::focus());
        ui.painter()
            .rect_stroke(rect.expand(2.0), 10.0, stroke, StrokeKind::Middle);
    }
    let place = rect.center() - galley.size() / 2.0;
    ui.painter().galley(place, galley, ink);
    if was_pressed(&response) {
        page.recording = (!is_recording).then_some(action);
        page.refused = None;
    }
    if is_changeable {
        let hint = if is_recording {
            tr!("Esc leaves it as it is")
        } else {
            tr!("Change the key")
        };
        response.on_hover_text(hint);
    }
}

fn paint_cap(ui: &Ui, rect: Rect, is_changeable: bool, is_recording: bool, is_lit: bool) {
    if !is_changeable {
        return;
    }
    let ground = if is_lit {
        theme::surface_hovered()
    } else {
        theme::surface_raised()
    };
    let line = if is_recording {
        Stroke::new(1.5, theme::accent_hovered())
    } else {
        Stroke::new(1.0, theme::line())
    };
    ui.painter()
        .rect(rect, 9.0, ground, line, StrokeKind::Inside);
}

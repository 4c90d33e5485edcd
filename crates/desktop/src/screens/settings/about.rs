//! What this program is, whose, and where it keeps what it remembers.

use egui::{Align, Layout, Rect, Ui, Vec2, vec2};

use super::parts::{heading_ui, words_ui};
use crate::icons;
use crate::state::WindowState;
use crate::theme;
use crate::widgets::{Button, Look, was_pressed, words};

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) fn ui(ui: &mut Ui, state: &WindowState) {
    ui.add_space(4.0);
    ui.allocate_ui_with_layout(
        vec2(ui.available_width(), 56.0),
        Layout::left_to_right(Align::Center),
        |ui| {
            ui.spacing_mut().item_spacing = vec2(14.0, 2.0);
            let (_, place) = ui.allocate_space(Vec2::splat(48.0));
            let mark = Rect::from_center_size(place.center(), Vec2::splat(44.0));
            icons::paint_mark(ui.painter(), mark, theme::warm(), theme::accent());
            ui.vertical(|ui| {
                ui.add_space(8.0);
                ui.label(words("Passerby", theme::semibold(18.0), theme::text()));
                let version = tr!("Version {version}", version = VERSION);
                ui.label(words(version, theme::regular(13.0), theme::text_second()));
            });
        },
    );
    ui.add_space(10.0);
    words_ui(
        ui,
        tr!(
            "Meet a stranger face to face, peer to peer and encrypted. Nobody keeps what you say and show, but a stranger can record it."
        ),
    );
    heading_ui(ui, tr!("Licence"), false);
    words_ui(
        ui,
        tr!(
            "Free software under the MIT licence or the Apache licence 2.0, at your choice. The letters are Inter, under the SIL Open Font License."
        ),
    );
    heading_ui(ui, tr!("Settings file"), false);
    match &state.settings_file {
        Some(path) => {
            words_ui(ui, path);
            ui.add_space(10.0);
            let copy = Button::new(Look::Quiet, tr!("Copy the path")).font(theme::medium(13.5));
            if was_pressed(&copy.show(ui, vec2(0.0, theme::CONTROL))) {
                ui.copy_text(path.clone());
            }
        }
        None => words_ui(ui, tr!("Nothing is remembered of this run.")),
    }
}

//! What the parts of the settings have in common.

use egui::{Id, Ui, accesskit::Role, vec2};

use crate::theme;
use crate::widgets::{describe, words};

/// A heading, with space before it unless it is the first.
pub(super) fn heading_ui(ui: &mut Ui, title: &str, is_first: bool) {
    ui.add_space(if is_first { 4.0 } else { 22.0 });
    let label = ui.label(words(title, theme::semibold(15.0), theme::text()));
    let id = Id::unique(("settings-heading", title));
    describe(ui, id, label.rect, Role::Heading, title);
    ui.add_space(6.0);
}

/// Explains, in running text.
pub(super) fn words_ui(ui: &mut Ui, text: &str) {
    ui.label(words(text, theme::regular(13.0), theme::text_second()));
}

/// A thin line between two rows.
pub(super) fn line_ui(ui: &mut Ui) {
    let (_, line) = ui.allocate_space(vec2(ui.available_width(), 1.0));
    ui.painter().rect_filled(line, 0.0, theme::line());
}

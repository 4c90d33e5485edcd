//! The pieces that screens are made of. Each one has an accessible name and can be worked with the keyboard alone.

mod action_menu;
mod button;
mod card;
mod device_picker;
mod interest_field;
mod level_meter;
mod notice;
mod option_card;
mod pill;
mod radio_row;
mod sparkline;
mod switch;
mod tick;
mod tile;
mod video_view;

pub(crate) use action_menu::{MenuWish, action_menu};
pub use button::{Button, Look, was_pressed};
pub(crate) use card::{card, modal};
pub(crate) use device_picker::device_menu;
pub use device_picker::{
    Choice, DevicePicker, camera_choices, microphone_choices, picture_choices, speaker_choices,
};
pub use interest_field::{add_interest, finish_interest, interest_field};
pub use level_meter::{level_meter, paint_level};
pub use notice::{Notice, Sign};
pub use option_card::OptionCard;
pub use pill::Pill;
pub use radio_row::{RadioChoice, radio_row};
pub use sparkline::sparkline;
pub use switch::switch_row;
pub use tick::tick;
pub use tile::Tile;
pub(crate) use tile::elided;
pub use video_view::{VideoView, shown_size, visible_part};

use egui::{
    Align, Color32, FontId, Id, Label, Layout, Rect, Response, RichText, Sense, Ui, UiBuilder,
    WidgetInfo, WidgetText,
    accesskit::{Live, Role},
    vec2,
};

/// Text in one of the window's fonts.
pub fn words(text: impl Into<String>, font: FontId, color: Color32) -> WidgetText {
    RichText::new(text).font(font).color(color).into()
}

/// Draws `name` at the left, as long as there is room beside `value`, which is to stand at the right.
pub(crate) fn name_beside(ui: &mut Ui, name: WidgetText, value: &str, font: FontId) {
    let painter = ui.painter();
    let value = painter.layout_no_wrap(value.to_owned(), font, Color32::PLACEHOLDER);
    let gap = ui.spacing().item_spacing.x;
    let room = (ui.available_width() - value.size().x - gap).max(0.0);
    let size = vec2(room, ui.available_height());
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
        ui.set_max_width(room);
        ui.add(Label::new(name).truncate());
    });
}

/// Draws into `rect` without moving the cursor of `ui`.
pub fn within<R>(
    ui: &mut Ui,
    name: &'static str,
    rect: Rect,
    contents: impl FnOnce(&mut Ui) -> R,
) -> R {
    ui.scope_builder(UiBuilder::new().id_salt(name).max_rect(rect), contents)
        .inner
}

/// Like [`describe`], for words that a screen reader says by itself when they change.
pub fn announce(ui: &Ui, id: Id, rect: Rect, role: Role, name: impl Into<String>) -> Response {
    let response = describe(ui, id, rect, role, name);
    ui.ctx()
        .accesskit_node_builder(id, |node| node.set_live(Live::Polite));
    response
}

/// Makes a painted area known to screen readers.
pub fn describe(ui: &Ui, id: Id, rect: Rect, role: Role, name: impl Into<String>) -> Response {
    let name = name.into();
    let response = ui.interact(rect, id, Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(role, true, &name));
    response
}

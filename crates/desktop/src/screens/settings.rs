//! The settings: a card over whatever is on, so that a call goes on meanwhile.

mod shortcuts;

use egui::{
    Align2, Color32, Frame, Id, Modal, Rect, ScrollArea, Stroke, Ui, Vec2, accesskit::Role, vec2,
};

use crate::icons::Icon;
use crate::state::{Section, SettingsPage, WindowState};
use crate::theme;
use crate::widgets::{Button, Look, describe, was_pressed, within};

const MAX_SIZE: Vec2 = Vec2::new(820.0, 600.0);
const HEADER: f32 = 60.0;
const LIST_WIDTH: f32 = 208.0;
const PADDING: f32 = 24.0;
/// Height of the list of parts where it stands above the part.
const TABS: f32 = 48.0;

impl Section {
    /// Its name in the list.
    const fn title(self) -> &'static str {
        match self {
            Self::Shortcuts => "Shortcuts",
        }
    }

    const fn icon(self) -> Icon {
        match self {
            Self::Shortcuts => Icon::Keyboard,
        }
    }
}

/// Draws the settings, if they are open.
pub(super) fn ui(ui: &mut Ui, state: &mut WindowState) {
    let Some(page) = state.settings else {
        return;
    };
    let window = ui.ctx().content_rect();
    let is_narrow = window.width() < theme::NARROW_BELOW;
    let (size, radius) = if is_narrow {
        (window.size(), 0)
    } else {
        let size = (window.size() - Vec2::splat(32.0)).min(MAX_SIZE);
        (size, theme::RADIUS_CARD)
    };
    let frame = Frame::new()
        .fill(theme::SURFACE)
        .stroke(Stroke::new(1.0, theme::LINE))
        .corner_radius(radius);
    let modal = Modal::new(Id::unique("settings"))
        .backdrop_color(Color32::from_black_alpha(150))
        .frame(frame)
        .show(ui.ctx(), |ui| {
            let (_, card) = ui.allocate_space(size - Vec2::splat(2.0));
            let is_closed = header_ui(ui, card.with_max_y(card.top() + HEADER));
            let body = card.with_min_y(card.top() + HEADER);
            if is_narrow {
                let (tabs, body) = body.split_top_bottom_at_y(body.top() + TABS);
                tabs_ui(ui, tabs, page.section, state);
                section_ui(ui, body, page.section, 16.0, state);
            } else {
                let (list, body) = body.split_left_right_at_x(body.left() + LIST_WIDTH);
                list_ui(ui, list, page.section, state);
                section_ui(ui, body, page.section, PADDING, state);
            }
            is_closed
        });
    // It is placed by its size of the frame before, which changes with the window's.
    if (modal.response.rect.center() - window.center()).length() > 1.0 {
        ui.ctx().request_repaint();
    }
    if modal.inner || modal.should_close() {
        state.settings = None;
    }
}

/// The title and the cross; returns whether the cross was pressed.
fn header_ui(ui: &mut Ui, bar: Rect) -> bool {
    let title = ui.painter().text(
        bar.left_center() + vec2(PADDING, 2.0),
        Align2::LEFT_CENTER,
        "Settings",
        theme::semibold(18.0),
        theme::TEXT,
    );
    let id = Id::unique("settings-header");
    describe(ui, id, title, Role::Heading, "Settings");
    let middle = bar.right_center() + vec2(-30.0, 2.0);
    let place = Rect::from_center_size(middle, Vec2::splat(theme::CONTROL));
    let close = Button::icon(Look::Bare, Icon::Close, "Close the settings").icon_size(16.0);
    was_pressed(&close.show_at(ui, id.with("close"), place))
}

/// The parts below each other.
fn list_ui(ui: &mut Ui, place: Rect, chosen: Section, state: &mut WindowState) {
    let mut y = place.top();
    for section in Section::ALL {
        let rect = Rect::from_min_size(
            egui::pos2(place.left() + 14.0, y),
            vec2(place.width() - 22.0, 40.0),
        );
        if was_pressed(&part(section, chosen).left().show_at(ui, id(section), rect)) {
            state.settings = Some(SettingsPage::at(section));
        }
        y += 44.0;
    }
}

/// The parts beside each other; a narrow window shows some of them and is pushed to the others.
fn tabs_ui(ui: &mut Ui, place: Rect, chosen: Section, state: &mut WindowState) {
    within(ui, "tabs", place.shrink2(vec2(12.0, 0.0)), |ui| {
        ScrollArea::horizontal().show(ui, |ui| {
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 4.0;
                for section in Section::ALL {
                    let button = part(section, chosen);
                    let width = button.natural_width(ui.painter());
                    let (_, rect) = ui.allocate_space(vec2(width, theme::CONTROL));
                    let response = button.show_at(ui, id(section), rect);
                    if response.has_focus() {
                        response.scroll_to_me(None);
                    }
                    if was_pressed(&response) {
                        state.settings = Some(SettingsPage::at(section));
                    }
                }
            });
        });
    });
}

fn part(section: Section, chosen: Section) -> Button<'static> {
    let look = if section == chosen {
        Look::Quiet
    } else {
        Look::Bare
    };
    Button::new(look, section.title())
        .with_icon(section.icon())
        .icon_size(17.0)
        .font(theme::medium(13.5))
        .on(section == chosen)
}

fn id(section: Section) -> Id {
    Id::unique(("settings-part", section.title()))
}

fn section_ui(ui: &mut Ui, body: Rect, section: Section, padding: f32, state: &mut WindowState) {
    within(ui, "section", body.with_max_y(body.bottom() - 1.0), |ui| {
        ScrollArea::vertical()
            .id_salt(section.title())
            .auto_shrink(false)
            .show(ui, |ui| {
                let width = ui.available_width() - 2.0 * padding;
                ui.horizontal(|ui| {
                    ui.spacing_mut().item_spacing = Vec2::ZERO;
                    ui.add_space(padding);
                    ui.vertical(|ui| {
                        ui.set_width(width);
                        match section {
                            Section::Shortcuts => shortcuts::ui(ui, state),
                        }
                        ui.add_space(PADDING);
                    });
                });
            });
    });
}

//! The settings: a card over whatever is on, so that a call goes on meanwhile.

mod about;
mod appearance;
mod audio_video;
mod chat;
mod network;
mod parts;
mod shortcuts;

use egui::{
    Align2, Color32, Frame, Id, Rect, ScrollArea, Stroke, Ui, Vec2, accesskit::Role, pos2, vec2,
};

use engine::Command;

use super::View;
use crate::icons::Icon;
use crate::state::{Section, SettingsPage, WindowState};
use crate::theme;
use crate::widgets::{Button, Look, describe, modal, was_pressed, within};

const MAX_SIZE: Vec2 = Vec2::new(820.0, 600.0);
const HEADER: f32 = 60.0;
const LIST_WIDTH: f32 = 208.0;
const PADDING: f32 = 24.0;
/// Height of the list of parts where it stands above the part.
const TABS: f32 = 52.0;

impl Section {
    /// Its name in the list.
    fn title(self) -> &'static str {
        match self {
            Self::AudioVideo => tr!("Audio and video"),
            Self::Network => tr!("Network and privacy"),
            Self::Chat => tr!("Calls and chat"),
            Self::Appearance => tr!("Appearance"),
            Self::Shortcuts => tr!("Shortcuts"),
            Self::About => tr!("About"),
        }
    }

    const fn icon(self) -> Icon {
        match self {
            Self::AudioVideo => Icon::Camera,
            Self::Network => Icon::Shield,
            Self::Chat => Icon::Chat,
            Self::Appearance => Icon::Text,
            Self::Shortcuts => Icon::Keyboard,
            Self::About => Icon::About,
        }
    }
}

/// Draws the settings, if they are open.
pub(super) fn ui(ui: &mut Ui, view: View<'_>, state: &mut WindowState, out: &mut Vec<Command>) {
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
        .fill(theme::surface())
        .stroke(Stroke::new(1.0, theme::line()))
        .corner_radius(radius);
    let modal = modal(Id::unique("settings"))
        .backdrop_color(Color32::from_black_alpha(150))
        .frame(frame)
        .show(ui.ctx(), |ui| {
            let (_, card) = ui.allocate_space(size - Vec2::splat(2.0));
            let title = if is_narrow {
                page.section.title()
            } else {
                tr!("Settings")
            };
            let is_closed = header_ui(ui, card.with_max_y(card.top() + HEADER), title);
            let body = card.with_min_y(card.top() + HEADER);
            if is_narrow {
                let (tabs, body) = body.split_top_bottom_at_y(body.top() + TABS);
                tabs_ui(ui, tabs, page.section, state);
                section_ui(ui, body, (page.section, 16.0), view, state, out);
            } else {
                let (list, body) = body.split_left_right_at_x(body.left() + LIST_WIDTH);
                list_ui(ui, list, page.section, state);
                section_ui(ui, body, (page.section, PADDING), view, state, out);
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
fn header_ui(ui: &mut Ui, bar: Rect, title: &str) -> bool {
    let place = ui.painter().text(
        bar.left_center() + vec2(PADDING, 2.0),
        Align2::LEFT_CENTER,
        title,
        theme::semibold(18.0),
        theme::text(),
    );
    let id = Id::unique("settings-header");
    describe(ui, id, place, Role::Heading, title);
    let middle = bar.right_center() + vec2(-30.0, 2.0);
    let place = Rect::from_center_size(middle, Vec2::splat(theme::CONTROL));
    let close = Button::icon(Look::Bare, Icon::Close, tr!("Close the settings")).icon_size(16.0);
    was_pressed(&close.show_at(ui, id.with("close"), place))
}

/// The parts below each other.
fn list_ui(ui: &mut Ui, place: Rect, chosen: Section, state: &mut WindowState) {
    let mut y = place.top();
    for section in Section::ALL {
        let rect = Rect::from_min_size(
            pos2(place.left() + 14.0, y),
            vec2(place.width() - 22.0, 40.0),
        );
        if was_pressed(&part(section, chosen).left().show_at(ui, id(section), rect)) {
            state.settings = Some(SettingsPage::at(section));
        }
        y += 44.0;
    }
}

/// The parts beside each other as icons; the header says which one is open.
fn tabs_ui(ui: &mut Ui, place: Rect, chosen: Section, state: &mut WindowState) {
    let width = (place.width() - 24.0) / Section::ALL.len() as f32;
    for (index, section) in Section::ALL.into_iter().enumerate() {
        let left = place.left() + 12.0 + index as f32 * width;
        let rect = Rect::from_min_size(pos2(left + 2.0, place.top()), vec2(width - 4.0, 40.0));
        let look = if section == chosen {
            Look::Quiet
        } else {
            Look::Bare
        };
        let button = Button::icon(look, section.icon(), section.title()).on(section == chosen);
        if was_pressed(&button.show_at(ui, id(section), rect)) {
            state.settings = Some(SettingsPage::at(section));
        }
    }
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

fn section_ui(
    ui: &mut Ui,
    body: Rect,
    (section, padding): (Section, f32),
    view: View<'_>,
    state: &mut WindowState,
    out: &mut Vec<Command>,
) {
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
                            Section::AudioVideo => audio_video::ui(ui, view, state, out),
                            Section::Network => network::ui(ui, view, state, out),
                            Section::Chat => chat::ui(ui, state, out),
                            Section::Appearance => appearance::ui(ui, state),
                            Section::Shortcuts => shortcuts::ui(ui, state),
                            Section::About => about::ui(ui, state),
                        }
                        ui.add_space(PADDING);
                    });
                });
            });
    });
}

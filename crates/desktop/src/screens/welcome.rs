//! Before anything else: what this is, the rules, who may learn one's network address, and that one is of age.

use egui::{
    Id, Rect, ScrollArea, Ui, Vec2,
    accesskit::{Live, Role},
    vec2,
};
use engine::Command;

use super::{View, address};
use crate::icons::{self, Icon};
use crate::state::WindowState;
use crate::widgets::{Button, Look, describe, tick, was_pressed, within, words};
use crate::{text, theme};

const MAX_WIDTH: f32 = 920.0;
const COLUMN_GAP: f32 = 48.0;
/// About how high the two columns are.
const HEIGHT: f32 = 490.0;

pub(super) fn ui(ui: &mut Ui, view: View<'_>, state: &mut WindowState, out: &mut Vec<Command>) {
    let window = ui.max_rect();
    let is_narrow = window.width() < theme::NARROW_BELOW;
    let width = if is_narrow {
        window.width() - 40.0
    } else {
        (window.width() - 80.0).min(MAX_WIDTH)
    };
    within(ui, "welcome", window, |ui| {
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            let top = if is_narrow {
                24.0
            } else {
                ((window.height() - HEIGHT) * 0.42).max(24.0)
            };
            ui.add_space(top);
            ui.horizontal_top(|ui| {
                ui.spacing_mut().item_spacing = Vec2::ZERO;
                ui.add_space((window.width() - width) / 2.0);
                if is_narrow {
                    ui.vertical(|ui| {
                        ui.set_width(width);
                        rules_ui(ui, state);
                        ui.add_space(24.0);
                        consent_ui(ui, view, state, out);
                    });
                } else {
                    let left = ((width - COLUMN_GAP) * 0.52).floor();
                    ui.vertical(|ui| {
                        ui.set_width(left);
                        rules_ui(ui, state);
                    });
                    ui.add_space(COLUMN_GAP);
                    ui.vertical(|ui| {
                        ui.set_width(width - COLUMN_GAP - left);
                        consent_ui(ui, view, state, out);
                    });
                }
            });
            ui.add_space(24.0);
        });
    });
}

fn rules_ui(ui: &mut Ui, state: &WindowState) {
    let (_, mark) = ui.allocate_space(vec2(36.0, 36.0));
    icons::paint_mark(ui.painter(), mark, theme::warm(), theme::accent());
    ui.add_space(14.0);
    let title = text::welcome_title(state.preferences.consent > 0);
    let heading = ui.label(words(title, theme::semibold(28.0), theme::text()));
    describe(
        ui,
        Id::unique("welcome-title"),
        heading.rect,
        Role::Heading,
        title,
    );
    ui.add_space(8.0);
    ui.label(words(
        text::PITCH.text(),
        theme::regular(14.5),
        theme::text_second(),
    ));
    if let Some(place) = &state.settings_set_aside {
        ui.add_space(12.0);
        let words_of_it = text::settings_set_aside(place);
        let label = ui.label(words(words_of_it, theme::regular(13.0), theme::warning()));
        ui.ctx()
            .accesskit_node_builder(label.id, |node| node.set_live(Live::Polite));
    }
    ui.add_space(22.0);
    let signs = [
        Icon::Person,
        Icon::Heart,
        Icon::Camera,
        Icon::Veil,
        Icon::Next,
    ];
    for (rule, icon) in text::rules().iter().zip(signs) {
        ui.horizontal_top(|ui| {
            let (_, disc) = ui.allocate_space(Vec2::splat(38.0));
            let painter = ui.painter();
            painter.circle_filled(disc.center(), 19.0, theme::surface_raised());
            let place = Rect::from_center_size(disc.center(), Vec2::splat(18.0));
            icons::paint(painter, icon, place, theme::accent_hovered());
            ui.add_space(14.0);
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 2.0;
                ui.label(words(&rule.title, theme::semibold(14.0), theme::text()));
                ui.label(words(
                    &rule.detail,
                    theme::regular(13.0),
                    theme::text_second(),
                ));
            });
        });
        ui.add_space(14.0);
    }
}

fn consent_ui(ui: &mut Ui, view: View<'_>, state: &mut WindowState, out: &mut Vec<Command>) {
    ui.add_space(4.0);
    ui.label(words(
        text::SHIELD_QUESTION.text(),
        theme::semibold(16.0),
        theme::text(),
    ));
    ui.add_space(4.0);
    let later = tr!("You can change this later.");
    ui.label(words(later, theme::regular(13.0), theme::text_third()));
    ui.add_space(12.0);
    ui.spacing_mut().item_spacing.y = 8.0;
    address::choices_ui(ui, ui.available_width(), view, state, out);
    ui.spacing_mut().item_spacing.y = 0.0;
    ui.add_space(22.0);
    if was_pressed(&tick(ui, text::CONSENT.text(), state.is_consent_ticked)) {
        state.is_consent_ticked = !state.is_consent_ticked;
    }
    ui.add_space(14.0);
    let go = Button::new(Look::Primary, tr!("Continue"))
        .font(theme::semibold(16.0))
        .enabled(state.is_consent_ticked);
    if was_pressed(&go.show(ui, vec2(ui.available_width(), 52.0))) {
        state.agree(view.snapshot, out);
    }
    ui.add_space(10.0);
    let promise = tr!("Nobody sees or hears you before you press Start.");
    ui.vertical_centered(|ui| {
        ui.label(words(promise, theme::regular(12.5), theme::text_third()));
    });
}

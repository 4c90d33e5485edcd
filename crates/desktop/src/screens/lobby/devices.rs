//! Which camera, microphone and speaker are used, and what is wrong with them.

use egui::{Align, Layout, Ui, Vec2, vec2};
use engine::Command;

use crate::icons::{self, Icon};
use crate::screens::{View, banner};
use crate::text::Device;
use crate::theme;
use crate::trouble::Trouble;
use crate::widgets::{
    Button, DevicePicker, Look, camera_choices, microphone_choices, picture_choices,
    speaker_choices, was_pressed, words,
};

/// Under this width the pickers stand below each other.
const SIDE_BY_SIDE_FROM: f32 = 440.0;

/// Draws the three pickers, and below them what is wrong. What is wrong with the camera stands in its picture.
pub(in crate::screens) fn ui(ui: &mut Ui, view: View<'_>, out: &mut Vec<Command>) {
    let deck = &view.snapshot.devices;
    let pickers = [
        (
            tr!("Camera"),
            Icon::Camera,
            &deck.camera,
            camera_choices(deck),
            Some((
                tr!("Pictures"),
                picture_choices(view.snapshot.is_saving_power),
            )),
        ),
        (
            tr!("Microphone"),
            Icon::Microphone,
            &deck.microphone,
            microphone_choices(deck),
            None,
        ),
        (
            tr!("Speaker"),
            Icon::Speaker,
            &deck.speaker,
            speaker_choices(deck),
            None,
        ),
    ];
    let is_row = ui.available_width() >= SIDE_BY_SIDE_FROM;
    let width = if is_row {
        (ui.available_width() - 20.0) / 3.0
    } else {
        ui.available_width()
    };
    let layout = if is_row {
        Layout::left_to_right(Align::Min)
    } else {
        Layout::top_down(Align::Min)
    };
    ui.with_layout(layout, |ui| {
        ui.spacing_mut().item_spacing = vec2(10.0, 8.0);
        for (name, icon, state, choices, more) in pickers {
            ui.allocate_ui(vec2(width, 56.0), |ui| {
                ui.set_width(width);
                DevicePicker {
                    name,
                    icon,
                    state,
                    choices,
                    more,
                }
                .show(ui, out);
            });
        }
    });
    for (device, trouble) in troubles(view) {
        ui.add_space(6.0);
        device_trouble_ui(ui, &trouble, device, view, out);
    }
}

/// What is wrong with microphone and speaker.
pub(super) fn troubles(view: View<'_>) -> impl Iterator<Item = (Device, Trouble)> {
    let all = Trouble::all(view.snapshot).into_iter();
    all.filter_map(|trouble| match trouble {
        Trouble::Device(device @ (Device::Microphone | Device::Speaker), _) => {
            Some((device, trouble))
        }
        _ => None,
    })
}

fn device_trouble_ui(
    ui: &mut Ui,
    trouble: &Trouble,
    device: Device,
    view: View<'_>,
    out: &mut Vec<Command>,
) {
    let explanation = trouble.explanation();
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = 10.0;
        let (_, sign) = ui.allocate_space(Vec2::splat(18.0));
        icons::paint(ui.painter(), Icon::Warning, sign, theme::warning());
        let again = Button::new(Look::Quiet, tr!("Try again")).font(theme::medium(13.0));
        let words_width = ui.available_width() - again.natural_width(ui.painter()) - 10.0;
        ui.vertical(|ui| {
            ui.set_width(words_width);
            ui.spacing_mut().item_spacing.y = 2.0;
            ui.label(words(explanation.title, theme::medium(13.0), theme::text()));
            ui.label(words(
                explanation.detail,
                theme::regular(13.0),
                theme::text_second(),
            ));
        });
        if was_pressed(&again.show(ui, vec2(0.0, 34.0))) {
            out.push(banner::retry(view, device));
        }
    });
}

//! Which devices are used, how the voice is cleaned and what pictures may cost.

use egui::{Id, Sense, Ui, vec2};
use engine::{Command, DeviceState};

use super::parts::{heading_ui, line_ui, words_ui};
use crate::screens::View;
use crate::screens::lobby::devices;
use crate::state::WindowState;
use crate::text;
use crate::widgets::{level_meter, switch_row, was_pressed};

pub(super) fn ui(ui: &mut Ui, view: View<'_>, state: &mut WindowState, out: &mut Vec<Command>) {
    let deck = &view.snapshot.devices;
    heading_ui(ui, "Devices", true);
    devices::ui(ui, view, out);
    ui.add_space(16.0);
    let is_working = matches!(deck.microphone, DeviceState::Working { .. });
    let is_live = deck.is_microphone_on && is_working;
    let hint = match (is_working, deck.is_microphone_on) {
        (true, true) => deck.microphone_notice.map_or(
            "Say something: the bar moves with your voice.",
            text::microphone_notice,
        ),
        (true, false) => "Your microphone is muted.",
        (false, _) => "There is no microphone to hear you.",
    };
    words_ui(ui, hint);
    ui.add_space(8.0);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 10.0), Sense::hover());
    let id = Id::unique("settings-level");
    level_meter(ui, id, rect, deck.microphone_level, is_live);

    heading_ui(ui, "Your voice", false);
    let preferences = &mut state.preferences;
    let switches = [
        (
            "Echo cancellation",
            "Strangers do not hear themselves from your speakers. It rests while you wear headphones.",
            &mut preferences.echo_cancellation,
        ),
        (
            "Noise suppression",
            "Makes fans and traffic quieter.",
            &mut preferences.noise_suppression,
        ),
        (
            "Even loudness",
            "Brings quiet and loud voices to a common level.",
            &mut preferences.gain_control,
        ),
    ];
    let mut is_changed = false;
    for (index, (title, detail, is_on)) in switches.into_iter().enumerate() {
        if index > 0 {
            line_ui(ui);
        }
        if was_pressed(&switch_row(ui, title, detail, *is_on)) {
            *is_on = !*is_on;
            is_changed = true;
        }
    }
    if is_changed {
        out.push(Command::SetVoice(preferences.voice()));
    }

    heading_ui(ui, "Pictures", false);
    let is_saving = view.snapshot.is_saving_power;
    let detail = "Fewer and smaller pictures, both ways. For laptops on battery and slow machines.";
    if was_pressed(&switch_row(ui, "Save power in calls", detail, is_saving)) {
        out.push(Command::SetPowerSaving(!is_saving));
    }
}

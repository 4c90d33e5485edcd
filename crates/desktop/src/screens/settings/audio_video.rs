//! Which devices are used, how the voice is cleaned and what pictures may cost.

use egui::{Id, Sense, Ui, vec2};
use engine::{Command, DeviceState};

use super::parts::{heading_ui, line_ui, words_ui};
use crate::actions::Action;
use crate::preferences::Corner;
use crate::screens::View;
use crate::screens::lobby::devices;
use crate::state::WindowState;
use crate::widgets::{RadioChoice, level_meter, radio_row, switch_row, was_pressed, words};
use crate::{text, theme};

pub(super) fn ui(ui: &mut Ui, view: View<'_>, state: &mut WindowState, out: &mut Vec<Command>) {
    let deck = &view.snapshot.devices;
    heading_ui(ui, tr!("Devices"), true);
    devices::ui(ui, view, out);
    ui.add_space(16.0);
    let is_working = matches!(deck.microphone, DeviceState::Working { .. });
    let is_live = deck.is_microphone_on && is_working;
    let hint = match (is_working, deck.is_microphone_on) {
        (true, true) => deck.microphone_notice.map_or(
            tr!("Say something: the bar moves with your voice."),
            text::microphone_notice,
        ),
        (true, false) => tr!("Your microphone is muted."),
        (false, _) => tr!("There is no microphone to hear you."),
    };
    words_ui(ui, hint);
    ui.add_space(8.0);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 10.0), Sense::hover());
    let id = Id::unique("settings-level");
    level_meter(ui, id, rect, deck.microphone_level, is_live);

    heading_ui(ui, tr!("Your voice"), false);
    let preferences = &mut state.preferences;
    let switches = [
        (
            tr!("Echo cancellation"),
            tr!(
                "Strangers do not hear themselves from your speakers. It rests while you wear headphones."
            ),
            &mut preferences.echo_cancellation,
        ),
        (
            tr!("Noise suppression"),
            tr!("Makes fans and traffic quieter."),
            &mut preferences.noise_suppression,
        ),
        (
            tr!("Even loudness"),
            tr!("Brings quiet and loud voices to a common level."),
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
    line_ui(ui);
    let key = preferences.shortcuts.shortcut(Action::PushToTalk).label();
    let detail = tr!(
        "In calls your microphone is on only while you hold {key}.",
        key = key
    );
    let is_pushed = preferences.push_to_talk;
    if was_pressed(&switch_row(ui, tr!("Push-to-talk"), &detail, is_pushed)) {
        preferences.push_to_talk = !is_pushed;
    }
    if is_changed {
        out.push(Command::SetVoice(preferences.voice()));
    }

    heading_ui(ui, tr!("Pictures"), false);
    let mirrored = preferences.is_mirrored;
    let detail = tr!("Strangers always see you as you are.");
    if was_pressed(&switch_row(
        ui,
        tr!("Show me as in a mirror"),
        detail,
        mirrored,
    )) {
        preferences.is_mirrored = !mirrored;
    }
    line_ui(ui);
    let fits = preferences.fits_picture;
    let detail = tr!("With bars at its sides, instead of filling the window and losing its edges.");
    if was_pressed(&switch_row(
        ui,
        tr!("Show the stranger's whole picture"),
        detail,
        fits,
    )) {
        preferences.fits_picture = !fits;
    }
    line_ui(ui);
    corner_ui(ui, &mut preferences.self_view);
    line_ui(ui);
    let is_saving = view.snapshot.is_saving_power;
    let detail =
        tr!("Fewer and smaller pictures, both ways. For laptops on battery and slow machines.");
    if was_pressed(&switch_row(
        ui,
        tr!("Save power in calls"),
        detail,
        is_saving,
    )) {
        out.push(Command::SetPowerSaving(!is_saving));
    }
}

/// Where one's own picture stands: for those who do not drag it.
fn corner_ui(ui: &mut Ui, corner: &mut Corner) {
    ui.add_space(10.0);
    ui.label(words(
        tr!("My picture stands in this corner"),
        theme::medium(14.0),
        theme::text(),
    ));
    ui.add_space(8.0);
    let choices = Corner::ALL.map(|choice| RadioChoice::new(choice, choice.name()));
    let name = tr!("My picture stands in this corner");
    if let Some(choice) = radio_row(ui, name, &choices, Some(*corner)) {
        *corner = choice;
    }
    ui.add_space(10.0);
}

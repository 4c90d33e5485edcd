//! Who is seen, how one goes on to the next stranger, and how one writes.

use egui::Ui;
use engine::Command;

use super::parts::{heading_ui, line_ui, words_ui};
use crate::state::WindowState;
use crate::text;
use crate::widgets::{switch_row, was_pressed};

pub(super) fn ui(ui: &mut Ui, state: &mut WindowState, out: &mut Vec<Command>) {
    heading_ui(ui, tr!("Being seen"), true);
    let preferences = &mut state.preferences;
    let is_veiled = preferences.is_veiled;
    if was_pressed(&switch_row(
        ui,
        tr!("Begin calls behind a veil"),
        text::VEIL_DETAIL.text(),
        is_veiled,
    )) {
        preferences.is_veiled = !is_veiled;
        out.push(Command::SetVeil(!is_veiled));
    }
    line_ui(ui);
    let lifts = preferences.unveils_by_itself;
    if was_pressed(&switch_row(
        ui,
        tr!("Lift mine when they lift theirs"),
        "",
        lifts,
    )) {
        preferences.unveils_by_itself = !lifts;
    }

    heading_ui(ui, tr!("Going on"), false);
    let detail =
        tr!("Five seconds after a stranger has left, you meet somebody else, unless you stay.");
    let goes_on = preferences.goes_on_by_itself;
    if was_pressed(&switch_row(ui, tr!("Go on by itself"), detail, goes_on)) {
        preferences.goes_on_by_itself = !goes_on;
    }
    line_ui(ui);
    let asks = preferences.asks_for_attention;
    let detail = tr!("Passerby asks for attention in the task bar if you are in another window.");
    if was_pressed(&switch_row(
        ui,
        tr!("Tell me when somebody is found"),
        detail,
        asks,
    )) {
        preferences.asks_for_attention = !asks;
    }
    heading_ui(ui, tr!("Chat"), false);
    let detail = tr!("They see three dots while you type.");
    let tells = preferences.tells_typing;
    if was_pressed(&switch_row(
        ui,
        tr!("Tell strangers when I am writing"),
        detail,
        tells,
    )) {
        preferences.tells_typing = !tells;
    }
    line_ui(ui);
    let opens = preferences.opens_chat;
    if was_pressed(&switch_row(
        ui,
        tr!("Open the chat with every call"),
        "",
        opens,
    )) {
        preferences.opens_chat = !opens;
    }
    ui.add_space(14.0);
    words_ui(
        ui,
        tr!("Messages go to the stranger and nowhere else. They are gone when the call is over."),
    );
}

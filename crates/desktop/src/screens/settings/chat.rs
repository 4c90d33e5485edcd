//! How one goes on to the next stranger, and how one writes.

use egui::Ui;

use super::parts::{heading_ui, line_ui, words_ui};
use crate::state::WindowState;
use crate::widgets::{switch_row, was_pressed};

pub(super) fn ui(ui: &mut Ui, state: &mut WindowState) {
    let preferences = &mut state.preferences;
    heading_ui(ui, "Calls", true);
    let detail = "Five seconds after a stranger has left, you meet somebody else, unless you stay.";
    let goes_on = preferences.goes_on_by_itself;
    if was_pressed(&switch_row(ui, "Go on by itself", detail, goes_on)) {
        preferences.goes_on_by_itself = !goes_on;
    }
    line_ui(ui);
    let asks = preferences.asks_for_attention;
    let detail = "Passerby asks for attention in the task bar if you are in another window.";
    if was_pressed(&switch_row(
        ui,
        "Tell me when somebody is found",
        detail,
        asks,
    )) {
        preferences.asks_for_attention = !asks;
    }
    heading_ui(ui, "Chat", false);
    let detail = "They see three dots while you type.";
    let tells = preferences.tells_typing;
    if was_pressed(&switch_row(
        ui,
        "Tell strangers when I am writing",
        detail,
        tells,
    )) {
        preferences.tells_typing = !tells;
    }
    line_ui(ui);
    let opens = preferences.opens_chat;
    if was_pressed(&switch_row(ui, "Open the chat with every call", "", opens)) {
        preferences.opens_chat = !opens;
    }
    ui.add_space(14.0);
    words_ui(
        ui,
        "Messages go to the stranger and nowhere else. They are gone when the call is over.",
    );
}

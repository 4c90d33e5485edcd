//! One of a few, as buttons beside each other: radio buttons, of which one is chosen at most.

use egui::{EventFilter, Id, Key, Modifiers, Response, Ui, accesskit::Role, vec2};

use super::{Button, Look, was_pressed};
use crate::theme;

/// One of the buttons.
#[derive(Debug, Clone)]
pub struct RadioChoice<'a, T> {
    /// What is chosen with it.
    pub value: T,
    /// What stands on it.
    pub words: &'a str,
    /// Whether it can be chosen.
    pub is_enabled: bool,
}

impl<'a, T> RadioChoice<'a, T> {
    /// One that can be chosen.
    pub const fn new(value: T, words: &'a str) -> Self {
        Self {
            value,
            words,
            is_enabled: true,
        }
    }
}

/// Draws the buttons, in as many lines as they need; `name` is what a screen reader calls all of them. Returns what was chosen: by
/// pressing a button, or with the arrow keys, which go from one to the next and round at the ends.
pub fn radio_row<T: Copy + PartialEq>(
    ui: &mut Ui,
    name: &str,
    choices: &[RadioChoice<'_, T>],
    chosen: Option<T>,
) -> Option<T> {
    let drawn = ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(6.0, 6.0);
        let group = ui.unique_id();
        ui.ctx().accesskit_node_builder(group, |node| {
            node.set_role(Role::RadioGroup);
            node.set_label(name);
        });
        let buttons = choices.iter();
        let responses: Vec<Response> = buttons
            .map(|choice| button_ui(ui, choice, chosen == Some(choice.value)))
            .collect();
        responses
    });
    let responses = drawn.inner;
    for (index, response) in responses.iter().enumerate() {
        ui.ctx().accesskit_node_builder(response.id, |node| {
            node.set_position_in_set(index + 1);
            node.set_size_of_set(choices.len());
        });
    }
    let pressed = responses.iter().position(was_pressed);
    let index = pressed.or_else(|| arrows(ui, choices, &responses))?;
    choices.get(index).map(|choice| choice.value)
}

fn button_ui<T>(ui: &mut Ui, choice: &RadioChoice<'_, T>, is_chosen: bool) -> Response {
    let look = if is_chosen {
        Look::Primary
    } else {
        Look::Quiet
    };
    Button::new(look, choice.words)
        .font(theme::medium(13.0))
        .enabled(choice.is_enabled)
        .radio(is_chosen)
        .show(ui, vec2(0.0, theme::CONTROL))
}

/// Which button the arrow keys have gone to, if one of them has the keyboard; it has the keyboard then.
fn arrows<T>(ui: &Ui, choices: &[RadioChoice<'_, T>], responses: &[Response]) -> Option<usize> {
    let at = responses.iter().position(Response::has_focus)?;
    keep_arrows(ui, responses[at].id);
    let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
    let (is_back, is_on) = (
        pressed(Key::ArrowLeft) | pressed(Key::ArrowUp),
        pressed(Key::ArrowRight) | pressed(Key::ArrowDown),
    );
    if is_back == is_on {
        return None;
    }
    let count = choices.len();
    let step = if is_on { 1 } else { count - 1 };
    let mut others = (1..count).map(|steps| (at + steps * step) % count);
    let next = others.find(|&index| choices[index].is_enabled)?;
    ui.memory_mut(|memory| memory.request_focus(responses[next].id));
    keep_arrows(ui, responses[next].id);
    Some(next)
}

/// Else egui takes the arrows to go to whatever lies there.
fn keep_arrows(ui: &Ui, id: Id) {
    let filter = EventFilter {
        horizontal_arrows: true,
        vertical_arrows: true,
        ..EventFilter::default()
    };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(id, filter));
}

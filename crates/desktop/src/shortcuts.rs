//! The keyboard: which keys were pressed, and which actions that means.

use std::time::{Duration, Instant};

use egui::{Context, Event, Key, Modifiers};
use engine::{CallView, Snapshot};

use crate::actions::Action;
use crate::state::KeyboardOwner;

/// A search can be cancelled with Esc only when it has lasted so long: somebody who hurries on with Esc, Esc, Esc means
/// Next each time and must not fall out of a search that has just begun.
const SEARCH_SETTLES: Duration = Duration::from_millis(800);

/// The actions that were asked for by keys since the last frame. A held key counts once.
pub fn actions(
    ctx: &Context,
    snapshot: &Snapshot,
    keyboard: KeyboardOwner,
    now: Instant,
) -> Vec<Action> {
    let presses: Vec<(Key, Modifiers)> = ctx.input(|input| {
        input
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Key {
                    key,
                    pressed: true,
                    repeat: false,
                    modifiers,
                    ..
                } => Some((*key, *modifiers)),
                _ => None,
            })
            .collect()
    });
    presses
        .into_iter()
        .filter_map(|(key, modifiers)| action(key, modifiers, snapshot, keyboard, now))
        .collect()
}

fn action(
    key: Key,
    modifiers: Modifiers,
    snapshot: &Snapshot,
    keyboard: KeyboardOwner,
    now: Instant,
) -> Option<Action> {
    let is_plain = modifiers.is_none() && keyboard != KeyboardOwner::Field;
    let action = match key {
        Key::Escape if modifiers.shift_only() => Action::Stop,
        Key::Escape if is_plain => escape(snapshot, now)?,
        Key::Enter if is_plain && keyboard == KeyboardOwner::Nobody => match snapshot.call {
            CallView::Idle => Action::Start,
            CallView::Ended { .. } => Action::Next,
            _ => return None,
        },
        Key::M if is_plain => Action::ToggleMicrophone,
        Key::V if is_plain => Action::ToggleCamera,
        Key::T if is_plain => Action::ToggleChat,
        Key::H if is_plain => Action::ToggleSelfView,
        Key::D if is_plain => Action::ToggleDirect,
        Key::I if modifiers.command_only() => Action::ToggleStatistics,
        Key::F11 if modifiers.is_none() => Action::ToggleFullScreen,
        _ => return None,
    };
    action.is_possible(snapshot).then_some(action)
}

fn escape(snapshot: &Snapshot, now: Instant) -> Option<Action> {
    match snapshot.call {
        CallView::Searching { since } => {
            (now.saturating_duration_since(since) >= SEARCH_SETTLES).then_some(Action::Stop)
        }
        _ => Some(Action::Next),
    }
}

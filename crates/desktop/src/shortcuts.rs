//! The keyboard: which keys were pressed, and which actions that means.

use std::time::{Duration, Instant};

use egui::{Context, Event, Key, Modifiers};
use engine::{CallView, Snapshot};

use crate::actions::Action;
use crate::keymap::Shortcut;
use crate::state::{KeyboardOwner, WindowState};

/// A search can be cancelled with the key of Next only when it has lasted so long: somebody who hurries on with Esc, Esc,
/// Esc means Next each time and must not fall out of a search that has just begun.
const SEARCH_SETTLES: Duration = Duration::from_millis(800);

/// The actions that were asked for by keys since the last frame. A held key counts once.
pub fn actions(
    ctx: &Context,
    snapshot: &Snapshot,
    state: &WindowState,
    now: Instant,
) -> Vec<Action> {
    let presses: Vec<Shortcut> =
        ctx.input(|input| input.events.iter().filter_map(pressed).collect());
    actions_of(presses, snapshot, state, now)
}

/// The keys that were pressed since the last frame, after whatever may have closed a card in it. To be asked before the frame is
/// drawn: a card takes the key away that closes it.
pub fn pressed_after_close(ctx: &Context) -> Vec<Shortcut> {
    ctx.input(|input| {
        let closed_at = input.events.iter().rposition(may_close);
        let first_after = closed_at.map_or(usize::MAX, |at| at + 1);
        let later = input.events.iter().skip(first_after);
        later.filter_map(pressed).collect()
    })
}

/// Whether a card may close with it.
fn may_close(event: &Event) -> bool {
    match event {
        Event::PointerButton { .. } | Event::AccessKitActionRequest(_) => true,
        Event::Key { key, pressed, .. } => {
            *pressed && matches!(key, Key::Escape | Key::Enter | Key::Space)
        }
        _ => false,
    }
}

/// The actions that these keys ask for.
pub fn actions_of(
    presses: Vec<Shortcut>,
    snapshot: &Snapshot,
    state: &WindowState,
    now: Instant,
) -> Vec<Action> {
    presses
        .into_iter()
        .filter_map(|shortcut| action(shortcut, snapshot, state, now))
        .collect()
}

/// The first key that was pressed since the last frame, taken away from everybody else. For the page that asks for one.
pub fn take(ctx: &Context) -> Option<Shortcut> {
    ctx.input_mut(|input| {
        let shortcut = input.events.iter().find_map(pressed);
        input
            .events
            .retain(|event| !matches!(event, Event::Key { .. } | Event::Text(_)));
        shortcut
    })
}

/// Whether the key of push-to-talk is held, in a window that is used, and not by somebody who means something else with it.
pub fn is_talk_key_held(ctx: &Context, state: &WindowState) -> bool {
    let shortcut = state.preferences.shortcuts.shortcut(Action::PushToTalk);
    let is_others = match state.keyboard {
        KeyboardOwner::Nobody => false,
        KeyboardOwner::Control => shortcut.key == Key::Space,
        KeyboardOwner::Field => shortcut.is_for_fields(),
    };
    ctx.input(|input| {
        let held = Shortcut::pressed(shortcut.key, input.modifiers);
        let has_all = (held.has_command || !shortcut.has_command)
            && (held.has_shift || !shortcut.has_shift)
            && (held.has_alt || !shortcut.has_alt);
        input.focused && has_all && input.key_down(shortcut.key) && !is_others
    })
}

fn pressed(event: &Event) -> Option<Shortcut> {
    match event {
        Event::Key {
            key,
            pressed: true,
            repeat: false,
            modifiers,
            ..
        } => Some(Shortcut::pressed(*key, *modifiers)),
        // egui makes these of Ctrl+C and its like.
        Event::Copy => Some(Shortcut::command(Key::C)),
        Event::Cut => Some(Shortcut::command(Key::X)),
        Event::Paste(_) => Some(Shortcut::command(Key::V)),
        _ => None,
    }
}

fn action(
    shortcut: Shortcut,
    snapshot: &Snapshot,
    state: &WindowState,
    now: Instant,
) -> Option<Action> {
    let is_enter = shortcut == Shortcut::pressed(Key::Enter, Modifiers::NONE);
    let action = if is_enter {
        match snapshot.call {
            _ if state.keyboard != KeyboardOwner::Nobody => return None,
            CallView::Idle => Action::Start,
            CallView::Ended { .. } => Action::Next,
            _ => return None,
        }
    } else if state.keyboard == KeyboardOwner::Field && shortcut.is_for_fields() {
        return None;
    } else {
        match state.preferences.shortcuts.action(shortcut)? {
            Action::Next => next(snapshot, state, now)?,
            other => other,
        }
    };
    action.is_possible(snapshot, state).then_some(action)
}

/// What the key of Next means: it cancels a search, too, and leaves what comes after a call.
fn next(snapshot: &Snapshot, state: &WindowState, now: Instant) -> Option<Action> {
    match snapshot.call {
        CallView::Idle if state.after_call.is_some() => Some(Action::Stop),
        CallView::Searching { since } => {
            (now.saturating_duration_since(since) >= SEARCH_SETTLES).then_some(Action::Stop)
        }
        _ => Some(Action::Next),
    }
}

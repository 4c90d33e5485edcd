//! The row of buttons at the bottom of the stage. It is the same row in every state, so that a hand finds it blindly.

use egui::{Id, Rect, StrokeKind, Ui, pos2, vec2};
use engine::{CallView, Command};

use crate::actions::Action;
use crate::icons::Icon;
use crate::screens::View;
use crate::state::WindowState;
use crate::theme;
use crate::widgets::{
    Button, Look, MenuWish, action_menu, camera_choices, device_menu, microphone_choices,
    picture_choices, speaker_choices, was_pressed,
};

const GAP: f32 = 8.0;
const PADDING: f32 = 8.0;
const CHEVRON: f32 = 24.0;
/// What is left free at both sides of it at least.
const EDGE: f32 = 6.0;
/// Under this width of the stage Next has no word.
const NEXT_WORD_FROM: f32 = 330.0;
/// Under this width of the stage the lists of devices are left to the lobby.
const CHEVRONS_FROM: f32 = 480.0;
/// From this width on the red button says in a word what it does.
const WORDS_FROM: f32 = 600.0;

/// One place in the dock.
struct Slot<'a> {
    button: Button<'a>,
    width: f32,
    role: Role,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Act(Action),
    Microphones,
    Cameras,
    More,
}

/// What stands in the list of everything else.
const MORE: [Action; 11] = [
    Action::ToggleSharing,
    Action::ToggleVeil,
    Action::ToggleFullScreen,
    Action::ToggleMini,
    Action::ToggleFit,
    Action::ToggleSwap,
    Action::ToggleSelfView,
    Action::ToggleStatistics,
    Action::Report,
    Action::SkipAndReport,
    Action::ToggleSettings,
];

/// Draws the dock and returns its place.
pub(crate) fn ui(
    ui: &mut Ui,
    stage: Rect,
    view: View<'_>,
    state: &mut WindowState,
    out: &mut Vec<Command>,
) -> Rect {
    let hints: Vec<String> = Action::ALL
        .iter()
        .map(|action| action.hint(view.snapshot, state))
        .collect();
    let hint = |action: Action| {
        let index = Action::ALL.iter().position(|other| *other == action);
        index
            .and_then(|index| hints.get(index))
            .cloned()
            .unwrap_or_default()
    };
    let mut slots = slots(ui, stage, view, state, &hint);
    let gap_after = |role: Role, next: Role| {
        let is_chevron = matches!(next, Role::Microphones | Role::Cameras);
        if is_chevron && matches!(role, Role::Act(_)) {
            0.0
        } else {
            GAP
        }
    };
    let gaps: f32 = slots
        .windows(2)
        .map(|pair| gap_after(pair[0].role, pair[1].role))
        .sum();
    // In the smallest windows with the largest text, all of them get a little narrower.
    let wanted: f32 = slots.iter().map(|slot| slot.width).sum();
    let room = stage.width() - 2.0 * EDGE - gaps - 2.0 * PADDING;
    if wanted > room {
        for slot in &mut slots {
            slot.width *= room / wanted;
        }
    }
    let width = wanted.min(room) + gaps + 2.0 * PADDING;
    let height = theme::DOCK_CONTROL + 2.0 * PADDING;
    let rect = Rect::from_center_size(
        pos2(stage.center().x, stage.bottom() - 14.0 - height / 2.0),
        vec2(width, height),
    );
    ui.painter().rect(
        rect,
        20.0,
        theme::overlay(),
        theme::overlay_line(),
        StrokeKind::Inside,
    );

    let mut x = rect.left() + PADDING;
    let mut last = None;
    for (index, slot) in slots.into_iter().enumerate() {
        if let Some(last) = last {
            x += gap_after(last, slot.role);
        }
        last = Some(slot.role);
        let place = Rect::from_min_size(
            pos2(x, rect.top() + PADDING),
            vec2(slot.width, theme::DOCK_CONTROL),
        );
        x += slot.width;
        let response = slot.button.show_at(ui, Id::unique(("dock", index)), place);
        match slot.role {
            Role::Act(action) => {
                if was_pressed(&response) {
                    action.perform(view.snapshot, state, out);
                }
            }
            Role::Microphones => {
                let deck = &view.snapshot.devices;
                let groups = [
                    (tr!("Microphone"), microphone_choices(deck)),
                    (tr!("Speaker"), speaker_choices(deck)),
                ];
                device_menu(&response, &groups, out);
            }
            Role::Cameras => {
                let groups = [
                    (tr!("Camera"), camera_choices(&view.snapshot.devices)),
                    (
                        tr!("Pictures"),
                        picture_choices(view.snapshot.is_saving_power),
                    ),
                ];
                device_menu(&response, &groups, out);
            }
            Role::More => match action_menu(&response, &MORE, view.snapshot, state) {
                Some(MenuWish::Act(action)) => action.perform(view.snapshot, state, out),
                Some(MenuWish::Volume(percent)) => out.extend(state.set_volume(percent)),
                None => {}
            },
        }
    }
    rect
}

fn slots<'a>(
    ui: &Ui,
    stage: Rect,
    view: View<'_>,
    state: &WindowState,
    hint: &dyn Fn(Action) -> String,
) -> Vec<Slot<'a>> {
    let snapshot = view.snapshot;
    let deck = &snapshot.devices;
    let is_searching = matches!(snapshot.call, CallView::Searching { .. });
    let has_chevrons = stage.width() >= CHEVRONS_FROM;
    let square = theme::DOCK_CONTROL;

    let switch = |action: Action, is_on: bool, on: Icon, off: Icon| {
        let (look, icon) = if is_on {
            (Look::Bare, on)
        } else {
            (Look::Off, off)
        };
        let button = Button::icon(look, icon, action.name(snapshot, state))
            .hint(hint(action))
            .on(is_on);
        Slot {
            button,
            width: square,
            role: Role::Act(action),
        }
    };
    let chevron = |name: &'static str, role: Role| Slot {
        button: Button::icon(Look::Bare, Icon::Up, name).icon_size(13.0),
        width: CHEVRON,
        role,
    };
    let mut slots = vec![switch(
        Action::ToggleMicrophone,
        deck.is_microphone_on,
        Icon::Microphone,
        Icon::MicrophoneOff,
    )];
    if has_chevrons {
        slots.push(chevron(
            tr!("Choose microphone and speaker"),
            Role::Microphones,
        ));
    }
    slots.push(switch(
        Action::ToggleCamera,
        deck.is_camera_on,
        Icon::Camera,
        Icon::CameraOff,
    ));
    if has_chevrons {
        slots.push(chevron(tr!("Choose camera"), Role::Cameras));
    }

    let name = Action::Next.name(snapshot, state);
    let next = if stage.width() >= NEXT_WORD_FROM {
        Button::new(Look::Primary, tr!("Next"))
            .named(name)
            .with_icon(Icon::Next)
            .font(theme::semibold(15.0))
    } else {
        Button::icon(Look::Primary, Icon::Next, name)
    };
    let next = next
        .hint(hint(Action::Next))
        .enabled(Action::Next.is_possible(snapshot, state));
    let width = next.natural_width(ui.painter()).max(square);
    slots.push(Slot {
        button: next,
        width,
        role: Role::Act(Action::Next),
    });

    // Giving up a search ends nothing that anybody would miss, so it is not red.
    let (words, look, icon) = if is_searching {
        (tr!("Cancel"), Look::Quiet, Icon::Close)
    } else {
        (tr!("Stop"), Look::Danger, Icon::Stop)
    };
    let name = Action::Stop.name(snapshot, state);
    let stop = if stage.width() >= WORDS_FROM {
        Button::new(look, words)
            .named(name)
            .with_icon(icon)
            .font(theme::semibold(15.0))
    } else {
        Button::icon(look, icon, name)
    };
    let stop = stop.hint(hint(Action::Stop));
    let width = stop.natural_width(ui.painter()).max(square);
    slots.push(Slot {
        button: stop,
        width,
        role: Role::Act(Action::Stop),
    });

    if Action::ToggleChat.is_possible(snapshot, state) {
        let look = if state.is_chat_open {
            Look::Quiet
        } else {
            Look::Bare
        };
        let chat = Button::icon(look, Icon::Chat, Action::ToggleChat.name(snapshot, state))
            .hint(hint(Action::ToggleChat))
            .on(state.is_chat_open)
            .badge(state.unread(snapshot));
        slots.push(Slot {
            button: chat,
            width: square,
            role: Role::Act(Action::ToggleChat),
        });
    }
    slots.push(Slot {
        button: Button::icon(Look::Bare, Icon::More, tr!("More")),
        width: square,
        role: Role::More,
    });
    slots
}

//! The mini window, by itself and as the main window asks for it.

use std::time::Instant;

use desktop::mini::Mini;
use desktop::pictures::Picture;
use desktop::preferences::Preferences;
use egui::{Event, Key, Modifiers, Vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use engine::{CallView, Command, Snapshot};

use crate::scenes;
use crate::stage::{click, in_call, in_lobby, press};

/// A mini window, what it shows, and what the person asked for so far.
struct Small {
    mini: Mini,
    snapshot: Snapshot,
    now: Instant,
    commands: Vec<Command>,
}

fn small(snapshot: Snapshot, now: Instant) -> Harness<'static, Small> {
    let small = Small {
        mini: Mini::new(Picture::default()),
        snapshot,
        now,
        commands: Vec::new(),
    };
    let mut harness = Harness::builder()
        .with_size(Vec2::new(336.0, 232.0))
        .with_context_setup(desktop::theme::apply)
        .build_ui_state(
            |ui, small: &mut Small| {
                let commands = small.mini.ui(ui, &small.snapshot, small.now);
                small.commands.extend(commands);
            },
            small,
        );
    harness.run();
    harness
}

fn in_small_call() -> Harness<'static, Small> {
    let now = Instant::now();
    small(scenes::call(now), now)
}

fn take(harness: &mut Harness<'_, Small>) -> Vec<Command> {
    harness.run();
    std::mem::take(&mut harness.state_mut().commands)
}

#[test]
fn it_has_next_and_mute_by_button_and_by_key_and_a_held_key_counts_once() {
    let mut harness = in_small_call();
    harness.get_by_label("Next stranger").click();
    assert_eq!(take(&mut harness), [Command::Next]);
    harness.get_by_label("Mute microphone").click();
    assert_eq!(take(&mut harness), [Command::SetMicrophone(false)]);
    for (key, wish) in [
        (Key::Escape, Command::Next),
        (Key::M, Command::SetMicrophone(false)),
        (Key::V, Command::SetCamera(false)),
    ] {
        for repeat in [false, true, true] {
            harness.event(Event::Key {
                key,
                physical_key: None,
                pressed: true,
                repeat,
                modifiers: Modifiers::NONE,
            });
            harness.run();
        }
        assert_eq!(take(&mut harness), [wish]);
    }
    harness.key_press(Key::T);
    assert_eq!(take(&mut harness), [], "there is no chat here");
}

fn space(harness: &mut Harness<'_, Small>, pressed: bool) -> Vec<Command> {
    harness.event(Event::Key {
        key: Key::Space,
        physical_key: None,
        pressed,
        repeat: false,
        modifiers: Modifiers::NONE,
    });
    take(harness)
}

fn in_small_call_with_talk_key() -> Harness<'static, Small> {
    let mut harness = in_small_call();
    let preferences = Preferences {
        push_to_talk: true,
        ..Preferences::default()
    };
    harness.state_mut().mini.follow(&preferences);
    harness.state_mut().snapshot.devices.is_microphone_on = false;
    assert_eq!(take(&mut harness), [], "the main window has muted already");
    harness
}

#[test]
fn with_push_to_talk_one_is_heard_in_it_as_long_as_the_key_is_held() {
    let mut harness = in_small_call_with_talk_key();
    assert_eq!(space(&mut harness, true), [Command::SetMicrophone(true)]);
    assert_eq!(take(&mut harness), []);
    assert_eq!(space(&mut harness, false), [Command::SetMicrophone(false)]);
    let mut harness = in_small_call();
    assert_eq!(space(&mut harness, true), [], "it is not wanted");
}

#[test]
fn a_mini_window_that_is_left_or_closed_with_the_talk_key_held_mutes_once() {
    let muted = [Command::SetMicrophone(false)];
    let mut harness = in_small_call_with_talk_key();
    space(&mut harness, true);
    harness.input_mut().focused = false;
    assert_eq!(take(&mut harness), muted);
    let mut harness = in_small_call_with_talk_key();
    space(&mut harness, true);
    let mini = &mut harness.state_mut().mini;
    assert_eq!(mini.let_go().as_slice(), muted, "it is not drawn any more");
    assert_eq!(mini.let_go(), None);
    let mut harness = in_small_call_with_talk_key();
    space(&mut harness, true);
    harness.get_by_label("Back to the large window").click();
    assert_eq!(take(&mut harness), muted);
    assert!(!harness.state().mini.is_open());
}

#[test]
fn it_says_what_there_is_instead_of_a_picture() {
    let mut harness = in_small_call();
    harness.state_mut().snapshot.partner.is_sending_video = false;
    harness.state_mut().snapshot.partner.is_sending_audio = false;
    harness.run();
    harness.get_by_label("Their camera is off");
    harness.get_by_label("The stranger is muted");
    let since = harness.state().now;
    harness.state_mut().snapshot.call = CallView::Searching { since };
    harness.run();
    harness.get_by_label_contains("Looking for somebody…");
    harness.get_by_label("Next stranger").click();
    assert_eq!(take(&mut harness), [], "there is nobody to leave");
}

#[test]
fn it_closes_by_its_button_its_key_and_with_the_call() {
    let mut harness = in_small_call();
    harness.get_by_label("Back to the large window").click();
    harness.run();
    assert!(!harness.state().mini.is_open() && harness.state().mini.wants_main());
    let mut harness = in_small_call();
    harness.key_press(Key::P);
    harness.run();
    assert!(!harness.state().mini.is_open());
    let mut harness = in_small_call();
    harness.state_mut().snapshot.call = CallView::Idle;
    harness.run();
    assert!(!harness.state().mini.is_open() && !harness.state().mini.wants_main());
}

#[test]
fn it_shows_what_the_main_window_is_given_and_says_how_large() {
    let mut harness = in_call();
    let picture = harness.state().window.pictures.remote.clone();
    let mut mini = Mini::new(picture.clone());
    let (ctx, now) = (harness.ctx.clone(), harness.state().now);
    let snapshot = scenes::call(now);
    picture.set(&ctx, scenes::remote_picture(now));
    harness.run();
    harness.get_by_label("The stranger's picture");
    let mut small = Harness::builder()
        .with_size(Vec2::new(336.0, 232.0))
        .with_context_setup(desktop::theme::apply)
        .build_ui(|ui| {
            mini.ui(ui, &snapshot, now);
        });
    small.run();
    small.get_by_label("The stranger's picture");
    drop(small);
    let (width, height) = mini.stranger_px().unwrap();
    // All of the picture, with what is cut off at its sides; the harness leaves a margin.
    let is_all = (336..420).contains(&width) && (200..=232).contains(&height);
    assert!(is_all, "{width}x{height}");
}

#[test]
fn while_the_main_window_is_hidden_the_stranger_sends_what_the_mini_window_shows() {
    let mut harness = in_call();
    let window = &mut harness.state_mut().window;
    let wide = window.shown_size(false).expect("it is told first");
    window.mini_px = Some((336, 189));
    assert_eq!(window.shown_size(false), None, "the larger one counts");
    assert_eq!(
        window.shown_size(true),
        Some(Command::SetShownSize((336, 189)))
    );
    window.mini_px = None;
    assert_eq!(window.shown_size(true), Some(Command::SetShownSize((0, 0))));
    assert_eq!(window.shown_size(false), Some(wide));
}

#[test]
fn the_main_window_opens_it_in_a_call_and_only_there() {
    let mut harness = in_call();
    click(&mut harness, "More");
    click(&mut harness, "Mini window");
    assert!(harness.state().window.state.is_mini_open);
    press(&mut harness, Key::P);
    assert!(!harness.state().window.state.is_mini_open);
    press(&mut harness, Key::P);
    harness.state_mut().snapshot.call = CallView::Idle;
    harness.run();
    assert!(!harness.state().window.state.is_mini_open);
    let mut harness = in_lobby();
    press(&mut harness, Key::P);
    assert!(!harness.state().window.state.is_mini_open);
}

//! Sharing a screen, and seeing the stranger's.

use std::time::Instant;

use egui::Key;
use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use engine::{Command, DeviceProblem, DeviceState, Lacking, VideoSource};

use crate::scenes;
use crate::stage::{Stage, click, in_call, in_lobby, press, stage};

#[test]
fn a_screen_is_chosen_from_what_there_is_and_shared_no_more_with_the_same_key() {
    let mut harness = in_call();
    assert_eq!(press(&mut harness, Key::S), [Command::ListShareable]);
    harness.get_by_label_contains("Looking what there is");
    let now = harness.state().now;
    harness.state_mut().snapshot = scenes::call_with_screens(now);
    harness.run();
    let chosen = click(&mut harness, "Screen HDMI-1, 2560 by 1440");
    let source = VideoSource::Screen(Some("HDMI-1".to_owned()));
    assert_eq!(chosen, [Command::ShareScreen(Some(source))]);
    assert!(
        harness.query_by_label("Share nothing").is_none(),
        "the card is gone"
    );

    harness.state_mut().snapshot = scenes::call_sharing(now);
    harness.run();
    assert_eq!(press(&mut harness, Key::S), [Command::ShareScreen(None)]);
    assert_eq!(
        click(&mut harness, "Stop sharing"),
        [Command::ShareScreen(None)]
    );
}

#[test]
fn where_the_desktop_asks_what_to_share_no_list_of_ours_comes_in_between() {
    let mut harness = in_call();
    let now = harness.state().now;
    let shown = harness.state_mut();
    shown.snapshot.devices.is_screen_picked_by_desktop = true;
    harness.run();
    assert_eq!(
        press(&mut harness, Key::S),
        [Command::ShareScreen(Some(VideoSource::Portal))]
    );
    assert!(harness.query_by_label("Share nothing").is_none());

    // The dialog is open: nothing is shared yet, and the same key takes it back.
    harness.state_mut().snapshot = scenes::call_picking(now);
    harness.run();
    harness.get_by_label_contains("desktop's dialog");
    assert_eq!(press(&mut harness, Key::S), [Command::ShareScreen(None)]);

    let screen = harness.state_mut().snapshot.devices.screen.as_mut();
    screen.unwrap().state = DeviceState::Working {
        name: "window".to_owned(),
    };
    harness.run();
    harness.get_by_label("Stop sharing");
}

#[test]
fn a_desktop_that_lacks_something_for_sharing_is_told_by_its_name() {
    let mut harness = in_call();
    let now = harness.state().now;
    harness.state_mut().snapshot = scenes::call_picking(now);
    let screen = harness.state_mut().snapshot.devices.screen.as_mut();
    screen.unwrap().state = DeviceState::Failed(DeviceProblem::SystemLacks(Lacking::Portal));
    harness.run();
    harness.get_by_label_contains("xdg-desktop-portal");
    harness.get_by_label_contains("Nothing is shared");
    assert_eq!(press(&mut harness, Key::S), [Command::ShareScreen(None)]);
}

#[test]
fn the_choice_can_be_left_and_goes_with_the_stranger() {
    let mut harness = in_call();
    press(&mut harness, Key::S);
    assert_eq!(press(&mut harness, Key::Escape), [], "the stranger stays");
    assert!(harness.query_by_label("Share nothing").is_none());
    press(&mut harness, Key::S);
    let now = harness.state().now;
    harness.state_mut().snapshot = scenes::searching(now);
    harness.run();
    assert!(harness.query_by_label("Share nothing").is_none());
    assert_eq!(press(&mut harness, Key::S), [], "there is nobody");
    assert_eq!(press(&mut in_lobby(), Key::S), []);
}

#[test]
fn while_one_chooses_it_is_looked_again_what_there_is_once_a_second_and_no_longer() {
    let mut harness = in_call();
    press(&mut harness, Key::S);
    let mut asked = Vec::new();
    for _ in 0..4 {
        harness.state_mut().now += std::time::Duration::from_millis(500);
        harness.run_steps(2);
        asked.push(harness.state_mut().take().len());
    }
    assert_eq!(asked, [0, 1, 0, 1]);
    press(&mut harness, Key::Escape);
    harness.state_mut().now += std::time::Duration::from_secs(5);
    harness.run_steps(2);
    assert_eq!(harness.state_mut().take(), []);
}

#[test]
fn small_pictures_are_kept_only_while_one_chooses() {
    let mut harness = in_call();
    let (ctx, now) = (harness.ctx.clone(), harness.state().now);
    let previews = scenes::previews(now);
    let source = previews[0].source.clone();
    let window = &mut harness.state_mut().window;
    window.show_previews(&ctx, &previews);
    assert!(window.previews.get(&source).is_none(), "nobody chooses");
    press(&mut harness, Key::S);
    let window = &mut harness.state_mut().window;
    window.show_previews(&ctx, &previews);
    window.show_previews(&ctx, &previews[..1]);
    assert!(window.previews.get(&source).is_some());
    assert!(
        window.previews.get(&previews[1].source).is_none(),
        "it is gone"
    );
    press(&mut harness, Key::Escape);
    harness.run();
    assert!(harness.state().window.previews.get(&source).is_none());
}

#[test]
fn what_is_shared_is_never_out_of_sight() {
    let now = Instant::now();
    let mut harness = stage(scenes::call_sharing(now), now);
    harness.state_mut().now = now + std::time::Duration::from_mins(1);
    harness.run();
    harness.get_by_label("Stop sharing");
    assert!((harness.state().window.state.chrome - 1.0).abs() < f32::EPSILON);
}

#[test]
fn the_strangers_screen_takes_the_stage_and_their_picture_a_corner_until_it_is_over() {
    let now = Instant::now();
    let mut harness = stage(scenes::call_screen(now), now);
    let ctx = harness.ctx.clone();
    let shown = harness.state_mut();
    shown
        .window
        .show_remote(&ctx, &shown.snapshot, scenes::remote_picture(now));
    shown
        .window
        .show_local(&ctx, &shown.snapshot, scenes::remote_picture(now));
    let page = scenes::page(now);
    shown
        .window
        .show_remote_screen(&ctx, &shown.snapshot, page.clone());
    harness.run();
    let screen = harness.get_by_label("The stranger's screen").rect();
    let camera = harness.get_by_label("The stranger's picture").rect();
    assert!(camera.width() * 3.0 < screen.width());
    let own = harness.get_by_label("My picture").rect();
    assert!(!camera.intersects(own), "{camera:?} {own:?}");

    harness.state_mut().snapshot = scenes::call(now);
    harness.run();
    assert!(harness.query_by_label("The stranger's screen").is_none());
    // One that is late, or was never announced.
    let shown = harness.state_mut();
    shown.window.show_remote_screen(&ctx, &shown.snapshot, page);
    harness.run();
    assert!(harness.query_by_label("The stranger's screen").is_none());
}

#[test]
fn what_is_shared_is_seen_beside_ones_own_picture_for_as_long_as_that_is() {
    let now = Instant::now();
    let mut harness = stage(scenes::call_sharing(now), now);
    let name = "What I share, as they see it";
    assert!(harness.query_by_label(name).is_none(), "no picture yet");
    let show = |harness: &mut Harness<'_, Stage>| {
        let ctx = harness.ctx.clone();
        let Stage {
            window, snapshot, ..
        } = harness.state_mut();
        window.show_local_screen(&ctx, snapshot, scenes::page(now));
        harness.run();
    };
    show(&mut harness);
    let screen = harness.get_by_role_and_label(Role::Image, name).rect();
    let own = harness
        .get_by_role_and_label(Role::Image, "Nobody sees you: your camera is off")
        .rect();
    assert!(screen.bottom() <= own.top() && (screen.width() - own.width()).abs() < 1.0);

    harness.state_mut().window.state.is_self_view_hidden = true;
    harness.run();
    assert!(harness.query_by_label(name).is_none(), "with one's own");
    harness.state_mut().window.state.is_self_view_hidden = false;
    harness.run();
    harness.get_by_label(name);

    harness.state_mut().snapshot = scenes::call(now);
    harness.run();
    show(&mut harness);
    assert!(harness.query_by_label(name).is_none(), "a late picture");
}

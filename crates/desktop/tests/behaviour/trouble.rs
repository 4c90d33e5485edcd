//! Troubles of devices and of the server: told once, put away, tried again.

use egui_kittest::kittest::Queryable as _;
use engine::{Command, DeviceProblem, DeviceState, SignallingProblem, SignallingView, VideoSource};

use crate::scenes;
use crate::stage::{click, in_call, in_lobby};

#[test]
fn a_camera_in_trouble_can_be_tried_again_or_changed() {
    let mut harness = in_lobby();
    harness.state_mut().snapshot.devices.camera = DeviceState::Failed(DeviceProblem::Busy);
    harness.run();
    let same = VideoSource::CameraNamed("Integrated Camera".to_owned());
    assert_eq!(
        click(&mut harness, "Try again"),
        [Command::ChooseVideo(same)]
    );
    assert_eq!(
        click(&mut harness, "Camera: Integrated Camera"),
        [Command::ListDevices]
    );
    let other = VideoSource::CameraNamed("Logitech BRIO".to_owned());
    assert_eq!(
        click(&mut harness, "Logitech BRIO"),
        [Command::ChooseVideo(other)]
    );
}

#[test]
fn a_trouble_that_was_put_away_stays_away_until_it_changes() {
    let mut harness = in_call();
    harness.state_mut().snapshot.devices.camera = DeviceState::Failed(DeviceProblem::Unplugged);
    harness.run();
    click(&mut harness, "Put this away");
    assert!(harness.query_by_label_contains("unplugged").is_none());
    harness.state_mut().snapshot.devices.camera = DeviceState::Failed(DeviceProblem::Busy);
    harness.run();
    harness.get_by_label_contains("Your camera is in use");
    click(&mut harness, "Put this away");
    harness.state_mut().snapshot = scenes::call(harness.state().now);
    harness.run();
    harness.state_mut().snapshot.devices.camera = DeviceState::Failed(DeviceProblem::Busy);
    harness.run();
    harness.get_by_label_contains("Your camera is in use");
}

#[test]
fn who_speaks_while_muted_is_told_so() {
    let mut harness = in_call();
    assert!(harness.query_by_label_contains("You are muted").is_none());
    harness.state_mut().snapshot.devices.microphone_notice =
        Some(engine::MicrophoneNotice::SpeakingWhileMuted);
    harness.run();
    harness.get_by_label_contains("You are muted");
}

#[test]
fn a_server_that_is_away_says_so_once_however_often_it_is_tried() {
    let mut harness = in_call();
    let retry_at = harness.state().now;
    let away = |problem| SignallingView::Away { problem, retry_at };
    let reason = || "refused".to_owned();
    harness.state_mut().snapshot.signalling = away(SignallingProblem::Lost(reason()));
    harness.run();
    harness.get_by_label_contains("Your call goes on");
    click(&mut harness, "Put this away");
    harness.state_mut().snapshot.signalling = away(SignallingProblem::Unreachable(reason()));
    harness.run();
    assert!(
        harness
            .query_by_label_contains("Your call goes on")
            .is_none()
    );
}

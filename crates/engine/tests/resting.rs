//! Devices that nobody needs are released, through engines and a server on this machine.

mod support;

use std::time::Duration;

use engine::{Command, DeviceState, Snapshot};
use support::{Stranger, TestServer};

fn works(state: &DeviceState) -> bool {
    matches!(state, DeviceState::Working { .. })
}

fn films_and_hears(snapshot: &Snapshot) -> bool {
    works(&snapshot.devices.camera) && works(&snapshot.devices.microphone)
}

#[test]
fn nobody_is_filmed_or_heard_in_a_lobby_that_nobody_sees() {
    let server = TestServer::start();
    let stranger = Stranger::new(&server.url());
    stranger.wait("a preview", films_and_hears);

    stranger.engine.send(Command::SetSeen(false));
    stranger.wait("the camera and the microphone to be released", |s| {
        s.devices.camera == DeviceState::Off && s.devices.microphone == DeviceState::Off
    });
    stranger.engine.local_video().take();
    let picture = stranger
        .engine
        .local_video()
        .wait(Duration::from_millis(300));
    assert!(picture.is_none(), "it is filmed on");
    let snapshot = stranger.engine.snapshot();
    assert!(snapshot.devices.is_camera_on, "what is wanted stays");
    assert!(snapshot.devices.microphone_level <= 0.0);

    stranger.engine.send(Command::SetSeen(true));
    stranger.wait("the preview to be back", films_and_hears);
    let picture = stranger.engine.local_video().wait(support::SOON);
    assert!(picture.is_some());
}

#[test]
fn a_call_begins_and_goes_on_behind_a_hidden_window() {
    let server = TestServer::start();
    let (one, two) = (Stranger::new(&server.url()), Stranger::new(&server.url()));
    one.engine.send(Command::SetSeen(false));
    one.wait("the camera to be released", |s| {
        s.devices.camera == DeviceState::Off
    });
    one.start_searching();
    two.start_searching();
    one.wait("its devices", films_and_hears);
    two.wait_connected();
    two.see();
    // Longer than they stay open for nobody.
    std::thread::sleep(Duration::from_millis(1500));
    assert!(films_and_hears(&one.engine.snapshot()));
    two.engine.remote_video().take();
    two.see();
}

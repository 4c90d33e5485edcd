//! Defects that clients of this kind were found to have, each as a test that fails if ours gets it too. The server's are in
//! `crates/server/tests/sockets/field_defects.rs`; that candidates which come early are kept is tested in `crates/call`.

mod support;

use std::time::Duration;

use engine::{AudioSource, CallView, Command, Config, DeviceProblem, DeviceState, VideoSource};
use support::{Stranger, TestServer, pair, synthetic};

/// A fixed wait of five seconds stood between the partner's media and the screen.
#[test]
fn the_partner_is_shown_when_the_pictures_are_there_and_not_when_a_timer_ends() {
    let server = TestServer::start();
    let (one, _two) = pair(&server.url());
    one.see();
    let figures = one.wait("figures", |s| s.statistics.time_to_first_frame.is_some());
    let wait = figures.statistics.time_to_first_frame.unwrap();
    assert!(wait < Duration::from_secs(5), "{wait:?}");
}

/// Who had no camera, or denied it, got no call at all.
#[test]
fn a_call_comes_about_without_any_device() {
    let server = TestServer::start();
    let bare = || {
        Stranger::with(Config {
            video: VideoSource::None,
            audio: AudioSource::None,
            ..synthetic(&server.url())
        })
    };
    let (one, two) = (bare(), bare());
    one.start_searching();
    two.start_searching();
    one.wait_chat_open();
    two.wait_connected();
    one.engine
        .send(Command::SendChat("we can still write".to_owned()));
    two.wait("the line", |s| !s.chat.is_empty());
}

/// A camera that could not be opened was an error that nobody caught.
#[test]
fn a_camera_that_is_not_there_is_told_and_the_call_goes_on() {
    let server = TestServer::start();
    let one = Stranger::with(Config {
        video: VideoSource::CameraNamed("a camera that nobody has".to_owned()),
        ..synthetic(&server.url())
    });
    let two = Stranger::new(&server.url());
    one.start_searching();
    two.start_searching();
    one.wait_connected();
    one.see();
    one.wait("the word about the camera", |s| {
        s.devices.camera == DeviceState::Failed(DeviceProblem::NotFound)
    });
    assert!(matches!(
        one.engine.snapshot().call,
        CallView::Connected { .. }
    ));
}

/// The address of the server was written into the program.
#[test]
fn the_server_is_where_the_person_says() {
    let (first, second) = (TestServer::start(), TestServer::start());
    let one = Stranger::new(&first.url());
    let two = Stranger::new(&second.url());
    two.start_searching();
    one.start_searching();
    one.wait("the search", |s| {
        matches!(s.call, CallView::Searching { .. })
    });
    one.engine.send(Command::SetServer(second.url()));
    one.wait_connected();
    two.wait_connected();
}

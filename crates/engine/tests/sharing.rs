//! A screen beside the camera, through two engines and a server on this machine.

mod support;

use std::time::{Duration, Instant};

use engine::{CallView, Command, DeviceState, VideoSource};
use media::video::{Mark, read_mark};
use support::{SOON, Stranger, TestServer, pair};

impl Stranger {
    fn share(&self, source: Option<VideoSource>) {
        self.engine.send(Command::ShareScreen(source));
    }

    /// The next picture of the partner's screen, read.
    #[track_caller]
    fn see_screen(&self) -> Mark {
        let deadline = Instant::now() + SOON;
        while Instant::now() < deadline {
            let slot = self.engine.remote_screen();
            if let Some(frame) = slot.wait(Duration::from_millis(100))
                && let Some(mark) = read_mark(&frame)
            {
                return mark;
            }
        }
        panic!("nothing came of the partner's screen");
    }
}

#[test]
fn a_screen_is_seen_beside_the_camera_until_it_is_shared_no_more() {
    let server = TestServer::start();
    let (one, two) = pair(&server.url());
    one.wait_chat_open();
    assert!(one.engine.snapshot().devices.screen.is_none());
    one.share(Some(VideoSource::Pattern));
    two.wait("the word that a screen is shared", |s| {
        s.partner.is_sending_screen
    });
    let first = two.see_screen();
    for _ in 0..10 {
        assert!(two.see_screen().frame_number > first.frame_number);
        two.see();
    }
    let own = one.wait("its own view", |s| {
        let screen = s.devices.screen.as_ref();
        screen.is_some_and(|screen| matches!(screen.state, DeviceState::Working { .. }))
    });
    assert_eq!(
        own.devices.screen.as_ref().unwrap().source,
        VideoSource::Pattern
    );
    two.wait("figures of it", |s| s.statistics.screen_frames_decoded > 10);
    one.wait("figures of it", |s| s.statistics.screen_frames_sent > 10);

    let own = one.engine.local_screen().wait(SOON);
    let own = own.expect("one sees what one shows");
    assert!(own.width_px() <= 400 && own.height_px() <= 300);

    one.share(None);
    two.wait("the word that it is over", |s| !s.partner.is_sending_screen);
    one.wait("nothing to be shared", |s| s.devices.screen.is_none());
    assert!(one.engine.local_screen().take().is_none(), "nor seen");
    std::thread::sleep(Duration::from_millis(500));
    two.engine.remote_screen().take();
    let after = two.engine.remote_screen().wait(Duration::from_millis(700));
    assert!(after.is_none(), "it goes on");
    two.see();

    // A second time there is nothing to negotiate.
    one.share(Some(VideoSource::Pattern));
    two.see_screen();
    // The other side may do so too.
    two.share(Some(VideoSource::Pattern));
    one.see_screen();
    two.see_screen();
}

#[test]
fn who_shows_a_screen_to_one_stranger_shows_nothing_to_the_next() {
    let server = TestServer::start();
    let (one, two) = pair(&server.url());
    one.wait_chat_open();
    one.share(Some(VideoSource::Pattern));
    two.see_screen();
    let three = Stranger::new(&server.url());
    three.start_searching();
    one.engine.send(Command::Next);
    one.wait("another call", |s| {
        s.devices.screen.is_none() && matches!(s.call, CallView::Connected { .. })
    });
    three.wait_connected();
    three.wait_chat_open();
    three.see();
    assert!(!three.engine.snapshot().partner.is_sending_screen);
    assert!(three.engine.remote_screen().take().is_none());
}

#[test]
fn without_a_stranger_nothing_is_shared() {
    let server = TestServer::start();
    let one = Stranger::new(&server.url());
    one.share(Some(VideoSource::Pattern));
    one.start_searching();
    one.wait("a search", |s| matches!(s.call, CallView::Searching { .. }));
    assert!(one.engine.snapshot().devices.screen.is_none());
}

#[test]
fn what_is_ended_outside_of_the_window_is_shared_no_more() {
    let server = TestServer::start();
    let (one, two) = pair(&server.url());
    one.wait_chat_open();
    one.share(Some(VideoSource::Pattern));
    two.see_screen();
    // It says "off" at once, as the desktop's dialog does when the person leaves it.
    one.share(Some(VideoSource::None));
    one.wait("nothing to be shared", |s| s.devices.screen.is_none());
    two.wait("the word that it is over", |s| !s.partner.is_sending_screen);
    one.share(Some(VideoSource::Pattern));
    two.see_screen();
}

#[test]
fn a_screen_that_is_not_there_is_told_and_the_call_goes_on() {
    let server = TestServer::start();
    let (one, two) = pair(&server.url());
    one.wait_chat_open();
    one.share(Some(VideoSource::File("no such file.y4m".into())));
    one.wait("the word that it failed", |s| {
        let screen = s.devices.screen.as_ref();
        screen.is_some_and(|screen| matches!(screen.state, DeviceState::Failed(_)))
    });
    two.see();
    assert!(!two.engine.snapshot().partner.is_sending_screen);
    one.share(Some(VideoSource::Pattern));
    two.see_screen();
}

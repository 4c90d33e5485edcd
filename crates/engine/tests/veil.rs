//! The veil between two strangers, through two engines and a server on this machine.

mod support;

use std::time::{Duration, Instant};

use engine::{Command, Config, VeilView};
use media::video::{VideoFrame, read_mark};
use support::{SOON, Stranger, TestServer, synthetic};

fn pair(server: &TestServer, veils: [bool; 2]) -> [Stranger; 2] {
    let strangers = veils.map(|veil| {
        Stranger::with(Config {
            veil,
            ..synthetic(&server.url())
        })
    });
    for stranger in &strangers {
        stranger.start_searching();
    }
    for stranger in &strangers {
        stranger.wait_connected();
        stranger.wait_chat_open();
    }
    strangers
}

impl Stranger {
    #[track_caller]
    fn next_picture(&self) -> std::sync::Arc<VideoFrame> {
        let picture = self.engine.remote_video().wait(SOON);
        picture.expect("a picture comes")
    }

    /// Waits until pictures come veiled, and looks for a while whether one comes that is not.
    #[track_caller]
    fn sees_but_colours(&self) {
        let deadline = Instant::now() + SOON;
        while is_clear(&self.next_picture()) {
            assert!(Instant::now() < deadline, "no veil");
        }
        for _ in 0..10 {
            assert!(!is_clear(&self.next_picture()));
        }
    }

    fn veil(&self) -> Option<VeilView> {
        self.engine.snapshot().veil
    }
}

/// Whether anything can be recognised.
fn is_clear(picture: &VideoFrame) -> bool {
    picture.width_px().max(picture.height_px()) > 32 || read_mark(picture).is_some()
}

#[test]
fn nobody_is_seen_before_both_have_lifted_the_veil() {
    let server = TestServer::start();
    let [one, two] = pair(&server, [true, true]);
    // From the very first one.
    for stranger in [&one, &two] {
        for _ in 0..10 {
            assert!(!is_clear(&stranger.next_picture()));
        }
    }
    one.engine.send(Command::LiftVeil(true));
    two.wait("the word that one lifts it", |s| {
        s.veil.is_some_and(|veil| veil.partner_lifted == Some(true))
    });
    for stranger in [&one, &two] {
        stranger.sees_but_colours();
    }
    two.engine.send(Command::LiftVeil(true));
    one.see();
    two.see();
    assert!(!one.veil().unwrap().is_down());
    // It can be let down again, by either.
    one.engine.send(Command::LiftVeil(false));
    one.sees_but_colours();
    two.sees_but_colours();
}

#[test]
fn who_wants_no_veil_waits_for_who_does() {
    let server = TestServer::start();
    let [veiled, open] = pair(&server, [true, false]);
    open.wait("the word of the veil", |s| {
        s.veil
            .is_some_and(|veil| veil.partner_lifted == Some(false))
    });
    for stranger in [&veiled, &open] {
        stranger.sees_but_colours();
    }
    veiled.engine.send(Command::LiftVeil(true));
    veiled.see();
    open.see();
}

#[test]
fn without_a_veil_nothing_is_veiled_and_each_call_begins_as_was_chosen() {
    let server = TestServer::start();
    let [one, two] = pair(&server, [false, false]);
    one.see();
    two.see();
    one.engine.send(Command::SetVeil(true));
    assert!(!one.veil().unwrap().is_down(), "it holds for later calls");
    let three = Stranger::new(&server.url());
    three.start_searching();
    one.engine.send(Command::Next);
    one.wait("another call", |s| {
        s.veil.is_some_and(|veil| !veil.is_lifted)
    });
    three.wait_connected();
    three.wait_chat_open();
    std::thread::sleep(Duration::from_millis(200));
    three.sees_but_colours();
    one.engine.send(Command::Stop);
    one.wait("the end", |s| s.veil.is_none());
    drop(two);
}

//! Screens and windows, read of a real X server.
//!
//! Needs what `lab check` asks for. Where that is missing this test is left out and says so, or fails if `PASSERBY_LAB=on` says
//! that it must run.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test that is how to fail")]

mod inside;
mod watch;

use std::time::{Duration, Instant};

use devices::{DeviceProblem, DeviceState, Shareable, VideoSource};
use inside::run_inside;
use lab::check::Part;
use media::video::{VideoFrame, to_rgba};
use watch::{Watch, size, wait_for};
use x11rb::COPY_DEPTH_FROM_PARENT;
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    AtomEnum, ConfigureWindowAux, ConnectionExt as _, CreateWindowAux, PropMode, Window,
    WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

/// Set for the test inside the display by the one outside.
const INSIDE: &str = "PASSERBY_SCREENS_INSIDE";
const RED: u32 = 0x00c8_2814;
const BLUE: u32 = 0x0014_28c8;

#[test]
fn screens_and_windows_are_listed_and_read_as_they_are() {
    let display = ["display", "--size", "800x600"];
    run_inside(Part::Display, &display, INSIDE, "inside_the_display");
}

#[test]
#[ignore = "the test above runs it, inside a display"]
fn inside_the_display() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let painter = Painter::new();
    let red = painter.window("A red one \u{2764}", RED, (100, 80), (320, 240));

    let listed = wait_for("the window in the list", || {
        let listed = devices::list_shareable().unwrap();
        listed
            .iter()
            .any(|item| item.title.starts_with("A red one"))
            .then_some(listed)
    });
    assert!(
        matches!(listed[0].source, VideoSource::Screen(Some(_))),
        "{listed:?}"
    );
    assert_eq!((listed[0].width_px, listed[0].height_px), (800, 600));
    let window = &listed[1];
    assert_eq!(window.title, "A red one \u{2764}");

    let screen = Watch::start(VideoSource::Screen(None));
    screen.expect("the screen", |frame| {
        size(frame) == (800, 600) && has(frame, RED)
    });
    let by_name = Watch::start(listed[0].source.clone());
    by_name.expect("the screen by its name", |frame| has(frame, RED));
    drop((screen, by_name));

    // Another window lies over it, which is none of the business of whoever watches this one.
    let alone = Watch::start(window.source.clone());
    alone.expect("the window alone", |frame| {
        size(frame) == (320, 240) && is_all(frame, RED)
    });
    let above = painter.window("A blue one", BLUE, (100, 80), (320, 240));
    wait_for("the other window in the list", || {
        let listed: Vec<Shareable> = devices::list_shareable().unwrap();
        listed
            .iter()
            .any(|item| item.title == "A blue one")
            .then_some(())
    });
    let until = Instant::now() + Duration::from_secs(1);
    while Instant::now() < until {
        alone.expect("the window under another one", |frame| is_all(frame, RED));
    }
    // It follows its size, and its end is told.
    painter.resize(red, (200, 100));
    alone.expect("the window in its new size", |frame| {
        size(frame) == (200, 100)
    });
    painter.close(red);
    let gone = |state: &DeviceState| *state == DeviceState::Failed(DeviceProblem::Unplugged);
    alone.expect_state("its end", gone);
    painter.close(above);

    let nobody = Watch::start(VideoSource::Screen(Some("no such monitor".to_owned())));
    nobody.expect_state("that it is not there", gone);
}

/// Opens windows of one colour.
struct Painter {
    connection: RustConnection,
    root: Window,
}

impl Painter {
    fn new() -> Self {
        let (connection, screen) = x11rb::connect(None).unwrap();
        let root = connection.setup().roots[screen].root;
        Self { connection, root }
    }

    fn window(
        &self,
        title: &str,
        colour: u32,
        (x, y): (i16, i16),
        (width, height): (u16, u16),
    ) -> Window {
        let connection = &self.connection;
        let id = connection.generate_id().unwrap();
        connection
            .create_window(
                COPY_DEPTH_FROM_PARENT,
                id,
                self.root,
                x,
                y,
                width,
                height,
                0,
                WindowClass::INPUT_OUTPUT,
                0,
                &CreateWindowAux::new().background_pixel(colour),
            )
            .unwrap();
        let atom = |name: &str| {
            let cookie = connection.intern_atom(false, name.as_bytes()).unwrap();
            cookie.reply().unwrap().atom
        };
        let (name, utf8) = (atom("_NET_WM_NAME"), atom("UTF8_STRING"));
        let replace = PropMode::REPLACE;
        connection
            .change_property8(replace, id, name, utf8, title.as_bytes())
            .unwrap();
        connection
            .change_property8(replace, id, AtomEnum::WM_NAME, AtomEnum::STRING, b"plain")
            .unwrap();
        connection.map_window(id).unwrap();
        connection.flush().unwrap();
        id
    }

    fn resize(&self, window: Window, (width, height): (u16, u16)) {
        let size = ConfigureWindowAux::new()
            .width(u32::from(width))
            .height(u32::from(height));
        self.connection.configure_window(window, &size).unwrap();
        self.connection.flush().unwrap();
    }

    fn close(&self, window: Window) {
        self.connection.destroy_window(window).unwrap();
        self.connection.flush().unwrap();
    }
}

/// Which share of the picture has this colour, about.
fn share_of(frame: &VideoFrame, colour: u32) -> f64 {
    let mut rgba = vec![0; (frame.width_px() * frame.height_px() * 4) as usize];
    to_rgba(frame, &mut rgba);
    let [_, red, green, blue] = colour.to_be_bytes();
    let is_near = |pixel: &&[u8]| {
        let pairs = pixel.iter().zip([red, green, blue]);
        pairs
            .into_iter()
            .all(|(one, other)| one.abs_diff(other) < 12)
    };
    let pixels = rgba.chunks_exact(4);
    let all = pixels.len() as f64;
    pixels.filter(is_near).count() as f64 / all
}

fn has(frame: &VideoFrame, colour: u32) -> bool {
    share_of(frame, colour) > 0.1
}

/// But for the pointer, and a frame around it.
fn is_all(frame: &VideoFrame, colour: u32) -> bool {
    share_of(frame, colour) > 0.95
}

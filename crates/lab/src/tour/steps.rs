//! What is done on the tour, chapter by chapter. A step that does not reach its state ends it, and says what there was instead.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueEnum;

use super::album::Album;
use super::reader::Role::{
    Button, CheckBox, ComboBox, Entry, Heading, Image, LevelBar, ListItem, MenuItem, Notification,
    RadioButton, RadioMenuItem, ToggleButton,
};
use super::reader::State;
use super::window::Window;
use crate::command::Running;
use crate::server::Server;

/// A part of the tour. Each begins where the one before has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Chapter {
    /// The rules, and the box to tick.
    FirstRun,
    /// Devices, the connection check, interests.
    Lobby,
    /// Another window is met, veiled and unveiled.
    Meeting,
    /// Lines to and fro.
    Chat,
    /// Muted, without camera, with another camera, unplugged and plugged in.
    Devices,
    /// A window shown to the stranger.
    Sharing,
    /// Mini window, full screen, figures.
    Views,
    /// The stranger is reported, and met again.
    Report,
    /// The server is away, and comes back.
    Server,
    /// Next of the other side, Stop, and the lobby without a server.
    Parting,
    /// Every part of the settings, and the light colours.
    Settings,
}

/// What is there on a tour.
#[derive(Debug)]
pub(super) struct Tour {
    pub(super) album: Album,
    /// The window that is shown.
    pub(super) first: Window,
    /// The stranger's.
    pub(super) second: Window,
    /// Nothing while it is away.
    pub(super) server: Option<Server>,
    /// The pipe of the first window's camera, if the lab has cameras here.
    pub(super) camera: Option<PathBuf>,
    pub(super) _voices: Vec<Running>,
}

impl Tour {
    /// Takes a picture of the first window.
    fn shot(&mut self, name: &str) -> anyhow::Result<()> {
        let path = self.album.next(name);
        self.first.picture(&path)
    }

    /// Takes a picture of the stranger's window.
    fn shot_of_stranger(&mut self, name: &str) -> anyhow::Result<()> {
        let path = self.album.next(name);
        self.second.picture(&path)
    }

    /// Does something to the first window's camera; says whether there is one.
    fn camera(&self, order: &str) -> anyhow::Result<bool> {
        let Some(pipe) = &self.camera else {
            return Ok(false);
        };
        let mut pipe = std::fs::OpenOptions::new().write(true).open(pipe)?;
        writeln!(pipe, "{order}").context("the camera's pipe")?;
        Ok(true)
    }

    /// Until both see and hear each other.
    fn meet(&mut self) -> anyhow::Result<()> {
        for window in [&mut self.first, &mut self.second] {
            window.expect(Button, "Connection:*")?;
            window.expect(Image, "The stranger's picture")?;
        }
        Ok(())
    }

    /// Lifts the veil on both sides.
    fn unveil(&mut self) -> anyhow::Result<()> {
        for window in [&mut self.first, &mut self.second] {
            window.key("u");
        }
        for window in [&mut self.first, &mut self.second] {
            window.expect_no_words("lift theirs")?;
            window.expect_no_words("each other's colours")?;
        }
        Ok(())
    }
}

/// All chapters up to `until`, in their order.
///
/// # Errors
/// Names the chapter and the step.
pub(super) fn walk(tour: &mut Tour, until: Option<Chapter>) -> anyhow::Result<()> {
    for chapter in Chapter::value_variants() {
        let walked = match chapter {
            Chapter::FirstRun => first_run(tour),
            Chapter::Lobby => lobby(tour),
            Chapter::Meeting => meeting(tour),
            Chapter::Chat => chat(tour),
            Chapter::Devices => devices(tour),
            Chapter::Sharing => sharing(tour),
            Chapter::Views => views(tour),
            Chapter::Report => report(tour),
            Chapter::Server => server(tour),
            Chapter::Parting => parting(tour),
            Chapter::Settings => settings(tour),
        };
        walked.with_context(|| format!("{chapter:?}"))?;
        if until == Some(*chapter) {
            break;
        }
    }
    Ok(())
}

fn first_run(tour: &mut Tour) -> anyhow::Result<()> {
    let consent = "I am 18 or older, and I agree to these rules.";
    let first = &mut tour.first;
    first.expect(Heading, "Welcome to Passerby")?;
    first.expect(RadioButton, "*")?;
    first.expect(CheckBox, consent)?;
    first.expect(Button, "Continue")?;
    tour.shot("first-run")?;
    tour.first.press(CheckBox, consent)?;
    tour.first.expect_state(CheckBox, consent, State::Checked)?;
    tour.shot("first-run-agreed")?;
    tour.first.press(Button, "Continue")
}

fn lobby(tour: &mut Tour) -> anyhow::Result<()> {
    let first = &mut tour.first;
    first.expect(Image, "My picture")?;
    first.expect(Heading, "Passerby")?;
    first.expect(LevelBar, "*")?;
    for device in [
        "Camera: *",
        "Microphone: *",
        "Speaker: *",
        "Network address*",
    ] {
        first.expect(ComboBox, device)?;
    }
    first.expect(Entry, "Interests")?;
    first.expect(Button, "Start")?;
    first.expect(Button, "Settings")?;
    first.expect_words("online")?;
    tour.shot("lobby")?;
    tour.first.press(ComboBox, "Camera: *")?;
    tour.first.expect(RadioMenuItem, "*")?;
    tour.shot("lobby-cameras")?;
    tour.first.key("Escape");
    tour.first.press(Button, "Check connection")?;
    tour.first.expect(Button, "Check again")?;
    tour.shot("lobby-check")?;
    tour.first.press(Button, "Done")?;
    tour.first.press(Entry, "Interests")?;
    tour.first.write("jazz,climbing,");
    tour.first.expect(Button, "Remove climbing")?;
    tour.shot("lobby-interests")?;
    tour.first.write("co");
    tour.first.key("Down");
    tour.first
        .expect_state(ListItem, "coding", State::Focused)?;
    tour.shot("lobby-interests-offered")?;
    tour.first.key("Tab");
    tour.first.expect(Button, "Remove coding")?;
    Ok(())
}

fn meeting(tour: &mut Tour) -> anyhow::Result<()> {
    tour.first.press(Button, "Start")?;
    tour.first.expect_words("Looking for somebody")?;
    tour.shot("searching")?;
    tour.second.key("Return");
    tour.meet()?;
    tour.first
        .expect(Notification, "You see only each other's colours*")?;
    tour.first.expect_announced("each other's colours")?;
    tour.first.expect(ToggleButton, "Mute microphone")?;
    tour.first.expect(ToggleButton, "Turn camera off")?;
    tour.first.expect(Button, "Next stranger")?;
    tour.first.expect(Button, "End the call")?;
    tour.first.expect(ToggleButton, "Open chat")?;
    tour.first.expect(Button, "More")?;
    tour.shot("veiled")?;
    tour.second.press(Button, "Lift the veil")?;
    tour.first
        .expect_words("The stranger would like to see you")?;
    tour.shot("veiled-asked")?;
    tour.first.press(Button, "Lift the veil")?;
    tour.first
        .expect_no_words("The stranger would like to see you")?;
    tour.second.expect_no_words("lift theirs")?;
    tour.first.expect(Button, "Connection: Good")?;
    tour.first.key("shift");
    tour.shot("call")
}

fn chat(tour: &mut Tour) -> anyhow::Result<()> {
    tour.second.key("t");
    tour.second.expect(Entry, "Message")?;
    tour.second.write("hey! you like jazz too?");
    tour.second.key("Return");
    tour.first.expect(ToggleButton, "Open chat")?;
    tour.second.expect_words("hey! you like jazz too?")?;
    tour.shot("call-unread")?;
    tour.first.press(ToggleButton, "Open chat")?;
    tour.first.expect(Heading, "Chat")?;
    tour.first.expect_words("hey! you like jazz too?")?;
    tour.first
        .write("Yes, mostly the sixties. Blue Note records on repeat");
    tour.first.key("Return");
    tour.second.expect_words("mostly the sixties")?;
    tour.second.write("Alice Coltrane, all week");
    tour.first.expect_words("writing")?;
    tour.shot("call-chat")?;
    tour.second.key("Return");
    tour.first.expect_words("Alice Coltrane")?;
    for window in [&mut tour.first, &mut tour.second] {
        // Out of the field, so that letters are commands again; then out of the chat.
        window.key("Escape");
        window.key("t");
        window.expect(ToggleButton, "Open chat")?;
    }
    Ok(())
}

fn devices(tour: &mut Tour) -> anyhow::Result<()> {
    tour.first.key("m");
    tour.first.expect(ToggleButton, "Unmute microphone")?;
    tour.second.expect_words("Muted")?;
    tour.shot("call-muted")?;
    tour.shot_of_stranger("stranger-sees-muted")?;
    tour.first.key("m");
    tour.first.expect(ToggleButton, "Mute microphone")?;
    tour.first.key("v");
    tour.second.expect_words("Their camera is off")?;
    tour.shot("call-camera-off")?;
    tour.shot_of_stranger("stranger-sees-no-camera")?;
    tour.first.key("v");
    tour.meet()?;
    if tour.camera.is_none() {
        return Ok(());
    }

    // Another camera, and the first one again.
    for (number, shot) in [(92, Some("call-devices")), (90, None)] {
        choose_camera(tour, &format!("/dev/video{number}"), shot)?;
    }
    tour.camera("unplug")?;
    tour.first
        .expect(Notification, "Your camera was unplugged*")?;
    tour.shot("call-unplugged")?;
    tour.camera("plug")?;
    tour.first.expect_no_words("Your camera was unplugged")?;
    tour.meet()?;
    tour.shot("call-plugged-in")
}

/// Chooses a camera, in the dock or, where that has no room for its list, in the settings.
fn choose_camera(tour: &mut Tour, name: &str, shot: Option<&str>) -> anyhow::Result<()> {
    let elements = tour.first.elements();
    let has_list = elements
        .iter()
        .any(|element| element.name == "Choose camera");
    if has_list {
        tour.first.press(Button, "Choose camera")?;
    } else {
        tour.first.key("ctrl+comma");
        tour.first.press(ComboBox, "Camera: *")?;
    }
    tour.first.expect(RadioMenuItem, name)?;
    if let Some(shot) = shot {
        tour.shot(shot)?;
    }
    tour.first.press(RadioMenuItem, name)?;
    if !has_list {
        tour.first.expect(ComboBox, &format!("Camera: {name}"))?;
        tour.first.press(Button, "Close the settings")?;
    }
    tour.meet()
}

fn sharing(tour: &mut Tour) -> anyhow::Result<()> {
    tour.first.key("s");
    tour.first.expect(Heading, "Show the stranger")?;
    tour.first.expect(Button, "Screen *")?;
    tour.shot("sharing-choice")?;
    tour.first.press(Button, "Screen *")?;
    tour.first.expect(Button, "Stop sharing")?;
    tour.second.expect(Image, "The stranger's screen")?;
    tour.shot("sharing")?;
    tour.shot_of_stranger("stranger-sees-screen")?;
    tour.first.press(Button, "Stop sharing")?;
    tour.meet()
}

fn views(tour: &mut Tour) -> anyhow::Result<()> {
    tour.first.press(Button, "More")?;
    tour.first.expect(MenuItem, "Mini window")?;
    tour.shot("call-more")?;
    tour.first.press(MenuItem, "Mini window")?;
    // eframe tells screen readers of the main window only, so this one is found by the X server.
    let path = tour.album.next("mini-window");
    tour.first.picture_of_mini(&path)?;
    tour.first.key("p");
    tour.first.expect_no_mini()?;
    tour.first.key("f");
    tour.first.expect_full_screen(true)?;
    let path = tour.album.next("full-screen");
    tour.first.picture_of_display(&path)?;
    tour.first.key("f");
    tour.first.expect_full_screen(false)?;
    tour.first.key("ctrl+i");
    tour.first.expect_words("Round trip")?;
    tour.shot("call-details")?;
    tour.first.key("ctrl+i");
    tour.first.key("ctrl+shift+i");
    tour.first.expect(Heading, "Diagnostics")?;
    tour.shot("diagnostics")?;
    tour.first.key("Escape");
    tour.first.expect_no_words("Copy as text")
}

fn report(tour: &mut Tour) -> anyhow::Result<()> {
    tour.first.key("r");
    tour.first.expect(Heading, "Report this person")?;
    tour.first.press(RadioButton, "Advertising or fraud")?;
    tour.shot("report")?;
    // Else the two would never meet again.
    tour.first
        .press(ToggleButton, "Never meet this person again")?;
    tour.first.press(Button, "Report and go on")?;
    tour.first
        .expect(Notification, "Your report has arrived*")?;
    tour.second.press(Button, "Stay here")?;
    tour.second.expect_words("The stranger moved on")?;
    tour.shot("searching-reported")?;
    tour.second.press(Button, "Next stranger")?;
    tour.meet()?;
    tour.unveil()
}

fn server(tour: &mut Tour) -> anyhow::Result<()> {
    let port = tour.server.as_ref().context("it is there")?.port()?;
    tour.server = None;
    tour.first.expect(Notification, "*")?;
    tour.shot("call-server-away")?;
    tour.server = Some(Server::start(port)?);
    tour.first.expect_no_words("server")?;
    tour.meet()?;
    tour.shot("call-server-back")
}

fn parting(tour: &mut Tour) -> anyhow::Result<()> {
    tour.second.key("Escape");
    tour.first.expect_words("The stranger moved on")?;
    tour.shot("stranger-left")?;
    tour.first.press(Button, "Stay here")?;
    tour.shot("stranger-left-staying")?;
    tour.first.press(Button, "Next stranger")?;
    tour.meet()?;
    tour.first.press(Button, "End the call")?;
    tour.first.expect(Button, "Start again")?;
    tour.shot("after-call")?;
    tour.first.press(Button, "Back to the lobby")?;
    tour.first.expect(Button, "Start")?;
    let port = tour.server.as_ref().context("it is there")?.port()?;
    tour.server = None;
    tour.first.expect(Entry, "Server address")?;
    tour.shot("lobby-server-away")?;
    tour.server = Some(Server::start(port)?);
    tour.first.expect_words("online")
}

fn settings(tour: &mut Tour) -> anyhow::Result<()> {
    tour.first.press(Button, "Settings")?;
    for (title, shot) in [
        ("Audio and video", "settings-audio-and-video"),
        ("Network and privacy", "settings-network"),
        ("Calls and chat", "settings-calls"),
        ("Appearance", "settings-appearance"),
        ("Shortcuts", "settings-shortcuts"),
        ("About", "settings-about"),
    ] {
        tour.first.press(ToggleButton, title)?;
        tour.first
            .expect_state(ToggleButton, title, State::Pressed)?;
        tour.shot(shot)?;
    }
    tour.first.press(ToggleButton, "Appearance")?;
    tour.first.press(RadioButton, "Light")?;
    tour.shot("settings-light")?;
    tour.first.press(Button, "Close the settings")?;
    tour.first.expect(Button, "Start")?;
    tour.shot("lobby-light")
}

//! One real window of the tour: started on a display of its own, read as a screen reader reads it, pressed as a hand presses it.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

use super::reader::{Bus, Element, Role, State};
use crate::camera::Size;
use crate::command::Running;
use crate::display::Display;
use crate::ffi;

/// For anything that must happen at all, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(150);
/// So much of the display is beside the window, for the mini window.
const BESIDE_PX: u32 = 360;
/// So much of the display is below it, for the window's title bar.
const BELOW_PX: u32 = 40;
/// How long a picture may take to stand still. One of a call never does.
const STILL_WITHIN: Duration = Duration::from_secs(1);
/// What is nearer than this to the edge of the window may be covered there.
const MARGIN_PX: i32 = 10;

/// Who a window belongs to, and what it is started with.
#[derive(Debug)]
pub(super) struct Person {
    /// Also the user's name at the lab's sound server.
    pub(super) name: &'static str,
    /// Of the window's inside.
    pub(super) size: Size,
    /// What `passerby` is given.
    pub(super) arguments: Vec<String>,
    /// Whether there is a sound server, at which this is a user.
    pub(super) has_sound: bool,
}

/// A window and everything that it has for itself.
#[derive(Debug)]
pub(super) struct Window {
    person: Person,
    id: String,
    log: PathBuf,
    /// Where the inside of the window is on its display.
    corner: (i32, i32),
    bus: Bus,
    /// The display's X server, and the window that is behind all others there.
    server: RustConnection,
    root: u32,
    // Ended in this order.
    _program: Running,
    display: Display,
}

impl Window {
    /// Opens the window, with settings, bus and display of its own below `folder`.
    ///
    /// # Errors
    /// If one of them does not come up, or no window comes.
    pub(super) fn open(folder: &Path, person: Person) -> anyhow::Result<Self> {
        let folder = folder.join(person.name);
        std::fs::create_dir_all(&folder)?;
        let size = person.size;
        let display = Display::start(Size {
            width_px: size.width_px + BESIDE_PX,
            height_px: size.height_px + BELOW_PX,
        })?;
        let (server, number) = x11rb::connect(Some(display.name()))?;
        let root = server.setup().roots.get(number);
        let root = root.context("the display has no screen")?.root;
        let bus = Bus::start(&folder, display.name())?;
        let log = folder.join("log");
        let program = start(&person, &folder, &display, &bus, &log)?;
        let mut window = Self {
            person,
            id: String::new(),
            log,
            corner: (0, 0),
            bus,
            server,
            root,
            _program: program,
            display,
        };
        window.wait("its window", |window| {
            let found = window.xdotool_says(&["search", "--onlyvisible", "--name", "^Passerby$"]);
            let first = found.lines().next().unwrap_or_default();
            first.clone_into(&mut window.id);
            !first.is_empty()
        })?;
        window.put_in_place()?;
        Ok(window)
    }

    /// The window manager has its own idea of place and size until the window has been there for a while.
    fn put_in_place(&mut self) -> anyhow::Result<()> {
        self.wait("its place", |window| {
            let Size {
                width_px,
                height_px,
            } = window.person.size;
            let (width, height) = (width_px.to_string(), height_px.to_string());
            let id = window.id.clone();
            window.xdotool_says(&["windowmove", &id, "0", "0"]);
            window.xdotool_says(&["windowsize", &id, &width, &height]);
            std::thread::sleep(LOOK);
            let geometry = window.geometry(&id);
            window.corner = geometry.map_or((0, 0), |[x, y, ..]| (x, y));
            geometry.is_some_and(|[.., w, h]| w == width_px as i32 && h == height_px as i32)
        })
    }

    /// Left, top, width and height of the inside of a window.
    fn geometry(&self, id: &str) -> Option<[i32; 4]> {
        let id = id.parse().ok()?;
        let size = self.server.get_geometry(id).ok()?.reply().ok()?;
        // xdotool counts the window manager's frame twice.
        let place = self.server.translate_coordinates(id, self.root, 0, 0);
        let place = place.ok()?.reply().ok()?;
        Some([
            place.dst_x.into(),
            place.dst_y.into(),
            size.width.into(),
            size.height.into(),
        ])
    }

    /// What can be read in it.
    pub(super) fn elements(&self) -> Vec<Element> {
        self.bus.elements()
    }

    /// Waits until something of this role and name can be read. A name that ends with
    /// `*` is how it begins.
    ///
    /// # Errors
    /// Says what could be read, if that does not come.
    pub(super) fn expect(&mut self, role: Role, name: &str) -> anyhow::Result<Element> {
        let mut found = None;
        self.wait(&format!("the {role:?} {name:?}"), |window| {
            let elements = window.elements();
            found = elements
                .into_iter()
                .find(|element| element.role == role && is_called(element, name));
            found.is_some()
        })?;
        found.context("it was found")
    }

    /// The same, in this state.
    pub(super) fn expect_state(
        &mut self,
        role: Role,
        name: &str,
        state: State,
    ) -> anyhow::Result<()> {
        self.wait(
            &format!("the {role:?} {name:?} to be {state:?}"),
            |window| {
                let elements = window.elements();
                elements.iter().any(|element| {
                    element.role == role && is_called(element, name) && element.is(state)
                })
            },
        )
    }

    /// Waits until something whose name holds these words can be read, whatever it is.
    pub(super) fn expect_words(&mut self, words: &str) -> anyhow::Result<()> {
        self.wait(&format!("{words:?}"), |window| window.says(words))
    }

    /// Waits until nothing holds these words.
    pub(super) fn expect_no_words(&mut self, words: &str) -> anyhow::Result<()> {
        self.wait(&format!("{words:?} to go"), |window| !window.says(words))
    }

    fn says(&self, words: &str) -> bool {
        let elements = self.elements();
        elements.iter().any(|element| element.name.contains(words))
    }

    /// Waits until a screen reader is told something with these words.
    pub(super) fn expect_announced(&mut self, words: &str) -> anyhow::Result<()> {
        let mut heard = Vec::new();
        let result = self.wait(&format!("{words:?} to be announced"), |window| {
            heard.extend(window.bus.take_announced());
            heard.iter().any(|text| text.contains(words))
        });
        result.with_context(|| format!("what was announced: {heard:?}"))
    }

    /// Presses with the mouse what has this role and name, after it has been scrolled to, and leaves the pointer in the
    /// window's corner.
    ///
    /// # Errors
    /// If it does not come, cannot be used, or stays out of the window.
    pub(super) fn press(&mut self, role: Role, name: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let element = self.expect(role, name)?;
            let (left, top, width, height) = element
                .place
                .with_context(|| format!("{element} is nowhere"))?;
            let (x, y) = (left + width / 2, top + height / 2);
            let bottom = self.person.size.height_px as i32 - MARGIN_PX;
            if (MARGIN_PX..bottom).contains(&y) && element.is(State::Enabled) {
                self.click(x, y);
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "{}: {element} cannot be pressed: it is at {x}, {y}",
                self.person.name
            );
            if !(MARGIN_PX..bottom).contains(&y) {
                self.scroll(y > 0);
            }
            std::thread::sleep(LOOK);
        }
    }

    fn click(&self, x: i32, y: i32) {
        let (x, y) = self.on_display(x, y);
        self.xdotool_says(&["mousemove", &x, &y, "click", "1"]);
        std::thread::sleep(LOOK);
        self.leave();
    }

    /// Takes the pointer to where nothing is.
    fn leave(&self) {
        let (x, y) = self.on_display(2, 2);
        self.xdotool_says(&["mousemove", &x, &y]);
    }

    /// Turns the wheel over the middle of the window, and leaves.
    pub(super) fn scroll(&self, is_down: bool) {
        let Size {
            width_px,
            height_px,
        } = self.person.size;
        let (x, y) = self.on_display(width_px as i32 / 2, height_px as i32 / 2);
        let button = if is_down { "5" } else { "4" };
        self.xdotool_says(&["mousemove", &x, &y, "click", "--repeat", "2", button]);
        std::thread::sleep(LOOK);
        self.leave();
    }

    fn on_display(&self, x: i32, y: i32) -> (String, String) {
        let (left, top) = self.corner;
        ((left + x).to_string(), (top + y).to_string())
    }

    /// Presses a key, by its name in X.
    pub(super) fn key(&self, key: &str) {
        let order = ["windowfocus", "--sync", &self.id];
        self.xdotool_says(&[&order[..], &["key", "--clearmodifiers", key]].concat());
        std::thread::sleep(LOOK);
    }

    /// Writes as a person does, key by key.
    pub(super) fn write(&self, text: &str) {
        let order = ["windowfocus", "--sync", &self.id];
        self.xdotool_says(&[&order[..], &["type", "--delay", "40", text]].concat());
        std::thread::sleep(LOOK);
    }

    /// Takes a picture of the window as it is seen, with what lies over it, as soon as it stands still or has had time to.
    ///
    /// # Errors
    /// If there is no picture to be had.
    pub(super) fn picture(&self, path: &Path) -> anyhow::Result<()> {
        let Size {
            width_px,
            height_px,
        } = self.person.size;
        let (x, y) = self.corner;
        self.picture_of(&format!("{width_px}x{height_px}+{x}+{y}"), path)
    }

    /// Takes a picture of the mini window.
    ///
    /// # Errors
    /// If it does not come, or no picture is to be had.
    pub(super) fn picture_of_mini(&mut self, path: &Path) -> anyhow::Result<()> {
        let mut place = None;
        self.wait("the mini window", |window| {
            place = window.mini();
            place.is_some()
        })?;
        let [x, y, width, height] = place.context("it was found")?;
        self.picture_of(&format!("{width}x{height}+{x}+{y}"), path)
    }

    /// Waits until there is no mini window.
    pub(super) fn expect_no_mini(&mut self) -> anyhow::Result<()> {
        self.wait("the end of the mini window", |window| {
            window.mini().is_none()
        })
    }

    /// Where the mini window is.
    fn mini(&self) -> Option<[i32; 4]> {
        let found = self.xdotool_says(&["search", "--onlyvisible", "--name", "^Passerby$"]);
        let mini = found.lines().find(|id| *id != self.id)?;
        self.geometry(mini)
    }

    /// Waits until the window has all of its display, or no longer.
    pub(super) fn expect_full_screen(&mut self, is_full: bool) -> anyhow::Result<()> {
        let wide = (self.person.size.width_px + BESIDE_PX) as i32;
        self.wait("full screen, or its end", |window| {
            let geometry = window.geometry(&window.id);
            geometry.is_some_and(|[.., width, _]| (width == wide) == is_full)
        })
    }

    /// Takes a picture of all of the display.
    pub(super) fn picture_of_display(&self, path: &Path) -> anyhow::Result<()> {
        let Size {
            width_px,
            height_px,
        } = self.person.size;
        let (width, height) = (width_px + BESIDE_PX, height_px + BELOW_PX);
        self.picture_of(&format!("{width}x{height}+0+0"), path)
    }

    fn picture_of(&self, area: &str, path: &Path) -> anyhow::Result<()> {
        let deadline = Instant::now() + STILL_WITHIN;
        let mut last = Vec::new();
        loop {
            let taken = self.import(area, "ppm:-")?;
            ensure!(!taken.is_empty(), "there is no picture of {area}");
            if taken == last || Instant::now() > deadline {
                break;
            }
            last = taken;
            std::thread::sleep(LOOK);
        }
        let path = format!("png:{}", path.display());
        self.import(area, &path).map(drop)
    }

    fn import(&self, area: &str, to: &str) -> anyhow::Result<Vec<u8>> {
        let output = Command::new("import")
            .args(["-window", "root", "-crop", area, "+repage", "-depth", "8"])
            .args(["-define", "png:exclude-chunks=date,time", to])
            .env("DISPLAY", self.display.name())
            .output()
            .context("import, of imagemagick")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "import: {}", said.trim());
        Ok(output.stdout)
    }

    fn wait(
        &mut self,
        what: &str,
        mut is_true: impl FnMut(&mut Self) -> bool,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !is_true(self) {
            if ffi::is_stop_requested() {
                bail!("interrupted");
            }
            if Instant::now() > deadline {
                return Err(self.in_vain(what));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// What there is instead of what was waited for.
    fn in_vain(&self, what: &str) -> anyhow::Error {
        let elements: Vec<String> = self.elements().iter().map(Element::to_string).collect();
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(12)..].join("\n");
        let picture = std::env::temp_dir().join("passerby-tour-failed.png");
        let kept = match self.picture_of_display(&picture) {
            Ok(()) => format!("the display is in {}", picture.display()),
            Err(error) => format!("there is no picture of the display: {error:#}"),
        };
        anyhow::anyhow!(
            "{} waited {} s for {what} in vain; {kept}; what can be read:\n{}\nthe end of the log:\n{tail}",
            self.person.name,
            PATIENCE.as_secs(),
            elements.join("\n"),
        )
    }

    fn xdotool_says(&self, arguments: &[&str]) -> String {
        let output = Command::new("xdotool")
            .args(arguments)
            .env("DISPLAY", self.display.name())
            .stderr(Stdio::null())
            .output();
        // What came of it is seen in the window, or is not.
        output.map_or(String::new(), |output| {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        })
    }
}

fn is_called(element: &Element, name: &str) -> bool {
    if let Some(beginning) = name.strip_suffix('*') {
        element.name.starts_with(beginning)
    } else {
        element.name == name
    }
}

fn start(
    person: &Person,
    folder: &Path,
    display: &Display,
    bus: &Bus,
    log: &Path,
) -> anyhow::Result<Running> {
    let lab = std::env::current_exe()?;
    let mut command = if person.has_sound {
        let mut command = Command::new(&lab);
        command.args(["as", person.name, "--", "env"]);
        // The lab's users have no session bus; this one has its own.
        command.arg(format!("DBUS_SESSION_BUS_ADDRESS={}", bus.address()));
        command.arg(crate::server::program("passerby")?);
        command
    } else {
        let mut command = Command::new(crate::server::program("passerby")?);
        command.env("DBUS_SESSION_BUS_ADDRESS", bus.address());
        command
    };
    let variables: Vec<(String, OsString)> = display.variables();
    command
        .args(&person.arguments)
        .envs(variables)
        .env("HOME", folder)
        .env("XDG_CONFIG_HOME", folder.join("config"))
        .env("XDG_RUNTIME_DIR", folder)
        .env("LC_ALL", "en_US.UTF-8")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(log)?);
    Running::start_helper(&mut command)
        .map_err(|error| anyhow::anyhow!("cannot run passerby: {error}"))
}

//! What a screen reader gets of a window: the tree of its controls, read over D-Bus (AT-SPI), and what is announced.
//!
//! Each window has a bus of its own, so that nobody's session is touched and no window is taken for another.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures_util::StreamExt as _;
use futures_util::future::{join_all, join5};
use zbus::connection::Builder;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};
use zbus::{Connection, MatchRule, Message, MessageStream};

use crate::command::{Running, TICK, Unavailable};

/// How long a bus may take to come up, and a program to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// More controls than any screen has: what has more is not read on.
const MOST_ELEMENTS: usize = 4000;
/// So many of what was announced last are kept.
const MOST_ANNOUNCEMENTS: usize = 200;
const ACCESSIBLE: &str = "org.a11y.atspi.Accessible";
/// AT-SPI's number for "counted from the window's corner".
const IN_WINDOW: u32 = 1;

/// A session bus that screen readers are said to be on.
#[derive(Debug)]
pub(super) struct Bus {
    address: String,
    accessibility: Connection,
    announced: Arc<Mutex<Vec<String>>>,
    _daemon: Running,
}

/// What something is to a screen reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Pressed, and something happens.
    Button,
    /// A box to tick.
    CheckBox,
    /// What is chosen, and a list of what else there is.
    ComboBox,
    /// A field to write into.
    Entry,
    /// A window.
    Frame,
    /// A title.
    Heading,
    /// A picture.
    Image,
    /// Words.
    Label,
    /// How loud it is.
    LevelBar,
    /// A line of a list.
    ListItem,
    /// A line of a list of actions.
    MenuItem,
    /// Words that are told as soon as they are there.
    Notification,
    /// One of several, in the open.
    RadioButton,
    /// One of several, in a list.
    RadioMenuItem,
    /// Drawn to and fro.
    Slider,
    /// On or off.
    ToggleButton,
    /// Another one, by AT-SPI's number.
    Other(u32),
}

impl From<u32> for Role {
    fn from(number: u32) -> Self {
        match number {
            7 => Self::CheckBox,
            11 => Self::ComboBox,
            23 => Self::Frame,
            27 => Self::Image,
            29 => Self::Label,
            32 => Self::ListItem,
            35 => Self::MenuItem,
            43 => Self::Button,
            44 => Self::RadioButton,
            45 => Self::RadioMenuItem,
            51 => Self::Slider,
            62 => Self::ToggleButton,
            79 => Self::Entry,
            83 => Self::Heading,
            101 => Self::Notification,
            103 => Self::LevelBar,
            other => Self::Other(other),
        }
    }
}

/// A control, or something else that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    /// What it is.
    pub(super) role: Role,
    /// What it is called.
    pub(super) name: String,
    /// Left, top, width and height, in pixels of its window.
    pub(super) place: Option<(i32, i32, i32, i32)>,
    /// Which window of the program it is in, in the order in which they were opened.
    pub(super) window: usize,
    states: u64,
}

/// The states of AT-SPI that are asked for, by their numbers.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub(super) enum State {
    /// A box that is ticked.
    Checked = 4,
    /// It can be used.
    Enabled = 8,
    /// It has the keyboard.
    Focused = 12,
    /// A switch that is on.
    Pressed = 20,
    /// Chosen among others.
    Selected = 23,
}

impl Element {
    /// Whether it is in this state.
    pub(super) fn is(&self, state: State) -> bool {
        self.states & (1 << state as u32) != 0
    }
}

impl std::fmt::Display for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?}", self.role, self.name)?;
        let states = [
            State::Checked,
            State::Focused,
            State::Pressed,
            State::Selected,
        ];
        for state in states.into_iter().filter(|state| self.is(*state)) {
            write!(f, " {state:?}")?;
        }
        Ok(())
    }
}

impl Bus {
    /// Starts the bus. Programs whose `DBUS_SESSION_BUS_ADDRESS` is [`Self::address`] tell of their windows there.
    ///
    /// # Errors
    /// [`Unavailable`] if the programs for it are not installed; else if the bus does not come up.
    pub(super) fn start(folder: &Path, display: &str) -> anyhow::Result<Self> {
        let address_file = folder.join("bus");
        let socket = format!("unix:path={}", folder.join("bus.socket").display());
        let mut daemon = Command::new("dbus-daemon");
        daemon
            .args(["--session", "--nofork", "--nopidfile", "--address"])
            .arg(&socket)
            .arg("--print-address=1")
            .env("DISPLAY", display)
            .env("XDG_RUNTIME_DIR", folder)
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&address_file)?)
            .stderr(Stdio::null());
        let daemon = Running::start_helper(&mut daemon).map_err(|error| {
            Unavailable(format!(
                "dbus-daemon does not start ({error}); install dbus-daemon"
            ))
        })?;
        let deadline = Instant::now() + PATIENCE;
        let address = loop {
            let said = std::fs::read_to_string(&address_file).unwrap_or_default();
            if said.ends_with('\n') {
                break said.trim().to_owned();
            }
            ensure!(Instant::now() < deadline, "the bus does not come up");
            std::thread::sleep(TICK);
        };
        let accessibility = pollster::block_on(accessibility(&address)).map_err(|error| {
            Unavailable(format!(
                "nobody gives a bus for screen readers ({error}); install at-spi2-core"
            ))
        })?;
        let announced = Arc::default();
        listen(&accessibility, Arc::clone(&announced))?;
        Ok(Self {
            address,
            accessibility,
            announced,
            _daemon: daemon,
        })
    }

    /// Where programs find it.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Everything that can be read in the windows of the programs on this bus, from the outside in. What goes away while it is
    /// read is left out.
    pub(super) fn elements(&self) -> Vec<Element> {
        pollster::block_on(read(&self.accessibility))
    }

    /// What was announced since the last time that this was asked.
    pub(super) fn take_announced(&self) -> Vec<String> {
        let mut announced = self
            .announced
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *announced)
    }
}

/// Says that a screen reader is there, and connects to where programs then tell of their windows.
async fn accessibility(session: &str) -> zbus::Result<Connection> {
    let session = Builder::address(session)?
        .method_timeout(PATIENCE)
        .build()
        .await?;
    let (service, path) = ("org.a11y.Bus", "/org/a11y/bus");
    let address: String = session
        .call_method(Some(service), path, Some(service), "GetAddress", &())
        .await?
        .body()
        .deserialize()?;
    session
        .call_method(
            Some(service),
            path,
            Some("org.freedesktop.DBus.Properties"),
            "Set",
            &("org.a11y.Status", "IsEnabled", Value::from(true)),
        )
        .await?;
    Builder::address(address.as_str())?
        .method_timeout(PATIENCE)
        .build()
        .await
}

/// Keeps what is announced, in a thread that ends with the bus.
fn listen(bus: &Connection, announced: Arc<Mutex<Vec<String>>>) -> anyhow::Result<()> {
    let rule = MatchRule::builder()
        .msg_type(zbus::message::Type::Signal)
        .interface("org.a11y.atspi.Event.Object")?
        .member("Announcement")?
        .build();
    let mut stream = pollster::block_on(MessageStream::for_match_rule(
        rule,
        bus,
        Some(MOST_ANNOUNCEMENTS),
    ))
    .context("listening to what is announced")?;
    let work = move || {
        while let Some(Ok(message)) = pollster::block_on(stream.next()) {
            if let Some(text) = announcement(&message) {
                let mut announced = announced.lock().unwrap_or_else(PoisonError::into_inner);
                if announced.len() < MOST_ANNOUNCEMENTS {
                    announced.push(text);
                }
            }
        }
    };
    let thread = std::thread::Builder::new().name("announcements".to_owned());
    thread.spawn(work)?;
    Ok(())
}

fn announcement(message: &Message) -> Option<String> {
    let body = message.body();
    let body: zbus::zvariant::Structure<'_> = body.deserialize().ok()?;
    // Kind, two numbers, then the words as a value of any type.
    match body.fields().get(3)? {
        Value::Value(inner) => String::try_from(inner.try_clone().ok()?).ok(),
        other => String::try_from(other.try_clone().ok()?).ok(),
    }
}

/// A place in the tree: who has it and what it is called there.
type Reference = (String, OwnedObjectPath);

async fn read(bus: &Connection) -> Vec<Element> {
    let registry: Reference = (
        "org.a11y.atspi.Registry".to_owned(),
        OwnedObjectPath::try_from("/org/a11y/atspi/accessible/root")
            .expect("it is a path in D-Bus's sense"),
    );
    let mut elements = Vec::new();
    let mut windows = Vec::new();
    for program in children(bus, &registry).await {
        windows.extend(children(bus, &program).await);
    }
    for (window, root) in windows.into_iter().enumerate() {
        // Level by level, all of a level at once: the program answers many questions as quickly as one.
        let mut level = vec![root];
        while !level.is_empty() && elements.len() < MOST_ELEMENTS {
            let found = join_all(level.iter().map(|place| element(bus, place, window))).await;
            level.clear();
            for (element, below) in found {
                elements.extend(element);
                level.extend(below);
            }
        }
    }
    elements
}

async fn element(
    bus: &Connection,
    place: &Reference,
    window: usize,
) -> (Option<Element>, Vec<Reference>) {
    let component = "org.a11y.atspi.Component";
    let properties = "org.freedesktop.DBus.Properties";
    let name = (ACCESSIBLE, "Name");
    let (role, name, states, extents, below) = join5(
        ask(bus, place, ACCESSIBLE, "GetRole", &()),
        ask(bus, place, properties, "Get", &name),
        ask(bus, place, ACCESSIBLE, "GetState", &()),
        ask(bus, place, component, "GetExtents", &(IN_WINDOW)),
        children(bus, place),
    )
    .await;
    let read = || {
        let role: u32 = role?.body().deserialize().ok()?;
        let name: OwnedValue = name?.body().deserialize().ok()?;
        let states: Vec<u32> = states?.body().deserialize().ok()?;
        let extents = extents.and_then(|message| message.body().deserialize().ok());
        let word = |index: usize| u64::from(states.get(index).copied().unwrap_or(0));
        Some(Element {
            role: Role::from(role),
            name: String::try_from(name).ok()?,
            place: extents,
            window,
            states: word(0) | word(1) << 32,
        })
    };
    (read(), below)
}

async fn children(bus: &Connection, place: &Reference) -> Vec<Reference> {
    let answer = ask(bus, place, ACCESSIBLE, "GetChildren", &()).await;
    answer
        .and_then(|message| message.body().deserialize().ok())
        .unwrap_or_default()
}

/// Nothing where the answer is that there is no such thing any more.
async fn ask<B: serde::Serialize + zbus::zvariant::DynamicType + Sync>(
    bus: &Connection,
    (owner, path): &Reference,
    interface: &str,
    method: &str,
    arguments: &B,
) -> Option<Message> {
    bus.call_method(
        Some(owner.as_str()),
        path,
        Some(interface),
        method,
        arguments,
    )
    .await
    .ok()
}

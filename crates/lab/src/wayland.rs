//! A private Wayland session: sway without a screen, PipeWire, and the desktop's portal, which asks nobody but a file what to share.
//!
//! The command finds it by the usual variables. [`FOLDER_VARIABLE`] names a folder with two files:
//!
//! ```text
//! choice    the output that the portal's dialog chooses (`HEADLESS-1`); empty, and the dialog is declined
//! pids      a program and its process in each line, for those who want to see what happens when it dies
//! ```
//!
//! `swaymsg` works inside, and changes what is on the output and how large that is.

mod relay;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use self::relay::Relay;
use crate::camera::Size;
use crate::command::{Running, TICK, Unavailable, run_inside};
use crate::ffi;

/// Where the files of the session are; set for the command.
pub const FOLDER_VARIABLE: &str = "LAB_WAYLAND_DIR";
/// The output that there is.
pub const OUTPUT: &str = "HEADLESS-1";
/// How long each part may take to come up.
const PATIENCE: Duration = Duration::from_secs(20);

const PORTAL: &str = "/usr/libexec/xdg-desktop-portal";
const PORTAL_OF_WLROOTS: &str = "/usr/libexec/xdg-desktop-portal-wlr";
/// What has to be there beside what is on the path.
pub(crate) const PORTALS: [&str; 2] = [PORTAL, PORTAL_OF_WLROOTS];

/// The name that the portal takes on the bus, and the one of the part of it that knows this kind of compositor.
const PORTAL_NAME: &str = "org.freedesktop.portal.Desktop";
const PORTAL_OF_WLROOTS_NAME: &str = "org.freedesktop.impl.portal.desktop.wlr";

/// The socket that sway makes, as the first that is free.
const DISPLAY: &str = "wayland-1";
/// The one that the portal uses ([`relay`]).
const RELAYED_DISPLAY: &str = "wayland-relayed";
/// Nobody but who belongs to the session, and nothing that is started by being asked for.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

/// Starts the session, without its portal if that is wanted, and runs `command` in it; returns its exit code.
///
/// # Errors
/// [`Unavailable`] if a program is not installed; else if one, or the command, fails to start.
pub fn run(size: Size, has_portal: bool, command: &[OsString]) -> anyhow::Result<u8> {
    let session = Session::start(size, has_portal)?;
    run_inside(command, &session.folder.variables())
}

/// Ended in this order: who needs another one goes before it.
struct Session {
    _portals: Vec<Running>,
    _relay: Option<Relay>,
    _pipewire: Vec<Running>,
    _sway: Running,
    _bus: Running,
    folder: Folder,
}

impl Session {
    fn start(size: Size, has_portal: bool) -> anyhow::Result<Self> {
        let folder = Folder::create()?;
        folder.write_configuration(size)?;
        let path = |name: &str| folder.0.join(name);
        let mut pids = String::new();
        let mut start = |name: &str, command: &mut Command, is_up: &dyn Fn() -> bool| {
            let mut running = folder.start(name, command, is_up)?;
            writeln!(pids, "{name} {}", running.child().id())?;
            anyhow::Ok(running)
        };
        let mut bus = Command::new("dbus-daemon");
        bus.args(["--nofork", "--config-file"])
            .arg(path("bus.conf"));
        let bus = start("dbus-daemon", &mut bus, &|| path("bus").exists())?;
        let sway = start("sway", &mut sway(&path("sway.conf")), &|| {
            path(DISPLAY).exists() && path("sway.sock").exists()
        })?;
        let pipewire = start("pipewire", &mut Command::new("pipewire"), &|| {
            path("pipewire-0").exists()
        })?;
        let wireplumber = start("wireplumber", &mut Command::new("wireplumber"), &|| true)?;
        let (mut portals, mut relay) = (Vec::new(), None);
        if has_portal {
            relay = Some(Relay::start(&path(DISPLAY), &path(RELAYED_DISPLAY))?);
            let mut inner = Command::new(PORTAL_OF_WLROOTS);
            inner
                .arg("-c")
                .arg(path("wlr.conf"))
                .env("WAYLAND_DISPLAY", RELAYED_DISPLAY);
            let inner = start("xdg-desktop-portal-wlr", &mut inner, &|| {
                folder.has_name(PORTAL_OF_WLROOTS_NAME)
            })?;
            let outer = start("xdg-desktop-portal", &mut Command::new(PORTAL), &|| {
                folder.has_name(PORTAL_NAME)
            })?;
            portals.extend([outer, inner]);
        }
        folder.write("pids", &pids)?;
        Ok(Self {
            _portals: portals,
            _relay: relay,
            _pipewire: vec![wireplumber, pipewire],
            _sway: sway,
            _bus: bus,
            folder,
        })
    }
}

/// Sway with an output that only it sees, drawn by the CPU. It refuses to run as root, so root is somebody else to it.
fn sway(configuration: &Path) -> Command {
    let mut command = if ffi::is_root() {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-user=1000", "--map-group=1000", "sway"]);
        command
    } else {
        Command::new("sway")
    };
    command
        .arg("-c")
        .arg(configuration)
        .env("WLR_BACKENDS", "headless")
        .env("WLR_RENDERER", "pixman")
        .env("WLR_LIBINPUT_NO_DEVICES", "1");
    command
}

/// The session's own folder, private to this user and removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn create() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("lab-wayland.{}", std::process::id()));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }

    fn write_configuration(&self, size: Size) -> anyhow::Result<()> {
        let folder = self
            .0
            .to_str()
            .context("the temporary folder has a strange name")?;
        let (width, height) = (size.width_px, size.height_px);
        self.write("bus.conf", &BUS.replace("{folder}", folder))?;
        self.write(
            "sway.conf",
            &format!("xwayland disable\noutput {OUTPUT} resolution {width}x{height}\n"),
        )?;
        self.write("choice", OUTPUT)?;
        self.write(
            "wlr.conf",
            &format!("[screencast]\nchooser_type=simple\nchooser_cmd=cat {folder}/choice\n"),
        )?;
        // Which of the portal's parts knows this desktop.
        fs::create_dir(self.0.join("xdg-desktop-portal"))?;
        self.write(
            "xdg-desktop-portal/portals.conf",
            "[preferred]\ndefault=wlr\n",
        )
    }

    fn write(&self, name: &str, contents: &str) -> anyhow::Result<()> {
        let path = self.0.join(name);
        fs::write(&path, contents).with_context(|| path.display().to_string())
    }

    /// What leads a program into the session, and keeps it from the person's own.
    fn variables(&self) -> Vec<(String, OsString)> {
        let mut bus = OsString::from("unix:path=");
        bus.push(self.0.join("bus"));
        [
            (FOLDER_VARIABLE, self.0.clone().into_os_string()),
            ("DBUS_SESSION_BUS_ADDRESS", bus),
            ("DISPLAY", OsString::new()),
            ("HOME", self.0.clone().into_os_string()),
            ("LIBGL_ALWAYS_SOFTWARE", "1".into()),
            ("SWAYSOCK", self.0.join("sway.sock").into_os_string()),
            ("WAYLAND_DISPLAY", DISPLAY.into()),
            ("XDG_CONFIG_HOME", self.0.clone().into_os_string()),
            ("XDG_CURRENT_DESKTOP", "sway".into()),
            ("XDG_RUNTIME_DIR", self.0.clone().into_os_string()),
            ("XDG_SESSION_TYPE", "wayland".into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Starts a program in the session, and waits until it is up.
    fn start(
        &self,
        name: &str,
        command: &mut Command,
        is_up: &dyn Fn() -> bool,
    ) -> anyhow::Result<Running> {
        let log_path = self.0.join(format!("{name}.log"));
        let log = fs::File::create(&log_path)?;
        for (variable, value) in self.variables() {
            // What the program has been given is its own.
            if command
                .get_envs()
                .all(|(given, _)| given != variable.as_str())
            {
                command.env(variable, value);
            }
        }
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut running = Running::start_helper(command)
            .map_err(|error| Unavailable(format!("{name} does not start ({error})")))?;
        let started_at = Instant::now();
        while !is_up() {
            let log = || fs::read_to_string(&log_path).unwrap_or_default();
            if let Some(code) = running.exit_code()? {
                bail!("{name} ended with code {code}: {}", log());
            }
            ensure!(
                started_at.elapsed() < PATIENCE,
                "{name} does not come up: {}",
                log()
            );
            std::thread::sleep(TICK);
        }
        Ok(running)
    }

    /// Whether somebody on the bus has this name.
    fn has_name(&self, name: &str) -> bool {
        let ask = async {
            let address = format!("unix:path={}", self.0.join("bus").display());
            let bus = zbus::connection::Builder::address(address.as_str())?
                .method_timeout(PATIENCE)
                .build()
                .await?;
            let who = "org.freedesktop.DBus";
            let path = "/org/freedesktop/DBus";
            let reply = bus
                .call_method(Some(who), path, Some(who), "NameHasOwner", &name)
                .await?;
            reply.body().deserialize::<bool>()
        };
        pollster::block_on(ask).unwrap_or_default()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left over files in the temporary folder harm nobody.
        fs::remove_dir_all(&self.0).ok();
    }
}

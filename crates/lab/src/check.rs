//! Which parts of the lab this machine can run, and the tests that need them.

use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use crate::network::{NatKind, Network};

/// Says which tests that need the lab run: "on" means all, "off" none, and a list ("camera,network") those that need
/// nothing else. Without it they run where they can.
pub const SWITCH: &str = "PASSERBY_LAB";
/// The first Linux whose FUSE can hand pages through to a program, which the virtual camera's frames need.
const PASSTHROUGH: (u32, u32) = (6, 9);

/// What the lab is made of. A machine may be able to run some of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Virtual cameras.
    Camera,
    /// A private sound server.
    Sound,
    /// A private X display.
    Display,
    /// Namespaces with NAT boxes and cables between them.
    Network,
    /// A real Chromium, which the lab's network has as a client.
    Browser,
    /// A bus on which a screen reader would hear of windows.
    Accessibility,
    /// A private Wayland session, with the desktop's portal.
    Wayland,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Camera => "camera",
            Self::Sound => "sound",
            Self::Display => "display",
            Self::Network => "network",
            Self::Browser => "browser",
            Self::Accessibility => "accessibility",
            Self::Wayland => "wayland",
        })
    }
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Camera,
        Self::Sound,
        Self::Display,
        Self::Network,
        Self::Browser,
        Self::Accessibility,
        Self::Wayland,
    ];

    /// What this machine lacks for it, if it lacks something.
    pub fn why_impossible(self) -> Option<String> {
        match self {
            Self::Camera => why_no_camera(),
            Self::Sound => missing(&["pulseaudio", "paplay", "parec"]),
            // The tests need a list of its windows, and the last two to look at what is on it.
            Self::Display => missing(&["Xvfb", "openbox", "xdotool", "import"]),
            Self::Network => why_no_network(),
            Self::Browser => why_no_browser(),
            Self::Accessibility => why_no_accessibility(),
            Self::Wayland => why_no_wayland(),
        }
    }
}

/// Why a test that needs these parts is to be left out, if it is.
///
/// A machine that cannot run them is no reason when [`SWITCH`] names them all: then the test shall fail in words.
pub fn why_left_out(needed: &[Part]) -> Option<String> {
    let switch = std::env::var(SWITCH).ok();
    needed
        .iter()
        .find_map(|part| match is_wanted(switch.as_deref(), *part) {
            Some(true) => None,
            Some(false) => Some(format!(
                "{SWITCH}={} has no {part}",
                switch.as_deref().unwrap_or_default()
            )),
            None => part
                .why_impossible()
                .map(|reason| format!("{part}: {reason}")),
        })
}

/// Whether the switch says that tests of this part must run, or that they must not; `None` if it says nothing.
fn is_wanted(switch: Option<&str>, part: Part) -> Option<bool> {
    match switch? {
        "" => None,
        "on" => Some(true),
        list => Some(list.split(',').any(|name| name.trim() == part.to_string())),
    }
}

/// Says of each part whether it can run here, on the standard output; returns whether all can.
pub fn report() -> bool {
    let reasons = Part::ALL.map(|part| (part, part.why_impossible()));
    for (part, reason) in &reasons {
        match reason {
            None => println!("{part}: yes"),
            Some(reason) => println!("{part}: no: {}", reason.replace('\n', " ")),
        }
    }
    reasons.iter().all(|(_, reason)| reason.is_none())
}

fn why_no_camera() -> Option<String> {
    if !crate::ffi::is_root() {
        return Some("a virtual camera is mounted as /dev/video*, which needs root".to_owned());
    }
    if !Path::new("/dev/fuse").exists() {
        return Some("this kernel has no FUSE".to_owned());
    }
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let (major, minor) = PASSTHROUGH;
    (kernel_version(&release) < Some(PASSTHROUGH)).then(|| {
        format!("the virtual camera needs FUSE passthrough, Linux {major}.{minor} or newer")
    })
}

/// Builds a whole network once: root in a container may not be allowed to, and a kernel may be built without something.
fn why_no_network() -> Option<String> {
    static REASON: OnceLock<Option<String>> = OnceLock::new();
    let trial = || {
        if !crate::ffi::is_root() {
            return Some("network namespaces need root".to_owned());
        }
        missing(&["conntrack", "ip", "kill", "nft"]).or_else(|| {
            let built = Network::build(NatKind::Symmetric, NatKind::Open);
            built.err().map(|error| format!("{error:#}"))
        })
    };
    REASON.get_or_init(trial).clone()
}

fn missing(tools: &[&str]) -> Option<String> {
    let missing: Vec<&str> = tools
        .iter()
        .copied()
        .filter(|tool| !is_on_path(tool))
        .collect();
    (!missing.is_empty()).then(|| format!("not installed: {}", missing.join(", ")))
}

/// A browser on the lab's network.
fn why_no_browser() -> Option<String> {
    let is_there = crate::browser::program().is_some();
    (!is_there).then(|| "not installed: chromium".to_owned())
}

/// The bus daemon, and the service that it starts for whoever asks for a bus of screen readers.
fn why_no_accessibility() -> Option<String> {
    const SERVICE: &str = "/usr/share/dbus-1/services/org.a11y.Bus.service";
    missing(&["dbus-daemon"]).or_else(|| {
        let is_there = Path::new(SERVICE).exists();
        (!is_there).then(|| "not installed: at-spi2-core".to_owned())
    })
}

/// Who runs as root needs to be somebody else for the compositor, which not every container allows.
fn why_no_wayland() -> Option<String> {
    let tools = [
        "dbus-daemon",
        "pipewire",
        "pw-cli",
        "sway",
        "swaybg",
        "swaymsg",
        "wireplumber",
    ];
    missing(&tools).or_else(|| {
        let missing = crate::wayland::PORTALS
            .iter()
            .find(|it| !Path::new(it).exists());
        if let Some(portal) = missing {
            return Some(format!("not installed: {portal}"));
        }
        let mut trial = std::process::Command::new("unshare");
        trial.args(["--user", "--map-user=1000", "--map-group=1000", "true"]);
        let is_possible =
            !crate::ffi::is_root() || trial.output().is_ok_and(|trial| trial.status.success());
        (!is_possible).then(|| "sway refuses to run as root, and `unshare --user` fails".to_owned())
    })
}

/// Major and minor number of a kernel's release, such as "6.12.3-amd64".
fn kernel_version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(['.', '-']).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn is_on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_told_apart_by_their_numbers_and_not_by_their_letters() {
        assert_eq!(kernel_version("6.12.3-amd64"), Some((6, 12)));
        assert_eq!(kernel_version("6.9.0"), Some((6, 9)));
        assert!(kernel_version("6.8.12") < Some(PASSTHROUGH));
        assert!(kernel_version("strange") < Some(PASSTHROUGH));
    }

    #[test]
    fn a_part_that_is_missing_leaves_out_the_tests_that_need_it_and_no_others() {
        let wanted = |switch| Part::ALL.map(|part| is_wanted(switch, part));
        assert_eq!(wanted(None), [None; 7]);
        assert_eq!(wanted(Some("")), [None; 7]);
        assert_eq!(wanted(Some("on")), [Some(true); 7]);
        assert_eq!(wanted(Some("off")), [Some(false); 7]);
        assert_eq!(
            wanted(Some("sound, network")),
            [false, true, false, true, false, false, false].map(Some)
        );
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        assert_eq!(missing(&["sh"]), None);
        let reason = missing(&["no-such-tool", "sh"]).unwrap();
        assert_eq!(reason, "not installed: no-such-tool");
    }
}

//! Whether this machine can run the lab, and the tests that need it.

use std::path::Path;
use std::process::{Command, Stdio};

/// Says whether tests that need the lab run: "on" and "off" are orders; without it they run where they can.
pub const SWITCH: &str = "PASSERBY_LAB";
/// The first Linux whose FUSE can hand pages through to a program, which the virtual camera's frames need.
const PASSTHROUGH: (u32, u32) = (6, 9);
/// What the virtual sound and display, and the tests in them, are made of.
const TOOLS: [&str; 6] = ["pulseaudio", "paplay", "parec", "Xvfb", "xdotool", "import"];

/// What the network lab is made of.
const NETWORK_TOOLS: [&str; 4] = ["conntrack", "ip", "nft", "unshare"];

/// Why tests that need the lab's devices are to be left out, if they are.
///
/// A machine that cannot run the lab is no reason when [`SWITCH`] says "on": then the tests shall fail in words.
pub fn why_left_out() -> Option<String> {
    match std::env::var(SWITCH).as_deref() {
        Ok("on") => None,
        Ok("off") => Some(format!("{SWITCH}=off")),
        _ => why_impossible(),
    }
}

/// What this machine lacks for any part of the lab, if it lacks something.
pub fn why_some_is_impossible() -> Option<String> {
    let devices = why_impossible().map(|reason| format!("camera, sound and display: {reason}"));
    let network = why_network_impossible().map(|reason| format!("network: {reason}"));
    let browser = why_browser_impossible().map(|reason| format!("browser: {reason}"));
    let reasons: Vec<String> = (devices.into_iter().chain(network).chain(browser)).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

/// What this machine lacks for cameras, sound and displays, if it lacks something.
pub fn why_impossible() -> Option<String> {
    if !crate::ffi::is_root() {
        return Some("a virtual camera is mounted as /dev/video*, which needs root".to_owned());
    }
    if !Path::new("/dev/fuse").exists() {
        return Some("this kernel has no FUSE".to_owned());
    }
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    if kernel_version(&release) < Some(PASSTHROUGH) {
        let (major, minor) = PASSTHROUGH;
        return Some(format!(
            "the virtual camera needs FUSE passthrough, Linux {major}.{minor} or newer"
        ));
    }
    let missing: Vec<&str> = TOOLS.into_iter().filter(|tool| !is_on_path(tool)).collect();
    (!missing.is_empty()).then(|| format!("not installed: {}", missing.join(", ")))
}

/// Why tests that need the network lab are to be left out, if they are; see [`why_left_out`].
pub fn why_network_left_out() -> Option<String> {
    match std::env::var(SWITCH).as_deref() {
        Ok("on") => None,
        Ok("off") => Some(format!("{SWITCH}=off")),
        _ => why_network_impossible(),
    }
}

/// What this machine lacks for the network lab, if it lacks something.
pub fn why_network_impossible() -> Option<String> {
    if !crate::ffi::is_root() {
        return Some("network namespaces need root".to_owned());
    }
    if !Path::new("/dev/net/tun").exists() {
        return Some(
            "this kernel has no /dev/net/tun, of which the lab's cables are made".to_owned(),
        );
    }
    let missing: Vec<&str> = NETWORK_TOOLS
        .into_iter()
        .filter(|tool| !is_on_path(tool))
        .collect();
    if !missing.is_empty() {
        return Some(format!("not installed: {}", missing.join(", ")));
    }
    // Root in a container may not be allowed to, and a kernel may be built without: only trying tells.
    let trial = Command::new("unshare")
        .args([
            "--net",
            "nft",
            "add table ip lab; add chain ip lab nat { type nat hook postrouting priority 0; }",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let works = trial.is_ok_and(|status| status.success());
    (!works).then(|| "network namespaces with nftables cannot be made here".to_owned())
}

/// Why tests with a browser on the network lab are to be left out, if they are; see [`why_left_out`].
pub fn why_browser_left_out() -> Option<String> {
    why_network_left_out().or_else(|| match std::env::var(SWITCH).as_deref() {
        Ok("on") => None,
        _ => why_browser_impossible(),
    })
}

/// What this machine lacks for a browser, if it lacks something.
pub fn why_browser_impossible() -> Option<String> {
    let is_there = crate::browser::program().is_some();
    (!is_there).then(|| "not installed: chromium".to_owned())
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
}

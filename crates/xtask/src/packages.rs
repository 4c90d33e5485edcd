//! The system packages: which are needed, which are missing, and how they come.

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::{Command, Stdio};

const LIST: &str = include_str!("../../../.github/linux-deps.txt");

/// Programs that must be there to build, wherever they come from.
const TOOLS: [&str; 3] = ["cmake", "nasm", "perl"];

/// Packages that Debian starts as a service when they are installed. We want the programs alone.
const SERVICES: [&str; 2] = ["coturn", "redis-server"];

/// Packages that are not needed where one of these programs is there. Ubuntu has no package of Chromium, but its build machines
/// have the browser.
const REPLACEMENTS: [(&str, &[&str]); 1] = [(
    "chromium",
    &["chromium", "chromium-browser", "google-chrome"],
)];

/// Installs what is missing of `sections` on Debian and its kin. Elsewhere says what is needed.
///
/// # Errors
/// In words, with the list of packages, when something is missing and could not be installed.
pub(crate) fn ensure(sections: &[&str]) -> Result<(), String> {
    let wanted = packages(LIST, sections);
    if !Path::new("/etc/debian_version").exists() {
        return elsewhere(&wanted);
    }
    let missing: Vec<&str> = wanted
        .into_iter()
        .filter(|package| !is_installed(package) && !is_replaced(package))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("Installing missing system packages: {}", missing.join(" "));
    let hint = format!("run apt-get install {}", missing.join(" "));
    if !is_root() && !is_on_path("sudo") {
        return Err(format!(
            "installing packages needs root, and there is no sudo; as root, {hint}"
        ));
    }
    // A list that is out of date is no reason to stop: the install says whether it matters.
    let is_updated = apt(&["update", "-qq"]);
    let mut install = vec!["install", "-y", "-qq", "--no-install-recommends"];
    install.extend(&missing);
    if apt(&install) {
        unwanted_services(&missing).for_each(stop_service);
        Ok(())
    } else if is_updated {
        Err(format!(
            "the system packages could not be installed; {hint}"
        ))
    } else {
        Err(format!(
            "the list of packages could not be renewed (no network, or no right to?); {hint}"
        ))
    }
}

/// The packages of the sections of the list.
pub(crate) fn listed(sections: &[&str]) -> Vec<&'static str> {
    packages(LIST, sections)
}

/// The packages of the sections, each once, in the order of the list.
fn packages<'list>(list: &'list str, sections: &[&str]) -> Vec<&'list str> {
    let mut section = "";
    let mut packages = Vec::new();
    for line in list.lines().map(str::trim) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            section = name;
        } else if sections.contains(&section)
            && !line.is_empty()
            && !line.starts_with('#')
            && !packages.contains(&line)
        {
            packages.push(line);
        }
    }
    packages
}

fn elsewhere(wanted: &[&str]) -> Result<(), String> {
    let missing: Vec<&str> = TOOLS.into_iter().filter(|tool| !is_on_path(tool)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "this is no Debian system, so packages are not installed by themselves. Missing: {}.\n\
         Needed, in Debian's names: {}.\n\
         macOS: xcode-select --install; brew install cmake nasm\n\
         Windows: Visual Studio Build Tools (C++), LLVM, CMake, NASM, Perl, all on PATH\n\
         Fedora: dnf install cmake gcc-c++ nasm perl alsa-lib-devel clang-devel pkgconf\n\
         Arch: pacman -S cmake gcc nasm perl alsa-lib clang pkgconf",
        missing.join(", "),
        wanted.join(" "),
    ))
}

fn is_installed(package: &str) -> bool {
    let status = Command::new("dpkg-query")
        .args(["--show", "--showformat=${Status}", package])
        .stderr(Stdio::null())
        .output();
    status.is_ok_and(|output| output.stdout.starts_with(b"install ok installed"))
}

fn is_replaced(package: &str) -> bool {
    let mut programs = REPLACEMENTS.iter().filter(|(name, _)| *name == package);
    programs.any(|(_, programs)| programs.iter().any(|program| is_on_path(program)))
}

/// Whether a program is on the PATH.
pub(crate) fn is_on_path(program: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else {
        return false;
    };
    let name = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&path).any(|folder| folder.join(&name).is_file())
}

/// Whether we are the superuser.
fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// The services that came with packages that were not there before. One that was is somebody's.
fn unwanted_services<'list>(installed: &[&'list str]) -> impl Iterator<Item = &'list str> {
    installed
        .iter()
        .copied()
        .filter(|package| SERVICES.contains(package))
}

/// Ends a service, and keeps it from coming back at the next start of the machine.
fn stop_service(name: &str) {
    let orders: &[&[&str]] = if Path::new("/run/systemd/system").exists() {
        &[&["systemctl", "disable", "--now", name]]
    } else {
        &[
            &["service", name, "stop"],
            &["update-rc.d", name, "disable"],
        ]
    };
    println!("{name} was installed for tests; its service is switched off");
    for order in orders {
        if !as_root(order) {
            eprintln!(
                "`{}` failed: {name} may be running as a service",
                order.join(" ")
            );
        }
    }
}

fn apt(args: &[&str]) -> bool {
    as_root(&[&["apt-get"], args].concat())
}

/// Runs a command as the superuser, without questions; whether it went well.
fn as_root(words: &[&str]) -> bool {
    let mut command = if is_root() {
        Command::new("env")
    } else {
        let mut sudo = Command::new("sudo");
        if !std::io::stdin().is_terminal() {
            // Nobody is there to type a password: fail instead of waiting.
            sudo.arg("--non-interactive");
        }
        sudo.arg("env");
        sudo
    };
    let status = command
        .arg("DEBIAN_FRONTEND=noninteractive")
        .args(words)
        .stdin(Stdio::inherit())
        .status();
    status.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_of_two_sections_is_listed_once() {
        let list = "# words\n[a]\nx\ny\n\n[b]\ny\nz\n[c]\nw\n";
        assert_eq!(packages(list, &["a", "b"]), ["x", "y", "z"]);
    }

    #[test]
    fn a_service_that_was_there_before_is_left_alone() {
        let stopped =
            |installed: &[&'static str]| -> Vec<&str> { unwanted_services(installed).collect() };
        assert_eq!(stopped(&["iproute2", "coturn"]), ["coturn"]);
        assert_eq!(stopped(&["iproute2"]), [""; 0]);
    }

    #[test]
    fn what_may_be_replaced_is_on_the_list() {
        for (package, programs) in REPLACEMENTS {
            assert!(packages(LIST, &["test"]).contains(&package));
            assert!(!programs.is_empty());
        }
    }

    #[test]
    fn the_list_in_the_repository_has_all_sections() {
        for section in ["build", "run", "test"] {
            assert!(!packages(LIST, &[section]).is_empty(), "{section}");
        }
    }
}

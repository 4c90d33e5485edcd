//! Tries packages without installing them: what is in them is unpacked, and the programs start.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{contents::read, output, said};
use crate::packages::is_on_path;
use crate::process::{Running, run};

/// Waits until the window of the program is there, within a minute, and ends it.
const WINDOW: &str = r#"
"$0" "$@" & program=$!
for _ in $(seq 300); do
    if xdotool search --pid $program --name Passerby >/dev/null 2>&1; then kill $program; exit 0; fi
    kill -0 $program || exit 1
    sleep 0.2
done
kill $program
echo "no window came up" >&2
exit 1
"#;

/// What lintian has against packages that are not Debian's own: no address of a maintainer, no changelog in Debian's form, libraries
/// that are built in, and, of those for trials, that they are not compressed.
const PASSED_OVER: [&str; 6] = [
    "bogus-mail-host",
    "embedded-library",
    "no-changelog",
    "no-manual-page",
    "uses-no-compression-for-control-tarball",
    "uses-no-compression-for-data-tarball",
];

/// Unpacks the packages and starts what is in them.
pub(super) fn check(packages: &[(&str, PathBuf)], folder: &Path) -> Result<(), String> {
    let root = folder.join("unpacked");
    if root.exists() {
        fs::remove_dir_all(&root).map_err(|error| said(&root, &error))?;
    }
    for (_, path) in packages {
        run(Command::new("dpkg-deb")
            .arg("--extract")
            .arg(path)
            .arg(&root))?;
    }
    let root = fs::canonicalize(&root).map_err(|error| said(&root, &error))?;
    let (_server, url) = check_server(&root)?;
    check_window(&root, &url)?;
    let applications = root.join("usr/share/applications/passerby.desktop");
    tool("desktop-file-validate", &[], &[&applications])?;
    let metainfo = root.join("usr/share/metainfo/passerby.metainfo.xml");
    // There is no domain of ours after which it could be named.
    let named = "--override=cid-desktopapp-is-not-rdns=info";
    tool(
        "appstreamcli",
        &["validate", "--no-net", named],
        &[&metainfo],
    )?;
    let paths: Vec<&Path> = packages.iter().map(|(_, path)| path.as_path()).collect();
    let passed_over = PASSED_OVER.join(",");
    let lintian = [
        "--fail-on",
        "error",
        "--allow-root",
        "--suppress-tags",
        &passed_over,
    ];
    tool("lintian", &lintian, &paths)?;
    fs::remove_dir_all(&root).map_err(|error| said(&root, &error))
}

/// A check by a tool that is not everywhere.
fn tool(program: &str, args: &[&str], paths: &[&Path]) -> Result<(), String> {
    if is_on_path(program) {
        run(Command::new(program).args(args).args(paths))
    } else {
        println!("not checked: {program} is not installed");
        Ok(())
    }
}

/// Starts the server as its unit does, but at a free port of this machine.
fn check_server(root: &Path) -> Result<(Running, String), String> {
    let unit = read(&root.join("lib/systemd/system/passerby-server.service"))?;
    let start = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let words: Vec<&str> = start.ok_or("the unit starts nothing")?.split(' ').collect();
    // Everything that begins with a slash is in the package.
    let inside = |word: &&str| match word.strip_prefix('/') {
        Some(path) => root.join(path).into_os_string(),
        None => word.into(),
    };
    let mut words = words.iter().map(inside);
    let program = words.next().ok_or("the unit starts nothing")?;
    let args: Vec<_> = words.collect();
    let settings = output(Command::new(&program).args(&args).arg("--check-config"))?;
    if !settings.contains("listen") {
        return Err(format!("the settings are not shown: {settings}"));
    }
    let mut server = Command::new(&program);
    server.args(&args).args(["--listen", "127.0.0.1:0"]);
    let (server, url) = Running::start_and_wait_for(&mut server, "listening on ")?;
    let address = url.trim_start_matches("ws://");
    let answer = get(address, "/readyz").map_err(|error| format!("GET /readyz: {error}"))?;
    if !(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ready\n")) {
        return Err(format!("the server is not ready: {answer}"));
    }
    println!("the server of the package is ready at {url}");
    Ok((server, url))
}

fn get(address: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Starts the window on a display that is nobody's, and waits until it is there.
fn check_window(root: &Path, url: &str) -> Result<(), String> {
    let program = root.join("usr/bin/passerby");
    let mut command = Command::new("xvfb-run");
    command.args(["--auto-servernum", "sh", "-c", WINDOW]);
    command
        .arg(program)
        .args(["--server", url, "--no-settings"]);
    command.args(["--video", "pattern", "--audio", "tone", "--speaker", "none"]);
    run(&mut command)?;
    println!("the window of the package came up");
    Ok(())
}

//! A guest in a browser: how it is started, and its commands.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::devtools::{Asset, DevTools};
use super::figures::GuestFigures;
use crate::command::{Running, TICK};
use crate::ffi;
use crate::network::{Namespace, tail};

/// How long the browser may take to answer. It starts within a second or two, and slower on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often figures are looked at while one waits for something.
const LOOK: Duration = Duration::from_millis(100);

/// Where the page appears to lie on the server.
const PLACE: &str = "/guest/";
const ASSETS: &[Asset] = &[
    Asset {
        name: "index.html",
        content_type: "text/html",
        text: include_str!("page/index.html"),
    },
    Asset {
        name: "page.js",
        content_type: "text/javascript",
        text: include_str!("page/page.js"),
    },
    Asset {
        name: "guest.js",
        content_type: "text/javascript",
        text: include_str!("page/guest.js"),
    },
    Asset {
        name: "call.js",
        content_type: "text/javascript",
        text: include_str!("page/call.js"),
    },
    Asset {
        name: "listen.js",
        content_type: "text/javascript",
        text: include_str!("page/listen.js"),
    },
    Asset {
        name: "watch.js",
        content_type: "text/javascript",
        text: include_str!("page/watch.js"),
    },
];

/// What Chromium is told. The first lines keep it from looking for its maker's servers, which a test machine may not reach.
const FLAGS: &[&str] = &[
    "--headless",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--password-store=basic",
    "--autoplay-policy=no-user-gesture-required",
    // The page comes from nowhere, which Chromium takes for the internet, and server and partner have addresses of local networks.
    "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets,LocalNetworkAccessChecksWebRTC",
    // A page that nobody looks at works as one that somebody does.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
];

/// Nothing is heard, and camera and microphone are not real.
const MADE_UP: [&str; 2] = ["--mute-audio", "--use-fake-device-for-media-stream"];

/// What a guest sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Devices<'a> {
    /// The browser's synthetic camera (a moving pattern) and microphone (a beep each second), with permission.
    Synthetic,
    /// Nothing. Without permission for devices the browser hides its addresses behind mDNS names.
    None,
    /// A clip, over and over.
    Clip {
        /// A `.y4m` file.
        pictures: &'a Path,
        /// A `.wav` file. It is sent as it is, without taking an echo or noise out of it.
        sound: &'a Path,
    },
    /// What the microphone hears; and it plays what it receives. For a browser inside of a sound server.
    Sound {
        /// Whether it takes out the echo. Noise and loudness are left as they are.
        cancels_echo: bool,
    },
}

impl Devices<'_> {
    /// What the browser is told of them.
    fn flags(self) -> Vec<String> {
        let made_up = MADE_UP.map(str::to_owned);
        match self {
            Self::Synthetic | Self::None => made_up.into(),
            Self::Clip { pictures, sound } => {
                let clip = [
                    format!("--use-file-for-fake-video-capture={}", pictures.display()),
                    format!("--use-file-for-fake-audio-capture={}", sound.display()),
                ];
                made_up.into_iter().chain(clip).collect()
            }
            Self::Sound { .. } => Vec::new(),
        }
    }

    /// What the page is told of them.
    const fn query(self) -> &'static str {
        match self {
            Self::Synthetic => "",
            Self::None => "?devices=none",
            Self::Clip { .. } => "?devices=clip",
            Self::Sound { cancels_echo: true } => "?devices=sound&echo=cancelled",
            Self::Sound {
                cancels_echo: false,
            } => "?devices=sound&echo=left",
        }
    }
}

/// A browser with one page that has greeted the server. The browser ends when this is dropped.
#[derive(Debug)]
pub struct Guest {
    devtools: DevTools,
    // Before its folder, so that the folder goes when nobody writes into it any more.
    running: Running,
    log: PathBuf,
    _folder: TempDir,
}

impl Guest {
    /// Starts a browser, in `namespace` if there is one, and greets the server at this `ws://` or `wss://` URL.
    ///
    /// # Errors
    /// When there is no browser, or it does not come so far.
    pub fn start(
        server: &str,
        namespace: Option<&Namespace>,
        devices: Devices<'_>,
    ) -> anyhow::Result<Self> {
        let program = super::program().context("there is no Chromium: cargo xtask setup")?;
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let log = folder.path().join("chromium.log");
        let (browser_reads, we_write) = std::io::pipe()?;
        let (we_read, browser_writes) = std::io::pipe()?;
        // The browser wants the pipes as its descriptors 3 and 4.
        let words = "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null";
        let mut command = match namespace {
            Some(namespace) => namespace.command("sh")?,
            None => Command::new("sh"),
        };
        command
            .args(["-c", words, "sh"])
            .arg(program)
            .args(FLAGS)
            .args(devices.flags())
            .arg(format!(
                "--user-data-dir={}",
                folder.path().join("profile").display()
            ))
            // What it leaves there goes with the folder.
            .env("TMPDIR", folder.path())
            .stdin(browser_reads)
            .stdout(browser_writes)
            .stderr(File::create(&log)?);
        if ffi::is_root() {
            // Its sandbox refuses to be root's.
            command.arg("--no-sandbox");
        }
        let running = Running::start_helper(&mut command).context("cannot run Chromium")?;
        // Our copies of the browser's ends, so that the pipes end with it.
        drop(command);
        let mut guest = Self {
            devtools: DevTools::new(we_write, we_read, ASSETS)?,
            running,
            log,
            _folder: folder,
        };
        guest
            .open(server, devices)
            .with_context(|| format!("the guest does not start: {}", tail(&guest.log)))?;
        Ok(guest)
    }

    fn open(&mut self, server: &str, devices: Devices<'_>) -> anyhow::Result<()> {
        let origin = origin(server)?;
        let devtools = &mut self.devtools;
        devtools.open_page(PATIENCE)?;
        if devices != Devices::None {
            let rights = json!({"origin": origin, "permissions": ["audioCapture", "videoCapture"]});
            devtools.call("Browser.grantPermissions", &rights, PATIENCE)?;
        }
        // The server's certificate is the lab's own.
        let ignore = json!({"ignore": true});
        devtools.call("Security.setIgnoreCertificateErrors", &ignore, PATIENCE)?;
        devtools.serve(&format!("{origin}{PLACE}"), PATIENCE)?;
        devtools.call("Page.enable", &json!({}), PATIENCE)?;
        let query = devices.query();
        let page = json!({"url": format!("{origin}{PLACE}index.html{query}")});
        let answer = devtools.call("Page.navigate", &page, PATIENCE)?;
        if let Some(error) = answer["errorText"].as_str() {
            bail!("the page does not open: {error}");
        }
        // The page is there before its scripts are.
        let ready = "new Promise((resolve, reject) => {\
             const look = () => window.passerby ? window.passerby.ready().then(resolve, reject) : setTimeout(look, 20);\
             look(); })";
        let devtools = &mut self.devtools;
        devtools.evaluate(ready, PATIENCE).map(drop)
    }

    /// Asks for a partner.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn join(&mut self) -> anyhow::Result<()> {
        self.tell("join()")
    }

    /// Leaves the partner and asks for another.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn ask_for_next(&mut self) -> anyhow::Result<()> {
        self.tell("next()")
    }

    /// Leaves the partner.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn leave(&mut self) -> anyhow::Result<()> {
        self.tell("leave()")
    }

    /// Writes to the partner.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn chat(&mut self, text: &str) -> anyhow::Result<()> {
        self.tell(&format!("chat({})", json!(text)))
    }

    /// Asks the partner for a keyframe.
    ///
    /// # Errors
    /// When there is no call, or the browser is gone.
    pub fn ask_for_keyframe(&mut self) -> anyhow::Result<()> {
        self.tell("askForKeyframe()")
    }

    /// Restarts ICE.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.tell("restart()")
    }

    /// What is known of the present or last call.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn figures(&mut self) -> anyhow::Result<GuestFigures> {
        let figures = self
            .devtools
            .evaluate("window.passerby.figures()", PATIENCE)?;
        serde_json::from_value(figures).context("the page has other figures")
    }

    /// The MIME types that this browser can send and receive, for `docs/interop.md`.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn codecs(&mut self) -> anyhow::Result<[Vec<String>; 2]> {
        let codecs = self
            .devtools
            .evaluate("window.passerby.codecs()", PATIENCE)?;
        let list = |way: &str| serde_json::from_value(codecs[way].clone());
        Ok([list("send")?, list("receive")?])
    }

    /// The name and version of the browser.
    ///
    /// # Errors
    /// When it is gone.
    pub fn version(&mut self) -> anyhow::Result<String> {
        let version = self
            .devtools
            .call("Browser.getVersion", &json!({}), PATIENCE)?;
        let product = version["product"].as_str();
        Ok(product.unwrap_or("unknown").to_owned())
    }

    /// Waits until the figures are so; returns them.
    ///
    /// # Errors
    /// When `longest` passes first, with the last figures.
    pub fn wait_until(
        &mut self,
        what: &str,
        longest: Duration,
        is_so: impl Fn(&GuestFigures) -> bool,
    ) -> anyhow::Result<GuestFigures> {
        let deadline = Instant::now() + longest;
        loop {
            let figures = self.figures()?;
            if is_so(&figures) {
                return Ok(figures);
            }
            if Instant::now() > deadline {
                bail!("{what} did not happen within {longest:?}: {figures:?}");
            }
            if ffi::is_stop_requested() {
                bail!("interrupted");
            }
            std::thread::sleep(LOOK.max(TICK));
        }
    }

    /// The process of the browser, of which all its others are children.
    pub fn pid(&mut self) -> u32 {
        self.running.child().id()
    }

    fn tell(&mut self, what: &str) -> anyhow::Result<()> {
        self.evaluate(&format!("window.passerby.{what}")).map(drop)
    }

    /// Runs JavaScript in the page and returns what it promises.
    pub(super) fn evaluate(&mut self, script: &str) -> anyhow::Result<Value> {
        self.devtools.evaluate(script, PATIENCE)
    }
}

/// The web address of the signalling server, under which a guest's page would lie.
fn origin(server: &str) -> anyhow::Result<String> {
    let (scheme, rest) = server
        .split_once("://")
        .with_context(|| format!("{server:?} is no URL"))?;
    let host = rest.split('/').next().unwrap_or_default();
    // A browser leaves out the port that goes without saying, and compares.
    let without = |port| host.strip_suffix(port).unwrap_or(host);
    match scheme {
        "ws" => Ok(format!("http://{}", without(":80"))),
        "wss" => Ok(format!("https://{}", without(":443"))),
        _ => bail!("{server:?} is no ws:// or wss:// URL"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_lies_under_the_servers_address() {
        let origin = |server| origin(server).unwrap();
        assert_eq!(origin("ws://127.0.0.1:8080/"), "http://127.0.0.1:8080");
        assert_eq!(
            origin("wss://example.org/v1/signalling"),
            "https://example.org"
        );
        assert_eq!(origin("wss://192.0.2.1:443/"), "https://192.0.2.1");
        assert_eq!(origin("ws://[::1]:80"), "http://[::1]");
        assert!(super::origin("https://example.org").is_err());
        assert!(super::origin("example.org").is_err());
    }

    #[test]
    fn every_file_that_the_page_names_is_served() {
        let is_script = |word: &&str| {
            let name = word.strip_suffix(".js");
            name.is_some_and(|name| !name.contains(' '))
        };
        let named = |text: &str| -> Vec<String> {
            text.split('"')
                .filter(is_script)
                .map(|word| word.trim_start_matches("./").to_owned())
                .collect()
        };
        let names: Vec<String> = ASSETS.iter().flat_map(|asset| named(asset.text)).collect();
        assert_eq!(
            names,
            ["page.js", "guest.js", "listen.js", "watch.js", "call.js"]
        );
        for name in names {
            assert!(ASSETS.iter().any(|asset| asset.name == name), "{name}");
        }
    }
}

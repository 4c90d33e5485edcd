//! `passerby`: flags, log and window. What the window does is in the library of this crate.

// Else Windows opens a console beside the window.
#![cfg_attr(all(windows, not(debug_assertions)), windows_subsystem = "windows")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use clap::Parser;
use desktop::app::{App, Launch};
use desktop::instance::{Claim, Instance};
use desktop::link;
use desktop::log_tail::LogTail;
use desktop::planes::Render;
use desktop::reopen::{Reopening, Shared};
use desktop::settings::{LoadProblem, Settings};
use desktop::widgets::add_interest;
use engine::{AudioSink, AudioSource, Config, VideoSource};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Random video calls, one stranger at a time.
#[derive(Debug, Parser)]
#[command(name = "passerby", version)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags that are each given or not, in any combination"
)]
struct Flags {
    /// The signalling server, a ws:// or wss:// URL
    #[arg(long, env = "PASSERBY_SERVER", value_name = "URL")]
    server: Option<String>,
    /// A link to a server: the window asks whether to use it
    #[arg(value_parser = a_link, value_name = "passerby://HOST[:PORT]")]
    link: Option<String>,
    /// Where pictures come from: camera, camera:N, camera:NAME, pattern, FILE.y4m or none
    #[arg(long, value_name = "SOURCE")]
    video: Option<VideoSource>,
    /// Where sound comes from: device, device:NAME, tone, tone:HZ, FILE.wav or none
    #[arg(long, value_name = "SOURCE")]
    audio: Option<AudioSource>,
    /// Where sound goes: device, device:NAME, FILE.wav or none
    #[arg(long, value_name = "SINK")]
    speaker: Option<AudioSink>,
    /// What you like to talk about, separated by commas
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    interests: Vec<String>,
    /// Look for somebody at once
    #[arg(long)]
    start: bool,
    /// You are 18 or older and agree to the rules of the first screen, which is left out: for trials and scripts
    #[arg(long)]
    agree: bool,
    /// Begin calls without a veil, in this run
    #[arg(long)]
    unveiled: bool,
    /// Who turns pictures into colours: planes (a shader), rgba (the CPU), or auto, which is the CPU where there is no graphics card
    #[arg(
        long,
        env = "PASSERBY_RENDER",
        default_value_t = Render::Auto,
        value_name = "WAY"
    )]
    render: Render,
    /// Neither read nor write remembered settings, and open a window beside those that are there
    #[arg(long)]
    no_settings: bool,
    /// What to log, in the words of tracing's env-filter: info, debug, engine=trace
    #[arg(
        long,
        env = "PASSERBY_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    log: String,
}

/// Anything else on the command line is a slip, and no link that the window could say something about.
fn a_link(text: &str) -> Result<String, String> {
    let scheme = text.get(..link::SCHEME.len()).unwrap_or_default();
    if scheme.eq_ignore_ascii_case(link::SCHEME) {
        // What is too long to be passed on is too long, wherever it is cut.
        Ok(text.chars().take(link::MOST_BYTES + 1).collect())
    } else {
        Err("a link to a server looks like this: passerby://example.org".to_owned())
    }
}

fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let log = start_log(&flags.log)?;
    let path = if flags.no_settings {
        None
    } else {
        Settings::path()
    };
    let (settings, set_aside) = path.as_deref().map(load).unwrap_or_default();
    let mut launch = launch(flags, settings, path);
    launch.set_aside = set_aside;
    launch.log = log;
    let link = launch.link.as_deref();
    let path = launch.settings_path.as_deref();
    match path.map(|path| Instance::claim(path, link)) {
        Some(Ok(Claim::First(instance))) => launch.instance = Some(instance),
        Some(Ok(Claim::Raised)) => {
            println!("Passerby is running already; its window was brought to the front.");
            return Ok(());
        }
        Some(Err(error)) => tracing::warn!(%error, "it is not known whether Passerby is running"),
        None => {}
    }
    show(launch)
}

/// Opens the window, and another one in its place if it is lost.
fn show(launch: Launch) -> anyhow::Result<()> {
    let mut launch = Some(launch);
    let mut app: Option<Shared> = None;
    let mut reopening = Reopening::default();
    loop {
        let create: eframe::AppCreator<'_> = Box::new(|creation| {
            if let Some(app) = &app {
                app.move_to(creation);
                return Ok(Box::new(app.clone()));
            }
            let launch = launch.take().ok_or("the window did not open before")?;
            let opened = Shared::new(App::new(creation, launch)?);
            Ok(Box::new(app.insert(opened).clone()))
        });
        let Err(error) = eframe::run_native("Passerby", options()?, create) else {
            return Ok(());
        };
        let was_open = app.is_some();
        if was_open && reopening.may_follow(&error, Instant::now()) {
            tracing::warn!(%error, "the graphics card has failed; the window is opened anew");
            continue;
        }
        let context = if was_open {
            "the window cannot be drawn any more"
        } else {
            "there is no window; passerby-headless works without a screen"
        };
        return Err(anyhow::anyhow!("{error}")).context(context);
    }
}

/// How the window is made.
fn options() -> anyhow::Result<eframe::NativeOptions> {
    Ok(eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_app_id("passerby")
            .with_title("Passerby")
            .with_icon(icon()?)
            .with_inner_size([1120.0, 720.0])
            .with_min_inner_size([360.0, 480.0]),
        // Lighter than wgpu where there is no graphics card, and as good where there is one.
        renderer: eframe::Renderer::Glow,
        dithering: false,
        ..Default::default()
    })
}

/// Begins to log; the newest lines are kept for the diagnostics.
fn start_log(filter: &str) -> anyhow::Result<LogTail> {
    let filter: EnvFilter = filter.parse().with_context(|| format!("--log {filter}"))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let tail = LogTail::default();
    tracing_subscriber::registry()
        .with(filter)
        .with(filter_fn(engine::may_be_logged))
        .with(lines)
        .with(tail.clone())
        .init();
    Ok(tail)
}

/// The settings, and where they were put if they could not be read.
fn load(path: &Path) -> (Settings, Option<PathBuf>) {
    match Settings::load(path) {
        Ok(settings) => (settings, None),
        Err(LoadProblem::Unreadable(error)) => {
            tracing::warn!(%error, "the settings cannot be read");
            (Settings::default(), None)
        }
        Err(LoadProblem::SetAside(aside)) => {
            tracing::warn!(?aside, "the settings were broken and are set aside");
            (Settings::default(), Some(aside))
        }
    }
}

/// Who this install is to servers, which is kept beside the settings. Without it one is nobody in particular.
fn identity(settings_path: &Path) -> Option<engine::Identity> {
    match engine::Identity::load_or_create(&settings_path.with_file_name("identity")) {
        Ok(identity) => Some(identity),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "there is no identity"
            );
            None
        }
    }
}

/// Flags before settings before defaults.
fn launch(flags: Flags, settings: Settings, settings_path: Option<PathBuf>) -> Launch {
    let remembered = |text: &Option<String>| text.clone().unwrap_or_default();
    let defaults = Config::default();
    let config = Config {
        server: flags
            .server
            .or_else(|| settings.server.clone())
            .unwrap_or(defaults.server),
        // What was remembered in words that are no longer understood is forgotten.
        video: flags
            .video
            .or_else(|| remembered(&settings.video).parse().ok())
            .unwrap_or(defaults.video),
        audio: flags
            .audio
            .or_else(|| remembered(&settings.audio).parse().ok())
            .unwrap_or(defaults.audio),
        speaker: flags
            .speaker
            .or_else(|| remembered(&settings.speaker).parse().ok())
            .unwrap_or(defaults.speaker),
        voice: settings.window.voice(),
        power_saving: settings.power_saving,
        shield: settings.shield.unwrap_or(defaults.shield),
        veil: settings.window.is_veiled && !flags.unveiled,
        identity: settings_path.as_deref().and_then(identity),
        block_list: (settings_path.as_deref()).map(|path| path.with_file_name("blocked")),
        ..Config::default()
    };
    let given = if flags.interests.is_empty() {
        settings.interests.clone()
    } else {
        flags.interests
    };
    let mut interests = Vec::new();
    for word in &given {
        add_interest(&mut interests, word);
    }
    Launch {
        config,
        interests,
        is_searching: flags.start,
        has_agreed: flags.agree,
        settings,
        settings_path,
        set_aside: None,
        render: flags.render,
        log: LogTail::default(),
        instance: None,
        link: flags.link,
    }
}

fn icon() -> anyhow::Result<egui::IconData> {
    let bytes = include_bytes!("../../../assets/icon/passerby-256.png");
    eframe::icon_data::from_png_bytes(bytes).context("the icon")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launched(arguments: &[&str], settings: Settings) -> Launch {
        let flags = Flags::parse_from(std::iter::once("passerby").chain(arguments.iter().copied()));
        launch(flags, settings, None)
    }

    #[test]
    fn a_flag_outweighs_what_is_remembered_and_that_outweighs_the_default() {
        let settings = Settings {
            server: Some("wss://remembered.example".to_owned()),
            video: Some("pattern".to_owned()),
            interests: vec!["jazz".to_owned()],
            shield: Some(true),
            power_saving: true,
            ..Settings::default()
        };
        let launch = launched(
            &["--video", "none", "--interests", "chess, go,chess"],
            settings.clone(),
        );
        assert_eq!(launch.config.server, "wss://remembered.example");
        assert_eq!(launch.config.video, VideoSource::None);
        assert_eq!(launch.interests, ["chess", "go"]);
        let launch = launched(&[], settings);
        assert_eq!(launch.config.video, VideoSource::Pattern);
        assert_eq!(launch.config.audio, AudioSource::DefaultMicrophone);
        assert_eq!(launch.interests, ["jazz"]);
        assert!(launch.config.shield && launch.config.power_saving);
        let launch = launched(&[], Settings::default());
        assert!(!launch.config.shield && !launch.config.power_saving);
    }

    #[test]
    fn settings_of_another_time_do_no_harm() {
        let settings = Settings {
            video: Some("hologram:9".to_owned()),
            ..Settings::default()
        };
        assert_eq!(
            launched(&[], settings).config.video,
            VideoSource::DefaultCamera
        );
    }

    #[test]
    fn a_link_is_taken_for_the_window_and_a_slip_of_the_hand_is_not() {
        let launch = launched(&["Passerby://example.org:1"], Settings::default());
        assert_eq!(launch.link.as_deref(), Some("Passerby://example.org:1"));
        assert_eq!(launch.config.server, Config::default().server, "it asks");
        for slip in ["example.org", "wss://example.org", "passerb"] {
            let error = Flags::try_parse_from(["passerby", slip]).unwrap_err();
            assert!(error.to_string().contains("looks like this"), "{error}");
        }
    }

    #[test]
    fn the_icon_can_be_read() {
        assert_eq!(icon().unwrap().width, 256);
    }
}

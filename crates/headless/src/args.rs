//! What a headless peer is told on its command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use engine::{AudioSink, AudioSource, Identity, IdentityError, VideoCodecs, VideoSource};

/// The whole command line: a stranger, or something else by name.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "passerby-headless",
    version,
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = true
)]
pub struct CommandLine {
    /// What to do instead of being a stranger.
    #[command(subcommand)]
    pub task: Option<Task>,
    /// The stranger. There is one if there is no task.
    #[command(flatten)]
    pub stranger: Option<Args>,
}

/// What can be done besides being a stranger.
#[derive(Debug, Clone, Subcommand)]
pub enum Task {
    /// Tries what a call could use: STUN, relays over UDP, TCP and TLS, the kind of NAT.
    ///
    /// Exits with 0 if calls will connect, with 1 if they will not or with some strangers only, and with 2 if the signalling server
    /// cannot be asked.
    Check(CheckArgs),
}

/// What the connection check is told.
#[derive(Debug, Clone, clap::Args)]
pub struct CheckArgs {
    /// The signalling server, which says which STUN and TURN servers there are.
    #[arg(long, value_name = "URL", env = "PASSERBY_SERVER")]
    pub server: String,
    /// Prints one line of JSON instead of words.
    #[arg(long)]
    pub json: bool,
    /// Shows the public address as well. Keep it to yourself.
    #[arg(long)]
    pub show_address: bool,
    /// Asks relays and nobody else, as for calls that hide the network address.
    #[arg(long)]
    pub relay_only: bool,
    /// How many seconds the STUN and TURN servers have.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub limit: u32,
}

/// A stranger without a window: joins, talks, answers chat and reports in figures.
///
/// Exits with 0 if every call that was asked for came about, with 1 if one did not, and with 2 if the request makes no sense.
#[derive(Debug, Clone, Parser)]
#[command(name = "passerby-headless", version, args_override_self = true)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags that are each given or not, in any combination"
)]
pub struct Args {
    /// The signalling server.
    #[arg(long, value_name = "URL", env = "PASSERBY_SERVER")]
    pub server: String,
    /// Pictures: pattern, FILE.y4m, camera:N, camera:NAME, screen, screen:NAME, window:N, portal or none.
    #[arg(long, value_name = "SOURCE", default_value = "pattern")]
    pub video: VideoSource,
    /// Sound: tone, tone:HZ, FILE.wav, device, device:NAME or none.
    #[arg(long, value_name = "SOURCE", default_value = "tone")]
    pub audio: AudioSource,
    /// Where the partner's sound is played: device, device:NAME or none.
    #[arg(
        long,
        value_name = "SINK",
        default_value = "none",
        conflicts_with = "record_audio"
    )]
    pub speaker: AudioSink,
    /// Shows each partner a screen beside these, or anything else that --video can name.
    #[arg(long, value_name = "SOURCE")]
    pub share: Option<VideoSource>,
    /// The size of pattern or camera pictures.
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "640x480", value_parser = parse_size)]
    pub size: (u32, u32),
    /// The rate of pattern or camera pictures, per second.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub fps: u32,
    /// The most that pictures may have, in kbit/s; they follow what the path takes.
    #[arg(long, value_name = "KBPS", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(50..=20_000))]
    pub video_kbps: u32,
    /// Which codec pictures are sent in: auto, h264 or av1. One that the partner does not take gives way to H.264.
    #[arg(long, value_name = "CODEC", default_value = "auto")]
    pub video_codec: VideoCodecs,
    /// Records the partner's pictures as they are shown.
    #[arg(long, value_name = "FILE.y4m")]
    pub record_video: Option<PathBuf>,
    /// Records the partner's sound as it is played.
    #[arg(long, value_name = "FILE.wav")]
    pub record_audio: Option<PathBuf>,
    /// What this stranger likes to talk about, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub interests: Vec<String>,
    /// The language that this stranger speaks (BCP 47).
    #[arg(long, value_name = "TAG")]
    pub language: Option<String>,
    /// How many calls to make, one after the other; 0 means without end.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub calls: u32,
    /// How long each call lasts before Next; without it, until the partner leaves.
    #[arg(long, value_name = "N", value_parser = parse_seconds)]
    pub seconds: Option<f64>,
    /// How long to wait for a partner and for the connection, in seconds. Waits without end for a partner if 0.
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub patience: u32,
    /// Writes a line of JSON a second.
    #[arg(long, value_name = "FILE.jsonl")]
    pub stats: Option<PathBuf>,
    /// Writes a line of JSON for each change of state and each picture of the partner's, with the moment in milliseconds.
    #[arg(long, value_name = "FILE.jsonl", conflicts_with = "record_video")]
    pub events: Option<PathBuf>,
    /// Copies what the screen shows, four times a second, as planar 4:2:0; the events say what is where, and which pictures were
    /// taken.
    #[arg(long, value_name = "FILE", requires = "events")]
    pub shots: Option<PathBuf>,
    /// Writes a line of JSON for each picture that has left or was shown: when it was at each place of its way.
    #[arg(long, value_name = "FILE.jsonl")]
    pub ways: Option<PathBuf>,
    /// Leaves the echo in what a microphone hears. Files and tones are always sent as they are.
    #[arg(long)]
    pub no_echo_cancellation: bool,
    /// Leaves the noise in what a microphone hears.
    #[arg(long)]
    pub no_noise_suppression: bool,
    /// Leaves a microphone as loud as it is.
    #[arg(long)]
    pub no_gain_control: bool,
    /// Lets calls cost little: fewer and smaller pictures both ways, in H.264 if no codec is forced.
    #[arg(long)]
    pub power_saving: bool,
    /// Begins calls over a relay and tells the partner no address.
    #[arg(long)]
    pub relay_only: bool,
    /// Agrees to a direct path this long after a call is up, in seconds.
    #[arg(long, value_name = "N", value_parser = parse_seconds)]
    pub go_direct: Option<f64>,
    /// Who this stranger is to servers: a file that is made if it is not there. Without it nobody in particular.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// Reports each partner this long after the call is up, in seconds.
    #[arg(long, value_name = "N", value_parser = parse_seconds)]
    pub report_after: Option<f64>,
    /// With what the partner has written by then, as far as the server can check it.
    #[arg(long, requires = "report_after")]
    pub report_chat: bool,
    /// Never meets again whom it reports.
    #[arg(long, requires = "report_after")]
    pub block: bool,
    /// Prints no line a second.
    #[arg(long)]
    pub quiet: bool,
}

impl Args {
    /// The engine that these arguments describe.
    ///
    /// # Errors
    /// When the identity cannot be used.
    pub fn engine_config(&self) -> Result<engine::Config, IdentityError> {
        let (width_px, height_px) = self.size;
        let identity = self.identity.as_deref().map(Identity::load_or_create);
        Ok(engine::Config {
            identity: identity.transpose()?,
            server: self.server.clone(),
            video: self.video.clone(),
            audio: self.audio.clone(),
            speaker: self
                .record_audio
                .clone()
                .map_or(self.speaker.clone(), AudioSink::File),
            picture: engine::CameraSettings {
                width_px,
                height_px,
                fps: self.fps,
            },
            video_bps: self.video_kbps * 1000,
            video_codecs: self.video_codec,
            voice: engine::VoiceConfig {
                echo_cancellation: !self.no_echo_cancellation,
                noise_suppression: !self.no_noise_suppression,
                gain_control: !self.no_gain_control,
            },
            power_saving: self.power_saving,
            shield: self.relay_only,
            ..engine::Config::default()
        })
    }
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| format!("{text:?} is no number of seconds"))?;
    if (0.0..=86_400.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(format!("{text} is not from 0 to 86400 seconds"))
    }
}

fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let words = || format!("{text:?} is no size like 640x480");
    let (width, height) = text.split_once('x').ok_or_else(words)?;
    let side = |text: &str| {
        let side: u32 = text.parse().map_err(|_| words())?;
        if side.is_multiple_of(2) && (64..=media::video::VideoFrame::MAX_SIDE_PX).contains(&side) {
            Ok(side)
        } else {
            Err(format!("{side} is not an even number from 64 to 4096"))
        }
    };
    Ok((side(width)?, side(height)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_manual_are_understood() {
        let args = Args::parse_from([
            "passerby-headless",
            "--server",
            "ws://h:1/",
            "--video",
            "clip.y4m",
            "--audio",
            "tone:220",
            "--record-audio",
            "out.wav",
            "--interests",
            "a,b",
            "--calls",
            "3",
            "--seconds",
            "1.5",
            "--size",
            "1280x720",
            "--no-noise-suppression",
        ]);
        assert_eq!(args.interests, ["a", "b"]);
        let config = args.engine_config().unwrap();
        assert!(config.voice.echo_cancellation && !config.voice.noise_suppression);
        assert_eq!(config.speaker, AudioSink::File("out.wav".into()));
        assert_eq!(
            (config.picture.width_px, config.picture.height_px),
            (1280, 720)
        );
    }

    #[test]
    fn without_a_task_it_is_a_stranger() {
        let line = ["passerby-headless", "--server", "ws://h:1/", "--calls", "3"];
        let line = CommandLine::try_parse_from(line).unwrap();
        assert!(line.task.is_none());
        assert_eq!(line.stranger.unwrap().calls, 3);
    }

    #[test]
    fn the_check_has_its_own_flags() {
        let line = [
            "passerby-headless",
            "check",
            "--server",
            "ws://h:1/",
            "--json",
        ];
        let Some(Task::Check(args)) = CommandLine::try_parse_from(line).unwrap().task else {
            panic!("it is a check");
        };
        assert!(args.json && !args.show_address);
        let mixed = [
            "passerby-headless",
            "--calls",
            "3",
            "check",
            "--server",
            "ws://h:1/",
        ];
        CommandLine::try_parse_from(mixed).expect_err("a check makes no calls");
    }

    #[test]
    fn times_that_make_no_sense_are_refused() {
        for text in ["-1", "NaN", "inf", "1e30", "soon"] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
        assert_eq!(parse_seconds("1.5"), Ok(1.5));
    }

    #[test]
    fn sizes_that_no_codec_takes_are_refused() {
        for size in ["641x480", "0x0", "640", "99999x2", "ax480"] {
            assert!(parse_size(size).is_err(), "{size}");
        }
    }
}

//! What is left of an echo: Passerby beside a browser, each with a microphone that hears its own speaker.
//!
//! ```text
//! partner ── call ──▶ speaker ── two ways through a room ──▶ microphone ── canceller ── call ──▶ partner, who records
//!                                     somebody near ──────────▲
//! ```
//!
//! The partner is always the same headless stranger, and what it hears is all that is looked at. Noise suppression and gain control are
//! switched off on both sides, so that the cancellers alone are compared.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;

use crate::browser::{Devices, Guest};
use crate::check::Part;
use crate::command::Running;
use crate::network::tail;
use crate::server::{Server, program};
use crate::speech::{SAMPLE_RATE_HZ, speak, write_speech};
use crate::{Unavailable, ffi};

/// The user of the sound server whose canceller is looked at.
const USER: &str = "subject";
/// The ways from the speaker to the microphone: how long each takes, and how loud what comes is, in percent of PulseAudio's scale (cubic).
const WAYS: [(u32, u32); 2] = [(40, 60), (90, 45)];
/// How loud somebody near is, on PulseAudio's scale of 65,536.
const NEAR_VOLUME: u32 = 40_000;
/// What is said far away and nearby: two voices.
const FAR: (&str, &str) = (
    "en",
    "The meeting point is the old mill above the river, where the road turns away from the water. Bring bread, two lamps and a \
     good coat, because the evenings are cold. If nobody is there at eight, walk on to the second bridge and wait for us.",
);
const NEAR: (&str, &str) = (
    "en+f3",
    "My sister keeps seven hens and a very loud cock. Every morning she counts the eggs, writes the number on the wall, and \
     complains that one of them is always missing. We never found out who takes it, but the neighbour's dog looks happy.",
);
/// How long server and programs may take to come so far.
const PATIENCE: Duration = Duration::from_secs(20);
/// The end of a recording has the partner's leaving in it.
const LAST: f64 = 1.0;

/// What is to be measured.
#[derive(Debug, Clone, Copy, Args)]
pub struct EchoOptions {
    /// How long the cancellers may adapt, in seconds.
    #[arg(long, default_value_t = 8)]
    pub settle: u32,
    /// How long what is left is looked at after that, in seconds.
    #[arg(long, default_value_t = 10)]
    pub judge: u32,
}

impl EchoOptions {
    /// How often so many samples of speech fill all of a call, and the time until it comes about.
    fn times(self, samples: usize) -> usize {
        let call_s = u64::from(self.settle) + u64::from(self.judge) + PATIENCE.as_secs();
        let call = call_s as usize * SAMPLE_RATE_HZ as usize;
        call.div_ceil(samples.max(1))
    }
}

/// Whose canceller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Passerby,
    Chromium,
}

/// Who speaks, and whether echoes are taken out.
#[derive(Debug, Clone, Copy)]
struct Scene {
    far: bool,
    near: bool,
    cancels: bool,
}

/// Measures, inside a sound server of its own.
///
/// # Errors
/// [`Unavailable`] where there is no sound server or browser; else when a program fails.
pub fn run(options: EchoOptions) -> anyhow::Result<u8> {
    for part in [Part::Sound, Part::Browser] {
        if let Some(reason) = part.why_impossible() {
            return Err(Unavailable(format!("{part}: {reason}")).into());
        }
    }
    let this = std::env::current_exe().context("where is this program?")?;
    let command = [
        this.into_os_string(),
        "echo-inside".into(),
        format!("--settle={}", options.settle).into(),
        format!("--judge={}", options.judge).into(),
    ];
    crate::sound::run(&[USER.to_owned()], &command)
}

/// The same inside of `lab sound`.
///
/// # Errors
/// When a program fails.
pub fn run_inside(options: EchoOptions) -> anyhow::Result<u8> {
    let room = Room::furnish(options)?;
    println!("## What is left of an echo\n");
    println!(
        "| program | echo, canceller off dBFS | on | taken away (ERLE) dB | somebody near alone dBFS | and the far voice at once | of the near voice lost dB |"
    );
    println!("|---|---|---|---|---|---|---|");
    for subject in [Subject::Passerby, Subject::Chromium] {
        let heard = |far, near, cancels| room.call(subject, Scene { far, near, cancels });
        let echo = heard(true, false, false)?;
        let left = heard(true, false, true)?;
        let near = heard(false, true, true)?;
        let both = heard(true, true, true)?;
        println!(
            "| {subject:?} | {echo:.1} | {left:.1} | {:.1} | {near:.1} | {both:.1} | {:.1} |",
            echo - left,
            near - both
        );
    }
    Ok(0)
}

/// Where the programs are: a server to meet at, and what they hear.
struct Room {
    options: EchoOptions,
    folder: tempfile::TempDir,
    server: Server,
}

impl Room {
    fn furnish(options: EchoOptions) -> anyhow::Result<Self> {
        for (delay_ms, percent) in WAYS {
            let source = format!("source={USER}_spk.monitor");
            let sink = format!("sink={USER}_micin");
            let delay = format!("latency_msec={delay_ms}");
            let before = sink_inputs()?;
            succeed(Command::new("pactl").args([
                "load-module",
                "module-loopback",
                &source,
                &sink,
                &delay,
            ]))?;
            let way = sink_inputs()?
                .into_iter()
                .find(|input| !before.contains(input))
                .context("a way through the room does not come about")?;
            succeed(Command::new("pactl").args([
                "set-sink-input-volume",
                &way,
                &format!("{percent}%"),
            ]))?;
        }
        let folder = tempfile::tempdir().context("no temporary folder")?;
        for (name, (voice, text)) in [("far", FAR), ("near", NEAR)] {
            let path = folder.path().join(name).with_extension("wav");
            let speech = speak(&path, voice, text).with_context(|| {
                Unavailable("there is no espeak-ng: cargo xtask setup".to_owned())
            })?;
            // Whoever speaks nearby begins before the call comes about, and is not to end before it.
            write_speech(&path, &speech.repeat(options.times(speech.len())))?;
        }
        Ok(Self {
            options,
            server: Server::start(0)?,
            folder,
        })
    }

    /// How loud the partner hears the subject, in dBFS.
    fn call(&self, subject: Subject, scene: Scene) -> anyhow::Result<f64> {
        let _near = scene.near.then(|| self.speak_nearby()).transpose()?;
        let _subject = match subject {
            Subject::Passerby => Started::Passerby(self.passerby(scene.cancels)?),
            Subject::Chromium => {
                let devices = Devices::Sound {
                    cancels_echo: scene.cancels,
                };
                let mut guest = Guest::start(&self.server.url, None, devices)?;
                guest.join()?;
                Started::Chromium(guest)
            }
        };
        let heard = self.folder.path().join("heard.wav");
        let log = self.folder.path().join("partner.log");
        let seconds = self.options.settle + self.options.judge + LAST as u32;
        let mut partner = self.headless()?;
        partner
            .args(["--video", "none", "--calls", "1"])
            .args(["--seconds", &seconds.to_string()])
            .arg("--record-audio")
            .arg(&heard)
            .arg("--audio")
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?);
        if scene.far {
            partner.arg(self.folder.path().join("far.wav"));
        } else {
            partner.arg("none");
        }
        let mut partner = Running::start_helper(&mut partner).context("cannot run the partner")?;
        let longest = PATIENCE + Duration::from_secs(seconds.into());
        let code = partner.wait(longest)?;
        if ffi::is_stop_requested() {
            bail!("interrupted");
        }
        ensure!(code == Some(0), "the partner failed: {}", tail(&log));
        self.judge(&heard)
    }

    fn passerby(&self, cancels: bool) -> anyhow::Result<Running> {
        let log = File::create(self.folder.path().join("subject.log"))?;
        let mut command = self.headless()?;
        command
            .args([
                "--video",
                "none",
                "--audio",
                "device",
                "--speaker",
                "device",
            ])
            .args(["--no-noise-suppression", "--no-gain-control"])
            .args((!cancels).then_some("--no-echo-cancellation"))
            .stdout(log.try_clone()?)
            .stderr(log);
        Running::start_helper(&mut command).context("cannot run passerby-headless")
    }

    fn headless(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(program("passerby-headless")?);
        command
            .args(["--server", &self.server.url, "--quiet"])
            .stdin(Stdio::null());
        Ok(command)
    }

    fn speak_nearby(&self) -> anyhow::Result<Running> {
        let mut command = Command::new("paplay");
        command
            .arg(format!("--device={USER}_micin"))
            .arg(format!("--volume={NEAR_VOLUME}"))
            .arg(self.folder.path().join("near.wav"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Running::start_helper(&mut command).context("nobody speaks nearby")
    }

    fn judge(&self, heard: &Path) -> anyhow::Result<f64> {
        let mut reader = hound::WavReader::open(heard).context("the partner recorded nothing")?;
        let spec = reader.spec();
        let samples: Vec<f32> = match spec.sample_format {
            hound::SampleFormat::Float => reader.samples::<f32>().collect::<Result<_, _>>()?,
            hound::SampleFormat::Int => {
                let most = f32::from(i16::MAX);
                let samples = reader.samples::<i16>();
                samples
                    .map(|sample| sample.map(|sample| f32::from(sample) / most))
                    .collect::<Result<_, _>>()?
            }
        };
        let rate = f64::from(spec.sample_rate) * f64::from(spec.channels);
        let last = (LAST * rate) as usize;
        let judged = (f64::from(self.options.judge) * rate) as usize;
        let end = samples.len().saturating_sub(last);
        let begin = end
            .checked_sub(judged)
            .with_context(|| format!("the call was too short: {} samples", samples.len()))?;
        let power = samples[begin..end]
            .iter()
            .map(|sample| f64::from(*sample).powi(2))
            .sum::<f64>()
            / judged as f64;
        // Digital silence is somewhere below all that can be heard.
        Ok(10.0 * power.max(1e-12).log10())
    }
}

/// Ended when it is dropped.
#[expect(dead_code, reason = "held while the call goes on")]
enum Started {
    Passerby(Running),
    Chromium(Guest),
}

fn sink_inputs() -> anyhow::Result<Vec<String>> {
    let listed = Command::new("pactl")
        .args(["list", "short", "sink-inputs"])
        .output()
        .context("cannot run pactl")?;
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let numbers = text
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    Ok(numbers.map(str::to_owned).collect())
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let status = command.stdout(Stdio::null()).status()?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}

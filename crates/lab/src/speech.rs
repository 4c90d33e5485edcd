//! Speech to send: spoken by `espeak-ng`.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;

/// Of all speech.
pub(crate) const SAMPLE_RATE_HZ: u32 = 48_000;
/// The level of the room between the sentences, -56 dBFS at its peaks: no room is silent.
const ROOM: f32 = 0.0015;

/// Speech in a room, in one of `espeak-ng`'s voices; none where nothing here can speak. It is written to this file first.
pub(crate) fn speak(path: &Path, voice: &str, text: &str) -> Option<Vec<f32>> {
    let spoken = Command::new("espeak-ng")
        .args(["-v", voice, "-s", "150", "-w"])
        .arg(path)
        .arg(text)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !spoken.is_ok_and(|status| status.success()) {
        return None;
    }
    let mut reader = hound::WavReader::open(path).ok()?;
    let rate_hz = reader.spec().sample_rate;
    let samples: Result<Vec<i16>, _> = reader.samples().collect();
    let samples: Vec<f32> = samples
        .ok()?
        .iter()
        .map(|s| f32::from(*s) / 32_768.0)
        .collect();
    let mut speech = Vec::new();
    media::audio::Resampler::new(rate_hz, SAMPLE_RATE_HZ)
        .ok()?
        .push(&samples, &mut speech);
    let mut random = 7_u32;
    for sample in &mut speech {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (random >> 16) as f32 / 32_768.0 - 1.0;
        *sample = *sample * 0.7 + ROOM * noise;
    }
    (speech.len() > SAMPLE_RATE_HZ as usize).then_some(speech)
}

/// Writes a `.wav` file of one channel at [`SAMPLE_RATE_HZ`].
///
/// # Errors
/// When there is no room for it.
pub(crate) fn write_speech(path: &Path, sound: &[f32]) -> anyhow::Result<()> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE_HZ,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).context("no room for the sound")?;
    for sample in sound {
        writer.write_sample((sample * 32_767.0) as i16)?;
    }
    writer.finalize().context("no room for the sound")
}

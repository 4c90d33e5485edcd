//! What a guest sees, picture by picture, and hears. `page/watch.js` looks, `page/listen.js` listens.

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use serde::Deserialize;

use super::guest::Guest;

/// Everything that the page noticed of pictures since [`Guest::watch`]. Times are in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Deserialize)]
pub struct Noticed {
    /// When the present or last call was matched.
    pub matched_ms: Option<f64>,
    /// When its own pictures were taken, and their numbers.
    pub captured: Vec<(f64, u32)>,
    /// When the partner's were shown, their numbers if they can be read, and their widths and heights in pixels.
    pub shown: Vec<(f64, Option<u32>, u32, u32)>,
    /// What the screen showed at even times: the picture's number, and which of the pictures it is.
    pub shots: Vec<(f64, Option<u32>, usize)>,
    /// Widths and heights of those pictures.
    pub sizes: Vec<(u32, u32)>,
    /// What could not be done.
    pub trouble: Vec<String>,
}

/// What the partner's sound was like so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
pub struct HeardSound {
    /// All of it, in seconds.
    pub all_s: f64,
    /// What was made up for something that did not come, in seconds; silence does not count.
    pub concealed_s: f64,
    /// How long all samples together waited in the jitter buffer, in seconds.
    pub waited_s: f64,
    /// How many samples that were.
    pub emitted: f64,
}

/// What a guest said and heard: samples at [`Talk::RATE_HZ`].
#[derive(Debug, Clone, Default)]
pub struct Talk {
    /// When both began, in milliseconds since the Unix epoch.
    pub began_ms: f64,
    /// The microphone's.
    pub said: Vec<f32>,
    /// The partner's.
    pub heard: Vec<f32>,
}

impl Talk {
    /// Samples in a second: as many as PESQ listens to.
    pub const RATE_HZ: u32 = 16_000;
}

impl Guest {
    /// Begins to look at pictures and to listen, in the next call.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn watch(&mut self) -> anyhow::Result<()> {
        self.evaluate("passerby.watch()").map(drop)
    }

    /// Copies what the screen shows, four times a second, or does so no more.
    ///
    /// # Errors
    /// When nothing is watched.
    pub fn take_shots(&mut self, is_wanted: bool) -> anyhow::Result<()> {
        self.evaluate(&format!("passerby.watched.takeShots({is_wanted})"))
            .map(drop)
    }

    /// Looks and listens no more.
    ///
    /// # Errors
    /// When nothing is watched.
    pub fn stop_watching(&mut self) -> anyhow::Result<()> {
        self.evaluate("passerby.stopWatching()").map(drop)
    }

    /// What was noticed so far.
    ///
    /// # Errors
    /// When nothing is watched.
    pub fn noticed(&mut self) -> anyhow::Result<Noticed> {
        let noticed = self.evaluate("passerby.noticed()")?;
        serde_json::from_value(noticed).context("the page noticed something else")
    }

    /// One of the pictures that the shots name: planar 4:2:0.
    ///
    /// # Errors
    /// When there is no such picture.
    pub fn picture(&mut self, index: usize) -> anyhow::Result<Vec<u8>> {
        let text = self.evaluate(&format!("passerby.watched.picture({index})"))?;
        let text = text.as_str().context("the page gives no picture")?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(text)?;
        ensure!(!bytes.is_empty(), "the page gives an empty picture");
        Ok(bytes)
    }

    /// What the partner's sound was like so far.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn heard(&mut self) -> anyhow::Result<HeardSound> {
        let heard = self.evaluate("passerby.heard()")?;
        serde_json::from_value(heard).context("the page heard something else")
    }

    /// What was said and heard since [`Guest::watch`]; none if there was no sound.
    ///
    /// # Errors
    /// When nothing was listened to.
    pub fn talk(&mut self) -> anyhow::Result<Option<Talk>> {
        let recording = self.evaluate("passerby.recording()")?;
        let Some(began_ms) = recording["began_ms"].as_f64() else {
            return Ok(None);
        };
        let text = recording["samples"].as_str().context("there is no sound")?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(text)?;
        let sample = |at: &[u8]| f32::from(i16::from_le_bytes([at[0], at[1]])) / 32_767.0;
        let pairs = bytes.chunks_exact(4);
        Ok(Some(Talk {
            began_ms,
            said: pairs.clone().map(sample).collect(),
            heard: pairs.map(|pair| sample(&pair[2..])).collect(),
        }))
    }
}

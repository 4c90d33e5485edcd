//! The way of one microphone's sound through the canceller, the suppressor and the gain control.

use media::audio::{FRAME_SAMPLES, SAMPLE_RATE_HZ};
use sonora::config::{
    AdaptiveDigital, EchoCanceller, GainController2, HighPassFilter, MaxProcessingRate,
    NoiseSuppression, Pipeline,
};
use sonora::{AudioProcessing, Config, StreamConfig};

use crate::echo_finder::STEP_SAMPLES;
use crate::{EchoFinder, VoiceConfig};

/// The gain at the start, in decibels. The library's 15 dB would make a loud voice louder for seconds, and the echo too.
const INITIAL_GAIN_DB: f32 = 3.0;
/// The most that a quiet voice is raised by, in decibels.
const MAX_GAIN_DB: f32 = 30.0;

/// Cleans what one microphone hears.
#[derive(Debug)]
pub struct VoiceProcessor {
    wanted: VoiceConfig,
    /// What runs: what is wanted, but for a canceller that rests. Nothing runs if nothing is to be done.
    running: Option<(VoiceConfig, Box<AudioProcessing>)>,
    echo: EchoFinder,
}

impl VoiceProcessor {
    /// Makes a processor that does what `config` says.
    pub fn new(config: VoiceConfig) -> Self {
        let mut this = Self {
            wanted: config,
            running: None,
            echo: EchoFinder::new(),
        };
        this.adapt();
        this
    }

    /// Does what `config` says, from the next frame on.
    pub fn set_config(&mut self, config: VoiceConfig) {
        if self.wanted != config {
            self.wanted = config;
            self.echo = EchoFinder::new();
            self.adapt();
        }
    }

    /// Another device plays or captures: an echo has to be reckoned with again, whatever was found before.
    pub fn on_device_changed(&mut self) {
        self.echo = EchoFinder::new();
        self.adapt();
    }

    /// Whether the echo canceller is at work: it is wanted and does not rest for want of an echo.
    pub fn is_cancelling(&self) -> bool {
        self.wanted.echo_cancellation && self.echo.has_echo()
    }

    /// Takes in 10 ms that are handed to the speaker. What is played has to be told before its echo is captured; how long
    /// before, up to about half a second, is found out here, and may change.
    pub fn on_played(&mut self, samples: &[f32; FRAME_SAMPLES]) {
        if !self.wanted.echo_cancellation {
            return;
        }
        for samples in samples.as_chunks::<STEP_SAMPLES>().0 {
            let samples = finite(samples);
            self.echo.on_played(&samples);
            if let Some((config, library)) = &mut self.running
                && config.echo_cancellation
            {
                let mut unused = [0.0; STEP_SAMPLES];
                let taken = library.process_render_f32(&[&samples], &mut [&mut unused]);
                debug_assert!(taken.is_ok(), "{taken:?}");
            }
        }
    }

    /// Cleans 10 ms that were captured.
    pub fn process(&mut self, samples: &mut [f32; FRAME_SAMPLES]) {
        if self.wanted == VoiceConfig::OFF {
            return;
        }
        for samples in samples.as_chunks_mut::<STEP_SAMPLES>().0 {
            // A NaN would stay in the filters for good.
            *samples = finite(samples);
            if self.wanted.echo_cancellation {
                self.echo.on_captured(samples);
                self.adapt();
            }
            if let Some((_, library)) = &mut self.running {
                let mut cleaned = [0.0; STEP_SAMPLES];
                // It has no reason to refuse; should it, the sound stays as it is.
                if library
                    .process_capture_f32(&[&samples[..]], &mut [&mut cleaned])
                    .is_ok()
                {
                    *samples = cleaned;
                }
            }
        }
    }

    /// Lets run what has to.
    fn adapt(&mut self) {
        let needed = VoiceConfig {
            echo_cancellation: self.is_cancelling(),
            ..self.wanted
        };
        match &mut self.running {
            Some((config, _)) if *config == needed => {}
            running if needed == VoiceConfig::OFF => *running = None,
            Some((config, library)) => {
                library.apply_config(in_the_words_of_the_library(needed));
                *config = needed;
            }
            none => {
                let stream = StreamConfig::new(SAMPLE_RATE_HZ, 1);
                let library = AudioProcessing::builder()
                    .config(in_the_words_of_the_library(needed))
                    .capture_config(stream)
                    .render_config(stream)
                    .build();
                *none = Some((needed, Box::new(library)));
            }
        }
    }
}

/// 10 ms, which is what the library takes, without what is no sound.
fn finite(samples: &[f32; STEP_SAMPLES]) -> [f32; STEP_SAMPLES] {
    let mut clean = [0.0; STEP_SAMPLES];
    for (clean, sample) in clean.iter_mut().zip(samples) {
        if sample.is_finite() {
            *clean = sample.clamp(-1.0, 1.0);
        }
    }
    clean
}

fn in_the_words_of_the_library(config: VoiceConfig) -> Config {
    Config {
        pipeline: Pipeline {
            // The default would cut everything above 16 kHz.
            maximum_internal_processing_rate: MaxProcessingRate::Rate48kHz,
            ..Pipeline::default()
        },
        high_pass_filter: Some(HighPassFilter::default()),
        echo_canceller: config.echo_cancellation.then(EchoCanceller::default),
        noise_suppression: config.noise_suppression.then(NoiseSuppression::default),
        gain_controller2: config.gain_control.then(|| GainController2 {
            adaptive_digital: Some(AdaptiveDigital {
                initial_gain_db: INITIAL_GAIN_DB,
                max_gain_db: MAX_GAIN_DB,
                ..AdaptiveDigital::default()
            }),
            ..GainController2::default()
        }),
        ..Config::default()
    }
}

//! WAV files as a microphone and as a speaker.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use media::audio::{FRAME_SAMPLES, Resampler, SAMPLE_RATE_HZ, downmix};

use crate::DeviceProblem;

/// More channels are taken for a broken header.
const MAX_CHANNELS: u16 = 64;

/// A file that is read over and over, as mono at 48 kHz; 20 ms of it in memory at a time.
pub(crate) struct WavLoop {
    reader: WavReader<BufReader<File>>,
    spec: WavSpec,
    resampler: Resampler,
    interleaved: Vec<f32>,
    mono: Vec<f32>,
}

impl WavLoop {
    pub(crate) fn open(path: &Path) -> Result<Self, DeviceProblem> {
        let reader = WavReader::open(path).map_err(|error| unusable(&error))?;
        let spec = reader.spec();
        if !(1..=MAX_CHANNELS).contains(&spec.channels) || !(1..=32).contains(&spec.bits_per_sample)
        {
            return Err(unusable(&format!(
                "{} channels with {} bits are not understood",
                spec.channels, spec.bits_per_sample
            )));
        }
        if reader.duration() == 0 {
            return Err(unusable(&"it holds no sound"));
        }
        let resampler =
            Resampler::new(spec.sample_rate, SAMPLE_RATE_HZ).map_err(|error| unusable(&error))?;
        Ok(Self {
            reader,
            spec,
            resampler,
            interleaved: Vec::new(),
            mono: Vec::new(),
        })
    }

    /// Appends about 20 ms of sound. After the end comes the beginning.
    pub(crate) fn read(&mut self, out: &mut Vec<f32>) -> Result<(), DeviceProblem> {
        let wanted = self.spec.sample_rate as usize / 50 * usize::from(self.spec.channels);
        self.interleaved.clear();
        self.fill(wanted)?;
        if self.interleaved.len() < wanted {
            self.reader.seek(0).map_err(|error| unusable(&error))?;
            if self.interleaved.is_empty() {
                self.fill(wanted)?;
            }
        }
        if self.interleaved.is_empty() {
            return Err(unusable(&"it holds no sound"));
        }
        self.mono.clear();
        downmix(
            &self.interleaved,
            usize::from(self.spec.channels),
            &mut self.mono,
        );
        self.resampler.push(&self.mono, out);
        Ok(())
    }

    fn fill(&mut self, wanted: usize) -> Result<(), DeviceProblem> {
        match self.spec.sample_format {
            SampleFormat::Float => {
                for sample in self.reader.samples::<f32>().take(wanted) {
                    let sample = sample.map_err(|error| unusable(&error))?;
                    // A file may hold anything, and one NaN would stay in the resampler for good.
                    self.interleaved.push(if sample.is_finite() {
                        sample.clamp(-1.0, 1.0)
                    } else {
                        0.0
                    });
                }
            }
            SampleFormat::Int => {
                let full_scale = (1_i64 << (self.spec.bits_per_sample - 1)) as f32;
                for sample in self.reader.samples::<i32>().take(wanted) {
                    self.interleaved
                        .push(sample.map_err(|error| unusable(&error))? as f32 / full_scale);
                }
            }
        }
        Ok(())
    }
}

/// A file that is written: mono at 48 kHz with 16 bits. Complete once [`WavSink::finish`] was called.
pub(crate) struct WavSink(WavWriter<BufWriter<File>>);

impl WavSink {
    pub(crate) fn create(path: &Path) -> Result<Self, DeviceProblem> {
        let spec = WavSpec {
            channels: 1,
            sample_rate: SAMPLE_RATE_HZ,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        WavWriter::create(path, spec)
            .map(Self)
            .map_err(|error| unusable(&error))
    }

    pub(crate) fn write(&mut self, frame: &[f32; FRAME_SAMPLES]) -> Result<(), DeviceProblem> {
        for sample in frame {
            // A cast from float saturates, and makes zero of NaN.
            let sample = (sample * f32::from(i16::MAX)).round() as i16;
            self.0
                .write_sample(sample)
                .map_err(|error| unusable(&error))?;
        }
        Ok(())
    }

    /// Makes the file complete as far as it goes, for the case that the program is killed.
    pub(crate) fn flush(&mut self) -> Result<(), DeviceProblem> {
        self.0.flush().map_err(|error| unusable(&error))
    }

    /// Writes the header's lengths.
    pub(crate) fn finish(self) -> Result<(), DeviceProblem> {
        self.0.finalize().map_err(|error| unusable(&error))
    }
}

fn unusable(reason: &dyn std::fmt::Display) -> DeviceProblem {
    DeviceProblem::File(reason.to_string())
}

#[cfg(test)]
mod tests {
    use media::audio::{Tone, fundamental_hz};

    use super::*;

    fn write(spec: WavSpec, samples: impl Iterator<Item = f32>) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = WavWriter::create(file.path(), spec).unwrap();
        for sample in samples {
            for _ in 0..spec.channels {
                match spec.sample_format {
                    SampleFormat::Float => writer.write_sample(sample).unwrap(),
                    SampleFormat::Int => {
                        let full_scale = ((1_i64 << (spec.bits_per_sample - 1)) - 1) as f32;
                        writer.write_sample((sample * full_scale) as i32).unwrap();
                    }
                }
            }
        }
        writer.finalize().unwrap();
        file
    }

    #[test]
    fn any_common_format_keeps_its_pitch_and_goes_round() {
        for (channels, sample_rate, bits_per_sample, sample_format) in [
            (1, 48_000, 16, SampleFormat::Int),
            (2, 44_100, 24, SampleFormat::Int),
            (6, 16_000, 32, SampleFormat::Float),
            (1, 8_000, 8, SampleFormat::Int),
        ] {
            let spec = WavSpec {
                channels,
                sample_rate,
                bits_per_sample,
                sample_format,
            };
            // Ten whole periods, so that the end fits the beginning.
            let tone = (0..sample_rate / 40).map(|n| {
                (n as f32 / sample_rate as f32 * 400.0 * std::f32::consts::TAU).sin() * 0.5
            });
            let file = write(spec, tone);
            let mut wav = WavLoop::open(file.path()).unwrap();
            let mut sound = Vec::new();
            while sound.len() < 48_000 {
                wav.read(&mut sound).unwrap();
            }
            let pitch = fundamental_hz(&sound[4_800..], 48_000).unwrap();
            assert!((pitch - 400.0).abs() < 2.0, "{pitch} Hz from {spec:?}");
        }
    }

    #[test]
    fn what_is_no_sound_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(
            WavLoop::open(file.path()),
            Err(DeviceProblem::File(_))
        ));
        std::fs::write(file.path(), b"RIFF\x24\0\0\0WAVEfmt nonsense").unwrap();
        assert!(matches!(
            WavLoop::open(file.path()),
            Err(DeviceProblem::File(_))
        ));
        let spec = WavSpec {
            channels: 1,
            sample_rate: 48_000,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let empty = write(spec, std::iter::empty());
        assert!(matches!(
            WavLoop::open(empty.path()),
            Err(DeviceProblem::File(_))
        ));
        let too_fast = write(
            WavSpec {
                sample_rate: 4_000_000,
                ..spec
            },
            std::iter::once(0.0),
        );
        assert!(matches!(
            WavLoop::open(too_fast.path()),
            Err(DeviceProblem::File(_))
        ));
    }

    #[test]
    fn what_was_written_is_read_back() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut sink = WavSink::create(file.path()).unwrap();
        let (mut tone, mut frame) = (Tone::new(440.0), [0.0; FRAME_SAMPLES]);
        for _ in 0..100 {
            tone.fill(&mut frame);
            sink.write(&frame).unwrap();
        }
        sink.write(&[f32::NAN; FRAME_SAMPLES]).unwrap();
        sink.write(&[7.0; FRAME_SAMPLES]).unwrap();
        sink.finish().unwrap();
        let samples: Vec<i16> = WavReader::open(file.path())
            .unwrap()
            .samples()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(samples.len(), 102 * FRAME_SAMPLES);
        assert_eq!(
            (samples[100 * FRAME_SAMPLES], samples[101 * FRAME_SAMPLES]),
            (0, i16::MAX)
        );
        let sound: Vec<f32> = samples[..48_000]
            .iter()
            .map(|s| f32::from(*s) / 32_768.0)
            .collect();
        assert!((fundamental_hz(&sound, 48_000).unwrap() - 440.0).abs() < 1.0);
    }
}

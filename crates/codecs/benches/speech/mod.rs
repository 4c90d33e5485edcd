//! Speech for measurements, and how well it is heard.

use media::audio::{Resampler, SAMPLE_RATE_HZ};

/// PESQ is made for 8 to 12 seconds.
const PIECE_SECONDS: usize = 8;
const RATE_HZ: u32 = 16_000;

/// The speech of the file that is named on the command line; asks for it if there is none.
pub(crate) fn of_arguments() -> Option<Vec<f32>> {
    let path = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    if path.is_none() {
        println!("which speech? give the path of a .wav file of {PIECE_SECONDS} s or more");
    }
    path.map(|path| read(&path))
}

/// PESQ (ITU-T P.862.2), the mean over all pieces.
pub(crate) fn score(said: &[f32], heard: &[f32]) -> f32 {
    let (said, heard) = (to_pcm(said), to_pcm(heard));
    let piece_len = PIECE_SECONDS * RATE_HZ as usize;
    let pieces = said
        .chunks_exact(piece_len)
        .zip(heard.chunks_exact(piece_len));
    let scores: Vec<f32> = pieces
        .map(|(said, heard)| pesq::pesq_wb(said, heard).expect("there is speech in each piece"))
        .collect();
    scores.iter().sum::<f32>() / scores.len() as f32
}

fn to_pcm(samples: &[f32]) -> Vec<i16> {
    let mut resampler = Resampler::new(SAMPLE_RATE_HZ, RATE_HZ).expect("a common rate");
    let mut resampled = Vec::new();
    resampler.push(samples, &mut resampled);
    let to_i16 = |sample: &f32| (sample.clamp(-1.0, 1.0) * 32_767.0) as i16;
    resampled.iter().map(to_i16).collect()
}

/// Mono at 48 kHz.
fn read(path: &str) -> Vec<f32> {
    let mut reader = hound::WavReader::open(path).expect("the file is a .wav file");
    let spec = reader.spec();
    let samples: Vec<f32> = match spec.sample_format {
        hound::SampleFormat::Float => reader
            .samples::<f32>()
            .map(Result::unwrap_or_default)
            .collect(),
        hound::SampleFormat::Int => {
            let full_scale = (1_u64 << (spec.bits_per_sample - 1)) as f32;
            let samples = reader.samples::<i32>().map(Result::unwrap_or_default);
            samples.map(|sample| sample as f32 / full_scale).collect()
        }
    };
    let mut mono = Vec::new();
    media::audio::downmix(&samples, usize::from(spec.channels), &mut mono);
    let mut resampler =
        Resampler::new(spec.sample_rate, SAMPLE_RATE_HZ).expect("the rate is supported");
    let mut speech = Vec::new();
    resampler.push(&mono, &mut speech);
    speech
}

//! What both programs send: a clip whose pictures carry their numbers, and speech.
//!
//! Made anew for each run; the speech by `espeak-ng`, where it is installed, and else there is sound with the rhythm of speech.
//! The pictures: somebody before a wall full of detail, waving, filmed from the hand by
//! a camera with some noise. All movements are periodic in the length of the clip, so that its end fits its beginning. Another
//! clip can be given instead.

use std::f32::consts::TAU;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use media::video::{TestPattern, VideoFrame};
use tempfile::TempDir;

use super::scene::Scene;
use crate::speech::{SAMPLE_RATE_HZ, speak, write_speech};

/// Width and height of the pictures.
pub(super) const SIZE_PX: (u32, u32) = (640, 480);
/// Pictures in a second.
pub(super) const FPS: u32 = 30;
/// How many pictures there are: 10 s.
pub(super) const LEN: u32 = 300;
/// The lowest rows carry the mark. Their likeness says nothing: they are easy to code.
const MARK_ROWS: usize = 3 * SIZE_PX.0 as usize / 40;
/// The bytes of brightness that count in a picture: all rows above the mark.
const LUMA_LEN: usize = SIZE_PX.0 as usize * (SIZE_PX.1 as usize - MARK_ROWS);
const SOUND_SECONDS: u32 = 10;
/// What is said, and after each sentence there is a pause: all sounds of English, many of them hard to code.
const TEXT: &str = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background. \
    It is easy to tell the depth of a well. These days a chicken leg is a rare dish. Rice is often served in round bowls.";

/// The files that both programs play over and over, and what they hold.
#[derive(Debug)]
pub(super) struct Clip {
    folder: TempDir,
    /// All pictures, planar 4:2:0.
    pictures: Vec<Vec<u8>>,
    /// The sound, at 16 kHz.
    said: Vec<f32>,
    is_speech: bool,
}

impl Clip {
    /// Writes the files: our own scene, or the pictures of this `.y4m` file, there and back again if it is short.
    ///
    /// # Errors
    /// When there is no room, or the file is no clip of the right size.
    pub(super) fn make(from: Option<&Path>) -> anyhow::Result<Self> {
        let mut clip = Self {
            folder: tempfile::tempdir().context("no temporary folder")?,
            pictures: Vec::new(),
            said: Vec::new(),
            is_speech: false,
        };
        let given = from.map(read_clip).transpose()?;
        let scene = Scene::new(SIZE_PX, LEN);
        let marks = TestPattern::new(SIZE_PX.0, SIZE_PX.1);
        let path = clip.pictures();
        let mut file = BufWriter::new(File::create(&path).context("no room for the clip")?);
        // Chromium reads headers of this form.
        writeln!(
            file,
            "YUV4MPEG2 W{} H{} F{FPS}:1 Ip A1:1 C420jpeg",
            SIZE_PX.0, SIZE_PX.1
        )?;
        for number in 0..LEN {
            let mut planes = match &given {
                Some(pictures) => pictures[there_and_back(number as usize, pictures.len())].clone(),
                None => scene.draw(number),
            };
            put_mark(&mut planes, &marks, number);
            file.write_all(b"FRAME\n")?;
            file.write_all(&planes)?;
            clip.pictures.push(planes);
        }
        file.flush().context("no room for the clip")?;
        let speech = speak(&clip.folder.path().join("speech.wav"), "en", TEXT);
        clip.is_speech = speech.is_some();
        let sound = speech.unwrap_or_else(draw_sound);
        write_speech(&clip.sound(), &sound)?;
        clip.said = super::sound::thin_out(&sound);
        Ok(clip)
    }

    /// The `.y4m` file.
    pub(super) fn pictures(&self) -> PathBuf {
        self.folder.path().join("clip.y4m")
    }

    /// The `.wav` file.
    pub(super) fn sound(&self) -> PathBuf {
        self.folder.path().join("sound.wav")
    }

    /// Whether the sound is speech, which can be judged as such.
    pub(super) const fn is_speech(&self) -> bool {
        self.is_speech
    }

    /// The sound at 16 kHz.
    pub(super) fn said(&self) -> &[f32] {
        &self.said
    }

    /// How alike what was shown is to the picture of this number, both planar 4:2:0 of the clip's size: brightness above the
    /// mark, by SSIM.
    pub(super) fn likeness(&self, number: u32, shown: &[u8]) -> Option<f64> {
        let source = self.pictures.get(number as usize)?;
        let width = SIZE_PX.0 as usize;
        Some(super::ssim::ssim(
            &source[..LUMA_LEN],
            &shown[..LUMA_LEN],
            width,
        ))
    }

    /// The same as people would judge it: all colours above the mark, by SSIMULACRA2.
    pub(super) fn judged(&self, number: u32, shown: &[u8]) -> Option<f64> {
        let source = self.pictures.get(number as usize)?;
        ssimulacra2::compute_frame_ssimulacra2(to_rgb(source), to_rgb(shown)).ok()
    }
}

/// The rows above the mark in red, green and blue: BT.601 of limited range, as what comes from a camera.
fn to_rgb(planes: &[u8]) -> ssimulacra2::Rgb {
    let (width, height) = (SIZE_PX.0 as usize, SIZE_PX.1 as usize - MARK_ROWS);
    let luma = width * SIZE_PX.1 as usize;
    let (u, v) = planes[luma..].split_at(luma / 4);
    let pixel = |place: usize| {
        let chroma = place / width / 2 * (width / 2) + place % width / 2;
        let brightness = (f32::from(planes[place]) - 16.0) / 219.0;
        let blue = (f32::from(u[chroma]) - 128.0) / 224.0;
        let red = (f32::from(v[chroma]) - 128.0) / 224.0;
        [
            brightness + 1.402 * red,
            brightness - 0.344_136 * blue - 0.714_136 * red,
            brightness + 1.772 * blue,
        ]
        .map(|value| value.clamp(0.0, 1.0))
    };
    ssimulacra2::Rgb::new(
        (0..width * height).map(pixel).collect(),
        width,
        height,
        ssimulacra2::TransferCharacteristic::SRGB,
        ssimulacra2::ColorPrimaries::BT709,
    )
    .expect("there are as many pixels as the size says")
}

/// The number of the picture at a place of a clip that is played forwards, then backwards, and so on: no cut anywhere.
fn there_and_back(place: usize, len: usize) -> usize {
    let last = len - 1;
    if last == 0 {
        return 0;
    }
    let place = place % (2 * last);
    if place > last {
        2 * last - place
    } else {
        place
    }
}

/// Writes the number into the lowest rows, without a time.
fn put_mark(planes: &mut [u8], marks: &TestPattern, number: u32) {
    let (width, height) = (SIZE_PX.0 as usize, SIZE_PX.1 as usize);
    let marked = marks.draw(number, 0, Instant::now()).into_planes();
    let luma = width * height;
    planes[LUMA_LEN..luma].copy_from_slice(&marked[LUMA_LEN..luma]);
    let chroma = luma / 4;
    let above = width / 2 * (height - MARK_ROWS) / 2;
    for begin in [luma, luma + chroma] {
        let rows = begin + above..begin + chroma;
        planes[rows.clone()].copy_from_slice(&marked[rows]);
    }
}

fn read_clip(path: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("{name} cannot be read"))?;
    let mut decoder =
        y4m::decode(BufReader::new(file)).with_context(|| format!("{name} is no y4m file"))?;
    let size = (decoder.get_width(), decoder.get_height());
    ensure!(
        size == (SIZE_PX.0 as usize, SIZE_PX.1 as usize),
        "{name} is {}x{}, and clips are compared at {}x{}",
        size.0,
        size.1,
        SIZE_PX.0,
        SIZE_PX.1
    );
    let mut pictures = Vec::new();
    while pictures.len() < LEN as usize
        && let Ok(frame) = decoder.read_frame()
    {
        let planes = [
            frame.get_y_plane(),
            frame.get_u_plane(),
            frame.get_v_plane(),
        ]
        .concat();
        ensure!(
            planes.len() == VideoFrame::len_bytes(SIZE_PX.0, SIZE_PX.1),
            "{name} is not 4:2:0 with 8 bits"
        );
        pictures.push(planes);
    }
    ensure!(!pictures.is_empty(), "{name} holds no picture");
    Ok(pictures)
}

/// Syllables of a gliding buzz with some noise, and pauses between the words: it is loud and silent as speech is, and no piece of it
/// is like another.
fn draw_sound() -> Vec<f32> {
    let mut phase = 0.0_f32;
    let mut random = 7_u32;
    let sample = |sample: u32| {
        let time = sample as f32 / SAMPLE_RATE_HZ as f32;
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (random >> 16) as f32 / 32_768.0 - 1.0;
        let pitch_hz = 120.0 + 30.0 * (TAU * 0.7 * time).sin() + 20.0 * (TAU * 1.9 * time).sin();
        phase = (phase + pitch_hz / SAMPLE_RATE_HZ as f32).fract();
        let syllable = (TAU * 2.0 * time).sin().max(0.0);
        let is_word = (TAU * 0.3 * time).sin() > -0.6;
        let voice = syllable * (0.5 * (phase - 0.5) + 0.04 * noise);
        if is_word {
            voice + 0.001 * noise
        } else {
            0.001 * noise
        }
    };
    (0..SOUND_SECONDS * SAMPLE_RATE_HZ).map(sample).collect()
}

#[cfg(test)]
mod tests {
    use media::video::read_mark;

    use super::*;

    #[test]
    fn every_picture_of_the_clip_says_its_number_and_is_like_itself_alone() {
        let clip = Clip::make(None).unwrap();
        let mut decoder =
            y4m::decode(BufReader::new(File::open(clip.pictures()).unwrap())).unwrap();
        let mut count = 0;
        while let Ok(picture) = decoder.read_frame() {
            if count % 50 == 0 {
                let planes = [
                    picture.get_y_plane(),
                    picture.get_u_plane(),
                    picture.get_v_plane(),
                ]
                .concat();
                let frame =
                    VideoFrame::from_planes(SIZE_PX.0, SIZE_PX.1, planes, Instant::now()).unwrap();
                let mark = read_mark(&frame).unwrap();
                assert_eq!((mark.frame_number, mark.capture_time_us), (count, 0));
                let to = |number| clip.likeness(number, frame.planes()).unwrap();
                assert!((to(count) - 1.0).abs() < 1e-9);
                // So that a picture that is late by one counts as less.
                assert!(to((count + 1) % LEN) < 0.97, "{}", to((count + 1) % LEN));
                assert!(to((count + 1) % LEN) > to((count + 10) % LEN));
                let judged = |number| clip.judged(number, frame.planes()).unwrap();
                assert!((judged(count) - 100.0).abs() < 0.1);
                assert!(judged((count + 1) % LEN) < 90.0);
            }
            count += 1;
        }
        assert_eq!(count, LEN);
        assert_eq!(clip.likeness(LEN, &clip.pictures[0]), None);
    }

    #[test]
    fn what_cannot_be_spoken_here_is_no_speech_and_there_is_sound_all_the_same() {
        let nowhere = Path::new("/nonexistent/speech.wav");
        assert_eq!(speak(nowhere, "en", TEXT), None);
        let sound = draw_sound();
        assert_eq!(sound.len() as u32, SOUND_SECONDS * SAMPLE_RATE_HZ);
        assert!(sound.iter().all(|sample| sample.abs() < 1.0));
    }

    #[test]
    fn a_short_clip_goes_there_and_back() {
        let order: Vec<usize> = (0..7).map(|place| there_and_back(place, 3)).collect();
        assert_eq!(order, [0, 1, 2, 1, 0, 1, 2]);
        assert_eq!(there_and_back(5, 1), 0);
    }

    #[test]
    fn a_clip_of_another_size_is_refused_in_words() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"YUV4MPEG2 W2 H2 F25:2\nFRAME\nabcdef").unwrap();
        let error = Clip::make(Some(file.path())).unwrap_err();
        assert!(error.to_string().contains("640x480"), "{error}");
    }
}

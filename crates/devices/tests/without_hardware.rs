//! Devices that need no hardware, and what is said about hardware that is not there.
#![expect(clippy::unwrap_used, reason = "in a test that is how to fail")]

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::time::{Duration, Instant};

use devices::{
    AudioSink, AudioSource, Camera, CameraSettings, DeviceProblem, DeviceState, Microphone,
    Speaker, VideoSource,
};
use media::Newest;
use media::audio::{AudioFrame, FRAME_SAMPLES, SAMPLE_RATE_HZ, Tone, fundamental_hz};
use media::video::{TestPattern, VideoFrame, read_mark};

/// For anything that must happen at all, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn the_pattern_is_a_camera_whose_pictures_are_numbered_and_dated() {
    let (camera, slot, states) = start_camera(VideoSource::Pattern);
    assert_eq!(
        next(&states),
        DeviceState::Working {
            name: "pattern".to_owned()
        }
    );
    let first = read_mark(&take(&slot)).unwrap();
    let second = read_mark(&take(&slot)).unwrap();
    assert!(second.frame_number > first.frame_number);
    assert!(second.capture_time_us > first.capture_time_us);
    assert!(camera.counters().captured >= 2);
}

#[test]
fn nothing_comes_after_a_camera_was_dropped() {
    let (camera, slot, states) = start_camera(VideoSource::Pattern);
    take(&slot);
    drop(camera);
    states.try_iter().for_each(drop);
    slot.take();
    assert!(slot.wait(Duration::from_millis(200)).is_none());
    assert!(states.try_recv().is_err());
}

#[test]
fn a_clip_is_played_over_and_over() {
    let clip = clip("YUV4MPEG2 W320 H240 F60:1 C420jpeg", 3);
    let (_camera, slot, states) = start_camera(VideoSource::File(clip.path().to_owned()));
    assert!(matches!(next(&states), DeviceState::Working { .. }));
    let mut numbers = Vec::new();
    while numbers.iter().filter(|number| **number == 0).count() < 2 {
        let frame = take(&slot);
        assert_eq!((frame.width_px(), frame.height_px()), (320, 240));
        let number = read_mark(&frame).unwrap().frame_number;
        if numbers.last() != Some(&number) {
            numbers.push(number);
        }
        assert!(
            numbers.len() < 1000,
            "the clip does not begin anew: {numbers:?}"
        );
    }
    assert!(numbers.iter().all(|number| *number < 3), "{numbers:?}");
}

#[test]
fn a_missing_clip_is_reported_and_played_once_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("late.y4m");
    let (_camera, slot, states) = start_camera(VideoSource::File(path.clone()));
    assert!(matches!(
        next(&states),
        DeviceState::Failed(DeviceProblem::File(_))
    ));
    std::fs::copy(clip("YUV4MPEG2 W320 H240 F30:1", 2).path(), &path).unwrap();
    assert!(matches!(next(&states), DeviceState::Working { .. }));
    take(&slot);
}

#[test]
fn a_broken_clip_is_a_failed_device_and_no_panic() {
    let mut file = tempfile::NamedTempFile::with_suffix(".y4m").unwrap();
    file.write_all(b"YUV4MPEG2 W320 Hmany F30:1\nFRAME\n")
        .unwrap();
    let (_camera, _slot, states) = start_camera(VideoSource::File(file.path().to_owned()));
    assert!(matches!(
        next(&states),
        DeviceState::Failed(DeviceProblem::File(_))
    ));
}

#[test]
fn a_camera_that_is_not_there_is_not_found() {
    for source in [
        VideoSource::Camera(9_999),
        VideoSource::CameraNamed("no such camera".to_owned()),
    ] {
        let (camera, _slot, states) = start_camera(source);
        assert_eq!(next(&states), DeviceState::Opening);
        assert_eq!(next(&states), DeviceState::Failed(DeviceProblem::NotFound));
        drop(camera);
    }
}

#[test]
fn no_camera_is_off() {
    let (_camera, slot, states) = start_camera(VideoSource::None);
    assert_eq!(next(&states), DeviceState::Off);
    assert!(slot.take().is_none());
}

#[test]
fn a_tone_is_a_microphone_in_real_time() {
    let (frames, states, _microphone) = start_microphone(AudioSource::Tone(440));
    assert_eq!(next(&states), DeviceState::Opening);
    assert_eq!(
        next(&states),
        DeviceState::Working {
            name: "tone:440".to_owned()
        }
    );
    let frames: Vec<AudioFrame> = (0..50)
        .map(|_| frames.recv_timeout(PATIENCE).unwrap())
        .collect();
    for pair in frames.windows(2) {
        assert!(pair[1].captured_at > pair[0].captured_at);
    }
    let span = frames[49].captured_at - frames[0].captured_at;
    assert!(
        span >= Duration::from_millis(49 * 10),
        "{span:?} for half a second of sound"
    );
    let sound: Vec<f32> = frames
        .iter()
        .flat_map(|frame| frame.samples.iter().copied())
        .collect();
    assert!((fundamental_hz(&sound, SAMPLE_RATE_HZ).unwrap() - 440.0).abs() < 2.0);
}

#[test]
fn a_recording_is_complete_once_the_speaker_is_dropped_and_can_be_played_as_a_microphone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tone.wav");
    let mut tone = Tone::new(300.0);
    let (reports, states) = channel();
    let (pulls, pulled) = channel();
    let speaker = Speaker::start(
        AudioSink::File(path.clone()),
        move |frame| {
            assert!(
                frame.iter().all(|sample| *sample == 0.0),
                "silence is what is given"
            );
            tone.fill(frame);
            pulls.send(()).unwrap();
        },
        move |state| reports.send(state).unwrap(),
    );
    for _ in 0..40 {
        pulled.recv_timeout(PATIENCE).unwrap();
    }
    assert!(matches!(next(&states), DeviceState::Working { .. }));
    let asked_for = speaker.counters().frames;
    drop(speaker);
    let reader = hound::WavReader::open(&path).unwrap();
    assert!(u64::from(reader.duration()) >= asked_for * FRAME_SAMPLES as u64);

    let (frames, _states, _microphone) = start_microphone(AudioSource::File(path));
    let sound: Vec<f32> = (0..60)
        .flat_map(|_| *frames.recv_timeout(PATIENCE).unwrap().samples)
        .collect();
    let pitch = fundamental_hz(&sound[..FRAME_SAMPLES * 30], SAMPLE_RATE_HZ).unwrap();
    assert!((pitch - 300.0).abs() < 2.0, "{pitch}");
}

#[test]
fn sound_that_goes_nowhere_is_pulled_in_real_time_all_the_same() {
    let (pulls, pulled) = channel();
    let started_at = Instant::now();
    let speaker = Speaker::start(AudioSink::None, move |_| pulls.send(()).unwrap(), |_| ());
    for _ in 0..50 {
        pulled.recv_timeout(PATIENCE).unwrap();
    }
    assert!(
        started_at.elapsed() >= Duration::from_millis(49 * 10),
        "faster than real time"
    );
    drop(speaker);
    assert!(
        pulled.recv_timeout(PATIENCE).is_err(),
        "the speaker is gone and its sound with it"
    );
}

#[test]
fn a_speaker_that_rests_asks_for_no_sound_and_one_that_is_woken_does() {
    let (pulls, pulled) = channel();
    let speaker = Speaker::start(AudioSink::None, move |_| pulls.send(()).unwrap(), |_| ());
    pulled.recv_timeout(PATIENCE).unwrap();
    speaker.set_resting(true);
    // What was under way comes in any case.
    let silence = Duration::from_millis(150);
    while pulled.recv_timeout(silence).is_ok() {}
    let asked_for = speaker.counters().frames;
    assert!(pulled.recv_timeout(silence).is_err());
    assert_eq!(speaker.counters().frames, asked_for, "it rests");
    speaker.set_resting(false);
    for _ in 0..5 {
        pulled.recv_timeout(PATIENCE).unwrap();
    }
    speaker.set_resting(true);
    drop(speaker);
    while pulled.try_recv().is_ok() {}
    assert!(pulled.recv_timeout(PATIENCE).is_err(), "it is gone");
}

#[test]
fn a_recording_goes_on_while_nothing_is_to_be_heard() {
    let folder = tempfile::tempdir().unwrap();
    let (pulls, pulled) = channel();
    let sink = AudioSink::File(folder.path().join("silence.wav"));
    let speaker = Speaker::start(sink, move |_| pulls.send(()).unwrap(), |_| ());
    speaker.set_resting(true);
    for _ in 0..20 {
        pulled.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn a_file_in_a_folder_that_is_not_there_does_not_stop_the_sound() {
    let (pulls, pulled) = channel();
    let (reports, states) = channel();
    let _speaker = Speaker::start(
        AudioSink::File("/nonexistent/sound.wav".into()),
        move |_| pulls.send(()).unwrap(),
        move |state| reports.send(state).unwrap(),
    );
    assert!(matches!(
        next(&states),
        DeviceState::Failed(DeviceProblem::File(_))
    ));
    for _ in 0..5 {
        pulled.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn sound_devices_that_are_not_there_are_not_found_and_the_call_goes_on() {
    let (_frames, states, microphone) =
        start_microphone(AudioSource::Microphone("no such microphone".to_owned()));
    assert_eq!(next(&states), DeviceState::Opening);
    assert_eq!(next(&states), DeviceState::Failed(DeviceProblem::NotFound));
    drop(microphone);

    let (pulls, pulled) = channel();
    let (reports, states) = channel();
    let _speaker = Speaker::start(
        AudioSink::Speaker("no such speaker".to_owned()),
        move |_| pulls.send(()).unwrap(),
        move |state| reports.send(state).unwrap(),
    );
    assert_eq!(next(&states), DeviceState::Opening);
    assert_eq!(next(&states), DeviceState::Failed(DeviceProblem::NotFound));
    pulled.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn listing_devices_works_on_any_machine() {
    for names in [
        devices::list_cameras(),
        devices::list_microphones(),
        devices::list_speakers(),
    ] {
        assert!(names.iter().all(|name| !name.is_empty()));
    }
}

type Slot = Arc<Newest<Arc<VideoFrame>>>;

fn start_camera(source: VideoSource) -> (Camera, Slot, Receiver<DeviceState>) {
    let slot: Slot = Arc::new(Newest::new());
    let (reports, states) = channel();
    let settings = CameraSettings {
        width_px: 320,
        height_px: 240,
        fps: 60,
    };
    let camera = Camera::start(source, settings, Arc::clone(&slot), move |state| {
        // A test that has seen enough no longer listens.
        reports.send(state).ok();
    });
    (camera, slot, states)
}

fn start_microphone(
    source: AudioSource,
) -> (Receiver<AudioFrame>, Receiver<DeviceState>, Microphone) {
    let (frames, received) = sync_channel(1000);
    let (reports, states) = channel();
    let out = move |frame| {
        frames.try_send(frame).ok();
    };
    let microphone = Microphone::start(source, out, move |state| {
        reports.send(state).ok();
    });
    (received, states, microphone)
}

fn next(states: &Receiver<DeviceState>) -> DeviceState {
    states.recv_timeout(PATIENCE).expect("a change of state")
}

fn take(slot: &Slot) -> Arc<VideoFrame> {
    slot.wait(PATIENCE).expect("a picture")
}

fn clip(header: &str, frames: u32) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::with_suffix(".y4m").unwrap();
    write_clip(file.as_file_mut(), header, frames);
    assert!(Path::new(file.path()).exists());
    file
}

fn write_clip(file: &mut std::fs::File, header: &str, frames: u32) {
    writeln!(file, "{header}").unwrap();
    let pattern = TestPattern::new(320, 240);
    for number in 0..frames {
        file.write_all(b"FRAME\n").unwrap();
        file.write_all(pattern.draw(number, 0, Instant::now()).planes())
            .unwrap();
    }
}

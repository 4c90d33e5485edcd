//! The program as a script uses it: flags in, exit code, statistics and recordings out.

#![expect(clippy::unwrap_used, reason = "in a test that is how to fail")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use headless::measure::pictures::Clip;
use headless::{Event, EventLine, ReportLine, WayLine};
use server::{Running, Server, Settings};
use tokio::runtime::Runtime;

struct TestServer {
    _runtime: Runtime,
    running: Running,
}

impl TestServer {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let settings = Settings {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            ..Settings::default()
        };
        let running = runtime.block_on(async { Server::bind(settings).await.unwrap().start() });
        Self {
            _runtime: runtime,
            running,
        }
    }

    fn peer(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_passerby-headless"));
        let url = self.running.url();
        command
            .args([
                "--server",
                &url,
                "--size",
                "320x240",
                "--video-kbps",
                "400",
                "--quiet",
            ])
            .args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

#[track_caller]
fn assert_success(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
}

fn lines(path: &Path) -> Vec<ReportLine> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn three_calls_in_a_row_succeed_and_say_so_in_figures() {
    let server = TestServer::start();
    let folder = tempfile::tempdir().unwrap();
    let stats = folder.path().join("stats.jsonl");
    let waiting = server.peer(&["--calls", "3"]).spawn().unwrap();
    let pressing = server
        .peer(&[
            "--calls",
            "3",
            "--seconds",
            "2.5",
            "--stats",
            stats.to_str().unwrap(),
        ])
        .output()
        .unwrap();
    assert_success(&pressing);
    assert_success(&waiting.wait_with_output().unwrap());
    let lines = lines(&stats);
    for call in 1..=3 {
        let last = lines
            .iter()
            .rfind(|line| line.call == call)
            .expect("a line for each call");
        assert_eq!(last.state, "connected");
        assert!(last.time_to_connected_ms.is_some(), "{last:?}");
        assert!(last.frames_decoded > 0 && last.frames_sent > 0, "{last:?}");
        assert!(
            last.picture_latency_ms.is_some_and(|ms| ms > 0.0),
            "{last:?}"
        );
        for codec in [&last.codec, &last.sent_codec] {
            let codec = codec.as_deref().expect("a codec");
            // A machine that is busy with other tests gives AV1 up within the call.
            assert!([BEST, "H.264"].contains(&codec), "{codec}");
        }
        assert_eq!(last.received_size, Some((320, 240)));
    }
}

/// What pictures are sent in where nothing else is wanted.
const BEST: &str = if cfg!(feature = "av1") {
    "AV1"
} else {
    "H.264"
};

#[test]
fn each_side_sends_what_it_was_told_to_and_sees_what_the_other_sends() {
    let server = TestServer::start();
    let folder = tempfile::tempdir().unwrap();
    let best = if cfg!(feature = "av1") { "av1" } else { "h264" };
    let words = [best, "h264", best];
    for (number, waiting) in words.into_iter().enumerate() {
        let pressing = words[(number + 1) % words.len()];
        let stats = folder.path().join(format!("{number}.jsonl"));
        let other = server.peer(&["--video-codec", waiting]).spawn().unwrap();
        let output = server
            .peer(&["--video-codec", pressing, "--seconds", "2.5", "--stats"])
            .arg(&stats)
            .output()
            .unwrap();
        assert_success(&output);
        assert_success(&other.wait_with_output().unwrap());
        let lines = lines(&stats);
        let last = lines.last().unwrap();
        // Who is to send H.264 alone offers nothing else, so that the other sends it too.
        let agreed = if [waiting, pressing].contains(&"h264") {
            "H.264"
        } else {
            BEST
        };
        assert_eq!(last.codec.as_deref(), Some(agreed), "{waiting}, {pressing}");
        assert_eq!(
            last.sent_codec.as_deref(),
            Some(agreed),
            "{waiting}, {pressing}"
        );
        assert!(
            last.frames_decoded > 20 && last.frames_sent > 20,
            "{last:?}"
        );
        assert_eq!(last.frames_dropped, 0, "{last:?}");
    }
}

#[test]
fn events_tell_each_state_and_each_picture_in_order() {
    let server = TestServer::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let copies = folder.path().join("copies");
    let waiting = server.peer(&[]).spawn().unwrap();
    let (events, shots) = (path.to_str().unwrap(), copies.to_str().unwrap());
    let pressing = server
        .peer(&["--seconds", "2", "--events", events, "--shots", shots])
        .output()
        .unwrap();
    assert_success(&pressing);
    assert_success(&waiting.wait_with_output().unwrap());

    let text = std::fs::read_to_string(&path).unwrap();
    let events: Vec<EventLine> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let is_ours = |line: &&EventLine| matches!(line.event, Event::Captured { .. });
    let (own, others): (Vec<&EventLine>, Vec<_>) = events.iter().partition(is_ours);
    assert!(own.is_sorted_by_key(|line| line.at_ms) && own.len() > 10);
    assert!(others.is_sorted_by_key(|line| line.at_ms));
    let copies_bytes = std::fs::metadata(&copies).unwrap().len();
    let (mut states, mut size, mut shots) = (Vec::new(), (0, 0), 0);
    let (mut numbers, mut latest) = (Vec::new(), 0.0_f64);
    for line in &events {
        match &line.event {
            Event::Signalling { .. }
            | Event::Captured { .. }
            | Event::Report { .. }
            | Event::Banned { .. } => {}
            Event::Call { state } => states.push(state.as_str()),
            Event::Resized {
                width_px,
                height_px,
            } => size = (*width_px, *height_px),
            Event::Shot {
                number,
                width_px,
                height_px,
                offset_bytes,
            } => {
                shots += 1;
                assert_eq!(*number, numbers.last().copied(), "the one on the screen");
                assert_eq!((*width_px, *height_px), size);
                let len = u64::from(width_px * height_px * 3 / 2);
                assert!(offset_bytes + len <= copies_bytes);
            }
            Event::Picture {
                number,
                captured_ms,
            } => {
                numbers.push(number.expect("the pattern carries its number"));
                latest = latest.max(line.at_ms - captured_ms.expect("and its time"));
            }
        }
    }
    // The states before it may be too short to be seen on loopback.
    assert!(states.contains(&"connected"), "{states:?}");
    assert!(shots > 2, "{shots}");
    assert!(numbers.len() > 10, "{}", numbers.len());
    assert!(numbers.is_sorted(), "{numbers:?}");
    assert!((0.0..5_000.0).contains(&latest), "{latest} ms");
}

#[test]
fn recordings_hold_what_was_seen_and_heard() {
    let server = TestServer::start();
    let folder = tempfile::tempdir().unwrap();
    let (pictures, sound) = (
        folder.path().join("seen.y4m"),
        folder.path().join("heard.wav"),
    );
    let partner = server.peer(&["--audio", "tone:523"]).spawn().unwrap();
    let recording = server
        .peer(&[
            "--seconds",
            "4",
            "--record-video",
            pictures.to_str().unwrap(),
        ])
        .args(["--record-audio", sound.to_str().unwrap()])
        .output()
        .unwrap();
    assert_success(&recording);
    assert_success(&partner.wait_with_output().unwrap());
    assert!(Clip::read(&pictures, 1000).unwrap().len() > 10);
    let mut reader = hound::WavReader::open(&sound).unwrap();
    let samples: Vec<f32> = match reader.spec().sample_format {
        hound::SampleFormat::Float => reader.samples::<f32>().map(Result::unwrap).collect(),
        hound::SampleFormat::Int => reader
            .samples::<i16>()
            .map(|s| f32::from(s.unwrap()) / 32768.0)
            .collect(),
    };
    let middle = &samples[samples.len() / 2..samples.len() / 2 + 24_000];
    let hz = media::audio::fundamental_hz(middle, reader.spec().sample_rate).expect("a tone");
    assert!((hz - 523.0).abs() < 4.0, "{hz} Hz");
}

#[test]
fn a_call_that_does_not_come_about_is_told_by_the_exit_code() {
    let server = TestServer::start();
    let alone = server.peer(&["--patience", "2"]).output().unwrap();
    assert_eq!(alone.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&alone.stderr).contains("no partner"));
}

#[test]
fn a_request_that_makes_no_sense_is_refused_in_words() {
    let server = TestServer::start();
    let nonsense = server.peer(&["--video", "webcam"]).output().unwrap();
    assert_eq!(nonsense.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&nonsense.stderr).contains("FILE.y4m"));
    let nowhere = server
        .peer(&["--stats", "/no/such/folder/stats.jsonl"])
        .output()
        .unwrap();
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("/no/such/folder"));
}

#[test]
fn the_ways_of_the_pictures_that_one_sends_and_the_other_shows_fit_together() {
    let server = TestServer::start();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (ways_a, ways_b, stats) = (file("a.jsonl"), file("b.jsonl"), file("stats.jsonl"));
    let mut a = server.peer(&["--seconds", "4", "--ways", &ways_a, "--stats", &stats]);
    let a = a.spawn().unwrap();
    let b = server.peer(&["--seconds", "4", "--ways", &ways_b]).output();
    assert_success(&b.unwrap());
    assert_success(&a.wait_with_output().unwrap());
    let ways = |path: &str| -> Vec<WayLine> {
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let shown: std::collections::BTreeMap<u32, [f64; 5]> = ways(&ways_b)
        .into_iter()
        .filter_map(|line| match line {
            WayLine::In {
                timestamp,
                first_packet_ms,
                completed_ms,
                decoding_ms,
                decoded_ms,
                shown_ms,
            } => Some((
                timestamp,
                [
                    first_packet_ms,
                    completed_ms,
                    decoding_ms,
                    decoded_ms,
                    shown_ms,
                ],
            )),
            WayLine::Out { .. } => None,
        })
        .collect();
    let mut whole = 0;
    for line in ways(&ways_a) {
        let WayLine::Out {
            timestamp,
            captured_ms,
            taken_ms,
            encoding_ms,
            encoded_ms,
            first_left_ms,
            last_left_ms,
            ..
        } = line
        else {
            continue;
        };
        let made = [captured_ms, taken_ms, encoding_ms, encoded_ms];
        assert!(made.is_sorted(), "{made:?}");
        // The stack's clock may have been read a moment before.
        assert!(encoded_ms < first_left_ms + 5.0 && first_left_ms <= last_left_ms);
        let Some(into) = shown.get(&timestamp) else {
            continue;
        };
        assert!(into.is_sorted(), "{into:?}");
        // The clocks of the two are compared to the microsecond, and by others' time of day.
        assert!(into[0] + 5.0 > first_left_ms, "it came before it had left");
        whole += 1;
    }
    assert!(whole > 10, "{whole} pictures");
    let last = lines(Path::new(&stats)).into_iter().last().unwrap();
    let (out, into) = (last.times_out.unwrap(), last.times_in.unwrap());
    assert!(out.encoding.median_ms > 0.0 && out.encoding.p95_ms <= out.total.p95_ms);
    assert!(into.decoding.median_ms > 0.0 && into.decoding.p95_ms <= into.total.p95_ms);
}

#[test]
fn a_screen_that_is_shared_is_seen_beside_the_camera_and_counted() {
    let server = TestServer::start();
    let folder = tempfile::tempdir().unwrap();
    let stats = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (shows, sees) = (stats("shows.jsonl"), stats("sees.jsonl"));
    let mut one = server
        .peer(&["--share", "pattern", "--seconds", "6", "--stats", &shows])
        .spawn()
        .unwrap();
    let two = server.peer(&["--seconds", "4", "--stats", &sees]).output();
    assert!(one.wait().unwrap().success());
    assert_success(&two.unwrap());
    let newest = |path: &str| lines(Path::new(path)).into_iter().last().unwrap();
    let (shown, seen) = (newest(&shows), newest(&sees));
    assert!(shown.screen_frames_sent > 15, "{shown:?}");
    assert!(
        seen.screen_frames_decoded > 15 && seen.frames_decoded > 30,
        "{seen:?}"
    );
    assert_eq!(seen.screen_size, Some((320, 240)));
    assert_eq!(seen.screen_frames_sent, 0);
}

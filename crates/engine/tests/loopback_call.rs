//! Two engines and a server on this machine: everything between the test picture on one side and the shown picture on the other is
//! real.

mod support;

use std::time::Duration;

use engine::{
    AudioSink, AudioSource, CallView, Command, Config, EndReason, SignallingView, Speaker,
    VideoSource,
};
use support::{Stranger, TestServer, pair, synthetic};

#[test]
fn two_strangers_see_each_other_move() {
    let server = TestServer::start();
    let (one, two) = pair(&server.url());
    for stranger in [&one, &two] {
        let (_, first) = stranger.see();
        let mut last = first;
        for _ in 0..20 {
            let (_, mark) = stranger.see();
            assert!(
                mark.frame_number > last.frame_number,
                "pictures come in order"
            );
            last = mark;
        }
        let statistics = stranger
            .wait("figures", |s| s.statistics.path.is_some())
            .statistics
            .clone();
        assert!(statistics.time_to_first_frame.is_some());
        assert!(statistics.frames_decoded > 10, "{statistics:?}");
        assert_eq!(statistics.received_size_px, Some((320, 240)));
    }
}

#[test]
fn two_strangers_hear_each_other_at_the_right_pitch() {
    let server = TestServer::start();
    let folder = tempfile::tempdir().unwrap();
    let side = |hz, file: &str| {
        Stranger::with(Config {
            audio: AudioSource::Tone(hz),
            speaker: AudioSink::File(folder.path().join(file)),
            ..synthetic(&server.url())
        })
    };
    let (one, two) = (side(440, "one.wav"), side(660, "two.wav"));
    one.start_searching();
    two.start_searching();
    one.wait_connected();
    two.wait_connected();
    std::thread::sleep(Duration::from_secs(3));
    drop((one, two));
    for (file, partner_hz) in [("one.wav", 660.0), ("two.wav", 440.0)] {
        let mut reader = hound::WavReader::open(folder.path().join(file)).unwrap();
        let rate = reader.spec().sample_rate;
        let samples: Vec<f32> = match reader.spec().sample_format {
            hound::SampleFormat::Float => reader.samples::<f32>().map(Result::unwrap).collect(),
            hound::SampleFormat::Int => reader
                .samples::<i16>()
                .map(|s| f32::from(s.unwrap()) / 32768.0)
                .collect(),
        };
        let channels = usize::from(reader.spec().channels);
        let mono: Vec<f32> = samples.iter().step_by(channels).copied().collect();
        let end = mono.len() - mono.len() / 8;
        let middle = &mono[end - rate as usize / 2..end];
        let hz = media::audio::fundamental_hz(middle, rate).expect("a tone was heard");
        assert!((hz - partner_hz).abs() < 3.0, "{file}: {hz} Hz");
    }
}

#[test]
fn chat_and_typing_reach_the_partner() {
    let server = TestServer::start();
    let (one, two) = pair(&server.url());
    one.wait_chat_open();
    two.wait_chat_open();
    one.engine.send(Command::SetTyping(true));
    two.wait("the typing notice", |s| s.partner.is_typing);
    one.engine.send(Command::SendChat(
        "  hello, <b>stranger</b> \u{1F44B} ".to_owned(),
    ));
    let seen = two.wait("the line", |s| !s.chat.is_empty());
    assert_eq!(seen.chat[0].speaker, Speaker::Partner);
    assert_eq!(seen.chat[0].text, "hello, <b>stranger</b> \u{1F44B}");
    assert!(!seen.partner.is_typing, "a line ends the typing");
    assert_eq!(
        one.wait("the own line", |s| !s.chat.is_empty()).chat[0].speaker,
        Speaker::Me
    );
    one.engine.send(Command::SendChat("x".repeat(5000)));
    let long = two.wait("the long line", |s| s.chat.len() == 2);
    assert_eq!(
        long.chat[1].text.len(),
        protocol::limits::CHAT_CHARS,
        "a line that is too long is cut"
    );
}

#[test]
fn a_muted_microphone_and_a_camera_that_is_off_are_told_and_stop() {
    let server = TestServer::start();
    let (one, two) = pair(&server.url());
    two.wait("both to be sent", |s| {
        s.partner.is_sending_audio && s.partner.is_sending_video
    });
    one.engine.send(Command::SetMicrophone(false));
    one.engine.send(Command::SetCamera(false));
    two.wait("both to be off", |s| {
        !s.partner.is_sending_audio && !s.partner.is_sending_video
    });
    two.wait_for_no_picture();
    one.engine.send(Command::SetCamera(true));
    two.wait("the camera to be on", |s| s.partner.is_sending_video);
    two.see();
}

#[test]
fn a_device_that_comes_in_mid_call_needs_no_new_call() {
    let server = TestServer::start();
    let one = Stranger::with(Config {
        video: VideoSource::None,
        ..synthetic(&server.url())
    });
    let two = Stranger::new(&server.url());
    one.start_searching();
    two.start_searching();
    two.wait_connected();
    one.wait_connected();
    one.see();
    assert!(
        two.engine.remote_video().take().is_none(),
        "nothing is sent without a camera"
    );
    one.engine.send(Command::ChooseVideo(VideoSource::Pattern));
    two.see();
    assert!(matches!(
        two.engine.snapshot().call,
        CallView::Connected { .. }
    ));
}

#[test]
fn next_leads_from_one_partner_to_the_next() {
    let server = TestServer::start();
    let (one, two) = pair(&server.url());
    let three = Stranger::new(&server.url());
    three.start_searching();
    three.wait("the search", |s| {
        matches!(s.call, CallView::Searching { .. })
    });
    one.see();
    one.engine.send(Command::Next);
    two.wait("the end", |s| {
        matches!(
            s.call,
            CallView::Ended {
                reason: EndReason::PartnerLeft
            }
        )
    });
    three.wait_connected();
    one.wait_connected();
    three.see();
    one.see();
    assert!(
        two.engine.remote_video().take().is_none(),
        "a partner who is gone is not seen"
    );
    one.engine.send(Command::Stop);
    one.wait("the lobby", |s| s.call == CallView::Idle);
    three.wait("the end", |s| {
        matches!(
            s.call,
            CallView::Ended {
                reason: EndReason::PartnerLeft
            }
        )
    });
}

#[test]
fn a_call_survives_the_death_of_the_server() {
    let server = TestServer::start();
    let (one, two) = pair(&server.url());
    one.see();
    two.wait_chat_open();
    one.wait_chat_open();
    let addr = server.kill();
    for stranger in [&one, &two] {
        stranger.wait("signalling to be away", |s| {
            matches!(s.signalling, SignallingView::Away { .. })
        });
        let (_, before) = stranger.see();
        std::thread::sleep(Duration::from_secs(1));
        let (_, after) = stranger.see();
        assert!(after.frame_number > before.frame_number, "pictures go on");
        assert!(matches!(
            stranger.engine.snapshot().call,
            CallView::Connected { .. }
        ));
    }
    one.engine
        .send(Command::SendChat("are you still there?".to_owned()));
    two.wait("the line", |s| !s.chat.is_empty());

    let _server = TestServer::start_again_at(addr);
    for stranger in [&one, &two] {
        stranger.wait("signalling to be back", |s| {
            matches!(s.signalling, SignallingView::Connected { .. })
        });
        assert!(matches!(
            stranger.engine.snapshot().call,
            CallView::Connected { .. }
        ));
    }
    one.engine.send(Command::Next);
    two.wait("the end", |s| {
        matches!(
            s.call,
            CallView::Ended {
                reason: EndReason::PartnerLeft
            }
        )
    });
    two.engine.send(Command::Next);
    one.wait_connected();
    two.wait_connected();
}

#[test]
fn leaving_is_told_without_the_server() {
    let server = TestServer::start();
    let (one, two) = pair(&server.url());
    one.wait_chat_open();
    two.wait_chat_open();
    server.kill();
    one.engine.send(Command::Stop);
    let began = std::time::Instant::now();
    two.wait("the end", |s| {
        matches!(
            s.call,
            CallView::Ended {
                reason: EndReason::PartnerLeft
            }
        )
    });
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "not by a time-out"
    );
}

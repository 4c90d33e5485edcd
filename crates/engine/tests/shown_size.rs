//! What is sent follows what the partner shows, nobody works for a window that is not seen, and power can be saved.

#![expect(clippy::unwrap_used, reason = "a test's helpers are a test too")]

mod support;

use std::time::{Duration, Instant};

use codecs::{H264Encoder, VideoEncoder as _, VideoSettings};
use engine::{CallView, Command, Config};
use media::video::{Pictures, TestPattern};
use protocol::{PeerMessage, ServerMessage};
use support::partner::{Partner, ReadyPeer, numbered, runtime};
use support::{Stranger, TestServer, pair, synthetic};
use tokio::time::{sleep, timeout};
use transport::PeerEvent;

const HIDDEN: (u32, u32) = (0, 0);

#[test]
fn pictures_are_as_large_as_the_partner_shows_them() {
    let server = TestServer::start();
    let (one, two) = pair(&server.url());
    two.wait_chat_open();
    wait_for_size(&two, (320, 240));
    two.engine.send(Command::SetShownSize((165, 124)));
    wait_for_size(&two, (160, 120));
    one.wait("no more than that to be sent", |s| {
        s.statistics.sent_size_px == Some((160, 120))
    });
    two.engine.send(Command::SetShownSize((3840, 2160)));
    wait_for_size(&two, (320, 240));
    assert_eq!(
        one.engine.snapshot().statistics.received_size_px,
        Some((320, 240)),
        "who says nothing gets all there is"
    );
}

#[test]
fn a_partner_who_sees_nothing_is_sent_nothing_until_it_looks_again() {
    let server = TestServer::start();
    let (one, two) = pair(&server.url());
    two.wait_chat_open();
    two.engine.send(Command::SetShownSize((640, 480)));
    two.see();
    two.engine.send(Command::SetShownSize(HIDDEN));
    two.wait_for_no_picture();
    let sent = one.wait("pictures to rest", |s| s.statistics.sent_fps == 0);
    let received = two.wait("the last picture to be counted", |s| {
        s.statistics.received_fps == 0 && s.statistics.frames_decoded > 0
    });
    std::thread::sleep(Duration::from_secs(3));
    let (still_one, still_two) = (one.engine.snapshot(), two.engine.snapshot());
    assert_eq!(
        still_one.statistics.frames_sent, sent.statistics.frames_sent,
        "nothing is encoded"
    );
    assert_eq!(
        still_two.statistics.frames_decoded, received.statistics.frames_decoded,
        "nothing is decoded"
    );
    assert!(matches!(still_one.call, CallView::Connected { .. }));
    assert!(matches!(still_two.call, CallView::Connected { .. }));
    assert!(
        still_two.partner.is_sending_video,
        "the camera is on all the same"
    );
    two.engine.send(Command::SetShownSize((640, 480)));
    two.see();
    wait_for_size(&two, (320, 240));
    one.see();
}

#[test]
fn the_next_partner_hears_of_a_hidden_window_too() {
    let server = TestServer::start();
    let (one, two) = pair(&server.url());
    two.wait_chat_open();
    two.engine.send(Command::SetShownSize(HIDDEN));
    one.wait("pictures to rest", |s| {
        s.statistics.received_fps > 0 && s.statistics.sent_fps == 0
    });
    let three = Stranger::new(&server.url());
    three.start_searching();
    three.wait("the search", |s| {
        matches!(s.call, CallView::Searching { .. })
    });
    two.engine.send(Command::Next);
    three.wait_connected();
    three.wait_chat_open();
    three.see();
    let resting = three.wait("pictures to rest", |s| {
        s.statistics.received_fps > 0 && s.statistics.sent_fps == 0
    });
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(
        three.engine.snapshot().statistics.frames_sent,
        resting.statistics.frames_sent
    );
}

#[test]
fn what_a_partner_who_knows_nothing_of_it_sends_to_a_hidden_window_is_not_decoded() {
    let server = TestServer::start();
    let stranger = Stranger::new(&server.url());
    stranger.engine.send(Command::SetShownSize(HIDDEN));
    runtime().block_on(async {
        let (_partner, mut peer) = in_call_with(&server, &stranger).await;
        hear_size(&mut peer, HIDDEN).await;
        let mut camera = Camera::new();
        let is_there = |snapshot: &engine::Snapshot| snapshot.statistics.frames_received > 20;
        camera
            .send_until(&mut peer, || is_there(&stranger.engine.snapshot()))
            .await;
        let hidden = stranger.engine.snapshot();
        assert_eq!(hidden.statistics.frames_decoded, 0);
        assert_eq!(camera.keyframes_asked_for, 0, "nobody would see them");
        assert!(stranger.engine.remote_video().take().is_none());

        stranger.engine.send(Command::SetShownSize((640, 480)));
        hear_size(&mut peer, (640, 512)).await;
        let is_seen = || stranger.engine.remote_video().take().is_some();
        camera.send_until(&mut peer, is_seen).await;
        assert!(
            camera.keyframes_asked_for > 0,
            "it cannot begin without one"
        );
        peer.peer.close().await;
    });
}

#[test]
fn a_partner_who_says_what_makes_no_sense_gets_pictures_all_the_same() {
    let server = TestServer::start();
    let stranger = Stranger::new(&server.url());
    runtime().block_on(async {
        let (_partner, mut peer) = in_call_with(&server, &stranger).await;
        await_channel(&mut peer).await;
        for (width_px, height_px, most_fps) in [
            (u32::MAX, u32::MAX, Some(u32::MAX)),
            (1, u32::MAX, Some(0)),
            (1, 1, None),
        ] {
            let showing = PeerMessage::Showing {
                width_px,
                height_px,
                most_fps,
            };
            peer.peer.send_message(protocol::encode(&showing)).unwrap();
        }
        for nonsense in [
            r#"{"type":"showing","width_px":-1,"height_px":1e99}"#,
            r#"{"type":"showing"}"#,
        ] {
            peer.peer.send_message(nonsense.to_owned()).unwrap();
        }
        timeout(support::SOON, peer.opened.video.recv())
            .await
            .unwrap();
        stranger.wait("the smallest pictures", |s| {
            s.statistics.sent_size_px == Some((80, 60))
        });
        peer.peer.close().await;
    });
}

#[test]
fn who_saves_power_sends_and_is_sent_fewer_pictures_in_the_cheapest_codec() {
    let server = TestServer::start();
    let one = Stranger::with(Config {
        power_saving: true,
        ..synthetic(&server.url())
    });
    let two = Stranger::new(&server.url());
    one.start_searching();
    two.start_searching();
    for stranger in [&one, &two] {
        stranger.wait("pictures in H.264", |s| {
            s.statistics.sent_video_codec == Some("H.264") && s.statistics.sent_fps > 0
        });
    }
    // What was sent before the wish was heard is not counted.
    std::thread::sleep(Duration::from_secs(1));
    for stranger in [&one, &two] {
        let (pictures, time) = count_pictures(stranger);
        assert!(pictures <= 15.0 * time + 5.0, "{pictures} in {time} s");
        assert!(pictures >= 1.0);
    }
    assert!(one.engine.snapshot().is_saving_power);
    assert!(!two.engine.snapshot().is_saving_power);
}

#[test]
fn power_can_be_saved_from_the_middle_of_a_call_on_and_the_call_goes_on() {
    let server = TestServer::start();
    let (one, two) = pair(&server.url());
    two.wait_chat_open();
    two.see();
    one.engine.send(Command::SetPowerSaving(true));
    one.wait("the wish to be known", |s| s.is_saving_power);
    one.wait("pictures in H.264", |s| {
        s.statistics.sent_video_codec == Some("H.264")
    });
    std::thread::sleep(Duration::from_secs(2));
    for stranger in [&one, &two] {
        let (pictures, time) = count_pictures(stranger);
        assert!(pictures <= 15.0 * time + 5.0, "{pictures} in {time} s");
        assert!(pictures >= 1.0);
    }
    one.engine.send(Command::SetPowerSaving(false));
    one.wait("it to be over", |s| !s.is_saving_power);
    two.see();
    one.see();
}

// --------------------------------------------------------------------------------------------------------------------

#[track_caller]
fn wait_for_size(stranger: &Stranger, size_px: (u32, u32)) {
    stranger.wait(&format!("pictures of {size_px:?}"), |s| {
        s.statistics.received_size_px == Some(size_px)
    });
}

/// How many pictures come in three seconds or so, and how many seconds it were.
fn count_pictures(stranger: &Stranger) -> (f64, f64) {
    let began = Instant::now();
    let mut pictures = 0.0;
    while began.elapsed() < Duration::from_secs(3) {
        let picture = stranger.engine.remote_video();
        if picture.wait(Duration::from_millis(100)).is_some() {
            pictures += 1.0;
        }
    }
    (pictures, began.elapsed().as_secs_f64())
}

/// A partner that offers, connected with the stranger.
async fn in_call_with(server: &TestServer, stranger: &Stranger) -> (Partner, ReadyPeer) {
    stranger.start_searching();
    stranger.wait("the queue", |_| server.census().waiting == 1);
    let mut partner = Partner::greeted(server).await;
    partner.join(None).await;
    let matched = partner.hears().await;
    let ServerMessage::Matched { room, offer, .. } = matched else {
        panic!("{matched:?}");
    };
    let mut peer = ReadyPeer::open().await;
    if let Some(offer) = offer {
        let answer = peer.answer(offer).await;
        partner.describe(room, answer).await;
    } else {
        peer.peer.take_role(true).await.unwrap();
        let offer = numbered(1, peer.peer.create_offer(None).await.unwrap());
        partner.describe(room, offer).await;
        let answer = partner.hears_description().await;
        peer.peer.apply_remote(answer).await.unwrap();
    }
    partner.hears_until_connected(&mut peer).await;
    stranger.wait_connected();
    (partner, peer)
}

async fn await_channel(peer: &mut ReadyPeer) {
    while next_event(peer).await != PeerEvent::MessageChannelOpen {}
}

/// Waits until the engine says that it shows pictures at this size.
async fn hear_size(peer: &mut ReadyPeer, (width_px, height_px): (u32, u32)) {
    let showing = protocol::encode(&PeerMessage::Showing {
        width_px,
        height_px,
        most_fps: None,
    });
    while next_event(peer).await != PeerEvent::Message(showing.clone()) {}
}

async fn next_event(peer: &mut ReadyPeer) -> PeerEvent {
    let event = timeout(support::SOON, peer.opened.events.recv()).await;
    event.unwrap().unwrap()
}

/// Pictures in H.264 that anybody understands, beginning with a keyframe.
struct Camera {
    encoder: H264Encoder,
    pattern: TestPattern,
    frame_number: u32,
    keyframes_asked_for: u32,
}

impl Camera {
    fn new() -> Self {
        Self {
            encoder: H264Encoder::new(VideoSettings {
                target_bitrate: 200_000,
                frames_per_second: 30.0,
                ..VideoSettings::default()
            }),
            pattern: TestPattern::new(160, 120),
            frame_number: 0,
            keyframes_asked_for: 0,
        }
    }

    async fn send_until(&mut self, peer: &mut ReadyPeer, mut is_reached: impl FnMut() -> bool) {
        let deadline = Instant::now() + support::SOON;
        while !is_reached() {
            assert!(Instant::now() < deadline, "it is never reached");
            let mut is_keyframe_wanted = false;
            while let Ok(event) = peer.opened.events.try_recv() {
                is_keyframe_wanted |= event == PeerEvent::KeyframeRequested(Pictures::Camera);
            }
            self.keyframes_asked_for += u32::from(is_keyframe_wanted);
            let picture = self.pattern.draw(self.frame_number, 0, Instant::now());
            let timestamp = self.frame_number * 3000;
            let frame = self.encoder.encode(&picture, timestamp, is_keyframe_wanted);
            if let Some(frame) = frame.unwrap() {
                assert!(peer.peer.send_video(Pictures::Camera, frame).is_ok());
            }
            self.frame_number += 1;
            sleep(Duration::from_millis(33)).await;
        }
    }
}

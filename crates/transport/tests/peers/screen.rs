//! A screen beside the camera: negotiated about in the running call.

use std::time::Duration;

use media::video::{Pictures, VideoCodec};
use transport::{MediaKind, PeerEvent, Restart};

use crate::loss::impaired;
use crate::support::{End, PATIENCE, Pair, drain, frame, in_order};

/// Packets of camera and screen are told apart by their size in frames of so many bytes.
const CAMERA_BYTES: usize = 100;
const SCREEN_BYTES: usize = 300;

impl Pair {
    fn end(&mut self, is_a: bool) -> &mut End {
        if is_a { &mut self.a } else { &mut self.b }
    }

    /// Shares the screen of one side, and negotiates as that side offers.
    async fn share(&mut self, by_a: bool) {
        let (from, to) = if by_a {
            (&self.a, &self.b)
        } else {
            (&self.b, &self.a)
        };
        from.peer.share_screen().await.unwrap();
        let offer = from.peer.create_offer(None).await.unwrap();
        to.peer.apply_remote(offer).await.unwrap();
        let answer = to.peer.create_answer().await.unwrap();
        from.peer.apply_remote(answer).await.unwrap();
    }

    /// Sends both kinds of pictures one way until both have come, each as what it is.
    async fn both_kinds_flow(&mut self, from_a: bool, number: u32) {
        let exchange = async {
            let (mut cameras, mut screens) = (0, 0);
            while cameras == 0 || screens == 0 {
                let from = self.end(from_a);
                let camera = frame(number, CAMERA_BYTES);
                from.peer.send_video(Pictures::Camera, camera).ok();
                let screen = frame(number, SCREEN_BYTES);
                from.peer.send_video(Pictures::Screen, screen).ok();
                let soon = tokio::time::Instant::now() + Duration::from_millis(20);
                self.until("a moment", |_| tokio::time::Instant::now() >= soon)
                    .await;
                let to = self.end(!from_a);
                for packet in drain(&mut to.video) {
                    assert!(packet.payload.len() < SCREEN_BYTES, "a screen as a camera");
                    cameras += 1;
                }
                for packet in drain(&mut to.screen) {
                    assert!(
                        packet.payload.len() > CAMERA_BYTES + 100,
                        "a camera as a screen"
                    );
                    screens += 1;
                }
            }
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .expect("pictures of both kinds come");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_side_or_both_share_a_screen_beside_the_camera() {
    for first_is_a in [true, false] {
        let mut pair = Pair::connected().await;
        let takes = |end: &End| end.peer.takes_video(Pictures::Screen, VideoCodec::H264);
        assert!(!takes(&pair.a) && !takes(&pair.b));
        pair.share(first_is_a).await;
        pair.until("it is taken", |pair| {
            takes(if first_is_a { &pair.a } else { &pair.b })
        })
        .await;
        assert!(!takes(pair.end(!first_is_a)), "only one shares");
        pair.both_kinds_flow(first_is_a, 1).await;
        pair.share(!first_is_a).await;
        pair.both_kinds_flow(!first_is_a, 2).await;
        pair.both_kinds_flow(first_is_a, 3).await;
        // Once more changes nothing.
        pair.a.peer.share_screen().await.unwrap();
        pair.both_kinds_flow(true, 4).await;
        pair.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_screen_goes_on_over_another_path() {
    for restart in [Restart::Keep, Restart::Rebind] {
        let mut pair = Pair::connected().await;
        pair.share(true).await;
        pair.both_kinds_flow(true, 1).await;
        pair.negotiate(Some(restart)).await;
        pair.both_kinds_flow(true, 2).await;
        pair.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keyframes_are_asked_for_by_name_and_reports_say_whose_clock_it_is() {
    let mut pair = Pair::connected().await;
    pair.share(true).await;
    pair.both_kinds_flow(true, 1).await;
    pair.b.peer.request_keyframe(Pictures::Screen);
    let screen = PeerEvent::KeyframeRequested(Pictures::Screen);
    pair.until("a request", |pair| pair.a.count(&screen) == 1)
        .await;
    assert_eq!(
        pair.a
            .count(&PeerEvent::KeyframeRequested(Pictures::Camera)),
        0
    );
    pair.until("reports of all three", |pair| {
        let kinds = [MediaKind::Video, MediaKind::Screen];
        kinds.iter().all(|kind| pair.b.reports(*kind) > 0)
    })
    .await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_begin_to_share_at_once_and_one_yields() {
    let mut pair = Pair::connected().await;
    for end in [&pair.a, &pair.b] {
        end.peer.share_screen().await.unwrap();
    }
    let offers = [
        pair.a.peer.create_offer(None).await.unwrap(),
        pair.b.peer.create_offer(None).await.unwrap(),
    ];
    let [first, _] = offers;
    pair.b.peer.rollback().await.unwrap();
    pair.b.peer.apply_remote(first).await.unwrap();
    let answer = pair.b.peer.create_answer().await.unwrap();
    pair.a.peer.apply_remote(answer).await.unwrap();
    pair.share(false).await;
    pair.both_kinds_flow(true, 1).await;
    pair.both_kinds_flow(false, 2).await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_lost_of_a_screen_is_sent_again() {
    let (mut pair, [network, _]) = impaired(11, 0.0, Duration::from_millis(20)).await;
    pair.negotiate(None).await;
    pair.until("both are connected", Pair::is_connected).await;
    pair.share(true).await;
    pair.both_kinds_flow(true, 1).await;
    let mut screen = Vec::new();
    for number in 2..=80 {
        let is_lossy = (10..=60).contains(&number);
        network.set_loss_ratio(if is_lossy { 0.05 } else { 0.0 });
        pair.a
            .peer
            .send_video(Pictures::Screen, frame(number, 8000))
            .expect("there is room");
        tokio::time::sleep(Duration::from_millis(15)).await;
        screen.extend(drain(&mut pair.b.screen));
    }
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        screen.extend(drain(&mut pair.b.screen));
    }
    let lost = network.lost();
    assert!(lost > 10, "the network was too good: {lost}");
    let (screen, missing) = in_order(screen);
    assert_eq!(missing, 0, "{lost} datagrams lost");
    assert!(screen.len() > 78 * 7, "{}", screen.len());
    pair.close().await;
}

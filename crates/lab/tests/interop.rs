//! A real Chromium, with a page that speaks the protocol, calls `passerby-headless` and is called by it.
//!
//! Needs what `lab check` asks for. Where that is missing these tests are left out and say so, or fail if
//! `PASSERBY_LAB=on` says that they must run.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test that is how to fail")]

use std::sync::{Mutex, MutexGuard, PoisonError};

use lab::browser::PartnerSends;
use lab::check::{Part, why_left_out};
use lab::network::experiments::{
    Ends, GuestRole, Talk, call_again, converse, hide, lose_packets, restart, roam_away,
    say_goodbye, show_screen,
};
use lab::network::{NatKind, Network, RelayKind, Servers};

#[test]
fn a_browser_that_offers_sees_hears_and_talks_and_so_does_its_partner() {
    let Some(lab) = Lab::enter() else { return };
    // Not `auto`: a machine that is busy with other tests gives AV1 up within the call.
    for codec in ["av1", "h264"] {
        let talk = converse(&lab.network, &lab.servers, GuestRole::Offerer, codec);
        expect_conversation(&talk.unwrap(), codec);
    }
}

#[test]
fn a_browser_that_answers_sees_hears_and_talks_and_so_does_its_partner() {
    let Some(lab) = Lab::enter() else { return };
    for codec in ["av1", "h264"] {
        let talk = converse(&lab.network, &lab.servers, GuestRole::Answerer, codec);
        expect_conversation(&talk.unwrap(), codec);
    }
}

fn expect_conversation(talk: &Talk, codec: &str) {
    println!("{talk:?}");
    let (begin, end) = (&talk.begin, &talk.end);
    expect_media(begin, end);
    // The very first ones may wait for a keyframe.
    let dropped = end.headless.frames_dropped - begin.headless.frames_dropped;
    assert_eq!(dropped, 0, "none was undecodable");
    let sends_all = PartnerSends {
        audio: true,
        video: true,
    };
    assert_eq!(end.guest.partner_sends, Some(sends_all));
    assert!(end.headless.partner_sends_audio && end.headless.partner_sends_video);
    assert!(
        end.guest.chat.iter().any(|line| line.contains("Hello!")),
        "{:?}",
        end.guest.chat
    );
    // A keyframe, for the asking.
    assert!(end.guest.keyframe_requests_sent > begin.guest.keyframe_requests_sent);
    assert!(end.headless.video_stream.keyframe_requests_received > 0);
    assert!(end.guest.keyframes_decoded > begin.guest.keyframes_decoded);
    // Transport-wide feedback: ours raises the browser's estimate from the 300 kbit/s where it begins, its comes to us.
    assert!(
        end.guest.available_bps > 350e3,
        "{}",
        end.guest.available_bps
    );
    assert!(end.headless.feedback_received > begin.headless.feedback_received + 10);
    assert!(end.guest.told_names < end.guest.told_addresses);
    assert!(end.guest.trouble.is_empty(), "{:?}", end.guest.trouble);
    // What headless prefers, both ways: the browser sends what our answer names first, too.
    let [theirs, ours] = if codec == "h264" {
        ["video/H264", "H.264"]
    } else {
        ["video/AV1", "AV1"]
    };
    assert_eq!(end.guest.video_codec.as_deref(), Some(theirs));
    assert_eq!(end.headless.codec.as_deref(), Some(ours));
    assert_eq!(end.headless.sent_codec.as_deref(), Some(ours));
}

#[test]
fn a_browser_takes_an_offer_that_was_made_ready_before_anybody_was_there() {
    let Some(lab) = Lab::enter() else { return };
    let talk = call_again(&lab.network, &lab.servers).unwrap();
    println!("{talk:?}");
    expect_media(&talk.begin, &talk.end);
    assert_eq!(talk.end.headless.call, 2);
    assert!(talk.end.guest.trouble.is_empty());
}

/// Sound and pictures passed in both directions between two moments.
fn expect_media(begin: &Ends, end: &Ends) {
    assert!(end.guest.frames_decoded > begin.guest.frames_decoded + 20);
    assert!(end.headless.frames_decoded > begin.headless.frames_decoded + 20);
    assert!(end.guest.audio_packets_received > begin.guest.audio_packets_received + 50);
    assert!(end.guest.audio_energy > begin.guest.audio_energy);
    let packets = |ends: &Ends| ends.headless.audio_stream.packets_received;
    assert!(packets(end) > packets(begin) + 50);
    assert!(end.headless.audio_jitter_buffer_ms.is_some());
}

#[test]
fn lost_packets_are_asked_for_and_sent_again_both_ways_when_the_browser_offers() {
    let Some(lab) = Lab::enter() else { return };
    let talks = lose_packets(&lab.network, &lab.servers, GuestRole::Offerer).unwrap();
    expect_repair(&talks);
    let [_, many, _] = talks;
    // What cannot be had again costs a keyframe.
    let requests = many.end.guest.keyframe_requests_received;
    assert!(requests > many.begin.guest.keyframe_requests_received);
}

#[test]
fn lost_packets_are_asked_for_and_sent_again_both_ways_when_the_browser_answers() {
    let Some(lab) = Lab::enter() else { return };
    // When a browser that has answered offers later, its counters begin anew, so that only this side's are certain.
    expect_repair(&lose_packets(&lab.network, &lab.servers, GuestRole::Answerer).unwrap());
}

fn expect_repair(talks: &[Talk; 3]) {
    println!("{talks:?}");
    let [some, many, calm] = talks;
    expect_media(&some.begin, &some.end);
    let (guest, stream) = (&some.end.guest, &some.end.headless.video_stream);
    // Each side asks, and the other one hears it and sends again.
    assert!(guest.nacks_sent > 0 && stream.nacks_received > 0);
    assert!(stream.retransmitted_sent > 0 && guest.retransmitted_received > 0);
    assert!(stream.nacks_sent > 0 && guest.nacks_received > 0);
    assert!(guest.retransmitted_sent > 0 && stream.retransmitted_received > 0);
    assert!(guest.frozen_s < 2.0, "{}", guest.frozen_s);
    // What the storm swallowed with its retransmissions cannot be had again.
    let requests = |ends: &Ends| ends.headless.video_stream.keyframe_requests_sent;
    assert!(requests(&many.end) > requests(&many.begin));
    // Nothing of it lasts.
    expect_media(&calm.begin, &calm.end);
    assert!(calm.end.guest.frozen_s - calm.begin.guest.frozen_s < 1.0);
}

#[test]
fn a_browser_without_permission_for_devices_tells_names_which_are_looked_up() {
    let Some(lab) = Lab::enter() else { return };
    for role in GuestRole::BOTH {
        let talk = hide(&lab.network, &lab.servers, role).unwrap();
        println!("{talk:?}");
        let (begin, end) = (&talk.begin.guest, &talk.end.guest);
        assert_eq!(end.told_names, end.told_addresses, "none as it is");
        assert!(role == GuestRole::Answerer || end.told_names > 0);
        // Peer-reflexive, where the path was found before the browser had a name for the address.
        let kind = end.local_kind.as_deref();
        assert!(matches!(kind, Some("host" | "prflx")), "{kind:?}");
        assert!(end.frames_decoded > begin.frames_decoded + 10);
        assert!(end.audio_energy > begin.audio_energy);
        let headless = &talk.end.headless;
        let told = role == GuestRole::Offerer || end.told_names > 0;
        let known_as = if told { "host" } else { "prflx" };
        assert_eq!(headless.remote_candidate.as_deref(), Some(known_as));
        assert!(!headless.partner_sends_audio && !headless.partner_sends_video);
    }
}

#[test]
fn a_screen_that_is_shared_in_the_call_is_a_second_track_to_a_browser() {
    let Some(lab) = Lab::enter() else { return };
    for role in GuestRole::BOTH {
        let talk = show_screen(&lab.network, &lab.servers, role).unwrap();
        println!("{talk:?}");
        let (begin, end) = (&talk.begin.guest, &talk.end.guest);
        assert!(end.screen_decoded > begin.screen_decoded + 10);
        // Neither takes anything from the other.
        assert!(end.frames_decoded > begin.frames_decoded + 10);
        assert!(end.trouble.is_empty(), "{:?}", end.trouble);
        let headless = &talk.end.headless;
        assert!(headless.screen_frames_sent > 10 && headless.frames_decoded > 10);
    }
}

#[test]
fn a_browser_restarts_ice_and_the_call_goes_on() {
    let Some(lab) = Lab::enter() else { return };
    for role in GuestRole::BOTH {
        expect_restart(&restart(&lab.network, &lab.servers, role).unwrap());
    }
}

#[test]
fn the_browsers_partner_moves_to_another_network_and_the_call_goes_on() {
    let Some(mut lab) = Lab::enter() else { return };
    for role in GuestRole::BOTH {
        let Lab {
            network, servers, ..
        } = &mut lab;
        expect_restart(&roam_away(network, servers, role).unwrap());
    }
}

fn expect_restart(talk: &Talk) {
    println!("{talk:?}");
    let (begin, end) = (&talk.begin, &talk.end);
    assert_ne!(begin.guest.user_fragment, end.guest.user_fragment);
    assert_eq!(end.guest.state, "connected");
    assert_eq!(end.headless.state, "connected");
    expect_media(begin, end);
    assert!(end.guest.trouble.is_empty(), "{:?}", end.guest.trouble);
}

#[test]
fn a_browser_says_goodbye_and_hears_it() {
    let Some(lab) = Lab::enter() else { return };
    let (ended, code) = say_goodbye(&lab.network, &lab.servers, true).unwrap();
    assert_eq!((ended.as_deref(), code), (Some("left"), Some(0)));
    let (ended, _) = say_goodbye(&lab.network, &lab.servers, false).unwrap();
    assert!(
        matches!(ended.as_deref(), Some("bye" | "left")),
        "{ended:?}"
    );
}

/// Two home networks and the server, and the right to use them: one test at a time.
struct Lab {
    network: Network,
    servers: Servers,
    _turn: MutexGuard<'static, ()>,
}

impl Lab {
    /// `None` if the person said to leave these tests out, or they cannot run here.
    fn enter() -> Option<Self> {
        static TURN: Mutex<()> = Mutex::new(());
        if let Some(reason) = why_left_out(&[Part::Network, Part::Browser]) {
            eprintln!("left out: {reason}");
            return None;
        }
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let network = Network::build(NatKind::PortRestricted, NatKind::PortRestricted).unwrap();
        let servers = Servers::start(&network, RelayKind::Own).unwrap();
        Some(Self {
            network,
            servers,
            _turn: turn,
        })
    }
}

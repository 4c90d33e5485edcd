//! Links to a server: asked about, never followed by themselves.

use std::time::Duration;

use egui::Key;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use engine::Command;

use crate::stage::{Stage, click, in_call, in_lobby, press};

const LINK: &str = "passerby://example.org:8443";
const SERVER: &str = "wss://example.org:8443/";

fn open(harness: &mut Harness<'_, Stage>, link: &str) {
    let now = harness.state().now;
    harness.state_mut().window.state.open_link(link, now);
    harness.run_steps(2);
}

/// The question has been there for a while.
fn settle(harness: &mut Harness<'_, Stage>) {
    harness.state_mut().now += Duration::from_secs(1);
    harness.run_steps(2);
}

#[test]
fn a_link_asks_and_changes_the_server_only_when_the_person_says_so() {
    let mut harness = in_lobby();
    open(&mut harness, LINK);
    harness.get_by_label_contains(SERVER);
    harness.get_by_label("Now: ws://old.example");
    settle(&mut harness);
    assert_eq!(harness.state_mut().take(), [], "nothing happens by itself");
    let wish = [Command::SetServer(SERVER.to_owned())];
    assert_eq!(click(&mut harness, "Use this server"), wish);
    assert_eq!(harness.state().window.state.server, SERVER);
    assert!(harness.query_by_label("Use another server?").is_none());
    open(&mut harness, LINK);
    assert!(
        harness.query_by_label("Use this server").is_none(),
        "it is in use"
    );
}

#[test]
fn what_has_only_just_come_cannot_be_agreed_to_by_a_click_that_was_on_its_way() {
    let mut harness = in_lobby();
    open(&mut harness, LINK);
    assert_eq!(click(&mut harness, "Use this server"), []);
    assert!(harness.state().window.state.link.is_some());
}

#[test]
fn it_is_left_by_its_button_and_by_esc_and_a_key_of_the_lobby_does_nothing_meanwhile() {
    let mut harness = in_lobby();
    open(&mut harness, LINK);
    settle(&mut harness);
    assert_eq!(press(&mut harness, Key::Enter), [], "it is no Start");
    assert_eq!(click(&mut harness, "Keep mine"), []);
    assert!(harness.state().window.state.link.is_none());
    open(&mut harness, LINK);
    assert_eq!(press(&mut harness, Key::Escape), []);
    assert!(harness.state().window.state.link.is_none());
    assert_eq!(harness.state().window.state.server, "ws://old.example");
}

#[test]
fn in_a_call_it_waits_for_the_end() {
    let mut harness = in_call();
    open(&mut harness, LINK);
    settle(&mut harness);
    harness.get_by_label("You can change the server when the call is over.");
    assert_eq!(click(&mut harness, "Use this server"), []);
}

#[test]
fn a_hostile_link_is_refused_in_words_and_offers_nothing() {
    for (link, reason) in [
        ("passerby://you@example.org", "There is more in it"),
        ("passerby://example.org:99999", "“99999” is no port"),
        (
            "passerby://exämple.org",
            "“exämple.org” is no name of a server.",
        ),
    ] {
        let mut harness = in_lobby();
        open(&mut harness, link);
        settle(&mut harness);
        harness.get_by_label("This link cannot be used");
        harness.get_by_label_contains(reason);
        assert!(harness.query_by_label("Use this server").is_none());
        assert_eq!(click(&mut harness, "Close"), []);
        assert!(harness.state().window.state.link.is_none(), "{link}");
    }
}

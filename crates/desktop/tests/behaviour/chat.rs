//! The chat: what is typed, what is sent and what is shown.

use std::time::Duration;

use egui::accesskit::Role;
use egui::{Event, Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use engine::{CallView, ChatLine, Command, Speaker};

use crate::scenes;
use crate::stage::{click, in_call, press};

#[test]
fn the_chat_opens_by_key_takes_the_keyboard_and_sends_with_enter() {
    let mut harness = in_call();
    // A system reports the key and what it types at once.
    let key = Event::Key {
        key: Key::T,
        physical_key: None,
        pressed: true,
        repeat: false,
        modifiers: Modifiers::NONE,
    };
    harness
        .input_mut()
        .events
        .extend([key, Event::Text("t".to_owned())]);
    harness.run();
    let field = harness.get_by_role_and_label(Role::TextInput, "Message");
    assert!(field.is_focused());
    assert_eq!(
        field.value().unwrap_or_default(),
        "",
        "the key that opened the chat is not typed into it"
    );

    for (key, letter) in [(Key::M, "m"), (Key::V, "v"), (Key::T, "t"), (Key::H, "h")] {
        harness.key_down(key);
        harness.event(Event::Text(letter.to_owned()));
        harness.key_up(key);
        harness.run();
    }
    assert_eq!(
        harness.state_mut().take(),
        [Command::SetTyping(true)],
        "letters are text and no shortcuts"
    );
    assert!(
        harness.state().window.state.is_chat_open
            && !harness.state().window.state.is_self_view_hidden
    );

    let sent = press(&mut harness, Key::Enter);
    assert_eq!(
        sent,
        [
            Command::SendChat("mvth".to_owned()),
            Command::SetTyping(false)
        ]
    );
    assert!(
        harness
            .get_by_role_and_label(Role::TextInput, "Message")
            .is_focused(),
        "one goes on writing"
    );
    assert_eq!(
        press(&mut harness, Key::Enter),
        [],
        "nothing is sent when nothing is written"
    );
}

#[test]
fn escape_in_the_message_field_leaves_the_field_and_not_the_stranger() {
    let mut harness = in_call();
    press(&mut harness, Key::T);
    assert_eq!(press(&mut harness, Key::Escape), []);
    assert!(
        !harness
            .get_by_role_and_label(Role::TextInput, "Message")
            .is_focused()
    );
    assert_eq!(press(&mut harness, Key::Escape), [Command::Next]);
}

#[test]
fn chat_is_plain_text_and_is_counted_while_it_is_closed() {
    let mut harness = in_call();
    let text = "see **https://bad.example** \u{202E}<b>now</b>";
    let line = ChatLine {
        speaker: Speaker::Partner,
        text: text.to_owned(),
    };
    harness.state_mut().snapshot.chat = [line].into();
    harness.run();
    let state = &harness.state().window.state;
    assert_eq!(state.unread(&harness.state().snapshot), 1);
    click(&mut harness, "Open chat");
    harness.get_by_label("see **https://bad.example** <b>now</b>");
    assert!(
        harness.query_by_role(Role::Link).is_none(),
        "no link that a stranger could set"
    );
    let state = &harness.state().window.state;
    assert_eq!(state.unread(&harness.state().snapshot), 0);
}

#[test]
fn a_draft_does_not_reach_the_next_stranger() {
    let mut harness = in_call();
    press(&mut harness, Key::T);
    harness
        .get_by_role_and_label(Role::TextInput, "Message")
        .type_text("you look like my");
    harness.run();
    let now = harness.state().now;
    harness.state_mut().snapshot.call = CallView::Searching { since: now };
    harness.run();
    harness.state_mut().snapshot = scenes::call(now);
    harness.run();
    let field = harness.get_by_role_and_label(Role::TextInput, "Message");
    assert_eq!(field.value().unwrap_or_default(), "");
}

#[test]
fn closing_the_chat_in_the_middle_of_a_line_ends_the_writing() {
    let mut harness = in_call();
    click(&mut harness, "Open chat");
    harness
        .get_by_role_and_label(Role::TextInput, "Message")
        .type_text("well, ");
    harness.run();
    assert_eq!(harness.state_mut().take(), [Command::SetTyping(true)]);
    click(&mut harness, "Close chat");
    harness.state_mut().now += Duration::from_secs(3);
    harness.run();
    assert_eq!(harness.state_mut().take(), [Command::SetTyping(false)]);
    click(&mut harness, "Open chat");
    let field = harness.get_by_role_and_label(Role::TextInput, "Message");
    assert_eq!(
        field.value().unwrap_or_default(),
        "well, ",
        "the line waits"
    );
}

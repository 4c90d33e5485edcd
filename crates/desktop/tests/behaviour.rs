//! What buttons and keys do, found by the names that a screen reader would read. No pixels, no engine.

// The pictures need more of the made-up scenes than these tests do.
#[expect(dead_code, reason = "shared with the pictures and the gallery")]
#[path = "made_up/scenes.rs"]
mod scenes;

use std::time::{Duration, Instant};

use desktop::connection_check::Check;
use desktop::settings::Settings;
use desktop::state::WindowState;
use desktop::window::Window;
use egui::accesskit::Role;
use egui::{Event, Key, Modifiers, Vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use engine::{
    CallView, ChatLine, Command, DeviceProblem, DeviceState, DirectView, EndReason,
    SignallingProblem, SignallingView, Snapshot, Speaker, VideoSource,
};

/// A window, what it shows, and what the person asked for so far.
struct Stage {
    window: Window,
    snapshot: Snapshot,
    now: Instant,
    commands: Vec<Command>,
}

impl Stage {
    fn take(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
    }
}

fn stage(snapshot: Snapshot, now: Instant) -> Harness<'static, Stage> {
    let window = Window::new(WindowState::new("ws://old.example".to_owned(), Vec::new()));
    let stage = Stage {
        window,
        snapshot,
        now,
        commands: Vec::new(),
    };
    let mut harness = Harness::builder()
        .with_size(Vec2::new(960.0, 600.0))
        .with_context_setup(desktop::theme::apply)
        .allow_missing_glyphs()
        .build_ui_state(
            |ui, stage: &mut Stage| {
                stage.window.observe(&stage.snapshot, stage.now);
                let commands = stage.window.ui(ui, &stage.snapshot, stage.now);
                stage.commands.extend(commands);
            },
            stage,
        );
    harness.run();
    harness
}

fn in_lobby() -> Harness<'static, Stage> {
    let now = Instant::now();
    stage(scenes::lobby(now), now)
}

fn in_call() -> Harness<'static, Stage> {
    let now = Instant::now();
    stage(scenes::call(now), now)
}

fn press(harness: &mut Harness<'_, Stage>, key: Key) -> Vec<Command> {
    harness.key_press(key);
    harness.run();
    harness.state_mut().take()
}

fn click(harness: &mut Harness<'_, Stage>, name: &str) -> Vec<Command> {
    harness.get_by_label(name).click();
    harness.run();
    harness.state_mut().take()
}

fn hold(
    harness: &mut Harness<'_, Stage>,
    key: Key,
    modifiers: Modifiers,
    repeats: usize,
) -> Vec<Command> {
    for repeat in 0..=repeats {
        harness.event(Event::Key {
            key,
            physical_key: None,
            pressed: true,
            repeat: repeat > 0,
            modifiers,
        });
        harness.run();
    }
    harness.event(Event::Key {
        key,
        physical_key: None,
        pressed: false,
        repeat: false,
        modifiers,
    });
    harness.run();
    harness.state_mut().take()
}

#[test]
fn next_works_by_mouse_and_by_key() {
    let mut harness = in_call();
    assert_eq!(click(&mut harness, "Next stranger"), [Command::Next]);
    assert_eq!(press(&mut harness, Key::Escape), [Command::Next]);
}

#[test]
fn a_held_key_skips_one_stranger_only() {
    let mut harness = in_call();
    assert_eq!(
        hold(&mut harness, Key::Escape, Modifiers::NONE, 20),
        [Command::Next]
    );
    // The same on the button itself, where egui would click at every repetition.
    for key in [Key::Enter, Key::Space] {
        harness.get_by_label("Next stranger").focus();
        harness.run();
        assert_eq!(
            hold(&mut harness, key, Modifiers::NONE, 20),
            [Command::Next],
            "{key:?}"
        );
    }
}

#[test]
fn hurrying_on_does_not_fall_out_of_a_search_that_has_just_begun() {
    let now = Instant::now();
    let mut harness = stage(scenes::lobby(now), now);
    harness.state_mut().snapshot.call = CallView::Searching { since: now };
    assert_eq!(press(&mut harness, Key::Escape), []);
    harness.state_mut().now = now + Duration::from_secs(2);
    assert_eq!(press(&mut harness, Key::Escape), [Command::Stop]);
}

#[test]
fn a_search_can_be_cancelled_and_skips_nobody() {
    let now = Instant::now();
    let mut harness = stage(scenes::searching(now), now);
    assert_eq!(
        click(&mut harness, "Next stranger"),
        [],
        "there is nobody to leave"
    );
    assert_eq!(click(&mut harness, "Stop searching"), [Command::Stop]);
}

#[test]
fn shift_escape_ends_the_call() {
    let mut harness = in_call();
    assert_eq!(
        hold(&mut harness, Key::Escape, Modifiers::SHIFT, 3),
        [Command::Stop]
    );
    assert_eq!(click(&mut harness, "End the call"), [Command::Stop]);
}

#[test]
fn letters_switch_microphone_and_camera_and_the_buttons_say_what_comes_next() {
    let mut harness = in_call();
    assert_eq!(press(&mut harness, Key::M), [Command::SetMicrophone(false)]);
    assert_eq!(press(&mut harness, Key::V), [Command::SetCamera(false)]);
    harness.state_mut().snapshot.devices.is_microphone_on = false;
    harness.state_mut().snapshot.devices.is_camera_on = false;
    harness.run();
    assert_eq!(
        click(&mut harness, "Unmute microphone"),
        [Command::SetMicrophone(true)]
    );
    assert_eq!(
        click(&mut harness, "Turn camera on"),
        [Command::SetCamera(true)]
    );
}

#[test]
fn letters_with_control_or_in_the_lobby_mean_nothing_else() {
    let mut harness = in_call();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::M);
    harness.run();
    assert_eq!(harness.state_mut().take(), []);
    let mut harness = in_lobby();
    press(&mut harness, Key::T);
    assert!(
        !harness.state().window.state.is_chat_open,
        "there is nobody to write to"
    );
}

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
fn enter_starts_with_the_interests_that_were_typed() {
    let mut harness = in_lobby();
    let field = harness.get_by_role_and_label(Role::TextInput, "Interests");
    field.focus();
    field.type_text("jazz, chess,m");
    harness.run();
    assert_eq!(
        press(&mut harness, Key::Enter),
        [],
        "the first Enter takes the last word"
    );
    harness.get_by_label("Remove chess").click();
    harness.run();
    let commands = click(&mut harness, "Start");
    let [Command::Start { interests, .. }] = commands.as_slice() else {
        panic!("{commands:?}")
    };
    assert_eq!(interests, &["jazz", "m"]);
}

#[test]
fn enter_starts_when_nothing_has_the_keyboard() {
    let mut harness = in_lobby();
    let commands = press(&mut harness, Key::Enter);
    assert!(
        matches!(commands.as_slice(), [Command::Start { .. }]),
        "{commands:?}"
    );
    // On a focused switch Enter belongs to the switch.
    harness.get_by_label("Mute microphone").focus();
    harness.run();
    assert_eq!(
        press(&mut harness, Key::Enter),
        [Command::SetMicrophone(false)]
    );
}

#[test]
fn without_a_server_start_waits_and_another_server_can_be_given() {
    let mut harness = in_lobby();
    let now = harness.state().now;
    harness.state_mut().snapshot.signalling = SignallingView::Away {
        problem: SignallingProblem::Unreachable("refused".to_owned()),
        retry_at: now + Duration::from_secs(3),
    };
    harness.run();
    harness.get_by_label("The server cannot be reached");
    harness.get_by_label("Trying again in 3 s");
    assert_eq!(press(&mut harness, Key::Enter), []);
    assert_eq!(click(&mut harness, "Start"), []);
    let field = harness.get_by_role_and_label(Role::TextInput, "Server address");
    field.focus();
    harness.run();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness
        .get_by_role_and_label(Role::TextInput, "Server address")
        .type_text("wss://new.example");
    harness.run();
    harness.state_mut().take();
    assert_eq!(
        click(&mut harness, "Connect"),
        [Command::SetServer("wss://new.example".to_owned())]
    );
}

#[test]
fn a_camera_in_trouble_can_be_tried_again_or_changed() {
    let mut harness = in_lobby();
    harness.state_mut().snapshot.devices.camera = DeviceState::Failed(DeviceProblem::Busy);
    harness.run();
    let same = VideoSource::CameraNamed("Integrated Camera".to_owned());
    assert_eq!(
        click(&mut harness, "Try again"),
        [Command::ChooseVideo(same)]
    );
    assert_eq!(
        click(&mut harness, "Camera: Integrated Camera"),
        [Command::ListDevices]
    );
    let other = VideoSource::CameraNamed("Logitech BRIO".to_owned());
    assert_eq!(
        click(&mut harness, "Logitech BRIO"),
        [Command::ChooseVideo(other)]
    );
}

#[test]
fn escape_closes_a_list_of_devices_and_not_the_call() {
    let mut harness = in_call();
    click(&mut harness, "Choose camera");
    harness.get_by_label("Logitech BRIO");
    assert_eq!(press(&mut harness, Key::Escape), []);
    assert!(harness.query_by_label("Logitech BRIO").is_none());
    assert_eq!(press(&mut harness, Key::Escape), [Command::Next]);
}

#[test]
fn a_trouble_that_was_put_away_stays_away_until_it_changes() {
    let mut harness = in_call();
    harness.state_mut().snapshot.devices.camera = DeviceState::Failed(DeviceProblem::Unplugged);
    harness.run();
    click(&mut harness, "Put this away");
    assert!(harness.query_by_label_contains("unplugged").is_none());
    harness.state_mut().snapshot.devices.camera = DeviceState::Failed(DeviceProblem::Busy);
    harness.run();
    harness.get_by_label_contains("Your camera is in use");
    click(&mut harness, "Put this away");
    harness.state_mut().snapshot = scenes::call(harness.state().now);
    harness.run();
    harness.state_mut().snapshot.devices.camera = DeviceState::Failed(DeviceProblem::Busy);
    harness.run();
    harness.get_by_label_contains("Your camera is in use");
}

#[test]
fn who_speaks_while_muted_is_told_so() {
    let mut harness = in_call();
    assert!(harness.query_by_label_contains("You are muted").is_none());
    harness.state_mut().snapshot.devices.microphone_notice =
        Some(engine::MicrophoneNotice::SpeakingWhileMuted);
    harness.run();
    harness.get_by_label_contains("You are muted");
}

#[test]
fn a_server_that_is_away_says_so_once_however_often_it_is_tried() {
    let mut harness = in_call();
    let retry_at = harness.state().now;
    let away = |problem| SignallingView::Away { problem, retry_at };
    let reason = || "refused".to_owned();
    harness.state_mut().snapshot.signalling = away(SignallingProblem::Lost(reason()));
    harness.run();
    harness.get_by_label_contains("Your call goes on");
    click(&mut harness, "Put this away");
    harness.state_mut().snapshot.signalling = away(SignallingProblem::Unreachable(reason()));
    harness.run();
    assert!(
        harness
            .query_by_label_contains("Your call goes on")
            .is_none()
    );
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

#[test]
fn the_stranger_cannot_be_seen_when_the_call_is_over() {
    let now = Instant::now();
    let mut harness = stage(scenes::call(now), now);
    let frame = scenes::remote_picture(now);
    let ctx = harness.ctx.clone();
    let stage = harness.state_mut();
    stage.window.show_remote(&ctx, &stage.snapshot, &frame);
    harness.run();
    harness.get_by_label("The stranger's picture");
    harness.state_mut().snapshot.call = CallView::Searching { since: now };
    harness.run();
    // A picture that was still under way comes too late.
    let stage = harness.state_mut();
    stage.window.show_remote(&ctx, &stage.snapshot, &frame);
    harness.state_mut().snapshot = scenes::call(now);
    harness.run();
    assert!(harness.query_by_label("The stranger's picture").is_none());
}

#[test]
fn a_call_that_is_being_reconnected_keeps_its_last_picture_until_the_engine_ends_it() {
    let mut harness = in_call();
    show_stranger(&mut harness);
    let now = harness.state().now;
    harness.state_mut().snapshot = scenes::reconnecting(now);
    harness.run();
    harness.get_by_label("The stranger's picture");
    harness.get_by_label("Reconnecting…. Finding the way back to the stranger.");
    harness.state_mut().now = now + Duration::from_secs(26);
    harness.run();
    harness.get_by_label("The stranger's picture");
    harness.get_by_label_contains("Still trying");
    assert!(harness.query_by_label("Meet a stranger").is_none());
    assert_eq!(press(&mut harness, Key::Escape), [Command::Next]);

    harness.state_mut().snapshot = scenes::call(now);
    harness.run();
    harness.get_by_label("The stranger's picture");
    assert!(harness.query_by_label_contains("Reconnecting").is_none());
    harness.state_mut().snapshot.call = CallView::Ended {
        reason: EndReason::ConnectionLost,
    };
    harness.run();
    assert!(harness.query_by_label("The stranger's picture").is_none());
}

#[test]
fn a_stranger_whose_camera_is_off_is_not_shown_again_by_an_interruption() {
    let mut harness = in_call();
    show_stranger(&mut harness);
    harness.state_mut().snapshot.partner.is_sending_video = false;
    harness.run();
    let now = harness.state().now;
    harness.state_mut().snapshot = scenes::reconnecting(now);
    harness.state_mut().snapshot.partner.is_sending_video = false;
    harness.run();
    harness.get_by_label_contains("Reconnecting");
    assert!(harness.query_by_label("The stranger's picture").is_none());
}

#[test]
fn the_first_time_start_takes_the_answer_and_it_is_remembered() {
    let mut harness = in_lobby();
    harness.state_mut().window.state.is_shield_open = true;
    harness.run();
    harness.get_by_label("Who may learn your network address?");
    assert!(is_chosen(&harness, "Connect directly"));
    harness
        .get_by_label_contains("Hide my network address")
        .click();
    harness.run();
    let mut wishes = harness.state_mut().take();
    assert_eq!(wishes, [Command::SetShield(true)]);
    assert!(
        is_chosen(&harness, "Hide my network address"),
        "although the engine has not answered yet"
    );
    wishes.extend(press(&mut harness, Key::Enter));
    assert!(
        matches!(
            wishes.as_slice(),
            [.., Command::SetShield(true), Command::Start { .. }]
        ),
        "{wishes:?}"
    );

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.json");
    let mut settings = Settings::default();
    for wish in &wishes {
        settings.note(wish);
    }
    settings.save(&path).unwrap();
    assert_eq!(Settings::load(&path).unwrap().shield, Some(true));

    harness.state_mut().snapshot.is_shielded = true;
    harness.run();
    assert!(
        harness
            .query_by_label("Who may learn your network address?")
            .is_none(),
        "one is asked once"
    );
    harness.get_by_label("Network address: Hidden from strangers");
}

#[test]
fn who_starts_without_touching_the_question_has_chosen_the_direct_way() {
    let mut harness = in_lobby();
    harness.state_mut().window.state.is_shield_open = true;
    harness.run();
    let wishes = press(&mut harness, Key::Enter);
    assert!(
        matches!(
            wishes.as_slice(),
            [Command::SetShield(false), Command::Start { .. }]
        ),
        "{wishes:?}"
    );
}

#[test]
fn the_shield_can_be_changed_later_in_the_lobby() {
    let mut harness = in_lobby();
    click(&mut harness, "Network address: Strangers can learn it");
    harness
        .get_by_label_contains("Hide my network address")
        .click();
    harness.run();
    assert_eq!(harness.state_mut().take(), [Command::SetShield(true)]);
    harness.get_by_label("Network address: Hidden from strangers");
    assert!(
        harness
            .query_by_label_contains("Connect directly")
            .is_none(),
        "the list is closed"
    );
}

#[test]
fn going_direct_is_asked_for_and_taken_back_by_mouse_and_by_key() {
    let now = Instant::now();
    let mut harness = stage(scenes::shield_hidden(now), now);
    let go = "Go direct. Address hidden";
    assert_eq!(click(&mut harness, go), [Command::AllowDirect(true)]);
    assert_eq!(press(&mut harness, Key::D), [Command::AllowDirect(true)]);
    change_direct(&mut harness, |direct| direct.is_allowed = true);
    let back = "Stay hidden after all. Waiting for the stranger to agree";
    assert_eq!(click(&mut harness, back), [Command::AllowDirect(false)]);
    assert_eq!(press(&mut harness, Key::D), [Command::AllowDirect(false)]);
    assert_eq!(
        hold(&mut harness, Key::D, Modifiers::NONE, 20),
        [Command::AllowDirect(false)],
        "a held key counts once"
    );
}

#[test]
fn the_way_to_go_direct_says_what_it_reveals_and_its_key() {
    let now = Instant::now();
    let mut harness = stage(scenes::shield_hidden(now), now);
    harness.get_by_label("Go direct. Address hidden").hover();
    // Tooltips wait until the pointer rests.
    for _ in 0..60 {
        harness.step();
    }
    harness.get_by_label_contains("the stranger can learn your network address");
    harness.get_by_label_contains("(D)");
}

#[test]
fn a_stranger_who_is_ready_is_told_of_without_anything_happening_by_itself() {
    let now = Instant::now();
    let mut harness = stage(scenes::shield_hidden(now), now);
    change_direct(&mut harness, |direct| direct.partner_allows = Some(true));
    assert_eq!(harness.state_mut().take(), []);
    harness.get_by_label("Go direct. The stranger is ready");
}

#[test]
fn where_there_is_nothing_to_agree_to_the_key_does_nothing() {
    let now = Instant::now();
    let mut harness = stage(scenes::shield_hidden(now), now);
    change_direct(&mut harness, |direct| direct.is_permitted = false);
    harness.get_by_label("Address hidden by the server");
    assert_eq!(press(&mut harness, Key::D), []);
    let mut harness = in_call();
    assert!(harness.query_by_label_contains("Address hidden").is_none());
    assert_eq!(press(&mut harness, Key::D), []);
}

#[test]
fn d_in_a_message_is_a_letter() {
    let now = Instant::now();
    let mut harness = stage(scenes::shield_hidden(now), now);
    press(&mut harness, Key::T);
    assert_eq!(press(&mut harness, Key::D), []);
}

#[test]
fn a_direct_path_is_confirmed_when_it_is_there_and_then_no_more() {
    let now = Instant::now();
    let mut harness = stage(scenes::shield_hidden(now), now);
    let relayed = harness.state().snapshot.statistics.path;
    harness.state_mut().snapshot = scenes::shield_direct(now);
    harness.state_mut().snapshot.statistics.path = relayed;
    harness.run();
    harness.get_by_label("Going direct…");
    harness.state_mut().snapshot = scenes::shield_direct(now);
    harness.run();
    harness.get_by_label("You are connected directly");
    harness.state_mut().now += Duration::from_secs(7);
    harness.run();
    assert!(
        harness
            .query_by_label("You are connected directly")
            .is_none()
    );
}

#[test]
fn the_check_begins_by_a_click_and_its_report_is_read_in_words() {
    let mut harness = in_lobby();
    assert_eq!(click(&mut harness, "Check connection"), []);
    harness.get_by_label_contains("Trying every way");
    assert!(harness.state().window.state.wants_check);
    let outcome = Ok(scenes::good_report());
    harness.state_mut().window.state.end_check(outcome);
    harness.run();
    harness.get_by_label_contains("You are well connected. ");
    harness.get_by_label("Works, 25 ms there and back");
    harness.state_mut().window.state.wants_check = false;
    click(&mut harness, "Check again");
    assert!(harness.state().window.state.wants_check);
    click(&mut harness, "Cancel");
    assert_eq!(harness.state().window.state.check, None);
}

#[test]
fn a_check_takes_the_keyboard_and_escape_puts_it_away() {
    let mut harness = in_lobby();
    click(&mut harness, "Check connection");
    for key in [Key::Enter, Key::M, Key::V] {
        assert_eq!(
            press(&mut harness, key),
            [],
            "{key:?} is for what lies below"
        );
    }
    assert_eq!(press(&mut harness, Key::Escape), []);
    assert_eq!(harness.state().window.state.check, None);
    let outcome = Ok(scenes::good_report());
    harness.state_mut().window.state.end_check(outcome);
    harness.run();
    assert_eq!(
        harness.state().window.state.check,
        None,
        "what comes late does not open it again"
    );
    let wishes = press(&mut harness, Key::Enter);
    assert!(
        matches!(wishes.as_slice(), [Command::Start { .. }]),
        "{wishes:?}"
    );
}

#[test]
fn a_check_that_finds_no_server_says_so_and_can_be_tried_again() {
    let mut harness = in_lobby();
    click(&mut harness, "Check connection");
    let problem = SignallingProblem::Unreachable("refused".to_owned());
    let outcome = Err(desktop::text::signalling_problem(&problem));
    harness.state_mut().window.state.end_check(outcome);
    harness.run();
    harness.get_by_label_contains("The server cannot be reached");
    click(&mut harness, "Try again");
    let check = &harness.state().window.state.check;
    assert!(matches!(check, Some(Check::Running { .. })), "{check:?}");
}

fn show_stranger(harness: &mut Harness<'_, Stage>) {
    let ctx = harness.ctx.clone();
    let stage = harness.state_mut();
    let frame = scenes::remote_picture(stage.now);
    stage.window.show_remote(&ctx, &stage.snapshot, &frame);
    harness.run();
    harness.get_by_label("The stranger's picture");
}

fn change_direct(harness: &mut Harness<'_, Stage>, change: impl FnOnce(&mut DirectView)) {
    let direct = &mut harness.state_mut().snapshot.direct;
    change(direct.as_mut().expect("there is a call"));
    harness.run();
}

fn is_chosen(harness: &Harness<'_, Stage>, name: &str) -> bool {
    let node = harness.get_by_label_contains(name);
    node.accesskit_node().toggled() == Some(egui::accesskit::Toggled::True)
}

#[test]
fn the_keyboard_walks_through_the_dock_from_left_to_right() {
    let mut harness = in_call();
    let mut walked = Vec::new();
    for _ in 0..9 {
        harness.key_press(Key::Tab);
        harness.run();
        let focused = harness
            .root()
            .children_recursive()
            .find(|node| node.accesskit_node().is_focused());
        walked.push(
            focused
                .and_then(|node| node.accesskit_node().label())
                .unwrap_or_default(),
        );
    }
    let wanted = [
        "Mute microphone",
        "Choose microphone and speaker",
        "Turn camera off",
        "Choose camera",
        "Next stranger",
        "End the call",
        "Open chat",
    ];
    let start = walked
        .iter()
        .position(|name| name == wanted[0])
        .unwrap_or_else(|| panic!("{walked:?}"));
    assert_eq!(walked[start..start + wanted.len()], wanted);
}

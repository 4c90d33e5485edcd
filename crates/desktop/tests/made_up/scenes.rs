//! Made-up states of the window, for the pictures in the tests and for the gallery. No camera, no network.

use std::sync::Arc;
use std::time::{Duration, Instant};

use desktop::actions::Action;
use desktop::connection_check::{Check, CheckProblem};
use desktop::keymap::{Refusal, Shortcut};
use desktop::preferences::{Corner, RULES_VERSION};
use desktop::state::{ReportSheet, Section, SettingsPage, WindowState};
use desktop::window::Window;
use egui::Key;
use engine::{
    AudioSink, AudioSource, BanNotice, CallView, CandidateKind, ChatLine, ConnectionReport, Deck,
    DeviceProblem, DeviceState, DirectView, EndReason, Ipv6, NatFiltering, NatMapping, NatReport,
    PairState, PairView, PartnerView, PathPolicy, PathProtocol, PathView, Preview, ReachError,
    RelayAnswer, RelayCheck, RelayError, RelayTransport, ReportReason, Reportable, ReportableChat,
    ScreenView, ServerCheck, Shareable, SignallingProblem, SignallingView, SignedLine, Snapshot,
    Speaker, StageTime, Statistics, TimesIn, TimesOut, UdpReach, VeilView, VideoSource,
};
use media::video::{Scaler, VideoFrame};
use protocol::{LineHash, Signature};

/// A state of the window, with a name.
pub(crate) struct Scene {
    /// File name of its picture.
    pub(crate) name: &'static str,
    make: fn(Instant) -> Snapshot,
    prepare: fn(&mut WindowState),
}

/// Every scene. A picture of each is kept.
pub(crate) const SCENES: [Scene; 64] = [
    Scene {
        name: "lobby",
        make: lobby,
        prepare: likes_things,
    },
    Scene {
        name: "first-run",
        make: lobby,
        prepare: first_run,
    },
    Scene {
        name: "first-run-settings-broken",
        make: lobby,
        prepare: settings_broken,
    },
    Scene {
        name: "first-run-new-rules",
        make: lobby_shielded,
        prepare: new_rules,
    },
    Scene {
        name: "lobby-alone",
        make: lobby_alone,
        prepare: nothing,
    },
    Scene {
        name: "lobby-devices-in-trouble",
        make: lobby_devices_in_trouble,
        prepare: nothing,
    },
    Scene {
        name: "lobby-no-server",
        make: lobby_no_server,
        prepare: likes_things,
    },
    Scene {
        name: "lobby-shielded",
        make: lobby_shielded,
        prepare: likes_things,
    },
    Scene {
        name: "link",
        make: lobby,
        prepare: with_link,
    },
    Scene {
        name: "link-refused",
        make: lobby,
        prepare: with_hostile_link,
    },
    Scene {
        name: "check-running",
        make: lobby,
        prepare: checking,
    },
    Scene {
        name: "check-well",
        make: lobby,
        prepare: checked_well,
    },
    Scene {
        name: "check-strict",
        make: lobby,
        prepare: checked_strict,
    },
    Scene {
        name: "check-failed",
        make: lobby,
        prepare: check_failed,
    },
    Scene {
        name: "searching",
        make: searching,
        prepare: searched_for_things,
    },
    Scene {
        name: "searching-alone",
        make: searching_alone,
        prepare: nothing,
    },
    Scene {
        name: "searching-working",
        make: searching_working,
        prepare: searched_for_things,
    },
    Scene {
        name: "connecting",
        make: connecting,
        prepare: nothing,
    },
    Scene {
        name: "call",
        make: call,
        prepare: nothing,
    },
    Scene {
        name: "call-swapped",
        make: call,
        prepare: swapped,
    },
    Scene {
        name: "call-talk-key",
        make: call,
        prepare: with_talk_key,
    },
    Scene {
        name: "call-chat",
        make: call_chat,
        prepare: with_chat,
    },
    Scene {
        name: "call-statistics",
        make: call,
        prepare: with_statistics,
    },
    Scene {
        name: "call-diagnostics",
        make: call_measured,
        prepare: with_diagnostics,
    },
    Scene {
        name: "call-report",
        make: call_reportable,
        prepare: reporting,
    },
    Scene {
        name: "call-report-chat",
        make: call_reportable_with_chat,
        prepare: reporting_with_chat,
    },
    Scene {
        name: "lobby-banned",
        make: lobby_banned,
        prepare: nothing,
    },
    Scene {
        name: "veil-down",
        make: veil_down,
        prepare: nothing,
    },
    Scene {
        name: "veil-asked",
        make: veil_asked,
        prepare: nothing,
    },
    Scene {
        name: "veil-waiting",
        make: veil_waiting,
        prepare: nothing,
    },
    Scene {
        name: "call-screen",
        make: call_screen,
        prepare: nothing,
    },
    Scene {
        name: "call-sharing",
        make: call_sharing,
        prepare: nothing,
    },
    Scene {
        name: "call-sharing-picking",
        make: call_picking,
        prepare: nothing,
    },
    Scene {
        name: "call-sharing-gone",
        make: call_sharing_gone,
        prepare: nothing,
    },
    Scene {
        name: "share-pick",
        make: call_with_screens,
        prepare: picking_screen,
    },
    Scene {
        name: "share-impossible",
        make: call_without_screens,
        prepare: picking_screen,
    },
    Scene {
        name: "call-partner-hidden",
        make: call_partner_hidden,
        prepare: nothing,
    },
    Scene {
        name: "call-unread",
        make: call_chat,
        prepare: nothing,
    },
    Scene {
        name: "call-troubles",
        make: call_troubles,
        prepare: nothing,
    },
    Scene {
        name: "shield-enforced",
        make: shield_enforced,
        prepare: nothing,
    },
    Scene {
        name: "shield-hidden",
        make: shield_hidden,
        prepare: nothing,
    },
    Scene {
        name: "shield-partner-ready",
        make: shield_partner_ready,
        prepare: nothing,
    },
    Scene {
        name: "shield-waiting",
        make: shield_waiting,
        prepare: with_statistics,
    },
    Scene {
        name: "shield-switching",
        make: shield_agreed,
        prepare: nothing,
    },
    Scene {
        name: "shield-direct",
        make: shield_direct,
        prepare: nothing,
    },
    Scene {
        name: "reconnecting",
        make: reconnecting,
        prepare: nothing,
    },
    Scene {
        name: "reconnecting-long",
        make: reconnecting_long,
        prepare: nothing,
    },
    Scene {
        name: "ended-partner-left",
        make: ended_partner_left,
        prepare: nothing,
    },
    Scene {
        name: "ended-connection-lost",
        make: ended_connection_lost,
        prepare: nothing,
    },
    Scene {
        name: "call-at-rest",
        make: call,
        prepare: at_rest,
    },
    Scene {
        name: "call-full-screen",
        make: call_chat,
        prepare: full_screen,
    },
    Scene {
        name: "call-whole-picture",
        make: call,
        prepare: whole_picture,
    },
    Scene {
        name: "call-own-picture-hidden",
        make: call,
        prepare: own_picture_hidden,
    },
    Scene {
        name: "ended-staying",
        make: ended_partner_left,
        prepare: staying,
    },
    Scene {
        name: "after-call",
        make: lobby,
        prepare: after_call,
    },
    Scene {
        name: "settings-audio-video",
        make: lobby,
        prepare: at_audio_video,
    },
    Scene {
        name: "settings-network",
        make: lobby_shielded,
        prepare: at_network,
    },
    Scene {
        name: "settings-chat",
        make: call,
        prepare: at_chat,
    },
    Scene {
        name: "settings-appearance",
        make: lobby,
        prepare: at_appearance,
    },
    Scene {
        name: "settings-about",
        make: lobby,
        prepare: at_about,
    },
    Scene {
        name: "lobby-large-text",
        make: lobby,
        prepare: large_text,
    },
    Scene {
        name: "call-large-text",
        make: call,
        prepare: large_text,
    },
    Scene {
        name: "settings-shortcuts",
        make: call,
        prepare: at_shortcuts,
    },
    Scene {
        name: "settings-shortcuts-changed",
        make: lobby,
        prepare: at_changed_shortcuts,
    },
];

/// States of the mini window, with names.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the gallery shows the main window alone")
)]
pub(crate) fn mini_scenes(now: Instant) -> [(&'static str, Snapshot); 4] {
    [
        ("mini-call", call(now)),
        ("mini-searching", searching(now)),
        ("mini-partner-hidden", call_partner_hidden(now)),
        ("mini-ended", ended_partner_left(now)),
    ]
}

impl Scene {
    /// The snapshot that the engine would give at `now`.
    pub(crate) fn snapshot(&self, now: Instant) -> Snapshot {
        (self.make)(now)
    }

    /// A window in this state, with pictures where there would be some.
    pub(crate) fn window(&self, ctx: &egui::Context, now: Instant) -> Window {
        let mut state = WindowState::new("wss://passerby.example".to_owned(), Vec::new());
        (self.prepare)(&mut state);
        let mut window = Window::new(state);
        window.pictures.remote.set(ctx, remote_picture(now));
        window.pictures.local.set(ctx, portrait(LOCAL, now));
        if self.snapshot(now).veil.is_some_and(VeilView::is_down) {
            window.pictures.remote.set(ctx, veiled_picture(now));
        }
        if self.snapshot(now).partner.is_sending_screen {
            window.pictures.remote_screen.set(ctx, page(now));
        }
        window.show_local_screen(ctx, &self.snapshot(now), page(now));
        if matches!(self.snapshot(now).call, CallView::Ended { .. }) {
            // A call came before.
            window.observe(&call(now), now);
        }
        let agreed = self.snapshot(now).direct.is_some_and(|it| !it.is_hidden);
        if self.name.starts_with("shield") && agreed {
            // The address was hidden before.
            window.observe(&shield_waiting(now), now);
        }
        if window.state.is_picking_screen {
            window.show_previews(ctx, &previews(now));
        }
        if window.state.is_statistics_open || window.state.is_diagnostics_open {
            feed_history(&mut window, now);
        }
        window
    }
}

fn nothing(_: &mut WindowState) {}

fn likes_things(state: &mut WindowState) {
    state.interests = strings(&["climbing", "jazz"]).to_vec();
}

fn first_run(state: &mut WindowState) {
    state.is_welcome_open = true;
}

/// Longer ago than a question takes until it can be answered.
fn with_link(state: &mut WindowState) {
    let now = Instant::now();
    let came_at = now.checked_sub(Duration::from_secs(2)).unwrap_or(now);
    state.open_link("passerby://example.org:8443", came_at);
}

fn with_hostile_link(state: &mut WindowState) {
    let link = "passerby://example.org@evil.example/path";
    state.open_link(link, Instant::now());
}

fn settings_broken(state: &mut WindowState) {
    state.settings_set_aside = Some("/home/me/.config/passerby/settings.json.broken".to_owned());
    first_run(state);
}

fn new_rules(state: &mut WindowState) {
    state.preferences.consent = RULES_VERSION;
    state.is_welcome_open = true;
    state.is_consent_ticked = true;
}

fn at_audio_video(state: &mut WindowState) {
    state.settings = Some(SettingsPage::at(Section::AudioVideo));
}

fn at_network(state: &mut WindowState) {
    state.settings = Some(SettingsPage::at(Section::Network));
}

fn at_chat(state: &mut WindowState) {
    state.settings = Some(SettingsPage::at(Section::Chat));
}

fn at_appearance(state: &mut WindowState) {
    state.preferences.is_motion_reduced = true;
    state.settings = Some(SettingsPage::at(Section::Appearance));
}

fn at_about(state: &mut WindowState) {
    state.settings_file = Some("/home/me/.config/passerby/settings.json".to_owned());
    state.settings = Some(SettingsPage::at(Section::About));
}

fn at_rest(state: &mut WindowState) {
    state.active_at = Some(ago(Instant::now(), 10.0));
}

fn full_screen(state: &mut WindowState) {
    state.is_full_screen = true;
    state.is_chat_open = true;
}

fn whole_picture(state: &mut WindowState) {
    state.preferences.fits_picture = true;
    state.preferences.self_view = Corner::TopLeft;
}

fn own_picture_hidden(state: &mut WindowState) {
    state.is_self_view_hidden = true;
}

fn with_diagnostics(state: &mut WindowState) {
    state.is_diagnostics_open = true;
    state.log.push("INFO engine::session: matched");
    state
        .log
        .push("WARN transport: 192.0.2.7:3478 does not answer");
    state.log.push("INFO engine::session: connected");
}

fn reporting(state: &mut WindowState) {
    state.report = Some(ReportSheet {
        reason: Some(ReportReason::Harassment),
        ..ReportSheet::default()
    });
}

fn reporting_with_chat(state: &mut WindowState) {
    reporting(state);
    if let Some(sheet) = &mut state.report {
        sheet.adds_chat = true;
        sheet.lines = [2, 3].into();
    }
}

fn swapped(state: &mut WindowState) {
    state.is_swapped = true;
    state.volume_percent = 130;
}

fn with_talk_key(state: &mut WindowState) {
    state.preferences.push_to_talk = true;
}

fn staying(state: &mut WindowState) {
    state.preferences.goes_on_by_itself = false;
}

fn after_call(state: &mut WindowState) {
    state.after_call = Some(Duration::from_secs(754));
}

fn large_text(state: &mut WindowState) {
    state.preferences.text_percent = 150;
}

fn at_shortcuts(state: &mut WindowState) {
    state.settings = Some(SettingsPage::at(Section::Shortcuts));
}

fn at_changed_shortcuts(state: &mut WindowState) {
    let keymap = &mut state.preferences.shortcuts;
    keymap
        .change(Action::Next, Shortcut::plain(Key::N))
        .expect("N is free");
    state.settings = Some(SettingsPage {
        recording: Some(Action::ToggleMicrophone),
        refused: Some((Action::Stop, Refusal::Taken(Action::ToggleChat))),
        ..SettingsPage::at(Section::Shortcuts)
    });
}

fn checking(state: &mut WindowState) {
    // The card shows no clock, and its waves begin anew here whenever the picture is drawn.
    state.check = Some(Check::Running {
        since: Instant::now() + Duration::from_hours(1),
    });
}

fn checked_well(state: &mut WindowState) {
    state.check = Some(Check::Done(Box::new(Ok(good_report()))));
}

fn checked_strict(state: &mut WindowState) {
    state.check = Some(Check::Done(Box::new(Ok(strict_report()))));
}

fn check_failed(state: &mut WindowState) {
    let problem = SignallingProblem::Unreachable("connection refused".to_owned());
    state.check = Some(Check::Done(Box::new(Err(CheckProblem::Server(problem)))));
}

/// What a check finds at most homes.
pub(crate) fn good_report() -> ServerCheck {
    let relay = |transport, round_trip_ms| RelayCheck {
        url: "turn:passerby.example".to_owned(),
        transport,
        outcome: Ok(RelayAnswer {
            round_trip: Some(Duration::from_millis(round_trip_ms)),
            relayed_round_trip: Duration::from_millis(round_trip_ms + 1),
            set_up: Duration::from_millis(3 * round_trip_ms),
            is_ipv6: false,
        }),
    };
    ServerCheck {
        signalling: Duration::from_millis(88),
        path_policy: PathPolicy::Any,
        connection: ConnectionReport {
            stun: Vec::new(),
            relays: vec![
                relay(RelayTransport::Udp, 21),
                relay(RelayTransport::Tcp, 24),
                relay(RelayTransport::Tls, 25),
            ],
            udp: UdpReach::Works,
            nat: NatReport {
                mapping: NatMapping::EndpointIndependent,
                filtering: NatFiltering::AddressAndPortDependent,
            },
            public_address: Some(engine::PublicAddress(([192, 0, 2, 7], 40_000).into())),
            ipv6: Ipv6::Absent,
            is_relay_only: false,
            left_out: 0,
            took: Duration::from_millis(900),
        },
    }
}

/// What a check finds in a hotel that lets little through.
fn strict_report() -> ServerCheck {
    let mut report = good_report();
    report.path_policy = PathPolicy::RelayFirst;
    report.connection.is_relay_only = true;
    report.connection.udp = UdpReach::Blocked;
    report.connection.nat.mapping = NatMapping::Unknown;
    report.connection.public_address = None;
    let silent = Err(RelayError::Reach(ReachError::NoAnswer));
    report.connection.relays[0].outcome = silent;
    report.connection.relays[1].outcome = silent;
    report
}

fn searched_for_things(state: &mut WindowState) {
    state.searched_for = strings(&["climbing", "jazz"]).to_vec();
}

fn with_chat(state: &mut WindowState) {
    state.is_chat_open = true;
}

fn with_statistics(state: &mut WindowState) {
    state.is_statistics_open = true;
}

fn feed_history(window: &mut Window, now: Instant) {
    for second in 0..60_u64 {
        let mut snapshot = call(now);
        let wobble = (second * 7919) % 13;
        snapshot.statistics.round_trip = Some(Duration::from_millis(38 + wobble));
        snapshot.statistics.received_bps = 1_650_000 + wobble * 21_000;
        window.observe(&snapshot, now);
    }
}

fn strings(words: &[&str]) -> Arc<[String]> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn ago(now: Instant, seconds: f32) -> Instant {
    // A machine that has just started has little past to point to.
    now.checked_sub(Duration::from_secs_f32(seconds))
        .unwrap_or(now)
}

/// The window in the lobby, everything well.
pub(crate) fn lobby(_: Instant) -> Snapshot {
    let working = |name: &str| DeviceState::Working {
        name: name.to_owned(),
    };
    Snapshot {
        signalling: SignallingView::Connected { online: Some(1284) },
        works_since: None,
        call: CallView::Idle,
        direct: None,
        veil: None,
        safety: engine::SafetyView::default(),
        is_shielded: false,
        is_saving_power: false,
        partner: PartnerView::default(),
        chat: Arc::new([]),
        devices: Deck {
            video_source: VideoSource::CameraNamed("Integrated Camera".to_owned()),
            audio_source: AudioSource::DefaultMicrophone,
            audio_sink: AudioSink::Speaker("Headphones (USB Audio)".to_owned()),
            camera: working("Integrated Camera"),
            microphone: working("Built-in microphone"),
            speaker: working("Headphones (USB Audio)"),
            is_camera_on: true,
            is_microphone_on: true,
            microphone_level: 0.46,
            microphone_notice: None,
            cameras: strings(&["Integrated Camera", "Logitech BRIO"]),
            microphones: strings(&["Built-in microphone", "USB Audio"]),
            speakers: strings(&["Built-in speakers", "Headphones (USB Audio)"]),
            screen: None,
            shareable: None,
            is_screen_picked_by_desktop: false,
        },
        statistics: Statistics::default(),
    }
}

fn lobby_alone(now: Instant) -> Snapshot {
    let mut snapshot = lobby(now);
    snapshot.signalling = SignallingView::Connected { online: Some(1) };
    snapshot.devices.is_camera_on = false;
    snapshot.devices.camera = DeviceState::Off;
    snapshot
}

fn lobby_devices_in_trouble(now: Instant) -> Snapshot {
    let mut snapshot = lobby(now);
    snapshot.devices.camera = DeviceState::Failed(DeviceProblem::Busy);
    snapshot.devices.microphone = DeviceState::Failed(DeviceProblem::NotFound);
    snapshot
}

fn lobby_no_server(now: Instant) -> Snapshot {
    let mut snapshot = lobby(now);
    snapshot.signalling = SignallingView::Away {
        problem: SignallingProblem::Unreachable("connection refused".to_owned()),
        retry_at: now + Duration::from_millis(3400),
    };
    snapshot
}

fn lobby_shielded(now: Instant) -> Snapshot {
    Snapshot {
        is_shielded: true,
        ..lobby(now)
    }
}

/// A search that has lasted seven seconds.
pub(crate) fn searching(now: Instant) -> Snapshot {
    Snapshot {
        call: CallView::Searching {
            since: ago(now, 7.3),
        },
        ..lobby(now)
    }
}

fn searching_alone(now: Instant) -> Snapshot {
    let signalling = SignallingView::Connected { online: Some(1) };
    Snapshot {
        signalling,
        call: CallView::Searching {
            since: ago(now, 62.8),
        },
        ..lobby(now)
    }
}

/// A search before which the server wants some work.
pub(crate) fn searching_working(now: Instant) -> Snapshot {
    Snapshot {
        works_since: Some(ago(now, 1.2)),
        call: CallView::Searching {
            since: ago(now, 1.3),
        },
        ..lobby(now)
    }
}

fn connecting(now: Instant) -> Snapshot {
    let interests = strings(&["jazz"]);
    Snapshot {
        call: CallView::Connecting {
            since: ago(now, 0.7),
            interests,
        },
        ..lobby(now)
    }
}

/// A call that goes well.
pub(crate) fn call(now: Instant) -> Snapshot {
    Snapshot {
        call: CallView::Connected {
            since: ago(now, 161.2),
            interests: strings(&["climbing", "jazz"]),
        },
        direct: Some(DirectView {
            is_hidden: false,
            is_allowed: true,
            partner_allows: Some(true),
            is_permitted: true,
        }),
        partner: PartnerView {
            is_sending_audio: true,
            is_sending_video: true,
            is_sending_screen: false,
            is_typing: false,
            is_chat_open: true,
        },
        statistics: Statistics {
            time_to_connected: Some(Duration::from_millis(412)),
            path: Some(PathView {
                local: CandidateKind::ServerReflexive,
                remote: CandidateKind::Host,
                protocol: PathProtocol::Udp,
                is_ipv6: false,
                round_trip: Some(Duration::from_millis(43)),
            }),
            round_trip: Some(Duration::from_millis(43)),
            loss_ratio: Some(0.002),
            sent_bps: 1_620_000,
            received_bps: 1_755_000,
            video_codec: Some("H.264"),
            received_size_px: Some((1280, 720)),
            received_fps: 30,
            picture_latency: Some(Duration::from_millis(96)),
            video_jitter_buffer: Some(Duration::from_millis(31)),
            audio_jitter_buffer: Some(Duration::from_millis(38)),
            ..Statistics::default()
        },
        ..lobby(now)
    }
}

/// A call with somebody who can be reported.
pub(crate) fn call_reportable(now: Instant) -> Snapshot {
    let mut snapshot = call(now);
    snapshot.safety.reportable = Some(Reportable::Present);
    snapshot
}

/// So many messages of a stranger's that can go with a report.
pub(crate) fn signed_chat(count: u32) -> ReportableChat {
    let line = |number| SignedLine {
        number,
        previous: LineHash::NOTHING,
        text: format!("Message {number}"),
        signature: Signature::from_bytes([0; 64]),
    };
    ReportableChat {
        lines: (1..=count).map(line).collect(),
        unproved: 0,
    }
}

/// The same, with somebody who has written.
fn call_reportable_with_chat(now: Instant) -> Snapshot {
    let mut snapshot = call_reportable(now);
    snapshot.safety.chat = signed_chat(3);
    snapshot
}

/// A server that does not let the person in.
pub(crate) fn lobby_banned(now: Instant) -> Snapshot {
    let mut snapshot = lobby_no_server(now);
    snapshot.safety.ban = Some(BanNotice {
        reason: "Advertising in calls".to_owned(),
        until: None,
        appeal: Some("write to moderation@passerby.example".to_owned()),
    });
    snapshot
}

/// A call of which everything is known that can be measured.
pub(crate) fn call_measured(now: Instant) -> Snapshot {
    use CandidateKind::{Host, Relay, ServerReflexive};
    let time = |ms: u64| StageTime {
        median: Duration::from_millis(ms),
        p95: Duration::from_millis(ms * 2),
    };
    let pair = |local, remote, state, ms, is_selected| PairView {
        local,
        remote,
        state,
        round_trip: (ms > 0).then(|| Duration::from_millis(ms)),
        is_selected,
    };
    let mut snapshot = call(now);
    snapshot.statistics.pairs = Arc::new([
        pair(ServerReflexive, Host, PairState::Succeeded, 43, true),
        pair(Host, Host, PairState::Failed, 0, false),
        pair(Relay, Relay, PairState::InProgress, 0, false),
    ]);
    snapshot.statistics.times_out = Some(TimesOut {
        waiting: time(2),
        scaling: time(1),
        encoding: time(9),
        queueing: time(1),
        pacing: time(5),
        total: time(18),
    });
    snapshot.statistics.times_in = Some(TimesIn {
        arriving: time(6),
        holding: time(12),
        decoding: time(4),
        playout: time(7),
        total: time(29),
    });
    snapshot
}

/// A call in which people write to each other.
pub(crate) fn call_chat(now: Instant) -> Snapshot {
    let line = |speaker, text: &str| ChatLine {
        speaker,
        text: text.to_owned(),
    };
    let mut snapshot = call(now);
    snapshot.chat = [
        line(Speaker::Partner, "hey! you like jazz too?"),
        line(
            Speaker::Me,
            "Yes, mostly the sixties. Blue Note records on repeat",
        ),
        line(Speaker::Me, "What do you listen to?"),
        line(
            Speaker::Partner,
            "Alice Coltrane, all week. Journey in Satchidananda is perfect for rainy mornings 🎵",
        ),
        line(Speaker::Me, "Great pick. Do you play anything?"),
        line(Speaker::Partner, "a bit of upright bass, badly"),
    ]
    .into();
    snapshot.partner.is_typing = true;
    snapshot
}

fn call_partner_hidden(now: Instant) -> Snapshot {
    let mut snapshot = call(now);
    snapshot.partner.is_sending_video = false;
    snapshot.partner.is_sending_audio = false;
    snapshot.devices.is_microphone_on = false;
    snapshot.devices.is_camera_on = false;
    snapshot.devices.camera = DeviceState::Off;
    snapshot.statistics.loss_ratio = Some(0.12);
    snapshot
}

/// A camera that is gone.
pub(crate) fn unplugged() -> DeviceState {
    DeviceState::Failed(DeviceProblem::Unplugged)
}

fn call_troubles(now: Instant) -> Snapshot {
    let mut snapshot = call(now);
    snapshot.signalling = SignallingView::Away {
        problem: SignallingProblem::Lost("reset".to_owned()),
        retry_at: now + Duration::from_secs(2),
    };
    snapshot.devices.camera = unplugged();
    snapshot
}

/// A call over a relay, as a person who hides the network address begins it.
pub(crate) fn shield_hidden(now: Instant) -> Snapshot {
    let mut snapshot = call(now);
    snapshot.is_shielded = true;
    snapshot.direct = Some(DirectView {
        is_hidden: true,
        is_allowed: false,
        partner_allows: Some(false),
        is_permitted: true,
    });
    snapshot.statistics.path = Some(PathView {
        local: CandidateKind::Relay,
        remote: CandidateKind::Relay,
        protocol: PathProtocol::Udp,
        is_ipv6: false,
        round_trip: Some(Duration::from_millis(52)),
    });
    snapshot
}

fn with_direct(mut snapshot: Snapshot, change: fn(&mut DirectView)) -> Snapshot {
    snapshot.direct.iter_mut().for_each(change);
    snapshot
}

fn shield_enforced(now: Instant) -> Snapshot {
    with_direct(shield_hidden(now), |direct| direct.is_permitted = false)
}

fn shield_partner_ready(now: Instant) -> Snapshot {
    with_direct(shield_hidden(now), |direct| {
        direct.partner_allows = Some(true);
    })
}

fn shield_waiting(now: Instant) -> Snapshot {
    with_direct(shield_hidden(now), |direct| direct.is_allowed = true)
}

/// Both agreed a moment ago; the path is still the relay's.
fn shield_agreed(now: Instant) -> Snapshot {
    let direct = call(now).direct;
    Snapshot {
        direct,
        ..shield_hidden(now)
    }
}

/// Both agreed, and the direct path is there.
pub(crate) fn shield_direct(now: Instant) -> Snapshot {
    Snapshot {
        is_shielded: true,
        ..call(now)
    }
}

/// A call that was interrupted three seconds ago.
pub(crate) fn reconnecting(now: Instant) -> Snapshot {
    interrupted(now, 3.4)
}

fn reconnecting_long(now: Instant) -> Snapshot {
    interrupted(now, 14.0)
}

fn interrupted(now: Instant, seconds: f32) -> Snapshot {
    let call_view = CallView::Reconnecting {
        since: ago(now, 161.2),
        lost_at: ago(now, seconds),
        interests: strings(&["climbing", "jazz"]),
    };
    Snapshot {
        call: call_view,
        ..call(now)
    }
}

fn ended_partner_left(now: Instant) -> Snapshot {
    Snapshot {
        call: CallView::Ended {
            reason: EndReason::PartnerLeft,
        },
        ..lobby(now)
    }
}

fn ended_connection_lost(now: Instant) -> Snapshot {
    Snapshot {
        call: CallView::Ended {
            reason: EndReason::ConnectionLost,
        },
        ..lobby(now)
    }
}

/// The stranger, drawn.
fn veiled(now: Instant, is_lifted: bool, partner_lifted: Option<bool>) -> Snapshot {
    let veil = VeilView {
        is_lifted,
        partner_lifted,
    };
    Snapshot {
        veil: Some(veil),
        ..call(now)
    }
}

/// Neither has lifted the veil.
pub(crate) fn veil_down(now: Instant) -> Snapshot {
    veiled(now, false, Some(false))
}

/// The stranger has.
pub(crate) fn veil_asked(now: Instant) -> Snapshot {
    veiled(now, false, Some(true))
}

/// We have.
pub(crate) fn veil_waiting(now: Instant) -> Snapshot {
    veiled(now, true, Some(false))
}

/// The stranger behind the veil.
pub(crate) fn veiled_picture(now: Instant) -> VideoFrame {
    let scaled = Scaler::default().scale(&remote_picture(now), (28, 16));
    scaled.expect("it has such a size")
}

/// The stranger shares a screen.
pub(crate) fn call_screen(now: Instant) -> Snapshot {
    let mut snapshot = call(now);
    snapshot.partner.is_sending_screen = true;
    snapshot
}

/// We share one.
pub(crate) fn call_sharing(now: Instant) -> Snapshot {
    let mut snapshot = call(now);
    snapshot.devices.screen = Some(ScreenView {
        source: VideoSource::Screen(Some("HDMI-1".to_owned())),
        state: DeviceState::Working {
            name: "screen:HDMI-1".to_owned(),
        },
    });
    snapshot
}

/// The desktop asks what to share.
pub(crate) fn call_picking(now: Instant) -> Snapshot {
    let mut snapshot = call(now);
    snapshot.devices.is_screen_picked_by_desktop = true;
    snapshot.devices.screen = Some(ScreenView {
        source: VideoSource::Portal,
        state: DeviceState::Opening,
    });
    snapshot
}

fn call_sharing_gone(now: Instant) -> Snapshot {
    let mut snapshot = call(now);
    snapshot.devices.screen = Some(ScreenView {
        source: VideoSource::Window(7),
        state: DeviceState::Failed(DeviceProblem::Unplugged),
    });
    snapshot
}

/// There is a choice of screens and windows.
pub(crate) fn call_with_screens(now: Instant) -> Snapshot {
    let item = |source, title: &str, (width_px, height_px)| Shareable {
        source,
        title: title.to_owned(),
        width_px,
        height_px,
    };
    let screen = |name: &str| VideoSource::Screen(Some(name.to_owned()));
    let mut snapshot = call(now);
    snapshot.devices.shareable = Some(Ok([
        item(screen("eDP-1"), "eDP-1", (1920, 1200)),
        item(screen("HDMI-1"), "HDMI-1", (2560, 1440)),
        item(VideoSource::Window(1), "Holiday pictures", (1280, 800)),
        item(
            VideoSource::Window(2),
            "A title that is far too long for the line that it has to stand on, as those of web pages are",
            (1514, 1021),
        ),
        item(VideoSource::Window(3), "Notes \u{202E}txt.exe", (640, 480)),
    ]
    .into()));
    snapshot
}

fn call_without_screens(now: Instant) -> Snapshot {
    let mut snapshot = call(now);
    let why =
        "a Wayland session shows its screen to no program; in an X11 session it can be shared";
    snapshot.devices.shareable = Some(Err(DeviceProblem::Other(why.to_owned())));
    snapshot
}

/// How two of these look.
pub(crate) fn previews(now: Instant) -> Vec<Preview> {
    let small = |picture: &VideoFrame, size_px| {
        let scaled = Scaler::default().scale(picture, size_px);
        Arc::new(scaled.expect("a size that pictures may have"))
    };
    vec![
        Preview {
            source: VideoSource::Screen(Some("eDP-1".to_owned())),
            picture: small(&page(now), (192, 120)),
        },
        Preview {
            source: VideoSource::Window(1),
            picture: small(&portrait(LOCAL, now), (120, 120)),
        },
    ]
}

fn picking_screen(state: &mut WindowState) {
    state.is_picking_screen = true;
}

/// A page with a heading and lines of writing.
pub(crate) fn page(now: Instant) -> VideoFrame {
    const WIDTH: u32 = 640;
    const HEIGHT: u32 = 400;
    let luma = |x: u32, y: u32| {
        let line = y / 20;
        let length = 200 + (line * 7919) % 330;
        let is_heading = (30..54).contains(&y) && (50..330).contains(&x);
        let is_word = y > 80 && y % 20 < 7 && (50..length).contains(&x) && x % 41 > 6;
        if y < 14 {
            90
        } else if is_heading {
            60
        } else if is_word {
            120
        } else {
            228
        }
    };
    let mut planes = Vec::with_capacity(VideoFrame::len_bytes(WIDTH, HEIGHT));
    for y in 0..HEIGHT {
        planes.extend((0..WIDTH).map(|x| luma(x, y)));
    }
    planes.resize(VideoFrame::len_bytes(WIDTH, HEIGHT), 128);
    VideoFrame::from_planes(WIDTH, HEIGHT, planes, now).expect("a whole picture")
}

pub(crate) fn remote_picture(now: Instant) -> VideoFrame {
    portrait(REMOTE, now)
}

/// Colours of a drawn person: wall, window, hair, skin, clothes.
type Palette = [[u8; 3]; 5];

const REMOTE: Palette = [
    [0x6E, 0x7F, 0x86],
    [0xB9, 0xC8, 0xC4],
    [0x2B, 0x21, 0x1E],
    [0xD9, 0xA0, 0x7E],
    [0x2F, 0x5D, 0x62],
];
const LOCAL: Palette = [
    [0x8A, 0x74, 0x60],
    [0xD8, 0xC3, 0x9A],
    [0x5A, 0x33, 0x22],
    [0xEC, 0xBE, 0x9C],
    [0xB2, 0x55, 0x3E],
];

/// A person as flat shapes, so that the pictures in the tests stay small.
fn portrait(palette: Palette, now: Instant) -> VideoFrame {
    let (width, height) = (960_usize, 540_usize);
    let color_at = |x: usize, y: usize| {
        let (x, y) = (x as f32 / 1.5 - 300.0, y as f32 / 1.5);
        let is_within = |cx: f32, cy: f32, rx: f32, ry: f32| {
            ((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2) <= 1.0
        };
        if is_within(0.0, 168.0, 58.0, 76.0) && y > 120.0 {
            palette[3]
        } else if is_within(0.0, 150.0, 76.0, 92.0) {
            palette[2]
        } else if is_within(0.0, 262.0, 26.0, 46.0) && y < 296.0 {
            palette[3]
        } else if is_within(0.0, 400.0, 170.0, 128.0) {
            palette[4]
        } else if (120.0..300.0).contains(&x) && (30.0..190.0).contains(&y) {
            palette[1]
        } else {
            palette[0]
        }
    };
    let mut planes = Vec::with_capacity(VideoFrame::len_bytes(width as u32, height as u32));
    for y in 0..height {
        planes.extend((0..width).map(|x| yuv(color_at(x, y))[0]));
    }
    for plane in [1, 2] {
        for y in (0..height).step_by(2) {
            planes.extend((0..width).step_by(2).map(|x| yuv(color_at(x, y))[plane]));
        }
    }
    VideoFrame::from_planes(width as u32, height as u32, planes, now)
        .expect("the planes are made for this size")
}

/// BT.601, limited range.
fn yuv(rgb: [u8; 3]) -> [u8; 3] {
    let rgb = rgb.map(f32::from);
    let mixed = |offset: f32, weights: [f32; 3]| {
        let sum: f32 = weights
            .iter()
            .zip(rgb)
            .map(|(weight, value)| weight * value)
            .sum();
        (offset + sum) as u8
    };
    [
        mixed(16.0, [0.257, 0.504, 0.098]),
        mixed(128.0, [-0.148, -0.291, 0.439]),
        mixed(128.0, [0.439, -0.368, -0.071]),
    ]
}

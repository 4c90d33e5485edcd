//! Every sentence that a person reads about something that happened: what happened, why, and what to do.
//!
//! The rest of the program speaks of partners; here they are strangers, because that is what a person calls them.

#[macro_use]
pub mod language;

mod check;
mod ending;
mod figures;
mod keys;
mod network;
mod report;
mod welcome;

use engine::{
    AudioSink, AudioSource, DeviceProblem, DeviceState, EndReason, MicrophoneNotice, ScreenView,
    SignallingProblem, SignallingView, VeilView, VideoSource,
};

pub use check::{Finding, Mark, check_problem, check_under_way, findings, verdict};
pub use ending::{after_call, automatic_next};
use figures::grouped;
pub use figures::{bitrate, clock, delay, tenths};
pub use keys::{keys, refusal};
pub use language::{Language, Sentence};
pub use network::{SHIELD_QUESTION, path, relay_side, shield_choice, shield_in_use, shield_stage};
pub use report::{ban, report_reason, report_state};
pub use welcome::{CONSENT, PITCH, rules, settings_set_aside, welcome_title};

/// A thing that happened, put to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What happened, in a few words.
    pub title: String,
    /// Why, and what to do.
    pub detail: String,
}

impl Explanation {
    pub(crate) fn new(title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            detail: detail.into(),
        }
    }
}

/// The device that something is said about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// Where pictures come from.
    Camera,
    /// Where sound comes from.
    Microphone,
    /// Where sound goes.
    Speaker,
}

impl Device {
    /// The one of three sentences that speaks of it: words change with the device in many languages.
    fn pick(self, camera: Sentence, microphone: Sentence, speaker: Sentence) -> &'static str {
        let sentence = match self {
            Self::Camera => camera,
            Self::Microphone => microphone,
            Self::Speaker => speaker,
        };
        sentence.text()
    }
}

/// Says why a device is not to be had.
pub fn device_problem(device: Device, problem: &DeviceProblem) -> Explanation {
    match problem {
        DeviceProblem::NotFound => Explanation::new(
            device.pick(
                sentence!("No camera found"),
                sentence!("No microphone found"),
                sentence!("No speaker found"),
            ),
            match device {
                Device::Camera => {
                    tr!(
                        "Plug one in and it is used at once. You can meet people without a camera, too."
                    )
                }
                Device::Microphone => {
                    tr!(
                        "Plug one in and it is used at once. Until then strangers see you, and you can write."
                    )
                }
                Device::Speaker => {
                    tr!("Plug one in and it is used at once. Until then you cannot hear anybody.")
                }
            },
        ),
        DeviceProblem::Busy => Explanation::new(
            device.pick(
                sentence!("Your camera is in use"),
                sentence!("Your microphone is in use"),
                sentence!("Your speaker is in use"),
            ),
            tr!("Another program has it. Close that program, or choose another device."),
        ),
        DeviceProblem::NotPermitted => Explanation::new(
            device.pick(
                sentence!("Passerby may not use your camera"),
                sentence!("Passerby may not use your microphone"),
                sentence!("Passerby may not use your speaker"),
            ),
            tr!("Allow it in the privacy settings of your system, then try again."),
        ),
        DeviceProblem::Unplugged => Explanation::new(
            device.pick(
                sentence!("Your camera was unplugged"),
                sentence!("Your microphone was unplugged"),
                sentence!("Your speaker was unplugged"),
            ),
            tr!("Plug it in again and it comes back by itself, or choose another one."),
        ),
        DeviceProblem::Stalled => Explanation::new(
            match device {
                Device::Camera => tr!("Your camera sends no picture"),
                Device::Microphone => tr!("Your microphone sends no sound"),
                Device::Speaker => tr!("Your speaker plays nothing"),
            },
            tr!("Unplug it and plug it in again, or choose another one."),
        ),
        DeviceProblem::NoUsableFormat => Explanation::new(
            device.pick(
                sentence!("This camera cannot be used"),
                sentence!("This microphone cannot be used"),
                sentence!("This speaker cannot be used"),
            ),
            tr!("It offers nothing that Passerby understands. Choose another one."),
        ),
        DeviceProblem::File(why) => Explanation::new(
            device.pick(
                sentence!("The file for the camera cannot be used"),
                sentence!("The file for the microphone cannot be used"),
                sentence!("The file for the speaker cannot be used"),
            ),
            tr!(
                "The system says: {why}. Choose another file or a device.",
                why = plain(why)
            ),
        ),
        DeviceProblem::SystemLacks(_) | DeviceProblem::Other(_) => Explanation::new(
            device.pick(
                sentence!("Your camera does not work"),
                sentence!("Your microphone does not work"),
                sentence!("Your speaker does not work"),
            ),
            tr!(
                "The system says: {why}. Try again, or choose another device.",
                why = match problem {
                    DeviceProblem::Other(why) => plain(why),
                    problem => problem.to_string(),
                }
            ),
        ),
    }
}

/// What the veil is.
pub const VEIL_DETAIL: Sentence = sentence!(
    "Both pictures are spots of colour until you and the stranger have lifted it. The voice is as ever."
);
/// What nobody can keep a stranger from.
pub const MAY_RECORD: Sentence = sentence!("A stranger may record what they see and hear.");

/// What is the case behind the veil, and what can be done.
pub fn veil(veil: VeilView) -> (&'static str, &'static str) {
    match (veil.is_lifted, veil.partner_lifted) {
        (true, _) => (
            tr!("Waiting for the stranger"),
            tr!("You see each other when they lift theirs."),
        ),
        (false, Some(true)) => (
            tr!("The stranger would like to see you"),
            tr!("Lift the veil, and you both see each other."),
        ),
        (false, _) => (
            tr!("You see only each other's colours"),
            tr!("You see each other when both lift the veil."),
        ),
    }
}

/// The heading over what can be shared.
pub const SHARE_TITLE: Sentence = sentence!("Show the stranger");
/// What sharing means.
pub const SHARE_DETAIL: Sentence = sentence!(
    "They see all of it beside your camera, as it changes, until you stop or the call ends."
);

/// Says that something is shared.
pub fn sharing(screen: &ScreenView) -> String {
    match &screen.source {
        VideoSource::Portal => match &screen.state {
            DeviceState::Working { name } if name == "window" => tr!("You share a window"),
            DeviceState::Working { .. } => tr!("You share your screen"),
            DeviceState::Failed(_) => tr!("Nothing is shared"),
            DeviceState::Off | DeviceState::Opening => {
                tr!("Choose in your desktop's dialog")
            }
        }
        .to_owned(),
        VideoSource::Screen(_) => tr!("You share your screen").to_owned(),
        VideoSource::Window(_) => tr!("You share a window").to_owned(),
        other => tr!("You share: {source}", source = video_source(other)),
    }
}

/// Says why what is shared cannot be seen, or why nothing can be shared.
pub fn screen_problem(problem: &DeviceProblem) -> Explanation {
    match problem {
        DeviceProblem::NotFound | DeviceProblem::Unplugged => Explanation::new(
            tr!("What you share is gone"),
            tr!(
                "It was closed, or is hidden. The stranger sees it again when it is back; or share something else."
            ),
        ),
        DeviceProblem::Other(why) | DeviceProblem::File(why) => Explanation::new(
            tr!("The stranger does not see what you share"),
            tr!("The system says: {why}.", why = plain(why)),
        ),
        DeviceProblem::SystemLacks(program) => Explanation::new(
            tr!("The stranger does not see what you share"),
            tr!(
                "On this desktop it takes {program}, which does not run. Install or start it, then share again.",
                program = program
            ),
        ),
        DeviceProblem::NotPermitted => Explanation::new(
            tr!("The stranger does not see what you share"),
            tr!("Your system does not allow it. Look into its privacy settings, then share again."),
        ),
        DeviceProblem::Busy | DeviceProblem::Stalled | DeviceProblem::NoUsableFormat => {
            Explanation::new(
                tr!("The stranger does not see what you share"),
                tr!("It cannot be read. Share another screen or window."),
            )
        }
    }
}

/// Says why the signalling server cannot be used.
pub fn signalling_problem(problem: &SignallingProblem) -> Explanation {
    match problem {
        SignallingProblem::BadUrl(_) => Explanation::new(
            tr!("This is not a server address"),
            tr!("An address begins with ws:// or wss://, for example wss://passerby.example."),
        ),
        SignallingProblem::Unreachable(_) => Explanation::new(
            tr!("The server cannot be reached"),
            tr!("Check your internet connection and the address of the server."),
        ),
        SignallingProblem::NotAServer(_) => Explanation::new(
            tr!("No Passerby server answers here"),
            tr!("Something else answers at this address. Check it, or use another server."),
        ),
        SignallingProblem::WrongVersion => Explanation::new(
            tr!("This server speaks another version"),
            tr!("Update Passerby, or use another server."),
        ),
        SignallingProblem::Full => Explanation::new(
            tr!("The server is full"),
            tr!("There is no room for more people right now. Stay a moment."),
        ),
        SignallingProblem::Crowded => Explanation::new(
            tr!("Too many people come from your network"),
            tr!("The server allows only so many at a time. Stay a moment, or use another network."),
        ),
        SignallingProblem::Lost(_) => Explanation::new(
            tr!("The connection to the server is lost"),
            tr!("If this goes on, check your internet connection."),
        ),
        SignallingProblem::ShutDown => Explanation::new(
            tr!("The server was shut down"),
            tr!("It may be back in a moment, or you use another one."),
        ),
    }
}

/// Says what a lost server means for a call that is on.
pub const SERVER_AWAY_IN_CALL: Sentence =
    sentence!("Your call goes on. Next works again as soon as the server is back.");

/// Says that the way to the stranger is being looked for. After a while it says that it still is, so that nobody takes
/// the window for a dead one.
pub fn reconnecting(is_long: bool) -> Explanation {
    Explanation::new(
        tr!("Reconnecting…"),
        if is_long {
            tr!("Still trying. You can wait, or go on with Next.")
        } else {
            tr!("Finding the way back to the stranger.")
        },
    )
}

/// Says why a call ended.
pub fn end_reason(reason: EndReason) -> Explanation {
    match reason {
        EndReason::PartnerLeft => Explanation::new(
            tr!("The stranger moved on"),
            tr!("Somebody else is waiting to meet you."),
        ),
        EndReason::PartnerVanished => Explanation::new(
            tr!("The stranger is gone"),
            tr!(
                "Their window was closed or their internet connection broke. Go on to somebody else."
            ),
        ),
        EndReason::CouldNotConnect => Explanation::new(
            tr!("You two could not be connected"),
            tr!(
                "Your networks did not find a way to each other. With the next stranger it usually works."
            ),
        ),
        EndReason::ConnectionLost => Explanation::new(
            tr!("The connection was lost"),
            tr!(
                "It could not be brought back. If this happens often, check your internet connection."
            ),
        ),
    }
}

/// Says how many people are there, this one included.
pub fn people_online(online: Option<u32>) -> String {
    let Some(online) = online else {
        return tr!("Connected").to_owned();
    };
    match online {
        0 | 1 => tr!("Only you online").to_owned(),
        many => tr!("{count} people online", count = grouped(many)),
    }
}

/// Says what to expect of a search, given how many people are connected (this one included).
pub fn search_outlook(signalling: &SignallingView) -> &'static str {
    let SignallingView::Connected { online } = signalling else {
        return tr!("The server is away. The search goes on when it is back.");
    };
    match online {
        None => tr!("You are connected as soon as somebody is free."),
        Some(0 | 1) => {
            tr!("Nobody else is here right now. You are connected as soon as somebody comes.")
        }
        Some(2..=9) => tr!("Only a few people are here, so this can take a moment."),
        Some(_) => tr!("Somebody should be free any moment."),
    }
}

/// Says why nobody is looked for yet: this machine works for the server first.
pub const WORKING: Sentence = sentence!(
    "The server is busy with many new people. Your computer works for a place in the queue: a few seconds, and only this once."
);

/// What a person should know about the own microphone.
pub fn microphone_notice(notice: MicrophoneNotice) -> &'static str {
    match notice {
        MicrophoneNotice::SpeakingWhileMuted => tr!("You are muted"),
        MicrophoneNotice::Silent => tr!("Your microphone hears nothing"),
    }
}

/// Says what both like, as a sentence.
pub fn common_interests(interests: &[String]) -> String {
    tr!("You both like {list}", list = listed(interests))
}

/// Says whom the search prefers.
pub fn preferred(interests: &[String]) -> String {
    tr!(
        "People who like {list} come first.",
        list = listed_or(interests)
    )
}

fn listed(words: &[String]) -> String {
    joined(words, |words, last| {
        tr!("{words} and {last}", words = words, last = last)
    })
}

fn listed_or(words: &[String]) -> String {
    joined(words, |words, last| {
        tr!("{words} or {last}", words = words, last = last)
    })
}

fn joined(words: &[String], end: impl Fn(&str, &str) -> String) -> String {
    let words: Vec<String> = words.iter().map(|word| plain(word)).collect();
    match words.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first, middle @ .., last] => {
            let comma =
                |words: String, next: &String| tr!("{words}, {next}", words = words, next = next);
            end(&middle.iter().fold(first.clone(), comma), last)
        }
    }
}

/// Two sentences after each other, the first of which has no full stop.
pub fn sentences(first: &str, second: &str) -> String {
    tr!("{first}. {second}", first = first, second = second)
}

/// A source of pictures as it stands in a list.
pub fn video_source(source: &VideoSource) -> String {
    match source {
        VideoSource::DefaultCamera => tr!("Default camera").to_owned(),
        VideoSource::Camera(number) => tr!("Camera {number}", number = number),
        VideoSource::CameraNamed(name) | VideoSource::Screen(Some(name)) => plain(name),
        VideoSource::Pattern => tr!("Test picture").to_owned(),
        VideoSource::File(path) => file_name(path),
        VideoSource::Screen(None) => tr!("Main screen").to_owned(),
        VideoSource::Window(_) => tr!("A window").to_owned(),
        VideoSource::Portal => tr!("What you pick").to_owned(),
        VideoSource::None => tr!("No camera").to_owned(),
    }
}

/// How good pictures are to be, as it stands in a list.
pub fn picture_quality(is_saving_power: bool) -> &'static str {
    if is_saving_power {
        tr!("Save power")
    } else {
        tr!("As good as possible")
    }
}

/// A source of sound as it stands in a list.
pub fn audio_source(source: &AudioSource) -> String {
    match source {
        AudioSource::DefaultMicrophone => tr!("Default microphone").to_owned(),
        AudioSource::Microphone(name) => plain(name),
        AudioSource::Tone(hz) => tr!("Test tone, {hz} Hz", hz = hz),
        AudioSource::File(path) => file_name(path),
        AudioSource::None => tr!("No microphone").to_owned(),
    }
}

/// A place for sound as it stands in a list.
pub fn audio_sink(sink: &AudioSink) -> String {
    match sink {
        AudioSink::DefaultSpeaker => tr!("Default speaker").to_owned(),
        AudioSink::Speaker(name) => plain(name),
        AudioSink::File(path) => file_name(path),
        AudioSink::None => tr!("No sound").to_owned(),
    }
}

fn file_name(path: &std::path::Path) -> String {
    plain(
        &path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy(),
    )
}

/// What somebody else wrote, made safe to show on one line or more: control characters become spaces, and the
/// characters that turn the direction of text round (Unicode Standard Annex 9) are left out, so that nobody can make
/// the window say something else than was sent.
pub fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'))
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device_problems() -> Vec<DeviceProblem> {
        vec![
            DeviceProblem::NotFound,
            DeviceProblem::Busy,
            DeviceProblem::NotPermitted,
            DeviceProblem::Unplugged,
            DeviceProblem::Stalled,
            DeviceProblem::NoUsableFormat,
            DeviceProblem::File("no such file".to_owned()),
            DeviceProblem::Other("ENODEV".to_owned()),
        ]
    }

    #[test]
    fn every_problem_with_a_screen_says_what_the_stranger_sees_or_what_to_do() {
        let lacking = [engine::Lacking::Portal, engine::Lacking::PipeWire];
        let lacking = lacking.map(DeviceProblem::SystemLacks);
        for problem in device_problems().into_iter().chain(lacking) {
            let Explanation { title, detail } = screen_problem(&problem);
            assert!(
                title.contains("share") && !detail.is_empty(),
                "{title}: {detail}"
            );
        }
    }

    #[test]
    fn what_was_picked_in_the_desktops_dialog_is_called_what_it_is() {
        let said = |state| {
            let source = VideoSource::Portal;
            sharing(&ScreenView { source, state })
        };
        let working = |name: &str| DeviceState::Working {
            name: name.to_owned(),
        };
        assert_eq!(said(working("window")), "You share a window");
        assert_eq!(said(working("screen")), "You share your screen");
        assert_eq!(
            said(DeviceState::Opening),
            "Choose in your desktop's dialog"
        );
        let failed = DeviceState::Failed(DeviceProblem::NotPermitted);
        assert_eq!(said(failed), "Nothing is shared");
    }

    #[test]
    fn every_device_problem_names_the_device_and_says_what_to_do() {
        let ways = [
            "Plug one in",
            "Close that",
            "Allow it",
            "Plug it in",
            "Unplug it",
            "Choose another",
            "Try again",
        ];
        for device in [Device::Camera, Device::Microphone, Device::Speaker] {
            let mut titles = Vec::new();
            for problem in device_problems() {
                let Explanation { title, detail } = device_problem(device, &problem);
                let word = format!("{device:?}").to_lowercase();
                assert!(title.contains(&word), "{title}");
                assert!(
                    ways.iter().any(|way| detail.contains(way)),
                    "{problem:?} leaves the person alone: {detail}"
                );
                titles.push(title);
            }
            titles.dedup();
            assert_eq!(
                titles.len(),
                device_problems().len(),
                "two problems share a title"
            );
        }
    }

    #[test]
    fn no_sentence_about_the_server_shows_technical_text() {
        let raw = "os error 111";
        for problem in [
            SignallingProblem::BadUrl(raw.to_owned()),
            SignallingProblem::Unreachable(raw.to_owned()),
            SignallingProblem::NotAServer(raw.to_owned()),
            SignallingProblem::WrongVersion,
            SignallingProblem::Full,
            SignallingProblem::Crowded,
            SignallingProblem::Lost(raw.to_owned()),
            SignallingProblem::ShutDown,
        ] {
            let Explanation { title, detail } = signalling_problem(&problem);
            assert!(!title.contains(raw) && !detail.contains(raw), "{problem:?}");
            assert!(title.len() > 5 && detail.ends_with('.'), "{problem:?}");
        }
    }

    #[test]
    fn interests_are_listed_as_in_a_sentence() {
        let words = |list: &[&str]| {
            list.iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(people_online(Some(1)), "Only you online");
        assert_eq!(people_online(None), "Connected");
        assert_eq!(common_interests(&words(&["jazz"])), "You both like jazz");
        assert_eq!(
            common_interests(&words(&["jazz", "chess", "rain"])),
            "You both like jazz, chess and rain"
        );
        assert_eq!(
            preferred(&words(&["jazz", "chess"])),
            "People who like jazz or chess come first."
        );
    }

    #[test]
    fn foreign_text_cannot_turn_the_window_round() {
        assert_eq!(plain("a\u{202E}b\nc\u{7}d\u{2066}"), "ab c d");
        assert_eq!(
            plain("שלום, 你好 🙂"),
            "שלום, 你好 🙂",
            "real scripts stay as they are"
        );
    }
}

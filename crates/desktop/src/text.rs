//! Every sentence that a person reads about something that happened: what happened, why, and what to do.
//!
//! The rest of the program speaks of partners; here they are strangers, because that is what a person calls them.

mod check;
mod ending;
mod figures;
mod keys;
mod network;
mod welcome;

use engine::{
    AudioSink, AudioSource, DeviceProblem, EndReason, MicrophoneNotice, SignallingProblem,
    VeilView, VideoSource,
};

pub use check::{Finding, Mark, check_broke_off, check_under_way, findings, verdict};
pub use ending::{after_call, automatic_next};
use figures::grouped;
pub use figures::{bitrate, clock, delay};
pub use keys::{keys, refusal};
pub use network::{SHIELD_QUESTION, path, relay_side, shield_choice, shield_in_use, shield_stage};
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
    fn new(title: impl Into<String>, detail: impl Into<String>) -> Self {
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
    /// The word for it within a sentence.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::Microphone => "microphone",
            Self::Speaker => "speaker",
        }
    }
}

/// Says why a device is not to be had.
pub fn device_problem(device: Device, problem: &DeviceProblem) -> Explanation {
    let word = device.word();
    match problem {
        DeviceProblem::NotFound => Explanation::new(
            format!("No {word} found"),
            match device {
                Device::Camera => {
                    "Plug one in and it is used at once. You can meet people without a camera, too."
                }
                Device::Microphone => {
                    "Plug one in and it is used at once. Until then strangers see you, and you can write."
                }
                Device::Speaker => {
                    "Plug one in and it is used at once. Until then you cannot hear anybody."
                }
            },
        ),
        DeviceProblem::Busy => Explanation::new(
            format!("Your {word} is in use"),
            "Another program has it. Close that program, or choose another device.",
        ),
        DeviceProblem::NotPermitted => Explanation::new(
            format!("Passerby may not use your {word}"),
            "Allow it in the privacy settings of your system, then try again.",
        ),
        DeviceProblem::Unplugged => Explanation::new(
            format!("Your {word} was unplugged"),
            "Plug it in again and it comes back by itself, or choose another one.",
        ),
        DeviceProblem::Stalled => Explanation::new(
            match device {
                Device::Camera => "Your camera sends no picture",
                Device::Microphone => "Your microphone sends no sound",
                Device::Speaker => "Your speaker plays nothing",
            },
            "Unplug it and plug it in again, or choose another one.",
        ),
        DeviceProblem::NoUsableFormat => Explanation::new(
            format!("This {word} cannot be used"),
            "It offers nothing that Passerby understands. Choose another one.",
        ),
        DeviceProblem::File(why) => Explanation::new(
            format!("The file for the {word} cannot be used"),
            format!(
                "The system says: {}. Choose another file or a device.",
                plain(why)
            ),
        ),
        DeviceProblem::Other(why) => Explanation::new(
            format!("Your {word} does not work"),
            format!(
                "The system says: {}. Try again, or choose another device.",
                plain(why)
            ),
        ),
    }
}

/// What the veil is.
pub const VEIL_DETAIL: &str = "Both pictures are spots of colour until you and the stranger have lifted it. The voice is as ever.";
/// What nobody can keep a stranger from.
pub const MAY_RECORD: &str = "A stranger may record what they see and hear.";

/// What is the case behind the veil, and what can be done.
pub const fn veil(veil: VeilView) -> (&'static str, &'static str) {
    match (veil.is_lifted, veil.partner_lifted) {
        (true, _) => (
            "Waiting for the stranger",
            "You see each other when they lift theirs.",
        ),
        (false, Some(true)) => (
            "The stranger would like to see you",
            "Lift the veil, and you both see each other.",
        ),
        (false, _) => (
            "You see only each other's colours",
            "You see each other when both lift the veil.",
        ),
    }
}

/// The heading over what can be shared.
pub const SHARE_TITLE: &str = "Show the stranger";
/// What sharing means.
pub const SHARE_DETAIL: &str =
    "They see all of it beside your camera, as it changes, until you stop or the call ends.";

/// Says that something is shared.
pub fn sharing(source: &VideoSource) -> String {
    match source {
        VideoSource::Screen(_) => "You share your screen".to_owned(),
        VideoSource::Window(_) => "You share a window".to_owned(),
        other => format!("You share: {}", video_source(other)),
    }
}

/// Says why what is shared cannot be seen, or why nothing can be shared.
pub fn screen_problem(problem: &DeviceProblem) -> Explanation {
    match problem {
        DeviceProblem::NotFound | DeviceProblem::Unplugged => Explanation::new(
            "What you share is gone",
            "It was closed, or is hidden. The stranger sees it again when it is back; or share something else.",
        ),
        DeviceProblem::Other(why) | DeviceProblem::File(why) => Explanation::new(
            "The stranger does not see what you share",
            format!("The system says: {}.", plain(why)),
        ),
        DeviceProblem::Busy
        | DeviceProblem::NotPermitted
        | DeviceProblem::Stalled
        | DeviceProblem::NoUsableFormat => Explanation::new(
            "The stranger does not see what you share",
            "It cannot be read. Share another screen or window.",
        ),
    }
}

/// Says why the signalling server cannot be used.
pub fn signalling_problem(problem: &SignallingProblem) -> Explanation {
    match problem {
        SignallingProblem::BadUrl(_) => Explanation::new(
            "This is not a server address",
            "An address begins with ws:// or wss://, for example wss://passerby.example.",
        ),
        SignallingProblem::Unreachable(_) => Explanation::new(
            "The server cannot be reached",
            "Check your internet connection and the address of the server.",
        ),
        SignallingProblem::NotAServer(_) => Explanation::new(
            "No Passerby server answers here",
            "Something else answers at this address. Check it, or use another server.",
        ),
        SignallingProblem::WrongVersion => Explanation::new(
            "This server speaks another version",
            "Update Passerby, or use another server.",
        ),
        SignallingProblem::Full => Explanation::new(
            "The server is full",
            "There is no room for more people right now. Stay a moment.",
        ),
        SignallingProblem::Crowded => Explanation::new(
            "Too many people come from your network",
            "The server allows only so many at a time. Stay a moment, or use another network.",
        ),
        SignallingProblem::Lost(_) => Explanation::new(
            "The connection to the server is lost",
            "If this goes on, check your internet connection.",
        ),
        SignallingProblem::ShutDown => Explanation::new(
            "The server was shut down",
            "It may be back in a moment, or you use another one.",
        ),
    }
}

/// Says what a lost server means for a call that is on.
pub const SERVER_AWAY_IN_CALL: &str =
    "Your call goes on. Next works again as soon as the server is back.";

/// Says that the way to the stranger is being looked for. After a while it says that it still is, so that nobody takes
/// the window for a dead one.
pub fn reconnecting(is_long: bool) -> Explanation {
    Explanation::new(
        "Reconnecting…",
        if is_long {
            "Still trying. You can wait, or go on with Next."
        } else {
            "Finding the way back to the stranger."
        },
    )
}

/// Says why a call ended.
pub fn end_reason(reason: EndReason) -> Explanation {
    match reason {
        EndReason::PartnerLeft => Explanation::new(
            "The stranger moved on",
            "Somebody else is waiting to meet you.",
        ),
        EndReason::PartnerVanished => Explanation::new(
            "The stranger is gone",
            "Their window was closed or their internet connection broke. Go on to somebody else.",
        ),
        EndReason::CouldNotConnect => Explanation::new(
            "You two could not be connected",
            "Your networks did not find a way to each other. With the next stranger it usually works.",
        ),
        EndReason::ConnectionLost => Explanation::new(
            "The connection was lost",
            "It could not be brought back. If this happens often, check your internet connection.",
        ),
    }
}

/// Says how many people are there, this one included.
pub fn people_online(online: u32) -> String {
    match online {
        0 | 1 => "Only you online".to_owned(),
        many => format!("{} people online", grouped(many)),
    }
}

/// Says what to expect of a search, given how many people are connected (this one included).
pub fn search_outlook(online: Option<u32>) -> &'static str {
    match online {
        None => "The server is away. The search goes on when it is back.",
        Some(0 | 1) => {
            "Nobody else is here right now. You are connected as soon as somebody comes."
        }
        Some(2..=9) => "Only a few people are here, so this can take a moment.",
        Some(_) => "Somebody should be free any moment.",
    }
}

/// What a person should know about the own microphone.
pub const fn microphone_notice(notice: MicrophoneNotice) -> &'static str {
    match notice {
        MicrophoneNotice::SpeakingWhileMuted => "You are muted",
        MicrophoneNotice::Silent => "Your microphone hears nothing",
    }
}

/// Says what both like, as a sentence.
pub fn common_interests(interests: &[String]) -> String {
    format!("You both like {}", listed(interests))
}

/// Says whom the search prefers.
pub fn preferred(interests: &[String]) -> String {
    format!("People who like {} come first.", listed_or(interests))
}

fn listed(words: &[String]) -> String {
    joined(words, "and")
}

fn listed_or(words: &[String]) -> String {
    joined(words, "or")
}

fn joined(words: &[String], last: &str) -> String {
    let words: Vec<String> = words.iter().map(|word| plain(word)).collect();
    match words.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

/// A source of pictures as it stands in a list.
pub fn video_source(source: &VideoSource) -> String {
    match source {
        VideoSource::DefaultCamera => "Default camera".to_owned(),
        VideoSource::Camera(number) => format!("Camera {number}"),
        VideoSource::CameraNamed(name) | VideoSource::Screen(Some(name)) => plain(name),
        VideoSource::Pattern => "Test picture".to_owned(),
        VideoSource::File(path) => file_name(path),
        VideoSource::Screen(None) => "Main screen".to_owned(),
        VideoSource::Window(_) => "A window".to_owned(),
        VideoSource::None => "No camera".to_owned(),
    }
}

/// How good pictures are to be, as it stands in a list.
pub const fn picture_quality(is_saving_power: bool) -> &'static str {
    if is_saving_power {
        "Save power"
    } else {
        "As good as possible"
    }
}

/// A source of sound as it stands in a list.
pub fn audio_source(source: &AudioSource) -> String {
    match source {
        AudioSource::DefaultMicrophone => "Default microphone".to_owned(),
        AudioSource::Microphone(name) => plain(name),
        AudioSource::Tone(hz) => format!("Test tone, {hz} Hz"),
        AudioSource::File(path) => file_name(path),
        AudioSource::None => "No microphone".to_owned(),
    }
}

/// A place for sound as it stands in a list.
pub fn audio_sink(sink: &AudioSink) -> String {
    match sink {
        AudioSink::DefaultSpeaker => "Default speaker".to_owned(),
        AudioSink::Speaker(name) => plain(name),
        AudioSink::File(path) => file_name(path),
        AudioSink::None => "No sound".to_owned(),
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
        for problem in device_problems() {
            let Explanation { title, detail } = screen_problem(&problem);
            assert!(
                title.contains("share") && !detail.is_empty(),
                "{title}: {detail}"
            );
        }
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
                assert!(title.contains(device.word()), "{title}");
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
        assert_eq!(people_online(1), "Only you online");
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

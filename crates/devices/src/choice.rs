//! Which device is wanted, in the same words on every command line and in every setting.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where pictures come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum VideoSource {
    /// The system's first camera.
    #[default]
    DefaultCamera,
    /// A camera by its number in the system's list (`camera:N`).
    Camera(u32),
    /// A camera by its name, which outlives its number (`camera:NAME`).
    CameraNamed(String),
    /// A moving test picture that carries its frame number and capture time (`pattern`).
    Pattern,
    /// A `.y4m` file, played over and over.
    File(PathBuf),
    /// A screen by the name of its monitor (`screen:NAME`), or the main one (`screen`).
    Screen(Option<String>),
    /// A window by the number that the system gives it while it is open (`window:N`).
    Window(u32),
    /// What the person picks in the desktop's own dialog (`portal`): the way of Wayland sessions. While it works, its name is `screen` or
    /// `window`, whichever it is.
    Portal,
    /// No pictures (`none`).
    None,
}

/// Where sound comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AudioSource {
    /// The system's default microphone.
    #[default]
    DefaultMicrophone,
    /// A microphone by the name that the system gives it (`device:NAME`).
    Microphone(String),
    /// A tone of so many hertz (`tone` is 440, `tone:HZ`).
    Tone(u32),
    /// A `.wav` file, played over and over.
    File(PathBuf),
    /// No sound (`none`).
    None,
}

/// Where sound goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AudioSink {
    /// The system's default speaker.
    #[default]
    DefaultSpeaker,
    /// A speaker by the name that the system gives it (`device:NAME`).
    Speaker(String),
    /// A `.wav` file.
    File(PathBuf),
    /// Nowhere; playout goes on in real time all the same (`none`).
    None,
}

/// A device was named in words that are not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not one of {expected}")]
pub struct InvalidChoice {
    given: String,
    expected: &'static str,
}

impl VideoSource {
    /// Whether it is something that is on a screen anyhow.
    pub(crate) const fn is_screen(&self) -> bool {
        matches!(self, Self::Screen(_) | Self::Window(_) | Self::Portal)
    }
}

impl FromStr for VideoSource {
    type Err = InvalidChoice;

    fn from_str(text: &str) -> Result<Self, InvalidChoice> {
        let invalid = || InvalidChoice {
            given: text.to_owned(),
            expected: "pattern, FILE.y4m, camera, camera:N, camera:NAME, screen, screen:NAME, window:N, portal, none",
        };
        match text.split_once(':') {
            Some(("camera", which)) if !which.is_empty() => Ok(which
                .parse()
                .map_or_else(|_| Self::CameraNamed(which.to_owned()), Self::Camera)),
            Some(("screen", name)) if !name.is_empty() => Ok(Self::Screen(Some(name.to_owned()))),
            Some(("window", number)) => number.parse().map(Self::Window).map_err(|_| invalid()),
            _ => match text {
                "screen" => Ok(Self::Screen(None)),
                "camera" => Ok(Self::DefaultCamera),
                "pattern" => Ok(Self::Pattern),
                "portal" => Ok(Self::Portal),
                "none" => Ok(Self::None),
                _ if has_extension(text, "y4m") => Ok(Self::File(text.into())),
                _ => Err(invalid()),
            },
        }
    }
}

impl FromStr for AudioSource {
    type Err = InvalidChoice;

    fn from_str(text: &str) -> Result<Self, InvalidChoice> {
        let invalid = || InvalidChoice {
            given: text.to_owned(),
            expected: "tone, tone:HZ (20 to 20000), FILE.wav, device, device:NAME, none",
        };
        match text.split_once(':') {
            Some(("device", name)) if !name.is_empty() => Ok(Self::Microphone(name.to_owned())),
            Some(("tone", hz)) => match hz.parse() {
                Ok(hz) if (20..=20_000).contains(&hz) => Ok(Self::Tone(hz)),
                _ => Err(invalid()),
            },
            _ => match text {
                "device" => Ok(Self::DefaultMicrophone),
                "tone" => Ok(Self::Tone(440)),
                "none" => Ok(Self::None),
                _ if has_extension(text, "wav") => Ok(Self::File(text.into())),
                _ => Err(invalid()),
            },
        }
    }
}

impl FromStr for AudioSink {
    type Err = InvalidChoice;

    fn from_str(text: &str) -> Result<Self, InvalidChoice> {
        match text.split_once(':') {
            Some(("device", name)) if !name.is_empty() => Ok(Self::Speaker(name.to_owned())),
            _ => match text {
                "device" => Ok(Self::DefaultSpeaker),
                "none" => Ok(Self::None),
                _ if has_extension(text, "wav") => Ok(Self::File(text.into())),
                _ => Err(InvalidChoice {
                    given: text.to_owned(),
                    expected: "FILE.wav, device, device:NAME, none",
                }),
            },
        }
    }
}

fn has_extension(path: &str, extension: &str) -> bool {
    std::path::Path::new(path)
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case(extension))
}

impl fmt::Display for VideoSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DefaultCamera => f.write_str("camera"),
            Self::Camera(number) => write!(f, "camera:{number}"),
            Self::CameraNamed(name) => write!(f, "camera:{name}"),
            Self::Pattern => f.write_str("pattern"),
            Self::File(path) => path.display().fmt(f),
            Self::Screen(None) => f.write_str("screen"),
            Self::Screen(Some(name)) => write!(f, "screen:{name}"),
            Self::Window(number) => write!(f, "window:{number}"),
            Self::Portal => f.write_str("portal"),
            Self::None => f.write_str("none"),
        }
    }
}

impl fmt::Display for AudioSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DefaultMicrophone => f.write_str("device"),
            Self::Microphone(name) => write!(f, "device:{name}"),
            Self::Tone(hz) => write!(f, "tone:{hz}"),
            Self::File(path) => path.display().fmt(f),
            Self::None => f.write_str("none"),
        }
    }
}

impl fmt::Display for AudioSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DefaultSpeaker => f.write_str("device"),
            Self::Speaker(name) => write!(f, "device:{name}"),
            Self::File(path) => path.display().fmt(f),
            Self::None => f.write_str("none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_reads_back_what_it_prints() {
        for text in [
            "camera",
            "camera:2",
            "camera:Logitech C920",
            "pattern",
            "a/b.y4m",
            "screen",
            "screen:HDMI-1",
            "window:6291459",
            "portal",
            "none",
        ] {
            assert_eq!(text.parse::<VideoSource>().unwrap().to_string(), text);
        }
        for text in [
            "device",
            "device:USB microphone",
            "tone:440",
            "a/b.wav",
            "none",
        ] {
            assert_eq!(text.parse::<AudioSource>().unwrap().to_string(), text);
        }
        for text in ["device", "device:hw:CARD=1", "a/b.wav", "none"] {
            assert_eq!(text.parse::<AudioSink>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_refused_with_the_words_that_are_understood() {
        let error = "webcam".parse::<VideoSource>().unwrap_err();
        assert!(error.to_string().contains("camera:N"), "{error}");
        for text in ["window:", "window:mine", "screen:", "window:4294967296"] {
            assert!(text.parse::<VideoSource>().is_err(), "{text}");
        }
        assert!("tone:5".parse::<AudioSource>().is_err());
        assert!("speaker".parse::<AudioSink>().is_err());
    }
}

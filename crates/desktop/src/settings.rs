//! What is remembered from one start to the next: the server, the devices, the interests, the shield, the saving of power
//! and what else of the window the person chose.
//!
//! Only what was chosen in the window is remembered. What a flag says holds for one run, so that a demonstration with
//! a test picture does not take the camera away for ever.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use engine::Command;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::preferences::Preferences;

const VERSION: u32 = 1;
/// A settings file is a few hundred bytes; whatever is larger than this is not one.
const MOST_BYTES: u64 = 64 * 1024;

/// What is remembered. Devices are kept in the words of the command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Which form the file has; another one is not understood.
    pub version: u32,
    /// The signalling server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The source of pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<String>,
    /// The source of sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<String>,
    /// The place for sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
    /// Whether calls begin with a hidden network address; nothing while the person has not been asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shield: Option<bool>,
    /// Whether calls are to cost this machine little.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub power_saving: bool,
    /// What the person likes to talk about.
    #[serde(default)]
    pub interests: Vec<String>,
    /// What the person wants of the window.
    #[serde(default, deserialize_with = "preferences_as_understood")]
    pub window: Preferences,
}

/// A preference that is not understood, because a newer program or a person wrote it, is as at first. It is no reason to forget
/// the others, or the rest of the file.
fn preferences_as_understood<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Preferences, D::Error> {
    let Value::Object(written) = Value::deserialize(deserializer)? else {
        return Ok(Preferences::default());
    };
    let mut understood = Map::new();
    for (name, value) in written {
        let alone = Map::from_iter([(name.clone(), value.clone())]);
        if serde_json::from_value::<Preferences>(Value::Object(alone)).is_ok() {
            understood.insert(name, value);
        }
    }
    Ok(serde_json::from_value(Value::Object(understood)).unwrap_or_default())
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: VERSION,
            server: None,
            video: None,
            audio: None,
            speaker: None,
            shield: None,
            power_saving: false,
            interests: Vec::new(),
            window: Preferences::default(),
        }
    }
}

/// Why settings could not be read.
#[derive(Debug)]
pub enum LoadProblem {
    /// The file is there and the system does not give it to us.
    Unreadable(io::Error),
    /// The file holds something else. It was moved here, so that nothing in it is lost.
    SetAside(PathBuf),
}

impl Settings {
    /// The place of the file on this system, or nothing where people have no home.
    pub fn path() -> Option<PathBuf> {
        let directories = directories::ProjectDirs::from("", "", "Passerby")?;
        Some(directories.config_dir().join("settings.json"))
    }

    /// Reads the file. A missing one is like an empty one.
    ///
    /// # Errors
    /// [`LoadProblem`]; the default settings are a good way to go on.
    pub fn load(path: &Path) -> Result<Self, LoadProblem> {
        let bytes = match fs::metadata(path).and_then(|about| {
            if about.len() > MOST_BYTES {
                Ok(Vec::new())
            } else {
                fs::read(path)
            }
        }) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(LoadProblem::Unreadable(error)),
        };
        match serde_json::from_slice::<Self>(&bytes) {
            Ok(settings) if settings.version == VERSION => Ok(settings),
            _ => {
                let aside = path.with_extension("json.broken");
                fs::rename(path, &aside).map_err(LoadProblem::Unreadable)?;
                Err(LoadProblem::SetAside(aside))
            }
        }
    }

    /// Writes the file. Whoever reads it meanwhile, or after a power cut, finds the old one or the new one, whole.
    ///
    /// # Errors
    /// When the system does not let us write there.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let directory = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let draft = path.with_extension(format!("json.{}", std::process::id()));
        let mut file = fs::File::create(&draft)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    }

    /// Takes note of a wish. True if there is something new to remember.
    pub fn note(&mut self, command: &Command) -> bool {
        let before = self.clone();
        match command {
            Command::Start { interests, .. } => self.interests.clone_from(interests),
            Command::ChooseVideo(source) => self.video = Some(source.to_string()),
            Command::ChooseAudio(source) => self.audio = Some(source.to_string()),
            Command::ChooseSpeaker(sink) => self.speaker = Some(sink.to_string()),
            Command::SetServer(server) => self.server = Some(server.clone()),
            Command::SetShield(is_wanted) => self.shield = Some(*is_wanted),
            Command::SetPowerSaving(is_saving) => self.power_saving = *is_saving,
            _ => {}
        }
        *self != before
    }

    /// Takes note of what the person wants of the window. True if there is something new to remember.
    pub fn note_window(&mut self, preferences: &Preferences) -> bool {
        let is_news = self.window != *preferences;
        if is_news {
            self.window.clone_from(preferences);
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use egui::Key;
    use engine::VideoSource;

    use super::*;
    use crate::actions::Action;
    use crate::keymap::Shortcut;

    #[test]
    fn what_was_chosen_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/settings.json");
        let mut settings = Settings::load(&path).unwrap();
        assert_eq!(settings, Settings::default());
        assert!(
            settings.note(&Command::ChooseVideo(VideoSource::CameraNamed(
                "C920".to_owned()
            )))
        );
        assert!(settings.note(&Command::Start {
            interests: vec!["jazz".to_owned()],
            language: None
        }));
        settings.save(&path).unwrap();
        settings.save(&path).unwrap();
        let back = Settings::load(&path).unwrap();
        assert_eq!(back, settings);
        assert_eq!(
            back.video.as_deref().map(str::parse),
            Some(Ok(VideoSource::CameraNamed("C920".to_owned())))
        );
        assert_eq!(
            fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "no draft is left behind"
        );
    }

    #[test]
    fn only_choices_are_worth_remembering_and_only_once() {
        let mut settings = Settings::default();
        assert!(!settings.note(&Command::Next));
        assert!(!settings.note(&Command::SetMicrophone(false)));
        assert!(settings.note(&Command::SetServer("wss://a.example".to_owned())));
        assert!(!settings.note(&Command::SetServer("wss://a.example".to_owned())));
        assert!(
            settings.note(&Command::SetShield(false)),
            "the default is a choice too once it is made"
        );
        assert!(!settings.note(&Command::SetShield(false)));
        assert!(!settings.note(&Command::AllowDirect(true)), "of one call");
        assert!(settings.note(&Command::SetPowerSaving(true)));
        assert!(!settings.note(&Command::SetShownSize((640, 480))));
    }

    #[test]
    fn settings_from_before_the_shield_are_understood_and_leave_the_choice_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        fs::write(&path, r#"{"version": 1, "interests": ["jazz"]}"#).unwrap();
        let mut settings = Settings::load(&path).unwrap();
        assert_eq!(settings.shield, None);
        assert!(!settings.power_saving);
        settings.note(&Command::SetShield(true));
        settings.save(&path).unwrap();
        assert_eq!(Settings::load(&path).unwrap().shield, Some(true));
    }

    #[test]
    fn preferences_come_back_and_broken_ones_do_not_take_the_rest_with_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        let mut settings = Settings::default();
        let mut preferences = Preferences::default();
        assert!(!settings.note_window(&preferences));
        let k = Shortcut::plain(Key::K);
        preferences.shortcuts.change(Action::Next, k).unwrap();
        assert!(settings.note_window(&preferences));
        assert!(!settings.note_window(&preferences));
        settings.save(&path).unwrap();
        assert_eq!(Settings::load(&path).unwrap().window, preferences);
        for (window, wanted) in [
            (r#"{"shortcuts": 7, "consent": 1}"#, 1),
            (
                r#"{"self_view": "on the moon", "consent": 1, "hologram": {}}"#,
                1,
            ),
            (r#"{"consent": -4, "text_percent": "large"}"#, 0),
            ("[]", 0),
            ("null", 0),
        ] {
            let text = format!(r#"{{"version": 1, "interests": ["jazz"], "window": {window}}}"#);
            fs::write(&path, text).unwrap();
            let settings = Settings::load(&path).unwrap();
            let understood = Preferences {
                consent: wanted,
                ..Preferences::default()
            };
            assert_eq!(settings.window, understood, "{window}");
            assert_eq!(settings.interests, ["jazz"]);
        }
    }

    #[test]
    fn a_broken_or_foreign_file_is_set_aside_and_not_lost() {
        for content in [
            "",
            "{ half",
            "[]",
            r#"{"version": 99}"#,
            &"x".repeat(100_000),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("settings.json");
            fs::write(&path, content).unwrap();
            let Err(LoadProblem::SetAside(aside)) = Settings::load(&path) else {
                panic!("{content:.20} was taken for settings");
            };
            assert_eq!(fs::read_to_string(aside).unwrap(), content);
            assert_eq!(Settings::load(&path).unwrap(), Settings::default());
        }
    }
}

//! The languages of the window, and how a sentence is said in the one that is chosen.
//!
//! The English sentence stands where it is used, inside `tr!`; each other language has a catalogue in a file of its
//! own, from the English sentence to what is said in its place. The compiler looks every sentence up in the catalogues,
//! so a program that lacks one does not build. Which language is spoken is a matter of the thread that draws, and is set
//! before each frame.

mod chinese;
mod german;
mod hindi;
mod spanish;

use std::cell::Cell;
use std::fmt::Display;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// How many sentences there are.
const SENTENCES: usize = 535;

/// What is said in place of each English sentence, in the same order in every language.
type Catalogue = [(&'static str, &'static str); SENTENCES];

/// A language that the window speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// English, in which the sentences stand in the code.
    #[default]
    English,
    /// German.
    German,
    /// Spanish.
    Spanish,
    /// Hindi.
    Hindi,
    /// Chinese, in simplified letters.
    Chinese,
    /// English with accents and much longer words: it shows what is not translated, and what has no room. For tests.
    #[serde(skip)]
    Pseudo,
}

thread_local! {
    static SPOKEN: Cell<Language> = const { Cell::new(Language::English) };
}

impl Language {
    /// Those that a person can choose.
    pub const ALL: [Self; 5] = [
        Self::English,
        Self::German,
        Self::Spanish,
        Self::Hindi,
        Self::Chinese,
    ];

    /// What it is called in English.
    pub const fn english_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "German",
            Self::Spanish => "Spanish",
            Self::Hindi => "Hindi",
            Self::Chinese => "Chinese",
            Self::Pseudo => "Pseudo",
        }
    }

    /// What its speakers call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
            Self::Spanish => "Español",
            Self::Hindi => "हिन्दी",
            Self::Chinese => "简体中文",
            Self::Pseudo => "Pseudo",
        }
    }

    /// The one for a tag of BCP 47 (`de-AT`), or English where there is none.
    pub fn of_tag(tag: &str) -> Self {
        match tag.split('-').next().unwrap_or_default() {
            "de" => Self::German,
            "es" => Self::Spanish,
            "hi" => Self::Hindi,
            "zh" => Self::Chinese,
            _ => Self::English,
        }
    }

    /// Its tag (BCP 47).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English | Self::Pseudo => "en",
            Self::German => "de",
            Self::Spanish => "es",
            Self::Hindi => "hi",
            Self::Chinese => "zh",
        }
    }

    /// Lets this thread speak it from now on.
    pub fn speak(self) {
        SPOKEN.set(self);
    }

    /// The one that this thread speaks.
    pub fn spoken() -> Self {
        SPOKEN.get()
    }

    /// What stands between whole numbers and tenths.
    pub(super) const fn decimal_mark(self) -> &'static str {
        match self {
            Self::German | Self::Spanish => ",",
            Self::English | Self::Hindi | Self::Chinese | Self::Pseudo => ".",
        }
    }

    const fn catalogue(self) -> Option<&'static Catalogue> {
        match self {
            Self::English | Self::Pseudo => None,
            Self::German => Some(&german::SENTENCES),
            Self::Spanish => Some(&spanish::SENTENCES),
            Self::Hindi => Some(&hindi::SENTENCES),
            Self::Chinese => Some(&chinese::SENTENCES),
        }
    }
}

// All catalogues have the same sentences in the same order, so that one place leads to all of them.
const _: () = {
    let mut place = 0;
    while place < SENTENCES {
        let english = german::SENTENCES[place].0;
        assert!(is_same(english, spanish::SENTENCES[place].0));
        assert!(is_same(english, hindi::SENTENCES[place].0));
        assert!(is_same(english, chinese::SENTENCES[place].0));
        place += 1;
    }
};

/// A sentence that every language has. Made by `sentence!`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sentence {
    english: &'static str,
    place: usize,
}

impl Sentence {
    /// Looks an English sentence up.
    ///
    /// # Panics
    /// When no catalogue has it. `sentence!` asks while the program is compiled, which then fails.
    pub const fn new(english: &'static str) -> Self {
        let mut place = 0;
        while place < SENTENCES {
            if is_same(german::SENTENCES[place].0, english) {
                return Self { english, place };
            }
            place += 1;
        }
        panic!("this sentence is in no catalogue of text/language");
    }

    /// It, in the language that this thread speaks.
    pub fn text(self) -> &'static str {
        match Language::spoken() {
            Language::Pseudo => &pseudo()[self.place],
            language => language
                .catalogue()
                .map_or(self.english, |catalogue| catalogue[self.place].1),
        }
    }
}

const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut place = 0;
    while place < one.len() && place < other.len() && one[place] == other[place] {
        place += 1;
    }
    place == one.len() && place == other.len()
}

/// Every sentence with its vowels doubled and accented, and all between brackets. Nothing is done to what stands in braces.
fn pseudo() -> &'static [String] {
    static PSEUDO: OnceLock<Vec<String>> = OnceLock::new();
    PSEUDO.get_or_init(|| {
        let english = german::SENTENCES.iter().map(|(english, _)| *english);
        english
            .map(|english| format!("[{}]", longer(english)))
            .collect()
    })
}

fn longer(english: &str) -> String {
    let mut is_name = false;
    let mut long = String::new();
    for letter in english.chars() {
        is_name = letter == '{' || is_name && letter != '}';
        match letter {
            'a' if !is_name => long.push_str("áá"),
            'e' if !is_name => long.push_str("éé"),
            'i' if !is_name => long.push_str("íí"),
            'o' if !is_name => long.push_str("óó"),
            'u' if !is_name => long.push_str("úú"),
            other => long.push(other),
        }
    }
    long
}

/// Puts values in the place of the names that stand in braces. What a value contains is taken as it is.
pub fn fill(template: &str, values: &[(&str, &dyn Display)]) -> String {
    let mut filled = String::with_capacity(template.len() + 16);
    let mut rest = template;
    while let Some((before, from)) = rest.split_once('{') {
        filled.push_str(before);
        let (name, after) = from.split_once('}').unwrap_or((from, ""));
        if let Some((_, value)) = values.iter().find(|(other, _)| *other == name) {
            filled.push_str(&value.to_string());
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// Whether `english` names as many values as are given, and each of them.
pub const fn names(english: &str, values: &[&str]) -> bool {
    let text = english.as_bytes();
    let (mut braces, mut place) = (0, 0);
    while place < text.len() {
        if text[place] == b'{' {
            braces += 1;
        }
        place += 1;
    }
    let mut value = 0;
    while value < values.len() {
        if !names_one(text, values[value].as_bytes()) {
            return false;
        }
        value += 1;
    }
    braces == values.len()
}

const fn names_one(text: &[u8], name: &[u8]) -> bool {
    let mut start = 0;
    while start < text.len() {
        let mut length = 0;
        while length < name.len()
            && start + 1 + length < text.len()
            && text[start + 1 + length] == name[length]
        {
            length += 1;
        }
        let end = start + 1 + length;
        if text[start] == b'{' && length == name.len() && end < text.len() && text[end] == b'}' {
            return true;
        }
        start += 1;
    }
    false
}

/// An English sentence as a [`Sentence`], found while the program is compiled.
macro_rules! sentence {
    ($english:literal) => {
        const { $crate::text::language::Sentence::new($english) }
    };
}

/// An English sentence in the language that is spoken; with values for its names, as in `tr!("{n} people", n = 3)`.
macro_rules! tr {
    ($english:literal) => {{
        const { assert!($crate::text::language::names($english, &[]), "values are missing") };
        sentence!($english).text()
    }};
    ($english:literal, $($name:ident = $value:expr),+ $(,)?) => {{
        const {
            assert!(
                $crate::text::language::names($english, &[$(stringify!($name)),+]),
                "names and values differ"
            );
        };
        $crate::text::language::fill(
            sentence!($english).text(),
            &[$((stringify!($name), &$value as &dyn std::fmt::Display)),+],
        )
    }};
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn names_in(text: &str) -> Vec<&str> {
        let parts = text.split('{').skip(1);
        let mut names: Vec<&str> = parts.filter_map(|part| part.split('}').next()).collect();
        names.sort_unstable();
        names
    }

    fn translations() -> impl Iterator<Item = (Language, &'static str, &'static str)> {
        Language::ALL.into_iter().flat_map(|language| {
            let all = language.catalogue().into_iter().flatten();
            all.map(move |(english, said)| (language, *english, *said))
        })
    }

    #[test]
    fn no_language_lacks_a_sentence_and_all_of_them_name_the_same_values() {
        let mut count = 0;
        for (language, english, said) in translations() {
            assert!(!said.trim().is_empty(), "{language:?} lacks: {english}");
            assert_eq!(names_in(english), names_in(said), "{language:?}: {said}");
            count += 1;
        }
        assert_eq!(count, 4 * SENTENCES);
        for (index, (english, _)) in german::SENTENCES.iter().enumerate() {
            assert_eq!(names_in(english), names_in(&pseudo()[index]));
        }
    }

    #[test]
    fn what_ends_as_a_sentence_does_so_in_every_language() {
        for (language, english, said) in translations() {
            let ends = |text: &str, marks: &[char]| text.ends_with(marks);
            let marks = ['.', '।', '。'];
            assert_eq!(
                ends(english, &['.']),
                ends(said, &marks),
                "{language:?}: {said}"
            );
            let (one, other) = (ends(english, &['…']), ends(said, &['…']));
            assert_eq!(one, other, "{language:?}: {said}");
        }
    }

    /// A translation is long where its English is, and a button has no room for one that is not.
    #[test]
    fn no_short_sentence_becomes_a_long_one() {
        for (language, english, said) in translations() {
            let (before, after) = (english.chars().count(), said.chars().count());
            let most = (before * 2).max(before + 14);
            assert!(after <= most, "{language:?}, {before} to {after}: {said}");
        }
    }

    #[test]
    fn every_sentence_of_the_catalogues_is_said_somewhere() {
        fn read(folder: &Path, all: &mut String) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.ends_with("text/language") {
                    read(&path, all);
                } else if path.is_file() {
                    all.push_str(&std::fs::read_to_string(&path).unwrap());
                }
            }
        }
        let mut code = String::new();
        read(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &mut code,
        );
        // A long sentence goes on in the next line of the code.
        let mut lines = code.split("\\\n");
        let mut joined = lines.next().unwrap_or_default().to_owned();
        for line in lines {
            joined.push_str(line.trim_start());
        }
        for (english, _) in &german::SENTENCES {
            let said = format!("{english:?}");
            assert!(joined.contains(&said), "nobody says {said}");
        }
    }

    #[test]
    fn values_stand_where_the_language_wants_them_and_are_taken_as_they_are() {
        let spoken = |language: Language| {
            language.speak();
            tr!("You share: {source}", source = "{why} {source}")
        };
        assert_eq!(spoken(Language::English), "You share: {why} {source}");
        assert_eq!(spoken(Language::German), "Du teilst: {why} {source}");
        assert_eq!(spoken(Language::Pseudo), "[Yóóúú shááréé: {why} {source}]");
    }

    #[test]
    fn a_language_is_found_by_the_tag_of_the_system() {
        for (tag, language) in [
            ("de-AT", Language::German),
            ("es-419", Language::Spanish),
            ("zh-Hans-CN", Language::Chinese),
            ("hi", Language::Hindi),
            ("fr-FR", Language::English),
            ("", Language::English),
        ] {
            assert_eq!(Language::of_tag(tag), language, "{tag}");
        }
    }
}

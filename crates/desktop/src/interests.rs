//! What people often like to talk about, and which of it a person may be about to type. Pure: words in, words out.

use crate::text::Language;

/// So many are offered at a time: what one takes in at a glance.
pub const MOST_OFFERED: usize = 6;
/// So many of the words that a person has used are remembered.
pub const MOST_FORMER: usize = 30;

/// Words that go on from what is typed, the best first: those that the person has used before, the newest first, then common
/// ones that begin with it, then common ones in which a later word does. None that are chosen already. With nothing typed, the
/// former ones and then common ones.
pub fn completions<'a>(
    draft: &str,
    chosen: &[String],
    former: &'a [String],
    language: Language,
) -> Vec<&'a str> {
    let draft = draft.trim().to_lowercase();
    let is_chosen = |word: &str| {
        let word = word.to_lowercase();
        word == draft || chosen.iter().any(|other| other.to_lowercase() == word)
    };
    let begins = |word: &str| word.to_lowercase().starts_with(&draft);
    let holds = |word: &str| {
        let word = word.to_lowercase();
        word.split([' ', '-'])
            .skip(1)
            .any(|part| part.starts_with(&draft))
    };
    let common = || common(language).iter().copied();
    let former = former.iter().map(String::as_str);
    let candidates = former
        .filter(|word| begins(word) || holds(word))
        .chain(common().filter(|word| begins(word)))
        .chain(common().filter(|word| holds(word)));
    let mut offered: Vec<&str> = Vec::new();
    for word in candidates {
        let is_offered = offered
            .iter()
            .any(|other| other.to_lowercase() == word.to_lowercase());
        if !is_offered && !is_chosen(word) {
            offered.push(word);
        }
        if offered.len() == MOST_OFFERED {
            break;
        }
    }
    offered
}

/// Takes the words of a search into those that the person has used, the newest first.
pub fn remember(former: &mut Vec<String>, used: &[String]) {
    for word in used.iter().rev() {
        former.retain(|known| known.to_lowercase() != word.to_lowercase());
        former.insert(0, word.clone());
    }
    former.truncate(MOST_FORMER);
}

const fn common(language: Language) -> &'static [&'static str] {
    match language {
        Language::English | Language::Pseudo => ENGLISH,
        Language::German => GERMAN,
        Language::Spanish => SPANISH,
        Language::Hindi => HINDI,
        Language::Chinese => CHINESE,
    }
}

#[rustfmt::skip]
const ENGLISH: &[&str] = &[
    "anime", "animals", "art", "astronomy", "baking", "basketball", "board games", "books", "camping", "cats",
    "chess", "climbing", "coding", "comedy", "comics", "cooking", "crafts", "cycling", "dancing", "design", "dogs",
    "drawing", "fashion", "films", "fishing", "fitness", "football", "gaming", "gardening", "guitar", "hiking",
    "history", "jazz", "knitting", "languages", "mathematics", "meditation", "motorcycles", "museums", "music",
    "nature", "painting", "philosophy", "photography", "piano", "podcasts", "poetry", "politics", "psychology",
    "reading", "running", "sailing", "science", "series", "singing", "skateboarding", "skiing", "space", "sports",
    "swimming", "technology", "tennis", "theatre", "travel", "writing", "yoga",
];
#[rustfmt::skip]
const GERMAN: &[&str] = &[
    "Angeln", "Anime", "Astronomie", "Backen", "Basketball", "Brettspiele", "Bücher", "Camping", "Comics", "Design",
    "Filme", "Fitness", "Fotografie", "Fußball", "Garten", "Geschichte", "Gitarre", "Hunde", "Jazz", "Katzen", "Kino",
    "Klavier", "Klettern", "Kochen", "Kunst", "Laufen", "Lesen", "Malen", "Mathematik", "Meditation", "Mode",
    "Motorräder", "Museen", "Musik", "Natur", "Philosophie", "Podcasts", "Poesie", "Politik", "Programmieren",
    "Psychologie", "Radfahren", "Reisen", "Schach", "Schreiben", "Schwimmen", "Segeln", "Serien", "Singen",
    "Skateboard", "Skifahren", "Sport", "Sprachen", "Stricken", "Tanzen", "Technik", "Tennis", "Theater", "Tiere",
    "Videospiele", "Wandern", "Weltraum", "Wissenschaft", "Yoga", "Zeichnen",
];
#[rustfmt::skip]
const SPANISH: &[&str] = &[
    "ajedrez", "animales", "anime", "arte", "astronomía", "bailar", "baloncesto", "cantar", "ciclismo", "ciencia",
    "cine", "cocina", "cómics", "correr", "diseño", "escalada", "escribir", "espacio", "esquí", "fútbol", "filosofía",
    "fitness", "fotografía", "gatos", "guitarra", "historia", "humor", "idiomas", "jardinería", "jazz",
    "juegos de mesa", "leer", "libros", "manualidades", "matemáticas", "meditación", "moda", "motos", "museos",
    "música", "natación", "naturaleza", "perros", "pesca", "piano", "pintura", "podcasts", "poesía", "política",
    "programación", "psicología", "repostería", "senderismo", "series", "tecnología", "teatro", "tejer", "tenis",
    "vela", "viajar", "videojuegos", "yoga",
];
#[rustfmt::skip]
const HINDI: &[&str] = &[
    "अंतरिक्ष", "इतिहास", "कला", "कविता", "किताबें", "कुत्ते", "कॉमिक्स", "क्रिकेट", "खगोल विज्ञान", "खाना बनाना",
    "खेल", "गणित", "गाना", "गिटार", "घूमना", "चित्रकारी", "जानवर", "जैज़", "टेनिस", "डिज़ाइन", "तकनीक", "तैराकी",
    "दर्शन", "दौड़ना", "ध्यान", "नृत्य", "पढ़ना", "पियानो", "पॉडकास्ट", "प्रकृति", "प्रोग्रामिंग", "फ़ुटबॉल", "फ़ैशन",
    "फ़ोटोग्राफ़ी", "फ़िटनेस", "फ़िल्में", "बागवानी", "बिल्लियाँ", "बोर्ड गेम", "बैडमिंटन", "भाषाएँ", "मनोविज्ञान",
    "मोटरसाइकिल", "यात्रा", "योग", "राजनीति", "लिखना", "विज्ञान", "वीडियो गेम", "वेब सीरीज़", "शतरंज", "संगीत",
    "साइकिल चलाना", "सिनेमा", "हास्य",
];
#[rustfmt::skip]
const CHINESE: &[&str] = &[
    "冰雪运动", "编程", "编织", "电影", "电视剧", "动漫", "动物", "读书", "登山", "钓鱼", "吉他", "歌唱", "狗", "国际象棋", "钢琴", "古典音乐", "汉服", "烘焙",
    "花园", "绘画", "滑板", "滑雪", "喜剧", "计算机", "健身", "街舞", "爵士乐", "科学", "篮球", "历史", "旅行", "露营", "漫画", "猫", "美食", "摩托车",
    "跑步", "烹饪", "骑行", "汽车", "摄影", "设计", "诗歌", "时尚", "数学", "手工", "太空", "天文", "跳舞", "网球", "围棋", "武术", "戏剧", "象棋", "心理学",
    "写作", "徒步", "艺术", "音乐", "英语", "游戏", "游泳", "语言", "瑜伽", "羽毛球", "哲学", "政治", "足球", "桌游", "自然", "播客", "博物馆", "冥想",
];

#[cfg(test)]
mod tests {
    use protocol::limits::INTEREST_CHARS;

    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn what_was_used_before_comes_first_and_then_what_many_like() {
        let former = strings(&["Jiu-Jitsu", "cooking with fire"]);
        let offered = |draft| completions(draft, &[], &former, Language::English);
        assert_eq!(offered("j"), ["Jiu-Jitsu", "jazz"]);
        assert_eq!(
            offered(" CO")[..3],
            ["cooking with fire", "coding", "comedy"]
        );
        assert_eq!(offered("fire"), ["cooking with fire"]);
        assert_eq!(offered("games"), ["board games"]);
        assert_eq!(offered("jazz"), [""; 0], "it is there already");
        assert_eq!(offered("qqq"), [""; 0]);
        assert_eq!(offered("")[..2], ["Jiu-Jitsu", "cooking with fire"]);
        assert_eq!(offered("").len(), MOST_OFFERED);
    }

    #[test]
    fn what_is_chosen_is_not_offered_again() {
        let chosen = strings(&["JAZZ"]);
        assert_eq!(completions("ja", &chosen, &[], Language::English), [""; 0]);
    }

    #[test]
    fn every_language_has_words_of_its_own_that_a_server_takes() {
        for language in Language::ALL {
            let words = common(language);
            assert!(words.len() >= 50, "{language:?} has {}", words.len());
            for (index, word) in words.iter().enumerate() {
                assert!(word.chars().count() <= INTEREST_CHARS, "{word}");
                assert!(!word.contains(',') && word.trim() == *word, "{word}");
                assert!(!words[..index].contains(word), "{word} is there twice");
            }
        }
        let german = completions("kl", &[], &[], Language::German);
        assert_eq!(german, ["Klavier", "Klettern"]);
        assert_eq!(completions("围", &[], &[], Language::Chinese), ["围棋"]);
    }

    #[test]
    fn the_newest_words_are_remembered_first_once_and_not_without_end() {
        let mut former = Vec::new();
        remember(&mut former, &strings(&["jazz", "chess"]));
        remember(&mut former, &strings(&["Chess", "go"]));
        assert_eq!(former, ["Chess", "go", "jazz"]);
        for number in 0..100 {
            remember(&mut former, &[number.to_string()]);
        }
        assert_eq!(former.len(), MOST_FORMER);
        assert_eq!(former[0], "99");
    }
}

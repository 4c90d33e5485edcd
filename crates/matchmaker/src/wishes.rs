//! What a person asks of a partner.

use protocol::limits;

/// What a person asks of a partner: interests and language, written in one way whoever typed them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Trimmed, lower case, none empty, sorted, each once.
    interests: Vec<String>,
    /// The primary subtag of a BCP 47 tag (RFC 5646 section 2.2.1), lower case: regions understand each other.
    language: Option<String>,
}

impl Wishes {
    /// Takes what a person typed. Interests beyond [`limits::INTERESTS`] are ignored.
    pub fn new(interests: &[String], language: Option<&str>) -> Self {
        let mut interests: Vec<String> = interests
            .iter()
            .take(limits::INTERESTS)
            .map(|interest| interest.trim().to_lowercase())
            .filter(|interest| !interest.is_empty())
            .collect();
        interests.sort_unstable();
        interests.dedup();
        let language = language
            .and_then(|tag| tag.trim().split(['-', '_']).next())
            .map(str::to_lowercase)
            .filter(|language| !language.is_empty());
        Self {
            interests,
            language,
        }
    }

    /// The interests: trimmed, lower case, sorted, each once.
    pub fn interests(&self) -> &[String] {
        &self.interests
    }

    /// The interests that both have, sorted.
    pub fn shared_with(&self, other: &Self) -> Vec<String> {
        self.interests
            .iter()
            .filter(|interest| other.interests.binary_search(interest).is_ok())
            .cloned()
            .collect()
    }

    /// The language, if one is named: a primary subtag in lower case.
    pub fn language(&self) -> Option<&str> {
        self.language.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(interests: &[&str], language: Option<&str>) -> Wishes {
        let interests: Vec<String> = interests.iter().map(ToString::to_string).collect();
        Wishes::new(&interests, language)
    }

    #[test]
    fn interests_are_trimmed_lowered_and_counted_once() {
        let wishes = wishes(&["  Jazz ", "jazz", "", "  ", "ÉCHECS"], None);

        assert_eq!(wishes.interests(), ["jazz", "échecs"]);
    }

    #[test]
    fn interests_beyond_the_limit_are_ignored() {
        let many: Vec<String> = (0..100).map(|n| format!("interest {n}")).collect();

        assert_eq!(
            Wishes::new(&many, None).interests().len(),
            limits::INTERESTS
        );
    }

    #[test]
    fn regions_of_one_language_speak_alike() {
        let british = wishes(&[], Some("en-GB"));
        let american = wishes(&[], Some("EN_us"));

        assert_eq!(british.language(), Some("en"));
        assert_eq!(british.language(), american.language());
    }

    #[test]
    fn blanks_are_no_language() {
        assert_eq!(wishes(&[], Some("  ")).language(), None);
    }
}

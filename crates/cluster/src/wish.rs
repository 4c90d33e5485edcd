//! What a ticket says of its holder.

use std::time::Duration;

use ring::digest::{SHA256, digest};

use crate::{Tag, Ticket};

/// What a ticket says of its holder. Interests and languages are hashes there: Redis need not know what people talk about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The ticket.
    pub ticket: Ticket,
    /// Whose it is.
    pub who: Tag,
    /// The hash of the person's key, if one is proved: 32 hexadecimal digits. Two with one key are one person.
    pub key: Option<String>,
    /// Whether the person is kept apart, and meets only others like that.
    pub is_apart: bool,
    /// What the person likes, in the one way in which everybody writes it.
    pub interests: Vec<String>,
    /// The language that the person named: a primary subtag.
    pub language: Option<String>,
    /// Whom the person never meets, by session.
    pub never: Vec<Tag>,
    /// And by key.
    pub never_keys: Vec<String>,
    /// The last partners.
    pub met: Vec<Tag>,
    /// For how long the person still refuses what.
    pub holds: Holds,
    /// For how long the person has waited.
    pub waited: Duration,
}

/// For how long from now on somebody refuses what. Zero: not at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holds {
    /// A partner who shares no interest.
    pub interest: Duration,
    /// A partner who named another language.
    pub language: Duration,
    /// One of the last partners.
    pub new: Duration,
}

impl Wish {
    /// The arguments of the script `ask.lua`, in its order.
    pub(crate) fn arguments(&self) -> [String; 12] {
        let ms = |time: Duration| time.as_millis().to_string();
        let never = self.never.iter().map(Tag::to_string);
        let never: Vec<String> = never.chain(self.never_keys.iter().cloned()).collect();
        let met: Vec<String> = self.met.iter().map(Tag::to_string).collect();
        let interests: Vec<String> = self.interests.iter().map(|it| hashed(it)).collect();
        [
            self.ticket.to_string(),
            self.who.to_string(),
            self.key.clone().unwrap_or_default(),
            if self.is_apart { "apart" } else { "usual" }.to_owned(),
            interests.join(","),
            self.language.as_deref().map(hashed).unwrap_or_default(),
            never.join(","),
            met.join(","),
            ms(self.holds.interest),
            ms(self.holds.language),
            ms(self.holds.new),
            ms(self.waited),
        ]
    }
}

/// The first 64 bits of the SHA-256, as hexadecimal digits.
fn hashed(text: &str) -> String {
    let whole = digest(&SHA256, text.as_bytes());
    whole.as_ref()[..8]
        .iter()
        .fold(String::with_capacity(16), |mut text, byte| {
            use std::fmt::Write as _;
            write!(text, "{byte:02x}").expect("a string takes everything");
            text
        })
}

#[cfg(test)]
mod tests {
    use matchmaker::PeerId;

    use super::*;
    use crate::NodeId;

    #[test]
    fn no_interest_can_be_taken_for_two_and_none_is_told() {
        let node = NodeId(1);
        let wish = Wish {
            ticket: Ticket { node, number: 1 },
            who: Tag {
                node,
                peer: PeerId(1),
            },
            key: None,
            is_apart: false,
            interests: vec!["tea, and\nchess".to_owned(), String::new()],
            language: Some("fr".to_owned()),
            never: Vec::new(),
            never_keys: Vec::new(),
            met: Vec::new(),
            holds: Holds::default(),
            waited: Duration::from_millis(1500),
        };
        let arguments = wish.arguments();
        assert_eq!(arguments[4].split(',').count(), 2);
        assert_eq!(arguments[4].len(), 33);
        assert!(!arguments.join(" ").contains("tea"));
        assert_eq!(arguments[5].len(), 16);
        assert_eq!(arguments[11], "1500");
    }
}

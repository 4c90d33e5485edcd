//! What a person reads and agrees to before anything else.

use super::Explanation;

/// What this is.
pub const PITCH: &str = "You meet one stranger at a time, face to face. Picture, sound and messages go between the two of you, \
                         encrypted, and nothing of them is kept.";
/// Asks for consent.
pub const CONSENT: &str = "I am 18 or older, and I agree to these rules.";

/// Says that the settings could not be read, and where they are.
pub fn settings_set_aside(place: &str) -> String {
    format!("Your settings could not be read, so you begin anew. The old ones are kept in {place}.")
}

/// The heading, for somebody who is new, or who has agreed to older rules.
pub const fn welcome_title(has_agreed_before: bool) -> &'static str {
    if has_agreed_before {
        "The rules have changed"
    } else {
        "Welcome to Passerby"
    }
}

/// The rules. Whoever changes what they mean raises [`crate::preferences::RULES_VERSION`], so that everybody is asked again.
pub fn rules() -> [Explanation; 4] {
    [
        Explanation::new(
            "Adults only",
            "You are 18 or older. If somebody seems younger, leave at once.",
        ),
        Explanation::new(
            "Be kind",
            "No nudity, no threats, no hate. Both of you came to meet a person.",
        ),
        Explanation::new(
            "A stranger may record you",
            "No program can prevent that. Show nothing that you would not show in public, and send nobody money.",
        ),
        Explanation::new(
            "You can leave at any moment",
            "Press Next, or Stop. Nobody needs a reason.",
        ),
    ]
}

//! What a person reads and agrees to before anything else.

use super::{Explanation, Sentence};

/// What this is.
pub const PITCH: Sentence = sentence!(
    "You meet one stranger at a time, face to face. Picture, sound and messages go between the two of you, encrypted, and nothing of them is kept."
);
/// Asks for consent.
pub const CONSENT: Sentence = sentence!("I am 18 or older, and I agree to these rules.");

/// Says that the settings could not be read, and where they are.
pub fn settings_set_aside(place: &str) -> String {
    tr!(
        "Your settings could not be read, so you begin anew. The old ones are kept in {place}.",
        place = place
    )
}

/// The heading, for somebody who is new, or who has agreed to older rules.
pub fn welcome_title(has_agreed_before: bool) -> &'static str {
    if has_agreed_before {
        tr!("The rules have changed")
    } else {
        tr!("Welcome to Passerby")
    }
}

/// The rules, and what comes with them. Whoever changes what they mean raises [`crate::preferences::RULES_VERSION`], so that everybody is asked again.
pub fn rules() -> [Explanation; 5] {
    [
        Explanation::new(
            tr!("Adults only"),
            tr!("You are 18 or older. If somebody seems younger, leave at once."),
        ),
        Explanation::new(
            tr!("Be kind"),
            tr!("No nudity, no threats, no hate. Both of you came to meet a person."),
        ),
        Explanation::new(
            tr!("A stranger may record you"),
            tr!(
                "No program can prevent that. Show nothing that you would not show in public, and send nobody money."
            ),
        ),
        Explanation::new(
            tr!("You begin behind a veil"),
            tr!("You see only each other's colours until both of you lift it."),
        ),
        Explanation::new(
            tr!("You can leave at any moment"),
            tr!("Press Next, or Stop. Nobody needs a reason."),
        ),
    ]
}

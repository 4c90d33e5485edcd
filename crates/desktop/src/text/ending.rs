//! Sentences for after a call.

use std::time::Duration;

use super::{Explanation, clock};

/// Says how soon the next stranger is looked for by itself.
pub fn automatic_next(left: Duration) -> String {
    tr!(
        "The next stranger in {seconds} s",
        seconds = left.as_secs_f32().ceil()
    )
}

/// Says that the person has ended a call that lasted so long.
pub fn after_call(length: Duration) -> Explanation {
    Explanation::new(
        tr!("You ended the call"),
        tr!("You were together for {length}.", length = clock(length)),
    )
}

//! Who may see the figures and give orders: whoever has the token.
//!
//! Programs say it with every request. A browser says it once, in a form, and then has a cookie that is good until the
//! server ends, for twelve hours at most.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use subtle::ConstantTimeEq as _;

/// The shortest token.
pub(crate) const MIN_TOKEN: usize = 16;

/// How long a browser is known.
const SESSION: Duration = Duration::from_hours(12);

/// How many browsers are known at once. One more, and the one that came first is forgotten.
const MAX_SESSIONS: usize = 16;

/// See the module. Reads no clock.
pub(crate) struct Guard {
    token: Box<[u8]>,
    /// The oldest first.
    sessions: Mutex<Vec<Session>>,
}

#[derive(Clone)]
struct Session {
    cookie: String,
    /// Is in the forms of a page, so that no other page can send them: the cookie comes with whatever a browser sends here.
    form: String,
    until: Instant,
}

/// A browser that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    /// What its forms must hold.
    pub(crate) form: String,
}

impl Guard {
    pub(crate) fn new(token: &str) -> Self {
        Self {
            token: token.as_bytes().into(),
            sessions: Mutex::default(),
        }
    }

    /// Whether it is the token. Takes as long whatever is wrong with it; only how long the token is could be told.
    pub(crate) fn takes(&self, token: &[u8]) -> bool {
        self.token.ct_eq(token).into()
    }

    /// Lets a browser in that has said the token. `cookie` and `form` are two random texts.
    pub(crate) fn open(&self, cookie: String, form: String, now: Instant) {
        let mut sessions = self.lock();
        sessions.retain(|session| session.until > now);
        if sessions.len() >= MAX_SESSIONS {
            sessions.remove(0);
        }
        sessions.push(Session {
            cookie,
            form,
            until: now + SESSION,
        });
    }

    /// The browser with this cookie, if it is known.
    pub(crate) fn known(&self, cookie: &str, now: Instant) -> Option<Known> {
        let sessions = self.lock();
        let session = sessions.iter().find(|session| {
            session.until > now && bool::from(session.cookie.as_bytes().ct_eq(cookie.as_bytes()))
        })?;
        Some(Known {
            form: session.form.clone(),
        })
    }

    /// Forgets the browser with this cookie.
    pub(crate) fn close(&self, cookie: &str) {
        self.lock().retain(|session| session.cookie != cookie);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Whether a form comes from a page of this browser.
    pub(crate) fn has_sent(&self, form: &str) -> bool {
        self.form.as_bytes().ct_eq(form.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    #[test]
    fn the_token_is_taken_and_nothing_else() {
        let guard = Guard::new(TOKEN);
        assert!(guard.takes(TOKEN.as_bytes()));
        for wrong in ["", "0", "0123456789abcdeF", "0123456789abcdef0"] {
            assert!(!guard.takes(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn a_browser_is_known_for_a_while_and_until_it_goes() {
        let start = Instant::now();
        let guard = Guard::new(TOKEN);
        guard.open("cookie".into(), "form".into(), start);

        let known = guard.known("cookie", start).expect("it was let in");
        assert!(known.has_sent("form") && !known.has_sent("cookie") && !known.has_sent(""));
        assert_eq!(guard.known("cooki", start), None);
        assert_eq!(guard.known("cookie", start + SESSION), None);
        guard.close("cookie");
        assert_eq!(guard.known("cookie", start), None);
    }

    #[test]
    fn only_so_many_browsers_are_remembered() {
        let now = Instant::now();
        let guard = Guard::new(TOKEN);
        for number in 0..=MAX_SESSIONS {
            guard.open(number.to_string(), String::new(), now);
        }
        assert_eq!(guard.known("0", now), None);
        assert!(guard.known("1", now).is_some());
        assert_eq!(guard.lock().len(), MAX_SESSIONS);
    }
}

//! Which random numbers the stack draws, where that matters to us.
//!
//! It draws the cookie of its DTLS server like any other number; the partner was told one already (`cookie.rs`). And it draws an
//! answerer's new ICE credentials only while it applies the offer that restarts ICE, when the path that there was is gone (`rtc` 0.21.1).
//! For an answer that takes that path the credentials are drawn before, in a step that changes nothing; what that step drew is kept, and
//! the stack draws the same again when it applies the offer.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rtc::crypto::{CryptoError, RTCCrypto, RTCCryptoProvider, RTCRandom};

use super::cookie::{COOKIE_BYTES, Cookie};

/// Numbers that one step may draw and have kept: credentials take two or three.
const MAX_KEPT: usize = 16;

tokio::task_local! {
    /// Set in the tasks of steps whose numbers matter; the stack draws in them and not in its own task.
    static STEP: RefCell<Step>;
}

#[derive(Debug)]
enum Step {
    Keeps(Draws),
    Repeats(Draws),
}

/// The numbers that a step has drawn, in order. ICE credentials are made of them: not for logs.
#[derive(Clone, Default)]
pub(crate) struct Draws(VecDeque<Vec<u8>>);

impl std::fmt::Debug for Draws {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Draws({})", self.0.len())
    }
}

impl Draws {
    /// Carries out a step and keeps what the stack draws in it.
    pub(crate) async fn of<T>(step: impl Future<Output = T>) -> (T, Self) {
        let step = async {
            let value = step.await;
            let draws = STEP.with(|step| match &mut *step.borrow_mut() {
                Step::Keeps(draws) | Step::Repeats(draws) => std::mem::take(draws),
            });
            (value, draws)
        };
        STEP.scope(RefCell::new(Step::Keeps(Self::default())), step)
            .await
    }

    /// Carries out a step in which the stack draws these again, as long as it draws numbers of the same lengths.
    pub(crate) async fn again<T>(self, step: impl Future<Output = T>) -> T {
        STEP.scope(RefCell::new(Step::Repeats(self)), step).await
    }
}

/// Cryptography for one connection: any, but for the numbers above.
pub(crate) struct Cryptography {
    inner: Arc<dyn RTCCryptoProvider>,
    cookie: Option<Cookie>,
    is_cookie_drawn: AtomicBool,
}

impl Cryptography {
    /// `cookie` is what the partner was told, if it was.
    pub(crate) fn new(inner: Arc<dyn RTCCryptoProvider>, cookie: Option<Cookie>) -> Self {
        Self {
            inner,
            cookie,
            is_cookie_drawn: AtomicBool::new(false),
        }
    }

    /// The cookie, if it is drawn here: the stack draws no other number of this length (`rtc-dtls` 0.21.1, `flight0.rs`; nonces have 4
    /// or 16 bytes, randoms 28, credentials 8 or 64). Keys are not made of these numbers.
    fn take_cookie(&self, len: usize) -> Option<Cookie> {
        let cookie = self.cookie.filter(|_| len == COOKIE_BYTES)?;
        (!self.is_cookie_drawn.swap(true, Ordering::Relaxed)).then_some(cookie)
    }
}

impl RTCCryptoProvider for Cryptography {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn crypto(&self) -> &dyn RTCCrypto {
        self.inner.crypto()
    }

    fn random(&self) -> &dyn RTCRandom {
        self
    }
}

impl RTCRandom for Cryptography {
    fn fill(&self, output: &mut [u8]) -> Result<(), CryptoError> {
        if let Some(cookie) = self.take_cookie(output.len()) {
            output.copy_from_slice(cookie.bytes());
            return Ok(());
        }
        let repeated = STEP.try_with(|step| match &mut *step.borrow_mut() {
            Step::Repeats(draws) => {
                let next = draws
                    .0
                    .front()
                    .is_some_and(|next| next.len() == output.len());
                if next { draws.0.pop_front() } else { None }
            }
            Step::Keeps(_) => None,
        });
        if let Ok(Some(repeated)) = repeated {
            output.copy_from_slice(&repeated);
            return Ok(());
        }
        self.inner.random().fill(output)?;
        // Out of a step there is nothing to keep.
        _ = STEP.try_with(|step| {
            if let Step::Keeps(draws) = &mut *step.borrow_mut()
                && draws.0.len() < MAX_KEPT
            {
                draws.0.push_back(output.to_vec());
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cryptography(cookie: Option<Cookie>) -> Cryptography {
        Cryptography::new(rtc::crypto::default_provider().unwrap(), cookie)
    }

    fn draw(from: &Cryptography, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        from.random().fill(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_cookie_is_drawn_once_and_by_its_length() {
        let cookie = Cookie::random().unwrap();
        let from = cryptography(Some(cookie));
        assert!(!draw(&from, 64).starts_with(cookie.bytes()));
        assert_eq!(draw(&from, COOKIE_BYTES), cookie.bytes());
        assert_ne!(draw(&from, COOKIE_BYTES), cookie.bytes(), "only once");
    }

    #[tokio::test]
    async fn what_one_step_drew_another_draws_again_and_nobody_else_does() {
        let from = cryptography(None);
        let (first, draws) = Draws::of(async { [draw(&from, 64), draw(&from, 64)] }).await;
        assert_ne!(first[0], first[1]);
        let outside = draw(&from, 64);
        let again = draws.again(async { [draw(&from, 64), draw(&from, 64), draw(&from, 64)] });
        let again = again.await;
        assert_eq!(again[..2], first);
        assert!(!first.contains(&again[2]) && !first.contains(&outside));
    }

    #[tokio::test]
    async fn a_number_of_another_length_is_a_new_one() {
        let from = cryptography(None);
        let (first, draws) = Draws::of(async { draw(&from, 64) }).await;
        let (other, same) = draws
            .again(async { (draw(&from, 16), draw(&from, 64)) })
            .await;
        assert_ne!(other, first[..16]);
        assert_eq!(same, first);
    }

    #[tokio::test]
    async fn no_more_than_credentials_take_is_kept() {
        let from = cryptography(None);
        let ((), draws) = Draws::of(async {
            for _ in 0..2 * MAX_KEPT {
                draw(&from, 64);
            }
        })
        .await;
        assert_eq!(draws.0.len(), MAX_KEPT);
    }
}

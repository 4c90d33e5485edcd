//! Work for a server to which many newcomers come at once (`docs/protocol.md`, section 8): a number is looked for, in a thread of its own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use protocol::{Nonce, Work, limits};
use ring::digest::{SHA256, digest};
use tokio::sync::oneshot;

/// How often one connection may ask for work. Honest servers ask once.
pub(crate) const MOST: usize = 3;
/// How many numbers are tried between two looks at whether anybody still wants one: less than a millisecond.
const AT_ONCE: u64 = 1024;

/// Work under way. To drop it ends it.
#[derive(Debug)]
pub(crate) struct Worker {
    work: Work,
    is_unwanted: Arc<AtomicBool>,
    found: oneshot::Receiver<Nonce>,
}

/// Why nothing is done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkProblem {
    /// No honest server asks for so much.
    #[error("it asks for more work than is reasonable: {0} bits, where {limit} are the most", limit = limits::WORK_BITS)]
    TooMuch(u32),
    /// Nor so often.
    #[error("it asks for work again and again")]
    TooOften,
    /// The system gives no thread.
    #[error("the work that it asks for cannot begin: {0}")]
    NoThread(#[from] io::Error),
}

impl Worker {
    /// Begins, after so much other work of this connection.
    ///
    /// # Errors
    /// [`WorkProblem`]; then nothing has begun.
    pub(crate) fn start(work: Work, before: usize) -> Result<Self, WorkProblem> {
        if before >= MOST {
            return Err(WorkProblem::TooOften);
        }
        if work.bits > limits::WORK_BITS {
            return Err(WorkProblem::TooMuch(work.bits));
        }
        let is_unwanted = Arc::<AtomicBool>::default();
        let (finder, found) = oneshot::channel();
        let stop = Arc::clone(&is_unwanted);
        let thread = thread::Builder::new().name("work".to_owned());
        thread.spawn(move || {
            if let Some(nonce) = find(&work, &stop)
                && finder.send(nonce).is_err()
            {
                tracing::debug!("nobody waits for the work");
            }
        })?;
        Ok(Self {
            work,
            is_unwanted,
            found,
        })
    }

    /// Whether it is this that is done.
    pub(crate) fn does(&self, work: &Work) -> bool {
        self.work == *work
    }

    /// Waits for the end. `None` if there is none to be had.
    pub(crate) async fn found(&mut self) -> Option<Nonce> {
        (&mut self.found).await.ok()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.is_unwanted.store(true, Relaxed);
    }
}

/// Tries one number after the other. `None` if nobody wants it any more, or if there is none, which will not happen: of so many tries
/// all fail once in 10^27 times.
fn find(work: &Work, is_unwanted: &AtomicBool) -> Option<Nonce> {
    let tries = 1_u64 << (work.bits + 6);
    for first in (0..tries).step_by(AT_ONCE as usize) {
        if is_unwanted.load(Relaxed) {
            return None;
        }
        let mut nonces =
            (first..first + AT_ONCE).map(|number| Nonce::from_bytes(number.to_be_bytes()));
        let is_it = |nonce: &Nonce| {
            let hash = digest(&SHA256, &work.preimage(*nonce));
            work.is_done_by(hash.as_ref())
        };
        if let Some(nonce) = nonces.find(is_it) {
            return Some(nonce);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use protocol::Challenge;

    use super::*;

    fn work(bits: u32) -> Work {
        let challenge = Challenge::from_bytes([0x5c; 16]);
        Work { challenge, bits }
    }

    #[tokio::test]
    async fn a_number_is_found_that_fits() {
        for bits in [0, 1, 12] {
            let work = work(bits);
            let mut worker = Worker::start(work, 0).expect("it begins");
            assert!(worker.does(&work));
            let nonce = worker.found().await.expect("there is one");
            let hash = digest(&SHA256, &work.preimage(nonce));
            assert!(work.is_done_by(hash.as_ref()), "{bits} bits");
        }
    }

    #[test]
    fn what_nobody_wants_is_not_looked_for() {
        let is_unwanted = AtomicBool::new(true);
        assert_eq!(find(&work(0), &is_unwanted), None);
        let worker = Worker::start(work(limits::WORK_BITS), 0).expect("it begins");
        let flag = Arc::clone(&worker.is_unwanted);
        drop(worker);
        assert!(flag.load(Relaxed));
    }

    #[test]
    fn a_server_that_asks_for_more_than_is_reasonable_gets_words_and_no_work() {
        for bits in [limits::WORK_BITS + 1, 60, u32::MAX] {
            let problem = Worker::start(work(bits), 0).expect_err("that is too much");
            let words = problem.to_string();
            assert!(words.contains("more work than is reasonable"), "{words}");
            assert!(words.contains(&bits.to_string()), "{words}");
        }
        let problem = Worker::start(work(1), MOST).expect_err("that is too often");
        assert!(problem.to_string().contains("again and again"), "{problem}");
    }

    /// A figure, not a check: `cargo test --release -p engine --lib -- --ignored --nocapture hashes_a_second`.
    #[test]
    #[ignore = "a measurement"]
    fn hashes_a_second() {
        let work = work(256);
        let is_it = |number: u64| {
            let nonce = Nonce::from_bytes(number.to_be_bytes());
            work.is_done_by(digest(&SHA256, &work.preimage(nonce)).as_ref())
        };
        let (began, tries) = (std::time::Instant::now(), 4_000_000);
        assert!(!(0..tries).any(is_it));
        let per_second = tries as f64 / began.elapsed().as_secs_f64();
        println!("{:.2} million hashes a second", per_second / 1e6);
    }
}

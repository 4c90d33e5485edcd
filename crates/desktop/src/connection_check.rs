//! The connection check behind the window: one thread that tries what a call could use, while the window goes on.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Instant;

use engine::{CheckConfig, ServerCheck, ServerCheckError, SignallingProblem};

/// What came of a check: a report, or why there is none.
pub type Outcome = Result<ServerCheck, CheckProblem>;

/// Why a check found nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckProblem {
    /// The server cannot be used.
    Server(SignallingProblem),
    /// The system did not let it run.
    BrokeOff,
}

/// The check as the window shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// It is under way.
    Running {
        /// Since when.
        since: Instant,
    },
    /// It is over.
    Done(Box<Outcome>),
}

/// What a check is to find out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The address of the signalling server.
    pub server: String,
    /// Whether the network address is to stay hidden: then nobody is asked but the server and its relays, who hear of it
    /// in such a call too.
    pub is_shielded: bool,
}

/// Runs checks in a thread of their own, one at a time.
///
/// A check cannot be broken off, as it blocks its thread for up to about 25 seconds; nobody has to wait for it, and its
/// outcome is thrown away if another question is asked by then.
pub struct Checker {
    run: fn(&Question) -> Outcome,
    wake: Arc<dyn Fn() + Send + Sync>,
    running: Option<Running>,
    /// What to find out as soon as the thread is free.
    next: Option<Question>,
}

struct Running {
    question: Question,
    outcome: Receiver<Outcome>,
}

impl Checker {
    /// A checker that calls `wake` when there may be an outcome.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self::with(check, wake)
    }

    fn with(run: fn(&Question) -> Outcome, wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            run,
            wake: Arc::new(wake),
            running: None,
            next: None,
        }
    }

    /// Begins a check. One with the same question that is under way answers for this one too.
    pub fn start(&mut self, question: Question) {
        match &self.running {
            Some(running) if running.question == question => self.next = None,
            Some(_) => self.next = Some(question),
            None => self.begin(question),
        }
    }

    /// The outcome of the check that was last asked for, once. Never waits.
    pub fn take(&mut self) -> Option<Outcome> {
        let outcome = match self.running.as_ref()?.outcome.try_recv() {
            Ok(outcome) => outcome,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => Err(CheckProblem::BrokeOff),
        };
        self.running = None;
        match self.next.take() {
            Some(question) => {
                self.begin(question);
                None
            }
            None => Some(outcome),
        }
    }

    fn begin(&mut self, question: Question) {
        let (sender, outcome) = channel();
        let (run, wake, asked) = (self.run, Arc::clone(&self.wake), question.clone());
        let thread = std::thread::Builder::new().name("connection-check".to_owned());
        let work = move || {
            // Nobody listens any more when the window is closed.
            drop(sender.send(run(&asked)));
            wake();
        };
        if let Err(error) = thread.spawn(work) {
            // The sender went with the closure, so `take` says that the check broke off.
            tracing::warn!(%error, "there is no thread for the connection check");
            (self.wake)();
        }
        self.running = Some(Running { question, outcome });
    }
}

fn check(question: &Question) -> Outcome {
    let config = CheckConfig {
        relay_only: question.is_shielded,
        ..CheckConfig::default()
    };
    engine::check_server(&question.server, config).map_err(|error| match error {
        ServerCheckError::Signalling(problem) => CheckProblem::Server(problem),
        ServerCheckError::Thread(error) => {
            tracing::warn!(%error, "the connection check cannot begin");
            CheckProblem::BrokeOff
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::sync_channel;
    use std::time::Duration;

    use super::*;

    /// A checker that says which server it checked, and a receiver that hears each end of a thread.
    fn checker(run: fn(&Question) -> Outcome) -> (Checker, Receiver<()>) {
        let (sender, woken) = sync_channel(8);
        let checker = Checker::with(run, move || sender.send(()).expect("the test listens"));
        (checker, woken)
    }

    fn about(server: &str) -> Question {
        Question {
            server: server.to_owned(),
            is_shielded: false,
        }
    }

    fn said(question: &Question) -> Outcome {
        Err(CheckProblem::Server(SignallingProblem::Lost(
            question.server.clone(),
        )))
    }

    #[test]
    fn an_outcome_comes_once_and_the_window_is_woken_for_it() {
        let (mut checker, woken) = checker(said);
        assert_eq!(checker.take(), None);
        checker.start(about("a"));
        wait(&woken);
        assert_eq!(checker.take(), Some(said(&about("a"))));
        assert_eq!(checker.take(), None);
    }

    #[test]
    fn however_often_it_is_asked_for_there_is_one_thread_and_the_newest_server_wins() {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let (mut checker, woken) = checker(|question| {
            RUNS.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(50));
            said(question)
        });
        for server in ["a", "a", "b", "c"] {
            checker.start(about(server));
        }
        wait(&woken);
        assert_eq!(checker.take(), None, "nobody waits for a any more");
        wait(&woken);
        assert_eq!(checker.take(), Some(said(&about("c"))));
        assert_eq!(RUNS.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn what_was_found_before_the_address_was_to_stay_hidden_is_no_answer_any_more() {
        let (mut checker, woken) =
            checker(|question| said(&about(&question.is_shielded.to_string())));
        let question = about("a");
        checker.start(question.clone());
        checker.start(Question {
            is_shielded: true,
            ..question
        });
        wait(&woken);
        assert_eq!(checker.take(), None);
        wait(&woken);
        let outcome = checker.take().expect("the second check is over");
        assert_eq!(outcome, said(&about("true")));
    }

    #[test]
    fn a_thread_that_breaks_off_is_an_outcome_too() {
        let (mut checker, _woken) = checker(|_| panic!("a trial"));
        checker.start(about("a"));
        let start = Instant::now();
        let outcome = loop {
            if let Some(outcome) = checker.take() {
                break outcome;
            }
            assert!(start.elapsed() < Duration::from_secs(10));
            std::thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(outcome, Err(CheckProblem::BrokeOff));
    }

    #[test]
    fn an_address_that_is_none_is_told_in_words() {
        let outcome = check(&about("not a server"));
        let problem = outcome.expect_err("nothing can be checked there");
        let title = crate::text::check_problem(&problem).title;
        assert_eq!(title, "This is not a server address");
    }

    fn wait(woken: &Receiver<()>) {
        woken
            .recv_timeout(Duration::from_secs(10))
            .expect("the thread ends");
    }
}

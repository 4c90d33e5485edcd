//! How a server becomes empty: nobody new comes in, those who wait are sent away, rooms go on until they end or the time
//! is up.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::sleep_until};
use tokio_util::sync::CancellationToken;

/// Begins to empty a server, or tells whether that has begun. Clones are for the same server.
#[derive(Debug, Clone)]
pub struct Drain {
    /// When what is left is ended, once it has begun.
    until: Arc<watch::Sender<Option<Instant>>>,
    is_empty: CancellationToken,
}

impl Drain {
    pub(crate) fn new() -> Self {
        Self {
            until: Arc::new(watch::Sender::new(None)),
            is_empty: CancellationToken::new(),
        }
    }

    /// Begins. The server ends when nobody is in a room any more, and `within` this time at the latest. If it has begun
    /// already, only the time is changed.
    pub fn begin(&self, within: Duration) {
        self.until.send_replace(Some(Instant::now() + within));
    }

    /// How much time is left at `now`, once it has begun.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        let until = *self.until.borrow();
        until.map(|until| until.saturating_duration_since(now))
    }

    /// Completes when it has begun.
    pub(crate) async fn begun(&self) {
        let mut until = self.until.subscribe();
        if until.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    pub(crate) fn nobody_is_left(&self) {
        self.is_empty.cancel();
    }

    /// Completes when the server is empty, or the time is up.
    pub(crate) async fn over(&self) {
        let mut changes = self.until.subscribe();
        loop {
            let until = *changes.borrow_and_update();
            let time_is_up = async {
                match until {
                    Some(until) => sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.is_empty.cancelled() => return,
                () = time_is_up => return,
                // The sender is ours.
                _ = changes.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant as Clock, timeout};

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[tokio::test(start_paused = true)]
    async fn it_is_over_when_the_time_is_up_and_the_last_word_counts() {
        let drain = Drain::new();
        assert!(timeout(HOUR, drain.over()).await.is_err(), "not begun");
        // The clock of the test is not the one that `begin` reads, so the times are long.
        drain.begin(100 * HOUR);
        drain.begun().await;
        assert!(timeout(50 * HOUR, drain.over()).await.is_err());
        let started = Clock::now();
        tokio::join!(drain.over(), async { drain.begin(Duration::ZERO) });

        assert_eq!(started.elapsed(), Duration::ZERO);
        assert_eq!(drain.left(Instant::now()), Some(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_over_when_nobody_is_left() {
        let drain = Drain::new();
        assert_eq!(drain.left(Instant::now()), None);
        drain.begin(HOUR);
        drain.nobody_is_left();
        timeout(HOUR / 2, drain.over()).await.expect("it is over");
    }
}

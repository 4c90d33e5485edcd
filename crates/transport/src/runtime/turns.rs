//! Lets the stack take another turn at once, where it would otherwise sleep with work left.
//!
//! Works round two faults of `webrtc` 0.21.1 (`peer_connection/driver.rs`):
//!
//! - A packet for a TURN relay is only queued in the turn that makes it, and leaves in the next, whenever that is
//!   (`poll_writes`). Relayed audio is late by up to 20 ms, and connecting takes more than a second.
//! - After ICE has connected, DTLS starts at the next timeout of the core, up to one check interval later.
//!
//! The driver asks its runtime for exactly one sleep in each turn. While it connects or relays, the first two sleeps
//! after a turn end at once. Two, because relayed data reaches the core at the end of a turn, the core's reaction
//! reaches the relay's queue in the next, and the socket in the one after. To see whether the faults are gone,
//! run the example `connect_table` with `--without-each`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::datagram::{Content, Datagram};

const EXTRA_TURNS: u32 = 2;

/// How long after a datagram that belongs to connecting, and after one for a relay, extra turns are taken.
const WHILE_CONNECTING: Duration = Duration::from_millis(300);
const WHILE_RELAYING: Duration = Duration::from_secs(3);

/// Knows whether extra turns are called for, and how many of them were taken in a row.
#[derive(Debug)]
pub(super) struct Turns {
    is_enabled: bool,
    started_at: Instant,
    /// Milliseconds after `started_at`.
    active_until_ms: AtomicU64,
    taken: AtomicU32,
    has_media: AtomicBool,
}

impl Turns {
    pub(super) fn new(is_enabled: bool, now: Instant) -> Self {
        Self {
            is_enabled,
            started_at: now,
            active_until_ms: AtomicU64::new(0),
            taken: AtomicU32::new(0),
            has_media: AtomicBool::new(false),
        }
    }

    pub(super) fn on_sent(&self, datagram: Datagram, now: Instant) {
        if datagram.is_relayed() {
            self.extend(now + WHILE_RELAYING);
        }
        self.on_connecting(datagram, now);
    }

    pub(super) fn on_received(&self, datagram: Datagram, now: Instant) {
        if datagram.content == Content::Media {
            self.has_media.store(true, Ordering::Relaxed);
        }
        self.on_connecting(datagram, now);
    }

    fn on_connecting(&self, datagram: Datagram, now: Instant) {
        let is_connecting = matches!(
            datagram.content,
            Content::Check | Content::Handshake | Content::DtlsRecord
        );
        if is_connecting && !self.has_media.load(Ordering::Relaxed) {
            self.extend(now + WHILE_CONNECTING);
        }
    }

    fn extend(&self, until: Instant) {
        let until_ms = until.saturating_duration_since(self.started_at).as_millis() as u64;
        self.active_until_ms.fetch_max(until_ms, Ordering::Relaxed);
    }

    fn is_due(&self, now: Instant) -> bool {
        let now_ms = now.saturating_duration_since(self.started_at).as_millis() as u64;
        if !self.is_enabled || now_ms >= self.active_until_ms.load(Ordering::Relaxed) {
            return false;
        }
        let is_due = self.taken.load(Ordering::Relaxed) < EXTRA_TURNS;
        if !is_due {
            self.taken.store(0, Ordering::Relaxed);
        }
        is_due
    }
}

/// A sleep that ends at once, if the stack should take another turn.
pub(super) fn extra_turn(turns: &Arc<Turns>, now: Instant) -> Option<ExtraTurn> {
    turns.is_due(now).then(|| ExtraTurn {
        turns: Arc::clone(turns),
        is_taken: false,
    })
}

/// Ready when polled; counts itself then. One that is dropped unpolled lost to some other event.
pub(super) struct ExtraTurn {
    turns: Arc<Turns>,
    is_taken: bool,
}

impl Future for ExtraTurn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        self.is_taken = true;
        self.turns.taken.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(())
    }
}

impl Drop for ExtraTurn {
    fn drop(&mut self) {
        if !self.is_taken {
            // Something happened, so what follows is a turn of its own, with extra turns of its own.
            self.turns.taken.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: Datagram = Datagram {
        content: Content::Check,
        is_wrapped: false,
    };
    const MEDIA: Datagram = Datagram {
        content: Content::Media,
        is_wrapped: false,
    };
    const RELAYED_MEDIA: Datagram = Datagram {
        content: Content::Media,
        is_wrapped: true,
    };

    /// How many extra turns the driver takes before it sleeps.
    fn turns_before_sleep(turns: &Arc<Turns>, now: Instant) -> u32 {
        let mut count = 0;
        while let Some(mut extra) = extra_turn(turns, now) {
            count += 1;
            assert!(
                Pin::new(&mut extra)
                    .poll(&mut Context::from_waker(std::task::Waker::noop()))
                    .is_ready()
            );
            assert!(count < 100, "the driver spins");
        }
        count
    }

    #[test]
    fn two_extra_turns_are_taken_while_connecting_and_none_afterwards() {
        let start = Instant::now();
        let turns = Arc::new(Turns::new(true, start));
        assert_eq!(turns_before_sleep(&turns, start), 0);
        turns.on_sent(CHECK, start);
        assert_eq!(turns_before_sleep(&turns, start), 2);
        assert_eq!(turns_before_sleep(&turns, start + WHILE_CONNECTING / 2), 2);
        assert_eq!(turns_before_sleep(&turns, start + WHILE_CONNECTING), 0);
    }

    #[test]
    fn keepalives_cause_no_extra_turns_once_media_has_arrived() {
        let start = Instant::now();
        let turns = Arc::new(Turns::new(true, start));
        turns.on_received(MEDIA, start);
        turns.on_sent(CHECK, start);
        turns.on_sent(MEDIA, start);
        assert_eq!(turns_before_sleep(&turns, start), 0);
    }

    #[test]
    fn a_relay_keeps_them_coming() {
        let start = Instant::now();
        let turns = Arc::new(Turns::new(true, start));
        turns.on_received(MEDIA, start);
        turns.on_sent(RELAYED_MEDIA, start);
        assert_eq!(turns_before_sleep(&turns, start + WHILE_RELAYING / 2), 2);
        assert_eq!(turns_before_sleep(&turns, start + WHILE_RELAYING), 0);
    }

    #[test]
    fn an_extra_turn_that_lost_to_another_event_does_not_count() {
        let start = Instant::now();
        let turns = Arc::new(Turns::new(true, start));
        turns.on_sent(CHECK, start);
        for _ in 0..10 {
            drop(extra_turn(&turns, start).expect("due"));
        }
        assert_eq!(turns_before_sleep(&turns, start), 2);
    }

    #[test]
    fn switched_off_it_does_nothing() {
        let start = Instant::now();
        let turns = Arc::new(Turns::new(false, start));
        turns.on_sent(CHECK, start);
        assert_eq!(turns_before_sleep(&turns, start), 0);
    }
}

//! Whether the partner is there, from what the stack says and from how long nothing has come.
//!
//! The stack looks at its checks alone and takes seconds. Media comes fifty times a second and more, and without media
//! each side still sends a check five times a second and answers as many: at 20 % loss all of a second's worth are lost
//! less than once in a day of silence.

use std::time::{Duration, Instant};

/// Silence that means that the path is broken.
const LONGEST_SILENCE: Duration = Duration::from_secs(1);

/// How often to look.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// A look that comes later than this after the last was not made by a machine that was awake: what has arrived meanwhile
/// has not been read.
const LATE: Duration = Duration::from_millis(400);

/// What to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Connected,
    Disconnected,
}

/// What the stack says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StackState {
    /// No pair is selected: at the start, or in a restart.
    Connecting,
    Connected,
    Disconnected,
}

#[derive(Debug)]
pub(crate) struct Presence {
    stack: StackState,
    /// How often the stack has connected.
    connections: u64,
    /// What was told last.
    told: Option<Change>,
    last_look: Option<Instant>,
}

impl Presence {
    pub(crate) fn new() -> Self {
        Self {
            stack: StackState::Connecting,
            connections: 0,
            told: None,
            last_look: None,
        }
    }

    /// The stack's state has changed, perhaps more than once. `connections` says how often it has connected by now.
    pub(crate) fn on_news(&mut self, state: StackState, connections: u64) -> Option<Change> {
        let mut missed = None;
        if self.connections != connections {
            self.connections = connections;
            self.on_stack(StackState::Connecting);
            missed = self.on_stack(StackState::Connected);
        }
        self.on_stack(state).or(missed)
    }

    /// The stack's state has changed.
    fn on_stack(&mut self, state: StackState) -> Option<Change> {
        if std::mem::replace(&mut self.stack, state) == state {
            return None;
        }
        match state {
            // Told again after each restart, because the picture may need a keyframe.
            StackState::Connected => Some(self.tell(Change::Connected)),
            StackState::Disconnected => self.lose(),
            StackState::Connecting => None,
        }
    }

    /// Whether silence would mean anything: before the owner was told of a connection there is none to lose.
    pub(crate) fn has_been_connected(&self) -> bool {
        self.told.is_some()
    }

    /// Nothing has come for this long. To be called each [`TICK`].
    pub(crate) fn on_silence(&mut self, silence: Duration, now: Instant) -> Option<Change> {
        let last_look = self.last_look.replace(now);
        if last_look.is_none_or(|last| now.saturating_duration_since(last) > LATE) {
            return None;
        }
        if silence >= LONGEST_SILENCE {
            self.lose()
        } else if self.stack == StackState::Connected && self.told == Some(Change::Disconnected) {
            Some(self.tell(Change::Connected))
        } else {
            None
        }
    }

    /// Whether the owner was told so last. A restart changes nothing about that.
    pub(crate) fn is_connected(&self) -> bool {
        self.told == Some(Change::Connected)
    }

    fn lose(&mut self) -> Option<Change> {
        let was_connected = self.told == Some(Change::Connected);
        was_connected.then(|| self.tell(Change::Disconnected))
    }

    fn tell(&mut self, change: Change) -> Change {
        self.told = Some(change);
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// Looks each tick; returns what is told, and when.
    fn watch(
        presence: &mut Presence,
        start: Instant,
        range: std::ops::Range<u64>,
        silence_at: impl Fn(u64) -> u64,
    ) -> Vec<(u64, Change)> {
        let looks = range.step_by(TICK.as_millis() as usize);
        looks
            .filter_map(|at| {
                let change = presence.on_silence(ms(silence_at(at)), start + ms(at));
                change.map(|change| (at, change))
            })
            .collect()
    }

    fn connected() -> Presence {
        let mut presence = Presence::new();
        assert_eq!(
            presence.on_stack(StackState::Connected),
            Some(Change::Connected)
        );
        presence
    }

    #[test]
    fn a_restart_that_was_over_before_anybody_looked_is_told() {
        let mut presence = Presence::new();
        let connected = Some(Change::Connected);
        assert_eq!(presence.on_news(StackState::Connecting, 0), None);
        assert_eq!(presence.on_news(StackState::Connected, 1), connected);
        assert_eq!(presence.on_news(StackState::Connected, 1), None);
        assert_eq!(presence.on_news(StackState::Connected, 2), connected);
        assert_eq!(
            presence.on_news(StackState::Disconnected, 3),
            Some(Change::Disconnected),
            "the last word"
        );
        assert_eq!(presence.on_news(StackState::Connecting, 4), connected);
        assert_eq!(presence.on_news(StackState::Connected, 5), connected);
    }

    #[test]
    fn a_second_of_silence_is_told_once_and_so_is_its_end() {
        let (mut presence, start) = (connected(), Instant::now());
        let silence = |at: u64| if at < 5000 { at } else { at % 20 };
        assert_eq!(
            watch(&mut presence, start, 0..6000, silence),
            [(1000, Change::Disconnected), (5000, Change::Connected)]
        );
    }

    #[test]
    fn what_the_stack_says_of_it_later_is_nothing_new() {
        let (mut presence, start) = (connected(), Instant::now());
        assert_eq!(watch(&mut presence, start, 0..2000, |at| at).len(), 1);
        assert_eq!(presence.on_stack(StackState::Disconnected), None);
        assert_eq!(watch(&mut presence, start, 2000..3000, |_| 0), []);
        assert_eq!(
            presence.on_stack(StackState::Connected),
            Some(Change::Connected)
        );
        assert_eq!(watch(&mut presence, start, 3000..4000, |_| 0), []);
    }

    #[test]
    fn before_the_first_connection_silence_is_no_news() {
        let (mut presence, start) = (Presence::new(), Instant::now());
        assert_eq!(watch(&mut presence, start, 0..9000, |at| at), []);
    }

    #[test]
    fn a_restart_is_told_when_it_has_connected_and_its_silence_if_it_does_not() {
        let (mut presence, start) = (connected(), Instant::now());
        assert_eq!(presence.on_stack(StackState::Connecting), None);
        assert_eq!(watch(&mut presence, start, 0..500, |at| at), []);
        assert_eq!(
            presence.on_stack(StackState::Connected),
            Some(Change::Connected)
        );
        assert_eq!(presence.on_stack(StackState::Connecting), None);
        assert_eq!(
            watch(&mut presence, start, 500..3000, |at| at),
            [(1000, Change::Disconnected)]
        );
    }

    #[test]
    fn a_machine_that_slept_reads_what_has_come_first() {
        let (mut presence, start) = (connected(), Instant::now());
        assert_eq!(presence.on_silence(ms(0), start), None);
        assert_eq!(presence.on_silence(ms(60_000), start + ms(60_000)), None);
        assert_eq!(presence.on_silence(ms(30), start + ms(60_100)), None);
        let silence = ms(1200);
        assert_eq!(
            presence.on_silence(silence, start + ms(60_200)),
            Some(Change::Disconnected)
        );
    }

    /// Keepalives alone, both ways, at 20 % loss: how long the longest silence of an hour is.
    #[test]
    fn twenty_percent_loss_without_media_is_no_silence() {
        let (mut presence, start) = (connected(), Instant::now());
        let mut random = 1_u64;
        let mut is_lost = move || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random.is_multiple_of(5)
        };
        let mut last_arrival = 0;
        for at in (0..3_600_000).step_by(100) {
            // A check of the partner, and half of the time the answer to one of ours, which has to come and go.
            if at % 200 == 0 && !is_lost() {
                last_arrival = at;
            }
            if at % 200 == 100 && !is_lost() && !is_lost() {
                last_arrival = at;
            }
            let change = presence.on_silence(ms(at - last_arrival), start + ms(at));
            assert_eq!(change, None, "after {at} ms");
        }
    }
}

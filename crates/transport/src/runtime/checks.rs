//! Connectivity checks as the sockets see them: how long the partner takes to answer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::stun::{self, Message, TransactionId};

/// Requests whose answer is awaited at most: a second's worth on many paths.
const MAX_PENDING: usize = 256;

/// Ties answers to requests (RFC 8489 section 6.3.3).
#[derive(Debug, Default)]
pub(super) struct Checks {
    pending: VecDeque<(TransactionId, Instant)>,
}

impl Checks {
    /// A check left: the bare STUN message, whatever it was wrapped in.
    pub(super) fn on_sent(&mut self, message: &[u8], now: Instant) {
        let Some(request) = Message::read(message) else {
            return;
        };
        if request.kind == stun::BINDING_REQUEST {
            if self.pending.len() >= MAX_PENDING {
                self.pending.pop_front();
            }
            self.pending.push_back((request.transaction, now));
        }
    }

    /// A check or an answer came. Returns the round trip if it is the first answer to a request of ours.
    pub(super) fn on_received(&mut self, message: &[u8], now: Instant) -> Option<Duration> {
        let answer = Message::read(message)?;
        if answer.kind != stun::BINDING_SUCCESS {
            return None;
        }
        let is_it = |(transaction, _): &(TransactionId, Instant)| *transaction == answer.transaction;
        let index = self.pending.iter().position(is_it)?;
        let (_, sent_at) = self.pending.remove(index)?;
        Some(now.saturating_duration_since(sent_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(number: u8) -> Vec<u8> {
        stun::write(stun::BINDING_REQUEST, [number; 12], &[])
    }

    fn answer(number: u8) -> Vec<u8> {
        stun::write(stun::BINDING_SUCCESS, [number; 12], &[])
    }

    #[test]
    fn a_round_trip_is_from_the_request_to_its_own_answer() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let mut checks = Checks::default();
        checks.on_sent(&request(1), start);
        checks.on_sent(&request(2), start + ms(20));
        assert_eq!(checks.on_received(&request(2), start + ms(30)), None);
        assert_eq!(checks.on_received(&answer(3), start + ms(30)), None);
        assert_eq!(checks.on_received(&answer(2), start + ms(50)), Some(ms(30)));
        assert_eq!(checks.on_received(&answer(2), start + ms(60)), None, "a duplicate");
        assert_eq!(checks.on_received(&answer(1), start + ms(60)), Some(ms(60)));
    }

    #[test]
    fn requests_that_nobody_answers_do_not_pile_up() {
        let mut checks = Checks::default();
        for number in 0..10_000_u32 {
            checks.on_sent(&request(number as u8), Instant::now());
        }
        assert_eq!(checks.pending.len(), MAX_PENDING);
    }
}

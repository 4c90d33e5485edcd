//! Repeats the last handshake messages until the partner visibly has them.
//!
//! Works round a fault of `rtc-dtls` 0.21.1 (`handshaker.rs`, `wait()`): any handshake record that arrives clears the
//! retransmission timer, and a repeated or incomplete flight of the partner leaves it cleared. That side never repeats
//! anything again, and one loss at the wrong moment ends the connection. Its timer also starts at a whole second.
//!
//! Records are repeated byte for byte, so that the partner's replay protection drops what it already has (RFC 6347
//! section 4.1.2.6). To see whether the fault is gone, run the example `connect_table` with
//! `--without-each`: it connects at 20 % loss with and without this.
//!
//! Owns no socket and no clock.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::datagram::{Content, Datagram};

/// How long after the last message the first repeat comes, as a share of the round trip, and the limits of that. It
/// doubles after every second repeat, up to [`LONGEST_WAIT`].
///
/// A flight is a few kilobytes, and a lost one costs more than anything else in connecting, so it is repeated before an
/// answer could be here.
const FIRST_WAIT_DIVISOR: u32 = 2;
const SHORTEST_FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_millis(400);

/// How often one flight is repeated at most: about ten seconds, longer than anybody waits for a call.
const MAX_REPEATS: u32 = 30;

/// Messages of one flight leave together; one that comes later than this starts another flight.
const FLIGHT_GAP: Duration = Duration::from_millis(30);

/// Paths and records that are kept at most. A handshake uses one path and fewer than ten records.
const MAX_PATHS: usize = 16;
const MAX_RECORDS: usize = 16;

/// Where a handshake goes: an address, and whether that is a relay's. One relay carries one handshake, first in
/// indications and later in a channel.
type Path = (SocketAddr, bool);

#[derive(Debug)]
struct Flight {
    records: Vec<Vec<u8>>,
    sent_at: Instant,
    repeat_at: Instant,
    repeats: u32,
    first_wait: Duration,
    /// Whether the partner has sent a handshake message since: what we send next answers it.
    is_answered: bool,
    is_done: bool,
}

/// The handshakes of one socket.
#[derive(Debug, Default)]
pub(super) struct Flights {
    paths: BTreeMap<Path, Flight>,
}

impl Flights {
    /// A datagram left. `round_trip` is that of the path, if it has been measured.
    pub(super) fn on_sent(
        &mut self,
        to: SocketAddr,
        datagram: Datagram,
        bytes: &[u8],
        now: Instant,
        round_trip: Option<Duration>,
    ) {
        if datagram.content != Content::Handshake {
            return;
        }
        let path = (to, datagram.is_wrapped);
        if self.paths.len() >= MAX_PATHS && !self.paths.contains_key(&path) {
            return;
        }
        let flight = self.paths.entry(path).or_insert_with(|| Flight {
            records: Vec::new(),
            sent_at: now,
            repeat_at: now,
            repeats: 0,
            first_wait: LONGEST_FIRST_WAIT,
            is_answered: false,
            is_done: false,
        });
        if flight.is_done {
            return;
        }
        if flight.is_answered {
            flight.repeats = 0;
        }
        if flight.is_answered || now.saturating_duration_since(flight.sent_at) > FLIGHT_GAP {
            flight.records.clear();
        }
        flight.is_answered = false;
        flight.sent_at = now;
        if let Some(round_trip) = round_trip {
            flight.first_wait =
                (round_trip / FIRST_WAIT_DIVISOR).clamp(SHORTEST_FIRST_WAIT, LONGEST_FIRST_WAIT);
        }
        flight.repeat_at = now + flight.wait();
        if flight.records.len() < MAX_RECORDS {
            flight.records.push(bytes.to_vec());
        }
    }

    /// A datagram came.
    pub(super) fn on_received(&mut self, from: SocketAddr, datagram: Datagram) {
        let Some(flight) = self.paths.get_mut(&(from, datagram.is_wrapped)) else {
            return;
        };
        match datagram.content {
            Content::Handshake => flight.is_answered = true,
            // The partner has the keys, so it has everything.
            Content::DtlsRecord | Content::Media => flight.finish(),
            _ => {}
        }
    }

    /// What must be repeated at `now`.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut result = Vec::new();
        for ((to, _), flight) in &mut self.paths {
            if flight.is_done || flight.repeat_at > now {
                continue;
            }
            flight.repeats += 1;
            if flight.repeats > MAX_REPEATS {
                flight.finish();
                continue;
            }
            flight.repeat_at = now + flight.wait();
            result.extend(flight.records.iter().map(|record| (*to, record.clone())));
        }
        result
    }

    /// Whether anything may have to be repeated.
    pub(super) fn is_active(&self) -> bool {
        self.paths.values().any(|flight| !flight.is_done)
    }
}

impl Flight {
    fn finish(&mut self) {
        self.is_done = true;
        self.records = Vec::new();
    }

    fn wait(&self) -> Duration {
        (self.first_wait * (1 << (self.repeats / 2).min(5))).min(LONGEST_WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTNER: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);
    const HANDSHAKE: Datagram = Datagram {
        content: Content::Handshake,
        is_wrapped: false,
    };
    const MEDIA: Datagram = Datagram {
        content: Content::Media,
        is_wrapped: false,
    };

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn records(due: Vec<(SocketAddr, Vec<u8>)>) -> Vec<u8> {
        due.into_iter().map(|(_, record)| record[0]).collect()
    }

    #[test]
    fn the_whole_flight_is_repeated_ever_more_slowly_until_media_arrives() {
        let start = Instant::now();
        let mut flights = Flights::default();
        flights.on_sent(PARTNER, HANDSHAKE, &[1], start, None);
        flights.on_sent(PARTNER, HANDSHAKE, &[2], start + ms(1), None);
        assert!(flights.due(start + ms(100)).is_empty());
        assert_eq!(records(flights.due(start + ms(101))), [1, 2]);
        assert_eq!(records(flights.due(start + ms(201))), [1, 2]);
        assert!(
            flights.due(start + ms(400)).is_empty(),
            "the third wait is twice as long"
        );
        assert_eq!(records(flights.due(start + ms(401))), [1, 2]);

        flights.on_received(PARTNER, MEDIA);
        assert!(!flights.is_active());
        assert!(flights.due(start + ms(10_000)).is_empty());
    }

    #[test]
    fn an_answer_starts_another_flight_and_does_not_stop_the_repeats() {
        let start = Instant::now();
        let mut flights = Flights::default();
        flights.on_sent(PARTNER, HANDSHAKE, &[1], start, None);
        flights.on_received(PARTNER, HANDSHAKE);
        assert_eq!(
            records(flights.due(start + ms(100))),
            [1],
            "the answer may be a repeat of an older flight"
        );

        flights.on_sent(PARTNER, HANDSHAKE, &[2], start + ms(105), None);
        assert_eq!(records(flights.due(start + ms(205))), [2]);
    }

    #[test]
    fn a_short_path_is_tried_again_soon() {
        let first_repeat = |round_trip| {
            let start = Instant::now();
            let mut flights = Flights::default();
            flights.on_sent(PARTNER, HANDSHAKE, &[1], start, Some(ms(round_trip)));
            (0..1000).find(|at| !flights.due(start + ms(*at)).is_empty())
        };
        assert_eq!(first_repeat(1), Some(20));
        assert_eq!(first_repeat(60), Some(30));
        assert_eq!(first_repeat(900), Some(100));
    }

    #[test]
    fn what_the_stack_repeats_by_itself_replaces_the_flight() {
        let start = Instant::now();
        let mut flights = Flights::default();
        flights.on_sent(PARTNER, HANDSHAKE, &[1], start, None);
        flights.on_sent(PARTNER, HANDSHAKE, &[1], start + ms(1000), None);
        assert_eq!(records(flights.due(start + ms(1100))), [1]);
    }

    #[test]
    fn a_partner_that_never_answers_is_given_up() {
        let start = Instant::now();
        let mut flights = Flights::default();
        flights.on_sent(PARTNER, HANDSHAKE, &[1], start, None);
        let repeats: usize = (0..60_000)
            .step_by(20)
            .map(|at| flights.due(start + ms(at)).len())
            .sum();
        assert_eq!(repeats, MAX_REPEATS as usize);
        assert!(!flights.is_active());
    }

    #[test]
    fn an_answer_in_a_channel_belongs_to_a_flight_in_indications() {
        let start = Instant::now();
        let mut flights = Flights::default();
        let wrapped = |content| Datagram {
            content,
            is_wrapped: true,
        };
        flights.on_sent(PARTNER, wrapped(Content::Handshake), &[1], start, None);
        flights.on_received(PARTNER, MEDIA);
        assert!(flights.is_active(), "that was not the relay's");
        flights.on_received(PARTNER, wrapped(Content::Media));
        assert!(!flights.is_active());
    }

    #[test]
    fn paths_are_independent_and_bounded() {
        let start = Instant::now();
        let mut flights = Flights::default();
        let partner = |port| SocketAddr::new(PARTNER.ip(), port);
        for port in 0..1000 {
            flights.on_sent(partner(port), HANDSHAKE, &[1], start, None);
        }
        for _ in 0..1000 {
            flights.on_sent(partner(0), HANDSHAKE, &[2], start, None);
        }
        assert_eq!(
            flights.due(start + ms(100)).len(),
            MAX_PATHS - 1 + MAX_RECORDS
        );
        flights.on_received(partner(0), MEDIA);
        assert!(flights.is_active(), "only that path is done");
    }
}

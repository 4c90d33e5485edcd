//! Makes of a bus that loses, doubles and overtakes a conversation in order between two servers.
//!
//! Words are numbered in runs. What is not confirmed is said again, from there on (go-back-N, as in HDLC); what comes out of order is
//! not listened to. A conversation that is stuck is cut: what waits is thrown away, and a new run begins.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    NodeId,
    words::{Packet, Word, packet},
};

/// How many words may wait to be confirmed. Two thousand people who set up a call at once say so much.
const MAX_WORDS: usize = 8192;
/// How many bytes of them.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// The most bytes of words in one packet, but for one that is longer by itself.
const PACKET_BYTES: usize = 64 * 1024;
/// After how long without confirmation words are said again, for the first time; twice as long each time after that.
const AGAIN_AFTER: Duration = Duration::from_millis(300);
/// … and at the most.
const AGAIN_AT_MOST: Duration = Duration::from_secs(3);
/// After how long a conversation is stuck in which nothing is confirmed.
const STUCK_AFTER: Duration = Duration::from_secs(15);
/// For how long words may come before the first ones. Those are said again meanwhile.
const UNKNOWN_FOR: Duration = Duration::from_secs(2);
/// How long a confirmation waits for a word with which it could go.
const CONFIRM_AFTER: Duration = Duration::from_millis(20);

/// One server's end of the conversation with another one. The time is an argument.
#[derive(Debug)]
pub(crate) struct Link {
    run: u64,
    /// The number of the first word that waits.
    first: u64,
    /// What is not confirmed: since when, and the word as it is written.
    words: VecDeque<(Instant, String)>,
    bytes: usize,
    /// How many of them are under way.
    sent: usize,
    /// When the first of them is said again, and how long that was waited for.
    again: Option<(Instant, Duration)>,
    /// The last word that was heard: its run, and its number there.
    heard: (u64, u64),
    /// When that is to be confirmed at the latest.
    confirm_at: Option<Instant>,
    /// Since when words come of which we have not heard the first, though nothing was heard before.
    unknown_since: Option<Instant>,
}

/// There is no room for more words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// What was heard.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) words: Vec<Word>,
    /// It is the middle of a run of which we know nothing: our side must say that it is new.
    pub(crate) is_unknown: bool,
}

impl Link {
    /// `run` must be greater than that of any link before with the same server.
    pub(crate) const fn new(run: u64) -> Self {
        Self {
            run,
            first: 1,
            words: VecDeque::new(),
            bytes: 0,
            sent: 0,
            again: None,
            heard: (0, 0),
            confirm_at: None,
            unknown_since: None,
        }
    }

    /// Throws away what waits, and begins a new run.
    pub(crate) fn cut(&mut self, run: u64) {
        let heard = self.heard;
        *self = Self {
            heard,
            confirm_at: self.confirm_at,
            ..Self::new(run)
        };
    }

    /// Adds a word.
    pub(crate) fn say(&mut self, word: &Word, now: Instant) -> Result<(), Full> {
        let text = serde_json::to_string(word).expect("words are plain data");
        if self.words.len() >= MAX_WORDS || self.bytes + text.len() > MAX_BYTES {
            return Err(Full);
        }
        self.bytes += text.len();
        self.words.push_back((now, text));
        Ok(())
    }

    /// Whether no word waits.
    #[cfg(test)]
    fn has_no_words(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether the first word has waited for too long.
    pub(crate) fn is_stuck(&self, now: Instant) -> bool {
        let first = self.words.front();
        first.is_some_and(|(since, _)| now >= *since + STUCK_AFTER)
    }

    /// Takes what the other side has sent.
    pub(crate) fn hear(&mut self, packet: Packet, now: Instant) -> Heard {
        self.confirm(packet.heard, now);
        let mut heard = Heard {
            words: Vec::new(),
            is_unknown: false,
        };
        if packet.words.is_empty() || packet.run < self.heard.0 {
            return heard;
        }
        self.confirm_at.get_or_insert(now + CONFIRM_AFTER);
        if packet.run > self.heard.0 {
            if packet.first != 1 {
                let is_new = self.heard.0 == 0;
                let since = *self.unknown_since.get_or_insert(now);
                // The first words may have been overtaken, and come yet.
                heard.is_unknown = is_new && now >= since + UNKNOWN_FOR;
                return heard;
            }
            self.heard = (packet.run, 0);
            self.unknown_since = None;
        }
        for (number, word) in (packet.first..).zip(packet.words) {
            if number == self.heard.1 + 1 {
                self.heard.1 = number;
                heard.words.push(word);
            }
        }
        heard
    }

    fn confirm(&mut self, (run, number): (u64, u64), now: Instant) {
        if run != self.run {
            return;
        }
        while self.first <= number
            && let Some((_, text)) = self.words.pop_front()
        {
            self.first += 1;
            self.sent = self.sent.saturating_sub(1);
            self.bytes -= text.len();
            self.again = (self.sent > 0).then_some((now + AGAIN_AFTER, AGAIN_AFTER));
        }
    }

    /// The next packet for the other side. Call until `None`.
    pub(crate) fn poll(&mut self, me: NodeId, now: Instant) -> Option<String> {
        if let Some((at, waited)) = self.again
            && at <= now
        {
            self.sent = 0;
            let wait = (waited * 2).min(AGAIN_AT_MOST);
            self.again = Some((now + wait, wait));
        }
        let is_due = self.confirm_at.is_some_and(|at| at <= now);
        if self.sent == self.words.len() && !is_due {
            return None;
        }
        let mut bytes = 0;
        let waiting = self.words.range(self.sent..).take_while(|(_, text)| {
            let is_first = bytes == 0;
            bytes += text.len();
            is_first || bytes <= PACKET_BYTES
        });
        let count = waiting.count();
        let words = self.words.range(self.sent..self.sent + count);
        let first = self.first + self.sent as u64;
        let text = packet(
            me,
            self.run,
            first,
            words.map(|(_, text)| text.as_str()),
            self.heard,
        );
        self.sent += count;
        if count > 0 && self.again.is_none() {
            self.again = Some((now + AGAIN_AFTER, AGAIN_AFTER));
        }
        self.confirm_at = None;
        Some(text)
    }

    /// The bus was gone, and what was under way with it: everything is said again at once.
    pub(crate) fn say_all_again(&mut self, now: Instant) {
        if self.sent > 0 {
            self.again = Some((now, AGAIN_AFTER));
        }
    }

    /// When to poll next if nothing else happens.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let again = self.again.map(|(at, _)| at);
        [again, self.confirm_at].into_iter().flatten().min()
    }

    /// When it is stuck if nothing else happens.
    pub(crate) fn stuck_at(&self) -> Option<Instant> {
        self.words.front().map(|(since, _)| *since + STUCK_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use protocol::{LeaveReason, RoomId};
    use simulation::{Conditions, Link as Wire};

    use super::*;

    fn word(number: u32) -> Word {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        Word::Gone {
            room: RoomId::from_bytes(bytes),
            reason: LeaveReason::Left,
        }
    }

    fn read(text: &str) -> Packet {
        serde_json::from_str(text).expect("links write packets")
    }

    #[test]
    fn on_a_bus_that_loses_doubles_and_overtakes_all_words_arrive_once_and_in_order() {
        for seed in 0..50 {
            let start = simulation::start();
            let conditions = Conditions {
                latency: Duration::from_millis(2),
                jitter: Duration::from_millis(30),
                loss_ratio: 0.3,
                duplicate_ratio: 0.2,
                reorder_ratio: 0.2,
                ..Conditions::default()
            };
            let mut ends = [Link::new(1), Link::new(1)];
            let mut wires: [Wire<String>; 2] = [
                Wire::new(conditions, seed),
                Wire::new(conditions, seed + 1000),
            ];
            let mut heard = [0, 0];
            for step in 0..4000_u32 {
                let now = start + Duration::from_millis(10) * step;
                for end in 0..2 {
                    if step < 1000 && step % 2 == end as u32 {
                        ends[end].say(&word(step / 2), now).expect("room");
                    }
                    while let Some(packet) = ends[end].poll(NodeId(end as u64), now) {
                        wires[end].send(now, packet);
                    }
                    while let Some(packet) = wires[1 - end].poll(now) {
                        for heard_word in ends[end].hear(read(&packet), now).words {
                            assert_eq!(heard_word, word(heard[end]));
                            heard[end] += 1;
                        }
                    }
                }
            }
            assert_eq!(heard, [500, 500], "seed {seed}");
            assert!(ends.iter().all(Link::has_no_words));
        }
    }

    #[test]
    fn a_cut_forgets_what_waits_and_the_other_side_takes_the_new_run_alone() {
        let now = simulation::start();
        let (mut one, mut other) = (Link::new(1), Link::new(1));
        one.say(&word(1), now).expect("room");
        let old = one.poll(NodeId(1), now).expect("a packet");
        one.cut(2);
        assert!(one.poll(NodeId(1), now).is_none());
        one.say(&word(2), now).expect("room");
        let new = one.poll(NodeId(1), now).expect("a packet");

        assert_eq!(other.hear(read(&new), now).words, [word(2)]);
        assert_eq!(other.hear(read(&old), now).words, []);
        assert_eq!(other.hear(read(&new), now).words, [], "twice");
    }

    #[test]
    fn one_who_is_new_notices_that_a_run_is_older_and_does_not_begin_in_its_middle() {
        let now = simulation::start();
        let mut one = Link::new(1);
        one.say(&word(1), now).expect("room");
        one.poll(NodeId(1), now).expect("a packet");
        one.say(&word(2), now).expect("room");
        let second = one.poll(NodeId(1), now).expect("a packet");

        let mut other = Link::new(1);
        let heard = other.hear(read(&second), now);
        assert!(!heard.is_unknown && heard.words.is_empty(), "overtaken");
        let heard = other.hear(read(&second), now + UNKNOWN_FOR);
        assert!(heard.is_unknown && heard.words.is_empty());
    }

    #[test]
    fn a_link_to_nobody_is_stuck_after_a_while_and_takes_no_more_than_it_may() {
        let start = simulation::start();
        let mut link = Link::new(1);
        let mut count = 0;
        while link.say(&word(count), start) == Ok(()) {
            count += 1;
        }
        assert_eq!(count as usize, MAX_WORDS);
        assert!(!link.is_stuck(start + STUCK_AFTER * 9 / 10));
        assert_eq!(link.stuck_at(), Some(start + STUCK_AFTER));
        assert!(link.is_stuck(start + STUCK_AFTER));
        let mut packets = 0;
        while let Some(packet) = link.poll(NodeId(1), start) {
            assert!(packet.len() < 2 * PACKET_BYTES);
            packets += 1;
        }
        assert!(packets > 5, "{packets}");
    }
}

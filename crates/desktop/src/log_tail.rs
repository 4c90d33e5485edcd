//! The newest lines of the log, without addresses, for who wants to know what went on.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// So many lines are kept.
const MOST_LINES: usize = 200;
/// What is longer is cut.
const MOST_CHARS: usize = 240;

/// What stands before a host: in URLs, and in those of relays (RFC 7064, RFC 7065).
const SCHEMES: [&str; 5] = ["://", "turn:", "turns:", "stun:", "stuns:"];

/// The newest lines. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct LogTail {
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl LogTail {
    /// Takes in a line; of what is in it, addresses and hosts are left out.
    pub fn push(&self, line: &str) {
        let line: String = without_addresses(line).chars().take(MOST_CHARS).collect();
        let mut lines = self.lock();
        if lines.len() == MOST_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// All that is kept, the oldest first.
    pub fn lines(&self) -> Vec<String> {
        self.lock().iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for LogTail {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        // Lower levels come in great numbers and would push out what matters.
        if *metadata.level() > Level::INFO {
            return;
        }
        let mut line = Line(format!("{} {}:", metadata.level(), metadata.target()));
        event.record(&mut line);
        self.push(&line.0);
    }
}

/// A line as it is put together from an event's fields.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = if field.name() == "message" {
            write!(self.0, " {value:?}")
        } else {
            write!(self.0, " {}={value:?}", field.name())
        };
        // A string takes everything.
        written.unwrap_or_default();
    }
}

/// `line` with every network address in it replaced, and the host of every URL.
pub fn without_addresses(line: &str) -> String {
    let mut clean = String::with_capacity(line.len());
    let mut rest = line;
    while !rest.is_empty() {
        let scheme = SCHEMES.iter().find(|scheme| rest.starts_with(**scheme));
        if let Some(scheme) = scheme {
            let url = &rest[scheme.len()..];
            let end = url.find([' ', '/', '"', ',', ')']).unwrap_or(url.len());
            clean.push_str(scheme);
            // A part of the program may be called like a scheme.
            clean.push_str(if end > 0 { "(host)" } else { "" });
            rest = &url[end..];
            continue;
        }
        let is_part = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '%' | '[' | ']');
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        if end == 0 {
            let first = rest.chars().next().map_or(1, char::len_utf8);
            clean.push_str(&rest[..first]);
            rest = &rest[first..];
            continue;
        }
        let (mut word, after) = rest.split_at(end);
        if after.starts_with("//") && word.ends_with(':') {
            // The scheme of a URL.
            word = &word[..word.len() - 1];
        }
        rest = &rest[word.len()..];
        if is_address(word) {
            clean.push_str("(address)");
            if word.contains('%') {
                // What is left of the name of an interface.
                rest = rest.trim_start_matches(char::is_alphanumeric);
            }
        } else {
            clean.push_str(word);
        }
    }
    clean
}

fn is_address(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ':']);
    let bare = word.trim_matches(['[', ']']);
    let host = bare.split('%').next().unwrap_or_default();
    word.parse::<SocketAddr>().is_ok() || host.parse::<IpAddr>().is_ok_and(|_| host.len() > 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_hosts_are_left_out_and_everything_else_stays() {
        for (line, clean) in [
            ("path 192.0.2.7:3478 answers", "path (address) answers"),
            (
                "from 2001:db8::1, to [2001:db8::2]:443.",
                "from (address), to (address)",
            ),
            ("fe80::1%eth0 is ours", "(address) is ours"),
            (
                "wss://passerby.example/ws is away",
                "wss://(host)/ws is away",
            ),
            ("turn at udp://192.0.2.1:3478", "turn at udp://(host)"),
            (
                "turns:relay.example:443?transport=tcp is full, stun:relay.example too",
                "turns:(host) is full, stun:(host) too",
            ),
            (
                "at 12:30:05 after 1.5 s: 3 of 4 faded, 100.0 %",
                "at 12:30:05 after 1.5 s: 3 of 4 faded, 100.0 %",
            ),
            ("INFO transport::turn: up", "INFO transport::turn: up"),
            ("a::b is no word", "(address) is no word"),
            ("größer: ünicode…", "größer: ünicode…"),
        ] {
            assert_eq!(without_addresses(line), clean);
        }
    }

    #[test]
    fn the_newest_lines_are_kept_and_long_ones_cut() {
        let tail = LogTail::default();
        for number in 0..500 {
            tail.push(&format!("line {number} {}", "x".repeat(1000)));
        }
        let lines = tail.lines();
        assert_eq!(lines.len(), MOST_LINES);
        assert!(lines[0].starts_with("line 300 "));
        assert!(lines.iter().all(|line| line.chars().count() == MOST_CHARS));
    }

    #[test]
    fn what_is_logged_arrives_without_its_lower_levels() {
        use tracing_subscriber::layer::SubscriberExt as _;
        let tail = LogTail::default();
        let subscriber = tracing_subscriber::registry().with(tail.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(server = "192.0.2.1:80", "away");
            tracing::debug!("nothing that matters");
        });
        assert_eq!(
            tail.lines(),
            ["WARN desktop::log_tail::tests: away server=\"(address)\""]
        );
    }
}

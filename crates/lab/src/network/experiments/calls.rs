//! Two clients that make a number of calls with each other.

use std::collections::BTreeSet;
use std::time::Duration;

use headless::ReportLine;

use crate::network::{Client, ClientOptions, Network, Servers, Side};

/// What came of the calls, as each side saw it: the last line of statistics of each call.
#[derive(Debug, Clone, Default)]
pub struct Pair {
    /// The side that pressed Next.
    pub a: Vec<ReportLine>,
    /// The other side.
    pub b: Vec<ReportLine>,
    /// How many calls came about, by the side that pressed Next: connected, and pictures seen.
    pub made: u32,
    /// What was said by clients that were not content.
    pub complaints: String,
}

impl Pair {
    /// One figure of all calls of both sides, where it is known.
    pub fn figures(&self, figure: impl Fn(&ReportLine) -> Option<f64>) -> Vec<f64> {
        self.a.iter().chain(&self.b).filter_map(figure).collect()
    }

    /// How many calls connected on both sides, whether or not pictures were seen.
    pub fn connected(&self) -> u32 {
        let of = |lines: &[ReportLine]| -> BTreeSet<u32> {
            let connected = lines
                .iter()
                .filter(|line| line.time_to_connected_ms.is_some());
            connected.map(|line| line.call).collect()
        };
        u32::try_from(of(&self.a).intersection(&of(&self.b)).count()).unwrap_or(u32::MAX)
    }

    /// Leaves out the first call, which begins with Start and not with Next.
    pub(super) fn leave_out_the_first(&mut self) {
        for lines in [&mut self.a, &mut self.b] {
            lines.retain(|line| line.call > 1);
        }
        self.count_made();
    }

    /// Counts anew how many calls of side A came about.
    fn count_made(&mut self) {
        let made = self.a.iter().filter(|line| is_made(line)).count();
        self.made = u32::try_from(made).unwrap_or(u32::MAX);
    }

    /// Whether, in each call, each side heard and saw the other.
    pub fn has_sound_and_pictures(&self) -> bool {
        [&self.a, &self.b].into_iter().all(|lines| {
            !lines.is_empty()
                && lines
                    .iter()
                    .all(|line| line.frames_decoded > 0 && line.audio_jitter_buffer_ms.is_some())
        })
    }
}

/// Lets side A press Next after each of `count` calls of `seconds`.
///
/// # Errors
/// When the lab fails. A call that does not come about is a result.
pub fn make_calls(
    network: &Network,
    servers: &Servers,
    count: u32,
    seconds: f64,
    is_relay_only: bool,
) -> anyhow::Result<Pair> {
    let pressing = ClientOptions {
        calls: count,
        seconds: Some(seconds),
        is_relay_only,
        ..ClientOptions::default()
    };
    let waiting = ClientOptions {
        seconds: None,
        ..pressing.clone()
    };
    let mut b = Client::start(network, servers, Side::B, &waiting)?;
    let mut a = Client::start(network, servers, Side::A, &pressing)?;
    let longest = Duration::from_secs(10)
        + Duration::from_secs_f64(seconds + f64::from(pressing.patience_s)) * count;
    let mut complaints = Vec::new();
    if a.wait(longest)? != Some(0) {
        complaints.push(format!("a: {}", a.last_words()));
    }
    // The last call ends for B when A leaves; one that failed lets B wait until it loses patience.
    if b.wait(Duration::from_secs(u64::from(waiting.patience_s) + 5))? != Some(0) {
        complaints.push(format!("b: {}", b.last_words()));
    }
    let mut pair = Pair {
        a: a.calls()?,
        b: b.calls()?,
        made: 0,
        complaints: complaints.join("; "),
    };
    pair.count_made();
    Ok(pair)
}

fn is_made(line: &ReportLine) -> bool {
    line.time_to_connected_ms.is_some() && line.time_to_first_frame_ms.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(calls: &[(u32, bool)]) -> Vec<ReportLine> {
        let line = |&(call, is_connected): &(u32, bool)| ReportLine {
            call,
            time_to_connected_ms: is_connected.then_some(100.0),
            time_to_first_frame_ms: is_connected.then_some(120.0),
            ..ReportLine::default()
        };
        calls.iter().map(line).collect()
    }

    #[test]
    fn a_call_counts_as_connected_when_both_sides_say_so_of_the_same_one() {
        let pair = Pair {
            a: lines(&[(1, true), (2, false), (3, true)]),
            b: lines(&[(1, false), (2, true), (3, true)]),
            ..Pair::default()
        };
        assert_eq!(pair.connected(), 1);
    }

    #[test]
    fn a_first_call_that_failed_takes_none_away_from_those_after_next() {
        let mut pair = Pair {
            a: lines(&[(1, false), (2, true), (3, true)]),
            ..Pair::default()
        };
        pair.leave_out_the_first();
        assert_eq!((pair.made, pair.a.len()), (2, 2));
    }
}

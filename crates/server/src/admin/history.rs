//! What the figures were in the last minutes.

use std::{collections::VecDeque, time::Duration};

use crate::{counters::Total, figures::Figures};

/// How often they are noted.
pub(super) const EVERY: Duration = Duration::from_secs(10);
/// How many notes are kept: a quarter of an hour.
const NOTES: usize = 90;

/// A note.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Note {
    waiting: u64,
    rooms: u64,
    /// Since the start.
    matches: u64,
    /// Since the start, in both directions.
    relayed_bytes: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct History(VecDeque<Note>);

impl History {
    pub(super) fn note(&mut self, figures: &Figures) {
        let relay = figures.relay.unwrap_or_default();
        self.push(Note {
            waiting: figures.census.waiting as u64,
            rooms: figures.census.rooms as u64,
            matches: figures.total(Total::MatchesByInterest) + figures.total(Total::MatchesOpen),
            relayed_bytes: relay.bytes_to_peers + relay.bytes_to_clients,
        });
    }

    fn push(&mut self, note: Note) {
        if self.0.len() == NOTES {
            self.0.pop_front();
        }
        self.0.push_back(note);
    }

    /// How many waited at each note.
    pub(super) fn waiting(&self) -> Vec<f64> {
        self.0.iter().map(|note| note.waiting as f64).collect()
    }

    /// How many rooms there were at each note.
    pub(super) fn rooms(&self) -> Vec<f64> {
        self.0.iter().map(|note| note.rooms as f64).collect()
    }

    /// Pairs made in a minute, between each note and the one before.
    pub(super) fn matches_per_minute(&self) -> Vec<f64> {
        let per_note = self.increases(|note| note.matches);
        per_note
            .map(|count| count * 60.0 / EVERY.as_secs_f64())
            .collect()
    }

    /// Mbit/s through the relay, between each note and the one before.
    pub(super) fn relayed_mbits(&self) -> Vec<f64> {
        let per_note = self.increases(|note| note.relayed_bytes);
        per_note
            .map(|bytes| bytes * 8e-6 / EVERY.as_secs_f64())
            .collect()
    }

    fn increases(&self, of: impl Fn(&Note) -> u64) -> impl Iterator<Item = f64> {
        let later = self.0.iter().skip(1);
        self.0
            .iter()
            .zip(later)
            .map(move |(one, next)| of(next).saturating_sub(of(one)) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_between_notes_and_the_oldest_are_forgotten() {
        let mut history = History::default();
        assert!(history.matches_per_minute().is_empty());
        for number in 0..200 {
            history.push(Note {
                waiting: number,
                rooms: 2 * number,
                matches: 3 * number,
                relayed_bytes: 1_250_000 * number,
            });
        }
        assert_eq!(history.waiting().len(), NOTES);
        assert_eq!(history.waiting().last(), Some(&199.0));
        assert_eq!(history.rooms().last(), Some(&398.0));
        let matches = history.matches_per_minute();
        assert_eq!(matches.len(), NOTES - 1);
        assert!(matches.iter().all(|rate| (rate - 18.0).abs() < 1e-9));
        assert!(
            history
                .relayed_mbits()
                .iter()
                .all(|rate| (rate - 1.0).abs() < 1e-9)
        );
    }
}

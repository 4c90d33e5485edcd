//! What one side has said, for saying it again, and which ICE generation that is.

use protocol::{Candidate, Description};

use super::{MAX_CANDIDATES, Output};

/// How often one description is said again at most. A partner that asks for more is broken, or wants us to flood the relay.
const MAX_REPEATS: u32 = 8;

/// Whether two descriptions are of different peer connections: each has a certificate of its own (RFC 8827 section 6.5).
pub(crate) fn is_of_another_connection(one: &Description, other: &Description) -> bool {
    let fingerprint = |description: &Description| {
        let attribute = (description.sdp.lines())
            .find_map(|line| line.strip_prefix("a=fingerprint:"))
            .map(str::trim);
        attribute.map(str::to_ascii_lowercase)
    };
    match (fingerprint(one), fingerprint(other)) {
        (Some(one), Some(other)) => one != other,
        _ => false,
    }
}

/// A description that was sent, and the candidates that were sent after it.
#[derive(Debug)]
pub(super) struct Said {
    description: Description,
    candidates: Vec<Option<Candidate>>,
    repeats: u32,
}

/// The ICE user name fragment of a description: tells one ICE generation from the next. Empty where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Generation(pub(super) String);

impl Generation {
    pub(super) fn of(description: &Description) -> Self {
        let attribute = description
            .sdp
            .lines()
            .find_map(|line| line.strip_prefix("a=ice-ufrag:"));
        Self(attribute.unwrap_or_default().trim_end().to_owned())
    }
}

impl Said {
    pub(super) const fn new(description: Description) -> Self {
        Self {
            description,
            candidates: Vec::new(),
            repeats: 0,
        }
    }

    /// The number of the offer that it is or answers.
    pub(super) const fn number(&self) -> u32 {
        self.description.number
    }

    /// A candidate was sent that belongs to it.
    pub(super) fn add(&mut self, candidate: Option<Candidate>) {
        if self.candidates.len() < MAX_CANDIDATES {
            self.candidates.push(candidate);
        }
    }

    /// All of it once more, unless that was said too often.
    pub(super) fn repeated(&mut self) -> impl Iterator<Item = Output> {
        let is_allowed = self.repeats < MAX_REPEATS;
        self.repeats += u32::from(is_allowed);
        let description = is_allowed.then(|| Output::SendDescription(self.description.clone()));
        let candidates = self.candidates.iter().filter(move |_| is_allowed).cloned();
        description
            .into_iter()
            .chain(candidates.map(Output::SendCandidate))
    }
}

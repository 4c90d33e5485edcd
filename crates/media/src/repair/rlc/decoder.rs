//! Solves for the packets that are missing.

use std::collections::{BTreeMap, VecDeque};

use super::coefficients::coefficients;
use super::{HEADER_BYTES, MAX_WINDOW, SourcePacket, field};
use crate::time::SequenceUnwrapper;

/// What has happened since the beginning, in packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RlcCounters {
    /// Repair packets that came.
    pub repairs: u64,
    /// Those of them that were no repair packets, or more than belong to as many packets.
    pub refused: u64,
    /// Packets that were given back.
    pub recovered: u64,
}

/// Knows the packets that came, and one equation for each repair packet that says something about others.
///
/// The equations are kept solved as far as they can be: each has a packet of its own that stands in no other. One that has only
/// that packet left gives it back.
#[derive(Debug, Default)]
pub struct RlcDecoder {
    sequence_numbers: SequenceUnwrapper,
    known: BTreeMap<u64, SourcePacket>,
    equations: Vec<Equation>,
    recovered: VecDeque<SourcePacket>,
    newest: u64,
    /// How many more repair packets are looked at.
    credit: u32,
    counters: RlcCounters,
}

#[derive(Debug)]
struct Equation {
    /// The factors of the packets that are not known; the first one is the equation's own.
    unknown: BTreeMap<u64, u8>,
    sum: Vec<u8>,
}

impl RlcDecoder {
    /// How far back from the newest packet others are kept: a window, and what may be behind by reordering.
    const MAX_AGE: u64 = 2 * MAX_WINDOW as u64;
    /// What is further behind is no late packet.
    const MAX_JUMP: u64 = 4096;
    /// More packets than that cannot be missing in a window of use.
    pub(super) const MAX_EQUATIONS: usize = 48;
    /// No repair packet is longer.
    const MAX_SUM_BYTES: usize = 1500;
    /// So many repair packets are looked at for each packet that came, and that many at once: who sends more wants us to work.
    const CREDIT_PER_PACKET: u32 = 2;
    const MAX_CREDIT: u32 = 128;

    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// A packet of the stream arrived: for the first time, again, or as a retransmission.
    pub fn on_packet(&mut self, packet: SourcePacket) {
        self.credit = (self.credit + Self::CREDIT_PER_PACKET).min(Self::MAX_CREDIT);
        let number = self.unwrap(packet.sequence_number);
        let distance = number.abs_diff(self.newest);
        if distance > Self::MAX_AGE && !self.known.is_empty() {
            if number < self.newest && distance <= Self::MAX_JUMP {
                return;
            }
            // After a long gap, or when the sender began anew, nothing from before counts.
            self.known.clear();
            self.equations.clear();
            self.newest = number;
        }
        self.newest = self.newest.max(number);
        self.learn(number, packet);
        self.forget_old();
        self.give_back_what_is_solved();
    }

    /// A repair packet arrived. Returns the sequence number of the newest packet that it stands for, or `None` if it is none.
    pub fn on_repair(&mut self, repair: &[u8]) -> Option<u16> {
        self.counters.repairs += 1;
        let newest = self.read(repair);
        if newest.is_none() {
            self.counters.refused += 1;
        }
        newest
    }

    /// The next packet that was lost and is here again.
    pub fn poll_output(&mut self) -> Option<SourcePacket> {
        self.recovered.pop_front()
    }

    /// What has happened so far.
    pub const fn counters(&self) -> RlcCounters {
        self.counters
    }

    fn read(&mut self, repair: &[u8]) -> Option<u16> {
        let ([k0, k1, f0, f1, count], sum) = repair.split_first_chunk::<HEADER_BYTES>()?;
        let count = usize::from(*count);
        let is_sane = (1..=MAX_WINDOW).contains(&count) && sum.len() <= Self::MAX_SUM_BYTES;
        if !is_sane || self.known.is_empty() || self.credit == 0 {
            return None;
        }
        let first_number = u16::from_be_bytes([*f0, *f1]);
        let first = self.sequence_numbers.peek(first_number.into());
        let last = first + (count - 1) as u64;
        // Far from all that came: a later packet will tell whether the sender began anew.
        if last.abs_diff(self.newest) > MAX_WINDOW as u64 {
            return None;
        }
        self.credit -= 1;
        let mut equation = Equation {
            unknown: BTreeMap::new(),
            sum: sum.to_vec(),
        };
        let key = u16::from_be_bytes([*k0, *k1]);
        let oldest = self.newest.saturating_sub(Self::MAX_AGE);
        for (number, factor) in (first..=last).zip(coefficients(key)) {
            match self.known.get(&number) {
                Some(packet) => packet.add_to(&mut equation.sum, factor),
                // What is forgotten can be neither taken out nor solved for.
                None if number < oldest => return Some(last as u16),
                None => {
                    equation.unknown.insert(number, factor);
                }
            }
        }
        self.add(equation);
        self.give_back_what_is_solved();
        Some(last as u16)
    }

    /// Takes an equation in and keeps all of them solved.
    fn add(&mut self, mut equation: Equation) {
        for other in &self.equations {
            equation.eliminate(other);
        }
        let Some(own) = equation.normalise() else {
            return;
        };
        if self.equations.len() == Self::MAX_EQUATIONS {
            self.equations.remove(0);
        }
        for other in &mut self.equations {
            other.eliminate_own(own, &equation);
        }
        self.equations.push(equation);
    }

    /// A packet is known from now on: it leaves all equations.
    fn learn(&mut self, number: u64, packet: SourcePacket) {
        if self.known.contains_key(&number) {
            return;
        }
        let mut orphaned = None;
        for (index, equation) in self.equations.iter_mut().enumerate() {
            let is_own = equation.own() == Some(number);
            if let Some(factor) = equation.unknown.remove(&number) {
                packet.add_to(&mut equation.sum, factor);
                if is_own {
                    orphaned = Some(index);
                }
            }
        }
        self.known.insert(number, packet);
        if let Some(index) = orphaned {
            let equation = self.equations.remove(index);
            self.add(equation);
        }
    }

    fn give_back_what_is_solved(&mut self) {
        while let Some(index) = self
            .equations
            .iter()
            .position(|equation| equation.unknown.len() == 1)
        {
            let equation = self.equations.remove(index);
            let Some(number) = equation.own() else {
                continue;
            };
            // Of whoever made that up, no equation is worth anything.
            let Some(packet) = SourcePacket::read(number as u16, &equation.sum) else {
                self.equations.clear();
                return;
            };
            self.counters.recovered += 1;
            self.recovered.push_back(packet.clone());
            self.learn(number, packet);
        }
    }

    fn forget_old(&mut self) {
        let oldest = self.newest.saturating_sub(Self::MAX_AGE);
        if self
            .known
            .first_key_value()
            .is_some_and(|(number, _)| *number < oldest)
        {
            self.known = self.known.split_off(&oldest);
        }
        self.equations
            .retain(|equation| equation.unknown.keys().all(|number| *number >= oldest));
    }

    fn unwrap(&mut self, sequence_number: u16) -> u64 {
        self.sequence_numbers.unwrap(sequence_number.into())
    }
}

impl Equation {
    /// The packet that stands in no other equation.
    fn own(&self) -> Option<u64> {
        self.unknown.first_key_value().map(|(number, _)| *number)
    }

    /// Takes out the own packet of another equation, in which that has the factor 1.
    fn eliminate(&mut self, other: &Self) {
        if let Some(own) = other.own() {
            self.eliminate_own(own, other);
        }
    }

    fn eliminate_own(&mut self, own: u64, other: &Self) {
        let Some(factor) = self.unknown.get(&own).copied() else {
            return;
        };
        for (number, coefficient) in &other.unknown {
            let product = field::multiply(factor, *coefficient);
            let sum = self.unknown.entry(*number).or_insert(0);
            *sum ^= product;
            if *sum == 0 {
                self.unknown.remove(number);
            }
        }
        if self.sum.len() < other.sum.len() {
            self.sum.resize(other.sum.len(), 0);
        }
        field::add_multiple(&mut self.sum, factor, &other.sum);
    }

    /// Makes the factor of its own packet 1. `None` if it says nothing.
    fn normalise(&mut self) -> Option<u64> {
        let (own, factor) = self
            .unknown
            .first_key_value()
            .map(|(own, factor)| (*own, *factor))?;
        let inverse = field::invert(factor);
        for coefficient in self.unknown.values_mut() {
            *coefficient = field::multiply(*coefficient, inverse);
        }
        field::scale(&mut self.sum, inverse);
        Some(own)
    }
}

#[cfg(test)]
impl RlcDecoder {
    /// Fails if it holds more than it should, or if its equations are not solved as far as they can be.
    pub(super) fn assert_bounded(&self) {
        assert!(self.known.len() as u64 <= Self::MAX_AGE + 1);
        assert!(self.equations.len() <= Self::MAX_EQUATIONS);
        for equation in &self.equations {
            assert!(equation.unknown.len() > 1 && equation.unknown.len() <= 4 * MAX_WINDOW);
            assert!(equation.sum.len() <= Self::MAX_SUM_BYTES);
            let own = equation.own().expect("it has unknowns");
            assert_eq!(equation.unknown[&own], 1);
            let holders = self
                .equations
                .iter()
                .filter(|other| other.unknown.contains_key(&own));
            assert_eq!(holders.count(), 1);
        }
    }
}

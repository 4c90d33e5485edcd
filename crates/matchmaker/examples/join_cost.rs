//! What joining costs with a thousand to a million people who wait already.
//!
//! `cargo run --release -p matchmaker --example join_cost`. Those who wait hold out for interests that others have, too, but
//! only others who speak another language, so that nobody can be paired. Then people come who find a partner at once, and people who
//! find none. The sizes take turns within one run, so that a busy machine is unfair to all of them alike; what counts is the ratio.

use std::{
    collections::HashMap,
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use matchmaker::{Config, Input, Matchmaker, Output, PeerId, Widening, Wishes};
use protocol::RoomId;
use simulation::Random;

const SIZES: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
const ROUNDS: usize = 9;
const JOINS: u64 = 20_000;
/// The longest that a join may take, whatever becomes of it and however many wait.
const GOAL: Duration = Duration::from_micros(5);
/// About as many places as a join looks into.
const LOOKS: usize = 16;

struct Hall {
    matchmaker: Matchmaker<Box<dyn FnMut() -> RoomId>>,
    /// A plain map of as many entries: what looking into it costs is what this machine's memory costs.
    yardstick: HashMap<u64, u64>,
    waiting: u64,
    next: u64,
    now: Instant,
    random: Random,
}

/// Nanoseconds of each call, by kind. What counts is the median: a call during which another program ran says nothing.
#[derive(Default)]
struct Costs {
    joins_and_waits: Vec<f64>,
    joins_and_is_matched: Vec<f64>,
    looks_into_map: Vec<f64>,
}

fn main() -> ExitCode {
    let mut halls: Vec<(Hall, Costs)> = Vec::new();
    for size in SIZES {
        let start = Instant::now();
        let hall = Hall::with(size);
        let (wait, each) = (
            start.elapsed(),
            start.elapsed().as_secs_f64() * 1e6 / size as f64,
        );
        println!("{size} wait, after {wait:.1?}: {each:.2} us each");
        halls.push((hall, Costs::default()));
    }
    for _ in 0..ROUNDS {
        for (hall, costs) in &mut halls {
            hall.measure(costs);
        }
    }
    println!(
        "\n| wait already | join, and wait | ratio | join, and is matched | ratio | {LOOKS} looks into a plain map of that size | ratio |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    let mut first = None;
    let mut is_reached = true;
    for (hall, costs) in &mut halls {
        let now = [
            median(&mut costs.joins_and_waits),
            median(&mut costs.joins_and_is_matched),
            median(&mut costs.looks_into_map),
        ];
        let first = *first.get_or_insert(now);
        is_reached &= now[0].max(now[1]) <= GOAL.as_nanos() as f64;
        let cells = now.iter().zip(first).map(|(cost, first)| {
            let us = cost / 1e3;
            format!(" {us:.2} us | {:.1} |", cost / first)
        });
        println!("| {} |{}", hall.waiting, cells.collect::<String>());
    }
    if is_reached {
        ExitCode::SUCCESS
    } else {
        println!("\nThe goal of {GOAL:?} is missed.");
        ExitCode::FAILURE
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl Hall {
    fn with(waiting: u64) -> Self {
        let mut last = 0_u128;
        let names = move || {
            last += 1;
            RoomId::from_bytes(last.to_be_bytes())
        };
        let hour = Duration::from_hours(1);
        let config = Config {
            hold_for_interest: hour,
            hold_for_language: hour,
            hold_for_new: hour,
            widening: Widening::Fixed,
            ..Config::default()
        };
        let mut hall = Self {
            matchmaker: Matchmaker::new(config, Box::new(names)),
            yardstick: (0..waiting).map(|number| (number, number)).collect(),
            waiting,
            next: 10,
            now: Instant::now(),
            random: Random::new(waiting),
        };
        // Somebody is in a room, or nobody would hold out.
        for peer in [1, 2] {
            hall.tell(join(peer, [0, 1, 2], "xx"));
        }
        for number in 0..waiting {
            let peer = hall.newcomer();
            let language = ["fr", "de", "it"][(number % 3) as usize];
            hall.tell(join(peer, likes(number), language));
        }
        assert_eq!(hall.matchmaker.waiting_count() as u64, waiting);
        hall
    }

    const fn newcomer(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Who was matched by it, if anybody.
    fn tell(&mut self, input: Input) -> Option<(PeerId, PeerId)> {
        self.matchmaker.handle(input, self.now);
        let mut pair = None;
        while let Some(output) = self.matchmaker.poll_output() {
            if let Output::TellMatched {
                offerer, answerer, ..
            } = black_box(output)
            {
                pair = Some((offerer, answerer));
            }
        }
        pair
    }

    fn measure(&mut self, costs: &mut Costs) {
        for _ in 0..JOINS {
            let keys: [u64; LOOKS] = std::array::from_fn(|_| self.random.below(self.waiting));
            let begun = Instant::now();
            for key in keys {
                black_box(self.yardstick.get(&key));
            }
            costs.looks_into_map.push(begun.elapsed().as_nanos() as f64);

            // One who speaks French.
            let about = self.random.below(self.waiting / 3) * 3;
            let peer = self.newcomer();
            // An interest that others have, but not in this language: nobody is found.
            let asks = join(peer, likes(about), "es");
            let begun = Instant::now();
            let pair = self.tell(asks);
            costs
                .joins_and_waits
                .push(begun.elapsed().as_nanos() as f64);
            assert_eq!(pair, None);
            self.tell(Input::Disconnected { peer: PeerId(peer) });

            let peer = self.newcomer();
            let asks = join(peer, likes(about), "fr");
            let begun = Instant::now();
            let pair = self.tell(asks);
            costs
                .joins_and_is_matched
                .push(begun.elapsed().as_nanos() as f64);
            let (_, found) = pair.expect("one with the same interests waits");
            // Whoever was found is replaced by another one like him.
            for peer in [PeerId(peer), found] {
                self.tell(Input::Disconnected { peer });
            }
            let peer = self.newcomer();
            self.tell(join(peer, likes(about), "fr"));
        }
    }
}

/// What the `number`-th likes. Four others like some of it, and speak other languages.
const fn likes(number: u64) -> [u64; 3] {
    [number, number + 1, number + 2]
}

fn join(peer: u64, interests: [u64; 3], language: &str) -> Input {
    let interests = interests.map(|number| format!("interest {number}"));
    Input::JoinAsked {
        peer: PeerId(peer),
        wishes: Wishes::new(&interests, Some(language)),
    }
}

//! How long people wait and how well they are matched, with widening as expected and with fixed times, side by side.
//!
//! `simulate FOLDER` writes the tables into `FOLDER/matching.md` and the charts into `FOLDER/plots`. The same seeds give the same
//! figures every time.

mod crowd;
mod plot;

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use crowd::{Crowd, Habits, Seen};
use matchmaker::{Config, Widening};
use plot::{Axis, Chart, Line};

const POPULATIONS: [u64; 6] = [2, 10, 50, 200, 2_000, 20_000];
/// Between these lines of the page are the tables.
const BEGIN: &str = "<!-- Written by `cargo xtask simulate`. -->";
const END: &str = "<!-- End of what is written. -->";
/// People and seconds that are simulated for each row, together.
const PERSON_SECONDS: u64 = 4_000_000;
const SHORTEST_S: u64 = 400;
const LONGEST_S: u64 = 200_000;
const WARM_UP: Duration = Duration::from_mins(3);
const EVENTS: u64 = 1_000_000;

/// What is compared: the default, and what was there before it, longer and shorter.
fn policies() -> [(&'static str, Config); 4] {
    [
        ("as expected", Config::default()),
        ("fixed 1 s", fixed(1.0)),
        ("fixed 3 s", fixed(3.0)),
        ("fixed 5 s", fixed(5.0)),
    ]
}

/// Holds out for an interest this long, and 3 s more for the rest.
fn fixed(interest_s: f64) -> Config {
    Config {
        widening: Widening::Fixed,
        hold_for_interest: Duration::from_secs_f64(interest_s),
        hold_for_language: Duration::from_secs(3),
        hold_for_new: Duration::from_secs(3),
        ..Config::default()
    }
}

fn as_expected(interest_s: f64) -> Config {
    Config {
        hold_for_interest: Duration::from_secs_f64(interest_s),
        ..Config::default()
    }
}

const fn habits(people: u64) -> Habits {
    Habits {
        people,
        interests: 2_000,
        languages: 8,
    }
}

fn simulate(config: Config, people: u64) -> Seen {
    let counted = Duration::from_secs((PERSON_SECONDS / people).clamp(SHORTEST_S, LONGEST_S));
    Crowd::new(config, habits(people), people).run(WARM_UP, counted)
}

fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

fn main() -> Result<(), String> {
    let folder = std::env::args()
        .nth(1)
        .ok_or("simulate FOLDER: the folder of the pages")?;
    let folder = Path::new(&folder);
    let mut tables = String::new();

    let mut waits = policies().map(|(name, _)| line(name));
    let mut interests = policies().map(|(name, _)| line(name));
    put(
        &mut tables,
        "| people | widening | matches | wait: mean | p50 | p95 | p99 | share an interest | understand each other | met before | gave up |",
    );
    put(
        &mut tables,
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    );
    for people in POPULATIONS {
        for (at, (name, config)) in policies().into_iter().enumerate() {
            let seen = simulate(config, people);
            put(&mut tables, &row(people, name, &seen));
            waits[at]
                .points
                .push((people as f64, seen.mean_wait().as_secs_f64()));
            let shared = percent(seen.shared, seen.with_interests);
            interests[at].points.push((people as f64, shared));
        }
    }

    put(&mut tables, "");
    put(
        &mut tables,
        "| people | widening | limit for an interest | wait: mean | p95 | share an interest | understand each other |",
    );
    put(&mut tables, "|---:|---|---:|---:|---:|---:|---:|");
    let mut trades = Vec::new();
    for people in [200, 2_000] {
        for (name, make) in [
            ("as expected", as_expected as fn(f64) -> Config),
            ("fixed", fixed),
        ] {
            let mut trade = line(&format!("{people}, {name}"));
            for limit in [0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0] {
                let seen = simulate(make(limit), people);
                put(&mut tables, &trade_row(people, name, limit, &seen));
                let shared = percent(seen.shared, seen.with_interests);
                trade.points.push((seen.mean_wait().as_secs_f64(), shared));
            }
            trades.push(trade);
        }
    }

    put(&mut tables, "");
    for people in [10, 200, 5_000] {
        let longest = Config::default().longest_hold();
        let crowd = Crowd::new(Config::default(), habits(people), people);
        let (seen, stranded) = crowd.run_events(EVENTS, longest);
        assert_eq!((stranded, seen.blocked), (0, 0), "the rules are broken");
        put(
            &mut tables,
            &format!(
                "- {people} people, {} events, {} matches: {stranded} stranded, {} blocked pairs matched.",
                seen.events, seen.matches, seen.blocked
            ),
        );
    }

    print!("{tables}");
    let marks = |marks: &[f64]| marks.to_vec();
    let populations = || Axis {
        name: "people online",
        marks: POPULATIONS.map(|people| people as f64).to_vec(),
        is_logarithmic: true,
    };
    let linear = |name, marks| Axis {
        name,
        marks,
        is_logarithmic: false,
    };
    let share = "pairs that share an interest, of 100 that could";
    let hundred = || marks(&[0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
    let charts = [
        Chart {
            title: "How long people wait",
            x: populations(),
            y: linear(
                "mean wait in seconds",
                marks(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
            ),
            lines: waits.into(),
        },
        Chart {
            title: "How well they are matched",
            x: populations(),
            y: linear(share, hundred()),
            lines: interests.into(),
        },
        Chart {
            title: "What waiting buys",
            x: linear(
                "mean wait in seconds",
                marks(&[0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]),
            ),
            y: linear(share, hundred()),
            lines: trades,
        },
    ];
    let names = ["matching-waits", "matching-interests", "matching-trade"];
    let plots = folder.join("plots");
    fs::create_dir_all(&plots).map_err(|error| format!("{}: {error}", plots.display()))?;
    for (name, chart) in names.iter().zip(charts) {
        write(&plots.join(format!("{name}.svg")), &chart.svg())?;
    }
    let page = folder.join("matching.md");
    let text = fs::read_to_string(&page).map_err(|error| format!("{}: {error}", page.display()))?;
    let (before, rest) = text
        .split_once(BEGIN)
        .ok_or("the page has no place for tables")?;
    let (_, after) = rest
        .split_once(END)
        .ok_or("the place for tables has no end")?;
    write(&page, &format!("{before}{BEGIN}\n\n{tables}\n{END}{after}"))
}

fn line(name: &str) -> Line {
    Line {
        name: name.to_owned(),
        points: Vec::new(),
    }
}

fn row(people: u64, name: &str, seen: &Seen) -> String {
    let wait = |share| seen.wait(share).as_secs_f64();
    format!(
        "| {people} | {name} | {} | {:.2} s | {:.2} s | {:.2} s | {:.2} s | {:.0} % | {:.0} % | {:.1} % | {:.1} % |",
        seen.matches,
        seen.mean_wait().as_secs_f64(),
        wait(0.5),
        wait(0.95),
        wait(0.99),
        percent(seen.shared, seen.with_interests),
        percent(seen.understood, seen.with_languages),
        percent(seen.again, seen.matches),
        percent(seen.gave_up, seen.gave_up + 2 * seen.matches),
    )
}

fn trade_row(people: u64, name: &str, limit: f64, seen: &Seen) -> String {
    format!(
        "| {people} | {name} | {limit} s | {:.2} s | {:.2} s | {:.1} % | {:.1} % |",
        seen.mean_wait().as_secs_f64(),
        seen.wait(0.95).as_secs_f64(),
        percent(seen.shared, seen.with_interests),
        percent(seen.understood, seen.with_languages),
    )
}

fn put(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a string takes everything");
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

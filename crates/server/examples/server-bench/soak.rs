//! An hour of people coming, going, pressing Next and vanishing, in minutes; and the server is started anew under them.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use protocol::{ClientMessage, Role};
use simulation::Random;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    client::{Client, Target},
    report::{Goal, Report, median},
    servers::{Kind, Process},
};

const PEOPLE: u32 = 300;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Whoever waits longer than this, with a server that is up, is stranded: nobody is to be waited for longer than six seconds, and
/// one who is matched with somebody who has vanished asks again after ten.
const STRANDED: Duration = Duration::from_secs(20);
/// How long one hears nothing of a partner before pressing Next.
const FED_UP: Duration = Duration::from_secs(10);
/// How long one who vanishes without a word keeps the socket: longer than the server puts up with.
const SILENT: Duration = Duration::from_secs(35);
/// How many of such silent ones there are in a thousand calls.
const SILENT_PER_MILLE: u64 = 5;
/// How long it takes the server to forget those who are gone.
const FORGET: Duration = Duration::from_mins(1);
/// Which part of the time is over when the server is started anew, first and again.
const RESTARTS: [f64; 2] = [0.1, 0.2];
/// How much larger memory may be at the end: it is measured in whole pages, and a few people more or less are there.
const GROWTH: f64 = 1.05;

/// What happened.
#[derive(Default)]
struct Tally {
    pairings: AtomicU64,
    vanished: AtomicU64,
    reconnects: AtomicU64,
    /// Who waited for too long.
    stranded: AtomicU64,
    /// The longest wait, in milliseconds.
    longest: AtomicU64,
    is_over: AtomicBool,
    /// When the server came up last; `None` while it is down.
    up_since: Mutex<Option<Instant>>,
}

impl Tally {
    fn up_since(&self) -> Option<Instant> {
        *self.up_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_up(&self, is_up: bool) {
        *self.up_since.lock().unwrap_or_else(PoisonError::into_inner) = is_up.then(Instant::now);
    }

    /// Somebody has waited since then; whether that was for too long.
    fn note_wait(&self, since: Instant) -> bool {
        let Some(up_since) = self.up_since() else {
            return false;
        };
        let waited = since.max(up_since).elapsed();
        self.longest.fetch_max(waited.as_millis() as u64, Relaxed);
        waited > STRANDED
    }
}

pub(crate) async fn measure(seconds: u64, report: &mut Report) -> anyhow::Result<()> {
    let mut process = Process::start(Kind::Ours, 0, None)?;
    let addr = process.addr;
    let empty = process.files()?;
    let tally = Arc::new(Tally::default());
    tally.set_up(true);
    let mut people = JoinSet::new();
    for number in 0..PEOPLE {
        let target = Target { addr, tls: None };
        let tally = Arc::clone(&tally);
        people.spawn(live(target, number, tally));
    }
    let (start, time) = (Instant::now(), Duration::from_secs(seconds));
    let mut restarts = RESTARTS
        .map(|part| time.mul_f64(part))
        .into_iter()
        .peekable();
    let mut memory = Vec::new();
    while start.elapsed() < time {
        if restarts.next_if(|at| *at <= start.elapsed()).is_some() {
            eprintln!("soak: the server is started anew");
            tally.set_up(false);
            process.terminate()?;
            process = Process::start(Kind::Ours, addr.port(), None)?;
            tally.set_up(true);
            memory.clear();
        }
        sleep(LOOK).await;
        memory.push(process.memory()? as f64 / 1024.0);
        if memory.len().is_multiple_of(30) {
            eprintln!(
                "soak: {:.0?}, {:.0} KiB",
                start.elapsed(),
                memory[memory.len() - 1]
            );
        }
    }
    tally.is_over.store(true, Relaxed);
    let until = Instant::now() + FORGET + STRANDED;
    while let Ok(Some(ended)) = timeout(
        until.saturating_duration_since(Instant::now()),
        people.join_next(),
    )
    .await
    {
        ended?;
    }
    let until = Instant::now() + FORGET;
    let mut left_open = process.files()?.saturating_sub(empty);
    while left_open > 0 && Instant::now() < until {
        sleep(LOOK).await;
        left_open = process.files()?.saturating_sub(empty);
    }

    let get = |figure: &AtomicU64| figure.load(Relaxed) as f64;
    let quarter = memory.len() / 4;
    let [early, late] =
        [&memory[quarter..2 * quarter], &memory[3 * quarter..]].map(|part| median(part.to_vec()));
    let note = format!(
        "{PEOPLE} people, {seconds} s, started anew {} times",
        RESTARTS.len()
    );
    report.row(
        &format!("soak: pairings ({note})"),
        Some(get(&tally.pairings)),
        None,
        Goal::None,
    );
    report.row(
        "soak: people who vanished without a word, or mid-call",
        Some(get(&tally.vanished)),
        None,
        Goal::None,
    );
    report.row(
        "soak: connections made again",
        Some(get(&tally.reconnects)),
        None,
        Goal::None,
    );
    report.row(
        "soak: longest wait, s",
        Some(get(&tally.longest) / 1e3),
        None,
        Goal::None,
    );
    report.row(
        "soak: stranded",
        Some(get(&tally.stranded)),
        None,
        Goal::AtMost(0.0),
    );
    report.row(
        "soak: memory late over early",
        Some(late / early),
        None,
        Goal::AtMost(GROWTH),
    );
    report.row(
        "soak: files open after everybody went",
        Some(left_open as f64),
        None,
        Goal::AtMost(0.0),
    );
    Ok(())
}

/// One person, who comes back each time.
async fn live(target: Target, number: u32, tally: Arc<Tally>) {
    let mut random = Random::new(number.into());
    while !tally.is_over.load(Relaxed) {
        let Ok(client) = Client::connect(&target, number).await else {
            // The server is down for a moment.
            sleep(Duration::from_millis(100 + random.below(400))).await;
            continue;
        };
        tally.reconnects.fetch_add(1, Relaxed);
        // Whatever ends a visit: one comes again.
        drop(visit(client, &mut random, &tally).await);
    }
}

/// Calls until one leaves, vanishes or is thrown out.
async fn visit(mut client: Client, random: &mut Random, tally: &Tally) -> anyhow::Result<()> {
    client.join().await?;
    loop {
        let asked = Instant::now();
        let met = loop {
            tokio::select! {
                met = client.meet() => break met?,
                () = sleep(LOOK) => {
                    if tally.note_wait(asked) {
                        tally.stranded.fetch_add(1, Relaxed);
                        anyhow::bail!("stranded");
                    }
                    if tally.is_over.load(Relaxed) {
                        return client.close().await;
                    }
                }
            }
        };
        tally.note_wait(asked);
        let is_whole = timeout(FED_UP, client.exchange(met)).await;
        if matches!(is_whole, Ok(Ok(true))) && met.role == Role::Offerer {
            tally.pairings.fetch_add(1, Relaxed);
        }
        let talk = Duration::from_millis(random.below(1500));
        let is_left = timeout(talk, client.until_left(met.room)).await;
        if let Ok(Err(error)) = is_left {
            return Err(error);
        }
        match random.below(1000) {
            dice if dice < SILENT_PER_MILLE => {
                tally.vanished.fetch_add(1, Relaxed);
                // It neither reads nor answers.
                sleep(SILENT).await;
                return Ok(());
            }
            dice if dice < 50 => {
                tally.vanished.fetch_add(1, Relaxed);
                return Ok(());
            }
            dice if dice < 150 => return client.close().await,
            dice if dice < 250 => {
                client.say(&ClientMessage::Leave { room: None }).await?;
                sleep(Duration::from_millis(random.below(500))).await;
                client.join().await?;
            }
            _ => client.next(is_left.is_err().then_some(met.room)).await?,
        }
        if tally.is_over.load(Relaxed) {
            return client.close().await;
        }
    }
}

//! What a connection takes of the server's memory: idle, and after one exchange of descriptions.

use std::{pin::pin, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
    time::sleep,
};

use crate::{
    Bench,
    client::{Client, Target},
    report::{Goal, Report},
    servers::{Kind, Process, file_limits},
};

/// How many connect first, so that what is needed only once is not counted.
const FIRST: usize = 100;
/// How many are on their way in at once.
const AT_ONCE: usize = 64;
/// How many pairs exchange descriptions at once.
const PAIRS_AT_ONCE: usize = 50;
/// Files that a server and this program need for other things.
const OTHER_FILES: usize = 150;
/// How long it is quiet before memory is looked at: longer than it takes until the client has confirmed what it has.
const QUIET: Duration = Duration::from_secs(12);

/// KiB for each connection.
struct Taken {
    idle: f64,
    after_exchange: f64,
}

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let (_, most) = file_limits()?;
    let mut counts: Vec<usize> = (bench.flags.connections.iter().copied())
        .filter(|count| FIRST < *count && count + OTHER_FILES <= most)
        .collect();
    if bench.flags.connections.is_empty() {
        let most = most.saturating_sub(OTHER_FILES);
        counts = [10_000, most].into();
        counts.retain(|count| FIRST < *count && *count <= most);
        counts.dedup();
    }
    anyhow::ensure!(
        !counts.is_empty(),
        "this machine lets a process have {most} files only"
    );
    for count in counts {
        for (name, has_tls, idle_goal, exchange_goal) in
            [("plain", false, 6.5, Some(7.5)), ("TLS", true, 12.0, None)]
        {
            let mut taken = Vec::new();
            for kind in Kind::BOTH {
                eprintln!("memory: {count} connections to {kind}, {name}");
                taken.push(measure_one(bench, kind, has_tls, count).await?);
            }
            let [ours, bare] = &taken[..] else {
                unreachable!("there are two kinds")
            };
            report.row(
                &format!("KiB per idle connection, {name}, {count} of them"),
                Some(ours.idle),
                Some(bare.idle),
                Goal::AtMost(idle_goal),
            );
            report.row(
                &format!("KiB per connection after one exchange, {name}, {count} of them"),
                Some(ours.after_exchange),
                Some(bare.after_exchange),
                exchange_goal.map_or(Goal::None, Goal::AtMost),
            );
        }
    }
    Ok(())
}

async fn measure_one(
    bench: &Bench,
    kind: Kind,
    has_tls: bool,
    count: usize,
) -> anyhow::Result<Taken> {
    let certificate = has_tls.then_some(&bench.certificate);
    let process = Process::start(kind, 0, certificate)?;
    let target = Target {
        addr: process.addr,
        tls: certificate
            .map(crate::certificate::Certificate::client_config)
            .transpose()?,
    };
    let mut first = Crowd::come(&target, 0, FIRST);
    first.all_are_done(&mut Crowd::none()).await?;
    sleep(QUIET).await;
    let before = process.memory()?;
    let each = |now: u64| now.saturating_sub(before) as f64 / 1024.0 / (count - FIRST) as f64;

    let mut others = Crowd::come(&target, FIRST, count - FIRST);
    others.all_are_done(&mut first).await?;
    sleep(QUIET).await;
    let idle = each(process.memory()?);

    others.talk.send(true)?;
    others.all_are_done(&mut first).await?;
    sleep(QUIET).await;
    let after_exchange = each(process.memory()?);
    Ok(Taken {
        idle,
        after_exchange,
    })
}

/// Clients that answer pings, each in a task of its own. Dropping it drops them.
struct Crowd {
    tasks: JoinSet<anyhow::Result<()>>,
    count: usize,
    /// Each says when it has come, and when it has talked.
    done: mpsc::Receiver<()>,
    talk: watch::Sender<bool>,
}

impl Crowd {
    fn none() -> Self {
        let (done, (talk, _)) = (mpsc::channel(1).1, watch::channel(false));
        Self {
            tasks: JoinSet::new(),
            count: 0,
            done,
            talk,
        }
    }

    fn come(target: &Target, from: usize, count: usize) -> Self {
        let (tell, done) = mpsc::channel(AT_ONCE);
        let (talk, is_time) = watch::channel(false);
        let (doors, turns) = (Semaphore::new(AT_ONCE), Semaphore::new(2 * PAIRS_AT_ONCE));
        let (doors, turns) = (Arc::new(doors), Arc::new(turns));
        let mut tasks = JoinSet::new();
        for number in from..from + count {
            let visit = Visit {
                target: target.clone(),
                number: number as u32,
                doors: Arc::clone(&doors),
                turns: Arc::clone(&turns),
                is_time: is_time.clone(),
                done: tell.clone(),
            };
            tasks.spawn(visit.live());
        }
        Self {
            tasks,
            count,
            done,
            talk,
        }
    }

    /// Waits until each has said once more that it is done. Whoever is lost meanwhile, here or among `others`, ends it.
    async fn all_are_done(&mut self, others: &mut Self) -> anyhow::Result<()> {
        for _ in 0..self.count {
            tokio::select! {
                Some(()) = self.done.recv() => {}
                Some(ended) = self.tasks.join_next() => return ended?.context("a client ended"),
                Some(ended) = others.tasks.join_next() => return ended?.context("a client ended"),
                else => anyhow::bail!("all clients ended"),
            }
        }
        Ok(())
    }
}

/// What one client does.
struct Visit {
    target: Target,
    number: u32,
    /// For those on their way in.
    doors: Arc<Semaphore>,
    /// For those who talk: few at a time, as in life.
    turns: Arc<Semaphore>,
    is_time: watch::Receiver<bool>,
    done: mpsc::Sender<()>,
}

impl Visit {
    /// Comes, exchanges descriptions with somebody when it is time, and stays.
    async fn live(mut self) -> anyhow::Result<()> {
        let door = self.doors.acquire().await?;
        let mut client = Client::connect(&self.target, self.number).await?;
        drop(door);
        self.done.send(()).await?;
        let turn = async {
            self.is_time.wait_for(|is_time| *is_time).await?;
            Ok(self.turns.acquire().await?)
        };
        let turn = answer_until(&mut client, turn).await?;
        client.join().await?;
        let met = client.meet().await?;
        anyhow::ensure!(client.exchange(met).await?, "the partner went away");
        drop(turn);
        let done = async { Ok(self.done.send(()).await?) };
        answer_until(&mut client, done).await?;
        answer_until(&mut client, std::future::pending()).await
    }
}

/// Answers pings until `over`.
async fn answer_until<T>(
    client: &mut Client,
    over: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let mut over = pin!(over);
    loop {
        tokio::select! {
            is_over = &mut over => return is_over,
            heard = client.hear() => drop(heard?),
        }
    }
}

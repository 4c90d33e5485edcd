//! How many pairs a second several servers make over one Redis, and what each costs it.
//!
//! The servers are [`Node`]s with their shells in this process, without hubs and `WebSockets`; nobody is matched at home. Everybody asks,
//! meets somebody, leaves at once and asks again. A judge hears of everybody who enters a room.
//!
//! And how soon all know what one has decided (`facts`), which `--only-facts` measures alone.

use std::{
    collections::{BTreeMap, HashMap},
    net::{Ipv4Addr, TcpListener},
    process::{Child, Command, ExitCode, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use clap::Parser;
use cluster::{
    Acceptance, Answer, Holds, Introduction, Node, NodeId, Output, Tag, Ticket, Wish,
    redis::{Membership, News, Order, run},
};
use matchmaker::PeerId;
use protocol::{LeaveReason, RoomId};
use simulation::Random;
use tokio::sync::mpsc;

mod facts;

/// How many decisions are told after the runs of docs/scaling.md.
const DECISIONS: u64 = 1000;
/// How long it goes on after people have stopped to ask: longer than any time-out.
const AFTERWARDS: Duration = Duration::from_secs(8);

#[derive(Debug, Clone, Parser)]
struct Flags {
    /// How many servers. Without it, the runs of docs/scaling.md.
    #[arg(long, default_value_t = 0)]
    nodes: u64,
    /// Only how soon all know what one has decided.
    #[arg(long)]
    only_facts: bool,
    /// How many people at each.
    #[arg(long, default_value_t = 100)]
    people: u64,
    /// For how many seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How many interests there are, of which everybody has three, the first more often; 0: nobody has any.
    #[arg(long, default_value_t = 0)]
    interests: u64,
    /// The share of waits that are given up at once.
    #[arg(long, default_value_t = 0.0)]
    leave: f64,
}

/// What the judge has heard.
#[derive(Debug, Default)]
struct Judge {
    /// Who has entered which room.
    rooms: HashMap<RoomId, Vec<Tag>>,
    waits: Vec<Duration>,
    /// Who waits when all is over.
    waiting: Vec<Tag>,
    asked: u64,
    put_back: u64,
    refused: u64,
}

struct Server {
    node: Node<Box<dyn FnMut() -> RoomId + Send>>,
    orders: mpsc::Sender<Order>,
    judge: Arc<Mutex<Judge>>,
    people: BTreeMap<PeerId, Person>,
    random: Random,
    flags: Flags,
    is_over: bool,
}

struct Person {
    interests: Vec<String>,
    asked_at: Option<Instant>,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    if flags.only_facts {
        return ExitCode::from(u8::from(!facts::measure(DECISIONS).await));
    }
    let runs = match flags.nodes {
        0 => vec![
            (2, 100, 0, 0.0),
            (2, 100, 0, 0.3),
            (4, 100, 0, 0.0),
            (4, 200, 300, 0.0),
        ],
        nodes => vec![(nodes, flags.people, flags.interests, flags.leave)],
    };
    let mut is_good = true;
    for (nodes, people, interests, leave) in runs {
        let seconds = flags.seconds;
        let flags = Flags {
            nodes,
            only_facts: false,
            people,
            seconds,
            interests,
            leave,
        };
        is_good &= measure(flags).await;
    }
    if flags.nodes == 0 {
        is_good &= facts::measure(DECISIONS).await;
    }
    ExitCode::from(u8::from(!is_good))
}

/// One run. Whether nobody was alone in a room or stranded.
async fn measure(flags: Flags) -> bool {
    let redis = RedisServer::start();
    let judge = Arc::new(Mutex::new(Judge::default()));
    let mut servers = Vec::new();
    for number in 1..=flags.nodes {
        let me = NodeId(number);
        let (orders, news) = join(me, redis.port);
        let server = Server::new(me, orders, Arc::clone(&judge), flags.clone());
        servers.push(tokio::spawn(server.serve(news)));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let cpu_before = redis.cpu();
    tokio::time::sleep(Duration::from_secs(flags.seconds)).await;
    let cpu = redis.cpu().saturating_sub(cpu_before);
    for server in servers {
        server.await.expect("no server panics");
    }
    let mut judge = judge.lock().unwrap_or_else(PoisonError::into_inner);
    judge.tell(&flags, cpu)
}

/// The shell of a server that joins the others: what it is to carry out, and what it tells.
fn join(me: NodeId, port: u16) -> (mpsc::Sender<Order>, mpsc::Receiver<News>) {
    let membership = Membership {
        address: format!("redis://127.0.0.1:{port}")
            .parse()
            .expect("an address"),
        prefix: "bench".to_owned(),
        me,
        about_me: Arc::new(String::new),
    };
    let (orders, to_carry_out) = mpsc::channel(4096);
    let (tell, news) = mpsc::channel(1024);
    tokio::spawn(run(membership, to_carry_out, tell));
    (orders, news)
}

/// A Redis server that keeps nothing, and ends with the bench.
struct RedisServer {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl RedisServer {
    fn start() -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = free.local_addr().expect("bound").port();
        drop(free);
        let folder = tempfile::tempdir().expect("a folder");
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is there: apt-get install redis-server");
        Self {
            process,
            port,
            _folder: folder,
        }
    }

    /// The processor time that it has used (Linux).
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()));
        let stat = stat.unwrap_or_default();
        // After the name, which may hold anything: the state, ten figures, then utime and stime in hundredths of a second.
        let figures = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let ticks = figures.split(' ').skip(11).take(2);
        let ticks = ticks.filter_map(|it| it.parse::<u64>().ok());
        Duration::from_millis(10 * ticks.sum::<u64>())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if self.process.kill().is_ok() && self.process.wait().is_err() {
            eprintln!("redis-server cannot be waited for");
        }
    }
}

impl Judge {
    fn tell(&mut self, flags: &Flags, cpu: Duration) -> bool {
        let (mut pairs, mut one_sided, mut wrong) = (0, 0, 0);
        let rooms = std::mem::take(&mut self.rooms);
        for people in rooms.into_values() {
            match people[..] {
                [_] => one_sided += 1,
                [one, other] if one.node != other.node => pairs += 1,
                _ => wrong += 1,
            }
        }
        let mut at_each: BTreeMap<NodeId, usize> = BTreeMap::new();
        for who in &self.waiting {
            *at_each.entry(who.node).or_default() += 1;
        }
        // Those of one server do not meet here: nobody is matched at home.
        let most = at_each.values().max().copied().unwrap_or_default();
        let stranded = self.waiting.len() - most;
        self.waits.sort_unstable();
        let quantile = |part: f64| {
            let at = (self.waits.len() as f64 * part) as usize;
            self.waits
                .get(at)
                .map_or(0.0, |wait| wait.as_secs_f64() * 1e3)
        };
        println!(
            "nodes {}, people at each {}, interests {}, leave {}: {:.0} matches/s, wait p50 {:.1} ms, p99 {:.1} ms, \
             Redis {:.0} us of CPU per match, asked {:.2} times per match, put back {}, refused {}, one-sided {one_sided}, \
             stranded {stranded}, wrong {wrong}",
            flags.nodes,
            flags.people,
            flags.interests,
            flags.leave,
            f64::from(pairs) / flags.seconds as f64,
            quantile(0.5),
            quantile(0.99),
            cpu.as_secs_f64() * 1e6 / f64::from(pairs),
            self.asked as f64 / f64::from(pairs),
            self.put_back,
            self.refused,
        );
        one_sided + wrong == 0 && stranded == 0
    }
}

impl Server {
    fn new(
        me: NodeId,
        orders: mpsc::Sender<Order>,
        judge: Arc<Mutex<Judge>>,
        flags: Flags,
    ) -> Self {
        let mut random = Random::new(me.0);
        let mut rooms = 0_u64;
        let names = move || {
            rooms += 1;
            RoomId::from_bytes((u128::from(me.0) << 64 | u128::from(rooms)).to_be_bytes())
        };
        let people = (1..=flags.people).map(|peer| {
            let interests = (0..if flags.interests > 0 { 3 } else { 0 }).map(|_| {
                // The first ones are liked by many.
                let skewed = random.unit().powi(3) * flags.interests as f64;
                format!("interest {}", skewed as u64)
            });
            let mut interests: Vec<String> = interests.collect();
            interests.sort_unstable();
            interests.dedup();
            let asked_at = None;
            (
                PeerId(peer),
                Person {
                    interests,
                    asked_at,
                },
            )
        });
        let people = people.collect();
        Self {
            node: Node::new(me, Box::new(names) as Box<_>),
            orders,
            judge,
            people,
            random,
            flags,
            is_over: false,
        }
    }

    async fn serve(mut self, mut news: mpsc::Receiver<News>) {
        let ends =
            Instant::now() + Duration::from_millis(500) + Duration::from_secs(self.flags.seconds);
        for peer in 1..=self.flags.people {
            self.ask(PeerId(peer));
        }
        while Instant::now() < ends + AFTERWARDS {
            let due = self.node.poll_timeout().unwrap_or(ends + AFTERWARDS);
            let due = due.min(ends + AFTERWARDS);
            tokio::select! {
                it = news.recv() => self.on_news(it.expect("the shell is there")),
                () = tokio::time::sleep_until(due.into()) => {}
            }
            while let Ok(it) = news.try_recv() {
                self.on_news(it);
            }
            self.is_over = Instant::now() >= ends;
            self.node.on_timeout(Instant::now());
            while let Some(output) = self.node.poll_output(Instant::now()) {
                self.carry_out(output);
            }
        }
        let mut judge = self.judge.lock().unwrap_or_else(PoisonError::into_inner);
        let me = self.node.me();
        let waiting = self.people.iter().filter(|(_, it)| it.asked_at.is_some());
        judge.waiting.extend(waiting.map(|(peer, _)| Tag {
            node: me,
            peer: *peer,
        }));
    }

    fn on_news(&mut self, news: News) {
        let now = Instant::now();
        match news {
            News::Up => self.node.on_up(now),
            News::Lost => self.node.on_lost(),
            News::Answer { number, answer } => self.node.on_answer(number, answer, now),
            News::Packet(packet) => assert!(self.node.on_packet(&packet, now)),
            News::Roster(roster) => {
                self.node
                    .on_roster(roster.into_iter().map(|(node, _)| node), now);
            }
            News::Page { .. } | News::Nudge(_) => {}
        }
    }

    fn ask(&mut self, peer: PeerId) {
        let now = Instant::now();
        if self.is_over {
            return;
        }
        if let Some(person) = self.people.get_mut(&peer) {
            person.asked_at = Some(now);
        }
        self.node.waits(peer, now);
        if self.random.chance(self.flags.leave) {
            while let Some(output) = self.node.poll_output(now) {
                self.carry_out(output);
            }
            self.node.no_longer(peer, now);
            self.node.waits(peer, now);
        }
    }

    fn enters(&mut self, peer: PeerId, room: RoomId) {
        let me = Tag {
            node: self.node.me(),
            peer,
        };
        let asked_at = self.people.get_mut(&peer).and_then(|it| it.asked_at.take());
        let mut judge = self.judge.lock().unwrap_or_else(PoisonError::into_inner);
        judge.rooms.entry(room).or_default().push(me);
        judge
            .waits
            .extend(asked_at.map(|asked_at| asked_at.elapsed()));
    }

    fn carry_out(&mut self, output: Output) {
        let now = Instant::now();
        match output {
            Output::Ask { peer, ticket } => {
                self.judge
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .asked += 1;
                let wish = Box::new(self.wish(peer, ticket));
                if self.orders.try_send(Order::Ask(wish)).is_err() {
                    self.node.on_answer(ticket.number, Answer::Failed, now);
                }
            }
            Output::Withdraw { ticket } => self.order(Order::Withdraw(ticket)),
            Output::Send { to, packet } => self.order(Order::Send { to, packet }),
            Output::Introduce { peer, .. } => {
                let introduction = self.introduction(peer);
                self.node.introduce(peer, introduction, now);
            }
            Output::PutBack {
                peer,
                is_offer_spent,
                ..
            } => {
                let mut judge = self.judge.lock().unwrap_or_else(PoisonError::into_inner);
                if is_offer_spent {
                    judge.put_back += 1;
                } else {
                    judge.refused += 1;
                }
                drop(judge);
                self.node.waits(peer, now);
            }
            Output::Proposed { peer, room, .. } => {
                let acceptance = Acceptance {
                    introduction: self.introduction(peer),
                    interests: Vec::new(),
                    offers: false,
                    handed_over: None,
                };
                self.node.accept(peer, acceptance, now);
                self.enters(peer, room);
            }
            Output::Accepted { peer, room, .. } => {
                self.enters(peer, room);
                self.node.leave(room, LeaveReason::Next, now);
                self.ask(peer);
            }
            Output::Said { .. } => {}
            Output::PartnerGone { peer, .. } => self.ask(peer),
        }
    }

    fn order(&self, order: Order) {
        if self.orders.try_send(order).is_err() {
            eprintln!("an order finds no room");
        }
    }

    fn wish(&self, peer: PeerId, ticket: Ticket) -> Wish {
        let person = self.people.get(&peer);
        let node = self.node.me();
        Wish {
            ticket,
            who: Tag { node, peer },
            key: None,
            is_apart: false,
            interests: person.map(|it| it.interests.clone()).unwrap_or_default(),
            language: Some("en".to_owned()),
            never: Vec::new(),
            never_keys: Vec::new(),
            met: Vec::new(),
            holds: Holds::default(),
            waited: Duration::ZERO,
        }
    }

    fn introduction(&self, peer: PeerId) -> Introduction {
        let person = self.people.get(&peer);
        let node = self.node.me();
        Introduction {
            who: Tag { node, peer },
            key: None,
            place: "192.0.2.1/32".to_owned(),
            is_shared: false,
            interests: person.map(|it| it.interests.clone()).unwrap_or_default(),
            language: Some("en".to_owned()),
            takes_offer_ahead: false,
            offer: None,
        }
    }
}

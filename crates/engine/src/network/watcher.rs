//! Looks at the interfaces and the clocks, and delivers what the monitor makes of them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use netwatcher::async_adapter::Tokio;
use netwatcher::{AsyncWatch, watch_interfaces_async};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::monitor::{Config, Input, NetworkMonitor};
use super::{NetworkFact, is_gone, usable};

/// How often the clocks are read, and the interfaces even if the system says nothing: a notice may be lost, and there may be none.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often the interfaces are read while an address is there that cannot be used yet.
const LOOK_CLOSELY_EVERY: Duration = Duration::from_millis(100);
/// How long an address may stay unusable before it is looked at no more often than the others. Checking that an IPv6 address is
/// nobody else's takes one to two seconds (RFC 4862 section 5.4); one that is somebody else's never becomes usable.
const LOOK_CLOSELY_FOR: Duration = Duration::from_secs(3);
/// How many facts may wait to be read. Further ones are not lost: they are told together when there is room.
const FACT_LIMIT: usize = 8;

/// Watches the machine's network until it is dropped.
///
/// It costs one task, which wakes when the system says that an interface changed, and once a second to read the clocks.
#[derive(Debug)]
pub struct NetworkWatcher {
    in_use: watch::Sender<Option<IpAddr>>,
    task: JoinHandle<()>,
}

impl NetworkWatcher {
    /// Begins to watch. What the network is like now is no fact; what changes afterwards is.
    ///
    /// Never fails: where the system gives no notice of changes, they are seen within a second.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start() -> (Self, mpsc::Receiver<NetworkFact>) {
        let (in_use, used) = watch::channel(None);
        let (sender, facts) = mpsc::channel(FACT_LIMIT);
        let task = tokio::spawn(run(sender, used));
        (Self { in_use, task }, facts)
    }

    /// Says which local address the call uses, so that its loss is told at once. `None` if it uses none, or if it is unknown.
    pub fn set_address_in_use(&self, address: Option<IpAddr>) {
        self.in_use.send_replace(address);
    }
}

impl Drop for NetworkWatcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(facts: mpsc::Sender<NetworkFact>, mut used: watch::Receiver<Option<IpAddr>>) {
    let mut monitor = NetworkMonitor::new(Config::default());
    let mut notices = open_notices();
    let mut lister = Lister::default();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let has_room = facts.capacity() > 0;
        let timeout = monitor.poll_timeout().filter(|_| has_room);
        tokio::select! {
            _ = looks.tick() => {}
            () = notice(&mut notices) => {}
            () = crate::at(lister.look_closely_at()) => {}
            () = crate::at(timeout) => {}
            changed = used.changed() => {
                if changed.is_err() {
                    return;
                }
                let address = *used.borrow_and_update();
                monitor.handle(Input::AddressUsed(address), Instant::now());
            }
            () = facts.closed() => return,
        }
        let now = Instant::now();
        monitor.handle(Input::ClockRead(SystemTime::now()), now);
        match lister.list(now) {
            Ok(addresses) => monitor.handle(Input::AddressesListed(addresses), now),
            // An interface that goes while the list is made is enough for that. The next look is soon.
            Err(error) => tracing::debug!(%error, "the interfaces cannot be listed"),
        }
        while facts.capacity() > 0
            && let Some(fact) = monitor.poll_fact(now)
        {
            tracing::debug!(?fact, "the network changed");
            if facts.try_send(fact).is_err() {
                return;
            }
        }
    }
}

fn open_notices() -> Option<AsyncWatch> {
    watch_interfaces_async::<Tokio>()
        .inspect_err(|error| {
            tracing::warn!(%error, "the system gives no notice of network changes; looking once a second");
        })
        .ok()
}

/// Waits until the system says that an interface changed.
async fn notice(notices: &mut Option<AsyncWatch>) {
    match notices {
        Some(notices) => drop(notices.changed().await),
        None => std::future::pending().await,
    }
}

/// Lists the addresses that sockets can be bound to.
#[derive(Default)]
struct Lister {
    last: BTreeSet<IpAddr>,
    look_closely_until: Option<Instant>,
    look_closely_at: Option<Instant>,
}

impl Lister {
    const fn look_closely_at(&self) -> Option<Instant> {
        self.look_closely_at
    }

    fn list(&mut self, now: Instant) -> Result<BTreeSet<IpAddr>, netwatcher::Error> {
        let all: BTreeSet<IpAddr> = netwatcher::list_interfaces()?
            .into_values()
            .flat_map(|interface| interface.ips)
            .map(|record| record.ip)
            .filter(|&address| usable::is_usable(address))
            .collect();
        let ready: BTreeSet<IpAddr> = all.iter().copied().filter(|&ip| is_settled(ip)).collect();
        if all != self.last {
            self.look_closely_until = Some(now + LOOK_CLOSELY_FOR);
        }
        let is_waiting =
            ready.len() < all.len() && self.look_closely_until.is_some_and(|end| now < end);
        self.look_closely_at = is_waiting.then(|| now + LOOK_CLOSELY_EVERY);
        self.last = all;
        Ok(ready)
    }
}

/// Whether the system lets us send from `address`: not while it checks that no other machine has it (RFC 4862 section 5.4).
fn is_settled(address: IpAddr) -> bool {
    address.is_ipv4() || !is_gone(address)
}

//! A cable between two namespaces: a pair of TAP interfaces with a thread of this process between them.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::flows::{Flows, Path};
use super::namespace::Namespace;
use super::shape::{Shape, Shaper};
use super::topology::Network;
use crate::ffi;

/// How often the thread looks whether it is to end.
const IDLE_CHECK: Duration = Duration::from_millis(100);
/// How many frames are read from one end before the other end has its turn.
const FRAMES_PER_TURN: usize = 64;
/// Larger than any frame of an interface whose MTU is 1500.
const BUFFER_BYTES: usize = 4096;

/// A direction of a cable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client towards the internet.
    Up,
    /// From the internet towards the client.
    Down,
}

impl Way {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Up, Self::Down];
}

/// What has happened to the frames of one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lost by chance.
    pub lost: u64,
    /// Dropped because the queue was full.
    pub overflowed: u64,
    /// Carried to the other end.
    pub carried: u64,
    /// The same in bytes, with their Ethernet headers.
    pub carried_bytes: u64,
}

/// A cable in use. It is pulled out of both ends, and the interfaces are gone, when this is dropped.
#[derive(Debug)]
pub struct Cable {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    is_over: AtomicBool,
    directions: [Direction; 2],
    flows: Mutex<Flows>,
}

#[derive(Debug)]
struct Direction {
    shaper: Mutex<Shaper>,
    carried: AtomicU64,
    carried_bytes: AtomicU64,
}

impl Direction {
    fn new(seed: u64) -> Self {
        Self {
            shaper: Mutex::new(Shaper::new(seed)),
            carried: AtomicU64::new(0),
            carried_bytes: AtomicU64::new(0),
        }
    }

    fn shaper(&self) -> MutexGuard<'_, Shaper> {
        self.shaper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cable {
    /// Makes an interface in each of the namespaces, the client's end first, and carries frames between them.
    ///
    /// # Errors
    /// When the system gives no TAP interface of this name, or no thread.
    pub fn lay(ends: [(&Namespace, &str); 2], seed: u64) -> anyhow::Result<Self> {
        let [near, far] = ends.map(|(namespace, name)| {
            namespace
                .enter(|| ffi::open_tap(name))?
                .with_context(|| format!("no TAP interface {name}"))
        });
        let shared = Arc::new(Shared {
            is_over: AtomicBool::new(false),
            directions: [Direction::new(seed), Direction::new(!seed)],
            flows: Mutex::default(),
        });
        let thread = std::thread::Builder::new()
            .name("lab-cable".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                let ends = [near?, far?];
                move || {
                    if let Err(error) = carry(&ends, &shared)
                        && !shared.is_over.load(Ordering::Relaxed)
                    {
                        eprintln!("lab: a cable broke: {error}");
                    }
                }
            })
            .context("no thread for a cable")?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// From now on one direction behaves like this. What is on the way arrives as it would have.
    pub fn shape(&self, way: Way, shape: Shape) {
        self.direction(way).shaper().set(shape);
    }

    /// From now on both directions behave like this.
    pub fn shape_both(&self, shape: Shape) {
        for way in Way::BOTH {
            self.shape(way, shape);
        }
    }

    /// What has happened to the frames of one direction.
    pub fn counts(&self, way: Way) -> Counts {
        let direction = self.direction(way);
        let shaper = direction.shaper();
        Counts {
            lost: shaper.lost(),
            overflowed: shaper.overflowed(),
            carried: direction.carried.load(Ordering::Relaxed),
            carried_bytes: direction.carried_bytes.load(Ordering::Relaxed),
        }
    }

    /// How long a frame that is put into one direction now has to wait for those before it.
    pub fn queue_delay(&self, way: Way) -> Duration {
        self.direction(way).shaper().queue_delay(Instant::now())
    }

    /// Which ways the bytes took since the cable was laid or since [`Cable::forget_flows`], by their share of all bytes, the busiest first.
    pub fn paths(&self) -> Vec<(Path, f64)> {
        let server = [Network::SERVER, Network::SERVER_SECOND];
        self.shared.flows().paths(&server)
    }

    /// Begins to count conversations anew.
    pub fn forget_flows(&self) {
        *self.shared.flows() = Flows::default();
    }

    fn direction(&self, way: Way) -> &Direction {
        let [up, down] = &self.shared.directions;
        match way {
            Way::Up => up,
            Way::Down => down,
        }
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has said itself what went wrong, if anything did.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn flows(&self) -> MutexGuard<'_, Flows> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries frames until the cable is dropped or an end is gone.
fn carry(ends: &[File; 2], shared: &Shared) -> io::Result<()> {
    let mut buffer = [0; BUFFER_BYTES];
    while !shared.is_over.load(Ordering::Relaxed) {
        let mut next_at = None;
        for (index, direction) in shared.directions.iter().enumerate() {
            let mut shaper = direction.shaper();
            while let Some(frame) = shaper.take(Instant::now()) {
                // An end that is down or full loses frames, as cables do.
                if (&ends[1 - index]).write(&frame).is_ok() {
                    direction.carried.fetch_add(1, Ordering::Relaxed);
                    let bytes = frame.len() as u64;
                    direction.carried_bytes.fetch_add(bytes, Ordering::Relaxed);
                }
            }
            next_at = [next_at, shaper.next_at()].into_iter().flatten().min();
        }
        let longest = next_at.map_or(IDLE_CHECK, |at| {
            at.saturating_duration_since(Instant::now()).min(IDLE_CHECK)
        });
        let is_readable = ffi::wait_readable([&ends[0], &ends[1]], longest)?;
        for (index, direction) in shared.directions.iter().enumerate() {
            if is_readable[index] {
                read_some(&ends[index], direction, shared, index == 1, &mut buffer)?;
            }
        }
    }
    Ok(())
}

fn read_some(
    mut end: &File,
    direction: &Direction,
    shared: &Shared,
    is_far: bool,
    buffer: &mut [u8],
) -> io::Result<()> {
    let mut shaper = direction.shaper();
    let mut flows = shared.flows();
    for _ in 0..FRAMES_PER_TURN {
        match end.read(buffer) {
            Ok(len) => {
                let frame = &buffer[..len];
                flows.count(frame, is_far);
                shaper.put(Instant::now(), frame);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            // EIO: the interface is down, which it may be for a while.
            Err(error) if error.raw_os_error() == Some(libc::EIO) => {
                std::thread::sleep(Duration::from_millis(1));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

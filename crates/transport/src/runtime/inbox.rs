//! Datagrams that reach the stack by another way than its socket.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

/// What may wait. The stack reads at each of its turns.
const MAX_DATAGRAMS: usize = 1024;

/// A datagram, and where it seems to come from.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) from: SocketAddr,
    pub(super) bytes: Vec<u8>,
    /// Whether it has been looked at already.
    pub(super) is_admitted: bool,
}

/// A queue beside a socket, which wakes whoever reads the socket.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    arrivals: VecDeque<Arrival>,
    waker: Option<Waker>,
    dropped: u64,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts in what seems to come from `from`; the oldest goes if there are too many.
    pub(super) fn push(&self, from: SocketAddr, bytes: Vec<u8>) {
        self.put(Arrival {
            from,
            bytes,
            is_admitted: false,
        });
    }

    /// Puts in what has been looked at already.
    pub(super) fn push_admitted(&self, from: SocketAddr, bytes: Vec<u8>) {
        self.put(Arrival {
            from,
            bytes,
            is_admitted: true,
        });
    }

    fn put(&self, arrival: Arrival) {
        let mut state = self.lock();
        if state.arrivals.len() >= MAX_DATAGRAMS {
            state.arrivals.pop_front();
            state.dropped += 1;
        }
        state.arrivals.push_back(arrival);
        drop(state);
        self.wake();
    }

    /// Makes whoever reads the socket look again.
    pub(super) fn wake(&self) {
        let waker = self.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The oldest; or `None`, and `context` is woken by the next.
    pub(super) fn poll(&self, context: &Context<'_>) -> Option<Arrival> {
        let mut state = self.lock();
        let next = state.arrivals.pop_front();
        if next.is_none() {
            state.waker = Some(context.waker().clone());
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);

    #[test]
    fn it_keeps_order_and_is_bounded() {
        let inbox = Inbox::default();
        let context = Context::from_waker(Waker::noop());
        for number in 0..MAX_DATAGRAMS as u32 + 3 {
            inbox.push(SERVER, number.to_be_bytes().to_vec());
        }
        let first = inbox.poll(&context).expect("full").bytes;
        assert_eq!(first, 3_u32.to_be_bytes(), "the oldest are gone");
        let rest = std::iter::from_fn(|| inbox.poll(&context)).count();
        assert_eq!(rest, MAX_DATAGRAMS - 1);
    }

    #[test]
    fn a_reader_is_woken() {
        struct Flag(std::sync::atomic::AtomicBool);
        impl std::task::Wake for Flag {
            fn wake(self: std::sync::Arc<Self>) {
                self.0.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        }
        let flag = std::sync::Arc::new(Flag(false.into()));
        let inbox = Inbox::default();
        assert!(
            inbox
                .poll(&Context::from_waker(&flag.clone().into()))
                .is_none()
        );
        inbox.push(SERVER, vec![1]);
        assert!(flag.0.load(std::sync::atomic::Ordering::Relaxed));
    }
}

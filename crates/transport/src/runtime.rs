//! The ground that the WebRTC stack stands on: its tasks, timers and sockets.
//!
//! Everything is tokio's, except for what is needed to work round faults of the stack. `flights` repeats handshake
//! messages, `turns` lets the stack take another turn at once, and `tunnel` reaches relays over TCP and TLS. One instance
//! serves one connection, because what these files learn is about that connection alone.
//!
//! The stack's sleep can be ended from outside, because `add_ice_candidate` of `webrtc` 0.21.1 does not end it: a
//! candidate would not be tried before the next timeout, a whole check interval later.

mod datagram;
mod flights;
mod inbox;
mod socket;
mod stun;
mod tunnel;
mod turns;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime,
    TokioRuntime, UdpSockRef, UdpSocketState,
};

use crate::{Impairment, Workarounds};
use inbox::Inbox;
use socket::{Outlet, PeerSocket};
pub(crate) use tunnel::Tunnels;
use turns::Turns;

/// The longest that a name may take to resolve. The stack stands still meanwhile.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(2);

/// What a socket may hold until we read it. Systems give less if their limit is lower: Linux 208 KiB, which it doubles.
const RECEIVE_BUFFER_BYTES: usize = 1024 * 1024;

tokio::task_local! {
    /// Set in the stack's own task, to tell its sleeps from those of others.
    static IN_DRIVER: ();
}

/// The runtime of one peer connection.
#[derive(Debug)]
pub(crate) struct PeerRuntime {
    inner: TokioRuntime,
    turns: Arc<Turns>,
    workarounds: Workarounds,
    impairment: Option<Impairment>,
    tunnels: Arc<Tunnels>,
    wake: Arc<Notify>,
    /// Goes into the first task, which is the stack's driver, and is dropped with it.
    driver_end: Mutex<Option<oneshot::Sender<()>>>,
}

/// Resolves, always with an error, when the stack's own task is gone: finished, stopped or panicked.
pub(crate) type DriverEnd = oneshot::Receiver<()>;

/// What happens when the stack's own task is gone.
struct EndOfDriver {
    _told: oneshot::Sender<()>,
    tunnels: Arc<Tunnels>,
}

impl Drop for EndOfDriver {
    fn drop(&mut self) {
        self.tunnels.close();
    }
}

impl PeerRuntime {
    pub(crate) fn new(
        workarounds: Workarounds,
        impairment: Option<Impairment>,
        tunnels: Arc<Tunnels>,
    ) -> (Arc<Self>, DriverEnd) {
        let (sender, receiver) = oneshot::channel();
        let runtime = Self {
            inner: TokioRuntime,
            turns: Arc::new(Turns::new(workarounds.extra_turns, Instant::now())),
            workarounds,
            impairment,
            tunnels,
            wake: Arc::default(),
            driver_end: Mutex::new(Some(sender)),
        };
        (Arc::new(runtime), receiver)
    }

    /// Ends the present sleep of the stack, or the next.
    pub(crate) fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Runtime for PeerRuntime {
    fn spawn(&self, future: BoxFuture<'static, ()>) -> Box<dyn JoinHandle> {
        let end = self
            .driver_end
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let end = end.map(|told| EndOfDriver {
            _told: told,
            tunnels: Arc::clone(&self.tunnels),
        });
        self.inner.spawn(Box::pin(IN_DRIVER.scope((), async move {
            let _dropped_with_the_task = end;
            future.await;
        })))
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        socket.set_nonblocking(true)?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        if let Err(error) =
            state.set_recv_buffer_size(UdpSockRef::from(&socket), RECEIVE_BUFFER_BYTES)
        {
            tracing::debug!(%error, "a socket keeps its small buffer");
        }
        let outlet = Outlet {
            local: socket.local_addr()?,
            handle: Arc::new(socket.try_clone()?),
            impairment: self.impairment.clone(),
            tunnels: Arc::clone(&self.tunnels),
            inbox: Arc::<Inbox>::default(),
        };
        Ok(Arc::new(PeerSocket::new(
            self.inner.wrap_udp_socket(socket)?,
            outlet,
            Arc::clone(&self.turns),
            self.workarounds.repeat_handshake,
        )))
    }

    fn wrap_tcp_listener(&self, listener: TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.inner.wrap_tcp_listener(listener)
    }

    fn connect_tcp(
        &self,
        address: SocketAddr,
    ) -> BoxFuture<'_, io::Result<Arc<dyn AsyncTcpStream>>> {
        self.inner.connect_tcp(address)
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        if let Some(addresses) = self.tunnels.resolve(host) {
            return Box::pin(async move { Ok(addresses) });
        }
        Box::pin(async move {
            let timeout = tokio::time::timeout(RESOLVE_TIMEOUT, self.inner.resolve_host(host));
            timeout
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
        })
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let sleep = self.inner.sleep(duration);
        if IN_DRIVER.try_with(|()| ()).is_err() {
            return sleep;
        }
        if let Some(extra) = turns::extra_turn(&self.turns, Instant::now()) {
            return Box::pin(extra);
        }
        let wake = Arc::clone(&self.wake);
        Box::pin(async move {
            tokio::select! {
                () = sleep => {}
                () = wake.notified() => {}
            }
        })
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        self.inner.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.inner.block_on(future);
    }

    fn yield_now(&self) -> BoxFuture<'static, ()> {
        self.inner.yield_now()
    }

    fn name(&self) -> &'static str {
        "passerby"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::Servers;

    fn runtime() -> (Arc<PeerRuntime>, DriverEnd) {
        let tunnels = Tunnels::new(&Servers::default(), &[]);
        PeerRuntime::new(Workarounds::default(), None, Arc::new(tunnels))
    }

    #[tokio::test]
    async fn the_end_of_the_first_task_is_noticed_and_no_other() {
        let (runtime, mut end) = runtime();
        let driver = runtime.spawn(Box::pin(std::future::pending()));
        runtime.spawn(Box::pin(async {}));
        tokio::time::timeout(Duration::from_millis(50), &mut end)
            .await
            .unwrap_err();

        driver.abort();
        tokio::time::timeout(Duration::from_secs(5), end)
            .await
            .expect("noticed")
            .unwrap_err();
    }

    #[tokio::test]
    async fn a_panic_in_the_first_task_is_noticed() {
        let (runtime, end) = runtime();
        runtime.spawn(Box::pin(async { panic!("on purpose") }));
        tokio::time::timeout(Duration::from_secs(5), end)
            .await
            .expect("noticed")
            .unwrap_err();
    }
}

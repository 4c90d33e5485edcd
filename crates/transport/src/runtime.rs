//! The ground that the WebRTC stack stands on: its tasks, timers and sockets.
//!
//! Everything is tokio's, except for what is needed to work round faults of the stack. `flights` repeats handshake
//! messages, `turns` lets the stack take another turn at once, `nomination` and `cookie` save a round trip each, `draws` decides what is drawn by chance, `tunnel`
//! reaches relays over TCP and TLS, `paths` decides what may pass, and `places` follows the machine to other networks. One
//! instance serves one connection, because what these files learn is about that connection alone.
//!
//! The stack's sleep can be ended from outside, because `add_ice_candidate` of `webrtc` 0.21.1 does not end it: a
//! candidate would not be tried before the next timeout, a whole check interval later.

mod checks;
mod cookie;
mod datagram;
mod draws;
mod flights;
mod hold;
mod inbox;
mod introductions;
mod nomination;
mod paths;
mod places;
mod relay_gate;
mod signature;
mod socket;
mod stun;
mod tunnel;
mod turns;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime,
    TokioRuntime, UdpSockRef, UdpSocketState,
};

use crate::{Impairment, PeerConfig, Workarounds};
pub(crate) use cookie::Cookie;
pub(crate) use draws::{Cryptography, Draws};
use inbox::Inbox;
pub(crate) use paths::{Ends, Paths};
use socket::{Outlet, PeerSocket, Place, SystemSocket};
pub(crate) use tunnel::{Cutter, Garbage, Tunnels};
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
    paths: Arc<Paths>,
    /// What to bind.
    bind: Vec<SocketAddr>,
    outlets: Mutex<Vec<Weak<Outlet>>>,
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
        config: &PeerConfig,
        tunnels: Arc<Tunnels>,
        paths: Arc<Paths>,
    ) -> (Arc<Self>, DriverEnd) {
        let (sender, receiver) = oneshot::channel();
        let runtime = Self {
            inner: TokioRuntime,
            turns: Arc::new(Turns::new(config.workarounds.extra_turns, Instant::now())),
            workarounds: config.workarounds,
            impairment: config.impairment.clone(),
            tunnels,
            paths,
            bind: config.bind.clone(),
            outlets: Mutex::default(),
            wake: Arc::default(),
            driver_end: Mutex::new(Some(sender)),
        };
        (Arc::new(runtime), receiver)
    }

    /// Binds all sockets anew, on the networks that there are by now, and closes the streams to relays.
    ///
    /// Returns where each of the stack's addresses is from now on. One for which there is no place stays where it is.
    pub(crate) fn rebind(&self) -> BTreeMap<SocketAddr, SocketAddr> {
        self.tunnels.reset();
        let outlets: Vec<Arc<Outlet>> = {
            let mut outlets = lock(&self.outlets);
            outlets.retain(|outlet| outlet.strong_count() > 0);
            outlets.iter().filter_map(Weak::upgrade).collect()
        };
        let addresses: Vec<SocketAddr> = outlets.iter().map(|outlet| outlet.address()).collect();
        let places = places::assign(&addresses, &places::available(&self.bind));
        for (outlet, ip) in outlets.iter().zip(places) {
            let Some(ip) = ip else { continue };
            match self.bind_at(ip) {
                Ok(socket) => outlet.move_to(socket, Instant::now()),
                // Its own port is taken by itself: then it need not move.
                Err(error) => tracing::debug!(%error, "a socket stays where it is"),
            }
        }
        let place = |outlet: &Arc<Outlet>| (outlet.local, outlet.address());
        outlets.iter().map(place).collect()
    }

    fn bind_at(&self, ip: IpAddr) -> io::Result<SystemSocket> {
        let given = self.bind.iter().find(|address| address.ip() == ip);
        let port = given.map_or(0, SocketAddr::port);
        self.system_socket(UdpSocket::bind((ip, port))?)
    }

    fn system_socket(&self, socket: UdpSocket) -> io::Result<SystemSocket> {
        socket.set_nonblocking(true)?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        if let Err(error) =
            state.set_recv_buffer_size(UdpSockRef::from(&socket), RECEIVE_BUFFER_BYTES)
        {
            tracing::debug!(%error, "a socket keeps its small buffer");
        }
        let handle = Arc::new(socket.try_clone()?);
        let io = self.inner.wrap_udp_socket(socket)?;
        Ok(SystemSocket { io, handle })
    }

    /// Ends the present sleep of the stack, or the next.
    pub(crate) fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `host:port` with an IPv6 address in brackets. The stack leaves them out for TURN servers.
fn bracketed(host: &str) -> Cow<'_, str> {
    match host.rsplit_once(':') {
        Some((ip, port)) if ip.parse::<Ipv6Addr>().is_ok() => format!("[{ip}]:{port}").into(),
        _ => host.into(),
    }
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Runtime for PeerRuntime {
    fn spawn(&self, future: BoxFuture<'static, ()>) -> Box<dyn JoinHandle> {
        let end = lock(&self.driver_end).take();
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
        let outlet = Arc::new(Outlet {
            local: socket.local_addr()?,
            place: Mutex::new(Place::new(self.system_socket(socket)?)),
            impairment: self.impairment.clone(),
            tunnels: Arc::clone(&self.tunnels),
            paths: Arc::clone(&self.paths),
            inbox: Arc::<Inbox>::default(),
        });
        lock(&self.outlets).push(Arc::downgrade(&outlet));
        Ok(Arc::new(PeerSocket::new(
            outlet,
            Arc::clone(&self.turns),
            self.workarounds.repeat_handshake,
        )))
    }

    fn wrap_tcp_listener(&self, listener: TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.inner.wrap_tcp_listener(listener)
    }

    /// Refuses. The stack would connect to any address that the partner calls a candidate, shield or not.
    fn connect_tcp(&self, _: SocketAddr) -> BoxFuture<'_, io::Result<Arc<dyn AsyncTcpStream>>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            let addresses = if let Some(addresses) = self.tunnels.resolve(host) {
                addresses
            } else {
                let host = bracketed(host);
                let resolving = self.inner.resolve_host(&host);
                tokio::time::timeout(RESOLVE_TIMEOUT, resolving).await??
            };
            self.paths.on_resolved(&addresses);
            Ok(addresses)
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
        let paths = Paths::new(false, true, None, Instant::now());
        PeerRuntime::new(&PeerConfig::default(), Arc::new(tunnels), Arc::new(paths))
    }

    #[test]
    fn addresses_without_brackets_get_them() {
        assert_eq!(bracketed("2001:db8::2:3478"), "[2001:db8::2]:3478");
        assert_eq!(bracketed("[2001:db8::2]:3478"), "[2001:db8::2]:3478");
        assert_eq!(bracketed("192.0.2.1:3478"), "192.0.2.1:3478");
        assert_eq!(bracketed("turn.example:3478"), "turn.example:3478");
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

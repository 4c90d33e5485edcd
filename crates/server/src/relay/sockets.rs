//! The relay's sockets: those that it listens on, and one for each allocation.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    ops::RangeInclusive,
};

use relay::{Family, OpenError, Opening};
use socket2::{Domain, Protocol, Socket, Type};
use tracing::warn;

use crate::relay::RelaySettings;

/// Bytes that the system may keep for the socket that all clients send to: a few milliseconds of a busy relay.
const LISTENER_BUFFER: usize = 4 << 20;
/// How many ports are tried for one allocation. Many: nearly all ports of the range are taken.
const PORT_ATTEMPTS: usize = 64;
/// How many free ports are tried until UDP and TCP have the same.
const PAIR_ATTEMPTS: usize = 20;

/// What the relay listens on.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) udp: Vec<UdpSocket>,
    /// With the port, for every address the same.
    pub(crate) tcp: Vec<std::net::TcpListener>,
    pub(crate) port: u16,
    /// For TLS, if there is a certificate.
    pub(crate) tls: Vec<std::net::TcpListener>,
    pub(crate) tls_port: Option<u16>,
}

impl Bound {
    /// All addresses.
    pub(crate) fn addrs(&self) -> io::Result<Vec<SocketAddr>> {
        self.udp.iter().map(UdpSocket::local_addr).collect()
    }

    /// Whether only programs on this machine reach it.
    pub(crate) fn is_local(&self) -> bool {
        let mut addrs = self.udp.iter().filter_map(|udp| udp.local_addr().ok());
        addrs.all(|addr| addr.ip().is_loopback())
    }
}

/// Where it could not listen, and why.
pub(crate) type Failed = (SocketAddr, io::Error);

/// Listens. `listen` are the addresses that the server listens on anyway: whoever comes there is told apart by his
/// first bytes.
pub(crate) fn bind(
    settings: &RelaySettings,
    listen: &[SocketAddr],
    has_tls: bool,
) -> Result<Bound, Failed> {
    let mut ips: BTreeSet<IpAddr> = settings.listen.iter().copied().collect();
    if ips.is_empty() {
        ips = listen.iter().map(SocketAddr::ip).collect();
    }
    let ips: Vec<IpAddr> = ips.into_iter().collect();
    let attempts = if settings.port == 0 { PAIR_ATTEMPTS } else { 1 };
    let mut failed = None;
    for _ in 0..attempts {
        match bind_port(&ips, settings.port, listen) {
            Ok((udp, tcp, port)) => {
                let (tls, tls_port) = if has_tls {
                    let (tls, port) = bind_tcp(&ips, settings.tls_port, listen)?;
                    (tls, Some(port))
                } else {
                    (Vec::new(), None)
                };
                return Ok(Bound {
                    udp,
                    tcp,
                    port,
                    tls,
                    tls_port,
                });
            }
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| {
        let none = SocketAddr::from((Ipv4Addr::UNSPECIFIED, settings.port));
        (none, io::ErrorKind::AddrNotAvailable.into())
    }))
}

type PortSockets = (Vec<UdpSocket>, Vec<std::net::TcpListener>, u16);

/// Listens at one port, by UDP and TCP, at every address.
fn bind_port(ips: &[IpAddr], mut port: u16, listen: &[SocketAddr]) -> Result<PortSockets, Failed> {
    let mut udp = Vec::new();
    for &ip in ips {
        let addr = SocketAddr::new(ip, port);
        let socket = listening_udp(addr, is_v6_only(ip, ips)).map_err(|error| (addr, error))?;
        port = socket.local_addr().map_err(|error| (addr, error))?.port();
        udp.push(socket);
    }
    let (tcp, port) = bind_tcp(ips, port, listen)?;
    Ok((udp, tcp, port))
}

fn bind_tcp(
    ips: &[IpAddr],
    mut port: u16,
    listen: &[SocketAddr],
) -> Result<(Vec<std::net::TcpListener>, u16), Failed> {
    let mut listeners = Vec::new();
    for &ip in ips {
        let addr = SocketAddr::new(ip, port);
        if port != 0 && listen.contains(&addr) {
            continue;
        }
        let listener = listening_tcp(addr, is_v6_only(ip, ips)).map_err(|error| (addr, error))?;
        port = listener.local_addr().map_err(|error| (addr, error))?.port();
        listeners.push(listener);
    }
    Ok((listeners, port))
}

/// Whether the socket of an address is to leave IPv4 to another one.
fn is_v6_only(ip: IpAddr, all: &[IpAddr]) -> bool {
    ip.is_ipv6() && all.iter().any(IpAddr::is_ipv4)
}

fn listening_udp(addr: SocketAddr, is_v6_only: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(is_v6_only)?;
    }
    // The system gives what it allows.
    let _enlarged = socket.set_recv_buffer_size(LISTENER_BUFFER);
    let _enlarged = socket.set_send_buffer_size(LISTENER_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

/// A socket for an allocation. One for IPv6 takes no IPv4 addresses, which the rules for peers would not see as such.
fn relayed_udp(ip: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let addr = SocketAddr::new(ip, port);
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

/// Listens there. A socket for all IPv6 addresses takes IPv4 too, unless `is_v6_only`.
pub(crate) fn listening_tcp(
    addr: SocketAddr,
    is_v6_only: bool,
) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(is_v6_only)?;
    }
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

/// The addresses of this machine as others may write them: those that the relay listens on, or all that it has, and those
/// under which it is known.
pub(super) fn own_ips(settings: &RelaySettings, udp: &[UdpSocket]) -> Vec<IpAddr> {
    let mut own: BTreeSet<IpAddr> = settings.relay_ips.iter().copied().collect();
    own.extend(
        udp.iter()
            .filter_map(|socket| Some(socket.local_addr().ok()?.ip())),
    );
    match netwatcher::list_interfaces() {
        Ok(interfaces) => {
            let records = interfaces.into_values().flat_map(|interface| interface.ips);
            own.extend(records.map(|record| record.ip));
        }
        // The addresses of allocations are known even so.
        Err(error) => warn!(%error, "the addresses of this machine cannot be listed"),
    }
    own.into_iter().filter(|ip| !ip.is_unspecified()).collect()
}

/// Finds sockets for allocations.
#[derive(Debug)]
pub(super) struct Ports {
    range: RangeInclusive<u16>,
    /// Under which addresses the machine is known, if those are not its own.
    known_as: Vec<IpAddr>,
    /// The addresses that it listens on; empty if it listens on all that this machine has.
    own: Vec<IpAddr>,
}

impl Ports {
    pub(super) fn new(settings: &RelaySettings, udp: &[UdpSocket]) -> Self {
        let mut own: Vec<IpAddr> = udp
            .iter()
            .filter_map(|socket| Some(socket.local_addr().ok()?.ip()))
            .collect();
        if own.iter().any(IpAddr::is_unspecified) {
            own.clear();
        }
        Self {
            range: settings.relay_ports.clone(),
            known_as: settings.relay_ips.clone(),
            own,
        }
    }

    /// A socket for an allocation, and its address as peers know it. `local` is the address that the client came to, if
    /// it is known; `random` gives numbers that nobody can guess, so that nobody can guess ports.
    pub(super) fn open(
        &self,
        opening: &Opening,
        local: Option<IpAddr>,
        mut random: impl FnMut() -> u64,
    ) -> Result<(UdpSocket, SocketAddr), OpenError> {
        let (client, family) = (opening.client().addr().ip(), opening.family());
        let ip = self
            .own_ip(client, local, family)
            .ok_or(OpenError::NoSuchFamily)?;
        let known_as = self
            .known_as
            .iter()
            .copied()
            .find(|known| Family::of(*known) == family)
            .unwrap_or(ip);
        let step: u16 = if opening.wants_even_port() { 2 } else { 1 };
        let start = self
            .range
            .start()
            .checked_next_multiple_of(step)
            .filter(|start| start <= self.range.end())
            .ok_or(OpenError::NoCapacity)?;
        let ports = u64::from((self.range.end() - start) / step) + 1;
        let first = random() % ports;
        for attempt in 0..PORT_ATTEMPTS.min(ports as usize) as u64 {
            // A small range is searched in order, a large one at random.
            let offset = if ports <= PORT_ATTEMPTS as u64 {
                (first + attempt) % ports
            } else {
                random() % ports
            };
            let port = start + offset as u16 * step;
            match relayed_udp(ip, port) {
                Ok(socket) => return Ok((socket, SocketAddr::new(known_as, port))),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                    return Err(OpenError::NoSuchFamily);
                }
                Err(_) => return Err(OpenError::NoCapacity),
            }
        }
        Err(OpenError::NoCapacity)
    }

    /// The address of this machine that peers can send to: the one that the client came to, as it is one by which the
    /// machine is reached from there.
    fn own_ip(&self, client: IpAddr, local: Option<IpAddr>, family: Family) -> Option<IpAddr> {
        if !self.own.is_empty() {
            let own = || {
                self.own
                    .iter()
                    .copied()
                    .filter(|ip| Family::of(*ip) == family)
            };
            return own()
                .find(|ip| Some(*ip) == local)
                .or_else(|| own().find(|ip| ip.is_loopback() == client.is_loopback()))
                // A client of this machine may pass on what comes from elsewhere; the other way around, nobody would
                // reach the address.
                .or_else(|| own().next().filter(|_| client.is_loopback()));
        }
        let towards = if Family::of(client) == family {
            client
        } else {
            somewhere(family)
        };
        route(towards)
    }
}

/// An address of the internet, which nothing is sent to.
const fn somewhere(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        Family::V6 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
    }
}

/// The address that this machine has towards another one. Sends nothing.
pub(super) fn route(towards: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match towards {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((towards, 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then_some(ip)
}

/// The address of this machine towards the internet, if it has any.
pub(crate) fn default_ip() -> Option<IpAddr> {
    route(somewhere(Family::V4))
}

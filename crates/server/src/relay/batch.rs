//! Many datagrams in one system call, where the system can.

use std::{io, net::SocketAddr, ops::Range};

use mio::net::UdpSocket;
use relay::{HEADROOM, MAX_PAYLOAD, TAILROOM};

/// How many datagrams are under way in the worker at most.
pub(super) const SLOTS: usize = 64;
/// Room for one: what is received may be longer than a payload by its header, and one byte more shows that it is too
/// long.
const SLOT: usize = HEADROOM + RECEIVED + TAILROOM;
/// The longest datagram that is taken.
pub(super) const MAX_DATAGRAM: usize = relay::framing::MAX_FRAME;
const RECEIVED: usize = MAX_DATAGRAM + 1;

const _: () = assert!(MAX_DATAGRAM > MAX_PAYLOAD);

/// A datagram that came in, and where it lies in its slot.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) slot: usize,
    pub(super) from: SocketAddr,
    pub(super) range: Range<usize>,
}

/// A datagram that goes out.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) slot: usize,
    pub(super) to: SocketAddr,
    pub(super) range: Range<usize>,
}

/// The memory of all datagrams that are under way; taken in order, given back all at once.
#[derive(Debug)]
pub(super) struct Arena {
    bytes: Box<[u8]>,
    taken: usize,
}

impl Arena {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; SLOTS * SLOT].into(),
            taken: 0,
        }
    }

    /// How many more fit.
    pub(super) const fn free(&self) -> usize {
        SLOTS - self.taken
    }

    /// Gives all back.
    pub(super) const fn clear(&mut self) {
        self.taken = 0;
    }

    pub(super) fn slot(&mut self, slot: usize) -> &mut [u8] {
        &mut self.bytes[slot * SLOT..(slot + 1) * SLOT]
    }

    pub(super) fn bytes(&self, slot: usize, range: Range<usize>) -> &[u8] {
        &self.bytes[slot * SLOT..(slot + 1) * SLOT][range]
    }

    /// Copies a frame of a stream into a slot. `None` if it is too long, or all slots are taken.
    pub(super) fn put(&mut self, frame: &[u8]) -> Option<(usize, Range<usize>)> {
        if frame.len() > MAX_DATAGRAM || self.taken == SLOTS {
            return None;
        }
        let slot = self.taken;
        self.taken += 1;
        let range = HEADROOM..HEADROOM + frame.len();
        self.slot(slot)[range.clone()].copy_from_slice(frame);
        Some((slot, range))
    }

    /// Receives up to `most` datagrams without waiting, and adds them to `received`. Returns how many there were, those
    /// that were too long among them, and whether there may be more.
    pub(super) fn receive(
        &mut self,
        socket: &UdpSocket,
        most: usize,
        received: &mut Vec<Received>,
    ) -> io::Result<Outcome> {
        let most = most.min(self.free());
        let first = self.taken;
        let before = received.len();
        let mut outcome = Outcome::default();
        let (count, has_more) = system::receive(
            socket,
            self.bytes[first * SLOT..(first + most) * SLOT].chunks_exact_mut(SLOT),
            |at, from, len| {
                if len > MAX_DATAGRAM {
                    outcome.too_long += 1;
                    return;
                }
                received.push(Received {
                    slot: first + at,
                    from,
                    range: HEADROOM..HEADROOM + len,
                });
            },
        )?;
        debug_assert!(received.len() - before <= count);
        self.taken += count;
        outcome.has_more = has_more;
        Ok(outcome)
    }

    /// Sends without waiting. Returns how many were not taken.
    pub(super) fn send(&self, socket: &UdpSocket, outgoing: &[Outgoing]) -> u64 {
        system::send(socket, self, outgoing)
    }
}

/// How a receive went.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Outcome {
    pub(super) too_long: u64,
    pub(super) has_more: bool,
}

/// One system call each, for systems that know no better.
#[cfg(not(target_os = "linux"))]
mod system {
    use super::{Arena, HEADROOM, Outgoing, RECEIVED, SocketAddr, UdpSocket, io};

    pub(super) fn receive<'a>(
        socket: &UdpSocket,
        slots: impl Iterator<Item = &'a mut [u8]>,
        mut take: impl FnMut(usize, SocketAddr, usize),
    ) -> io::Result<(usize, bool)> {
        let mut count = 0;
        for slot in slots {
            match socket.recv_from(&mut slot[HEADROOM..HEADROOM + RECEIVED]) {
                Ok((len, from)) => take(count, from, len),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok((count, false));
                }
                // Windows reports an unreachable peer, and a datagram that is too long, as an error of the socket.
                Err(_) => take(count, SocketAddr::from(([0, 0, 0, 0], 0)), RECEIVED),
            }
            count += 1;
        }
        Ok((count, true))
    }

    pub(super) fn send(socket: &UdpSocket, arena: &Arena, outgoing: &[Outgoing]) -> u64 {
        let failed = outgoing.iter().filter(|outgoing| {
            let bytes = arena.bytes(outgoing.slot, outgoing.range.clone());
            socket.send_to(bytes, outgoing.to).is_err()
        });
        failed.count() as u64
    }
}

/// `recvmmsg` and `sendmmsg`.
#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "the standard library has no call for several datagrams, and they cost half of a system call each"
)]
mod system {
    use std::{
        mem::MaybeUninit,
        net::{IpAddr, Ipv4Addr, Ipv6Addr},
        os::fd::AsRawFd as _,
        ptr,
    };

    use super::{Arena, HEADROOM, Outgoing, RECEIVED, SocketAddr, UdpSocket, io};

    /// How many datagrams one call carries.
    const AT_ONCE: usize = 32;

    /// A `sockaddr_in` or `sockaddr_in6`, byte by byte.
    #[repr(C, align(8))]
    #[derive(Clone, Copy)]
    struct RawAddr([u8; 28]);

    impl RawAddr {
        const EMPTY: Self = Self([0; 28]);

        /// The address, and how many bytes of it count.
        fn from(addr: SocketAddr) -> (Self, u32) {
            let mut raw = Self::EMPTY;
            raw.0[2..4].copy_from_slice(&addr.port().to_be_bytes());
            match addr {
                SocketAddr::V4(addr) => {
                    raw.0[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
                    raw.0[4..8].copy_from_slice(&addr.ip().octets());
                    (raw, 16)
                }
                SocketAddr::V6(addr) => {
                    raw.0[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
                    raw.0[8..24].copy_from_slice(&addr.ip().octets());
                    raw.0[24..].copy_from_slice(&addr.scope_id().to_ne_bytes());
                    (raw, 28)
                }
            }
        }

        /// An address without a scope: it compares equal wherever it was heard.
        fn into_addr(self) -> Option<SocketAddr> {
            let family = i32::from(u16::from_ne_bytes([self.0[0], self.0[1]]));
            let port = u16::from_be_bytes([self.0[2], self.0[3]]);
            let ip: IpAddr = match family {
                libc::AF_INET => Ipv4Addr::from(<[u8; 4]>::try_from(&self.0[4..8]).ok()?).into(),
                libc::AF_INET6 => Ipv6Addr::from(<[u8; 16]>::try_from(&self.0[8..24]).ok()?).into(),
                _ => return None,
            };
            Some(SocketAddr::new(ip, port))
        }
    }

    const EMPTY_IOVEC: libc::iovec = libc::iovec {
        iov_base: ptr::null_mut(),
        iov_len: 0,
    };

    /// A header for one datagram, whose parts must live as long as it is used.
    fn header(addr: *mut RawAddr, addr_len: u32, iovec: *mut libc::iovec) -> libc::mmsghdr {
        // SAFETY: it consists of integers and pointers, for which zero is a value; musl has padding in between that
        // cannot be named.
        let mut header: libc::mmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };
        header.msg_hdr.msg_name = addr.cast();
        header.msg_hdr.msg_namelen = addr_len;
        header.msg_hdr.msg_iov = iovec;
        header.msg_hdr.msg_iovlen = 1;
        header
    }

    pub(super) fn receive<'a>(
        socket: &UdpSocket,
        slots: impl Iterator<Item = &'a mut [u8]>,
        mut take: impl FnMut(usize, SocketAddr, usize),
    ) -> io::Result<(usize, bool)> {
        let mut addrs = [RawAddr::EMPTY; AT_ONCE];
        let mut iovecs = [EMPTY_IOVEC; AT_ONCE];
        let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; AT_ONCE];
        let mut wanted = 0;
        let places = addrs.iter_mut().zip(&mut iovecs).zip(&mut headers);
        for (slot, ((addr, iovec), place)) in slots.zip(places) {
            *iovec = libc::iovec {
                iov_base: slot[HEADROOM..HEADROOM + RECEIVED].as_mut_ptr().cast(),
                iov_len: RECEIVED,
            };
            place.write(header(addr, size_of::<RawAddr>() as u32, iovec));
            wanted += 1;
        }
        if wanted == 0 {
            return Ok((0, true));
        }
        // SAFETY: the first `wanted` headers are written, and what they point to (addresses, vectors, slots) is
        // borrowed mutably until after the call. No timeout is given.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr().cast(),
                wanted as u32,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        let Ok(count) = usize::try_from(count) else {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock => Ok((0, false)),
                // An error that an earlier datagram caused; asking took it away.
                io::ErrorKind::ConnectionRefused | io::ErrorKind::Interrupted => Ok((0, true)),
                _ => Err(error),
            };
        };
        for (at, header) in headers.iter().take(count).enumerate() {
            // SAFETY: the system wrote the first `count` of the headers that were written above.
            let len = unsafe { header.assume_init_ref() }.msg_len as usize;
            if let Some(from) = addrs[at].into_addr() {
                take(at, from, len);
            }
        }
        // Fewer than asked for means that there was no more: one that comes later wakes us.
        Ok((count, count == wanted))
    }

    pub(super) fn send(socket: &UdpSocket, arena: &Arena, outgoing: &[Outgoing]) -> u64 {
        outgoing
            .chunks(AT_ONCE)
            .map(|chunk| send_at_once(socket, arena, chunk))
            .sum()
    }

    fn send_at_once(socket: &UdpSocket, arena: &Arena, outgoing: &[Outgoing]) -> u64 {
        let mut addrs = [RawAddr::EMPTY; AT_ONCE];
        let mut iovecs = [EMPTY_IOVEC; AT_ONCE];
        let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; AT_ONCE];
        let places = addrs.iter_mut().zip(&mut iovecs).zip(&mut headers);
        for (datagram, ((addr, iovec), place)) in outgoing.iter().zip(places) {
            let bytes = arena.bytes(datagram.slot, datagram.range.clone());
            let (raw, len) = RawAddr::from(datagram.to);
            *addr = raw;
            *iovec = libc::iovec {
                iov_base: bytes.as_ptr().cast_mut().cast(),
                iov_len: bytes.len(),
            };
            place.write(header(addr, len, iovec));
        }
        let wanted = outgoing.len().min(AT_ONCE);
        let (mut done, mut failed) = (0, 0);
        while done < wanted {
            // SAFETY: the first `wanted` headers are written, and what they point to lives until after the call; the
            // system only reads the bytes.
            let count = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    headers.as_mut_ptr().cast::<libc::mmsghdr>().add(done),
                    (wanted - done) as u32,
                    libc::MSG_DONTWAIT,
                )
            };
            match usize::try_from(count) {
                Ok(count) if count > 0 => done += count,
                _ if io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock => {
                    return failed + (wanted - done) as u64;
                }
                // There is no way to this peer, for instance: that is no reason to keep from the others.
                _ => {
                    failed += 1;
                    done += 1;
                }
            }
        }
        failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(addr: &str) -> UdpSocket {
        UdpSocket::bind(addr.parse().unwrap()).unwrap()
    }

    /// Receives until `count` are there.
    fn receive(arena: &mut Arena, socket: &UdpSocket, count: usize) -> (Vec<Received>, u64) {
        let (mut received, mut too_long) = (Vec::new(), 0);
        for _ in 0..1000 {
            let outcome = arena.receive(socket, SLOTS, &mut received).unwrap();
            too_long += outcome.too_long;
            if received.len() + too_long as usize >= count {
                return (received, too_long);
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        panic!("{} of {count} came", received.len());
    }

    #[test]
    fn datagrams_go_out_and_come_in_many_at_once() {
        for addr in ["127.0.0.1:0", "[::1]:0"] {
            let (from, to) = (socket(addr), socket(addr));
            let mut arena = Arena::new();
            let outgoing: Vec<_> = (0..40_u8)
                .map(|i| {
                    let (slot, range) = arena.put(&[i; 1200]).unwrap();
                    Outgoing {
                        slot,
                        to: to.local_addr().unwrap(),
                        range,
                    }
                })
                .collect();
            assert_eq!(arena.send(&from, &outgoing), 0);
            arena.clear();

            let (received, _) = receive(&mut arena, &to, 40);

            for (i, datagram) in received.iter().enumerate() {
                assert_eq!(datagram.from, from.local_addr().unwrap());
                let bytes = arena.bytes(datagram.slot, datagram.range.clone());
                assert_eq!(bytes, [i as u8; 1200]);
            }
        }
    }

    #[test]
    fn one_that_is_too_long_is_counted_and_the_next_is_taken() {
        let (from, to) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
        let addr = to.local_addr().unwrap();
        from.send_to(&[1; MAX_DATAGRAM + 1], addr).unwrap();
        from.send_to(&[2; MAX_DATAGRAM], addr).unwrap();

        let mut arena = Arena::new();
        let (received, too_long) = receive(&mut arena, &to, 2);

        assert_eq!((received.len(), too_long), (1, 1));
        assert_eq!(received[0].range.len(), MAX_DATAGRAM);
    }

    #[test]
    fn a_peer_that_cannot_be_reached_does_not_keep_from_the_others() {
        let (from, to) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
        let mut arena = Arena::new();
        let (slot, range) = arena.put(b"hello").unwrap();
        let good = to.local_addr().unwrap();
        // A socket of the loopback interface reaches nobody else, and port 0 nobody has.
        let outgoing = [good, "192.0.2.1:9".parse().unwrap(), good].map(|to| Outgoing {
            slot,
            to,
            range: range.clone(),
        });

        assert_eq!(arena.send(&from, &outgoing), 1);
        let (received, _) = receive(&mut arena, &to, 2);
        assert_eq!(received.len(), 2);
    }

    #[test]
    fn it_holds_no_more_than_it_has_room_for() {
        let mut arena = Arena::new();
        assert_eq!(arena.put(&[0; MAX_DATAGRAM + 1]), None);
        let put = (0..1000).filter(|_| arena.put(b"x").is_some()).count();

        assert_eq!((put, arena.free()), (SLOTS, 0));
        let mut received = Vec::new();
        let outcome = arena.receive(&socket("127.0.0.1:0"), 1, &mut received);
        assert!(outcome.unwrap().has_more, "nobody has looked");
    }
}

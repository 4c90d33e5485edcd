//! Which conversations go over a cable: a witness of the path that a call takes, independent of what the clients say.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

/// How many conversations are counted; a client has a few dozen at most.
const FLOWS_LIMIT: usize = 1024;
/// Relayed addresses have ports of the dynamic range or above the well-known ones; the server's own ports are below.
const FIRST_RELAYED_PORT: u16 = 10_000;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// The far end of a conversation, as seen from the client's side of the cable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Flow {
    /// UDP, or else TCP.
    is_udp: bool,
    /// Who is at the far end.
    address: Ipv4Addr,
    /// The port at the far end.
    port: u16,
}

/// Bytes by conversation.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    bytes: BTreeMap<Flow, u64>,
    /// Of TCP: whether segments began like records of TLS.
    tls: BTreeMap<Flow, bool>,
}

impl Flows {
    /// Counts a frame that came out of the far end of the cable, or out of the near one.
    pub(crate) fn count(&mut self, frame: &[u8], is_from_far: bool) {
        let Some((flow, payload)) = parse(frame, is_from_far) else {
            return;
        };
        if self.bytes.len() >= FLOWS_LIMIT && !self.bytes.contains_key(&flow) {
            return;
        }
        *self.bytes.entry(flow).or_default() += frame.len() as u64;
        let is_tls = matches!(payload, [0x16 | 0x17, 0x03, ..]);
        *self.tls.entry(flow).or_default() |= is_tls && !flow.is_udp;
    }

    /// Which ways the bytes took, given the addresses of the server, by their share of all bytes, the busiest first.
    pub(crate) fn paths(&self, server: &[Ipv4Addr]) -> Vec<(Path, f64)> {
        let mut shares = BTreeMap::<Path, f64>::new();
        let all: u64 = self.bytes.values().sum();
        for (flow, bytes) in &self.bytes {
            *shares.entry(self.path(*flow, server)).or_default() += *bytes as f64 / all as f64;
        }
        let mut shares: Vec<_> = shares.into_iter().collect();
        shares.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        shares
    }

    fn path(&self, flow: Flow, server: &[Ipv4Addr]) -> Path {
        match (server.contains(&flow.address), flow.is_udp) {
            (false, _) => Path::Direct,
            // The relayed address of the partner: this side sends to it as to anybody.
            (true, true) if flow.port >= FIRST_RELAYED_PORT => Path::PartnersRelay,
            (true, true) => Path::RelayUdp,
            (true, false) if self.tls.get(&flow) == Some(&true) => Path::RelayTls,
            (true, false) => Path::RelayTcp,
        }
    }
}

/// The way that media takes on one side of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// To the partner, without a relay.
    Direct,
    /// To an address that the relay has given the partner.
    PartnersRelay,
    /// Through the relay, over UDP.
    RelayUdp,
    /// Through the relay, over TCP in the clear.
    RelayTcp,
    /// Through the relay, over TLS.
    RelayTls,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::PartnersRelay => "partner's relay",
            Self::RelayUdp => "relay/udp",
            Self::RelayTcp => "relay/tcp",
            Self::RelayTls => "relay/tls",
        })
    }
}

/// The far end and the payload of an IPv4 packet in an Ethernet frame.
fn parse(frame: &[u8], is_from_far: bool) -> Option<(Flow, &[u8])> {
    let packet = frame.get(14..).filter(|_| frame[12..14] == [0x08, 0x00])?;
    let header_bytes = usize::from(packet.first()? & 0x0f) * 4;
    let protocol = *packet.get(9)?;
    let segment = packet.get(header_bytes..)?;
    let (address, port) = if is_from_far {
        (packet.get(12..16)?, segment.get(0..2)?)
    } else {
        (packet.get(16..20)?, segment.get(2..4)?)
    };
    let payload = match protocol {
        UDP => segment.get(8..)?,
        TCP => segment.get(usize::from(segment.get(12)? >> 4) * 4..)?,
        _ => return None,
    };
    let address: [u8; 4] = address.try_into().ok()?;
    let flow = Flow {
        is_udp: protocol == UDP,
        address: address.into(),
        port: u16::from_be_bytes([port[0], port[1]]),
    };
    Some((flow, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
    const PARTNER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 20);

    #[test]
    fn the_busiest_conversation_is_the_path() {
        for (protocol, address, port, payload, path) in [
            (UDP, PARTNER, 40_000, &[0x80, 0][..], Path::Direct),
            (UDP, SERVER, 3478, &[0x40, 0], Path::RelayUdp),
            (UDP, SERVER, 50_000, &[0x80, 0], Path::PartnersRelay),
            (TCP, SERVER, 3478, &[0x40, 0], Path::RelayTcp),
            (TCP, SERVER, 443, &[0x17, 0x03, 0x03], Path::RelayTls),
        ] {
            let mut flows = Flows::default();
            flows.count(&frame(TCP, SERVER, 8080, b"GET /", true), false);
            for is_up in [true, false, true] {
                flows.count(&frame(protocol, address, port, payload, is_up), !is_up);
            }
            assert_eq!(flows.paths(&[SERVER])[0].0, path);
        }
    }

    #[test]
    fn frames_that_are_cut_short_are_not_counted() {
        let whole = frame(TCP, SERVER, 443, &[0x17, 0x03, 0x03], true);
        for len in 0..whole.len() - 3 {
            let mut flows = Flows::default();
            flows.count(&whole[..len], false);
            assert_eq!(flows.paths(&[SERVER]), [], "{len}");
        }
    }

    fn frame(protocol: u8, address: Ipv4Addr, port: u16, payload: &[u8], is_up: bool) -> Vec<u8> {
        let near = (Ipv4Addr::new(203, 0, 113, 10), 30_000_u16);
        let (from, to) = if is_up {
            (near, (address, port))
        } else {
            ((address, port), near)
        };
        let mut frame = vec![0; 12];
        frame.extend([0x08, 0x00, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0]);
        frame.extend(from.0.octets());
        frame.extend(to.0.octets());
        frame.extend(from.1.to_be_bytes());
        frame.extend(to.1.to_be_bytes());
        match protocol {
            UDP => frame.extend([0; 4]),
            _ => frame.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0, 0, 0, 0, 0, 0, 0]),
        }
        frame.extend(payload);
        frame
    }
}

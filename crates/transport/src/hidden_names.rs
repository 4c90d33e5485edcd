//! Candidates with a name instead of an address (draft-ietf-mmusic-mdns-ice-candidates-03).
//!
//! Browsers tell such names of pages that may use neither camera nor microphone. Who is on the same network asks there for the address
//! (RFC 6762); anybody else learns nothing. The stack can look names up, but binds its socket for it with each connection and
//! keeps it as long as that; here it is there for one question.

use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc::mdns::{MDNS_DEST_ADDR, Mdns, MdnsConfig, MdnsEvent, MulticastSocket};
use rtc::sansio::Protocol as _;
use rtc::shared::{TaggedBytesMut, TransportContext};
use tokio::net::UdpSocket;

/// How many names of a partner are looked up at a time; further ones are left out. A browser has one for each interface.
pub(crate) const MAX_LOOKUPS: usize = 4;
/// How long a name is looked for, and how often it is asked for meanwhile (RFC 6762 section 5.2).
const LONGEST: Duration = Duration::from_secs(3);
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Longer ones are not names: those of browsers have 42 characters.
const LONGEST_NAME: usize = 64;
/// Of the largest answer that is read, in bytes. It tells one address.
const ANSWER_BYTES: usize = 1500;
/// Where the address stands in a candidate (RFC 8839 section 5.1).
const ADDRESS_FIELD: usize = 4;

/// The name that `candidate` has instead of an address, if it has one.
pub(crate) fn name_in(candidate: &str) -> Option<&str> {
    let name = candidate.split(' ').nth(ADDRESS_FIELD)?;
    let label = name.strip_suffix(".local")?;
    let is_label = !label.is_empty()
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (is_label && name.len() <= LONGEST_NAME).then_some(name)
}

/// The same candidate with an address.
fn with_address(candidate: &str, address: IpAddr) -> String {
    let address = address.to_string();
    let fields = candidate.split(' ').enumerate();
    let fields = fields.map(|(n, field)| if n == ADDRESS_FIELD { &address } else { field });
    fields.collect::<Vec<_>>().join(" ")
}

/// A candidate with a hidden name as one with an address; `None` where that is not found out.
pub(crate) async fn reveal(candidate: &str) -> Option<String> {
    let address = look_up(name_in(candidate)?).await?;
    Some(with_address(candidate, address))
}

/// Asks the local network whose name this is. `None` if nobody answers in three seconds, or if nobody can be asked.
///
/// Whoever is on that network may answer with any address. Whether the partner is there the connectivity checks find out: they need
/// the call's passwords.
async fn look_up(name: &str) -> Option<IpAddr> {
    let socket = MulticastSocket::new()
        .into_std()
        .and_then(UdpSocket::from_std);
    let socket = socket
        .inspect_err(|error| tracing::debug!(%error, "hidden names cannot be looked up"))
        .ok()?;
    let config = MdnsConfig::new()
        .with_query_interval(ASK_EVERY)
        .with_query_timeout(LONGEST);
    let mut resolver = Mdns::new(Instant::now(), config);
    resolver.query_now(Instant::now(), name);
    let answer = tokio::time::timeout(LONGEST, ask(&socket, &mut resolver)).await;
    answer.ok().filter(|address| is_somewhere(*address))
}

/// Carries questions and answers until there is one. Stops for nothing that arrives.
async fn ask(socket: &UdpSocket, resolver: &mut Mdns) -> IpAddr {
    let mut buffer = [0; ANSWER_BYTES];
    loop {
        while let Some(question) = resolver.poll_write() {
            if let Err(error) = socket.send_to(&question.message, MDNS_DEST_ADDR).await {
                tracing::debug!(%error, "a hidden name cannot be asked for");
            }
        }
        while let Some(event) = resolver.poll_event() {
            if let MdnsEvent::QueryAnswered(_, address) = event {
                return address;
            }
        }
        let again_at = resolver.poll_timeout();
        let wait = async {
            match again_at {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => pending().await,
            }
        };
        // Neither fails unless the resolver was closed.
        let result = tokio::select! {
            received = socket.recv_from(&mut buffer) => if let Ok((len, from)) = received {
                resolver.handle_read(heard(&buffer[..len], from))
            } else {
                // The network is gone, perhaps.
                tokio::time::sleep(ASK_EVERY).await;
                Ok(())
            },
            () = wait => resolver.handle_timeout(Instant::now()),
        };
        if let Err(error) = result {
            tracing::debug!(%error, "an answer to a hidden name was not understood");
        }
    }
}

fn heard(message: &[u8], peer_addr: SocketAddr) -> TaggedBytesMut {
    TaggedBytesMut {
        now: Instant::now(),
        transport: TransportContext {
            local_addr: MDNS_DEST_ADDR,
            peer_addr,
            ..TransportContext::default()
        },
        message: BytesMut::from(message),
    }
}

/// Whether an address can be another machine's.
fn is_somewhere(address: IpAddr) -> bool {
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HIDDEN: &str = "candidate:1 1 udp 2113937151 \
        0b5c4a2e-8c3d-4b1e-9b57-3f9d5c6e1a20.local 54321 typ host generation 0";

    #[test]
    fn a_name_is_found_where_the_address_stands_and_gives_way_to_one() {
        let name = name_in(HIDDEN).unwrap();
        assert_eq!(name, "0b5c4a2e-8c3d-4b1e-9b57-3f9d5c6e1a20.local");
        assert_eq!(
            with_address(HIDDEN, "192.0.2.7".parse().unwrap()),
            "candidate:1 1 udp 2113937151 192.0.2.7 54321 typ host generation 0"
        );
    }

    #[test]
    fn addresses_and_names_of_other_kinds_are_no_hidden_names() {
        for address in [
            "192.0.2.7",
            "2001:db8::7",
            "example.org",
            ".local",
            "a.b.local",
            "a\u{e9}.local",
            "local",
            "",
        ] {
            let candidate = format!("candidate:1 1 udp 1 {address} 5 typ host");
            assert_eq!(name_in(&candidate), None, "{address}");
        }
        let long = "x".repeat(LONGEST_NAME);
        assert_eq!(
            name_in(&format!("candidate:1 1 udp 1 {long}.local 5")),
            None
        );
        assert_eq!(name_in("candidate:1 1"), None);
    }

    #[test]
    fn no_answer_leads_to_this_machine_or_to_everybody() {
        for address in ["127.0.0.1", "0.0.0.0", "224.0.0.251", "::1"] {
            assert!(!is_somewhere(address.parse().unwrap()), "{address}");
        }
        assert!(is_somewhere("10.1.2.3".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn nothing_that_is_heard_does_harm(message in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut resolver = Mdns::new(Instant::now(), MdnsConfig::new());
            resolver.query_now(Instant::now(), "a.local");
            let from = SocketAddr::from(([192, 0, 2, 1], 5353));
            prop_assert!(resolver.handle_read(heard(&message, from)).is_ok());
        }

        #[test]
        fn no_candidate_does_harm(candidate in ".{0,200}") {
            if name_in(&candidate).is_some() {
                let told = with_address(&candidate, "192.0.2.7".parse().unwrap());
                prop_assert_eq!(name_in(&told), None);
            }
        }
    }
}

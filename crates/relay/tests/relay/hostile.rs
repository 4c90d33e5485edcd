//! Whatever comes from the network, in whatever order: no panic, no limit exceeded, and in the end nothing is left.

use std::time::Duration;

use proptest::{collection::vec, prelude::*};
use relay::{
    Client, Config, Family, PeerPolicy, framing,
    stun::{Message, attribute, method},
};

use crate::support::{Came, MINUTE, OWN, OWN_V6, Speaker, World, addr, channel_data, config, udp};

fn small() -> Config {
    Config {
        max_allocations: 6,
        max_per_user: 2,
        max_per_ip: 3,
        max_permissions: 4,
        max_channels: 3,
        ..config()
    }
}

/// A good request of any kind.
fn request(speaker: &mut Speaker, kind: u8) -> Vec<u8> {
    let peer = addr("198.51.102.2:6000");
    match kind % 5 {
        0 => speaker.request(method::ALLOCATE, |request| {
            request.attribute(attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
        }),
        1 => speaker.request(method::REFRESH, |request| {
            request.attribute(attribute::LIFETIME, &[0, 0, 1, 0])
        }),
        2 => speaker.request(method::CREATE_PERMISSION, |request| {
            request.xor_address(attribute::XOR_PEER_ADDRESS, peer)
        }),
        3 => speaker.request(method::CHANNEL_BIND, |request| {
            request
                .attribute(attribute::CHANNEL_NUMBER, &[0x40, 0, 0, 0])
                .xor_address(attribute::XOR_PEER_ADDRESS, peer)
        }),
        _ => channel_data(0x4000, b"hello"),
    }
}

/// What somebody does.
#[derive(Debug, Clone)]
enum Deed {
    Allocate(usize, Family),
    Refresh(usize, u32),
    Permit(usize, Vec<u8>),
    Bind(usize, u16, u8),
    Send(usize, u8),
    SendByChannel(usize, u16),
    FromPeer(usize, u8),
    Gone(usize),
    Garbage(usize, Vec<u8>),
    Pass(u64),
}

fn deed() -> impl Strategy<Value = Deed> {
    let who = 0..12_usize;
    let peer = 0..16_u8;
    let family = prop_oneof![Just(Family::V4), Just(Family::V6)];
    prop_oneof![
        (who.clone(), family).prop_map(|(who, family)| Deed::Allocate(who, family)),
        (who.clone(), prop_oneof![Just(0), any::<u32>()])
            .prop_map(|(who, seconds)| Deed::Refresh(who, seconds)),
        (who.clone(), vec(peer.clone(), 0..6)).prop_map(|(who, peers)| Deed::Permit(who, peers)),
        (who.clone(), 0x3ffe..0x4006_u16, peer.clone())
            .prop_map(|(who, number, peer)| Deed::Bind(who, number, peer)),
        (who.clone(), peer.clone()).prop_map(|(who, peer)| Deed::Send(who, peer)),
        (who.clone(), 0x3ffe..0x4006_u16)
            .prop_map(|(who, number)| Deed::SendByChannel(who, number)),
        (who.clone(), peer).prop_map(|(who, peer)| Deed::FromPeer(who, peer)),
        who.clone().prop_map(Deed::Gone),
        (who, vec(any::<u8>(), 0..80)).prop_map(|(who, bytes)| Deed::Garbage(who, bytes)),
        (0..400_u64).prop_map(Deed::Pass),
    ]
}

/// Some may be peers, of either kind; the others must not, in whatever form.
fn peer(number: u8) -> std::net::SocketAddr {
    addr(match number {
        0 => "198.51.102.2:6000",
        1 => "198.51.102.2:6001",
        2 => "198.51.103.2:6000",
        3 => "203.0.114.1:50001",
        4 => "127.0.0.1:22",
        5 => "169.254.169.254:80",
        6 => "255.255.255.255:9",
        7 => "[::1]:22",
        8 => "[2a02::2]:6000",
        9 => "[2a02::2]:6001",
        10 => "[2a00::1]:50001",
        11 => "[2a00::1]:22",
        12 => "[::ffff:203.0.114.1]:22",
        13 => "[64:ff9b::203.0.114.1]:22",
        14 => "[2002:cb00:7201::1]:22",
        _ => "[fe80::1]:22",
    })
}

fn client(who: usize) -> Client {
    let addr = addr(&format!("198.51.101.{}:5000", who % 5));
    if who < 4 {
        udp(&format!("[2a01::{}]:{}", who % 2, 5000 + who))
    } else if who < 8 {
        udp(&format!("198.51.101.{}:{}", who % 5, 5000 + who))
    } else {
        Client::Stream {
            id: who as u64,
            addr,
        }
    }
}

/// Checks what must hold whatever has happened.
fn check(world: &World, config: &Config, came: &Came) {
    let counters = world.counters();
    assert_eq!(world.sockets.len() as u64, counters.allocations);
    assert!(world.sockets.len() <= config.max_allocations);
    assert_eq!(
        counters.allocations_opened - counters.allocations_closed,
        counters.allocations
    );
    match came {
        Came::ToPeer(to, _) => {
            assert!(PeerPolicy::default().allows(to.ip()), "{to}");
            for own in [OWN, OWN_V6] {
                assert_ne!(to.ip(), addr(own).ip(), "our own address");
            }
            assert!(
                to.is_ipv4() || to.ip() == addr("[2a02::2]:0").ip(),
                "our own address in another form: {to}"
            );
        }
        Came::Reply(reply) => {
            assert!(Message::parse(reply).is_ok());
        }
        Came::ToClient(..) | Came::Nothing => {}
    }
}

fn refused(answer: Result<(), u16>) -> Came {
    if let Err(code) = answer {
        assert!(
            [0, 400, 401, 403, 437, 438, 441, 443, 486, 508].contains(&code),
            "{code}"
        );
    }
    Came::Nothing
}

proptest! {
    #[test]
    fn random_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..200), as_stream in any::<bool>()) {
        let mut world = World::new(small());
        let client = client(if as_stream { 9 } else { 1 });
        let came = world.client_sends(client, &bytes);
        check(&world, &small(), &came);
        let _count_or_not = Message::parse(&bytes).map(|message| message.attributes().count());
        let _len_or_not = framing::frame_len(&bytes);
    }

    #[test]
    fn damaged_requests_do_no_harm_and_change_nothing(
        kind in any::<u8>(),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
        cut in any::<prop::sample::Index>(),
        tail in vec(any::<u8>(), 0..20),
    ) {
        let mut world = World::new(small());
        let (mut it, _) = world.allocated(client(1), 1);
        let good = request(&mut it, kind);
        let mut flipped = good.clone();
        let at = at.index(good.len());
        flipped[at] ^= 1 << bit;
        let cut = good[..cut.index(good.len())].to_vec();
        let longer = [good.clone(), tail].concat();
        let before = world.sockets.clone();
        for bytes in [flipped, cut, longer] {
            let came = world.client_sends(it.client, &bytes);
            check(&world, &small(), &came);
        }
        prop_assert_eq!(&world.sockets, &before);
        // The original is understood still.
        let came = world.client_sends(it.client, &good);
        check(&world, &small(), &came);
    }

    #[test]
    fn any_history_stays_within_the_limits_and_ends(deeds in vec(deed(), 0..120)) {
        let config = small();
        let mut world = World::new(config.clone());
        let mut speakers: Vec<Speaker> =
            (0..12).map(|who| world.speaker(client(who), who as u64 / 3)).collect();
        let mut relayed = vec![addr("203.0.114.1:1"); 12];
        for deed in deeds {
            let came = match deed {
                Deed::Allocate(who, family) => match speakers[who].allocate_as(&mut world, family) {
                    Ok(addr) => {
                        relayed[who] = addr;
                        Came::Nothing
                    }
                    Err(code) => refused(Err(code)),
                },
                Deed::Refresh(who, seconds) => {
                    refused(speakers[who].refresh(&mut world, seconds).map(|granted| {
                        assert!(granted <= config.max_lifetime);
                    }))
                }
                Deed::Permit(who, peers) => {
                    let peers: Vec<_> = peers.into_iter().map(peer).collect();
                    refused(speakers[who].permit(&mut world, &peers))
                }
                Deed::Bind(who, number, to) => {
                    refused(speakers[who].bind(&mut world, number, peer(to)))
                }
                Deed::Send(who, to) => speakers[who].send(&mut world, peer(to), b"hello"),
                Deed::SendByChannel(who, number) => {
                    speakers[who].send_by_channel(&mut world, number, b"hello")
                }
                Deed::FromPeer(who, from) => world.peer_sends(peer(from), relayed[who], b"hello"),
                Deed::Gone(who) => {
                    world.relay.client_gone(client(who));
                    world.pass(Duration::ZERO);
                    Came::Nothing
                }
                Deed::Garbage(who, bytes) => world.client_sends(client(who), &bytes),
                Deed::Pass(seconds) => {
                    world.pass(MINUTE / 60 * seconds as u32);
                    Came::Nothing
                }
            };
            check(&world, &config, &came);
        }
        world.pass(config.max_lifetime);
        prop_assert!(world.sockets.is_empty());
        prop_assert_eq!(world.relay.poll_timeout(), None);
        prop_assert_eq!(world.counters().allocations, 0);
    }
}

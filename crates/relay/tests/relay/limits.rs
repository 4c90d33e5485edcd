//! Nobody gets more than his share, and nobody gets where he must not.

use relay::{Config, PeerPolicy, Rate, stun::Message};

use crate::support::{Came, MINUTE, World, addr, channel_data, code_of, config, udp};

const PEER: &str = "198.51.102.2:6000";

#[test]
fn a_user_an_address_and_all_together_have_so_many_allocations() {
    let mut world = World::new(Config {
        max_allocations: 10,
        max_per_user: 2,
        max_per_ip: 4,
        ..config()
    });
    let mut codes = Vec::new();
    let mut port = 5000;
    for (ip, user) in [
        ("198.51.101.1", 1),
        ("198.51.101.1", 1),
        ("198.51.101.1", 1),
        ("198.51.101.1", 2),
        ("198.51.101.1", 3),
        ("198.51.101.1", 4),
        ("[2a01::1]", 5),
        ("[2a01::2]", 6),
        ("[2a01::3]", 7),
        ("[2a01::4]", 8),
        ("[2a01::5]", 9),
        ("[2a01:0:0:1::5]", 9),
        ("[2a01:0:0:1::5]", 9),
        ("198.51.101.2", 10),
    ] {
        port += 1;
        let mut it = world.speaker(udp(&format!("{ip}:{port}")), user);
        codes.push(it.allocate(&mut world).err());
    }

    let (ok, quota, full) = (None, Some(486), Some(508));
    assert_eq!(
        codes,
        [
            ok, ok, quota, ok, ok, quota, // One address, and two of one user.
            ok, ok, ok, ok, quota, // One /64.
            ok, ok, full
        ]
    );
    world.pass(MINUTE * 10);
    let mut it = world.speaker(udp("198.51.101.1:1"), 1);
    it.allocate(&mut world).expect("all have expired");
}

#[test]
fn an_allocation_has_so_many_permissions_and_channels() {
    let mut world = World::new(Config {
        max_permissions: 8,
        max_channels: 5,
        ..config()
    });
    let (mut it, _) = world.allocated(udp("198.51.101.1:5000"), 1);
    let peers: Vec<_> = (1..=20)
        .map(|i| addr(&format!("198.51.102.{i}:6000")))
        .collect();

    for i in 0..5 {
        it.bind(&mut world, 0x4000 + i, peers[usize::from(i)])
            .unwrap();
    }
    assert_eq!(it.bind(&mut world, 0x4010, peers[5]), Err(508));
    assert_eq!(it.permit(&mut world, &peers[5..9]), Err(508));
    assert_eq!(
        it.send(&mut world, peers[5], b"x"),
        Came::Nothing,
        "all or none"
    );
    it.permit(&mut world, &peers[5..8]).unwrap();
    it.permit(&mut world, &peers[..8]).unwrap();
    world.pass(MINUTE * 9);
    it.refresh(&mut world, 600).unwrap();
    world.pass(MINUTE);
    it.permit(&mut world, &peers[10..18]).unwrap();
}

#[test]
fn private_addresses_are_refused_and_can_be_allowed() {
    for allow_private in [false, true] {
        let mut world = World::new(Config {
            peers: PeerPolicy {
                allow_private,
                ..PeerPolicy::default()
            },
            ..config()
        });
        let (mut it, relayed) = world.allocated(udp("198.51.101.1:5000"), 1);
        let expected = if allow_private { Ok(()) } else { Err(403) };
        for (i, peer) in [
            "10.0.0.1:80",
            "127.0.0.1:80",
            "169.254.169.254:80",
            "192.168.0.1:80",
            "100.64.0.1:80",
        ]
        .into_iter()
        .enumerate()
        {
            let peer = addr(peer);
            assert_eq!(it.permit(&mut world, &[peer]), expected, "{peer}");
            assert_eq!(
                it.permit(&mut world, &[addr(PEER), peer]),
                expected,
                "{peer}"
            );
            assert_eq!(
                it.bind(&mut world, 0x4000 + i as u16, peer),
                expected,
                "{peer}"
            );
            let passes = it.send(&mut world, peer, b"x") != Came::Nothing;
            assert_eq!(passes, allow_private);
            let passes = world.peer_sends(peer, relayed, b"x") != Came::Nothing;
            assert_eq!(passes, allow_private);
        }
        for nobody in ["0.0.0.0:80", "224.0.0.1:80", "255.255.255.255:80"] {
            assert_eq!(it.permit(&mut world, &[addr(nobody)]), Err(403));
        }
    }
}

#[test]
fn an_allocation_carries_so_much_in_each_direction() {
    let mut world = World::new(Config {
        allocation_bytes: Rate {
            per_second: 100_000,
            burst: 10_000,
        },
        ..config()
    });
    let (mut it, relayed) = world.allocated(udp("198.51.101.1:5000"), 1);
    it.bind(&mut world, 0x4000, addr(PEER)).unwrap();
    let mut passed = (0, 0);
    for _ in 0..1000 {
        world.pass(MINUTE / 60_000);
        for _ in 0..5 {
            passed.0 +=
                u32::from(it.send_by_channel(&mut world, 0x4000, &[0; 1000]) != Came::Nothing);
            passed.1 +=
                u32::from(world.peer_sends(addr(PEER), relayed, &[0; 1000]) != Came::Nothing);
        }
    }

    // A second at 100 packets, and a burst of ten.
    assert!((108..=110).contains(&passed.0), "{passed:?}");
    assert!((108..=110).contains(&passed.1), "{passed:?}");
    let dropped = world.counters().drops_allocation_rate;
    assert_eq!(dropped, u64::from(10_000 - passed.0 - passed.1));
}

#[test]
fn an_allocation_carries_so_many_packets_and_all_together_so_many_bytes() {
    let mut world = World::new(Config {
        allocation_packets: Rate {
            per_second: 100,
            burst: 50,
        },
        total_bytes: Rate {
            per_second: 10_000,
            burst: 70_000,
        },
        ..config()
    });
    let mut passed = 0;
    for i in 0..2 {
        let client = udp(&format!("198.51.101.{i}:5000"));
        let (mut it, _) = world.allocated(client, i);
        it.bind(&mut world, 0x4000, addr(PEER)).unwrap();
        for _ in 0..100 {
            passed +=
                u32::from(it.send_by_channel(&mut world, 0x4000, &[0; 1000]) != Came::Nothing);
        }
    }

    // The request to bind counted too.
    assert_eq!(passed, 49 + 21);
    assert_eq!(world.counters().drops_allocation_rate, 51 + 51);
    assert_eq!(world.counters().drops_total_rate, 28);
}

#[test]
fn what_is_longer_than_a_media_packet_is_dropped() {
    let mut world = World::new(config());
    let (mut it, relayed) = world.allocated(udp("198.51.101.1:5000"), 1);
    it.bind(&mut world, 0x4000, addr(PEER)).unwrap();
    let most = vec![0; relay::MAX_PAYLOAD];
    let more = vec![0; relay::MAX_PAYLOAD + 1];

    assert_ne!(it.send_by_channel(&mut world, 0x4000, &most), Came::Nothing);
    assert_eq!(it.send_by_channel(&mut world, 0x4000, &more), Came::Nothing);
    assert_ne!(world.peer_sends(addr(PEER), relayed, &most), Came::Nothing);
    assert_eq!(world.peer_sends(addr(PEER), relayed, &more), Came::Nothing);
    assert_eq!(world.counters().drops_oversized, 2);
}

/// Resident memory of this process in bytes.
#[cfg(target_os = "linux")]
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages = status.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok());
    pages.expect("a number of pages") * 4096
}

#[cfg(target_os = "linux")]
#[test]
fn of_a_flood_from_everywhere_nothing_is_remembered() {
    let mut world = World::new(config());
    let (mut it, _) = world.allocated(udp("198.51.101.1:5000"), 1);
    let mut challenge = Vec::new();
    relay::stun::Writer::new(
        &mut challenge,
        relay::stun::Class::Request,
        relay::stun::method::ALLOCATE,
        [1; 12],
    )
    .finish();
    let signed = world
        .speaker(udp("198.51.101.2:5000"), 2)
        .request(relay::stun::method::ALLOCATE, |request| request);
    let before = memory();
    for i in 0..150_000_u32 {
        // Addresses that each come once: by UDP they may be made up, by IPv6 a customer has many networks.
        let [a, b, c, d] = (0x0b00_0000 + i * 13).to_be_bytes();
        let from = udp(&format!("{a}.{b}.{c}.{d}:9"));
        world.client_sends(from, &challenge);
        let from = udp(&format!("[2a03:{:x}:{:x}::1]:9", i >> 16, i & 0xffff));
        world.client_sends(from, &signed);
        world.client_sends(from, &channel_data(0x4000, b"x"));
    }
    let grown = memory().saturating_sub(before);

    // A single word for each of them would be more. (Other tests of this process run beside it.)
    assert!(grown < 8 << 20, "{grown} bytes more");
    assert_eq!(world.counters().allocations, 1);
    it.refresh(&mut world, 600).expect("it is served still");
}

#[test]
fn a_flood_from_one_address_is_not_answered_and_does_not_keep_others_out() {
    let mut world = World::new(config());
    let mut request = Vec::new();
    relay::stun::Writer::new(
        &mut request,
        relay::stun::Class::Request,
        relay::stun::method::ALLOCATE,
        [1; 12],
    )
    .finish();
    let mut answered = 0;
    for i in 0..100_000_u32 {
        let client = udp(&format!("198.51.101.1:{}", 1 + i % 60_000));
        if let Came::Reply(reply) = world.client_sends(client, &request) {
            assert_eq!(code_of(&Message::parse(&reply).unwrap()), Some(401));
            answered += 1;
        }
    }

    assert_eq!(answered, config().unproven_requests.burst);
    assert_eq!(world.counters().rate_limited, 100_000 - answered);
    let mut others = 0;
    for i in 0..20 {
        let mut it = world.speaker(udp(&format!("198.51.102.{i}:5000")), i);
        others += u32::from(it.allocate(&mut world).is_ok());
    }
    assert!(others >= 19, "at most one shares the flood's bucket");
}

//! What clients do, and what becomes of it.

use std::time::Duration;

use relay::{
    Client,
    stun::{Class, Message, Writer, attribute, method},
};

use crate::support::{Came, MINUTE, World, addr, channel_data, code_of, config, relayed_in, udp};

const CLIENT: &str = "198.51.101.1:5000";
const PEER: &str = "198.51.102.2:6000";

fn binding(fill: impl FnOnce(Writer<'_>) -> Writer<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let writer = Writer::new(&mut bytes, Class::Request, method::BINDING, [1; 12]);
    fill(writer).finish();
    bytes
}

fn reply(came: Came) -> Vec<u8> {
    match came {
        Came::Reply(reply) => reply,
        other => panic!("expected a reply, got {other:?}"),
    }
}

#[test]
fn everybody_is_told_his_address() {
    let mut world = World::new(config());
    for from in [CLIENT, "[2a01::9]:7"] {
        let reply = reply(world.client_sends(udp(from), &binding(|request| request)));
        let message = Message::parse(&reply).unwrap();
        let value = message.attribute(attribute::XOR_MAPPED_ADDRESS).unwrap();

        assert_eq!(message.class, Class::Success);
        assert_eq!(message.xor_address(value), Some(addr(from)));
    }
    let odd = binding(|request| request.attribute(0x0003, &[0, 0, 0, 6]));
    let reply = reply(world.client_sends(udp(CLIENT), &odd));
    assert_eq!(code_of(&Message::parse(&reply).unwrap()), Some(420));
}

#[test]
fn packets_go_both_ways_by_indication_and_by_channel() {
    for (client, peer) in [(CLIENT, PEER), ("[2a01::9]:5000", PEER)] {
        let mut world = World::new(config());
        let (mut it, relayed) = world.allocated(udp(client), 1);
        let peer = addr(peer);

        it.permit(&mut world, &[peer]).unwrap();
        assert_eq!(
            it.send(&mut world, peer, b"hello"),
            Came::ToPeer(peer, b"hello".to_vec())
        );
        let Came::ToClient(to, bytes) = world.peer_sends(peer, relayed, b"hi") else {
            panic!("it is permitted");
        };
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(to, it.client);
        assert_eq!(message.attribute(attribute::DATA), Some(&b"hi"[..]));

        it.bind(&mut world, 0x4000, peer).unwrap();
        assert_eq!(
            it.send_by_channel(&mut world, 0x4000, b"hello"),
            Came::ToPeer(peer, b"hello".to_vec())
        );
        assert_eq!(
            world.peer_sends(peer, relayed, b"hi"),
            Came::ToClient(it.client, channel_data(0x4000, b"hi"))
        );
        // The same host at another port is permitted, and has no channel.
        let other = addr("198.51.102.2:6001");
        let Came::ToClient(_, bytes) = world.peer_sends(other, relayed, b"hi") else {
            panic!("it is permitted");
        };
        assert_eq!(Message::parse(&bytes).unwrap().method, method::DATA);
        assert_eq!(world.counters().packets_to_clients, 3);
        assert_eq!(world.counters().bytes_to_peers, 10);
    }
}

#[test]
fn an_ipv6_address_can_be_asked_for() {
    let mut world = World::new(config());
    let mut it = world.speaker(udp(CLIENT), 1);
    let reply = it
        .ask(&mut world, method::ALLOCATE, |request| {
            request
                .attribute(attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
                .attribute(attribute::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0])
        })
        .unwrap();
    let relayed = relayed_in(&reply);
    let peer = addr("[2a02::2]:6000");

    assert!(relayed.is_ipv6());
    it.bind(&mut world, 0x4001, peer).unwrap();
    assert_eq!(
        it.send_by_channel(&mut world, 0x4001, b"hello"),
        Came::ToPeer(peer, b"hello".to_vec())
    );
    assert_eq!(it.permit(&mut world, &[addr(PEER)]), Err(443));
    assert_eq!(it.bind(&mut world, 0x4002, addr(PEER)), Err(443));
}

#[test]
fn in_a_stream_channel_data_is_padded() {
    let mut world = World::new(config());
    let client = Client::Stream {
        id: 9,
        addr: addr(CLIENT),
    };
    let (mut it, relayed) = world.allocated(client, 1);
    it.bind(&mut world, 0x4000, addr(PEER)).unwrap();

    let mut padded = channel_data(0x4000, b"hello");
    padded.extend_from_slice(&[0; 3]);
    assert_eq!(
        world.peer_sends(addr(PEER), relayed, b"hello"),
        Came::ToClient(client, padded.clone())
    );
    assert_eq!(
        world.client_sends(client, &padded),
        Came::ToPeer(addr(PEER), b"hello".to_vec())
    );
}

#[test]
fn without_a_permission_nothing_passes_and_it_ends_after_five_minutes() {
    let mut world = World::new(config());
    let (mut it, relayed) = world.allocated(udp(CLIENT), 1);
    let (peer, other) = (addr(PEER), addr("198.51.102.3:6000"));
    assert_eq!(it.send(&mut world, peer, b"x"), Came::Nothing);
    assert_eq!(world.peer_sends(peer, relayed, b"x"), Came::Nothing);

    it.permit(&mut world, &[peer]).unwrap();
    assert_eq!(it.send(&mut world, other, b"x"), Came::Nothing);
    assert_eq!(world.peer_sends(other, relayed, b"x"), Came::Nothing);
    world.pass(MINUTE / 60 * 299);
    assert_ne!(world.peer_sends(peer, relayed, b"x"), Came::Nothing);

    world.pass(MINUTE / 60);
    assert_eq!(it.send(&mut world, peer, b"x"), Came::Nothing);
    assert_eq!(world.peer_sends(peer, relayed, b"x"), Came::Nothing);
    assert_eq!(world.counters().drops_unpermitted, 6);
}

#[test]
fn a_channel_is_bound_to_one_peer_for_ten_minutes() {
    let mut world = World::new(config());
    let (mut it, _) = world.allocated(udp(CLIENT), 1);
    let (peer, other) = (addr(PEER), addr("198.51.102.3:6000"));
    it.bind(&mut world, 0x4000, peer).unwrap();

    assert_eq!(it.bind(&mut world, 0x4000, other), Err(400));
    assert_eq!(it.bind(&mut world, 0x4001, peer), Err(400));
    assert_eq!(it.bind(&mut world, 0x3fff, other), Err(400));
    assert_eq!(it.bind(&mut world, 0x8000, other), Err(400));
    world.pass(MINUTE * 4);
    it.bind(&mut world, 0x4000, peer).unwrap();
    it.refresh(&mut world, 3600).unwrap();
    world.pass(MINUTE * 9);
    // The permission ended after five minutes; the channel holds yet.
    assert_eq!(it.send_by_channel(&mut world, 0x4000, b"x"), Came::Nothing);
    it.permit(&mut world, &[peer]).unwrap();
    assert_ne!(it.send_by_channel(&mut world, 0x4000, b"x"), Came::Nothing);
    world.pass(MINUTE);
    assert_eq!(it.send_by_channel(&mut world, 0x4000, b"x"), Came::Nothing);
    it.bind(&mut world, 0x4000, other).unwrap();
}

#[test]
fn an_allocation_ends_when_it_is_not_refreshed() {
    let mut world = World::new(config());
    let (mut it, relayed) = world.allocated(udp(CLIENT), 1);
    it.permit(&mut world, &[addr(PEER)]).unwrap();
    world.pass(MINUTE * 9);
    assert_eq!(it.refresh(&mut world, 600), Ok(MINUTE * 10));
    world.pass(MINUTE * 9);
    assert_eq!(world.sockets.len(), 1);
    assert_eq!(world.relay.poll_timeout(), Some(world.now + MINUTE));

    world.pass(MINUTE);

    assert!(world.sockets.is_empty());
    assert_eq!(world.relay.poll_timeout(), None);
    assert_eq!(world.peer_sends(addr(PEER), relayed, b"x"), Came::Nothing);
    assert_eq!(it.refresh(&mut world, 600), Err(437));
    assert_eq!(it.permit(&mut world, &[addr(PEER)]), Err(437));
    assert_eq!(it.bind(&mut world, 0x4000, addr(PEER)), Err(437));
}

#[test]
fn an_allocation_can_be_given_back() {
    let mut world = World::new(config());
    let (mut it, _) = world.allocated(udp(CLIENT), 1);

    assert_eq!(it.refresh(&mut world, 0), Ok(Duration::ZERO));

    assert!(world.sockets.is_empty());
    it.allocate(&mut world).unwrap();
}

#[test]
fn an_allocation_ends_with_its_connection() {
    let mut world = World::new(config());
    let client = Client::Stream {
        id: 9,
        addr: addr(CLIENT),
    };
    world.allocated(client, 1);
    world.relay.client_gone(client);
    world.pass(Duration::ZERO);

    assert!(world.sockets.is_empty());
}

#[test]
fn a_repeated_request_gets_the_same_answer_and_another_one_none() {
    let mut world = World::new(config());
    let mut it = world.speaker(udp(CLIENT), 1);
    it.refresh(&mut world, 600).unwrap_err();
    let request = it.request(method::ALLOCATE, |request| {
        request.attribute(attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
    });
    let first = reply(world.client_sends(it.client, &request));
    let second = reply(world.client_sends(it.client, &request));

    assert_eq!(first, second);
    assert_eq!(world.sockets.len(), 1);
    assert_eq!(it.allocate(&mut world), Err(437));
}

#[test]
fn strangers_get_a_challenge_and_nothing_else() {
    let mut world = World::new(config());
    for method in [
        method::ALLOCATE,
        method::REFRESH,
        method::CREATE_PERMISSION,
        method::CHANNEL_BIND,
    ] {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes, Class::Request, method, [1; 12]).finish();
        let reply = reply(world.client_sends(udp(CLIENT), &bytes));
        let message = Message::parse(&reply).unwrap();

        assert_eq!(code_of(&message), Some(401));
        assert_eq!(message.text(attribute::REALM), Some("passerby"));
        assert!(message.attribute(attribute::NONCE).is_some());
        assert!(reply.len() < 5 * bytes.len(), "it is no amplifier");
    }
}

#[test]
fn wrong_and_expired_credentials_are_refused() {
    let mut world = World::new(config());
    let mut wrong = world.speaker(udp(CLIENT), 1);
    wrong.key[0] ^= 1;
    assert_eq!(wrong.allocate(&mut world), Err(401));
    assert_eq!(world.counters().wrong_credentials, 1);

    let mut late = world.speaker(udp(CLIENT), 1);
    world.pass(MINUTE * 60);
    assert_eq!(late.allocate(&mut world), Err(401));
    assert_eq!(world.counters().expired_credentials, 1);

    // Nobody can prolong a name: the password belongs to it.
    let (expiry, user) = late.username.split_once(':').unwrap();
    late.username = format!("{}:{user}", expiry.parse::<u64>().unwrap() + 3600);
    assert_eq!(late.allocate(&mut world), Err(401));
    assert!(world.sockets.is_empty());
}

#[test]
fn a_call_that_is_longer_than_its_credentials_goes_on_and_not_for_ever() {
    let mut world = World::new(config());
    let (mut it, _) = world.allocated(udp(CLIENT), 1);
    let mut minutes = 0;
    while !world.sockets.is_empty() {
        world.pass(MINUTE * 5);
        minutes += 5;
        let _granted_or_not = it.refresh(&mut world, u32::MAX);
        assert!(minutes <= 12 * 60);
    }

    assert_eq!(minutes, 12 * 60);
}

#[test]
fn nobody_uses_the_allocation_of_another() {
    let mut world = World::new(config());
    let (it, _) = world.allocated(udp(CLIENT), 1);
    let mut thief = world.speaker(it.client, 2);

    assert_eq!(thief.permit(&mut world, &[addr(PEER)]), Err(441));
    assert_eq!(thief.refresh(&mut world, 0), Err(441));
    let mut elsewhere = world.speaker(udp("198.51.101.1:5001"), 1);
    assert_eq!(elsewhere.permit(&mut world, &[addr(PEER)]), Err(437));
    assert_eq!(world.sockets.len(), 1);
}

#[test]
fn an_old_nonce_is_exchanged_for_a_new_one() {
    let mut world = World::new(config());
    let (mut it, _) = world.allocated(udp(CLIENT), 1);
    let before = it.nonce.clone();
    for _ in 0..7 {
        world.pass(MINUTE * 9);
        it.refresh(&mut world, 600).unwrap();
    }

    assert_ne!(it.nonce, before);
    // One at the beginning, when there was none, and one after an hour.
    assert_eq!(world.counters().stale_nonces, 2);
}

#[test]
fn what_is_not_done_is_refused_as_the_standard_says() {
    let mut world = World::new(config());
    let mut it = world.speaker(udp(CLIENT), 1);
    let udp_transport = (attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0][..]);
    for (attributes, code) in [
        (&[][..], 400),
        (&[(attribute::REQUESTED_TRANSPORT, &[6, 0, 0, 0][..])], 442),
        (&[udp_transport, (attribute::DONT_FRAGMENT, &[])], 420),
        (&[udp_transport, (attribute::EVEN_PORT, &[0x80])], 508),
        (
            &[udp_transport, (attribute::RESERVATION_TOKEN, &[0; 8])],
            508,
        ),
        (
            &[
                udp_transport,
                (attribute::REQUESTED_ADDRESS_FAMILY, &[3, 0, 0, 0]),
            ],
            440,
        ),
        (&[udp_transport, (0x7777, &[1])], 420),
    ] {
        let answer = it.ask(&mut world, method::ALLOCATE, |mut request| {
            for (number, value) in attributes {
                request = request.attribute(*number, value);
            }
            request
        });
        assert_eq!(answer, Err(code), "{attributes:?}");
    }
    // A second family is left out, and the first given.
    let reply = it
        .ask(&mut world, method::ALLOCATE, |request| {
            request
                .attribute(attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
                .attribute(attribute::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0])
        })
        .unwrap();
    assert!(relayed_in(&reply).is_ipv4());
    let message = Message::parse(&reply).unwrap();
    assert_eq!(
        message.attribute(attribute::ADDRESS_ERROR_CODE),
        Some(&[2, 0, 4, 40][..])
    );
}

#[test]
fn two_clients_reach_each_other_without_leaving_the_relay() {
    let mut world = World::new(config());
    let (mut one, one_relayed) = world.allocated(udp(CLIENT), 1);
    let (mut two, two_relayed) = world.allocated(udp("198.51.101.9:5000"), 2);
    one.bind(&mut world, 0x4000, two_relayed).unwrap();

    // The other side has not permitted it yet.
    assert_eq!(one.send_by_channel(&mut world, 0x4000, b"x"), Came::Nothing);
    two.bind(&mut world, 0x4abc, one_relayed).unwrap();

    assert_eq!(
        one.send_by_channel(&mut world, 0x4000, b"hello"),
        Came::ToClient(two.client, channel_data(0x4abc, b"hello"))
    );
    assert_eq!(
        two.send(&mut world, one_relayed, b"hello"),
        Came::ToClient(one.client, channel_data(0x4000, b"hello"))
    );
    assert_eq!(world.counters().packets_between_clients, 3);
    // What else listens at the relay's own address stays out of reach.
    let own = std::net::SocketAddr::new(one_relayed.ip(), 22);
    assert_eq!(one.send(&mut world, own, b"x"), Came::Nothing);
}

#[test]
fn an_allocation_that_is_made_as_another_ends_keeps_its_socket() {
    let mut world = World::new(config());
    world.allocated(udp(CLIENT), 1);
    let mut it = world.speaker(udp("198.51.101.3:5000"), 2);
    let peer = addr(PEER);
    assert_eq!(it.permit(&mut world, &[peer]), Err(437), "for the nonce");
    // Nobody has told the relay yet that the first one's time is over.
    world.now += MINUTE * 10;

    let relayed = it.allocate(&mut world).unwrap();
    it.permit(&mut world, &[peer]).unwrap();

    assert_eq!(world.sockets.values().collect::<Vec<_>>(), [&relayed]);
    assert_eq!(
        it.send(&mut world, peer, b"hello"),
        Came::ToPeer(peer, b"hello".to_vec())
    );
    assert_ne!(world.peer_sends(peer, relayed, b"hi"), Came::Nothing);
}

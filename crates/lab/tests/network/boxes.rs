//! The NAT boxes behave like their kind, and hole punching through them works where theory says so.

use lab::network::{
    Behaviour, Filtering, Mapping, NatKind, Network, Responder, Side, Uplink, can_be_direct,
};

use crate::enter;

#[test]
fn each_kind_of_box_maps_and_filters_as_its_name_says() {
    let Some(_turn) = enter() else { return };
    let mut network = Network::build(NatKind::Open, NatKind::Open).unwrap();
    let responder = Responder::start(&network).unwrap();
    for kind in NatKind::ALL {
        network.set_nat(Uplink::A, kind).unwrap();
        let observed = responder.observe(&network, Side::A).unwrap();
        assert_eq!(observed, expected(kind), "{kind}");
    }
}

#[test]
fn holes_can_be_punched_where_theory_says_so_and_nowhere_else() {
    let Some(_turn) = enter() else { return };
    let mut network = Network::build(NatKind::Open, NatKind::Open).unwrap();
    let responder = Responder::start(&network).unwrap();
    for a in NatKind::ALL {
        for b in NatKind::ALL {
            network.set_nat(Uplink::A, a).unwrap();
            network.set_nat(Uplink::B, b).unwrap();
            let is_punched = responder.punch(&network).unwrap();
            assert_eq!(is_punched, can_be_direct(a, b), "{a} and {b}");
        }
    }
}

#[test]
fn the_boxes_pass_tcp_to_the_ports_that_their_kind_allows() {
    let Some(_turn) = enter() else { return };
    let mut network = Network::build(NatKind::Open, NatKind::Open).unwrap();
    let listen = |port| std::net::TcpListener::bind((Network::SERVER, port)).unwrap();
    let _listeners = [443, 3478].map(|port| network.internet().enter(|| listen(port)).unwrap());
    for kind in NatKind::ALL {
        network.set_nat(Uplink::A, kind).unwrap();
        let passes = [443, 3478].map(|port| {
            let address = (Network::SERVER, port).into();
            let time = std::time::Duration::from_millis(500);
            let client = network.client(Side::A);
            client
                .enter(|| std::net::TcpStream::connect_timeout(&address, time).is_ok())
                .unwrap()
        });
        assert_eq!(passes, [true, kind != NatKind::Only443], "{kind}");
    }
}

#[test]
fn a_network_leaves_nothing_behind_and_does_not_mind_another_one() {
    let Some(_turn) = enter() else { return };
    let first = Network::build(NatKind::Symmetric, NatKind::Open).unwrap();
    let second = Network::build(NatKind::Open, NatKind::Symmetric).unwrap();
    let names = [&first, &second].map(|network| network.internet().name().to_owned());
    assert_ne!(names[0], names[1]);
    let exists = |name: &String| std::path::Path::new("/run/netns").join(name).exists();
    drop(first);
    assert_eq!(names.each_ref().map(exists), [false, true]);
    drop(second);
    assert_eq!(names.each_ref().map(exists), [false, false]);
}

fn expected(kind: NatKind) -> Option<Behaviour> {
    let (mapping, filtering) = match kind {
        NatKind::Open | NatKind::FullCone => {
            (Mapping::EndpointIndependent, Filtering::EndpointIndependent)
        }
        NatKind::Restricted => (Mapping::EndpointIndependent, Filtering::AddressDependent),
        NatKind::PortRestricted => (
            Mapping::EndpointIndependent,
            Filtering::AddressAndPortDependent,
        ),
        NatKind::Symmetric => (
            Mapping::AddressAndPortDependent,
            Filtering::AddressAndPortDependent,
        ),
        NatKind::UdpBlocked | NatKind::Only443 => return None,
    };
    Some(Behaviour { mapping, filtering })
}

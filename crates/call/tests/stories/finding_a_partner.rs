//! Stories of one person from the lobby to the call: searching and connecting.

use call::{Command, EndReason, Input, Output, PeerFact, PeerId, State};
use protocol::{Challenge, ClientMessage, ErrorCode, LeaveReason, Role, ServerMessage, Work};

use crate::person::*;

// --- Searching ------------------------------------------------------------------------------------------------------

#[test]
fn start_asks_for_a_partner_with_interests_and_language() {
    let mut person = Person::with_signalling();
    let orders = person.command(start(&["chess"]));
    assert_eq!(orders, [Output::Send(join(&["chess"]))]);
    assert_eq!(*person.call.state(), State::Searching { since: person.now });
}

#[test]
fn a_search_without_signalling_begins_when_it_is_up() {
    let mut person = Person::new();
    assert_eq!(person.command(start(&["chess"])), []);
    assert!(matches!(person.call.state(), State::Searching { .. }));
    assert_eq!(
        person.call.poll_timeout(),
        None,
        "there is nothing to wait for"
    );
    assert_eq!(
        person.tell(Input::SignallingUp),
        [Output::Send(join(&["chess"]))]
    );
}

#[test]
fn a_search_goes_on_after_a_reconnect_to_the_server() {
    let mut person = Person::searching();
    let since = person.now;
    person.pass(secs(3));
    assert_eq!(person.tell(Input::SignallingDown), []);
    assert_eq!(
        person.tell(Input::SignallingUp),
        [Output::Send(join(&["chess"]))]
    );
    assert_eq!(*person.call.state(), State::Searching { since });
}

#[test]
fn a_greeting_without_a_loss_before_it_counts_as_a_new_connection() {
    let mut person = Person::searching();
    assert_eq!(
        person.tell(Input::SignallingUp),
        [Output::Send(join(&["chess"]))]
    );
}

#[test]
fn a_wish_that_the_server_does_not_answer_is_sent_again() {
    let mut person = Person::with_signalling();
    person.command(start(&["chess"]));
    assert_eq!(person.call.poll_timeout(), Some(person.now + secs(10)));
    assert_eq!(person.timeout(secs(9)), []);
    assert_eq!(person.timeout(secs(1)), [Output::Send(join(&["chess"]))]);
    person.server(ServerMessage::Waiting { online: 2 });
    assert_eq!(
        person.call.poll_timeout(),
        None,
        "who was answered may wait for ever"
    );
}

#[test]
fn a_wish_that_came_too_fast_is_sent_again_later() {
    let mut person = Person::searching();
    person.server(error(ErrorCode::TooFast, None));
    assert_eq!(person.timeout(secs(10)), [Output::Send(join(&["chess"]))]);
}

#[test]
fn while_the_shell_works_for_the_server_the_answer_is_waited_for_anew() {
    let mut person = Person::searching();
    person.pass(secs(4));
    let work = Work {
        challenge: Challenge::from_bytes([1; 16]),
        bits: 20,
    };
    assert_eq!(person.server(ServerMessage::Work(work)), []);
    assert_eq!(person.timeout(secs(10)), [Output::Send(join(&["chess"]))]);
}

#[test]
fn other_interests_replace_the_former_ones_and_the_same_ones_change_nothing() {
    let mut person = Person::searching();
    assert_eq!(person.command(start(&["chess"])), []);
    assert_eq!(
        person.command(start(&["cats"])),
        [Output::Send(join(&["cats"]))]
    );
}

#[test]
fn next_while_searching_skips_nobody() {
    let mut person = Person::searching();
    assert_eq!(person.command(Command::Next), []);
    assert_eq!(person.call.state(), &State::Searching { since: person.now });
}

#[test]
fn next_and_stop_in_the_lobby_do_nothing() {
    let mut person = Person::with_signalling();
    assert_eq!(person.command(Command::Next), []);
    assert_eq!(person.command(Command::Stop), []);
    assert_eq!(*person.call.state(), State::Idle);
}

#[test]
fn stop_leaves_the_queue() {
    let mut person = Person::searching();
    let orders = person.command(Command::Stop);
    assert_eq!(orders, [Output::Send(ClientMessage::Leave { room: None })]);
    assert_eq!(*person.call.state(), State::Idle);
}

#[test]
fn a_match_that_comes_after_stop_is_left_at_once() {
    let mut person = Person::searching();
    person.command(Command::Stop);
    assert_eq!(person.server(matched(ROOM, Role::Offerer)), [leave(ROOM)]);
    assert_eq!(*person.call.state(), State::Idle);
}

// --- Connecting -----------------------------------------------------------------------------------------------------

#[test]
fn a_match_opens_a_peer_connection() {
    let mut person = Person::searching();
    let orders = person.server(matched(ROOM, Role::Offerer));
    let open = Output::OpenPeer {
        peer: FIRST,
        role: Role::Offerer,
        ice_servers: Vec::new(),
        relay_only: false,
        with_offer_ahead: false,
    };
    assert_eq!(orders, [open]);
    let interests = ["chess".to_owned()].into();
    assert_eq!(
        *person.call.state(),
        State::Connecting {
            since: person.now,
            interests
        }
    );
    assert_eq!(person.call.room(), Some(&ROOM));
}

#[test]
fn the_offerer_offers_as_soon_as_the_peer_connection_is_open() {
    let mut person = Person::searching();
    person.server(matched(ROOM, Role::Offerer));
    let orders = person.fact(PeerFact::Opened);
    assert_eq!(
        orders,
        [Output::CreateOffer {
            peer: FIRST,
            restart: None
        }]
    );
    let orders = person.fact(PeerFact::OfferCreated(offer("a")));
    let send = ClientMessage::Description {
        room: ROOM,
        description: numbered(1, offer("a")),
    };
    assert_eq!(orders, [Output::Send(send)]);
    person.server(ServerMessage::Description {
        room: ROOM,
        description: answer("b"),
    });
    person.fact(PeerFact::RemoteApplied);
    person.fact(PeerFact::Connected);
    assert!(matches!(person.call.state(), State::Connected { .. }));
}

#[test]
fn the_answerer_holds_what_comes_before_the_peer_connection_is_open() {
    let mut person = Person::searching();
    person.server(matched(ROOM, Role::Answerer));
    let early = [
        person.server(ServerMessage::Candidate {
            room: ROOM,
            candidate: Some(candidate("b", 1)),
        }),
        person.server(ServerMessage::Description {
            room: ROOM,
            description: offer("b"),
        }),
        person.server(ServerMessage::Candidate {
            room: ROOM,
            candidate: Some(candidate("b", 2)),
        }),
    ];
    assert_eq!(early.concat(), []);

    let apply = Output::ApplyRemote {
        peer: FIRST,
        description: offer("b"),
    };
    assert_eq!(person.fact(PeerFact::Opened), [apply]);
    let add = |number| Output::AddCandidate {
        peer: FIRST,
        candidate: Some(candidate("b", number)),
    };
    let orders = person.fact(PeerFact::RemoteApplied);
    assert_eq!(orders, [add(1), Output::CreateAnswer { peer: FIRST }]);
    let orders = person.fact(PeerFact::AnswerCreated(answer("a")));
    let send = ClientMessage::Description {
        room: ROOM,
        description: answer("a"),
    };
    assert_eq!(orders, [Output::Send(send), add(2)]);
}

#[test]
fn two_who_do_not_connect_in_time_are_told_so() {
    let mut person = Person::searching();
    person.server(matched(ROOM, Role::Answerer));
    assert_eq!(person.timeout(secs(14)), []);
    assert_eq!(person.timeout(secs(1)), [close(FIRST), leave(ROOM)]);
    assert_eq!(person.ended(), Some(EndReason::CouldNotConnect));
}

#[test]
fn a_peer_connection_that_cannot_work_ends_the_call_at_once() {
    for fact in [
        PeerFact::OpenFailed,
        PeerFact::Failed,
        PeerFact::NegotiationFailed,
    ] {
        let mut person = Person::searching();
        person.server(matched(ROOM, Role::Offerer));
        person.fact(PeerFact::Opened);
        assert_eq!(
            person.fact(fact.clone()),
            [close(FIRST), leave(ROOM)],
            "{fact:?}"
        );
        assert_eq!(person.ended(), Some(EndReason::CouldNotConnect), "{fact:?}");
    }
}

#[test]
fn a_partner_who_goes_before_the_call_is_up_ends_it() {
    for (reason, end) in [
        (LeaveReason::Next, EndReason::PartnerLeft),
        (LeaveReason::Left, EndReason::PartnerLeft),
        (LeaveReason::Disconnected, EndReason::PartnerVanished),
        (LeaveReason::Unknown, EndReason::PartnerVanished),
    ] {
        let mut person = Person::searching();
        person.server(matched(ROOM, Role::Offerer));
        assert_eq!(person.server(partner_left(ROOM, reason)), [close(FIRST)]);
        assert_eq!(person.ended(), Some(end));
    }
}

#[test]
fn a_room_that_the_server_does_not_know_any_more_is_closed() {
    let mut person = Person::searching();
    person.server(matched(ROOM, Role::Offerer));
    assert_eq!(
        person.server(error(ErrorCode::WrongRoom, Some(ROOM))),
        [close(FIRST)]
    );
    assert_eq!(person.ended(), Some(EndReason::PartnerVanished));
}

#[test]
fn a_match_that_crossed_a_new_wish_is_void() {
    let mut person = Person::searching();
    // The server pairs us, and hears only then that we stopped and started again.
    person.command(Command::Stop);
    person.pass(secs(1));
    person.command(start(&["chess"]));
    let since = person.now;
    person.server(matched(ROOM, Role::Offerer));
    assert_eq!(
        person.server(ServerMessage::Waiting { online: 2 }),
        [close(FIRST)]
    );
    assert_eq!(*person.call.state(), State::Searching { since });
    assert_eq!(person.call.room(), None);
}

#[test]
fn a_second_match_while_connecting_takes_the_place_of_the_first() {
    let mut person = Person::searching();
    person.server(matched(ROOM, Role::Offerer));
    let orders = person.server(matched(NEXT_ROOM, Role::Answerer));
    let open = Output::OpenPeer {
        peer: PeerId(2),
        role: Role::Answerer,
        ice_servers: Vec::new(),
        relay_only: false,
        with_offer_ahead: false,
    };
    assert_eq!(orders, [close(FIRST), open]);
    assert_eq!(person.call.room(), Some(&NEXT_ROOM));
}

#[test]
fn the_same_match_twice_is_one_match() {
    let mut person = Person::searching();
    person.server(matched(ROOM, Role::Offerer));
    assert_eq!(person.server(matched(ROOM, Role::Offerer)), []);
}

#[test]
fn a_call_may_come_up_after_signalling_is_lost() {
    let mut person = Person::searching();
    person.server(matched(ROOM, Role::Offerer));
    assert_eq!(person.tell(Input::SignallingDown), []);
    assert_eq!(
        person.fact(PeerFact::Opened),
        [],
        "an offer would reach nobody"
    );
    person.fact(PeerFact::Connected);
    assert!(matches!(person.call.state(), State::Connected { .. }));
}

#[test]
fn start_in_a_call_does_nothing() {
    let mut person = Person::connected(Role::Offerer);
    assert_eq!(person.command(start(&["cats"])), []);
    assert!(matches!(person.call.state(), State::Connected { .. }));
}

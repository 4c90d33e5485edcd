//! Stories of one person whose networks, server and wishes change during a call.

use std::time::Duration;

use call::negotiation::Restart;
use call::{Command, DirectView, Input, Output, PeerFact, State};
use protocol::{ClientMessage, LeaveReason, PathPolicy, PeerMessage, Role, ServerMessage, sdp};

use crate::person::*;

fn restart(how: Restart) -> Output {
    Output::CreateOffer {
        peer: FIRST,
        restart: Some(how),
    }
}

fn to_partner(message: PeerMessage) -> Output {
    Output::SendToPartner {
        peer: FIRST,
        message,
    }
}

/// In a call, with the data channel open and a partner that agrees to a direct path.
fn talking(role: Role) -> Person {
    let mut person = Person::connected(role);
    let told = person.fact(PeerFact::ChannelOpen);
    assert_eq!(told, [to_partner(PeerMessage::Direct { allowed: true })]);
    assert_eq!(person.fact(PeerFact::DirectAllowed(true)), []);
    person
}

// --- The session with the server ------------------------------------------------------------------------------------

#[test]
fn a_session_that_is_taken_up_keeps_its_room() {
    let mut person = Person::connected(Role::Offerer);
    assert_eq!(person.tell(Input::SignallingAway), []);
    assert_eq!(person.call.room(), Some(&ROOM));
    assert_eq!(person.tell(Input::SignallingBack), []);
    person.server(partner_left(ROOM, LeaveReason::Next));
    assert!(person.ended().is_some(), "the room is ours");
}

#[test]
fn what_is_said_while_the_server_is_away_is_kept_by_the_shell() {
    let mut person = Person::connected(Role::Offerer);
    person.tell(Input::SignallingAway);
    assert_eq!(
        person.fact(PeerFact::Disconnected),
        [restart(Restart::Keep)]
    );
    let orders = person.fact(PeerFact::OfferCreated(offer("a2")));
    let description = numbered(2, offer("a2"));
    let send = ClientMessage::Description {
        room: ROOM,
        description,
    };
    assert_eq!(orders, [Output::Send(send)]);
}

#[test]
fn who_searched_when_the_server_went_away_asks_again() {
    let mut person = Person::searching();
    person.tell(Input::SignallingAway);
    assert_eq!(person.call.poll_timeout(), None);
    assert_eq!(person.tell(Input::SignallingBack), []);
    person.server(ServerMessage::Waiting { online: 2 });
    assert_eq!(
        person.timeout(secs(1)),
        [Output::Send(join(&["chess"]))],
        "the queue has not waited"
    );
    person.server(ServerMessage::Waiting { online: 2 });
    assert_eq!(person.call.poll_timeout(), None);
}

#[test]
fn a_match_made_just_before_the_server_went_away_is_taken() {
    let mut person = Person::searching();
    person.tell(Input::SignallingAway);
    person.tell(Input::SignallingBack);
    person.server(matched(ROOM, Role::Answerer));
    person.pass(secs(2));
    assert_eq!(person.tell(Input::Timeout), []);
    assert!(matches!(person.call.state(), State::Connecting { .. }));
}

// --- Without the server ---------------------------------------------------------------------------------------------

#[test]
fn without_the_server_descriptions_and_candidates_go_over_the_data_channel() {
    let mut person = talking(Role::Offerer);
    person.tell(Input::SignallingDown);
    person.fact(PeerFact::NegotiationNeeded);
    let orders = person.fact(PeerFact::OfferCreated(offer("a1")));
    let description = numbered(2, offer("a1"));
    assert_eq!(
        orders,
        [to_partner(PeerMessage::Description { description })]
    );
    let own = Some(candidate("a1", 7));
    let orders = person.fact(PeerFact::LocalCandidate(own.clone()));
    assert_eq!(
        orders,
        [to_partner(PeerMessage::Candidate { candidate: own })]
    );

    let description = numbered(2, answer("b1"));
    let orders = person.fact(PeerFact::RemoteDescription(description.clone()));
    let apply = Output::ApplyRemote {
        peer: FIRST,
        description,
    };
    assert_eq!(orders, [apply]);
    person.fact(PeerFact::RemoteApplied);
    let candidate = Some(candidate("b1", 3));
    let orders = person.fact(PeerFact::RemoteCandidate(candidate.clone()));
    let add = Output::AddCandidate {
        peer: FIRST,
        candidate,
    };
    assert_eq!(orders, [add]);
}

#[test]
fn an_offer_that_went_down_with_the_server_is_said_again_over_the_data_channel() {
    let mut person = talking(Role::Offerer);
    person.fact(PeerFact::NegotiationNeeded);
    person.fact(PeerFact::OfferCreated(offer("a1")));
    person.fact(PeerFact::LocalCandidate(Some(candidate("a1", 7))));
    let orders = person.tell(Input::SignallingDown);
    let description = numbered(2, offer("a1"));
    let again = [
        to_partner(PeerMessage::Description { description }),
        to_partner(PeerMessage::Candidate {
            candidate: Some(candidate("a1", 7)),
        }),
    ];
    assert_eq!(orders, again);
}

#[test]
fn without_the_server_no_restart_ends_a_path_that_may_come_back() {
    let mut person = talking(Role::Offerer);
    person.tell(Input::SignallingDown);
    assert_eq!(person.tell(Input::NetworkChanged), []);
    assert_eq!(person.fact(PeerFact::Disconnected), []);
    person.pass(secs(20));
    assert_eq!(person.tell(Input::Timeout), []);
    person.fact(PeerFact::Connected);
    assert!(matches!(person.call.state(), State::Connected { .. }));
}

#[test]
fn an_offer_that_comes_twice_is_answered_twice_with_the_same_answer() {
    let mut person = talking(Role::Answerer);
    let description = numbered(2, offer("b2"));
    person.fact(PeerFact::RemoteDescription(description.clone()));
    person.fact(PeerFact::RemoteApplied);
    let first = person.fact(PeerFact::AnswerCreated(answer("a2")));
    let send = ClientMessage::Description {
        room: ROOM,
        description: numbered(2, answer("a2")),
    };
    assert_eq!(first, [Output::Send(send)]);
    // The server was lost with it, so the partner asks again, over the data channel.
    person.tell(Input::SignallingDown);
    let again = person.fact(PeerFact::RemoteDescription(description));
    let described = PeerMessage::Description {
        description: numbered(2, answer("a2")),
    };
    assert_eq!(again, [to_partner(described)]);
    let late = numbered(1, offer("b1"));
    assert_eq!(person.fact(PeerFact::RemoteDescription(late)), []);
}

#[test]
fn a_partner_who_repeats_an_offer_without_end_is_not_answered_without_end() {
    let mut person = talking(Role::Answerer);
    let description = numbered(2, offer("b2"));
    person.fact(PeerFact::RemoteDescription(description.clone()));
    person.fact(PeerFact::RemoteApplied);
    person.fact(PeerFact::AnswerCreated(answer("a2")));
    let answers = (0..1000)
        .map(|_| person.fact(PeerFact::RemoteDescription(description.clone())))
        .filter(|orders| !orders.is_empty())
        .count();
    assert_eq!(answers, 8);
}

// --- Networks -------------------------------------------------------------------------------------------------------

#[test]
fn whoever_moves_to_another_network_restarts_at_once_with_new_sockets() {
    for role in [Role::Offerer, Role::Answerer] {
        let mut person = talking(role);
        assert_eq!(
            person.tell(Input::NetworkChanged),
            [restart(Restart::Rebind)],
            "{role:?}"
        );
        assert!(matches!(person.call.state(), State::Connected { .. }));
    }
}

#[test]
fn an_offer_of_the_network_before_is_taken_back_for_a_better_one() {
    let mut person = talking(Role::Offerer);
    person.tell(Input::NetworkChanged);
    person.fact(PeerFact::OfferCreated(offer("a2")));
    let orders = person.tell(Input::NetworkChanged);
    let rollback = Output::Rollback { peer: FIRST };
    assert_eq!(orders, [rollback, restart(Restart::Rebind)]);
    person.fact(PeerFact::OfferCreated(offer("a3")));
    let late = numbered(2, answer("b2"));
    assert_eq!(
        person.fact(PeerFact::RemoteDescription(late)),
        [],
        "the answer to the one that was taken back"
    );
    let description = numbered(3, answer("b3"));
    let orders = person.fact(PeerFact::RemoteDescription(description.clone()));
    let apply = Output::ApplyRemote {
        peer: FIRST,
        description,
    };
    assert_eq!(orders, [apply]);
}

#[test]
fn one_who_moved_before_the_partner_restarted_need_not_restart_too() {
    let mut person = talking(Role::Answerer);
    person.tell(Input::NetworkChanged);
    person.fact(PeerFact::OfferCreated(offer("a2")));
    person.fact(PeerFact::RemoteDescription(numbered(2, offer("b2"))));
    assert_eq!(
        person.fact(PeerFact::RemoteApplied),
        [Output::CreateAnswer { peer: FIRST }]
    );
    let orders = person.fact(PeerFact::AnswerCreated(answer("a3")));
    assert!(!orders.iter().any(is_restart), "{orders:?}");
}

#[test]
fn one_who_moved_while_the_partner_restarts_restarts_again() {
    let mut person = talking(Role::Answerer);
    person.fact(PeerFact::RemoteDescription(numbered(2, offer("b2"))));
    person.tell(Input::NetworkChanged);
    person.fact(PeerFact::RemoteApplied);
    let orders = person.fact(PeerFact::AnswerCreated(answer("a2")));
    assert!(
        orders.iter().any(is_restart),
        "the sockets are old: {orders:?}"
    );
}

fn is_restart(order: &Output) -> bool {
    matches!(order, Output::CreateOffer { restart, .. } if restart.is_some())
}

#[test]
fn a_call_on_a_relay_looks_for_a_direct_path_a_few_times() {
    let mut person = talking(Role::Offerer);
    person.fact(PeerFact::PathSelected { is_relayed: true });
    let mut restarts = 0;
    while let Some(at) = person.call.poll_timeout() {
        person.now = at;
        restarts += person.tell(Input::Timeout).len();
        person.agree("a2", "b2");
        assert!(restarts < 10);
    }
    assert_eq!(restarts, 2);
    person.tell(Input::NetworkChanged);
    person.agree("a3", "b3");
    person.fact(PeerFact::PathSelected { is_relayed: false });
    assert_eq!(person.call.poll_timeout(), None, "it is direct");
}

// --- The shield -----------------------------------------------------------------------------------------------------

#[test]
fn a_shielded_call_goes_direct_when_both_want_it() {
    let mut person = Person::with_signalling();
    person.command(Command::SetShield(true));
    person.command(start(&["chess"]));
    let orders = person.server(matched(ROOM, Role::Offerer));
    let [Output::OpenPeer { relay_only, .. }] = orders[..] else {
        panic!("{orders:?}");
    };
    assert!(relay_only);
    person.fact(PeerFact::Opened);
    person.agree("a1", "b1");
    person.fact(PeerFact::Connected);
    person.fact(PeerFact::PathSelected { is_relayed: true });
    assert_eq!(
        person.fact(PeerFact::ChannelOpen),
        [to_partner(PeerMessage::Direct { allowed: false })]
    );
    person.fact(PeerFact::DirectAllowed(true));
    assert_eq!(person.call.poll_timeout(), None, "nobody asked for it yet");
    let view = DirectView {
        is_hidden: true,
        is_allowed: false,
        partner_allows: Some(true),
        is_permitted: true,
    };
    assert_eq!(person.call.direct(), Some(view));

    let orders = person.command(Command::AllowDirect(true));
    let expected = [
        to_partner(PeerMessage::Direct { allowed: true }),
        Output::AllowDirect { peer: FIRST },
    ];
    assert_eq!(orders, expected);
    assert_eq!(
        person.fact(PeerFact::DirectAllowed(true)),
        [restart(Restart::Improve)],
        "now that the partner has heard it"
    );
    assert!(matches!(person.call.state(), State::Connected { .. }));
}

/// A person on a relay whose room is gone, and a partner that answers restarts early or not.
fn on_a_relay_without_a_server(answers_early: bool) -> Person {
    let mut person = Person::searching();
    person.server(matched(ROOM, Role::Offerer));
    person.fact(PeerFact::Opened);
    person.fact(PeerFact::OfferCreated(offer("a1")));
    let mut description = answer("b1");
    if answers_early {
        description.sdp = sdp::with_line(&description.sdp, sdp::ANSWERS_EARLY);
    }
    person.server(ServerMessage::Description {
        room: ROOM,
        description,
    });
    person.fact(PeerFact::RemoteApplied);
    person.fact(PeerFact::Connected);
    person.fact(PeerFact::PathSelected { is_relayed: true });
    person.fact(PeerFact::ChannelOpen);
    person.fact(PeerFact::DirectAllowed(true));
    person.server(partner_left(ROOM, LeaveReason::Disconnected));
    person
}

#[test]
fn a_better_path_is_negotiated_about_on_the_one_that_there_is() {
    let mut person = on_a_relay_without_a_server(true);
    let at = person.call.poll_timeout().expect("it will look for one");
    person.now = at;
    assert_eq!(person.tell(Input::Timeout), [restart(Restart::Improve)]);
    let said = person.fact(PeerFact::OfferCreated(offer("a2")));
    let description = numbered(2, offer("a2"));
    assert_eq!(said, [to_partner(PeerMessage::Description { description })]);
    let description = numbered(2, answer("b2"));
    let applied = person.fact(PeerFact::RemoteDescription(description.clone()));
    let peer = FIRST;
    assert_eq!(applied, [Output::ApplyRemote { peer, description }]);
}

#[test]
fn a_partner_that_cannot_answer_on_the_path_that_there_is_is_not_asked_to() {
    let person = on_a_relay_without_a_server(false);
    assert_eq!(person.call.poll_timeout(), None);
}

#[test]
fn a_lost_path_carries_no_negotiation() {
    let mut person = on_a_relay_without_a_server(true);
    assert_eq!(person.fact(PeerFact::Disconnected), []);
    assert_eq!(person.timeout(secs(29)), [], "it may come back by itself");
    person.fact(PeerFact::Connected);
    let at = person
        .call
        .poll_timeout()
        .expect("it looks for a better one");
    person.now = at;
    assert_eq!(person.tell(Input::Timeout), [restart(Restart::Improve)]);
}

#[test]
fn a_partner_that_agrees_again_and_again_gets_no_more_restarts_for_it() {
    let mut person = talking(Role::Offerer);
    person.fact(PeerFact::PathSelected { is_relayed: true });
    let mut restarts = 0;
    for allowed in [true, false].into_iter().cycle().take(120) {
        person.fact(PeerFact::DirectAllowed(allowed));
        person.pass(secs(1));
        let orders = person.tell(Input::Timeout);
        if orders == [restart(Restart::Improve)] {
            restarts += 1;
            person.fact(PeerFact::OfferCreated(offer("a2")));
            let answer = numbered(1 + restarts, answer("b2"));
            person.server(ServerMessage::Description {
                room: ROOM,
                description: answer,
            });
            person.fact(PeerFact::RemoteApplied);
        }
    }
    assert_eq!(restarts, 2, "those that there would be anyway");
}

#[test]
fn a_server_may_want_every_call_on_a_relay() {
    let mut person = Person::searching();
    let matched = ServerMessage::Matched {
        room: ROOM,
        role: Role::Answerer,
        interests: Vec::new(),
        ice_servers: Vec::new(),
        path_policy: PathPolicy::RelayOnly,
        offer: None,
        handed_over: None,
        partner: None,
    };
    let orders = person.server(matched);
    assert!(
        matches!(
            orders[..],
            [Output::OpenPeer {
                relay_only: true,
                ..
            }]
        ),
        "{orders:?}"
    );
    assert_eq!(person.command(Command::AllowDirect(true)), []);
}

#[test]
fn a_lost_path_is_looked_for_at_least_thirty_seconds() {
    let mut person = talking(Role::Offerer);
    person.server(partner_left(ROOM, LeaveReason::Disconnected));
    person.fact(PeerFact::Disconnected);
    let lost_at = person.now;
    while person.ended().is_none() {
        let at = person
            .call
            .poll_timeout()
            .expect("it does not wait for ever");
        person.now = at;
        person.tell(Input::Timeout);
    }
    assert_eq!(person.now - lost_at, Duration::from_secs(30));
}

//! Stories of one person in a call: leaving, being left, losing the path and finding it again.

use call::negotiation::Restart;
use call::{Command, EndReason, Input, Output, PeerFact, PeerId, State};
use protocol::{ClientMessage, ErrorCode, LeaveReason, Role, ServerMessage};

use crate::person::*;

// --- Next and Stop --------------------------------------------------------------------------------------------------

#[test]
fn next_says_bye_and_asks_for_another_partner() {
    let mut person = Person::connected(Role::Offerer);
    let orders = person.command(Command::Next);
    let bye = Output::ClosePeer {
        peer: FIRST,
        say_bye: true,
    };
    assert_eq!(
        orders,
        [
            bye,
            Output::Send(ClientMessage::Next {
                room: Some(ROOM),
                offer: None
            })
        ]
    );
    assert_eq!(*person.call.state(), State::Searching { since: person.now });
    assert_eq!(person.call.room(), None);
}

#[test]
fn stop_says_bye_and_leaves_the_room() {
    let mut person = Person::connected(Role::Offerer);
    let bye = Output::ClosePeer {
        peer: FIRST,
        say_bye: true,
    };
    assert_eq!(person.command(Command::Stop), [bye, leave(ROOM)]);
    assert_eq!(*person.call.state(), State::Idle);
}

#[test]
fn a_partner_who_was_quicker_may_make_our_next_stale_so_we_ask_again_soon() {
    for notice in [
        partner_left(ROOM, LeaveReason::Next),
        error(ErrorCode::WrongRoom, Some(ROOM)),
    ] {
        let mut person = Person::connected(Role::Offerer);
        person.command(Command::Next);
        assert_eq!(
            person.server(notice.clone()),
            [],
            "an answer may be on its way"
        );
        assert_eq!(person.timeout(secs(1)), []);
        assert_eq!(person.server(notice), [], "once is enough");
        assert_eq!(person.timeout(secs(1)), [Output::Send(join(&["chess"]))]);
    }
}

#[test]
fn a_late_next_that_the_server_took_all_the_same_is_not_asked_again() {
    let mut person = Person::connected(Role::Offerer);
    person.command(Command::Next);
    person.server(partner_left(ROOM, LeaveReason::Next));
    person.server(ServerMessage::Waiting { online: 2 });
    assert_eq!(person.call.poll_timeout(), None);
}

#[test]
fn an_answered_next_is_not_asked_again() {
    let mut person = Person::connected(Role::Offerer);
    person.command(Command::Next);
    person.server(ServerMessage::Waiting { online: 2 });
    assert_eq!(person.server(partner_left(ROOM, LeaveReason::Left)), []);
    assert_eq!(person.call.poll_timeout(), None);
}

#[test]
fn next_without_signalling_searches_when_it_is_back() {
    let mut person = Person::connected(Role::Offerer);
    person.tell(Input::SignallingDown);
    let bye = Output::ClosePeer {
        peer: FIRST,
        say_bye: true,
    };
    assert_eq!(person.command(Command::Next), [bye]);
    assert_eq!(
        person.tell(Input::SignallingUp),
        [Output::Send(join(&["chess"]))]
    );
}

#[test]
fn stop_without_signalling_ends_at_home() {
    let mut person = Person::connected(Role::Offerer);
    person.tell(Input::SignallingDown);
    person.command(Command::Stop);
    assert_eq!(person.tell(Input::SignallingUp), []);
    assert_eq!(*person.call.state(), State::Idle);
}

#[test]
fn next_after_the_end_searches_again() {
    let mut person = Person::connected(Role::Offerer);
    person.server(partner_left(ROOM, LeaveReason::Left));
    assert_eq!(
        person.command(Command::Next),
        [Output::Send(join(&["chess"]))]
    );
}

#[test]
fn start_after_the_end_searches_with_other_interests() {
    let mut person = Person::connected(Role::Offerer);
    person.server(partner_left(ROOM, LeaveReason::Left));
    assert_eq!(
        person.command(start(&["cats"])),
        [Output::Send(join(&["cats"]))]
    );
}

// --- In a call ------------------------------------------------------------------------------------------------------

#[test]
fn a_partner_who_leaves_ends_the_call() {
    let mut person = Person::connected(Role::Offerer);
    assert_eq!(
        person.server(partner_left(ROOM, LeaveReason::Next)),
        [close(FIRST)]
    );
    assert_eq!(person.ended(), Some(EndReason::PartnerLeft));
}

#[test]
fn a_bye_ends_the_call_without_waiting_for_the_server() {
    let mut person = Person::connected(Role::Offerer);
    assert_eq!(person.fact(PeerFact::Bye), [close(FIRST)]);
    assert_eq!(person.ended(), Some(EndReason::PartnerLeft));

    // The server has us in the room until it says otherwise, so that is the room to leave.
    let mut impatient = Person::connected(Role::Offerer);
    impatient.fact(PeerFact::Bye);
    let next = Output::Send(ClientMessage::Next {
        room: Some(ROOM),
        offer: None,
    });
    assert_eq!(impatient.command(Command::Next), [next]);

    person.server(partner_left(ROOM, LeaveReason::Next));
    assert_eq!(
        person.command(Command::Next),
        [Output::Send(join(&["chess"]))]
    );
}

#[test]
fn a_call_survives_the_signalling_of_both_sides() {
    let mut person = Person::connected(Role::Offerer);
    assert_eq!(
        person.server(partner_left(ROOM, LeaveReason::Disconnected)),
        []
    );
    assert!(matches!(person.call.state(), State::Connected { .. }));
    assert_eq!(person.tell(Input::SignallingDown), []);
    assert_eq!(
        person.tell(Input::SignallingUp),
        [],
        "the person is not looking for anybody"
    );
    assert!(matches!(person.call.state(), State::Connected { .. }));
}

#[test]
fn nothing_is_said_in_a_room_that_the_server_has_forgotten() {
    let mut person = Person::connected(Role::Offerer);
    person.tell(Input::SignallingDown);
    person.tell(Input::SignallingUp);
    assert_eq!(person.call.room(), None);
    assert_eq!(
        person.fact(PeerFact::LocalCandidate(Some(candidate("a", 9)))),
        []
    );
    assert_eq!(person.fact(PeerFact::NegotiationNeeded), []);
    assert_eq!(
        person.fact(PeerFact::Disconnected),
        [],
        "no restart without a relay"
    );
}

#[test]
fn notices_about_other_rooms_and_older_peer_connections_change_nothing() {
    let mut person = Person::connected(Role::Offerer);
    let before = person.call.state().clone();
    assert_eq!(
        person.server(partner_left(NEXT_ROOM, LeaveReason::Left)),
        []
    );
    assert_eq!(
        person.server(error(ErrorCode::WrongRoom, Some(NEXT_ROOM))),
        []
    );
    let foreign = ServerMessage::Description {
        room: NEXT_ROOM,
        description: offer("x"),
    };
    assert_eq!(person.server(foreign), []);
    for fact in [
        PeerFact::Bye,
        PeerFact::Failed,
        PeerFact::OpenFailed,
        PeerFact::Disconnected,
    ] {
        assert_eq!(
            person.tell(Input::Peer {
                peer: PeerId(7),
                fact
            }),
            []
        );
    }
    assert_eq!(*person.call.state(), before);
}

#[test]
fn messages_of_a_lost_connection_to_the_server_are_ignored() {
    let mut person = Person::connected(Role::Offerer);
    person.tell(Input::SignallingDown);
    person.server(partner_left(ROOM, LeaveReason::Next));
    assert!(matches!(person.call.state(), State::Connected { .. }));
    person.command(Command::Next);
    assert_eq!(person.server(matched(NEXT_ROOM, Role::Offerer)), []);
    assert!(matches!(person.call.state(), State::Searching { .. }));
}

#[test]
fn a_match_in_a_running_call_is_left_and_the_call_goes_on() {
    let mut person = Person::connected(Role::Offerer);
    assert_eq!(
        person.server(matched(NEXT_ROOM, Role::Offerer)),
        [leave(NEXT_ROOM)]
    );
    assert!(matches!(person.call.state(), State::Connected { .. }));
    assert_eq!(
        person.call.room(),
        None,
        "the server moved us out of the room before"
    );
}

// --- Reconnecting ---------------------------------------------------------------------------------------------------

#[test]
fn a_lost_path_is_looked_for_at_once_and_again() {
    let mut person = Person::connected(Role::Offerer);
    let since = person.now;
    person.pass(secs(60));
    let restart = Output::CreateOffer {
        peer: FIRST,
        restart: Some(Restart::Keep),
    };
    assert_eq!(
        person.fact(PeerFact::Disconnected),
        std::slice::from_ref(&restart)
    );
    let interests = ["chess".to_owned()].into();
    let lost_at = person.now;
    assert_eq!(
        *person.call.state(),
        State::Reconnecting {
            since,
            lost_at,
            interests
        }
    );

    person.agree("a2", "b2");
    assert_eq!(person.call.poll_timeout(), Some(person.now + secs(5)));
    let rebind = Output::CreateOffer {
        peer: FIRST,
        restart: Some(Restart::Rebind),
    };
    assert_eq!(
        person.timeout(secs(5)),
        [rebind],
        "the sockets may be at fault"
    );

    person.fact(PeerFact::Connected);
    let interests = ["chess".to_owned()].into();
    assert_eq!(*person.call.state(), State::Connected { since, interests });
    assert_eq!(person.call.poll_timeout(), None);
}

#[test]
fn a_restart_that_nobody_answers_is_not_made_twice() {
    let mut person = Person::connected(Role::Offerer);
    person.fact(PeerFact::Disconnected);
    person.fact(PeerFact::OfferCreated(offer("a2")));
    assert_eq!(
        person.timeout(secs(5)),
        [],
        "the answer to one would be taken for the other's"
    );
}

#[test]
fn the_answerer_leaves_the_first_restart_to_the_offerer() {
    let mut person = Person::connected(Role::Answerer);
    assert_eq!(person.fact(PeerFact::Disconnected), []);
    assert_eq!(person.timeout(secs(1)), []);
    let restart = Output::CreateOffer {
        peer: FIRST,
        restart: Some(Restart::Keep),
    };
    assert_eq!(
        person.timeout(secs(1)),
        [restart],
        "the offerer has not noticed"
    );
}

#[test]
fn a_path_that_stays_lost_ends_the_call() {
    let mut person = Person::connected(Role::Answerer);
    person.fact(PeerFact::Disconnected);
    person.pass(secs(16));
    assert_eq!(
        person.fact(PeerFact::Failed),
        [],
        "not given up before the time"
    );
    person.timeout(secs(13));
    assert_eq!(person.ended(), None);
    assert_eq!(person.timeout(secs(1)), [close(FIRST), leave(ROOM)]);
    assert_eq!(person.ended(), Some(EndReason::ConnectionLost));
}

#[test]
fn a_peer_connection_that_dies_without_warning_counts_as_lost() {
    let mut person = Person::connected(Role::Answerer);
    person.fact(PeerFact::Failed);
    assert!(matches!(person.call.state(), State::Reconnecting { .. }));
}

#[test]
fn a_partner_whom_the_server_lost_too_has_vanished_but_is_not_given_up_sooner() {
    let mut person = Person::connected(Role::Offerer);
    person.server(partner_left(ROOM, LeaveReason::Disconnected));
    person.pass(secs(100));
    assert_eq!(
        person.fact(PeerFact::Disconnected),
        [],
        "there is no relay for a restart"
    );
    assert_eq!(person.timeout(secs(29)), []);
    assert_eq!(person.timeout(secs(1)), [close(FIRST)]);
    assert_eq!(person.ended(), Some(EndReason::PartnerVanished));
}

#[test]
fn a_partner_who_leaves_while_the_path_is_lost_ends_the_call() {
    let mut person = Person::connected(Role::Answerer);
    person.fact(PeerFact::Disconnected);
    assert_eq!(
        person.server(partner_left(ROOM, LeaveReason::Left)),
        [close(FIRST)]
    );
    assert_eq!(person.ended(), Some(EndReason::PartnerLeft));
}

#[test]
fn a_change_that_cannot_be_negotiated_does_not_end_the_call() {
    let mut person = Person::connected(Role::Offerer);
    let orders = person.fact(PeerFact::NegotiationNeeded);
    assert_eq!(
        orders,
        [Output::CreateOffer {
            peer: FIRST,
            restart: None
        }]
    );
    assert_eq!(person.fact(PeerFact::NegotiationFailed), []);
    assert!(matches!(person.call.state(), State::Connected { .. }));
}

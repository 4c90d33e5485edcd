//! Stories of offers that are told ahead, and of the connections behind them.

use call::{Command, Input, Output, PeerFact, PeerId, ReadyOffer, State};
use protocol::{ClientMessage, Description, LeaveReason, Role, ServerMessage, limits};

use crate::person::*;

const SECOND: PeerId = PeerId(2);

// --- Telling --------------------------------------------------------------------------------------------------------

#[test]
fn the_offer_of_a_connection_that_is_ready_goes_with_start() {
    let mut person = Person::with_signalling();
    assert_eq!(person.tell(ready("r1")), [], "nobody is looked for");
    let orders = person.command(start(&["chess"]));
    assert_eq!(orders, [join_with(1, "r1")]);
    assert_eq!(person.server(waiting()), [], "the server has it");
}

#[test]
fn it_goes_with_next_too() {
    let mut person = Person::connected(Role::Answerer);
    person.tell(ready("r1"));
    let orders = person.command(Command::Next);
    let next = ClientMessage::Next {
        room: Some(ROOM),
        offer: Some(told(1, "r1")),
    };
    assert_eq!(orders[1..], [Output::Send(next)]);
}

#[test]
fn one_who_waits_tells_of_every_change() {
    let mut person = Person::searching();
    assert_eq!(person.tell(ready("r1")), [update(Some(told(1, "r1")))]);
    assert_eq!(person.tell(Input::OfferAhead(None)), [update(None)]);
    assert_eq!(person.tell(Input::OfferAhead(None)), []);
    assert_eq!(person.tell(ready("r2")), [update(Some(told(2, "r2")))]);
    assert_eq!(person.tell(ready("r3")), [update(Some(told(3, "r3")))]);
}

#[test]
fn what_changes_before_the_server_has_answered_is_told_then() {
    let mut person = Person::with_signalling();
    person.tell(ready("r1"));
    person.command(start(&["chess"]));
    assert_eq!(person.tell(ready("r2")), [], "it could cross a match");
    assert_eq!(person.server(waiting()), [update(Some(told(2, "r2")))]);
}

/// The match that it may cross has given the offer away already.
#[test]
fn a_wish_that_is_said_again_has_no_offer_with_it() {
    let mut person = Person::with_signalling();
    person.tell(ready("r1"));
    person.command(start(&["chess"]));
    assert_eq!(person.timeout(secs(10)), [Output::Send(join(&["chess"]))]);
    assert_eq!(person.server(waiting()), [update(Some(told(1, "r1")))]);
    assert_eq!(
        person.command(start(&["cats"])),
        [Output::Send(join(&["cats"]))]
    );
    assert_eq!(person.server(waiting()), [update(Some(told(1, "r1")))]);
}

#[test]
fn a_session_that_was_taken_up_is_told_again_once_it_has_us_wait() {
    let mut person = Person::searching();
    person.tell(ready("r1"));
    person.tell(Input::SignallingAway);
    assert_eq!(person.tell(ready("r2")), [], "the queue has not waited");
    person.tell(Input::SignallingBack);
    assert_eq!(
        person.server(waiting()),
        [],
        "that was said before the loss"
    );
    assert_eq!(person.timeout(secs(1)), [Output::Send(join(&["chess"]))]);
    assert_eq!(person.server(waiting()), [update(Some(told(2, "r2")))]);
}

#[test]
fn one_who_hides_tells_no_address() {
    let mut person = Person::with_signalling();
    person.tell(ready("r1"));
    person.command(Command::SetShield(true));
    let orders = person.command(start(&["chess"]));
    assert_eq!(orders, [Output::Send(join(&["chess"]))]);
    assert_eq!(person.server(waiting()), []);
    let hidden = Input::OfferAhead(Some(ReadyOffer {
        relay_only: true,
        ..ready_offer("r2")
    }));
    assert_eq!(person.tell(hidden), [update(Some(told(2, "r2")))]);
}

#[test]
fn an_offer_that_no_server_would_take_is_not_told() {
    let mut person = Person::searching();
    let mut ready = ready_offer("r1");
    ready.offer.sdp += &"a".repeat(limits::AHEAD_SDP_BYTES);
    assert_eq!(person.tell(Input::OfferAhead(Some(ready))), []);
    let orders = person.server(matched(ROOM, Role::Offerer));
    assert_eq!(orders, [open(FIRST, Role::Offerer, false, false)]);
}

// --- Offering -------------------------------------------------------------------------------------------------------

#[test]
fn an_offer_that_was_handed_over_is_not_sent() {
    let mut person = Person::searching();
    person.tell(ready("r1"));
    let orders = person.server(with_offer_of_ours(ROOM, 1));
    assert_eq!(orders, [open(FIRST, Role::Offerer, false, true)]);
    assert_eq!(person.fact(PeerFact::Opened), [create_offer(FIRST)]);
    assert_eq!(person.fact(PeerFact::OfferCreated(connection("r1"))), []);
    // The answer that the partner made at once.
    let answer = numbered(1, answer("b1"));
    let orders = person.server(ServerMessage::Description {
        room: ROOM,
        description: answer.clone(),
    });
    let apply = Output::ApplyRemote {
        peer: FIRST,
        description: answer,
    };
    assert_eq!(orders, [apply]);
}

#[test]
fn an_answer_that_comes_before_the_connection_has_taken_its_role_is_kept() {
    let mut person = Person::searching();
    person.tell(ready("r1"));
    person.server(with_offer_of_ours(ROOM, 1));
    let answer = numbered(1, answer("b1"));
    let description = ServerMessage::Description {
        room: ROOM,
        description: answer.clone(),
    };
    assert_eq!(person.server(description), []);
    person.fact(PeerFact::Opened);
    let apply = Output::ApplyRemote {
        peer: FIRST,
        description: answer,
    };
    let orders = person.fact(PeerFact::OfferCreated(connection("r1")));
    assert_eq!(orders, [apply]);
}

#[test]
fn candidates_that_were_found_later_are_sent() {
    let mut person = Person::searching();
    person.tell(ready("r1"));
    person.server(with_offer_of_ours(ROOM, 1));
    person.fact(PeerFact::Opened);
    person.fact(PeerFact::OfferCreated(connection("r1")));
    let candidate = Some(candidate("r1", 1));
    let orders = person.fact(PeerFact::LocalCandidate(candidate.clone()));
    let room = ROOM;
    let send = ClientMessage::Candidate { room, candidate };
    assert_eq!(orders, [Output::Send(send)]);
}

#[test]
fn without_a_word_of_the_server_the_offer_is_sent() {
    let mut person = Person::searching();
    person.tell(ready("r1"));
    let orders = person.server(matched(ROOM, Role::Offerer));
    assert_eq!(orders, [open(FIRST, Role::Offerer, false, false)]);
    person.fact(PeerFact::Opened);
    let orders = person.fact(PeerFact::OfferCreated(connection("r1")));
    assert_eq!(orders, [send(ROOM, told(1, "r1"))]);
}

#[test]
fn an_offer_of_a_connection_that_is_gone_is_made_up_for() {
    let mut person = Person::searching();
    person.tell(ready("r1"));
    // On its way to the server when the match is made.
    person.tell(Input::OfferAhead(None));
    let orders = person.server(with_offer_of_ours(ROOM, 1));
    assert_eq!(orders, [open(FIRST, Role::Offerer, false, false)]);
    person.fact(PeerFact::Opened);
    let orders = person.fact(PeerFact::OfferCreated(connection("a1")));
    assert_eq!(orders, [send(ROOM, told(2, "a1"))], "a greater number");
    // What the partner says to the other offer is late.
    let stale = ServerMessage::Description {
        room: ROOM,
        description: numbered(1, answer("b1")),
    };
    assert_eq!(person.server(stale), []);
}

#[test]
fn another_one_that_is_ready_by_then_takes_its_place_with_a_greater_number() {
    let mut person = Person::searching();
    person.tell(ready("r1"));
    person.tell(ready("r2"));
    let orders = person.server(with_offer_of_ours(ROOM, 1));
    assert_eq!(orders, [open(FIRST, Role::Offerer, false, false)]);
    person.fact(PeerFact::Opened);
    let orders = person.fact(PeerFact::OfferCreated(connection("r2")));
    assert_eq!(orders, [send(ROOM, told(3, "r2"))]);
}

#[test]
fn one_that_does_not_hide_is_closed_when_the_call_is_to_be_hidden_by_now() {
    let mut person = Person::searching();
    person.tell(ready("r1"));
    person.command(Command::SetShield(true));
    let orders = person.server(with_offer_of_ours(ROOM, 1));
    let hidden = open(FIRST, Role::Offerer, true, false);
    assert_eq!(orders, [Output::CloseReady, hidden]);
    person.fact(PeerFact::Opened);
    let orders = person.fact(PeerFact::OfferCreated(connection("a1")));
    assert_eq!(orders, [send(ROOM, told(2, "a1"))]);
}

#[test]
fn a_match_that_is_declined_has_given_the_offer_away() {
    let mut person = Person::searching();
    person.tell(ready("r1"));
    person.command(Command::Stop);
    let orders = person.server(with_offer_of_ours(ROOM, 1));
    assert_eq!(orders, [leave(ROOM), Output::CloseReady]);
    let orders = person.command(start(&["chess"]));
    assert_eq!(orders, [Output::Send(join(&["chess"]))], "nothing is ready");
}

#[test]
fn an_offer_is_for_one_call() {
    let mut person = Person::searching();
    person.tell(ready("r1"));
    person.server(with_offer_of_ours(ROOM, 1));
    person.server(partner_left(ROOM, LeaveReason::Next));
    let orders = person.command(Command::Next);
    assert_eq!(orders, [Output::Send(join(&["chess"]))]);
}

// --- Answering ------------------------------------------------------------------------------------------------------

#[test]
fn an_offer_that_came_with_the_match_is_answered_at_once() {
    let mut person = Person::searching();
    person.tell(ready("r1"));
    let orders = person.server(with_offer_of_partner(ROOM, told(2, "b1")));
    assert_eq!(orders, [open(FIRST, Role::Answerer, false, false)]);
    let apply = Output::ApplyRemote {
        peer: FIRST,
        description: told(2, "b1"),
    };
    assert_eq!(person.fact(PeerFact::Opened), [apply]);
    person.fact(PeerFact::RemoteApplied);
    let orders = person.fact(PeerFact::AnswerCreated(answer("a1")));
    assert_eq!(orders, [send(ROOM, numbered(2, answer("a1")))]);
    let twice = ServerMessage::Description {
        room: ROOM,
        description: told(2, "b1"),
    };
    let again = [send(ROOM, numbered(2, answer("a1")))];
    assert_eq!(person.server(twice), again, "it was answered");
}

#[test]
fn an_offer_of_another_connection_begins_the_call_anew() {
    for is_answered in [false, true] {
        let mut person = Person::searching();
        let since = person.now;
        person.server(with_offer_of_partner(ROOM, told(1, "b1")));
        if is_answered {
            person.fact(PeerFact::Opened);
            person.fact(PeerFact::RemoteApplied);
            person.fact(PeerFact::AnswerCreated(answer("a1")));
        }
        person.pass(secs(1));
        let orders = person.server(ServerMessage::Description {
            room: ROOM,
            description: told(2, "c1"),
        });
        assert_eq!(
            orders,
            [close(FIRST), open(SECOND, Role::Answerer, false, false)]
        );
        assert!(
            matches!(person.call.state(), State::Connecting { since: at, .. } if *at == since),
            "the time for it does not begin anew"
        );
        let apply = Output::ApplyRemote {
            peer: SECOND,
            description: told(2, "c1"),
        };
        let opened = Input::Peer {
            peer: SECOND,
            fact: PeerFact::Opened,
        };
        assert_eq!(person.tell(opened), [apply]);
    }
}

#[test]
fn it_begins_anew_once_and_for_that_reason_alone() {
    let describe = |description| ServerMessage::Description {
        room: ROOM,
        description,
    };
    // An offer that was not told ahead, one of the same connection, one that is late.
    for (first, second) in [
        (None, told(2, "c1")),
        (Some(told(1, "b1")), numbered(2, restarted("b1", "b2"))),
        (Some(told(2, "b1")), told(1, "c1")),
    ] {
        let mut person = Person::searching();
        if let Some(offer) = first {
            person.server(with_offer_of_partner(ROOM, offer));
        } else {
            person.server(matched(ROOM, Role::Answerer));
            person.server(describe(told(1, "b1")));
        }
        let orders = person.server(describe(second));
        assert_eq!(orders, []);
    }

    let mut person = Person::searching();
    person.server(with_offer_of_partner(ROOM, told(1, "b1")));
    person.server(describe(told(2, "c1")));
    let orders = person.server(describe(told(3, "d1")));
    assert_eq!(
        orders,
        [],
        "the partner cannot make us open one after another"
    );
}

#[test]
fn a_call_that_is_up_does_not_begin_anew() {
    let mut person = Person::searching();
    person.server(with_offer_of_partner(ROOM, told(1, "b1")));
    person.fact(PeerFact::Opened);
    person.fact(PeerFact::RemoteApplied);
    person.fact(PeerFact::AnswerCreated(answer("a1")));
    person.fact(PeerFact::Connected);
    person.fact(PeerFact::Disconnected);
    let orders = person.server(ServerMessage::Description {
        room: ROOM,
        description: told(2, "c1"),
    });
    let apply = Output::ApplyRemote {
        peer: FIRST,
        description: told(2, "c1"),
    };
    assert_eq!(orders, [apply]);
}

#[test]
fn what_is_no_offer_ends_the_attempt_and_what_is_not_meant_for_this_side_is_ignored() {
    let mut person = Person::searching();
    person.server(with_offer_of_partner(ROOM, told(1, "nonsense")));
    person.fact(PeerFact::Opened);
    let orders = person.fact(PeerFact::NegotiationFailed);
    assert_eq!(orders, [close(FIRST), leave(ROOM)]);

    let mut person = Person::searching();
    person.tell(ready("r1"));
    let ServerMessage::Matched {
        interests,
        ice_servers,
        path_policy,
        ..
    } = matched(ROOM, Role::Answerer)
    else {
        unreachable!("it is one");
    };
    person.server(ServerMessage::Matched {
        room: ROOM,
        role: Role::Offerer,
        interests,
        ice_servers,
        path_policy,
        offer: Some(told(1, "b1")),
        handed_over: None,
        partner: None,
    });
    assert_eq!(person.fact(PeerFact::Opened), [create_offer(FIRST)]);
}

// --------------------------------------------------------------------------------------------------------------------

/// The offer of a connection that is known by this name.
fn connection(name: &str) -> Description {
    restarted(name, name)
}

/// An offer of a connection in another ICE generation.
fn restarted(name: &str, generation: &str) -> Description {
    let mut offer = offer(generation);
    (offer.sdp).extend(["a=fingerprint:sha-256 ", name, "\r\n"]);
    offer
}

fn told(number: u32, name: &str) -> Description {
    numbered(number, connection(name))
}

fn ready_offer(name: &str) -> ReadyOffer {
    ReadyOffer {
        offer: connection(name),
        relay_only: false,
    }
}

fn ready(name: &str) -> Input {
    Input::OfferAhead(Some(ready_offer(name)))
}

const fn waiting() -> ServerMessage {
    ServerMessage::Waiting { online: 2 }
}

fn join_with(number: u32, name: &str) -> Output {
    let ClientMessage::Join {
        interests,
        language,
        ..
    } = join(&["chess"])
    else {
        unreachable!("it is one");
    };
    Output::Send(ClientMessage::Join {
        interests,
        language,
        offer: Some(told(number, name)),
    })
}

const fn update(offer: Option<Description>) -> Output {
    Output::Send(ClientMessage::Offer { offer })
}

const fn send(room: protocol::RoomId, description: Description) -> Output {
    Output::Send(ClientMessage::Description { room, description })
}

const fn create_offer(peer: PeerId) -> Output {
    Output::CreateOffer {
        peer,
        restart: None,
    }
}

const fn open(peer: PeerId, role: Role, relay_only: bool, with_offer_ahead: bool) -> Output {
    Output::OpenPeer {
        peer,
        role,
        ice_servers: Vec::new(),
        relay_only,
        with_offer_ahead,
    }
}

fn with_offer_of_ours(room: protocol::RoomId, number: u32) -> ServerMessage {
    with(matched(room, Role::Offerer), None, Some(number))
}

fn with_offer_of_partner(room: protocol::RoomId, offer: Description) -> ServerMessage {
    with(matched(room, Role::Answerer), Some(offer), None)
}

fn with(
    mut message: ServerMessage,
    given: Option<Description>,
    number: Option<u32>,
) -> ServerMessage {
    if let ServerMessage::Matched {
        offer, handed_over, ..
    } = &mut message
    {
        (*offer, *handed_over) = (given, number);
    }
    message
}

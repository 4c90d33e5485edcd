//! The rules of one side of a negotiation, one by one, and its limits against a partner that keeps to none.

use call::negotiation::{Input, Negotiator, Output, Restart};
use proptest::prelude::*;
use protocol::{Candidate, Description, DescriptionKind, Role};

#[test]
fn the_answerer_waits_for_the_first_offer() {
    let mut negotiator = Negotiator::new(Role::Answerer);
    assert_eq!(tell(&mut negotiator, Input::Opened), []);
    assert_eq!(tell(&mut negotiator, Input::ChangeNeeded), []);
    assert_eq!(
        tell(&mut negotiator, Input::RestartNeeded(Restart::Keep)),
        []
    );
}

#[test]
fn an_answer_that_nobody_asked_for_is_ignored() {
    let mut negotiator = agreed(Role::Offerer);
    assert_eq!(
        tell(&mut negotiator, Input::RemoteDescription(answer("b2"))),
        []
    );
}

#[test]
fn outcomes_of_orders_that_were_never_given_are_ignored() {
    let mut negotiator = agreed(Role::Offerer);
    for input in [
        Input::OfferCreated(offer("a")),
        Input::AnswerCreated(answer("a")),
        Input::RemoteApplied,
        Input::OrderFailed,
    ] {
        assert_eq!(tell(&mut negotiator, input), []);
    }
    assert!(negotiator.is_settled());
}

#[test]
fn wishes_are_granted_one_after_another_and_a_restart_covers_a_change() {
    let mut negotiator = agreed(Role::Offerer);
    let orders = tell(&mut negotiator, Input::ChangeNeeded);
    assert_eq!(orders, [Output::CreateOffer { restart: None }]);
    for wish in [
        Input::ChangeNeeded,
        Input::RestartNeeded(Restart::Keep),
        Input::ChangeNeeded,
    ] {
        assert_eq!(tell(&mut negotiator, wish), []);
    }
    tell(&mut negotiator, Input::OfferCreated(offer("a1")));
    tell(&mut negotiator, Input::RemoteDescription(answer("b1")));
    let orders = tell(&mut negotiator, Input::RemoteApplied);
    assert_eq!(
        orders,
        [Output::CreateOffer {
            restart: Some(Restart::Keep)
        }]
    );
    tell(&mut negotiator, Input::OfferCreated(offer("a2")));
    tell(&mut negotiator, Input::RemoteDescription(answer("b2")));
    assert_eq!(tell(&mut negotiator, Input::RemoteApplied), []);
    assert!(negotiator.is_settled());
}

#[test]
fn a_restart_under_way_is_not_followed_by_another_one() {
    let mut negotiator = agreed(Role::Offerer);
    tell(&mut negotiator, Input::RestartNeeded(Restart::Keep));
    tell(&mut negotiator, Input::RestartNeeded(Restart::Keep));
    tell(&mut negotiator, Input::OfferCreated(offer("a2")));
    tell(&mut negotiator, Input::RestartNeeded(Restart::Keep));
    tell(&mut negotiator, Input::RemoteDescription(answer("b2")));
    assert_eq!(tell(&mut negotiator, Input::RemoteApplied), []);
    assert!(negotiator.is_settled());
}

#[test]
fn candidates_are_welcome_again_once_the_next_description_is_accepted() {
    let mut negotiator = agreed(Role::Offerer);
    tell(&mut negotiator, Input::RestartNeeded(Restart::Keep));
    tell(&mut negotiator, Input::OfferCreated(offer("a2")));
    tell(&mut negotiator, Input::RemoteDescription(offer("b2")));
    tell(&mut negotiator, Input::RemoteDescription(answer("b3")));
    tell(&mut negotiator, Input::RemoteApplied);
    assert_eq!(tell(&mut negotiator, remote_candidate(None)), [add(None)]);
}

#[test]
fn the_impolite_side_drops_the_candidates_of_an_offer_it_ignored() {
    let mut negotiator = agreed(Role::Offerer);
    tell(&mut negotiator, Input::ChangeNeeded);
    tell(&mut negotiator, Input::OfferCreated(offer("a1")));
    assert_eq!(
        tell(&mut negotiator, Input::RemoteDescription(offer("b2"))),
        []
    );
    assert_eq!(
        tell(&mut negotiator, remote_candidate(Some("b2"))),
        [],
        "of the ignored offer"
    );
    assert_eq!(
        tell(&mut negotiator, remote_candidate(None)),
        [],
        "it came after that offer"
    );
    assert_eq!(tell(&mut negotiator, Input::RemoteCandidate(None)), []);
    assert_eq!(
        tell(&mut negotiator, remote_candidate(Some("b1"))),
        [add(Some("b1"))],
        "in use"
    );
}

#[test]
fn candidates_of_an_ignored_offer_without_a_restart_are_welcome() {
    let mut negotiator = agreed(Role::Offerer);
    tell(&mut negotiator, Input::ChangeNeeded);
    tell(&mut negotiator, Input::OfferCreated(offer("a1")));
    assert_eq!(
        tell(&mut negotiator, Input::RemoteDescription(offer("b1"))),
        []
    );
    assert_eq!(tell(&mut negotiator, remote_candidate(None)), [add(None)]);
}

#[test]
fn the_polite_side_yields_and_offers_again() {
    let mut negotiator = agreed(Role::Answerer);
    tell(&mut negotiator, Input::ChangeNeeded);
    tell(&mut negotiator, Input::OfferCreated(offer("a1")));
    let orders = tell(&mut negotiator, Input::RemoteDescription(offer("b2")));
    assert_eq!(orders, [Output::Rollback, Output::ApplyRemote(offer("b2"))]);
    assert_eq!(
        tell(&mut negotiator, Input::RemoteApplied),
        [Output::CreateAnswer]
    );
    let orders = tell(&mut negotiator, Input::AnswerCreated(answer("a1")));
    let again = Output::CreateOffer { restart: None };
    assert_eq!(orders, [Output::SendDescription(answer("a1")), again]);
}

#[test]
fn local_candidates_follow_the_description_that_they_belong_to() {
    let mut negotiator = Negotiator::new(Role::Offerer);
    tell(&mut negotiator, Input::Opened);
    assert_eq!(
        tell(
            &mut negotiator,
            Input::LocalCandidate(Some(candidate(Some("a1"))))
        ),
        []
    );
    assert_eq!(tell(&mut negotiator, Input::LocalCandidate(None)), []);
    let orders = tell(&mut negotiator, Input::OfferCreated(offer("a1")));
    let send = [
        Output::SendDescription(numbered(1, offer("a1"))),
        Output::SendCandidate(Some(candidate(Some("a1")))),
        Output::SendCandidate(None),
    ];
    assert_eq!(orders, send);
}

#[test]
fn candidates_that_were_gathered_ahead_wait_for_the_first_description() {
    let early = Input::LocalCandidate(Some(candidate(Some("a1"))));
    let sent = Output::SendCandidate(Some(candidate(Some("a1"))));
    let mut offerer = Negotiator::new(Role::Offerer);
    assert_eq!(tell(&mut offerer, early.clone()), []);
    tell(&mut offerer, Input::Opened);
    let orders = tell(&mut offerer, Input::OfferCreated(offer("a1")));
    let description = Output::SendDescription(numbered(1, offer("a1")));
    assert_eq!(orders, [description, sent.clone()]);

    let mut answerer = Negotiator::new(Role::Answerer);
    tell(&mut answerer, Input::Opened);
    assert_eq!(tell(&mut answerer, early), []);
    tell(
        &mut answerer,
        Input::RemoteDescription(numbered(1, offer("b1"))),
    );
    tell(&mut answerer, Input::RemoteApplied);
    let orders = tell(&mut answerer, Input::AnswerCreated(answer("a1")));
    let description = Output::SendDescription(numbered(1, answer("a1")));
    assert_eq!(orders, [description, sent]);
}

#[test]
fn an_answer_that_cannot_be_applied_takes_the_offer_back() {
    let mut negotiator = agreed(Role::Offerer);
    tell(&mut negotiator, Input::RestartNeeded(Restart::Keep));
    tell(&mut negotiator, Input::OfferCreated(offer("a2")));
    tell(&mut negotiator, Input::RemoteDescription(answer("b2")));
    assert_eq!(
        tell(&mut negotiator, Input::OrderFailed),
        [Output::Rollback]
    );
    assert_eq!(
        tell(&mut negotiator, remote_candidate(Some("b2"))),
        [],
        "of that answer"
    );
    let orders = tell(&mut negotiator, Input::RestartNeeded(Restart::Keep));
    assert_eq!(
        orders,
        [Output::CreateOffer {
            restart: Some(Restart::Keep)
        }]
    );
}

#[test]
fn an_answer_that_cannot_be_made_ends_all_negotiation() {
    let mut negotiator = agreed(Role::Answerer);
    tell(&mut negotiator, Input::RemoteDescription(offer("b2")));
    tell(&mut negotiator, Input::RemoteApplied);
    assert_eq!(tell(&mut negotiator, Input::OrderFailed), []);
    assert_eq!(
        tell(&mut negotiator, Input::RemoteDescription(offer("b3"))),
        []
    );
    assert_eq!(tell(&mut negotiator, Input::ChangeNeeded), []);
}

#[test]
fn without_a_relay_nothing_begins_but_what_was_said_counts() {
    let mut negotiator = agreed(Role::Offerer);
    tell(&mut negotiator, Input::RestartNeeded(Restart::Keep));
    tell(&mut negotiator, Input::OfferCreated(offer("a2")));
    tell(&mut negotiator, Input::RemoteDescription(answer("b2")));
    tell(&mut negotiator, remote_candidate(Some("b2")));
    assert_eq!(tell(&mut negotiator, Input::RelayUp(false)), []);
    assert_eq!(
        tell(&mut negotiator, Input::RemoteApplied),
        [add(Some("b2"))]
    );
    assert_eq!(tell(&mut negotiator, Input::LocalCandidate(None)), []);
    assert_eq!(tell(&mut negotiator, Input::ChangeNeeded), []);
    assert_eq!(
        tell(&mut negotiator, Input::RemoteDescription(offer("b3"))),
        []
    );
}

#[test]
fn a_partner_who_sends_candidates_without_end_fills_no_memory() {
    let mut negotiator = Negotiator::new(Role::Answerer);
    tell(&mut negotiator, Input::Opened);
    for _ in 0..1_000 {
        assert_eq!(tell(&mut negotiator, remote_candidate(Some("b1"))), []);
    }
    tell(&mut negotiator, Input::RemoteDescription(offer("b1")));
    // These wait for the order that is outstanding.
    for _ in 0..1_000 {
        assert_eq!(tell(&mut negotiator, remote_candidate(Some("b1"))), []);
    }
    let early = tell(&mut negotiator, Input::RemoteApplied);
    assert_eq!(
        early
            .iter()
            .filter(|order| **order == add(Some("b1")))
            .count(),
        64
    );
    let late = tell(&mut negotiator, Input::AnswerCreated(answer("a1")));
    assert_eq!(
        late.iter()
            .filter(|order| **order == add(Some("b1")))
            .count(),
        64
    );
}

#[test]
fn a_partner_who_sends_offers_without_end_fills_no_memory() {
    let mut negotiator = agreed(Role::Answerer);
    for _ in 0..1_000 {
        tell(&mut negotiator, Input::RemoteDescription(offer("b1")));
    }
    let mut answered = 0;
    while tell(&mut negotiator, Input::RemoteApplied).contains(&Output::CreateAnswer) {
        tell(&mut negotiator, Input::AnswerCreated(answer("a1")));
        answered += 1;
    }
    assert_eq!(answered, 5, "the one at work and four that waited");
}

proptest! {
    /// Whatever a partner and a peer connection report, in whatever order: no panic, and one order at a time.
    #[test]
    fn no_history_leads_to_two_orders_at_once(
        is_offerer: bool,
        history in proptest::collection::vec(any_input(), 0..80),
    ) {
        let role = if is_offerer { Role::Offerer } else { Role::Answerer };
        let mut negotiator = Negotiator::new(role);
        let mut outstanding: Option<Output> = None;
        for input in history {
            outstanding = outstanding.filter(|order| !is_outcome_of(&input, order));
            negotiator.handle(input);
            while let Some(output) = negotiator.poll_output() {
                if is_answered(&output) {
                    prop_assert_eq!(outstanding.replace(output), None, "two orders at once");
                }
            }
        }
    }
}

const fn is_answered(output: &Output) -> bool {
    matches!(
        output,
        Output::CreateOffer { .. } | Output::CreateAnswer | Output::ApplyRemote(_)
    )
}

const fn is_outcome_of(input: &Input, order: &Output) -> bool {
    match input {
        Input::OrderFailed => true,
        Input::OfferCreated(_) => matches!(order, Output::CreateOffer { .. }),
        Input::AnswerCreated(_) => matches!(order, Output::CreateAnswer),
        Input::RemoteApplied => matches!(order, Output::ApplyRemote(_)),
        _ => false,
    }
}

fn any_input() -> impl Strategy<Value = Input> {
    let generation = prop_oneof![Just("b1"), Just("b2")];
    prop_oneof![
        Just(Input::Opened),
        Just(Input::OfferCreated(offer("a"))),
        Just(Input::AnswerCreated(answer("a"))),
        Just(Input::RemoteApplied),
        Just(Input::OrderFailed),
        Just(Input::LocalCandidate(None)),
        Just(Input::ChangeNeeded),
        Just(Input::RestartNeeded(Restart::Keep)),
        generation
            .clone()
            .prop_map(|generation| Input::RemoteDescription(offer(generation))),
        generation
            .clone()
            .prop_map(|generation| Input::RemoteDescription(answer(generation))),
        generation.prop_map(|generation| remote_candidate(Some(generation))),
    ]
}

/// A negotiator after the first agreement, in which the partner's generation is `b1`.
fn agreed(role: Role) -> Negotiator {
    let mut negotiator = Negotiator::new(role);
    tell(&mut negotiator, Input::Opened);
    if role == Role::Offerer {
        tell(&mut negotiator, Input::OfferCreated(offer("a1")));
        tell(&mut negotiator, Input::RemoteDescription(answer("b1")));
        tell(&mut negotiator, Input::RemoteApplied);
    } else {
        tell(&mut negotiator, Input::RemoteDescription(offer("b1")));
        tell(&mut negotiator, Input::RemoteApplied);
        tell(&mut negotiator, Input::AnswerCreated(answer("a1")));
    }
    assert!(negotiator.has_agreed() && negotiator.is_settled());
    negotiator
}

fn tell(negotiator: &mut Negotiator, input: Input) -> Vec<Output> {
    negotiator.handle(input);
    std::iter::from_fn(|| negotiator.poll_output()).collect()
}

fn offer(generation: &str) -> Description {
    Description {
        kind: DescriptionKind::Offer,
        sdp: format!("v=0\r\na=ice-ufrag:{generation}\r\n"),
        number: 0,
    }
}

fn answer(generation: &str) -> Description {
    Description {
        kind: DescriptionKind::Answer,
        ..offer(generation)
    }
}

fn numbered(number: u32, description: Description) -> Description {
    Description {
        number,
        ..description
    }
}

fn candidate(generation: Option<&str>) -> Candidate {
    Candidate {
        candidate: "candidate:1".to_owned(),
        sdp_mid: None,
        sdp_m_line_index: None,
        username_fragment: generation.map(str::to_owned),
    }
}

fn remote_candidate(generation: Option<&str>) -> Input {
    Input::RemoteCandidate(Some(candidate(generation)))
}

fn add(generation: Option<&str>) -> Output {
    Output::AddCandidate(Some(candidate(generation)))
}

use proptest::prelude::*;

use super::*;
use crate::runtime::signature;

const PASSWORD: &str = "a password of the partner";

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn pair(number: u8) -> Pair {
    let remote = SocketAddr::from(([198, 51, 100, number], 4000));
    (SocketAddr::from(([10, 0, 0, 1], 9)), remote)
}

fn signer() -> Signer {
    Signer::new(PASSWORD).unwrap()
}

fn plain(transaction: u8) -> Vec<u8> {
    let attributes = [(stun::ICE_CONTROLLING, &[9; 8][..])];
    signature::check(&signer(), transaction, &attributes)
}

/// What the stack sends to nominate.
fn own(transaction: u8) -> Vec<u8> {
    signer()
        .nominate(&plain(transaction), [transaction; 12])
        .unwrap()
}

fn answer(transaction: u8) -> Vec<u8> {
    let mapped = "192.0.2.7:5000".parse().unwrap();
    signer().answer([transaction; 12], mapped).unwrap()
}

/// Candidates 1 and 2 are a host's, of which 2 is the better; 3 is reflexive, 4 a relay's.
fn nomination() -> Nomination {
    let mut nomination = Nomination::new(true);
    nomination.set_password(PASSWORD);
    for (number, kind, priority) in [
        (1, CandidateKind::Host, 100),
        (2, CandidateKind::Host, 200),
        (3, CandidateKind::ServerReflexive, 50),
        (4, CandidateKind::Relay, 300),
    ] {
        nomination.on_remote_candidate(pair(number).1, kind, priority);
    }
    nomination
}

/// The stack answers a check of the partner.
fn lives(nomination: &mut Nomination, number: u8) {
    let answer = stun::write(stun::BINDING_SUCCESS, [200; 12], &[]);
    assert_eq!(nomination.on_sent(pair(number), &answer), None);
}

/// The stack sends a check: whether it left as a nomination.
fn sends(nomination: &mut Nomination, number: u8, transaction: u8, now: Instant) -> bool {
    let check = plain(transaction);
    let rewritten = nomination.rewrite(pair(number), &check, now);
    if let Some(rewritten) = &rewritten {
        nomination.on_rewritten(rewritten);
    }
    let sent = rewritten.as_ref().unwrap_or(&check);
    assert_eq!(nomination.on_sent(pair(number), sent), None);
    rewritten.is_some()
}

#[test]
fn the_best_pair_that_works_is_nominated_and_no_other() {
    let now = Instant::now();
    let mut nomination = nomination();
    assert!(!sends(&mut nomination, 2, 1, now), "nothing is known of it");
    for number in [1, 2, 4] {
        lives(&mut nomination, number);
    }
    assert!(!sends(&mut nomination, 4, 2, now), "a relay's");
    assert!(!sends(&mut nomination, 1, 3, now), "there is a better one");
    assert!(sends(&mut nomination, 2, 4, now));
    assert!(sends(&mut nomination, 2, 5, now), "again");
    assert!(!sends(&mut nomination, 1, 6, now));
}

#[test]
fn a_host_has_a_head_start_over_what_is_behind_a_nat() {
    let now = Instant::now();
    let mut nomination = nomination();
    lives(&mut nomination, 3);
    assert!(!sends(&mut nomination, 3, 1, now));
    assert!(!sends(&mut nomination, 3, 2, now + HEAD_START / 2));
    assert!(sends(&mut nomination, 3, 3, now + HEAD_START));
    lives(&mut nomination, 2);
    assert!(!sends(&mut nomination, 2, 4, now + HEAD_START), "too late");
}

#[test]
fn the_stack_is_answered_once_the_partner_has_agreed() {
    let now = Instant::now();
    let mut nomination = nomination();
    assert!(!sends(&mut nomination, 2, 1, now));
    lives(&mut nomination, 2);
    assert!(sends(&mut nomination, 2, 2, now));
    let verdict = nomination.on_answer(Some(pair(2)), &answer(1), now);
    assert_eq!(verdict, Verdict::default(), "it agreed to nothing");
    assert_eq!(nomination.on_sent(pair(2), &own(3)), None);
    assert!(nomination.is_under_way(now));

    let verdict = nomination.on_answer(Some(pair(2)), &answer(2), now);
    assert!(verdict.is_settled && !verdict.is_dropped);
    assert_eq!(verdict.made, [answer(3)], "as the partner would");
    assert!(!nomination.is_under_way(now));
    let late = nomination.on_answer(Some(pair(2)), &answer(3), now);
    assert!(late.is_dropped && late.made.is_empty());
    assert!(!sends(&mut nomination, 2, 4, now), "a keepalive");
}

#[test]
fn a_nomination_that_comes_after_the_agreement_is_answered_at_once() {
    let now = Instant::now();
    let mut nomination = nomination();
    lives(&mut nomination, 2);
    assert!(sends(&mut nomination, 2, 1, now));
    let verdict = nomination.on_answer(Some(pair(2)), &answer(1), now);
    assert_eq!(verdict, Verdict::default());
    assert_eq!(nomination.on_sent(pair(2), &own(2)), Some(answer(2)));
}

#[test]
fn a_check_that_nominates_follows_the_answer_to_a_check_of_the_partner() {
    let now = Instant::now();
    let mut nomination = nomination();
    let request = stun::write(stun::BINDING_REQUEST, [100; 12], &[]);
    nomination.on_request(pair(2), &request);
    assert!(!sends(&mut nomination, 2, 1, now));
    assert_eq!(nomination.triggered(pair(2), [2; 12], now), None, "not yet");
    lives(&mut nomination, 2);
    assert_eq!(
        nomination.triggered(pair(2), [2; 12], now),
        Some(signer().nominate(&plain(1), [2; 12]).unwrap())
    );

    let verdict = nomination.on_answer(Some(pair(2)), &answer(2), now);
    assert!(verdict.is_dropped, "the stack does not know of it");
    assert_eq!(verdict.made, [answer(1), request], "for it to nominate");
    assert_eq!(nomination.on_sent(pair(2), &own(3)), Some(answer(3)));
    let late = nomination.on_answer(Some(pair(2)), &answer(1), now);
    assert!(late.is_dropped, "the stack has had it");
    lives(&mut nomination, 2);
    assert_eq!(nomination.triggered(pair(2), [4; 12], now), None);
}

#[test]
fn an_agreement_that_the_partner_did_not_sign_is_none() {
    let now = Instant::now();
    let mut nomination = nomination();
    lives(&mut nomination, 2);
    assert!(sends(&mut nomination, 2, 1, now));
    let forged = stun::write(stun::BINDING_SUCCESS, [1; 12], &[]);
    nomination.on_answer(Some(pair(2)), &forged, now);
    assert_eq!(nomination.on_sent(pair(2), &own(2)), None);
}

#[test]
fn other_pairs_wait_for_the_nominated_one_and_not_for_ever() {
    let now = Instant::now();
    let mut nomination = nomination();
    assert!(!sends(&mut nomination, 1, 1, now));
    lives(&mut nomination, 2);
    assert!(sends(&mut nomination, 2, 2, now));
    let mut is_dropped = |pair, at| nomination.on_answer(pair, &answer(1), at).is_dropped;
    assert!(is_dropped(Some(pair(1)), now));
    assert!(is_dropped(None, now), "through a relay of ours");
    assert!(!is_dropped(Some(pair(2)), now));
    assert!(!is_dropped(Some(pair(1)), now + PATIENCE));
}

#[test]
fn a_pair_is_not_nominated_when_the_stack_may_have_found_another() {
    let now = Instant::now();
    let mut nomination = nomination();
    lives(&mut nomination, 2);
    assert!(
        !nomination
            .on_answer(Some(pair(1)), &answer(1), now)
            .is_dropped
    );
    assert!(!sends(&mut nomination, 2, 2, now));

    let mut nomination = self::nomination();
    lives(&mut nomination, 2);
    nomination.on_answer(None, &answer(1), now);
    assert!(!sends(&mut nomination, 2, 2, now), "a relay was found");

    let mut nomination = self::nomination();
    lives(&mut nomination, 2);
    assert_eq!(nomination.on_sent(pair(1), &own(1)), None);
    assert!(!sends(&mut nomination, 2, 2, now), "the stack has decided");
}

#[test]
fn another_generation_begins_with_nothing() {
    let now = Instant::now();
    let mut nomination = nomination();
    lives(&mut nomination, 2);
    assert!(sends(&mut nomination, 2, 1, now));
    nomination.restart();
    assert!(!nomination.is_under_way(now));
    nomination.set_password("another");
    lives(&mut nomination, 2);
    assert!(
        !sends(&mut nomination, 2, 2, now + HEAD_START),
        "what the old password signs is of the old generation"
    );
    nomination.set_password(PASSWORD);
    assert!(sends(&mut nomination, 2, 3, now + 2 * HEAD_START));
}

#[test]
fn the_controlled_side_and_one_that_is_switched_off_change_nothing() {
    let now = Instant::now();
    let mut nomination = nomination();
    lives(&mut nomination, 2);
    let controlled = signature::check(&signer(), 1, &[(0x8029, &[9; 8])]);
    assert_eq!(nomination.rewrite(pair(2), &controlled, now), None);

    let mut off = Nomination::new(false);
    off.set_password(PASSWORD);
    lives(&mut off, 2);
    assert!(!sends(&mut off, 2, 1, now + HEAD_START));
}

/// What may happen, on one of a few pairs.
#[derive(Debug, Clone, Copy)]
enum Step {
    Lives(u8),
    Check(u8),
    OwnNomination(u8),
    Answer(u8, u8),
    RelayedAnswer,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..5_u8).prop_map(Step::Lives),
        (1..5_u8).prop_map(Step::Check),
        (1..5_u8).prop_map(Step::OwnNomination),
        (1..5_u8, any::<u8>()).prop_map(|(pair, transaction)| Step::Answer(pair, transaction)),
        Just(Step::RelayedAnswer),
        (0..60_u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// One pair at most, and an answer only for what the stack sent on it, after the partner agreed.
    #[test]
    fn whatever_happens_one_pair_is_nominated(
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let start = Instant::now();
        let mut now = start;
        let mut nomination = nomination();
        let (mut nominated, mut agreed) = (BTreeMap::<u8, Vec<u8>>::new(), false);
        for (index, step) in steps.into_iter().enumerate() {
            let transaction = index as u8;
            let made = match step {
                Step::Lives(number) => {
                    lives(&mut nomination, number);
                    if nomination.triggered(pair(number), [transaction; 12], now).is_some() {
                        nominated.entry(number).or_default().push(transaction);
                    }
                    false
                }
                Step::Check(number) => {
                    if sends(&mut nomination, number, transaction, now) {
                        nominated.entry(number).or_default().push(transaction);
                    }
                    false
                }
                Step::OwnNomination(number) => {
                    let made = nomination.on_sent(pair(number), &own(transaction));
                    prop_assert!(made.is_none() || nominated.contains_key(&number));
                    made.is_some()
                }
                Step::Answer(number, of) => {
                    agreed |= nominated.get(&number).is_some_and(|sent| sent.contains(&of));
                    nomination.on_answer(Some(pair(number)), &answer(of), now).is_settled
                }
                Step::RelayedAnswer => nomination.on_answer(None, &answer(255), now).is_settled,
                Step::Wait(time) => {
                    now += ms(time);
                    false
                }
            };
            prop_assert!(!made || agreed);
            prop_assert!(nominated.len() <= 1 && !nominated.contains_key(&4));
        }
        prop_assert!(!nomination.is_under_way(now + PATIENCE));
    }

    #[test]
    fn nothing_piles_up_and_no_bytes_make_it_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let now = Instant::now();
        let mut nomination = nomination();
        lives(&mut nomination, 2);
        for number in 0..300_u32 {
            let local = SocketAddr::from(([10, 0, 0, 1], number as u16));
            let mut message = stun::write(
                [stun::BINDING_REQUEST, stun::BINDING_SUCCESS][number as usize % 2],
                [number as u8; 12],
                &[],
            );
            message.extend(&bytes);
            nomination.on_sent((local, pair(2).1), &message);
            nomination.rewrite(pair(2), &message, now);
            nomination.on_answer(Some(pair(2)), &message, now);
            nomination.on_remote_candidate(local, CandidateKind::Host, 1);
            nomination.on_request((local, pair(2).1), &message);
            sends(&mut nomination, 2, number as u8, now);
            nomination.triggered(pair(2), [number as u8; 12], now);
        }
        prop_assert!(nomination.live.len() <= MAX_PAIRS);
        prop_assert!(nomination.candidates.len() <= MAX_PAIRS);
        prop_assert!(nomination.nominating.len() <= MAX_TRANSACTIONS);
        prop_assert!(nomination.copies.len() <= MAX_TRANSACTIONS);
        prop_assert!(nomination.requests.len() <= MAX_PAIRS);
    }
}

//! Reports, blocks and the secret; and all of it together.

use proptest::prelude::*;

use super::*;

fn person(number: u8) -> Person {
    Person {
        key: Some(KeyHash([number; 16])),
        ..keyless(number)
    }
}

fn keyless(number: u8) -> Person {
    Person::at([192, 0, 2, number].into(), false)
}

fn handle(server: &Server) -> protocol::Handle {
    let (viewer, partner) = (KeyHash([1; 16]), KeyHash([2; 16]));
    server.records.handle(viewer, partner)
}

#[test]
fn reports_at_several_servers_count_together_and_a_reporter_once() {
    let mut servers = [1, 2].map(|me| Server::new(me, Tables::default()));
    let bad = person(100);
    for (at, from) in [(0, 1), (1, 1), (1, 2), (0, 3)] {
        servers[at].hears_a_report(&person(from), &bad, NOW + u64::from(from));
    }
    let [mut one, mut other] = servers;
    other.hears(&one, NOW + 10);
    one.hears(&other, NOW + 10);
    assert_eq!(one.reported().len(), 3);
    assert_eq!(one.reported(), other.reported());
    let score = |server: &Server| server.records.score(key(100), NOW / 1000);
    assert!((score(&one) - 0.6).abs() < 1e-9, "{}", score(&one));
    assert!((score(&other) - score(&one)).abs() < 1e-9);
    let one = one.again(3);
    assert_eq!(one.reported(), other.reported());
}

#[test]
fn one_without_a_key_is_the_same_at_all_servers_once_they_know_of_each_other() {
    let mut one = Server::new(1, Tables::default());
    let mut other = Server::new(2, Tables::default());
    other.hears(&one, NOW);
    one.hears(&other, NOW);
    one.hears_a_report(&keyless(1), &person(100), NOW);
    other.hears_a_report(&keyless(1), &person(100), NOW + 5);
    one.hears(&other, NOW + 5);
    other.hears(&one, NOW + 5);
    assert_eq!(one.reported().len(), 1);
    assert_eq!(one.reported(), other.reported());
    assert_eq!(handle(&one), handle(&other), "and so are all others");
}

#[test]
fn the_secret_that_was_made_first_holds_in_whatever_order_servers_hear_of_each_other() {
    let mut tables = Tables::default();
    let known = serde_json::from_str(r#"{"first_seen":1790000000,"last_seen":1790000000}"#);
    tables
        .keys
        .insert(KeyHash([5; 16]), known.expect("what is known of a key"));
    let mut old = Server::new(1, tables);
    let mut new = Server::new(2, Tables::default());
    let before = handle(&old);
    assert_ne!(handle(&new), before);
    old.hears(&new, NOW);
    assert_eq!(handle(&old), before);
    new.hears(&old, NOW);
    assert_eq!(handle(&new), before);
    assert_eq!(handle(&new.again(3)), before, "after the next start too");
}

#[test]
fn reports_that_were_each_too_few_ban_together_and_what_is_forgiven_stays_so() {
    let mut one = Server::new(1, Tables::default());
    let mut other = Server::new(2, Tables::default());
    for number in 0..45 {
        let server = if number % 2 == 0 {
            &mut one
        } else {
            &mut other
        };
        server.hears_a_report(&person(number), &person(100), NOW);
    }
    assert!(one.banned().is_empty() && other.banned().is_empty());
    one.hears(&other, NOW);
    assert_eq!(one.banned().len(), 1, "nine together");
    other.hears(&one, NOW);
    assert_eq!(other.banned(), one.banned());

    other.lets_in(key(100), NOW + 10);
    assert_eq!(other.reported(), []);
    one.hears(&other, NOW + 10);
    assert_eq!((one.banned().len(), one.reported()), (0, Vec::new()));
    let mut late = Server::new(3, Tables::default());
    late.hears(&one, NOW + 10);
    assert_eq!((late.banned().len(), late.reported()), (0, Vec::new()));
}

#[test]
fn what_one_operator_dismisses_is_gone_at_all_servers_and_its_sender_weighs_less_at_each() {
    let mut one = Server::new(1, Tables::default());
    let mut other = Server::new(2, Tables::default());
    for server in [&mut one, &mut other] {
        server.records.seen(KeyHash([1; 16]), NOW / 1000);
    }
    one.hears_a_report(&person(1), &person(100), NOW);
    other.hears(&one, NOW);
    other.dismisses(key(100), NOW);
    one.hears(&other, NOW);
    assert_eq!((one.reported(), other.reported()), (Vec::new(), Vec::new()));
    one.hears_a_report(&person(1), &person(101), NOW);
    let (.., weight) = one.reported()[0];
    assert_eq!(weight, 100_000, "half of a newcomer's");
}

#[test]
fn a_block_holds_at_all_servers_and_after_a_year_for_those_who_are_known_yet() {
    let mut one = Server::new(1, Tables::default());
    let mut other = Server::new(2, Tables::default());
    let [by, stranger, whom] = [1, 2, 3].map(|number| KeyHash([number; 16]));
    other.records.seen(by, NOW / 1000);
    one.blocks(1, 3, NOW);
    one.blocks(2, 3, NOW);
    other.hears(&one, NOW);
    let blockers = |server: &Server| server.records.blockers_of(whom).collect::<Vec<_>>();
    assert_eq!(blockers(&other), [by, stranger]);

    let later = NOW / 1000 + BLOCK_LASTS;
    let mut changes = Changes::new();
    other.shared.tidy(&mut other.records, later, &mut changes);
    other.write(changes);
    assert_eq!(blockers(&other), [by]);
    assert_eq!(other.tables.blocks.len(), 1);
    assert_eq!(other.shared.on(BLOCKS).len(), 1, "told for another year");
}

#[test]
fn what_was_reported_and_blocked_before_servers_told_each_other_is_told() {
    let mut old = Server::new(1, Tables::default());
    old.hears_a_report(&person(1), &person(100), NOW - 1000);
    old.blocks(1, 100, NOW - 1000);
    old.tables.facts.clear();
    let old = old.again(2);
    let mut other = Server::new(3, Tables::default());
    other.hears(&old, NOW);
    assert_eq!(
        (other.reported().len(), other.records.blocks().len()),
        (1, 1)
    );
}

#[derive(Debug, Clone, Copy)]
enum Deed {
    Report(u8, u8),
    Dismiss(u8),
    Ban(u8),
    LetIn(u8),
    Block(u8, u8),
    Hear(usize),
    Restart,
}

fn any_deed() -> impl Strategy<Value = (usize, Deed)> {
    let who = 0_u8..6;
    let deed = prop_oneof![
        (who.clone(), who.clone()).prop_map(|(from, about)| Deed::Report(from, about)),
        who.clone().prop_map(Deed::Dismiss),
        who.clone().prop_map(Deed::Ban),
        who.clone().prop_map(Deed::LetIn),
        (who.clone(), who).prop_map(|(by, whom)| Deed::Block(by, whom)),
        (0_usize..3).prop_map(Deed::Hear),
        Just(Deed::Restart),
    ];
    (0_usize..3, deed)
}

fn hears(servers: &mut [Server], at: usize, from: usize, now_ms: u64) {
    let facts = servers[from].all_facts();
    servers[at].hears_facts(facts, now_ms);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn once_three_servers_have_heard_of_each_other_they_say_the_same_of_everybody(
        deeds in proptest::collection::vec(any_deed(), 0..60),
        late_ms in proptest::array::uniform3(0_u64..5000),
    ) {
        let mut servers: Vec<Server> =
            (0..3).map(|at| Server::new(at + 1, Tables::default())).collect();
        for (step, (at, deed)) in deeds.into_iter().enumerate() {
            // The clocks of the three differ.
            let now_ms = NOW + 10_000 + step as u64 * 700 - late_ms[at];
            let server = &mut servers[at];
            match deed {
                Deed::Report(from, about) if from != about => {
                    server.hears_a_report(&person(from), &person(about), now_ms);
                }
                Deed::Dismiss(about) if !server.records.reporters_of(key(about)).is_empty() => {
                    server.dismisses(key(about), now_ms);
                }
                Deed::Ban(whom) => server.bans(key(whom), now_ms),
                Deed::LetIn(whom) if server.records.bans().any(|(_, it)| it.whom == key(whom)) => {
                    server.lets_in(key(whom), now_ms);
                }
                Deed::Block(by, whom) if by != whom => server.blocks(by, whom, now_ms),
                Deed::Hear(from) if from != at => hears(&mut servers, at, from, now_ms),
                Deed::Restart => {
                    let server = servers.remove(at);
                    servers.insert(at, server.again(10 + step as u64));
                }
                _ => {}
            }
        }
        for _ in 0..2 {
            for (at, from) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
                hears(&mut servers, at, from, NOW + 60_000);
            }
        }
        let said = |server: &Server| (server.banned(), server.reported(), server.records.blocks());
        prop_assert_eq!(said(&servers[0]), said(&servers[1]));
        prop_assert_eq!(said(&servers[1]), said(&servers[2]));
        let before = said(&servers[0]);
        let again = servers.remove(0).again(99);
        prop_assert_eq!(said(&again), before, "as the disk has it");
    }
}

use std::net::Ipv4Addr;

use proptest::prelude::*;
use protocol::SignedLine;

use super::*;

const NOW: u64 = 1_800_000_000;
const OLD: u64 = NOW - 30 * DAY;

fn key(number: u8) -> KeyHash {
    KeyHash([number; 16])
}

/// One at an address of his own.
fn person(number: u8) -> Person {
    Person {
        key: Some(key(number)),
        ..keyless(number)
    }
}

fn keyless(number: u8) -> Person {
    Person::at(Ipv4Addr::new(192, 0, 2, number).into(), false)
}

fn empty() -> Records {
    Records::new(Policy::default(), Tables::default())
}

/// With so many who are here for long.
fn with_regulars(count: u8) -> Records {
    let mut records = empty();
    for number in 0..count {
        records.seen(key(number), OLD);
    }
    records
}

fn report(records: &mut Records, from: &Person, about: &Person, now: u64) -> (Changes, bool) {
    records.report(from, about, ReportReason::Spam, String::new(), now)
}

#[test]
fn lines_of_chat_are_kept_with_the_newest_reports_that_have_some() {
    let mut records = Records::new(Policy::default(), Tables::forgotten_soon());
    let line = |number: u32| SignedLine {
        number,
        previous: protocol::LineHash::NOTHING,
        text: format!("line {number}"),
        signature: protocol::Signature::from_bytes([0; 64]),
    };
    let person = |number: u32| Person {
        key: Some(KeyHash(u128::from(number).to_be_bytes())),
        ..Person::at([192, 0, 2, 1].into(), true)
    };
    let mut all = Changes::new();
    for number in 0..REPORTS_WITH_LINES as u32 + 3 {
        let about = person(number % 1000 + 1_000_000);
        let reason = ReportReason::Hate;
        let (mut changes, _) = records.report(&person(number), &about, reason, String::new(), 1000);
        records.add_lines(vec![line(1), line(number + 2)], &mut changes);
        all.extend(changes);
    }
    let with_lines = records.reports().filter(|(_, it)| !it.lines.is_empty());
    assert_eq!(with_lines.count(), REPORTS_WITH_LINES);
    let (_, newest) = records.reports().next().expect("there are many");
    assert_eq!(newest.lines[1].number, REPORTS_WITH_LINES as u32 + 4);
    // What is written down says the same.
    let mut written = BTreeMap::new();
    for change in all {
        if let Change::Report(number, report) = change {
            match report {
                Some(report) => drop(written.insert(number, report)),
                None => drop(written.remove(&number)),
            }
        }
    }
    let known: BTreeMap<u64, Report> = (records.reports())
        .map(|(number, report)| (number, report.clone()))
        .collect();
    assert!(written == known);
    let (number, _) = records.reports().next().expect("there are many");
    records.dismiss(number).expect("it is there");
    assert!(!records.with_lines.contains(&number));
}

#[test]
fn enough_people_have_one_slowed_down_then_set_apart_then_banned_and_time_forgives() {
    use Standing::{Apart, Good, Slower};

    let mut records = with_regulars(20);
    let bad = person(100);
    let mut standings = Vec::new();
    for number in 0..8 {
        let (_, is_banned) = report(&mut records, &person(number), &bad, NOW);
        standings.push((records.standing(&bad, NOW), is_banned));
    }
    let expected = [Good, Slower, Slower, Apart, Apart, Apart, Apart, Apart];
    let expected: Vec<_> = expected
        .into_iter()
        .zip([false; 7].into_iter().chain([true]))
        .collect();
    assert_eq!(standings, expected);

    let ban = records.ban_of(&bad, NOW).expect("banned");
    assert!(ban.is_automatic);
    let until = ban.until.expect("not for good");
    assert_eq!(until, NOW + Policy::default().ban_for.as_secs());
    assert_eq!(records.ban_of(&bad, until), None);
    assert_eq!(records.standing(&bad, NOW + 60 * DAY), Good);
}

#[test]
fn one_who_reports_again_and_again_counts_once_with_the_last_word() {
    let mut records = with_regulars(2);
    for again in 0..50 {
        report(&mut records, &person(1), &person(100), NOW + again);
    }
    assert_eq!(records.reports().count(), 1);
    let score = records.score(Who::Key(key(100)), NOW + 50);
    assert!(score <= 1.0, "{score}");
}

#[test]
fn many_new_keys_at_one_address_weigh_as_one() {
    let mut records = empty();
    for number in 0..100 {
        let robot = Person {
            key: Some(key(number)),
            ..keyless(7)
        };
        records.seen(key(number), NOW);
        report(&mut records, &robot, &person(200), NOW);
    }
    let score = records.score(Who::Key(key(200)), NOW);
    assert!(score <= 0.21, "{score}");
}

#[test]
fn without_a_key_an_address_stands_for_one_unless_everybody_has_it() {
    let mut records = with_regulars(20);
    let shared = Person {
        is_shared: true,
        ..keyless(50)
    };
    for number in 0..20 {
        report(&mut records, &person(number), &keyless(51), NOW);
        report(&mut records, &person(number), &shared, NOW);
    }
    assert!(records.ban_of(&keyless(51), NOW).is_some());
    assert_eq!(records.ban_of(&shared, NOW), None);
    assert_eq!(records.standing(&shared, NOW), Standing::Good);
    assert_eq!(records.reports().count(), 40, "the operator sees them all");
}

#[test]
fn what_the_operator_dismisses_counts_no_more_and_its_sender_less() {
    let mut records = with_regulars(3);
    report(&mut records, &person(1), &person(100), NOW);
    let (number, first) = records.reports().next().expect("it is there");
    let weight = first.weight;

    records.dismiss(number).expect("it is there");
    assert_eq!(records.dismiss(number), Err(Unknown));
    assert!(records.score(Who::Key(key(100)), NOW).abs() < 1e-9);

    report(&mut records, &person(1), &person(101), NOW);
    let (_, second) = records.reports().next().expect("it is there");
    assert!(second.weight < weight);
}

#[test]
fn an_operator_bans_keys_addresses_and_networks_and_takes_it_back() {
    let mut records = empty();
    report(&mut records, &person(1), &person(2), NOW);
    let (number, _) = records.reports().next().expect("it is there");
    for (target, lasts) in [
        (BanTarget::Reported(number), None),
        (
            BanTarget::Who(Who::Place("198.51.100.0/24".parse().expect("a network"))),
            Some(60),
        ),
    ] {
        let order = BanOrder {
            target,
            reason: "enough".to_owned(),
            lasts: lasts.map(Duration::from_secs),
        };
        records.ban(order, NOW).expect("there is somebody");
    }
    let neighbour = Person::at(Ipv4Addr::new(198, 51, 100, 9).into(), false);
    assert!(records.ban_of(&neighbour, NOW + 59).is_some());
    assert_eq!(records.ban_of(&neighbour, NOW + 60), None);
    assert!(records.ban_of(&person(2), NOW + 1000 * DAY).is_some());
    assert_eq!(records.ban_of(&person(3), NOW), None);

    let bans: Vec<u64> = records.bans().map(|(number, _)| number).collect();
    for number in bans {
        records.unban(number).expect("it is there");
        assert_eq!(records.unban(number), Err(Unknown));
    }
    assert_eq!(records.ban_of(&person(2), NOW), None);
    assert_eq!(records.reports().count(), 0, "it is forgiven");
    let nobody = BanOrder {
        target: BanTarget::Reported(number),
        reason: String::new(),
        lasts: None,
    };
    assert_eq!(records.ban(nobody, NOW), Err(Unknown));
}

#[test]
fn a_handle_is_the_same_towards_one_and_another_towards_everybody_else() {
    let records = empty();
    let handle = records.handle(key(1), key(2));
    assert_eq!(handle, records.handle(key(1), key(2)));
    assert_ne!(handle, records.handle(key(3), key(2)));
    assert_ne!(handle, records.handle(key(2), key(1)));
}

#[test]
fn what_is_over_is_forgotten() {
    let mut records = with_regulars(9);
    for number in 0..9 {
        report(&mut records, &person(number), &person(100), NOW);
    }
    records.block(key(1), key(2));
    let kept = records.census();
    assert!(kept.iter().all(|count| *count > 0), "{kept:?}");
    records.tidy(NOW);
    assert_eq!(records.census(), kept, "nothing is over");
    let changes = records.tidy(NOW + 365 * DAY);
    assert_eq!(records.census(), [0; 4]);
    assert!(records.about.is_empty() && records.from.is_empty() && records.blocked_by.is_empty());
    assert_eq!(changes.len(), kept.iter().sum::<usize>());
}

#[derive(Debug, Clone)]
enum Step {
    Seen(u8),
    Report(u8, u8, bool),
    Block(u8, u8),
    Dismiss(u64),
    Ban(u8),
    Unban(u64),
    Tidy(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u8..12).prop_map(Step::Seen),
        (0_u8..12, 0_u8..12, any::<bool>())
            .prop_map(|(from, about, key)| Step::Report(from, about, key)),
        (0_u8..12, 0_u8..12).prop_map(|(by, whom)| Step::Block(by, whom)),
        (0_u64..40).prop_map(Step::Dismiss),
        (0_u8..12).prop_map(Step::Ban),
        (0_u64..40).prop_map(Step::Unban),
        (0_u64..400).prop_map(Step::Tidy),
    ]
}

/// What a store makes of changes.
fn write(tables: &mut Tables, changes: Changes) {
    fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
        match value {
            Some(value) => map.insert(key, value),
            None => map.remove(&key),
        };
    }
    for change in changes {
        match change {
            Change::Key(key, Some(known)) => {
                tables.keys.insert(key, known);
            }
            Change::Key(key, None) => {
                tables.keys.remove(&key);
            }
            Change::Report(number, report) => put(&mut tables.reports, number, report),
            Change::Ban(number, ban) => put(&mut tables.bans, number, ban),
            Change::Block(by, whom, number) => put(&mut tables.blocks, (by, whom), number),
            Change::Fact(shelf, name, fact) => {
                put(&mut tables.facts, (shelf.to_owned(), name), fact);
            }
        }
    }
}

/// Everything that anybody can see of it.
fn seen(records: &Records, now: u64) -> String {
    let people: Vec<_> = (0..12)
        .flat_map(|number| [person(number), keyless(number)])
        .map(|person| {
            let blocks = person.key.map(|key| {
                let blocked: Vec<_> = records.blocked_by(key).collect();
                (blocked, records.blockers_of(key).collect::<Vec<_>>())
            });
            (
                records.standing(&person, now),
                records.ban_of(&person, now),
                blocks,
            )
        })
        .collect();
    let reports: Vec<_> = records.reports().collect();
    format!(
        "{people:?} {reports:?} {:?} {:?}",
        records.bans().collect::<Vec<_>>(),
        records.census()
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_what_was_written_down_says_the_same(steps in proptest::collection::vec(step(), 0..80)) {
        let mut records = with_regulars(6);
        let mut tables = Tables::default();
        for number in 0..6 {
            tables.keys.insert(key(number), Known { first_seen: OLD, last_seen: OLD, dismissed: 0 });
        }
        let mut now = NOW;
        for step in steps {
            now += 100;
            let changes = match step {
                Step::Seen(number) => records.seen(key(number), now),
                Step::Report(from, about, has_key) => {
                    let about = if has_key { person(about) } else { keyless(about) };
                    report(&mut records, &person(from), &about, now).0
                }
                Step::Block(by, whom) => records.block(key(by), key(whom)),
                Step::Dismiss(number) => records.dismiss(number).unwrap_or_default(),
                Step::Ban(number) => {
                    let target = BanTarget::Who(Who::Key(key(number)));
                    let order = BanOrder { target, reason: String::new(), lasts: None };
                    records.ban(order, now).unwrap_or_default()
                }
                Step::Unban(number) => records.unban(number).unwrap_or_default(),
                Step::Tidy(days) => { now += days * DAY / 10; records.tidy(now) }
            };
            write(&mut tables, changes);
            let again = Records::new(Policy::default(), tables.clone());
            prop_assert_eq!(seen(&records, now), seen(&again, now));
            prop_assert_eq!(records.last_number >= again.last_number, true);
        }
    }

    #[test]
    fn nobody_blocks_more_than_is_kept_and_the_last_ones_count(whom in proptest::collection::vec(0_u8..200, 0..200)) {
        let mut records = empty();
        for other in &whom {
            records.block(key(255), key(*other));
        }
        let blocked: Vec<_> = records.blocked_by(key(255)).collect();
        prop_assert!(blocked.len() <= BLOCKS);
        if let Some(last) = whom.last() {
            prop_assert_eq!(blocked.last(), Some(&key(*last)));
        }
        for other in 0..200 {
            let is_blocked = blocked.contains(&key(other));
            prop_assert_eq!(records.blockers_of(key(other)).any(|by| by == key(255)), is_blocked);
        }
    }
}

#[test]
fn what_another_server_decides_takes_the_place_of_what_was_and_changes_nothing_if_it_is_known() {
    let networks = ["192.0.2.0/24", "2001:db8::/48"].map(|it| it.parse().expect("a network"));
    let [network, other] = networks.map(Who::Place);
    for whom in [
        Who::Key(key(1)),
        Who::Place(keyless(1).place),
        network,
        other,
    ] {
        let ban = |reason: &str| Ban {
            whom,
            reason: reason.to_owned(),
            from: NOW,
            until: None,
            is_automatic: false,
        };
        let mut records = empty();
        assert_eq!(records.let_in(whom), [], "nobody is banned");
        assert!(!records.adopt_ban(ban("first")).is_empty());
        assert_eq!(records.adopt_ban(ban("first")), [], "the same again");
        records.adopt_ban(ban("second"));
        let reasons: Vec<_> = records.bans().map(|(_, ban)| ban.reason.as_str()).collect();
        assert_eq!(reasons, ["second"]);
        report(&mut records, &person(2), &person(1), NOW);
        assert!(!records.let_in(whom).is_empty());
        assert_eq!(records.bans().count(), 0);
        assert_eq!(
            records.reports().count(),
            1,
            "what was reported is taken back by itself"
        );
        let from = Source::Key(key(2));
        assert_eq!(records.reporters_of(Who::Key(key(1))), [from]);
        records.take_back(Who::Key(key(1)), from, false);
        assert_eq!(records.reports().count(), 0);
    }
}

#[test]
fn what_other_servers_decide_pushes_out_no_ban() {
    let mut records = empty();
    let ban = |number: u32| Ban {
        whom: Who::Place(Network::place_of(Ipv4Addr::from_bits(number).into())),
        reason: String::new(),
        from: NOW,
        until: None,
        is_automatic: true,
    };
    for number in 0..BANS as u32 {
        records.adopt_ban(ban(number));
    }
    assert_eq!(records.adopt_ban(ban(u32::MAX)), []);
    assert_eq!(records.bans().count(), BANS);
    assert!(records.bans().any(|(_, it)| *it == ban(0)));
}

use std::{fs, thread};

use cluster::{Fact, NodeId, Stamp};
use protocol::ReportReason;

use super::*;
use crate::safety::{Ban, KeyHash, Person, Policy, Records, Report, Who, records::Known};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder for the test")
}

const KEY: KeyHash = KeyHash([7; 16]);
const OTHER: KeyHash = KeyHash([8; 16]);

fn report(note: &str) -> Report {
    Report {
        about: Some(Who::Key(KEY)),
        about_place: "192.0.2.1".parse().expect("a network"),
        from: None,
        from_place: Some(5),
        reason: ReportReason::Hate,
        note: note.to_owned(),
        at: 12,
        weight: 0.1 + 0.2,
    }
}

fn fact(name: &str) -> Fact {
    Fact {
        name: name.into(),
        stamp: Stamp {
            ms: 1_800_000_000_000,
            node: NodeId(0xfe),
        },
        until: cluster::FOR_GOOD,
        text: "\"§ words".into(),
    }
}

fn everything() -> Changes {
    vec![
        Change::Key(
            KEY,
            Some(Known {
                first_seen: 1,
                last_seen: 2,
                dismissed: 3,
            }),
        ),
        Change::Report(1, Some(report("gone"))),
        Change::Report(2, Some(report("\"§\u{0}"))),
        Change::Ban(
            3,
            Some(Ban {
                whom: Who::Place("2001:db8::/64".parse().expect("a network")),
                reason: "words".to_owned(),
                from: 4,
                until: Some(5),
                is_automatic: true,
            }),
        ),
        Change::Block(KEY, OTHER, Some(9)),
        Change::Fact("bans", "gone".into(), Some(fact("gone"))),
        Change::Fact("bans", "here".into(), Some(fact("here"))),
        Change::Fact("bans", "gone".into(), None),
        Change::Report(1, None),
    ]
}

/// Has it written in the way that the server does.
fn write(store: Store, all: Vec<Changes>) -> Vec<Written> {
    let (mut writer, writes) = Writer::queue();
    let (sender, mut written) = mpsc::channel(1);
    let thread = thread::spawn(move || store.run(&writes, &sender));
    let mut told = Vec::new();
    for changes in all {
        let Promise::Later(number) = writer.write(changes) else {
            panic!("there is room");
        };
        told.push(written.blocking_recv().expect("it is told"));
        assert_eq!(told.last().map(|written| written.number), Some(number));
    }
    drop(writer);
    thread.join().expect("it ends");
    told
}

#[test]
fn what_was_written_is_there_after_the_next_start_and_the_secret_too() {
    let folder = folder();
    let path = folder.path().join("store");
    let (store, empty) = Store::open(&path).expect("it is made");
    assert_eq!(
        empty,
        Tables {
            secret: empty.secret,
            ..Tables::default()
        }
    );
    assert_ne!(empty.secret, [0; 32]);

    let told = write(store, vec![everything()]);
    assert!(told[0].is_kept);

    let (_store, tables) = Store::open(&path).expect("it is there");
    assert_eq!(tables.secret, empty.secret);
    assert_eq!(
        tables.reports.into_iter().collect::<Vec<_>>(),
        [(2, report("\"§\u{0}"))]
    );
    assert_eq!(tables.keys[&KEY].dismissed, 3);
    assert_eq!(tables.bans[&3].until, Some(5));
    assert_eq!(tables.blocks[&(KEY, OTHER)], 9);
    let facts: Vec<Fact> = tables.facts.into_values().collect();
    assert_eq!(facts, [fact("here")]);
}

#[test]
fn the_records_say_the_same_before_and_after() {
    let folder = folder();
    let path = folder.path().join("store");
    let (store, tables) = Store::open(&path).expect("it is made");
    let mut records = Records::new(Policy::default(), tables);
    let person = |number: u8| Person {
        key: Some(KeyHash([number; 16])),
        ..Person::at([192, 0, 2, number].into(), false)
    };
    let mut all = Vec::new();
    for number in 0..10 {
        all.push(records.seen(KeyHash([number; 16]), 0));
        let reason = ReportReason::Minor;
        let day = 8 * 24 * 3600;
        let (changes, _) =
            records.report(&person(number), &person(100), reason, String::new(), day);
        all.push(changes);
        all.push(records.block(KeyHash([number; 16]), KeyHash([100; 16])));
    }
    write(store, all);
    let (_store, tables) = Store::open(&path).expect("it is there");
    let again = Records::new(Policy::default(), tables);
    assert_eq!(again.census(), records.census());
    assert!(again.ban_of(&person(100), 8 * 24 * 3600).is_some());
}

#[test]
fn a_store_has_one_server_at_a_time() {
    let folder = folder();
    let path = folder.path().join("store");
    let (_store, _) = Store::open(&path).expect("it is made");
    let problem = Store::open(&path).expect_err("it is in use").to_string();
    assert!(problem.contains("in use by another server"), "{problem}");
}

#[test]
fn a_file_that_is_no_store_or_is_damaged_is_refused_in_words() {
    let folder = folder();
    let path = folder.path().join("store");
    fs::write(&path, b"Dear diary, ".repeat(1000)).expect("it takes files");
    let problem = Store::open(&path).expect_err("no store").to_string();
    assert!(problem.contains("damaged or no store"), "{problem}");

    fs::remove_file(&path).expect("it goes");
    let (store, _) = Store::open(&path).expect("it is made");
    write(store, vec![everything()]);
    let whole = fs::read(&path).expect("it is there");
    let noise: Vec<u8> = (0..whole.len()).map(|at| (at * 7919 % 251) as u8).collect();
    fs::write(&path, [&whole[..64], &noise[64..]].concat()).expect("it takes files");
    let problem = Store::open(&path).expect_err("it is damaged").to_string();
    assert!(problem.contains("damaged or no store"), "{problem}");

    let nowhere = folder.path().join("no such folder").join("store");
    let problem = Store::open(&nowhere).expect_err("there is no place for it");
    assert!(matches!(problem, StoreError::File { .. }), "{problem}");
}

#[test]
fn steps_that_are_missing_are_taken_once_and_a_later_version_is_left_alone() {
    fn second(transaction: &WriteTransaction) -> Result<(), redb::Error> {
        let mut bans = transaction.open_table(BANS)?;
        let reason = row(&Ban {
            whom: Who::Key(KEY),
            reason: "from the second step".to_owned(),
            from: 0,
            until: None,
            is_automatic: false,
        });
        assert!(bans.insert(77, &reason[..])?.is_none(), "taken once");
        Ok(())
    }
    fn fails(_: &WriteTransaction) -> Result<(), redb::Error> {
        Err(redb::Error::Corrupted("on purpose".to_owned()))
    }
    let folder = folder();
    let path = folder.path().join("store");
    let (store, _) = Store::open(&path).expect("it is made");
    write(store, vec![everything()]);

    let database = open(&path).expect("it is there");
    prepare(&database, &path, &[first_version, second, fails]).expect_err("a step fails");
    assert_eq!(
        version(&database).expect("it has one"),
        1,
        "all steps or none"
    );
    for _ in 0..2 {
        let tables = prepare(&database, &path, &[first_version, second]).expect("it goes");
        assert_eq!(tables.bans.keys().copied().collect::<Vec<_>>(), [3, 77]);
    }
    drop(database);
    let problem = Store::open(&path).expect_err("it is too new").to_string();
    assert!(
        problem.contains("version 2") && problem.contains("knows 1"),
        "{problem}"
    );
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = folder();
    let path = folder.path().join("store");
    Store::open(&path).expect("it is made");
    let mode = fs::metadata(&path)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_queue_that_is_full_refuses_and_nothing_is_promised_for_nothing() {
    let (mut writer, writes) = Writer::queue();
    for _ in 0..QUEUE {
        assert!(matches!(writer.write(everything()), Promise::Later(_)));
    }
    assert_eq!(writer.write(everything()), Promise::Refused);
    assert_eq!(writer.write(Changes::new()), Promise::Done);
    drop(writes);
    assert_eq!(writer.write(everything()), Promise::Refused);
    assert_eq!(Writer::nowhere().write(everything()), Promise::Done);
}

use std::{fs, thread};

use cluster::{Fact, NodeId, Stamp};
use protocol::ReportReason;

use super::*;
use crate::safety::{
    Ban, KeyHash, Person, Policy, ProvedLine, Records, Report, Who, records::Known,
};

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
        lines: vec![ProvedLine {
            number: 3,
            text: "<i>\u{0}".to_owned(),
        }],
    }
}

#[test]
fn a_report_that_was_written_before_there_were_lines_has_none() {
    let mut old = serde_json::to_value(report("old")).expect("it is JSON");
    old.as_object_mut().expect("an object").remove("lines");
    let read: Report = parsed(old.to_string().as_bytes()).expect("it can be read");
    let expected = Report {
        lines: Vec::new(),
        ..report("old")
    };
    assert_eq!(read, expected);
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
    assert!(matches!(problem, StoreError::NoFolder(_)), "{problem}");
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

/// What there is in a folder: names, sizes, and when each was changed.
fn listing(folder: &Path) -> Vec<(std::ffi::OsString, u64, std::time::SystemTime)> {
    let entries = fs::read_dir(folder).expect("it is there");
    let mut entries: Vec<_> = entries
        .map(|entry| {
            let entry = entry.expect("it can be read");
            let about = entry.metadata().expect("it can be read");
            let changed = about.modified().expect("it is known");
            (entry.file_name(), about.len(), changed)
        })
        .collect();
    entries.sort();
    entries
}

#[test]
fn to_check_a_store_makes_and_changes_nothing() {
    let folder = folder();
    let path = folder.path().join("store");
    Store::check(&path).expect("it could be made");
    assert!(listing(folder.path()).is_empty());

    fs::write(&path, "").expect("it takes files");
    Store::check(&path).expect("an empty one is as good as none");
    fs::remove_file(&path).expect("it goes");
    let (store, _) = Store::open(&path).expect("it is made");
    write(store, vec![everything()]);
    let (store, _) = Store::open(&path).expect("it is there");
    // As a process leaves it that is killed.
    let left = folder.path().join("left");
    fs::copy(&path, &left).expect("it takes files");
    assert!(matches!(Store::check(&path), Err(StoreError::InUse(_))));
    drop(store);

    let before = listing(folder.path());
    let content = fs::read(&left).expect("it is there");
    Store::check(&path).expect("it is whole");
    Store::check(&left).expect("it can be repaired");
    assert_eq!(listing(folder.path()), before);
    assert!(fs::read(&left).expect("it is there") == content);
    let (_store, tables) = Store::open(&left).expect("it can, really");
    assert_eq!(tables.reports.len(), 1);
}

#[test]
fn a_check_says_what_the_start_would_say() {
    let folder = folder();
    let path = folder.path().join("store");
    let said = |path: &Path| {
        let checked = Store::check(path).expect_err("it cannot be used");
        let opened = Store::open(path).expect_err("it cannot be used");
        assert_eq!(checked.to_string(), opened.to_string());
        assert!(checked.stays() && opened.stays());
        checked.to_string()
    };
    let nowhere = folder.path().join("no such folder");
    let words = said(&nowhere.join("store"));
    assert!(words.contains("there is no folder"), "{words}");
    assert!(words.contains(&*nowhere.to_string_lossy()), "{words}");

    fs::write(&path, b"Dear diary, ".repeat(1000)).expect("it takes files");
    let words = said(&path);
    assert!(words.contains("damaged or no store"), "{words}");
    let words = said(&path.join("store"));
    assert!(words.contains(&*path.to_string_lossy()), "{words}");
    fs::remove_file(&path).expect("it goes");
    Store::check(folder.path()).expect_err("a folder is no store");

    let (store, _) = Store::open(&path).expect("it is made");
    write(store, vec![everything()]);
    let whole = fs::read(&path).expect("it is there");
    let noise: Vec<u8> = (0..whole.len()).map(|at| (at * 7919 % 251) as u8).collect();
    let damaged = folder.path().join("damaged");
    fs::write(&damaged, [&whole[..64], &noise[64..]].concat()).expect("it takes files");
    Store::check(&damaged).expect_err("it is damaged");

    let database = open(&path).expect("it is there");
    prepare(&database, &path, &[first_version, |_| Ok(())]).expect("it goes");
    drop(database);
    let words = said(&path);
    assert!(words.contains("has version 2"), "{words}");
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

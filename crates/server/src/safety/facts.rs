//! What is known of people in the words in which servers tell it each other.

use cluster::{FOR_GOOD, Fact, Shelf};
use protocol::limits;
use serde::{Deserialize, Serialize};

use super::{Ban, KeyHash, Report, Source, Who};

/// Who is banned, and who is no more: twice as many as there may be bans.
pub(crate) const BANS: Shelf = Shelf {
    word: "bans",
    limit: 20_000,
};
/// Who has reported whom, and what of that was taken back.
pub(crate) const REPORTS: Shelf = Shelf {
    word: "reports",
    limit: 60_000,
};
/// Who has blocked whom.
pub(crate) const BLOCKS: Shelf = Shelf {
    word: "blocks",
    limit: 100_000,
};
/// With what handles are made, and what stands for an address. One fact.
pub(crate) const SECRET: Shelf = Shelf {
    word: "secret",
    limit: 1,
};
/// All kinds of facts.
pub(crate) const SHELVES: [Shelf; 4] = [BANS, REPORTS, BLOCKS, SECRET];

/// How long it is remembered that a ban for good is no more, in seconds. A server that was away for longer may know it still.
const LIFTED_FOR: u64 = 365 * 24 * 3600;

/// What is so with one key or network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Not wanted.
    Banned {
        reason: String,
        from: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<u64>,
        is_automatic: bool,
    },
    /// Let in again.
    LetIn,
}

impl Verdict {
    pub(crate) fn of(ban: &Ban) -> Self {
        let Ban {
            reason,
            from,
            until,
            is_automatic,
            ..
        } = ban.clone();
        Self::Banned {
            reason,
            from,
            until,
            is_automatic,
        }
    }

    pub(crate) fn written(&self) -> String {
        serde_json::to_string(self).expect("verdicts are plain data")
    }

    /// Until when all are to know it, in seconds since the Unix epoch. `before` is until when they are to know what it takes the place of.
    pub(crate) fn known_until(&self, before: Option<u64>, now: u64) -> u64 {
        match self {
            Self::Banned { until, .. } => until.unwrap_or(FOR_GOOD),
            Self::LetIn => {
                let long = now.saturating_add(LIFTED_FOR);
                // A ban that ends by itself needs no word after that.
                before.map_or(long, |before| before.min(long))
            }
        }
    }

    /// What a fact says of whom, if that makes sense.
    pub(crate) fn read(fact: &Fact) -> Option<(Who, Self)> {
        let whom = whom(&fact.name)?;
        let verdict: Self = serde_json::from_str(&fact.text).ok()?;
        let is_short = match &verdict {
            Self::Banned { reason, .. } => reason.chars().count() <= limits::BAN_WORDS_CHARS,
            Self::LetIn => true,
        };
        is_short.then_some((whom, verdict))
    }

    /// The ban, if it is one.
    pub(crate) fn ban(self, whom: Who) -> Option<Ban> {
        match self {
            Self::Banned {
                reason,
                from,
                until,
                is_automatic,
            } => Some(Ban {
                whom,
                reason,
                from,
                until,
                is_automatic,
            }),
            Self::LetIn => None,
        }
    }
}

/// What is so with what one has reported of another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(crate) enum Complaint {
    /// It counts.
    Made { report: Report },
    /// An operator saw nothing in it.
    Dismissed,
    /// The person was let in again.
    Forgiven,
}

impl Complaint {
    pub(crate) fn written(&self) -> String {
        serde_json::to_string(self).expect("complaints are plain data")
    }

    /// What a fact says of whom, and who said it, if that makes sense. `now` is in seconds.
    pub(crate) fn read(fact: &Fact, now: u64) -> Option<(Who, Source, Self)> {
        let complaint: Self = serde_json::from_str(&fact.text).ok()?;
        let (about, from) = fact.name.split_once(" from ")?;
        let about = whom(about)?;
        let from = match from.split_once(' ')? {
            ("key", key) => Source::Key(key.to_owned().try_into().ok()?),
            ("tag", tag) => Source::Place(u64::from_str_radix(tag, 16).ok()?),
            _ => return None,
        };
        let makes_sense = match &complaint {
            Self::Made { report } => {
                report.about == Some(about)
                    && report.from == Some(from)
                    && (0.0..=1.0).contains(&report.weight)
                    && report.at <= now.saturating_add(24 * 3600)
                    && report.note.chars().count() <= limits::NOTE_CHARS
                    && report.lines.is_empty()
            }
            Self::Dismissed | Self::Forgiven => true,
        };
        (makes_sense && complaint_name(about, from) == *fact.name)
            .then_some((about, from, complaint))
    }
}

/// Under which name it is told what one has reported of another: each counts once.
pub(crate) fn complaint_name(about: Who, from: Source) -> String {
    let about = name_of(about);
    match from {
        Source::Key(key) => format!("{about} from key {key}"),
        Source::Place(tag) => format!("{about} from tag {tag:016x}"),
    }
}

/// Under which name it is told that one has blocked another.
pub(crate) fn block_name(by: KeyHash, whom: KeyHash) -> String {
    format!("{by} {whom}")
}

/// Who has blocked whom, if it is such a name.
pub(crate) fn block_of(name: &str) -> Option<(KeyHash, KeyHash)> {
    let (by, whom) = name.split_once(' ')?;
    let pair = (
        by.to_owned().try_into().ok()?,
        whom.to_owned().try_into().ok()?,
    );
    (block_name(pair.0, pair.1) == name).then_some(pair)
}

/// A secret as a fact has it.
pub(crate) fn secret_text(secret: &[u8; 32]) -> String {
    secret.iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

/// … and back.
pub(crate) fn secret_of(text: &str) -> Option<[u8; 32]> {
    let mut secret = [0; 32];
    let is_hex = text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    for (at, byte) in secret.iter_mut().enumerate() {
        let digits = text.get(2 * at..2 * at + 2).filter(|_| is_hex)?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(secret)
}

/// Under which name something is told of a key or a network.
pub(crate) fn name_of(who: Who) -> String {
    match who {
        Who::Key(key) => format!("key {key}"),
        Who::Place(network) => format!("net {network}"),
    }
}

/// Of whom something is told. Each has one name only.
fn whom(name: &str) -> Option<Who> {
    let who = match name.split_once(' ')? {
        ("key", key) => Who::Key(key.to_owned().try_into().ok()?),
        ("net", network) => Who::Place(network.parse().ok()?),
        _ => return None,
    };
    let is_whole = !matches!(who, Who::Place(network) if network.is_less_than_a_place());
    (is_whole && name_of(who) == name).then_some(who)
}

#[cfg(test)]
mod tests {
    use cluster::{NodeId, Stamp};

    use super::*;
    use crate::safety::KeyHash;
    use crate::safety::ProvedLine;

    fn fact(name: &str, text: &str) -> Fact {
        Fact {
            name: name.into(),
            stamp: Stamp {
                ms: 1,
                node: NodeId(1),
            },
            until: FOR_GOOD,
            text: text.into(),
        }
    }

    #[test]
    fn a_ban_is_read_as_it_is_written_and_nonsense_is_not() {
        for whom in [
            Who::Key(KeyHash([0xab; 16])),
            Who::Place("192.0.2.0/24".parse().expect("a network")),
            Who::Place("2001:db8::/48".parse().expect("a network")),
        ] {
            let ban = Ban {
                whom,
                reason: "Threats, \"again\".".to_owned(),
                from: 100,
                until: Some(200),
                is_automatic: true,
            };
            let text = Verdict::of(&ban).written();
            let (read, verdict) = Verdict::read(&fact(&name_of(whom), &text)).expect("a ban");
            assert_eq!((read, verdict.ban(whom)), (whom, Some(ban)));
            let let_in = Verdict::LetIn.written();
            let read = Verdict::read(&fact(&name_of(whom), &let_in));
            assert_eq!(read, Some((whom, Verdict::LetIn)));
        }
        let long = Verdict::Banned {
            reason: "x".repeat(limits::BAN_WORDS_CHARS + 1),
            from: 0,
            until: None,
            is_automatic: false,
        };
        let let_in = Verdict::LetIn.written();
        for (name, text) in [
            ("net 192.0.2.0/24", long.written().as_str()),
            ("net 192.0.2.0/24", "{}"),
            ("net 192.0.2.0/33", &let_in),
            ("net 192.0.2.1", &let_in),
            ("net 2001:db8::1/128", &let_in),
            ("key 7", &let_in),
            (&format!("key {}", "AB".repeat(16)), &let_in),
            ("192.0.2.0/24", &let_in),
            ("", &let_in),
        ] {
            assert_eq!(Verdict::read(&fact(name, text)), None, "{name} {text}");
        }
    }

    /// Said to have been checked elsewhere.
    fn unproved() -> ProvedLine {
        ProvedLine {
            number: 1,
            text: "I say so.".to_owned(),
        }
    }

    #[test]
    fn a_report_is_read_as_it_is_written_and_nonsense_is_not() {
        let about = Who::Key(KeyHash([1; 16]));
        let report = |from| Report {
            about: Some(about),
            about_place: "192.0.2.1".parse().expect("a network"),
            from: Some(from),
            from_place: Some(u64::MAX),
            reason: protocol::ReportReason::Hate,
            note: "\"he\"".to_owned(),
            at: 1000,
            weight: 0.1 + 0.2,
            lines: Vec::new(),
        };
        let sources = [Source::Key(KeyHash([2; 16])), Source::Place(0xfe)];
        for from in sources {
            let report = report(from);
            for complaint in [
                Complaint::Made { report },
                Complaint::Dismissed,
                Complaint::Forgiven,
            ] {
                let fact = fact(&complaint_name(about, from), &complaint.written());
                let read = Complaint::read(&fact, 1000);
                assert_eq!(read, Some((about, from, complaint)));
            }
        }
        let made = |change: fn(&mut Report)| {
            let mut report = report(sources[0]);
            change(&mut report);
            Complaint::Made { report }.written()
        };
        let name = complaint_name(about, sources[0]);
        let dismissed = Complaint::Dismissed.written();
        for (name, text) in [
            (&name, made(|it| it.weight = 2.0)),
            (&name, made(|it| it.weight = -0.1)),
            (&name, made(|it| it.at = 1001 + 24 * 3600)),
            (&name, made(|it| it.note = "x".repeat(501))),
            (&name, made(|it| it.from = None)),
            (&name, made(|it| it.lines = vec![unproved()])),
            (&name, made(|it| it.about = None)),
            (&name, "{}".to_owned()),
            (&name_of(about), dismissed.clone()),
            (&name.replace("from key", "from tag"), dismissed),
        ] {
            assert_eq!(
                Complaint::read(&fact(name, &text), 1000),
                None,
                "{name} {text}"
            );
        }
    }

    #[test]
    fn blocks_and_the_secret_are_read_as_they_are_written() {
        let pair = (KeyHash([1; 16]), KeyHash([2; 16]));
        assert_eq!(block_of(&block_name(pair.0, pair.1)), Some(pair));
        assert_eq!(block_of(&"AB".repeat(16)), None);
        let secret: [u8; 32] = std::array::from_fn(|at| at as u8 * 8);
        assert_eq!(secret_of(&secret_text(&secret)), Some(secret));
        for wrong in ["", "00", &"+1".repeat(32), &"é".repeat(32)] {
            assert_eq!(secret_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn that_a_ban_is_over_is_known_for_as_long_as_somebody_may_believe_in_it() {
        let until = |before| Verdict::LetIn.known_until(before, 1000);
        assert_eq!(until(Some(1500)), 1500);
        assert_eq!(until(Some(FOR_GOOD)), 1000 + LIFTED_FOR);
        assert_eq!(until(None), 1000 + LIFTED_FOR);
    }
}

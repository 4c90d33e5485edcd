//! Signs what this side writes in one room, and looks at what the partner has signed there (`docs/protocol.md`, section 7).
//!
//! Each side has a key for the room alone, of which the server has told the other. So a line can be shown to the server, and nobody is
//! known again by a key in another room. Pure but for the random numbers of the key.

use std::collections::VecDeque;
use std::sync::Arc;

use protocol::{LineHash, PublicKey, RoomId, Seal, Signature, SignedLine, limits, line_statement};
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

/// How many signed lines may wait for the key by which they are checked. It comes within a round trip to the server.
const UNCHECKED: usize = 64;

/// What can be proved of what a partner has written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Proofs {
    /// The newest lines that are certainly the partner's, as many as a report takes, oldest first.
    pub(crate) lines: Arc<[SignedLine]>,
    /// How many other lines there were that nobody can prove, because they were not signed, or not so that it fits.
    pub(crate) unproved: usize,
}

/// See the module.
pub(crate) struct SignedChat {
    room: RoomId,
    pair: Ed25519KeyPair,
    key: PublicKey,
    written: Chain,
    partner: Option<PublicKey>,
    read: Chain,
    /// What came before the partner's key.
    unchecked: VecDeque<(String, Seal)>,
    proved: VecDeque<SignedLine>,
    unproved: usize,
}

/// The end of what one side has written.
struct Chain {
    number: u32,
    hash: LineHash,
}

impl Chain {
    const EMPTY: Self = Self {
        number: 0,
        hash: LineHash::NOTHING,
    };

    /// The next line, and what is signed of it. `None` where numbers end.
    fn next(&self, room: &RoomId, text: &str) -> Option<(u32, Vec<u8>)> {
        let number = self.number.checked_add(1)?;
        Some((number, line_statement(room, number, &self.hash, text)))
    }

    fn append(&mut self, number: u32, statement: &[u8]) {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, statement).as_ref());
        *self = Self {
            number,
            hash: LineHash::from_bytes(hash),
        };
    }
}

impl SignedChat {
    /// With a new key. `None` if the system gives no random numbers.
    pub(crate) fn new(room: RoomId) -> Option<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).ok()?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).ok()?;
        let key = PublicKey::from_bytes(pair.public_key().as_ref().try_into().ok()?);
        Some(Self {
            room,
            pair,
            key,
            written: Chain::EMPTY,
            partner: None,
            read: Chain::EMPTY,
            unchecked: VecDeque::new(),
            proved: VecDeque::new(),
            unproved: 0,
        })
    }

    /// For which room.
    pub(crate) const fn room(&self) -> RoomId {
        self.room
    }

    /// By what our lines are checked.
    pub(crate) const fn key(&self) -> PublicKey {
        self.key
    }

    /// Signs a line that is about to be sent, after those that were.
    pub(crate) fn seal(&mut self, text: &str) -> Option<Seal> {
        let (number, statement) = self.written.next(&self.room, text)?;
        let signature = self.pair.sign(&statement).as_ref().try_into().ok()?;
        self.written.append(number, &statement);
        Some(Seal {
            number,
            signature: Signature::from_bytes(signature),
        })
    }

    /// The server says by what the partner's lines are checked. The first word counts.
    pub(crate) fn on_partner_key(&mut self, key: PublicKey) {
        if self.partner.is_none() {
            self.partner = Some(key);
            while let Some((text, seal)) = self.unchecked.pop_front() {
                self.check(text, seal, &key);
            }
        }
    }

    /// The partner has written a line.
    pub(crate) fn on_line(&mut self, text: String, seal: Option<Seal>) {
        match (seal, self.partner) {
            (Some(seal), Some(key)) => self.check(text, seal, &key),
            (Some(seal), None) if self.unchecked.len() < UNCHECKED => {
                self.unchecked.push_back((text, seal));
            }
            _ => self.unproved += 1,
        }
    }

    fn check(&mut self, text: String, seal: Seal, key: &PublicKey) {
        let next = self.read.next(&self.room, &text);
        let Some((number, statement)) = next.filter(|(number, _)| *number == seal.number) else {
            self.unproved += 1;
            return;
        };
        let key = UnparsedPublicKey::new(&ED25519, key.as_bytes());
        if key.verify(&statement, seal.signature.as_bytes()).is_err() {
            self.unproved += 1;
            return;
        }
        self.proved.push_back(SignedLine {
            number,
            previous: self.read.hash,
            text,
            signature: seal.signature,
        });
        self.read.append(number, &statement);
        let bytes = |lines: &VecDeque<SignedLine>| -> usize {
            lines.iter().map(|line| line.text.len()).sum()
        };
        while self.proved.len() > limits::REPORT_LINES
            || bytes(&self.proved) > limits::REPORT_LINES_BYTES
        {
            self.proved.pop_front();
        }
    }

    /// What can be proved by now.
    pub(crate) fn proofs(&self) -> Proofs {
        Proofs {
            lines: self.proved.iter().cloned().collect(),
            unproved: self.unproved + self.unchecked.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOM: RoomId = RoomId::from_bytes([3; 16]);

    fn two() -> [SignedChat; 2] {
        [ROOM, ROOM].map(|room| SignedChat::new(room).expect("random numbers"))
    }

    /// Says lines to the other side, which knows the key if `is_known`.
    fn say(writer: &mut SignedChat, reader: &mut SignedChat, lines: &[&str]) {
        for line in lines {
            let seal = writer.seal(line);
            reader.on_line((*line).to_owned(), seal);
        }
    }

    fn texts(chat: &SignedChat) -> Vec<String> {
        let lines = chat.proofs().lines;
        lines.iter().map(|line| line.text.clone()).collect()
    }

    #[test]
    fn lines_are_proved_whether_the_key_comes_before_or_after_them() {
        let [mut writer, mut reader] = two();
        say(&mut writer, &mut reader, &["one", "two"]);
        assert_eq!((texts(&reader).len(), reader.proofs().unproved), (0, 2));
        reader.on_partner_key(writer.key());
        reader.on_partner_key(PublicKey::from_bytes([9; 32]));
        say(&mut writer, &mut reader, &["three"]);
        assert_eq!(texts(&reader), ["one", "two", "three"]);
        let proofs = reader.proofs();
        assert_eq!(proofs.unproved, 0);
        // Each can be checked by itself, and hangs on the one before.
        let mut previous = LineHash::NOTHING;
        for (line, number) in proofs.lines.iter().zip(1..) {
            assert_eq!((line.number, line.previous), (number, previous));
            let statement = line.statement(&ROOM);
            let key = writer.key();
            UnparsedPublicKey::new(&ED25519, key.as_bytes())
                .verify(&statement, line.signature.as_bytes())
                .expect("it is signed");
            let hash = digest(&SHA256, &statement).as_ref().try_into();
            previous = LineHash::from_bytes(hash.expect("32 bytes"));
        }
    }

    #[test]
    fn what_is_not_signed_or_not_by_the_partner_or_for_another_room_is_not_proved() {
        let [mut writer, mut reader] = two();
        let mut elsewhere = SignedChat::new(RoomId::from_bytes([4; 16])).expect("random numbers");
        reader.on_partner_key(writer.key());
        reader.on_line("bare".to_owned(), None);
        let foreign = elsewhere.seal("from another room");
        reader.on_line("from another room".to_owned(), foreign);
        let seal = writer.seal("what was said");
        reader.on_line("what was not said".to_owned(), seal);
        assert_eq!((texts(&reader).len(), reader.proofs().unproved), (0, 3));
        // The chain goes on with what was signed, and only with that.
        reader.on_line("what was said".to_owned(), seal);
        reader.on_line("what was said".to_owned(), seal);
        assert_eq!(texts(&reader), ["what was said"]);
        assert_eq!(
            reader.proofs().unproved,
            4,
            "the same line does not count twice"
        );
    }

    #[test]
    fn no_more_is_kept_than_a_report_takes() {
        let [mut writer, mut reader] = two();
        for _ in 0..UNCHECKED + 10 {
            say(&mut writer, &mut reader, &["before the key"]);
        }
        assert_eq!(reader.unchecked.len(), UNCHECKED);
        reader.on_partner_key(writer.key());
        assert_eq!(reader.proofs().lines.len(), limits::REPORT_LINES);
        assert_eq!(
            reader.proofs().lines.last().map(|line| line.number),
            Some(64)
        );

        let [mut writer, mut reader] = two();
        reader.on_partner_key(writer.key());
        let long = "é".repeat(limits::CHAT_CHARS);
        for _ in 0..5 {
            say(&mut writer, &mut reader, &[&long]);
        }
        let bytes: usize = texts(&reader).iter().map(String::len).sum();
        assert!(bytes > 0 && bytes <= limits::REPORT_LINES_BYTES);
        assert_eq!(
            reader.proofs().lines.last().map(|line| line.number),
            Some(5)
        );
    }

    #[test]
    fn each_room_has_a_key_of_its_own() {
        let [one, again] = two();
        assert_ne!(one.key(), again.key());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_done_to_lines_only_what_was_signed_in_order_is_proved(
            deeds in proptest::collection::vec((0_u8..5, "[a-c]{0,3}"), 0..12),
        ) {
            let [mut writer, mut reader] = two();
            reader.on_partner_key(writer.key());
            let mut honest = Vec::new();
            let mut is_broken = false;
            for (deed, text) in deeds {
                let seal = writer.seal(&text);
                match deed {
                    0 => { reader.on_line(text + "!", seal); is_broken = true; }
                    1 => { reader.on_line(text, None); is_broken = true; }
                    2 => {
                        let other = seal.map(|seal| Seal { number: seal.number.wrapping_add(1), ..seal });
                        reader.on_line(text, other);
                        is_broken = true;
                    }
                    _ => {
                        reader.on_line(text.clone(), seal);
                        if !is_broken { honest.push(text); }
                    }
                }
            }
            prop_assert_eq!(texts(&reader), honest);
        }
    }
}

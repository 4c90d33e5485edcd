//! Lines of chat that go with a report: the server has never seen them, and checks whose they are.

use protocol::{
    ClientMessage, ErrorCode, LineHash, NotTaken, PublicKey, ReportReason, RoomId, ServerMessage,
    Signature, SignedLine, line_statement,
};
use ring::{
    digest::{SHA256, digest},
    signature::{Ed25519KeyPair, KeyPair as _},
};

use crate::{
    admin::{metrics, start_admin},
    client::{Client, Pair, brief},
    http::request,
};

const BEARER: &str = "Authorization: Bearer correct horse battery";

/// One who signs what he writes in a room.
pub(crate) struct Writer {
    pair: Ed25519KeyPair,
    room: RoomId,
    number: u32,
    previous: LineHash,
}

impl Writer {
    pub(crate) fn new(room: RoomId, seed: u8) -> Self {
        Self {
            pair: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("any seed is a key"),
            room,
            number: 0,
            previous: LineHash::NOTHING,
        }
    }

    pub(crate) fn key(&self) -> ClientMessage {
        let key = self.pair.public_key().as_ref().try_into();
        ClientMessage::ChatKey {
            room: self.room,
            key: PublicKey::from_bytes(key.expect("32 bytes")),
        }
    }

    pub(crate) fn line(&mut self, text: &str) -> SignedLine {
        self.number += 1;
        let statement = line_statement(&self.room, self.number, &self.previous, text);
        let signature = self.pair.sign(&statement);
        let line = SignedLine {
            number: self.number,
            previous: self.previous,
            text: text.to_owned(),
            signature: Signature::from_bytes(signature.as_ref().try_into().expect("64 bytes")),
        };
        let hash = digest(&SHA256, &statement);
        self.previous = LineHash::from_bytes(hash.as_ref().try_into().expect("32 bytes"));
        line
    }
}

pub(crate) fn report_with(room: RoomId, lines: Vec<SignedLine>) -> ClientMessage {
    ClientMessage::Report {
        room,
        reason: ReportReason::Hate,
        note: String::new(),
        block: false,
        lines,
    }
}

impl Client {
    pub(crate) async fn hears_chat_key(&mut self, expected: &ClientMessage) {
        let ServerMessage::ChatKey { room, key } = self.hears().await else {
            panic!("expected a key");
        };
        assert_eq!(ClientMessage::ChatKey { room, key }, *expected);
    }

    async fn has_bad_lines(&mut self, room: RoomId, lines: Vec<SignedLine>) {
        self.say(&report_with(room, lines)).await;
        let expected = ServerMessage::Reported {
            room,
            refused: Some(NotTaken::BadLines),
        };
        assert_eq!(self.hears().await, expected);
    }
}

#[tokio::test]
async fn lines_that_the_partner_has_signed_go_with_a_report_and_others_are_refused() {
    let (server, admin) = start_admin(brief()).await;
    let mut pair = Pair::meet(&server).await;
    let room = pair.room;
    let mut writer = Writer::new(room, 1);
    let said = ["<b>one</b>", "two", "three"].map(|text| writer.line(text));
    // Before the partner has named a key there is nothing to check by.
    pair.offerer
        .has_bad_lines(room, vec![said[0].clone()])
        .await;

    pair.answerer.say(&writer.key()).await;
    pair.offerer.hears_chat_key(&writer.key()).await;
    let mut changed = said[1].clone();
    changed.text.push('!');
    let own = Writer::new(room, 2).line("I wrote that");
    let elsewhere = Writer::new(RoomId::from_bytes([9; 16]), 1).line("<b>one</b>");
    for lines in [
        vec![changed],
        vec![own],
        vec![elsewhere],
        vec![said[1].clone(), said[0].clone()],
    ] {
        pair.offerer.has_bad_lines(room, lines).await;
    }
    let chosen = vec![said[0].clone(), said[2].clone()];
    pair.offerer.is_heard(report_with(room, chosen)).await;
    pair.goes_on().await;

    let shown = request(admin, "GET /admin/people", &[BEARER], "").await;
    let shown: serde_json::Value = serde_json::from_str(&shown.body).expect("JSON");
    let expected = serde_json::json!([
        {"number": 1, "text": "<b>one</b>"},
        {"number": 3, "text": "three"},
    ]);
    assert_eq!(shown["reports"][0]["lines"], expected);
    assert_eq!(shown["report_count"], 1);
    let page = request(
        admin,
        "GET /admin/people",
        &[BEARER, "Accept: text/html"],
        "",
    )
    .await;
    assert!(page.body.contains("&lt;b&gt;one&lt;/b&gt;") && !page.body.contains("<b>one"));
    let figures = metrics(admin).await;
    assert!((figures["passerby_refusals_total{limit=\"lines\"}"] - 5.0).abs() < 0.1);
    assert!((figures["passerby_chat_keys_relayed_total"] - 1.0).abs() < 0.1);
}

#[tokio::test]
async fn a_key_is_for_the_present_room_and_the_first_one_counts() {
    let (server, _) = start_admin(brief()).await;
    let mut pair = Pair::meet(&server).await;
    let nowhere = Writer::new(RoomId::from_bytes([0xab; 16]), 1);
    pair.answerer.say(&nowhere.key()).await;
    pair.answerer.hears_error(ErrorCode::WrongRoom).await;

    let mut first = Writer::new(pair.room, 1);
    let mut second = Writer::new(pair.room, 2);
    for writer in [&first, &second] {
        pair.answerer.say(&writer.key()).await;
    }
    pair.offerer.hears_chat_key(&first.key()).await;
    pair.goes_on().await;
    let room = pair.room;
    pair.offerer
        .has_bad_lines(room, vec![second.line("hush")])
        .await;
    // Also when the room is closed.
    pair.answerer
        .say(&ClientMessage::Leave { room: Some(room) })
        .await;
    pair.offerer
        .has_no_partner_because(protocol::LeaveReason::Left)
        .await;
    pair.offerer
        .is_heard(report_with(room, vec![first.line("hush")]))
        .await;
}

//! What is at a limit passes, what is over it is refused; and no bytes make the codec panic.

use proptest::{option, prelude::*, string::string_regex};
use protocol::{
    Candidate, ClientMessage, DecodeError, Description, DescriptionKind, IceServer, LineHash,
    Nonce, PathPolicy, PeerMessage, PublicKey, ReportReason, Resume, ResumeToken, Role, RoomId,
    ServerMessage, Signature, SignedLine, Wire, decode, encode, limits, may_be_told_ahead,
};

const ROOM: RoomId = RoomId::from_bytes([7; 16]);

#[test]
fn capabilities() {
    let hello = |capabilities| ClientMessage::Hello {
        version: 1,
        capabilities,
        resume: None,
    };

    is_limited(limits::CAPABILITIES, |count| hello(vec!["a".into(); count]));
    is_limited(limits::CAPABILITY_BYTES, |bytes| {
        hello(vec!["a".repeat(bytes)])
    });
}

#[test]
fn interests_are_counted_in_characters() {
    let join = |interests| ClientMessage::Join {
        interests,
        language: None,
        offer: None,
    };

    is_limited(limits::INTERESTS, |count| join(vec!["é".into(); count]));
    is_limited(limits::INTEREST_CHARS, |chars| {
        join(vec!["é".repeat(chars)])
    });
}

#[test]
fn language() {
    is_limited(limits::LANGUAGE_BYTES, |bytes| ClientMessage::Join {
        interests: vec![],
        language: Some("a".repeat(bytes)),
        offer: None,
    });
}

#[test]
fn notes_in_reports_are_counted_in_characters() {
    is_limited(limits::NOTE_CHARS, |chars| ClientMessage::Report {
        room: ROOM,
        reason: ReportReason::Other,
        note: "é".repeat(chars),
        block: false,
        lines: Vec::new(),
    });
}

fn report(lines: Vec<SignedLine>) -> ClientMessage {
    ClientMessage::Report {
        room: ROOM,
        reason: ReportReason::Hate,
        note: String::new(),
        block: true,
        lines,
    }
}

fn signed(text: String) -> SignedLine {
    SignedLine {
        number: u32::MAX,
        previous: LineHash::from_bytes([0xff; 32]),
        text,
        signature: Signature::from_bytes([0xff; 64]),
    }
}

#[test]
fn lines_in_a_report_are_limited_in_number_and_together_in_bytes_and_always_fit() {
    is_limited(limits::REPORT_LINES, |count| {
        report(vec![signed("a".to_owned()); count])
    });
    is_limited(limits::REPORT_LINES_BYTES, |bytes| {
        report(vec![
            signed("x".repeat(bytes / 2)),
            signed("x".repeat(bytes - bytes / 2)),
        ])
    });
    // A line may have so many characters of four bytes each.
    const { assert!(limits::REPORT_LINES_BYTES >= 4 * limits::CHAT_CHARS) };
    let worst = limits::REPORT_LINES_BYTES / limits::REPORT_LINES;
    let ClientMessage::Report {
        room,
        reason,
        block,
        lines,
        ..
    } = report(vec![signed("\u{1}".repeat(worst)); limits::REPORT_LINES])
    else {
        unreachable!("it is one");
    };
    let note = "\u{1}".repeat(limits::NOTE_CHARS);
    let worst = ClientMessage::Report {
        room,
        reason,
        note,
        block,
        lines,
    };
    assert_eq!(decode(&encode(&worst)), Ok(worst));
}

#[test]
fn the_words_of_a_ban() {
    let banned = |reason: usize, appeal: usize| ServerMessage::Banned {
        reason: "é".repeat(reason),
        until: None,
        appeal: Some("é".repeat(appeal)),
    };
    is_limited(limits::BAN_WORDS_CHARS, |chars| banned(chars, 0));
    is_limited(limits::BAN_WORDS_CHARS, |chars| banned(0, chars));
}

#[test]
fn keys_and_signatures_have_one_length() {
    let identify = |key: usize, signature: usize| {
        let (key, signature) = ("0".repeat(key), "0".repeat(signature));
        format!(r#"{{"type":"identify","key":"{key}","signature":"{signature}"}}"#)
    };
    assert!(decode::<ClientMessage>(&identify(64, 128)).is_ok());
    for (key, signature) in [(63, 128), (65, 128), (64, 127), (64, 129), (0, 0)] {
        let refused = decode::<ClientMessage>(&identify(key, signature));
        assert!(matches!(refused, Err(DecodeError::Malformed(_))));
    }
}

#[test]
fn offers_that_are_told_ahead() {
    let sized = |bytes: usize| {
        let sdp = "v=0".chars().chain(std::iter::repeat('a'));
        Some(Description {
            kind: DescriptionKind::Offer,
            sdp: sdp.take(bytes).collect(),
            number: 1,
        })
    };

    is_limited(limits::AHEAD_SDP_BYTES, |bytes| ClientMessage::Join {
        interests: vec![],
        language: None,
        offer: sized(bytes),
    });
    is_limited(limits::AHEAD_SDP_BYTES, |bytes| ClientMessage::Next {
        room: Some(ROOM),
        offer: sized(bytes),
    });
    is_limited(limits::AHEAD_SDP_BYTES, |bytes| ClientMessage::Offer {
        offer: sized(bytes),
    });
}

#[test]
fn what_is_told_ahead_is_an_offer_in_sdp() {
    let told = |kind, sdp: &str| {
        let offer = Description {
            kind,
            sdp: sdp.to_owned(),
            number: 1,
        };
        let is_fit = may_be_told_ahead(&offer);
        let text = encode(&ClientMessage::Offer { offer: Some(offer) });
        let decoded = decode::<ClientMessage>(&text);
        assert_eq!(decoded.is_ok(), is_fit, "both ends agree");
        decoded
    };

    assert!(told(DescriptionKind::Offer, "v=0\r\ns=\té\r\n").is_ok());
    for (kind, sdp) in [
        (DescriptionKind::Answer, "v=0\r\n"),
        (DescriptionKind::Offer, ""),
        (DescriptionKind::Offer, "hello"),
        (DescriptionKind::Offer, "v=0\r\ns=\0\r\n"),
    ] {
        let words = "what is told ahead is not an offer in SDP".to_owned();
        assert_eq!(told(kind, sdp), Err(DecodeError::Malformed(words)));
    }
}

/// Nobody can make a `matched` too long for the partner to read.
#[test]
fn the_longest_offer_fits_into_the_longest_match() {
    let longest = ServerMessage::Matched {
        room: ROOM,
        role: Role::Answerer,
        // As a client may write them: every character takes six bytes.
        interests: vec!["\u{1}".repeat(limits::INTEREST_CHARS); limits::INTERESTS],
        ice_servers: vec![
            IceServer {
                urls: vec!["turns:".to_owned() + &"x".repeat(255); 4],
                username: Some("u".repeat(512)),
                credential: Some("c".repeat(512)),
            };
            8
        ],
        path_policy: PathPolicy::RelayFirst,
        offer: Some(Description {
            kind: DescriptionKind::Offer,
            sdp: "\n".repeat(limits::AHEAD_SDP_BYTES),
            number: u32::MAX,
        }),
        handed_over: None,
        partner: None,
    };

    let text = encode(&longest);

    assert_eq!(decode(&text), Ok(longest));
}

#[test]
fn descriptions_in_both_directions() {
    let room = ROOM;
    let sized = |bytes| Description {
        kind: DescriptionKind::Offer,
        sdp: "a".repeat(bytes),
        number: 1,
    };

    is_limited(limits::SDP_BYTES, |bytes| ClientMessage::Description {
        room,
        description: sized(bytes),
    });
    is_limited(limits::SDP_BYTES, |bytes| ServerMessage::Description {
        room,
        description: sized(bytes),
    });
}

#[test]
fn candidates_in_both_directions() {
    let room = ROOM;
    let none = Candidate {
        candidate: String::new(),
        sdp_mid: None,
        sdp_m_line_index: None,
        username_fragment: None,
    };
    let attribute = |bytes| Candidate {
        candidate: "a".repeat(bytes),
        ..none.clone()
    };
    let mid = |bytes| Candidate {
        sdp_mid: Some("a".repeat(bytes)),
        ..none.clone()
    };
    let fragment = |bytes| Candidate {
        username_fragment: Some("a".repeat(bytes)),
        ..none.clone()
    };

    let sizes: [(usize, &dyn Fn(usize) -> Candidate); 3] = [
        (limits::CANDIDATE_BYTES, &attribute),
        (limits::CANDIDATE_TAG_BYTES, &mid),
        (limits::CANDIDATE_TAG_BYTES, &fragment),
    ];
    for (limit, sized) in sizes {
        is_limited(limit, |bytes| ClientMessage::Candidate {
            room,
            candidate: Some(sized(bytes)),
        });
        is_limited(limit, |bytes| ServerMessage::Candidate {
            room,
            candidate: Some(sized(bytes)),
        });
    }
}

#[test]
fn chat_is_counted_in_characters_and_the_longest_messages_to_a_partner_fit() {
    is_limited(limits::CHAT_CHARS, |chars| PeerMessage::Chat {
        seal: None,
        text: "😀".repeat(chars),
    });

    let sdp = "a=ssrc:1 cname:x\r\n".repeat(limits::SDP_BYTES / 18);
    let description = Description {
        kind: DescriptionKind::Offer,
        sdp,
        number: u32::MAX,
    };
    let longest = PeerMessage::Description { description };
    assert_eq!(decode(&encode(&longest)), Ok(longest));

    let escaped = r"\ud83d\ude00".repeat(limits::CHAT_CHARS);
    let text = "😀".repeat(limits::CHAT_CHARS);
    let longest = format!(r#"{{"type":"chat","text":"{escaped}"}}"#);
    assert_eq!(decode(&longest), Ok(PeerMessage::Chat { text, seal: None }));
}

#[test]
fn frames() {
    let limit = limits::FRAME_BYTES;
    let padded = |bytes: usize| {
        let frame = r#"{"type":"leave","x":""}"#;
        frame.replace(
            r#""""#,
            &format!(r#""{}""#, "a".repeat(bytes - frame.len())),
        )
    };

    assert_eq!(padded(limit).len(), limit);
    assert_eq!(
        decode(&padded(limit)),
        Ok(ClientMessage::Leave { room: None })
    );
    let result = decode::<ClientMessage>(&padded(limit + 1));
    assert_eq!(
        result,
        Err(DecodeError::TooLarge {
            what: "the message",
            limit
        })
    );
}

/// Checks that `sized(limit)` passes and `sized(limit + 1)` is over that very limit.
#[track_caller]
fn is_limited<M: Wire + PartialEq + std::fmt::Debug>(limit: usize, sized: impl Fn(usize) -> M) {
    let largest = sized(limit);
    assert_eq!(decode(&encode(&largest)), Ok(largest));
    match decode::<M>(&encode(&sized(limit + 1))) {
        Err(DecodeError::TooLarge { limit: named, .. }) => assert_eq!(named, limit),
        other => panic!("expected TooLarge, got {other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_comes_back_as_it_was_sent(message in client_message()) {
        prop_assert_eq!(decode(&encode(&message)), Ok(message));
    }

    #[test]
    fn every_line_of_chat_comes_back_as_it_was_sent(text in text(limits::CHAT_CHARS)) {
        let message = PeerMessage::Chat { text, seal: None };
        prop_assert_eq!(decode(&encode(&message)), Ok(message));
    }

    #[test]
    fn what_is_relayed_can_be_read_by_the_partner(
        room in room(),
        description in description(),
        candidate in candidate(),
    ) {
        let sent = encode(&ClientMessage::Description { room, description: description.clone() });
        prop_assert_eq!(decode(&sent), Ok(ServerMessage::Description { room, description }));
        let sent = encode(&ClientMessage::Candidate { room, candidate: candidate.clone() });
        prop_assert_eq!(decode(&sent), Ok(ServerMessage::Candidate { room, candidate: candidate.clone() }));
        let sent = PeerMessage::Candidate { candidate };
        prop_assert_eq!(decode(&encode(&sent)), Ok(sent));
    }

    #[test]
    fn it_does_not_matter_in_which_way_a_message_is_read(
        kind in prop_oneof![Just("description"), Just("candidate"), Just("descriptions"), Just("leave")],
        fields in proptest::collection::vec(prop::sample::select(FIELDS), 0..6),
    ) {
        let fields: Vec<String> = fields.iter().map(|field| format!(",{field}")).collect();
        let text = format!(r#"{{"type":"{kind}"{}}}"#, fields.concat());
        // The space has it read in the long way.
        let long_way = decode::<ClientMessage>(&format!(" {text}"));
        prop_assert_eq!(decode::<ClientMessage>(&text).ok(), long_way.ok(), "{}", text);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        prop_assert!(decode::<ClientMessage>(&text).is_err());
        prop_assert!(decode::<ServerMessage>(&text).is_err());
        prop_assert!(decode::<PeerMessage>(&text).is_err());
    }

    #[test]
    fn no_damage_to_a_message_makes_it_panic(
        message in client_message(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<char>()), 1..5),
    ) {
        let mut damaged: Vec<char> = encode(&message).chars().collect();
        for (at, replacement) in damage {
            let at = at.index(damaged.len());
            damaged[at] = replacement;
        }
        let damaged: String = damaged.into_iter().collect();
        if let Ok(message) = decode::<ClientMessage>(&damaged) {
            prop_assert_eq!(decode(&encode(&message)), Ok(message), "what was read can be written");
        }
    }
}

/// Right, wrong and unknown ones.
const FIELDS: &[&str] = &[
    r#""room":"00112233445566778899aabbccddeeff""#,
    r#""room":"00112233445566778899AABBCCDDEEFF""#,
    r#""room":"0011""#,
    r#""room":7"#,
    r#""description":{"type":"offer","sdp":"v=0\r\n"}"#,
    r#""description":{"sdp":"é","number":3,"type":"answer","more":[]}"#,
    r#""description":{"type":"offer"}"#,
    r#""description":null"#,
    r#""candidate":{"candidate":"candidate:1 1 udp 1 192.0.2.7 9 typ host","sdpMid":"0"}"#,
    r#""candidate":{"candidate":"","sdpMLineIndex":70000}"#,
    r#""candidate":null"#,
    r#""candidate":"x""#,
    r#""unknown":{"type":"leave"}"#,
    r#""type":"leave""#,
];

fn text(chars: usize) -> impl Strategy<Value = String> {
    string_regex(&format!("(?s).{{0,{chars}}}")).expect("a regular expression")
}

fn room() -> impl Strategy<Value = RoomId> {
    any::<[u8; 16]>().prop_map(RoomId::from_bytes)
}

fn resume() -> impl Strategy<Value = Resume> {
    (any::<[u8; 16]>(), any::<u64>()).prop_map(|(token, received)| Resume {
        token: ResumeToken::from_bytes(token),
        received,
    })
}

fn description() -> impl Strategy<Value = Description> {
    let kind = prop_oneof![Just(DescriptionKind::Offer), Just(DescriptionKind::Answer)];
    (kind, text(300), any::<u32>()).prop_map(|(kind, sdp, number)| Description {
        kind,
        sdp,
        number,
    })
}

fn candidate() -> impl Strategy<Value = Option<Candidate>> {
    let fields = (
        text(80),
        option::of(text(20)),
        any::<Option<u16>>(),
        option::of(text(20)),
    );
    option::of(fields.prop_map(
        |(candidate, sdp_mid, sdp_m_line_index, username_fragment)| Candidate {
            candidate,
            sdp_mid,
            sdp_m_line_index,
            username_fragment,
        },
    ))
}

fn offer_ahead() -> impl Strategy<Value = Option<Description>> {
    let offer =
        (any::<u32>(), "(v=0[ -~\r\n\té\"]{0,200})").prop_map(|(number, sdp)| Description {
            kind: DescriptionKind::Offer,
            sdp,
            number,
        });
    option::of(offer)
}

fn client_message() -> impl Strategy<Value = ClientMessage> {
    let capabilities = proptest::collection::vec(text(16), 0..4);
    let interests = proptest::collection::vec(text(limits::INTEREST_CHARS), 0..4);
    prop_oneof![
        (any::<u32>(), capabilities, option::of(resume())).prop_map(
            |(version, capabilities, resume)| ClientMessage::Hello {
                version,
                capabilities,
                resume
            }
        ),
        Just(ClientMessage::Prepare),
        (interests, option::of(text(8)), offer_ahead()).prop_map(|(interests, language, offer)| {
            ClientMessage::Join {
                interests,
                language,
                offer,
            }
        }),
        (option::of(room()), offer_ahead())
            .prop_map(|(room, offer)| ClientMessage::Next { room, offer }),
        offer_ahead().prop_map(|offer| ClientMessage::Offer { offer }),
        option::of(room()).prop_map(|room| ClientMessage::Leave { room }),
        (room(), description())
            .prop_map(|(room, description)| ClientMessage::Description { room, description }),
        (room(), candidate())
            .prop_map(|(room, candidate)| ClientMessage::Candidate { room, candidate }),
        ([any::<[u8; 16]>(); 2], [any::<[u8; 16]>(); 4]).prop_map(|(key, signature)| {
            ClientMessage::Identify {
                key: PublicKey::from_bytes(key.concat().try_into().expect("32 bytes")),
                signature: Signature::from_bytes(signature.concat().try_into().expect("64 bytes")),
            }
        }),
        (
            room(),
            0..ReportReason::ALL.len(),
            text(limits::NOTE_CHARS),
            any::<bool>()
        )
            .prop_map(|(room, reason, note, block)| ClientMessage::Report {
                room,
                reason: ReportReason::ALL[reason],
                note,
                block,
                lines: Vec::new(),
            }),
        room().prop_map(|room| ClientMessage::Block { room }),
        (room(), any::<[u8; 32]>()).prop_map(|(room, key)| ClientMessage::ChatKey {
            room,
            key: PublicKey::from_bytes(key),
        }),
        any::<[u8; 8]>().prop_map(|nonce| ClientMessage::Worked {
            nonce: Nonce::from_bytes(nonce),
        }),
    ]
}

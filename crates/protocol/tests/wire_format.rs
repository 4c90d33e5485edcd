//! The exact bytes of every message. A difference here is a change of the protocol.

use protocol::{
    Candidate, Challenge, ClientMessage, DecodeError, Description, DescriptionKind, ErrorCode,
    Handle, IceServer, LeaveReason, LineHash, Nonce, NotTaken, PathPolicy, PeerMessage, PublicKey,
    ReportReason, Resume, ResumeToken, Role, RoomId, Seal, ServerMessage, Session, Signature,
    SignedLine, Wire, Work, decode, encode, limits,
};

const ROOM: RoomId = RoomId::from_bytes([
    0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
]);
const TOKEN: ResumeToken = ResumeToken::from_bytes([0xA5; 16]);

#[test]
fn hello() {
    is_written(
        &ClientMessage::Hello {
            version: 1,
            capabilities: vec![],
            resume: None,
        },
        r#"{"type":"hello","version":1}"#,
    );
    is_written(
        &ClientMessage::Hello {
            version: 1,
            capabilities: vec!["chat".into()],
            resume: Some(Resume {
                token: TOKEN,
                received: 7,
            }),
        },
        r#"{"type":"hello","version":1,"capabilities":["chat"],"resume":{"token":"a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5","received":7}}"#,
    );
}

#[test]
fn prepare() {
    is_written(&ClientMessage::Prepare, r#"{"type":"prepare"}"#);
}

#[test]
fn prepared() {
    is_written(
        &ServerMessage::Prepared {
            ice_servers: vec![],
            path_policy: PathPolicy::Any,
        },
        r#"{"type":"prepared"}"#,
    );
    let stun = IceServer {
        urls: vec!["stun:stun.example.org".into()],
        username: None,
        credential: None,
    };
    for (path_policy, word) in [
        (PathPolicy::RelayFirst, "relay_first"),
        (PathPolicy::RelayOnly, "relay_only"),
    ] {
        is_written(
            &ServerMessage::Prepared {
                ice_servers: vec![stun.clone()],
                path_policy,
            },
            &format!(
                r#"{{"type":"prepared","ice_servers":[{{"urls":["stun:stun.example.org"]}}],"path_policy":"{word}"}}"#
            ),
        );
    }
}

#[test]
fn a_path_policy_of_a_later_version_is_the_strictest() {
    assert_eq!(
        decode(r#"{"type":"prepared","path_policy":"by_moonlight"}"#),
        Ok(ServerMessage::Prepared {
            ice_servers: vec![],
            path_policy: PathPolicy::RelayOnly
        })
    );
}

#[test]
fn join() {
    is_written(
        &ClientMessage::Join {
            interests: vec![],
            language: None,
            offer: None,
        },
        r#"{"type":"join"}"#,
    );
    is_written(
        &ClientMessage::Join {
            interests: vec!["tea".into(), "chess".into()],
            language: Some("en-GB".into()),
            offer: Some(offer_ahead()),
        },
        r#"{"type":"join","interests":["tea","chess"],"language":"en-GB","offer":{"type":"offer","sdp":"v=0\r\n","number":1}}"#,
    );
}

#[test]
fn next() {
    let next = |room, offer| ClientMessage::Next { room, offer };
    is_written(&next(None, None), r#"{"type":"next"}"#);
    is_written(
        &next(Some(ROOM), Some(offer_ahead())),
        r#"{"type":"next","room":"00112233445566778899aabbccddeeff","offer":{"type":"offer","sdp":"v=0\r\n","number":1}}"#,
    );
}

#[test]
fn offer() {
    is_written(
        &ClientMessage::Offer {
            offer: Some(offer_ahead()),
        },
        r#"{"type":"offer","offer":{"type":"offer","sdp":"v=0\r\n","number":1}}"#,
    );
    is_written(&ClientMessage::Offer { offer: None }, r#"{"type":"offer"}"#);
}

fn offer_ahead() -> Description {
    Description {
        kind: DescriptionKind::Offer,
        sdp: "v=0\r\n".to_owned(),
        number: 1,
    }
}

#[test]
fn leave() {
    is_written(&ClientMessage::Leave { room: None }, r#"{"type":"leave"}"#);
    is_written(
        &ClientMessage::Leave { room: Some(ROOM) },
        r#"{"type":"leave","room":"00112233445566778899aabbccddeeff"}"#,
    );
}

#[test]
fn description_is_the_same_in_both_directions() {
    for (kind, word) in [
        (DescriptionKind::Offer, "offer"),
        (DescriptionKind::Answer, "answer"),
    ] {
        let description = Description {
            kind,
            sdp: "v=0\r\n".into(),
            number: 2,
        };
        let text = format!(
            r#"{{"type":"description","room":"00112233445566778899aabbccddeeff","description":{{"type":"{word}","sdp":"v=0\r\n","number":2}}}}"#
        );
        let from_client = ClientMessage::Description {
            room: ROOM,
            description: description.clone(),
        };

        is_written(&from_client, &text);
        is_written(
            &ServerMessage::Description {
                room: ROOM,
                description,
            },
            &text,
        );
    }
}

#[test]
fn candidate_is_the_same_in_both_directions() {
    let candidate = Some(Candidate {
        candidate: "candidate:1 1 udp 1 192.0.2.1 9 typ host".into(),
        sdp_mid: Some("0".into()),
        sdp_m_line_index: Some(0),
        username_fragment: Some("abcd".into()),
    });
    let text = r#"{"type":"candidate","room":"00112233445566778899aabbccddeeff","candidate":{"candidate":"candidate:1 1 udp 1 192.0.2.1 9 typ host","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"abcd"}}"#;

    is_written(
        &ClientMessage::Candidate {
            room: ROOM,
            candidate: candidate.clone(),
        },
        text,
    );
    is_written(
        &ServerMessage::Candidate {
            room: ROOM,
            candidate,
        },
        text,
    );
}

#[test]
fn the_end_of_candidates_is_null() {
    let text = r#"{"type":"candidate","room":"00112233445566778899aabbccddeeff","candidate":null}"#;

    is_written(
        &ClientMessage::Candidate {
            room: ROOM,
            candidate: None,
        },
        text,
    );
    is_written(
        &ServerMessage::Candidate {
            room: ROOM,
            candidate: None,
        },
        text,
    );
}

#[test]
fn welcome() {
    is_written(
        &ServerMessage::Welcome {
            version: 1,
            online: 42,
            session: None,
            resumed: None,
            challenge: None,
            capabilities: vec![],
        },
        r#"{"type":"welcome","version":1,"online":42}"#,
    );
    is_written(
        &ServerMessage::Welcome {
            version: 1,
            online: 42,
            session: Some(Session {
                token: TOKEN,
                grace_ms: 20_000,
            }),
            resumed: Some(3),
            challenge: Some(Challenge::from_bytes([0x1c; 16])),
            capabilities: vec!["chat_key".into()],
        },
        r#"{"type":"welcome","version":1,"online":42,"session":{"token":"a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5","grace_ms":20000},"resumed":3,"challenge":"1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c","capabilities":["chat_key"]}"#,
    );
}

#[test]
fn waiting() {
    is_written(
        &ServerMessage::Waiting { online: 42 },
        r#"{"type":"waiting","online":42}"#,
    );
}

#[test]
fn matched() {
    let (interests, ice_servers) = (vec![], vec![]);
    is_written(
        &ServerMessage::Matched {
            room: ROOM,
            role: Role::Answerer,
            interests,
            ice_servers,
            path_policy: PathPolicy::Any,
            offer: None,
            handed_over: None,
            partner: None,
        },
        r#"{"type":"matched","room":"00112233445566778899aabbccddeeff","role":"answerer"}"#,
    );
    is_written(
        &ServerMessage::Matched {
            room: ROOM,
            role: Role::Answerer,
            interests: vec![],
            ice_servers: vec![],
            path_policy: PathPolicy::Any,
            offer: Some(offer_ahead()),
            handed_over: None,
            partner: None,
        },
        r#"{"type":"matched","room":"00112233445566778899aabbccddeeff","role":"answerer","offer":{"type":"offer","sdp":"v=0\r\n","number":1}}"#,
    );
    let stun = IceServer {
        urls: vec!["stun:stun.example.org".into()],
        username: None,
        credential: None,
    };
    let turn = IceServer {
        urls: vec!["turn:turn.example.org?transport=udp".into()],
        username: Some("u".into()),
        credential: Some("c".into()),
    };
    let (interests, ice_servers) = (vec!["tea".into()], vec![stun, turn]);
    is_written(
        &ServerMessage::Matched {
            room: ROOM,
            role: Role::Offerer,
            interests,
            ice_servers,
            path_policy: PathPolicy::RelayFirst,
            offer: None,
            handed_over: Some(2),
            partner: Some(Handle::from_bytes([0xfe; 16])),
        },
        r#"{"type":"matched","room":"00112233445566778899aabbccddeeff","role":"offerer","interests":["tea"],"ice_servers":[{"urls":["stun:stun.example.org"]},{"urls":["turn:turn.example.org?transport=udp"],"username":"u","credential":"c"}],"path_policy":"relay_first","handed_over":2,"partner":"fefefefefefefefefefefefefefefefe"}"#,
    );
}

#[test]
fn partner_left() {
    for (reason, word) in [
        (LeaveReason::Next, "next"),
        (LeaveReason::Left, "left"),
        (LeaveReason::Disconnected, "disconnected"),
    ] {
        let text = format!(
            r#"{{"type":"partner_left","room":"00112233445566778899aabbccddeeff","reason":"{word}"}}"#
        );
        is_written(&ServerMessage::PartnerLeft { room: ROOM, reason }, &text);
    }
}

#[test]
fn identify() {
    is_written(
        &ClientMessage::Identify {
            key: PublicKey::from_bytes([0xb1; 32]),
            signature: Signature::from_bytes([0x0c; 64]),
        },
        &format!(
            r#"{{"type":"identify","key":"{}","signature":"{}"}}"#,
            "b1".repeat(32),
            "0c".repeat(64)
        ),
    );
}

#[test]
fn work() {
    let challenge = Challenge::from_bytes([0x1c; 16]);
    is_written(
        &ServerMessage::Work(Work {
            challenge,
            bits: 18,
        }),
        r#"{"type":"work","challenge":"1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c","bits":18}"#,
    );
    // Who is asked for too much is to know that he is.
    let too_much = r#"{"type":"work","challenge":"1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c","bits":60}"#;
    let work = Work {
        challenge,
        bits: 60,
    };
    assert_eq!(decode(too_much), Ok(ServerMessage::Work(work)));
    let nonce = Nonce::from_bytes(0xabc_u64.to_be_bytes());
    is_written(
        &ClientMessage::Worked { nonce },
        r#"{"type":"worked","nonce":"0000000000000abc"}"#,
    );
}

#[test]
fn what_is_signed_says_what_it_is_for() {
    let statement = Challenge::from_bytes([7; 16]).statement();
    assert_eq!(
        statement,
        [&b"passerby identity v1\0"[..], &[7; 16]].concat()
    );
}

#[test]
fn report_and_block() {
    let report = |note: &str, block| ClientMessage::Report {
        room: ROOM,
        reason: ReportReason::Harassment,
        note: note.to_owned(),
        block,
        lines: Vec::new(),
    };
    is_written(
        &report("", false),
        r#"{"type":"report","room":"00112233445566778899aabbccddeeff","reason":"harassment"}"#,
    );
    is_written(
        &report("he shouted", true),
        r#"{"type":"report","room":"00112233445566778899aabbccddeeff","reason":"harassment","note":"he shouted","block":true}"#,
    );
    is_written(
        &ClientMessage::Block { room: ROOM },
        r#"{"type":"block","room":"00112233445566778899aabbccddeeff"}"#,
    );
}

#[test]
fn every_reason_for_a_report_has_its_word_and_later_ones_count_as_another() {
    for reason in ReportReason::ALL {
        let text = format!(
            r#"{{"type":"report","room":"00112233445566778899aabbccddeeff","reason":"{}"}}"#,
            reason.word()
        );
        let (room, note) = (ROOM, String::new());
        is_written(
            &ClientMessage::Report {
                room,
                reason,
                note,
                block: false,
                lines: Vec::new(),
            },
            &text,
        );
    }
    let later = r#"{"type":"report","room":"00112233445566778899aabbccddeeff","reason":"singing"}"#;
    assert!(matches!(
        decode(later),
        Ok(ClientMessage::Report {
            reason: ReportReason::Other,
            ..
        })
    ));
}

#[test]
fn reported_and_blocked() {
    for (refused, text) in [
        (None, ""),
        (Some(NotTaken::UnknownRoom), r#","refused":"unknown_room""#),
        (Some(NotTaken::TooFast), r#","refused":"too_fast""#),
        (Some(NotTaken::NotStored), r#","refused":"not_stored""#),
        (Some(NotTaken::BadLines), r#","refused":"bad_lines""#),
    ] {
        let room = ROOM;
        let text = |name: &str| {
            format!(r#"{{"type":"{name}","room":"00112233445566778899aabbccddeeff"{text}}}"#)
        };
        is_written(
            &ServerMessage::Reported { room, refused },
            &text("reported"),
        );
        is_written(&ServerMessage::Blocked { room, refused }, &text("blocked"));
    }
}

#[test]
fn chat_keys_and_signed_lines() {
    let key = PublicKey::from_bytes([0xb1; 32]);
    let text = format!(
        r#"{{"type":"chat_key","room":"00112233445566778899aabbccddeeff","key":"{}"}}"#,
        "b1".repeat(32)
    );
    is_written(&ClientMessage::ChatKey { room: ROOM, key }, &text);
    is_written(&ServerMessage::ChatKey { room: ROOM, key }, &text);
    let signature = Signature::from_bytes([0x0c; 64]);
    is_written(
        &PeerMessage::Chat {
            text: "hi".into(),
            seal: Some(Seal {
                number: 3,
                signature,
            }),
        },
        &format!(
            r#"{{"type":"chat","text":"hi","seal":{{"number":3,"signature":"{}"}}}}"#,
            "0c".repeat(64)
        ),
    );
    let line = SignedLine {
        number: 3,
        previous: LineHash::from_bytes([0xd2; 32]),
        text: "hi".into(),
        signature,
    };
    is_written(
        &ClientMessage::Report {
            room: ROOM,
            reason: ReportReason::Spam,
            note: String::new(),
            block: false,
            lines: vec![line],
        },
        &format!(
            r#"{{"type":"report","room":"00112233445566778899aabbccddeeff","reason":"spam","lines":[{{"number":3,"previous":"{}","text":"hi","signature":"{}"}}]}}"#,
            "d2".repeat(32),
            "0c".repeat(64)
        ),
    );
}

#[test]
fn banned() {
    let reason = "reports of several people".to_owned();
    is_written(
        &ServerMessage::Banned {
            reason: reason.clone(),
            until: None,
            appeal: None,
        },
        r#"{"type":"banned","reason":"reports of several people"}"#,
    );
    is_written(
        &ServerMessage::Banned {
            reason,
            until: Some(1_800_000_000),
            appeal: Some("write to us".to_owned()),
        },
        r#"{"type":"banned","reason":"reports of several people","until":1800000000,"appeal":"write to us"}"#,
    );
}

#[test]
fn error() {
    for (code, word) in [
        (ErrorCode::Malformed, "malformed"),
        (ErrorCode::UnknownType, "unknown_type"),
        (ErrorCode::TooLarge, "too_large"),
        (ErrorCode::UnsupportedVersion, "unsupported_version"),
        (ErrorCode::HelloExpected, "hello_expected"),
        (ErrorCode::AlreadyGreeted, "already_greeted"),
        (ErrorCode::WrongRoom, "wrong_room"),
        (ErrorCode::Full, "full"),
        (ErrorCode::TooFast, "too_fast"),
        (ErrorCode::BadProof, "bad_proof"),
        (ErrorCode::BadWork, "bad_work"),
    ] {
        is_written(
            &ServerMessage::Error {
                code,
                message: "why".into(),
                room: None,
            },
            &format!(r#"{{"type":"error","code":"{word}","message":"why"}}"#),
        );
    }
    let (code, message) = (ErrorCode::WrongRoom, "why".into());
    is_written(
        &ServerMessage::Error {
            code,
            message,
            room: Some(ROOM),
        },
        r#"{"type":"error","code":"wrong_room","message":"why","room":"00112233445566778899aabbccddeeff"}"#,
    );
}

#[test]
fn shutdown() {
    is_written(
        &ServerMessage::Shutdown {
            reconnect_in_ms: 1500,
        },
        r#"{"type":"shutdown","reconnect_in_ms":1500}"#,
    );
}

#[test]
fn peer_messages() {
    is_written(
        &PeerMessage::Chat {
            text: "hi".into(),
            seal: None,
        },
        r#"{"type":"chat","text":"hi"}"#,
    );
    is_written(
        &PeerMessage::Typing { active: true },
        r#"{"type":"typing","active":true}"#,
    );
    is_written(
        &PeerMessage::Sending {
            audio: true,
            video: false,
            screen: false,
        },
        r#"{"type":"sending","audio":true,"video":false}"#,
    );
    is_written(
        &PeerMessage::Sending {
            audio: true,
            video: true,
            screen: true,
        },
        r#"{"type":"sending","audio":true,"video":true,"screen":true}"#,
    );
    is_written(
        &PeerMessage::Veil { lifted: true },
        r#"{"type":"veil","lifted":true}"#,
    );
    is_written(
        &PeerMessage::Direct { allowed: true },
        r#"{"type":"direct","allowed":true}"#,
    );
    is_written(
        &PeerMessage::Redundancy { dred: true },
        r#"{"type":"redundancy","dred":true}"#,
    );
    is_written(
        &PeerMessage::Showing {
            width_px: 1280,
            height_px: 704,
            most_fps: None,
        },
        r#"{"type":"showing","width_px":1280,"height_px":704}"#,
    );
    is_written(
        &PeerMessage::Showing {
            width_px: 640,
            height_px: 512,
            most_fps: Some(15),
        },
        r#"{"type":"showing","width_px":640,"height_px":512,"most_fps":15}"#,
    );
    is_written(
        &PeerMessage::Description {
            description: Description {
                kind: DescriptionKind::Offer,
                sdp: "v=0\r\n".into(),
                number: 0,
            },
        },
        r#"{"type":"description","description":{"type":"offer","sdp":"v=0\r\n"}}"#,
    );
    is_written(
        &PeerMessage::Candidate { candidate: None },
        r#"{"type":"candidate","candidate":null}"#,
    );
    is_written(&PeerMessage::Bye, r#"{"type":"bye"}"#);
}

#[test]
fn a_size_that_is_none_is_refused() {
    for (width, height) in [
        ("-1", "1"),
        ("1.5", "1"),
        ("1", "4294967296"),
        ("null", "1"),
    ] {
        let text = format!(r#"{{"type":"showing","width_px":{width},"height_px":{height}}}"#);
        let showing = decode::<PeerMessage>(&text);
        assert!(
            matches!(showing, Err(DecodeError::Malformed(_))),
            "{text}: {showing:?}"
        );
    }
}

#[test]
fn unknown_fields_are_ignored() {
    let join = decode(r#"{"type":"join","mood":{"deep":[1,2]},"interests":["tea"]}"#);
    let bye = decode(r#"{"type":"bye","because":"late"}"#);
    let waiting = decode(r#"{"future":true,"type":"waiting","online":1}"#);

    assert_eq!(
        join,
        Ok(ClientMessage::Join {
            interests: vec!["tea".into()],
            language: None,
            offer: None
        })
    );
    assert_eq!(bye, Ok(PeerMessage::Bye));
    assert_eq!(waiting, Ok(ServerMessage::Waiting { online: 1 }));
}

#[test]
fn the_order_of_fields_does_not_matter() {
    let text = r#"{"version":1,"type":"hello"}"#;

    assert_eq!(
        decode(text),
        Ok(ClientMessage::Hello {
            version: 1,
            capabilities: vec![],
            resume: None,
        })
    );
}

#[test]
fn an_unknown_type_is_named_and_cut_short() {
    let dance = decode::<ClientMessage>(r#"{"type":"dance"}"#);
    let long = decode::<PeerMessage>(&format!(r#"{{"type":"{}"}}"#, "é".repeat(1000)));

    assert_eq!(dance, Err(DecodeError::UnknownType("dance".into())));
    assert_eq!(long, Err(DecodeError::UnknownType("é".repeat(40))));
}

#[test]
fn a_message_for_the_other_direction_is_of_unknown_type() {
    let welcome = decode::<ClientMessage>(r#"{"type":"welcome","version":1,"online":1}"#);
    let join = decode::<ServerMessage>(r#"{"type":"join"}"#);

    assert_eq!(welcome, Err(DecodeError::UnknownType("welcome".into())));
    assert_eq!(join, Err(DecodeError::UnknownType("join".into())));
}

#[test]
fn reasons_and_codes_of_later_versions_are_unknown_but_readable() {
    let left = decode(
        r#"{"type":"partner_left","room":"00112233445566778899aabbccddeeff","reason":"abducted"}"#,
    );
    let error = decode(r#"{"type":"error","code":"banned","message":"why"}"#);

    assert_eq!(
        left,
        Ok(ServerMessage::PartnerLeft {
            room: ROOM,
            reason: LeaveReason::Unknown
        })
    );
    let (code, message) = (ErrorCode::Unknown, "why".into());
    assert_eq!(
        error,
        Ok(ServerMessage::Error {
            code,
            message,
            room: None
        })
    );
}

#[test]
fn what_is_no_message_is_malformed() {
    for text in [
        "",
        "nonsense",
        "[]",
        "null",
        "{}",
        r#"{"type":7}"#,
        r#"{"type":"hello"}"#,
        r#"{"type":"hello","version":-1}"#,
        r#"{"type":"join","interests":"tea"}"#,
        r#"{"type":"next","room":"1"}"#,
        r#"{"type":"next","room":"00112233445566778899AABBCCDDEEFF"}"#,
        r#"{"type":"next","room":"00112233445566778899aabbccddeeff00"}"#,
        r#"{"type":"candidate","room":"00112233445566778899aabbccddeeff","candidate":{}}"#,
        r#"{"type":"description","room":"00112233445566778899aabbccddeeff","description":{"type":"rollback","sdp":""}}"#,
    ] {
        let result = decode::<ClientMessage>(text);
        assert!(
            matches!(result, Err(DecodeError::Malformed(_))),
            "{text}: {result:?}"
        );
    }
}

#[test]
fn deep_nesting_is_refused() {
    let deep = "[".repeat(limits::FRAME_BYTES);

    assert!(matches!(
        decode::<ClientMessage>(&deep),
        Err(DecodeError::Malformed(_))
    ));
}

#[test]
fn an_error_says_what_was_expected_and_does_not_quote_what_was_sent() {
    for (text, words) in [
        (
            r#"{"type":"description","room":"00112233445566778899aabbccddeeff","description":"192.0.2.1"}"#,
            "expected struct Description",
        ),
        (
            r#"{"type":"description","room":"00112233445566778899aabbccddeeff","description":{"type":"192.0.2.1","sdp":""}}"#,
            "expected `offer` or `answer`",
        ),
        (
            r#"{"type":"description","room":"192.0.2.1","description":{"type":"offer","sdp":""}}"#,
            "a room id is 32 lower-case hex digits",
        ),
        (
            r#"{"type":"join","interests":"192.0.2.1, expected 192.0.2.1"}"#,
            "expected a sequence",
        ),
        (r#"{"type":"hello","version":"192.0.2.1"}"#, "expected u32"),
        (
            r#"{"type":"hello","name":"192.0.2.1"}"#,
            "missing field `version`",
        ),
    ] {
        let error = decode::<ClientMessage>(text)
            .expect_err("malformed")
            .to_string();
        assert!(error.contains(words), "{error}");
        assert!(!error.contains("192"), "{error}");
    }
}

#[test]
fn debug_output_holds_no_address_and_no_credential() {
    let description = Description {
        kind: DescriptionKind::Offer,
        sdp: "192.0.2.1".into(),
        number: 0,
    };
    let candidate = Candidate {
        candidate: "192.0.2.1".into(),
        sdp_mid: None,
        sdp_m_line_index: None,
        username_fragment: None,
    };
    let server = IceServer {
        urls: vec![],
        username: Some("192".into()),
        credential: Some("192".into()),
    };

    assert!(!format!("{description:?} {candidate:?} {server:?}").contains("192"));
}

/// Checks that `message` is written as `text`, and that `text` is read as `message`.
#[track_caller]
fn is_written<M: Wire + PartialEq + std::fmt::Debug>(message: &M, text: &str) {
    assert_eq!(encode(message), text);
    assert_eq!(decode::<M>(text).as_ref(), Ok(message));
}

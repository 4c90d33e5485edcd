use proptest::prelude::*;

use super::*;

/// A unit with its size, of a kind.
fn unit(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut unit = vec![kind << 3 | 0x02];
    put_leb128(&mut unit, content.len());
    unit.extend(content);
    unit
}

const TEMPORAL_DELIMITER: u8 = 2;
const PADDING: u8 = 15;
/// The first byte of a shown keyframe, and of a shown frame that builds on others.
const KEY: u8 = 0x10;
const INTER: u8 = 0x30;

fn frame(units: &[Vec<u8>], is_keyframe: bool) -> EncodedFrame {
    EncodedFrame {
        codec: VideoCodec::Av1,
        data: units.concat().into(),
        is_keyframe,
        timestamp: 0,
    }
}

fn picture(first: u8, len: usize) -> Vec<u8> {
    let mut content = vec![0x55; len];
    content[0] = first;
    unit(kind::FRAME, &content)
}

fn join(payloads: &[Bytes]) -> Result<AccessUnit, InvalidPayload> {
    depacketize(payloads.iter().map(AsRef::as_ref))
}

#[test]
fn a_small_keyframe_is_one_packet_that_says_so() {
    let sequence = unit(kind::SEQUENCE_HEADER, &[1, 2, 3]);
    let keyframe = frame(
        &[
            unit(TEMPORAL_DELIMITER, &[]),
            sequence.clone(),
            picture(KEY, 4),
        ],
        true,
    );
    let payloads = packetize(&keyframe, 1200);
    // Two pieces, new sequence; the length of the first; units without sizes.
    assert_eq!(
        payloads,
        [Bytes::from_static(&[
            0x28, 4, 0x08, 1, 2, 3, 0x30, KEY, 0x55, 0x55, 0x55
        ])]
    );
    let joined = join(&payloads).unwrap();
    assert_eq!(joined.data, [sequence, picture(KEY, 4)].concat());
    assert!(joined.is_keyframe);
}

#[test]
fn a_large_frame_is_cut_evenly_and_only_its_first_packet_tells_what_it_is() {
    let sequence = unit(kind::SEQUENCE_HEADER, &[0; 11]);
    let payloads = packetize(&frame(&[sequence, picture(KEY, 3000)], true), 1160);
    assert_eq!(payloads.len(), 3);
    assert!(
        payloads
            .iter()
            .all(|payload| (950..=1050).contains(&payload.len())),
        "{:?}",
        payloads.iter().map(Bytes::len).collect::<Vec<_>>()
    );
    let headers: Vec<_> = payloads.iter().map(|payload| payload[0]).collect();
    assert_eq!(headers, [0x68, 0xd0, 0x90]);
    let parts: Vec<_> = payloads
        .iter()
        .map(|payload| keyframe_part(payload))
        .collect();
    let later = Some(KeyframePart::Undetermined);
    assert_eq!(parts, [Some(KeyframePart::Start), later, later]);
    assert_eq!(
        keyframe_part(&packetize(&frame(&[picture(INTER, 9)], false), 1160)[0]),
        None
    );
    assert_eq!(keyframe_part(&[]), None);
    assert_eq!(keyframe_part(&[0x08]), None);
}

#[test]
fn a_lost_packet_is_noticed_wherever_it_was() {
    let payloads = packetize(&frame(&[picture(INTER, 5000)], false), 1000);
    assert!(!join(&payloads).unwrap().is_keyframe);
    let (first, last) = (&payloads[1..], &payloads[..payloads.len() - 1]);
    assert_eq!(join(first), Err(InvalidPayload::BrokenFragments));
    assert_eq!(join(last), Err(InvalidPayload::BrokenFragments));
}

#[test]
fn a_frame_is_a_keyframe_only_with_its_sequence_header() {
    assert!(
        !join(&packetize(&frame(&[picture(KEY, 20)], true), 1000))
            .unwrap()
            .is_keyframe
    );
    let lying = frame(
        &[unit(kind::SEQUENCE_HEADER, &[0]), picture(INTER, 20)],
        true,
    );
    assert!(!join(&packetize(&lying, 1000)).unwrap().is_keyframe);
}

#[test]
fn lengths_that_do_not_fit_are_errors() {
    for (payload, error) in [
        // A piece of nine bytes where there are two.
        (&[0x00, 9, 0x30, 1][..], InvalidPayload::Truncated),
        // Three pieces announced, one there.
        (&[0x30, 1, 0x30][..], InvalidPayload::Truncated),
        (&[0x10][..], InvalidPayload::Truncated),
        (&[0x00, 0x80, 0x80][..], InvalidPayload::Truncated),
        // A length over eight bytes, and one over 32 bits.
        (
            &[0x00, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1][..],
            InvalidPayload::BadHeader,
        ),
        (
            &[0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 1][..],
            InvalidPayload::BadHeader,
        ),
        // A unit's own size, and the forbidden bit.
        (&[0x10, 0x32, 9, 1][..], InvalidPayload::Truncated),
        (&[0x10, 0xb0, 1][..], InvalidPayload::BadHeader),
        (&[0x10, 0x78, 1][..], InvalidPayload::Empty),
    ] {
        assert_eq!(depacketize([payload]), Err(error), "{payload:?}");
    }
    assert_eq!(depacketize([&[][..]]), Err(InvalidPayload::Empty));
}

#[test]
fn what_chromium_sends_with_sizes_inside_of_units_is_understood() {
    // Units may keep their sizes (section 4.5): W = 2, the second one with a size of its own.
    let payload = [0x28, 3, 0x08, 7, 7, 0x32, 2, KEY, 5];
    let joined = depacketize([&payload[..]]).unwrap();
    assert_eq!(&joined.data[..], [0x0a, 2, 7, 7, 0x32, 2, KEY, 5]);
    assert!(joined.is_keyframe);
}

/// The header that libaom writes for 640x360: profile 0, one operating point, no timing information.
const LIBAOM_640X360: [u8; 11] = [
    0x00, 0x00, 0x00, 0x24, 0xc4, 0xff, 0xdf, 0x3f, 0xfe, 0xcf, 0xff,
];

#[test]
fn a_sequence_header_tells_how_large_pictures_get() {
    let data = unit(kind::SEQUENCE_HEADER, &LIBAOM_640X360[..]);
    let header = check_sizes(&data).unwrap();
    assert_eq!(header.map(|header| header.profile), Some(0));
    assert_eq!(check_sizes(&unit(kind::FRAME, &[0; 9])), Ok(None));
    let cut = unit(kind::SEQUENCE_HEADER, &LIBAOM_640X360[..3]);
    assert_eq!(check_sizes(&cut), Err(InvalidPayload::Truncated));
}

#[test]
fn absurd_sizes_are_refused() {
    // Reduced header, level 0, 16 bits for each side, all of them set: 65,536 by 65,536.
    let absurd = [0x18, 0x3f, 0xff, 0xff, 0xff, 0xff, 0xff];
    let data = unit(kind::SEQUENCE_HEADER, &absurd);
    assert_eq!(check_sizes(&data), Err(InvalidPayload::BadHeader));
    // 12 bits for each side: 4096 by 4096, and 4096 by 2304.
    let sides = |width: u64, height: u64| {
        let bits = 0x18 << 48 | 0xbb << 38 | (width - 1) << 26 | (height - 1) << 14;
        unit(kind::SEQUENCE_HEADER, &u64::to_be_bytes(bits)[1..])
    };
    assert_eq!(
        check_sizes(&sides(4096, 4096)),
        Err(InvalidPayload::BadHeader)
    );
    let header = check_sizes(&sides(4096, 2304)).unwrap().unwrap();
    assert_eq!((header.max_width_px, header.max_height_px), (4096, 2304));
}

fn any_unit() -> impl Strategy<Value = Vec<u8>> {
    let kinds = prop::sample::select(vec![
        kind::SEQUENCE_HEADER,
        kind::FRAME_HEADER,
        kind::TILE_GROUP,
        kind::METADATA,
        kind::FRAME,
        TEMPORAL_DELIMITER,
        PADDING,
    ]);
    let content = prop::collection::vec(any::<u8>(), 0..4000);
    (kinds, content).prop_map(|(kind, content)| unit(kind, &content))
}

proptest! {
    #[test]
    fn what_was_packetized_comes_back(
        units in prop::collection::vec(any_unit(), 1..9),
        is_keyframe: bool,
        max in 0_usize..1500,
    ) {
        let frame = frame(&units, is_keyframe);
        let payloads = packetize(&frame, max);
        let limit = max.max(SMALLEST_PAYLOAD_BYTES);
        prop_assert!(payloads.iter().all(|payload| payload.len() <= limit));
        let sent: Vec<_> = units
            .into_iter()
            .filter(|unit| Obu::take(unit).unwrap().0.is_sent())
            .collect();
        if sent.is_empty() {
            prop_assert!(payloads.is_empty());
        } else {
            prop_assert_eq!(join(&payloads).unwrap().data, sent.concat());
            prop_assert_eq!(keyframe_part(&payloads[0]) == Some(KeyframePart::Start), is_keyframe);
        }
    }

    #[test]
    fn no_bytes_from_the_network_panic(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..8),
    ) {
        for payload in &payloads {
            keyframe_part(payload);
        }
        let total: usize = payloads.iter().map(Vec::len).sum();
        if let Ok(unit) = depacketize(payloads.iter().map(Vec::as_slice)) {
            // Each unit gains its size, of at most two bytes here.
            prop_assert!(unit.data.len() <= 3 * total);
            prop_assert!(check_sizes(&unit.data).is_ok() || !unit.data.is_empty());
        }
    }

    #[test]
    fn no_stream_panics(data in prop::collection::vec(any::<u8>(), 0..300)) {
        let sizes = check_sizes(&data);
        if let Ok(Some(header)) = sizes {
            prop_assert!(header.max_width_px <= 4096 && header.max_height_px <= 4096);
        }
        let frame = EncodedFrame {
            codec: VideoCodec::Av1,
            data: data.into(),
            is_keyframe: true,
            timestamp: 0,
        };
        packetize(&frame, 100);
    }
}

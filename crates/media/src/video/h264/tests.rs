use proptest::prelude::*;

use super::*;

fn annex_b(nals: &[Vec<u8>]) -> Bytes {
    nals.iter()
        .flat_map(|nal| START_CODE.iter().chain(nal).copied())
        .collect()
}

fn frame(nals: &[Vec<u8>]) -> EncodedFrame {
    let is_keyframe = nals.iter().any(|nal| kind::of(nal[0]) == kind::IDR_SLICE);
    EncodedFrame {
        codec: VideoCodec::H264,
        data: annex_b(nals),
        is_keyframe,
        timestamp: 0,
    }
}

fn join(payloads: &[Bytes]) -> Result<AccessUnit, InvalidPayload> {
    depacketize(payloads.iter().map(AsRef::as_ref))
}

#[test]
fn parameter_sets_share_a_packet_and_a_large_slice_is_cut_evenly() {
    let keyframe = frame(&[vec![0x67, 1, 2], vec![0x68, 3], vec![0x65; 3000]]);
    let payloads = packetize(&keyframe, 1200);
    assert_eq!(payloads[0][..], [0x78, 0, 3, 0x67, 1, 2, 0, 2, 0x68, 3]);
    assert_eq!(payloads.len(), 4);
    assert!(
        payloads[1..]
            .iter()
            .all(|payload| (1001..=1002).contains(&payload.len()))
    );
    let headers: Vec<_> = payloads[1..]
        .iter()
        .map(|payload| (payload[0], payload[1]))
        .collect();
    assert_eq!(headers, [(0x7c, 0x85), (0x7c, 0x05), (0x7c, 0x45)]);
}

#[test]
fn a_small_slice_travels_alone_and_delimiters_do_not_travel() {
    let payloads = packetize(&frame(&[vec![0x09, 0xf0], vec![0x41, 1, 2]]), 1200);
    assert_eq!(payloads, [Bytes::from_static(&[0x41, 1, 2])]);
}

#[test]
fn a_lost_fragment_is_noticed_wherever_it_was() {
    let payloads = packetize(&frame(&[vec![0x65; 5000]]), 1000);
    assert!(join(&payloads).unwrap().is_keyframe);
    assert_eq!(join(&payloads[1..]), Err(InvalidPayload::BrokenFragments));
    assert_eq!(
        join(&payloads[..payloads.len() - 1]),
        Err(InvalidPayload::BrokenFragments)
    );
}

#[test]
fn a_new_nal_unit_in_the_middle_of_fragments_is_an_error() {
    let mut payloads = packetize(&frame(&[vec![0x65; 5000]]), 1000);
    payloads[2] = Bytes::from_static(&[0x41, 1]);
    assert_eq!(join(&payloads), Err(InvalidPayload::BrokenFragments));
}

#[test]
fn an_aggregate_that_promises_too_much_is_an_error() {
    assert_eq!(
        depacketize([&[0x78, 0, 9, 0x67][..]]),
        Err(InvalidPayload::Truncated)
    );
    assert_eq!(
        depacketize([&[0x78, 0][..]]),
        Err(InvalidPayload::Truncated)
    );
    assert_eq!(
        depacketize([&[0x78, 0, 0][..]]),
        Err(InvalidPayload::Truncated)
    );
}

#[test]
fn interleaved_packets_are_refused_also_inside_of_others() {
    assert_eq!(
        depacketize([&[0x19, 1][..]]),
        Err(InvalidPayload::UnknownType(25))
    );
    assert_eq!(
        depacketize([&[0x78, 0, 1, 0x1c][..]]),
        Err(InvalidPayload::UnknownType(28))
    );
    assert_eq!(
        depacketize([&[0x7c, 0x98, 1][..]]),
        Err(InvalidPayload::UnknownType(24))
    );
}

#[test]
fn padding_alone_makes_no_frame() {
    assert_eq!(depacketize([&[][..], &[][..]]), Err(InvalidPayload::Empty));
}

#[test]
fn the_parts_of_a_keyframe_are_recognised() {
    use KeyframePart::{FirstSlice, Rest, Start};
    let whole = packetize(
        &frame(&[vec![0x67, 1], vec![0x68, 2], vec![0x65, 0x88, 3]]),
        1200,
    );
    assert_eq!(keyframe_part(&whole[0]), Some(Start));
    assert_eq!(keyframe_part(&whole[1]), Some(FirstSlice));
    let mut large = vec![0x65; 2000];
    large[1] = 0x88;
    let cut = packetize(&frame(&[large]), 1000);
    assert_eq!(keyframe_part(&cut[0]), Some(FirstSlice));
    assert_eq!(keyframe_part(&cut[1]), Some(Rest));
    assert_eq!(
        keyframe_part(&[0x65, 0x40]),
        Some(Rest),
        "the second slice of the picture"
    );
    assert_eq!(keyframe_part(&[0x68, 0x40]), Some(Rest));
    assert_eq!(keyframe_part(&[0x78, 0, 2, 0x65, 0x88]), Some(FirstSlice));
    assert_eq!(keyframe_part(&[0x41, 0x88]), None);
    assert_eq!(keyframe_part(&[0x7c, 0x81, 0x88]), None);
    assert_eq!(keyframe_part(&[]), None);
}

/// A NAL unit as a coder makes it: no start code inside, no zero at the end.
fn any_nal() -> impl Strategy<Value = Vec<u8>> {
    let kinds = prop::sample::select(vec![1_u8, 5, 6, 7, 8]);
    (kinds, 0_u8..4, prop::collection::vec(1_u8.., 1..4000)).prop_map(
        |(kind, importance, mut nal)| {
            nal[0] = importance << 5 | kind;
            nal
        },
    )
}

proptest! {
    #[test]
    fn what_was_packetized_comes_back(nals in prop::collection::vec(any_nal(), 1..6), max in 0_usize..1500) {
        let frame = frame(&nals);
        let payloads = packetize(&frame, max);
        prop_assert!(payloads.iter().all(|payload| payload.len() <= max.max(SMALLEST_PAYLOAD_BYTES)));
        let unit = join(&payloads).unwrap();
        prop_assert_eq!(unit.data, frame.data);
        prop_assert_eq!(unit.is_keyframe, frame.is_keyframe);
    }

    #[test]
    fn no_bytes_from_the_network_panic(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
        kinds in prop::collection::vec(prop::sample::select(vec![0x78_u8, 0x7c, 0x65, 0x19]), 8),
    ) {
        let payloads: Vec<_> = payloads.into_iter().zip(kinds).map(|(mut payload, kind)| {
            if let Some(first) = payload.first_mut() { *first = kind }
            Bytes::from(payload)
        }).collect();
        for payload in &payloads {
            keyframe_part(payload);
        }
        if let Ok(unit) = join(&payloads) {
            prop_assert!(unit.data.starts_with(&START_CODE));
        }
    }

    #[test]
    fn no_byte_stream_panics(data in prop::collection::vec(0_u8..3, 0..200)) {
        let total: usize = nal_units(&Bytes::from(data.clone())).map(|nal| nal.len()).sum();
        prop_assert!(total <= data.len());
        let frame = EncodedFrame { codec: VideoCodec::H264, data: Bytes::from(data), is_keyframe: false, timestamp: 0 };
        packetize(&frame, 100);
    }
}

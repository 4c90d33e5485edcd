//! What a stream says of its format, and what we ask for, in PipeWire's own encoding (SPA POD): words of four bytes in the machine's order,
//! each value with its length and kind before it and filled up to eight bytes. Numbers are those of `spa/param` and `spa/utils/type.h`.

const ID: u32 = 3;
const INT: u32 = 4;
const RECTANGLE: u32 = 10;
const FRACTION: u32 = 11;
const OBJECT: u32 = 15;
const CHOICE: u32 = 19;

const CHOICE_RANGE: u32 = 1;
const CHOICE_ENUM: u32 = 3;
const CHOICE_FLAGS: u32 = 4;

const FORMAT_OBJECT: u32 = 0x4_0003;
const BUFFERS_OBJECT: u32 = 0x4_0004;
const META_OBJECT: u32 = 0x4_0005;

const PARAM_ENUM_FORMAT: u32 = 3;
/// `SPA_PARAM_Format`: what was agreed.
pub(super) const PARAM_FORMAT: u32 = 4;
const PARAM_BUFFERS: u32 = 5;
const PARAM_META: u32 = 6;

const MEDIA_TYPE: u32 = 1;
const MEDIA_SUBTYPE: u32 = 2;
const VIDEO_FORMAT: u32 = 0x2_0001;
const VIDEO_SIZE: u32 = 0x2_0003;
const VIDEO_FRAMERATE: u32 = 0x2_0004;
const VIDEO_MAX_FRAMERATE: u32 = 0x2_0005;

const VIDEO: u32 = 2;
const RAW: u32 = 1;

const RGBX: u32 = 7;
const BGRX: u32 = 8;
const RGBA: u32 = 11;
const BGRA: u32 = 12;

const BUFFERS_COUNT: u32 = 1;
const BUFFERS_DATA_TYPE: u32 = 6;
const META_TYPE: u32 = 1;
const META_SIZE: u32 = 2;

/// `SPA_DATA_MemPtr` and `SPA_DATA_MemFd`, the kinds of memory that can be read as they are.
pub(super) const READABLE_MEMORY: [u32; 2] = [1, 2];
/// `SPA_META_Header`, and how long it is.
pub(super) const META_HEADER: (u32, u32) = (1, 32);
/// `SPA_META_VideoCrop`, and how long it is.
pub(super) const META_CROP: (u32, u32) = (2, 16);

/// The largest side that is asked for, in pixels.
pub(super) const MAX_SIDE_PX: u32 = 16_384;

/// In which order the bytes of a pixel lie; the fourth does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Bgrx,
    Rgbx,
}

/// How the pictures of a stream are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) order: Order,
    pub(super) width_px: u32,
    pub(super) height_px: u32,
}

/// One encoded value. Its memory is aligned as PipeWire wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pod(Vec<u64>);

impl Pod {
    pub(super) const fn as_ptr(&self) -> *const u64 {
        self.0.as_ptr()
    }

    fn object(kind: u32, id: u32, properties: &[(u32, Value)]) -> Self {
        let mut words = vec![0, OBJECT, kind, id];
        for (key, value) in properties {
            words.extend([*key, 0]);
            value.write(&mut words);
        }
        words[0] = (words.len() as u32 - 2) * 4;
        // The pairs of the kind and of the key keep the number of words even, and so does what fills values up.
        let pairs = words.chunks_exact(2);
        let join = |pair: &[u32]| {
            let mut bytes = [0; 8];
            bytes[..4].copy_from_slice(&pair[0].to_ne_bytes());
            bytes[4..].copy_from_slice(&pair[1].to_ne_bytes());
            u64::from_ne_bytes(bytes)
        };
        Self(pairs.map(join).collect())
    }
}

/// What a property holds.
enum Value {
    Id(u32),
    Int(u32),
    /// The kind of what can be chosen, how it can, how many words one has, and the words, the one that is liked best first.
    Choice(u32, u32, u32, Vec<u32>),
}

impl Value {
    fn write(&self, to: &mut Vec<u32>) {
        match self {
            Self::Id(value) => to.extend([4, ID, *value, 0]),
            Self::Int(value) => to.extend([4, INT, *value, 0]),
            Self::Choice(kind, way, words_each, words) => {
                to.extend([16 + words.len() as u32 * 4, CHOICE, *way, 0]);
                to.extend([words_each * 4, *kind]);
                to.extend(words);
                if words.len() % 2 == 1 {
                    to.push(0);
                }
            }
        }
    }
}

/// Asks for pictures that we understand, of any size, `fps` in a second at most.
pub(super) fn wanted_format(fps: u32) -> Pod {
    let orders = vec![BGRX, BGRX, BGRA, RGBX, RGBA];
    let sizes = vec![1920, 1080, 1, 1, MAX_SIDE_PX, MAX_SIDE_PX];
    Pod::object(
        FORMAT_OBJECT,
        PARAM_ENUM_FORMAT,
        &[
            (MEDIA_TYPE, Value::Id(VIDEO)),
            (MEDIA_SUBTYPE, Value::Id(RAW)),
            (VIDEO_FORMAT, Value::Choice(ID, CHOICE_ENUM, 1, orders)),
            (VIDEO_SIZE, Value::Choice(RECTANGLE, CHOICE_RANGE, 2, sizes)),
            // A rate of zero says that pictures come when there is something new.
            (
                VIDEO_FRAMERATE,
                Value::Choice(FRACTION, CHOICE_RANGE, 2, vec![0, 1, 0, 1, 1000, 1]),
            ),
            (
                VIDEO_MAX_FRAMERATE,
                Value::Choice(FRACTION, CHOICE_RANGE, 2, vec![fps, 1, 0, 1, fps, 1]),
            ),
        ],
    )
}

/// Asks for buffers in memory that can be read as it is, and to be told what of them counts.
pub(super) fn wanted_buffers() -> [Pod; 3] {
    let memory = READABLE_MEMORY
        .iter()
        .fold(0, |mask, kind| mask | (1 << kind));
    let meta = |(kind, len): (u32, u32)| {
        let properties = [(META_TYPE, Value::Id(kind)), (META_SIZE, Value::Int(len))];
        Pod::object(META_OBJECT, PARAM_META, &properties)
    };
    let buffers = Pod::object(
        BUFFERS_OBJECT,
        PARAM_BUFFERS,
        &[
            (
                BUFFERS_COUNT,
                Value::Choice(INT, CHOICE_RANGE, 1, vec![4, 2, 8]),
            ),
            (
                BUFFERS_DATA_TYPE,
                Value::Choice(INT, CHOICE_FLAGS, 1, vec![memory]),
            ),
        ],
    );
    [buffers, meta(META_HEADER), meta(META_CROP)]
}

/// Reads the format that was agreed upon; nothing if it is none that we understand.
pub(super) fn read_format(pod: &[u8]) -> Option<Format> {
    let (kind, body, _) = value(pod)?;
    if kind != OBJECT || word(body, 0)? != FORMAT_OBJECT {
        return None;
    }
    let mut rest = body.get(8..)?;
    let (mut media, mut order, mut size) = ([0; 2], None, None);
    while rest.len() >= 8 {
        let key = word(rest, 0)?;
        let (kind, body, len) = value(rest.get(8..)?)?;
        let (kind, body) = if kind == CHOICE {
            // What was agreed may still be wrapped up; the first one is it.
            (word(body, 12)?, body.get(16..)?)
        } else {
            (kind, body)
        };
        match (key, kind) {
            (MEDIA_TYPE, ID) => media[0] = word(body, 0)?,
            (MEDIA_SUBTYPE, ID) => media[1] = word(body, 0)?,
            (VIDEO_FORMAT, ID) => {
                order = match word(body, 0)? {
                    BGRX | BGRA => Some(Order::Bgrx),
                    RGBX | RGBA => Some(Order::Rgbx),
                    _ => None,
                }
            }
            (VIDEO_SIZE, RECTANGLE) => size = Some((word(body, 0)?, word(body, 4)?)),
            _ => {}
        }
        rest = rest.get(8 + len..).unwrap_or_default();
    }
    let (width_px, height_px) = size?;
    let sides = 1..=MAX_SIDE_PX;
    let is_ours = media == [VIDEO, RAW] && sides.contains(&width_px) && sides.contains(&height_px);
    order.filter(|_| is_ours).map(|order| Format {
        order,
        width_px,
        height_px,
    })
}

/// The kind and the body of the value at the start of `bytes`, and where the next begins.
fn value(bytes: &[u8]) -> Option<(u32, &[u8], usize)> {
    let len = word(bytes, 0)? as usize;
    let body = bytes.get(8..8usize.checked_add(len)?)?;
    Some((word(bytes, 4)?, body, 8 + len.next_multiple_of(8)))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at + 4)?;
    word.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes_of(pod: &Pod) -> Vec<u8> {
        pod.0.iter().flat_map(|pair| pair.to_ne_bytes()).collect()
    }

    fn agreed(format: u32, size: Value) -> Vec<u8> {
        bytes_of(&Pod::object(
            FORMAT_OBJECT,
            PARAM_FORMAT,
            &[
                (MEDIA_TYPE, Value::Id(VIDEO)),
                (MEDIA_SUBTYPE, Value::Id(RAW)),
                (VIDEO_FORMAT, Value::Id(format)),
                (0x2_0002, Value::Int(0)),
                (VIDEO_SIZE, size),
            ],
        ))
    }

    fn size(width: u32, height: u32) -> Value {
        Value::Choice(RECTANGLE, 0, 2, vec![width, height])
    }

    #[test]
    fn what_is_asked_for_can_be_read_and_the_first_choice_is_what_is_liked_best() {
        let format = read_format(&bytes_of(&wanted_format(15)));
        assert_eq!(
            format,
            Some(Format {
                order: Order::Bgrx,
                width_px: 1920,
                height_px: 1080
            })
        );
    }

    #[test]
    fn every_length_fits_what_follows_it() {
        for pod in wanted_buffers().iter().chain([&wanted_format(15)]) {
            let bytes = bytes_of(pod);
            let (kind, body, len) = value(&bytes).unwrap();
            assert_eq!((kind, len), (OBJECT, bytes.len()));
            let mut rest = &body[8..];
            while !rest.is_empty() {
                let (_, _, len) = value(&rest[8..]).unwrap();
                rest = &rest[8 + len..];
            }
        }
    }

    #[test]
    fn the_four_formats_are_told_apart_and_others_are_refused() {
        let order = |format| read_format(&agreed(format, size(4, 2))).map(|it| it.order);
        assert_eq!(order(BGRX), Some(Order::Bgrx));
        assert_eq!(order(BGRA), Some(Order::Bgrx));
        assert_eq!(order(RGBX), Some(Order::Rgbx));
        assert_eq!(order(RGBA), Some(Order::Rgbx));
        assert_eq!(order(2), None, "planes are not asked for");
        for (width, height) in [(0, 1), (1, 0), (MAX_SIDE_PX + 1, 1), (1, u32::MAX)] {
            let format = read_format(&agreed(BGRX, size(width, height)));
            assert_eq!(format, None, "{width}x{height}");
        }
    }

    #[test]
    fn sound_is_no_picture() {
        let pod = bytes_of(&Pod::object(
            FORMAT_OBJECT,
            PARAM_FORMAT,
            &[(MEDIA_TYPE, Value::Id(1)), (MEDIA_SUBTYPE, Value::Id(RAW))],
        ));
        assert_eq!(read_format(&pod), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(mut pod in prop::collection::vec(any::<u8>(), 0..200)) {
            read_format(&pod);
            // And so is what only begins well.
            let good = agreed(BGRX, size(640, 480));
            let kept = pod.len().min(good.len());
            pod.splice(..kept, good[..kept].iter().copied());
            read_format(&pod);
        }
    }
}

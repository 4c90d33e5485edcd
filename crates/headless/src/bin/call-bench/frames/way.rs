//! The whole way of a picture, from what both ends have written down of their halves. Both have one clock here.

use std::collections::BTreeMap;
use std::path::Path;

use headless::WayLine;

/// How long one picture took at each stage, in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Whole {
    /// When it was captured, since the Unix epoch.
    pub(crate) captured_ms: f64,
    /// In the order of [`STAGES`].
    pub(crate) stages_ms: [f64; STAGES.len()],
    /// Its encoded form.
    pub(crate) len_bytes: usize,
}

/// What the stages are called. The last one is all of them.
pub(crate) const STAGES: [&str; 11] = [
    "captured → taken by the encoder's thread",
    "→ scaled",
    "→ encoded",
    "→ first packet left the pacer",
    "→ last packet left",
    "→ last packet arrived (network, both stacks)",
    "→ decoder begins",
    "→ decoded",
    "→ shown (waits for its sound)",
    "(of the whole way: first packet arrived → last)",
    "**captured → shown**",
];

pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<WayLine>> {
    super::read_lines(path)
}

/// The pictures that one side has sent and the other has shown.
pub(crate) fn join(sender: &[WayLine], receiver: &[WayLine]) -> Vec<Whole> {
    let shown: BTreeMap<u32, &WayLine> = receiver
        .iter()
        .filter_map(|line| match line {
            WayLine::In { timestamp, .. } => Some((*timestamp, line)),
            WayLine::Out { .. } => None,
        })
        .collect();
    let whole = |line: &WayLine| match line {
        WayLine::Out { timestamp, .. } => Whole::of(line, shown.get(timestamp)?),
        WayLine::In { .. } => None,
    };
    sender.iter().filter_map(whole).collect()
}

impl Whole {
    fn of(sent: &WayLine, shown: &WayLine) -> Option<Self> {
        let WayLine::Out {
            len_bytes,
            captured_ms,
            taken_ms,
            encoding_ms,
            encoded_ms,
            first_left_ms,
            last_left_ms,
            ..
        } = sent
        else {
            return None;
        };
        let WayLine::In {
            first_packet_ms,
            completed_ms,
            decoding_ms,
            decoded_ms,
            shown_ms,
            ..
        } = shown
        else {
            return None;
        };
        Some(Self {
            captured_ms: *captured_ms,
            stages_ms: [
                taken_ms - captured_ms,
                encoding_ms - taken_ms,
                encoded_ms - encoding_ms,
                first_left_ms - encoded_ms,
                last_left_ms - first_left_ms,
                completed_ms - last_left_ms,
                decoding_ms - completed_ms,
                decoded_ms - decoding_ms,
                shown_ms - decoded_ms,
                completed_ms - first_packet_ms,
                shown_ms - captured_ms,
            ],
            len_bytes: *len_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(timestamp: u32) -> WayLine {
        WayLine::Out {
            timestamp,
            len_bytes: 5,
            is_keyframe: false,
            captured_ms: 100.0,
            taken_ms: 101.0,
            encoding_ms: 103.0,
            encoded_ms: 106.0,
            first_left_ms: 110.0,
            last_left_ms: 115.0,
        }
    }

    fn shown(timestamp: u32) -> WayLine {
        WayLine::In {
            timestamp,
            first_packet_ms: 114.0,
            completed_ms: 121.0,
            decoding_ms: 128.0,
            decoded_ms: 136.0,
            shown_ms: 145.0,
        }
    }

    #[test]
    fn the_halves_of_a_picture_are_put_together_and_others_left_out() {
        let whole = join(
            &[sent(1), sent(2), shown(3)],
            &[shown(2), shown(9), sent(1)],
        );
        let stages = [1, 2, 3, 4, 5, 6, 7, 8, 9, 7, 45];
        assert_eq!(whole.len(), 1);
        assert_eq!(whole[0].stages_ms.map(|ms| ms as i32), stages);
    }
}

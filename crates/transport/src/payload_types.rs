//! Which numbers stand for which codec of pictures: what we told the partner, and what was agreed.
//!
//! A sender may change from one agreed codec to another at any keyframe; the payload type of each packet says which it is. Packets
//! that arrive bear the numbers of our own description (RFC 3264 section 5.1), so that these are read from what the partner is
//! told.

use std::sync::{Mutex, MutexGuard, PoisonError};

use media::video::VideoCodec;

/// How the tracks with pictures are called in session descriptions. A browser calls its tracks as it likes: its pictures count as a
/// camera's.
pub(crate) const CAMERA: &str = "video";
pub(crate) const SCREEN: &str = "screen";

/// The codec's name in session descriptions.
const fn encoding_name(codec: VideoCodec) -> &'static str {
    match codec {
        VideoCodec::H264 => "H264",
        VideoCodec::Av1 => "AV1",
    }
}

/// What the payload types of inbound packets mean.
#[derive(Debug, Default)]
pub(crate) struct InboundTypes {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    codecs: Vec<(u8, VideoCodec)>,
    /// Payload types of retransmissions, and of what they repeat.
    repairs: Vec<(u8, u8)>,
    /// The SSRC of the pictures of the partner's screen.
    screen: Option<u32>,
}

impl InboundTypes {
    /// Takes over the numbers of a description of this side.
    pub(crate) fn learn(&self, told: &str) {
        let codecs = mapped(told);
        if !codecs.is_empty() {
            let repairs = repairs(told);
            let mut known = self.lock();
            (known.codecs, known.repairs) = (codecs, repairs);
        }
    }

    /// Takes over from a description of the partner which stream is its screen's.
    pub(crate) fn learn_screen(&self, heard: &str) {
        self.lock().screen = screen_ssrc(heard);
    }

    /// The stream of the partner's screen, if there is one.
    pub(crate) fn screen_ssrc(&self) -> Option<u32> {
        self.lock().screen
    }

    pub(crate) fn codec(&self, payload_type: u8) -> Option<VideoCodec> {
        let known = self.lock();
        let (_, codec) = (known.codecs.iter()).find(|(known, _)| *known == payload_type)?;
        Some(*codec)
    }

    /// The payload type of what a retransmission of this type repeats.
    pub(crate) fn repeated(&self, repair_type: u8) -> Option<u8> {
        let known = self.lock();
        let (_, repeated) = (known.repairs.iter()).find(|(repair, _)| *repair == repair_type)?;
        Some(*repeated)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The payload types of our codecs in a description (RFC 8866 section 6.6).
fn mapped(sdp: &str) -> Vec<(u8, VideoCodec)> {
    let mapping = |line: &str| {
        let (payload_type, encoding) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
        let (name, clock) = encoding.trim().split_once('/')?;
        let is_named = |codec: &VideoCodec| encoding_name(*codec).eq_ignore_ascii_case(name);
        let codec = VideoCodec::ALL.into_iter().find(is_named)?;
        (clock == "90000").then_some((payload_type.parse().ok()?, codec))
    };
    sdp.lines().filter_map(mapping).collect()
}

/// Which payload types repeat which (`apt`, RFC 4588 section 8.1).
fn repairs(sdp: &str) -> Vec<(u8, u8)> {
    let repair = |line: &str| {
        let (repair, parameters) = line.strip_prefix("a=fmtp:")?.split_once(' ')?;
        let mut parameters = parameters.split(';');
        let repeated = parameters.find_map(|parameter| parameter.trim().strip_prefix("apt="))?;
        Some((repair.parse().ok()?, repeated.parse().ok()?))
    };
    sdp.lines().filter_map(repair).collect()
}

/// The SSRC of the section whose track is called [`SCREEN`] (RFC 8830, RFC 5576).
fn screen_ssrc(sdp: &str) -> Option<u32> {
    let is_screen = |section: &&str| {
        let mut words = section
            .lines()
            .filter_map(|line| line.strip_prefix("a=msid:"));
        words.any(|words| words.split_ascii_whitespace().nth(1) == Some(SCREEN))
    };
    let section = sdp.split("m=video ").skip(1).find(is_screen)?;
    let mut ssrcs = section
        .lines()
        .filter_map(|line| line.strip_prefix("a=ssrc:"));
    ssrcs.next()?.split(' ').next()?.parse().ok()
}

/// A description with the formats of its pictures in our order of preference.
///
/// `rtc` 0.21.1 answers in the order of the offer, and whoever offers sends what the answer names first. A browser offers AV1 after
/// H.264.
pub(crate) fn in_order_of_preference(sdp: &str, preferred: &[VideoCodec]) -> String {
    let types = mapped(sdp);
    let rank = |format: &&str| {
        let of_type = |(payload_type, _): &&(u8, VideoCodec)| Ok(*payload_type) == format.parse();
        let codec = types.iter().find(of_type).map(|(_, codec)| *codec);
        let index = preferred.iter().position(|other| Some(*other) == codec);
        index.unwrap_or(preferred.len())
    };
    let lines = sdp.split_inclusive('\n');
    let lines = lines.map(|line| sorted_formats(line, rank).unwrap_or_else(|| line.to_owned()));
    lines.collect()
}

/// A line that begins a section with pictures, its formats sorted; `None` for other lines.
fn sorted_formats(line: &str, rank: impl Fn(&&str) -> usize) -> Option<String> {
    /// Port, and protocol.
    const BEFORE_FORMATS: usize = 2;
    let text = line.trim_end();
    let words: Vec<_> = text.strip_prefix("m=video ")?.split(' ').collect();
    let (before, formats) = words.split_at_checked(BEFORE_FORMATS)?;
    let mut formats = formats.to_vec();
    // Stable: what is equally good stays as it was, and so do repair formats.
    formats.sort_by_key(rank);
    let sorted = format!("m=video {} {}", before.join(" "), formats.join(" "));
    Some(format!("{}{}", sorted.trim_end(), &line[text.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 103 104 45 46\r\na=rtpmap:103 H264/90000\r\n\
        a=rtpmap:104 rtx/90000\r\na=rtpmap:45 AV1/90000\r\na=rtpmap:46 rtx/90000\r\n";

    #[test]
    fn numbers_mean_what_this_side_told_last() {
        let types = InboundTypes::default();
        assert_eq!(types.codec(45), None);
        types.learn(ANSWER);
        assert_eq!(types.codec(45), Some(VideoCodec::Av1));
        assert_eq!(types.codec(103), Some(VideoCodec::H264));
        assert_eq!(types.codec(104), None);
        assert_eq!(types.repeated(46), None, "it was not said of what");
        types.learn(&format!(
            "{ANSWER}a=fmtp:104 apt=103\r\na=fmtp:46 x=1; apt=45\r\na=fmtp:45 profile=0\r\n"
        ));
        assert_eq!(types.repeated(104), Some(103));
        assert_eq!(types.repeated(46), Some(45));
        assert_eq!(types.repeated(45), None);
        types.learn("a=rtpmap:45 h264/90000\r\n");
        assert_eq!(types.codec(45), Some(VideoCodec::H264));
        types.learn("v=0\r\n");
        assert_eq!(types.codec(45), Some(VideoCodec::H264), "nothing was said");
    }

    #[test]
    fn the_preferred_codec_is_named_first_and_nothing_else_changes() {
        let sorted = in_order_of_preference(ANSWER, &VideoCodec::ALL);
        assert_eq!(sorted, ANSWER.replace("103 104 45 46", "45 103 104 46"));
        let other = in_order_of_preference(&sorted, &[VideoCodec::H264]);
        assert_eq!(other, ANSWER.replace("103 104 45 46", "103 45 104 46"));
        let twice = in_order_of_preference(&ANSWER.repeat(2), &VideoCodec::ALL);
        assert_eq!(
            twice,
            in_order_of_preference(ANSWER, &VideoCodec::ALL).repeat(2)
        );
    }

    #[test]
    fn the_screen_is_the_section_that_says_so() {
        let section = |name: &str, ssrc: u32| {
            format!(
                "m=video 9 X 45\r\na=msid:passerby {name}\r\na=ssrc:{ssrc} cname:x\r\na=ssrc:9 cname:x\r\n"
            )
        };
        let types = InboundTypes::default();
        types.learn_screen(&format!(
            "v=0\r\n{}{}",
            section(CAMERA, 1),
            section(SCREEN, 2)
        ));
        assert_eq!(types.screen_ssrc(), Some(2));
        types.learn(ANSWER);
        assert_eq!(types.screen_ssrc(), Some(2));
        for other in [
            section(CAMERA, 1),
            "m=video 9 X\r\na=msid:passerby screen\r\n".to_owned(),
            "m=video 9 X\r\na=msid:passerby screen\r\na=ssrc:x y\r\n".to_owned(),
            "a=msid:passerby screen\r\na=ssrc:5 cname:x\r\n".to_owned(),
        ] {
            types.learn_screen(&other);
            assert_eq!(types.screen_ssrc(), None, "{other}");
        }
    }

    #[test]
    fn odd_descriptions_stay_as_they_are() {
        for odd in [
            "",
            "m=video ",
            "m=video 9\r\n",
            "m=video 9 X\r\n",
            "a=rtpmap:\r\na=rtpmap:x AV1/90000\r\na=rtpmap:300 AV1/90000\r\na=rtpmap:4 AV1\r\n",
        ] {
            assert_eq!(
                in_order_of_preference(odd, &VideoCodec::ALL).trim_end(),
                odd.trim_end()
            );
            assert_eq!(mapped(odd), []);
        }
    }
}

//! Lines of our own in session descriptions. Who does not know them ignores them (RFC 8866 section 5.13).

use crate::Description;

/// Whoever says it can answer an ICE restart before it leaves the path that there is, so that the answer may take that path.
pub const ANSWERS_EARLY: &str = "a=passerby-answers-early";

/// In an offer that restarts ICE: the path that there is works. Its answerer, if it [answers early](ANSWERS_EARLY), leaves it once the
/// offerer has.
pub const PATH_WORKS: &str = "a=passerby-path-works";

/// Whoever says it can make use of repair packets of random linear codes (RFC 8681) on the streams of retransmissions. Unsaid, none are
/// sent. It stands in the descriptions because pictures begin before any message could arrive.
pub const REPAIRS: &str = "a=passerby-repairs";

/// Whether a description has this line for the whole session.
pub fn says(description: &Description, line: &str) -> bool {
    let session = description
        .sdp
        .lines()
        .take_while(|line| !line.starts_with("m="));
    session.into_iter().any(|said| said.trim_end() == line)
}

/// A session description with this line for the whole session.
pub fn with_line(sdp: &str, line: &str) -> String {
    let sections_at = sdp.find("\nm=").map_or(sdp.len(), |before| before + 1);
    let (session, sections) = sdp.split_at(sections_at);
    [session, line, "\r\n", sections].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DescriptionKind;

    fn offer(sdp: &str) -> Description {
        Description {
            kind: DescriptionKind::Offer,
            sdp: sdp.to_owned(),
            number: 0,
        }
    }

    #[test]
    fn a_line_is_said_for_the_whole_session() {
        let sdp = "v=0\r\ns=-\r\nm=audio 9 RTP 0\r\na=mid:0\r\nm=video 9 RTP 0\r\n";
        let told = with_line(sdp, PATH_WORKS);
        assert_eq!(
            told,
            "v=0\r\ns=-\r\na=passerby-path-works\r\nm=audio 9 RTP 0\r\na=mid:0\r\nm=video 9 RTP 0\r\n"
        );
        assert!(says(&offer(&told), PATH_WORKS));
        assert!(!says(&offer(&told), ANSWERS_EARLY));
        assert!(!says(&offer(sdp), PATH_WORKS));
        assert_eq!(
            with_line("v=0\r\n", ANSWERS_EARLY),
            "v=0\r\na=passerby-answers-early\r\n"
        );
    }

    #[test]
    fn what_a_section_says_does_not_count() {
        let in_a_section = format!("v=0\r\nm=audio 9 RTP 0\r\n{PATH_WORKS}\r\n");
        assert!(!says(&offer(&in_a_section), PATH_WORKS));
        let longer = format!("v=0\r\n{PATH_WORKS}-not\r\n");
        assert!(!says(&offer(&longer), PATH_WORKS));
    }
}

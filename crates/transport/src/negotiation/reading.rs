//! What is read of a description before the stack sees it.

use protocol::limits;

use super::NegotiationError;

/// Media sections: one for audio, one for video, one for messages, and a few that we refuse.
const MAX_SECTIONS: usize = 8;
/// Candidates of one partner, in its description and by themselves. Each is tried from each local address.
pub(super) const MAX_CANDIDATES: usize = 64;

/// The first user name fragment of a description; all of its sections share it.
pub(super) fn fragment(sdp: &str) -> Option<&str> {
    let found = sdp
        .lines()
        .find_map(|line| line.strip_prefix("a=ice-ufrag:"));
    found.map(str::trim)
}

/// The first password of a description; all of its sections share it.
pub(super) fn password(sdp: &str) -> Option<&str> {
    let found = sdp.lines().find_map(|line| line.strip_prefix("a=ice-pwd:"));
    found.map(str::trim)
}

/// Refuses what is too large, and returns the number of candidates.
pub(super) fn check(sdp: &str) -> Result<usize, NegotiationError> {
    if sdp.len() > limits::SDP_BYTES {
        return Err(NegotiationError::OverLimit {
            what: "description",
        });
    }
    if sdp.lines().filter(|line| line.starts_with("m=")).count() > MAX_SECTIONS {
        return Err(NegotiationError::OverLimit {
            what: "number of media sections",
        });
    }
    let candidates = sdp
        .lines()
        .filter(|line| line.starts_with("a=candidate:"))
        .count();
    if candidates > MAX_CANDIDATES {
        return Err(NegotiationError::OverLimit {
            what: "number of candidates",
        });
    }
    Ok(candidates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_measured_before_the_stack_sees_it() {
        assert_eq!(
            check("v=0\r\nm=audio\r\na=candidate:1\r\na=candidate:2\r\n").unwrap(),
            2
        );
        let what = |sdp: String| match check(&sdp) {
            Err(NegotiationError::OverLimit { what }) => what,
            other => panic!("{other:?}"),
        };
        assert_eq!(what("x".repeat(limits::SDP_BYTES + 1)), "description");
        assert_eq!(
            what("m=audio\r\n".repeat(MAX_SECTIONS + 1)),
            "number of media sections"
        );
        assert_eq!(
            what("a=candidate:\r\n".repeat(MAX_CANDIDATES + 1)),
            "number of candidates"
        );
    }
}

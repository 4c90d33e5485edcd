//! Who is the client of the DTLS handshake is settled by the first answer and holds for the whole call (RFC 8842 section 5.3).
//!
//! The answers of `rtc` 0.21.1 always say `a=setup:active`, also the later ones of a side that was passive. Browsers refuse such
//! an answer, so that they could not restart ICE.

const SETUP: &str = "a=setup:";
const ACTIVE: &str = "active";
const PASSIVE: &str = "passive";

/// This side's role, once it is known.
#[derive(Debug, Default)]
pub(crate) struct DtlsRole {
    settled: Option<&'static str>,
}

impl DtlsRole {
    /// The partner has answered, and so said what is left for this side.
    pub(crate) fn on_answer(&mut self, sdp: &str) {
        let is_partner_active = role(sdp) == Some(ACTIVE);
        self.settled
            .get_or_insert(if is_partner_active { PASSIVE } else { ACTIVE });
    }

    /// An answer of this side, as the partner must be told it.
    pub(crate) fn answer(&mut self, sdp: &str) -> String {
        let settled = *self.settled.get_or_insert(role(sdp).unwrap_or(ACTIVE));
        sdp.split_inclusive('\n')
            .map(|line| match line.strip_prefix(SETUP) {
                Some(_) => format!("{SETUP}{settled}\r\n"),
                None => line.to_owned(),
            })
            .collect()
    }
}

fn role(sdp: &str) -> Option<&'static str> {
    let said = sdp.lines().find_map(|line| line.strip_prefix(SETUP))?;
    [ACTIVE, PASSIVE]
        .into_iter()
        .find(|role| said.trim_end() == *role)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str =
        "v=0\r\nm=audio 9 X\r\na=setup:active\r\na=mid:0\r\nm=video 9 X\r\na=setup:active\r\n";

    #[test]
    fn one_who_always_answers_stays_active() {
        let mut role = DtlsRole::default();
        assert_eq!(role.answer(ANSWER), ANSWER);
        assert_eq!(role.answer(ANSWER), ANSWER);
    }

    #[test]
    fn one_who_offered_and_answers_later_says_what_the_first_answer_left_it() {
        let passive = ANSWER.replace("active", "passive");
        for (partners, ours) in [(ANSWER, &passive[..]), (&passive, ANSWER)] {
            let mut role = DtlsRole::default();
            role.on_answer(partners);
            assert_eq!(role.answer(ANSWER), ours);
        }
    }

    #[test]
    fn the_first_answer_settles_it_whoever_gave_it() {
        let mut role = DtlsRole::default();
        role.answer(ANSWER);
        role.on_answer(ANSWER);
        assert_eq!(role.answer(ANSWER), ANSWER);
    }
}

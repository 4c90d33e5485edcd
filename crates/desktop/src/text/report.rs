//! Sentences about reporting somebody, and about not being let in.

use std::time::Duration;

use engine::{BanNotice, ReportProblem, ReportReason, ReportState};

use super::{Explanation, plain};

/// A reason, as it stands in the list.
pub fn report_reason(reason: ReportReason) -> &'static str {
    match reason {
        ReportReason::Sexual => tr!("Nudity or sexual acts"),
        ReportReason::Harassment => tr!("Threats or insults"),
        ReportReason::Hate => tr!("Hate"),
        ReportReason::Violence => tr!("Violence or self-harm"),
        ReportReason::Minor => tr!("Seems to be a child"),
        ReportReason::Spam => tr!("Advertising or fraud"),
        ReportReason::Other => tr!("Something else"),
    }
}

/// What became of a report.
pub fn report_state(state: ReportState) -> &'static str {
    match state {
        ReportState::Sending => tr!("Your report is on its way…"),
        ReportState::Received => tr!("Your report has arrived. Thank you."),
        ReportState::Failed(problem) => match problem {
            ReportProblem::TooLate => tr!("Not reported: it is too long ago."),
            ReportProblem::TooOften => tr!("Not reported: too many reports. Wait a minute."),
            ReportProblem::NotStored => {
                tr!("Not reported: the server could not keep it. Try again.")
            }
            ReportProblem::BadLines => {
                tr!("Not reported: the server could not check the messages. Report without them.")
            }
            ReportProblem::Offline => tr!("Not reported: the server is away."),
            ReportProblem::Unsupported => tr!("Not reported: this server takes no reports."),
            ReportProblem::Refused => tr!("Not reported: the server refused it."),
        },
    }
}

/// Why a server does not let the person in, for how much longer, and whom to ask. `left` is nothing where it has no end.
pub fn ban(notice: &BanNotice, left: Option<Duration>) -> Explanation {
    let mut detail = tr!("It says: {reason}", reason = plain(&notice.reason));
    detail.push('\n');
    detail.push_str(&ban_end(left));
    if let Some(appeal) = &notice.appeal {
        detail.push('\n');
        detail.push_str(&tr!(
            "If you think that this is wrong: {appeal}",
            appeal = plain(appeal)
        ));
    }
    Explanation::new(tr!("This server does not let you in"), detail)
}

/// Rounded up, and in days only from two on, so that no language needs a word for one day.
fn ban_end(left: Option<Duration>) -> String {
    let Some(left) = left else {
        return tr!("It has no end.").to_owned();
    };
    let minutes = left.as_secs().div_ceil(60).max(1);
    let hours = minutes.div_ceil(60);
    if minutes < 60 {
        tr!("It ends in {count} min.", count = minutes)
    } else if hours <= 48 {
        tr!("It ends in {count} h.", count = hours)
    } else {
        tr!("It ends in {count} days.", count = hours.div_ceil(24))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_says_why_until_when_and_whom_to_ask_and_turns_nothing_round() {
        let notice = BanNotice {
            reason: "spam\u{202E}\n".to_owned(),
            until: None,
            appeal: Some("mail ops".to_owned()),
        };
        let detail = ban(&notice, None).detail;
        assert_eq!(
            detail,
            "It says: spam \nIt has no end.\nIf you think that this is wrong: mail ops"
        );
        for (seconds, words) in [
            (20, "It ends in 1 min."),
            (59 * 60, "It ends in 59 min."),
            (3600, "It ends in 1 h."),
            (48 * 3600, "It ends in 48 h."),
            (49 * 3600, "It ends in 3 days."),
        ] {
            assert_eq!(ban_end(Some(Duration::from_secs(seconds))), words);
        }
    }
}

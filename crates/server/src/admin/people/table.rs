//! The page with reports and bans: plain HTML that is complete without scripts.

use std::{fmt::Write as _, time::Duration};

use super::super::page::{escaped, page as whole, span};
#[cfg(test)]
use crate::safety::ProvedLine;
use crate::{
    hub::Overview,
    safety::{Ban, Report, Who},
};

/// `form` is there for a browser, which may give orders.
pub(super) fn page(overview: &Overview, form: Option<&str>) -> String {
    let mut body = String::from(
        "<header><h1>Reports and bans</h1><nav><a href=\"/admin\">Overview</a></nav></header><main>",
    );
    let form = form.map(escaped);
    let form = form.as_deref();
    add(
        &mut body,
        format_args!(
            "<section class=\"people\"><h2>Reports ({})</h2>",
            overview.report_count
        ),
    );
    if overview.reports.is_empty() {
        body.push_str("<p class=\"quiet\">Nobody has reported anybody.</p>");
    } else {
        body.push_str(
            "<table><tr><th scope=\"col\">When</th><th scope=\"col\">Reason</th><th scope=\"col\">Note</th>\
             <th scope=\"col\">About</th><th scope=\"col\" title=\"What this report counted when it came\">Weight</th>\
             <th scope=\"col\" title=\"What all reports about the same person amount to\">Score</th><th></th></tr>",
        );
        for (number, report, score) in &overview.reports {
            report_row(&mut body, *number, report, *score, overview.now, form);
        }
        body.push_str("</table>");
    }
    more(&mut body, overview.report_count, overview.reports.len());
    add(
        &mut body,
        format_args!(
            "</section><section class=\"people\"><h2>Bans ({})</h2>",
            overview.ban_count
        ),
    );
    if overview.bans.is_empty() {
        body.push_str("<p class=\"quiet\">Nobody is banned.</p>");
    } else {
        body.push_str(
            "<table><tr><th scope=\"col\">Whom</th><th scope=\"col\">Why</th><th scope=\"col\">By</th>\
             <th scope=\"col\">Left</th><th></th></tr>",
        );
        for (number, ban) in &overview.bans {
            ban_row(&mut body, *number, ban, overview.now, form);
        }
        body.push_str("</table>");
    }
    more(&mut body, overview.ban_count, overview.bans.len());
    body.push_str("</section>");
    if let Some(form) = form {
        add(
            &mut body,
            format_args!(
                "<section class=\"people\"><h2>Ban somebody</h2><form method=\"post\" action=\"/admin/people/ban\">\
                 <input type=\"hidden\" name=\"form\" value=\"{form}\">\
                 <label>Network, such as 192.0.2.7 or 2001:db8::/48 <input name=\"network\" autocomplete=\"off\"></label> \
                 <label>or key <input name=\"key\" autocomplete=\"off\"></label> {TERMS} <button class=\"grave\">Ban</button>\
                 </form></section>"
            ),
        );
    }
    body.push_str(
        "<footer>A key is known by half of its hash. Addresses of people who were reported go with the report. \
         For programs: <code>/admin/people</code> without <code>Accept: text/html</code>.</footer></main>",
    );
    whole("Reports and bans", false, &body)
}

/// For how long, and why.
const TERMS: &str = "<label>Days <input name=\"days\" type=\"number\" min=\"1\" max=\"3650\" placeholder=\"for good\"></label> \
                     <label>Reason <input name=\"reason\" maxlength=\"1000\" placeholder=\"told to the person\"></label>";

fn add(body: &mut String, piece: std::fmt::Arguments<'_>) {
    body.write_fmt(piece).expect("a string takes everything");
}

fn more(body: &mut String, count: usize, shown: usize) {
    if count > shown {
        add(
            body,
            format_args!("<p class=\"quiet\">These are the newest {shown}.</p>"),
        );
    }
}

fn who(who: &Who) -> String {
    match who {
        Who::Key(key) => format!("<code>{key}</code>"),
        Who::Place(network) => format!("<code>{network}</code>"),
    }
}

fn ago(then: u64, now: u64) -> String {
    format!(
        "{} ago",
        span(Duration::from_secs(now.saturating_sub(then)))
    )
}

/// What the person has written, with a mark where lines were left out.
fn lines(report: &Report) -> String {
    let mut shown = String::new();
    let mut last = 0;
    for line in &report.lines {
        let gap = if line.number > last + 1 { "… " } else { "" };
        write!(
            shown,
            "<blockquote title=\"Written by this person: the signature was checked\">{gap}{}</blockquote>",
            escaped(&line.text)
        )
        .expect("a string takes everything");
        last = line.number;
    }
    shown
}

fn report_row(
    body: &mut String,
    number: u64,
    report: &Report,
    score: f64,
    now: u64,
    form: Option<&str>,
) {
    let about = match &report.about {
        Some(Who::Key(key)) => format!("<code>{key}</code> at <code>{}</code>", report.about_place),
        Some(Who::Place(network)) => format!("<code>{network}</code>, without a key"),
        None => format!(
            "somebody at <code>{}</code>, without a key",
            report.about_place
        ),
    };
    add(
        body,
        format_args!(
            "<tr><td>{}</td><td>{}</td><td class=\"note\">{}{}</td><td>{about}</td><td>{:.2}</td><td>{score:.2}</td><td>",
            ago(report.at, now),
            report.reason.word(),
            escaped(&report.note),
            lines(report),
            report.weight,
        ),
    );
    if let Some(form) = form {
        let hidden = format!(
            "<input type=\"hidden\" name=\"form\" value=\"{form}\"><input type=\"hidden\" name=\"number\" value=\"{number}\">"
        );
        add(
            body,
            format_args!(
                "<form method=\"post\" action=\"/admin/people/dismiss\">{hidden}<button>Dismiss</button></form>"
            ),
        );
        if report.about.is_some() {
            add(
                body,
                format_args!(
                    "<details><summary>Ban…</summary><form method=\"post\" action=\"/admin/people/ban\">{hidden}{TERMS}\
                     <button class=\"grave\">Ban</button></form></details>"
                ),
            );
        }
    }
    body.push_str("</td></tr>");
}

fn ban_row(body: &mut String, number: u64, ban: &Ban, now: u64, form: Option<&str>) {
    let by = if ban.is_automatic { "reports" } else { "you" };
    let left = ban.until.map_or_else(
        || "for good".to_owned(),
        |until| span(Duration::from_secs(until.saturating_sub(now))),
    );
    add(
        body,
        format_args!(
            "<tr><td>{}</td><td class=\"note\">{}</td><td>{by}, {}</td><td>{left}</td><td>",
            who(&ban.whom),
            escaped(&ban.reason),
            ago(ban.from, now),
        ),
    );
    if let Some(form) = form {
        add(
            body,
            format_args!(
                "<form method=\"post\" action=\"/admin/people/unban\"><input type=\"hidden\" name=\"form\" value=\"{form}\">\
                 <input type=\"hidden\" name=\"number\" value=\"{number}\"><button>Let in again</button></form>"
            ),
        );
    }
    body.push_str("</td></tr>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_can_break_no_page_and_only_a_browser_gets_buttons() {
        let report = Report {
            about: None,
            about_place: "192.0.2.1".parse().expect("a network"),
            from: None,
            from_place: None,
            reason: protocol::ReportReason::Spam,
            note: "<script>alert(1)</script>".to_owned(),
            at: 100,
            weight: 0.5,
            lines: vec![
                ProvedLine {
                    number: 1,
                    text: "<b>one</b>".to_owned(),
                },
                ProvedLine {
                    number: 3,
                    text: "three".to_owned(),
                },
            ],
        };
        let overview = Overview {
            reports: vec![(1, report, 0.5)],
            report_count: 1,
            now: 160,
            ..Overview::default()
        };
        let shown = page(&overview, Some("secret"));
        assert!(shown.contains("&lt;script&gt;alert(1)") && !shown.contains("<script"));
        assert!(
            shown.contains("&lt;b&gt;one&lt;/b&gt;</blockquote>") && shown.contains(">… three</")
        );
        assert!(shown.contains("1 min ago") && shown.contains("value=\"secret\""));
        assert!(!page(&overview, None).contains("<form"));
    }
}

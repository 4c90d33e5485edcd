//! Reports and bans: what the operator sees of them, and orders.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use protocol::limits;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tracing::info;

use super::{Access, Admin, denied, field, html, order, page, redirect, wants_html};
use crate::{
    Network,
    hub::{HubInput, Order, OrderResult, Overview},
    safety::{Ban, BanOrder, BanTarget, KeyHash, Report, Source, Who},
};

mod table;

/// The longest ban that has an end, in days.
const MAX_DAYS: u32 = 3650;
/// What is told to those who are banned if the operator says nothing.
const NO_REASON: &str = "The operator of this server does not want you here.";

impl Admin {
    /// What the hub says to an order. `None` if the server ends.
    async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        let order = HubInput::Ordered(order(answer));
        self.hub.send(order).await.ok()?;
        answered.await.ok()
    }
}

/// A page for people, JSON for programs.
pub(super) async fn show(State(admin): State<Arc<Admin>>, headers: HeaderMap) -> Response {
    let access = match (admin.access(&headers).await, wants_html(&headers)) {
        (None, true) => return html(StatusCode::UNAUTHORIZED, page::login(None)),
        (None, false) => return denied(),
        (Some(access), _) => access,
    };
    let Some(overview) = admin.ask(Order::Show).await else {
        return ending();
    };
    if wants_html(&headers) {
        let form = match &access {
            Access::Browser(known) => Some(known.form.as_str()),
            Access::Token => None,
        };
        return html(StatusCode::OK, table::page(&overview, form));
    }
    as_json(StatusCode::OK, &overview_json(&overview))
}

pub(super) async fn dismiss(State(admin): State<Arc<Admin>>, request: Request) -> Response {
    numbered(&admin, request, Order::Dismiss).await
}

pub(super) async fn unban(State(admin): State<Arc<Admin>>, request: Request) -> Response {
    numbered(&admin, request, Order::Unban).await
}

async fn numbered(
    admin: &Admin,
    request: Request,
    make: impl FnOnce(u64, oneshot::Sender<OrderResult>) -> Order,
) -> Response {
    let (access, form) = match order(admin, request).await {
        Ok(order) => order,
        Err(refusal) => return refusal,
    };
    let number = field(&form, "number").and_then(|number| number.trim().parse().ok());
    let Some(number) = number else {
        return bad("number: the number of a report or a ban is wanted\n");
    };
    let result = admin.ask(|answer| make(number, answer)).await;
    outcome(&access, result)
}

pub(super) async fn ban(State(admin): State<Arc<Admin>>, request: Request) -> Response {
    let (access, form) = match order(&admin, request).await {
        Ok(order) => order,
        Err(refusal) => return refusal,
    };
    let order = match ban_order(&form) {
        Ok(order) => order,
        Err(words) => return bad(&words),
    };
    info!("the operator bans somebody");
    let result = admin.ask(|answer| Order::Ban(order, answer)).await;
    outcome(&access, result)
}

/// Reads whom, for how long and why.
fn ban_order(form: &[(String, String)]) -> Result<BanOrder, String> {
    let said = |name| {
        let words = field(form, name).map(str::trim);
        words.filter(|words| !words.is_empty())
    };
    let target = match (said("number"), said("key"), said("network")) {
        (Some(number), None, None) => {
            let number = number.parse();
            BanTarget::Reported(number.map_err(|_| "number: the number of a report is wanted\n")?)
        }
        (None, Some(key), None) => {
            let key = KeyHash::try_from(key.to_ascii_lowercase());
            BanTarget::Who(Who::Key(key.map_err(|error| format!("key: {error}\n"))?))
        }
        (None, None, Some(network)) => {
            let network: Network =
                (network.parse()).map_err(|error| format!("network: {error}\n"))?;
            if network.is_less_than_a_place() {
                return Err("network: of IPv6, a /64 or more is wanted\n".to_owned());
            }
            BanTarget::Who(Who::Place(network))
        }
        _ => return Err("one of number, key and network is wanted\n".to_owned()),
    };
    let lasts = match said("days") {
        None => None,
        Some(days) => match days.parse::<u32>() {
            Ok(days @ 1..=MAX_DAYS) => Some(Duration::from_hours(24) * days),
            _ => {
                return Err(format!(
                    "days: a whole number from 1 to {MAX_DAYS} is wanted, or nothing for good\n"
                ));
            }
        },
    };
    let reason = said("reason").unwrap_or(NO_REASON).to_owned();
    if reason.chars().count() > limits::BAN_WORDS_CHARS {
        return Err("reason: at most 1000 characters are wanted\n".to_owned());
    }
    Ok(BanOrder {
        target,
        reason,
        lasts,
    })
}

fn outcome(access: &Access, result: Option<OrderResult>) -> Response {
    let (status, words) = match result {
        None => return ending(),
        Some(OrderResult::Done) => match access {
            Access::Browser(_) => return redirect("/admin/people"),
            Access::Token => return as_json(StatusCode::OK, &json!({"done": true})),
        },
        Some(OrderResult::Unknown) => (
            StatusCode::NOT_FOUND,
            "there is no such report or ban, or it is about nobody who could be told from others\n",
        ),
        Some(OrderResult::NotStored) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "this holds until the server ends, but could not be written to the store: see the log\n",
        ),
    };
    (status, words).into_response()
}

fn bad(words: &str) -> Response {
    (StatusCode::BAD_REQUEST, words.to_owned()).into_response()
}

fn ending() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "the server ends\n").into_response()
}

fn as_json(status: StatusCode, value: &Value) -> Response {
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    (status, content_type, format!("{value:#}\n")).into_response()
}

fn overview_json(overview: &Overview) -> Value {
    let who = |who: &Who| match who {
        Who::Key(key) => json!({"key": key.to_string()}),
        Who::Place(network) => json!({"network": network.to_string()}),
    };
    let report = |(number, report, score): &(u64, Report, f64)| {
        json!({
            "number": number,
            "at": report.at,
            "reason": report.reason.word(),
            "note": report.note,
            "lines": report.lines,
            "about": report.about.as_ref().map(who),
            "address": report.about_place.to_string(),
            "from_a_key": matches!(report.from, Some(Source::Key(_))),
            "weight": report.weight,
            "score": score,
        })
    };
    let ban = |(number, ban): &(u64, Ban)| {
        json!({
            "number": number,
            "whom": who(&ban.whom),
            "reason": ban.reason,
            "from": ban.from,
            "until": ban.until,
            "by_reports": ban.is_automatic,
        })
    };
    json!({
        "report_count": overview.report_count,
        "ban_count": overview.ban_count,
        "reports": overview.reports.iter().map(report).collect::<Vec<_>>(),
        "bans": overview.bans.iter().map(ban).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)]) -> Result<BanOrder, String> {
        let fields = fields.iter();
        let fields = fields.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        ban_order(&fields.collect::<Vec<_>>())
    }

    #[test]
    fn an_order_says_whom_for_how_long_and_why() {
        let order = read(&[
            ("network", "192.0.2.0/24"),
            ("days", "3"),
            ("reason", " no "),
        ]);
        let expected = BanOrder {
            target: BanTarget::Who(Who::Place("192.0.2.0/24".parse().expect("a network"))),
            reason: "no".to_owned(),
            lasts: Some(Duration::from_hours(72)),
        };
        assert_eq!(order, Ok(expected));
        let order = read(&[("number", "7"), ("key", ""), ("days", "")]).expect("it is one");
        assert_eq!((order.target, order.lasts), (BanTarget::Reported(7), None));
        assert_eq!(order.reason, NO_REASON);
    }

    #[test]
    fn an_order_that_makes_no_sense_is_explained() {
        let long = "x".repeat(1001);
        for (fields, words) in [
            (&[][..], "one of number"),
            (&[("number", "7"), ("key", "8")], "one of number"),
            (&[("number", "seven")], "number of a report"),
            (&[("key", "7")], "32 hexadecimal digits"),
            (&[("network", "here")], "such as 127.0.0.1"),
            (&[("network", "2001:db8::1/128")], "a /64 or more"),
            (&[("number", "7"), ("days", "0")], "from 1 to 3650"),
            (&[("number", "7"), ("reason", &long)], "at most 1000"),
        ] {
            let problem = read(fields).expect_err("it makes no sense");
            assert!(problem.contains(words), "{fields:?}: {problem}");
        }
    }
}

//! What the server answers to HTTP: a line of text, its health, and the way into a WebSocket.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use hyper_util::rt::TokioIo;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_util::task::TaskTracker;
use tracing::debug;

use crate::{
    connection,
    counters::Refusal,
    figures::Readiness,
    ice_servers::{host_of, host_of_ip},
    place_limit::{PlaceLimit, PlaceShare},
    socket::Socket,
    surroundings::{Paces, Surroundings, Whereabouts},
};

/// What a request needs to become a WebSocket.
#[derive(Debug, Clone)]
pub(crate) struct Entrance {
    pub(crate) surroundings: Arc<Surroundings>,
    /// One for each WebSocket that may be open.
    pub(crate) seats: Arc<Semaphore>,
    pub(crate) tasks: TaskTracker,
    /// Where the client is.
    pub(crate) ip: IpAddr,
    /// The address that the client came to.
    pub(crate) local_ip: IpAddr,
    /// How many WebSockets an address may have.
    pub(crate) signalling: PlaceLimit,
    pub(crate) paces: Arc<Paces>,
    /// Counts the TCP connection, for as long as it or its WebSocket lives.
    pub(crate) socket: Arc<OwnedSemaphorePermit>,
}

const FOREIGN: &str =
    "this page may not connect here: the operator can allow it with --allow-origin\n";
const TOO_MANY: &str = "too many connections from your address: close some of them\n";

/// An address has as many WebSockets as it may.
struct TooMany;

impl Entrance {
    /// One of the WebSockets that the client's address may have.
    fn share(&self, ip: IpAddr) -> Result<Option<PlaceShare>, TooMany> {
        if !self.surroundings.limits(ip) {
            return Ok(None);
        }
        self.signalling.enter(ip).map(Some).ok_or(TooMany)
    }
}

/// All routes. `/` is there for people who type an address without a path.
pub(crate) fn routes() -> Router<Entrance> {
    Router::new()
        .route("/", get(signalling))
        .route("/v1/signalling", get(signalling))
        .route("/healthz", get("ok\n"))
        .route("/readyz", get(readyz))
}

async fn readyz(State(entrance): State<Entrance>) -> (StatusCode, &'static str) {
    readiness(entrance.surroundings.gauges.readiness())
}

/// Whether newcomers are to be sent here, for what stands in front of several servers.
pub(crate) fn readiness(readiness: Readiness) -> (StatusCode, &'static str) {
    match readiness {
        Readiness::Ready => (StatusCode::OK, "ready\n"),
        // Newcomers are better here than nowhere.
        Readiness::Degraded => (StatusCode::OK, "degraded\n"),
        Readiness::Full => (StatusCode::SERVICE_UNAVAILABLE, "full\n"),
        Readiness::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        // Those who want TLS, and that is the point of it, cannot come.
        Readiness::Uncertified => (StatusCode::SERVICE_UNAVAILABLE, "uncertified\n"),
    }
}

async fn signalling(State(entrance): State<Entrance>, mut request: Request) -> Response {
    if !asks_for_websocket(&request) {
        return "This is a Passerby signalling server. Connect to it by WebSocket.\n"
            .into_response();
    }
    let upgrade = hyper::upgrade::on(&mut request);
    let Ok(response) = create_response_with_body(&request, Body::empty) else {
        return (StatusCode::BAD_REQUEST, "not a valid WebSocket handshake\n").into_response();
    };
    let settings = &entrance.surroundings.settings;
    if !is_welcome(request.headers(), &settings.origins) {
        entrance.surroundings.counters.refuse(Refusal::Origin);
        return (StatusCode::FORBIDDEN, FOREIGN).into_response();
    }
    let ip = settings.proxies.client(entrance.ip, request.headers());
    if ip != entrance.ip {
        // At the door there was only the proxy.
        entrance
            .surroundings
            .put_off_handshake(ip, &entrance.paces)
            .await;
    }
    let Ok(share) = entrance.share(ip) else {
        let counters = &entrance.surroundings.counters;
        counters.refuse(Refusal::ConnectionsPerIp);
        debug!("an address has too many WebSockets");
        return (StatusCode::TOO_MANY_REQUESTS, TOO_MANY).into_response();
    };
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host_of(host.to_str().ok()?))
        .map_or_else(|| host_of_ip(entrance.local_ip), str::to_owned);
    // A task of its own: the one of the HTTP connection keeps the memory that HTTP needed until it ends.
    let tasks = entrance.tasks.clone();
    tasks.spawn(async move {
        let Ok(upgraded) = upgrade.await else {
            debug!("a client went away during the handshake");
            return;
        };
        let socket = Socket::new(TokioIo::new(upgraded)).await;
        if let Ok(_seat) = entrance.seats.try_acquire() {
            let from = Whereabouts {
                host: host.into(),
                ip,
                paces: entrance.paces,
            };
            connection::serve(socket, from, &entrance.surroundings).await;
        } else {
            entrance.surroundings.counters.refuse(Refusal::Full);
            connection::refuse_as_full(socket).await;
        }
        drop((entrance.socket, share));
    });
    response
}

/// Whether a browser may connect from the page that it is on. Without this, any page could, in the name of whoever looks at it.
/// Programs other than browsers are on none.
fn is_welcome(headers: &HeaderMap, allowed: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    let place = origin.split_once("://").map(|(_, place)| place.as_bytes());
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    let is_ours = place
        .zip(host)
        .is_some_and(|(place, host)| place.eq_ignore_ascii_case(host));
    is_ours
        || (allowed.iter()).any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
}

fn asks_for_websocket(request: &Request) -> bool {
    let upgrade = request
        .headers()
        .get(header::UPGRADE)
        .map(HeaderValue::as_bytes);
    upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case(b"websocket"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_come_from_our_own_pages_and_those_that_are_allowed() {
        let allowed = ["https://friend.example".to_owned()];
        for (origin, host, is_allowed) in [
            (None, "a.example", true),
            (Some("https://a.example"), "a.example", true),
            (Some("http://A.example:8080"), "a.example:8080", true),
            (Some("http://[::1]:80"), "[::1]:80", true),
            (Some("https://friend.example"), "a.example", true),
            (Some("https://a.example:8443"), "a.example", false),
            (Some("https://friend.example.evil"), "a.example", false),
            (Some("http://friend.example"), "a.example", false),
            (Some("https://a.example.evil"), "a.example", false),
            (Some("null"), "a.example", false),
            (Some(""), "a.example", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(is_welcome(&headers, &allowed), is_allowed, "{origin:?}");
            assert!(is_welcome(&headers, &["*".to_owned()]));
        }
    }
}

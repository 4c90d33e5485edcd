//! Where the operator looks in: figures for programs and for people, and the order to empty the server.
//!
//! It has a listener of its own, so that nothing of it is at the ports that everybody reaches. Whether the server lives and
//! takes newcomers is told to everybody; for the rest it takes the token (`guard.rs`).

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    figures::Gauges,
    guard::{Guard, Known},
    hub::HubInput,
    metrics,
    random::random_bytes,
    routes::readiness,
};

mod history;
mod page;
mod people;
mod report;

use history::History;

/// How many connections there may be at once. Whoever has the token needs one or two.
const CONNECTIONS: usize = 32;
/// How long a connection may last, and so how long a request may take.
const CONNECTION: Duration = Duration::from_secs(30);
/// How long one waits who said a wrong token: with the one above it bounds how many can be tried.
const WRONG_TOKEN: Duration = Duration::from_secs(1);
/// The longest form.
const FORM_BYTES: usize = 4096;
/// The longest time that can be given to those who are in rooms.
const MAX_DRAIN: Duration = Duration::from_hours(24);
/// How a browser shows that it is known.
const COOKIE: &str = "passerby_admin";

/// What an operator decides about looking in.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminSettings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who has it may see the figures and empty the server.
    pub token: String,
}

impl fmt::Debug for AdminSettings {
    /// Leaves the token out, so that no log ever holds it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminSettings")
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

/// What requests need.
pub(crate) struct Admin {
    guard: Guard,
    gauges: Gauges,
    history: Mutex<History>,
    /// How long rooms may go on if nothing else is said.
    drain: Duration,
    /// Who knows of reports and bans.
    hub: mpsc::Sender<HubInput>,
}

impl Admin {
    pub(crate) fn new(
        settings: &AdminSettings,
        gauges: Gauges,
        drain: Duration,
        hub: mpsc::Sender<HubInput>,
    ) -> Self {
        Self {
            guard: Guard::new(&settings.token),
            gauges,
            history: Mutex::default(),
            drain,
            hub,
        }
    }

    fn note(&self) {
        let figures = self.gauges.read();
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.note(&figures);
    }
}

/// Serves until `stop`.
pub(crate) async fn serve(listener: TcpListener, admin: Arc<Admin>, stop: CancellationToken) {
    let routes = routes(Arc::clone(&admin));
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let mut notes = interval(history::EVERY);
    notes.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = notes.tick() => admin.note(),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let Ok(place) = Arc::clone(&free).try_acquire_owned() else {
                        debug!("too many connections to the operator's listener");
                        continue;
                    };
                    let (routes, stop) = (routes.clone(), stop.clone());
                    tokio::spawn(async move {
                        tokio::select! {
                            () = stop.cancelled() => {}
                            () = answer(stream, routes) => {}
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    warn!(%error, "cannot take a connection to the operator's listener");
                    sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
}

async fn answer(stream: TcpStream, routes: Router) {
    let http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(CONNECTION / 3)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    match timeout(CONNECTION, http).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "bad HTTP"),
        Err(_) => debug!("a connection to the operator's listener lasted too long"),
    }
}

fn routes(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/", get(|| async { redirect("/admin") }))
        .route("/healthz", get("ok\n"))
        .route(
            "/readyz",
            get(async |State(admin): State<Arc<Admin>>| readiness(admin.gauges.readiness())),
        )
        .route("/metrics", get(show_metrics))
        .route("/admin", get(show))
        .route("/admin/style.css", get(style))
        .route("/admin/login", post(log_in))
        .route("/admin/logout", post(log_out))
        .route("/admin/drain", get(ask_for_drain).post(drain))
        .route("/admin/people", get(people::show))
        .route("/admin/people/dismiss", post(people::dismiss))
        .route("/admin/people/ban", post(people::ban))
        .route("/admin/people/unban", post(people::unban))
        .layer(from_fn(with_headers))
        .with_state(admin)
}

/// Pages load nothing but their style sheet, run nothing, send forms nowhere else, and are in nobody's frame or cache.
async fn with_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// How one who asks has shown that he may.
enum Access {
    /// By the token itself.
    Token,
    /// By a cookie.
    Browser(Known),
}

impl Admin {
    /// `None` after a while if it is a wrong token, at once if there is none.
    async fn access(&self, headers: &HeaderMap) -> Option<Access> {
        if let Some(header) = headers.get(header::AUTHORIZATION) {
            let token = header.as_bytes().strip_prefix(b"Bearer ");
            if token.is_some_and(|token| self.guard.takes(token)) {
                return Some(Access::Token);
            }
            sleep(WRONG_TOKEN).await;
            return None;
        }
        let known = self.guard.known(cookie(headers)?, Instant::now())?;
        Some(Access::Browser(known))
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?.split(';');
    let mut named = cookies.filter_map(|cookie| cookie.trim().split_once('='));
    named.find_map(|(name, value)| (name == COOKIE).then_some(value))
}

fn denied() -> Response {
    (
        StatusCode::UNAUTHORIZED,
        [(header::WWW_AUTHENTICATE, "Bearer")],
        "the token is wanted: Authorization: Bearer …\n",
    )
        .into_response()
}

fn redirect(to: &'static str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

fn html(status: StatusCode, page: String) -> Response {
    let content_type = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (status, content_type, page).into_response()
}

fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).map(HeaderValue::as_bytes);
    accept.is_some_and(|accept| accept.windows(9).any(|part| part == b"text/html"))
}

async fn show_metrics(State(admin): State<Arc<Admin>>, headers: HeaderMap) -> Response {
    if admin.access(&headers).await.is_none() {
        return denied();
    }
    let content_type = [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)];
    (content_type, metrics::page(&admin.gauges.read())).into_response()
}

/// A page for people, JSON for programs.
async fn show(State(admin): State<Arc<Admin>>, headers: HeaderMap) -> Response {
    let access = admin.access(&headers).await;
    let figures = admin.gauges.read();
    match (access, wants_html(&headers)) {
        (None, true) => html(StatusCode::UNAUTHORIZED, page::login(None)),
        (None, false) => denied(),
        (Some(access), true) => {
            let form = match &access {
                Access::Browser(known) => Some(known.form.as_str()),
                Access::Token => None,
            };
            let history = admin.history.lock().unwrap_or_else(PoisonError::into_inner);
            html(StatusCode::OK, page::overview(&figures, &history, form))
        }
        (Some(_), false) => {
            let content_type = [(header::CONTENT_TYPE, "application/json")];
            (content_type, report::json(&figures)).into_response()
        }
    }
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css")], page::STYLE).into_response()
}

/// The fields of a form. `None` if it is too long.
async fn form(body: Body) -> Option<Vec<(String, String)>> {
    let bytes = to_bytes(body, FORM_BYTES).await.ok()?;
    Some(form_urlencoded::parse(&bytes).into_owned().collect())
}

fn field<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = form.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.as_str())
}

async fn log_in(State(admin): State<Arc<Admin>>, request: Request) -> Response {
    let form = form(request.into_body()).await.unwrap_or_default();
    let token = field(&form, "token").unwrap_or_default().trim();
    if !admin.guard.takes(token.as_bytes()) {
        sleep(WRONG_TOKEN).await;
        info!("a wrong token was said at the operator's listener");
        let page = page::login(Some("That is not the token."));
        return html(StatusCode::UNAUTHORIZED, page);
    }
    let [cookie, form] = [(); 2].map(|()| format!("{:032x}", u128::from_be_bytes(random_bytes())));
    let set = format!("{COOKIE}={cookie}; Path=/; HttpOnly; SameSite=Strict");
    admin.guard.open(cookie, form, Instant::now());
    let mut response = redirect("/admin");
    let set = HeaderValue::try_from(set).expect("hexadecimal digits may be in a header");
    response.headers_mut().insert(header::SET_COOKIE, set);
    response
}

async fn log_out(State(admin): State<Arc<Admin>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = form(body).await.unwrap_or_default();
    match admin.access(&parts.headers).await {
        Some(Access::Browser(known))
            if known.has_sent(field(&form, "form").unwrap_or_default()) =>
        {
            if let Some(cookie) = cookie(&parts.headers) {
                admin.guard.close(cookie);
            }
            redirect("/admin")
        }
        _ => denied(),
    }
}

/// Asks a person whether it is meant.
async fn ask_for_drain(State(admin): State<Arc<Admin>>, headers: HeaderMap) -> Response {
    match admin.access(&headers).await {
        Some(Access::Browser(known)) => {
            let figures = admin.gauges.read();
            html(
                StatusCode::OK,
                page::drain(&figures, admin.drain, &known.form),
            )
        }
        _ => redirect("/admin"),
    }
}

/// The fields of an order, from the form and the query, of one who may give orders.
async fn order(
    admin: &Admin,
    request: Request,
) -> Result<(Access, Vec<(String, String)>), Response> {
    let (parts, body) = request.into_parts();
    let Some(access) = admin.access(&parts.headers).await else {
        return Err(denied());
    };
    let Some(mut form) = form(body).await else {
        let words = "the form is too long\n";
        return Err((StatusCode::PAYLOAD_TOO_LARGE, words).into_response());
    };
    let query = parts.uri.query().unwrap_or_default();
    form.extend(form_urlencoded::parse(query.as_bytes()).into_owned());
    if let Access::Browser(known) = &access
        && !known.has_sent(field(&form, "form").unwrap_or_default())
    {
        let words = "this form is not from a page of this server: load /admin again\n";
        return Err((StatusCode::FORBIDDEN, words).into_response());
    }
    Ok((access, form))
}

async fn drain(State(admin): State<Arc<Admin>>, request: Request) -> Response {
    let (access, form) = match order(&admin, request).await {
        Ok(order) => order,
        Err(refusal) => return refusal,
    };
    let within = match field(&form, "seconds").filter(|seconds| !seconds.is_empty()) {
        None => admin.drain,
        Some(seconds) => match seconds.parse().map(Duration::from_secs) {
            Ok(within) if within <= MAX_DRAIN => within,
            _ => {
                let words = "seconds: a whole number from 0 to 86400 is wanted\n";
                return (StatusCode::BAD_REQUEST, words).into_response();
            }
        },
    };
    info!(
        seconds = within.as_secs(),
        "the server empties itself, as the operator asked"
    );
    admin.gauges.drain.begin(within);
    match access {
        Access::Browser(_) => redirect("/admin"),
        Access::Token => {
            let content_type = [(header::CONTENT_TYPE, "application/json")];
            let figures = admin.gauges.read();
            (StatusCode::ACCEPTED, content_type, report::json(&figures)).into_response()
        }
    }
}

//! The pages for people: plain HTML that is complete without scripts.

use std::{
    fmt::{Display, Write as _},
    time::Duration,
};

use super::{MAX_DRAIN, history::History};
use crate::{
    counters::Total,
    figures::{Figures, Readiness},
};

/// The style sheet of all pages.
pub(super) const STYLE: &str = include_str!("style.css");

/// How often the overview is loaded again, in seconds.
const REFRESH: u32 = 5;

/// Text that may hold anything, as HTML.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
    }
    safe
}

pub(super) fn page(title: &str, refresh: bool, body: &str) -> String {
    let refresh = if refresh {
        format!("<meta http-equiv=\"refresh\" content=\"{REFRESH}\">")
    } else {
        String::new()
    };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">{refresh}\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <link rel=\"icon\" href=\"data:,\">\
         <link rel=\"stylesheet\" href=\"/admin/style.css\">\
         <title>{title} · Passerby</title></head>\n<body>{body}</body></html>\n"
    )
}

/// Asks for the token.
pub(super) fn login(problem: Option<&str>) -> String {
    let problem =
        problem.map(|words| format!("<p class=\"problem\" role=\"alert\">{}</p>", escaped(words)));
    let body = format!(
        "<main class=\"narrow\"><h1>Passerby server</h1>{}\
         <form method=\"post\" action=\"/admin/login\">\
         <label for=\"token\">Token</label>\
         <input id=\"token\" name=\"token\" type=\"password\" autocomplete=\"current-password\" required autofocus>\
         <button>Look in</button></form>\
         <p class=\"quiet\">It is in the file that <code>admin-token-file</code> names.</p></main>",
        problem.unwrap_or_default()
    );
    page("Look in", false, &body)
}

/// Asks whether the server is to be emptied, and how fast.
pub(super) fn drain(figures: &Figures, usual: Duration, form: &str) -> String {
    let rooms = figures.census.rooms;
    let body = format!(
        "<main class=\"narrow\"><h1>Empty the server</h1>\
         <p>Nobody new is let in, and whoever waits is told to come back in some seconds. {} on until they end, or until \
         the time is up. Then the server ends; what starts it again is its service manager. This cannot be taken back.</p>\
         <form method=\"post\" action=\"/admin/drain\"><input type=\"hidden\" name=\"form\" value=\"{}\">\
         <label for=\"seconds\">Seconds for those who are in a call</label>\
         <input id=\"seconds\" name=\"seconds\" type=\"number\" min=\"0\" max=\"{}\" value=\"{}\" required>\
         <button class=\"grave\">Empty the server</button> <a href=\"/admin\">Back</a></form></main>",
        match rooms {
            0 => "Calls go".to_owned(),
            1 => "The one call that there is goes".to_owned(),
            rooms => format!("The {rooms} calls that there are go"),
        },
        escaped(form),
        MAX_DRAIN.as_secs(),
        usual.as_secs(),
    );
    page("Empty the server", false, &body)
}

/// Everything at a glance. `form` is there for a browser, which may give orders.
pub(super) fn overview(figures: &Figures, history: &History, form: Option<&str>) -> String {
    let mut body = Body::default();
    body.head(figures, form);
    body.tiles(figures);
    body.certificate(figures);
    body.newcomers(figures);
    body.servers(figures);
    body.waits(figures);
    body.minutes(history);
    body.tables(figures);
    page("Overview", true, &body.0)
}

/// Pieces of the overview, in order.
#[derive(Default)]
struct Body(String);

impl Body {
    fn add(&mut self, piece: impl Display) {
        write!(self.0, "{piece}").expect("a string takes everything");
    }

    fn head(&mut self, figures: &Figures, form: Option<&str>) {
        let (class, words) = match figures.readiness {
            Readiness::Ready => ("good", "takes newcomers".to_owned()),
            Readiness::Degraded => (
                "bad",
                "takes newcomers, who meet those of this server alone: Redis is away".to_owned(),
            ),
            Readiness::Uncertified => (
                "bad",
                "has no certificate that is good: newcomers cannot come by TLS".to_owned(),
            ),
            Readiness::Full => ("bad", "is full: newcomers are turned away".to_owned()),
            Readiness::Draining => {
                let left = figures.drain_left.unwrap_or_default();
                (
                    "bad",
                    format!("empties itself, for another {} at most", span(left)),
                )
            }
        };
        self.add(format_args!(
            "<header><h1>Passerby server</h1><p class=\"state {class}\">{words}</p>"
        ));
        if let Some(form) = form {
            let form = escaped(form);
            self.add("<nav>");
            self.add("<a href=\"/admin/people\">Reports and bans</a> ");
            if figures.readiness != Readiness::Draining {
                self.add("<a href=\"/admin/drain\">Empty the server…</a>");
            }
            self.add(format_args!(
                "<form method=\"post\" action=\"/admin/logout\"><input type=\"hidden\" name=\"form\" value=\"{form}\">\
                 <button>Leave</button></form></nav>"
            ));
        }
        self.add("</header><main>");
    }

    fn tiles(&mut self, figures: &Figures) {
        let census = figures.census;
        let relay = figures.relay.map_or_else(
            || ("–".to_owned(), "the relay is off"),
            |relay| (relay.allocations.to_string(), "addresses relayed for"),
        );
        self.add("<section class=\"tiles\" aria-label=\"Now\">");
        for (value, name) in [
            (
                census.connections.to_string(),
                format!("connected, of {} at most", figures.max_connections),
            ),
            (census.waiting.to_string(), "wait for somebody".to_owned()),
            (census.rooms.to_string(), "calls".to_owned()),
            (census.absent.to_string(), "lost, may come back".to_owned()),
            (figures.records[0].to_string(), "reports".to_owned()),
            (figures.records[1].to_string(), "bans".to_owned()),
            (relay.0, relay.1.to_owned()),
        ] {
            self.add(format_args!(
                "<div><strong>{value}</strong><span>{name}</span></div>"
            ));
        }
        self.add("</section>");
    }

    /// How long the certificate is good, and what is in the way of the next one.
    fn certificate(&mut self, figures: &Figures) {
        let Some(certificate) = &figures.certificate else {
            return;
        };
        let span = |seconds: i64| span(Duration::from_secs(seconds.unsigned_abs()));
        let words = match certificate.seconds_left {
            None => "There is no certificate yet.".to_owned(),
            Some(left) if left < 0 => format!("The certificate ended {} ago.", span(left)),
            Some(left) => format!("The certificate is good for another {}.", span(left)),
        };
        let by_whom = if certificate.is_by_acme {
            " The server gets the next one by itself."
        } else {
            " The next one comes from files."
        };
        self.add(format_args!("<p class=\"quiet\">{words}{by_whom}</p>"));
        if let Some(problem) = &certificate.problem {
            self.add(format_args!(
                "<p class=\"problem\" role=\"alert\">Trouble with the certificate: {}. It is tried again, at once after \
                 <code>systemctl reload</code>.</p>",
                escaped(problem.trim_end_matches('.'))
            ));
        }
    }

    /// What they do before they meet anybody, if they do anything.
    fn newcomers(&mut self, figures: &Figures) {
        if figures.work_bits == 0 && figures.lane == 0 {
            return;
        }
        let work = match figures.work_bits {
            0 => "Nobody works".to_owned(),
            bits => format!(
                "Each works: {bits} bits, about {} hashes",
                grouped(1_u64.checked_shl(bits as u32).unwrap_or(u64::MAX))
            ),
        };
        self.add(format_args!(
            "<p role=\"status\">Many newcomers come at once. {work}. {} whose program cannot work wait for their turn.</p>",
            figures.lane,
        ));
    }

    /// All that are one with this one, as they were a second ago.
    fn servers(&mut self, figures: &Figures) {
        let Some(cluster) = &figures.cluster else {
            return;
        };
        self.add("<section><h2>Servers that are one</h2>");
        if !cluster.is_up {
            self.add("<p class=\"problem\">Redis is away. These were there before.</p>");
        }
        self.add("<table><thead><tr><th>server</th><th>connected</th><th>wait</th><th>calls</th></tr></thead><tbody>");
        for server in cluster.servers.iter() {
            self.add(format_args!(
                "<tr><td>{}{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                escaped(&server.name),
                if server.is_this { " (this one)" } else { "" },
                server.connections,
                server.waiting,
                server.rooms,
            ));
        }
        self.add(format_args!(
            "</tbody></table><p class=\"quiet\">Of the calls of this one, {} are with other servers' people, and count at both.</p>",
            cluster.rooms,
        ));
        for it in &cluster.shared {
            self.add(format_args!(
                "<p class=\"quiet\">Known to all, {}: {}; of these not told yet: {}.</p>",
                it.what, it.known, it.untold,
            ));
        }
        self.add("</section>");
    }

    /// How long people waited, since the start.
    fn waits(&mut self, figures: &Figures) {
        const HEIGHT: f64 = 80.0;
        const WIDTH: f64 = 50.0;
        let waits = &figures.waits;
        self.add("<section><h2>How long people waited</h2>");
        if waits.count == 0 {
            self.add("<p class=\"quiet\">Nobody has met anybody yet.</p></section>");
            return;
        }
        let at_most = |part| {
            let bound = waits.quantile(part);
            bound.map_or_else(
                || "more than 5 minutes".to_owned(),
                |bound| format!("{} or less", span_of(bound)),
            )
        };
        self.add(format_args!(
            "<p>Half of them {}, nineteen of twenty {}. On average {}.</p>",
            at_most(0.5),
            at_most(0.95),
            span_of(waits.mean().unwrap_or_default()),
        ));
        let mut parts = Vec::new();
        let mut before = 0;
        for (bound, count) in &waits.up_to {
            parts.push((format!("≤ {}", span_of(*bound)), count - before));
            before = *count;
        }
        parts.push(("more".to_owned(), waits.count - before));
        let most = parts
            .iter()
            .map(|(_, count)| *count)
            .max()
            .unwrap_or(1)
            .max(1);
        self.add(format_args!(
            "<svg class=\"bars\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"How many waited how long\">",
            WIDTH * parts.len() as f64,
            HEIGHT + 32.0,
        ));
        for (number, (name, count)) in parts.iter().enumerate() {
            let height = HEIGHT * *count as f64 / most as f64;
            let (x, middle) = (WIDTH * number as f64, WIDTH * (number as f64 + 0.5));
            self.add(format_args!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>\
                 <text x=\"{middle:.1}\" y=\"{:.1}\">{count}</text><text x=\"{middle:.1}\" y=\"{:.1}\">{name}</text>",
                x + 4.0,
                HEIGHT + 14.0 - height,
                WIDTH - 8.0,
                HEIGHT + 10.0 - height,
                HEIGHT + 28.0,
            ));
        }
        self.add("</svg></section>");
    }

    fn minutes(&mut self, history: &History) {
        self.add("<section><h2>The last quarter of an hour</h2><div class=\"curves\">");
        for (name, values) in [
            ("wait for somebody", history.waiting()),
            ("calls", history.rooms()),
            ("pairs made in a minute", history.matches_per_minute()),
            ("Mbit/s through the relay", history.relayed_mbits()),
        ] {
            self.curve(name, &values);
        }
        self.add("</div></section>");
    }

    fn curve(&mut self, name: &str, values: &[f64]) {
        const HEIGHT: f64 = 50.0;
        let most = values.iter().copied().fold(0.0, f64::max);
        self.add(format_args!(
            "<figure><figcaption>{name} <small>(at most {})</small></figcaption>\
             <svg class=\"curve\" viewBox=\"0 0 180 {}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{name}\">\
             <polyline points=\"",
            figure(most),
            HEIGHT + 2.0,
        ));
        // The newest is at the right edge.
        let first = 90 - values.len().min(90);
        for (number, value) in values.iter().enumerate() {
            let y = HEIGHT + 1.0 - HEIGHT * value / if most > 0.0 { most } else { 1.0 };
            self.add(format_args!("{},{y:.1} ", 2 * (first + number)));
        }
        self.add("\"/></svg></figure>");
    }

    fn tables(&mut self, figures: &Figures) {
        self.add("<section class=\"tables\">");
        self.table(
            &format!("Since the start, {} ago", span(figures.uptime)),
            figures
                .totals
                .iter()
                .map(|(name, help, value)| (*name, *help, *value)),
        );
        let refused = figures.refusals.iter().filter(|(.., value)| *value > 0);
        self.table(
            "Refused or cut off, by the limit",
            refused.map(|(name, help, value)| (*name, *help, *value)),
        );
        if let Some(relay) = figures.relay {
            let relayed = relay.each().filter(|(_, value)| *value > 0);
            self.table("The relay", relayed.map(|(name, value)| (name, "", value)));
        }
        if let Some(process) = figures.process {
            let resident = process.resident_bytes / 1024 / 1024;
            self.table(
                "The process",
                [
                    ("memory, MiB", "Resident memory.", resident),
                    (
                        "processor time, s",
                        "Since the start.",
                        process.cpu_seconds as u64,
                    ),
                    ("threads", "Threads.", process.threads),
                    ("open_files", "File descriptors in use.", process.open_files),
                    (
                        "max_files",
                        "File descriptors that it may use.",
                        process.max_files,
                    ),
                ]
                .into_iter(),
            );
        }
        let matches = figures.total(Total::MatchesByInterest) + figures.total(Total::MatchesOpen);
        self.add(format_args!(
            "</section><footer>Version {}, {matches} pairs made. This page loads itself again every {REFRESH} seconds. \
             For programs: <code>/metrics</code>, and <code>/admin</code> without <code>Accept: text/html</code>.</footer></main>",
            env!("CARGO_PKG_VERSION"),
        ));
    }

    fn table<'a>(&mut self, title: &str, rows: impl Iterator<Item = (&'a str, &'a str, u64)>) {
        self.add(format_args!("<div><h2>{title}</h2>"));
        let mut rows = rows.peekable();
        if rows.peek().is_none() {
            self.add("<p class=\"quiet\">Nothing.</p></div>");
            return;
        }
        self.add("<table>");
        for (name, help, value) in rows {
            let name = name.replace('_', " ");
            self.add(format_args!(
                "<tr><th scope=\"row\" title=\"{help}\">{name}</th><td>{}</td></tr>",
                grouped(value)
            ));
        }
        self.add("</table></div>");
    }
}

/// A number with as many digits as are of use.
fn figure(value: f64) -> String {
    if value.fract() == 0.0 || value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

/// Digits in groups of three.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (number, digit) in digits.chars().enumerate() {
        if number > 0 && (digits.len() - number).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

fn span_of(seconds: f64) -> String {
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if seconds < 60.0 {
        format!("{} s", figure(seconds))
    } else {
        span(Duration::from_secs_f64(seconds.min(1e9)))
    }
}

/// A time in its two largest units.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) if seconds.is_multiple_of(60) => format!("{minutes} min"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_reads_is_short_and_whole() {
        let spans = [9, 60, 61, 3661, 90_000].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(spans, ["9 s", "1 min", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
        assert_eq!([0.05, 1.5, 300.0].map(span_of), ["50 ms", "1.5 s", "5 min"]);
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!([0.0, 3.0, 2.5, 123.4].map(figure), ["0", "3", "2.5", "123"]);
    }

    #[test]
    fn what_is_said_can_break_no_page() {
        let page = login(Some("<script>\"&"));
        assert!(page.contains("&lt;script&gt;&quot;&amp;"), "{page}");
        assert!(!page.contains("<script"));
    }
}

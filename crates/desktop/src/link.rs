//! Links to a server: `passerby://HOST[:PORT]`. Anybody can put one on a page, so it is read strictly, leads to an encrypted
//! connection, and changes nothing before the person has said so.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use crate::text::{self, Explanation};

/// How such a link begins.
pub const SCHEME: &str = "passerby:";
/// More than any server's name has.
pub const MOST_BYTES: usize = 300;
/// The longest name in DNS (RFC 1035, section 2.3.4).
const MOST_NAME_BYTES: usize = 253;
/// The longest label of one.
const MOST_LABEL_BYTES: usize = 63;
/// So long a question has to be there before it can be answered with yes: nobody's click is meant for what has only just come.
const SETTLES: Duration = Duration::from_millis(600);

/// Why a link is not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkProblem {
    /// Longer than [`MOST_BYTES`].
    TooLong,
    /// It does not begin with `passerby://`.
    OtherScheme,
    /// There is more than a host and a port: a path, a question, a user.
    HasMore,
    /// This is no name of a host and no address.
    NoHost(String),
    /// This is no port.
    NoPort(String),
}

/// Reads a link; returns the server's address as the settings have it. All servers are reached over TLS, but for one on this machine.
///
/// # Errors
/// [`LinkProblem`] for everything that is not exactly a link to a server.
pub fn server_of(link: &str) -> Result<String, LinkProblem> {
    if link.len() > MOST_BYTES {
        return Err(LinkProblem::TooLong);
    }
    let rest = (link.get(..SCHEME.len()))
        .filter(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
        .and_then(|scheme| link.get(scheme.len()..)?.strip_prefix("//"))
        .ok_or(LinkProblem::OtherScheme)?;
    // Browsers add the slash.
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '\\', '?', '#', '@', '%']) {
        return Err(LinkProblem::HasMore);
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(inside) => {
            let (address, after) = inside
                .split_once(']')
                .ok_or_else(|| LinkProblem::NoHost(authority.to_owned()))?;
            let port = match after.strip_prefix(':') {
                None if after.is_empty() => None,
                None => return Err(LinkProblem::HasMore),
                some => some,
            };
            (address, port)
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let is_v6 = authority.starts_with('[');
    let is_here = if is_v6 {
        let address: Ipv6Addr = host
            .parse()
            .map_err(|_| LinkProblem::NoHost(host.to_owned()))?;
        address.is_loopback()
    } else if let Ok(address) = host.parse::<Ipv4Addr>() {
        address.is_loopback()
    } else if is_name(host) {
        host.eq_ignore_ascii_case("localhost")
    } else {
        return Err(LinkProblem::NoHost(host.to_owned()));
    };
    let port = match port {
        None => String::new(),
        Some(digits) => format!(":{}", port_of(digits)?),
    };
    let scheme = if is_here { "ws" } else { "wss" };
    let host = host.to_ascii_lowercase();
    let host = if is_v6 { format!("[{host}]") } else { host };
    Ok(format!("{scheme}://{host}{port}/"))
}

fn port_of(digits: &str) -> Result<u16, LinkProblem> {
    let is_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    let port = digits.parse().ok().filter(|port| is_digits && *port > 0);
    port.ok_or_else(|| LinkProblem::NoPort(digits.to_owned()))
}

/// Letters, digits and hyphens between dots, the last label not only of digits: that would be a broken IPv4 address. Other letters
/// come as their ASCII form (`xn--…`) or not at all, because two of them can look the same.
fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MOST_LABEL_BYTES).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() <= MOST_NAME_BYTES
        && host.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

/// A link that was given to the program, until the person has said what is to become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The server, or why there is none.
    pub server: Result<String, LinkProblem>,
    /// Since when it is there.
    came_at: Instant,
}

impl Link {
    /// Reads a link that has come at `now`.
    pub fn new(link: &str, now: Instant) -> Self {
        Self {
            server: server_of(link.trim()),
            came_at: now,
        }
    }

    /// After how long the question can be answered with yes; zero as soon as it can.
    pub fn settles_in(&self, now: Instant) -> Duration {
        (self.came_at + SETTLES).saturating_duration_since(now)
    }
}

/// Says why a link is not followed.
pub fn problem(problem: &LinkProblem) -> Explanation {
    let shown = |part: &str| text::plain(part).chars().take(60).collect::<String>();
    let detail = match problem {
        LinkProblem::TooLong => tr!("It is too long for the address of a server.").to_owned(),
        LinkProblem::OtherScheme => {
            tr!("A link to a server looks like this: passerby://example.org").to_owned()
        }
        LinkProblem::HasMore => {
            tr!("There is more in it than a server's name and port.").to_owned()
        }
        LinkProblem::NoHost(host) => {
            tr!("“{host}” is no name of a server.", host = shown(host))
        }
        LinkProblem::NoPort(port) => tr!(
            "“{port}” is no port: that is a number from 1 to 65535.",
            port = shown(port)
        ),
    };
    Explanation::new(tr!("This link cannot be used"), detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_a_host_and_perhaps_a_port_and_leads_to_tls() {
        for (link, server) in [
            ("passerby://example.org", "wss://example.org/"),
            ("PASSERBY://Example.ORG/", "wss://example.org/"),
            ("passerby://example.org:8443", "wss://example.org:8443/"),
            (
                "passerby://xn--bcher-kva.example",
                "wss://xn--bcher-kva.example/",
            ),
            ("passerby://203.0.113.7", "wss://203.0.113.7/"),
            ("passerby://[2001:DB8::1]:9/", "wss://[2001:db8::1]:9/"),
            ("passerby://localhost:8080", "ws://localhost:8080/"),
            ("passerby://127.0.0.1", "ws://127.0.0.1/"),
            ("passerby://[::1]:1", "ws://[::1]:1/"),
        ] {
            assert_eq!(server_of(link).as_deref(), Ok(server), "{link}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        use LinkProblem::{HasMore, NoHost, NoPort, OtherScheme, TooLong};
        let host = |text: &str| NoHost(text.to_owned());
        let port = |text: &str| NoPort(text.to_owned());
        for (link, problem) in [
            ("https://example.org", OtherScheme),
            ("passerby:example.org", OtherScheme),
            ("", OtherScheme),
            ("passerby://", host("")),
            ("passerby:///", host("")),
            ("passerby://you@example.org", HasMore),
            ("passerby://example.org/../admin", HasMore),
            ("passerby://example.org?x=1", HasMore),
            ("passerby://example.org#x", HasMore),
            ("passerby://example.org\\evil", HasMore),
            ("passerby://exa%6Dple.org", HasMore),
            ("passerby://[::1]evil.example", HasMore),
            ("passerby://[::1", host("[::1")),
            ("passerby://[fe80::1%eth0]", HasMore),
            ("passerby://exämple.org", host("exämple.org")),
            (
                "passerby://example.org\u{202E}",
                host("example.org\u{202E}"),
            ),
            ("passerby://a b.example", host("a b.example")),
            ("passerby://-a.example", host("-a.example")),
            ("passerby://a..example", host("a..example")),
            ("passerby://1.2.3", host("1.2.3")),
            ("passerby://example.org:", port("")),
            ("passerby://example.org:0", port("0")),
            ("passerby://example.org:+80", port("+80")),
            ("passerby://example.org:65536", port("65536")),
            ("passerby://example.org:80:80", port("80:80")),
            (&format!("passerby://{}", "a".repeat(300)), TooLong),
        ] {
            assert_eq!(server_of(link), Err(problem), "{link}");
        }
    }

    #[test]
    fn what_is_said_of_a_hostile_link_is_short_and_shows_no_tricks() {
        let problem = problem(&LinkProblem::NoHost(format!("\u{202E}{}", "x".repeat(250))));
        assert!(problem.detail.chars().count() < 120, "{}", problem.detail);
        assert!(!problem.detail.contains('\u{202E}'), "{}", problem.detail);
    }
}

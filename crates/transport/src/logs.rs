//! What the programs must keep out of their logs.

use tracing::{Level, Metadata};

/// Our own crates and programs.
const OURS: [&str; 11] = [
    "call",
    "codecs",
    "desktop",
    "devices",
    "engine",
    "headless",
    "media",
    "passerby",
    "passerby_headless",
    "protocol",
    "transport",
];

/// A filter for `tracing_subscriber::filter::filter_fn`: what no log may hold, whatever its reader asks for.
///
/// Libraries print what passes through them at their lower levels: addresses, session descriptions, chat. The WebRTC stack also
/// logs at `error` for each packet that it drops. What matters of it reaches the log through this crate's own events.
pub fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    is_fit(metadata.target(), *metadata.level())
}

fn is_fit(target: &str, level: Level) -> bool {
    let place = target.split("::").next().unwrap_or_default();
    if place == "webrtc" || place == "rtc" || place.starts_with("rtc_") {
        return false;
    }
    level <= Level::INFO || OURS.contains(&place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_do_not_print_what_passes_through_them() {
        for library in [
            "tungstenite::protocol",
            "tokio_tungstenite",
            "hyper",
            "log",
            "",
        ] {
            assert!(!is_fit(library, Level::TRACE), "{library}");
            assert!(!is_fit(library, Level::DEBUG), "{library}");
            assert!(is_fit(library, Level::WARN), "{library}");
        }
    }

    #[test]
    fn the_stack_prints_nothing_at_all() {
        for part in ["webrtc::peer_connection", "rtc", "rtc_ice::agent"] {
            assert!(!is_fit(part, Level::ERROR), "{part}");
        }
    }

    #[test]
    fn we_print_what_was_asked_for() {
        assert!(is_fit("transport::peer", Level::TRACE));
        assert!(is_fit("engine::statistics", Level::DEBUG));
    }
}

//! `passerby-headless check`: tries what a call could use, and says it in words or as JSON.

mod json;
mod words;

use std::time::Duration;

use engine::{CheckConfig, ServerCheck, Verdict};

use crate::args::CheckArgs;

/// Checks the connection and prints the report. Returns whether calls can be expected to work.
///
/// # Errors
/// When the signalling server cannot be asked.
pub fn check(args: &CheckArgs) -> anyhow::Result<bool> {
    let config = CheckConfig {
        limit: Duration::from_secs(args.limit.into()),
        relay_only: args.relay_only,
        ..CheckConfig::default()
    };
    let check = engine::check_server(&args.server, config)?;
    if args.json {
        println!("{}", json::text(&check, args.show_address)?);
    } else {
        println!("{}", words::text(&check, args.show_address));
    }
    Ok(are_calls_expected(&check))
}

fn are_calls_expected(check: &ServerCheck) -> bool {
    match check.connection.verdict() {
        Verdict::DirectLikely
        | Verdict::RelayNeeded
        | Verdict::Relayed
        | Verdict::RelayOverStreamOnly => true,
        Verdict::DirectWithSomeOnly
        | Verdict::NoRelay
        | Verdict::NoConnection
        | Verdict::NothingToAsk => false,
    }
}

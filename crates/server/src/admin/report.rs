//! The figures as JSON, for programs.

use serde_json::{Map, Value, json};

use crate::figures::Figures;

/// All figures as one object.
pub(super) fn json(figures: &Figures) -> String {
    let named = |figures: &[(&str, &str, u64)]| -> Map<String, Value> {
        let each = figures.iter();
        each.map(|(name, _, value)| ((*name).to_owned(), json!(value)))
            .collect()
    };
    let waits = &figures.waits;
    let relay = figures.relay.as_ref().map(|relay| {
        let each = relay.each();
        each.map(|(name, value)| (name.to_owned(), json!(value)))
            .collect::<Map<_, _>>()
    });
    let process = figures.process.map(|process| {
        json!({
            "cpu_seconds": process.cpu_seconds,
            "resident_bytes": process.resident_bytes,
            "threads": process.threads,
            "open_files": process.open_files,
            "max_files": process.max_files,
        })
    });
    let report = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "state": figures.readiness.word(),
        "drain_seconds_left": figures.drain_left.map(|left| left.as_secs()),
        "uptime_seconds": figures.uptime.as_secs(),
        "connections": figures.census.connections,
        "max_connections": figures.max_connections,
        "waiting": figures.census.waiting,
        "rooms": figures.census.rooms,
        "absent": figures.census.absent,
        "apart": figures.apart,
        "work_bits": figures.work_bits,
        "lane": figures.lane,
        "reports": figures.records[0],
        "bans": figures.records[1],
        "blocks": figures.records[2],
        "known_keys": figures.records[3],
        "certificate": figures.certificate.as_ref().map(|certificate| json!({
            "by_acme": certificate.is_by_acme,
            "expires_in_seconds": certificate.seconds_left,
            "problem": certificate.problem,
        })),
        "cluster": figures.cluster.as_ref().map(|cluster| json!({
            "redis_up": cluster.is_up,
            "rooms_across": cluster.rooms,
            "servers": cluster.servers.as_ref(),
            "shared": cluster.shared,
        })),
        "waits": {
            "count": waits.count,
            "mean_seconds": waits.mean(),
            "p50_seconds_at_most": waits.quantile(0.5),
            "p95_seconds_at_most": waits.quantile(0.95),
        },
        "totals": named(&figures.totals),
        "refusals": named(&figures.refusals),
        "relay": relay,
        "process": process,
    });
    format!("{report:#}\n")
}

//! The figures in the text format of Prometheus (version 0.0.4), which every collector reads.

use std::{
    fmt::{Display, Write as _},
    time::UNIX_EPOCH,
};

use crate::{
    cluster_view::SharedView,
    figures::{ClusterFigures, Figures, Readiness},
};

/// What the answer is, for its header.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All figures as text.
pub(crate) fn page(figures: &Figures) -> String {
    let mut page = Page(String::with_capacity(16 * 1024));
    page.gauge(
        "build_info",
        "The program.",
        &[("version", env!("CARGO_PKG_VERSION"))],
        1,
    );
    let is_ready = u8::from(matches!(
        figures.readiness,
        Readiness::Ready | Readiness::Degraded
    ));
    page.gauge("ready", "Whether newcomers are let in.", &[], is_ready);
    let is_draining = u8::from(figures.readiness == Readiness::Draining);
    page.gauge(
        "draining",
        "Whether the server empties itself.",
        &[],
        is_draining,
    );
    let census = figures.census;
    page.gauge("connections", "Open WebSockets.", &[], census.connections);
    page.gauge(
        "max_connections",
        "How many WebSockets may be open.",
        &[],
        figures.max_connections,
    );
    page.gauge(
        "waiting",
        "People who wait for a partner.",
        &[],
        census.waiting,
    );
    page.gauge("rooms", "Pairs.", &[], census.rooms);
    page.gauge(
        "absent",
        "People whose connection is lost and who may come back.",
        &[],
        census.absent,
    );
    page.gauge(
        "apart",
        "People who are kept apart since many have reported them.",
        &[],
        figures.apart,
    );
    page.gauge(
        "work_bits",
        "How much newcomers work before they meet anybody, in bits.",
        &[],
        figures.work_bits,
    );
    page.gauge(
        "lane",
        "Newcomers whose program cannot work, and who wait for their turn.",
        &[],
        figures.lane,
    );
    if let Some(certificate) = &figures.certificate {
        page.gauge(
            "certificate_expires_in_seconds",
            "How long the certificate is good still; below zero if it is over, 0 if there is none.",
            &[],
            certificate.seconds_left.unwrap_or_default(),
        );
    }
    if let Some(cluster) = &figures.cluster {
        for (name, help, value) in [
            (
                "redis_up",
                "Whether the Redis is there by which several servers are one.",
                usize::from(cluster.is_up),
            ),
            (
                "servers",
                "Servers that are one, this one too, when Redis was heard last.",
                cluster.servers.len(),
            ),
            (
                "rooms_across",
                "Rooms of which another server has the other half; they are among the rooms of both.",
                cluster.rooms,
            ),
        ] {
            page.gauge(name, help, &[], value);
        }
        page.shared(cluster);
    }
    for ((name, help), value) in [
        ("reports", "Reports that are remembered."),
        ("bans", "Bans."),
        ("blocks", "Pairs of whom one has blocked the other."),
        ("known_keys", "Keys that are remembered."),
    ]
    .into_iter()
    .zip(figures.records)
    {
        page.gauge(name, help, &[], value);
    }
    for (name, help, value) in &figures.totals {
        page.counter(&format!("{name}_total"), help, &[], value);
    }
    page.head(
        "refusals_total",
        "Who was refused, cut off or not heard, by the limit.",
        "counter",
    );
    for (name, _, value) in &figures.refusals {
        page.sample("refusals_total", &[("limit", name)], value);
    }
    page.waits(figures);
    for (name, value) in figures.relay.iter().flat_map(::relay::Counters::each) {
        let help = "What the relay has done; docs/operating.md has the list.";
        match name {
            "allocations" => page.gauge("relay_allocations", "Allocations there are.", &[], value),
            // All that are called so are dropped packets, and the rest speaks for itself.
            name => page.counter(&format!("relay_{name}_total"), help, &[], value),
        }
    }
    page.process(figures);
    page.0
}

struct Page(String);

/// One figure of a kind of facts.
type Read = fn(&SharedView) -> u64;

impl Page {
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        writeln!(
            self.0,
            "# HELP passerby_{name} {help}\n# TYPE passerby_{name} {kind}"
        )
        .expect("a string takes everything");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = (labels.iter())
            .map(|(label, value)| format!("{label}=\"{value}\""))
            .collect();
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", labels.join(","))
        };
        writeln!(self.0, "passerby_{name}{labels} {value}").expect("a string takes everything");
    }

    fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: impl Display) {
        self.head(name, help, "gauge");
        self.sample(name, labels, value);
    }

    fn counter(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: impl Display) {
        self.head(name, help, "counter");
        self.sample(name, labels, value);
    }

    /// What all servers are to know.
    fn shared(&mut self, cluster: &ClusterFigures) {
        let kinds: [(&str, &str, &str, Read); 3] = [
            (
                "shared",
                "What all servers are to know, and no longer so.",
                "gauge",
                |it| it.known as u64,
            ),
            (
                "shared_untold",
                "What of that Redis is not known to have.",
                "gauge",
                |it| it.untold as u64,
            ),
            (
                "shared_refused_total",
                "What other servers have told that was not taken here, and what Redis had no room for.",
                "counter",
                |it| it.refused,
            ),
        ];
        for (name, help, kind, value) in kinds {
            self.head(name, help, kind);
            for it in &cluster.shared {
                self.sample(name, &[("what", it.what)], value(it));
            }
        }
    }

    fn waits(&mut self, figures: &Figures) {
        const NAME: &str = "wait_seconds";
        self.head(
            NAME,
            "How long people waited from asking to the match.",
            "histogram",
        );
        let bucket = format!("{NAME}_bucket");
        for (bound, count) in &figures.waits.up_to {
            self.sample(&bucket, &[("le", &bound.to_string())], count);
        }
        let count = figures.waits.count;
        self.sample(&bucket, &[("le", "+Inf")], count);
        self.sample(&format!("{NAME}_sum"), &[], figures.waits.sum);
        self.sample(&format!("{NAME}_count"), &[], count);
    }

    /// Under the names that every collector knows (Prometheus, "Standard and runtime collectors").
    fn process(&mut self, figures: &Figures) {
        let started = figures
            .started
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let mut lines = vec![("process_start_time_seconds", "gauge", started.as_secs_f64())];
        if let Some(process) = figures.process {
            lines.extend([
                ("process_cpu_seconds_total", "counter", process.cpu_seconds),
                (
                    "process_resident_memory_bytes",
                    "gauge",
                    process.resident_bytes as f64,
                ),
                ("process_open_fds", "gauge", process.open_files as f64),
                ("process_max_fds", "gauge", process.max_files as f64),
                ("process_threads", "gauge", process.threads as f64),
            ]);
        }
        for (name, kind, value) in lines {
            writeln!(self.0, "# TYPE {name} {kind}\n{name} {value}")
                .expect("a string takes everything");
        }
    }
}

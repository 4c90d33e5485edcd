//! What is counted. No figure names anybody, and there is a fixed number of them.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use matchmaker::PeerId;

use crate::cluster_view::Cluster;

/// Declares figures once: how the code calls each, what it is called outside, and what it means.
macro_rules! figures {
    ($(#[$doc:meta])* enum $kind:ident { $($variant:ident, $name:literal, $help:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $kind {
            $(#[doc = $help] $variant,)*
        }

        impl $kind {
            /// Each with its name and what it means.
            pub(crate) const ALL: &[(Self, &'static str, &'static str)] =
                &[$((Self::$variant, $name, $help),)*];
        }
    };
}

figures! {
    /// What has happened how often.
    enum Total {
        Connections, "connections", "WebSockets opened.";
        Sessions, "sessions", "Sessions begun: clients that said hello, without those that came back.";
        SessionsResumed, "sessions_resumed", "Sessions taken up after a connection was lost.";
        SessionsLost, "sessions_lost", "Sessions that ended because the client did not come back in time, or could not.";
        Joins, "joins", "Times that somebody asked for a partner.";
        Nexts, "nexts", "Times that somebody asked for another partner.";
        Leaves, "leaves", "Times that somebody stopped.";
        MatchesByInterest, "matches_by_interest", "Pairs made that share an interest.";
        MatchesOpen, "matches_open", "Pairs made that share no interest.";
        MatchesAcross, "matches_across", "Times that somebody met somebody of another server's.";
        Unanswered, "matches_unanswered", "Pairs parted because no answer came in time.";
        OffersHandedOver, "offers_handed_over", "Offers told ahead that a partner was given with the match.";
        Descriptions, "descriptions_relayed", "Session descriptions passed on.";
        Candidates, "candidates_relayed", "Candidates passed on.";
        ChatKeys, "chat_keys_relayed", "Keys passed on with which chat is signed.";
        WithheldCandidates, "candidates_withheld", "Candidates not passed on because they are no relay's.";
        FramesReceived, "frames_received", "Text frames received.";
        Identified, "identified", "Sessions in which a key was proved.";
        NewKeys, "new_keys", "Keys that were not known before.";
        WorkAsked, "work_asked", "Newcomers who were asked to work before they meet anybody.";
        WorkDone, "work_done", "Newcomers who have done so.";
        Reports, "reports", "Reports taken.";
        Blocks, "blocks", "Times that somebody blocked somebody.";
        AutomaticBans, "bans_by_reports", "Bans that followed from reports alone.";
        OperatorBans, "bans_by_operator", "Bans that the operator ordered.";
        BansFromOthers, "bans_from_others", "Bans that another server told.";
        BytesReceived, "bytes_received", "Bytes in text frames received.";
        CertificatesObtained, "certificates_obtained", "Certificates that an authority has given.";
        CertificateFailures, "certificate_failures", "Attempts to get a certificate that failed.";
    }
}

figures! {
    /// Why somebody was refused, cut off or not heard. Each stands for one limit.
    enum Refusal {
        Sockets, "sockets", "No room for another TCP connection.";
        OthersPerIp, "others_per_ip", "The address had as many TCP connections that are not signalling as it may.";
        RelayStreams, "relay_streams", "No room for another client of the relay by TCP.";
        HandshakeTime, "handshake_time", "It took too long until it was a WebSocket.";
        Tls, "tls", "The TLS handshake failed.";
        Http, "http", "It was no HTTP.";
        ConnectionsPerIp, "connections_per_ip", "The address had as many WebSockets as it may.";
        Full, "full", "The server had as many WebSockets as it may.";
        Hello, "hello", "The first message was no hello, or did not come in time.";
        Version, "version", "The client spoke another version of the protocol.";
        Banned, "banned", "One who is banned.";
        Proof, "proof", "A proof of a key that was none.";
        Work, "work", "Something that was not what work was to find.";
        Lane, "lane", "A join or next put off because many newcomers come and its sender's program cannot work.";
        Reports, "reports", "A report or block too many.";
        Lines, "lines", "A report with lines of chat that are not the partner's.";
        Standing, "standing", "A join or next put off because many have reported its sender.";
        Store, "store", "Something that could not be written to the store.";
        Origin, "origin", "A browser that was on a page of somebody else's.";
        Handshakes, "handshakes", "A connection put off because its address makes too many.";
        Nexts, "nexts", "A join or next put off because its sender asks too often.";
        NextsPerIp, "nexts_per_ip", "A join or next put off because its sender's address asks too often.";
        Bytes, "bytes", "A client not listened to for a while because it sends too many bytes.";
        FrameSize, "frame_size", "A frame was too large.";
        FrameRate, "frame_rate", "A frame too many, dropped.";
        Flood, "flood", "A connection closed because the frames did not stop.";
        Nonsense, "nonsense", "A message that could not be understood.";
        NonsenseClosed, "nonsense_closed", "A connection closed for messages that could not be understood.";
        Prepares, "prepares", "A prepare too many.";
        Offers, "offers", "An offer too many.";
        WrongRoom, "wrong_room", "A message for a room in which the sender was not; that happens by itself, too.";
        SlowReader, "slow_reader", "A client cut off because it did not read what it was sent.";
        Silence, "silence", "A client that did not answer pings.";
        TooManyAway, "too_many_away", "A session given up because too many clients were away.";
    }
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicUsize,
    pub(crate) waiting: AtomicUsize,
    pub(crate) rooms: AtomicUsize,
    pub(crate) absent: AtomicUsize,
    /// Who is kept apart.
    pub(crate) apart: AtomicUsize,
    /// How much newcomers work at this moment, wherever they come from, in bits.
    pub(crate) work_bits: AtomicUsize,
    /// Who cannot work and waits for his turn.
    pub(crate) lane: AtomicUsize,
    /// How many reports, bans, blocks and keys are remembered.
    pub(crate) records: [AtomicUsize; 4],
    /// The other servers.
    pub(crate) cluster: Cluster,
    /// How long people waited for their partner.
    pub(crate) waits: Histogram,
    totals: Counts<{ Total::ALL.len() }>,
    refusals: Counts<{ Refusal::ALL.len() }>,
    last_peer: AtomicU64,
}

/// One count for each. An array of more than 32 has no default of its own.
#[derive(Debug)]
struct Counts<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Counts<N> {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; N])
    }
}

/// How many of each there are. Taken without stopping anything, so that the figures may differ by a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Open WebSockets.
    pub connections: usize,
    /// People who wait for a partner.
    pub waiting: usize,
    /// Pairs.
    pub rooms: usize,
    /// People whose connection is lost and who may come back.
    pub absent: usize,
}

impl Counters {
    /// A number that no other client has or had.
    pub(crate) fn next_peer(&self) -> PeerId {
        PeerId(self.last_peer.fetch_add(1, Relaxed) + 1)
    }

    pub(crate) fn count(&self, what: Total) {
        self.add(what, 1);
    }

    pub(crate) fn add(&self, what: Total, amount: u64) {
        self.totals.0[what as usize].fetch_add(amount, Relaxed);
    }

    pub(crate) fn refuse(&self, why: Refusal) {
        self.refusals.0[why as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn total(&self, what: Total) -> u64 {
        self.totals.0[what as usize].load(Relaxed)
    }

    pub(crate) fn refused(&self, why: Refusal) -> u64 {
        self.refusals.0[why as usize].load(Relaxed)
    }

    pub(crate) fn census(&self) -> Census {
        Census {
            connections: self.connections.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
            rooms: self.rooms.load(Relaxed),
            absent: self.absent.load(Relaxed),
        }
    }
}

/// How often something took about how long.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    counts: [AtomicU64; BOUNDS_MS.len() + 1],
    sum_us: AtomicU64,
}

/// Up to how many milliseconds each part of a [`Histogram`] counts; another part counts what is above. The matchmaker holds
/// out for six seconds at most: beyond that there was nobody.
const BOUNDS_MS: [u64; 12] = [
    50, 100, 250, 500, 1000, 2000, 4000, 6000, 10_000, 30_000, 60_000, 300_000,
];

/// What a [`Histogram`] holds at a moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Distribution {
    /// Up to how many seconds, and how often it took so long or less.
    pub(crate) up_to: Vec<(f64, u64)>,
    /// How often at all.
    pub(crate) count: u64,
    /// Seconds, all together.
    pub(crate) sum: f64,
}

impl Histogram {
    pub(crate) fn observe(&self, took: Duration) {
        let part = BOUNDS_MS.partition_point(|&bound| Duration::from_millis(bound) < took);
        self.counts[part].fetch_add(1, Relaxed);
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.sum_us.fetch_add(us, Relaxed);
    }

    pub(crate) fn distribution(&self) -> Distribution {
        let mut count = 0;
        let mut up_to = Vec::with_capacity(BOUNDS_MS.len());
        for (part, bound) in self.counts.iter().zip(BOUNDS_MS) {
            count += part.load(Relaxed);
            up_to.push((bound as f64 / 1000.0, count));
        }
        count += self.counts[BOUNDS_MS.len()].load(Relaxed);
        Distribution {
            up_to,
            count,
            sum: self.sum_us.load(Relaxed) as f64 / 1e6,
        }
    }
}

impl Distribution {
    /// Seconds on average; `None` if there was nothing.
    pub(crate) fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// In how many seconds so great a part of all was over, at most: the bound of the part in which that falls. `None` if it
    /// is above all bounds, or there was nothing.
    pub(crate) fn quantile(&self, part: f64) -> Option<f64> {
        let wanted = self.count as f64 * part;
        let reached = |&&(_, count): &&(f64, u64)| self.count > 0 && count as f64 >= wanted;
        self.up_to.iter().find(reached).map(|(bound, _)| *bound)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_figure_has_a_name_of_its_own_and_is_counted_by_itself() {
        let counters = Counters::default();
        for (index, (total, ..)) in Total::ALL.iter().enumerate() {
            counters.add(*total, index as u64 + 1);
        }
        for (why, ..) in &Refusal::ALL[1..] {
            counters.refuse(*why);
        }
        for (index, (total, ..)) in Total::ALL.iter().enumerate() {
            assert_eq!(counters.total(*total), index as u64 + 1);
        }
        assert_eq!(counters.refused(Refusal::ALL[0].0), 0);
        assert_eq!(counters.refused(Refusal::ALL[1].0), 1);
        let names: BTreeSet<_> = Total::ALL.iter().map(|(_, name, _)| name).collect();
        assert_eq!(names.len(), Total::ALL.len());
        let names: BTreeSet<_> = Refusal::ALL.iter().map(|(_, name, _)| name).collect();
        assert_eq!(names.len(), Refusal::ALL.len());
    }

    #[test]
    fn a_histogram_counts_each_once_below_its_bound() {
        let histogram = Histogram::default();
        for ms in [0, 50, 51, 299_999, 300_001, 9_000_000] {
            histogram.observe(Duration::from_millis(ms));
        }
        let seen = histogram.distribution();

        assert_eq!(seen.up_to[0], (0.05, 2));
        assert_eq!(seen.up_to[1], (0.1, 3));
        assert_eq!(seen.up_to.last(), Some(&(300.0, 4)));
        assert_eq!(seen.count, 6);
        assert!((seen.sum - 9600.101).abs() < 1e-6, "{}", seen.sum);
    }

    #[test]
    fn quantiles_are_bounds_and_unknown_beyond_the_last_or_without_anything() {
        let histogram = Histogram::default();
        assert_eq!(histogram.distribution().quantile(0.5), None);
        for ms in [10, 10, 10, 1500, 600_000] {
            histogram.observe(Duration::from_millis(ms));
        }
        let seen = histogram.distribution();
        assert_eq!(seen.quantile(0.5), Some(0.05));
        assert_eq!(seen.quantile(0.8), Some(2.0));
        assert_eq!(seen.quantile(0.95), None);
    }
}

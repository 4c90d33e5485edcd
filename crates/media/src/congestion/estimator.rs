//! From feedback to a target.

use std::time::{Duration, Instant};

use super::delay::{DelayDetector, DelaySignal};
use super::loss::LossModel;
use super::loss_window::LossWindow;
use super::probe::{ProbeCluster, ProbeSituation, Prober};
use super::rate_control::{Observation, RateControl, Verdict};
use super::rate_meter::RateMeter;
use super::{Fate, PacketReport};

/// Limits and start of the target, in bits per second on the wire, headers included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EstimatorConfig {
    /// It never goes below. Too high, and a narrow link is overrun; too low, and there is neither picture nor sound.
    pub floor_bps: u64,
    /// It never goes above, and nothing is probed for above: what the best picture and sound need.
    pub ceiling_bps: u64,
    /// What is sent until the first feedback. Most links take 300 kbit/s; the first probes multiply it within a few round trips.
    pub start_bps: u64,
}

impl Default for EstimatorConfig {
    fn default() -> Self {
        Self {
            floor_bps: 50_000,
            ceiling_bps: 4_000_000,
            start_bps: 300_000,
        }
    }
}

/// The estimator's inner state, for statistics.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct EstimatorSnapshot {
    /// The target, in bits per second.
    pub target_bps: u64,
    /// What is sent, in bits per second over the last half second.
    pub sent_bps: Option<u64>,
    /// What the other side says has arrived, in bits per second over half a second.
    pub delivered_bps: Option<u64>,
    /// What the path carries, if that is known from the last time that its queue grew, in bits per second.
    pub capacity_bps: Option<u64>,
    /// The limit that the losses speak of, in bits per second.
    pub loss_capacity_bps: Option<u64>,
    /// The share of packets lost lately.
    pub loss_ratio: f64,
    /// The share that is lost at any rate, for which sending less is no remedy.
    pub chance_loss_ratio: f64,
    /// What waits in the network's queues, beyond the smallest delay of the last 20 seconds.
    pub queue_delay: Duration,
    /// By how much the delays scatter.
    pub jitter: Duration,
    /// From departure of a packet to the feedback on it, the smallest lately: the round trip and what the feedback waited.
    pub round_trip: Option<Duration>,
    /// The queue is too long, or becoming so.
    pub is_congested: bool,
    /// Less is sent than may be.
    pub is_application_limited: bool,
}

/// Decides how much may be sent.
///
/// Tell it of every packet that leaves ([`Self::on_sent`]) and of every feedback ([`Self::on_feedback`]); call [`Self::handle_timeout`] when
/// [`Self::poll_timeout`] says so; then follow [`Self::target_bps`] and send the clusters that [`Self::poll_probe`] orders.
///
/// Uses a fixed amount of memory, and time that is proportional to the packets reported.
#[derive(Debug)]
pub struct Estimator {
    config: EstimatorConfig,
    origin: Instant,
    sent: RateMeter,
    arrived: RateMeter,
    delay: DelayDetector,
    delay_signal: DelaySignal,
    loss: LossModel,
    window: LossWindow,
    /// The newest arrival, and bytes sent after it of which nothing is known.
    newest_arrival_us: Option<i64>,
    unknown_bytes: usize,
    /// Bytes sent since the last packet that arrived.
    bytes_before: usize,
    control: RateControl,
    prober: Prober,
    /// Smallest of this and the last period.
    round_trip: Option<Duration>,
    round_trip_before: Option<Duration>,
    round_trip_since: Instant,
    /// When feedback on what was sent since the last one is overdue.
    silent_until: Option<Instant>,
    /// Whether it was overdue and has not come since.
    is_silent: bool,
    /// Since when packets take the present path. Those that left before say nothing of it.
    path_since: Instant,
    is_application_limited: bool,
}

impl Estimator {
    /// More reports in one feedback are ignored: a second of 100 Mbit/s in full packets.
    pub const MAX_REPORTS: usize = 10_000;

    /// Over which time rates are measured: some 15 frames, so that the size of a single one does not matter.
    const RATE_WINDOW_US: i64 = 500_000;
    /// Over which time it is measured what gets through when a queue grows steeply.
    const LATELY_US: i64 = 200_000;
    /// Who sends less than this share of the target does not put it to the test.
    const APPLICATION_LIMITED_SHARE: f64 = 0.7;
    /// Feedback that does not come for so long, and two round trips, has stopped coming: five of 100 ms are missing.
    const MIN_SILENCE: Duration = Duration::from_millis(500);
    /// How long it takes from a change of the target to what leaves, and from arrival to feedback.
    const INERTIA: Duration = Duration::from_millis(120);
    /// Pacing where no capacity is known, and near a capacity, as multiples of the target.
    const FAST_PACING: f64 = 1.5;
    const SLOW_PACING: f64 = 1.15;
    /// Pacing where all is sent that there is use for and no limit was met: pictures are there sooner.
    const FREE_PACING: f64 = 3.0;
    /// How often the smallest round trip is renewed.
    const ROUND_TRIP_PERIOD: Duration = Duration::from_secs(5);
    /// Times differ by less than this from the origin (139 years), so that their differences are numbers.
    const MAX_US: i64 = i64::MAX / 2_000;

    /// Starts at the rate that the configuration says, and orders a first probe. A configuration whose limits contradict each other is
    /// brought in order: the floor counts.
    pub fn new(config: EstimatorConfig, now: Instant) -> Self {
        let config = EstimatorConfig {
            floor_bps: config.floor_bps.max(1_000),
            ceiling_bps: config.ceiling_bps.max(config.floor_bps).max(1_000),
            ..config
        };
        let (floor, ceiling) = (config.floor_bps as f64, config.ceiling_bps as f64);
        let control = RateControl::new(floor, ceiling, config.start_bps as f64);
        Self {
            config,
            origin: now,
            sent: RateMeter::new(),
            arrived: RateMeter::new(),
            delay: DelayDetector::new(),
            delay_signal: DelaySignal::default(),
            loss: LossModel::new(),
            window: LossWindow::default(),
            newest_arrival_us: None,
            unknown_bytes: 0,
            bytes_before: 0,
            prober: Prober::new(now, control.target_bps(), ceiling),
            control,
            round_trip: None,
            round_trip_before: None,
            round_trip_since: now,
            silent_until: None,
            is_silent: false,
            path_since: now,
            is_application_limited: false,
        }
    }

    /// From now on packets take another path: its delay, its queue, its losses and its capacity are its own.
    ///
    /// Half of what the path before took while it worked is tried at first, as long as that is not less than what any path is trusted
    /// with, and a probe says at once whether there is room for more.
    pub fn on_new_path(&mut self, now: Instant) {
        let before_bps = self.control.undisturbed_bps();
        let start_bps = (before_bps / 2.0).max(self.config.start_bps as f64);
        let (floor, ceiling) = (self.config.floor_bps as f64, self.config.ceiling_bps as f64);
        self.control = RateControl::new(floor, ceiling, start_bps.min(before_bps));
        self.prober.restart(now, self.control.target_bps(), ceiling);
        self.delay = DelayDetector::new();
        self.delay_signal = DelaySignal::default();
        self.loss = LossModel::new();
        self.window = LossWindow::default();
        self.arrived = RateMeter::new();
        self.newest_arrival_us = None;
        self.unknown_bytes = 0;
        self.bytes_before = 0;
        self.round_trip = None;
        self.round_trip_before = None;
        self.round_trip_since = now;
        self.silent_until = Some(now + self.silence());
        self.is_silent = false;
        self.path_since = now;
    }

    /// Whether feedback has stopped coming: what was sent lately is most likely lost.
    pub const fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// A packet leaves for the network, of this size on the wire.
    pub fn on_sent(&mut self, now: Instant, size_bytes: usize) {
        let size_bytes = size_bytes.min(usize::from(u16::MAX));
        self.sent.add(self.micros(now), size_bytes);
        if self.silent_until.is_none() {
            self.silent_until = Some(now + self.silence());
        }
    }

    /// A feedback has come. The reports are in the order in which the packets were sent.
    ///
    /// Feedback may be lost, late or out of order. What is reported twice counts twice.
    pub fn on_feedback(&mut self, now: Instant, reports: &[PacketReport]) {
        let reports = &reports[..reports.len().min(Self::MAX_REPORTS)];
        if reports.is_empty() {
            return;
        }
        if let Some(rate_bps) =
            rate_of(reports).or_else(|| self.arrived.recent(Self::RATE_WINDOW_US))
        {
            self.delay.set_rate(rate_bps);
        }
        let mut newest_sent_at = None;
        for report in reports {
            // A packet cannot be reported before it was sent.
            if report.sent_at > now || report.sent_at < self.path_since {
                continue;
            }
            if matches!(report.fate, Fate::Arrived(_)) {
                newest_sent_at = newest_sent_at.max(Some(report.sent_at));
            }
            self.on_report(report);
        }
        if let Some(sent_at) = newest_sent_at {
            self.on_round_trip(now, now.saturating_duration_since(sent_at));
            self.silent_until = None;
            self.is_silent = false;
        }
        self.delay_signal = self.delay.assess();
        self.decide(now);
    }

    /// To be called when [`Self::poll_timeout`] says so, or at any other time.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.silent_until.is_some_and(|at| now >= at) {
            self.control.on_silence(now);
            self.is_silent = true;
            self.silent_until = Some(now + self.silence());
        }
    }

    /// When the absence of feedback will mean something.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.silent_until
    }

    /// A cluster of packets to send now, to find out whether more gets through.
    pub fn poll_probe(&mut self) -> Option<ProbeCluster> {
        self.prober.poll()
    }

    /// How much may be sent, in bits per second on the wire: sound, pictures, retransmissions and repair together.
    pub const fn target_bps(&self) -> u64 {
        self.control.target_bps() as u64
    }

    /// How fast the pacer is to let out what may be sent, in bits per second. Somewhat faster than the target, or a large picture would delay
    /// all that follow; but hardly faster than the capacity, or it would queue in the network instead. While a queue is to become empty
    /// what is known of the capacity is not relied on: it was measured in a hurry.
    pub fn pacing_bps(&self) -> u64 {
        let target_bps = self.control.target_bps();
        if self.control.is_draining() {
            return (Self::SLOW_PACING * target_bps) as u64;
        }
        let by_loss = self.loss.signal().capacity_bps.unwrap_or(f64::INFINITY);
        let by_delay = self.control.capacity_bps().unwrap_or(f64::INFINITY);
        let capacity_bps = by_delay.min(by_loss);
        let is_free = capacity_bps.is_infinite() && target_bps >= self.config.ceiling_bps as f64;
        let fast = if is_free {
            Self::FREE_PACING
        } else {
            Self::FAST_PACING
        };
        (fast * target_bps).min(capacity_bps.max(Self::SLOW_PACING * target_bps)) as u64
    }

    /// The most that there will be use for: what the best rung of the ladder needs, in bits per second.
    pub fn set_ceiling(&mut self, ceiling_bps: u64) {
        self.config.ceiling_bps = ceiling_bps.max(self.config.floor_bps);
        self.control.set_ceiling(self.config.ceiling_bps as f64);
    }

    /// The inner state, for statistics.
    pub fn snapshot(&self) -> EstimatorSnapshot {
        let loss = self.loss.signal();
        let millis = |ms: f64| Duration::from_secs_f64(ms.clamp(0.0, 1e6) / 1e3);
        EstimatorSnapshot {
            target_bps: self.target_bps(),
            sent_bps: self.sent.recent(Self::RATE_WINDOW_US).map(|bps| bps as u64),
            delivered_bps: self
                .arrived
                .recent(Self::RATE_WINDOW_US)
                .map(|bps| bps as u64),
            capacity_bps: self.control.capacity_bps().map(|bps| bps as u64),
            loss_capacity_bps: loss.capacity_bps.map(|bps| bps as u64),
            loss_ratio: loss.loss_ratio,
            chance_loss_ratio: loss.chance_ratio,
            queue_delay: millis(self.delay_signal.queue_ms),
            jitter: millis(self.delay_signal.jitter_ms),
            round_trip: self.smallest_round_trip(),
            is_congested: self.delay_signal.is_congested,
            is_application_limited: self.is_application_limited,
        }
    }

    fn on_report(&mut self, report: &PacketReport) {
        let sent_us = self.micros(report.sent_at);
        let size_bytes = report.size_bytes.min(usize::from(u16::MAX));
        let arrived_us = match report.fate {
            Fate::Arrived(arrival) => Some(
                i64::try_from(arrival.as_micros())
                    .unwrap_or(Self::MAX_US)
                    .min(Self::MAX_US),
            ),
            Fate::Lost => {
                self.bytes_before = self.bytes_before.saturating_add(size_bytes);
                None
            }
            Fate::Unknown => {
                self.unknown_bytes = self.unknown_bytes.saturating_add(size_bytes);
                self.bytes_before = self.bytes_before.saturating_add(size_bytes);
                return;
            }
        };
        if let Some(arrived_us) = arrived_us {
            self.on_arrival(sent_us, arrived_us, size_bytes);
        }
        if let Some(id) = report.probe {
            self.prober.on_packet(id, sent_us, arrived_us, size_bytes);
        }
        let full = self.window.count(sent_us, arrived_us.is_some());
        if let Some(full) = full
            && let Some(rate_bps) = self.sent.rate_between(full.from_us, sent_us)
        {
            self.loss.on_window(rate_bps, &full);
        }
    }

    fn on_arrival(&mut self, sent_us: i64, arrived_us: i64, size_bytes: usize) {
        let bytes = std::mem::take(&mut self.bytes_before).saturating_add(size_bytes);
        if self.delay.on_packet(sent_us, arrived_us, bytes) {
            // Another clock: what arrived by the old one cannot be compared.
            self.arrived = RateMeter::new();
            self.newest_arrival_us = None;
        }
        let unknown_bytes = std::mem::take(&mut self.unknown_bytes);
        if let Some(newest_us) = self.newest_arrival_us
            && unknown_bytes > 0
        {
            // What is not known of has most likely arrived in between, like the rest.
            let arrived_share = 1.0 - self.loss.signal().loss_ratio;
            let bytes = (unknown_bytes as f64 * arrived_share) as usize;
            self.arrived.add_evenly(newest_us, arrived_us, bytes);
        }
        self.arrived.add(arrived_us, size_bytes);
        self.newest_arrival_us = self.newest_arrival_us.max(Some(arrived_us));
    }

    fn decide(&mut self, now: Instant) {
        let now_us = self.micros(now);
        let sent_bps = self
            .sent
            .rate_between(now_us - Self::RATE_WINDOW_US, now_us);
        self.is_application_limited = sent_bps.is_some_and(|sent_bps| {
            sent_bps < Self::APPLICATION_LIMITED_SHARE * self.control.target_bps()
        });
        let loss = self.loss.signal();
        // What was lost by chance did take its turn at the bottleneck.
        let present = 1.0 - loss.chance_ratio.min(0.3);
        let seen = Observation {
            now,
            delay: self.delay_signal,
            delivered_bps: self
                .arrived
                .recent(Self::RATE_WINDOW_US)
                .map(|bps| bps / present),
            delivered_lately_bps: self
                .arrived
                .recent(Self::LATELY_US)
                .map(|bps| bps / present),
            is_application_limited: self.is_application_limited,
            reaction: self.smallest_round_trip().unwrap_or_default() + Self::INERTIA,
            loss_capacity_bps: loss.capacity_bps,
            excess_loss: (loss.loss_ratio - loss.chance_ratio).max(0.0),
        };
        match self.control.on_feedback(&seen) {
            Verdict::Nothing => {}
            Verdict::CapacityChanged => self.prober.hurry(now),
            Verdict::LongerWay => self.delay.rebase(),
        }
        while let Some(result) =
            self.prober
                .poll_result(now, loss.chance_ratio, self.delay_signal.jitter_ms)
        {
            self.control.on_probe(result, &seen);
        }
        self.prober.plan(
            now,
            &ProbeSituation {
                target_bps: self.control.target_bps(),
                // What is far above the target bears probing up to it.
                ceiling_bps: (self.config.ceiling_bps as f64)
                    .min(loss.capacity_bps.unwrap_or(f64::INFINITY)),
                is_calm: self.delay_signal.is_empty && !self.control.is_draining(),
                is_limit_known: self.control.capacity_bps().is_some(),
                jitter_ms: self.delay_signal.jitter_ms,
            },
        );
    }

    fn on_round_trip(&mut self, now: Instant, round_trip: Duration) {
        if now.saturating_duration_since(self.round_trip_since) > Self::ROUND_TRIP_PERIOD {
            self.round_trip_before = self.round_trip.take();
            self.round_trip_since = now;
        }
        self.round_trip = Some(
            self.round_trip
                .map_or(round_trip, |least| least.min(round_trip)),
        );
    }

    fn smallest_round_trip(&self) -> Option<Duration> {
        match (self.round_trip, self.round_trip_before) {
            (Some(now), Some(before)) => Some(now.min(before)),
            (now, before) => now.or(before),
        }
    }

    fn silence(&self) -> Duration {
        // Before the first feedback the round trip is not known, and may be long.
        let round_trip = self
            .smallest_round_trip()
            .unwrap_or(Duration::from_millis(500))
            .min(Duration::from_secs(2));
        Self::MIN_SILENCE + 2 * round_trip
    }

    fn micros(&self, at: Instant) -> i64 {
        let ahead = at.saturating_duration_since(self.origin).as_micros();
        let behind = self.origin.saturating_duration_since(at).as_micros();
        let micros = ahead.max(behind).min(Self::MAX_US as u128) as i64;
        if behind > 0 { -micros } else { micros }
    }
}

/// How fast these packets arrived, in bits per second. None when there is too little of them to say.
fn rate_of(reports: &[PacketReport]) -> Option<f64> {
    let mut bytes = 0.0;
    let mut span: Option<(Duration, Duration)> = None;
    for report in reports {
        if let Fate::Arrived(at) = report.fate {
            bytes += report.size_bytes.min(usize::from(u16::MAX)) as f64;
            let (first, last) = span.unwrap_or((at, at));
            span = Some((first.min(at), last.max(at)));
        }
    }
    let (first, last) = span?;
    let seconds = last.saturating_sub(first).as_secs_f64();
    (seconds > 0.03).then(|| bytes * 8.0 / seconds)
}

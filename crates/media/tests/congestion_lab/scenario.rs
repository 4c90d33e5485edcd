//! Scenarios are data: what the network is like and when it changes.

use std::time::Duration;

use simulation::Conditions;

/// A network and a stretch of time.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub name: &'static str,
    /// The way out, from these seconds on.
    pub steps: Vec<(u64, Conditions)>,
    /// The share of packets that is lost before the bottleneck, and does not use it.
    pub early_loss: f64,
    /// The share of feedback that is lost.
    pub feedback_loss: f64,
    /// The share of feedback that is overtaken by the next.
    pub feedback_reorder: f64,
    /// The receiver's clock, in parts per million too fast.
    pub drift_ppm: f64,
    /// Seconds at which the receiver's clock jumps, and by how much.
    pub clock_jump: Option<(u64, Duration)>,
    /// Somebody else sends so many bits per second from and until these seconds.
    pub cross: Option<(u64, u64, u64)>,
    /// Somebody downloads from and until these seconds, as TCP does: more and more, until the queue is full.
    pub download: Option<(u64, u64)>,
    /// At this second packets begin to take another path, and the sender knows it.
    pub new_path: Option<u64>,
    /// What the encoder can use at most, in bits per second, from these seconds on.
    pub encoder: Vec<(u64, u64)>,
    pub seconds: u64,
}

/// Queue of the links, as in the network lab.
const QUEUE: Duration = Duration::from_millis(300);

/// The way out with half of this round trip.
pub fn path(round_trip_ms: u64) -> Conditions {
    Conditions {
        latency: Duration::from_millis(round_trip_ms / 2),
        queue: QUEUE,
        ..Conditions::default()
    }
}

/// The same with a rate in kbit/s.
pub fn link(round_trip_ms: u64, kbps: u64) -> Conditions {
    Conditions {
        rate_bps: Some(kbps * 1_000),
        ..path(round_trip_ms)
    }
}

/// Conditions with losses by chance.
pub fn lossy(conditions: Conditions, loss_ratio: f64) -> Conditions {
    Conditions {
        loss_ratio,
        ..conditions
    }
}

/// Conditions with delays that scatter by ± this.
pub fn jittery(conditions: Conditions, ms: u64) -> Conditions {
    Conditions {
        jitter: Duration::from_millis(2 * ms),
        ..conditions
    }
}

impl Scenario {
    pub fn new(name: &'static str, conditions: Conditions) -> Self {
        Self {
            name,
            steps: vec![(0, conditions)],
            early_loss: 0.0,
            feedback_loss: 0.0,
            feedback_reorder: 0.0,
            drift_ppm: 0.0,
            clock_jump: None,
            cross: None,
            download: None,
            new_path: None,
            encoder: vec![(0, u64::MAX)],
            seconds: 60,
        }
    }

    pub fn then(mut self, second: u64, conditions: Conditions) -> Self {
        self.steps.push((second, conditions));
        self
    }

    pub fn conditions_at(&self, second: u64) -> Conditions {
        self.steps
            .iter()
            .rev()
            .find(|(from, _)| *from <= second)
            .expect("the first step is at 0")
            .1
    }
}

impl Scenario {
    /// The stretches between changes, each without the time to settle.
    pub fn spans(&self, settle: u64) -> Vec<(u64, u64)> {
        let mut changes: Vec<_> = self.steps.iter().map(|(second, _)| *second).collect();
        changes.extend(self.encoder.iter().map(|(second, _)| *second));
        changes.extend(self.cross.iter().flat_map(|(from, to, _)| [*from, *to]));
        changes.extend(self.download.iter().flat_map(|(from, to)| [*from, *to]));
        changes.push(self.seconds);
        changes.sort_unstable();
        changes.dedup();
        changes
            .windows(2)
            .filter(|pair| pair[1] - pair[0] > settle)
            .map(|pair| (pair[0] + settle, pair[1]))
            .collect()
    }

    /// Whether the queue is kept full by somebody else.
    pub fn is_crowded(&self, second: u64) -> bool {
        self.download
            .is_some_and(|(from, to)| (from..to).contains(&second))
    }

    /// What the others leave of the link. None if it has no limit.
    pub fn left_bps(&self, second: u64) -> Option<u64> {
        let cross = self
            .cross
            .filter(|(from, to, _)| (*from..*to).contains(&second))
            .map_or(0, |(_, _, bps)| bps);
        let rate_bps = self.conditions_at(second).rate_bps?;
        Some(rate_bps.saturating_sub(cross))
    }

    /// The encoder can use so much at most.
    pub fn most_bps(&self, second: u64) -> u64 {
        let most = self.encoder.iter().rev().find(|(from, _)| *from <= second);
        most.map_or(u64::MAX, |(_, bps)| *bps)
    }
}

/// The one of this name.
pub fn named(name: &str) -> Scenario {
    all()
        .into_iter()
        .find(|scenario| scenario.name == name)
        .expect("there is such a scenario")
}

/// All of them.
pub fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    for (name, kbps) in [("300k", 300), ("700k", 700), ("1.5M", 1_500), ("2M", 2_000)] {
        all.push(Scenario::new(name, link(40, kbps)));
    }
    all.push(Scenario::new("no limit", path(40)));
    // Little more than there is use for, which is let out fast.
    all.push(Scenario::new("4.4M", link(40, 4_400)));
    all.push(Scenario::new("700k rtt 20", link(20, 700)));
    all.push(Scenario::new("700k rtt 100", link(100, 700)));
    all.push(Scenario::new("700k rtt 300", link(300, 700)));
    all.push(Scenario::new("2M rtt 300", link(300, 2_000)));
    all.push(Scenario::new("no limit rtt 300", path(300)));
    all.push(Scenario {
        seconds: 80,
        ..Scenario::new("3M-700k-3M", link(40, 3_000))
            .then(25, link(40, 700))
            .then(50, link(40, 3_000))
    });
    all.push(Scenario {
        seconds: 80,
        ..Scenario::new("3M-700k-3M rtt 300", link(300, 3_000))
            .then(25, link(300, 700))
            .then(50, link(300, 3_000))
    });
    for (name, percent) in [
        ("no limit loss 2%", 2.0),
        ("no limit loss 5%", 5.0),
        ("no limit loss 10%", 10.0),
        ("no limit loss 20%", 20.0),
    ] {
        all.push(Scenario::new(name, lossy(path(40), percent / 100.0)));
    }
    for (name, percent) in [
        ("1.5M loss 2%", 2.0),
        ("1.5M loss 5%", 5.0),
        ("1.5M loss 10%", 10.0),
        ("1.5M loss 20%", 20.0),
    ] {
        all.push(Scenario::new(name, lossy(link(40, 1_500), percent / 100.0)));
    }
    all.push(Scenario::new("300k loss 10%", lossy(link(40, 300), 0.1)));
    all.push(Scenario {
        early_loss: 0.1,
        ..Scenario::new("1.5M early loss 10%", link(40, 1_500))
    });
    all.push(Scenario {
        early_loss: 0.2,
        ..Scenario::new("1.5M early loss 20%", link(40, 1_500))
    });
    all.push(Scenario::new(
        "no limit loss 20% rtt 300",
        lossy(path(300), 0.2),
    ));
    all.push(
        Scenario::new("loss 0-20-0%", path(40))
            .then(20, lossy(path(40), 0.2))
            .then(40, path(40)),
    );
    let bursts = |conditions: Conditions| Conditions {
        loss_ratio: 0.05,
        loss_run: 4.0,
        ..conditions
    };
    all.push(Scenario::new("700k bursts 5%x4", bursts(link(40, 700))));
    all.push(Scenario::new("no limit bursts 5%x4", bursts(path(40))));
    all.push(Scenario {
        cross: Some((20, 40, 700_000)),
        ..Scenario::new("1.5M cross 700k", link(40, 1_500))
    });
    all.push(Scenario::new(
        "policer 1M",
        Conditions {
            queue: Duration::from_millis(15),
            ..link(40, 1_000)
        },
    ));
    for (name, drift_ppm) in [("1.5M drift +200", 200.0), ("1.5M drift -200", -200.0)] {
        all.push(Scenario {
            drift_ppm,
            seconds: 120,
            ..Scenario::new(name, link(40, 1_500))
        });
    }
    all.push(Scenario {
        feedback_loss: 0.2,
        ..Scenario::new("1.5M feedback loss 20%", link(40, 1_500))
    });
    all.push(Scenario {
        feedback_reorder: 0.3,
        ..Scenario::new("1.5M feedback reordered", link(40, 1_500))
    });
    all.push(Scenario {
        clock_jump: Some((30, Duration::from_secs(100))),
        ..Scenario::new("1.5M clock jump", link(40, 1_500))
    });
    all.push(Scenario::new("no limit jitter 25", jittery(path(60), 25)));
    all.push(Scenario::new(
        "1.5M jitter 25",
        jittery(link(60, 1_500), 25),
    ));
    all.push(Scenario {
        download: Some((20, 50)),
        seconds: 70,
        ..Scenario::new("2M download", link(40, 2_000))
    });
    all.push(Scenario {
        download: Some((20, 50)),
        seconds: 70,
        ..Scenario::new("700k download", link(100, 700))
    });
    all.push(Scenario::new("1.5M longer way", link(40, 1_500)).then(30, link(240, 1_500)));
    all.push(Scenario {
        new_path: Some(30),
        ..Scenario::new("1.5M longer path", link(40, 1_500)).then(30, link(240, 1_500))
    });
    all.push(Scenario {
        new_path: Some(30),
        ..Scenario::new("3M-700k path", link(40, 3_000)).then(30, link(80, 700))
    });
    all.push(Scenario {
        new_path: Some(30),
        ..Scenario::new("700k-3M path", link(80, 700)).then(30, link(40, 3_000))
    });
    all.push(Scenario {
        new_path: Some(33),
        ..Scenario::new("1.5M lost for 3 s, 3M path", link(40, 1_500))
            .then(30, lossy(link(40, 1_500), 1.0))
            .then(33, link(80, 3_000))
    });
    all.push(
        Scenario::new("1.5M outage 3 s", link(40, 1_500))
            .then(30, lossy(link(40, 1_500), 1.0))
            .then(33, link(40, 1_500)),
    );
    all.push(Scenario {
        encoder: vec![(0, 400_000), (30, u64::MAX)],
        ..Scenario::new("2M app-limited till 30", link(40, 2_000))
    });
    all
}

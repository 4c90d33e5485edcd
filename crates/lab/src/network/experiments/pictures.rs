//! Pictures on lines that are thin, long or lossy.

use std::time::Duration;

use headless::measure::quantile;
use headless::{Event, EventLine, ReportLine};

use super::{Common, Verdicts, milliseconds};
use crate::network::client::now_ms;
use crate::network::{Client, ClientOptions, NatKind, Network, Servers, Shape, Side, Uplink};

const DEFAULT_RUNS: u32 = 1;
/// How long pictures flow before they count: what the path takes has to be found out first.
const SETTLING_TIME: Duration = Duration::from_secs(10);
/// How long they count.
const MEASURED_TIME: Duration = Duration::from_secs(20);
const LONGEST: Duration = Duration::from_mins(1);
/// Without a new picture for this long, it is frozen.
const FROZEN_MS: f64 = 200.0;
/// The largest share of time that may be frozen.
const FROZEN_TARGET: f64 = 0.02;

/// A kind of line between the two, the same in both directions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// In bits per second; none for no limit.
    pub rate_bps: Option<u64>,
    /// There and back.
    pub round_trip: Duration,
    /// From 0 to 1.
    pub loss_ratio: f64,
    /// How many are lost in a row, on average.
    pub loss_run: f64,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.rate_bps {
            Some(rate_bps) => write!(f, "{} kbit/s, ", rate_bps / 1000)?,
            None => write!(f, "no limit, ")?,
        }
        write!(
            f,
            "{} ms, {:.0} % lost",
            self.round_trip.as_millis(),
            self.loss_ratio * 100.0
        )?;
        if self.loss_run > 1.0 {
            write!(f, " in runs of {:.0}", self.loss_run)?;
        }
        Ok(())
    }
}

/// One direction of a call on such a line, over the measured time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shown {
    /// Pictures shown in a second.
    pub fps: f64,
    /// The share of time that no new picture came for 200 ms or more.
    pub frozen: f64,
    /// From capture to display, half the round trip included, in milliseconds: median.
    pub latency_p50_ms: Option<f64>,
    /// 95th percentile.
    pub latency_p95_ms: Option<f64>,
    /// What arrived, in bits per second of RTP.
    pub received_bps: f64,
    /// How long pictures were held back between their first packet and the decoder, in milliseconds: the mean.
    pub held_back_ms: Option<f64>,
    /// How much sound waited to be heard, in milliseconds: the mean.
    pub sound_buffer_ms: Option<f64>,
    /// The size of the last picture.
    pub size_px: Option<(u32, u32)>,
}

/// Makes a call over this line and looks at it from both sides: what B showed of A, and A of B.
///
/// # Errors
/// When the lab fails, or the call does not come about.
pub fn call_over(
    network: &Network,
    servers: &Servers,
    line: Line,
    options: &ClientOptions,
) -> anyhow::Result<[Shown; 2]> {
    let shape = Shape::delayed(line.round_trip / 4);
    network.shape_all(shape);
    network.cable(Uplink::A).shape_both(Shape {
        rate_bps: line.rate_bps,
        loss_ratio: line.loss_ratio,
        burst_frames: line.loss_run,
        ..shape
    });
    let mut a = Client::start(network, servers, Side::A, options)?;
    let mut b = Client::start(network, servers, Side::B, options)?;
    b.wait_for_pictures(SETTLING_TIME, LONGEST)?;
    let from = now_ms();
    std::thread::sleep(MEASURED_TIME);
    let to = now_ms();
    let mut shown = Vec::new();
    for client in [&mut b, &mut a] {
        let mut one = look(client.events()?, from, to);
        add_figures(&mut one, client.reports()?);
        shown.push(one);
    }
    network.shape_all(Shape::default());
    Ok(shown
        .try_into()
        .expect("there are as many as there are clients"))
}

fn look(events: &[EventLine], from: f64, to: f64) -> Shown {
    let within = events
        .iter()
        .filter(|line| (from..to).contains(&line.at_ms));
    let pictures: Vec<(f64, Option<f64>)> = within
        .filter_map(|line| match line.event {
            Event::Picture { captured_ms, .. } => Some((line.at_ms, captured_ms)),
            _ => None,
        })
        .collect();
    let moments: Vec<f64> = std::iter::once(from)
        .chain(pictures.iter().map(|(at, _)| *at))
        .chain([to])
        .collect();
    let gaps = moments.windows(2).map(|pair| pair[1] - pair[0]);
    let frozen_ms = gaps
        .filter(|gap| *gap >= FROZEN_MS)
        .fold(0.0, |sum, gap| sum + gap);
    let latencies: Vec<f64> = pictures
        .iter()
        .filter_map(|(at, captured)| captured.map(|captured| at - captured))
        .collect();
    Shown {
        fps: pictures.len() as f64 / (to - from) * 1e3,
        frozen: frozen_ms / (to - from),
        latency_p50_ms: quantile(&latencies, 0.5),
        latency_p95_ms: quantile(&latencies, 0.95),
        ..Shown::default()
    }
}

/// Statistics come once a second; the last ones are of the measured time.
fn add_figures(shown: &mut Shown, reports: &[ReportLine]) {
    let seconds = MEASURED_TIME.as_secs() as usize;
    let last = &reports[reports.len().saturating_sub(seconds)..];
    let sum: u64 = last.iter().map(|line| line.received_bps).sum();
    shown.received_bps = sum as f64 / last.len().max(1) as f64;
    shown.held_back_ms = mean(last.iter().filter_map(|line| line.video_jitter_buffer_ms));
    shown.sound_buffer_ms = mean(last.iter().filter_map(|line| line.audio_jitter_buffer_ms));
    shown.size_px = last.last().and_then(|line| line.received_size);
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0_u32, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / f64::from(count))
}

/// Makes calls over all lines, or over those whose name contains one of `only`.
pub(super) fn run(common: &Common, only: &[String], verdicts: &mut Verdicts) -> anyhow::Result<()> {
    let runs = common.calls.unwrap_or(DEFAULT_RUNS);
    let network = Network::build(NatKind::PortRestricted, NatKind::PortRestricted)?;
    let servers = Servers::start(&network, common.relay)?;
    let options = ClientOptions {
        size_px: (640, 480),
        video_kbps: 2000,
        ..ClientOptions::default()
    };
    println!("\n## Pictures on bad networks: both directions, {runs} calls each\n");
    println!(
        "| line | size | pictures/s | frozen | latency p50 | p95 | held back | sound buffer | received |\n|---|---|---|---|---|---|---|---|---|"
    );
    let is_wanted = |line: &Line| {
        let name = line.to_string();
        only.is_empty() || only.iter().any(|part| name.contains(part))
    };
    for line in lines().into_iter().filter(is_wanted) {
        for _ in 0..runs {
            for shown in call_over(&network, &servers, line, &options)? {
                let size = shown.size_px.map_or_else(
                    || "-".to_owned(),
                    |(width, height)| format!("{width}x{height}"),
                );
                println!(
                    "| {line} | {size} | {:.1} | {:.1} % | {} | {} | {} | {} | {:.0} kbit/s |",
                    shown.fps,
                    shown.frozen * 100.0,
                    milliseconds(shown.latency_p50_ms),
                    milliseconds(shown.latency_p95_ms),
                    milliseconds(shown.held_back_ms),
                    milliseconds(shown.sound_buffer_ms),
                    shown.received_bps / 1000.0,
                );
                verdicts.note(
                    format!("pictures over {line}: share of time frozen"),
                    format!("{:.1} %", shown.frozen * 100.0),
                    format!("at most {:.0} %", FROZEN_TARGET * 100.0),
                    shown.frozen <= FROZEN_TARGET,
                );
            }
        }
    }
    Ok(())
}

/// Those on which a browser was measured, and some between them.
fn lines() -> Vec<Line> {
    let line = |rate_kbps: Option<u64>, round_trip_ms, loss_ratio, loss_run| Line {
        rate_bps: rate_kbps.map(|kbps| kbps * 1000),
        round_trip: Duration::from_millis(round_trip_ms),
        loss_ratio,
        loss_run,
    };
    vec![
        line(None, 0, 0.0, 1.0),
        line(None, 40, 0.05, 1.0),
        line(None, 40, 0.1, 1.0),
        line(None, 40, 0.2, 1.0),
        line(None, 100, 0.05, 1.0),
        line(None, 300, 0.0, 1.0),
        line(None, 300, 0.05, 1.0),
        line(Some(300), 40, 0.0, 1.0),
        line(Some(700), 40, 0.0, 1.0),
        line(Some(2000), 40, 0.0, 1.0),
        line(Some(700), 40, 0.05, 4.0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_without_a_new_picture_is_frozen() {
        let picture = |at_ms, captured_ms| EventLine {
            at_ms,
            event: Event::Picture {
                number: None,
                captured_ms: Some(captured_ms),
            },
        };
        let events = [
            picture(900.0, 800.0),
            picture(1100.0, 1050.0),
            picture(1200.0, 1140.0),
            picture(1600.0, 1500.0),
            picture(2100.0, 2000.0),
        ];
        let shown = look(&events, 1000.0, 2000.0);
        assert!((shown.fps - 3.0).abs() < 1e-9);
        assert!((shown.frozen - 0.8).abs() < 1e-9, "400 ms twice");
        assert_eq!(shown.latency_p50_ms, Some(60.0));
    }
}

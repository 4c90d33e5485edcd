//! One call of two programs on a cell's line, measured from outside and from both ends.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use headless::measure::machine::Machine;
use headless::measure::quantile;
use serde::{Deserialize, Serialize};

use super::QualityLab;
use super::cells::{Phase, QualityCell};
use super::clip::{Clip, SIZE_PX};
use super::cost::{Cost, CpuTimes, memory_bytes};
use super::download::Download;
use super::ends::{End, Invited, Place, Program, wait_for_the_wish};
use super::figures::{Compare, PictureFigures, Stretch, look};
use super::sound::{mouth_to_ear_ms, speech_score};
use crate::browser::HeardSound;
use crate::ffi;
use crate::network::client::now_ms;
use crate::network::{Network, Shape, Side, Uplink, Way};

/// How often the queues before the bottleneck are looked at: as often as something else might want to pass.
const QUEUE_LOOK: Duration = Duration::from_millis(20);
/// What a packet of a download takes on a cable, and what arrives of it: Ethernet, IP, and TCP with its time stamps.
const DOWNLOAD_FRAME: [f64; 2] = [1514.0, 1448.0];
/// Between looking at pictures and looking at the cost.
const PAUSE: Duration = Duration::from_millis(500);
/// For how long the cost is taken, at the end, when the page of the browser looks at pictures no more.
const COST_TIME: Duration = Duration::from_secs(4);

/// One direction of a call in one phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The cell, and the phase if there are several.
    pub cell: String,
    /// Who sends.
    pub from: Program,
    /// Who receives.
    pub to: Program,
    /// The codec of the pictures.
    pub codec: Option<String>,
    /// How they fared.
    pub pictures: PictureFigures,
    /// What went through the cable, in bits per second: all of the call in this direction, without a download.
    pub used_bps: f64,
    /// What the cable takes.
    pub rate_bps: Option<f64>,
    /// How long somebody else's packet would have waited before the bottleneck, in milliseconds: median and 95th percentile.
    pub queue_ms: Option<[f64; 2]>,
    /// From mouth to ear, in milliseconds: median and 95th percentile.
    pub mouth_to_ear_ms: Option<[f64; 2]>,
    /// How good the speech is that was heard: PESQ, from 1 to about 4.6.
    #[serde(default)]
    pub speech: Option<f64>,
    /// The share of sound that was made up.
    pub concealed: Option<f64>,
    /// How long sound waits in the jitter buffer, in milliseconds.
    pub sound_buffer_ms: Option<f64>,
    /// What the receiving end cost, which sends as well.
    pub cost: Cost,
    /// The share of the machine that nobody wanted meanwhile.
    pub idle: Option<f64>,
}

/// What was noted from outside in one phase.
struct Outside {
    stretch: Stretch,
    used_bps: [f64; 2],
    queue_ms: [Option<[f64; 2]>; 2],
    heard: [[HeardSound; 2]; 2],
    idle: Option<f64>,
}

/// What was shown, against the clip.
struct Against<'a> {
    clip: &'a Clip,
    pictures: &'a [Vec<u8>],
}

impl Compare for Against<'_> {
    fn likeness(&self, number: u32, picture: usize) -> Option<f64> {
        self.clip.likeness(number, self.pictures.get(picture)?)
    }

    fn judged(&self, number: u32, picture: usize) -> Option<f64> {
        self.clip.judged(number, self.pictures.get(picture)?)
    }
}

/// Measures one call; a row for each direction of each phase.
pub(super) fn measure(
    lab: &QualityLab,
    programs: [Program; 2],
    cell: &QualityCell,
) -> anyhow::Result<Vec<Row>> {
    let result = call(lab, programs, cell);
    lab.network.shape_all(Shape::default());
    result
}

fn call(lab: &QualityLab, programs: [Program; 2], cell: &QualityCell) -> anyhow::Result<Vec<Row>> {
    let (network, clip) = (&lab.network, &lab.clip);
    let first = cell.phases.first().context("a cell without a line")?;
    // They come into the lobby over a line that is long and otherwise good. What makes it bad comes before they are matched.
    network.shape_all(first.line.delay());
    let place = |side| Place { lab, side };
    let [a, b] = [Side::A, Side::B].map(place);
    let (invited_a, invited_b) = (Invited::new(programs[0], a)?, Invited::new(programs[1], b)?);
    let end_a = invited_a.join(a)?;
    wait_for_the_wish();
    network.cable(Uplink::A).shape_both(first.line.shape());
    let mut ends = [end_a, invited_b.join(b)?];
    for end in &mut ends {
        end.wait_for_pictures()?;
    }
    let mut phases = Vec::new();
    for (index, phase) in cell.phases.iter().enumerate() {
        phases.push(pass(network, &mut ends, phase, index == 0)?);
    }
    let mut codecs = Vec::new();
    for end in &mut ends {
        codecs.push(end.codec()?);
        end.stop_watching()?;
    }
    let costs = take_costs(&mut ends)?;
    let since_ms = phases[0].stretch.counted_ms.start;
    let [a, b] = &mut ends;
    let evidence = [a.evidence(since_ms, clip)?, b.evidence(since_ms, clip)?];
    if let Some(folder) = &lab.keep {
        let [from, to] = programs;
        let call = format!("{} {from}-{to}", cell.name).replace('/', "-");
        a.keep(&folder.join(format!("{call} a")))?;
        b.keep(&folder.join(format!("{call} b")))?;
    }

    let mut rows = Vec::new();
    for (index, (outside, phase)) in phases.iter().zip(&cell.phases).enumerate() {
        for (from, to) in [(0, 1), (1, 0)] {
            let receiver = &evidence[to];
            let begin_ms = match index {
                0 => receiver
                    .noticed
                    .matched_ms
                    .context("the match was not noticed")?,
                _ => outside.stretch.begin_ms,
            };
            let stretch = Stretch {
                begin_ms,
                counted_ms: outside.stretch.counted_ms.clone(),
            };
            let compare = Against {
                clip,
                pictures: &receiver.pictures,
            };
            let mut pictures = look(
                &evidence[from].noticed,
                &receiver.noticed,
                &stretch,
                SIZE_PX,
                &compare,
            );
            // On a line that has become thinner there is no way up.
            let takes = |phase: &Phase| phase.line.rate_kbps.unwrap_or(u32::MAX);
            if index > 0 && takes(phase) < takes(&cell.phases[index - 1]) {
                pictures.full_size_ms = None;
            }
            let [before, after] = outside.heard[to];
            let talk = evidence[from].talk.as_ref().zip(receiver.talk.as_ref());
            let mouth_to_ear = talk.and_then(|([said, _], [_, heard])| {
                mouth_to_ear_ms(said, heard, &stretch.counted_ms)
            });
            let judged = talk.zip(mouth_to_ear).filter(|_| clip.is_speech());
            let speech = judged.and_then(|(([said, _], [_, heard]), [delay_ms, _])| {
                speech_score(said, heard, &stretch.counted_ms, delay_ms)
            });
            rows.push(Row {
                mouth_to_ear_ms: mouth_to_ear,
                speech,
                cell: cell.phase_name(index),
                from: programs[from],
                to: programs[to],
                codec: codecs[to].clone(),
                pictures,
                used_bps: outside.used_bps[from],
                rate_bps: phase.line.rate_kbps.map(|kbps| f64::from(kbps) * 1e3),
                queue_ms: outside.queue_ms[from],
                concealed: ratio(
                    after.concealed_s - before.concealed_s,
                    after.all_s - before.all_s,
                ),
                sound_buffer_ms: ratio(
                    after.waited_s - before.waited_s,
                    after.emitted - before.emitted,
                )
                .map(|seconds| seconds * 1e3),
                cost: costs[to],
                idle: outside.idle,
            });
        }
    }
    Ok(rows)
}

/// Goes through a phase. From A's side, what it sends goes up its cable, and what it receives comes down.
fn pass(
    network: &Network,
    ends: &mut [End; 2],
    phase: &Phase,
    is_first: bool,
) -> anyhow::Result<Outside> {
    let cable = network.cable(Uplink::A);
    if !is_first {
        cable.shape_both(phase.line.shape());
    }
    let begin_ms = now_ms();
    let download = phase
        .has_download
        .then(|| Download::start(network))
        .transpose()?;
    wait(phase.settle, || {})?;
    let mut heard = [[HeardSound::default(); 2]; 2];
    for (end, heard) in ends.iter_mut().zip(&mut heard) {
        heard[0] = end.heard()?;
        end.take_shots(true)?;
    }
    // The download comes down to A, the second way. Its acknowledgements on the other count as the call's: a few per cent.
    let downloaded = || {
        download.as_ref().map_or(0.0, |download| {
            download.received_bytes() as f64 * DOWNLOAD_FRAME[0] / DOWNLOAD_FRAME[1]
        })
    };
    let bytes = || {
        let [up, down] = Way::BOTH.map(|way| cable.counts(way).carried_bytes as f64);
        [up, (down - downloaded()).max(0.0)]
    };
    let (machine, bytes_before, from_ms) = (Machine::now(), bytes(), now_ms());
    let mut queues = [Vec::new(), Vec::new()];
    wait(phase.measure, || {
        for (queue, way) in queues.iter_mut().zip(Way::BOTH) {
            queue.push(cable.queue_delay(way).as_secs_f64() * 1e3);
        }
    })?;
    let (bytes_after, to_ms) = (bytes(), now_ms());
    let idle = Machine::now()
        .zip(machine)
        .map(|(now, before)| now.idle_since(before));
    for (end, heard) in ends.iter_mut().zip(&mut heard) {
        end.take_shots(false)?;
        heard[1] = end.heard()?;
    }
    let seconds = (to_ms - from_ms) / 1e3;
    let used = |way: usize| (bytes_after[way] - bytes_before[way]) * 8.0 / seconds;
    let two = |queue: &Vec<f64>| Some([quantile(queue, 0.5)?, quantile(queue, 0.95)?]);
    Ok(Outside {
        stretch: Stretch {
            begin_ms,
            counted_ms: from_ms..to_ms,
        },
        used_bps: [used(0), used(1)],
        queue_ms: [two(&queues[0]), two(&queues[1])],
        heard,
        idle,
    })
}

/// What both ends cost while the call goes on and nobody looks at it.
fn take_costs(ends: &mut [End; 2]) -> anyhow::Result<[Cost; 2]> {
    let pids = ends.each_mut().map(End::pid);
    wait(PAUSE, || {})?;
    let before = pids.map(CpuTimes::of);
    wait(COST_TIME, || {})?;
    let mut costs = [Cost::default(); 2];
    for ((pid, before), cost) in pids.iter().zip(&before).zip(&mut costs) {
        cost.cpu = CpuTimes::of(*pid).since(before);
        cost.memory_bytes = memory_bytes(*pid);
    }
    Ok(costs)
}

/// Waits, and does something at even times meanwhile.
fn wait(length: Duration, mut meanwhile: impl FnMut()) -> anyhow::Result<()> {
    let begin = Instant::now();
    let mut next = begin;
    while begin.elapsed() < length {
        if ffi::is_stop_requested() {
            bail!("interrupted");
        }
        meanwhile();
        next += QUEUE_LOOK;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

//! Measures calls between real processes on this machine and prints tables: `cargo xtask bench`.
//!
//! Every figure stands beside one from the same run that it can be compared with. The two sides of a call are two processes, as in
//! life; the server is a third. On Linux only: it reads `/proc`.

mod frames;
mod programs;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::{Parser, Subcommand};
use headless::ReportLine;
use headless::measure::{pictures, process, quantile, speech};

use programs::{Folder, Process, lines, peer, start_server};

/// Measures calls between real processes on this machine.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Args {
    /// What to measure instead.
    #[command(subcommand)]
    task: Option<Task>,
    /// How long each measured call lasts, in seconds.
    #[arg(long, default_value_t = 15)]
    seconds: u32,
    /// How many calls in a row are made to measure Next, and to look for leaks.
    #[arg(long, default_value_t = 20)]
    calls: u32,
    /// A clip to send through a call and compare with what arrives.
    #[arg(long, value_name = "FILE.y4m")]
    clip: Option<PathBuf>,
    /// Speech to send through a call and compare with what arrives; 8 seconds or more.
    #[arg(long, value_name = "FILE.wav")]
    speech: Option<PathBuf>,
}

/// What can be measured besides.
#[derive(Debug, Subcommand)]
enum Task {
    /// Where the milliseconds of a picture go, stage by stage, and the CPU time, thread by thread.
    Frames(frames::FramesArgs),
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if let Some(Task::Frames(args)) = &args.task {
        return frames::measure(args);
    }
    let folder = Folder::new()?;
    let (_server, url) = start_server()?;
    println!("Next, {} calls in a row, 640x480:", args.calls);
    next_to_first_frame(&args, &folder, &url)?;
    println!("\nA call of {} s, each side a process:", args.seconds);
    cost_of_a_call(&args, &folder, &url)?;
    if args.clip.is_some() || args.speech.is_some() {
        println!("\nA recording against its source:");
        recording(&args, &folder, &url)?;
    }
    Ok(())
}

/// The last line of every call that was connected.
fn last_of_each_call(lines: &[ReportLine]) -> Vec<&ReportLine> {
    let is_last = |i: usize| {
        lines
            .get(i + 1)
            .is_none_or(|next| next.call != lines[i].call)
    };
    (0..lines.len())
        .filter(|i| is_last(*i))
        .map(|i| &lines[i])
        .collect()
}

fn next_to_first_frame(args: &Args, folder: &Folder, url: &str) -> anyhow::Result<()> {
    let (a, b) = (folder.file("next-a.jsonl"), folder.file("next-b.jsonl"));
    let calls = args.calls.to_string();
    // One presses Next, the other one stays and is pressed away.
    let waiting = Process::start(peer(url, &b)?.args(["--calls", &calls, "--patience", "60"]))?;
    let pressing = Process::start(peer(url, &a)?.args(["--calls", &calls, "--seconds", "2.2"]))?;
    let mut sizes = Vec::new();
    let mut files = Vec::new();
    let end = Instant::now() + Duration::from_secs(u64::from(args.calls) * 8 + 30);
    let (mut waiting, mut pressing) = (waiting, pressing);
    while pressing.0.try_wait()?.is_none() {
        let is_partner_there = waiting.0.try_wait()?.is_none_or(|status| status.success());
        ensure!(
            is_partner_there,
            "the partner that is to be pressed away failed"
        );
        ensure!(Instant::now() < end, "the calls do not come to an end");
        sizes.extend(process::resident_bytes(pressing.pid()));
        files.extend(process::open_files(pressing.pid()));
        std::thread::sleep(Duration::from_millis(100));
    }
    pressing.finish(Duration::from_secs(5))?;
    drop(waiting);
    let lines = lines(&a)?;
    let ends = last_of_each_call(&lines);
    let all = |pick: fn(&ReportLine) -> Option<f64>| {
        ends.iter()
            .filter_map(|line| pick(line))
            .collect::<Vec<_>>()
    };
    let connected = all(|line| line.time_to_connected_ms);
    let frame = all(|line| line.time_to_first_frame_ms);
    let next = all(|line| line.next_to_first_frame_ms);
    println!("  connected {} of {}", connected.len(), args.calls);
    print_quantiles("match → connected", "ms", &connected);
    print_quantiles("match → first picture", "ms", &frame);
    print_quantiles("Next → first picture", "ms", &next);
    let megabytes: Vec<f64> = sizes.iter().map(|bytes| *bytes as f64 / 1e6).collect();
    let third = megabytes.len() / 3;
    if third > 0 {
        let (early, late) = (
            quantile(&megabytes[third..2 * third], 0.9),
            quantile(&megabytes[2 * third..], 0.9),
        );
        if let (Some(early), Some(late)) = (early, late) {
            println!(
                "  memory, middle third → last third of the calls: {early:.1} → {late:.1} MB (ratio {:.2})",
                late / early
            );
        }
        let most = |part: &[u64]| part.iter().max().copied().unwrap_or_default();
        println!(
            "  open files, most in the same thirds: {} → {}",
            most(&files[third..2 * third]),
            most(&files[2 * third..])
        );
    }
    Ok(())
}

fn print_quantiles(name: &str, unit: &str, values: &[f64]) {
    if let (Some(p50), Some(p95)) = (quantile(values, 0.5), quantile(values, 0.95)) {
        println!("  {name}: median {p50:.0} {unit}, p95 {p95:.0} {unit}");
    }
}

fn cost_of_a_call(args: &Args, folder: &Folder, url: &str) -> anyhow::Result<()> {
    println!(
        "  {:<16} {:>8} {:>11} {:>11} {:>12} {:>12} {:>9} {:>10}",
        "size",
        "shown/s",
        "latency p50",
        "latency p95",
        "CPU-s/s A",
        "CPU-s/s B",
        "memory",
        "kbit/s"
    );
    let measure = |size, kbps, is_saving| one_call(args, folder, url, (size, kbps), is_saving);
    let (mut small, mut saving) = (Cost::default(), Cost::default());
    // In turns, for other programs want the processor, too.
    for _ in 0..2 {
        small += measure("640x480", "1000", false)?;
        saving += measure("640x480", "1000", true)?;
    }
    let large = measure("1280x720", "2000", false)?;
    println!(
        "  cost of 1280x720 against 640x480: {:.2} times",
        2.0 * (large.a + large.b) / (small.a + small.b)
    );
    println!(
        "  cost of saving power at A against not: {:.2} times for A, {:.2} times for B",
        saving.a / small.a,
        saving.b / small.b
    );
    Ok(())
}

/// Seconds of processor time for each second of a call, of either side.
#[derive(Default)]
struct Cost {
    a: f64,
    b: f64,
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.a += other.a;
        self.b += other.b;
    }
}

/// Makes a call in which A saves power or does not, and prints a line about it.
fn one_call(
    args: &Args,
    folder: &Folder,
    url: &str,
    (size, kbps): (&str, &str),
    is_saving: bool,
) -> anyhow::Result<Cost> {
    let (a, b) = (folder.file("cost-a.jsonl"), folder.file("cost-b.jsonl"));
    let seconds = (args.seconds + 4).to_string();
    let options = ["--size", size, "--video-kbps", kbps, "--seconds", &seconds];
    let mut one = peer(url, &a)?;
    if is_saving {
        one.arg("--power-saving");
    }
    let one = Process::start(one.args(options))?;
    let two = Process::start(peer(url, &b)?.args(options))?;
    // The start, with its keyframe and handshakes, is a cost of the call and not of its seconds.
    std::thread::sleep(Duration::from_secs(3));
    let cpu = || (process::cpu_time(one.pid()), process::cpu_time(two.pid()));
    let (before, began) = (cpu(), Instant::now());
    std::thread::sleep(Duration::from_secs(u64::from(args.seconds) - 1));
    let (after, wall) = (cpu(), began.elapsed().as_secs_f64());
    let memory = process::resident_bytes(one.pid()).unwrap_or_default() as f64 / 1e6;
    one.finish(Duration::from_secs(20))?;
    drop(two);
    let share = |before: Option<Duration>, after: Option<Duration>| {
        let used = after.zip(before).context("there is no /proc here")?;
        anyhow::Ok(used.0.saturating_sub(used.1).as_secs_f64() / wall)
    };
    let cost = Cost {
        a: share(before.0, after.0)?,
        b: share(before.1, after.1)?,
    };
    let lines = lines(&a)?;
    let steady: Vec<&ReportLine> = lines
        .iter()
        .skip(2)
        .filter(|line| line.state == "connected")
        .collect();
    let share_of = |share, pick: fn(&ReportLine) -> Option<f64>| {
        let values: Vec<f64> = steady.iter().filter_map(|line| pick(line)).collect();
        quantile(&values, share).unwrap_or(f64::NAN)
    };
    let name = format!("{size}{}", if is_saving { ", saving" } else { "" });
    println!(
        "  {name:<16} {:>8.1} {:>8.0} ms {:>8.0} ms {:>12.3} {:>12.3} {memory:>6.0} MB {:>10.0}",
        share_of(0.5, |line| Some(f64::from(line.received_fps))),
        share_of(0.5, |line| line.picture_latency_ms),
        share_of(0.95, |line| line.picture_latency_ms),
        cost.a,
        cost.b,
        share_of(0.5, |line| Some(line.received_bps as f64 / 1e3)),
    );
    Ok(cost)
}

fn recording(args: &Args, folder: &Folder, url: &str) -> anyhow::Result<()> {
    let (a, b) = (folder.file("rec-a.jsonl"), folder.file("rec-b.jsonl"));
    let (pictures_file, sound_file) = (folder.file("rec.y4m"), folder.file("rec.wav"));
    let seconds = args.seconds.max(12).to_string();
    let mut sender = peer(url, &a)?;
    if let Some(clip) = &args.clip {
        sender.arg("--video").arg(clip);
    }
    if let Some(wav) = &args.speech {
        sender.arg("--audio").arg(wav);
    }
    let mut receiver = peer(url, &b)?;
    receiver
        .args(["--seconds", &seconds, "--record-video"])
        .arg(&pictures_file)
        .arg("--record-audio")
        .arg(&sound_file);
    let sender = Process::start(&mut sender)?;
    Process::start(&mut receiver)?.finish(Duration::from_mins(1))?;
    drop(sender);
    if let Some(clip) = &args.clip {
        let source = pictures::Clip::read(clip, 600)?;
        let shown = pictures::Clip::read(&pictures_file, 600)?;
        let likeness = pictures::likeness(&source, &shown)?;
        println!(
            "  pictures: {} recorded, PSNR mean {:.1} dB, worst 1 % {:.1} dB",
            shown.len(),
            likeness.psnr_db,
            likeness.worst_psnr_db,
        );
    }
    if let Some(wav) = &args.speech {
        let source = speech::Speech::read(wav)?;
        let score = speech::opinion_score(&source, &speech::Speech::read(&sound_file)?)?;
        let ideal = speech::opinion_score(&source, &source.repeated())?;
        println!(
            "  speech: PESQ {score:.2} of {ideal:.2} for the source against itself (ratio {:.2})",
            score / ideal
        );
    }
    Ok(())
}

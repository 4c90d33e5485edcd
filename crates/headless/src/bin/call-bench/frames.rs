//! Where the milliseconds of a picture go, stage by stage, and the CPU time of a call, thread by thread.

mod table;
mod way;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use headless::measure::machine::Machine;
use headless::measure::threads::{self, ThreadCost};

use crate::programs::{Folder, Process, lines, our_folder, program_in, start_server};
use way::Whole;

/// How long a call goes on after it was measured.
const REST: Duration = Duration::from_secs(2);

/// What `call-bench frames` is told.
#[derive(Debug, clap::Args)]
pub(crate) struct FramesArgs {
    /// For how long each call is measured, in seconds.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// How long each call settles before that, in seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    settle: u32,
    /// Sizes of the camera's pictures.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "WIDTHxHEIGHT,..",
        default_value = "640x480,1280x720"
    )]
    sizes: Vec<String>,
    /// Codecs, of those that `passerby-headless --video-codec` knows.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "CODEC,..",
        default_value = "h264,av1"
    )]
    codecs: Vec<String>,
    /// The most that pictures may have, in kbit/s.
    #[arg(long, default_value_t = 2000)]
    kbps: u32,
    /// What both send, instead of the test pattern. Its own size counts then.
    #[arg(long, value_name = "FILE.y4m")]
    clip: Option<PathBuf>,
    /// How many calls of each kind; all of their pictures count.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// A folder with the programs of another build, to be measured in turn with these.
    #[arg(long, value_name = "FOLDER")]
    beside: Option<PathBuf>,
}

/// What was measured of one build in calls of one kind.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// All pictures that were captured while it was measured, in both directions.
    pub(crate) ways: Vec<Whole>,
    /// Of all calls and both ends.
    pub(crate) threads: BTreeMap<String, ThreadCost>,
    /// For how long, in seconds, of all calls and both ends.
    pub(crate) seconds: f64,
    /// The share of the machine that nobody wanted, call by call.
    pub(crate) idle: Vec<f64>,
    /// The codec and the size of what was sent at the end.
    pub(crate) sent: Option<(String, (u32, u32))>,
}

pub(crate) fn measure(args: &FramesArgs) -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let (_server, url) = start_server()?;
    let builds: Vec<PathBuf> = args.beside.iter().cloned().chain([our_folder()?]).collect();
    let sizes = match &args.clip {
        Some(_) => &args.sizes[..1],
        None => &args.sizes,
    };
    for size in sizes {
        for codec in &args.codecs {
            let mut measured: Vec<Measured> = builds.iter().map(|_| Measured::default()).collect();
            for round in 0..args.rounds as usize {
                // Nobody is always the first: a machine gets warm, and others come and go.
                for turn in 0..builds.len() {
                    let which = (turn + round) % builds.len();
                    let call = Call { args, size, codec };
                    call.measure(&builds[which], &folder, &url, &mut measured[which])?;
                }
            }
            let from = args.clip.as_ref().map_or_else(
                || format!("test pattern of {size}"),
                |clip| clip.display().to_string(),
            );
            print!("{}", table::table(&format!("{codec}, {from}"), &measured));
        }
    }
    Ok(())
}

/// One kind of call.
struct Call<'a> {
    args: &'a FramesArgs,
    size: &'a str,
    codec: &'a str,
}

impl Call<'_> {
    fn measure(
        &self,
        build: &Path,
        folder: &Folder,
        url: &str,
        measured: &mut Measured,
    ) -> anyhow::Result<()> {
        let files = ["a", "b"].map(|side| {
            let file = |what| folder.file(&format!("frames-{side}-{what}.jsonl"));
            (file("stats"), file("ways"))
        });
        let ends = [
            self.end(build, url, &files[0])?,
            self.end(build, url, &files[1])?,
        ];
        std::thread::sleep(Duration::from_secs(self.args.settle.into()));
        let costs = || ends.each_ref().map(|end| threads::by_name(end.pid()));
        let (machine, before, began, from_ms) = (Machine::now(), costs(), Instant::now(), now_ms());
        std::thread::sleep(Duration::from_secs(self.args.seconds.into()));
        let (after, to_ms) = (costs(), now_ms());
        measured.seconds += 2.0 * began.elapsed().as_secs_f64();
        let idle = Machine::now().zip(machine);
        measured
            .idle
            .extend(idle.map(|(now, before)| now.idle_since(before)));
        for (before, after) in before.iter().zip(&after) {
            add_up(&mut measured.threads, before, after);
        }
        let longest = REST + Duration::from_secs(20);
        for end in ends {
            end.finish(longest)?;
        }
        let ways = [way::read(&files[0].1)?, way::read(&files[1].1)?];
        let both = way::join(&ways[0], &ways[1])
            .into_iter()
            .chain(way::join(&ways[1], &ways[0]));
        let measured_ones = both.filter(|way| (from_ms..to_ms).contains(&way.captured_ms));
        measured.ways.extend(measured_ones);
        let last = lines(&files[0].0)?.into_iter().rev();
        let mut sent = last.filter_map(|line| line.sent_codec.zip(line.sent_size));
        measured.sent = sent.next();
        Ok(())
    }

    fn end(
        &self,
        build: &Path,
        url: &str,
        (stats, ways): &(PathBuf, PathBuf),
    ) -> anyhow::Result<Process> {
        let Self { args, size, codec } = self;
        let seconds = args.settle + args.seconds + REST.as_secs() as u32;
        let mut command = program_in(build, "passerby-headless");
        command
            .args(["--server", url, "--quiet", "--size", size])
            .args(["--video-codec", codec])
            .args(["--video-kbps", &args.kbps.to_string()])
            .args(["--seconds", &seconds.to_string()])
            .arg("--stats")
            .arg(stats)
            .arg("--ways")
            .arg(ways)
            .stdout(Stdio::null());
        if let Some(clip) = &args.clip {
            command.arg("--video").arg(clip);
        }
        Process::start(&mut command)
    }
}

fn add_up(
    sum: &mut BTreeMap<String, ThreadCost>,
    before: &BTreeMap<String, ThreadCost>,
    after: &BTreeMap<String, ThreadCost>,
) {
    for (name, cost) in after {
        let used = cost.since(before.get(name).copied().unwrap_or_default());
        let sum = sum.entry(name.clone()).or_default();
        sum.threads = sum.threads.max(used.threads);
        sum.cpu += used.cpu;
        sum.wakeups += used.wakeups;
    }
}

fn now_ms() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64() * 1e3
}

/// What a file of lines of JSON holds.
fn read_lines<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<T>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    text.lines()
        .map(|line| Ok(serde_json::from_str(line)?))
        .collect()
}

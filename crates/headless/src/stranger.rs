//! What a headless stranger does: joins, talks, answers chat, presses Next, reports.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use engine::{CallView, Command, Engine, ReportReason, Snapshot, Speaker, VideoSource};

use crate::args::Args;
use crate::events::EventRecorder;
use crate::ways::WayRecorder;
use crate::{Report, ReportLine, VideoRecorder};

/// What begins every answer, so that two such strangers do not answer each other's answers for ever.
const ANSWER: &str = "You said: ";
/// The first words to a partner.
const GREETING: &str = "Hello! I am a synthetic stranger: I answer what you write.";
/// How often the stranger looks at the state of things.
const TURN: Duration = Duration::from_millis(20);

/// What came of the calls that were asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Calls that came about: connected, and a picture seen if the partner sends any.
    pub made: u32,
    /// Calls that did not.
    pub failed: u32,
}

/// Makes the calls that `args` ask for, or as many as fit in before `is_over` says stop.
///
/// # Errors
/// When a file cannot be written or the engine cannot start. A call that does not come about is no error: see [`Outcome`].
pub fn run(args: &Args, is_over: &AtomicBool) -> anyhow::Result<Outcome> {
    let mut report = Report::create(args.stats.as_deref(), args.quiet)?;
    let config = args.engine_config().context("--identity cannot be used")?;
    let engine = Arc::new(Engine::start(config, || {}).context("the engine cannot start")?);
    let recorder = match &args.record_video {
        Some(path) => Some(VideoRecorder::start(Arc::clone(&engine), path, args.fps)?),
        None => None,
    };
    let events = match &args.events {
        Some(path) => Some(EventRecorder::start(
            Arc::clone(&engine),
            path,
            args.shots.as_deref(),
        )?),
        None => None,
    };
    let mut ways = match &args.ways {
        Some(path) => Some(WayRecorder::create(path)?),
        None => None,
    };
    let mut outcome = Outcome::default();
    let mut number = 0;
    while !is_over.load(Ordering::Relaxed) && (args.calls == 0 || number < args.calls) {
        number += 1;
        // Both find a partner from whatever state the last call has left.
        let wish = if number == 1 {
            Command::Start {
                interests: args.interests.clone(),
                language: args.language.clone(),
            }
        } else {
            Command::Next
        };
        engine.send(wish);
        match one_call(&engine, args, number, &mut report, &mut ways, is_over)? {
            Verdict::Made => outcome.made += 1,
            Verdict::Failed(why) => {
                eprintln!("call {number} did not come about: {why}");
                outcome.failed += 1;
            }
            Verdict::Interrupted => break,
        }
    }
    engine.send(Command::Stop);
    if let Some(events) = events {
        events.finish()?;
    }
    if let Some(recorder) = recorder {
        let frames = recorder.finish()?;
        println!("recorded {frames} pictures");
    }
    Ok(outcome)
}

enum Verdict {
    Made,
    Failed(String),
    Interrupted,
}

/// One call from the search to its end.
fn one_call(
    engine: &Engine,
    args: &Args,
    number: u32,
    report: &mut Report,
    ways: &mut Option<WayRecorder>,
    is_over: &AtomicBool,
) -> anyhow::Result<Verdict> {
    let mut call = Watched::new(args);
    let mut next_line = Instant::now() + Duration::from_secs(1);
    // The last call's end is still to be seen until the command has been carried out.
    let left_the_last = engine.wait_until(Duration::from_secs(5), |snapshot| {
        !matches!(snapshot.call, CallView::Idle | CallView::Ended { .. })
            && snapshot.statistics.frames_decoded == 0
    });
    if left_the_last.is_err() {
        return Ok(Verdict::Failed(
            "the engine did not begin to search".to_owned(),
        ));
    }
    loop {
        if is_over.load(Ordering::Relaxed) {
            return Ok(Verdict::Interrupted);
        }
        let snapshot = engine.snapshot();
        let now = Instant::now();
        if now >= next_line {
            next_line += Duration::from_secs(1);
            report.line(&ReportLine::new(number, &snapshot))?;
        }
        if let Some(ways) = ways {
            ways.write(engine)?;
        }
        call.converse(engine, &snapshot);
        call.go_direct(engine, now);
        call.report(engine, now);
        call.share(engine, &snapshot);
        if let Some(verdict) = call.judge(&snapshot, now) {
            report.line(&ReportLine::new(number, &snapshot))?;
            return Ok(verdict);
        }
        std::thread::sleep(TURN);
    }
}

/// What a stranger remembers of the call that it is in.
struct Watched<'a> {
    args: &'a Args,
    began_at: Instant,
    connected_at: Option<Instant>,
    has_seen_a_picture: bool,
    partner_sent_video: bool,
    lines_read: usize,
    has_greeted: bool,
    /// What to share, until that is done.
    share: Option<VideoSource>,
    /// When to agree to a direct path, until that is done.
    go_direct_after: Option<Duration>,
    /// When to report the partner, until that is done.
    report_after: Option<Duration>,
}

impl<'a> Watched<'a> {
    fn new(args: &'a Args) -> Self {
        Self {
            args,
            began_at: Instant::now(),
            connected_at: None,
            has_seen_a_picture: false,
            partner_sent_video: false,
            lines_read: 0,
            has_greeted: false,
            share: args.share.clone(),
            go_direct_after: args.go_direct.map(Duration::from_secs_f64),
            report_after: args.report_after.map(Duration::from_secs_f64),
        }
    }

    /// Greets once and answers each line of the partner's that is no answer itself.
    fn converse(&mut self, engine: &Engine, snapshot: &Snapshot) {
        if snapshot.partner.is_chat_open && !self.has_greeted {
            self.has_greeted = true;
            engine.send(Command::SendChat(GREETING.to_owned()));
        }
        for line in snapshot.chat.iter().skip(self.lines_read) {
            if line.speaker == Speaker::Partner && !line.text.starts_with(ANSWER) {
                engine.send(Command::SendChat(format!("{ANSWER}{}", line.text)));
            }
        }
        self.lines_read = snapshot.chat.len();
    }

    /// Agrees to a direct path when its time has come.
    fn go_direct(&mut self, engine: &Engine, now: Instant) {
        if let Some((after, connected_at)) = self.go_direct_after.zip(self.connected_at)
            && now - connected_at >= after
        {
            self.go_direct_after = None;
            engine.send(Command::AllowDirect(true));
        }
    }

    /// Reports the partner when the time for that has come.
    fn report(&mut self, engine: &Engine, now: Instant) {
        if let Some((after, connected_at)) = self.report_after.zip(self.connected_at)
            && now - connected_at >= after
        {
            self.report_after = None;
            let chat = engine.snapshot().safety.chat.clone();
            let lines = chat.lines.iter().map(|line| line.number);
            let lines = lines.filter(|_| self.args.report_chat).collect();
            engine.send(Command::Report {
                reason: ReportReason::Other,
                note: "a synthetic stranger was told to report".to_owned(),
                block: self.args.block,
                lines,
            });
        }
    }

    /// Shares a screen as soon as there is somebody to show it to.
    fn share(&mut self, engine: &Engine, snapshot: &Snapshot) {
        if snapshot.partner.is_chat_open
            && let Some(source) = self.share.take()
        {
            engine.send(Command::ShareScreen(Some(source)));
        }
    }

    fn judge(&mut self, snapshot: &Snapshot, now: Instant) -> Option<Verdict> {
        self.has_seen_a_picture |= snapshot.statistics.time_to_first_frame.is_some();
        self.partner_sent_video |= snapshot.partner.is_sending_video;
        match &snapshot.call {
            CallView::Connected { .. } | CallView::Reconnecting { .. } => {
                let connected_at = *self.connected_at.get_or_insert(now);
                let length = self.args.seconds.map(Duration::from_secs_f64);
                length
                    .is_some_and(|length| now - connected_at >= length)
                    .then(|| self.verdict())
            }
            CallView::Ended { reason } => Some(match self.connected_at {
                Some(_) => self.verdict(),
                None => Verdict::Failed(format!("{reason:?}")),
            }),
            CallView::Searching { .. } | CallView::Connecting { .. } => {
                let patience = Duration::from_secs(self.args.patience.into());
                let is_over = !patience.is_zero() && now - self.began_at > patience;
                is_over.then(|| Verdict::Failed("no partner, or no connection, in time".to_owned()))
            }
            CallView::Idle => None,
        }
    }

    fn verdict(&self) -> Verdict {
        if self.partner_sent_video && !self.has_seen_a_picture {
            Verdict::Failed("the partner sent pictures and none was seen".to_owned())
        } else {
            Verdict::Made
        }
    }
}

//! What one end of a session has sent and received, so that it can go on after a loss of the connection.
//!
//! The frames of a session are numbered in each direction, from 0, over all its connections. Those that the other end may
//! not have received are kept:
//!
//! ```text
//!  acknowledged │ kept: written and not acknowledged │ kept: not written on this connection │ not there yet
//!             first                                 next                                   end
//! ```
//!
//! A pong moves `first`, a write moves `next`, a new frame moves `end`; taking the session up moves `first` and
//! `next` to what the other end has received. No socket, no clock. The client and the server have one each.

use std::collections::VecDeque;

/// How much a session keeps of what is written and not acknowledged. Beyond it the oldest frame is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerLimits {
    /// How many frames.
    pub frames: usize,
    /// How many bytes, in all frames together.
    pub bytes: usize,
}

impl LedgerLimits {
    /// For sessions that nobody will take up.
    pub const NOTHING: Self = Self {
        frames: 0,
        bytes: 0,
    };
}

/// How many pings it takes to go once through what is kept. One is on its way when the next is due, and each costs
/// a frame of its rate.
const PINGS_PER_LIMIT: usize = 4;

/// One session's counts and what it keeps. See the module.
#[derive(Debug)]
pub struct Ledger<F> {
    limits: LedgerLimits,
    kept: VecDeque<F>,
    kept_bytes: usize,
    /// The number of the first frame in `kept`.
    first: u64,
    /// The number of the frame to write next; at most `end`.
    next: u64,
    received: u64,
    /// How much was written since the last ping.
    unasked_frames: usize,
    unasked_bytes: usize,
}

/// The other end lacks a frame that is not kept any longer, or says that it has some that were never there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the other end lacks something that is not kept any longer")]
pub struct NotKept;

impl<F: AsRef<str> + Clone> Ledger<F> {
    /// A session in which nothing was said yet.
    pub const fn new(limits: LedgerLimits) -> Self {
        Self {
            limits,
            kept: VecDeque::new(),
            kept_bytes: 0,
            first: 0,
            next: 0,
            received: 0,
            unasked_frames: 0,
            unasked_bytes: 0,
        }
    }

    /// Adds a frame for the other end, after those that are there. [`next`](Self::next) brings it.
    ///
    /// What is not written yet has no limit here: whoever adds frames writes them before he adds more.
    pub fn push(&mut self, frame: F) {
        self.kept_bytes += frame.as_ref().len();
        self.kept.push_back(frame);
    }

    /// The next frame to write on the present connection.
    #[expect(
        clippy::should_implement_trait,
        reason = "more may come after the last one"
    )]
    pub fn next(&mut self) -> Option<F> {
        let frame = self.kept.get((self.next - self.first) as usize)?.clone();
        self.next += 1;
        self.unasked_frames += 1;
        self.unasked_bytes += frame.as_ref().len();
        self.forget_oldest();
        Some(frame)
    }

    /// Whether so much was written since the last ping that it is time to ask what has arrived, lest it be forgotten.
    pub const fn is_ping_due(&self) -> bool {
        self.limits.frames > 0
            && (self.unasked_frames >= self.limits.frames / PINGS_PER_LIMIT
                || self.unasked_bytes >= self.limits.bytes / PINGS_PER_LIMIT)
    }

    /// What to write into a ping: how many frames were written. The pong brings it back, for
    /// [`on_pong`](Self::on_pong).
    pub const fn ping(&mut self) -> [u8; 8] {
        self.unasked_frames = 0;
        self.unasked_bytes = 0;
        self.next.to_be_bytes()
    }

    /// A pong has come; one that answers no ping of ours is ignored.
    pub fn on_pong(&mut self, payload: &[u8]) {
        if let Ok(count) = payload.try_into() {
            self.acknowledge(u64::from_be_bytes(count));
        }
    }

    /// The other end has received the first `count` frames of the session. A count that cannot be is ignored.
    fn acknowledge(&mut self, count: u64) {
        if count <= self.next {
            while self.first < count {
                self.forget_first();
            }
        }
        if self.kept.is_empty() {
            // A queue keeps the memory of its busiest time, and most sessions are idle.
            self.kept = VecDeque::new();
        }
    }

    /// A frame of the other end has come.
    pub const fn count_received(&mut self) {
        self.received += 1;
    }

    /// How many frames of the other end have come, on all connections together.
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// A connection begins whose other end has received the first `count` frames: [`next`](Self::next) brings those
    /// after them.
    ///
    /// # Errors
    /// If a frame that it lacks is not kept any longer: the session cannot go on.
    pub fn resume(&mut self, count: u64) -> Result<(), NotKept> {
        let end = self.first + self.kept.len() as u64;
        if !(self.first..=end).contains(&count) {
            return Err(NotKept);
        }
        // Of what was added and never written the client has none.
        self.next = self.next.max(count);
        self.acknowledge(count);
        self.next = count;
        self.unasked_frames = 0;
        self.unasked_bytes = 0;
        Ok(())
    }

    /// How many frames are there to write.
    pub fn unwritten(&self) -> usize {
        self.kept.len() - (self.next - self.first) as usize
    }

    /// Keeps to the limits. Frames that are not written yet are always kept.
    fn forget_oldest(&mut self) {
        while self.first < self.next
            && ((self.next - self.first) as usize > self.limits.frames
                || self.kept_bytes > self.limits.bytes)
        {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some(frame) = self.kept.pop_front() {
            self.kept_bytes -= frame.as_ref().len();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: LedgerLimits = LedgerLimits {
        frames: 4,
        bytes: 400,
    };

    fn frame(number: usize) -> String {
        format!("{number}")
    }

    /// Everything that is to be written.
    fn written(session: &mut Ledger<String>) -> Vec<String> {
        std::iter::from_fn(|| session.next()).collect()
    }

    fn with_frames(limits: LedgerLimits, count: usize) -> Ledger<String> {
        let mut session = Ledger::new(limits);
        for number in 0..count {
            session.push(frame(number));
            written(&mut session);
        }
        session
    }

    #[test]
    fn what_the_client_lacks_is_written_again_before_what_is_new() {
        let mut session = with_frames(LIMITS, 3);

        session.resume(1).unwrap();
        session.push(frame(3));

        assert_eq!(written(&mut session), [frame(1), frame(2), frame(3)]);
    }

    #[test]
    fn what_is_acknowledged_is_forgotten() {
        let mut session = with_frames(LIMITS, 4);

        session.acknowledge(3);

        assert_eq!(session.kept.len(), 1);
        assert_eq!(session.resume(2), Err(NotKept));
        assert_eq!(session.resume(3), Ok(()));
    }

    #[test]
    fn an_idle_session_holds_no_memory() {
        let mut session = with_frames(LIMITS, 4);

        session.acknowledge(4);

        assert_eq!((session.kept.capacity(), session.kept_bytes), (0, 0));
    }

    #[test]
    fn beyond_the_limits_the_oldest_is_forgotten() {
        let mut many = with_frames(LIMITS, 6);
        let large = LedgerLimits {
            frames: 100,
            bytes: 4,
        };
        let mut long = with_frames(large, 6);

        for session in [&mut many, &mut long] {
            assert_eq!(session.kept.len(), 4);
            assert_eq!(session.resume(1), Err(NotKept));
            assert_eq!(session.resume(2), Ok(()));
        }
    }

    #[test]
    fn a_session_that_nobody_will_take_up_keeps_nothing() {
        let mut session = with_frames(LedgerLimits::NOTHING, 1);

        assert_eq!(session.kept.len(), 0);
        session.push(frame(1));
        assert_eq!(written(&mut session), [frame(1)]);
    }

    #[test]
    fn counts_that_cannot_be_change_nothing() {
        let mut session = with_frames(LIMITS, 2);
        session.push(frame(2));

        session.acknowledge(3);
        session.acknowledge(u64::MAX);

        assert_eq!(session.resume(4), Err(NotKept));
        assert_eq!(session.resume(u64::MAX), Err(NotKept));
        assert_eq!(session.resume(0), Ok(()));
        assert_eq!(written(&mut session).len(), 3);
    }

    #[test]
    fn a_pong_in_the_middle_of_writing_again_says_only_what_was_written_on_this_connection() {
        let mut session = with_frames(LIMITS, 4);
        session.resume(1).unwrap();

        session.next();

        assert_eq!(session.ping(), 2_u64.to_be_bytes());
    }

    #[test]
    fn a_ping_is_due_before_anything_unanswered_is_forgotten() {
        let mut many = Ledger::new(LedgerLimits {
            frames: 8,
            bytes: 400,
        });
        for number in 0..2 {
            assert!(!many.is_ping_due());
            many.push(frame(number));
            many.next();
        }
        let mut long = Ledger::new(LIMITS);
        long.push("x".repeat(100));
        long.next();

        for session in [&mut many, &mut long] {
            assert!(session.is_ping_due());
            session.ping();
            assert!(!session.is_ping_due());
        }
        assert!(!with_frames(LedgerLimits::NOTHING, 100).is_ping_due());
    }

    #[test]
    fn pongs_that_answer_nothing_are_ignored() {
        let mut session = with_frames(LIMITS, 2);

        for payload in [&[][..], &[0; 7], &[0; 9], &[0xff; 8], b"12345678"] {
            session.on_pong(payload);
        }

        assert_eq!(session.kept.len(), 2);
        session.on_pong(&2_u64.to_be_bytes());
        assert_eq!(session.kept.len(), 0);
    }

    /// What happens between two ends, of which both keep a session.
    #[derive(Debug, Clone)]
    enum Step {
        Push { end: usize, bytes: usize },
        Write { end: usize },
        Arrive { end: usize },
        Ping { end: usize },
        Pong { end: usize },
        Lose { cut_off: [usize; 2] },
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step =
            (0..10, 0..2_usize, 0..150_usize, 0..2_usize).prop_map(|(kind, end, bytes, other)| {
                match kind {
                    0..3 => Step::Push { end, bytes },
                    3..5 => Step::Write { end },
                    5..7 => Step::Arrive { end },
                    7 => Step::Ping { end },
                    8 => Step::Pong { end },
                    _ => Step::Lose {
                        cut_off: [bytes % 7, other],
                    },
                }
            });
        proptest::collection::vec(step, 0..200)
    }

    /// What one end of a lossy connection has to do with.
    struct End {
        session: Ledger<String>,
        pushed: Vec<String>,
        taken: Vec<String>,
        /// What it has sent and the other has not read.
        wire: VecDeque<Sent>,
        pinged: VecDeque<[u8; 8]>,
    }

    enum Sent {
        Frame(String),
        Ping([u8; 8]),
    }

    impl End {
        fn new() -> Self {
            Self {
                session: Ledger::new(LIMITS),
                pushed: Vec::new(),
                taken: Vec::new(),
                wire: VecDeque::new(),
                pinged: VecDeque::new(),
            }
        }

        fn write(&mut self) -> bool {
            let frame = self.session.next();
            let has_written = frame.is_some();
            self.wire.extend(frame.map(Sent::Frame));
            has_written
        }
    }

    /// Lets `ends[from]`'s next word arrive at the other.
    fn arrive(ends: &mut [End; 2], from: usize) -> bool {
        let Some(sent) = ends[from].wire.pop_front() else {
            return false;
        };
        let to = &mut ends[1 - from];
        match sent {
            Sent::Frame(frame) => {
                to.session.count_received();
                to.taken.push(frame);
            }
            Sent::Ping(payload) => to.pinged.push_back(payload),
        }
        true
    }

    proptest! {
        #[test]
        fn every_frame_arrives_once_and_in_order_or_the_session_is_not_taken_up(steps in steps()) {
            let mut ends = [End::new(), End::new()];
            for step in steps {
                match step {
                    // Whoever adds frames writes them before he adds more.
                    Step::Push { end, bytes } => {
                        while ends[end].write() {}
                        let frame = format!("{:1$}", ends[end].pushed.len(), bytes);
                        ends[end].pushed.push(frame.clone());
                        ends[end].session.push(frame);
                    }
                    Step::Write { end } => { ends[end].write(); }
                    Step::Arrive { end } => { arrive(&mut ends, end); }
                    Step::Ping { end } => {
                        let payload = ends[end].session.ping();
                        ends[end].wire.push_back(Sent::Ping(payload));
                    }
                    Step::Pong { end } => {
                        if let Some(payload) = ends[1 - end].pinged.pop_front() {
                            ends[end].session.on_pong(&payload);
                        }
                    }
                    Step::Lose { cut_off } => {
                        for end in [0, 1] {
                            for _ in 0..cut_off[end] {
                                arrive(&mut ends, end);
                            }
                        }
                        for end in [0, 1] {
                            ends[end].wire.clear();
                            ends[end].pinged.clear();
                            let count = ends[1 - end].session.received();
                            let lacking = &ends[end].pushed[count as usize..];
                            let bytes: usize = lacking.iter().map(String::len).sum();
                            if ends[end].session.resume(count).is_err() {
                                prop_assert!(lacking.len() > LIMITS.frames || bytes > LIMITS.bytes);
                                return Ok(());
                            }
                        }
                    }
                }
                for end in [0, 1] {
                    prop_assert!(ends[end].pushed.starts_with(&ends[1 - end].taken));
                    // One more than the limit: the one that is not written yet.
                    prop_assert!(ends[end].session.kept.len() <= LIMITS.frames + 1);
                }
            }
            for end in [0, 1] {
                while ends[end].write() {}
                while arrive(&mut ends, end) {}
                prop_assert_eq!(&ends[end].pushed, &ends[1 - end].taken);
            }
        }
    }
}

//! The handle that a program holds: commands in, snapshots and pictures out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use media::Newest;
use media::video::VideoFrame;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::deck::{DeviceDeck, PictureSlot, Preview, PreviewSlot};
use crate::pipeline::Wake;
use crate::publisher::Publisher;
use crate::session::Session;
use crate::{Command, Config, Snapshot, Ways};

/// How many commands may wait. A person presses a few keys a second.
const COMMANDS_LIMIT: usize = 256;
/// How long the end may take before it is cut short.
const SHUTDOWN_TIME: Duration = Duration::from_secs(2);

/// Why an engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The system has no thread for us.
    #[error("the system gives no threads")]
    Thread(#[source] std::io::Error),
}

/// The running program behind a window: devices, signalling and at most one call.
///
/// Dropping it ends the call, says goodbye to the partner and lets go of every device, within two seconds at most.
pub struct Engine {
    commands: Option<mpsc::Sender<Command>>,
    publisher: Arc<Publisher>,
    local_video: PictureSlot,
    remote_video: PictureSlot,
    remote_screen: PictureSlot,
    local_screen: PictureSlot,
    previews: PreviewSlot,
    ways: Arc<Ways>,
    session: Option<JoinHandle<()>>,
    runtime: Option<Runtime>,
}

impl Engine {
    /// Starts everything and returns at once: devices and server report later.
    ///
    /// `wake` is called from many threads, whenever there is a new snapshot or picture; it must be quick.
    ///
    /// # Errors
    /// [`EngineError`] when the system has no threads for us.
    pub fn start(
        config: Config,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, EngineError> {
        // Fails when somebody installed one before, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("engine")
            .enable_all()
            .build()
            .map_err(EngineError::Thread)?;
        let wake: Wake = Arc::new(wake);
        let (local_video, remote_video) = (PictureSlot::default(), PictureSlot::default());
        let ways = Arc::<Ways>::default();
        let guard = runtime.enter();
        let deck = DeviceDeck::new(
            &config,
            Arc::clone(&local_video),
            Arc::clone(&remote_video),
            Arc::clone(&ways),
            Arc::clone(&wake),
        )?;
        let (remote_screen, local_screen) = (deck.remote_screen(), deck.local_screen());
        let previews = deck.previews();
        let publisher = Arc::new(Publisher::new(
            Snapshot::initial(deck.view(), &config),
            wake,
        ));
        let (commands, queue) = mpsc::channel(COMMANDS_LIMIT);
        let session = Session::new(config, Arc::clone(&publisher), deck);
        drop(guard);
        let session = runtime.spawn(session.run(queue));
        Ok(Self {
            commands: Some(commands),
            publisher,
            local_video,
            remote_video,
            remote_screen,
            local_screen,
            previews,
            ways,
            session: Some(session),
            runtime: Some(runtime),
        })
    }

    /// Asks for something. Never waits.
    pub fn send(&self, command: Command) {
        if let Some(commands) = &self.commands
            && commands.try_send(command).is_err()
        {
            tracing::error!("a command was lost: the engine does not keep up");
        }
    }

    /// The state of things.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.publisher.newest()
    }

    /// Our own newest picture, not mirrored.
    pub fn local_video(&self) -> &Newest<Arc<VideoFrame>> {
        &self.local_video
    }

    /// The partner's newest picture.
    pub fn remote_video(&self) -> &Newest<Arc<VideoFrame>> {
        &self.remote_video
    }

    /// The newest picture of the partner's screen.
    pub fn remote_screen(&self) -> &Newest<Arc<VideoFrame>> {
        &self.remote_screen
    }

    /// The newest picture of what is shared of our own screen: small, and a few in a second.
    pub fn local_screen(&self) -> &Newest<Arc<VideoFrame>> {
        &self.local_screen
    }

    /// How that which can be shared looked when it was last listed.
    pub fn previews(&self) -> &Newest<Vec<Preview>> {
        &self.previews
    }

    /// Where the newest pictures were on their way out and in, and when. For those who measure; the stages' times are in
    /// [`Statistics`](crate::Statistics).
    pub fn ways(&self) -> &Ways {
        &self.ways
    }

    /// Waits until `is_reached` is true of a snapshot, looking every few milliseconds. For programs without a window.
    ///
    /// # Errors
    /// The last snapshot, if `longest` passes first.
    pub fn wait_until(
        &self,
        longest: Duration,
        mut is_reached: impl FnMut(&Snapshot) -> bool,
    ) -> Result<Arc<Snapshot>, Arc<Snapshot>> {
        let deadline = Instant::now() + longest;
        loop {
            let snapshot = self.snapshot();
            if is_reached(&snapshot) {
                return Ok(snapshot);
            }
            if Instant::now() >= deadline {
                return Err(snapshot);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.commands.take();
        if let (Some(runtime), Some(session)) = (self.runtime.take(), self.session.take()) {
            let ended =
                runtime.block_on(async { tokio::time::timeout(SHUTDOWN_TIME, session).await });
            if !matches!(ended, Ok(Ok(()))) {
                tracing::error!("the engine did not end in time");
            }
            runtime.shutdown_timeout(SHUTDOWN_TIME);
        }
    }
}

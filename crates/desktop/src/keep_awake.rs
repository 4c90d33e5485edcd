//! Keeps the screen from going dark during a call, in which nobody touches keys or pointer for long.
//!
//! The desktop is asked over D-Bus, in a thread of its own: it may take its time to answer, or not be there at all. It lets
//! go by itself when the program ends, however that comes about, because the connection goes with it.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use engine::{CallView, Snapshot};

/// Gives the screen back what was asked for.
type Release = Box<dyn FnOnce() + Send>;
/// Asks for the screen to stay as it is.
type Inhibit = fn() -> Result<Release, String>;

/// Whether the screen has to stay awake: while there is somebody to be seen.
pub const fn is_wanted(snapshot: &Snapshot) -> bool {
    matches!(
        snapshot.call,
        CallView::Connecting { .. } | CallView::Connected { .. } | CallView::Reconnecting { .. }
    )
}

/// What the thread is to see to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    MaySleep,
    Awake,
    Over,
}

#[derive(Debug)]
struct Shared {
    wish: Mutex<Wish>,
    changed: Condvar,
}

/// Holds the screen awake, or not. Whoever drops it lets the screen sleep.
#[derive(Debug)]
pub struct KeepAwake {
    shared: Arc<Shared>,
    inhibit: Inhibit,
    has_thread: bool,
}

impl Default for KeepAwake {
    fn default() -> Self {
        Self::with(inhibit)
    }
}

impl KeepAwake {
    fn with(inhibit: Inhibit) -> Self {
        let wish = Mutex::new(Wish::MaySleep);
        let changed = Condvar::new();
        Self {
            shared: Arc::new(Shared { wish, changed }),
            inhibit,
            has_thread: false,
        }
    }

    /// Says what is wanted from now on. Never waits.
    pub fn set(&mut self, is_awake: bool) {
        if is_awake && !self.has_thread {
            // Where there is no thread to be had, the screen does what it does; the next call tries again.
            let (shared, inhibit) = (Arc::clone(&self.shared), self.inhibit);
            let thread = std::thread::Builder::new().name("keep-awake".to_owned());
            match thread.spawn(move || see_to(&shared, inhibit)) {
                Ok(_) => self.has_thread = true,
                Err(error) => tracing::warn!(%error, "nobody keeps the screen awake"),
            }
        }
        self.wish(if is_awake {
            Wish::Awake
        } else {
            Wish::MaySleep
        });
    }

    fn wish(&self, wish: Wish) {
        let mut held = (self.shared.wish.lock()).unwrap_or_else(PoisonError::into_inner);
        if *held != wish {
            *held = wish;
            self.shared.changed.notify_one();
        }
    }
}

impl Drop for KeepAwake {
    fn drop(&mut self) {
        self.wish(Wish::Over);
    }
}

fn see_to(shared: &Shared, inhibit: Inhibit) {
    let mut seen_to = Wish::MaySleep;
    let mut held: Option<Release> = None;
    while seen_to != Wish::Over {
        let wish = shared.wish.lock().unwrap_or_else(PoisonError::into_inner);
        let wish = shared.changed.wait_while(wish, |wish| *wish == seen_to);
        seen_to = *wish.unwrap_or_else(PoisonError::into_inner);
        if seen_to == Wish::Awake {
            match inhibit() {
                Ok(release) => held = Some(release),
                Err(why) => tracing::info!(%why, "the screen may go dark during the call"),
            }
        } else if let Some(release) = held.take() {
            release();
        }
    }
}

/// Asks the desktop in the way of KDE, GNOME, Xfce and others, and where nobody answers the portal, which programs in
/// a sandbox have.
#[cfg(target_os = "linux")]
fn inhibit() -> Result<Release, String> {
    pollster::block_on(dbus::inhibit()).map_err(|error| error.to_string())
}

#[cfg(not(target_os = "linux"))]
fn inhibit() -> Result<Release, String> {
    Err("this is done on Linux only so far".to_owned())
}

#[cfg(target_os = "linux")]
mod dbus {
    use std::collections::HashMap;
    use std::time::Duration;

    use zbus::connection::Builder;
    use zbus::zvariant::{OwnedObjectPath, Value};
    use zbus::{Connection, Error};

    use super::Release;

    const WHO: &str = "Passerby";
    const WHY: &str = "A video call is on";
    /// Who does not answer by then is not there.
    const PATIENCE: Duration = Duration::from_secs(5);
    /// The portal's number for "the session must not become idle".
    const IDLE: u32 = 8;

    const SCREEN_SAVER: &str = "org.freedesktop.ScreenSaver";
    const PORTAL: &str = "org.freedesktop.portal.Desktop";

    pub(super) async fn inhibit() -> Result<Release, Error> {
        let bus = Builder::session()?.method_timeout(PATIENCE).build().await?;
        let path = "/org/freedesktop/ScreenSaver";
        let asked = bus
            .call_method(
                Some(SCREEN_SAVER),
                path,
                Some(SCREEN_SAVER),
                "Inhibit",
                &(WHO, WHY),
            )
            .await;
        let Ok(answer) = asked else {
            return ask_portal(bus).await;
        };
        let cookie: u32 = answer.body().deserialize()?;
        Ok(Box::new(move || {
            let asked = bus.call_method(
                Some(SCREEN_SAVER),
                path,
                Some(SCREEN_SAVER),
                "UnInhibit",
                &cookie,
            );
            // With the connection goes what hangs on it, whether this arrives or not.
            drop(pollster::block_on(asked));
        }))
    }

    async fn ask_portal(bus: Connection) -> Result<Release, Error> {
        let options = HashMap::from([("reason", Value::from(WHY))]);
        let answer = bus
            .call_method(
                Some(PORTAL),
                "/org/freedesktop/portal/desktop",
                Some("org.freedesktop.portal.Inhibit"),
                "Inhibit",
                &("", IDLE, options),
            )
            .await?;
        let request: OwnedObjectPath = answer.body().deserialize()?;
        Ok(Box::new(move || {
            let interface = Some("org.freedesktop.portal.Request");
            let asked = bus.call_method(Some(PORTAL), request, interface, "Close", &());
            drop(pollster::block_on(asked));
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn it_is_wanted_while_there_is_somebody_and_not_while_one_waits() {
        use crate::state::tests::nothing_yet;
        let since = Instant::now();
        let interests: Vec<String> = Vec::new();
        let mut snapshot = nothing_yet();
        for (call, wanted) in [
            (CallView::Idle, false),
            (CallView::Searching { since }, false),
            (
                CallView::Connected {
                    since,
                    interests: interests.into(),
                },
                true,
            ),
            (
                CallView::Ended {
                    reason: engine::EndReason::PartnerLeft,
                },
                false,
            ),
        ] {
            snapshot.call = call;
            assert_eq!(is_wanted(&snapshot), wanted, "{:?}", snapshot.call);
        }
    }

    fn until(is_so: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < Duration::from_secs(10), "it never came");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn the_screen_is_held_once_per_call_and_given_back_at_its_end_and_with_the_window() {
        static HELD: AtomicUsize = AtomicUsize::new(0);
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        fn fake() -> Result<Release, String> {
            ASKED.fetch_add(1, Ordering::SeqCst);
            if HELD.fetch_add(1, Ordering::SeqCst) > 0 {
                return Err("it is held already".to_owned());
            }
            Ok(Box::new(|| {
                HELD.fetch_sub(1, Ordering::SeqCst);
            }))
        }
        let held = |count| move || HELD.load(Ordering::SeqCst) == count;
        let mut keep = KeepAwake::with(fake);
        keep.set(false);
        assert!(!keep.has_thread, "who never calls needs no thread");
        for _ in 0..3 {
            keep.set(true);
        }
        until(held(1));
        keep.set(false);
        until(held(0));
        keep.set(true);
        until(held(1));
        drop(keep);
        until(held(0));
        assert_eq!(ASKED.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_desktop_that_cannot_be_asked_is_asked_again_with_the_next_call() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        fn nobody() -> Result<Release, String> {
            ASKED.fetch_add(1, Ordering::SeqCst);
            Err("no bus".to_owned())
        }
        let mut keep = KeepAwake::with(nobody);
        keep.set(true);
        until(|| ASKED.load(Ordering::SeqCst) == 1);
        keep.set(false);
        // The thread has to see that before the next call.
        std::thread::sleep(Duration::from_millis(50));
        keep.set(true);
        until(|| ASKED.load(Ordering::SeqCst) == 2);
    }
}

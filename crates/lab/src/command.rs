//! Running a command inside what the lab brings up, and ending it in time.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use crate::ffi;

/// The exit code that says: this machine lacks something, nothing was tested.
pub const CANNOT_RUN_HERE: u8 = 77;

/// This machine lacks something that the lab needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable(pub String);

impl std::fmt::Display for Unavailable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot run here: {}", self.0)
    }
}

impl std::error::Error for Unavailable {}

/// How often a running command and the signals are looked at.
pub(crate) const TICK: Duration = Duration::from_millis(20);
/// How long a process may take to end after it was asked to, before it is killed.
const GRACE: Duration = Duration::from_secs(3);

/// Makes SIGINT, SIGTERM and SIGHUP end the command and clean up, instead of ending the lab on the spot.
///
/// # Errors
/// What the system says; it has no reason to refuse.
pub fn catch_signals() -> io::Result<()> {
    ffi::catch_signals()
}

/// Runs `command` with these additional variables; returns its exit code, as a shell would (128 + signal).
///
/// # Errors
/// If the command cannot be started.
pub fn run_inside(command: &[OsString], variables: &[(String, OsString)]) -> anyhow::Result<u8> {
    let mut running = Running::start(command, variables)?;
    loop {
        if let Some(code) = running.exit_code()? {
            return Ok(code);
        }
        std::thread::sleep(TICK);
    }
}

/// A process of ours. It is ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// When it was asked to end.
    asked_at: Option<Instant>,
}

impl Running {
    /// Starts `command`, the program first.
    pub(crate) fn start(
        command: &[OsString],
        variables: &[(String, OsString)],
    ) -> anyhow::Result<Self> {
        let (program, arguments) = command
            .split_first()
            .ok_or_else(|| anyhow::anyhow!("there is no command to run"))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .envs(variables.iter().map(|(name, value)| (name, value)));
        let child = ffi::die_with_parent(&mut command)
            .spawn()
            .map_err(|error| anyhow::anyhow!("cannot run {}: {error}", program.display()))?;
        Ok(Self {
            child,
            asked_at: None,
        })
    }

    /// Starts a helper that must not outlive us.
    pub(crate) fn start_helper(command: &mut Command) -> io::Result<Self> {
        let child = ffi::die_with_parent(command).spawn()?;
        Ok(Self {
            child,
            asked_at: None,
        })
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The exit code, once it has ended. Never waits.
    ///
    /// When a signal asked us to end, it is asked too, and killed if it takes too long over it.
    pub(crate) fn exit_code(&mut self) -> io::Result<Option<u8>> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(Some(code_of(status)));
        }
        if ffi::is_stop_requested() {
            self.urge()?;
        }
        Ok(None)
    }

    /// Waits for the end; returns the exit code, or `None` if `longest` passes first.
    ///
    /// # Errors
    /// When the lab was interrupted.
    pub(crate) fn wait(&mut self, longest: Duration) -> anyhow::Result<Option<u8>> {
        let deadline = Instant::now() + longest;
        while Instant::now() < deadline {
            if let Some(code) = self.exit_code()? {
                return Ok(Some(code));
            }
            if ffi::is_stop_requested() {
                anyhow::bail!("interrupted");
            }
            std::thread::sleep(TICK);
        }
        Ok(None)
    }

    fn urge(&mut self) -> io::Result<()> {
        match self.asked_at {
            None => {
                ffi::terminate(&self.child);
                self.asked_at = Some(Instant::now());
                Ok(())
            }
            Some(asked_at) if asked_at.elapsed() > GRACE => self.child.kill(),
            Some(_) => Ok(()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        while let Ok(None) = self.child.try_wait() {
            // It may end by itself in this moment; then there is nothing to urge.
            self.urge().ok();
            std::thread::sleep(TICK);
        }
    }
}

fn code_of(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(code).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn the_exit_code_is_the_commands() {
        assert_eq!(run_inside(&words(&["true"]), &[]).unwrap(), 0);
        assert_eq!(run_inside(&words(&["sh", "-c", "exit 3"]), &[]).unwrap(), 3);
        assert_eq!(
            run_inside(&words(&["sh", "-c", "kill -9 $$"]), &[]).unwrap(),
            137
        );
    }

    #[test]
    fn the_command_sees_the_variables() {
        let variables = [("LAB_TEST".to_owned(), OsString::from("yes"))];
        assert_eq!(
            run_inside(&words(&["sh", "-c", "test $LAB_TEST = yes"]), &variables).unwrap(),
            0
        );
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run_inside(&words(&["no-such-program"]), &[]).unwrap_err();
        assert!(error.to_string().contains("no-such-program"), "{error}");
        assert!(run_inside(&[], &[]).is_err());
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let mut running = Running::start(&words(&["sleep", "600"]), &[]).unwrap();
        let id = running.child().id();
        drop(running);
        assert!(!std::path::Path::new(&format!("/proc/{id}")).exists());
    }
}

//! Child processes that never outlive their task.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Runs a command to its end.
///
/// # Errors
/// Says which command failed and how.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let words = describe(command);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{words}` failed ({status})")),
        Err(error) => Err(format!("`{words}` could not be started: {error}")),
    }
}

/// The cargo that runs this task, in the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace());
    command
}

/// The root of the workspace.
pub(crate) fn workspace() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .expect("the crate lies two folders below the root")
        .to_owned()
}

/// Where cargo puts binaries of `profile` ("debug" or "release").
pub(crate) fn binary(profile: &str, name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace().join("target"), PathBuf::from);
    target
        .join(profile)
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// A child process that is killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    words: String,
}

impl Running {
    /// Starts a command.
    ///
    /// # Errors
    /// Says which command could not be started.
    pub(crate) fn start(command: &mut Command) -> Result<Self, String> {
        let words = describe(command);
        let child = command
            .spawn()
            .map_err(|error| format!("`{words}` could not be started: {error}"))?;
        Ok(Self { child, words })
    }

    /// Starts a command and waits for a line of its standard output that begins with `prefix`; returns what follows it.
    /// Later lines are read and thrown away.
    ///
    /// # Errors
    /// Says so if the line does not come in ten seconds.
    pub(crate) fn start_and_wait_for(
        command: &mut Command,
        prefix: &str,
    ) -> Result<(Self, String), String> {
        let mut running = Self::start(command.stdout(Stdio::piped()))?;
        let output = running
            .child
            .stdout
            .take()
            .ok_or("the output is not there")?;
        let (sender, lines) = mpsc::sync_channel(1);
        let prefix_owned = prefix.to_owned();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(rest) = line.strip_prefix(&prefix_owned)
                    && sender.try_send(rest.trim().to_owned()).is_err()
                {
                    // Somebody has the line already.
                }
            }
        });
        match lines.recv_timeout(Duration::from_secs(10)) {
            Ok(rest) => Ok((running, rest)),
            Err(_) => Err(format!(
                "`{}` did not say {prefix:?} in ten seconds",
                running.words
            )),
        }
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// Says how it failed, if it did.
    pub(crate) fn wait(mut self) -> Result<(), String> {
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("`{}` failed ({status})", self.words)),
            Err(error) => Err(format!("`{}` was lost: {error}", self.words)),
        }
    }
}

impl Running {
    /// Waits for the end, but no longer than `longest`; then ends the process, which is no failure.
    ///
    /// # Errors
    /// Says how it failed, if it did.
    pub(crate) fn wait_at_most(mut self, longest: Duration) -> Result<(), String> {
        let deadline = Instant::now() + longest;
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return self.wait();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only for a child that has ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn describe(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let name = program
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let args = command
        .get_args()
        .map(|arg| arg.to_string_lossy().into_owned());
    std::iter::once(name)
        .chain(args)
        .collect::<Vec<_>>()
        .join(" ")
}

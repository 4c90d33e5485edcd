//! A private sound server: `PulseAudio` without hardware, with a speaker and a microphone for each user.
//!
//! For a user `a` there are the sinks `a_spk` (what the program plays; `a_spk.monitor` hears it) and `a_micin`, and the
//! source `a_mic` (what the program records, which is what others play into `a_micin`). Programs reach them as their
//! default devices, through ALSA or directly.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use crate::command::{Running, TICK, Unavailable, run_inside};

/// Where the files of the sound server are; set for the command.
pub const DIRECTORY_VARIABLE: &str = "LAB_SOUND_DIR";
/// How long the server may take to come up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `command` with a sound server of its own, as the first of the users, and returns its exit code.
///
/// `LAB_SOUND_DIR/env.NAME` can be sourced by a shell to become another user.
///
/// # Errors
/// [`Unavailable`] if `PulseAudio` is not installed; else if it or the command fails to start.
pub fn run(users: &[String], command: &[OsString]) -> anyhow::Result<u8> {
    let Some(first) = users.first() else {
        bail!("there must be a user")
    };
    for user in users {
        check_name(user)?;
    }
    let directory = Directory::create()?;
    directory.write_configuration(users, first)?;
    let mut server = directory.start_server()?;
    // For those who want to see what happens when it dies.
    directory.write("server.pid", &server.child().id().to_string())?;
    directory.wait_for(&mut server)?;
    run_inside(command, &variables(&directory.0, first))
}

/// Inside [`run`]: runs `command` as one of its users.
///
/// # Errors
/// If there is no sound server of the lab, or no such user.
pub fn run_as(user: &str, command: &[OsString]) -> anyhow::Result<u8> {
    let directory =
        std::env::var_os(DIRECTORY_VARIABLE).context("this works only inside `lab sound`")?;
    let directory = PathBuf::from(directory);
    check_name(user)?;
    ensure!(
        directory.join(format!("env.{user}")).exists(),
        "there is no user {user}"
    );
    run_inside(command, &variables(&directory, user))
}

/// Names end up in the server's configuration and in file names.
fn check_name(user: &str) -> anyhow::Result<()> {
    let is_good = !user.is_empty() && user.chars().all(|c| c.is_ascii_alphanumeric());
    ensure!(
        is_good,
        "{user:?} is no name for a user: letters and digits only"
    );
    Ok(())
}

/// What makes a program a user.
fn variables(directory: &Path, user: &str) -> Vec<(String, OsString)> {
    let socket = directory.join("native");
    let mut server = OsString::from("unix:");
    server.push(socket);
    vec![
        (DIRECTORY_VARIABLE.to_owned(), directory.into()),
        ("PULSE_SERVER".to_owned(), server),
        ("PULSE_SINK".to_owned(), format!("{user}_spk").into()),
        ("PULSE_SOURCE".to_owned(), format!("{user}_mic").into()),
        (
            "ALSA_CONFIG_PATH".to_owned(),
            directory.join("asound.conf").into(),
        ),
        // Neither server nor programs may find the person's own session.
        (
            "DBUS_SESSION_BUS_ADDRESS".to_owned(),
            "unix:path=/nonexistent".into(),
        ),
    ]
}

/// The server's own folder, private to this user and removed in the end.
struct Directory(PathBuf);

impl Directory {
    fn create() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("lab-sound.{}", std::process::id()));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }

    fn write_configuration(&self, users: &[String], first: &str) -> anyhow::Result<()> {
        let socket = self.0.join("native");
        let mut script = format!(
            "load-module module-native-protocol-unix socket={} auth-anonymous=1\n",
            socket.display()
        );
        for user in users {
            // Without norewinds=1 a null sink gives its monitor the first sound two seconds late.
            let sink = "rate=48000 channels=2 norewinds=1";
            script += "load-module module-null-sink sink_name={user}_spk {sink} \
                       sink_properties=device.description={user}_speaker\n\
                       load-module module-null-sink sink_name={user}_micin {sink} \
                       sink_properties=device.description={user}_microphone_feed\n\
                       load-module module-remap-source source_name={user}_mic master={user}_micin.monitor \
                       source_properties=device.description={user}_microphone\n"
                .replace("{user}", user)
                .replace("{sink}", sink)
                .as_str();
            let exports: Vec<String> = variables(&self.0, user)
                .iter()
                .map(|(name, value)| format!("export {name}='{}'\n", value.display()))
                .collect();
            self.write(&format!("env.{user}"), &exports.concat())?;
        }
        script += "set-default-sink {user}_spk\nset-default-source {user}_mic\n"
            .replace("{user}", first)
            .as_str();
        self.write("server.pa", &script)?;
        self.write(
            "daemon.conf",
            "exit-idle-time = -1\nflat-volumes = no\ndefault-sample-rate = 48000\n\
             alternate-sample-rate = 48000\nrealtime-scheduling = no\nhigh-priority = no\n",
        )?;
        // The whole of ALSA's configuration: programs see the sound server and no hardware.
        self.write(
            "asound.conf",
            "pcm_type.pulse { lib \"libasound_module_pcm_pulse.so\" }\n\
             ctl_type.pulse { lib \"libasound_module_ctl_pulse.so\" }\n\
             pcm.!default { type pulse hint { show on description \"Lab default\" } }\n\
             ctl.!default { type pulse }\n\
             pcm.pulse { type pulse hint { show on description \"Lab sound\" } }\n",
        )
    }

    fn write(&self, name: &str, contents: &str) -> anyhow::Result<()> {
        let path = self.0.join(name);
        fs::write(&path, contents).with_context(|| path.display().to_string())
    }

    fn start_server(&self) -> anyhow::Result<Running> {
        let log = fs::File::create(self.0.join("server.log"))?;
        let mut server = Command::new("pulseaudio");
        server
            .args([
                "-n",
                "--daemonize=no",
                "--use-pid-file=no",
                "--disable-shm=yes",
                "--log-level=notice",
            ])
            .arg("-F")
            .arg(self.0.join("server.pa"))
            .env("HOME", &self.0)
            .env("XDG_RUNTIME_DIR", &self.0)
            .env("XDG_CONFIG_HOME", &self.0)
            .env("PULSE_RUNTIME_PATH", &self.0)
            .env("PULSE_STATE_PATH", &self.0)
            .env("PULSE_CONFIG", self.0.join("daemon.conf"))
            .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
            .env_remove("PULSE_SERVER")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let started = Running::start_helper(&mut server).map_err(|error| {
            Unavailable(format!(
                "pulseaudio does not start ({error}); install pulseaudio and libasound2-plugins"
            ))
        })?;
        Ok(started)
    }

    fn wait_for(&self, server: &mut Running) -> anyhow::Result<()> {
        let socket = self.0.join("native");
        let started_at = Instant::now();
        loop {
            if let Some(code) = server.exit_code()? {
                let log = fs::read_to_string(self.0.join("server.log")).unwrap_or_default();
                bail!("pulseaudio ended with code {code}: {log}");
            }
            // The script loads the devices after the socket, but is done before the server takes connections.
            if UnixStream::connect(&socket).is_ok() {
                return Ok(());
            }
            ensure!(
                started_at.elapsed() < PATIENCE,
                "pulseaudio does not come up"
            );
            std::thread::sleep(TICK);
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Left over files in the temporary folder harm nobody.
        fs::remove_dir_all(&self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_need_quoting_are_refused() {
        assert!(check_name("alice2").is_ok());
        for name in ["", "a b", "a;b", "../a", "a\n"] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn the_folder_is_removed() {
        let directory = Directory::create().unwrap();
        let path = directory.0.clone();
        directory
            .write_configuration(&["a".to_owned(), "b".to_owned()], "a")
            .unwrap();
        let exports = fs::read_to_string(path.join("env.b")).unwrap();
        assert!(exports.contains("PULSE_SOURCE='b_mic'"), "{exports}");
        drop(directory);
        assert!(!path.exists());
    }
}

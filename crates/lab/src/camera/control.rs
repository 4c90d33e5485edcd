//! Commands that make the camera misbehave.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::mpsc::SyncSender;

use anyhow::{Context as _, bail};

use super::run::Event;
use crate::ffi;

/// One command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    /// No more frames come, although the camera says that all is well.
    Stall,
    /// Frames come again.
    Resume,
    /// The camera is pulled out: its node vanishes, who has it open gets ENODEV.
    Unplug,
    /// The camera is back, as a new device.
    Plug,
    /// While true, opening it fails as if another program had it.
    Busy(bool),
    /// So many of the next frames are cut to a third of their bytes.
    Truncate(u32),
}

impl FromStr for Control {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Ok(match words[..] {
            ["stall"] => Self::Stall,
            ["resume"] => Self::Resume,
            ["unplug"] => Self::Unplug,
            ["plug"] => Self::Plug,
            ["busy", "on"] => Self::Busy(true),
            ["busy", "off"] => Self::Busy(false),
            ["truncate", count] => Self::Truncate(count.parse()?),
            _ => bail!(
                "{line:?} is not one of stall, resume, unplug, plug, busy on, busy off, truncate N"
            ),
        })
    }
}

/// The named pipe; removed on drop.
#[derive(Debug)]
pub(super) struct Pipe(PathBuf);

impl Pipe {
    /// Makes the pipe and passes on what is written into it. The reading thread ends with the process.
    pub(super) fn open(path: &Path, events: SyncSender<Event>) -> anyhow::Result<Self> {
        ffi::make_fifo(path).with_context(|| path.display().to_string())?;
        let pipe = Self(path.to_owned());
        // Open for writing too: there is no end of file when a writer leaves, and opening does not wait for one.
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        std::thread::Builder::new()
            .name("camera-control".to_owned())
            .spawn(move || pass_on(file, &events))?;
        Ok(pipe)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // If somebody removed it already, so much the better.
        std::fs::remove_file(&self.0).ok();
    }
}

fn pass_on(file: File, events: &SyncSender<Event>) {
    for line in BufReader::new(file).lines().map_while(Result::ok) {
        match line.parse() {
            Ok(control) => {
                if events.send(Event::Control(control)).is_err() {
                    return;
                }
            }
            Err(error) => eprintln!("lab: {error:#}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_understood_and_nonsense_is_not() {
        assert_eq!(" stall ".parse::<Control>().unwrap(), Control::Stall);
        assert_eq!("busy on".parse::<Control>().unwrap(), Control::Busy(true));
        assert_eq!(
            "truncate 7".parse::<Control>().unwrap(),
            Control::Truncate(7)
        );
        for line in [
            "",
            "busy",
            "busy maybe",
            "truncate",
            "truncate -1",
            "stall now",
        ] {
            assert!(line.parse::<Control>().is_err(), "{line:?}");
        }
    }
}

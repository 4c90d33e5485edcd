//! Finding sound devices by name.

use cpal::traits::{DeviceTrait as _, HostTrait as _};
use cpal::{Device, ErrorKind};

use super::{Direction, hush};
use crate::DeviceProblem;

/// The names of the microphones that are there, the default one not among them. May take a second.
pub fn list_microphones() -> Vec<String> {
    list(Direction::Capture)
}

/// The names of the speakers that are there, the default one not among them. May take a second.
pub fn list_speakers() -> Vec<String> {
    list(Direction::Playout)
}

/// The device of that name, or the default one. Takes both the name from the list and the system's own identifier.
pub(crate) fn find(
    wanted: Option<&str>,
    direction: Direction,
) -> Result<(Device, String), DeviceProblem> {
    hush();
    let host = cpal::default_host();
    let Some(wanted) = wanted else {
        let device = match direction {
            Direction::Capture => host.default_input_device(),
            Direction::Playout => host.default_output_device(),
        };
        return device
            .map(|device| {
                let name = name_of(&device);
                (device, name)
            })
            .ok_or(DeviceProblem::NotFound);
    };
    let devices = devices(&host, direction).map_err(|error| problem_of(&error, false))?;
    devices
        .into_iter()
        .find(|device| {
            identifier_of(device).as_deref() == Some(wanted) || name_of(device) == wanted
        })
        .map(|device| (device, wanted.to_owned()))
        .ok_or(DeviceProblem::NotFound)
}

fn list(direction: Direction) -> Vec<String> {
    hush();
    let host = cpal::default_host();
    let Ok(devices) = devices(&host, direction) else {
        return Vec::new();
    };
    let mut names = Vec::new();
    for device in devices {
        let is_default = identifier_of(&device).as_deref() == Some("default");
        let name = name_of(&device);
        if !is_default && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn devices(host: &cpal::Host, direction: Direction) -> Result<Vec<Device>, cpal::Error> {
    let devices = host.devices()?.filter(|device| {
        let fits = match direction {
            Direction::Capture => device.supports_input(),
            Direction::Playout => device.supports_output(),
        };
        fits && identifier_of(device).is_none_or(|identifier| is_for_people(&identifier))
    });
    Ok(devices.collect())
}

/// ALSA lists each sound card a dozen times, once for each way to drive it. One of them is enough: the one that
/// converts whatever a program brings along.
fn is_for_people(identifier: &str) -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    match identifier.split_once(':') {
        Some((driver, _)) => driver == "plughw" || driver == "bluealsa",
        None => !matches!(
            identifier,
            "null"
                | "jack"
                | "oss"
                | "lavrate"
                | "samplerate"
                | "speexrate"
                | "speex"
                | "upmix"
                | "vdownmix"
        ),
    }
}

/// What a person sees.
fn name_of(device: &Device) -> String {
    device
        .description()
        .map(|description| description.name().to_owned())
        .ok()
        .or_else(|| identifier_of(device))
        .unwrap_or_else(|| "sound device".to_owned())
}

fn identifier_of(device: &Device) -> Option<String> {
    device.id().ok().map(|id| id.id().to_owned())
}

/// What an error of cpal means.
pub(crate) fn problem_of(error: &cpal::Error, was_running: bool) -> DeviceProblem {
    match error.kind() {
        ErrorKind::DeviceNotAvailable if was_running => DeviceProblem::Unplugged,
        ErrorKind::DeviceNotAvailable
        | ErrorKind::HostUnavailable
        | ErrorKind::UnsupportedOperation => DeviceProblem::NotFound,
        ErrorKind::DeviceBusy => DeviceProblem::Busy,
        ErrorKind::PermissionDenied => DeviceProblem::NotPermitted,
        ErrorKind::UnsupportedConfig => DeviceProblem::NoUsableFormat,
        // ECONNREFUSED, in the words of ALSA: the sound server has gone.
        ErrorKind::BackendError if error.to_string().contains("(111)") => DeviceProblem::NotFound,
        _ => DeviceProblem::Other(error.to_string()),
    }
}

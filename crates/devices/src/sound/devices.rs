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
    // Who gives an identifier may mean one that is not on the list.
    let identified = devices
        .iter()
        .find(|device| identifier_of(device).as_deref() == Some(wanted));
    let named = || {
        devices
            .iter()
            .find(|device| is_listed(device) && name_of(device) == wanted)
    };
    identified
        .or_else(named)
        .map(|device| (device.clone(), wanted.to_owned()))
        .ok_or(DeviceProblem::NotFound)
}

fn list(direction: Direction) -> Vec<String> {
    hush();
    let host = cpal::default_host();
    let Ok(devices) = devices(&host, direction) else {
        return Vec::new();
    };
    let mut names = Vec::new();
    for device in devices.into_iter().filter(is_listed) {
        let is_default = identifier_of(&device).as_deref() == Some("default");
        let name = name_of(&device);
        if !is_default && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn devices(host: &cpal::Host, direction: Direction) -> Result<Vec<Device>, cpal::Error> {
    let devices = host.devices()?.filter(|device| match direction {
        Direction::Capture => device.supports_input(),
        Direction::Playout => device.supports_output(),
    });
    Ok(devices.collect())
}

/// Whether a person gets to see it.
fn is_listed(device: &Device) -> bool {
    identifier_of(device).is_none_or(|identifier| is_for_people(&identifier))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_sound_system_are_told_apart() {
        let problem = |kind: ErrorKind| problem_of(&kind.into(), false);
        assert_eq!(
            problem(ErrorKind::DeviceNotAvailable),
            DeviceProblem::NotFound
        );
        assert_eq!(problem(ErrorKind::DeviceBusy), DeviceProblem::Busy);
        assert_eq!(
            problem(ErrorKind::PermissionDenied),
            DeviceProblem::NotPermitted
        );
        assert_eq!(
            problem(ErrorKind::UnsupportedConfig),
            DeviceProblem::NoUsableFormat
        );
        assert!(matches!(
            problem(ErrorKind::BackendError),
            DeviceProblem::Other(_)
        ));
        let gone = problem_of(&ErrorKind::DeviceNotAvailable.into(), true);
        assert_eq!(gone, DeviceProblem::Unplugged);
        let refused = "ALSA function 'snd_pcm_open' failed with error 'Connection refused (111)'";
        let refused = cpal::Error::with_message(ErrorKind::BackendError, refused);
        assert_eq!(problem_of(&refused, false), DeviceProblem::NotFound);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn each_sound_card_is_listed_once() {
        let listed = ["plughw:CARD=PCH,DEV=0", "pulse", "pipewire"];
        let left_out = [
            "hw:CARD=PCH,DEV=0",
            "surround51:CARD=PCH,DEV=0",
            "dmix:CARD=PCH",
            "null",
        ];
        assert!(listed.iter().all(|identifier| is_for_people(identifier)));
        assert!(!left_out.iter().any(|identifier| is_for_people(identifier)));
    }
}

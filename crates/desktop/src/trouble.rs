//! What does not work at the moment, as a list that banners and cards are drawn from.

use engine::{DeviceProblem, DeviceState, SignallingProblem, SignallingView, Snapshot};

use crate::text::{self, Device, Explanation};

/// One thing that does not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The signalling server is away.
    Server(SignallingProblem),
    /// A device is not to be had although it is wanted.
    Device(Device, DeviceProblem),
    /// What is shared cannot be seen.
    Screen(DeviceProblem),
}

impl Trouble {
    /// Everything that does not work, the gravest first.
    pub fn all(snapshot: &Snapshot) -> Vec<Self> {
        let deck = &snapshot.devices;
        let server = match &snapshot.signalling {
            SignallingView::Away { problem, .. } => Some(Self::Server(problem.clone())),
            SignallingView::Connecting | SignallingView::Connected { .. } => None,
        };
        let device = |device, state: &DeviceState| match state {
            DeviceState::Failed(problem) => Some(Self::Device(device, problem.clone())),
            DeviceState::Off | DeviceState::Opening | DeviceState::Working { .. } => None,
        };
        server
            .into_iter()
            .chain(device(Device::Camera, &deck.camera))
            .chain(device(Device::Microphone, &deck.microphone))
            .chain(device(Device::Speaker, &deck.speaker))
            .chain(deck.screen.as_ref().and_then(|screen| match &screen.state {
                DeviceState::Failed(problem) => Some(Self::Screen(problem.clone())),
                _ => None,
            }))
            .collect()
    }

    /// Whether both are one trouble to a person. Why the server is away changes with every attempt to reach it; that it
    /// is away does not.
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Server(_), Self::Server(_)) => true,
            _ => self == other,
        }
    }

    /// What a person reads about it during a call.
    pub fn explanation(&self) -> Explanation {
        match self {
            Self::Server(problem) => {
                let title = text::signalling_problem(problem).title;
                Explanation {
                    title,
                    detail: text::SERVER_AWAY_IN_CALL.text().to_owned(),
                }
            }
            Self::Device(device, problem) => text::device_problem(*device, problem),
            Self::Screen(problem) => text::screen_problem(problem),
        }
    }
}

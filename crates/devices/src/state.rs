//! How a device is doing, in terms of what a person can do about it.

/// How a device is doing. A call runs on in every one of these states.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DeviceState {
    /// Not wanted.
    #[default]
    Off,
    /// Being opened.
    Opening,
    /// Delivering or taking media.
    Working {
        /// The name that the system gives the device.
        name: String,
    },
    /// Not to be had at present. The device is tried again by itself.
    Failed(DeviceProblem),
}

/// What the sharing of a screen needs of a system beside the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lacking {
    /// The desktop's portal for screens (`org.freedesktop.portal.ScreenCast`), through which the person picks.
    Portal,
    /// PipeWire, through which the pictures come.
    PipeWire,
}

impl std::fmt::Display for Lacking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Portal => "xdg-desktop-portal",
            Self::PipeWire => "PipeWire",
        })
    }
}

/// Why a device is not to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceProblem {
    /// There is no such device, or no device at all.
    #[error("no device was found")]
    NotFound,
    /// Another program has it.
    #[error("the device is used by another program")]
    Busy,
    /// The system does not let us.
    #[error("the system does not let Passerby use the device")]
    NotPermitted,
    /// It was there and is gone.
    #[error("the device was unplugged")]
    Unplugged,
    /// It is there and delivers nothing.
    #[error("the device delivers nothing")]
    Stalled,
    /// It offers no format that we understand.
    #[error("the device offers no usable format")]
    NoUsableFormat,
    /// The system has no program that this needs.
    #[error("{0} does not run here")]
    SystemLacks(Lacking),
    /// A file that stands for a device cannot be used.
    #[error("the file cannot be used: {0}")]
    File(String),
    /// Anything else, in the words of the system.
    #[error("the device failed: {0}")]
    Other(String),
}

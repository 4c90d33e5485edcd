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
    /// A file that stands for a device cannot be used.
    #[error("the file cannot be used: {0}")]
    File(String),
    /// Anything else, in the words of the system.
    #[error("the device failed: {0}")]
    Other(String),
}

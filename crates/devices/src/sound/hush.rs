//! Keeps the C library of ALSA from writing to standard error, which it does a dozen lines long each time that a machine
//! without a sound card is asked for one. What went wrong comes back as an error code all the same.

/// Hushes ALSA on this thread, and forgets what it has said so far.
#[cfg(target_os = "linux")]
pub(crate) fn hush() {
    // Without memory for its words there are none; there is nothing to be done about the rest.
    alsa::Output::local_error_handler().ok();
}

/// Other systems' sound libraries are quiet.
#[cfg(not(target_os = "linux"))]
pub(crate) const fn hush() {}

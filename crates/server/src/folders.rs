//! Whether a folder takes what is to be kept.

use std::path::Path;

/// Whether files may be made in a folder. Makes one without a name, which is nowhere to be seen and gone at once.
#[cfg(target_os = "linux")]
pub(crate) fn may_make_files(folder: &Path) -> bool {
    use std::{fs::OpenOptions, io, os::unix::fs::OpenOptionsExt as _};

    let nameless = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_TMPFILE)
        .open(folder);
    // Not every file system has such files: then it shows when one is made.
    nameless.err().is_none_or(|error| {
        use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        !matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem)
    })
}

/// Whether files may be made in a folder, as far as that can be told without making one.
#[cfg(not(target_os = "linux"))]
pub(crate) fn may_make_files(folder: &Path) -> bool {
    std::fs::metadata(folder).is_ok_and(|about| !about.permissions().readonly())
}

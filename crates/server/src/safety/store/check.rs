//! Whether a store could be used, without making or changing anything.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use redb::{
    Builder, DatabaseError, StorageBackend as _,
    backends::{FileBackend, InMemoryBackend},
};

use super::{CACHE, STEPS, Store, StoreError, damaged, prepare, refusal};
use crate::folders::may_make_files;

impl Store {
    /// Says what [`Store::open`] would say, but leaves the disk as it is. Takes as long as the disk, and as much memory as
    /// the store is large.
    pub(crate) fn check(path: &Path) -> Result<(), StoreError> {
        let refuse = |source: io::Error| StoreError::File {
            path: path.to_owned(),
            source,
        };
        // To open for writing writes nothing.
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return check_folder(path),
            Err(error) => return Err(cannot_open(path, error)),
        };
        if !file.metadata().map_err(refuse)?.is_file() {
            return Err(damaged(path, "it is no file"));
        }
        // A file that is no store may have anything in it.
        catch_unwind(AssertUnwindSafe(|| check_content(path, file)))
            .unwrap_or_else(|_| Err(damaged(path, "it makes no sense")))
    }
}

/// Opens a copy in memory, and there does all that is done when a store is opened: what a kill has left is repaired, and
/// steps to a newer version are taken.
fn check_content(path: &Path, mut file: File) -> Result<(), StoreError> {
    let refuse = |source: io::Error| StoreError::File {
        path: path.to_owned(),
        source,
    };
    let lock = file.try_clone().map_err(refuse)?;
    let lock = FileBackend::new(lock).map_err(|problem| refusal(path, problem))?;
    // Whatever else is wrong with it is found in the copy.
    if let Err(DatabaseError::DatabaseAlreadyOpen) =
        Builder::new().open_read_only_with_backend(lock)
    {
        return Err(StoreError::InUse(path.to_owned()));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(refuse)?;
    let copy = InMemoryBackend::new();
    copy.set_len(bytes.len() as u64).map_err(refuse)?;
    copy.write(0, &bytes).map_err(refuse)?;
    let mut builder = Builder::new();
    let database = builder.set_cache_size(CACHE).create_with_backend(copy);
    let database = database.map_err(|problem| refusal(path, problem))?;
    prepare(&database, path, STEPS).map(drop)
}

/// Why a file cannot be opened or made. Where there is none, the folder says more of what is to be done.
pub(super) fn cannot_open(path: &Path, source: io::Error) -> StoreError {
    let folder = if path.exists() {
        Ok(())
    } else {
        check_folder(path)
    };
    let path = path.to_owned();
    folder.err().unwrap_or(StoreError::File { path, source })
}

/// Whether a store could be made there.
fn check_folder(path: &Path) -> Result<(), StoreError> {
    let folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return Err(damaged(path, "it is no file")),
    };
    match fs::metadata(folder) {
        Ok(about) if about.is_dir() => {}
        Ok(_) => return Err(StoreError::NoFolder(folder.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(StoreError::NoFolder(folder.to_owned()));
        }
        Err(source) => {
            let path = path.to_owned();
            return Err(StoreError::File { path, source });
        }
    }
    if may_make_files(folder) {
        Ok(())
    } else {
        Err(StoreError::FolderNotWritable(folder.to_owned()))
    }
}

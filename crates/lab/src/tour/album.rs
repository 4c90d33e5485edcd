//! The pictures that a tour leaves, numbered in the order in which they were taken.

use std::path::{Path, PathBuf};

use crate::camera::Size;

/// A folder for one size of the window.
#[derive(Debug)]
pub(super) struct Album {
    folder: PathBuf,
    taken: u32,
}

impl Album {
    /// An empty one below `folder`; what a tour before has left in it is gone.
    ///
    /// # Errors
    /// What the disk says.
    pub(super) fn new(folder: &Path, size: Size) -> anyhow::Result<Self> {
        let folder = folder.join(format!("{}x{}", size.width_px, size.height_px));
        std::fs::create_dir_all(&folder)?;
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "png") {
                std::fs::remove_file(path)?;
            }
        }
        Ok(Self { folder, taken: 0 })
    }

    /// Where the next picture goes.
    pub(super) fn next(&mut self, name: &str) -> PathBuf {
        self.taken += 1;
        println!("  {:02} {name}", self.taken);
        self.folder.join(format!("{:02}-{name}.png", self.taken))
    }

    /// How many there are.
    pub(super) const fn taken(&self) -> u32 {
        self.taken
    }
}

//! Whom the person has blocked, by what each server calls them.
//!
//! The server knows it too, and keeps it; this is for servers that forget, and so that the person has it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::{fs, io};

use protocol::Handle;

use crate::identity::private;

/// How many are remembered; of more, the first is forgotten.
const MOST: usize = 1000;
/// No such file is longer, in bytes.
const MOST_BYTES: u64 = 1024 * 1024;

/// See the module. In its file, each has a line: the server's name and what it calls the person.
#[derive(Debug, Default)]
pub(crate) struct BlockList {
    path: Option<PathBuf>,
    blocked: VecDeque<(String, Handle)>,
}

impl BlockList {
    /// The list in a file. A file that is not there is an empty list; lines that make no sense are left out. Without a path the list is
    /// forgotten with the process.
    pub(crate) fn load(path: Option<&Path>) -> Self {
        let mut list = Self::default();
        let Some(path) = path else {
            return list;
        };
        match read(path) {
            Ok(text) => {
                list.path = Some(path.to_owned());
                for line in text.lines() {
                    if let Some((server, handle)) = line.trim().split_once(' ')
                        && let Ok(handle) = Handle::try_from(handle.to_owned())
                    {
                        list.push(server.to_owned(), handle);
                    }
                }
            }
            // It may be there again at the next start, and must not be written over.
            Err(error) => tracing::warn!(%error, "the list of blocked people cannot be read"),
        }
        list
    }

    pub(crate) fn contains(&self, server: &str, handle: Handle) -> bool {
        self.blocked
            .iter()
            .any(|(host, blocked)| *blocked == handle && host == server)
    }

    /// Adds somebody, and says what must be written where, if that must be.
    pub(crate) fn add(&mut self, server: String, handle: Handle) -> Option<(PathBuf, String)> {
        if self.contains(&server, handle) {
            return None;
        }
        self.push(server, handle);
        let path = self.path.clone()?;
        let lines = self.blocked.iter();
        let lines = lines.map(|(server, handle)| format!("{server} {handle}\n"));
        Some((path, lines.collect()))
    }

    fn push(&mut self, server: String, handle: Handle) {
        self.blocked.push_back((server, handle));
        if self.blocked.len() > MOST {
            self.blocked.pop_front();
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    match fs::metadata(path) {
        Ok(about) if about.len() > MOST_BYTES => Err(io::ErrorKind::FileTooLarge.into()),
        Ok(_) => fs::read_to_string(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

/// Writes a list, whole or not at all. Blocks on the disk.
pub(crate) fn save(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;

    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let draft = path.with_file_name(name);
    let mut file = private(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const fn handle(number: u8) -> Handle {
        Handle::from_bytes([number; 16])
    }

    #[test]
    fn what_was_added_is_there_after_the_next_start() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("new").join("blocked");
        let mut list = BlockList::load(Some(&path));
        assert!(!list.contains("a.example", handle(1)));
        let (written_to, text) = list
            .add("a.example".to_owned(), handle(1))
            .expect("it is new");
        save(&written_to, &text).expect("it can be written");
        assert_eq!(list.add("a.example".to_owned(), handle(1)), None);

        let again = BlockList::load(Some(&path));
        assert!(again.contains("a.example", handle(1)));
        assert!(
            !again.contains("b.example", handle(1)),
            "another server means another person"
        );
    }

    #[test]
    fn lines_that_make_no_sense_do_not_spoil_the_others_and_there_are_not_too_many() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("blocked");
        let mut text = format!("nonsense\n\na.example zz\na.example {}\n", handle(7));
        assert_eq!(BlockList::load(Some(&path)).blocked.len(), 0);
        fs::write(&path, &text).expect("it takes text");
        let list = BlockList::load(Some(&path));
        assert!(list.contains("a.example", handle(7)) && list.blocked.len() == 1);
        for number in 0..MOST {
            writeln!(text, "b.example {number:032x}").expect("a string takes everything");
        }
        fs::write(&path, &text).expect("it takes text");
        let list = BlockList::load(Some(&path));
        assert!(list.blocked.len() == MOST && !list.contains("a.example", handle(7)));
    }
}

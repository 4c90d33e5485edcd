//! A go-between of a compositor and the portal for wlroots, which adds one line to what the compositor says.
//!
//! xdg-desktop-portal-wlr 0.7.0 begins only when it was told of a picture in a graphics card's memory, too, although it goes on with the one in
//! ordinary memory where the compositor has no graphics card. A compositor without one does not speak of it, so it is said
//! here: `linux_dmabuf` after `buffer`, for each picture of `zwlr_screencopy_manager_v1`. All else passes as it is, with the files that go with it.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::ffi;

const MANAGER: &[u8] = b"zwlr_screencopy_manager_v1\0";
/// A message's object, and its length and number, four bytes each.
const HEADER: usize = 8;
/// `wl_display`, and the number of its event that an object is gone.
const WL_DISPLAY: u32 = 1;
const DELETE_ID: u32 = 1;
/// The manager's requests up to this one make a picture: of an output, or of a part of one.
const CAPTURE_OUTPUT_REGION: u32 = 1;
/// What is said of a picture.
const BUFFER: u32 = 0;
const LINUX_DMABUF: u32 = 5;
/// `DRM_FORMAT_XRGB8888`.
const XRGB8888: u32 = u32::from_le_bytes(*b"XR24");
/// As many as are open at a time; each has two threads.
const MOST_CONNECTIONS: usize = 8;

/// Passes on until it is dropped.
pub(super) struct Relay {
    open: Arc<Mutex<Vec<UnixStream>>>,
}

impl Relay {
    /// Takes connections at `at`, and makes one to `compositor` for each.
    pub(super) fn start(compositor: &Path, at: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(at)?;
        let open = Arc::<Mutex<Vec<UnixStream>>>::default();
        let (compositor, for_thread) = (compositor.to_owned(), Arc::clone(&open));
        // It ends with the process, which runs one command and ends.
        std::thread::Builder::new()
            .name("relay-wayland".to_owned())
            .spawn(move || {
                for client in listener.incoming().take(MOST_CONNECTIONS).flatten() {
                    if let Err(error) = join(client, &compositor, &for_thread) {
                        eprintln!("lab: a program does not reach its compositor: {error}");
                    }
                }
            })?;
        Ok(Self { open })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        for stream in lock(&self.open).drain(..) {
            // One that is closed already needs nothing.
            stream.shutdown(Shutdown::Both).ok();
        }
    }
}

fn join(client: UnixStream, compositor: &Path, open: &Mutex<Vec<UnixStream>>) -> io::Result<()> {
    let server = UnixStream::connect(compositor)?;
    let known = Arc::new(Mutex::new(Pictures::default()));
    let also_known = Arc::clone(&known);
    let (to_server, to_client) = (server.try_clone()?, client.try_clone()?);
    lock(open).extend([server.try_clone()?, client.try_clone()?]);
    std::thread::Builder::new().spawn(move || {
        pass(&client, &to_server, |message, out| {
            lock(&known).on_request(message);
            out.extend_from_slice(message);
        });
    })?;
    std::thread::Builder::new().spawn(move || {
        pass(&server, &to_client, |message, out| {
            out.extend_from_slice(message);
            out.extend(lock(&also_known).on_event(message));
        });
    })?;
    Ok(())
}

/// Passes whole messages on, until one of both is gone.
fn pass(from: &UnixStream, to: &UnixStream, mut each: impl FnMut(&[u8], &mut Vec<u8>)) {
    let mut pass = || -> io::Result<()> {
        let (mut waiting, mut out) = (Vec::new(), Vec::new());
        let mut bytes = vec![0; 65_536];
        let mut files: Vec<OwnedFd> = Vec::new();
        loop {
            let count = ffi::receive_with_files(from, &mut bytes, &mut files)?;
            if count == 0 {
                return Ok(());
            }
            waiting.extend_from_slice(&bytes[..count]);
            let mut rest = &waiting[..];
            while let Some((message, after)) = split_message(rest) {
                each(message, &mut out);
                rest = after;
            }
            waiting = rest.to_vec();
            if !out.is_empty() {
                // Files come no later than what they belong to.
                let sent = ffi::send_with_files(to, &out, &files)?;
                let mut to = to;
                to.write_all(&out[sent..])?;
                files.clear();
                out.clear();
            }
        }
    };
    // Whoever is gone, the other has nobody to talk to any more.
    pass().ok();
    for stream in [from, to] {
        stream.shutdown(Shutdown::Both).ok();
    }
}

/// The first message, and what follows it, once all of it is there.
fn split_message(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = (word(bytes, 4)? >> 16) as usize;
    bytes.split_at_checked(len.max(HEADER))
}

/// The pictures that a client has asked for.
#[derive(Debug, Default)]
struct Pictures {
    manager: Option<u32>,
    asked_for: BTreeSet<u32>,
}

impl Pictures {
    fn on_request(&mut self, message: &[u8]) {
        let (Some(object), Some(rest)) = (word(message, 0), message.get(HEADER..)) else {
            return;
        };
        if rest.windows(MANAGER.len()).any(|window| window == MANAGER) {
            // It is bound to the number at the message's end.
            self.manager = word(message, message.len().saturating_sub(4));
        } else if self.manager == Some(object) && number(message) <= Some(CAPTURE_OUTPUT_REGION) {
            self.asked_for.extend(word(message, HEADER));
        }
    }

    /// What is to be said after this.
    fn on_event(&mut self, message: &[u8]) -> Vec<u8> {
        let (Some(object), Some(number)) = (word(message, 0), number(message)) else {
            return Vec::new();
        };
        if object == WL_DISPLAY && number == DELETE_ID {
            let gone = word(message, HEADER);
            self.asked_for.retain(|picture| Some(*picture) != gone);
        }
        let size = word(message, HEADER + 4).zip(word(message, HEADER + 8));
        match size {
            Some((width, height)) if number == BUFFER && self.asked_for.contains(&object) => {
                let words = [object, (20 << 16) | LINUX_DMABUF, XRGB8888, width, height];
                words.iter().flat_map(|word| word.to_ne_bytes()).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn number(message: &[u8]) -> Option<u32> {
    word(message, 4).map(|word| word & 0xffff)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at + 4)?;
    word.try_into().ok().map(u32::from_ne_bytes)
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(object: u32, number: u32, body: &[u8]) -> Vec<u8> {
        let len = (HEADER + body.len()) as u32;
        let mut bytes = words(&[object, (len << 16) | number]);
        bytes.extend_from_slice(body);
        bytes
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    fn bind(name: &[u8], id: u32) -> Vec<u8> {
        let mut body = words(&[17, name.len() as u32]);
        body.extend_from_slice(name);
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend(words(&[3, id]));
        message(2, 0, &body)
    }

    #[test]
    fn one_line_is_added_after_the_size_of_a_picture_and_after_nothing_else() {
        let mut pictures = Pictures::default();
        let size = message(9, BUFFER, &words(&[1, 800, 600, 3200]));
        assert!(pictures.on_event(&size).is_empty(), "nobody has asked");
        pictures.on_request(&bind(b"wl_shm\0", 5));
        pictures.on_request(&bind(MANAGER, 7));
        pictures.on_request(&message(7, 0, &words(&[9, 0, 4])));
        let added = message(9, LINUX_DMABUF, &words(&[XRGB8888, 800, 600]));
        assert_eq!(pictures.on_event(&size), added);
        assert!(pictures.on_event(&message(9, 6, &[])).is_empty());
        let other = message(5, BUFFER, &words(&[1, 2, 3, 4]));
        assert!(pictures.on_event(&other).is_empty());
        // The number is used again for something else.
        pictures.on_event(&message(WL_DISPLAY, DELETE_ID, &words(&[9])));
        assert!(pictures.on_event(&size).is_empty());
    }

    #[test]
    fn messages_are_taken_apart_and_half_ones_wait() {
        let two = [message(1, 0, &words(&[3])), message(2, 0, &[])].concat();
        let (first, rest) = split_message(&two).unwrap();
        assert_eq!(first, message(1, 0, &words(&[3])));
        assert_eq!(split_message(rest).unwrap().1, b"");
        for len in 0..12 {
            assert!(split_message(&two[..len]).is_none(), "{len}");
        }
        // A length that cannot be is passed over, and does not stand still.
        let broken = words(&[1, 0]);
        assert_eq!(split_message(&broken).unwrap().0.len(), HEADER);
    }

    #[test]
    fn files_pass_with_what_they_belong_to() {
        let folder = tempfile::tempdir().unwrap();
        let (compositor, at) = (folder.path().join("a"), folder.path().join("b"));
        let listener = UnixListener::bind(&compositor).unwrap();
        let _relay = Relay::start(&compositor, &at).unwrap();
        let client = UnixStream::connect(&at).unwrap();
        let (server, _) = listener.accept().unwrap();
        let request = message(3, 1, &words(&[4]));
        let file: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
        let sent = ffi::send_with_files(&client, &request, &[file]).unwrap();
        assert_eq!(sent, request.len());
        let (mut bytes, mut files) = ([0; 100], Vec::new());
        let count = ffi::receive_with_files(&server, &mut bytes, &mut files).unwrap();
        assert_eq!((&bytes[..count], files.len()), (&request[..], 1));
        drop(server);
        let count = ffi::receive_with_files(&client, &mut bytes, &mut files).unwrap();
        assert_eq!(count, 0, "the end is passed on, too");
    }
}

//! One window per person: who starts the program again gets the window that is there.
//!
//! The first one holds a lock on a file beside the settings, which the system gives back whatever happens to the program. It
//! listens on a port of this machine, and a later one finds that port in another file and knocks. All that a knock can do is raise
//! the window, and ask the person about a link.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::link::MOST_BYTES;

/// What a later one says; with a link, that follows it in a line of its own.
const KNOCK: &[u8] = b"raise\n";
/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(1);

/// The place of the first one, for as long as it lives.
#[derive(Debug)]
pub struct Instance {
    _lock: File,
    listener: TcpListener,
}

/// What came of the attempt to be the first one.
#[derive(Debug)]
pub enum Claim {
    /// There is no other.
    First(Instance),
    /// There is one; its window was asked to come to the front.
    Raised,
}

impl Instance {
    /// Tries to be the first one of those who keep their settings in this file; whoever is not gives the first one `link`.
    ///
    /// # Errors
    /// When the system gives no lock or no port, or the first one cannot be reached; going on without is better than not at all.
    pub fn claim(settings: &Path, link: Option<&str>) -> io::Result<Claim> {
        let folder = settings.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join("window.lock"))?;
        match lock.try_lock() {
            Ok(()) => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                let port = listener.local_addr()?.port();
                fs::write(port_file(folder), port.to_string())?;
                Ok(Claim::First(Self {
                    _lock: lock,
                    listener,
                }))
            }
            Err(TryLockError::WouldBlock) => {
                knock(folder, link)?;
                Ok(Claim::Raised)
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Calls `raise` whenever another one was started, with the link that it was given, if any, in a thread that ends with the
    /// program.
    ///
    /// # Errors
    /// When the system gives no port or thread; later ones then find nobody who answers.
    pub fn on_knock(&self, raise: impl Fn(Option<String>) + Send + 'static) -> io::Result<()> {
        let listener = self.listener.try_clone()?;
        let work = move || {
            for visitor in listener.incoming() {
                match visitor {
                    Ok(visitor) => {
                        if let Some(knock) = hear(visitor) {
                            raise(knock.link);
                        }
                    }
                    // Out of descriptors, for instance: no reason to spin.
                    Err(_) => std::thread::sleep(PATIENCE),
                }
            }
        };
        let thread = std::thread::Builder::new().name("instance".to_owned());
        thread.spawn(work).map(drop)
    }
}

/// What a later one wants.
struct Knock {
    /// What it was given.
    link: Option<String>,
}

fn port_file(folder: &Path) -> PathBuf {
    folder.join("window.port")
}

fn knock(folder: &Path, link: Option<&str>) -> io::Result<()> {
    let text = fs::read_to_string(port_file(folder))?;
    let port: u16 = text.trim().parse().map_err(io::Error::other)?;
    let address = (Ipv4Addr::LOCALHOST, port).into();
    let mut first = TcpStream::connect_timeout(&address, PATIENCE)?;
    first.set_write_timeout(Some(PATIENCE))?;
    let line = link.map(|link| format!("{link}\n")).unwrap_or_default();
    first.write_all(&[KNOCK, line.as_bytes()].concat())
}

/// Anybody on this machine may come to the port; all but the right word is nothing. What follows it is a link, as far as it is
/// short, text, and a whole line.
fn hear(mut visitor: TcpStream) -> Option<Knock> {
    let mut word = [0; KNOCK.len()];
    visitor.set_read_timeout(Some(PATIENCE)).ok()?;
    visitor.read_exact(&mut word).ok()?;
    if word != KNOCK {
        return None;
    }
    Some(Knock {
        link: line(&mut visitor),
    })
}

/// What comes before the end of a line, if that comes soon.
fn line(visitor: &mut TcpStream) -> Option<String> {
    let deadline = Instant::now() + PATIENCE;
    let (mut bytes, mut some) = (Vec::new(), [0; 64]);
    while bytes.len() <= MOST_BYTES {
        let left = deadline.saturating_duration_since(Instant::now());
        // A time of nothing would not be taken.
        if left.is_zero() {
            break;
        }
        visitor.set_read_timeout(Some(left)).ok()?;
        let count = visitor.read(&mut some).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&some[..count]);
        if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            bytes.truncate(end);
            return String::from_utf8(bytes).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    fn first(settings: &Path) -> (Instance, Receiver<Option<String>>) {
        let Claim::First(instance) = Instance::claim(settings, None).unwrap() else {
            panic!("somebody else is there");
        };
        let (sender, raised) = channel();
        instance
            .on_knock(move |link| sender.send(link).expect("the test listens"))
            .unwrap();
        (instance, raised)
    }

    #[test]
    fn a_second_one_raises_the_first_and_when_that_is_gone_it_is_the_first_itself() {
        let folder = tempfile::tempdir().unwrap();
        let settings = folder.path().join("deep/settings.json");
        let (instance, raised) = first(&settings);
        for _ in 0..2 {
            assert!(matches!(
                Instance::claim(&settings, None).unwrap(),
                Claim::Raised
            ));
            raised.recv_timeout(Duration::from_secs(10)).unwrap();
        }
        let elsewhere = folder.path().join("other/settings.json");
        let (_other, _) = first(&elsewhere);
        drop(instance);
        let (_instance, _) = first(&settings);
    }

    #[test]
    fn what_is_no_knock_raises_nothing_and_does_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let settings = folder.path().join("settings.json");
        let (instance, raised) = first(&settings);
        let address = instance.listener.local_addr().unwrap();
        for word in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"", b"rais"] {
            let mut visitor = TcpStream::connect(address).unwrap();
            visitor.write_all(word).unwrap();
        }
        assert!(matches!(
            Instance::claim(&settings, None).unwrap(),
            Claim::Raised
        ));
        raised.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(raised.try_recv().is_err(), "the others raised nothing");
    }

    #[test]
    fn a_second_one_gives_the_first_its_link_and_what_is_too_long_or_no_text_is_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let settings = folder.path().join("settings.json");
        let (instance, raised) = first(&settings);
        let heard = || raised.recv_timeout(Duration::from_secs(10)).unwrap();
        let link = "passerby://example.org";
        Instance::claim(&settings, Some(link)).unwrap();
        assert_eq!(heard().as_deref(), Some(link));
        let address = instance.listener.local_addr().unwrap();
        let endless = "x".repeat(100_000);
        for line in [endless.as_bytes(), b"passerby://\xff\n", b"half a line"] {
            let mut visitor = TcpStream::connect(address).unwrap();
            visitor.write_all(KNOCK).unwrap();
            // The other side may hang up in the middle of it.
            drop(visitor.write_all(line));
            drop(visitor);
            assert_eq!(heard(), None);
        }
    }

    #[test]
    fn a_first_one_that_cannot_be_reached_is_an_error_and_not_a_silence() {
        let folder = tempfile::tempdir().unwrap();
        let settings = folder.path().join("settings.json");
        let (_instance, _raised) = first(&settings);
        fs::write(port_file(folder.path()), "no port").unwrap();
        assert!(Instance::claim(&settings, None).is_err());
    }
}

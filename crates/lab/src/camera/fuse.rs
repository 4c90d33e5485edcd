//! One FUSE mount: the requests of the kernel in, their answers out. Layouts are those of linux/fuse.h, version 7.40.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;

use super::buffers::{Buffers, Handle};
use super::device::{Answer, Device};
use super::run::Event;
use super::v4l2::{Fields, word_at};
use crate::command::Unavailable;
use crate::ffi;

mod opcode {
    pub(super) const FORGET: u32 = 2;
    pub(super) const GETATTR: u32 = 3;
    pub(super) const SETATTR: u32 = 4;
    pub(super) const OPEN: u32 = 14;
    pub(super) const STATFS: u32 = 17;
    pub(super) const RELEASE: u32 = 18;
    pub(super) const INIT: u32 = 26;
    pub(super) const INTERRUPT: u32 = 36;
    pub(super) const DESTROY: u32 = 38;
    pub(super) const IOCTL: u32 = 39;
    pub(super) const POLL: u32 = 40;
    pub(super) const BATCH_FORGET: u32 = 42;
}

/// `struct fuse_in_header`
const HEADER_LEN: usize = 40;
/// Requests are small; the kernel wants room for the largest write that we allow.
const REQUEST_LEN: usize = (64 << 10) + 4096;
/// `FUSE_INIT_EXT`, and `FUSE_PASSTHROUGH` in the second word of flags.
const INIT_EXT: u32 = 1 << 30;
const PASSTHROUGH: u32 = 1 << 5;
/// `FOPEN_PASSTHROUGH`
const OPEN_PASSTHROUGH: u32 = 1 << 7;
/// `FUSE_POLL_SCHEDULE_NOTIFY`
const POLL_NOTIFY: u32 = 1;
/// `FUSE_NOTIFY_POLL`
const NOTIFY_POLL: u32 = 1;

/// What a request means for the rest of the program.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Nothing,
    /// The mount can be used.
    Ready,
    /// The kernel cannot do what we need.
    NoPassthrough,
}

/// A mounted node. Dropping it takes it away.
#[derive(Debug)]
struct Node(PathBuf);

impl Drop for Node {
    fn drop(&mut self) {
        // There is nothing more to be done about a node that somebody else took away.
        ffi::unmount(&self.0).ok();
        fs::remove_file(&self.0).ok();
    }
}

/// An ioctl that waits for a frame.
#[derive(Debug)]
struct Waiting {
    unique: u64,
    handle: Handle,
    number: u32,
    data: Vec<u8>,
    /// How many bytes the kernel copies back.
    out_len: usize,
}

/// One mount, from plugging to the last close after unplugging.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: u64,
    /// `None` once unplugged.
    node: Option<Node>,
    fuse: File,
    backing: Option<i32>,
    /// Open files and their flags.
    handles: BTreeMap<Handle, u32>,
    next_handle: u64,
    /// Whom to wake when a frame comes: the kernel's number of the poll, by handle.
    pollers: BTreeMap<Handle, u64>,
    waiting: Vec<Waiting>,
}

impl Session {
    /// Mounts the node and starts to pass its requests on to `events`.
    pub(super) fn mount(id: u64, path: &Path, events: SyncSender<Event>) -> anyhow::Result<Self> {
        let fuse = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/fuse")
            .map_err(|error| Unavailable(format!("/dev/fuse: {error}")))?;
        OpenOptions::new().write(true).create_new(true).open(path)?;
        if let Err(error) = ffi::mount_fuse(path, &fuse) {
            fs::remove_file(path)?;
            return Err(Unavailable(format!("mounting {}: {error}", path.display())).into());
        }
        let node = Node(path.to_owned());
        let requests = fuse.try_clone()?;
        std::thread::Builder::new()
            .name("camera-requests".to_owned())
            .spawn(move || pass_on(requests, id, &events))?;
        Ok(Self {
            id,
            node: Some(node),
            fuse,
            backing: None,
            handles: BTreeMap::new(),
            next_handle: 0,
            pollers: BTreeMap::new(),
            waiting: Vec::new(),
        })
    }

    pub(super) const fn is_plugged(&self) -> bool {
        self.node.is_some()
    }

    /// The node vanishes; who has it open gets ENODEV from now on.
    pub(super) fn unplug(&mut self, device: &mut Device) {
        self.node = None;
        self.wake(device);
    }

    /// Wakes all who wait for a frame.
    pub(super) fn wake(&mut self, device: &mut Device) {
        for (_, poll) in std::mem::take(&mut self.pollers) {
            let notice = Fields::new()
                .words(&[24, NOTIFY_POLL])
                .longs(&[0, poll])
                .padded_to(24);
            self.send(&notice);
        }
        for waiting in std::mem::take(&mut self.waiting) {
            self.answer(waiting, device, true);
        }
    }

    pub(super) fn handle(
        &mut self,
        request: &[u8],
        device: &mut Device,
    ) -> anyhow::Result<Meaning> {
        let Some((header, data)) = request.split_at_checked(HEADER_LEN) else {
            return Ok(Meaning::Nothing);
        };
        let unique = long_at(header, 8);
        match word_at(header, 4) {
            opcode::INIT => {
                if word_at(data, 12) & INIT_EXT == 0 || word_at(data, 16) & PASSTHROUGH == 0 {
                    return Ok(Meaning::NoPassthrough);
                }
                // Version, read-ahead, flags; background and congestion as two halves; max_write, time_gran; max_pages.
                let reply = Fields::new()
                    .words(&[
                        7,
                        40,
                        0,
                        INIT_EXT,
                        16 | 12 << 16,
                        64 << 10,
                        1,
                        32,
                        PASSTHROUGH,
                        1,
                    ])
                    .padded_to(64);
                self.reply(unique, &reply);
                return Ok(Meaning::Ready);
            }
            opcode::GETATTR | opcode::SETATTR => self.reply(unique, &attributes()),
            opcode::OPEN => self.open(unique, data, device)?,
            opcode::RELEASE => {
                let handle = self.device_handle(long_at(data, 0));
                device.release(handle);
                self.pollers.remove(&handle);
                self.handles.remove(&handle);
                self.reply(unique, &[]);
            }
            opcode::IOCTL => self.ioctl(unique, data, device),
            opcode::POLL => {
                let handle = self.device_handle(long_at(data, 0));
                let events = self.poll(handle, device);
                let wants_notice = word_at(data, 16) & POLL_NOTIFY != 0;
                if wants_notice && events & (libc::POLLIN as u32) == 0 {
                    self.pollers.insert(handle, long_at(data, 8));
                }
                self.reply(unique, &Fields::new().words(&[events, 0]).padded_to(8));
            }
            opcode::INTERRUPT => {
                let interrupted = long_at(data, 0);
                if let Some(at) = self
                    .waiting
                    .iter()
                    .position(|waiting| waiting.unique == interrupted)
                {
                    self.waiting.remove(at);
                    self.fail(interrupted, libc::EINTR);
                }
            }
            // These want no answer.
            opcode::FORGET | opcode::BATCH_FORGET | opcode::DESTROY => {}
            opcode::STATFS => {
                let reply = Fields::new()
                    .longs(&[1, 0, 0, 1, 0])
                    .words(&[4096, 255, 4096])
                    .padded_to(80);
                self.reply(unique, &reply);
            }
            _ => self.fail(unique, libc::ENOSYS),
        }
        Ok(Meaning::Nothing)
    }

    fn open(&mut self, unique: u64, data: &[u8], device: &Device) -> anyhow::Result<()> {
        if device.is_busy {
            self.fail(unique, libc::EBUSY);
            return Ok(());
        }
        let backing = match self.backing {
            Some(backing) => backing,
            None => *self
                .backing
                .insert(ffi::register_backing(&self.fuse, device.memory())?),
        };
        let number = self.next_handle;
        self.next_handle += 1;
        let handle = self.device_handle(number);
        self.handles.insert(handle, word_at(data, 0));
        let reply = Fields::new()
            .longs(&[number])
            .words(&[OPEN_PASSTHROUGH, backing.cast_unsigned()]);
        self.reply(unique, &reply.padded_to(16));
        Ok(())
    }

    fn ioctl(&mut self, unique: u64, data: &[u8], device: &mut Device) {
        let (handle, command) = (self.device_handle(long_at(data, 0)), word_at(data, 12));
        let (in_len, out_len) = (word_at(data, 24) as usize, word_at(data, 28) as usize);
        let is_v4l2 = (command >> 8) & 0xff == u32::from(b'V');
        if !is_v4l2 {
            self.fail(unique, libc::ENOTTY);
            return;
        }
        let mut argument = data.get(32..32 + in_len).unwrap_or_default().to_vec();
        argument.resize(in_len.max(out_len), 0);
        let flags = self.handles.get(&handle).copied().unwrap_or(0);
        let may_wait = flags & libc::O_NONBLOCK.cast_unsigned() == 0;
        self.answer(
            Waiting {
                unique,
                handle,
                number: command & 0xff,
                data: argument,
                out_len,
            },
            device,
            may_wait,
        );
    }

    fn answer(&mut self, waiting: Waiting, device: &mut Device, may_wait: bool) {
        if !self.is_plugged() {
            self.fail(waiting.unique, libc::ENODEV);
            return;
        }
        match device.ioctl(waiting.handle, waiting.number, &waiting.data, may_wait) {
            Answer::Done(mut bytes) => {
                bytes.truncate(waiting.out_len);
                // `struct fuse_ioctl_out`: result, flags, and no vectors.
                let mut reply = vec![0; 16];
                reply.append(&mut bytes);
                self.reply(waiting.unique, &reply);
            }
            Answer::Error(errno) => self.fail(waiting.unique, errno),
            Answer::Later => self.waiting.push(waiting),
        }
    }

    /// What poll(2) says about an open file.
    fn poll(&self, handle: Handle, device: &Device) -> u32 {
        let events = match device.has_frame(handle) {
            _ if !self.is_plugged() => libc::POLLERR | libc::POLLHUP,
            None => libc::POLLERR,
            Some(true) => libc::POLLIN | libc::POLLRDNORM,
            Some(false) => 0,
        };
        u32::from(events.cast_unsigned())
    }

    /// Handles of all sessions are distinct for the device.
    const fn device_handle(&self, number: u64) -> Handle {
        self.id << 32 | number
    }

    fn reply(&self, unique: u64, data: &[u8]) {
        let mut message = Fields::new()
            .words(&[16 + data.len() as u32, 0])
            .longs(&[unique])
            .padded_to(16);
        message.extend_from_slice(data);
        self.send(&message);
    }

    fn fail(&self, unique: u64, errno: i32) {
        let message = Fields::new()
            .words(&[16, (-errno).cast_unsigned()])
            .longs(&[unique]);
        self.send(&message.padded_to(16));
    }

    /// A message goes out in one piece. The kernel refuses answers to requests that were interrupted meanwhile.
    fn send(&self, message: &[u8]) {
        (&self.fuse).write_all(message).ok();
    }
}

/// Reads requests until the file system is gone.
fn pass_on(mut fuse: File, session: u64, events: &SyncSender<Event>) {
    let mut buffer = vec![0; REQUEST_LEN];
    loop {
        let event = match fuse.read(&mut buffer) {
            Ok(len) => Event::Request {
                session,
                bytes: buffer[..len].to_vec(),
            },
            // An interrupted request is announced as an error of the read; the next one may be fine.
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::EINTR | libc::EAGAIN | libc::ENOENT)
                ) =>
            {
                continue;
            }
            Err(_) => Event::Ended { session },
        };
        let is_last = matches!(event, Event::Ended { .. });
        if events.send(event).is_err() || is_last {
            return;
        }
    }
}

/// `struct fuse_attr_out`: a regular file, readable and writable by all.
fn attributes() -> Vec<u8> {
    Fields::new()
        .longs(&[0, 0])
        .longs(&[1, Buffers::MEMORY_LEN, 0, 0, 0, 0])
        .words(&[0, 0, 0, libc::S_IFREG | 0o666, 1, 0, 0, 0, 4096, 0])
        .padded_to(104)
}

fn long_at(bytes: &[u8], offset: usize) -> u64 {
    let long = bytes
        .get(offset..offset + 8)
        .and_then(|long| long.try_into().ok());
    long.map_or(0, u64::from_ne_bytes)
}

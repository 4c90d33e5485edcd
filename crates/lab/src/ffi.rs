//! The system calls that the standard library does not offer. All of the lab's unsafe code is here.

#![expect(
    unsafe_code,
    reason = "mount, ioctl, namespaces and signals have no safe interface in the standard library"
)]

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// `_IOW(229, 1, struct fuse_backing_map)` of linux/fuse.h.
const FUSE_DEV_IOC_BACKING_OPEN: libc::c_ulong = 0x4010_e501;

/// `struct fuse_backing_map` of linux/fuse.h.
#[repr(C)]
struct BackingMap {
    fd: i32,
    flags: u32,
    padding: u64,
}

static STOP_REQUESTED: AtomicBool = AtomicBool::new(false);

/// Whether mounting is allowed at all.
pub(crate) fn is_root() -> bool {
    // SAFETY: takes nothing, only reads the process's own identity.
    unsafe { libc::geteuid() == 0 }
}

/// Mounts a one-file FUSE file system over the file `node`, served through `fuse` (an open /dev/fuse).
pub(crate) fn mount_fuse(node: &Path, fuse: &File) -> io::Result<()> {
    let target = c_string(node)?;
    let options = format!(
        "fd={},rootmode=100000,user_id=0,group_id=0,allow_other",
        fuse.as_raw_fd()
    );
    let options = CString::new(options)?;
    // SAFETY: all pointers are to NUL-terminated strings that live until the call returns.
    check(unsafe {
        libc::mount(
            c"lab-camera".as_ptr(),
            target.as_ptr(),
            c"fuse".as_ptr(),
            0,
            options.as_ptr().cast(),
        )
    })
    .map(drop)
}

/// Takes the mount away from the tree at once; programs that have the file open keep it.
pub(crate) fn unmount(node: &Path) -> io::Result<()> {
    let target = c_string(node)?;
    // SAFETY: the pointer is to a NUL-terminated string that lives until the call returns.
    check(unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) }).map(drop)
}

/// Lets the kernel map pages of `memory` for files of this FUSE connection; returns the number of the backing file.
pub(crate) fn register_backing(fuse: &File, memory: &File) -> io::Result<i32> {
    let map = BackingMap {
        fd: memory.as_raw_fd(),
        flags: 0,
        padding: 0,
    };
    // SAFETY: the request reads one `fuse_backing_map` from the pointer, which lives until the call returns.
    check(unsafe { libc::ioctl(fuse.as_raw_fd(), FUSE_DEV_IOC_BACKING_OPEN, &raw const map) })
}

/// The kernel's monotonic clock, by which drivers stamp their frames.
pub(crate) fn monotonic_time() -> Duration {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a `timespec` of ours that the call fills.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    Duration::new(
        now.tv_sec.cast_unsigned(),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

/// Makes a named pipe that only its owner can use.
pub(crate) fn make_fifo(path: &Path) -> io::Result<()> {
    let path = c_string(path)?;
    // SAFETY: the pointer is to a NUL-terminated string that lives until the call returns.
    check(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }).map(drop)
}

/// From now on SIGINT, SIGTERM and SIGHUP only make [`is_stop_requested`] true.
pub(crate) fn catch_signals() -> io::Result<()> {
    extern "C" fn on_signal(_: libc::c_int) {
        STOP_REQUESTED.store(true, Ordering::Relaxed);
    }
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: an all-zero `sigaction` is valid, and the handler only stores to an atomic, which is allowed in
        // a signal handler (signal-safety(7)).
        check(unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_signal as *const () as usize;
            libc::sigaction(signal, &raw const action, std::ptr::null_mut())
        })?;
    }
    Ok(())
}

/// Whether a caught signal asked the process to end.
pub(crate) fn is_stop_requested() -> bool {
    STOP_REQUESTED.load(Ordering::Relaxed)
}

/// Asks a child process to end.
pub(crate) fn terminate(child: &std::process::Child) {
    // SAFETY: only sends a signal. The child has not been waited for, so its number is not given to another process.
    unsafe { libc::kill(child.id().cast_signed(), libc::SIGTERM) };
}

/// Has the kernel end the command's process when this one ends without a chance to clean up.
pub(crate) fn die_with_parent(command: &mut Command) -> &mut Command {
    let set = || {
        // SAFETY: sets a flag of the calling process; passes no pointers.
        check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) }).map(drop)
    };
    // SAFETY: between fork and exec `set` makes one system call and neither allocates nor locks.
    unsafe { command.pre_exec(set) }
}

/// Moves the calling thread, and nothing else of this process, into a network namespace.
pub(crate) fn enter_namespace(namespace: &File) -> io::Result<()> {
    // SAFETY: passes a descriptor that is open for the time of the call, and no pointers.
    check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}

/// Has the command's process begin in a network namespace.
pub(crate) fn start_in_namespace(command: &mut Command, namespace: File) -> &mut Command {
    // SAFETY: between fork and exec this makes one system call and neither allocates nor locks.
    unsafe { command.pre_exec(move || enter_namespace(&namespace)) }
}

/// Makes a network interface in the calling thread's namespace whose Ethernet frames are read and written through the file.
/// Reading and writing never wait. The interface goes away with the file.
pub(crate) fn open_tap(name: &str) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/net/tun")?;
    // SAFETY: all-zero bytes are a valid `ifreq`: integers, byte arrays and null pointers.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last byte stays zero and ends the name.
    let room = request.ifr_name.len() - 1;
    if name.len() > room {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    let flags = libc::IFF_TAP | libc::IFF_NO_PI;
    request.ifr_ifru.ifru_flags = flags as libc::c_short;
    // SAFETY: the request reads and writes one `ifreq` at the pointer, which lives until the call returns.
    check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) })?;
    Ok(file)
}

/// Waits until one of the files can be read or is broken, but no longer than `longest`; says which.
pub(crate) fn wait_readable(files: [&File; 2], longest: Duration) -> io::Result<[bool; 2]> {
    let mut polled = files.map(|file| libc::pollfd {
        fd: file.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    });
    let longest = libc::timespec {
        tv_sec: longest.as_secs().cast_signed(),
        tv_nsec: longest.subsec_nanos().into(),
    };
    // SAFETY: both pointers are to values of ours that live until the call returns, and the count is the array's.
    let result = unsafe {
        libc::ppoll(
            polled.as_mut_ptr(),
            polled.len() as libc::nfds_t,
            &raw const longest,
            std::ptr::null(),
        )
    };
    match check(result) {
        Ok(_) => Ok(polled.map(|polled| polled.revents != 0)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok([false; 2]),
        Err(error) => Err(error),
    }
}

/// Files that can come with one message: as many as libwayland sends.
const MOST_FILES: usize = 28;

/// Room for that many descriptors and what stands before them, aligned as the system wants it.
#[repr(C, align(8))]
struct Control([u8; 128]);

/// A message to or from `bytes`, with room for descriptors.
fn message(part: &mut libc::iovec, control: &mut Control, len: usize) -> libc::msghdr {
    // SAFETY: all-zero bytes are a valid `msghdr`: null pointers and lengths of zero.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = len;
    message
}

/// Receives bytes, and the files that came with them. Returns how many bytes, zero at the end.
pub(crate) fn receive_with_files(
    socket: &UnixStream,
    bytes: &mut [u8],
    files: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut part = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let mut control = Control([0; 128]);
    let room = control.0.len();
    let mut message = message(&mut part, &mut control, room);
    // SAFETY: the message points to memory of ours, of the lengths that it says, until the call returns.
    let received =
        unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) };
    let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the call has filled the message. Each header lies in the memory that it points to, with as many descriptors after it as its
    // length says, and they are nobody's but ours.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while let Some(found) = header.as_ref() {
            if found.cmsg_level == libc::SOL_SOCKET && found.cmsg_type == libc::SCM_RIGHTS {
                let len = found.cmsg_len - libc::CMSG_LEN(0) as usize;
                let first = libc::CMSG_DATA(header).cast::<[u8; 4]>();
                for index in 0..len / size_of::<libc::c_int>() {
                    let file = libc::c_int::from_ne_bytes(first.add(index).read());
                    files.push(OwnedFd::from_raw_fd(file));
                }
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    }
    Ok(received)
}

/// Sends bytes, and files with the first of them. Returns how many bytes the system has taken.
pub(crate) fn send_with_files(
    socket: &UnixStream,
    bytes: &[u8],
    files: &[OwnedFd],
) -> io::Result<usize> {
    if files.len() > MOST_FILES {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut part = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let mut control = Control([0; 128]);
    let len = size_of_val(files) as libc::c_uint;
    // SAFETY: it only computes.
    let room = unsafe { libc::CMSG_SPACE(len) } as usize;
    let room = if files.is_empty() { 0 } else { room };
    let message = message(&mut part, &mut control, room);
    // SAFETY: there is room in the control memory for a header and all the descriptors. The message points to memory of ours, of the lengths
    // that it says, until the call returns; the bytes are only read.
    let sent = unsafe {
        if let Some(header) = libc::CMSG_FIRSTHDR(&raw const message).as_mut() {
            header.cmsg_level = libc::SOL_SOCKET;
            header.cmsg_type = libc::SCM_RIGHTS;
            header.cmsg_len = libc::CMSG_LEN(len) as usize;
            let first = libc::CMSG_DATA(header).cast::<[u8; 4]>();
            for (index, file) in files.iter().enumerate() {
                first.add(index).write(file.as_raw_fd().to_ne_bytes());
            }
        }
        libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL)
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

fn c_string(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

fn check(result: libc::c_int) -> io::Result<i32> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

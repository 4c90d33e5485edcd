//! A stream of pictures out of PipeWire.
//!
//! PipeWire has a thread of its own for it, which does nothing of ours but answer what format was agreed upon. Pictures are taken when their
//! time has come, by whoever owns the stream: what has come meanwhile is given back unread, but for the newest, which is copied while that
//! thread waits; nothing of it is held on to. So the compositor has its buffers back at once, and no queue is longer than its buffers.

#![expect(unsafe_code, reason = "all of it is calls into a C library")]

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_int, c_void};
use std::os::fd::{IntoRawFd as _, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

use super::library::{
    DIRECTION_INPUT, FLAGS, Hook, Library, Opaque, STATE_ERROR, STATE_STREAMING, STATE_UNCONNECTED,
    SpaBuffer, StreamBuffer, StreamEvents,
};
use super::picture::{Buffer, Crop, Picture};
use super::pod::{self, Format, META_CROP, META_HEADER, Pod, READABLE_MEMORY};
use crate::DeviceProblem;

/// More buffers than a stream has are not looked through.
const MOST_BUFFERS: usize = 32;
/// `SPA_CHUNK_FLAG_CORRUPTED`.
const CHUNK_CORRUPTED: i32 = 1;
/// `SPA_META_HEADER_FLAG_CORRUPTED`.
const HEADER_CORRUPTED: u32 = 1 << 1;

/// What there was when it was looked for a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// A new picture.
    New,
    /// Something that is no whole picture.
    Broken,
    /// No new one; the stream runs.
    Nothing,
    /// No new one, and the stream does not run: it has not begun yet, or its source is away.
    Idle,
}

/// Why there will be no more pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lost {
    /// The source is gone, or PipeWire itself.
    Gone,
    /// It cannot be read.
    Failed(DeviceProblem),
}

/// A stream, from the moment it is asked for until this is dropped.
pub(super) struct Stream {
    library: &'static Library,
    thread: *mut Opaque,
    context: *mut Opaque,
    core: *mut Opaque,
    input: *mut Opaque,
    shared: *mut Shared,
}

/// What PipeWire's thread knows of it.
struct Shared {
    library: &'static Library,
    stream: AtomicPtr<Opaque>,
    format: Mutex<Option<Format>>,
    /// A format was agreed upon that is none of ours.
    is_unusable: AtomicBool,
    /// The stream's business, once it is given to it.
    hook: UnsafeCell<Hook>,
}

static EVENTS: StreamEvents = StreamEvents {
    version: 2,
    unused: [None; 4],
    param_changed: Some(on_param_changed),
    others: [None; 6],
};

impl Stream {
    /// Asks for the pictures of `node`, which the PipeWire at the other end of `remote` has, `fps` in a second at most.
    pub(super) fn open(
        library: &'static Library,
        remote: OwnedFd,
        node: u32,
        fps: u32,
    ) -> Result<Self, DeviceProblem> {
        let shared = Box::new(Shared {
            library,
            stream: AtomicPtr::default(),
            format: Mutex::default(),
            is_unusable: AtomicBool::default(),
            hook: UnsafeCell::new(Hook([ptr::null_mut(); 6])),
        });
        let mut opened = Self {
            library,
            thread: ptr::null_mut(),
            context: ptr::null_mut(),
            core: ptr::null_mut(),
            input: ptr::null_mut(),
            shared: Box::into_raw(shared),
        };
        let failed = |what: &str| DeviceProblem::Other(format!("PipeWire gives no {what}"));
        // SAFETY: the names end with zero. What is made is kept in `opened`, whose drop takes it apart in the opposite order, after the
        // thread has ended; a null pointer is passed on nowhere. The library takes over `remote` and the properties. `shared` and the events
        // live longer than the stream, and all of it is done before the thread runs.
        unsafe {
            opened.thread = (library.pw_thread_loop_new)(c"screen-pipewire".as_ptr(), ptr::null());
            if opened.thread.is_null() {
                return Err(failed("thread"));
            }
            let events = (library.pw_thread_loop_get_loop)(opened.thread);
            opened.context = (library.pw_context_new)(events, ptr::null_mut(), 0);
            if opened.context.is_null() {
                return Err(failed("context"));
            }
            let remote = remote.into_raw_fd();
            opened.core =
                (library.pw_context_connect_fd)(opened.context, remote, ptr::null_mut(), 0);
            if opened.core.is_null() {
                return Err(failed("connection"));
            }
            let properties = c"media.type=Video media.category=Capture media.role=Screen";
            let properties = (library.pw_properties_new_string)(properties.as_ptr());
            opened.input =
                (library.pw_stream_new)(opened.core, c"Passerby screen".as_ptr(), properties);
            if opened.input.is_null() {
                return Err(failed("stream"));
            }
            let shared = &*opened.shared;
            shared.stream.store(opened.input, Ordering::Release);
            (library.pw_stream_add_listener)(
                opened.input,
                shared.hook.get(),
                &raw const EVENTS,
                opened.shared.cast(),
            );
            let format = pod::wanted_format(fps);
            let mut wanted = [format.as_ptr()];
            let connected = (library.pw_stream_connect)(
                opened.input,
                DIRECTION_INPUT,
                node,
                FLAGS,
                wanted.as_mut_ptr(),
                1,
            );
            if connected < 0 || (library.pw_thread_loop_start)(opened.thread) < 0 {
                return Err(failed("pictures"));
            }
        }
        Ok(opened)
    }

    /// Takes the newest picture, if there is a new one.
    ///
    /// # Errors
    /// When there will be no more.
    pub(super) fn take(&mut self, picture: &mut Picture) -> Result<Taken, Lost> {
        // SAFETY: `open` has made them, and has set this pointer for as long as `self` lives.
        let shared = unsafe { &*self.shared };
        let is_running = {
            let _locked = Locked::new(self);
            let is_streaming = self.check()?;
            if shared.is_unusable.load(Ordering::Relaxed) {
                return Err(Lost::Failed(DeviceProblem::NoUsableFormat));
            }
            let format = *shared.format.lock().unwrap_or_else(PoisonError::into_inner);
            if let (Some(format), Some(newest)) = (format, self.newest()) {
                // SAFETY: a buffer that was taken from the stream is ours until it is given back, or until a new format is agreed upon,
                // which PipeWire's thread cannot do meanwhile.
                let taken = unsafe { read(&*newest, format, picture) };
                // SAFETY: it is of this stream.
                unsafe { (self.library.pw_stream_queue_buffer)(self.input, newest) };
                return Ok(taken);
            }
            is_streaming && format.is_some()
        };
        Ok(if is_running {
            Taken::Nothing
        } else {
            Taken::Idle
        })
    }

    /// Whether the stream runs. To be called with the lock held.
    fn check(&self) -> Result<bool, Lost> {
        let mut why = ptr::null();
        // SAFETY: the stream is there, and the text, if there is any, as long as the stream's thread does not run.
        let state = unsafe { (self.library.pw_stream_get_state)(self.input, &raw mut why) };
        match state {
            STATE_ERROR if why.is_null() => Err(Lost::Gone),
            STATE_ERROR => {
                // SAFETY: it is a text of C's, as said above.
                let why = unsafe { CStr::from_ptr(why) };
                tracing::info!(why = %why.to_string_lossy(), "the stream of the screen has ended");
                Err(Lost::Gone)
            }
            STATE_UNCONNECTED => Err(Lost::Gone),
            state => Ok(state == STATE_STREAMING),
        }
    }

    /// The newest buffer that has come; older ones are given back. To be called with the lock held.
    fn newest(&self) -> Option<*mut StreamBuffer> {
        let mut newest: *mut StreamBuffer = ptr::null_mut();
        for _ in 0..MOST_BUFFERS {
            // SAFETY: the stream is there, and its thread waits.
            let next = unsafe { (self.library.pw_stream_dequeue_buffer)(self.input) };
            if next.is_null() {
                break;
            }
            if !newest.is_null() {
                // SAFETY: it is of this stream, and nobody looks at it any more.
                unsafe { (self.library.pw_stream_queue_buffer)(self.input, newest) };
            }
            newest = next;
        }
        (!newest.is_null()).then_some(newest)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let library = self.library;
        // SAFETY: each was made by `open` or is null. The thread ends first, so that nobody is in them or in `shared` any more.
        unsafe {
            if !self.thread.is_null() {
                (library.pw_thread_loop_stop)(self.thread);
            }
            if !self.input.is_null() {
                (library.pw_stream_destroy)(self.input);
            }
            if !self.core.is_null() {
                (library.pw_core_disconnect)(self.core);
            }
            if !self.context.is_null() {
                (library.pw_context_destroy)(self.context);
            }
            if !self.thread.is_null() {
                (library.pw_thread_loop_destroy)(self.thread);
            }
            drop(Box::from_raw(self.shared));
        }
    }
}

/// Keeps the stream's thread from doing anything.
struct Locked<'a>(&'a Stream);

impl<'a> Locked<'a> {
    fn new(stream: &'a Stream) -> Self {
        // SAFETY: the thread was made by `open`.
        unsafe { (stream.library.pw_thread_loop_lock)(stream.thread) };
        Self(stream)
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // SAFETY: it was locked by this thread.
        unsafe { (self.0.library.pw_thread_loop_unlock)(self.0.thread) };
    }
}

/// Copies what a buffer holds.
///
/// # Safety
/// The buffer has to be one that was taken from a stream, and has not been given back.
unsafe fn read(buffer: &StreamBuffer, format: Format, picture: &mut Picture) -> Taken {
    // SAFETY: what was taken has an inner buffer, with as many parts and notes as it says, for as long.
    unsafe {
        let Some(buffer) = buffer.buffer.as_ref() else {
            return Taken::Broken;
        };
        let Some(data) = buffer.datas.as_ref().filter(|_| buffer.data_count > 0) else {
            return Taken::Broken;
        };
        let Some(chunk) = data.chunk.as_ref() else {
            return Taken::Broken;
        };
        // Without content it is news about something else.
        if chunk.size == 0 {
            return Taken::Nothing;
        }
        let flags = note(buffer, META_HEADER).map_or(0, |header| header.cast::<u32>().read());
        let is_corrupted = chunk.flags & CHUNK_CORRUPTED != 0 || flags & HEADER_CORRUPTED != 0;
        if is_corrupted || data.data.is_null() || !READABLE_MEMORY.contains(&data.kind) {
            return Taken::Broken;
        }
        let Ok(stride) = usize::try_from(chunk.stride) else {
            return Taken::Broken;
        };
        let offset = chunk.offset.min(data.max_size) as usize;
        let bytes = std::slice::from_raw_parts(
            data.data.cast::<u8>().add(offset),
            data.max_size as usize - offset,
        );
        let crop = note(buffer, META_CROP).map(|crop| {
            let [x, y, width, height] = crop.cast::<[u32; 4]>().read();
            Crop {
                x,
                y,
                width,
                height,
            }
        });
        let buffer = Buffer {
            bytes,
            stride,
            size_px: (format.width_px, format.height_px),
            order: format.order,
        };
        if picture.fill(&buffer, crop) {
            Taken::New
        } else {
            Taken::Broken
        }
    }
}

/// What a buffer notes about its content, if it does, of at least that length.
///
/// # Safety
/// As for [`read`].
unsafe fn note(buffer: &SpaBuffer, (kind, len): (u32, u32)) -> Option<*const c_void> {
    if buffer.metas.is_null() {
        return None;
    }
    // SAFETY: there are as many as it says.
    let notes = unsafe { std::slice::from_raw_parts(buffer.metas, buffer.meta_count as usize) };
    let found = notes
        .iter()
        .find(|note| note.kind == kind && note.len >= len);
    found
        .map(|note| note.data.cast_const())
        .filter(|data| !data.is_null())
}

/// PipeWire's thread calls it. A format that is agreed upon is answered with what the buffers shall be like.
unsafe extern "C" fn on_param_changed(shared: *mut c_void, id: u32, param: *const u8) {
    if id != pod::PARAM_FORMAT || param.is_null() {
        return;
    }
    // SAFETY: the listener was added with this pointer, and what it points to lives longer than the stream.
    let shared = unsafe { &*shared.cast_const().cast::<Shared>() };
    // SAFETY: a value begins with the length of what follows its first eight bytes.
    let bytes = unsafe {
        let len = param.cast::<[u8; 4]>().read();
        std::slice::from_raw_parts(param, u32::from_ne_bytes(len) as usize + 8)
    };
    let format = pod::read_format(bytes);
    shared
        .is_unusable
        .store(format.is_none(), Ordering::Relaxed);
    *shared.format.lock().unwrap_or_else(PoisonError::into_inner) = format;
    if format.is_some() {
        let wanted = pod::wanted_buffers();
        let mut wanted = [&wanted[0], &wanted[1], &wanted[2]].map(Pod::as_ptr);
        let stream = shared.stream.load(Ordering::Acquire);
        // SAFETY: the stream calls this, so it is there; the values live until the call returns.
        let answered: c_int = unsafe {
            (shared.library.pw_stream_update_params)(
                stream,
                wanted.as_mut_ptr(),
                wanted.len() as u32,
            )
        };
        if answered < 0 {
            shared.is_unusable.store(true, Ordering::Relaxed);
        }
    }
}

//! The part of PipeWire's library that a stream of pictures needs, as C declares it.
//!
//! The library is looked for when somebody wants to share, and not before: Passerby starts and calls where there is none. What is
//! declared here is what `libpipewire-0.3.so.0` promises to keep: functions by their names, and structures that only grow at their ends.

#![expect(
    unsafe_code,
    reason = "a library that is found at run time can only be called so"
)]

use std::ffi::{c_char, c_int, c_void};
use std::sync::OnceLock;

/// The name carries the version of the interface.
const NAME: &str = "libpipewire-0.3.so.0";

/// Things of the library's that we only hold.
pub(super) type Opaque = c_void;

/// `PW_STREAM_STATE_…`.
pub(super) const STATE_ERROR: c_int = -1;
pub(super) const STATE_UNCONNECTED: c_int = 0;
pub(super) const STATE_STREAMING: c_int = 3;

/// `PW_DIRECTION_INPUT`.
pub(super) const DIRECTION_INPUT: c_int = 0;
/// `PW_STREAM_FLAG_AUTOCONNECT | PW_STREAM_FLAG_MAP_BUFFERS | PW_STREAM_FLAG_DONT_RECONNECT`: to that node or none, and its memory
/// where we can read it.
pub(super) const FLAGS: c_int = 1 | (1 << 2) | (1 << 7);

/// `struct pw_stream_events`, version 2; those that we listen to have a name.
#[repr(C)]
pub(super) struct StreamEvents {
    pub(super) version: u32,
    pub(super) unused: [Option<unsafe extern "C" fn()>; 4],
    pub(super) param_changed: Option<unsafe extern "C" fn(*mut c_void, u32, *const u8)>,
    pub(super) others: [Option<unsafe extern "C" fn()>; 6],
}

/// `struct spa_hook`: six pointers that are the library's business.
#[repr(C)]
pub(super) struct Hook(pub(super) [*mut c_void; 6]);

/// `struct pw_buffer`.
#[repr(C)]
pub(super) struct StreamBuffer {
    pub(super) buffer: *mut SpaBuffer,
    user_data: *mut c_void,
}

/// `struct spa_buffer`.
#[repr(C)]
pub(super) struct SpaBuffer {
    pub(super) meta_count: u32,
    pub(super) data_count: u32,
    pub(super) metas: *mut SpaMeta,
    pub(super) datas: *mut SpaData,
}

/// `struct spa_meta`.
#[repr(C)]
pub(super) struct SpaMeta {
    pub(super) kind: u32,
    pub(super) len: u32,
    pub(super) data: *mut c_void,
}

/// `struct spa_data`.
#[repr(C)]
pub(super) struct SpaData {
    pub(super) kind: u32,
    flags: u32,
    fd: i64,
    map_offset: u32,
    pub(super) max_size: u32,
    pub(super) data: *mut c_void,
    pub(super) chunk: *mut SpaChunk,
}

/// `struct spa_chunk`.
#[repr(C)]
pub(super) struct SpaChunk {
    pub(super) offset: u32,
    pub(super) size: u32,
    pub(super) stride: i32,
    pub(super) flags: i32,
}

macro_rules! functions {
    ($($name:ident: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions, each by the name that C calls it.
        pub(super) struct Library {
            $(pub(super) $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
            /// Theirs.
            _code: libloading::Library,
        }

        impl Library {
            fn load() -> Result<Self, libloading::Error> {
                // SAFETY: what this library does when it is loaded is what any program that is linked against it has done.
                let library = unsafe { libloading::Library::new(NAME) }?;
                Ok(Self {
                    // SAFETY: the types are those of the functions' declarations in C.
                    $($name: *unsafe { library.get(concat!(stringify!($name), "\0").as_bytes()) }?,)*
                    _code: library,
                })
            }
        }
    };
}

functions! {
    pw_init: fn(*mut c_int, *mut *mut *mut c_char);
    pw_thread_loop_new: fn(*const c_char, *const Opaque) -> *mut Opaque;
    pw_thread_loop_destroy: fn(*mut Opaque);
    pw_thread_loop_get_loop: fn(*mut Opaque) -> *mut Opaque;
    pw_thread_loop_start: fn(*mut Opaque) -> c_int;
    pw_thread_loop_stop: fn(*mut Opaque);
    pw_thread_loop_lock: fn(*mut Opaque);
    pw_thread_loop_unlock: fn(*mut Opaque);
    pw_context_new: fn(*mut Opaque, *mut Opaque, usize) -> *mut Opaque;
    pw_context_destroy: fn(*mut Opaque);
    pw_context_connect_fd: fn(*mut Opaque, c_int, *mut Opaque, usize) -> *mut Opaque;
    pw_core_disconnect: fn(*mut Opaque) -> c_int;
    pw_properties_new_string: fn(*const c_char) -> *mut Opaque;
    pw_stream_new: fn(*mut Opaque, *const c_char, *mut Opaque) -> *mut Opaque;
    pw_stream_destroy: fn(*mut Opaque);
    pw_stream_add_listener: fn(*mut Opaque, *mut Hook, *const StreamEvents, *mut c_void);
    pw_stream_connect: fn(*mut Opaque, c_int, u32, c_int, *mut *const u64, u32) -> c_int;
    pw_stream_get_state: fn(*mut Opaque, *mut *const c_char) -> c_int;
    pw_stream_update_params: fn(*mut Opaque, *mut *const u64, u32) -> c_int;
    pw_stream_dequeue_buffer: fn(*mut Opaque) -> *mut StreamBuffer;
    pw_stream_queue_buffer: fn(*mut Opaque, *mut StreamBuffer) -> c_int;
}

impl Library {
    /// The library, loaded and made ready the first time; nothing where there is none.
    pub(super) fn find() -> Option<&'static Self> {
        static FOUND: OnceLock<Library> = OnceLock::new();
        if let Some(library) = FOUND.get() {
            return Some(library);
        }
        match Self::load() {
            Ok(library) => Some(FOUND.get_or_init(|| {
                // SAFETY: it may be given no arguments, and be called more than once and by several threads.
                unsafe { (library.pw_init)(std::ptr::null_mut(), std::ptr::null_mut()) };
                library
            })),
            Err(error) => {
                tracing::info!(%error, "PipeWire is not there");
                None
            }
        }
    }
}

// What the declarations in C come to where pointers have 64 bits.
#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<StreamEvents>() == 96);
    assert!(std::mem::offset_of!(StreamEvents, param_changed) == 40);
    assert!(size_of::<Hook>() == 48);
    assert!(size_of::<SpaBuffer>() == 24);
    assert!(size_of::<SpaMeta>() == 16);
    assert!(size_of::<SpaData>() == 40);
    assert!(size_of::<SpaChunk>() == 16);
};

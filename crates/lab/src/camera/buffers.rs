//! The buffers that a program maps and that go round: free, queued, filled, free.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::time::Duration;

use super::v4l2::{self, Fields};
use crate::ffi;

/// How many buffers a program can have.
const MAX_BUFFERS: usize = 8;

/// One open file of the node.
pub(super) type Handle = u64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The program has it.
    Free,
    Queued,
    Filled {
        len_bytes: usize,
        at: Duration,
        sequence: u32,
    },
}

/// The buffers of the one program that may have some.
#[derive(Debug)]
pub(super) struct Buffers {
    memory: File,
    owner: Option<Handle>,
    states: Vec<State>,
    queued: VecDeque<usize>,
    filled: VecDeque<usize>,
}

impl Buffers {
    /// Buffers lie this far apart in memory. What nobody writes to takes no memory.
    pub(super) const SPACING: usize = 16 << 20;
    /// How many bytes programs can map.
    pub(super) const MEMORY_LEN: u64 = (MAX_BUFFERS * Self::SPACING) as u64;

    pub(super) fn new() -> io::Result<Self> {
        let memory = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_TMPFILE)
            .open("/dev/shm")?;
        memory.set_len(Self::MEMORY_LEN)?;
        let (queued, filled) = (VecDeque::new(), VecDeque::new());
        Ok(Self {
            memory,
            owner: None,
            states: Vec::new(),
            queued,
            filled,
        })
    }

    /// What programs map.
    pub(super) const fn memory(&self) -> &File {
        &self.memory
    }

    pub(super) const fn owner(&self) -> Option<Handle> {
        self.owner
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    pub(super) fn has_filled(&self) -> bool {
        !self.filled.is_empty()
    }

    /// Gives the program up to `count` free buffers; none means that it gives them back. Returns how many it has.
    pub(super) fn allocate(&mut self, owner: Handle, count: usize) -> usize {
        self.free_all();
        self.states = vec![State::Free; count.min(MAX_BUFFERS)];
        self.owner = (!self.states.is_empty()).then_some(owner);
        self.states.len()
    }

    /// All buffers are the program's again, the frames in them forgotten.
    pub(super) fn free_all(&mut self) {
        self.queued.clear();
        self.filled.clear();
        self.states.fill(State::Free);
    }

    /// The program hands over a buffer. False if there is no such buffer, or it was handed over already.
    pub(super) fn queue(&mut self, index: usize) -> bool {
        match self.states.get_mut(index) {
            Some(state @ State::Free) => {
                *state = State::Queued;
                self.queued.push_back(index);
                true
            }
            _ => false,
        }
    }

    /// Puts a frame into the buffer that has been queued for longest. False if there is none.
    pub(super) fn fill(&mut self, bytes: &[u8], sequence: u32) -> io::Result<bool> {
        let Some(index) = self.queued.pop_front() else {
            return Ok(false);
        };
        self.memory
            .write_all_at(bytes, (index * Self::SPACING) as u64)?;
        let (len_bytes, at) = (bytes.len(), ffi::monotonic_time());
        self.states[index] = State::Filled {
            len_bytes,
            at,
            sequence,
        };
        self.filled.push_back(index);
        Ok(true)
    }

    /// Gives the oldest frame to the program, described as in [`Buffers::describe`].
    pub(super) fn dequeue(&mut self, length: usize) -> Option<Vec<u8>> {
        let index = self.filled.pop_front()?;
        let description = self.describe(index, length);
        self.states[index] = State::Free;
        description
    }

    /// The `struct v4l2_buffer` of a buffer that is `length` bytes long.
    pub(super) fn describe(&self, index: usize, length: usize) -> Option<Vec<u8>> {
        let (flag, len_bytes, at, sequence) = match *self.states.get(index)? {
            State::Free => (0, 0, Duration::ZERO, 0),
            State::Queued => (v4l2::BUFFER_QUEUED, 0, Duration::ZERO, 0),
            State::Filled {
                len_bytes,
                at,
                sequence,
            } => (v4l2::BUFFER_DONE, len_bytes, at, sequence),
        };
        let description = Fields::new()
            .words(&[index as u32, v4l2::VIDEO_CAPTURE, len_bytes as u32])
            .words(&[v4l2::BUFFER_FLAGS | flag, v4l2::FIELD_NONE, 0])
            .longs(&[at.as_secs(), u64::from(at.subsec_micros())])
            .zeros(16)
            .words(&[sequence, v4l2::MEMORY_MMAP])
            .longs(&[(index * Self::SPACING) as u64])
            .words(&[length as u32]);
        Some(description.padded_to(88))
    }
}

#[cfg(test)]
mod tests {
    use super::super::v4l2::word_at;
    use super::*;

    #[test]
    fn buffers_go_round_in_order_and_a_frame_without_one_is_lost() {
        let mut buffers = Buffers::new().unwrap();
        assert_eq!(buffers.allocate(7, 2), 2);
        assert!(!buffers.fill(b"lost", 0).unwrap());
        assert!(buffers.queue(1) && buffers.queue(0));
        assert!(!buffers.queue(1), "it is queued already");
        assert!(!buffers.queue(2), "there is no such buffer");
        assert!(buffers.fill(b"first", 1).unwrap() && buffers.fill(b"second", 2).unwrap());
        assert!(!buffers.fill(b"lost", 3).unwrap());

        let description = buffers.dequeue(100).unwrap();
        // index, type, bytesused; sequence; length
        assert_eq!(
            [0, 4, 8].map(|offset| word_at(&description, offset)),
            [1, 1, 5]
        );
        assert_eq!(
            [56, 72].map(|offset| word_at(&description, offset)),
            [1, 100]
        );
        let mut bytes = [0; 5];
        buffers
            .memory()
            .read_exact_at(&mut bytes, Buffers::SPACING as u64)
            .unwrap();
        assert_eq!(&bytes, b"first");
        assert!(buffers.queue(1), "the program has given it back");
        assert_eq!(word_at(&buffers.dequeue(100).unwrap(), 0), 0);
        assert!(buffers.dequeue(100).is_none());
    }

    #[test]
    fn no_buffers_means_no_owner() {
        let mut buffers = Buffers::new().unwrap();
        assert_eq!(buffers.allocate(7, 1000), MAX_BUFFERS);
        assert_eq!(buffers.owner(), Some(7));
        assert_eq!(buffers.allocate(7, 0), 0);
        assert_eq!(buffers.owner(), None);
        assert!(buffers.is_empty() && !buffers.has_filled());
    }
}

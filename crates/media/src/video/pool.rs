//! Memory of pictures, used again.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// So many pieces of memory are kept while nobody uses them. As many pictures are on their way from a decoder to the screen.
const KEPT: usize = 4;
/// A piece that is larger than needed by more than that is let go: the pictures have become smaller.
const MOST_WASTE: usize = 2;

/// Gives memory for pictures, and takes it back by itself when the last who has a picture lets go of it. Clones are the same pool.
///
/// A picture that somebody still has is never written over: its memory comes back when it is dropped, and no earlier. No more than four pieces
/// are kept, and none that outlives the pool.
#[derive(Clone, Default)]
pub struct PicturePool(Arc<Free>);

type Free = Mutex<Vec<Vec<u8>>>;

impl PicturePool {
    /// Empty memory with room for that many bytes.
    pub fn take(&self, len_bytes: usize) -> Vec<u8> {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(mut bytes) = free.pop() {
            // What does not fit is of pictures of another size, which come no more.
            if (len_bytes..=len_bytes.saturating_mul(MOST_WASTE)).contains(&bytes.capacity()) {
                bytes.clear();
                return bytes;
            }
        }
        drop(free);
        Vec::with_capacity(len_bytes)
    }

    /// How many pieces of memory nobody uses at the moment.
    pub fn free(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl fmt::Debug for PicturePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PicturePool({} free)", self.free())
    }
}

/// The bytes of one picture, which go back to where they came from.
#[derive(Default)]
pub(super) struct Planes {
    bytes: Vec<u8>,
    home: Weak<Free>,
}

impl Planes {
    /// They go nowhere.
    pub(super) const fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            home: Weak::new(),
        }
    }

    /// From now on they go back to this pool.
    pub(super) fn return_to(&mut self, pool: &PicturePool) {
        self.home = Arc::downgrade(&pool.0);
    }

    /// The bytes, which then go nowhere.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

impl Drop for Planes {
    fn drop(&mut self) {
        if self.bytes.capacity() == 0 {
            return;
        }
        let Some(home) = self.home.upgrade() else {
            return;
        };
        let mut free = home.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < KEPT {
            free.push(std::mem::take(&mut self.bytes));
        }
    }
}

impl Deref for Planes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Planes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

/// A copy is in memory of its own.
impl Clone for Planes {
    fn clone(&self) -> Self {
        Self::new(self.bytes.clone())
    }
}

impl PartialEq for Planes {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Planes {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::video::VideoFrame;

    fn picture(pool: &PicturePool, (width_px, height_px): (u32, u32), luma: u8) -> VideoFrame {
        let len = VideoFrame::len_bytes(width_px, height_px);
        let mut planes = pool.take(len);
        planes.resize(len, luma);
        VideoFrame::from_planes(width_px, height_px, planes, simulation::start())
            .unwrap()
            .returning_to(pool)
    }

    #[test]
    fn memory_comes_back_when_the_last_lets_go_and_is_used_again() {
        let pool = PicturePool::default();
        let one = Arc::new(picture(&pool, (64, 48), 1));
        let place = one.y().as_ptr();
        let other = Arc::clone(&one);
        drop(one);
        assert_eq!(pool.free(), 0, "somebody has it still");
        drop(other);
        assert_eq!(pool.free(), 1);
        assert_eq!(picture(&pool, (64, 48), 2).y().as_ptr(), place);
    }

    #[test]
    fn what_goes_another_way_does_not_come_back() {
        let pool = PicturePool::default();
        let taken = picture(&pool, (64, 48), 1).into_planes();
        let copy = picture(&pool, (64, 48), 1).clone();
        assert_eq!(pool.free(), 1, "that of which there is a copy");
        drop((taken, copy));
        assert_eq!(pool.free(), 1);
        let orphan = picture(&pool, (64, 48), 1);
        drop(pool);
        assert_eq!(orphan.y()[0], 1);
    }

    #[test]
    fn memory_of_larger_pictures_is_let_go_when_they_come_no_more() {
        let pool = PicturePool::default();
        drop([1, 2, 3].map(|luma| picture(&pool, (640, 480), luma)));
        assert_eq!(pool.free(), 3);
        let small = picture(&pool, (64, 48), 4);
        assert_eq!(pool.free(), 0);
        drop(small);
        let large = picture(&pool, (640, 480), 5);
        assert_eq!(pool.free(), 0);
        assert!(large.planes().iter().all(|byte| *byte == 5));
    }

    proptest! {
        /// Somebody draws pictures, holds some, and lets go of them in any order.
        #[test]
        fn no_picture_changes_while_somebody_has_it(steps in prop::collection::vec((0_u8..4, any::<prop::sample::Index>()), 1..60)) {
            let pool = PicturePool::default();
            let mut held: Vec<(u8, VideoFrame)> = Vec::new();
            for (number, (step, index)) in (0..).zip(steps) {
                if step == 0 && !held.is_empty() {
                    held.swap_remove(index.index(held.len()));
                } else {
                    let size = [(16, 8), (32, 16), (34, 18)][usize::from(step) % 3];
                    held.push((number, picture(&pool, size, number)));
                }
                prop_assert!(pool.free() <= KEPT);
                for (luma, frame) in &held {
                    prop_assert!(frame.planes().iter().all(|byte| byte == luma));
                }
            }
        }
    }
}

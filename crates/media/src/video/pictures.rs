//! What pictures are of.

/// What pictures are of. A call can have both at once, as streams of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pictures {
    /// A person in front of a camera: smooth motion counts more than detail.
    Camera,
    /// A screen or a window that is shared: what is written there has to be readable.
    Screen,
}

//! The structures of linux/videodev2.h as bytes, for 64-bit machines.

/// The request numbers: the lowest byte of an ioctl command of type 'V'.
pub(super) mod request {
    pub(crate) const QUERYCAP: u32 = 0;
    pub(crate) const ENUM_FMT: u32 = 2;
    pub(crate) const G_FMT: u32 = 4;
    pub(crate) const S_FMT: u32 = 5;
    pub(crate) const REQBUFS: u32 = 8;
    pub(crate) const QUERYBUF: u32 = 9;
    pub(crate) const QBUF: u32 = 15;
    pub(crate) const DQBUF: u32 = 17;
    pub(crate) const STREAMON: u32 = 18;
    pub(crate) const STREAMOFF: u32 = 19;
    pub(crate) const G_PARM: u32 = 21;
    pub(crate) const S_PARM: u32 = 22;
    pub(crate) const ENUMINPUT: u32 = 26;
    pub(crate) const G_INPUT: u32 = 38;
    pub(crate) const S_INPUT: u32 = 39;
    pub(crate) const TRY_FMT: u32 = 64;
    pub(crate) const G_PRIORITY: u32 = 67;
    pub(crate) const S_PRIORITY: u32 = 68;
    pub(crate) const ENUM_FRAMESIZES: u32 = 74;
    pub(crate) const ENUM_FRAMEINTERVALS: u32 = 75;
    pub(crate) const QUERYCTRL: u32 = 36;
    pub(crate) const QUERY_EXT_CTRL: u32 = 103;
}

/// `V4L2_BUF_TYPE_VIDEO_CAPTURE`
pub(super) const VIDEO_CAPTURE: u32 = 1;
/// `V4L2_MEMORY_MMAP`
pub(super) const MEMORY_MMAP: u32 = 1;
/// `V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_EXT_PIX_FORMAT | V4L2_CAP_STREAMING`
pub(super) const DEVICE_CAPS: u32 = 0x0520_0001;
/// `V4L2_CAP_DEVICE_CAPS`
pub(super) const CAP_DEVICE_CAPS: u32 = 0x8000_0000;
/// `V4L2_CAP_TIMEPERFRAME`
pub(super) const CAP_TIMEPERFRAME: u32 = 0x1000;
/// `V4L2_FRMSIZE_TYPE_DISCRETE`, also `V4L2_FRMIVAL_TYPE_DISCRETE`
pub(super) const DISCRETE: u32 = 1;
/// `V4L2_FIELD_NONE`
pub(super) const FIELD_NONE: u32 = 1;
/// `V4L2_FMT_FLAG_COMPRESSED`
pub(super) const FLAG_COMPRESSED: u32 = 1;
/// `V4L2_COLORSPACE_JPEG` and `V4L2_COLORSPACE_SRGB`
pub(super) const COLORSPACE_JPEG: u32 = 7;
pub(super) const COLORSPACE_SRGB: u32 = 8;
/// `V4L2_PIX_FMT_PRIV_MAGIC`
pub(super) const PRIV_MAGIC: u32 = 0xfeed_cafe;
/// `V4L2_BUF_FLAG_MAPPED | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC`
pub(super) const BUFFER_FLAGS: u32 = 0x2001;
pub(super) const BUFFER_QUEUED: u32 = 2;
pub(super) const BUFFER_DONE: u32 = 4;

/// Builds a structure field by field.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<u8>);

impl Fields {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn words(mut self, words: &[u32]) -> Self {
        self.0
            .extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        self
    }

    pub(super) fn longs(mut self, longs: &[u64]) -> Self {
        self.0
            .extend(longs.iter().flat_map(|long| long.to_ne_bytes()));
        self
    }

    /// A text in a field of fixed length, cut so that a zero follows.
    pub(super) fn text(mut self, text: &str, len_bytes: usize) -> Self {
        let end = self.0.len() + len_bytes;
        self.0.extend(text.bytes().take(len_bytes - 1));
        self.0.resize(end, 0);
        self
    }

    pub(super) fn zeros(mut self, len_bytes: usize) -> Self {
        self.0.resize(self.0.len() + len_bytes, 0);
        self
    }

    /// The structure, filled up with zeros to its whole length.
    pub(super) fn padded_to(mut self, len_bytes: usize) -> Vec<u8> {
        debug_assert!(
            self.0.len() <= len_bytes,
            "{} bytes are more than {len_bytes}",
            self.0.len()
        );
        self.0.resize(len_bytes, 0);
        self.0
    }
}

/// The 32-bit number at `offset`; 0 beyond the end.
pub(super) fn word_at(bytes: &[u8], offset: usize) -> u32 {
    let word = bytes
        .get(offset..offset + 4)
        .and_then(|word| word.try_into().ok());
    word.map_or(0, u32::from_ne_bytes)
}

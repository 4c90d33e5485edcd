//! The names of the codecs that pictures travel in.

/// A video codec that both sides may agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    /// H.264 Constrained Baseline: everybody has it, and it is the cheapest to run.
    H264,
    /// AV1 Main profile, 8 bits: the better picture for the same bits.
    Av1,
}

impl VideoCodec {
    /// All that there are, the one that is to be preferred first.
    pub const ALL: [Self; 2] = [Self::Av1, Self::H264];

    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::H264 => "H.264",
            Self::Av1 => "AV1",
        }
    }
}

impl std::fmt::Display for VideoCodec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

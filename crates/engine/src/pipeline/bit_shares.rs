//! How what the path leaves to pictures is divided while a camera and a screen are sent. Owns no clock and no connection.

use std::sync::atomic::{AtomicBool, Ordering};

use media::video::Pictures;

/// Which pictures are sent at present.
#[derive(Debug, Default)]
pub(crate) struct BitShares {
    camera: AtomicBool,
    screen: AtomicBool,
}

impl BitShares {
    /// What the screen gets of the whole while there is a camera too: what is shown there is what is talked about, and writing takes
    /// more than a face.
    const SCREEN: f64 = 0.75;

    /// Says whether such pictures are sent.
    pub(crate) fn set(&self, pictures: Pictures, are_sent: bool) {
        self.flag(pictures).store(are_sent, Ordering::Relaxed);
    }

    /// The share of such pictures, from 0 to 1.
    pub(crate) fn of(&self, pictures: Pictures) -> f64 {
        let other = match pictures {
            Pictures::Camera => Pictures::Screen,
            Pictures::Screen => Pictures::Camera,
        };
        match (self.flag(other).load(Ordering::Relaxed), pictures) {
            (false, _) => 1.0,
            (true, Pictures::Screen) => Self::SCREEN,
            (true, Pictures::Camera) => 1.0 - Self::SCREEN,
        }
    }

    const fn flag(&self, pictures: Pictures) -> &AtomicBool {
        match pictures {
            Pictures::Camera => &self.camera,
            Pictures::Screen => &self.screen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_alone_has_all_and_two_divide_it() {
        let shares = BitShares::default();
        shares.set(Pictures::Camera, true);
        assert_eq!(shares.of(Pictures::Camera).to_bits(), 1.0_f64.to_bits());
        shares.set(Pictures::Screen, true);
        let (camera, screen) = (shares.of(Pictures::Camera), shares.of(Pictures::Screen));
        assert!(screen > camera && camera > 0.0);
        assert_eq!((camera + screen).to_bits(), 1.0_f64.to_bits());
        shares.set(Pictures::Camera, false);
        assert_eq!(shares.of(Pictures::Screen).to_bits(), 1.0_f64.to_bits());
    }
}

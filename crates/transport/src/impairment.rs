//! A bad network, made by hand: loses and delays what a peer sends.
//!
//! The real network is as bad as it likes and never twice the same. This one is seeded, and can be changed while a
//! call runs. It is for tests and measurements; a peer without one does not pass through here.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Spoils what a peer sends. Clones are handles on the same one.
#[derive(Debug, Clone)]
pub struct Impairment {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    random: Mutex<u64>,
    /// Chance of a loss, in units of 2⁻³².
    loss: AtomicU64,
    delay_us: AtomicU64,
    are_sockets_broken: AtomicBool,
    sent: AtomicU64,
    lost: AtomicU64,
}

impl Impairment {
    /// A perfect network, for now. The same seed loses the same datagrams of the same sequence.
    pub fn seeded(seed: u64) -> Self {
        let shared = Shared {
            random: Mutex::new(seed),
            loss: AtomicU64::new(0),
            delay_us: AtomicU64::new(0),
            are_sockets_broken: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Loses this share of what is sent, 0 to 1, each datagram by itself. At 1 this side has fallen silent.
    pub fn set_loss_ratio(&self, ratio: f64) {
        let loss = ratio.clamp(0.0, 1.0) * 2_f64.powi(32);
        self.shared.loss.store(loss as u64, Ordering::Relaxed);
    }

    /// Delays everything by `delay`; half the round trip if both sides do it.
    pub fn set_delay(&self, delay: Duration) {
        self.shared
            .delay_us
            .store(delay.as_micros() as u64, Ordering::Relaxed);
    }

    /// Makes every socket fail at the next datagram that arrives, as if the system had taken it away.
    pub fn break_sockets(&self) {
        self.shared
            .are_sockets_broken
            .store(true, Ordering::Relaxed);
    }

    /// How many datagrams were sent, the lost ones included.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// How many datagrams were lost.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    pub(crate) fn are_sockets_broken(&self) -> bool {
        self.shared.are_sockets_broken.load(Ordering::Relaxed)
    }

    /// Sends, loses or delays one datagram. Must be called in a tokio runtime.
    pub(crate) fn send(&self, socket: &Arc<UdpSocket>, datagram: &[u8], destination: SocketAddr) {
        self.shared.sent.fetch_add(1, Ordering::Relaxed);
        if self.draw() < self.shared.loss.load(Ordering::Relaxed) {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let delay = Duration::from_micros(self.shared.delay_us.load(Ordering::Relaxed));
        if delay.is_zero() {
            send_now(socket, datagram, destination);
        } else {
            let (socket, datagram) = (Arc::clone(socket), datagram.to_vec());
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                send_now(&socket, &datagram, destination);
            });
        }
    }

    /// The next number of `SplitMix64`, its upper half.
    fn draw(&self) -> u64 {
        let mut state = self
            .shared
            .random
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) >> 32
    }
}

fn send_now(socket: &UdpSocket, datagram: &[u8], destination: SocketAddr) {
    if let Err(error) = socket.send_to(datagram, destination) {
        tracing::trace!(%error, "a datagram was not sent");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(seed: u64, ratio: f64) -> Vec<bool> {
        let impairment = Impairment::seeded(seed);
        impairment.set_loss_ratio(ratio);
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        let own_address = socket.local_addr().unwrap();
        (0..2000)
            .map(|_| {
                let before = impairment.lost();
                impairment.send(&socket, &[0], own_address);
                impairment.lost() > before
            })
            .collect()
    }

    #[test]
    fn the_same_seed_loses_the_same_datagrams() {
        assert_eq!(pattern(7, 0.3), pattern(7, 0.3));
        assert_ne!(pattern(7, 0.3), pattern(8, 0.3));
    }

    #[test]
    fn the_share_of_losses_is_as_asked() {
        let lost = |ratio| {
            pattern(1, ratio)
                .into_iter()
                .filter(|is_lost| *is_lost)
                .count()
        };
        assert_eq!(lost(0.0), 0);
        assert!((400..600).contains(&lost(0.25)), "{} of 2000", lost(0.25));
        assert_eq!(lost(1.0), 2000);
    }
}

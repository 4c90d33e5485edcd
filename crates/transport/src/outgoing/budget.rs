//! How much may be sent, for those who make what is sent.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use media::congestion::{EstimatorConfig, EstimatorSnapshot};

/// What a sender is to keep to at present.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Budget {
    /// What the path takes, in bits per second on the wire: sound, pictures and what is sent again, together, with all headers.
    /// `None` if the partner does not report what arrives.
    pub target_bps: Option<u64>,
    /// What is sent to repair losses, beforehand and when asked for, for each byte of pictures.
    pub repair_ratio: f64,
    /// How long a picture would wait that came now. One who makes pictures leaves some out before this grows beyond a few of them.
    pub queue_delay: Duration,
    /// The rest of what is known of the path.
    pub path: EstimatorSnapshot,
}

impl Budget {
    pub(super) fn of(
        path: Option<EstimatorSnapshot>,
        repair_ratio: f64,
        queue_delay: Duration,
    ) -> Self {
        Self {
            target_bps: path.map(|path| path.target_bps),
            repair_ratio,
            queue_delay,
            path: path.unwrap_or_default(),
        }
    }
}

/// The budget, and what there is use for, between the stack's task and all others.
#[derive(Debug)]
pub(crate) struct SharedBudget {
    budget: Mutex<Budget>,
    ceiling_bps: AtomicU64,
    /// Whether the partner has said that it can make use of repair packets.
    is_decoding_repair: AtomicBool,
}

impl SharedBudget {
    pub(crate) fn new(rates: EstimatorConfig) -> Self {
        Self {
            // Until the first packet leaves, the partner is believed to report.
            budget: Mutex::new(Budget {
                target_bps: Some(rates.start_bps),
                ..Budget::default()
            }),
            ceiling_bps: rates.ceiling_bps.into(),
            is_decoding_repair: AtomicBool::new(false),
        }
    }

    pub(crate) fn get(&self) -> Budget {
        *self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, budget: Budget) {
        *self.budget.lock().unwrap_or_else(PoisonError::into_inner) = budget;
    }

    pub(super) fn ceiling_bps(&self) -> u64 {
        self.ceiling_bps.load(Ordering::Relaxed)
    }

    pub(crate) fn set_ceiling_bps(&self, ceiling_bps: u64) {
        self.ceiling_bps.store(ceiling_bps, Ordering::Relaxed);
    }

    pub(super) fn is_decoding_repair(&self) -> bool {
        self.is_decoding_repair.load(Ordering::Relaxed)
    }

    pub(crate) fn set_decoding_repair(&self, is_so: bool) {
        self.is_decoding_repair.store(is_so, Ordering::Relaxed);
    }
}

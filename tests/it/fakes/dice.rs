//! Random decisions that a seed determines.

use std::cell::RefCell;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

/// A random number generator. Its default seed is 0.
#[derive(Debug)]
pub(crate) struct Dice(RefCell<SmallRng>);

impl Default for Dice {
    fn default() -> Self {
        Self::seeded(0)
    }
}

impl Dice {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(RefCell::new(SmallRng::seed_from_u64(seed)))
    }

    /// Returns true with this probability.
    pub(crate) fn roll(&self, probability: f64) -> bool {
        self.0.borrow_mut().random_bool(probability)
    }

    /// A number from 0 to 1.
    pub(crate) fn share(&self) -> f64 {
        self.0.borrow_mut().random()
    }

    /// A number below `end`, which must not be 0.
    pub(crate) fn below(&self, end: u64) -> u64 {
        self.0.borrow_mut().random_range(0..end)
    }

    /// Waits like a network call: yields to other tasks, and takes a random time up to `longest`.
    pub(crate) async fn wait(&self, longest: Duration) {
        let share = self.share();
        tokio::task::yield_now().await;
        if !longest.is_zero() {
            tokio::time::sleep(longest.mul_f64(share)).await;
        }
    }
}

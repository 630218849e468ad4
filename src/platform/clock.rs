//! The only place that asks what time it is.
//!
//! Everything else takes the time as an argument, or a [`Clock`], so that tests and the simulator own it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Tells the time: the machine's, or one that moves with Tokio's (which tests pause and advance).
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    fixed: Option<Timestamp>,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self {
            started: Instant::now(),
            fixed: None,
        }
    }

    /// A clock that starts at `at` and moves with Tokio's.
    #[must_use]
    pub fn starting_at(at: Timestamp) -> Self {
        Self {
            started: Instant::now(),
            fixed: Some(at),
        }
    }

    /// Time of day.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn now(&self) -> Timestamp {
        match self.fixed {
            None => Timestamp::now(),
            Some(at) => {
                let passed = SignedDuration::try_from(self.monotonic()).unwrap_or_default();
                at.saturating_add(passed).unwrap_or(at)
            }
        }
    }

    /// Time since this clock was made; never goes back.
    #[must_use]
    pub fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

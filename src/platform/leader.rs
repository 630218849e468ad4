//! One leader among the replicas, by a Lease.
//!
//! # Expected flow
//! Each replica looks at the Lease every two seconds, and takes it when nobody holds it. The leader renews it, and
//! counts on it only for as long as it promised, from *before* the renewal was sent.
//!
//! # Guarantees
//! A replica that cannot renew in time stops: [`elect`] returns, and with it the process. A clean shutdown releases
//! the Lease, so that the next replica leads at once.
//!
//! # Caveats
//! A killed leader is followed after the Lease's duration, ten seconds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::client::Permit;
use super::clock::Clock;
use super::lease::{Claim, Holder};

/// How long a leader leads without renewing.
pub const LEASE_DURATION: Duration = Duration::from_secs(10);

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(2);

/// Whether this process leads, for those who must ask before they write.
#[derive(Clone)]
pub struct Leadership {
    clock: Clock,
    valid_until: Arc<Mutex<Option<Duration>>>,
}

impl Leadership {
    /// Nobody leads yet.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            valid_until: Arc::default(),
        }
    }

    /// Whether this process leads for at least `time` from now on.
    pub fn holds_for(&self, time: Duration) -> bool {
        self.get()
            .is_some_and(|until| until > self.clock.monotonic().saturating_add(time))
    }

    /// As a permit for a client.
    pub fn permit(&self) -> Permit {
        let leadership = self.clone();
        Arc::new(move |time| leadership.holds_for(time))
    }

    fn get(&self) -> Option<Duration> {
        *self
            .valid_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, until: Option<Duration>) {
        *self
            .valid_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// Stands for election until `shutdown`, or until leadership that was held is lost. Cancels `leading` when it begins
/// to lead.
pub async fn elect(
    mut claim: Claim,
    leadership: Leadership,
    leading: CancellationToken,
    shutdown: CancellationToken,
) {
    loop {
        let asked = leadership.clock.monotonic();
        match claim.attempt().await {
            Ok(Holder::Us) => {
                leadership.set(Some(asked.saturating_add(claim.candidate().duration)));
                if !leading.is_cancelled() {
                    info!(identity = claim.candidate().identity, "leading");
                    leading.cancel();
                }
            }
            Ok(Holder::Other(other)) if leading.is_cancelled() => {
                warn!(leader = other, "another replica took the lease");
                break;
            }
            Ok(Holder::Other(_)) => {}
            Err(error) => warn!(%error, "cannot reach the lease"),
        }
        if leading.is_cancelled() && !leadership.holds_for(Duration::ZERO) {
            warn!("the lease ran out before it could be renewed");
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            () = shutdown.cancelled() => {
                leadership.set(None);
                claim.release().await;
                return;
            }
        }
    }
    leadership.set(None);
    shutdown.cancel();
}

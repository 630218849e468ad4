//! The heartbeat of an instance, and the claim to it: a Lease that is renewed every ten seconds, whatever Docker does
//! meanwhile.
//!
//! # Guarantees
//! As long as this process runs and reaches the API, the Lease is never older than one interval and one call. It says
//! nothing of the engine: that is in the instance's status. Of two agents of one instance (a pod that somebody took
//! from its `DaemonSet`, say) only the one that holds the Lease touches the engine or writes a status.
//!
//! # Caveats
//! An agent that cannot reach the API goes on with what it knows, for days if need be: nothing new can be asked of
//! another one meanwhile, and both would keep the same containers by the same names.

use std::time::Duration;

use kube::Client;
use tracing::{info, warn};

use crate::api::names;
use crate::platform::clock::Clock;
use crate::platform::lease::{Candidate, Claim, Holder};

const INTERVAL: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(2);
const DEADLINE: Duration = Duration::from_secs(5);
/// How long another agent of the same instance waits for the next renewal.
const LEASE_DURATION: Duration = Duration::from_secs(30);

/// Whose heartbeat this is.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    /// Name of the instance.
    pub instance: String,
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of this pod. An agent that is started again in the same pod goes on at once.
    pub holder: String,
}

/// The heartbeat as it beats.
pub struct Heart {
    claim: Claim,
    fails: u32,
}

impl Heart {
    /// Nothing is claimed yet.
    pub fn new(heartbeat: Heartbeat, client: Client, clock: Clock) -> Self {
        let candidate = Candidate {
            lease: names::instance_lease(&heartbeat.instance),
            namespace: heartbeat.namespace,
            identity: heartbeat.holder,
            duration: LEASE_DURATION,
        };
        Self {
            claim: Claim::new(client, candidate, clock),
            fails: 0,
        }
    }

    /// Returns when this agent is the one of its instance.
    pub async fn begin(&mut self) {
        let mut told = None;
        loop {
            match self.attempt().await {
                Some(Holder::Us) => return,
                Some(Holder::Other(other)) if told.as_ref() != Some(&other) => {
                    warn!(
                        holder = other,
                        "another agent has this instance: waiting until it ends"
                    );
                    told = Some(other);
                }
                Some(Holder::Other(_)) | None => {}
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Renews the Lease. Returns when another agent has taken it, with that one's name.
    pub async fn beat(&mut self) -> String {
        let mut pause = INTERVAL;
        loop {
            tokio::time::sleep(pause).await;
            pause = match self.attempt().await {
                Some(Holder::Us) => INTERVAL,
                Some(Holder::Other(other)) => return other,
                None => RETRY,
            };
        }
    }

    /// Lets another agent go on at once.
    pub async fn end(&mut self) {
        // The process ends: who wants the instance next must wait if this takes too long.
        if tokio::time::timeout(RETRY, self.claim.release())
            .await
            .is_err()
        {
            warn!("no answer in time to the release of the lease");
        }
    }

    async fn attempt(&mut self) -> Option<Holder> {
        match tokio::time::timeout(DEADLINE, self.claim.attempt()).await {
            Ok(Ok(holder)) => {
                if self.fails > 0 {
                    info!(fails = self.fails, "lease reached again");
                }
                self.fails = 0;
                return Some(holder);
            }
            Ok(Err(error)) => {
                self.fails += 1;
                warn!(%error, fails = self.fails, "cannot renew the lease");
            }
            Err(_) => {
                self.fails += 1;
                warn!(
                    fails = self.fails,
                    "no answer in time to the renewal of the lease"
                );
            }
        }
        None
    }
}

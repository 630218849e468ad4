//! One holder of a Lease among several that want it.
//!
//! # Expected flow
//! Each candidate [attempts](Claim::attempt) again and again; the holder's attempts renew. A holder that ends
//! [releases](Claim::release), and the next attempt of anybody else takes the Lease at once.
//!
//! # Guarantees
//! A Lease of somebody else is taken only when it did not change for as long as it promised, on this process's own
//! monotonic clock since this process first saw it; and only over the version that was judged.
//!
//! # Assumptions
//! Monotonic clocks run at about the same rate. Nothing is assumed about the time of day.

pub(crate) mod judge;

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tracing::{info, warn};

use super::clock::Clock;
use judge::{Observed, Record, Verdict, judge};

/// Who wants which Lease, and for how long a renewal counts.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub lease: String,
    /// Who this is.
    pub identity: String,
    /// How long others wait for the next renewal.
    pub duration: Duration,
}

/// Who holds the Lease after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// This candidate.
    Us,
    /// Somebody else, by name.
    Other(String),
}

/// A candidate's view of its Lease.
pub struct Claim {
    api: Api<Lease>,
    candidate: Candidate,
    clock: Clock,
    observed: Option<Observed>,
    held: Option<Lease>,
}

impl Claim {
    /// Nothing is known of the Lease yet.
    pub fn new(client: Client, candidate: Candidate, clock: Clock) -> Self {
        Self {
            api: Api::namespaced(client, &candidate.namespace),
            candidate,
            clock,
            observed: None,
            held: None,
        }
    }

    /// Who wants which Lease.
    pub fn candidate(&self) -> &Candidate {
        &self.candidate
    }

    /// Renews what is held with one call; looks at what is not held, and takes it where that is due.
    ///
    /// # Errors
    /// When the API server can't be reached or refuses. Whoever held the Lease may still hold it.
    pub async fn attempt(&mut self) -> Result<Holder, kube::Error> {
        // Forgotten until the renewal is answered: one that is cut short may have changed the version.
        if let Some(held) = self.held.take()
            && let Some(renewed) = self.write(Some(&held)).await?
        {
            return Ok(self.hold(renewed));
        }
        let current = self.api.get_opt(&self.candidate.lease).await?;
        let now = self.clock.monotonic();
        self.observed = current
            .as_ref()
            .map(|lease| Observed::update(self.observed.take(), record(lease), now));
        match judge(self.observed.as_ref(), &self.candidate.identity, now) {
            Verdict::Follow => {}
            Verdict::Acquire | Verdict::Renew => {
                if let Some(taken) = self.write(current.as_ref()).await? {
                    return Ok(self.hold(taken));
                }
            }
        }
        let holder = self
            .observed
            .as_ref()
            .map(|seen| seen.record.holder.clone());
        Ok(Holder::Other(holder.unwrap_or_default()))
    }

    /// Lets the next candidate take it at once, if it is held.
    pub async fn release(&mut self) {
        let Some(mut lease) = self.held.take() else {
            return;
        };
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = Some(String::new());
        }
        let name = &self.candidate.lease;
        match self.api.replace(name, &PostParams::default(), &lease).await {
            Ok(_) => info!(lease = name, "released the lease"),
            Err(error) => {
                warn!(%error, lease = name, "cannot release the lease: the next holder waits until it runs out");
            }
        }
    }

    fn hold(&mut self, lease: Lease) -> Holder {
        self.held = Some(lease);
        Holder::Us
    }

    /// Writes that we hold it, over `current`; `None` when somebody else wrote meanwhile.
    async fn write(&self, current: Option<&Lease>) -> Result<Option<Lease>, kube::Error> {
        let ours = self.renewed(current);
        let name = &self.candidate.lease;
        let parameters = PostParams::default();
        let written = if current.is_none() {
            self.api.create(&parameters, &ours).await
        } else {
            self.api.replace(name, &parameters, &ours).await
        };
        match written {
            Ok(lease) => Ok(Some(lease)),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The Lease as it is when we hold it; the resource version of `current` guards against a race.
    fn renewed(&self, current: Option<&Lease>) -> Lease {
        let candidate = &self.candidate;
        let spec = current
            .and_then(|lease| lease.spec.clone())
            .unwrap_or_default();
        let same = spec.holder_identity.as_deref() == Some(candidate.identity.as_str());
        let now = Some(MicroTime(self.clock.now()));
        Lease {
            metadata: current.map_or_else(
                || ObjectMeta {
                    name: Some(candidate.lease.clone()),
                    ..ObjectMeta::default()
                },
                |lease| lease.metadata.clone(),
            ),
            spec: Some(LeaseSpec {
                holder_identity: Some(candidate.identity.clone()),
                lease_duration_seconds: i32::try_from(candidate.duration.as_secs()).ok(),
                renew_time: now.clone(),
                acquire_time: if same { spec.acquire_time.clone() } else { now },
                lease_transitions: Some(spec.lease_transitions.unwrap_or(0) + i32::from(!same)),
                ..spec
            }),
        }
    }
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.as_ref();
    let seconds = spec
        .and_then(|spec| spec.lease_duration_seconds)
        .unwrap_or(0);
    Record {
        holder: spec
            .and_then(|spec| spec.holder_identity.clone())
            .unwrap_or_default(),
        renewal: lease.metadata.resource_version.clone().unwrap_or_default(),
        duration: Duration::from_secs(seconds.try_into().unwrap_or(0)),
    }
}

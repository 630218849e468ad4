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
//! # Assumptions
//! Monotonic clocks run at about the same rate. Nothing is assumed about the time of day.
//!
//! # Caveats
//! A killed leader is followed after the Lease's duration, ten seconds.

mod judge;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::client::Permit;
use super::clock::Clock;
use judge::{Observed, Record, Verdict, judge};

/// How long a leader leads without renewing.
const LEASE_DURATION: Duration = Duration::from_secs(10);

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(2);

/// Who this is and which Lease it wants.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub lease: String,
    /// Name of this replica.
    pub identity: String,
}

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
    client: Client,
    candidate: Candidate,
    leadership: Leadership,
    leading: CancellationToken,
    shutdown: CancellationToken,
) {
    let api: Api<Lease> = Api::namespaced(client, &candidate.namespace);
    let mut observed = None;
    let mut held = None;
    loop {
        let asked = leadership.clock.monotonic();
        match step(&api, &candidate, leadership.clock, &mut observed).await {
            Ok(Some(lease)) => {
                leadership.set(Some(asked.saturating_add(LEASE_DURATION)));
                if !leading.is_cancelled() {
                    info!(identity = candidate.identity, "leading");
                    leading.cancel();
                }
                held = Some(lease);
            }
            Ok(None) if leading.is_cancelled() => {
                warn!("another replica took the lease");
                break;
            }
            Ok(None) => {}
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
                if let Some(lease) = held {
                    release(&api, &candidate, lease).await;
                }
                return;
            }
        }
    }
    leadership.set(None);
    shutdown.cancel();
}

/// One look and, where it is due, one write. `Some` when the Lease is ours.
async fn step(
    api: &Api<Lease>,
    candidate: &Candidate,
    clock: Clock,
    observed: &mut Option<Observed>,
) -> Result<Option<Lease>, kube::Error> {
    let current = api.get_opt(&candidate.lease).await?;
    *observed = current
        .as_ref()
        .map(|lease| Observed::update(observed.take(), record(lease), clock.monotonic()));
    match judge(observed.as_ref(), &candidate.identity, clock.monotonic()) {
        Verdict::Follow => return Ok(None),
        Verdict::Acquire | Verdict::Renew => {}
    }
    let ours = claim(candidate, current.as_ref(), clock);
    let written = match current {
        None => api.create(&PostParams::default(), &ours).await,
        Some(_) => {
            api.replace(&candidate.lease, &PostParams::default(), &ours)
                .await
        }
    };
    match written {
        Ok(lease) => Ok(Some(lease)),
        // Somebody else was faster.
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
        Err(error) => Err(error),
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

/// The Lease as it is when `candidate` holds it; the resource version of `current` guards against a race.
fn claim(candidate: &Candidate, current: Option<&Lease>, clock: Clock) -> Lease {
    let spec = current
        .and_then(|lease| lease.spec.clone())
        .unwrap_or_default();
    let same = spec.holder_identity.as_deref() == Some(candidate.identity.as_str());
    let now = Some(MicroTime(clock.now()));
    Lease {
        metadata: ObjectMeta {
            name: Some(candidate.lease.clone()),
            namespace: Some(candidate.namespace.clone()),
            resource_version: current.and_then(|lease| lease.metadata.resource_version.clone()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(candidate.identity.clone()),
            lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
            renew_time: now.clone(),
            acquire_time: if same { spec.acquire_time.clone() } else { now },
            lease_transitions: Some(spec.lease_transitions.unwrap_or(0) + i32::from(!same)),
            ..spec
        }),
    }
}

async fn release(api: &Api<Lease>, candidate: &Candidate, mut lease: Lease) {
    if let Some(spec) = &mut lease.spec {
        spec.holder_identity = Some(String::new());
    }
    match api
        .replace(&candidate.lease, &PostParams::default(), &lease)
        .await
    {
        Ok(_) => info!("released the lease"),
        Err(error) => {
            warn!(%error, "cannot release the lease: the next leader waits until it runs out");
        }
    }
}

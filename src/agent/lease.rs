//! The heartbeat of an instance: a Lease that is renewed every ten seconds, whatever Docker does meanwhile.
//!
//! Liveness: as long as this process runs and reaches the API, the Lease is never older than one interval and one
//! call. It says nothing of the engine: that is in the instance's status.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tracing::{info, warn};

use crate::api::names;
use crate::platform::clock::Clock;

const INTERVAL: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(2);
const DEADLINE: Duration = Duration::from_secs(5);
const LEASE_SECONDS: i32 = 30;

/// Whose heartbeat this is.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    /// Name of the instance.
    pub instance: String,
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of this pod.
    pub holder: String,
}

/// Renews the Lease for ever.
pub async fn beat(heartbeat: Heartbeat, client: Client, clock: Clock) {
    let leases: Api<Lease> = Api::namespaced(client, &heartbeat.namespace);
    let mut held = None;
    let mut fails = 0_u32;
    loop {
        let renewal =
            tokio::time::timeout(DEADLINE, renew(&leases, &heartbeat, held.take(), clock)).await;
        let pause = match renewal {
            Ok(Ok(lease)) => {
                if fails > 0 {
                    info!(fails, "lease renewed again");
                }
                fails = 0;
                held = Some(lease);
                INTERVAL
            }
            Ok(Err(error)) => {
                fails += 1;
                warn!(%error, fails, "cannot renew the lease");
                RETRY
            }
            Err(_) => {
                fails += 1;
                warn!(fails, "no answer in time to the renewal of the lease");
                RETRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// One renewal: a PUT over what was held, or a look and a PUT or POST where that is not known.
async fn renew(
    leases: &Api<Lease>,
    heartbeat: &Heartbeat,
    held: Option<Lease>,
    clock: Clock,
) -> Result<Lease, kube::Error> {
    let name = names::instance_lease(&heartbeat.instance);
    let found = match held {
        Some(lease) => Some(lease),
        None => leases.get_opt(&name).await?,
    };
    let transitions = found
        .as_ref()
        .and_then(|lease| lease.spec.as_ref()?.lease_transitions);
    let spec = LeaseSpec {
        holder_identity: Some(heartbeat.holder.clone()),
        lease_duration_seconds: Some(LEASE_SECONDS),
        renew_time: Some(MicroTime(clock.now())),
        acquire_time: found
            .as_ref()
            .and_then(|lease| acquired(lease, &heartbeat.holder))
            .or_else(|| Some(MicroTime(clock.now()))),
        lease_transitions: transitions,
        ..LeaseSpec::default()
    };
    if let Some(lease) = found {
        return leases
            .replace(
                &name,
                &PostParams::default(),
                &Lease {
                    spec: Some(spec),
                    ..lease
                },
            )
            .await;
    }
    let metadata = ObjectMeta {
        name: Some(name),
        ..ObjectMeta::default()
    };
    leases
        .create(
            &PostParams::default(),
            &Lease {
                metadata,
                spec: Some(spec),
            },
        )
        .await
}

fn acquired(lease: &Lease, holder: &str) -> Option<MicroTime> {
    let spec = lease.spec.as_ref()?;
    (spec.holder_identity.as_deref() == Some(holder)).then(|| spec.acquire_time.clone())?
}

//! Container instances: made for each agent, watched for silence, gone with their host.
//!
//! # Expected flow
//! An agent pod that has a node gets a ContainerInstance. Every five seconds the Leases of all instances are read, and
//! [`crate::domain::liveness`] concludes from them and from the hosts who is connected, silent, lost or gone.
//!
//! # Guarantees
//! Nothing is concluded from a failed read, nor from time in which nothing could be read. An instance goes only when its
//! host is gone (or nothing wants it any more) and none of its tasks is left unaccounted for.
//!
//! Liveness: an instance that is back is connected again after its next renewal.

mod look;
mod report;
mod sync;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::ResourceExt;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::context::Context;
use super::world::World;
use crate::api::container_instance::{ContainerInstance, InstanceState};
use crate::domain::engines::Claim;
use crate::domain::liveness::{Host, Presence};
use crate::domain::placement;

/// Between two looks at the Leases; agents renew theirs every ten seconds.
const PERIOD: Duration = Duration::from_secs(5);

/// While an instance is not connected its Lease is read at every change, but not more often than this.
const EAGER: Duration = Duration::from_secs(1);

/// Changes that come together are handled together.
const TOGETHER: Duration = Duration::from_millis(200);

/// Label of a node with its availability zone.
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// Label of a node with the kind of machine that it is.
const TYPE_LABEL: &str = "node.kubernetes.io/instance-type";

/// Availability zone of an instance: its own attribute of ECS's name, or that of its node.
pub fn zone(world: &World, instance: &ContainerInstance) -> Option<String> {
    let own = instance.spec.attributes.get(placement::ZONE);
    own.map(ToString::to_string)
        .or_else(|| node_label(world, instance, ZONE_LABEL))
}

/// Node that an instance is on: for an instance pod that of the pod.
pub fn node_of(context: &Context, instance: &ContainerInstance) -> Option<String> {
    let pod = || {
        let pod = instance.spec.pod_name.as_ref()?;
        let key = (context.settings.agent_namespace.clone(), pod.to_string());
        context
            .world
            .pods
            .get(&key)?
            .spec
            .as_ref()?
            .node_name
            .clone()
    };
    pod().or_else(|| instance.spec.node_name.as_ref().map(ToString::to_string))
}

/// Whether Kubernetes says that what carries an instance works.
pub fn host_works(context: &Context, instance: &str) -> bool {
    let instance = context.world.instance(instance);
    instance.is_some_and(|instance| look::host(context, &instance) == Host::Ready)
}

/// The kind of machine that an instance's node is, where the node says so.
pub fn instance_type(world: &World, instance: &ContainerInstance) -> Option<String> {
    node_label(world, instance, TYPE_LABEL)
}

fn node_label(world: &World, instance: &ContainerInstance, label: &str) -> Option<String> {
    let node = instance.spec.node_name.as_ref()?;
    let node = world.nodes.get(&(String::new(), node.to_string()))?;
    node.labels().get(label).cloned()
}

/// Why an instance sheds its tasks and takes no new ones: somebody drains it, or has cordoned its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draining {
    /// `spec.status` says so.
    Asked,
    /// Its node is unschedulable, as `kubectl drain` makes it first.
    Cordoned,
}

/// Whether an instance sheds its tasks, and why.
pub fn drains(world: &World, instance: &ContainerInstance) -> Option<Draining> {
    if instance.spec.status == InstanceState::Draining {
        return Some(Draining::Asked);
    }
    let node = instance.spec.node_name.as_ref()?.to_string();
    let node = world.nodes.get(&(String::new(), node))?;
    let cordoned = node.spec.as_ref()?.unschedulable.unwrap_or(false);
    cordoned.then_some(Draining::Cordoned)
}

/// The engine that an instance's agent sees.
pub(super) fn claim(instance: &ContainerInstance) -> Option<Claim> {
    let engine = instance.status.as_ref()?.agent.as_ref()?.engine.as_ref()?;
    let created = instance.metadata.creation_timestamp.as_ref();
    Some(Claim {
        instance: instance.name_any(),
        engine: engine.id.as_ref()?.to_string(),
        boot: engine.boot_id.as_ref()?.to_string(),
        since: created.map(|time| time.0),
    })
}

/// What the leader concluded last about each instance, as their statuses tell it.
pub fn told(world: &World) -> BTreeMap<String, Presence> {
    let instances = world.instances.all();
    let told = instances.iter().map(|instance| {
        let control = instance
            .status
            .as_ref()
            .and_then(|status| status.control.as_ref());
        let presence = match control {
            Some(control) if control.lost => Presence::Lost,
            Some(control) if control.agent_connected => Presence::Connected,
            Some(_) | None => Presence::Disconnected,
        };
        (instance.name_any(), presence)
    });
    told.collect()
}

/// Whether an instance is there that nobody has heard of yet, or not for a while.
async fn awaits_somebody(context: &Context) -> bool {
    if !context.knows_presence() {
        return true;
    }
    let known = context.presence().await;
    let is_heard = |name: &str| known.get(name) == Some(&Presence::Connected);
    context
        .world
        .instances
        .all()
        .iter()
        .any(|instance| !is_heard(&instance.name_any()))
}

/// Looks after all instances until `shutdown`.
pub async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    let mut looker = look::Looker::default();
    let mut changes = Box::pin(context.queues.instances.stream::<ContainerInstance>());
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut put_off = None;
    loop {
        let look = tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => true,
            () = tokio::time::sleep(put_off.unwrap_or(PERIOD)) => false,
            _ = changes.next() => {
                tokio::time::sleep(TOGETHER).await;
                while let Some(Some(_)) = futures::FutureExt::now_or_never(changes.next()) {}
                false
            }
        };
        if let Err(error) = sync::sync(&context).await {
            warn!(
                error = error.chain(),
                "cannot make or remove container instances"
            );
        }
        if look || (looker.is_due(&context, EAGER) && awaits_somebody(&context).await) {
            looker.look(&context).await;
        }
        if !context.knows_presence() {
            continue;
        }
        put_off = report::report(&context).await.unwrap_or_else(|error| {
            warn!(
                error = error.chain(),
                "cannot report on container instances"
            );
            None
        });
    }
}

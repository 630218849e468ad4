//! Clusters: the agents on their nodes, their counts, and their end. Liveness: every selected node has an agent, and a
//! cluster that is deleted goes when nothing uses it any more.

mod daemon_set;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use tracing::instrument;

use super::cache::key_of;
use super::context::{Context, RESYNC};
use super::writes::{Error, apply_status, set_finalizer};
use crate::api::cluster::{EcsCluster, EcsClusterStatus};
use crate::api::conditions::{self, Progress, READY};
use crate::api::names;
use crate::domain::task::TaskState;

/// Counts are written at most once in this time.
const BETWEEN_WRITES: Duration = Duration::from_secs(1);

/// Whether a cluster wants an agent on a node. Where several do, the oldest has it: see [`owns`].
pub fn selects(cluster: &EcsCluster, node: &Node) -> bool {
    let Some(nodes) = &cluster.spec.nodes else {
        return false;
    };
    let labels = node.labels();
    let linux = labels
        .get("kubernetes.io/os")
        .is_none_or(|os| os == "linux");
    linux
        && nodes
            .node_selector
            .iter()
            .all(|(key, value)| labels.get(key).is_some_and(|has| has == value.as_str()))
}

/// Whether no older cluster selects the node too.
fn owns(context: &Context, cluster: &EcsCluster, node: &Node) -> bool {
    let age = |cluster: &EcsCluster| {
        (
            cluster.creation_timestamp().map(|time| time.0),
            cluster.name_any(),
        )
    };
    selects(cluster, node)
        && !context.world.clusters.all().iter().any(|other| {
            other.metadata.deletion_timestamp.is_none()
                && selects(other, node)
                && age(other) < age(cluster)
        })
}

/// One pass over one cluster.
///
/// # Errors
/// When a write failed.
#[instrument(skip_all, fields(cluster = %cluster.name_any()))]
pub async fn reconcile(cluster: Arc<EcsCluster>, context: Arc<Context>) -> Result<Action, Error> {
    let Some(cluster) = context.world.clusters.get(&key_of(&*cluster)) else {
        return Ok(Action::await_change());
    };
    let api: Api<EcsCluster> = Api::all(context.client.clone());
    let counts = count(&context, &cluster);
    if cluster.metadata.deletion_timestamp.is_some() {
        return end(&context, &api, &cluster, &counts).await;
    }
    set_finalizer(
        &api,
        &context.world.clusters,
        &cluster,
        names::CLUSTER_FINALIZER,
        true,
    )
    .await?;
    daemon_set::ensure(&context, &cluster).await?;
    let (ready, reason, message) = if counts.ready_instances > 0 {
        (
            true,
            "InstancesReady",
            format!(
                "{} of {} container instances take tasks",
                counts.ready_instances, counts.instances
            ),
        )
    } else {
        (false, "NoInstances", "no container instance takes tasks: select nodes that run Docker in spec.nodes, or make a CapacityProvider; `kubectl get containerinstances` says what each one lacks".to_owned())
    };
    // Counts change with every task; that the cluster became ready, or is not any more, is told at once.
    let told = cluster
        .status
        .as_ref()
        .and_then(|status| conditions::get(&status.conditions, READY));
    if told.is_some_and(|told| told.reason == reason)
        && let Some(wait) = context.pace(&*cluster, BETWEEN_WRITES)
    {
        return Ok(Action::requeue(wait));
    }
    report(&context, &api, &cluster, &counts, (ready, reason, &message)).await?;
    Ok(Action::requeue(RESYNC))
}

/// What a cluster has.
struct Counts {
    instances: i32,
    ready_instances: i32,
    running: i32,
    pending: i32,
    services: i32,
    unfinished: i32,
    providers: i32,
}

fn count(context: &Context, cluster: &EcsCluster) -> Counts {
    let name = cluster.name_any();
    let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let instances: Vec<_> = context
        .world
        .instances
        .all()
        .into_iter()
        .filter(|instance| instance.spec.cluster == name.as_str())
        .collect();
    let tasks: Vec<_> = context
        .world
        .tasks
        .all()
        .into_iter()
        .filter(|task| task.cluster_name() == name)
        .collect();
    let in_state = |wanted: fn(TaskState) -> bool| {
        number(tasks.iter().filter(|task| wanted(task.state())).count())
    };
    let services = context.world.services.all();
    let mine = || {
        services
            .iter()
            .filter(|service| service.cluster_name() == name)
    };
    let providers = context.world.providers.all();
    Counts {
        instances: number(instances.len()),
        ready_instances: number(
            instances
                .iter()
                .filter(|instance| instance.takes_tasks())
                .count(),
        ),
        running: in_state(|state| state == TaskState::Running),
        pending: in_state(|state| state < TaskState::Running),
        services: number(
            mine()
                .filter(|service| service.metadata.deletion_timestamp.is_none())
                .count(),
        ),
        unfinished: number(mine().count())
            + number(
                tasks
                    .iter()
                    .filter(|task| !task.is_stopped() || task.metadata.deletion_timestamp.is_some())
                    .count(),
            ),
        providers: number(
            providers
                .iter()
                .filter(|provider| provider.spec.cluster == name.as_str())
                .count(),
        ),
    }
}

/// A cluster goes when it has no services, tasks or capacity providers left; then its agents go, and it last.
async fn end(
    context: &Context,
    api: &Api<EcsCluster>,
    cluster: &EcsCluster,
    counts: &Counts,
) -> Result<Action, Error> {
    // The texts begin with the exception by which ECS refuses DeleteCluster.
    let held = if counts.services > 0 {
        Some(format!(
            "ClusterContainsServicesException: {} services use the cluster: delete them",
            counts.services
        ))
    } else if counts.unfinished > 0 {
        Some(format!(
            "ClusterContainsTasksException: {} services or tasks of the cluster are ending or run: wait, or stop the tasks",
            counts.unfinished
        ))
    } else if counts.providers > 0 {
        Some(format!(
            "ClusterContainsCapacityProviderException: {} capacity providers belong to the cluster: delete them",
            counts.providers
        ))
    } else {
        None
    };
    if let Some(message) = held {
        let told = cluster
            .status
            .as_ref()
            .and_then(|status| conditions::get(&status.conditions, READY));
        if told.is_none_or(|told| told.message != message) {
            context
                .tell(cluster, true, "DeletionHeldBack", &message)
                .await;
        }
        report(
            context,
            api,
            cluster,
            counts,
            (false, "DeletionHeldBack", &message),
        )
        .await?;
        return Ok(Action::requeue(RESYNC));
    }
    daemon_set::remove(context, cluster).await?;
    if counts.instances > 0 {
        report(
            context,
            api,
            cluster,
            counts,
            (false, "Draining", "its agents are ending"),
        )
        .await?;
        return Ok(Action::requeue(RESYNC));
    }
    set_finalizer(
        api,
        &context.world.clusters,
        cluster,
        names::CLUSTER_FINALIZER,
        false,
    )
    .await?;
    Ok(Action::await_change())
}

async fn report(
    context: &Context,
    api: &Api<EcsCluster>,
    cluster: &EcsCluster,
    counts: &Counts,
    (ready, reason, message): (bool, &str, &str),
) -> Result<(), Error> {
    let before = cluster.status.clone().unwrap_or_default();
    let mut conditions = before.conditions.to_vec();
    let generation = cluster.metadata.generation;
    let progress = Progress {
        ready,
        stalled: false,
        reason,
        message,
    };
    conditions::set_progress(&mut conditions, progress, generation, context.clock.now());
    let status = EcsClusterStatus {
        observed_generation: generation.unwrap_or(0),
        registered_container_instances_count: counts.instances,
        running_tasks_count: counts.running,
        pending_tasks_count: counts.pending,
        active_services_count: counts.services,
        conditions: conditions.into(),
    };
    if cluster.status.as_ref() != Some(&status) {
        apply_status(api, &context.world.clusters, cluster, &status).await?;
    }
    Ok(())
}

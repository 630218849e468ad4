//! Capacity providers: a fixed number of instance pods. Liveness: a pod that is gone or failed is replaced, and there are
//! as many as wanted, once surplus ones have lost their tasks.

mod pod;
mod scale_in;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use tracing::{info, instrument};

use super::cache::key_of;
use super::context::{Context, RESYNC};
use super::writes::{Error, apply_status, delete, doing};
use crate::api::capacity_provider::{CapacityProvider, CapacityProviderStatus};
use crate::api::conditions::{self, Progress};
use crate::api::names;

/// Between two looks at an instance that drains.
const WHILE_DRAINING: Duration = Duration::from_secs(2);

/// One pass over one provider.
///
/// # Errors
/// When a write failed.
#[instrument(skip_all, fields(provider = %provider.name_any()))]
pub async fn reconcile(
    provider: Arc<CapacityProvider>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    let Some(provider) = context.world.providers.get(&key_of(&*provider)) else {
        return Ok(Action::await_change());
    };
    if provider.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), &context.settings.agent_namespace);
    let mut living = Vec::new();
    for found in pods_of(&context, &provider) {
        if found.metadata.deletion_timestamp.is_some() {
            continue;
        }
        if has_failed(&found) {
            info!(pod = found.name_any(), "replacing failed instance pod");
            delete(&pods, &context.world.pods, &found).await?;
        } else {
            living.push(found);
        }
    }
    let wanted = usize::try_from(provider.spec.auto_scaling_group.desired_capacity).unwrap_or(0);
    let key = (String::new(), provider.spec.cluster.to_string());
    let Some(cluster) = context.world.clusters.get(&key) else {
        let message = format!("cluster: there is no EcsCluster {}: create it", key.1);
        report(
            &context,
            &provider,
            living.len(),
            0,
            ("ClusterNotFound", &message),
        )
        .await?;
        return Ok(Action::requeue(RESYNC));
    };
    for _ in living.len()..wanted {
        let made = pods
            .create(
                &PostParams::default(),
                &pod::instance_pod(&context.settings, &cluster, &provider)?,
            )
            .await
            .map_err(doing("create instance pod"))?;
        info!(pod = made.name_any(), "created instance pod");
        context.world.pods.wrote(made.clone());
        living.push(Arc::new(made));
    }
    let left = scale_in::scale_in(&context, &pods, living, wanted).await?;
    let ready = left
        .staying
        .iter()
        .filter(|found| is_ready(&context, &found.name_any()))
        .count();
    let mut message = format!("{ready} of {wanted} instances take tasks");
    for (name, tasks) in &left.leaving {
        message = format!("{message}; {name} drains, {tasks} tasks left");
    }
    let reason = if !left.leaving.is_empty() {
        "InstancesDraining"
    } else if ready == wanted {
        "InstancesReady"
    } else {
        "InstancesStarting"
    };
    let instances = left.staying.len() + left.leaving.len();
    report(&context, &provider, instances, ready, (reason, &message)).await?;
    Ok(Action::requeue(if left.leaving.is_empty() {
        RESYNC
    } else {
        WHILE_DRAINING
    }))
}

fn pods_of(context: &Context, provider: &CapacityProvider) -> Vec<Arc<Pod>> {
    let uid = provider.uid();
    let owned = |pod: &Pod| {
        pod.owner_references()
            .iter()
            .any(|owner| Some(&owner.uid) == uid.as_ref())
    };
    context
        .world
        .pods
        .all()
        .into_iter()
        .filter(|pod| owned(pod))
        .collect()
}

fn has_failed(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Failed" | "Succeeded"))
}

fn tasks_on(context: &Context, instance: &str) -> usize {
    let world = &context.world;
    world
        .ledger
        .tasks(world, |tasks| tasks.holdings_on(instance).count())
}

fn is_ready(context: &Context, instance: &str) -> bool {
    let instance = context.world.instance(instance);
    instance.is_some_and(|instance| instance.takes_tasks())
}

async fn report(
    context: &Context,
    provider: &CapacityProvider,
    instances: usize,
    ready: usize,
    (reason, message): (&str, &str),
) -> Result<(), Error> {
    let before = provider.status.clone().unwrap_or_default();
    let wanted = usize::try_from(provider.spec.auto_scaling_group.desired_capacity).unwrap_or(0);
    let is_ready = instances == wanted && ready == wanted && reason != "ClusterNotFound";
    let mut conditions = before.conditions.to_vec();
    let generation = provider.metadata.generation;
    let progress = Progress {
        ready: is_ready,
        stalled: false,
        reason,
        message,
    };
    conditions::set_progress(&mut conditions, progress, generation, context.clock.now());
    let status = CapacityProviderStatus {
        observed_generation: generation.unwrap_or(0),
        instances: i32::try_from(instances).unwrap_or(i32::MAX),
        selector: Some(
            format!("{}={}", names::CAPACITY_PROVIDER_LABEL, provider.name_any())
                .as_str()
                .into(),
        ),
        conditions: conditions.into(),
    };
    if provider.status.as_ref() != Some(&status) {
        let api: Api<CapacityProvider> = Api::all(context.client.clone());
        apply_status(&api, &context.world.providers, provider, &status).await?;
    }
    Ok(())
}

//! Scaling in: an instance loses its tasks before its pod goes (ECS Developer Guide, "Managed instance draining").

use std::cmp::Reverse;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};
use serde_json::json;
use tracing::info;

use super::tasks_on;
use crate::api::container_instance::{ContainerInstance, InstanceState};
use crate::controllers::context::Context;
use crate::controllers::writes::{Error, delete, patch};

/// Annotation of an instance that was set DRAINING to scale in, and not by a person.
const LEAVING: &str = "ecs-operator.io/scale-in";

/// What is left of a provider's pods.
pub(super) struct Left {
    /// They are to stay.
    pub(super) staying: Vec<Arc<Pod>>,
    /// They go when their tasks have gone: names, and how many tasks each has.
    pub(super) leaving: Vec<(String, usize)>,
}

/// Brings `living` down to `wanted`: the others drain, and go once they are empty. One that drains is taken back where
/// more are wanted again.
pub(super) async fn scale_in(
    context: &Context,
    pods: &Api<Pod>,
    mut living: Vec<Arc<Pod>>,
    wanted: usize,
) -> Result<Left, Error> {
    // Those that leave already go on; then the emptiest go first, and of those the youngest.
    living.sort_by_key(|pod| {
        let name = pod.name_any();
        (
            !context
                .world
                .instance(&name)
                .is_some_and(|instance| is_leaving(&instance)),
            tasks_on(context, &name),
            Reverse(pod.creation_timestamp().map(|time| time.0)),
        )
    });
    let surplus = living.len().saturating_sub(wanted);
    let staying = living.split_off(surplus);
    for pod in &staying {
        if let Some(instance) = context.world.instance(&pod.name_any())
            && is_leaving(&instance)
        {
            info!(
                instance = instance.name_any(),
                "wanted again: it drains no more"
            );
            set_leaving(context, &instance, false).await?;
        }
    }
    let mut leaving = Vec::new();
    for pod in living {
        let name = pod.name_any();
        let tasks = tasks_on(context, &name);
        match context.world.instance(&name) {
            Some(instance) if instance.spec.status == InstanceState::Active => {
                info!(instance = name, tasks, "draining surplus instance");
                set_leaving(context, &instance, true).await?;
                leaving.push((name, tasks));
            }
            Some(_) if tasks > 0 => leaving.push((name, tasks)),
            // Nothing is placed there any more.
            Some(_) | None => {
                info!(pod = name, "removing surplus instance pod");
                delete(pods, &context.world.pods, &pod).await?;
            }
        }
    }
    Ok(Left { staying, leaving })
}

fn is_leaving(instance: &ContainerInstance) -> bool {
    instance.annotations().contains_key(LEAVING)
}

async fn set_leaving(
    context: &Context,
    instance: &ContainerInstance,
    leaving: bool,
) -> Result<(), Error> {
    let api: Api<ContainerInstance> = Api::all(context.client.clone());
    let (status, mark) = if leaving {
        (InstanceState::Draining, Some("true"))
    } else {
        (InstanceState::Active, None)
    };
    let change = json!({
        "metadata": {"annotations": {LEAVING: mark}},
        "spec": {"status": status},
    });
    let instances = &context.world.instances;
    patch(
        &api,
        instances,
        instance,
        "drain container instance",
        change,
    )
    .await
    .map(drop)
}

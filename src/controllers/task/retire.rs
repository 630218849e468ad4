//! Collects stopped tasks. They stay readable for at least an hour, as ECS promises, and the newest attempt of each slot
//! stays as long as its deployment lives, because it carries the number of attempts. While a circuit breaker watches a
//! deployment, all tasks of it stay, because its failures are counted from them.

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};

use crate::api::service::{DeploymentStatus, EcsService};
use crate::api::task::{EcsTask, TaskService};
use crate::controllers::context::Context;
use crate::controllers::ledger::tasks_named;
use crate::controllers::writes::{Error, delete};
use crate::domain::service::Breaker;

/// Deletes a stopped task whose time is over, or says when it will be.
pub(super) async fn collect(
    context: &Context,
    api: &Api<EcsTask>,
    task: &EcsTask,
) -> Result<Action, Error> {
    let stopped = task
        .status
        .as_ref()
        .and_then(|status| Some(status.stopped_at.as_ref()?.0));
    let since = stopped.map(|stopped| context.clock.now().duration_since(stopped));
    let age = since
        .and_then(|since| Duration::try_from(since).ok())
        .unwrap_or_default();
    let kept = context.settings.stopped_tasks_kept;
    if age < kept {
        return Ok(Action::requeue(
            kept.saturating_sub(age) + Duration::from_secs(1),
        ));
    }
    if is_counted(context, task) || is_newest_attempt(context, task) {
        return Ok(Action::requeue(kept));
    }
    delete(api, &context.world.tasks, task).await?;
    Ok(Action::await_change())
}

/// It belongs to a deployment that goes on and may yet be given up for its failures. That bounds how many there are.
fn is_counted(context: &Context, task: &EcsTask) -> bool {
    let Some((service, deployment)) = deployment_of(context, task) else {
        return false;
    };
    let configuration = service.spec.deployment_configuration.as_ref();
    let breaker = configuration.and_then(|it| it.deployment_circuit_breaker.as_ref());
    breaker.is_some_and(|breaker| Breaker::from(breaker).watches(deployment.rollout_state.into()))
}

/// The service that the task was made for, and its entry for the task's deployment.
fn deployment_of(context: &Context, task: &EcsTask) -> Option<(Arc<EcsService>, DeploymentStatus)> {
    let mine = task.service()?;
    let key = (task.namespace().unwrap_or_default(), mine.name.to_string());
    let service = context.world.services.get(&key)?;
    if service.uid().as_deref() != Some(mine.uid.as_str()) {
        return None;
    }
    let mut deployments = service.status.as_ref()?.deployments.iter();
    let deployment = deployments.find(|deployment| deployment.number == mine.deployment)?;
    Some((Arc::clone(&service), deployment.clone()))
}

fn is_newest_attempt(context: &Context, task: &EcsTask) -> bool {
    let Some(mine) = task.service() else {
        return false;
    };
    let world = &context.world;
    let tasks = world.ledger.tasks(world, |tasks| {
        tasks_named(world, tasks.of_service(&mine.uid))
    });
    let of_slot = |other: &TaskService| {
        other.uid == mine.uid && other.deployment == mine.deployment && other.slot == mine.slot
    };
    deployment_of(context, task).is_some()
        && !tasks
            .iter()
            .filter(|other| other.namespace() == task.namespace())
            .filter_map(|other| other.service())
            .any(|other| of_slot(other) && other.attempt > mine.attempt)
}

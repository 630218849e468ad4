//! What the controller does for single tasks: binds those that people made, ends those whose instance is gone, lets
//! deleted ones go, and collects old ones. Liveness: every task is bound or STOPPED, and a deleted one goes as soon as
//! nothing of it runs.

mod bind;
pub mod explain;
mod retire;

use std::sync::Arc;

use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use tracing::instrument;

use super::cache::key_of;
use super::context::{Context, RESYNC};
use super::traffic;
use super::writes::{Error, api_of, apply_status_over, set_finalizer};
use crate::api::cluster::DisconnectPolicy;
use crate::api::conditions;
use crate::api::names;
use crate::api::task::{DesiredStatus, EcsTask, EcsTaskStatus, LastStatus};
use crate::domain::events;
use crate::domain::liveness::Presence;
use crate::domain::task::{Stop, StopCode};

/// The presence of its instance with which a deleted task goes, although some of it may still run there: only under the
/// policy that replaces tasks of lost instances that is enough.
fn lets_go_at(context: &Context, task: &EcsTask) -> Presence {
    let key = (String::new(), task.cluster_name().to_owned());
    let policy = context
        .world
        .clusters
        .get(&key)
        .map(|cluster| cluster.spec.disconnect_policy);
    match policy.unwrap_or_default() {
        DisconnectPolicy::Replace => Presence::Lost,
        DisconnectPolicy::Wait | DisconnectPolicy::AtMostOnce => Presence::Fenced,
    }
}

/// One pass over one task.
///
/// # Errors
/// When a write failed.
#[instrument(skip_all, fields(task = %task.name_any(), namespace = task.namespace()))]
pub async fn reconcile(task: Arc<EcsTask>, context: Arc<Context>) -> Result<Action, Error> {
    let Some(task) = context.world.tasks.get(&key_of(&*task)) else {
        return Ok(Action::await_change());
    };
    let api: Api<EcsTask> = api_of(&context.client, task.namespace());
    let deleting = task.metadata.deletion_timestamp.is_some();
    let Some(instance) = task.instance() else {
        return if deleting || task.is_stopping() {
            end_unbound(&context, &api, &task).await
        } else {
            bind::bind(&context, &api, &task).await
        };
    };
    if task.is_stopped() && !deleting {
        return retire::collect(&context, &api, &task).await;
    }
    let again = if task.load_balancers().is_empty() {
        RESYNC
    } else {
        traffic::attend_to(&context, &api, &task).await?
    };
    let presence = context.presence_in(&*context.presence().await, instance);
    if deleting && (presence >= lets_go_at(&context, &task) || has_no_containers(&task)) {
        // What may still run on a lost instance ends when its agent is back: it removes containers without a task.
        set_finalizer(
            &api,
            &context.world.tasks,
            &task,
            names::TASK_FINALIZER,
            false,
        )
        .await?;
        return Ok(Action::await_change());
    }
    if presence == Presence::Fenced && !task.is_stopped() {
        let told = task.spec.stop.as_ref().map(Stop::from);
        let stop = told.unwrap_or_else(|| Stop {
            code: StopCode::TerminationNotice,
            reason: events::host_terminated(instance),
        });
        write_stopped(&context, &api, &task, &stop).await?;
        return Ok(Action::requeue(std::time::Duration::ZERO));
    }
    Ok(Action::requeue(again))
}

/// The agent says that it removed them all.
fn has_no_containers(task: &EcsTask) -> bool {
    let conditions = task
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.conditions);
    task.is_stopped() && conditions::holds(conditions, conditions::CONTAINERS_REMOVED)
}

/// A task that never got an instance has nothing that could run.
async fn end_unbound(
    context: &Context,
    api: &Api<EcsTask>,
    task: &EcsTask,
) -> Result<Action, Error> {
    if !task.is_stopped() {
        let stop = task.spec.stop.as_ref().map_or_else(
            || Stop {
                code: StopCode::UserInitiated,
                reason: events::STOPPED_BY_USER.to_owned(),
            },
            Stop::from,
        );
        write_stopped(context, api, task, &stop).await?;
    }
    set_finalizer(
        api,
        &context.world.tasks,
        task,
        names::TASK_FINALIZER,
        false,
    )
    .await?;
    Ok(Action::requeue(RESYNC))
}

/// STOPPED, in the controller's word: nothing of the task runs, because it never did or its instance is gone.
async fn write_stopped(
    context: &Context,
    api: &Api<EcsTask>,
    task: &EcsTask,
    stop: &Stop,
) -> Result<(), Error> {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
    let now = Some(MicroTime(context.clock.now()));
    let before = task.status.clone().unwrap_or_default();
    let status = EcsTaskStatus {
        last_status: Some(LastStatus::Stopped),
        desired_status: Some(DesiredStatus::Stopped),
        stop_code: Some(before.stop_code.unwrap_or_else(|| stop.code.into())),
        stopped_reason: before
            .stopped_reason
            .clone()
            .or_else(|| Some(crate::api::bounded::Str::cut(&stop.reason))),
        stopped_at: now.clone(),
        stopping_at: before.stopping_at.clone().or(now),
        // It has a writer of its own.
        traffic: None,
        ..before
    };
    // The agent may have told more than the cache shows: its word is not overwritten unseen.
    apply_status_over(api, &context.world.tasks, task, &status).await
}

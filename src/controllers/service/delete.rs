//! Deleting a service: it is DRAINING until the last of its tasks has ended, then its tasks and it are gone.

use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};

use super::act::stop_task;
use super::observe::tasks_of;
use super::report;
use crate::api::names;
use crate::api::service::EcsService;
use crate::api::task::EcsTask;
use crate::controllers::context::{Context, RESYNC};
use crate::controllers::writes::{Error, api_of, delete, set_finalizer};
use crate::domain::events;
use crate::domain::ids;
use crate::domain::task::{Stop, StopCode};

/// Stops all tasks, deletes those that ended, and lets the service go when none is left.
pub(super) async fn drain(
    context: &Context,
    api: &Api<EcsService>,
    service: &EcsService,
) -> Result<Action, Error> {
    let tasks = tasks_of(context, service);
    let task_api: Api<EcsTask> = api_of(&context.client, service.namespace());
    let uid = service.uid().unwrap_or_default();
    let number = service
        .status
        .as_ref()
        .map_or(0, |status| status.last_deployment_number);
    let stop = Stop {
        code: StopCode::ServiceSchedulerInitiated,
        reason: events::scaling_activity(&ids::deployment_id(&uid, number)),
    };
    let mut left = 0_usize;
    for task in tasks.values() {
        if task.is_stopped() {
            if task.metadata.deletion_timestamp.is_none() {
                delete(&task_api, &context.world.tasks, task).await?;
            }
        } else {
            stop_task(context, &task_api, task, &stop).await?;
        }
        left += 1;
    }
    if left > 0 {
        let message = format!("{left} tasks are ending");
        report::draining(context, api, service, message, context.clock.now()).await?;
        return Ok(Action::requeue(RESYNC));
    }
    set_finalizer(
        api,
        &context.world.services,
        service,
        names::SERVICE_FINALIZER,
        false,
    )
    .await?;
    context.forget(&uid);
    Ok(Action::await_change())
}

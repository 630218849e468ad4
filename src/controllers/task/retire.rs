//! Collects stopped tasks. They stay readable for at least an hour, as ECS promises, and the newest attempt of each slot
//! stays as long as its deployment lives, because it carries the number of attempts.

use std::time::Duration;

use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};

use crate::api::task::EcsTask;
use crate::controllers::context::Context;
use crate::controllers::writes::{Error, delete};

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
    if is_newest_attempt(context, task) {
        return Ok(Action::requeue(kept));
    }
    delete(api, &context.world.tasks, task).await?;
    Ok(Action::await_change())
}

fn is_newest_attempt(context: &Context, task: &EcsTask) -> bool {
    let Some(mine) = task.service() else {
        return false;
    };
    let key = (task.namespace().unwrap_or_default(), mine.name.to_string());
    let lives = context.world.services.get(&key).is_some_and(|service| {
        service.uid().as_deref() == Some(mine.uid.as_str())
            && service.status.as_ref().is_some_and(|status| {
                status
                    .deployments
                    .iter()
                    .any(|deployment| deployment.number == mine.deployment)
            })
    });
    lives
        && !context.world.tasks.all().iter().any(|other| {
            other.namespace() == task.namespace()
                && other.service().is_some_and(|other| {
                    other.uid == mine.uid
                        && other.deployment == mine.deployment
                        && other.slot == mine.slot
                        && other.attempt > mine.attempt
                })
        })
}

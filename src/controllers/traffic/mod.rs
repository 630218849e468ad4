//! Brings requests to tasks, and takes them away before a task ends: the Service and the endpoint slices of each target
//! group, and the record of each task's traffic.
//!
//! # Expected flow
//! A task whose target is healthy is recorded as registered and then gets its endpoint. A task that is to stop, that is not
//! healthy, or whose node does not work loses its endpoints; once none is left, one that is to stop is recorded as
//! deregistered, and its agent may end it (`domain::traffic`).
//!
//! # Guarantees
//! No task is deregistered while a slice lists it, or a write that lists it may still arrive ([`Offers`]). A Service of the
//! target group's name that is not ours is reported and not touched.
//!
//! Liveness: as long as the API can be written, each slice comes to list exactly the tasks that can serve, and each task
//! that is to stop comes to be deregistered.
//!
//! # Assumptions
//! A new leader's first list of the slices is the newest (the default of kube's watcher), and after it the leader alone
//! writes them: what it knows of them is right even while their watch lags behind the tasks'.

mod front;
mod offers;
mod report;
mod slices;
mod targets;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use tracing::{info, instrument};

pub use offers::Offers;
pub(super) use targets::target_of;

use super::cache::key_of;
use super::context::{Context, RESYNC};
use super::writes::{Error, apply_traffic};
use crate::api::target_group::TargetGroup;
use crate::api::task::{EcsTask, TaskTraffic};
use crate::domain::traffic::{Attend, Change, DEREGISTRATION_DELAY, attend};

/// Between two writes that only add endpoints: tasks that become healthy together share one.
const BETWEEN_ADDITIONS: Duration = Duration::from_millis(500);

/// While it is not known what came of a write, it is looked at again after this time.
const UNSURE_AGAIN: Duration = Duration::from_secs(1);

/// One pass over one target group.
///
/// # Errors
/// When a write failed; the next pass goes on where this one ended.
#[instrument(skip_all, fields(target_group = %group.name_any(), namespace = group.namespace()))]
pub async fn reconcile(group: Arc<TargetGroup>, context: Arc<Context>) -> Result<Action, Error> {
    let Some(group) = context.world.target_groups.get(&key_of(&*group)) else {
        return Ok(Action::await_change());
    };
    if group.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let presence = context.presence().await;
    let front = front::ensure(&context, &group).await?;
    let mut again = RESYNC;
    if front.is_ours() {
        let plan = slices::plan(&context, &group, &presence);
        let adds_only = !plan.is_empty()
            && plan
                .iter()
                .all(|change| adds_only(&context, &group, change));
        let name = format!("{}/slices", group.uid().unwrap_or_default());
        let wait = || context.pace_of(&name, BETWEEN_ADDITIONS);
        match adds_only.then(wait).flatten() {
            Some(wait) => again = wait,
            None => slices::write(&context, &group, &presence).await?,
        }
        if wake_those_that_wait(&context, &group) {
            again = again.min(UNSURE_AGAIN);
        }
    }
    if let Some(wait) = report::report(&context, &group, &front).await? {
        again = again.min(wait);
    }
    Ok(Action::requeue(again))
}

fn adds_only(context: &Context, group: &TargetGroup, change: &Change) -> bool {
    match change {
        Change::Create(_) => true,
        Change::Delete(_) => false,
        Change::Update(slice) => {
            let after: BTreeSet<&str> = slice.endpoints.iter().map(|it| it.uid.as_str()).collect();
            let key = (group.namespace().unwrap_or_default(), slice.name.clone());
            let before = context.world.slices.get(&key);
            before.is_none_or(|before| slices::uids(&before).all(|uid| after.contains(uid)))
        }
    }
}

/// Tasks that are to stop wait for their endpoints to go. Whether some still do.
fn wake_those_that_wait(context: &Context, group: &TargetGroup) -> bool {
    let mut tasks = targets::tasks_of(context, group);
    tasks.retain(|task| {
        task.is_stopping() && !task.is_stopped() && task.traffic().deregistered_at.is_none()
    });
    let (listed, free): (Vec<_>, Vec<_>) = context.offers.with(|offers| {
        let is_listed = |task: &Arc<EcsTask>| {
            let uid = task.uid().unwrap_or_default();
            offers.lists(&uid) || targets::is_listed(context, task)
        };
        tasks.into_iter().partition(is_listed)
    });
    let free = free.iter().map(|task| key_of(&**task));
    context.queues.tasks.extend(free);
    !listed.is_empty()
}

/// Records what one task's traffic has come to. Gives when to look again: soon while it waits for its endpoints to go, because
/// a target group that is gone wakes nobody.
///
/// # Errors
/// When a write failed.
pub(super) async fn attend_to(
    context: &Context,
    api: &Api<EcsTask>,
    task: &EcsTask,
) -> Result<Duration, Error> {
    let presence = context.presence().await;
    let states: Vec<_> = task.targets().iter().map(|it| it.health.into()).collect();
    let uid = task.uid().unwrap_or_default();
    let step = context.offers.with(|offers| {
        slices::settle_those_over(context, offers);
        let newest = context.world.tasks.get(&key_of(task));
        let task = newest.as_deref().unwrap_or(task);
        let listed = offers.lists(&uid) || targets::is_listed(context, task);
        attend(targets::facts(context, task, &presence), &states, listed)
    });
    let now = context.clock.now();
    match step {
        Attend::Nothing => Ok(RESYNC),
        Attend::Withdraw => {
            let namespace = task.namespace().unwrap_or_default();
            let groups = task.target_groups();
            let keys = groups.map(|group| (namespace.clone(), group.to_owned()));
            context.queues.target_groups.extend(keys);
            Ok(UNSURE_AGAIN)
        }
        Attend::Register => {
            let traffic = TaskTraffic {
                registered_at: Some(MicroTime(now)),
                deregistration_delay_seconds: Some(delay(context, task)),
                ..task.traffic()
            };
            apply_traffic(api, &context.world.tasks, task, &traffic, true).await?;
            Ok(RESYNC)
        }
        Attend::Deregister => {
            let delay = delay(context, task);
            let traffic = TaskTraffic {
                deregistered_at: Some(MicroTime(now)),
                deregistration_delay_seconds: Some(delay),
                ..task.traffic()
            };
            apply_traffic(api, &context.world.tasks, task, &traffic, false).await?;
            info!(task = %task.name_any(), delay, "task deregistered");
            Ok(RESYNC)
        }
    }
}

/// The longest deregistration delay of a task's groups, in seconds. A group that is gone, as all are while their namespace is
/// deleted, leaves what it said when the task was registered.
fn delay(context: &Context, task: &EcsTask) -> i32 {
    let namespace = task.namespace().unwrap_or_default();
    let registered = task.traffic().deregistration_delay_seconds;
    let delay_of = |name: &str| {
        let key = (namespace.clone(), name.to_owned());
        let group = context.world.target_groups.get(&key);
        let delay = match group {
            Some(group) => group.spec.deregistration_delay_seconds,
            None => registered,
        };
        delay.unwrap_or(DEREGISTRATION_DELAY)
    };
    let delays = task.target_groups().map(delay_of);
    delays.max().unwrap_or_default()
}

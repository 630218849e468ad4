//! What a service shows of itself: counts, deployments, events and conditions, written when something other than time
//! changed.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};

use super::act::Done;
use super::deployment::Current;
use super::events;
use super::observe::{Obstacle, Scene, desired};
use crate::api::bounded::Str;
use crate::api::conditions::{self, Progress, READY, reason};
use crate::api::names;
use crate::api::parse;
use crate::api::service::{
    DeploymentRecord, DeploymentState, DeploymentStatus, EcsService, EcsServiceStatus,
    RolloutState, ServiceStatus,
};
use crate::controllers::context::Context;
use crate::controllers::writes::{Error, apply_status};
use crate::domain::events::ServiceEvent as Happened;
use crate::domain::fields::Body;
use crate::domain::service::{Plan, Task};
use crate::domain::task::TaskState;

/// Counts that change often are written at most once in this time: each write costs the API server 5 ms.
const BETWEEN_WRITES: Duration = Duration::from_millis(500);

/// `rolloutStateReason` of a deployment that goes on.
pub(super) fn in_progress(deployment: &str) -> String {
    format!("ECS deployment {deployment} in progress.")
}

/// Writes what a pass saw and did. `Some` when the write was put off.
#[expect(
    clippy::too_many_arguments,
    reason = "a report is about all that a pass knows"
)]
pub(super) async fn report(
    context: &Context,
    api: &Api<EcsService>,
    service: &EcsService,
    scene: &Scene,
    current: &Current,
    plan: &Plan,
    done: &Done,
    now: Timestamp,
) -> Result<Option<Action>, Error> {
    let mut status = service.status.clone().unwrap_or_default();
    let mut happened = done.events.clone();
    status.deployments =
        deployments(&status, service, current, scene, plan, now, &mut happened).into();
    if plan.steady {
        complete(&mut status);
        if !conditions::holds(&status.conditions, READY) {
            happened.push(Happened::SteadyState);
        }
    }
    if plan.blocked {
        happened.push(Happened::BoundsLeaveNoRoom);
    }
    if plan.failures.is_stalled(desired(service)) {
        happened.push(Happened::CannotStartConsistently);
    }
    summarise(&mut status, service, scene);
    set_conditions(
        &mut status,
        service,
        &verdict(service, scene, plan, done),
        now,
    );
    events::add(context, service, &mut status, &happened, now).await;
    let urgent = plan.steady || !happened.is_empty();
    write(context, api, service, status, urgent).await
}

/// Writes the record of a new deployment, before anything is done for it.
pub(super) async fn record(
    context: &Context,
    api: &Api<EcsService>,
    service: &EcsService,
    mut status: Box<EcsServiceStatus>,
) -> Result<(), Error> {
    let verdict = Verdict {
        ready: false,
        stalled: false,
        reason: reason::DEPLOYMENT_IN_PROGRESS,
        message: "a new deployment begins".to_owned(),
    };
    status.status = Some(ServiceStatus::Active);
    status.desired_count = i32::try_from(desired(service)).unwrap_or(i32::MAX);
    set_conditions(&mut status, service, &verdict, context.clock.now());
    write(context, api, service, *status, true).await.map(drop)
}

/// Writes why nothing can be done now. What runs stays as it is.
pub(super) async fn obstacle(
    context: &Context,
    api: &Api<EcsService>,
    service: &EcsService,
    obstacle: &Obstacle,
    now: Timestamp,
) -> Result<Action, Error> {
    let mut status = service.status.clone().unwrap_or_default();
    status.status = Some(ServiceStatus::Active);
    status.desired_count = i32::try_from(desired(service)).unwrap_or(i32::MAX);
    let told = conditions::get(&status.conditions, READY)
        .is_some_and(|ready| ready.message == obstacle.message);
    let verdict = Verdict {
        ready: false,
        stalled: obstacle.stalled,
        reason: obstacle.reason,
        message: obstacle.message.clone(),
    };
    set_conditions(&mut status, service, &verdict, now);
    if !told && !obstacle.passing {
        context
            .tell(service, true, obstacle.reason, &obstacle.message)
            .await;
    }
    write(context, api, service, status, true).await?;
    Ok(Action::requeue(crate::controllers::context::RESYNC))
}

/// Writes that the service drains.
pub(super) async fn draining(
    context: &Context,
    api: &Api<EcsService>,
    service: &EcsService,
    message: String,
    now: Timestamp,
) -> Result<(), Error> {
    let mut status = service.status.clone().unwrap_or_default();
    status.status = Some(ServiceStatus::Draining);
    let verdict = Verdict {
        ready: false,
        stalled: false,
        reason: reason::DRAINING,
        message,
    };
    set_conditions(&mut status, service, &verdict, now);
    write(context, api, service, status, true).await.map(drop)
}

async fn write(
    context: &Context,
    api: &Api<EcsService>,
    service: &EcsService,
    status: EcsServiceStatus,
    urgent: bool,
) -> Result<Option<Action>, Error> {
    if service.status.as_ref() == Some(&status) {
        return Ok(None);
    }
    let uid = service.uid().unwrap_or_default();
    if let Some(wait) = context.pace(service, BETWEEN_WRITES).filter(|_| !urgent) {
        return Ok(Some(Action::requeue(wait)));
    }
    apply_status(api, &context.world.services, service, &status).await?;
    context.unreported(&uid, |unreported| unreported.events.clear());
    Ok(None)
}

/// The PRIMARY deployment and those that still have tasks, newest first.
fn deployments(
    status: &EcsServiceStatus,
    service: &EcsService,
    current: &Current,
    scene: &Scene,
    plan: &Plan,
    now: Timestamp,
    happened: &mut Vec<Happened>,
) -> Vec<DeploymentStatus> {
    let mut shown = Vec::new();
    for recorded in &status.deployments {
        let mut deployment = recorded.clone();
        let mine = || {
            scene
                .tasks
                .iter()
                .filter(|task| task.deployment == deployment.number)
        };
        let (running, pending) = counts(mine());
        let live = mine().any(Task::is_live);
        if deployment.number == current.number {
            deployment.status = DeploymentState::Primary;
            deployment.desired_count = i32::try_from(desired(service)).unwrap_or(i32::MAX);
            deployment.failed_tasks = i32::try_from(plan.failures.count).unwrap_or(i32::MAX);
            if plan.steady && deployment.rollout_state == RolloutState::InProgress {
                deployment.rollout_state = RolloutState::Completed;
                deployment.rollout_state_reason = Some(
                    format!("ECS deployment {} completed.", deployment.id)
                        .as_str()
                        .into(),
                );
                happened.push(Happened::DeploymentCompleted {
                    deployment: deployment.id.to_string(),
                });
            }
        } else if live {
            deployment.status = DeploymentState::Active;
            deployment.desired_count = 0;
        } else {
            continue;
        }
        (deployment.running_count, deployment.pending_count) = (running, pending);
        if deployment != *recorded {
            deployment.updated_at = Some(Time(now));
        }
        shown.push(deployment);
    }
    shown
}

/// Remembers the deployment that completed, which outlives its entry in the list.
fn complete(status: &mut EcsServiceStatus) {
    let primary = status
        .deployments
        .iter()
        .find(|deployment| deployment.status == DeploymentState::Primary);
    if let Some(primary) = primary {
        status.last_completed_deployment = Some(DeploymentRecord {
            number: primary.number,
            service_revision: primary.service_revision.clone(),
            task_definition: primary.task_definition.clone(),
        });
    }
}

fn counts<'a>(tasks: impl Iterator<Item = &'a Task>) -> (i32, i32) {
    let mut counts = (0, 0);
    for task in tasks.filter(|task| task.is_active()) {
        if task.state == TaskState::Running {
            counts.0 += 1;
        } else {
            counts.1 += 1;
        }
    }
    counts
}

fn summarise(status: &mut EcsServiceStatus, service: &EcsService, scene: &Scene) {
    status.status = Some(ServiceStatus::Active);
    status.desired_count = i32::try_from(desired(service)).unwrap_or(i32::MAX);
    (status.running_count, status.pending_count) = counts(scene.tasks.iter());
    status.selector = Some(
        format!("{}={}", names::SERVICE_LABEL, service.name_any())
            .as_str()
            .into(),
    );
}

/// What the conditions are to say.
struct Verdict {
    ready: bool,
    stalled: bool,
    reason: &'static str,
    message: String,
}

fn verdict(service: &EcsService, scene: &Scene, plan: &Plan, done: &Done) -> Verdict {
    let said = |stalled, reason, message: String| Verdict {
        ready: false,
        stalled,
        reason,
        message,
    };
    let wanted = desired(service);
    if plan.steady {
        let message = format!("{wanted} tasks run {}", scene.task_definition);
        return Verdict {
            ready: true,
            stalled: false,
            reason: reason::STEADY_STATE,
            message,
        };
    }
    if let Some(unplaced) = &done.unplaced {
        let message = format!(
            "a task cannot be placed: no container instance met all of its requirements. {unplaced}"
        );
        return said(false, reason::UNABLE_TO_PLACE, message);
    }
    if plan.failures.is_stalled(wanted) {
        let failures = plan.failures.count;
        let why = last_failure(scene).unwrap_or_default();
        return said(
            true,
            reason::DEPLOYMENT_FAILED,
            format!("{failures} tasks in a row failed, the last one: {why}"),
        );
    }
    if plan.blocked {
        let message = "deploymentConfiguration: minimumHealthyPercent and maximumPercent leave no room to stop or start a task: lower the one or raise the other";
        return said(true, reason::NO_ROOM_TO_DEPLOY, message.to_owned());
    }
    let (running, pending) = counts(scene.tasks.iter());
    let message = format!("{running} of {wanted} tasks run, {pending} are starting");
    said(false, reason::DEPLOYMENT_IN_PROGRESS, message)
}

/// Why the task that failed last did: its own reason, and that of the container.
fn last_failure(scene: &Scene) -> Option<String> {
    let last = scene
        .tasks
        .iter()
        .filter(|task| task.stop_code.is_some())
        .max_by_key(|task| task.stopped_at)?;
    let status = scene.objects.get(&last.name)?.status.as_ref()?;
    let container = status
        .containers
        .iter()
        .find_map(|container| container.reason.as_ref());
    let reasons: Vec<&str> = [status.stopped_reason.as_ref(), container]
        .into_iter()
        .flatten()
        .map(Str::as_str)
        .collect();
    Some(reasons.join(": "))
}

fn set_conditions(
    status: &mut EcsServiceStatus,
    service: &EcsService,
    verdict: &Verdict,
    now: Timestamp,
) {
    let generation = service.metadata.generation;
    status.observed_generation = generation.unwrap_or(0);
    let progress = Progress {
        ready: verdict.ready,
        stalled: verdict.stalled,
        reason: verdict.reason,
        message: &verdict.message,
    };
    conditions::set_progress(&mut status.conditions, progress, generation, now);
    let without_effect = parse::without_effect(Body::CreateService, &service.spec);
    conditions::set_without_effect(&mut status.conditions, &without_effect, generation, now);
    status.without_effect = parse::listed(&without_effect);
}

//! `deployments[]` as `describe-services` shows it: the PRIMARY one, and older ones as long as they have tasks.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::Pass;
use super::act::Done;
use super::deployment::primary;
use crate::api::bounded::Str;
use crate::api::service::{
    DeploymentRecord, DeploymentState, DeploymentStatus, EcsServiceStatus, RolloutState,
};
use crate::domain::events::{self, ServiceEvent as Happened};
use crate::domain::service::{Rollout, Task};
use crate::domain::task::TaskState;

/// The PRIMARY deployment and those that still have tasks, newest first.
pub(super) fn deployments(
    status: &EcsServiceStatus,
    pass: &Pass<'_>,
    done: &Done,
    now: Timestamp,
    happened: &mut Vec<Happened>,
) -> Vec<DeploymentStatus> {
    let mut shown = Vec::new();
    for recorded in &status.deployments {
        let mut deployment = recorded.clone();
        let mine = || {
            let tasks = pass.scene.tasks.iter();
            tasks.filter(|task| task.deployment == deployment.number)
        };
        let (running, pending) = counts(mine());
        let live = mine().any(Task::is_live);
        if deployment.number == pass.current.target.number {
            newest(&mut deployment, pass, done, now, happened);
        } else if live {
            deployment.status = DeploymentState::Active;
            deployment.desired_count = running.saturating_add(pending);
            deployment.waiting_for = None;
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

fn newest(
    deployment: &mut DeploymentStatus,
    pass: &Pass<'_>,
    done: &Done,
    now: Timestamp,
    happened: &mut Vec<Happened>,
) {
    let (wanted, plan) = (pass.wanted, pass.plan);
    deployment.status = DeploymentState::Primary;
    deployment.desired_count = i32::try_from(wanted.desired).unwrap_or(i32::MAX);
    // The count with which a deployment failed stays, when its tasks are collected one by one.
    if wanted.rollout != Rollout::Failed {
        deployment.failed_tasks = i32::try_from(plan.failures.count).unwrap_or(i32::MAX);
    }
    if plan.steady && deployment.rollout_state == RolloutState::InProgress {
        deployment.rollout_state = RolloutState::Completed;
        let reason = events::deployment_completed(&deployment.id);
        deployment.rollout_state_reason = Some(reason.into());
        happened.push(Happened::DeploymentCompleted {
            deployment: deployment.id.to_string(),
        });
    }
    let goes_on = deployment.rollout_state == RolloutState::InProgress;
    let waiting = if done.unplaced.is_some() {
        Some("an instance with room".to_owned())
    } else {
        plan.waiting_for(wanted, &pass.scene.tasks, now)
    };
    deployment.waiting_for = waiting.filter(|_| goes_on).map(|text| Str::cut(&text));
}

/// Remembers the deployment that completed, which outlives its entry in the list.
pub(super) fn complete(status: &mut EcsServiceStatus) {
    if let Some(primary) = primary(status) {
        status.last_completed_deployment = Some(DeploymentRecord {
            number: primary.number,
            service_revision: primary.service_revision.clone(),
            task_definition: primary.task_definition.clone(),
            reason: None,
        });
    }
}

/// RUNNING tasks, and those that are starting.
pub(super) fn counts<'a>(tasks: impl Iterator<Item = &'a Task>) -> (i32, i32) {
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

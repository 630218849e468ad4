//! What a service's conditions say of a pass, in one word and one sentence.

use jiff::Timestamp;

use super::Pass;
use super::act::Done;
use super::listed::counts;
use super::observe::Scene;
use crate::api::bounded::Str;
use crate::api::conditions::reason;
use crate::api::service::DeploymentRecord;
use crate::domain::events;
use crate::domain::service::{Ending, Rollout, Trips};
use crate::domain::task::StopCode;

/// What the conditions are to say.
pub(super) struct Verdict {
    /// What is asked for is there.
    pub(super) ready: bool,
    /// It won't come by itself.
    pub(super) stalled: bool,
    /// One of the conditions' reasons.
    pub(super) reason: &'static str,
    /// A sentence.
    pub(super) message: String,
}

impl Verdict {
    /// It goes on.
    pub(super) fn working(reason: &'static str, message: String) -> Self {
        Self {
            ready: false,
            stalled: false,
            reason,
            message,
        }
    }

    /// Somebody must change something.
    pub(super) fn stalled(reason: &'static str, message: String) -> Self {
        Self {
            ready: false,
            stalled: true,
            reason,
            message,
        }
    }
}

/// What to say of a pass.
pub(super) fn verdict(pass: &Pass<'_>, done: &Done, now: Timestamp) -> Verdict {
    let (wanted, plan, scene) = (pass.wanted, pass.plan, pass.scene);
    let runs = &pass.current.target.runs.name;
    if let Some(failed) = &pass.current.failed
        && (plan.steady || wanted.rollout == Rollout::Failed)
    {
        return given_up(pass, failed);
    }
    if plan.steady {
        return Verdict {
            ready: true,
            stalled: false,
            reason: reason::STEADY_STATE,
            message: format!("{} tasks run {runs}", wanted.desired),
        };
    }
    if let Some(unplaced) = &done.unplaced {
        let message = format!(
            "a task cannot be placed: no container instance met all of its requirements. {unplaced}"
        );
        return Verdict::working(reason::UNABLE_TO_PLACE, message);
    }
    if plan.failures.is_stalled(wanted) {
        let failures = plan.failures.count;
        let why = last_failure(scene, pass.current.target.number).unwrap_or_default();
        return Verdict::stalled(
            reason::DEPLOYMENT_FAILED,
            format!("{failures} tasks in a row failed, the last one: {why}"),
        );
    }
    let waiting = plan.waiting_for(wanted, &scene.tasks, now);
    if plan.blocked {
        return Verdict::stalled(reason::NO_ROOM_TO_DEPLOY, waiting.unwrap_or_default());
    }
    let (running, pending) = counts(scene.tasks.iter());
    let back = if pass.current.goes_back() {
        format!(", on the way back to {runs}")
    } else {
        String::new()
    };
    let waits = waiting.map_or_else(String::new, |waiting| format!("; waits for {waiting}"));
    Verdict::working(
        reason::DEPLOYMENT_IN_PROGRESS,
        format!(
            "{running} of {} tasks run, {pending} are starting{back}{waits}",
            wanted.desired
        ),
    )
}

/// What is wanted has failed and is not tried again.
fn given_up(pass: &Pass<'_>, failed: &DeploymentRecord) -> Verdict {
    let definition = failed.task_definition.as_str();
    let what = match failed.reason.as_ref().map(Str::as_str) {
        Some(events::DEPLOYMENT_STOPPED) => {
            format!("the deployment of {definition} was stopped by hand")
        }
        Some(reason) => format!("the deployment of {definition} failed, the last task: {reason}"),
        None => format!("the deployment of {definition} failed"),
    };
    let runs = &pass.current.target.runs.name;
    let then = "It is tried again when the task definition, the service, or extensions.forceNewDeployment changes";
    if !pass.current.goes_back() {
        let nothing = if pass.wanted.breaker.trips == Trips::RollsBack {
            ". There is no completed deployment to roll back to"
        } else {
            ""
        };
        return Verdict::stalled(
            reason::DEPLOYMENT_FAILED,
            format!("{what}{nothing}. {then}"),
        );
    }
    if pass.wanted.rollout == Rollout::Failed {
        let message = format!("{what}, and so did the rollback to {runs}. {then}");
        return Verdict::stalled(reason::DEPLOYMENT_FAILED, message);
    }
    Verdict::stalled(
        reason::DEPLOYMENT_ROLLED_BACK,
        format!("{what}; {runs} runs instead. {then}"),
    )
}

/// Why the task of a deployment that failed last did: its own reason, and that of the container.
pub(super) fn last_failure(scene: &Scene, deployment: i64) -> Option<String> {
    let last = scene
        .tasks
        .iter()
        .filter(|task| task.deployment == deployment)
        .filter(|task| match task.stop_code {
            None => false,
            Some(StopCode::ServiceSchedulerInitiated) => task.ending == Ending::Unhealthy,
            Some(_) => true,
        })
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

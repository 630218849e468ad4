//! What is left to do once a deployment has failed: nothing is started for it, and what ran before it is kept.
//!
//! Tasks of the last completed deployment that die are started anew with their own revision (ECS Developer Guide,
//! "How Amazon ECS replaces unhealthy tasks"); tasks beyond the desired count go, those of no worth first.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::planner::{Plan, starts};
use super::throttle::throttle;
use super::victims::{Sorted, lost, most_crowded, push};
use super::{Cause, Ending, Task, Wanted};
use crate::domain::events;
use crate::domain::task::StopCode;

/// The next steps of a service whose newest deployment has failed.
pub(super) fn hold(
    wanted: &Wanted,
    deployment_id: &str,
    tasks: &[Task],
    burned: &BTreeMap<i64, i64>,
    now: Timestamp,
) -> Plan {
    let mut plan = Plan {
        stops: lost(tasks),
        ..Plan::default()
    };
    let active: Vec<&Task> = tasks.iter().filter(|task| task.is_active()).collect();
    let (new, old): (Vec<&Task>, Vec<&Task>) = active
        .iter()
        .copied()
        .partition(|task| task.deployment == wanted.deployment);
    let healthy = |task: &&Task| task.is_healthy(wanted.healthy_after, now);
    let surplus = active.len().saturating_sub(wanted.desired());
    let leaving = superfluous(
        &Sorted::of(&new, healthy),
        &Sorted::of(&old, healthy),
        &active,
        surplus,
    );
    let scaling = (Cause::ScaleIn, events::scaling_activity(deployment_id));
    push(&mut plan.stops, &leaving, &scaling);
    let Some(before) = wanted.before() else {
        return plan;
    };
    let sick: Vec<&Task> = old
        .iter()
        .filter(|task| task.deployment == before.deployment && task.is_unhealthy())
        .copied()
        .collect();
    let calm = leaving.is_empty()
        && tasks
            .iter()
            .filter(|task| task.is_live())
            .all(|task| !task.stopping && (task.is_unhealthy() || healthy(&task)));
    if calm {
        let unhealthy = (Cause::Unhealthy, events::FAILED_HEALTH_CHECKS.to_owned());
        push(
            &mut plan.stops,
            &most_crowded(&sick, &active, 1),
            &unhealthy,
        );
    }
    let live = tasks.iter().filter(|task| task.takes_room()).count();
    let room = wanted.upper_bound().saturating_sub(live);
    let missing = wanted
        .desired()
        .saturating_sub(active.len())
        .min(ended(&before, tasks))
        .min(room);
    let paused = throttle(&before, tasks, now).filter(|until| *until > now);
    if paused.is_none() {
        let staying: Vec<&Task> = old
            .iter()
            .filter(|task| task.deployment == before.deployment)
            .copied()
            .collect();
        plan.restarts = starts(&before, tasks, &staying, burned, missing);
    }
    plan.wake_at = paused.filter(|_| missing > 0);
    plan
}

/// The `count` tasks that go: those that are not healthy, of the failed deployment first, then healthy ones likewise.
fn superfluous<'a>(
    new: &Sorted<'a>,
    old: &Sorted<'a>,
    active: &[&Task],
    count: usize,
) -> Vec<&'a Task> {
    let mut chosen: Vec<&Task> = Vec::new();
    for group in [
        &new.unhealthy,
        &new.starting,
        &old.unhealthy,
        &old.starting,
        &new.healthy,
        &old.healthy,
    ] {
        let more = count.saturating_sub(chosen.len());
        chosen.extend(most_crowded(group, active, more));
    }
    chosen
}

/// Places of the deployment whose newest task has ended without having been told to by the scheduler.
fn ended(before: &Wanted, tasks: &[Task]) -> usize {
    let mut newest: BTreeMap<i64, &Task> = BTreeMap::new();
    for task in tasks
        .iter()
        .filter(|task| task.deployment == before.deployment)
    {
        let known = newest.entry(task.slot).or_insert(task);
        if known.attempt < task.attempt {
            *known = task;
        }
    }
    let retired = |task: &Task| {
        task.stop_code == Some(StopCode::ServiceSchedulerInitiated)
            && task.ending != Ending::Unhealthy
    };
    newest
        .values()
        .filter(|task| !task.is_live() && !retired(task))
        .count()
}

#[cfg(test)]
mod tests;

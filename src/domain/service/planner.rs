//! The next steps of a service. Never fewer healthy tasks than the lower bound by our doing, never more tasks than
//! the upper bound: stop first where the lower bound allows, start where the upper does, repeat.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::held::hold;
use super::throttle::{Failures, failures};
use super::victims::{Sorted, lost, most_crowded, push};
use super::{Cause, Rollout, StopTask, Task, Wanted};
use crate::domain::events;

/// What to do now, and what is known of the rest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct Plan {
    /// Tasks to stop, in this order.
    pub stops: Vec<StopTask>,
    /// Tasks to start, in this order.
    pub starts: Vec<Start>,
    /// Tasks of the deployment that completed before a failed one, to start anew in their places.
    pub restarts: Vec<Start>,
    /// When time alone will change the answer.
    pub wake_at: Option<Timestamp>,
    /// Failures of the wanted deployment.
    pub failures: Failures,
    /// All wanted tasks run the wanted deployment, are healthy, and nothing else is left.
    pub steady: bool,
    /// Something is wanted, but the percents allow neither a stop nor a start, and nothing is under way.
    pub blocked: bool,
    /// The circuit breaker gives the deployment up now.
    pub tripped: bool,
}

/// A task to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Start {
    /// Its place in the deployment.
    pub slot: i64,
    /// Part of its name: higher than any attempt seen in that slot.
    pub attempt: i64,
}

/// The next steps towards `wanted`.
///
/// `deployment_id` is named in the reasons of stops. `burned` holds, by slot, attempts whose names belong to
/// somebody else.
pub fn plan(
    wanted: &Wanted,
    deployment_id: &str,
    tasks: &[Task],
    burned: &BTreeMap<i64, i64>,
    now: Timestamp,
) -> Plan {
    let failures = failures(wanted, tasks, now);
    let tripped = wanted.trips_at(failures.count);
    if tripped || wanted.rollout == Rollout::Failed {
        let held = hold(wanted, deployment_id, tasks, burned, now);
        return Plan {
            failures,
            tripped,
            ..held
        };
    }
    let mut plan = Plan {
        failures,
        ..Plan::default()
    };
    plan.stops = lost(tasks);
    let active: Vec<&Task> = tasks.iter().filter(|task| task.is_active()).collect();
    let (new, old): (Vec<&Task>, Vec<&Task>) = active
        .iter()
        .copied()
        .partition(|task| task.is_current(wanted));
    let healthy = |task: &&Task| task.is_healthy(wanted.healthy_after, now);
    let sort = Sorted::of(&new, healthy);
    let goal = goal(wanted, sort.unhealthy.len());

    let scaling = |cause| (cause, events::scaling_activity(deployment_id));
    let surplus = new.len().saturating_sub(goal);
    let mut leaving = sort.first_to_go(&active, surplus);
    let superfluous = new
        .len()
        .saturating_sub(leaving.len())
        .saturating_sub(wanted.desired());
    let replaced = superfluous.saturating_sub(sort.starting.len());
    let live = tasks.iter().filter(|task| task.takes_room()).count();
    let moving = !sort.starting.is_empty()
        || !leaving.is_empty()
        || tasks.iter().any(|task| task.is_live() && task.stopping);
    // Where the upper bound leaves no room for a replacement, one unhealthy task at a time goes first.
    let replaced = if live >= wanted.upper_bound() && !moving {
        replaced.max(1)
    } else {
        replaced
    };
    let left = |task: &&&Task| !leaving.iter().any(|gone| gone.name == task.name);
    let unhealthy: Vec<&Task> = sort
        .unhealthy
        .iter()
        .filter(left)
        .take(replaced)
        .copied()
        .collect();
    push(&mut plan.stops, &leaving, &scaling(Cause::ScaleIn));
    push(
        &mut plan.stops,
        &unhealthy,
        &(Cause::Unhealthy, events::FAILED_HEALTH_CHECKS.to_owned()),
    );
    leaving.extend(unhealthy);

    let healthy_left = active
        .iter()
        .filter(|task| healthy(task) && !leaving.iter().any(|gone| gone.name == task.name))
        .count();
    let retired = retire(wanted, &old, &active, healthy_left, healthy, tasks);
    push(&mut plan.stops, &retired, &scaling(Cause::Replaced));

    let staying: Vec<&Task> = new
        .iter()
        .filter(|task| !leaving.iter().any(|gone| gone.name == task.name))
        .copied()
        .collect();
    let missing = goal.saturating_sub(staying.len());
    let room = wanted.upper_bound().saturating_sub(live);
    let throttled = plan.failures.not_before.filter(|until| *until > now);
    if throttled.is_none() {
        plan.starts = starts(wanted, tasks, &staying, burned, missing.min(room));
    }
    plan.wake_at = throttled
        .filter(|_| missing > 0)
        .into_iter()
        .chain(active.iter().filter_map(|task| proving(task, wanted, now)))
        .min();
    plan.steady = live == wanted.desired()
        && new.len() == live
        && new.iter().all(healthy)
        && plan.stops.is_empty();
    plan.blocked = plan.stops.is_empty()
        && plan.starts.is_empty()
        && throttled.is_none()
        && plan.wake_at.is_none()
        && tasks
            .iter()
            .filter(|task| task.is_live())
            .all(|task| !task.stopping && (task.is_unhealthy() || healthy(&task)))
        && (staying.len() < wanted.desired() || !old.is_empty());
    plan
}

/// How many tasks of the wanted deployment there should be: replacements of unhealthy ones are started first, within
/// the upper bound.
fn goal(wanted: &Wanted, unhealthy: usize) -> usize {
    let ceiling = wanted.upper_bound().max(wanted.desired());
    (wanted.desired() + unhealthy).min(ceiling)
}

/// Tasks to replace, of older deployments or on instances that drain (ECS Developer Guide, "Draining Amazon ECS container
/// instances": exactly as in a deployment). Those that never ran go at once, those that run but are not healthy one at a
/// time, healthy ones as far as the lower bound allows.
fn retire<'a>(
    wanted: &Wanted,
    old: &[&'a Task],
    active: &[&Task],
    healthy_left: usize,
    healthy: impl Fn(&&Task) -> bool,
    all: &[Task],
) -> Vec<&'a Task> {
    let (running, waiting): (Vec<&Task>, Vec<&Task>) =
        old.iter().copied().partition(|task| task.is_running());
    let (sound, ailing): (Vec<&Task>, Vec<&Task>) =
        running.into_iter().partition(|task| healthy(task));
    let mut retired = waiting;
    let one_is_going = all
        .iter()
        .any(|task| !task.is_current(wanted) && task.is_live() && task.stopping);
    if !one_is_going {
        retired.extend(most_crowded(&ailing, active, 1));
    }
    let budget = healthy_left.saturating_sub(wanted.lower_bound());
    retired.extend(most_crowded(&sound, active, budget));
    retired
}

/// The lowest free slots, each with the next attempt.
pub(super) fn starts(
    wanted: &Wanted,
    tasks: &[Task],
    staying: &[&Task],
    burned: &BTreeMap<i64, i64>,
    count: usize,
) -> Vec<Start> {
    let draining = tasks
        .iter()
        .filter(|task| task.draining && task.deployment == wanted.deployment && task.is_live());
    let taken: BTreeSet<i64> = staying
        .iter()
        .copied()
        .chain(draining)
        .map(|task| task.slot)
        .collect();
    let mut attempts: BTreeMap<i64, i64> = burned.clone();
    for task in tasks
        .iter()
        .filter(|task| task.deployment == wanted.deployment)
    {
        let highest = attempts.entry(task.slot).or_default();
        *highest = task.attempt.max(*highest);
    }
    (0..)
        .filter(|slot| !taken.contains(slot))
        .take(count)
        .map(|slot| Start {
            slot,
            attempt: attempts.get(&slot).copied().unwrap_or(0) + 1,
        })
        .collect()
}

/// When a running task without a health check will count as healthy, if that is still to come.
fn proving(task: &Task, wanted: &Wanted, now: Timestamp) -> Option<Timestamp> {
    let proven = task.proven_at(wanted.healthy_after)?;
    (task.is_running() && !task.checked && proven > now).then_some(proven)
}

#[cfg(test)]
mod tests;

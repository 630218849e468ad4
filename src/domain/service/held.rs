//! What keeps a service up while its newest deployment does not: tasks of the deployment that completed last.
//!
//! A task that dies is replaced with the revision that it belonged to (ECS Developer Guide, "How Amazon ECS replaces
//! unhealthy tasks"), so that a bad revision does not take the place of a good one before it has proved itself. Once a
//! deployment has failed nothing is started for it at all, and tasks beyond the desired count go, those of no worth first.

use std::collections::BTreeMap;

use super::planner::{Place, Plan, Scene, Start, attempts, retire, starts};
use super::throttle::throttle;
use super::victims::{Sorted, lost, most_crowded, push, push_unhealthy, take};
use super::{Cause, Ending, Task, Wanted};
use crate::domain::task::StopCode;

/// The next steps of a service whose newest deployment has failed.
pub(super) fn hold(scene: &Scene<'_>) -> Plan {
    let wanted = scene.wanted;
    let mut plan = Plan {
        stops: lost(scene.tasks),
        ..Plan::default()
    };
    let active = scene.active();
    let (draining, staying): (Vec<&Task>, Vec<&Task>) =
        active.iter().copied().partition(|task| task.draining);
    let (new, old): (Vec<&Task>, Vec<&Task>) = staying
        .iter()
        .copied()
        .partition(|task| task.deployment == wanted.deployment);
    let surplus = staying.len().saturating_sub(wanted.desired());
    let mut leaving = superfluous(
        scene,
        &Sorted::of(&new, wanted, scene.now),
        &Sorted::of(&old, wanted, scene.now),
        &active,
        surplus,
    );
    scene.spare_healthy(&mut leaving, &active);
    push(&mut plan.stops, &leaving, &scene.scaling(Cause::ScaleIn));
    let stays = |task: &Task| !leaving.iter().any(|gone| gone.name == task.name);
    let healthy_left = active
        .iter()
        .filter(|task| scene.healthy(task) && stays(task))
        .count();
    let shed = retire(scene, &draining, &active, healthy_left);
    push(&mut plan.stops, &shed, &scene.scaling(Cause::Replaced));
    let Some(before) = wanted.before() else {
        return plan;
    };
    let sick: Vec<&Task> = old
        .iter()
        .filter(|task| task.deployment == before.deployment && task.is_unfit(wanted, scene.now))
        .copied()
        .collect();
    if leaving.is_empty() && shed.is_empty() && scene.is_calm() {
        let worst = most_crowded(&sick, &active, 1);
        push_unhealthy(&mut plan.stops, &worst);
    }
    let room = wanted.upper_bound().saturating_sub(scene.live());
    let current = new.iter().filter(|task| stays(task)).count();
    plan.restarts = restarts(scene, current, room);
    let paused = throttle(&before, scene.tasks, scene.now).filter(|until| *until > scene.now);
    plan.wake_at = paused.into_iter().chain(scene.turning(&active)).min();
    plan
}

/// Tasks of the deployment that completed last which are started anew as long as `current` tasks of the wanted deployment
/// do not make up for them: in their own places those that ended though nobody told them to, and in others those on
/// instances that drain once the wanted deployment has failed.
pub(super) fn restarts(scene: &Scene<'_>, current: usize, room: usize) -> Vec<Start> {
    let Some(before) = scene.wanted.before() else {
        return Vec::new();
    };
    if throttle(&before, scene.tasks, scene.now).is_some_and(|until| until > scene.now) {
        return Vec::new();
    }
    let of_before = || {
        let tasks = scene.tasks.iter();
        tasks.filter(|task| task.deployment == before.deployment)
    };
    let staying: Vec<&Task> = of_before()
        .filter(|task| task.is_active() && !task.draining)
        .collect();
    let awaited = scene
        .tasks
        .iter()
        .filter(|task| task.awaits_fence())
        .count();
    let missing = scene
        .wanted
        .desired()
        .saturating_sub(current + staying.len() + awaited)
        .min(room);
    let mut again = dead(&before, scene);
    again.truncate(missing);
    let drained = of_before().filter(|task| scene.failed && task.is_active() && task.draining);
    let more = drained.count().min(missing.saturating_sub(again.len()));
    let apart: Vec<Start> = starts(scene, &before, &staying, more + again.len())
        .into_iter()
        .filter(|start| again.iter().all(|dead| dead.slot != start.slot))
        .take(more)
        .collect();
    again.extend(apart);
    again
}

/// The `count` tasks that go: those that are not healthy, of the failed deployment first, then healthy ones likewise.
fn superfluous<'a>(
    scene: &Scene<'_>,
    new: &Sorted<'a>,
    old: &Sorted<'a>,
    active: &[&Task],
    count: usize,
) -> Vec<&'a Task> {
    let groups = [
        &new.unhealthy,
        &new.starting,
        &old.unhealthy,
        &old.starting,
        &new.healthy,
        &old.healthy,
    ];
    let groups = groups.map(|group| {
        let may_go = group.iter().filter(|task| scene.may_go(task));
        may_go.copied().collect()
    });
    take(&groups, active, count)
}

/// The places of a deployment whose newest task has ended since the wanted deployment began, without having been told to
/// by the scheduler.
fn dead(before: &Wanted, scene: &Scene<'_>) -> Vec<Start> {
    let mut newest: BTreeMap<i64, &Task> = BTreeMap::new();
    for task in scene
        .tasks
        .iter()
        .filter(|task| task.deployment == before.deployment)
    {
        let known = newest.entry(task.slot).or_insert(task);
        if known.attempt < task.attempt {
            *known = task;
        }
    }
    let attempts = attempts(scene, before);
    let retired = |task: &Task| {
        task.stop_code == Some(StopCode::ServiceSchedulerInitiated)
            && task.ending != Ending::Unhealthy
    };
    let lately = |task: &Task| {
        let ended = task.stopped_at.zip(scene.wanted.deployed_at);
        ended.is_none_or(|(ended, deployed)| ended >= deployed)
    };
    newest
        .values()
        .filter(|task| !task.is_live() && !retired(task) && lately(task))
        .map(|task| Start {
            slot: task.slot,
            attempt: attempts.get(&task.slot).copied().unwrap_or(0) + 1,
            place: Place::Anywhere,
        })
        .collect()
}

#[cfg(test)]
mod tests;

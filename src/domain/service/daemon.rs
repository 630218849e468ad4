//! DAEMON services: one task on each instance that meets the constraints, on those that join later too (ECS Developer
//! Guide, "Amazon ECS services", daemon strategy).
//!
//! There is never a second task on an instance, so that a rolling replacement stops the old task first, as far as the
//! lower bound of all daemons allows (`minimumHealthyPercent`, 0 by default; `maximumPercent` is always 100).

use std::collections::{BTreeMap, BTreeSet};

use super::planner::{Place, Plan, Scene, Start, attempts, retire};
use super::throttle::throttle;
use super::victims::{Sorted, lost, most_crowded, push, push_unhealthy};
use super::{Cause, DaemonInstance, Scheduling, Task, Wanted};

impl Scheduling {
    /// Tasks that a DAEMON service has: one for each instance that can take one, or has one. `tasks` are all of the service.
    pub fn daemons(&self, tasks: &[Task]) -> Option<u32> {
        let Self::Daemon { instances } = self else {
            return None;
        };
        let occupied: BTreeSet<&str> = tasks
            .iter()
            .filter(|task| task.is_active())
            .map(|task| task.instance.as_str())
            .collect();
        let count = instances
            .iter()
            .filter(|instance| instance.open || occupied.contains(instance.name.as_str()));
        Some(u32::try_from(count.count()).unwrap_or(u32::MAX))
    }
}

/// The next steps of a DAEMON service.
pub(super) fn plan(scene: &Scene<'_>, instances: &[DaemonInstance]) -> Plan {
    let wanted = scene.wanted;
    let mut plan = Plan {
        stops: lost(scene.tasks),
        ..Plan::default()
    };
    let active = scene.active();
    let eligible: BTreeSet<&str> = instances
        .iter()
        .map(|instance| instance.name.as_str())
        .collect();
    let (here, astray): (Vec<&Task>, Vec<&Task>) = active
        .iter()
        .copied()
        .partition(|task| task.draining || eligible.contains(task.instance.as_str()));
    let violated = scene.scaling(Cause::ConstraintViolated);
    push(&mut plan.stops, &astray, &violated);
    let (current, old): (Vec<&Task>, Vec<&Task>) = here
        .into_iter()
        .partition(|task| task.is_current(wanted) || (scene.failed && !task.draining));
    let surplus = surplus(scene, &current);
    push(&mut plan.stops, &surplus, &scene.scaling(Cause::ScaleIn));
    let current: Vec<&Task> = without(&current, &surplus);
    let sort = Sorted::of(&current, wanted, scene.now);
    let sick = most_crowded(&sort.unhealthy, &active, scene.is_calm().into());
    push_unhealthy(&mut plan.stops, &sick);
    let healthy = without(&active, &surplus);
    let healthy = healthy.iter().filter(|task| scene.healthy(task)).count();
    let retired = retire(scene, &old, &active, healthy);
    push(&mut plan.stops, &retired, &scene.scaling(Cause::Replaced));

    let empty = empty(scene, instances);
    let paused = scene.paused();
    match wanted.before().filter(|_| scene.failed) {
        Some(before) => {
            let paused = throttle(&before, scene.tasks, scene.now);
            if paused.is_none_or(|until| until <= scene.now) {
                plan.restarts = starts(scene, &before, &empty);
            }
        }
        None if !scene.failed && paused.is_none() => plan.starts = starts(scene, wanted, &empty),
        None => {}
    }
    plan.wake_at = paused
        .filter(|_| !empty.is_empty())
        .into_iter()
        .chain(scene.turning(&active))
        .min();
    plan.steady = !scene.failed
        && empty.is_empty()
        && plan.stops.is_empty()
        && sort.healthy.len() == scene.live();
    plan.blocked = !scene.failed
        && !old.is_empty()
        && plan.stops.is_empty()
        && plan.starts.is_empty()
        && paused.is_none()
        && scene.is_calm()
        && old.iter().all(|task| scene.may_go(task));
    plan
}

/// Tasks on an instance that has a better one: one that is healthy, or else the older.
fn surplus<'a>(scene: &Scene<'_>, tasks: &[&'a Task]) -> Vec<&'a Task> {
    let mut best: BTreeMap<&str, &Task> = BTreeMap::new();
    let mut surplus = Vec::new();
    for task in tasks.iter().copied() {
        let worth = |task: &Task| (!scene.healthy(task), task.created_at, task.name.clone());
        match best.get(task.instance.as_str()).copied() {
            None => {
                best.insert(&task.instance, task);
            }
            Some(kept) if worth(kept) <= worth(task) => surplus.push(task),
            Some(kept) => {
                best.insert(&task.instance, task);
                surplus.push(kept);
            }
        }
    }
    surplus
}

fn without<'a>(tasks: &[&'a Task], gone: &[&Task]) -> Vec<&'a Task> {
    let stays = |task: &&&Task| !gone.iter().any(|gone| gone.name == task.name);
    tasks.iter().filter(stays).copied().collect()
}

/// Instances that can take a task and have none, not even one that is still stopping.
fn empty<'a>(scene: &Scene<'_>, instances: &'a [DaemonInstance]) -> Vec<&'a DaemonInstance> {
    let taken: BTreeSet<&str> = scene
        .tasks
        .iter()
        .filter(|task| task.is_live())
        .map(|task| task.instance.as_str())
        .collect();
    instances
        .iter()
        .filter(|instance| instance.open && !taken.contains(instance.name.as_str()))
        .collect()
}

fn starts(scene: &Scene<'_>, of: &Wanted, empty: &[&DaemonInstance]) -> Vec<Start> {
    let attempts = attempts(scene, of);
    empty
        .iter()
        .map(|instance| Start {
            slot: instance.slot,
            attempt: attempts.get(&instance.slot).copied().unwrap_or(0) + 1,
            place: Place::Instance(instance.name.clone()),
        })
        .collect()
}

#[cfg(test)]
mod tests;

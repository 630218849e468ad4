//! The next steps of a service. Never fewer healthy tasks than the lower bound by our doing, never more tasks than
//! the upper bound: stop first where the lower bound allows, start where the upper does, repeat.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::balance::Balance;
use super::held::{hold, restarts};
use super::throttle::{Failures, failures};
use super::victims::{Sorted, lost, most_crowded, push, push_unhealthy};
use super::{Cause, Rollout, Scheduling, StopTask, Task, Wanted, daemon};
use crate::domain::events;

/// What to do now, and what is known of the rest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct Plan {
    /// Tasks to stop, in this order.
    pub stops: Vec<StopTask>,
    /// Tasks to start, in this order.
    pub starts: Vec<Start>,
    /// Tasks of the deployment that completed last to start anew in their places, because they died before the wanted
    /// deployment took over.
    pub restarts: Vec<Start>,
    /// When time alone will change the answer.
    pub wake_at: Option<Timestamp>,
    /// Failures of the wanted deployment.
    pub failures: Failures,
    /// All wanted tasks run the wanted deployment, are healthy, and nothing else is left.
    pub steady: bool,
    /// Something is wanted, but the percents allow neither a stop nor a start, and nothing is under way.
    pub blocked: bool,
    /// Protected tasks beyond the desired count, which keep a scale-in from going on.
    pub protected_surplus: usize,
    /// The circuit breaker gives the deployment up now.
    pub tripped: bool,
    /// Tasks in each availability zone, where these are kept even.
    pub zones: Vec<(String, usize)>,
}

/// A task to start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Start {
    /// Its place in the deployment.
    pub slot: i64,
    /// Part of its name: higher than any attempt seen in that slot.
    pub attempt: i64,
    /// Where it may run, beyond what the service says.
    pub place: Place,
}

/// Where a task may run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Place {
    /// Wherever the service's constraints allow it.
    #[default]
    Anywhere,
    /// In this availability zone, so that the zones become even.
    Zone(String),
    /// On this very instance: a daemon task.
    Instance(String),
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
    let failed = tripped || wanted.rollout == Rollout::Failed;
    let scene = Scene {
        wanted,
        deployment_id,
        tasks,
        burned,
        now,
        failures,
        failed,
    };
    let plan = match &wanted.scheduling {
        Scheduling::Daemon { instances } => daemon::plan(&scene, instances),
        Scheduling::Replica { .. } if failed => hold(&scene),
        Scheduling::Replica { zones } => replicas(&scene, zones),
    };
    Plan {
        failures,
        tripped,
        ..plan
    }
}

/// What a plan is made from.
pub(super) struct Scene<'a> {
    pub(super) wanted: &'a Wanted,
    pub(super) deployment_id: &'a str,
    pub(super) tasks: &'a [Task],
    pub(super) burned: &'a BTreeMap<i64, i64>,
    pub(super) now: Timestamp,
    pub(super) failures: Failures,
    /// The wanted deployment has been given up.
    pub(super) failed: bool,
}

impl<'a> Scene<'a> {
    pub(super) fn active(&self) -> Vec<&'a Task> {
        self.tasks.iter().filter(|task| task.is_active()).collect()
    }

    pub(super) fn healthy(&self, task: &Task) -> bool {
        task.is_healthy(self.wanted.healthy_after, self.now)
    }

    /// Tasks that take part in the upper bound.
    pub(super) fn live(&self) -> usize {
        self.tasks.iter().filter(|task| task.takes_room()).count()
    }

    /// A stop that is not for the task's health may take it: protection holds off scale-in and deployments, and draining
    /// where the cluster says so.
    pub(super) fn may_go(&self, task: &Task) -> bool {
        let drained = task.draining && !self.wanted.draining_waits_for_protected;
        drained || !task.is_protected(self.now)
    }

    /// Takes healthy tasks back from those that leave, as far as the lower bound needs them: where tasks that are not healthy
    /// are protected, a scale-in would otherwise take healthy ones in their place.
    pub(super) fn spare_healthy(&self, leaving: &mut Vec<&Task>, active: &[&Task]) {
        let healthy = active.iter().filter(|task| self.healthy(task)).count();
        let mut budget = healthy.saturating_sub(self.wanted.lower_bound());
        leaving.retain(|task| {
            let goes = !self.healthy(task) || budget > 0;
            if goes && self.healthy(task) {
                budget -= 1;
            }
            goes
        });
    }

    /// Neither a task that ends nor one that may still become healthy: nothing will change by itself.
    pub(super) fn is_calm(&self) -> bool {
        let live = self.tasks.iter().filter(|task| task.is_live());
        live.into_iter().all(|task| {
            !task.stopping && (task.is_unfit(self.wanted, self.now) || self.healthy(task))
        })
    }

    /// The cause of a stop that the deployment brings, with ECS's words for it.
    pub(super) fn scaling(&self, cause: Cause) -> (Cause, String) {
        (cause, events::scaling_activity(self.deployment_id))
    }

    /// Until when nothing is started after failures.
    pub(super) fn paused(&self) -> Option<Timestamp> {
        self.failures.not_before.filter(|until| *until > self.now)
    }

    /// When time alone changes what is true of one of these tasks.
    pub(super) fn turning(&self, tasks: &[&Task]) -> Option<Timestamp> {
        let times = tasks.iter().flat_map(|task| {
            let proves = task
                .proven_at(self.wanted.healthy_after)
                .filter(|_| task.is_running() && task.is_unchecked());
            let forgiven = task
                .forgiven_until(self.wanted)
                .filter(|_| task.is_unhealthy());
            [proves, forgiven, task.protected_until]
        });
        times.flatten().filter(|at| *at > self.now).min()
    }
}

fn replicas(scene: &Scene<'_>, zones: &[String]) -> Plan {
    let wanted = scene.wanted;
    let mut plan = Plan {
        stops: lost(scene.tasks),
        ..Plan::default()
    };
    let active = scene.active();
    let (new, old): (Vec<&Task>, Vec<&Task>) = active
        .iter()
        .copied()
        .partition(|task| task.is_current(wanted));
    let sort = Sorted::of(&new, wanted, scene.now);
    let balance = Balance::of(zones, &new, scene);
    let goal = goal(wanted, sort.unhealthy.len()) + usize::from(balance.is_moving());

    let surplus = new.len().saturating_sub(goal);
    let mut leaving = sort.first_to_go(&active, surplus, |task| scene.may_go(task));
    scene.spare_healthy(&mut leaving, &active);
    let live = scene.live();
    let unhealthy = unhealthy(scene, &sort, &leaving, &active, new.len(), live);
    let cause = balance.cause(&leaving);
    push(&mut plan.stops, &leaving, &scene.scaling(cause));
    push_unhealthy(&mut plan.stops, &unhealthy);
    leaving.extend(unhealthy);

    let stays = |task: &Task| !leaving.iter().any(|gone| gone.name == task.name);
    let healthy_left = active
        .iter()
        .filter(|task| scene.healthy(task) && stays(task))
        .count();
    let retired = retire(scene, &old, &active, healthy_left);
    push(&mut plan.stops, &retired, &scene.scaling(Cause::Replaced));

    let staying: Vec<&Task> = new.iter().filter(|task| stays(task)).copied().collect();
    let awaited = scene
        .tasks
        .iter()
        .filter(|task| task.awaits_fence())
        .count();
    let missing = goal.saturating_sub(staying.len() + awaited);
    let room = wanted.upper_bound().saturating_sub(live);
    plan.restarts = restarts(scene, sort.healthy.len(), room);
    let room = room.saturating_sub(plan.restarts.len());
    let paused = scene.paused();
    if paused.is_none() {
        plan.starts = starts(scene, wanted, &staying, missing.min(room));
    }
    let others_healthy = new
        .iter()
        .all(|task| scene.healthy(task) || balance.moves(task));
    plan.zones = balance.counts();
    plan.steady = live == wanted.desired() + usize::from(balance.is_moving())
        && new.len() == live
        && others_healthy
        && plan.stops.is_empty();
    if plan.steady && paused.is_none() {
        let zone = balance.next(live < wanted.upper_bound());
        plan.starts = zone.map_or_else(Vec::new, |zone| {
            let start = starts(scene, wanted, &staying, 1).into_iter();
            let place = Place::Zone(zone);
            start
                .map(|start| Start {
                    place: place.clone(),
                    ..start
                })
                .collect()
        });
    }
    plan.wake_at = paused
        .filter(|_| missing > 0)
        .into_iter()
        .chain(scene.turning(&active))
        .min();
    let protected = active.iter().filter(|task| task.is_protected(scene.now));
    plan.protected_surplus = protected
        .count()
        .saturating_sub(wanted.desired())
        .min(surplus);
    plan.blocked = plan.stops.is_empty()
        && plan.starts.is_empty()
        && paused.is_none()
        && scene.is_calm()
        && old.iter().all(|task| scene.may_go(task))
        && (staying.len() < wanted.desired() || !old.is_empty());
    plan
}

/// How many tasks of the wanted deployment there should be: replacements of unhealthy ones are started first, within
/// the upper bound.
fn goal(wanted: &Wanted, unhealthy: usize) -> usize {
    let ceiling = wanted.upper_bound().max(wanted.desired());
    (wanted.desired() + unhealthy).min(ceiling)
}

/// Unhealthy tasks that go now, beside those that leave: as many as have a replacement. Where the upper bound leaves no
/// room for one, one task at a time goes first.
fn unhealthy<'a>(
    scene: &Scene<'_>,
    sort: &Sorted<'a>,
    leaving: &[&Task],
    active: &[&Task],
    all: usize,
    live: usize,
) -> Vec<&'a Task> {
    let superfluous = all
        .saturating_sub(leaving.len())
        .saturating_sub(scene.wanted.desired());
    let replaced = superfluous.saturating_sub(sort.starting.len());
    let moving = !sort.starting.is_empty()
        || !leaving.is_empty()
        || scene
            .tasks
            .iter()
            .any(|task| task.is_live() && task.stopping);
    let replaced = if live >= scene.wanted.upper_bound() && !moving {
        replaced.max(1)
    } else {
        replaced
    };
    let stays = |task: &&&Task| !leaving.iter().any(|gone| gone.name == task.name);
    let staying: Vec<&Task> = sort.unhealthy.iter().filter(stays).copied().collect();
    most_crowded(&staying, active, replaced)
}

/// Tasks to replace, of older deployments or on instances that drain (ECS Developer Guide, "Draining Amazon ECS container
/// instances": exactly as in a deployment). Those that never ran go at once, those that run but are not healthy one at a
/// time, healthy ones as far as the lower bound allows.
pub(super) fn retire<'a>(
    scene: &Scene<'_>,
    old: &[&'a Task],
    active: &[&Task],
    healthy_left: usize,
) -> Vec<&'a Task> {
    let free = old.iter().copied().filter(|task| scene.may_go(task));
    let (running, waiting): (Vec<&Task>, Vec<&Task>) = free.partition(|task| task.is_running());
    let (sound, ailing): (Vec<&Task>, Vec<&Task>) =
        running.into_iter().partition(|task| scene.healthy(task));
    let mut retired = waiting;
    let one_is_going = scene
        .tasks
        .iter()
        .any(|task| !task.is_current(scene.wanted) && task.is_live() && task.stopping);
    if !one_is_going {
        retired.extend(most_crowded(&ailing, active, 1));
    }
    let budget = healthy_left.saturating_sub(scene.wanted.lower_bound());
    retired.extend(most_crowded(&sound, active, budget));
    retired
}

/// The lowest free slots of the deployment `of`, each with the next attempt.
pub(super) fn starts(
    scene: &Scene<'_>,
    of: &Wanted,
    staying: &[&Task],
    count: usize,
) -> Vec<Start> {
    let mine = || {
        let tasks = scene.tasks.iter();
        tasks.filter(|task| task.deployment == of.deployment)
    };
    let draining = mine().filter(|task| task.draining && task.is_live());
    let taken: BTreeSet<i64> = staying
        .iter()
        .copied()
        .chain(draining)
        .map(|task| task.slot)
        .collect();
    let attempts = attempts(scene, of);
    (0..)
        .filter(|slot| !taken.contains(slot))
        .take(count)
        .map(|slot| Start {
            slot,
            attempt: attempts.get(&slot).copied().unwrap_or(0) + 1,
            place: Place::Anywhere,
        })
        .collect()
}

/// The highest attempt that is known in each slot of a deployment.
pub(super) fn attempts(scene: &Scene<'_>, of: &Wanted) -> BTreeMap<i64, i64> {
    let mut attempts = scene.burned.clone();
    let tasks = scene.tasks.iter();
    for task in tasks.filter(|task| task.deployment == of.deployment) {
        let highest = attempts.entry(task.slot).or_default();
        *highest = task.attempt.max(*highest);
    }
    attempts
}

#[cfg(test)]
mod tests;

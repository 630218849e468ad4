//! Which tasks to stop first, where any would do, and with which words.

use std::collections::BTreeMap;

use super::{Cause, StopTask, Task};
use crate::domain::events;
use crate::domain::liveness::Presence;
use crate::domain::task::{Stop, StopCode, TaskState};

/// Tasks of a deployment by how much they are worth.
pub(super) struct Sorted<'a> {
    /// Their health checks fail.
    pub(super) unhealthy: Vec<&'a Task>,
    /// They do not run, or are not healthy yet.
    pub(super) starting: Vec<&'a Task>,
    /// They count towards the lower bound.
    pub(super) healthy: Vec<&'a Task>,
}

impl<'a> Sorted<'a> {
    pub(super) fn of(new: &[&'a Task], healthy: impl Fn(&&Task) -> bool) -> Self {
        let mut sorted = Self {
            unhealthy: Vec::new(),
            starting: Vec::new(),
            healthy: Vec::new(),
        };
        for task in new.iter().copied() {
            if task.is_unhealthy() {
                sorted.unhealthy.push(task);
            } else if healthy(&task) {
                sorted.healthy.push(task);
            } else {
                sorted.starting.push(task);
            }
        }
        sorted
    }

    /// The `count` tasks that a scale-in takes: unhealthy ones, then those that have not started, then the rest.
    pub(super) fn first_to_go(&self, active: &[&Task], count: usize) -> Vec<&'a Task> {
        let mut chosen = Vec::new();
        let not_running: Vec<&Task> = self
            .starting
            .iter()
            .filter(|task| !task.is_running())
            .copied()
            .collect();
        let unproven: Vec<&Task> = self
            .starting
            .iter()
            .filter(|task| task.is_running())
            .copied()
            .collect();
        for group in [&self.unhealthy, &not_running, &unproven, &self.healthy] {
            chosen.extend(most_crowded(
                group,
                active,
                count.saturating_sub(chosen.len()),
            ));
        }
        chosen
    }
}

/// Stops of tasks whose instance is lost: they are replaced, and end for good should the instance come back.
pub(super) fn lost(tasks: &[Task]) -> Vec<StopTask> {
    tasks
        .iter()
        .filter(|task| is_lost(task) && !task.stopping && task.state != TaskState::Stopped)
        .map(|task| StopTask {
            name: task.name.clone(),
            stop: Stop {
                code: StopCode::TerminationNotice,
                reason: events::host_lost(&task.instance),
            },
            cause: Cause::InstanceLost,
        })
        .collect()
}

fn is_lost(task: &Task) -> bool {
    task.presence == Presence::Lost
}

/// Adds the stops of these tasks, for one cause and with one reason.
pub(super) fn push(stops: &mut Vec<StopTask>, tasks: &[&Task], (cause, reason): &(Cause, String)) {
    stops.extend(tasks.iter().map(|task| StopTask {
        name: task.name.clone(),
        stop: Stop {
            code: StopCode::ServiceSchedulerInitiated,
            reason: reason.clone(),
        },
        cause: *cause,
    }));
}

/// The first `count` of `candidates` to stop, so that the rest stays spread: from the zone with the most active
/// tasks of the service, there from the instance with the most, there the newest (ECS API Reference, `UpdateService`).
pub(super) fn most_crowded<'a>(
    candidates: &[&'a Task],
    active: &[&Task],
    count: usize,
) -> Vec<&'a Task> {
    let mut zones: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    let mut instances: BTreeMap<&str, usize> = BTreeMap::new();
    for task in active {
        *zones.entry(task.zone.as_deref()).or_default() += 1;
        *instances.entry(&task.instance).or_default() += 1;
    }
    let mut left: Vec<&Task> = candidates.to_vec();
    let mut chosen = Vec::new();
    while chosen.len() < count {
        let crowd = |task: &Task| {
            let of = |count: Option<&usize>| count.copied().unwrap_or(0);
            (
                of(zones.get(&task.zone.as_deref())),
                of(instances.get(task.instance.as_str())),
            )
        };
        let Some((index, task)) = left.iter().copied().enumerate().max_by(|(_, a), (_, b)| {
            (crowd(a), a.created_at, &a.name).cmp(&(crowd(b), b.created_at, &b.name))
        }) else {
            break;
        };
        left.remove(index);
        for crowd in [
            zones.get_mut(&task.zone.as_deref()),
            instances.get_mut(task.instance.as_str()),
        ]
        .into_iter()
        .flatten()
        {
            *crowd = crowd.saturating_sub(1);
        }
        chosen.push(task);
    }
    chosen
}

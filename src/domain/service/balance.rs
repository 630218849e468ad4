//! Availability zone rebalancing: a steady service whose zones have become uneven starts a task in the emptiest zone, and
//! stops one in the fullest once it is healthy (ECS Developer Guide, "Balancing an Amazon ECS service across Availability
//! Zones"). Whether it goes on is read from the tasks alone, so that it survives whoever looks.

use std::collections::BTreeMap;

use super::planner::Scene;
use super::{Cause, Rollout, Task};

/// Difference between the fullest and the emptiest zone from which tasks are moved.
const UNEVEN: usize = 2;

/// How evenly the tasks of a service are spread over its zones.
pub(super) struct Balance<'a> {
    /// Tasks in each zone that may have some.
    zones: BTreeMap<&'a str, usize>,
    /// The task that is starting in a zone with too few.
    mover: Option<&'a str>,
    /// Nothing but the zones asks for a change.
    settled: bool,
    /// A task in the fullest zone may go.
    can_shed: bool,
}

impl<'a> Balance<'a> {
    pub(super) fn of(zones: &'a [String], tasks: &[&'a Task], scene: &Scene<'_>) -> Self {
        let mut counts: BTreeMap<&str, usize> =
            zones.iter().map(|zone| (zone.as_str(), 0)).collect();
        for task in tasks {
            if let Some(count) = task.zone.as_deref().and_then(|zone| counts.get_mut(zone)) {
                *count += 1;
            }
        }
        let settled = scene.wanted.rollout == Rollout::Completed;
        let extra = tasks.len() == scene.wanted.desired() + 1;
        let mover = tasks
            .iter()
            .filter(|task| settled && extra && !scene.healthy(task) && !task.is_unhealthy())
            .find(|task| {
                let here = task.zone.as_deref().and_then(|zone| counts.get(zone));
                let fullest = counts.values().max();
                here.zip(fullest)
                    .is_some_and(|(here, fullest)| fullest + 1 >= here + UNEVEN)
            })
            .map(|task| task.name.as_str());
        let fullest = counts.values().max().copied();
        let can_shed = tasks.iter().any(|task| {
            let here = task.zone.as_deref().and_then(|zone| counts.get(zone));
            here.copied() == fullest && scene.may_go(task)
        });
        Self {
            zones: counts,
            mover,
            settled,
            can_shed,
        }
    }

    /// A task is starting beyond the desired count.
    pub(super) const fn is_moving(&self) -> bool {
        self.mover.is_some()
    }

    /// This is the task that is starting beyond the desired count.
    pub(super) fn moves(&self, task: &Task) -> bool {
        self.mover == Some(task.name.as_str())
    }

    /// Why tasks beyond the desired count go.
    pub(super) fn cause(&self, leaving: &[&Task]) -> Cause {
        let one = leaving.len() == 1 && self.settled && self.uneven() >= UNEVEN.saturating_sub(1);
        if one && self.zones.len() > 1 && leaving.iter().all(|task| task.is_running()) {
            Cause::Rebalanced
        } else {
            Cause::ScaleIn
        }
    }

    /// The zone in which a steady service starts a task, if zones are uneven and the upper bound has room for it.
    pub(super) fn next(&self, room: bool) -> Option<String> {
        let idle = self.settled && room && self.mover.is_none() && self.can_shed;
        let (zone, _) = self
            .zones
            .iter()
            .min_by_key(|(_, count)| **count)
            .filter(|_| idle && self.uneven() >= UNEVEN)?;
        Some((*zone).to_owned())
    }

    /// Tasks in each zone, where there is more than one.
    pub(super) fn counts(&self) -> Vec<(String, usize)> {
        let zones = self.zones.iter().filter(|_| self.zones.len() > 1);
        zones
            .map(|(zone, count)| ((*zone).to_owned(), *count))
            .collect()
    }

    fn uneven(&self) -> usize {
        let counts = || self.zones.values().copied();
        counts()
            .max()
            .unwrap_or(0)
            .saturating_sub(counts().min().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests;

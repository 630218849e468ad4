//! What a deployment waits for, in one sentence: people read it in `status.deployments[].waitingFor`.

use jiff::Timestamp;

use super::{Plan, Rollout, Task, Wanted};
use crate::domain::task::TaskState;

impl Plan {
    /// What the wanted deployment waits for after the steps of this plan; `None` when it waits for nothing.
    pub fn waiting_for(&self, wanted: &Wanted, tasks: &[Task], now: Timestamp) -> Option<String> {
        if self.steady {
            return None;
        }
        if wanted.rollout == Rollout::Failed || self.tripped {
            return Some("another task definition or service: it has failed".to_owned());
        }
        if self.blocked {
            let percents = wanted.cannot_move();
            return Some(percents.map_or_else(
                || "healthy tasks: the bounds allow neither a stop nor a start".to_owned(),
                |percents| percents.to_string(),
            ));
        }
        let of_deployment = |task: &&Task| task.deployment == wanted.deployment;
        let current = |task: &Task| task.is_current(wanted) && task.is_active();
        let count = |counts: &dyn Fn(&Task) -> bool| {
            tasks
                .iter()
                .filter(|task| task.is_live() && counts(task))
                .count()
        };
        let tasks_that = |number: usize, what: &str| match number {
            1 => format!("1 task {what}"),
            more => format!("{more} tasks {what}"),
        };
        let starting = count(&|task| current(task) && !task.is_running()) + self.starts.len();
        let unproven = count(&|task| {
            current(task) && task.is_running() && !task.is_healthy(wanted.healthy_after, now)
        });
        // It was told to, or ends by itself.
        let ends = |task: &Task| task.stopping || task.state >= TaskState::Deactivating;
        let ending = count(&ends) + self.stops.len();
        let old = count(&|task| !of_deployment(&task) && task.is_active());
        let draining = count(&|task| of_deployment(&task) && task.draining && task.is_active());
        let paused = self.failures.not_before.filter(|until| *until > now);
        let mut waits = Vec::new();
        if starting > 0 {
            waits.push(tasks_that(starting, "to start"));
        }
        if unproven > 0 {
            waits.push(tasks_that(unproven, "to become healthy"));
        }
        if ending > 0 {
            waits.push(tasks_that(ending, "to end"));
        } else {
            if old > 0 {
                waits.push(tasks_that(old, "of older deployments to be replaced"));
            }
            if draining > 0 {
                waits.push(tasks_that(draining, "on draining instances to be replaced"));
            }
        }
        match self.protected_surplus {
            0 => {}
            1 => waits.push("the protection of 1 task to end".to_owned()),
            more => waits.push(format!("the protection of {more} tasks to end")),
        }
        if paused.is_some() {
            waits.push("the end of the pause after failed starts".to_owned());
        }
        (!waits.is_empty()).then(|| waits.join(", "))
    }
}

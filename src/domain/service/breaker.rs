//! The deployment circuit breaker: how many failures a deployment may have before it is given up.
//!
//! ECS Developer Guide, "How the Amazon ECS deployment circuit breaker detects failures", and API Reference,
//! `DeploymentCircuitBreaker`. The count is worked out anew from the deployment's tasks at every look, so that it
//! survives whoever looks: a new leader counts the same.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Ending, Rollout, Task, Wanted};
use crate::domain::task::{StopCode, TaskState};

/// `deploymentCircuitBreaker` of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// What becomes of a deployment whose failures reach the threshold.
    pub trips: Trips,
    /// A task that becomes healthy sets the count to 0.
    pub resets: bool,
    /// How many failures are too many.
    pub threshold: Threshold,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            trips: Trips::Never,
            resets: true,
            threshold: Threshold::default(),
        }
    }
}

/// What becomes of a deployment with too many failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trips {
    /// The breaker is off: it is tried for ever, ever more slowly.
    Never,
    /// It is FAILED, and nothing more is started for it.
    Stops,
    /// It is FAILED, and the last completed deployment is made anew.
    RollsBack,
}

/// How many failures are too many (ECS API Reference, `thresholdConfiguration`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// So many tasks.
    Count(u32),
    /// So many percent of the desired count, rounded up, at least 3 and at most 200 tasks.
    BoundedPercent(u32),
    /// So many percent of the desired count, rounded up, at least 1 task.
    UnboundedPercent(u32),
}

impl Default for Threshold {
    fn default() -> Self {
        Self::BoundedPercent(50)
    }
}

impl Breaker {
    /// Whether the failures of a deployment that is so far may end it. Its tasks are kept for as long as they count.
    pub fn watches(&self, rollout: Rollout) -> bool {
        self.trips != Trips::Never && rollout == Rollout::InProgress
    }
}

impl Threshold {
    /// The number of failures that is too many for `desired` tasks.
    pub fn of(self, desired: u32) -> u32 {
        let part = |percent: u32| {
            let tasks = (u64::from(desired) * u64::from(percent)).div_ceil(100);
            u32::try_from(tasks).unwrap_or(u32::MAX)
        };
        match self {
            Self::Count(count) => count.max(1),
            Self::BoundedPercent(percent) => part(percent).clamp(3, 200),
            Self::UnboundedPercent(percent) => part(percent).max(1),
        }
    }
}

impl Wanted {
    /// Failures after which the deployment is given up, or is said not to heal by itself where the breaker is off.
    pub fn threshold(&self) -> u32 {
        self.breaker.threshold.of(self.desired)
    }

    /// Whether so many failures end the deployment.
    pub(super) fn trips_at(&self, failures: u32) -> bool {
        self.breaker.watches(self.rollout) && failures >= self.threshold()
    }
}

/// `failedTasks` of the wanted deployment: its failures in the order in which they happened. A task that becomes healthy
/// sets the count to 0; when such a task fails before the deployment has completed, what it had taken away counts again.
pub(super) fn failed_tasks(wanted: &Wanted, tasks: &[Task], now: Timestamp) -> u32 {
    let mut count = 0_u32;
    let mut forgiven: BTreeMap<&str, u32> = BTreeMap::new();
    for (_, happened, name) in history(wanted, tasks, now) {
        match happened {
            Happened::Proved if wanted.breaker.resets => {
                forgiven.insert(name, std::mem::take(&mut count));
            }
            Happened::Proved => {}
            Happened::Failed => {
                let back = forgiven.remove(name).unwrap_or(0);
                count = count.saturating_add(back).saturating_add(1);
            }
        }
    }
    count
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happened {
    Proved,
    Failed,
}

fn history<'a>(
    wanted: &Wanted,
    tasks: &'a [Task],
    now: Timestamp,
) -> Vec<(Timestamp, Happened, &'a str)> {
    let mut history = Vec::new();
    for task in tasks
        .iter()
        .filter(|task| task.deployment == wanted.deployment)
    {
        let proved = task.proved_at(wanted.healthy_after, now);
        history.extend(proved.map(|at| (at, Happened::Proved, task.name.as_str())));
        // Once a deployment has completed, the end of a task that was healthy says nothing against it.
        if proved.is_none() || wanted.rollout != Rollout::Completed {
            history.extend(failed_at(task).map(|at| (at, Happened::Failed, task.name.as_str())));
        }
    }
    history.sort();
    history
}

/// When a task failed: it could not start, an essential container ended, or its health check failed and it was replaced.
fn failed_at(task: &Task) -> Option<Timestamp> {
    let failed = task.state == TaskState::Stopped
        && task.ending != Ending::Refused
        && (task.ending == Ending::Unhealthy
            || matches!(
                task.stop_code,
                Some(StopCode::TaskFailedToStart | StopCode::EssentialContainerExited)
            ));
    task.stopped_at.filter(|_| failed)
}

#[cfg(test)]
mod tests;

//! Tasks that keep failing are tried again ever more slowly.
//!
//! ECS spaces out the starts of tasks that never reach RUNNING, up to 27 minutes, and never gives up ("Service
//! throttle logic"). Tasks that end soon after they ran are spaced out too, mildly: ECS would start them without a
//! pause, and each start costs an object and a container.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::breaker::failed_tasks;
use super::{Ending, Task, Wanted};
use crate::domain::task::{StopCode, TaskState};

/// Longest pause between two attempts to start tasks that never ran.
const LONGEST_PAUSE: Duration = Duration::from_mins(27);

/// Longest pause between two attempts to start tasks that ran and ended soon.
const LONGEST_PAUSE_AFTER_RUNNING: Duration = Duration::from_mins(1);

/// Rounds of early exits that are answered at once.
const FREE_ROUNDS_AFTER_RUNNING: u32 = 5;

/// Failures of a deployment, and what they put off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Failures {
    /// `failedTasks`: tasks in a row that failed to start, ended too soon, or were replaced for their health.
    pub count: u32,
    /// No task is started before this time.
    pub not_before: Option<Timestamp>,
}

impl Failures {
    /// There are so many that the deployment will not heal by itself.
    pub fn is_stalled(&self, wanted: &Wanted) -> bool {
        self.count >= wanted.threshold()
    }
}

/// The failures of the wanted deployment.
#[must_use]
pub fn failures(wanted: &Wanted, tasks: &[Task], now: Timestamp) -> Failures {
    Failures {
        count: failed_tasks(wanted, tasks, now),
        not_before: throttle(wanted, tasks, now),
    }
}

/// The time before which no task of the wanted deployment is started, from its failures since one of its tasks was last
/// healthy.
pub(super) fn throttle(wanted: &Wanted, tasks: &[Task], now: Timestamp) -> Option<Timestamp> {
    let of_deployment = || {
        tasks
            .iter()
            .filter(|task| task.deployment == wanted.deployment)
    };
    let success = of_deployment()
        .filter_map(|task| succeeded_at(task, wanted, now))
        .max();
    let failed: Vec<(&Task, Timestamp)> = of_deployment()
        .filter(|task| {
            task.state == TaskState::Stopped && succeeded_at(task, wanted, now).is_none()
        })
        .filter(|task| task.ending != Ending::Refused)
        .filter(|task| {
            matches!(
                task.stop_code,
                Some(StopCode::TaskFailedToStart | StopCode::EssentialContainerExited)
            )
        })
        .filter_map(|task| Some((task, task.stopped_at?)))
        .filter(|(_, at)| success.is_none_or(|success| *at > success))
        .collect();
    let (last, at) = failed.iter().max_by_key(|(task, at)| (*at, &task.name))?;
    let count = u32::try_from(failed.len()).unwrap_or(u32::MAX);
    let rounds = count.div_ceil(wanted.desired.max(1));
    let pause = if last.started_at.is_none() {
        doubling(rounds.saturating_sub(1), LONGEST_PAUSE)
    } else {
        doubling(
            rounds.saturating_sub(FREE_ROUNDS_AFTER_RUNNING),
            LONGEST_PAUSE_AFTER_RUNNING,
        )
    };
    let pause = SignedDuration::try_from(pause).ok()?;
    at.checked_add(pause).ok().filter(|_| !pause.is_zero())
}

/// 0, 1 s, 2 s, 4 s ... up to `longest`.
fn doubling(step: u32, longest: Duration) -> Duration {
    match step {
        0 => Duration::ZERO,
        step => Duration::from_secs(1_u64.checked_shl(step - 1).unwrap_or(u64::MAX)).min(longest),
    }
}

/// When a task came to count as healthy, if it did.
fn succeeded_at(task: &Task, wanted: &Wanted, now: Timestamp) -> Option<Timestamp> {
    if task.is_healthy(wanted.healthy_after, now) {
        return task.started_at;
    }
    let proven = task.proven_at(wanted.healthy_after)?;
    (!task.checked && task.stopped_at.is_some_and(|stopped| stopped >= proven)).then_some(proven)
}

//! The service scheduler's decisions: how many tasks to start and which to stop, and when to look again.
//!
//! [`plan`] is one pure function from what is wanted and what is there to steps. Rules: ECS API Reference,
//! `DeploymentConfiguration`, and the Developer Guide's "Rolling update" and "Service throttle logic". [`rollout`] says
//! which deployment a service should be in.

mod bounds;
mod breaker;
mod held;
mod planner;
pub mod rollout;
mod throttle;
mod victims;
mod waiting;

use std::time::Duration;

use jiff::Timestamp;

pub use bounds::{CannotMove, Percents};
pub use breaker::{Breaker, Threshold, Trips};
pub use planner::{Plan, Start, plan};
pub use rollout::Rollout;
pub use throttle::{Failures, failures};

use super::liveness::Presence;
use super::task::{Health, Stop, StopCode, TaskState};

/// Time after RUNNING at which a task without any health check counts as healthy (ECS API Reference).
pub const HEALTHY_AFTER: Duration = Duration::from_secs(40);

/// What a service wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Tasks to keep running.
    pub desired: u32,
    /// Lower bound of healthy tasks, in percent of `desired`, rounded up.
    pub minimum_healthy_percent: u32,
    /// Upper bound of tasks, in percent of `desired`, rounded down.
    pub maximum_percent: u32,
    /// When a task without a health check counts as healthy.
    pub healthy_after: Duration,
    /// The deployment that tasks should belong to.
    pub deployment: i64,
    /// How far that deployment is, as recorded.
    pub rollout: Rollout,
    /// When it is given up.
    pub breaker: Breaker,
    /// The deployment that completed last before it: its tasks are kept up should it fail.
    pub completed_before: Option<i64>,
}

impl Wanted {
    /// The bounds as they are written.
    pub const fn percents(&self) -> Percents {
        Percents {
            minimum_healthy: self.minimum_healthy_percent,
            maximum: self.maximum_percent,
        }
    }

    /// Healthy tasks that a voluntary stop must leave.
    pub fn lower_bound(&self) -> usize {
        to_usize(self.percents().lower_bound(self.desired))
    }

    /// Tasks that a start must not exceed, those that are still stopping included.
    pub fn upper_bound(&self) -> usize {
        to_usize(self.percents().upper_bound(self.desired))
    }

    /// The same for the deployment that completed before this one.
    fn before(&self) -> Option<Self> {
        Some(Self {
            deployment: self.completed_before?,
            rollout: Rollout::Completed,
            completed_before: None,
            ..self.clone()
        })
    }

    fn desired(&self) -> usize {
        to_usize(u64::from(self.desired))
    }
}

fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// One task of a service, as it was observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Name of the object.
    pub name: String,
    /// Deployment that it was started for.
    pub deployment: i64,
    /// Which of the deployment's places it takes.
    pub slot: i64,
    /// How many tasks were tried in that place, this one included.
    pub attempt: i64,
    /// Its state as last reported.
    pub state: TaskState,
    /// It was told to stop, or its object is being deleted.
    pub stopping: bool,
    /// Whether an essential container has a health check.
    pub checked: bool,
    /// Its health as last reported.
    pub health: Health,
    /// Name of its instance.
    pub instance: String,
    /// Availability zone of its instance.
    pub zone: Option<String>,
    /// What is known of its instance.
    pub presence: Presence,
    /// Its instance sheds its tasks: it is to run elsewhere.
    pub draining: bool,
    /// When its object was created.
    pub created_at: Timestamp,
    /// When it reached RUNNING.
    pub started_at: Option<Timestamp>,
    /// Since when its health check passes without a break, or did until it ended.
    pub healthy_since: Option<Timestamp>,
    /// When it reached STOPPED.
    pub stopped_at: Option<Timestamp>,
    /// Why it ended.
    pub stop_code: Option<StopCode>,
    /// What its end says of it.
    pub ending: Ending,
}

/// What the end of a task says of the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Ending {
    /// What its stop code says.
    #[default]
    AsCoded,
    /// Nothing: its instance would not start it, and another instance is tried.
    Refused,
    /// The scheduler told it to stop because its health check failed.
    Unhealthy,
}

impl Task {
    /// Containers of it may live on an instance that can be reached: it takes part in the upper bound.
    pub fn is_live(&self) -> bool {
        self.state != TaskState::Stopped
            && !(self.is_out_of_reach() && self.stopping)
            && self.presence != Presence::Fenced
    }

    /// It takes part in the upper bound, and its instance is not lost.
    fn takes_room(&self) -> bool {
        self.is_live() && self.presence != Presence::Lost
    }

    /// It is as it should be: of the wanted deployment, on an instance that it may stay on.
    fn is_current(&self, wanted: &Wanted) -> bool {
        self.deployment == wanted.deployment && !self.draining
    }

    /// It is wanted: neither ended, nor ending, nor out of reach.
    pub fn is_active(&self) -> bool {
        self.is_live()
            && !self.stopping
            && !self.is_out_of_reach()
            && self.state < TaskState::Deactivating
    }

    /// Its containers have been started.
    pub fn is_running(&self) -> bool {
        self.is_active() && self.state == TaskState::Running
    }

    /// It counts towards the lower bound (ECS API Reference, minimumHealthyPercent).
    pub fn is_healthy(&self, healthy_after: Duration, now: Timestamp) -> bool {
        self.is_running()
            && if self.checked {
                self.health == Health::Healthy
            } else {
                self.proven_at(healthy_after)
                    .is_some_and(|proven| proven <= now)
            }
    }

    /// Its health check fails.
    pub fn is_unhealthy(&self) -> bool {
        self.is_running() && self.checked && self.health == Health::Unhealthy
    }

    /// When a task without a check counts as healthy.
    fn proven_at(&self, healthy_after: Duration) -> Option<Timestamp> {
        self.started_at?
            .checked_add(jiff::SignedDuration::try_from(healthy_after).ok()?)
            .ok()
    }

    /// When it came to count as healthy, if it did before it ended.
    fn proved_at(&self, healthy_after: Duration, now: Timestamp) -> Option<Timestamp> {
        let proved = if self.checked {
            let healthy = self.is_healthy(healthy_after, now);
            let first = if healthy { self.started_at } else { None };
            self.healthy_since.or(first)
        } else {
            self.proven_at(healthy_after)
        };
        proved.filter(|at| *at <= self.stopped_at.unwrap_or(now))
    }

    fn is_out_of_reach(&self) -> bool {
        matches!(self.presence, Presence::Lost | Presence::Fenced)
    }
}

/// A decided end of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopTask {
    /// Name of the object.
    pub name: String,
    /// Code and sentence for the user.
    pub stop: Stop,
    /// What happened, for the service's events.
    pub cause: Cause,
}

/// Why the scheduler stops a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// There are more tasks than wanted.
    ScaleIn,
    /// It belongs to an older deployment, or its instance drains.
    Replaced,
    /// Its health check fails.
    Unhealthy,
    /// Its instance is lost.
    InstanceLost,
}

#[cfg(test)]
mod tests;

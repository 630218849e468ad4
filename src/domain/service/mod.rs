//! The service scheduler's decisions: how many tasks to start and which to stop, and when to look again.
//!
//! [`plan`] is one pure function from what is wanted and what is there to steps. Rules: ECS API Reference,
//! `DeploymentConfiguration`, and the Developer Guide's "Rolling update" and "Service throttle logic". [`rollout`] says
//! which deployment a service should be in.

mod balance;
mod bounds;
mod breaker;
mod daemon;
mod forecast;
mod held;
mod planner;
pub mod rollout;
mod task;
mod throttle;
mod victims;
mod waiting;

use std::time::Duration;

use jiff::Timestamp;

pub use bounds::{CannotMove, Percents};
pub use breaker::{Breaker, Threshold, Trips};
pub use forecast::{Board, End, Forecast, Opening, Pace, Placed, Site, Step, forecast};
pub use planner::{Place, Plan, Start, plan};
pub use rollout::{Remembered, Rollout};
pub use task::{Ending, ReplacedWhen, Target, Task};
pub use throttle::{Failures, failures};
pub use victims::Mark;

use super::task::Stop;

/// Time after RUNNING at which a task without any health check counts as healthy (ECS API Reference).
pub const HEALTHY_AFTER: Duration = Duration::from_secs(40);

/// What a service wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// How many tasks there are, and where (`schedulingStrategy`).
    pub scheduling: Scheduling,
    /// Tasks to keep running; of a DAEMON service as many as [`Scheduling::daemons`] says.
    pub desired: u32,
    /// Lower bound of healthy tasks, in percent of `desired`, rounded up.
    pub minimum_healthy_percent: u32,
    /// Upper bound of tasks, in percent of `desired`, rounded down.
    pub maximum_percent: u32,
    /// When a task without a health check counts as healthy.
    pub healthy_after: Duration,
    /// Time after its start in which a task that fails its checks is not replaced for it.
    pub health_check_grace_period: Duration,
    /// Draining instances keep protected tasks until their protection ends.
    pub draining_waits_for_protected: bool,
    /// The deployment that tasks should belong to.
    pub deployment: i64,
    /// When that deployment began.
    pub deployed_at: Option<Timestamp>,
    /// How far that deployment is, as recorded.
    pub rollout: Rollout,
    /// When it is given up.
    pub breaker: Breaker,
    /// The deployment that completed last before it: its tasks are kept up should it fail.
    pub completed_before: Option<i64>,
}

/// `schedulingStrategy` of a service, with what each needs to know (ECS Developer Guide, "Amazon ECS services").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheduling {
    /// So many tasks, anywhere.
    Replica {
        /// Availability zones over which a steady service is kept even; none where it is not.
        zones: Vec<String>,
    },
    /// One task on each of these instances.
    Daemon {
        /// Those that meet the service's constraints.
        instances: Vec<DaemonInstance>,
    },
}

impl Default for Scheduling {
    fn default() -> Self {
        Self::Replica { zones: Vec::new() }
    }
}

/// An instance that is to have a daemon task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonInstance {
    /// Its name.
    pub name: String,
    /// Slot of its task: it follows from the instance's UID alone.
    pub slot: i64,
    /// A task can be started there: the instance is ACTIVE and its agent is connected. On others a task only stays.
    pub open: bool,
}

impl Wanted {
    /// The bounds as they are written.
    pub const fn percents(&self) -> Percents {
        Percents {
            minimum_healthy: self.minimum_healthy_percent,
            maximum: self.maximum_percent,
        }
    }

    /// Why these percents let no task be replaced, where they do not.
    pub fn cannot_move(&self) -> Option<CannotMove> {
        let found = self.percents().cannot_move(self.desired)?;
        Some(match self.scheduling {
            Scheduling::Replica { .. } => found,
            Scheduling::Daemon { .. } => found.of_daemons(),
        })
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
    /// Its zone has more tasks than others.
    Rebalanced,
    /// Its instance does not meet the constraints of a DAEMON service any more.
    ConstraintViolated,
}

impl Cause {
    /// The cause in a word, for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ScaleIn => "ScaleIn",
            Self::Replaced => "Replaced",
            Self::Unhealthy => "Unhealthy",
            Self::InstanceLost => "InstanceLost",
            Self::Rebalanced => "Rebalanced",
            Self::ConstraintViolated => "ConstraintViolated",
        }
    }
}

#[cfg(test)]
mod tests;

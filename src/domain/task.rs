//! The life of a task: its states, why it ends, and what its health is.
//!
//! States only move forward, and STOPPED is final (ECS Developer Guide, "Task lifecycle").

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Minutes for which a task can be protected (ECS API Reference, `UpdateTaskProtection`).
pub const PROTECTION_MINUTES: RangeInclusive<i64> = 1..=2880;
/// Minutes when nothing is said.
pub const PROTECTION_DEFAULT: i64 = 120;

/// `lastStatus` of a task, in the order in which a task passes through them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskState {
    /// Work before the launch: waiting for an instance.
    Provisioning,
    /// Placed on an instance; not all containers run yet.
    Pending,
    /// All containers run; targets are being registered.
    Activating,
    /// All containers have been started.
    Running,
    /// Targets are being deregistered before the stop.
    Deactivating,
    /// Containers were told to stop.
    Stopping,
    /// Containers are gone; what belonged to the task is cleaned up.
    Deprovisioning,
    /// Nothing of the task runs any more. Final.
    Stopped,
}

impl TaskState {
    /// All states, in order.
    pub const ALL: [Self; 8] = [
        Self::Provisioning,
        Self::Pending,
        Self::Activating,
        Self::Running,
        Self::Deactivating,
        Self::Stopping,
        Self::Deprovisioning,
        Self::Stopped,
    ];

    /// ECS's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "PROVISIONING",
            Self::Pending => "PENDING",
            Self::Activating => "ACTIVATING",
            Self::Running => "RUNNING",
            Self::Deactivating => "DEACTIVATING",
            Self::Stopping => "STOPPING",
            Self::Deprovisioning => "DEPROVISIONING",
            Self::Stopped => "STOPPED",
        }
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is none of the words it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a known value")]
pub struct UnknownWord(pub String);

impl FromStr for TaskState {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownWord(text.to_owned()))
    }
}

/// Who or what ended a task (`stopCode` of `DescribeTasks`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopCode {
    /// The task never ran.
    TaskFailedToStart,
    /// An essential container ended.
    EssentialContainerExited,
    /// A person asked for it.
    UserInitiated,
    /// The service scheduler decided it: scale-in, deployment, failed health checks.
    ServiceSchedulerInitiated,
    /// The spot instance was taken back.
    SpotInterruption,
    /// The instance is gone.
    TerminationNotice,
    /// The instance was judged unhealthy.
    InfrastructureHealth,
}

impl StopCode {
    /// All codes.
    pub const ALL: [Self; 7] = [
        Self::TaskFailedToStart,
        Self::EssentialContainerExited,
        Self::UserInitiated,
        Self::ServiceSchedulerInitiated,
        Self::SpotInterruption,
        Self::TerminationNotice,
        Self::InfrastructureHealth,
    ];

    /// ECS's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TaskFailedToStart => "TaskFailedToStart",
            Self::EssentialContainerExited => "EssentialContainerExited",
            Self::UserInitiated => "UserInitiated",
            Self::ServiceSchedulerInitiated => "ServiceSchedulerInitiated",
            Self::SpotInterruption => "SpotInterruption",
            Self::TerminationNotice => "TerminationNotice",
            Self::InfrastructureHealth => "InfrastructureHealth",
        }
    }
}

impl FromStr for StopCode {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|code| code.as_str() == text)
            .ok_or_else(|| UnknownWord(text.to_owned()))
    }
}

/// The end of a task that was decided: its presence on a task is desiredStatus STOPPED.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// Who or what decided it.
    pub code: StopCode,
    /// ECS's sentence, shown as `stoppedReason`.
    pub reason: String,
}

/// `healthStatus` of a container or task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Health {
    /// The health check passes.
    Healthy,
    /// No health check, or no result yet.
    #[default]
    Unknown,
    /// The health check fails.
    Unhealthy,
}

impl Health {
    /// ECS's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "HEALTHY",
            Self::Unknown => "UNKNOWN",
            Self::Unhealthy => "UNHEALTHY",
        }
    }

    /// Health of a task from its essential containers that have a health check: any UNHEALTHY wins, then any
    /// UNKNOWN, and a task without such a container is UNKNOWN (ECS API Reference, Task.healthStatus).
    pub fn of_task(checked_essential: impl IntoIterator<Item = Self>) -> Self {
        let worst = checked_essential.into_iter().max();
        worst.unwrap_or(Self::Unknown)
    }
}

impl FromStr for Health {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        [Self::Healthy, Self::Unknown, Self::Unhealthy]
            .into_iter()
            .find(|health| health.as_str() == text)
            .ok_or_else(|| UnknownWord(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_essential_container_decides_the_health_of_a_task() {
        use Health::{Healthy, Unhealthy, Unknown};
        assert_eq!(Health::of_task([Healthy, Unknown, Unhealthy]), Unhealthy);
        assert_eq!(Health::of_task([Healthy, Unknown]), Unknown);
        assert_eq!(Health::of_task([Healthy, Healthy]), Healthy);
        assert_eq!(Health::of_task([]), Unknown);
    }

    #[test]
    fn states_read_back_what_they_print_and_are_ordered() {
        for state in TaskState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!(TaskState::ALL.is_sorted());
    }
}

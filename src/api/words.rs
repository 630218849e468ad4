//! The same words on both sides: those of the resources and those of [`crate::domain`].

use super::cluster::SecurityProfile;
use super::shapes;
use super::task::{self, LastStatus};
use crate::domain::resources::Protocol;
use crate::domain::security::Profile;
use crate::domain::task::{Health, Stop, StopCode, TaskState};
use crate::domain::traffic::TargetState;

impl From<Protocol> for shapes::TransportProtocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Tcp => Self::Tcp,
            Protocol::Udp => Self::Udp,
        }
    }
}

impl From<SecurityProfile> for Profile {
    fn from(profile: SecurityProfile) -> Self {
        match profile {
            SecurityProfile::Baseline => Self::Baseline,
            SecurityProfile::Privileged => Self::Privileged,
        }
    }
}

impl From<LastStatus> for TaskState {
    fn from(status: LastStatus) -> Self {
        match status {
            LastStatus::Provisioning => Self::Provisioning,
            LastStatus::Pending => Self::Pending,
            LastStatus::Activating => Self::Activating,
            LastStatus::Running => Self::Running,
            LastStatus::Deactivating => Self::Deactivating,
            LastStatus::Stopping => Self::Stopping,
            LastStatus::Deprovisioning => Self::Deprovisioning,
            LastStatus::Stopped => Self::Stopped,
        }
    }
}

impl From<TaskState> for LastStatus {
    fn from(state: TaskState) -> Self {
        match state {
            TaskState::Provisioning => Self::Provisioning,
            TaskState::Pending => Self::Pending,
            TaskState::Activating => Self::Activating,
            TaskState::Running => Self::Running,
            TaskState::Deactivating => Self::Deactivating,
            TaskState::Stopping => Self::Stopping,
            TaskState::Deprovisioning => Self::Deprovisioning,
            TaskState::Stopped => Self::Stopped,
        }
    }
}

impl From<StopCode> for task::StopCode {
    fn from(code: StopCode) -> Self {
        match code {
            StopCode::TaskFailedToStart => Self::TaskFailedToStart,
            StopCode::EssentialContainerExited => Self::EssentialContainerExited,
            StopCode::UserInitiated => Self::UserInitiated,
            StopCode::ServiceSchedulerInitiated => Self::ServiceSchedulerInitiated,
            StopCode::SpotInterruption => Self::SpotInterruption,
            StopCode::TerminationNotice => Self::TerminationNotice,
            StopCode::InfrastructureHealth => Self::InfrastructureHealth,
        }
    }
}

impl From<task::StopCode> for StopCode {
    fn from(code: task::StopCode) -> Self {
        match code {
            task::StopCode::TaskFailedToStart => Self::TaskFailedToStart,
            task::StopCode::EssentialContainerExited => Self::EssentialContainerExited,
            task::StopCode::UserInitiated => Self::UserInitiated,
            task::StopCode::ServiceSchedulerInitiated => Self::ServiceSchedulerInitiated,
            task::StopCode::SpotInterruption => Self::SpotInterruption,
            task::StopCode::TerminationNotice => Self::TerminationNotice,
            task::StopCode::InfrastructureHealth => Self::InfrastructureHealth,
        }
    }
}

impl From<&task::Stop> for Stop {
    fn from(stop: &task::Stop) -> Self {
        let reason = stop
            .reason
            .as_deref()
            .cloned()
            .unwrap_or_else(|| crate::domain::events::STOPPED_BY_USER.to_owned());
        Self {
            code: stop.code.into(),
            reason,
        }
    }
}

impl From<&Stop> for task::Stop {
    fn from(stop: &Stop) -> Self {
        Self {
            code: stop.code.into(),
            reason: Some(super::bounded::Str::cut(&stop.reason)),
        }
    }
}

impl From<task::TargetHealth> for TargetState {
    fn from(health: task::TargetHealth) -> Self {
        match health {
            task::TargetHealth::Initial => Self::Initial,
            task::TargetHealth::Healthy => Self::Healthy,
            task::TargetHealth::Unhealthy => Self::Unhealthy,
            task::TargetHealth::Draining => Self::Draining,
            task::TargetHealth::Unused => Self::Unused,
            task::TargetHealth::Unavailable => Self::Unavailable,
        }
    }
}

impl From<task::HealthStatus> for Health {
    fn from(status: task::HealthStatus) -> Self {
        match status {
            task::HealthStatus::Healthy => Self::Healthy,
            task::HealthStatus::Unhealthy => Self::Unhealthy,
            task::HealthStatus::Unknown => Self::Unknown,
        }
    }
}

impl From<Health> for task::HealthStatus {
    fn from(health: Health) -> Self {
        match health {
            Health::Healthy => Self::Healthy,
            Health::Unhealthy => Self::Unhealthy,
            Health::Unknown => Self::Unknown,
        }
    }
}

//! The texts that people see: service events and stop reasons, in ECS's words where ECS has some.
//!
//! Sources: ECS Developer Guide, "Service event messages" and "Stopped tasks error messages".

use super::placement::Explanation;

/// Longest message of an event, in characters.
pub const MAXIMUM_MESSAGE: usize = 1024;

/// Something that happened to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceEvent {
    /// Tasks were started.
    Started(Vec<String>),
    /// Running tasks were told to stop.
    Stopped(Vec<String>),
    /// Nothing is left to do.
    SteadyState,
    /// All tasks run the newest revision.
    DeploymentCompleted {
        /// `ecs-svc/<digits>`
        deployment: String,
    },
    /// The circuit breaker has given a deployment up.
    DeploymentFailed {
        /// `ecs-svc/<digits>`
        deployment: String,
    },
    /// A person has stopped a deployment.
    DeploymentStopped {
        /// `ecs-svc/<digits>`
        deployment: String,
    },
    /// The last completed deployment is made anew.
    RollingBack {
        /// `ecs-svc/<digits>` of the completed one.
        deployment: String,
    },
    /// A rollback was asked for, and there is nothing to go back to.
    NothingToRollBackTo,
    /// The way back failed as well.
    RollbackFailed,
    /// A task found no instance.
    Unplaced(Explanation),
    /// Tasks keep failing before they run, so that starts are spaced out.
    CannotStartConsistently,
    /// Its instance is lost.
    InstanceLost {
        /// Id of the task.
        task: String,
        /// Name of the instance.
        instance: String,
    },
    /// The container health check of a task failed.
    FailedHealthChecks {
        /// Id of the task.
        task: String,
    },
    /// The target group's health checks of a task failed.
    TargetUnhealthy {
        /// Id of the task.
        task: String,
        /// Name of the instance.
        instance: String,
        /// Port at which the task is reached.
        port: i32,
        /// Name of the target group.
        group: String,
        /// Why, as its agent says it.
        reason: String,
    },
    /// Endpoints of tasks were added to a target group.
    Registered {
        /// How many.
        targets: usize,
        /// Name of the target group.
        group: String,
    },
    /// Endpoints of tasks were taken out of a target group.
    Deregistered {
        /// How many.
        targets: usize,
        /// Name of the target group.
        group: String,
    },
    /// More tasks are protected than wanted.
    TooManyProtected {
        /// `ecs-svc/<digits>`
        deployment: String,
    },
    /// The instance of a daemon task does not meet the constraints any more.
    ConstraintViolated {
        /// Id of the task.
        task: String,
        /// Name of the instance.
        instance: String,
    },
    /// A steady service has more tasks in some zones than in others: by zone.
    ZonesUneven(Vec<(String, usize)>),
    /// A task was started in a zone with too few.
    StartedInZone {
        /// The zone.
        zone: String,
        /// Ids of the tasks.
        tasks: Vec<String>,
    },
    /// A task was stopped in a zone with too many.
    StoppedInZone {
        /// The zone.
        zone: String,
        /// Ids of the tasks.
        tasks: Vec<String>,
    },
    /// A zone with too few tasks has no room for one more.
    NoRoomInZone {
        /// The zone.
        zone: String,
    },
    /// The percents leave no room to stop or start anything.
    BoundsLeaveNoRoom,
    /// An object of the name that a task should get belongs to somebody else.
    NameTaken {
        /// Name of the object.
        name: String,
    },
}

impl ServiceEvent {
    /// The message as `DescribeServices` shows it for `service`.
    #[expect(clippy::too_many_lines, reason = "a text for each event")]
    pub fn message(&self, service: &str) -> String {
        let list = |tasks: &[String]| {
            tasks
                .iter()
                .map(|task| format!("(task {task})"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let text = match self {
            Self::Started(tasks) => {
                format!(
                    "(service {service}) has started {} tasks: {}.",
                    tasks.len(),
                    list(tasks)
                )
            }
            Self::Stopped(tasks) => {
                format!(
                    "(service {service}) has stopped {} running tasks: {}.",
                    tasks.len(),
                    list(tasks)
                )
            }
            Self::SteadyState => format!("(service {service}) has reached a steady state."),
            Self::DeploymentCompleted { deployment } => {
                format!("(service {service}) (deployment {deployment}) deployment completed.")
            }
            Self::DeploymentFailed { deployment } => format!(
                "(service {service}) (deployment {deployment}) deployment failed: tasks failed to start."
            ),
            Self::DeploymentStopped { deployment } => {
                format!("(service {service}) (deployment {deployment}) deployment stopped by user.")
            }
            Self::RollingBack { deployment } => {
                format!("(service {service}) rolling back to deployment {deployment}.")
            }
            Self::NothingToRollBackTo => format!(
                "(service {service}) cannot roll back: no other deployment of it has completed."
            ),
            Self::RollbackFailed => format!(
                "(service {service}) cannot roll back again: the rollback itself has failed."
            ),
            Self::Unplaced(explanation) => format!(
                "(service {service}) was unable to place a task because no container instance met all of its requirements. {explanation}"
            ),
            Self::CannotStartConsistently => {
                format!("(service {service}) is unable to consistently start tasks successfully.")
            }
            Self::InstanceLost { task, instance } => format!(
                "(service {service}) (task {task}) is lost with (container-instance {instance}) and will be replaced."
            ),
            Self::FailedHealthChecks { task } => {
                format!("(service {service}) (task {task}) failed container health checks.")
            }
            Self::TargetUnhealthy {
                task,
                instance,
                port,
                group,
                reason,
            } => format!(
                "(service {service}) (task {task}) (instance {instance}) (port {port}) is unhealthy in (target-group {group}) due to (reason {reason})"
            ),
            Self::Registered { targets, group } => {
                format!(
                    "(service {service}) registered {targets} targets in (target-group {group})"
                )
            }
            Self::Deregistered { targets, group } => format!(
                "(service {service}) deregistered {targets} targets in (target-group {group})"
            ),
            Self::TooManyProtected { deployment } => format!(
                "(service {service}) was unable to reach steady state because task set ({deployment}) was unable to scale in. Reason: The number of protected tasks are more than the desired count of tasks"
            ),
            Self::ConstraintViolated { task, instance } => format!(
                "(service {service}) (task {task}) was stopped because (container-instance {instance}) does not meet the service's placement constraints any more."
            ),
            Self::ZonesUneven(zones) => {
                let zones: Vec<String> = zones
                    .iter()
                    .map(|(zone, count)| format!("{count} tasks in {zone}"))
                    .collect();
                format!(
                    "service ({service}) is not AZ balanced with {}. AZ Rebalancing in progress.",
                    zones.join(", ")
                )
            }
            Self::StartedInZone { zone, tasks } => format!(
                "service ({service}) has started {} tasks in {zone} to AZ Rebalance: {}.",
                tasks.len(),
                tasks.join(", ")
            ),
            Self::StoppedInZone { zone, tasks } => format!(
                "service ({service}) has stopped {} running tasks in {zone} due to AZ rebalancing: {}.",
                tasks.len(),
                tasks.join(", ")
            ),
            Self::NoRoomInZone { zone } => format!(
                "service ({service}) is unable to place a task in {zone} because no container instance met all of its requirements."
            ),
            Self::BoundsLeaveNoRoom => format!(
                "(service {service}) was unable to stop or start tasks during a deployment because of the service deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again."
            ),
            Self::NameTaken { name } => format!(
                "(service {service}) was unable to start a task because an EcsTask named {name} exists that is not of this service: delete or rename it."
            ),
        };
        bounded(&text, MAXIMUM_MESSAGE)
    }

    /// One word for Kubernetes Events and metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Started(_) => "TasksStarted",
            Self::Stopped(_) => "TasksStopped",
            Self::SteadyState => "SteadyState",
            Self::DeploymentCompleted { .. } => "DeploymentCompleted",
            Self::DeploymentFailed { .. } => "DeploymentFailed",
            Self::DeploymentStopped { .. } => "DeploymentStopped",
            Self::RollingBack { .. } => "DeploymentRollingBack",
            Self::NothingToRollBackTo => "NothingToRollBackTo",
            Self::RollbackFailed => "RollbackFailed",
            Self::Unplaced(_) => "TaskPlacementFailure",
            Self::CannotStartConsistently => "TaskStartImpaired",
            Self::InstanceLost { .. } => "InstanceLost",
            Self::FailedHealthChecks { .. } => "TaskFailedHealthChecks",
            Self::TargetUnhealthy { .. } => "TargetUnhealthy",
            Self::Registered { .. } => "TargetsRegistered",
            Self::Deregistered { .. } => "TargetsDeregistered",
            Self::TooManyProtected { .. } => "TooManyProtectedTasks",
            Self::ConstraintViolated { .. } => "DaemonPlacementConstraintViolated",
            Self::ZonesUneven(_) => "ZonesUneven",
            Self::StartedInZone { .. } | Self::StoppedInZone { .. } => "Rebalancing",
            Self::NoRoomInZone { .. } => "UnableToRebalance",
            Self::BoundsLeaveNoRoom => "DeploymentBoundsLeaveNoRoom",
            Self::NameTaken { .. } => "TaskNameTaken",
        }
    }

    /// Whether somebody should look at it.
    pub const fn is_warning(&self) -> bool {
        !matches!(
            self,
            Self::Started(_)
                | Self::Stopped(_)
                | Self::SteadyState
                | Self::ZonesUneven(_)
                | Self::Registered { .. }
                | Self::Deregistered { .. }
                | Self::StartedInZone { .. }
                | Self::StoppedInZone { .. }
                | Self::DeploymentCompleted { .. }
        )
    }
}

/// `rolloutStateReason` of a deployment that goes on.
pub fn deployment_in_progress(deployment: &str) -> String {
    format!("ECS deployment {deployment} in progress.")
}

/// `rolloutStateReason` of a deployment that has completed.
pub fn deployment_completed(deployment: &str) -> String {
    format!("ECS deployment {deployment} completed.")
}

/// `rolloutStateReason` of a deployment that the circuit breaker gave up.
pub const DEPLOYMENT_FAILED: &str = "ECS deployment circuit breaker: tasks failed to start.";

/// `rolloutStateReason` of a deployment that a person stopped, and why it counts as failed.
pub const DEPLOYMENT_STOPPED: &str = "ECS deployment stopped by user.";

/// `rolloutStateReason` of the deployment that goes back to `completed` because a person asked for it.
pub fn rolling_back_by_hand(completed: &str) -> String {
    format!("ECS deployment stopped by user: rolling back to deploymentId {completed}.")
}

/// `rolloutStateReason` of the deployment that goes back to `completed`.
pub fn rolling_back(completed: &str) -> String {
    format!("ECS deployment circuit breaker: rolling back to deploymentId {completed}.")
}

/// `stoppedReason` of a task that a deployment or a scale-in stops: ECS uses one text for both.
pub fn scaling_activity(deployment: &str) -> String {
    format!("Scaling activity initiated by (deployment {deployment})")
}

/// `stoppedReason` of a task whose health check failed.
pub const FAILED_HEALTH_CHECKS: &str = "Task failed container health checks";

/// Beginning of the `stoppedReason` of a task that fails the health checks of a target group.
const FAILED_TARGET_HEALTH_CHECKS: &str = "Task failed ELB health checks in (target-group ";

/// `stoppedReason` of a task that fails the health checks of a target group.
pub fn failed_target_health_checks(group: &str) -> String {
    format!("{FAILED_TARGET_HEALTH_CHECKS}{group})")
}

/// Whether a task was told to stop because a check of it failed.
pub fn tells_of_failed_checks(reason: &str) -> bool {
    reason == FAILED_HEALTH_CHECKS || reason.starts_with(FAILED_TARGET_HEALTH_CHECKS)
}

/// `stoppedReason` of a task whose essential container ended.
pub const ESSENTIAL_EXITED: &str = "Essential container in task exited";

/// `stoppedReason` of a task that a person stopped without saying why.
pub const STOPPED_BY_USER: &str = "Task stopped by user";

/// Beginning of the `stoppedReason` of a task that the agent would not start: no resources left, not admitted, or a
/// field that it does not know. The controller tries another instance, and no failure is counted against the service.
pub const REFUSED: &str = "Refused by the container instance: ";

/// `stoppedReason` of a task whose containers could not be connected to the engine's bridge, because that is gone.
pub const NO_BRIDGE: &str = "Refused by the container instance: NETWORK:BRIDGE";

/// Whether engines speak so of a bridge that is gone.
pub fn tells_of_a_missing_bridge(reason: &str) -> bool {
    reason.contains("could not find bridge")
}

/// `stoppedReason` of a task whose instance is gone.
pub fn host_terminated(instance: &str) -> String {
    format!("Host (container-instance {instance}) terminated")
}

/// `stoppedReason` of a task whose instance is lost.
pub fn host_lost(instance: &str) -> String {
    format!(
        "Host (container-instance {instance}) lost: its agent is silent and its node is not Ready"
    )
}

/// `text` in at most `limit` characters, its end cut.
pub fn bounded(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_those_of_ecs() {
        assert_eq!(
            ServiceEvent::Started(vec!["0123".into(), "4567".into()]).message("web"),
            "(service web) has started 2 tasks: (task 0123) (task 4567)."
        );
        assert_eq!(
            ServiceEvent::SteadyState.message("web"),
            "(service web) has reached a steady state."
        );
    }

    #[test]
    fn a_message_is_never_longer_than_its_bound() {
        let many = vec!["0".repeat(32); 500];
        assert_eq!(
            ServiceEvent::Started(many).message("web").chars().count(),
            MAXIMUM_MESSAGE
        );
    }
}

//! How a task ended: who decided it, and what its containers say.

use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use crate::api::task::{EcsTask, StopCode};

/// The end of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// Name of the task.
    pub task: String,
    /// What it ran.
    pub task_definition: String,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// When it was STOPPED.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<Timestamp>,
    /// Who decided it.
    pub decided_by: &'static str,
    /// `stopCode`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_code: Option<StopCode>,
    /// `stoppedReason`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its containers that say something of their end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<ContainerEnd>,
}

/// The end of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerEnd {
    /// Its name.
    pub name: String,
    /// What it returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Ended {
    /// The end of this task; `None` while it has not ended.
    pub fn of(task: &EcsTask) -> Option<Self> {
        let status = task.status.as_ref().filter(|_| task.is_stopped())?;
        let containers = status.containers.iter();
        Some(Self {
            task: task.name_any(),
            task_definition: task.revision_name().to_owned(),
            instance: task.instance().map(ToOwned::to_owned),
            stopped_at: status.stopped_at.as_ref().map(|time| time.0),
            decided_by: decided_by(task),
            stop_code: status.stop_code,
            reason: status.stopped_reason.as_ref().map(ToString::to_string),
            containers: containers
                .filter(|container| container.exit_code.is_some() || container.reason.is_some())
                .map(|container| ContainerEnd {
                    name: container.name.to_string(),
                    exit_code: container.exit_code,
                    reason: container.reason.as_ref().map(ToString::to_string),
                })
                .collect(),
        })
    }
}

/// Who decided that a task ends: whoever wrote its stop, or who reported an end that nobody had asked for.
fn decided_by(task: &EcsTask) -> &'static str {
    let told = task.spec.stop.as_ref().map(|stop| stop.code);
    let reported = task.status.as_ref().and_then(|status| status.stop_code);
    match (told, reported) {
        (Some(StopCode::UserInitiated), _) => "a person",
        (Some(StopCode::ServiceSchedulerInitiated), _) => "the service scheduler",
        (Some(StopCode::TerminationNotice | StopCode::InfrastructureHealth), _) => {
            "the controller, because its instance is lost"
        }
        (None, Some(StopCode::EssentialContainerExited)) => "its own container, which ended",
        (None, Some(StopCode::TaskFailedToStart)) if task.instance().is_none() => {
            "the placement, which found no instance for it"
        }
        (None, Some(StopCode::TaskFailedToStart)) if task.was_refused() => {
            "its instance, which refused it"
        }
        (None, Some(StopCode::TaskFailedToStart)) => "its instance, which could not start it",
        (None, Some(StopCode::TerminationNotice | StopCode::InfrastructureHealth)) => {
            "the controller, because its instance is gone"
        }
        (None, Some(StopCode::UserInitiated)) => "whoever deleted it",
        (Some(_), _) | (None, Some(_) | None) => "the controller",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decided(spec: serde_json::Value, status: serde_json::Value) -> &'static str {
        let task = json!({"metadata": {"name": "t"}, "spec": spec, "status": status});
        let task: EcsTask = serde_json::from_value(task).unwrap();
        Ended::of(&task).unwrap().decided_by
    }

    #[test]
    fn whoever_wrote_the_stop_decided_it_and_otherwise_whoever_reported_the_end() {
        let told = |code: &str| {
            let spec = json!({"taskDefinition": "web:1", "stop": {"code": code}});
            decided(
                spec,
                json!({"lastStatus": "STOPPED", "stopCode": "EssentialContainerExited"}),
            )
        };
        assert_eq!(told("UserInitiated"), "a person");
        assert_eq!(told("ServiceSchedulerInitiated"), "the service scheduler");
        assert_eq!(
            told("TerminationNotice"),
            "the controller, because its instance is lost"
        );
        let ended = |instance: Option<&str>, code: &str, reason: &str| {
            let spec = json!({"taskDefinition": "web:1", "containerInstance": instance});
            decided(
                spec,
                json!({"lastStatus": "STOPPED", "stopCode": code, "stoppedReason": reason}),
            )
        };
        let failed = "TaskFailedToStart";
        let refused = format!("{}no room", crate::domain::events::REFUSED);
        assert_eq!(
            ended(None, failed, ""),
            "the placement, which found no instance for it"
        );
        assert_eq!(
            ended(Some("i"), failed, &refused),
            "its instance, which refused it"
        );
        assert_eq!(
            ended(Some("i"), failed, ""),
            "its instance, which could not start it"
        );
        assert_eq!(
            ended(Some("i"), "EssentialContainerExited", ""),
            "its own container, which ended"
        );
    }
}

//! What `describe-services` shows of a service.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Condition, Deserialize, JsonSchema, List, Serialize, Str, conditions};
use crate::domain::service::Rollout;

/// What has become of a service. Its size does not grow with the number of tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EcsServiceStatus {
    /// Generation of the spec that this status is about.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// ACTIVE, or DRAINING while it is deleted and its tasks stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ServiceStatus>,
    /// Tasks wanted.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub desired_count: i32,
    /// Tasks that are RUNNING, over all deployments.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub running_count: i32,
    /// Tasks that are starting, over all deployments.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub pending_count: i32,
    /// Label selector of the service's tasks, for scalers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Str<512>>,
    /// What the newest deployment runs: `family:revision`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_definition: Option<Str<96>>,
    /// Deployments that have not ended, the newest first.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub deployments: List<DeploymentStatus, 50>,
    /// The last deployment that completed: what a rollback goes back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_completed_deployment: Option<DeploymentRecord>,
    /// The deployment that failed, until something else is wanted; it is not tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_deployment: Option<DeploymentRecord>,
    /// Highest deployment number ever given; none is given twice.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub last_deployment_number: i64,
    /// What happened, the newest first: at most 100.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub events: List<ServiceEvent, 100>,
    /// Fields that are set and change nothing here, each with the reason.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub without_effect: List<Str<1024>, 128>,
    /// What holds now: Ready, Reconciling, Stalled, `PercentsCannotMove`, `WithoutEffect`.
    #[serde(default)]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
}

/// Whether a service is kept or goes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum ServiceStatus {
    /// It is kept.
    #[serde(rename = "ACTIVE")]
    Active,
    /// It is deleted and its tasks stop.
    #[serde(rename = "DRAINING")]
    Draining,
}

/// A deployment that has not ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentStatus {
    /// ECS's id: `ecs-svc/` and 19 digits.
    pub id: Str<32>,
    /// Number of the deployment in its service, from 1.
    #[schemars(range(min = 1))]
    pub number: i64,
    /// PRIMARY is the newest.
    pub status: DeploymentState,
    /// Name of the `EcsServiceRevision` that it runs.
    pub service_revision: Str<96>,
    /// What it runs: `family:revision`.
    pub task_definition: Str<96>,
    /// Tasks wanted of this deployment.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub desired_count: i32,
    /// Tasks of this deployment that are starting.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub pending_count: i32,
    /// Tasks of this deployment that are RUNNING.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub running_count: i32,
    /// Failed tasks in a row: those that could not start, or were stopped for a failed health check.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub failed_tasks: i32,
    /// How far it is.
    pub rollout_state: RolloutState,
    /// Why, in ECS's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout_state_reason: Option<Str<1024>>,
    /// What it waits for, while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<Str<1024>>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
    /// When something about it changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Time>,
}

/// Place of a deployment among those of its service.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum DeploymentState {
    /// The newest.
    #[serde(rename = "PRIMARY")]
    Primary,
    /// An older one that still has tasks.
    #[serde(rename = "ACTIVE")]
    Active,
    /// An older one without tasks.
    #[serde(rename = "INACTIVE")]
    Inactive,
}

impl DeploymentState {
    /// ECS's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "PRIMARY",
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
        }
    }
}

/// How far a deployment is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum RolloutState {
    /// It replaces tasks.
    #[serde(rename = "IN_PROGRESS")]
    InProgress,
    /// All that is wanted runs and is healthy, and nothing older does.
    #[serde(rename = "COMPLETED")]
    Completed,
    /// It has been given up.
    #[serde(rename = "FAILED")]
    Failed,
}

impl RolloutState {
    /// ECS's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }
}

impl From<RolloutState> for Rollout {
    fn from(state: RolloutState) -> Self {
        match state {
            RolloutState::InProgress => Self::InProgress,
            RolloutState::Completed => Self::Completed,
            RolloutState::Failed => Self::Failed,
        }
    }
}

/// What is remembered of a deployment that has ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentRecord {
    /// Number of the deployment.
    #[schemars(range(min = 1))]
    pub number: i64,
    /// Name of the `EcsServiceRevision` that it ran.
    pub service_revision: Str<96>,
    /// What it ran: `family:revision`.
    pub task_definition: Str<96>,
    /// Why it failed: the words of the task that failed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Str<1024>>,
}

/// Something that happened to a service, in ECS's words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceEvent {
    /// Id of the event.
    pub id: Str<64>,
    /// When it happened.
    pub created_at: Time,
    /// What happened.
    pub message: Str<1024>,
}

//! How a service replaces its tasks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::breaker::DeploymentCircuitBreaker;
use super::hook_details::HookDetails;
use crate::api::bounded::{List, Str};

/// How a service replaces its tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentConfiguration {
    /// When a deployment that cannot start its tasks counts as failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_circuit_breaker: Option<DeploymentCircuitBreaker>,
    /// Most tasks at once, RUNNING or PENDING, in percent of the desired count, rounded down.
    /// Default 200; 100 for DAEMON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2000))]
    pub maximum_percent: Option<i32>,
    /// Fewest healthy tasks, in percent of the desired count, rounded up. Default 100; 0 for
    /// DAEMON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub minimum_healthy_percent: Option<i32>,
    /// CloudWatch alarms that fail a deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarms: Option<DeploymentAlarms>,
    /// How traffic moves to the new revision. Default ROLLING.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<DeploymentStrategy>,
    /// Minutes that both revisions run after production traffic has moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1440))]
    pub bake_time_in_minutes: Option<i32>,
    /// What is called at the stages of a deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle_hooks: Option<List<DeploymentLifecycleHook, 64>>,
    /// Steps of strategy LINEAR.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linear_configuration: Option<LinearConfiguration>,
    /// Steps of strategy CANARY.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary_configuration: Option<CanaryConfiguration>,
    /// When a deployment may count as completed before all tasks are healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_success_criteria: Option<DeploymentEarlySuccessCriteria>,
}

/// How traffic moves to the new revision.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum DeploymentStrategy {
    /// Task by task.
    #[serde(rename = "ROLLING")]
    Rolling,
    /// All at once, after the new revision is complete.
    #[serde(rename = "BLUE_GREEN")]
    BlueGreen,
    /// In equal steps.
    #[serde(rename = "LINEAR")]
    Linear,
    /// A small part first, then the rest.
    #[serde(rename = "CANARY")]
    Canary,
}

/// CloudWatch alarms that fail a deployment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentAlarms {
    /// Names of the alarms.
    pub alarm_names: List<Str<255>, 64>,
    /// Whether a failed deployment goes back to the last completed one.
    pub rollback: bool,
    /// Whether the alarms are watched.
    pub enable: bool,
}

/// What is called at stages of a deployment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentLifecycleHook {
    /// Kind of hook. Default `AWS_LAMBDA`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_type: Option<DeploymentLifecycleHookTargetType>,
    /// ARN of the function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook_target_arn: Option<Str<2048>>,
    /// Role with which it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<Str<2048>>,
    /// Stages at which it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle_stages: Option<List<DeploymentLifecycleHookStage, 16>>,
    /// Parameters that the hook is given: any object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook_details: Option<HookDetails>,
    /// What happens when the hook does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_configuration: Option<DeploymentLifecycleHookTimeoutConfiguration>,
}

/// Kinds of hook.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum DeploymentLifecycleHookTargetType {
    /// A Lambda function.
    #[serde(rename = "AWS_LAMBDA")]
    AwsLambda,
    /// A pause until somebody continues.
    #[serde(rename = "PAUSE")]
    Pause,
}

/// Stages of a deployment that can have hooks.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum DeploymentLifecycleHookStage {
    /// More than one revision is active at the start.
    #[serde(rename = "RECONCILE_SERVICE")]
    ReconcileService,
    /// Before the new tasks start.
    #[serde(rename = "PRE_SCALE_UP")]
    PreScaleUp,
    /// After the new tasks have started.
    #[serde(rename = "POST_SCALE_UP")]
    PostScaleUp,
    /// While test traffic moves.
    #[serde(rename = "TEST_TRAFFIC_SHIFT")]
    TestTrafficShift,
    /// After test traffic has moved.
    #[serde(rename = "POST_TEST_TRAFFIC_SHIFT")]
    PostTestTrafficShift,
    /// Before production traffic moves.
    #[serde(rename = "PRE_PRODUCTION_TRAFFIC_SHIFT")]
    PreProductionTrafficShift,
    /// While production traffic moves.
    #[serde(rename = "PRODUCTION_TRAFFIC_SHIFT")]
    ProductionTrafficShift,
    /// After production traffic has moved.
    #[serde(rename = "POST_PRODUCTION_TRAFFIC_SHIFT")]
    PostProductionTrafficShift,
}

/// What happens when a hook does not answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentLifecycleHookTimeoutConfiguration {
    /// Minutes to wait. Default 1440.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 20160))]
    pub timeout_in_minutes: Option<i32>,
    /// What follows. Default ROLLBACK.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<DeploymentLifecycleHookAction>,
}

/// What follows when a hook does not answer.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum DeploymentLifecycleHookAction {
    /// The deployment is rolled back.
    #[serde(rename = "ROLLBACK")]
    Rollback,
    /// The deployment goes on.
    #[serde(rename = "CONTINUE")]
    Continue,
}

/// Steps of strategy LINEAR.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinearConfiguration {
    /// Traffic that moves at each step, in percent. Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 3.0, max = 100.0))]
    pub step_percent: Option<f64>,
    /// Minutes between two steps. Default 6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1440))]
    pub step_bake_time_in_minutes: Option<i32>,
}

/// Steps of strategy CANARY.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CanaryConfiguration {
    /// Traffic that moves first, in percent. Default 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.1, max = 100.0))]
    pub canary_percent: Option<f64>,
    /// Minutes before the rest moves. Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1440))]
    pub canary_bake_time_in_minutes: Option<i32>,
}

/// When a deployment may count as completed before all tasks are healthy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentEarlySuccessCriteria {
    /// Whether the criteria are used.
    pub enable: bool,
    /// Healthy tasks of the new revision that suffice, in percent of the desired count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub healthy_percent: Option<i32>,
    /// Whether the old tasks must be gone first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_service_revision_cleanup: Option<ServiceRevisionCleanup>,
}

/// When a deployment waits for the old revision's tasks.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum ServiceRevisionCleanup {
    /// It waits until they are gone.
    #[serde(rename = "BLOCKING")]
    Blocking,
    /// They go later.
    #[serde(rename = "DEFERRED")]
    Deferred,
}

/// Who carries out a service's deployments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentController {
    /// Kind of controller. Default ECS.
    #[serde(rename = "type")]
    pub kind: DeploymentControllerType,
}

/// Who carries out deployments.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum DeploymentControllerType {
    /// The service scheduler.
    #[serde(rename = "ECS")]
    Ecs,
    /// AWS `CodeDeploy`.
    #[serde(rename = "CODE_DEPLOY")]
    CodeDeploy,
    /// A program of your own.
    #[serde(rename = "EXTERNAL")]
    External,
}

//! What a task changes about its definition.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::container::ResourceRequirement;
use super::container_parts::{EnvironmentFile, KeyValuePair};
use super::platform::EphemeralStorage;
use crate::api::bounded::{List, Str};

/// What a task changes about its definition. At most 8192 characters of JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskOverride {
    /// Changes of containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_overrides: Option<List<ContainerOverride, 10>>,
    /// Replaces the task's `cpu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Str<32>>,
    /// Replaces inference accelerators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inference_accelerator_overrides: Option<List<InferenceAcceleratorOverride, 16>>,
    /// Replaces `executionRoleArn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_role_arn: Option<Str<2048>>,
    /// Replaces the task's `memory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Str<32>>,
    /// Replaces `taskRoleArn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_role_arn: Option<Str<2048>>,
    /// Replaces the size of the task's disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ephemeral_storage: Option<EphemeralStorage>,
}

/// What a task changes about one container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerOverride {
    /// Name of the container. Needed where anything is overridden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Str<255>>,
    /// Replaces the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<List<Str<8192>, 256>>,
    /// Environment variables to add or replace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<List<KeyValuePair, 512>>,
    /// Replaces the environment files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_files: Option<List<EnvironmentFile, 10>>,
    /// Replaces `cpu`, in CPU units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 262_144))]
    pub cpu: Option<i32>,
    /// Replaces `memory`, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 6, max = 100_000_000))]
    pub memory: Option<i32>,
    /// Replaces `memoryReservation`, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub memory_reservation: Option<i32>,
    /// Replaces the accelerators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_requirements: Option<List<ResourceRequirement, 16>>,
}

/// Replaces an inference accelerator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InferenceAcceleratorOverride {
    /// Its name in the definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_name: Option<Str<255>>,
    /// The type to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_type: Option<Str<255>>,
}

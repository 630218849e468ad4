//! What a task definition says about the whole task: network mode, launch types, platform, tags.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::container_parts::KeyValuePair;
use crate::api::bounded::{List, Str};

/// Network modes of a task.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum NetworkMode {
    /// Docker's bridge network, with published ports. The default.
    #[serde(rename = "bridge")]
    Bridge,
    /// The instance's own network.
    #[serde(rename = "host")]
    Host,
    /// An address for each task.
    #[serde(rename = "awsvpc")]
    Awsvpc,
    /// No network.
    #[serde(rename = "none")]
    None,
}

/// Launch types that a task definition can be checked against.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum Compatibility {
    /// Container instances.
    #[serde(rename = "EC2")]
    Ec2,
    /// AWS Fargate.
    #[serde(rename = "FARGATE")]
    Fargate,
    /// External instances (ECS Anywhere).
    #[serde(rename = "EXTERNAL")]
    External,
    /// ECS Managed Instances.
    #[serde(rename = "MANAGED_INSTANCES")]
    ManagedInstances,
}

/// Process namespaces of a task.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum PidMode {
    /// The instance's.
    #[serde(rename = "host")]
    Host,
    /// One for all containers of the task.
    #[serde(rename = "task")]
    Task,
}

/// Inter-process namespaces of a task.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum IpcMode {
    /// The instance's.
    #[serde(rename = "host")]
    Host,
    /// One for all containers of the task.
    #[serde(rename = "task")]
    Task,
    /// One for each container.
    #[serde(rename = "none")]
    None,
}

/// Platform that a task needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuntimePlatform {
    /// Processor architecture. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_architecture: Option<CpuArchitecture>,
    /// Operating system. Default: LINUX.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operating_system_family: Option<OsFamily>,
}

/// Processor architectures.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum CpuArchitecture {
    /// 64-bit x86.
    #[serde(rename = "X86_64")]
    X8664,
    /// 64-bit ARM.
    #[serde(rename = "ARM64")]
    Arm64,
}

/// Operating systems.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum OsFamily {
    /// Linux.
    #[serde(rename = "LINUX")]
    Linux,
    /// Windows Server 2019 Full.
    #[serde(rename = "WINDOWS_SERVER_2019_FULL")]
    WindowsServer2019Full,
    /// Windows Server 2019 Core.
    #[serde(rename = "WINDOWS_SERVER_2019_CORE")]
    WindowsServer2019Core,
    /// Windows Server 2016 Full.
    #[serde(rename = "WINDOWS_SERVER_2016_FULL")]
    WindowsServer2016Full,
    /// Windows Server 2004 Core.
    #[serde(rename = "WINDOWS_SERVER_2004_CORE")]
    WindowsServer2004Core,
    /// Windows Server 2022 Core.
    #[serde(rename = "WINDOWS_SERVER_2022_CORE")]
    WindowsServer2022Core,
    /// Windows Server 2022 Full.
    #[serde(rename = "WINDOWS_SERVER_2022_FULL")]
    WindowsServer2022Full,
    /// Windows Server 2025 Core.
    #[serde(rename = "WINDOWS_SERVER_2025_CORE")]
    WindowsServer2025Core,
    /// Windows Server 2025 Full.
    #[serde(rename = "WINDOWS_SERVER_2025_FULL")]
    WindowsServer2025Full,
    /// Windows Server 20H2 Core.
    #[serde(rename = "WINDOWS_SERVER_20H2_CORE")]
    WindowsServer20h2Core,
}

/// Size of a Fargate task's disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EphemeralStorage {
    /// Size in GiB, 21 to 200. Default 20.
    #[serde(rename = "sizeInGiB")]
    #[schemars(range(min = 20, max = 200))]
    pub size_in_gib: i32,
}

/// The App Mesh proxy of a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxyConfiguration {
    /// Which proxy. Default APPMESH.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ProxyConfigurationType>,
    /// Name of the container that is the proxy.
    pub container_name: Str<255>,
    /// Settings of the proxy, such as `IgnoredUID` and `AppPorts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<List<KeyValuePair, 64>>,
}

/// Proxies.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum ProxyConfigurationType {
    /// AWS App Mesh.
    #[serde(rename = "APPMESH")]
    Appmesh,
}

/// An Elastic Inference accelerator. AWS has closed the service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InferenceAccelerator {
    /// Name by which a container asks for it.
    pub device_name: Str<255>,
    /// Type of the accelerator.
    pub device_type: Str<255>,
}

/// How far a task is isolated from others on the same Managed Instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrustedExecutionConfiguration {
    /// How the task is isolated.
    pub isolation_mode: IsolationMode,
    /// Policy that the platform's attestation must meet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation_policy: Option<Str<32768>>,
}

/// How a task is isolated on a Managed Instance.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum IsolationMode {
    /// It shares the instance's kernel.
    #[serde(rename = "SHARED")]
    Shared,
    /// It has a sandbox of its own.
    #[serde(rename = "ISOLATED_SANDBOX")]
    IsolatedSandbox,
    /// It has an encrypted sandbox of its own.
    #[serde(rename = "CONFIDENTIAL_SANDBOX")]
    ConfidentialSandbox,
}

/// A rule about the instances on which a definition's tasks may run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionPlacementConstraint {
    /// Kind of rule.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<TaskDefinitionPlacementConstraintType>,
    /// Expression of the cluster query language that the instance must satisfy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<Str<2000>>,
}

/// Kinds of rule in a task definition.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum TaskDefinitionPlacementConstraintType {
    /// The instance satisfies the expression.
    #[serde(rename = "memberOf")]
    MemberOf,
}

/// A tag. Letters, digits, spaces and `+ - = . _ : / @`; keys that begin with `aws:` are
/// reserved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tag {
    /// Key, 1 to 128 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Str<128>>,
    /// Value, at most 256 characters. Default: empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Str<256>>,
}

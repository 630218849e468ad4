//! The container of a task definition: every field that ECS reads about one container.

#![expect(
    unreachable_pub,
    reason = "KubeSchema writes a pub struct inside a function"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::container_parts::{
    EnvironmentFile, HostEntry, KeyValuePair, MountPoint, PortMapping, Secret, SystemControl,
    Ulimit, VolumeFrom,
};
use super::linux::LinuxParameters;
use super::logging::{FirelensConfiguration, LogConfiguration};
use crate::api::bounded::{List, Map, Str};

/// One container of a task, as in `RegisterTaskDefinition`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.memory) || !has(self.memoryReservation) || self.memory > self.memoryReservation").message("memory must be greater than memoryReservation").field_path(".memory"),
    // Numbers in a list of their own, looked up by the list: comparing each pair in CEL takes the API server seconds for long lists.
    validation = Rule::new("!has(self.portMappings) || [self.portMappings.filter(p, has(p.hostPort) && p.hostPort != 0).map(p, p.hostPort * 2 + (has(p.protocol) && p.protocol == 'udp' ? 1 : 0))].all(taken, taken.all(port, taken.indexOf(port) == taken.lastIndexOf(port)))").message("portMappings: a hostPort can be used only once for a protocol").field_path(".portMappings")
)]
pub struct ContainerDefinition {
    /// Name of the container, unique in the task: letters, digits, `-` and `_`, at most 255.
    /// Other containers, load balancers and overrides refer to it.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]+$"))]
    pub name: Str<255>,
    /// Image to run: `repository[:tag]` with at most 255 characters before the tag's digest, or
    /// `repository@sha256:<64 hex digits>`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._:/#@+-]*$"))]
    pub image: Str<512>,
    /// Credentials for a private registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository_credentials: Option<RepositoryCredentials>,
    /// CPU units that the container reserves (1024 are one vCPU), and its share when CPU is
    /// short. Default 0, which shares as 2. The sum fits the task's `cpu` where that is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 262_144))]
    pub cpu: Option<i32>,
    /// Hard limit in MiB: a container that exceeds it is killed. At least 6, and greater than
    /// `memoryReservation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 6, max = 100_000_000))]
    pub memory: Option<i32>,
    /// Soft limit in MiB. Placement reserves this where given, else `memory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub memory_reservation: Option<i32>,
    /// Names of containers to reach by name over the bridge network, each `name` or `name:alias`.
    /// Only with network mode bridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<List<Str<512>, 64>>,
    /// Ports of the container that the instance publishes. At most 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_mappings: Option<List<PortMapping, 100>>,
    /// Whether the task stops when this container stops. Default true; at least one container of
    /// a task is essential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub essential: Option<bool>,
    /// Restarts this container in place, without stopping the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<ContainerRestartPolicy>,
    /// Replaces the image's entry point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_point: Option<List<Str<16384>, 256>>,
    /// Replaces the image's command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<List<Str<16384>, 256>>,
    /// Environment variables. They win over `environmentFiles`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<List<KeyValuePair, 512>>,
    /// Files of environment variables in S3, at most 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_files: Option<List<EnvironmentFile, 10>>,
    /// Where the task's volumes are mounted in this container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount_points: Option<List<MountPoint, 64>>,
    /// Containers of the task whose volumes are mounted here too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volumes_from: Option<List<VolumeFrom, 10>>,
    /// Linux options: capabilities, devices, init process, shared memory, tmpfs, swap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linux_parameters: Option<LinuxParameters>,
    /// Secrets that become environment variables when the container is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<List<Secret, 256>>,
    /// Containers that must have reached a condition before this one starts; at stop the order is
    /// reversed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depends_on: Option<List<ContainerDependency, 10>>,
    /// Seconds which containers that depend on this one wait for it to reach COMPLETE, SUCCESS or
    /// HEALTHY, counted from its own start. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86400))]
    pub start_timeout: Option<i32>,
    /// Seconds between the stop signal and the kill. Default 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86400))]
    pub stop_timeout: Option<i32>,
    /// Whether the image's tag is resolved to a digest once a deployment, so that all its tasks
    /// run the same image. Default enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_consistency: Option<VersionConsistency>,
    /// Host name of the container. Not with network mode awsvpc.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<Str<253>>,
    /// User to run as: `user`, `user:group`, `uid`, `uid:gid`, or a mixture. Default: the
    /// image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Str<255>>,
    /// Working directory. Default: the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<Str<4096>>,
    /// Whether the container has no network. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable_networking: Option<bool>,
    /// Whether the container has the rights of root on the instance. Default false; a cluster's
    /// security profile refuses it unless it allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privileged: Option<bool>,
    /// Whether the root file system is read-only. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readonly_root_filesystem: Option<bool>,
    /// DNS servers of the container. Default: those of its instance's cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_servers: Option<List<Str<255>, 16>>,
    /// DNS search domains of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_search_domains: Option<List<Str<255>, 32>>,
    /// Lines to add to the container's /etc/hosts. Not with network mode awsvpc.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_hosts: Option<List<HostEntry, 64>>,
    /// Security options: `no-new-privileges`, `apparmor:PROFILE`, `label:VALUE`,
    /// `credentialspec:PATH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_security_options: Option<List<Str<255>, 16>>,
    /// Whether standard input stays open. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interactive: Option<bool>,
    /// Whether the container has a terminal. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pseudo_terminal: Option<bool>,
    /// Labels of the Docker container. At most 128.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_labels: Option<Map<Str<4096>, 128>>,
    /// Resource limits. Default: those of the Docker daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ulimits: Option<List<Ulimit, 16>>,
    /// Where the container's output goes. Default: the Docker daemon's log driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_configuration: Option<LogConfiguration>,
    /// The container's health check. It replaces the one of the image; an image's own check is
    /// not monitored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// Kernel parameters (sysctl).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_controls: Option<List<SystemControl, 64>>,
    /// Accelerators that the container needs, such as GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_requirements: Option<List<ResourceRequirement, 16>>,
    /// Makes this container the log router of its task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firelens_configuration: Option<FirelensConfiguration>,
    /// Credential specification for Active Directory (gMSA): at most one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_specs: Option<List<Str<2048>, 1>>,
}

/// Whether a deployment pins image digests.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum VersionConsistency {
    /// The tag is resolved to a digest once a deployment.
    #[serde(rename = "enabled")]
    Enabled,
    /// Each task resolves the tag for itself.
    #[serde(rename = "disabled")]
    Disabled,
}

/// Credentials for a private registry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryCredentials {
    /// ARN or name of the secret that holds the user name and the password.
    pub credentials_parameter: Str<2048>,
}

/// Restarts one container in place when it exits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerRestartPolicy {
    /// Whether the policy is in force.
    pub enabled: bool,
    /// Exit codes after which there is no restart. At most 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored_exit_codes: Option<List<i32, 50>>,
    /// Seconds that the container must have run before it is restarted. Default 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 1800))]
    pub restart_attempt_period: Option<i32>,
}

/// A container which must have reached a condition before the container that names it starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerDependency {
    /// Name of the container to wait for, in the same task.
    pub container_name: Str<255>,
    /// What that container must have reached.
    pub condition: ContainerCondition,
}

/// What a dependency waits for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum ContainerCondition {
    /// It runs, or has already stopped.
    #[serde(rename = "START")]
    Start,
    /// It has stopped, with any exit code; it must not be essential.
    #[serde(rename = "COMPLETE")]
    Complete,
    /// It has stopped with exit code 0; it must not be essential.
    #[serde(rename = "SUCCESS")]
    Success,
    /// Its health check has succeeded; it must define one.
    #[serde(rename = "HEALTHY")]
    Healthy,
}

/// A command that Docker runs in the container to see whether it is healthy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    /// The command, after `CMD` (run as it stands) or `CMD-SHELL` (one string for the shell).
    /// Exit code 0 is healthy.
    pub command: List<Str<16384>, 256>,
    /// Seconds between two checks. Default 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 5, max = 300))]
    pub interval: Option<i32>,
    /// Seconds after which a check counts as failed. Default 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 60))]
    pub timeout: Option<i32>,
    /// Failures in a row that make the container unhealthy. Default 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub retries: Option<i32>,
    /// Seconds after the start in which failures do not count; a success ends it. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 300))]
    pub start_period: Option<i32>,
}

/// An accelerator that a container needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceRequirement {
    /// How many GPUs, or `ALL`; the device's name for an inference accelerator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Str<255>>,
    /// Which kind of accelerator.
    #[serde(rename = "type")]
    pub kind: ResourceType,
    /// How one GPU is shared by several containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharing_strategy: Option<SharingStrategy>,
}

/// Kinds of accelerator.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum ResourceType {
    /// Graphics processor.
    #[serde(rename = "GPU")]
    Gpu,
    /// Elastic Inference accelerator.
    InferenceAccelerator,
    /// AWS Neuron device.
    NeuronDevice,
}

/// How one GPU is shared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SharingStrategy {
    /// Share of the GPU by NVIDIA's multi-process service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nvidia_mps: Option<NvidiaMpsAllocation>,
}

/// Share of one GPU.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NvidiaMpsAllocation {
    /// GPU memory in MiB.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub memory: i32,
    /// Largest share of the GPU's threads, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub max_compute_percent: Option<i32>,
}

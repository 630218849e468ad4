//! What `describe-tasks` shows of a task.

#![expect(
    unreachable_pub,
    reason = "KubeSchema writes a pub struct inside a function"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime};

use super::{
    Deserialize, JsonSchema, KubeSchema, List, Serialize, StopCode, Str, TaskProtection,
    TaskTarget, TaskTraffic, TransportProtocol,
};
use crate::api::conditions;

/// What has become of a task. Written by the agent of its instance, or by the controller where there is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EcsTaskStatus {
    /// Where the task is in its life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_status: Option<LastStatus>,
    /// Whether it is to run or to end; it goes from RUNNING to STOPPED only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_status: Option<DesiredStatus>,
    /// What its essential containers' health checks say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_status: Option<HealthStatus>,
    /// Its containers.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub containers: List<ContainerStatus, 10>,
    /// Address of the instance at which its host ports are reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_instance_address: Option<Str<253>>,
    /// When it was accepted, and became PENDING.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<MicroTime>,
    /// When the first pull of an image began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_started_at: Option<MicroTime>,
    /// When the last pull of an image ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_stopped_at: Option<MicroTime>,
    /// When it became RUNNING.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<MicroTime>,
    /// Since when it has been healthy without a break.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy_since: Option<MicroTime>,
    /// Protection that it asked for itself, through the task scale-in protection endpoint. Beside it counts what people write
    /// in its spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection: Option<TaskProtection>,
    /// When it began to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping_at: Option<MicroTime>,
    /// When its first essential container stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_stopped_at: Option<MicroTime>,
    /// When it became STOPPED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<MicroTime>,
    /// Who or what ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_code: Option<StopCode>,
    /// Why it ended, in ECS's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_reason: Option<Str<1024>>,
    /// When requests were first and last sent to it. Written by the controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<TaskTraffic>,
    /// The targets that it is, one for each of `spec.extensions.loadBalancers`.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub targets: List<TaskTarget, 32>,
    /// ARN of the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_arn: Option<Str<512>>,
    /// What else holds now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
}

/// Where a task is in its life. It only moves forward.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum LastStatus {
    /// It waits for an instance or for something that must be made first.
    Provisioning,
    /// It is bound to an instance; not all its containers have started.
    Pending,
    /// Its containers have started; it is being registered for traffic.
    Activating,
    /// It runs.
    Running,
    /// It is being taken out of traffic.
    Deactivating,
    /// Its containers have been told to stop.
    Stopping,
    /// Its containers are gone; what was made for it is being removed.
    Deprovisioning,
    /// It has ended, for good.
    Stopped,
}

/// Whether a task is to run or to end.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum DesiredStatus {
    /// It is to run.
    Running,
    /// It is to end.
    Stopped,
}

/// What health checks say.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum HealthStatus {
    /// All that are defined succeed.
    Healthy,
    /// One has failed.
    Unhealthy,
    /// None is defined, or none has an answer yet.
    Unknown,
}

/// What has become of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerStatus {
    /// Name of the container.
    pub name: Str<255>,
    /// The image that it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Str<512>>,
    /// Digest of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<Str<128>>,
    /// Docker's id of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_id: Option<Str<128>>,
    /// Where the container is in its life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_status: Option<ContainerLastStatus>,
    /// Its exit code, once it has stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Str<1024>>,
    /// When it last started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<MicroTime>,
    /// How often its restart policy has started it again; absent where it never has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_count: Option<i32>,
    /// Ports of the instance that lead to it.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub network_bindings: List<NetworkBinding, 200>,
    /// Network interfaces of its task, with network mode awsvpc.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub network_interfaces: List<NetworkInterface, 4>,
    /// Ids of the GPUs that are its alone.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub gpu_ids: List<Str<128>, 64>,
    /// What its health check says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_status: Option<HealthStatus>,
    /// CPU units that it reserves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Str<32>>,
    /// Hard limit of its memory, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Str<32>>,
    /// Soft limit of its memory, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_reservation: Option<Str<32>>,
}

/// Where a container is in its life.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum ContainerLastStatus {
    /// It has not started.
    Pending,
    /// It runs.
    Running,
    /// It has stopped.
    Stopped,
}

/// A network interface of a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkInterface {
    /// Address of the task, on its instance.
    #[serde(
        default,
        rename = "privateIpv4Address",
        skip_serializing_if = "Option::is_none"
    )]
    pub private_ipv4_address: Option<Str<45>>,
}

/// A port of the instance that leads to a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkBinding {
    /// Address of the instance on which the port is open.
    #[serde(default, rename = "bindIP", skip_serializing_if = "Option::is_none")]
    pub bind_ip: Option<Str<45>>,
    /// Port on which the container listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub container_port: Option<i32>,
    /// Port of the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub host_port: Option<i32>,
    /// Transport protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<TransportProtocol>,
}

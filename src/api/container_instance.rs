//! A Docker Engine with an agent beside it, which is what tasks run on.

#![expect(
    unreachable_pub,
    reason = "KubeSchema writes a pub struct inside a function"
)]
#![expect(
    clippy::duplicated_attributes,
    reason = "printer columns of the same type repeat it"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounded::{List, Map, Str};

/// Which engine this is, and whether tasks may be placed on it.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "ecs-operator.io",
    version = "v1alpha1",
    kind = "ContainerInstance",
    plural = "containerinstances",
    shortname = "ci",
    category = "ecs",
    status = "ContainerInstanceStatus",
    doc = "A container instance: one Docker Engine with an agent beside it. The controller makes one for each agent; people set spec.status to DRAINING, and custom attributes.",
    printcolumn(name = "CLUSTER", type_ = "string", json_path = ".spec.cluster"),
    printcolumn(name = "STATUS", type_ = "string", json_path = ".spec.status"),
    printcolumn(
        name = "CONNECTED",
        type_ = "boolean",
        json_path = ".status.control.agentConnected"
    ),
    printcolumn(
        name = "RUNNING",
        type_ = "integer",
        json_path = ".status.control.runningTasksCount"
    ),
    printcolumn(
        name = "CPU",
        type_ = "integer",
        json_path = ".status.agent.registeredResources.cpu"
    ),
    printcolumn(
        name = "MEMORY",
        type_ = "integer",
        json_path = ".status.agent.registeredResources.memory"
    ),
    printcolumn(
        name = "REASON",
        type_ = "string",
        json_path = ".status.control.reason"
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.cluster == oldSelf.cluster").message("cluster: cannot be changed: an instance belongs to one cluster"))]
pub struct ContainerInstanceSpec {
    /// Name of the EcsCluster that the instance belongs to. Cannot be changed.
    pub cluster: Str<63>,
    /// Name of the Kubernetes node whose Docker Engine this is, or on which the instance pod runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_name: Option<Str<253>>,
    /// Name of the instance pod, for an engine that runs in a pod of a CapacityProvider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_name: Option<Str<63>>,
    /// Name of the CapacityProvider that made the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_provider: Option<Str<63>>,
    /// ACTIVE takes new tasks, DRAINING does not (`UpdateContainerInstancesState`).
    #[serde(default)]
    pub status: InstanceState,
    /// Custom attributes, which placement can use (`PutAttributes`). At most 10.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<Str<128>, 10>,
}

/// Whether an instance takes new tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum InstanceState {
    /// New tasks may be placed here.
    #[default]
    #[serde(rename = "ACTIVE")]
    Active,
    /// Nothing new is placed here.
    #[serde(rename = "DRAINING")]
    Draining,
}

/// What is known of an instance. Two writers, each with a half of its own.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerInstanceStatus {
    /// Written by the controller: how it sees the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<InstanceControl>,
    /// Written by the instance's agent: what the engine is and offers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<InstanceReport>,
}

/// How the controller sees an instance.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceControl {
    /// Generation of the spec that this describes.
    #[serde(default)]
    pub observed_generation: i64,
    /// The agent renewed its Lease within the last 30 seconds; nothing is placed on an instance without.
    #[serde(default)]
    pub agent_connected: bool,
    /// The instance was silent for the cluster's lostAfterSeconds and its node is not Ready or gone.
    #[serde(default)]
    pub lost: bool,
    /// Why the instance takes no tasks; empty when it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Str<1024>>,
    /// Tasks that run here.
    #[serde(default)]
    pub running_tasks_count: i32,
    /// Tasks that are being started here.
    #[serde(default)]
    pub pending_tasks_count: i32,
    /// Ready: the instance takes tasks.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: List<Condition, 16>,
}

/// What the agent says of its engine.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceReport {
    /// Version of the agent.
    #[serde(default)]
    pub agent_version: Str<63>,
    /// When the agent first reported, for this boot of the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_at: Option<Time>,
    /// Address at which published ports of tasks are reachable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Str<63>>,
    /// Where the gateway gets the streams of the instance's containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<AgentEndpoint>,
    /// The Docker Engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineReport>,
    /// What the instance offers to tasks in all (registeredResources).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_resources: Option<InstanceResources>,
    /// Built-in and capability attributes, such as `ecs.os-type: linux`; name-only ones have an empty value.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<Str<128>, 128>,
}

/// Where an agent serves logs, exec and the like, to the gateway only.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentEndpoint {
    /// Address and port, for HTTPS.
    pub address: Str<64>,
    /// The certificate with which it serves, in PEM. It is new with each start of the agent, and trusted by itself.
    pub certificate: Str<4096>,
}

/// State of a Docker Engine.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineReport {
    /// The engine answers in time; nothing is placed on an instance whose engine does not.
    #[serde(default)]
    pub ready: bool,
    /// Why the engine is not ready, in one word, such as `NoDockerSocket`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Str<63>>,
    /// Why the engine is not ready, in a sentence that names the fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Str<1024>>,
    /// The engine's own id. Machine images clone it: one engine is this together with bootId.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Str<128>>,
    /// Boot id of the kernel that the engine runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<Str<64>>,
    /// Version of the engine (versionInfo.dockerVersion).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Str<64>>,
    /// Newest API version that the engine speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<Str<16>>,
}

/// Resources of an instance.
#[derive(KubeSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceResources {
    /// CPU units, 1024 for each core.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub cpu: u32,
    /// Memory in MiB.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub memory: u32,
    /// Process ids.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub pids: u32,
    /// GPUs.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1024))]
    pub gpus: u32,
}

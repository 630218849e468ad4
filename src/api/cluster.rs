//! A cluster: which engines run tasks, for which namespaces, under which rules.

#![expect(
    unreachable_pub,
    reason = "KubeSchema writes a pub struct inside a function"
)]
#![expect(
    clippy::duplicated_attributes,
    reason = "printer columns of the same type repeat it"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounded::{List, Map, Str};

mod images;
mod registries;
mod roles;
mod secrets;

pub use images::{ImageCleanup, ImagePullBehavior};
pub use registries::RegistryAccess;
pub use roles::TaskRoleMapping;
pub use secrets::SecretMapping;

/// A group of container instances, and who may use it.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "ecs-operator.io",
    version = "v1alpha1",
    kind = "EcsCluster",
    plural = "ecsclusters",
    shortname = "ecsc",
    category = "ecs",
    status = "EcsClusterStatus",
    doc = "An Amazon ECS cluster: the container instances that run tasks, the namespaces that may use them, and the rules that hold there.",
    printcolumn(
        name = "INSTANCES",
        type_ = "integer",
        json_path = ".status.registeredContainerInstancesCount"
    ),
    printcolumn(
        name = "SERVICES",
        type_ = "integer",
        json_path = ".status.activeServicesCount"
    ),
    printcolumn(
        name = "RUNNING",
        type_ = "integer",
        json_path = ".status.runningTasksCount"
    ),
    printcolumn(
        name = "READY",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "REASON",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct EcsClusterSpec {
    /// Nodes whose own Docker Engines are instances of this cluster. Without it only `CapacityProviders` bring instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodeInstances>,
    /// Namespaces whose services and tasks may run here. Nobody may when it is left out.
    #[serde(default)]
    pub allowed_namespaces: AllowedNamespaces,
    /// What a task may ask of its engine: baseline refuses what would give it power over the node; privileged allows it.
    #[serde(default)]
    pub security_profile: SecurityProfile,
    /// What happens to the tasks of an instance that is lost.
    #[serde(default)]
    pub disconnect_policy: DisconnectPolicy,
    /// Seconds of silence of an agent, with its node not Ready or gone, after which its instance is lost. Default 60.
    #[serde(default = "default_lost_after")]
    #[schemars(range(min = 30, max = 86400))]
    pub lost_after_seconds: u32,
    /// What becomes of protected tasks on an instance that drains.
    #[serde(default)]
    pub draining_protected_tasks: DrainingProtectedTasks,
    /// When an agent pulls images (`ECS_IMAGE_PULL_BEHAVIOR`).
    #[serde(default)]
    pub image_pull_behavior: ImagePullBehavior,
    /// When images that no container uses are removed from the instances.
    #[serde(default)]
    pub image_cleanup: ImageCleanup,
    /// Which Secrets and ConfigMaps stand for what tasks name of AWS; the first line that fits counts.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub secret_mappings: List<SecretMapping, 256>,
    /// Which ServiceAccounts stand for the roles of AWS that tasks name; the first line that fits counts.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub task_role_mappings: List<TaskRoleMapping, 256>,
    /// Which images tasks pull with the credentials that the broker's credential providers get; any line that fits counts.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub registry_access: List<RegistryAccess, 64>,
}

/// The node agents of a cluster.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeInstances {
    /// Labels that a node must have. All Linux nodes when empty. A node belongs to one cluster: the older cluster wins.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub node_selector: Map<Str<63>, 32>,
    /// Folder on the node that holds `docker.sock`. The folder is mounted, because a restarted engine makes a new socket. Default /var/run.
    #[serde(default = "default_socket_directory")]
    pub docker_socket_directory: Str<255>,
    /// What an instance leaves to the node itself.
    #[serde(default)]
    pub reserved: ReservedResources,
}

/// Resources of a node that tasks do not get.
#[derive(KubeSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReservedResources {
    /// CPU units. Default 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_048_576))]
    pub cpu: u32,
    /// Memory in MiB (`ECS_RESERVED_MEMORY`). Default 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 16_777_216))]
    pub memory: u32,
}

/// Who may use a cluster.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AllowedNamespaces {
    /// Every namespace may.
    #[serde(default)]
    pub all: bool,
    /// These namespaces may.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub names: List<Str<63>, 1000>,
}

impl AllowedNamespaces {
    /// Whether services and tasks of `namespace` may use the cluster.
    pub fn allows(&self, namespace: &str) -> bool {
        self.all || self.names.iter().any(|name| name.as_str() == namespace)
    }
}

/// What tasks may ask of their engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SecurityProfile {
    /// Refuses privileged containers, the host's network and other powers over the node.
    #[default]
    Baseline,
    /// Refuses nothing.
    Privileged,
}

/// What happens to the tasks of a lost instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DisconnectPolicy {
    /// Its tasks are stopped as lost and replaced; the agent stops them should it come back.
    #[default]
    Replace,
    /// Amazon ECS's own rule: nothing is replaced until the node is gone for good.
    Wait,
    /// Its tasks are told to stop, and replaced only once none of their containers can run any more: when its agent says
    /// so, or the node is gone or was fenced.
    AtMostOnce,
}

/// What becomes of protected tasks on an instance that drains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DrainingProtectedTasks {
    /// They are replaced as all others, as in Amazon ECS.
    #[default]
    Replace,
    /// They stay until their protection ends.
    Wait,
}

/// What is known of a cluster.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EcsClusterStatus {
    /// Generation of the spec that this describes.
    #[serde(default)]
    pub observed_generation: i64,
    /// Instances that are ACTIVE or DRAINING.
    #[serde(default)]
    pub registered_container_instances_count: i32,
    /// Tasks that run.
    #[serde(default)]
    pub running_tasks_count: i32,
    /// Tasks that are being started.
    #[serde(default)]
    pub pending_tasks_count: i32,
    /// Services that are not being deleted.
    #[serde(default)]
    pub active_services_count: i32,
    /// Ready, Reconciling, Stalled.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: List<Condition, 16>,
}

fn default_lost_after() -> u32 {
    60
}

fn default_socket_directory() -> Str<255> {
    "/var/run".into()
}

impl EcsClusterSpec {
    /// Seconds after which a silent instance on a broken node is lost.
    pub fn lost_after(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.lost_after_seconds.into())
    }
}

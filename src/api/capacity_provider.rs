//! An Auto Scaling group of instance pods: engines that run on any cluster, whatever its nodes run.

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
use serde::{Deserialize, Serialize};

use super::bounded::{List, Map, Str};

/// A fixed number of instance pods for one cluster.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "ecs-operator.io",
    version = "v1alpha1",
    kind = "CapacityProvider",
    plural = "capacityproviders",
    shortname = "ecp",
    category = "ecs",
    status = "CapacityProviderStatus",
    scale(
        spec_replicas_path = ".spec.autoScalingGroup.desiredCapacity",
        status_replicas_path = ".status.instances",
        label_selector_path = ".status.selector"
    ),
    doc = "An Auto Scaling group of instance pods, each a Docker Engine with an agent beside it.",
    printcolumn(name = "CLUSTER", type_ = "string", json_path = ".spec.cluster"),
    printcolumn(
        name = "DESIRED",
        type_ = "integer",
        json_path = ".spec.autoScalingGroup.desiredCapacity"
    ),
    printcolumn(name = "INSTANCES", type_ = "integer", json_path = ".status.instances"),
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
#[x_kube(validation = Rule::new("self.cluster == oldSelf.cluster").message("cluster: cannot be changed: make another CapacityProvider"))]
pub struct CapacityProviderSpec {
    /// Name of the EcsCluster that the instances join. Cannot be changed.
    pub cluster: Str<63>,
    /// How many instance pods there are.
    pub auto_scaling_group: AutoScalingGroup,
    /// What each instance pod is.
    pub launch_template: LaunchTemplate,
}

/// Size of the group.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AutoScalingGroup {
    /// Instance pods that are kept running. `kubectl scale` sets it.
    #[schemars(range(min = 0, max = 5000))]
    pub desired_capacity: i32,
}

/// One instance pod.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaunchTemplate {
    /// Image with a Docker Engine, such as `docker:dind`. It is started with the engine's flags as arguments.
    pub image: Str<255>,
    /// CPU units that the instance offers to tasks, 1024 for a core.
    #[schemars(range(min = 128, max = 1_048_576))]
    pub cpu: u32,
    /// Memory in MiB that the instance offers to tasks.
    #[schemars(range(min = 64, max = 16_777_216))]
    pub memory: u32,
    /// GiB that the engine may use for images and containers. Default 20.
    #[serde(default = "default_storage")]
    #[schemars(range(min = 1, max = 65536))]
    pub storage: u32,
    /// Custom attributes that each instance gets.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<Str<128>, 10>,
    /// Labels of the nodes that the pods may run on.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub node_selector: Map<Str<63>, 32>,
    /// Folder on the node with image archives (`*.tar`) that each engine loads when it starts, for clusters without a registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preload_directory: Option<Str<255>>,
}

fn default_storage() -> u32 {
    20
}

/// What is known of a capacity provider.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CapacityProviderStatus {
    /// Generation of the spec that this describes.
    #[serde(default)]
    pub observed_generation: i64,
    /// Instance pods that exist.
    #[serde(default)]
    pub instances: i32,
    /// Selector of the instance pods, for the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Str<255>>,
    /// Ready, Reconciling, Stalled.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: List<Condition, 16>,
}

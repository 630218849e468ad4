//! The immutable snapshot of all that starts a deployment.

#![expect(
    clippy::duplicated_attributes,
    reason = "several printer columns have the same type"
)]
#![expect(
    unreachable_pub,
    reason = "KubeSchema writes a pub struct inside a function"
)]

use super::{
    CapacityProviderStrategyItem, CustomResource, Deserialize, JsonSchema, KubeSchema, List,
    LoadBalancer, NetworkConfiguration, Serialize, ServiceConnectConfiguration, ServiceRegistry,
    ServiceVolumeConfiguration, Str, VpcLatticeConfiguration,
};

/// ECS's service revision: an immutable snapshot of all that starts a deployment, named `<service>.<number>`.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "ecs-operator.io",
    version = "v1alpha1",
    kind = "EcsServiceRevision",
    namespaced,
    shortname = "esr",
    category = "ecs",
    status = "EcsServiceRevisionStatus",
    doc = "ECS's service revision: an immutable snapshot of all that starts a deployment of a service, made by the controller before the deployment's first task and named `<service>.<number>`.",
    printcolumn(
        name = "SERVICE",
        type_ = "string",
        json_path = ".spec.service",
        description = "Whose revision it is"
    ),
    printcolumn(
        name = "NUMBER",
        type_ = "integer",
        json_path = ".spec.number",
        description = "Its number in the service"
    ),
    printcolumn(
        name = "TASK-DEFINITION",
        type_ = "string",
        json_path = ".spec.taskDefinition",
        description = "What it runs"
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("a service revision never changes: edit the EcsService, which starts a deployment with the next one"))]
pub struct EcsServiceRevisionSpec {
    /// Name of the service.
    pub service: Str<63>,
    /// UID of the service, because a name can be used again.
    pub service_uid: Str<64>,
    /// Number of the revision in its service, from 1.
    #[schemars(range(min = 1))]
    pub number: i64,
    /// What runs: `family:revision`.
    pub task_definition: Str<96>,
    /// The service's `extensions.forceNewDeployment` when the revision was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_new_deployment: Option<Str<64>>,
    /// Network of tasks with network mode awsvpc.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_configuration: Option<NetworkConfiguration>,
    /// Load balancers that send requests to the tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancers: Option<List<LoadBalancer, 5>>,
    /// Cloud Map services in which the tasks are registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_registries: Option<List<ServiceRegistry, 1>>,
    /// Names under which services reach each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_connect_configuration: Option<ServiceConnectConfiguration>,
    /// Volumes that the service describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_configurations: Option<List<ServiceVolumeConfiguration, 1>>,
    /// VPC Lattice target groups that send requests to the tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vpc_lattice_configurations: Option<List<VpcLatticeConfiguration, 5>>,
    /// Version of Fargate's platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_version: Option<Str<64>>,
    /// Capacity providers that get the tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_provider_strategy: Option<List<CapacityProviderStrategyItem, 20>>,
    /// The images that the revision's tasks run.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub container_images: List<ContainerImage, 10>,
}

/// The image of one container of a service revision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerImage {
    /// Name of the container.
    pub container_name: Str<255>,
    /// The image as the task definition names it.
    pub image: Str<512>,
    /// Digest that the tag was resolved to, in `status` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<Str<128>>,
}

/// What has become of a service revision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EcsServiceRevisionStatus {
    /// The images of the revision's first task, with the digests that their tags stood for: all later tasks run the same.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub container_images: List<ContainerImage, 10>,
}

//! `TaskDefinition` and `TaskDefinitionRevision`: what a task is made of, as people write it and as it is registered.
//!
//! People edit a TaskDefinition; whenever its spec changes the controller registers the next revision, an immutable
//! snapshot, and everything that runs refers to a revision.

#![expect(
    clippy::duplicated_attributes,
    reason = "several printer columns have the same type"
)]
#![expect(
    unreachable_pub,
    reason = "KubeSchema writes a pub struct inside a function"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::bounded::{List, Str};
use crate::api::conditions;
use crate::api::shapes::{
    Compatibility, ContainerDefinition, Described, EphemeralStorage, InferenceAccelerator, IpcMode,
    NetworkMode, PidMode, ProxyConfiguration, RequiredAttribute, RuntimePlatform, Tag,
    TaskDefinitionPlacementConstraint, TrustedExecutionConfiguration, Volume,
};

/// The body of ECS's `RegisterTaskDefinition`: one or more containers that run together on one instance.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "ecs-operator.io",
    version = "v1alpha1",
    kind = "TaskDefinition",
    namespaced,
    shortname = "td",
    category = "ecs",
    status = "TaskDefinitionStatus",
    doc = "What a task is made of: the body of ECS's RegisterTaskDefinition. The object's name is the family. Whenever the spec changes the next revision is registered; services and tasks refer to `family` or `family:revision`.",
    printcolumn(name = "REVISION", type_ = "integer", json_path = ".status.revision", description = "Newest registered revision"),
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#, description = "Whether it is registered and taken up by the services that follow it"),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#, description = "Why"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("!has(self.spec.family) || self.spec.family == self.metadata.name").message("family must equal metadata.name: the object's name is the family").field_path(".spec.family"),
    validation = Rule::new("self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message("metadata.name is the family and must be a DNS label: lower-case letters, digits and '-', at most 63, beginning and ending with a letter or digit")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.containerDefinitions.exists(c, !has(c.essential) || c.essential)").message("containerDefinitions: at least one container must be essential").field_path(".containerDefinitions"),
    validation = Rule::new("!has(self.placementConstraints) || self.placementConstraints.all(c, has(c.type) && has(c.expression) && c.expression != '')").message("placementConstraints: give each the type memberOf and an expression, such as attribute:ecs.os-type == linux").field_path(".placementConstraints"),
    validation = Rule::new("has(self.memory) || self.containerDefinitions.all(c, has(c.memory) || has(c.memoryReservation))").message("Invalid setting for a container. At least one of 'memory' or 'memoryReservation' must be specified in every container, unless the task has 'memory'.").field_path(".containerDefinitions"),
    validation = Rule::new("!has(self.networkMode) || self.networkMode != 'host' || self.containerDefinitions.all(c, !has(c.portMappings) || c.portMappings.all(p, !has(p.hostPort) || p.hostPort == 0 || (has(p.containerPort) && p.hostPort == p.containerPort)))").message("containerDefinitions: with networkMode host, a hostPort must be absent or equal to its containerPort").field_path(".containerDefinitions")
)]
pub struct TaskDefinitionSpec {
    /// Name of the family. Optional here, because the object's name is the family; where given, both are equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Str<63>>,
    /// Role whose credentials the task's containers get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_role_arn: Option<Str<2048>>,
    /// Role that AWS uses to pull images, read secrets and write logs for the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_role_arn: Option<Str<2048>>,
    /// Network of the task's containers. Default bridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_mode: Option<NetworkMode>,
    /// The containers, 1 to 10, with unique names.
    #[schemars(length(min = 1))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub container_definitions: List<ContainerDefinition, 10>,
    /// Volumes that containers mount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volumes: Option<List<Volume, 64>>,
    /// Rules about the instances on which the tasks may run. At most 10 together with those given at run time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement_constraints: Option<List<TaskDefinitionPlacementConstraint, 10>>,
    /// Launch types that the definition must be valid for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_compatibilities: Option<List<Compatibility, 4>>,
    /// CPU of the whole task: units (1024 are one vCPU) or vCPUs, such as `1 vCPU` or `.5 vCPU`. Default: the sum of the containers'.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]*\.?[0-9]+ ?([vV][cC][pP][uU])?$"))]
    pub cpu: Option<Str<32>>,
    /// Memory of the whole task: MiB, or GB such as `1 GB`. Default: the sum of the containers'.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]*\.?[0-9]+ ?([gG][bB])?$"))]
    pub memory: Option<Str<32>>,
    /// Tags, at most 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<List<Tag, 50>>,
    /// Process namespace of the containers. Default: one for each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_mode: Option<PidMode>,
    /// Inter-process namespace of the containers. Default: the Docker daemon's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipc_mode: Option<IpcMode>,
    /// The App Mesh proxy of the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_configuration: Option<ProxyConfiguration>,
    /// Elastic Inference accelerators. AWS has closed the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inference_accelerators: Option<List<InferenceAccelerator, 16>>,
    /// Size of the task's disk on Fargate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ephemeral_storage: Option<EphemeralStorage>,
    /// Platform that the task needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_platform: Option<RuntimePlatform>,
    /// Whether containers may ask for faults to be injected. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_fault_injection: Option<bool>,
    /// How far the task is isolated from others on the same Managed Instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_execution_configuration: Option<TrustedExecutionConfiguration>,
    /// ARN that AWS gave to the definition that this one was copied from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_definition_arn: Option<Str<2048>>,
    /// Revision that the definition has in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub revision: Option<i32>,
    /// Whether the definition could be used in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Str<64>>,
    /// Attributes that AWS found to be required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_attributes: Option<List<RequiredAttribute, 128>>,
    /// Launch types that AWS found to be possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compatibilities: Option<List<Str<64>, 16>>,
    /// When it was registered in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_at: Option<Described>,
    /// Who registered it in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_by: Option<Str<2048>>,
    /// When it was deregistered in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deregistered_at: Option<Described>,
    /// When its deletion was asked for in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_requested_at: Option<Described>,
    /// What goes beyond ECS's `RegisterTaskDefinition`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<TaskDefinitionExtensions>,
}

impl TaskDefinitionSpec {
    /// The definition without what AWS fills in, which says nothing of what runs.
    #[must_use]
    pub fn registered(&self) -> Self {
        Self {
            task_definition_arn: None,
            revision: None,
            status: None,
            requires_attributes: None,
            compatibilities: None,
            registered_at: None,
            registered_by: None,
            deregistered_at: None,
            delete_requested_at: None,
            ..self.clone()
        }
    }
}

/// What goes beyond ECS's `RegisterTaskDefinition`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionExtensions {
    /// Secrets of the namespace, of type `kubernetes.io/dockerconfigjson`, with credentials of registries. For containers
    /// without `repositoryCredentials`; the first that has credentials for the image's registry counts.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub image_pull_secrets: List<Str<253>, 16>,
    /// Files that containers find, which they may not change.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub files: List<TaskFile, 64>,
    /// For whom the tokens of `taskRoleArn` are. Default: what the EcsCluster's table says; the API server of Kubernetes for
    /// `serviceaccount:<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub task_role_audience: Option<Str<255>>,
}

/// A file that a container finds. It never changes while the container is there.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.text) != has(self.valueFrom)").message("give a file either text or valueFrom"))]
pub struct TaskFile {
    /// Name of the container.
    #[schemars(length(min = 1))]
    pub container_name: Str<255>,
    /// Where the file is in the container; folders on the way are made.
    #[schemars(length(min = 1))]
    pub path: Str<1024>,
    /// What stands in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Str<32768>>,
    /// Whose value stands in it: `secret:<name>:<key>` or `configmap:<name>:<key>` of the namespace, or a name that the
    /// EcsCluster's table maps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub value_from: Option<Str<2048>>,
}

/// What has become of a TaskDefinition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionStatus {
    /// Generation of the spec that this status is about.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// Newest registered revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub revision: Option<i64>,
    /// Newest registered revision as ECS names it: `family:revision`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_definition: Option<Str<96>>,
    /// Fields that are set and change nothing here, each with the reason.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub without_effect: List<Str<1024>, 128>,
    /// What holds now: Ready, Reconciling, Stalled, `WithoutEffect`.
    #[serde(default)]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
}

/// An immutable snapshot of a TaskDefinition, named `<family>.<revision>`.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "ecs-operator.io",
    version = "v1alpha1",
    kind = "TaskDefinitionRevision",
    namespaced,
    shortname = "tdr",
    category = "ecs",
    status = "TaskDefinitionRevisionStatus",
    doc = "A registered revision of a task definition: an immutable snapshot, made by the controller and named `<family>.<revision>`. Its number is never used again.",
    printcolumn(
        name = "FAMILY",
        type_ = "string",
        json_path = ".spec.family",
        description = "Whose revision it is"
    ),
    printcolumn(
        name = "REVISION",
        type_ = "integer",
        json_path = ".spec.revision",
        description = "Its number in the family"
    ),
    printcolumn(
        name = "STATUS",
        type_ = "string",
        json_path = ".status.status",
        description = "Whether new tasks may use it"
    ),
    printcolumn(
        name = "AGE",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("a registered revision never changes: edit the TaskDefinition, which registers the next one"))]
pub struct TaskDefinitionRevisionSpec {
    /// Name of the family.
    pub family: Str<63>,
    /// Number of the revision, from 1; never used again in its family.
    #[schemars(range(min = 1))]
    pub revision: i64,
    /// The definition as it was registered.
    pub definition: TaskDefinitionSpec,
}

/// What has become of a revision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefinitionRevisionStatus {
    /// Whether new tasks and services may use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<RevisionStatus>,
    /// Fields that are set and change nothing here, each with the reason.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub without_effect: List<Str<1024>, 128>,
}

/// Whether new tasks and services may use a revision.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum RevisionStatus {
    /// They may.
    #[serde(rename = "ACTIVE")]
    Active,
    /// They may not; what runs goes on running.
    #[serde(rename = "INACTIVE")]
    Inactive,
}

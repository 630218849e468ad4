//! `EcsTask`: one running copy of a task definition.
//!
//! People write the body of `RunTask` or `StartTask`; for services the controller creates tasks already bound to an
//! instance. A spec never changes but in three ways: an unbound task is bound once, a task is told once to stop, and its
//! protection comes and goes.

#![expect(
    unreachable_pub,
    reason = "KubeSchema writes a pub struct inside a function"
)]

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::bounded::{List, Str};
use crate::api::shapes::{
    CONSTRAINTS_MESSAGE, CONSTRAINTS_RULE, CapacityProviderStrategyItem, LaunchType,
    NetworkConfiguration, PlacementConstraint, PlacementStrategy, PropagateTags,
    STRATEGIES_MESSAGE, STRATEGIES_RULE, Tag, TaskOverride, TaskVolumeConfiguration,
    TransportProtocol,
};

mod status;
mod traffic;

pub use status::*;
pub use traffic::*;

/// The body of ECS's `RunTask`, one task at a time, plus the instance and the stop.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "ecs-operator.io",
    version = "v1alpha1",
    kind = "EcsTask",
    namespaced,
    shortname = "etask",
    category = "ecs",
    status = "EcsTaskStatus",
    selectable = ".spec.containerInstance",
    doc = "One running copy of a task definition: the body of ECS's RunTask with the instance it is bound to. Setting `stop` ends it, once and for all.",
    printcolumn(name = "LAST-STATUS", type_ = "string", json_path = ".status.lastStatus", description = "Where the task is in its life"),
    printcolumn(name = "DESIRED", type_ = "string", json_path = ".status.desiredStatus", description = "Whether it is to run or to end"),
    printcolumn(name = "HEALTH", type_ = "string", json_path = ".status.healthStatus", description = "What its health checks say"),
    printcolumn(name = "TASK-DEFINITION", type_ = "string", json_path = ".spec.taskDefinition", description = "What it runs"),
    printcolumn(name = "INSTANCE", type_ = "string", json_path = ".spec.containerInstance", description = "Where it runs"),
    printcolumn(name = "REASON", type_ = "string", json_path = ".status.stoppedReason", description = "Why it stopped"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.lastStatus) || oldSelf.status.lastStatus != 'STOPPED' || (has(self.status) && has(self.status.lastStatus) && self.status.lastStatus == 'STOPPED')").message("STOPPED is final: a stopped task never runs again").field_path(".status.lastStatus")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(oldSelf.containerInstance) || (has(self.containerInstance) && self.containerInstance == oldSelf.containerInstance)").message("containerInstance cannot be changed once it is set: a task never moves").field_path(".containerInstance"),
    validation = Rule::new("!has(oldSelf.stop) || (has(self.stop) && self.stop == oldSelf.stop)").message("stop cannot be changed once it is set: a task that is told to stop never runs again").field_path(".stop"),
    validation = Rule::new("has(oldSelf.extensions) ? (has(self.extensions) && self.extensions == oldSelf.extensions) : (!has(self.extensions) || !has(oldSelf.containerInstance))").message("extensions cannot be changed, and can be set only until the task is bound").field_path(".extensions"),
    validation = Rule::new("!has(self.protection) || !self.protection.protectionEnabled || has(self.protection.expirationDate)").message("protection: expirationDate is required, because protection always ends: set it to a time at most 48 hours from now").field_path(".protection.expirationDate"),
    validation = Rule::new("!has(self.protection) || !self.protection.protectionEnabled || (has(self.extensions) && has(self.extensions.service))").message("protection: only tasks of a service can be protected (TASK_NOT_VALID): nothing but a person stops this one").field_path(".protection"),
    validation = Rule::new(CONSTRAINTS_RULE).message(CONSTRAINTS_MESSAGE).field_path(".placementConstraints"),
    validation = Rule::new(STRATEGIES_RULE).message(STRATEGIES_MESSAGE).field_path(".placementStrategy"),
    validation = Rule::new("oldSelf.hasValue() || !has(self.containerInstance) || ((!has(self.placementConstraints) || size(self.placementConstraints) == 0) && (!has(self.placementStrategy) || size(self.placementStrategy) == 0))").optional_old_self(true).message("containerInstance names the instance itself, as StartTask does: leave it out, or leave placementConstraints and placementStrategy out").field_path(".containerInstance"),
    validation = Rule::new("!has(self.launchType) || !has(self.capacityProviderStrategy) || size(self.capacityProviderStrategy) == 0").message("Specify either Launch Type or Capacity Provider Strategy, but not both.").field_path(".launchType")
)]
pub struct EcsTaskSpec {
    /// Name of the cluster, or its ARN. Default `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Str<255>>,
    /// What runs: `family:revision`, `family` (the newest ACTIVE revision when the task is placed), or an ARN.
    #[schemars(length(min = 1))]
    pub task_definition: Str<255>,
    /// What this task changes about its definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides: Option<TaskOverride>,
    /// Group of the task, within which instances are kept distinct and spread. Default `family:<family>`; `service:<name>` for a service's tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Str<255>>,
    /// Who started the task: for a service's tasks the deployment's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_by: Option<Str<128>>,
    /// On what the task runs. Default EC2. Not together with `capacityProviderStrategy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_type: Option<LaunchType>,
    /// Capacity providers that may get the task, at most 20. Not together with `launchType`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_provider_strategy: Option<List<CapacityProviderStrategyItem, 20>>,
    /// How many tasks `RunTask` starts. An object is one task, so absent or 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1))]
    pub count: Option<i32>,
    /// Network of a task with network mode awsvpc.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_configuration: Option<NetworkConfiguration>,
    /// Rules about the instances on which the task may run: at most 10 together with the definition's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement_constraints: Option<List<PlacementConstraint, 10>>,
    /// Which of the fitting instances is preferred: at most 5 rules, the first counts most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement_strategy: Option<List<PlacementStrategy, 5>>,
    /// Version of Fargate's platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_version: Option<Str<64>>,
    /// Tags, at most 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<List<Tag, 50>>,
    /// From where tags are copied when the task is created. Default NONE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propagate_tags: Option<PropagateTags>,
    /// Whether the task is tagged with the names of its cluster and service. Default false.
    #[serde(
        default,
        rename = "enableECSManagedTags",
        skip_serializing_if = "Option::is_none"
    )]
    pub enable_ecs_managed_tags: Option<bool>,
    /// Whether commands may be run in the task's containers (ECS Exec). Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_execute_command: Option<bool>,
    /// Volumes that the task describes, for a volume of the definition with `configuredAtLaunch`: at most one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_configurations: Option<List<TaskVolumeConfiguration, 1>>,
    /// Id of whoever asked for the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_id: Option<Str<1024>>,
    /// Token that makes a repeated `RunTask` the same call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<Str<64>>,
    /// Instance that runs the task. Leave it out to have the task placed; given, it is ECS's `StartTask`. Never changes once set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub container_instance: Option<Str<63>>,
    /// Ends the task: once this is set its desired status is STOPPED. Never changes once set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// Keeps the task of a service from being stopped by scale-in and deployments (`UpdateTaskProtection`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection: Option<TaskProtection>,
    /// What goes beyond ECS's `RunTask`. Written by the controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<TaskExtensions>,
}

/// ECS's task scale-in protection. Failed health checks and `StopTask` end a protected task all the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskProtection {
    /// Whether it is protected.
    pub protection_enabled: bool,
    /// When the protection ends. `ecs-operator protect` writes it from a number of minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration_date: Option<Time>,
}

impl TaskProtection {
    /// Until when it protects, if it does.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        let until = self.expiration_date.as_ref()?.0;
        self.protection_enabled.then_some(until)
    }
}

/// Why a task is to end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stop {
    /// Who or what ends it. People write `UserInitiated`.
    pub code: StopCode,
    /// Why, in a sentence; it becomes `stoppedReason`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Str<1024>>,
}

/// ECS's stop codes: who or what ended a task.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum StopCode {
    /// It never got to run.
    TaskFailedToStart,
    /// An essential container exited.
    EssentialContainerExited,
    /// Somebody stopped it.
    UserInitiated,
    /// Its service stopped it: scaling, a deployment, a failed health check.
    ServiceSchedulerInitiated,
    /// Its spot instance was taken away.
    SpotInterruption,
    /// Its host was terminated.
    TerminationNotice,
    /// Its host was judged unhealthy or lost.
    InfrastructureHealth,
}

/// What goes beyond ECS's `RunTask`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskExtensions {
    /// The service that the task belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<TaskService>,
    /// The revision, `family:number`, that the task runs where its `taskDefinition` names a family or an ARN; written
    /// when the task is bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_definition: Option<Str<96>>,
    /// Host ports that were chosen for the task's dynamic and fixed port mappings.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub host_ports: List<HostPort, 1000>,
    /// Digests that the images of the task must have: those of the first task of its service revision.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub image_digests: List<ImageDigest, 10>,
    /// Ports of the task that are reached through Kubernetes Services: those of its service's load balancers, registries
    /// and Service Connect names.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub load_balancers: List<TaskLoadBalancer, 32>,
}

/// The digest of one container's image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageDigest {
    /// Name of the container.
    pub container_name: Str<255>,
    /// Digest of the image in its repository.
    pub image_digest: Str<128>,
}

/// The place of a task in its service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskService {
    /// Name of the service.
    pub name: Str<63>,
    /// UID of the service, because a name can be used again.
    pub uid: Str<64>,
    /// Number of the deployment that started the task.
    #[schemars(range(min = 1))]
    pub deployment: i64,
    /// Name of the `EcsServiceRevision` that it runs.
    pub service_revision: Str<96>,
    /// The service's `extensions.spreadGroup`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread_group: Option<Str<63>>,
    /// Which of the deployment's tasks it is.
    #[schemars(range(min = 0))]
    pub slot: i64,
    /// How many tasks had this slot before.
    #[schemars(range(min = 0))]
    pub attempt: i64,
}

/// A host port that was chosen for a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostPort {
    /// Container that the port leads to.
    pub container_name: Str<255>,
    /// Port on which the container listens.
    #[schemars(range(min = 1, max = 65535))]
    pub container_port: i32,
    /// Port of the instance.
    #[schemars(range(min = 1, max = 65535))]
    pub host_port: i32,
    /// Transport protocol.
    pub protocol: TransportProtocol,
}

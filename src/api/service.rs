//! `EcsService` and `EcsServiceRevision`: how many tasks of which definition are to run, and what a deployment runs.
//!
//! Every deployment points at an immutable revision that is recorded before its first task, so that going back is a
//! matter of naming an older one.

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
    AvailabilityZoneRebalancing, CONSTRAINTS_MESSAGE, CONSTRAINTS_RULE,
    CapacityProviderStrategyItem, DeploymentConfiguration, DeploymentController, Described,
    GatewayConnector, LaunchType, LoadBalancer, MonitoringConfiguration, NetworkConfiguration,
    PlacementConstraint, PlacementStrategy, PropagateTags, STRATEGIES_MESSAGE, STRATEGIES_RULE,
    SchedulingStrategy, ServiceConnectConfiguration, ServiceRegistry, ServiceVolumeConfiguration,
    Tag, VpcLatticeConfiguration,
};

mod revision;
mod status;

pub use revision::*;
pub use status::*;

/// The body of ECS's `CreateService`: keeps a number of tasks of one definition running.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "ecs-operator.io",
    version = "v1alpha1",
    kind = "EcsService",
    namespaced,
    shortname = "esvc",
    category = "ecs",
    status = "EcsServiceStatus",
    doc = "Keeps a number of tasks of one task definition running: the body of ECS's CreateService. The object's name is the service's name. A change of what runs is rolled out as a deployment.",
    scale(
        spec_replicas_path = ".spec.desiredCount",
        status_replicas_path = ".status.runningCount",
        label_selector_path = ".status.selector"
    ),
    printcolumn(name = "DESIRED", type_ = "integer", json_path = ".status.desiredCount", description = "Tasks wanted"),
    printcolumn(name = "RUNNING", type_ = "integer", json_path = ".status.runningCount", description = "Tasks running"),
    printcolumn(name = "PENDING", type_ = "integer", json_path = ".status.pendingCount", description = "Tasks starting"),
    printcolumn(name = "TASK-DEFINITION", type_ = "string", json_path = ".status.taskDefinition", description = "What the newest deployment runs"),
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#, description = "Whether all that is wanted runs"),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#, description = "Why"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("!has(self.spec.serviceName) || self.spec.serviceName == self.metadata.name").message("serviceName must equal metadata.name: the object's name is the service's name").field_path(".spec.serviceName"),
    validation = Rule::new("self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message("metadata.name is the service's name and must be a DNS label: lower-case letters, digits and '-', at most 63, beginning and ending with a letter or digit")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.cluster) ? self.cluster : 'default') == (has(oldSelf.cluster) ? oldSelf.cluster : 'default')").message("cluster cannot be changed: delete the service and create it in the other cluster").field_path(".cluster"),
    validation = Rule::new("(has(self.schedulingStrategy) ? self.schedulingStrategy : 'REPLICA') == (has(oldSelf.schedulingStrategy) ? oldSelf.schedulingStrategy : 'REPLICA')").message("schedulingStrategy cannot be changed: delete the service and create it anew").field_path(".schedulingStrategy"),
    validation = Rule::new(CONSTRAINTS_RULE).message(CONSTRAINTS_MESSAGE).field_path(".placementConstraints"),
    validation = Rule::new(STRATEGIES_RULE).message(STRATEGIES_MESSAGE).field_path(".placementStrategy"),
    validation = Rule::new("!has(self.launchType) || !has(self.capacityProviderStrategy) || size(self.capacityProviderStrategy) == 0").message("Specify either Launch Type or Capacity Provider Strategy, but not both.").field_path(".launchType"),
    validation = Rule::new("!has(self.schedulingStrategy) || self.schedulingStrategy != 'DAEMON' || !has(self.deploymentConfiguration) || !has(self.deploymentConfiguration.maximumPercent) || self.deploymentConfiguration.maximumPercent == 100").message("deploymentConfiguration: maximumPercent of a DAEMON service is always 100: leave it out").field_path(".deploymentConfiguration"),
    validation = Rule::new("!has(self.schedulingStrategy) || self.schedulingStrategy != 'DAEMON' || !has(self.placementStrategy) || size(self.placementStrategy) == 0").message("placementStrategy: a DAEMON service runs one task on each instance: leave it out, and choose instances with placementConstraints").field_path(".placementStrategy"),
    validation = Rule::new("!has(self.schedulingStrategy) || self.schedulingStrategy != 'DAEMON' || !has(self.availabilityZoneRebalancing) || self.availabilityZoneRebalancing != 'ENABLED'").message("availabilityZoneRebalancing: a DAEMON service runs one task on each instance: leave it out").field_path(".availabilityZoneRebalancing"),
    validation = Rule::new("(has(self.schedulingStrategy) && self.schedulingStrategy == 'DAEMON') || !has(self.deploymentConfiguration) || !has(self.deploymentConfiguration.minimumHealthyPercent) || !has(self.deploymentConfiguration.maximumPercent) || self.deploymentConfiguration.minimumHealthyPercent != 100 || self.deploymentConfiguration.maximumPercent != 100").message("deploymentConfiguration: minimumHealthyPercent and maximumPercent are both 100, so no task could ever be replaced: lower minimumHealthyPercent or raise maximumPercent").field_path(".deploymentConfiguration")
)]
pub struct EcsServiceSpec {
    /// Name of the cluster, or its ARN. Default `default`. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Str<255>>,
    /// Name of the service. Optional here, because the object's name is the service's; where given, both are equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_name: Option<Str<63>>,
    /// What runs: `family` (the newest ACTIVE revision), `family:revision`, or an ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_definition: Option<Str<255>>,
    /// Whether a steady service is spread anew when zones are uneven. Default ENABLED; it has no effect with a placement
    /// strategy whose first rule is not a spread over zones, or with a `maximumPercent` of 100 or less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability_zone_rebalancing: Option<AvailabilityZoneRebalancing>,
    /// Load balancers that send requests to the tasks: at most 5 target groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancers: Option<List<LoadBalancer, 5>>,
    /// Cloud Map services in which the tasks are registered: at most one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_registries: Option<List<ServiceRegistry, 1>>,
    /// How many tasks are to run, 0 to 5000. Leave it out where a scaler owns it. Default 0; not read with DAEMON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 5000))]
    pub desired_count: Option<i32>,
    /// Token that makes a repeated `CreateService` the same call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<Str<64>>,
    /// On what the tasks run. Default EC2. Not together with `capacityProviderStrategy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_type: Option<LaunchType>,
    /// Capacity providers that get the tasks, at most 20. Not together with `launchType`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_provider_strategy: Option<List<CapacityProviderStrategyItem, 20>>,
    /// Version of Fargate's platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_version: Option<Str<64>>,
    /// Role with which ECS changes a load balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Str<2048>>,
    /// How tasks are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_configuration: Option<DeploymentConfiguration>,
    /// Rules about the instances on which the tasks may run: at most 10 together with the definition's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement_constraints: Option<List<PlacementConstraint, 10>>,
    /// Which of the fitting instances is preferred: at most 5 rules, the first counts most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement_strategy: Option<List<PlacementStrategy, 5>>,
    /// Network of tasks with network mode awsvpc.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_configuration: Option<NetworkConfiguration>,
    /// Seconds after a task's start in which failed health checks do not count. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub health_check_grace_period_seconds: Option<i32>,
    /// How many tasks there are. Default REPLICA. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling_strategy: Option<SchedulingStrategy>,
    /// Who carries out deployments. Default ECS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_controller: Option<DeploymentController>,
    /// Tags, at most 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<List<Tag, 50>>,
    /// Whether tasks are tagged with the names of their cluster and service. Default false.
    #[serde(
        default,
        rename = "enableECSManagedTags",
        skip_serializing_if = "Option::is_none"
    )]
    pub enable_ecs_managed_tags: Option<bool>,
    /// From where tags are copied to tasks when they are created. Default NONE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propagate_tags: Option<PropagateTags>,
    /// Whether commands may be run in the tasks' containers (ECS Exec). Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_execute_command: Option<bool>,
    /// Names under which services reach each other through a proxy in each task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_connect_configuration: Option<ServiceConnectConfiguration>,
    /// Volumes that the service describes, for a volume of the definition with `configuredAtLaunch`: at most one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_configurations: Option<List<ServiceVolumeConfiguration, 1>>,
    /// VPC Lattice target groups that send requests to the tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vpc_lattice_configurations: Option<List<VpcLatticeConfiguration, 5>>,
    /// Gateways in AWS that send requests to the tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_connectors: Option<List<GatewayConnector, 5>>,
    /// How finely CloudWatch measures the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<MonitoringConfiguration>,
    /// ARN that AWS gave to the service that this one was copied from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_arn: Option<Str<2048>>,
    /// ARN of its cluster in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_arn: Option<Str<2048>>,
    /// Whether it was in use in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Str<64>>,
    /// Tasks that ran in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_count: Option<Described>,
    /// Tasks that were starting in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_count: Option<Described>,
    /// Operating system that AWS found for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_family: Option<Str<64>>,
    /// Its task sets in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_sets: Option<Described>,
    /// Its deployments in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployments: Option<Described>,
    /// Role that AWS used for its load balancers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<Str<2048>>,
    /// What AWS told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Described>,
    /// When it was created in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Described>,
    /// Who created it in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Str<2048>>,
    /// ARN of its deployment that goes on in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_service_deployment: Option<Str<2048>>,
    /// Its revisions that AWS runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_service_revisions: Option<Described>,
    /// Who owns its resources in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_management_type: Option<Str<64>>,
    /// What goes beyond ECS's `CreateService`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<ServiceExtensions>,
}

/// What goes beyond ECS's `CreateService`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceExtensions {
    /// Any text; a change of it starts a deployment, as `forceNewDeployment` of ECS's `UpdateService` does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_new_deployment: Option<Str<64>>,
    /// Seconds that a task without any health check must have run before it counts as healthy, 0 to 3600. Default 40, as in ECS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub healthy_after_seconds: Option<i32>,
    /// When a service that names a family takes up its newest revision. Default Newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow: Option<Follow>,
    /// Services of the namespace with the same name here are spread together: placement strategies count the tasks of all of
    /// them. Not read with DAEMON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub spread_group: Option<Str<63>>,
    /// How many tasks of the service one instance may have. Default: as many as fit. Not read with DAEMON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 5000))]
    pub maximum_tasks_per_instance: Option<i32>,
    /// Ends a deployment that goes on, as ECS's `StopServiceDeployment` does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_service_deployment: Option<StopServiceDeployment>,
}

/// A deployment that is to end before it has completed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StopServiceDeployment {
    /// Id of the deployment, as `status.deployments[].id` has it. Any other deployment goes on.
    #[schemars(length(min = 1))]
    pub deployment: Str<64>,
    /// What follows. Default ROLLBACK.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_type: Option<StopType>,
}

/// What follows when a deployment is stopped.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum StopType {
    /// Nothing more is started for it; what runs stays.
    #[serde(rename = "ABORT")]
    Abort,
    /// The last completed deployment is made anew.
    #[default]
    #[serde(rename = "ROLLBACK")]
    Rollback,
}

/// When a service that names a family takes up its newest revision.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum Follow {
    /// As soon as it is registered.
    #[default]
    Newest,
    /// When the service itself changes, as in ECS.
    OnChange,
}

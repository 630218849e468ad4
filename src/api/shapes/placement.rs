//! Where tasks run: launch types, placement rules, capacity providers; and what is copied and
//! measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::bounded::{List, Str};

/// Launch types.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum LaunchType {
    /// Container instances. The default.
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

/// How many tasks a service runs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum SchedulingStrategy {
    /// As many as its desired count. The default.
    #[serde(rename = "REPLICA")]
    Replica,
    /// One on each instance.
    #[serde(rename = "DAEMON")]
    Daemon,
}

/// Whether a steady service is spread anew when zones are uneven.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum AvailabilityZoneRebalancing {
    /// It is.
    #[serde(rename = "ENABLED")]
    Enabled,
    /// It is not.
    #[serde(rename = "DISABLED")]
    Disabled,
}

/// From where a task's tags are copied when it is created.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum PropagateTags {
    /// The task definition.
    #[serde(rename = "TASK_DEFINITION")]
    TaskDefinition,
    /// The service.
    #[serde(rename = "SERVICE")]
    Service,
    /// Nowhere. The default.
    #[serde(rename = "NONE")]
    None,
}

/// What the schema asks of a service's and a task's `placementConstraints`; expressions are read by the controller.
pub const CONSTRAINTS_RULE: &str = "!has(self.placementConstraints) || self.placementConstraints.all(c, has(c.type) && (c.type == 'memberOf') == (has(c.expression) && c.expression != ''))";

/// What is said where that does not hold.
pub const CONSTRAINTS_MESSAGE: &str = "placementConstraints: give each a type; memberOf needs an expression, such as attribute:ecs.os-type == linux, and distinctInstance takes none";

/// What the schema asks of `placementStrategy`.
pub const STRATEGIES_RULE: &str = "!has(self.placementStrategy) || self.placementStrategy.all(s, has(s.type) && (s.type == 'random' ? (!has(s.field) || s.field == '') : (has(s.field) && (s.type == 'binpack' ? s.field.matches('^(?i:cpu|memory)$') : s.field.matches('^(?i:instanceId|host|attribute:.+)$')))))";

/// What is said where that does not hold.
pub const STRATEGIES_MESSAGE: &str = "placementStrategy: give each a type; spread has the field instanceId, host or attribute:NAME, binpack cpu or memory, and random none";

/// A rule about the instances on which tasks may run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlacementConstraint {
    /// Kind of rule.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<PlacementConstraintType>,
    /// Expression of the cluster query language that the instance must satisfy. Only for
    /// `memberOf`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<Str<2000>>,
}

/// Kinds of placement constraint.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum PlacementConstraintType {
    /// No two tasks of the same group on one instance.
    #[serde(rename = "distinctInstance")]
    DistinctInstance,
    /// The instance satisfies the expression.
    #[serde(rename = "memberOf")]
    MemberOf,
}

/// Which of the fitting instances is preferred.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlacementStrategy {
    /// Kind of preference.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<PlacementStrategyType>,
    /// binpack: `cpu` or `memory`; spread: `instanceId`, `host` or `attribute:NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<Str<255>>,
}

/// Kinds of placement strategy.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum PlacementStrategyType {
    /// Any instance.
    #[serde(rename = "random")]
    Random,
    /// The value of `field` with the fewest tasks.
    #[serde(rename = "spread")]
    Spread,
    /// The instance with the least of `field` left.
    #[serde(rename = "binpack")]
    Binpack,
}

/// How many of the tasks a capacity provider gets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CapacityProviderStrategyItem {
    /// Name of the capacity provider.
    pub capacity_provider: Str<255>,
    /// Share of the tasks beyond the bases. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub weight: Option<i32>,
    /// Tasks that it gets first; only one provider may have a base. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub base: Option<i32>,
}

/// How finely CloudWatch measures a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MonitoringConfiguration {
    /// Metrics with a resolution of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric_configurations: Option<List<MetricConfiguration, 16>>,
}

/// Resolution of some metrics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricConfiguration {
    /// Names of the metrics.
    pub metric_names: List<Str<255>, 16>,
    /// Seconds between two values: 20 or 60.
    #[schemars(range(min = 20, max = 60))]
    pub resolution_seconds: i32,
}

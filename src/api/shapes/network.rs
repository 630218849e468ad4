//! Networks, load balancers and registries of a service or a task.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::bounded::{List, Str};

/// The network of tasks with network mode awsvpc.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkConfiguration {
    /// Subnets and security groups in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awsvpc_configuration: Option<AwsVpcConfiguration>,
}

/// Subnets and security groups in AWS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AwsVpcConfiguration {
    /// Subnets, at most 16.
    pub subnets: List<Str<255>, 16>,
    /// Security groups, at most 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_groups: Option<List<Str<255>, 5>>,
    /// Whether tasks have a public address. Default DISABLED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assign_public_ip: Option<AssignPublicIp>,
}

/// Whether tasks have a public address.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum AssignPublicIp {
    /// They have one.
    #[serde(rename = "ENABLED")]
    Enabled,
    /// They have none.
    #[serde(rename = "DISABLED")]
    Disabled,
}

/// A load balancer that sends requests to a container port of each task of the service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancer {
    /// Target group: its ARN, or the name of a target group in the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_group_arn: Option<Str<2048>>,
    /// Name of a Classic Load Balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancer_name: Option<Str<255>>,
    /// Container that receives the requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_name: Option<Str<255>>,
    /// Port of that container, one of its `portMappings`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub container_port: Option<i32>,
    /// Settings for shifting traffic between two revisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advanced_configuration: Option<AdvancedConfiguration>,
}

/// Settings of a load balancer for shifting traffic between two revisions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdvancedConfiguration {
    /// The second target group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternate_target_group_arn: Option<Str<2048>>,
    /// Listener rule of the production traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub production_listener_rule: Option<Str<2048>>,
    /// Listener rule of the test traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_listener_rule: Option<Str<2048>>,
    /// Role with which the load balancer is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<Str<2048>>,
}

/// A Cloud Map service in which the tasks are registered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceRegistry {
    /// ARN of the registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_arn: Option<Str<2048>>,
    /// Port of an SRV record, with network mode awsvpc.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 65535))]
    pub port: Option<i32>,
    /// Container whose port is registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_name: Option<Str<255>>,
    /// Port of that container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub container_port: Option<i32>,
}

/// A VPC Lattice target group that sends requests to the tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VpcLatticeConfiguration {
    /// Role with which the target group is changed.
    pub role_arn: Str<2048>,
    /// ARN of the target group.
    pub target_group_arn: Str<2048>,
    /// Name of the port, one of `portMappings`.
    pub port_name: Str<64>,
    /// Settings for shifting traffic between two revisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advanced_configuration: Option<VpcLatticeAdvancedConfiguration>,
}

/// Settings of a VPC Lattice target group for shifting traffic between two revisions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VpcLatticeAdvancedConfiguration {
    /// The second target group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternate_target_group_arn: Option<Str<2048>>,
    /// Listener rule of the production traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub production_listener_rule: Option<Str<2048>>,
    /// Listener rule of the test traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_listener_rule: Option<Str<2048>>,
}

/// A gateway in AWS that sends requests to the tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayConnector {
    /// Name of the port, one of `portMappings`.
    pub port_name: Str<64>,
    /// How the gateway checks tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<GatewayConnectorHealthCheck>,
    /// Which requests reach the tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filters: Option<GatewayConnectorFilters>,
    /// How long requests may go on after a task has left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deregistration_delay: Option<GatewayConnectorDeregistrationDelay>,
}

/// How a gateway checks tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayConnectorHealthCheck {
    /// Protocol of the check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check_protocol: Option<GatewayConnectorHealthCheckProtocol>,
    /// Port of the check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub health_check_port: Option<i32>,
    /// Path of the check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check_path: Option<Str<1024>>,
    /// Seconds after which a check counts as failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub health_check_timeout_seconds: Option<i32>,
    /// Seconds between two checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub health_check_interval_seconds: Option<i32>,
    /// Successes in a row that make a task healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub healthy_threshold_count: Option<i32>,
    /// Failures in a row that make a task unhealthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub unhealthy_threshold_count: Option<i32>,
    /// Answers that count as success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matcher: Option<GatewayConnectorHealthCheckMatcher>,
}

/// Protocols of a gateway's check.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum GatewayConnectorHealthCheckProtocol {
    /// HTTP.
    #[serde(rename = "HTTP")]
    Http,
    /// HTTPS.
    #[serde(rename = "HTTPS")]
    Https,
}

/// Answers that count as success.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayConnectorHealthCheckMatcher {
    /// HTTP status codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_code: Option<Str<64>>,
    /// gRPC status codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_code: Option<Str<64>>,
}

/// Which requests reach the tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayConnectorFilters {
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_types: Option<List<AccessType, 2>>,
}

/// From where requests may come.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum AccessType {
    /// The internet.
    #[serde(rename = "PUBLIC")]
    Public,
    /// Private networks.
    #[serde(rename = "PRIVATE")]
    Private,
}

/// How long requests may go on after a task has left.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayConnectorDeregistrationDelay {
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub timeout_seconds: Option<i32>,
}

//! `TargetGroup`: the tasks that share requests, how their health is checked, and the Kubernetes Service in front of them.
//!
//! Words, values and defaults are those of Elastic Load Balancing's `CreateTargetGroup` and of its target group attributes.

#![expect(
    unreachable_pub,
    reason = "KubeSchema writes a pub struct inside a function"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounded::{List, Map, Str};
use super::conditions;

/// Tasks that share the requests of one Kubernetes Service, which has the target group's name.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "ecs-operator.io",
    version = "v1alpha1",
    kind = "TargetGroup",
    namespaced,
    shortname = "tg",
    category = "ecs",
    status = "TargetGroupStatus",
    doc = "Tasks that share requests: a Kubernetes Service of the same name leads to those of them that are healthy. Services name it in `loadBalancers`.",
    printcolumn(name = "PROTOCOL", type_ = "string", json_path = ".spec.protocol", description = "What the tasks speak"),
    printcolumn(name = "PORT", type_ = "integer", json_path = ".spec.port", description = "Port of the Service"),
    printcolumn(name = "HEALTHY", type_ = "integer", json_path = ".status.targets.healthy", description = "Targets that get requests"),
    printcolumn(name = "UNHEALTHY", type_ = "integer", json_path = ".status.targets.unhealthy", description = "Targets that fail their health checks"),
    printcolumn(name = "DRAINING", type_ = "integer", json_path = ".status.targets.draining", description = "Targets that finish what they have begun"),
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#, description = "Whether the Service is there"),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#, description = "Why"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message("metadata.name is the name of the Service and must be a DNS label that begins with a letter: lower-case letters, digits and '-', at most 63")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.protocol == oldSelf.protocol").message("protocol cannot be changed: make another TargetGroup").field_path(".protocol"),
    validation = Rule::new("!has(self.slowStartSeconds) || self.slowStartSeconds == 0").message("slowStartSeconds can only be 0: Kubernetes gives each endpoint an equal share at once; keep a task out until it is warm with healthCheck.path or healthCheck.healthyThresholdCount").field_path(".slowStartSeconds"),
    validation = Rule::new("self.protocol != 'UDP' || !has(self.healthCheck) || has(self.healthCheck.protocol) && has(self.healthCheck.port) && self.healthCheck.port != 'traffic-port' || has(self.healthCheck.enabled) && !self.healthCheck.enabled").message("healthCheck: a UDP port cannot be asked whether it is well: give protocol and port of a check over TCP or HTTP, or leave healthCheck out").field_path(".healthCheck"),
    validation = Rule::new("!has(self.service) || !has(self.service.nodePort) || (has(self.service.type) && self.service.type in ['NodePort', 'LoadBalancer'])").message("service.nodePort needs service.type NodePort or LoadBalancer").field_path(".service")
)]
pub struct TargetGroupSpec {
    /// What the tasks speak. UDP ports are forwarded as UDP, all others as TCP; HTTP, HTTPS and GRPC say how health is
    /// checked by default. Cannot be changed.
    pub protocol: TargetGroupProtocol,
    /// Port of the Kubernetes Service. Tasks are reached on the port that `loadBalancers` names, whatever this is.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// How each target's health is checked. Without it: as Elastic Load Balancing does by default; UDP is not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// Seconds that a task still gets for what it has begun, after the last new request and before SIGTERM, 0 to 3600. It
    /// ends early when no connection to the task is open. Default 300, as in AWS: with clients that keep connections open,
    /// each stopped task takes five minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub deregistration_delay_seconds: Option<i32>,
    /// Seconds in which a new target would get a growing share of the requests. Only 0, because Kubernetes gives each
    /// endpoint an equal share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 900))]
    pub slow_start_seconds: Option<i32>,
    /// Whether a client stays with its target. Default: it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stickiness: Option<Stickiness>,
    /// The Kubernetes Service in front of the targets. Default: one with an address inside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<FrontingService>,
}

/// What the targets of a group speak.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(transform = super::bounded::without_description)]
pub enum TargetGroupProtocol {
    /// HTTP/1.1.
    Http,
    /// HTTP/1.1 over TLS, which the tasks themselves end.
    Https,
    /// Anything over TCP.
    Tcp,
    /// gRPC over HTTP/2 without TLS.
    Grpc,
    /// Anything over UDP.
    Udp,
}

/// How the health of a target is checked. The agent of the task's instance checks it, on the way that requests take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.timeoutSeconds) ? self.timeoutSeconds : 5) <= (has(self.intervalSeconds) ? self.intervalSeconds : 30)").message("timeoutSeconds must not be longer than intervalSeconds").field_path(".timeoutSeconds"),
    validation = Rule::new("!has(self.port) || self.port == 'traffic-port' || (self.port.matches('^[1-9][0-9]{0,4}$') && int(self.port) <= 65535)").message("port must be 'traffic-port' or a container port from 1 to 65535").field_path(".port"),
    validation = Rule::new("!has(self.protocol) || self.protocol != 'TCP' || (!has(self.path) && !has(self.matcher))").message("path and matcher are for checks over HTTP and HTTPS: leave them out with TCP").field_path(".protocol"),
    validation = Rule::new("!has(self.matcher) || !has(self.matcher.httpCode) || !has(self.matcher.grpcCode)").message("matcher: give httpCode or grpcCode, not both").field_path(".matcher")
)]
pub struct HealthCheck {
    /// Whether targets are checked. Default true; without, a task is a healthy target once it runs and its containers'
    /// own health checks pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Protocol of the check. Default: HTTP for HTTP and GRPC, HTTPS for HTTPS, TCP for TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<HealthCheckProtocol>,
    /// Port of the check: `traffic-port`, where requests go, or the number of a port of the same container. Default
    /// `traffic-port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Str<12>>,
    /// What is asked for, over HTTP and HTTPS. Default `/`, with GRPC `/AWS.ALB/healthcheck`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^/[!-~]*$"))]
    pub path: Option<Str<1024>>,
    /// Which answers count as success. Default HTTP 200, with GRPC 12.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matcher: Option<Matcher>,
    /// Seconds from one check to the next, 1 to 300. Default 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 300))]
    pub interval_seconds: Option<i32>,
    /// Seconds after which a check without an answer has failed, 1 to 120. Default 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 120))]
    pub timeout_seconds: Option<i32>,
    /// Successes in a row that make an unhealthy target healthy, 1 to 10. Default 5. A new target needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub healthy_threshold_count: Option<i32>,
    /// Failures in a row that make a target unhealthy, 1 to 10. Default 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub unhealthy_threshold_count: Option<i32>,
}

/// Protocol of a target's health check.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(transform = super::bounded::without_description)]
pub enum HealthCheckProtocol {
    /// A GET over HTTP; in a group with protocol GRPC, a call without a message.
    Http,
    /// A GET over TLS, whose certificate is not looked at.
    Https,
    /// A connection that is accepted.
    Tcp,
}

/// Which answers count as success.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Matcher {
    /// HTTP status codes, with commas and ranges: `200`, `200,202`, `200-299`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(
        pattern = "^[1-5][0-9]{2}(-[1-5][0-9]{2})?(,[1-5][0-9]{2}(-[1-5][0-9]{2})?)*$"
    ))]
    pub http_code: Option<Str<64>>,
    /// gRPC status codes, with commas and ranges: `0`, `0,12`, `0-99`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9]{1,2}(-[0-9]{1,2})?(,[0-9]{1,2}(-[0-9]{1,2})?)*$"))]
    pub grpc_code: Option<Str<64>>,
}

/// Whether a client stays with its target. It does so by its address (`sessionAffinity: ClientIP` of the Service), not by
/// a cookie.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stickiness {
    /// Whether it does.
    pub enabled: bool,
    /// Seconds without a request after which it may get another target, 1 to 86400. Default 86400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub duration_seconds: Option<i32>,
}

/// The Kubernetes Service in front of the targets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FrontingService {
    /// Who can reach it. Default `ClusterIP`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<ServiceType>,
    /// Annotations of the Service, for whoever provides load balancers.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<Str<1024>, 32>,
    /// Which implementation of load balancers takes it, with type `LoadBalancer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancer_class: Option<Str<253>>,
    /// Addresses, as CIDR, from which the load balancer may be reached, with type `LoadBalancer`.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub load_balancer_source_ranges: List<Str<64>, 64>,
    /// Port on every node, with type `NodePort` or `LoadBalancer`. Default: one that Kubernetes chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub node_port: Option<i32>,
    /// Whether a node sends requests from outside only to its own tasks, which keeps the client's address. Default Cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_traffic_policy: Option<ExternalTrafficPolicy>,
}

/// Who can reach a Service.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = super::bounded::without_description)]
pub enum ServiceType {
    /// Whoever is inside the cluster.
    #[default]
    #[serde(rename = "ClusterIP")]
    ClusterIp,
    /// Whoever is inside the cluster, without an address of the Service's own: its name stands for the addresses of all
    /// targets, and SRV records tell their ports.
    Headless,
    /// Also whoever reaches a node.
    NodePort,
    /// Also whoever reaches the load balancer that the platform makes.
    LoadBalancer,
}

/// To which tasks a node sends requests from outside.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = super::bounded::without_description)]
pub enum ExternalTrafficPolicy {
    /// To all.
    Cluster,
    /// To its own.
    Local,
}

/// What is known of a target group.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetGroupStatus {
    /// Generation of the spec that this describes.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// How many targets there are, by their health.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<TargetCounts>,
    /// Name inside the cluster at which the targets are reached: `<name>.<namespace>.svc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Str<253>>,
    /// Addresses at which they are reached: the Service's own and those of its load balancer.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub addresses: List<Str<253>, 16>,
    /// Port on every node, if the Service has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub node_port: Option<i32>,
    /// Ready, Reconciling, Stalled.
    #[serde(default)]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
}

/// How many targets there are, by their health.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetCounts {
    /// They get requests.
    #[schemars(range(min = 0))]
    pub healthy: i32,
    /// They fail their health checks.
    #[schemars(range(min = 0))]
    pub unhealthy: i32,
    /// Their first health checks go on.
    #[schemars(range(min = 0))]
    pub initial: i32,
    /// They finish what they have begun.
    #[schemars(range(min = 0))]
    pub draining: i32,
    /// They cannot be reached, or nobody tells.
    #[schemars(range(min = 0))]
    pub unavailable: i32,
}

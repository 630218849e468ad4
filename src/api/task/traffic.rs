//! What a task has to do with traffic: the targets that it is to be, and what has become of them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::{Deserialize, JsonSchema, Serialize, Str, TransportProtocol};

/// A port of the task that is reached through a Kubernetes Service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskLoadBalancer {
    /// Name of the `TargetGroup`, in the task's namespace.
    pub target_group: Str<63>,
    /// Container that gets the requests.
    pub container_name: Str<255>,
    /// Port on which it listens.
    #[schemars(range(min = 1, max = 65535))]
    pub container_port: i32,
    /// Which of the container's port mappings it is.
    pub protocol: TransportProtocol,
}

/// When requests were first and last sent to a task. Written by the controller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskTraffic {
    /// From when on it may get requests: written before the first endpoint of it. Absent: it has never had an endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_at: Option<MicroTime>,
    /// From when on no endpoint of it exists, nor ever will: written after the last of them is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deregistered_at: Option<MicroTime>,
    /// Seconds after `deregisteredAt` for which its containers are left alone: the longest deregistration delay of its
    /// target groups, as they said it at `registeredAt`, and then at `deregisteredAt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub deregistration_delay_seconds: Option<i32>,
}

/// A target that the task is, or is to be: what `DescribeTargetHealth` shows. Written by its agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskTarget {
    /// Name of the target group.
    pub target_group: Str<63>,
    /// Container that gets the requests.
    pub container_name: Str<255>,
    /// Port on which it listens.
    #[schemars(range(min = 1, max = 65535))]
    pub container_port: i32,
    /// Which of the container's port mappings it is.
    pub protocol: TransportProtocol,
    /// IPv4 address at which the target is reached: the instance's, or the task's own where its network is routable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Str<45>>,
    /// Port at that address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub host_port: Option<i32>,
    /// Whether it can serve.
    pub health: TargetHealth,
    /// Why it is not healthy, in one of Elastic Load Balancing's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<TargetReason>,
    /// Why it is not healthy, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Str<512>>,
    /// Since when its health is what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<MicroTime>,
}

/// Health of a target, in Elastic Load Balancing's words.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum TargetHealth {
    /// Its first health checks go on.
    Initial,
    /// It can serve.
    Healthy,
    /// It fails its health checks.
    Unhealthy,
    /// It gets no new requests and finishes what it has begun.
    Draining,
    /// It is not registered: its target group does not exist.
    Unused,
    /// It cannot be reached on the way that requests take, or its health checks are turned off.
    Unavailable,
}

/// Why a target is not healthy, in Elastic Load Balancing's words (`TargetHealthReasonEnum`).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum TargetReason {
    /// It is being registered.
    #[serde(rename = "Elb.RegistrationInProgress")]
    RegistrationInProgress,
    /// Its first health checks go on.
    #[serde(rename = "Elb.InitialHealthChecking")]
    InitialHealthChecking,
    /// Nothing could be found out.
    #[serde(rename = "Elb.InternalError")]
    InternalError,
    /// It answers with a code that is not one of the matcher's.
    #[serde(rename = "Target.ResponseCodeMismatch")]
    ResponseCodeMismatch,
    /// It does not answer in time.
    #[serde(rename = "Target.Timeout")]
    Timeout,
    /// It refuses connections, or its answer makes no sense.
    #[serde(rename = "Target.FailedHealthChecks")]
    FailedHealthChecks,
    /// Its target group does not exist.
    #[serde(rename = "Target.NotRegistered")]
    NotRegistered,
    /// Its target group sends nobody to it.
    #[serde(rename = "Target.NotInUse")]
    NotInUse,
    /// It finishes what it has begun.
    #[serde(rename = "Target.DeregistrationInProgress")]
    DeregistrationInProgress,
    /// Its task does not run.
    #[serde(rename = "Target.InvalidState")]
    InvalidState,
    /// Its address cannot be reached on the way that requests take.
    #[serde(rename = "Target.IpUnusable")]
    IpUnusable,
    /// Its health checks are turned off.
    #[serde(rename = "Target.HealthCheckDisabled")]
    HealthCheckDisabled,
}

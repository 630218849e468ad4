//! The small shapes of a container definition: ports, environment, mounts, limits, hosts.

#![expect(
    unreachable_pub,
    reason = "KubeSchema writes a pub struct inside a function"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::bounded::Str;

/// A port of a container that the instance publishes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.containerPort) != has(self.containerPortRange)").message("give either containerPort or containerPortRange"))]
pub struct PortMapping {
    /// Port on which the container listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub container_port: Option<i32>,
    /// Port of the instance. Network mode bridge: 0 or absent chooses a free one for each task.
    /// Network modes host and awsvpc: absent or equal to `containerPort`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 65535))]
    pub host_port: Option<i32>,
    /// Transport protocol. Default tcp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<TransportProtocol>,
    /// Name by which Service Connect and VPC Lattice refer to the port: lower-case letters,
    /// digits, `-` and `_`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Str<64>>,
    /// Application protocol that a Service Connect proxy speaks on this port. Default: plain TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<ApplicationProtocol>,
    /// Range of ports `first-last` to publish on free host ports, in place of `containerPort`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_port_range: Option<Str<11>>,
}

/// Transport protocols of a port.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum TransportProtocol {
    /// TCP.
    #[serde(rename = "tcp")]
    Tcp,
    /// UDP.
    #[serde(rename = "udp")]
    Udp,
}

/// Application protocols of a port.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum ApplicationProtocol {
    /// HTTP/1.
    #[serde(rename = "http")]
    Http,
    /// HTTP/2.
    #[serde(rename = "http2")]
    Http2,
    /// gRPC.
    #[serde(rename = "grpc")]
    Grpc,
}

/// A name with a value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyValuePair {
    /// The name.
    pub name: Str<255>,
    /// The value. Default: empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Str<32768>>,
}

/// A file of environment variables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentFile {
    /// Which file: the ARN of an object in S3, which the EcsCluster's table maps, or `configmap:<name>:<key>`.
    pub value: Str<2048>,
    /// Where the file is.
    #[serde(rename = "type")]
    pub kind: EnvironmentFileType,
}

/// Where an environment file is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum EnvironmentFileType {
    /// An object in S3.
    #[serde(rename = "s3")]
    S3,
}

/// A secret that is given to a container under a name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// Name of the environment variable, or of the log driver's option.
    pub name: Str<255>,
    /// Which secret: an ARN of Secrets Manager or Systems Manager, or the name of a parameter.
    pub value_from: Str<2048>,
}

/// Where a volume of the task is mounted in a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MountPoint {
    /// Name of the volume, one of the task's `volumes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_volume: Option<Str<255>>,
    /// Path in the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_path: Option<Str<4096>>,
    /// Whether the container may only read. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
}

/// Another container whose volumes are mounted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolumeFrom {
    /// Name of the container that has the volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_container: Option<Str<255>>,
    /// Whether this container may only read them. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
}

/// A resource limit of a container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ulimit {
    /// Which limit.
    pub name: UlimitName,
    /// Limit that is in force at first; -1 is unlimited.
    #[schemars(range(min = -1, max = 2_147_483_647))]
    pub soft_limit: i32,
    /// Limit up to which the container may raise it; -1 is unlimited.
    #[schemars(range(min = -1, max = 2_147_483_647))]
    pub hard_limit: i32,
}

/// Resource limits that can be set.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum UlimitName {
    /// Size of a core dump.
    #[serde(rename = "core")]
    Core,
    /// CPU time.
    #[serde(rename = "cpu")]
    Cpu,
    /// Size of the data segment.
    #[serde(rename = "data")]
    Data,
    /// Size of a file.
    #[serde(rename = "fsize")]
    Fsize,
    /// Number of file locks.
    #[serde(rename = "locks")]
    Locks,
    /// Locked memory.
    #[serde(rename = "memlock")]
    Memlock,
    /// POSIX message queues.
    #[serde(rename = "msgqueue")]
    Msgqueue,
    /// Highest priority.
    #[serde(rename = "nice")]
    Nice,
    /// Open files.
    #[serde(rename = "nofile")]
    Nofile,
    /// Processes.
    #[serde(rename = "nproc")]
    Nproc,
    /// Resident memory.
    #[serde(rename = "rss")]
    Rss,
    /// Real-time priority.
    #[serde(rename = "rtprio")]
    Rtprio,
    /// Real-time CPU time.
    #[serde(rename = "rttime")]
    Rttime,
    /// Pending signals.
    #[serde(rename = "sigpending")]
    Sigpending,
    /// Size of the stack.
    #[serde(rename = "stack")]
    Stack,
}

/// A kernel parameter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SystemControl {
    /// Name of the parameter, such as `net.core.somaxconn`. `net.*` not with network mode host,
    /// inter-process ones not with `ipcMode` host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Str<255>>,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Str<255>>,
}

/// A line of /etc/hosts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostEntry {
    /// The host's name.
    pub hostname: Str<253>,
    /// The host's address.
    pub ip_address: Str<45>,
}

//! Service Connect: names for services, and a proxy in each task.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::launch_volumes::{EbsTagSpecification, TaskFilesystemType};
use super::logging::LogConfiguration;
use crate::api::bounded::{List, Str};

/// Names under which services reach each other through a proxy in each task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceConnectConfiguration {
    /// Whether Service Connect is used.
    pub enabled: bool,
    /// Cloud Map namespace: its short name or ARN. Default: the cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Str<1024>>,
    /// Ports that this service offers. A service that only calls others has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<List<ServiceConnectService, 64>>,
    /// Where the proxy's output goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_configuration: Option<LogConfiguration>,
    /// What the proxy writes about each request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_log_configuration: Option<ServiceConnectAccessLogConfiguration>,
    /// Settings of the proxy's container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_configurations: Option<List<ServiceConnectContainerConfiguration, 16>>,
}

/// A port that a service offers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceConnectService {
    /// Name of the port, one of `portMappings`.
    pub port_name: Str<64>,
    /// Name under which it is found. Default: `portName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery_name: Option<Str<64>>,
    /// Address under which clients call it; at most one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_aliases: Option<List<ServiceConnectClientAlias, 1>>,
    /// Port on which the proxy listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 65535))]
    pub ingress_port_override: Option<i32>,
    /// Time limits of the proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<TimeoutConfiguration>,
    /// Encryption between proxies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServiceConnectTlsConfiguration>,
}

/// Address under which clients call a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceConnectClientAlias {
    /// Port.
    #[schemars(range(min = 0, max = 65535))]
    pub port: i32,
    /// Name. Default: `discoveryName.namespace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_name: Option<Str<127>>,
    /// Requests which go to the new revision before others do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_traffic_rules: Option<ServiceConnectTestTrafficRules>,
}

/// Requests which go to the new revision before others do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceConnectTestTrafficRules {
    /// The header that marks them.
    pub header: ServiceConnectTestTrafficHeaderRules,
}

/// A header that marks test requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceConnectTestTrafficHeaderRules {
    /// Name of the header.
    pub name: Str<255>,
    /// Its value. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<ServiceConnectTestTrafficHeaderMatchRules>,
}

/// Value of a header.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceConnectTestTrafficHeaderMatchRules {
    /// The value, which must match exactly.
    pub exact: Str<1024>,
}

/// Time limits of a Service Connect proxy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimeoutConfiguration {
    /// Seconds after which an idle connection is closed; 0 is never. Default 300 for HTTP, 3600
    /// for TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub idle_timeout_seconds: Option<i32>,
    /// Seconds in which a request must be answered; 0 is no limit. Default 15 for HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub per_request_timeout_seconds: Option<i32>,
}

/// Encryption between Service Connect proxies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceConnectTlsConfiguration {
    /// Who issues the certificates.
    pub issuer_certificate_authority: ServiceConnectTlsCertificateAuthority,
    /// KMS key that encrypts the private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<Str<2048>>,
    /// Role with which certificates are fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<Str<2048>>,
}

/// Who issues certificates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceConnectTlsCertificateAuthority {
    /// ARN of the private certificate authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_pca_authority_arn: Option<Str<2048>>,
}

/// What a proxy writes about each request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceConnectAccessLogConfiguration {
    /// Format of the lines.
    pub format: ServiceConnectAccessLoggingFormat,
    /// Whether the volume is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<bool>,
    /// KMS key that encrypts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<Str<2048>>,
    /// Type of the volume, such as `gp3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_type: Option<Str<64>>,
    /// Size in GiB.
    #[serde(rename = "sizeInGiB", default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65536))]
    pub size_in_gib: Option<i32>,
    /// Snapshot from which it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_id: Option<Str<255>>,
    /// Rate in MiB/s at which the snapshot is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 300))]
    pub volume_initialization_rate: Option<i32>,
    /// I/O operations per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub iops: Option<i32>,
    /// Throughput in MiB/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub throughput: Option<i32>,
    /// Tags of the volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag_specifications: Option<List<EbsTagSpecification, 16>>,
    /// Role with which the volume is managed.
    pub role_arn: Str<2048>,
    /// File system. Default XFS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filesystem_type: Option<TaskFilesystemType>,
}

/// Formats of an access log.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum ServiceConnectAccessLoggingFormat {
    /// Plain text.
    #[serde(rename = "TEXT")]
    Text,
    /// JSON.
    #[serde(rename = "JSON")]
    Json,
}

/// Whether an access log holds query parameters.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum ServiceConnectIncludeQueryParameters {
    /// It does not.
    #[serde(rename = "DISABLED")]
    Disabled,
    /// It does.
    #[serde(rename = "ENABLED")]
    Enabled,
}

/// Settings of a proxy's container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceConnectContainerConfiguration {
    /// How much the proxy writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_level: Option<ServiceConnectContainerLogLevel>,
}

/// How much a proxy writes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum ServiceConnectContainerLogLevel {
    /// Everything.
    #[serde(rename = "debug")]
    Debug,
    /// What matters.
    #[serde(rename = "info")]
    Info,
}

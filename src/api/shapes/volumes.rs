//! Volumes of a task definition.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::bounded::{Map, Str};

/// A volume of a task: a name and at most one kind. Without one it is an anonymous directory of
/// the instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// Name by which mount points refer to it: letters, digits, `-` and `_`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Str<255>>,
    /// A directory of the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostVolumeProperties>,
    /// A Docker volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_volume_configuration: Option<DockerVolumeConfiguration>,
    /// A file system of Amazon EFS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub efs_volume_configuration: Option<EfsVolumeConfiguration>,
    /// A file system of Amazon S3 Files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3files_volume_configuration: Option<S3FilesVolumeConfiguration>,
    /// A file system of Amazon `FSx` for Windows File Server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fsx_windows_file_server_volume_configuration:
        Option<FSxWindowsFileServerVolumeConfiguration>,
    /// Whether the service or the task describes the volume (Amazon EBS). Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configured_at_launch: Option<bool>,
}

/// A directory of the instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostVolumeProperties {
    /// Path on the instance; made if missing, kept afterwards. Default: an anonymous directory
    /// that goes with the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_path: Option<Str<4096>>,
}

/// A Docker volume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DockerVolumeConfiguration {
    /// Whether the volume ends with its task. Default task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Whether a shared volume is made if missing. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoprovision: Option<bool>,
    /// Volume driver; the instance must have it. Default local.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<Str<255>>,
    /// Options of the driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver_opts: Option<Map<Str<4096>, 64>>,
    /// Labels of the volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Map<Str<4096>, 64>>,
}

/// How long a Docker volume lives.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum Scope {
    /// It is made with the task and removed with it.
    #[serde(rename = "task")]
    Task,
    /// It stays, and tasks share it.
    #[serde(rename = "shared")]
    Shared,
}

/// A file system of Amazon EFS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EfsVolumeConfiguration {
    /// ID of the file system.
    pub file_system_id: Str<255>,
    /// Directory of the file system that is mounted. Default `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_directory: Option<Str<4096>>,
    /// Whether the traffic is encrypted. Default DISABLED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transit_encryption: Option<EfsTransitEncryption>,
    /// Port of the encrypted traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 65535))]
    pub transit_encryption_port: Option<i32>,
    /// How the task authorises itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_config: Option<EfsAuthorizationConfig>,
}

/// Whether traffic to EFS is encrypted.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum EfsTransitEncryption {
    /// Encrypted.
    #[serde(rename = "ENABLED")]
    Enabled,
    /// Not encrypted.
    #[serde(rename = "DISABLED")]
    Disabled,
}

/// How a task authorises itself to EFS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EfsAuthorizationConfig {
    /// ID of the access point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_point_id: Option<Str<255>>,
    /// Whether the task's role is used. Default DISABLED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iam: Option<EfsAuthorizationConfigIam>,
}

/// Whether EFS reads the task's role.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum EfsAuthorizationConfigIam {
    /// The task's role is used.
    #[serde(rename = "ENABLED")]
    Enabled,
    /// It is not.
    #[serde(rename = "DISABLED")]
    Disabled,
}

/// A file system of Amazon S3 Files.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct S3FilesVolumeConfiguration {
    /// ARN of the file system.
    pub file_system_arn: Str<2048>,
    /// Directory of the file system that is mounted. Default `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_directory: Option<Str<4096>>,
    /// Port of the encrypted traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 65535))]
    pub transit_encryption_port: Option<i32>,
    /// ARN of the access point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_point_arn: Option<Str<2048>>,
}

/// A file system of Amazon `FSx` for Windows File Server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FSxWindowsFileServerVolumeConfiguration {
    /// ID of the file system.
    pub file_system_id: Str<255>,
    /// Directory of the file system that is mounted.
    pub root_directory: Str<4096>,
    /// How the task authorises itself.
    pub authorization_config: FSxWindowsFileServerAuthorizationConfig,
}

/// How a task authorises itself to `FSx`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FSxWindowsFileServerAuthorizationConfig {
    /// ARN of the secret with the credentials.
    pub credentials_parameter: Str<2048>,
    /// Active Directory domain.
    pub domain: Str<255>,
}

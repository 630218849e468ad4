//! Volumes that a service or a task describes at launch (Amazon EBS).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::placement::PropagateTags;
use super::platform::Tag;
use crate::api::bounded::{List, Str};

/// A volume that the service describes, for a volume of the definition with `configuredAtLaunch`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceVolumeConfiguration {
    /// Name of the definition's volume.
    pub name: Str<255>,
    /// The EBS volume that each task gets.
    #[serde(
        rename = "managedEBSVolume",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub managed_ebs_volume: Option<ServiceManagedEbsVolumeConfiguration>,
}

/// The EBS volume that each task of a service gets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceManagedEbsVolumeConfiguration {
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

/// A volume that the task describes, for a volume of the definition with `configuredAtLaunch`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskVolumeConfiguration {
    /// Name of the definition's volume.
    pub name: Str<255>,
    /// The EBS volume that the task gets.
    #[serde(
        rename = "managedEBSVolume",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub managed_ebs_volume: Option<TaskManagedEbsVolumeConfiguration>,
}

/// The EBS volume that a task gets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskManagedEbsVolumeConfiguration {
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
    /// What becomes of the volume when the task ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_policy: Option<TaskManagedEbsVolumeTerminationPolicy>,
}

/// What becomes of an EBS volume when its task ends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskManagedEbsVolumeTerminationPolicy {
    /// Whether it is deleted.
    pub delete_on_termination: bool,
}

/// File systems of an EBS volume.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum TaskFilesystemType {
    /// ext3.
    #[serde(rename = "ext3")]
    Ext3,
    /// ext4.
    #[serde(rename = "ext4")]
    Ext4,
    /// XFS.
    #[serde(rename = "xfs")]
    Xfs,
    /// NTFS.
    #[serde(rename = "ntfs")]
    Ntfs,
}

/// Tags of an EBS volume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EbsTagSpecification {
    /// What is tagged.
    pub resource_type: EbsResourceType,
    /// The tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<List<Tag, 50>>,
    /// From where tags are copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propagate_tags: Option<PropagateTags>,
}

/// What an EBS tag specification tags.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum EbsResourceType {
    /// The volume.
    #[serde(rename = "volume")]
    Volume,
}

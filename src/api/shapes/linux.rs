//! Linux options of a container.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::bounded::{List, Str};

/// Linux options of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinuxParameters {
    /// Capabilities to add to Docker's default set and to drop from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<KernelCapabilities>,
    /// Devices of the instance that the container may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<List<Device, 64>>,
    /// Whether an init process forwards signals and reaps processes. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_process_enabled: Option<bool>,
    /// Size of /dev/shm in MiB. Default: Docker's 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000_000))]
    pub shared_memory_size: Option<i32>,
    /// Temporary file systems in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tmpfs: Option<List<Tmpfs, 64>>,
    /// Swap in MiB beyond `memory`; 0 is none. Default: the instance's setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000_000))]
    pub max_swap: Option<i32>,
    /// How readily the kernel swaps, 0 to 100. Default 60; read only with `maxSwap`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub swappiness: Option<i32>,
}

/// Linux capabilities, written without `CAP_`; `ALL` names all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KernelCapabilities {
    /// Capabilities to add.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add: Option<List<Str<64>, 64>>,
    /// Capabilities to drop. Dropping comes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop: Option<List<Str<64>, 64>>,
}

/// A device of the instance that a container may use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Path on the instance.
    pub host_path: Str<4096>,
    /// Path in the container. Default: the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_path: Option<Str<4096>>,
    /// What the container may do. Default: all three.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<List<DeviceCgroupPermission, 3>>,
}

/// What a container may do with a device.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(transform = crate::api::bounded::without_description)]
pub enum DeviceCgroupPermission {
    /// Read from it.
    #[serde(rename = "read")]
    Read,
    /// Write to it.
    #[serde(rename = "write")]
    Write,
    /// Create its node.
    #[serde(rename = "mknod")]
    Mknod,
}

/// A temporary file system in memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tmpfs {
    /// Path in the container.
    pub container_path: Str<4096>,
    /// Largest size in MiB.
    #[schemars(range(min = 0, max = 100_000_000))]
    pub size: i32,
    /// Mount options, such as `noexec`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount_options: Option<List<Str<255>, 64>>,
}

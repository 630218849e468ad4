//! Volumes of an engine.

use std::collections::BTreeMap;

use super::Labels;

/// All that a volume is created from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VolumeSpec {
    /// Unique within the engine.
    pub name: String,
    /// The engine's own where none is named.
    pub driver: Option<String>,
    /// For the driver.
    pub options: BTreeMap<String, String>,
    /// Labels, ours and the user's.
    pub labels: Labels,
}

/// A volume that the engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeView {
    /// Name.
    pub name: String,
    /// Labels.
    pub labels: Labels,
}

/// Something of the instance at a place in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Name of a volume of the engine, or absolute path on the instance.
    pub source: String,
    /// Path in the container.
    pub path: String,
    /// The container cannot write.
    pub read_only: bool,
}

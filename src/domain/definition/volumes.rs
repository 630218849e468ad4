//! Volumes of a task, and where its containers mount them.

use std::collections::BTreeMap;

/// A volume of a task definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// By which mount points refer to it.
    pub name: String,
    /// Where its data are.
    pub kind: VolumeKind,
}

/// Where the data of a volume are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeKind {
    /// In a directory of the instance, which is made where it is missing and stays.
    Host {
        /// Absolute.
        path: String,
    },
    /// In a volume of the engine.
    Docker(DockerVolume),
}

/// A volume of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DockerVolume {
    /// How long it lives, and who has it.
    pub scope: Scope,
    /// The engine's own (`local`) where none is named.
    pub driver: Option<String>,
    /// For the driver.
    pub options: BTreeMap<String, String>,
    /// Labels of the user.
    pub labels: BTreeMap<String, String>,
}

/// How long a volume of the engine lives, and who has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// It comes and goes with its task.
    #[default]
    Task,
    /// It stays, and the tasks of its namespace share it by its name.
    Shared {
        /// It is made where it is missing; otherwise the task fails.
        autoprovision: bool,
    },
}

/// Where a container has a volume of its task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPoint {
    /// Name of the volume.
    pub volume: String,
    /// Path in the container.
    pub path: String,
    /// The container cannot write.
    pub read_only: bool,
}

/// Another container of the task whose volumes this one has too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumesFrom {
    /// Its name in the definition.
    pub container: String,
    /// This container cannot write.
    pub read_only: bool,
}

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

impl Volume {
    /// The driver of its data that is not the engine's own.
    pub(super) fn plugin(&self) -> Option<&str> {
        let VolumeKind::Docker(volume) = &self.kind else {
            return None;
        };
        volume.driver.as_deref().filter(|driver| *driver != "local")
    }
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

/// Attribute of instances whose engine has a driver of volumes, as Amazon's agent names it: without the tag `latest`, which is
/// meant where there is none, and with a point before another.
///
/// Example: `rexray/ebs:0.11` gives `ecs.capability.docker-plugin.rexray/ebs.0.11`.
#[must_use]
pub fn driver_attribute(driver: &str) -> String {
    let name = driver.strip_suffix(":latest").unwrap_or(driver);
    format!("ecs.capability.docker-plugin.{}", name.replace(':', "."))
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

#[cfg(test)]
mod tests {
    use super::super::tests_support::{container, definition};
    use super::*;

    #[test]
    fn a_task_needs_an_instance_with_the_drivers_of_its_volumes() {
        let mut needs = definition("web", [container("app")]);
        let none = needs.required_attributes();
        for driver in [None, Some("local"), Some("vieux/sshfs:latest")] {
            let volume = DockerVolume {
                driver: driver.map(str::to_owned),
                ..DockerVolume::default()
            };
            needs.volumes.push(Volume {
                name: "data".into(),
                kind: VolumeKind::Docker(volume),
            });
        }
        let required = needs.required_attributes();
        let more: Vec<_> = required.difference(&none).collect();
        assert_eq!(more, ["ecs.capability.docker-plugin.vieux/sshfs"]);
    }

    #[test]
    fn a_driver_is_an_attribute_with_its_tag_but_for_the_one_that_is_meant_anyway() {
        for (driver, attribute) in [
            ("local", "local"),
            ("vieux/sshfs", "vieux/sshfs"),
            ("vieux/sshfs:latest", "vieux/sshfs"),
            ("rexray/ebs:0.11", "rexray/ebs.0.11"),
        ] {
            let expected = format!("ecs.capability.docker-plugin.{attribute}");
            assert_eq!(driver_attribute(driver), expected);
        }
    }
}

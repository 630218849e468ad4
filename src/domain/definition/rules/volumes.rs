//! What is wrong with the volumes of a task and with their mounts. Sources: ECS API Reference, `Volume`, `MountPoint`,
//! `VolumeFrom`.

use std::collections::BTreeSet;

use super::Problem;
use crate::domain::definition::volumes::VolumeKind;
use crate::domain::definition::{Container, TaskDefinition};

/// What is wrong with the volumes of `definition`.
pub(super) fn problems(definition: &TaskDefinition) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut names = BTreeSet::new();
    for volume in &definition.volumes {
        let mut problem = |message: String| {
            found.push(Problem {
                field: format!("volumes[{}]", volume.name),
                message,
            });
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if volume.name.is_empty() || !volume.name.chars().all(plain) {
            problem("needs a name of letters, digits, '-' and '_'".into());
        }
        if !names.insert(volume.name.as_str()) {
            problem("stands twice: volume names are unique within a task".into());
        }
        if let VolumeKind::Host { path } = &volume.kind
            && !is_plain_path(path)
        {
            problem(format!(
                "host.sourcePath '{path}' is not an absolute path without ':'"
            ));
        }
    }
    found
}

/// What is wrong with the mounts of `container`, by field.
pub(super) fn mounts(
    definition: &TaskDefinition,
    container: &Container,
) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut paths: BTreeSet<&str> = container
        .settings
        .tmpfs
        .iter()
        .map(|tmpfs| tmpfs.path.as_str())
        .collect();
    for mount in &container.mount_points {
        let (volume, path) = (&mount.volume, &mount.path);
        if !definition.volumes.iter().any(|it| it.name == *volume) {
            found.push((
                "mountPoints",
                format!(
                    "the task has no volume '{volume}': name one of its volumes in sourceVolume"
                ),
            ));
        }
        if !is_plain_path(path) || path == "/" {
            found.push((
                "mountPoints",
                format!(
                    "'{path}' is not an absolute path below '/' without ':': correct containerPath"
                ),
            ));
        }
        if !paths.insert(path) {
            found.push((
                "mountPoints",
                format!("two things are mounted at {path}: change one containerPath"),
            ));
        }
    }
    for from in &container.volumes_from {
        let other = &from.container;
        if !definition.containers.iter().any(|it| it.name == *other) {
            found.push((
                "volumesFrom",
                format!("the task has no container '{other}': name one that it has"),
            ));
        }
    }
    found
}

fn is_plain_path(path: &str) -> bool {
    path.starts_with('/') && !path.contains(':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::definition::tests_support::{container, definition};
    use crate::domain::definition::volumes::{DockerVolume, MountPoint, Volume, VolumesFrom};

    fn data() -> Volume {
        Volume {
            name: "data".into(),
            kind: VolumeKind::Docker(DockerVolume::default()),
        }
    }

    #[test]
    fn a_mount_names_a_volume_of_the_task_and_a_place_of_its_own() {
        let mut wants = definition("web", [container("app")]);
        wants.volumes = vec![data()];
        let mut count = |mounts: &[(&str, &str)]| {
            let mounts = mounts.iter().map(|(volume, path)| MountPoint {
                volume: (*volume).into(),
                path: (*path).into(),
                read_only: false,
            });
            wants.containers[0].mount_points = mounts.collect();
            super::mounts(&wants, &wants.containers[0]).len()
        };
        assert_eq!(count(&[("data", "/data"), ("data", "/more")]), 0);
        assert_eq!(count(&[("date", "/data")]), 1);
        assert_eq!(count(&[("data", "data")]), 1);
        assert_eq!(count(&[("data", "/")]), 1);
        assert_eq!(count(&[("data", "/data"), ("data", "/data")]), 1);
    }

    #[test]
    fn names_are_unique_and_host_paths_absolute() {
        let mut wants = definition("web", [container("app")]);
        let host = Volume {
            name: "logs".into(),
            kind: VolumeKind::Host {
                path: "var/log".into(),
            },
        };
        wants.volumes = vec![data(), data(), host];
        let fields: Vec<String> = problems(&wants).into_iter().map(|it| it.field).collect();
        assert_eq!(fields, ["volumes[data]", "volumes[logs]"]);
    }

    #[test]
    fn volumes_come_from_a_container_of_the_task() {
        let mut wants = definition("web", [container("a"), container("b")]);
        for (name, count) in [("b", 0), ("c", 1)] {
            wants.containers[0].volumes_from = vec![VolumesFrom {
                container: name.into(),
                read_only: false,
            }];
            assert_eq!(mounts(&wants, &wants.containers[0]).len(), count);
        }
    }
}

//! Volumes and their mounts, from their shapes.

use std::collections::BTreeMap;

use super::super::bounded::{Map, Str};
use super::super::shapes;
use super::settings::text;
use super::{Problem, TaskDefinitionSpec};
use crate::domain::definition::volumes::{
    DockerVolume, MountPoint, Scope, Volume, VolumeKind, VolumesFrom,
};

/// The volumes of a definition. What is of AWS alone is refused elsewhere.
pub(super) fn volumes(spec: &TaskDefinitionSpec, problems: &mut Vec<Problem>) -> Vec<Volume> {
    let mut found = Vec::new();
    for volume in spec.volumes.iter().flatten() {
        let name = volume.name.as_deref().cloned().unwrap_or_default();
        let host = volume.host.as_ref();
        let path = host.and_then(|host| text(host.source_path.as_ref()));
        let kind = match (path, &volume.docker_volume_configuration) {
            (Some(_), Some(_)) => {
                problems.push(Problem {
                    field: format!("volumes[{name}]"),
                    message:
                        "has a host.sourcePath and a dockerVolumeConfiguration: give one of both"
                            .into(),
                });
                continue;
            }
            (Some(path), None) => VolumeKind::Host { path },
            (None, Some(volume)) => VolumeKind::Docker(docker_volume(volume)),
            // Without a kind, or with an empty host, it is an anonymous directory that goes with the task.
            (None, None) => VolumeKind::Docker(DockerVolume::default()),
        };
        found.push(Volume { name, kind });
    }
    found
}

fn docker_volume(spec: &shapes::DockerVolumeConfiguration) -> DockerVolume {
    DockerVolume {
        scope: match spec.scope {
            Some(shapes::Scope::Shared) => Scope::Shared {
                autoprovision: spec.autoprovision.unwrap_or(false),
            },
            Some(shapes::Scope::Task) | None => Scope::Task,
        },
        driver: text(spec.driver.as_ref()),
        options: texts(spec.driver_opts.as_ref()),
        labels: texts(spec.labels.as_ref()),
    }
}

/// A map of texts.
pub(super) fn texts<const LONGEST: usize, const MOST: usize>(
    map: Option<&Map<Str<LONGEST>, MOST>>,
) -> BTreeMap<String, String> {
    let pairs = map.into_iter().flat_map(|map| map.iter());
    pairs
        .map(|(name, value)| (name.clone(), value.to_string()))
        .collect()
}

/// Where a container has volumes of its task.
pub(super) fn mount_points(spec: &shapes::ContainerDefinition) -> Vec<MountPoint> {
    let mounts = spec.mount_points.iter().flatten();
    mounts
        .map(|mount| MountPoint {
            volume: mount.source_volume.as_deref().cloned().unwrap_or_default(),
            path: mount.container_path.as_deref().cloned().unwrap_or_default(),
            read_only: mount.read_only.unwrap_or(false),
        })
        .collect()
}

/// Containers whose volumes a container has too.
pub(super) fn volumes_from(spec: &shapes::ContainerDefinition) -> Vec<VolumesFrom> {
    let sources = spec.volumes_from.iter().flatten();
    sources
        .map(|from| VolumesFrom {
            container: from
                .source_container
                .as_deref()
                .cloned()
                .unwrap_or_default(),
            read_only: from.read_only.unwrap_or(false),
        })
        .collect()
}

//! The volumes of a task in its engine: their names, their labels, and where containers have them.

use super::{Rules, Wanted};
use crate::api::names;
use crate::domain::definition::Container;
use crate::domain::definition::firelens::ROUTER_VOLUME;
use crate::domain::definition::volumes::{DockerVolume, Scope, VolumeKind, VolumesFrom};
use crate::runtime::{Mount, VolumeSpec, VolumeView};

impl Wanted {
    /// The engine's volume for a volume of the task: what it is created from, and its scope.
    #[must_use]
    pub fn volume(&self, name: &str, rules: &Rules) -> Option<(VolumeSpec, Scope)> {
        let volume = self.definition.docker_volume(name)?;
        let mut labels = volume.labels.clone();
        // A shared volume is nobody's alone: without these labels no agent ever removes it.
        if volume.scope == Scope::Task {
            let ours = [
                (names::INSTANCE_DOCKER_LABEL, rules.instance.as_str()),
                (names::TASK_UID_DOCKER_LABEL, &self.uid),
                (names::VOLUME_DOCKER_LABEL, name),
            ];
            labels.extend(ours.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        let spec = VolumeSpec {
            name: self.volume_name(name, volume),
            driver: volume.driver.clone(),
            options: volume.options.clone(),
            labels,
        };
        Some((spec, volume.scope))
    }

    /// Name of a volume in the engine. One of the task's own derives from the task, such as `ecs-web-3-data-0f3a9c2e77d1`;
    /// a shared one belongs to the namespace, such as `shop.data`, so that no other namespace can name it.
    fn volume_name(&self, name: &str, volume: &DockerVolume) -> String {
        match volume.scope {
            Scope::Shared { .. } => format!("{}.{name}", self.namespace),
            // A path to a Unix socket has at most 107 bytes, and this volume's holds one.
            Scope::Task if name == ROUTER_VOLUME => format!("ecs-router-{}", self.short_id()),
            Scope::Task => self.own_name(name),
        }
    }

    /// Whether the engine's volume may be used as the task's `volume`: its own, or one that is shared.
    #[must_use]
    pub fn owns_volume(&self, view: &VolumeView, name: &str) -> bool {
        let label = |label: &str| view.labels.get(label).map(String::as_str);
        match self.definition.docker_volume(name).map(|it| it.scope) {
            Some(Scope::Shared { .. }) => label(names::TASK_UID_DOCKER_LABEL).is_none(),
            Some(Scope::Task) | None => {
                label(names::TASK_UID_DOCKER_LABEL) == Some(&self.uid)
                    && label(names::VOLUME_DOCKER_LABEL) == Some(name)
            }
        }
    }

    /// What `container` has of the instance.
    pub(super) fn mounts(&self, container: &Container) -> Vec<Mount> {
        let volumes = &self.definition.volumes;
        let mounts = container.mount_points.iter().filter_map(|mount| {
            let volume = volumes.iter().find(|it| it.name == mount.volume)?;
            Some(Mount {
                source: match &volume.kind {
                    VolumeKind::Host { path } => path.clone(),
                    VolumeKind::Docker(docker) => self.volume_name(&volume.name, docker),
                },
                path: mount.path.clone(),
                read_only: mount.read_only,
            })
        });
        mounts.collect()
    }

    /// The containers whose volumes `container` has too, by their names in the engine.
    pub(super) fn volumes_from(&self, container: &Container) -> Vec<VolumesFrom> {
        let sources = container.volumes_from.iter();
        sources
            .map(|from| VolumesFrom {
                container: self.engine_name(&from.container),
                read_only: from.read_only,
            })
            .collect()
    }
}

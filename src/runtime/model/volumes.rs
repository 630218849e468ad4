//! Volumes of the model engine. Stricter than Docker where Docker would make up for a mistake of ours: a container
//! cannot be created before its volumes.

use super::ModelEngine;
use crate::runtime::{ContainerSpec, Error, Labels, VolumeSpec, VolumeView};

impl ModelEngine {
    /// See [`crate::runtime::Engine::create_volume`].
    pub fn create_volume(&mut self, spec: &VolumeSpec) -> VolumeView {
        self.volumes
            .entry(spec.name.clone())
            .or_insert_with(|| VolumeView {
                name: spec.name.clone(),
                labels: spec.labels.clone(),
            })
            .clone()
    }

    /// See [`crate::runtime::Engine::volume`].
    #[must_use]
    pub fn volume(&self, name: &str) -> Option<VolumeView> {
        self.volumes.get(name).cloned()
    }

    /// See [`crate::runtime::Engine::remove_volume`].
    pub fn remove_volume(&mut self, name: &str) -> Result<(), Error> {
        let mut containers = self.containers.iter();
        let user = containers.find(|(_, container)| mounts(&container.spec, name));
        if let Some((user, _)) = user {
            let message = format!("remove {name}: volume is in use - [{user}]");
            return Err(Error::Conflict { message });
        }
        self.volumes.remove(name);
        Ok(())
    }

    /// See [`crate::runtime::Engine::list_volumes`].
    #[must_use]
    pub fn list_volumes(&self, labels: &Labels) -> Vec<VolumeView> {
        let has = |volume: &&VolumeView| {
            let mut labels = labels.iter();
            labels.all(|(name, value)| volume.labels.get(name) == Some(value))
        };
        self.volumes.values().filter(has).cloned().collect()
    }

    /// What `spec` mounts and the engine does not have.
    pub(super) fn missing_volume(&self, spec: &ContainerSpec) -> Option<Error> {
        let mut mounts = spec.mounts.iter();
        let missing = mounts.find(|mount| {
            !mount.source.starts_with('/') && !self.volumes.contains_key(&mount.source)
        })?;
        Some(Error::Refused {
            status: 500,
            message: format!("there is no volume {}", missing.source),
        })
    }
}

fn mounts(spec: &ContainerSpec, volume: &str) -> bool {
    spec.mounts.iter().any(|mount| mount.source == volume)
}

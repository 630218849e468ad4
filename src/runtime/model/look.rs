//! What tests see of a model that no engine shows.

use std::collections::{BTreeMap, BTreeSet};

use super::{Deed, ModelEngine};
use crate::runtime::ContainerSpec;

impl ModelEngine {
    /// All that really happened, in order, by name of container.
    #[must_use]
    pub fn deeds(&self) -> &[(String, Deed)] {
        &self.deeds
    }

    /// What the containers find in their environments, as far as it does not come with their images.
    #[must_use]
    pub fn environments(&self) -> Vec<BTreeMap<String, String>> {
        let specs = self.containers.values().map(|container| &container.spec);
        specs
            .map(|spec| {
                let mut all = spec.environment.clone();
                all.extend(spec.secrets.expose().clone());
                all
            })
            .collect()
    }

    /// What its containers were created from.
    #[must_use]
    pub fn specs(&self) -> Vec<ContainerSpec> {
        let containers = self.containers.values();
        containers.map(|container| container.spec.clone()).collect()
    }

    /// What was written into a container at this path.
    #[must_use]
    pub fn file(&self, name: &str, path: &str) -> Option<&str> {
        Some(self.containers.get(name)?.files.get(path)?)
    }

    /// What a container was created from.
    #[must_use]
    pub fn spec(&self, name: &str) -> Option<&ContainerSpec> {
        Some(&self.containers.get(name)?.spec)
    }

    /// Containers that run, by name.
    #[must_use]
    pub fn live(&self) -> BTreeSet<String> {
        let live = self
            .containers
            .iter()
            .filter(|(_, container)| container.view.state.is_live());
        live.map(|(name, _)| name.clone()).collect()
    }

    /// What the container called `name` was told to run, nothing where the image decides.
    #[must_use]
    pub fn command(&self, name: &str) -> Vec<String> {
        let container = self.containers.get(name);
        let command = container.and_then(|container| container.spec.command.clone());
        command.unwrap_or_default()
    }
}

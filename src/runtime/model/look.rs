//! What tests see of a model that no engine shows.

use std::collections::BTreeSet;

use super::{Deed, ModelEngine};

impl ModelEngine {
    /// All that really happened, in order, by name of container.
    #[must_use]
    pub fn deeds(&self) -> &[(String, Deed)] {
        &self.deeds
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

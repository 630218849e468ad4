//! Which images a task needs, and which content of them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Rules, Wanted};
use crate::api::task::TaskExtensions;
use crate::domain::definition::{Container, TaskDefinition};

impl Wanted {
    /// The images that it runs, by tag and by digest.
    pub fn images(&self) -> impl Iterator<Item = String> {
        let rules = Rules::default();
        let specs = self.definition.containers.iter();
        let specs = specs.map(move |container| self.spec(container, &rules));
        specs.flat_map(|spec| [spec.pinned(), Some(spec.image)].into_iter().flatten())
    }

    /// Whether the broker has to be asked before the container is pulled and created.
    #[must_use]
    pub fn needs_supply(&self, container: &Container) -> bool {
        self.definition.needs_supply(container) || self.registry_access.contains(&container.name)
    }
}

/// The containers whose images are among those for which the broker may have credentials.
pub(super) fn with_registry_access(definition: &TaskDefinition, rules: &Rules) -> BTreeSet<String> {
    let may = |it: &&Container| {
        rules
            .registry_access
            .iter()
            .any(|may| may.matches(&it.image))
    };
    let containers = definition.containers.iter().filter(may);
    containers.map(|container| container.name.clone()).collect()
}

/// By container, the digest that its image must have.
pub(super) fn digests(extensions: &TaskExtensions) -> BTreeMap<String, String> {
    let digests = extensions.image_digests.iter();
    digests
        .map(|pin| (pin.container_name.to_string(), pin.image_digest.to_string()))
        .collect()
}

//! Which images a task needs, and which content of them.

use std::collections::BTreeMap;

use super::{Rules, Wanted};
use crate::api::task::TaskExtensions;

impl Wanted {
    /// The images that it runs, by tag and by digest.
    pub fn images(&self) -> impl Iterator<Item = String> {
        let rules = Rules::default();
        let specs = self.definition.containers.iter();
        let specs = specs.map(move |container| self.spec(container, &rules));
        specs.flat_map(|spec| [spec.pinned(), Some(spec.image)].into_iter().flatten())
    }
}

/// By container, the digest that its image must have.
pub(super) fn digests(extensions: &TaskExtensions) -> BTreeMap<String, String> {
    let digests = extensions.image_digests.iter();
    digests
        .map(|pin| (pin.container_name.to_string(), pin.image_digest.to_string()))
        .collect()
}

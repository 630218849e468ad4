//! Networks of the model engine.

use super::ModelEngine;
use crate::runtime::NetworkSpec;

impl ModelEngine {
    /// See [`crate::runtime::Engine::provide_network`].
    pub fn provide_network(&mut self, spec: &NetworkSpec) {
        let networks = &mut self.networks;
        networks
            .entry(spec.name.clone())
            .or_insert_with(|| spec.clone());
    }

    /// Its networks, by name.
    #[must_use]
    pub const fn networks(&self) -> &std::collections::BTreeMap<String, NetworkSpec> {
        &self.networks
    }
}

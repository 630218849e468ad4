//! Which images a cluster's tasks pull with credentials that are nobody's in particular.

#![expect(
    unreachable_pub,
    reason = "KubeSchema writes a pub struct inside a function"
)]

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::AllowedNamespaces;
use crate::api::bounded::{List, Str};
use crate::domain::registry::ImagePattern;

/// Lets tasks pull images with the credentials that the broker's credential providers get, as the role of an instance does in
/// Amazon ECS. Credentials that a task definition names go first.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryAccess {
    /// The images, as the kubelet's `matchImages`: a host with its port, in which `*` stands for any part of one label, and the
    /// beginning of a path.
    #[schemars(
        length(min = 1),
        inner(regex(pattern = r"^[-_*a-zA-Z0-9]+(\.[-_*a-zA-Z0-9]+)*(:[0-9]+)?(/[^*]*)?$"))
    )]
    pub match_images: List<Str<255>, 64>,
    /// Namespaces whose tasks may. None when it is left out.
    #[serde(default)]
    pub allowed_namespaces: AllowedNamespaces,
}

impl RegistryAccess {
    /// Whether tasks of `namespace` may pull `image` so.
    #[must_use]
    pub fn allows(&self, namespace: &str, image: &str) -> bool {
        let mut patterns = self.patterns();
        self.allowed_namespaces.allows(namespace) && patterns.any(|(_, it)| it.matches(image))
    }

    /// Its patterns as they stand there and as they are meant; what is none is about no image.
    pub fn patterns(&self) -> impl Iterator<Item = (&str, ImagePattern)> {
        let texts = self.match_images.iter();
        texts.filter_map(|text| Some((text.as_str(), text.parse().ok()?)))
    }
}

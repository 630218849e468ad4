//! What a definition names without saying it: secrets, and credentials of registries.

use crate::api::shapes::ContainerDefinition;
use crate::api::task_definition::TaskDefinitionSpec;
use crate::domain::supply::SecretReference;

/// The secrets that become variables of a container's environment.
pub fn secrets(spec: &ContainerDefinition) -> Vec<SecretReference> {
    let secrets = spec.secrets.iter().flat_map(|list| list.iter());
    secrets
        .map(|secret| SecretReference {
            name: secret.name.to_string(),
            value_from: secret.value_from.to_string(),
        })
        .collect()
}

/// The Secrets with credentials for images whose containers name none.
pub fn image_pull_secrets(spec: &TaskDefinitionSpec) -> Vec<String> {
    let extensions = spec.extensions.iter();
    extensions
        .flat_map(|extensions| extensions.image_pull_secrets.iter())
        .map(ToString::to_string)
        .collect()
}

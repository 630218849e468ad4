//! Where a cluster's tasks find what AWS's names of secrets and files stand for.

#![expect(
    unreachable_pub,
    reason = "KubeSchema writes a pub struct inside a function"
)]

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::api::bounded::Str;
use crate::domain::supply::{Mapping, Source};

/// Names the Kubernetes Secret or ConfigMap that stands for a secret of AWS Secrets Manager, a parameter of Systems Manager
/// or an object in S3. It is always one of the task's own namespace.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.secret) != has(self.configMap)").message("name either a secret or a configMap"))]
pub struct SecretMapping {
    /// A `valueFrom`, `credentialsParameter` or `value` of an environment file, an ARN or a name, as tasks have it but without a JSON key and versions. A `*`
    /// at its end stands for any rest.
    #[schemars(length(min = 1))]
    pub value_from: Str<2048>,
    /// Name of the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub secret: Option<Str<253>>,
    /// Name of the ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub config_map: Option<Str<253>>,
    /// Key in it. Without one it is the JSON key that the ARN names; else what stands for `*`; else the last part
    /// of the name; with `-` for what a key may not have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: Option<Str<253>>,
}

impl From<&SecretMapping> for Mapping {
    fn from(mapping: &SecretMapping) -> Self {
        let (source, name) = match (&mapping.secret, &mapping.config_map) {
            (None, Some(name)) => (Source::ConfigMap, name.to_string()),
            (secret, _) => (
                Source::Secret,
                secret.as_ref().map(ToString::to_string).unwrap_or_default(),
            ),
        };
        Self {
            value_from: mapping.value_from.to_string(),
            source,
            name,
            key: mapping.key.as_ref().map(ToString::to_string),
        }
    }
}

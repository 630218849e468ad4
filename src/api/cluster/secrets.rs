//! Where a cluster's tasks find what AWS's names of secrets stand for.

#![expect(
    unreachable_pub,
    reason = "KubeSchema writes a pub struct inside a function"
)]

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::api::bounded::Str;
use crate::domain::supply::Mapping;

/// Names the Kubernetes Secret that stands for a secret of AWS Secrets Manager or a parameter of Systems Manager. The
/// Secret is always one of the task's own namespace.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretMapping {
    /// A `valueFrom` or `credentialsParameter`, an ARN or a name, as tasks have it but without a JSON key and versions. A `*`
    /// at its end stands for any rest.
    #[schemars(length(min = 1))]
    pub value_from: Str<2048>,
    /// Name of the Secret.
    #[schemars(length(min = 1))]
    pub secret: Str<253>,
    /// Key in the Secret. Without one it is the JSON key that the ARN names; else what stands for `*`; else the last part
    /// of the name; with `-` for what a key may not have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: Option<Str<253>>,
}

impl From<&SecretMapping> for Mapping {
    fn from(mapping: &SecretMapping) -> Self {
        Self {
            value_from: mapping.value_from.to_string(),
            secret: mapping.secret.to_string(),
            key: mapping.key.as_ref().map(ToString::to_string),
        }
    }
}

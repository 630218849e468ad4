//! What a program asks of the API server, held against what the chart's roles grant it.

use std::collections::BTreeSet;

use k8s_openapi::api::rbac::v1::PolicyRule;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;

/// The chart as its defaults render it.
const RENDERED: &str = include_str!("../../charts/rendered/ecs-operator.yaml");

/// One thing that a role allows, in RBAC's words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// API group, empty for the core group.
    pub group: String,
    /// Plural name, with the subresource behind a slash.
    pub resource: String,
    /// For example `list`.
    pub verb: String,
}

impl Right {
    fn new(group: &str, resource: &str, verb: &str) -> Self {
        Self {
            group: group.to_owned(),
            resource: resource.to_owned(),
            verb: verb.to_owned(),
        }
    }
}

/// What roles of either kind have in common.
#[derive(Deserialize)]
struct Role {
    kind: String,
    metadata: ObjectMeta,
    #[serde(default)]
    rules: Vec<PolicyRule>,
}

/// The rights that the chart gives by roles of this name, of either kind.
fn granted(name: &str) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    let documents = RENDERED.split("\n---");
    // What is no role has no rules that can be read as such.
    let roles = documents.filter_map(|document| serde_saphyr::from_str::<Role>(document).ok());
    let ours = roles.filter(|role| {
        matches!(role.kind.as_str(), "Role" | "ClusterRole")
            && role.metadata.name.as_deref() == Some(name)
    });
    for rule in ours.flat_map(|role| role.rules) {
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                for verb in &rule.verbs {
                    rights.insert(Right::new(group, resource, verb));
                }
            }
        }
    }
    rights
}

/// Holds what was `used` against the roles of this name. `unseen` (group, resource, verb) is granted for what the test
/// cannot see.
///
/// # Panics
/// When something that was used is not granted, or something is granted that nothing uses.
pub fn compare(role: &str, used: BTreeSet<Right>, unseen: &[(&str, &str, &str)]) {
    let granted = granted(role);
    let missing: Vec<_> = used.difference(&granted).collect();
    assert!(
        missing.is_empty(),
        "used by {role} and not granted: {missing:#?}"
    );
    let unseen = unseen
        .iter()
        .map(|(group, resource, verb)| Right::new(group, resource, verb));
    let justified: BTreeSet<Right> = used.into_iter().chain(unseen).collect();
    let spare: Vec<_> = granted.difference(&justified).collect();
    assert!(
        spare.is_empty(),
        "granted to {role} and not used: {spare:#?}"
    );
}

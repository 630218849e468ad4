//! What a container needs that its definition only names: values of Secrets and ConfigMaps, the credentials of its image's
//! registry, and the token of its task's role.
//!
//! The broker finds what a definition names ([`location`], [`role`]); the agent holds what it was given as a [`Supply`],
//! in memory and until the container is created.

pub mod environment;
pub mod location;
pub mod role;

use std::collections::BTreeMap;

pub use location::{Location, Mapping, Source, resolve};
pub use role::{Role, RoleMapping, TaskRole};

use super::registry::Credentials;
use super::secret::Secret;

/// A value under a name: a variable of the environment, or an option of a log driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretReference {
    /// Name of the variable or option.
    pub name: String,
    /// `valueFrom` as written.
    pub value_from: String,
}

/// A file that a container finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where it is in the container.
    pub path: String,
    /// What stands in it.
    pub content: Content,
}

/// What stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text of the definition.
    Text(String),
    /// What this `valueFrom` names.
    From(String),
}

/// Contents of files, by their paths in the container.
pub type Contents = BTreeMap<String, Vec<u8>>;

/// All that a container was given. It shows nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Supply {
    /// Secrets that are variables of the environment.
    pub environment: Secret<BTreeMap<String, String>>,
    /// What stands in the environment files.
    pub environment_files: Secret<BTreeMap<String, String>>,
    /// Options of the log driver.
    pub log_options: Secret<BTreeMap<String, String>>,
    /// Contents of the files that are not in the definition.
    pub files: Secret<Contents>,
    /// Who pulls the image; nobody in particular where there is none.
    pub credentials: Option<Credentials>,
    /// The token of the task's role.
    pub role_token: Option<Secret<String>>,
}

impl Supply {
    /// All variables that were given, beside the container's `own`: those of environment files go last.
    #[must_use]
    pub fn variables(&self, own: &BTreeMap<String, String>) -> Secret<BTreeMap<String, String>> {
        let mut variables = self.environment_files.expose().clone();
        variables.retain(|name, _| !own.contains_key(name));
        variables.extend(self.environment.expose().clone());
        Secret::new(variables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect()
    }

    #[test]
    fn the_definition_and_secrets_go_before_environment_files() {
        let supply = Supply {
            environment: Secret::new(variables(&[("B", "secret")])),
            environment_files: Secret::new(variables(&[
                ("A", "file"),
                ("B", "file"),
                ("C", "file"),
            ])),
            ..Supply::default()
        };
        let found = supply.variables(&variables(&[("A", "own")]));
        assert_eq!(
            *found.expose(),
            variables(&[("B", "secret"), ("C", "file")])
        );
    }
}

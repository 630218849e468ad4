//! What agent and broker say to each other: one request for each container that is to be started.
//!
//! A refusal is a Kubernetes `Status`: codes below 500 are final for the task, the others pass.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use k8s_openapi::ByteString;

use crate::domain::registry::Credentials;
use crate::domain::secret::Secret;
use crate::domain::supply::Supply;

/// Audience of the tokens by which agents show the broker who they are.
pub const AUDIENCE: &str = "ecs-operator-broker";
/// Where the broker listens for [`SupplyRequest`]s.
pub const PATH: &str = "/v1/supplies";
/// Where the broker listens for [`RoleTokenRequest`]s.
pub const ROLE_TOKEN_PATH: &str = "/v1/role-tokens";
/// Name of the broker's Service, and beginning of the names of all that is its own.
pub const BROKER: &str = "ecs-operator-broker";

/// Asks for what one container of a task needs. It names nothing that the container may not have: that stands in the
/// task's definition, which the broker reads itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SupplyRequest {
    /// Namespace of the EcsTask.
    pub namespace: String,
    /// Name of the EcsTask.
    pub task: String,
    /// UID of the EcsTask, because a name can be used again.
    pub uid: String,
    /// Name of the container.
    pub container: String,
}

/// Asks for another token of the role of a task that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleTokenRequest {
    /// Namespace of the EcsTask.
    pub namespace: String,
    /// Name of the EcsTask.
    pub task: String,
    /// UID of the EcsTask.
    pub uid: String,
}

/// The answer to it. It has no `Debug`, so that nobody prints it.
#[derive(Serialize, Deserialize)]
pub struct RoleTokenAnswer {
    token: String,
}

impl From<Secret<String>> for RoleTokenAnswer {
    fn from(token: Secret<String>) -> Self {
        Self {
            token: token.expose().clone(),
        }
    }
}

impl From<RoleTokenAnswer> for Secret<String> {
    fn from(answer: RoleTokenAnswer) -> Self {
        Self::new(answer.token)
    }
}

/// The answer to a [`SupplyRequest`]. It has no `Debug`, so that nobody prints it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SupplyAnswer {
    environment: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    environment_files: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    log_options: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    files: BTreeMap<String, ByteString>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    credentials: Option<Pair>,
}

#[derive(Serialize, Deserialize)]
struct Pair {
    username: String,
    password: String,
}

impl From<Supply> for SupplyAnswer {
    fn from(supply: Supply) -> Self {
        let files = supply.files.expose().iter();
        Self {
            environment: supply.environment.expose().clone(),
            environment_files: supply.environment_files.expose().clone(),
            log_options: supply.log_options.expose().clone(),
            files: files
                .map(|(path, content)| (path.clone(), ByteString(content.clone())))
                .collect(),
            role_token: supply.role_token.map(|token| token.expose().clone()),
            credentials: supply.credentials.map(|credentials| Pair {
                password: credentials.password.expose().clone(),
                username: credentials.username,
            }),
        }
    }
}

impl From<SupplyAnswer> for Supply {
    fn from(answer: SupplyAnswer) -> Self {
        let files = answer.files.into_iter();
        Self {
            environment: Secret::new(answer.environment),
            environment_files: Secret::new(answer.environment_files),
            log_options: Secret::new(answer.log_options),
            files: Secret::new(files.map(|(path, content)| (path, content.0)).collect()),
            role_token: answer.role_token.map(Secret::new),
            credentials: answer.credentials.map(|pair| Credentials {
                username: pair.username,
                password: Secret::new(pair.password),
            }),
        }
    }
}

//! What agent and broker say to each other: one request for each container that is to be started.
//!
//! A refusal is a Kubernetes `Status`: codes below 500 are final for the task, the others pass.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::registry::Credentials;
use crate::domain::secret::Secret;
use crate::domain::supply::Supply;

/// Audience of the tokens by which agents show the broker who they are.
pub const AUDIENCE: &str = "ecs-operator-broker";
/// Where the broker listens for [`SupplyRequest`]s.
pub const PATH: &str = "/v1/supplies";
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

/// The answer. It has no `Debug`, so that nobody prints it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SupplyAnswer {
    environment: BTreeMap<String, String>,
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
        Self {
            environment: supply.environment.expose().clone(),
            credentials: supply.credentials.map(|credentials| Pair {
                password: credentials.password.expose().clone(),
                username: credentials.username,
            }),
        }
    }
}

impl From<SupplyAnswer> for Supply {
    fn from(answer: SupplyAnswer) -> Self {
        Self {
            environment: Secret::new(answer.environment),
            credentials: answer.credentials.map(|pair| Credentials {
                username: pair.username,
                password: Secret::new(pair.password),
            }),
        }
    }
}

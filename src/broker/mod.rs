//! The broker: gives an agent the secrets, registry credentials and role that a task of its instance names, and nothing else.
//!
//! # Expected flow
//! An agent asks for one container of one task, and shows a token that Kubernetes made for its pod. [`caller`] has the API
//! server review the token, which says of which instance the agent is. [`entitled`] checks that the task is bound to that
//! instance and is not to stop. [`collect`] reads the task's definition and the Secrets that it names; [`roles`] has the API
//! server make a token for the ServiceAccount that it names. The agent of a task that runs asks for further tokens.
//!
//! # Guarantees
//! Nothing that the agent says chooses what it gets: the names stand in the definition, the namespace is the task's.
//! Values go into the answer and nowhere else. The broker writes nothing, and keeps nothing between two requests but what
//! its [`providers`] got for registries.
//!
//! # Assumptions
//! RBAC lets it read Secrets only in namespaces whose owners said so; it finds out by trying.
//!
//! # Caveats
//! Whoever controls an instance gets what the tasks name that are bound to it, for as long as they are.

pub mod caller;
pub mod collect;
pub mod entitled;
pub mod providers;
pub mod refusal;
pub mod roles;
pub mod serve;

pub use providers::Providers;
pub use refusal::Refusal;
pub use serve::router;

use std::sync::Arc;

use kube::Client;

/// What a broker is told from outside.
#[derive(Debug, Clone)]
pub struct Settings {
    /// User name of the agents on nodes, which are known by their node.
    pub node_agent: String,
    /// User name of the agents in instance pods, which are known by their pod.
    pub pod_agent: String,
    /// The broker's own ServiceAccount, `namespace:name`, for the advice on how to let it read Secrets.
    pub own_account: String,
}

impl Settings {
    /// How the owner of a namespace gives the broker one of the chart's roles there.
    fn binding(&self, role: &str, namespace: &str) -> String {
        let account = &self.own_account;
        format!(
            "kubectl create rolebinding {role} --namespace {namespace} --clusterrole {role} --serviceaccount {account}"
        )
    }
}

/// All that answering takes.
#[derive(Clone)]
pub struct Context {
    /// See [`Settings`].
    pub settings: Settings,
    /// As the broker's own ServiceAccount.
    pub client: Client,
    /// Who gets credentials of registries.
    pub providers: Arc<Providers>,
}

//! Tokens as the API server makes them for ServiceAccounts: what somebody has who steals one.

use super::machine::kubectl;

/// Namespace of the agents.
pub(crate) const AGENTS: &str = "ecs-operator-agents";
/// ServiceAccount of the agents on nodes.
pub(crate) const AGENT: &str = "ecs-operator-agent-node";

/// A token for an audience; `more` are further options of `kubectl create token`.
pub(crate) async fn token(namespace: &str, account: &str, audience: &str, more: &[&str]) -> String {
    let audience = format!("--audience={audience}");
    let create = ["create", "token", account, "-n", namespace, &audience];
    let said = kubectl(&[&create[..], more].concat()).await.expect();
    said.lines().last().unwrap_or_default().to_owned()
}

/// The token of a node's agent for an audience: bound to its pod.
pub(crate) async fn token_of_agent(node: &str, audience: &str) -> String {
    let field = format!("spec.nodeName={node}");
    let get = [
        "get",
        "pods",
        "-n",
        AGENTS,
        "-l",
        "ecs-operator.io/agent=node",
    ];
    let which = [
        "--field-selector",
        &field,
        "-o",
        "jsonpath={.items[0].metadata.name}",
    ];
    let said = kubectl(&[&get[..], &which].concat()).await.expect();
    let pod = format!(
        "--bound-object-name={}",
        said.lines().last().unwrap_or_default()
    );
    token(AGENTS, AGENT, audience, &["--bound-object-kind=Pod", &pod]).await
}

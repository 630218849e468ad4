//! Which container of which agent a stream comes from. Pure: what is asked and what the objects say are arguments.

use http::StatusCode;
use kube::ResourceExt;

use crate::api::bounded::Str;
use crate::api::container_instance::{AgentEndpoint, ContainerInstance};
use crate::api::task::EcsTask;

/// What people can have of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subresource {
    /// What a container wrote.
    Log,
    /// The figures of all containers.
    Stats,
    /// A command in a container.
    Exec,
    /// A file or folder of a container, by the right to run commands: who may run one may copy.
    Archive,
    /// The main process of a container.
    Attach,
    /// A port of a container.
    PortForward,
}

impl Subresource {
    /// Its name in RBAC.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Stats => "stats",
            Self::Exec | Self::Archive => "exec",
            Self::Attach => "attach",
            Self::PortForward => "portforward",
        }
    }

    /// Its verb in RBAC. A WebSocket begins as a GET, but who may only read must not run commands.
    #[must_use]
    pub const fn verb(self) -> &'static str {
        if self.changes() { "create" } else { "get" }
    }

    /// Whether more than reading can come of it.
    #[must_use]
    pub const fn changes(self) -> bool {
        match self {
            Self::Log | Self::Stats => false,
            Self::Exec | Self::Archive | Self::Attach | Self::PortForward => true,
        }
    }

    /// Whether ECS asks for `enableExecuteCommand`.
    const fn executes(self) -> bool {
        match self {
            Self::Exec | Self::Archive | Self::Attach => true,
            Self::Log | Self::Stats | Self::PortForward => false,
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Stats => "stats",
            Self::Exec => "exec",
            Self::Archive => "archive",
            Self::Attach => "attach",
            Self::PortForward => "portforward",
        }
    }
}

/// Why a task has no such stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// ECS's own words.
    #[error(
        "The execute command failed because execute command was not enabled when the task was run or the execute command agent isn’t running. Wait and try again or run a new task with execute command enabled and try again. (enableExecuteCommand: true in the EcsService or EcsTask)"
    )]
    NotEnabled,
    /// No instance yet.
    #[error("the task is not on an instance yet: see its status, or ecs-operator explain")]
    Unbound,
    /// It has not said yet which containers it has, or never got any.
    #[error("the task has no containers{0}")]
    NoContainers(String),
    /// More than one container.
    #[error("the task has several containers, name one: {0}")]
    Which(String),
    /// None of this name.
    #[error("the task has no container {asked}; it has {names}")]
    NoSuchContainer {
        /// What was asked for.
        asked: String,
        /// What there is.
        names: String,
    },
    /// The instance is gone, or its agent has never spoken.
    #[error(
        "container instance {0} has no agent that serves streams: see kubectl get containerinstances, and the agent's pod"
    )]
    NoEndpoint(String),
}

impl Problem {
    /// As an answer.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NotEnabled | Self::Which(_) => StatusCode::BAD_REQUEST,
            Self::Unbound | Self::NoContainers(_) => StatusCode::CONFLICT,
            Self::NoSuchContainer { .. } => StatusCode::NOT_FOUND,
            Self::NoEndpoint(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// The path at the agent: `container` is taken out of the query, everything else is the agent's to judge.
///
/// # Errors
/// When the task has no such stream.
pub fn path(
    task: &EcsTask,
    subresource: Subresource,
    query: Option<&str>,
) -> Result<String, Problem> {
    if subresource.executes() && task.spec.enable_execute_command != Some(true) {
        return Err(Problem::NotEnabled);
    }
    let uid = task.uid().unwrap_or_default();
    if subresource == Subresource::Stats {
        return Ok(format!("/tasks/{uid}/stats"));
    }
    let pairs = || form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let asked = pairs().find(|(name, _)| name == "container");
    let container = container(task, asked.as_ref().map(|(_, value)| value.as_ref()))?;
    let rest = pairs().filter(|(name, _)| !name.is_empty() && name != "container");
    let rest = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(rest)
        .finish();
    let path = subresource.path();
    Ok(format!("/tasks/{uid}/containers/{container}/{path}?{rest}"))
}

/// The container that is meant: the only one needs no name.
fn container(task: &EcsTask, asked: Option<&str>) -> Result<String, Problem> {
    let containers = task
        .status
        .iter()
        .flat_map(|status| status.containers.iter());
    let names: Vec<&str> = containers
        .map(|container| container.name.as_str())
        .collect();
    match (asked, names.as_slice()) {
        (_, []) => Err(Problem::NoContainers(why_none(task))),
        (None, [only]) => Ok((*only).to_owned()),
        (None, _) => Err(Problem::Which(names.join(", "))),
        (Some(asked), _) if names.contains(&asked) => Ok(asked.to_owned()),
        (Some(asked), _) => Err(Problem::NoSuchContainer {
            asked: asked.to_owned(),
            names: names.join(", "),
        }),
    }
}

fn why_none(task: &EcsTask) -> String {
    let reason = task
        .status
        .as_ref()
        .and_then(|status| status.stopped_reason.as_ref());
    reason.map_or_else(
        || " yet: wait until it is PENDING".to_owned(),
        |reason| format!(", it stopped before: {reason}"),
    )
}

/// The instance that runs the task.
///
/// # Errors
/// When it has none.
pub fn instance(task: &EcsTask) -> Result<&str, Problem> {
    let instance = task.spec.container_instance.as_ref();
    instance.map(Str::as_str).ok_or(Problem::Unbound)
}

/// Where the agent of an instance serves.
///
/// # Errors
/// When it does not.
pub fn endpoint<'a>(
    name: &str,
    instance: Option<&'a ContainerInstance>,
) -> Result<&'a AgentEndpoint, Problem> {
    let status = instance.and_then(|instance| instance.status.as_ref());
    let agent = status.and_then(|status| status.agent.as_ref());
    agent
        .and_then(|agent| agent.endpoint.as_ref())
        .ok_or_else(|| Problem::NoEndpoint(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn task(spec: Value, containers: &[&str]) -> EcsTask {
        let containers: Vec<Value> = containers
            .iter()
            .map(|name| json!({"name": name}))
            .collect();
        let mut spec = spec;
        spec["taskDefinition"] = "web:1".into();
        serde_json::from_value(json!({
            "apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsTask",
            "metadata": {"name": "web-1", "namespace": "shop", "uid": "u-1"},
            "spec": spec, "status": {"containers": containers},
        }))
        .unwrap()
    }

    #[test]
    fn the_only_container_needs_no_name_and_of_several_one_has_to_be_named() {
        let one = task(json!({}), &["app"]);
        let found = path(&one, Subresource::Log, Some("&follow=true")).unwrap();
        assert_eq!(found, "/tasks/u-1/containers/app/log?follow=true");
        let two = task(json!({}), &["app", "proxy"]);
        let refused = path(&two, Subresource::Log, None).unwrap_err();
        assert_eq!(refused, Problem::Which("app, proxy".into()));
        let found = path(&two, Subresource::Log, Some("container=proxy&tailLines=1")).unwrap();
        assert_eq!(found, "/tasks/u-1/containers/proxy/log?tailLines=1");
    }

    #[test]
    fn a_container_that_is_none_of_the_tasks_is_never_part_of_a_path() {
        let one = task(json!({}), &["app"]);
        let asked = Some("container=..%2F..%2Fother");
        let refused = path(&one, Subresource::Log, asked).unwrap_err();
        assert!(matches!(refused, Problem::NoSuchContainer { .. }));
        let none = task(json!({}), &[]);
        let refused = path(&none, Subresource::Log, asked).unwrap_err();
        assert!(matches!(refused, Problem::NoContainers(_)));
    }

    #[test]
    fn commands_need_a_task_that_was_run_with_execute_command_enabled() {
        let off = task(json!({}), &["app"]);
        let on = task(json!({"enableExecuteCommand": true}), &["app"]);
        for subresource in [Subresource::Exec, Subresource::Attach, Subresource::Archive] {
            assert_eq!(path(&off, subresource, None), Err(Problem::NotEnabled));
            assert!(path(&on, subresource, None).is_ok());
        }
        assert!(path(&off, Subresource::PortForward, None).is_ok());
        assert_eq!(
            path(&off, Subresource::Stats, None).unwrap(),
            "/tasks/u-1/stats"
        );
    }

    #[test]
    fn a_task_without_an_instance_or_an_instance_without_an_agent_says_so() {
        assert_eq!(instance(&task(json!({}), &[])), Err(Problem::Unbound));
        let bound = task(json!({"containerInstance": "node-1"}), &[]);
        assert_eq!(instance(&bound), Ok("node-1"));
        assert_eq!(
            endpoint("node-1", None),
            Err(Problem::NoEndpoint("node-1".into()))
        );
    }
}

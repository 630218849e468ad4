//! The driver's calls to Kubernetes: the tasks of this instance, their definitions, their statuses.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use kube::api::{Patch, PatchParams};
use kube::core::DeserializeGuard;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::{Value, json};

use crate::agent::wanted;
use crate::api::names;
use crate::api::task::{EcsTask, EcsTaskStatus};
use crate::api::task_definition::{TaskDefinitionRevision, TaskDefinitionSpec};
use crate::platform::watching;

const DEADLINE: Duration = Duration::from_secs(10);

/// What a watch brings.
pub(super) type TaskEvent = Result<watcher::Event<DeserializeGuard<EcsTask>>, watcher::Error>;

/// All tasks that are bound to `instance`, from a fresh list on.
pub(super) fn watch_tasks(client: Client, instance: &str) -> BoxStream<'static, TaskEvent> {
    let tasks: Api<DeserializeGuard<EcsTask>> = Api::all(client);
    let config = watcher::Config::default().fields(&format!("spec.containerInstance={instance}"));
    watcher(tasks, config).backoff(watching::backoff()).boxed()
}

/// What was found under the name of a definition.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    /// A definition that this agent understands.
    Definition(Box<TaskDefinitionSpec>),
    /// It says something that this agent does not know.
    NotUnderstood(String),
    /// There is no such revision.
    Nothing,
}

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The API server says no, or cannot be reached.
    #[error(transparent)]
    Kube(#[from] kube::Error),
    /// No answer in time.
    #[error("no answer within {DEADLINE:?}")]
    Deadline,
}

impl Failure {
    /// The object is gone: nothing is left to write to.
    pub(super) const fn is_gone(&self) -> bool {
        matches!(self, Self::Kube(kube::Error::Api(status)) if status.code == 404)
    }
}

/// Gets a revision, and looks for fields that our types would lose.
pub(super) async fn definition(
    client: Client,
    namespace: String,
    name: String,
) -> Result<Found, Failure> {
    let path = TaskDefinitionRevision::url_path(&(), Some(&namespace));
    let request = http::Request::get(format!("{path}/{name}")).body(Vec::new());
    let request = request.map_err(kube::Error::HttpError)?;
    let stored: Value = match in_time(client.request(request)).await {
        Ok(stored) => stored,
        Err(error) if error.is_gone() => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    let raw = stored
        .pointer("/spec/definition")
        .cloned()
        .unwrap_or_default();
    let typed: TaskDefinitionSpec = match serde_json::from_value(raw.clone()) {
        Ok(typed) => typed,
        Err(error) => {
            return Ok(Found::NotUnderstood(format!(
                "agent cannot read the task definition ({error}): upgrade the agent"
            )));
        }
    };
    let understood = serde_json::to_value(&typed).unwrap_or_default();
    Ok(match wanted::unknown_field(&raw, &understood) {
        Some(field) => Found::NotUnderstood(format!(
            "agent does not know field {field}: upgrade the agent"
        )),
        None => Found::Definition(Box::new(typed)),
    })
}

/// Writes the whole status of a task, and of no other object of its name.
pub(super) async fn write_status(
    client: Client,
    task: &EcsTask,
    status: &EcsTaskStatus,
) -> Result<(), Failure> {
    let name = task.name_any();
    let namespace = task.namespace().unwrap_or_default();
    let body = json!({
        "apiVersion": EcsTask::api_version(&()),
        "kind": EcsTask::kind(&()),
        "metadata": {"name": name, "namespace": namespace, "uid": task.metadata.uid},
        "status": status,
    });
    let tasks: Api<EcsTask> = Api::namespaced(client, &namespace);
    let parameters = PatchParams::apply(names::AGENT).force();
    in_time(tasks.patch_status(&name, &parameters, &Patch::Apply(&body)))
        .await
        .map(drop)
}

async fn in_time<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Failure> {
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Failure::Deadline),
    }
}

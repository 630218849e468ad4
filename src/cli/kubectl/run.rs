//! `kubectl ecs run`: `RunTask` for one task, with its logs and its exit code.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use kube::api::{LogParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Map, Value, json};

use super::connection::{Connection, explained};
use super::logs;
use crate::api::task::{EcsTask, LastStatus};
use crate::api::task_definition::TaskDefinition;
use crate::cli::output::{line, progress};

pub(super) const EXAMPLE: &str = "Examples:
  kubectl ecs run migrate                                     the newest revision of TaskDefinition migrate
  kubectl ecs run web:3 --env MODE=check -- /app check        another command, and a variable more
  kubectl ecs run web -c app --enable-execute-command --detach";

/// Between two looks at the task.
const PERIOD: Duration = Duration::from_secs(1);

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// The task definition: a family, or family:revision.
    task_definition: String,
    /// Cluster; by default `default`.
    #[arg(long)]
    cluster: Option<String>,
    /// Container that --env and the command are for; the only one needs no name.
    #[arg(long, short)]
    container: Option<String>,
    /// A variable of the container's environment, NAME=VALUE. Can be given several times.
    #[arg(long, short, value_parser = variable)]
    env: Vec<(String, String)>,
    /// Whether commands may be run in the task (`kubectl ecs exec`).
    #[arg(long)]
    enable_execute_command: bool,
    /// Does not wait: says the task's name and ends.
    #[arg(long, short)]
    detach: bool,
    /// The command, instead of the definition's.
    #[arg(last = true)]
    command: Vec<String>,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it like NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) async fn run(
    connection: &Connection,
    arguments: &RunArguments,
) -> anyhow::Result<ExitCode> {
    let container = container(connection, arguments).await?;
    let wanted: EcsTask = serde_json::from_value(task(arguments, container.as_deref()))?;
    let created = connection
        .tasks()
        .create(&PostParams::default(), &wanted)
        .await;
    let created = created.map_err(|error| explained(error, "run the task"))?;
    let name = created.name_any();
    if arguments.detach {
        line(name);
        return Ok(ExitCode::SUCCESS);
    }
    progress(format_args!("task {name} was created"));
    tokio::select! {
        ended = watch(connection, &name) => ended,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            progress(format_args!("task {name} runs on: kubectl ecs stop {name} ends it"));
            Ok(ExitCode::from(130))
        }
    }
}

/// The container that overrides are for; none is needed where nothing is overridden.
async fn container(
    connection: &Connection,
    arguments: &RunArguments,
) -> anyhow::Result<Option<String>> {
    if arguments.container.is_some() {
        return Ok(arguments.container.clone());
    }
    if arguments.command.is_empty() && arguments.env.is_empty() {
        return Ok(None);
    }
    let family = arguments
        .task_definition
        .split(':')
        .next()
        .unwrap_or_default();
    let api: Api<TaskDefinition> =
        Api::namespaced(connection.client.clone(), &connection.namespace);
    let found = api.get(family).await;
    let definition = found.map_err(|error| explained(error, "read the task definition"))?;
    let names: Vec<&str> = definition
        .spec
        .container_definitions
        .iter()
        .map(|container| container.name.as_str())
        .collect();
    match names.as_slice() {
        [only] => Ok(Some((*only).to_owned())),
        _ => bail!(
            "which container are the command and --env for? Name one with -c: {}",
            names.join(", ")
        ),
    }
}

fn task(arguments: &RunArguments, container: Option<&str>) -> Value {
    let family = arguments
        .task_definition
        .split(':')
        .next()
        .unwrap_or_default();
    let environment: Vec<Value> = arguments
        .env
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    let changes = given([
        ("command", json!(arguments.command)),
        ("environment", json!(environment)),
    ]);
    let overrides = container.filter(|_| !changes.is_empty()).map(|container| {
        let mut changes = changes;
        changes.insert("name".to_owned(), json!(container));
        json!({"containerOverrides": [changes]})
    });
    let execute = arguments.enable_execute_command.then_some(true);
    let spec = given([
        ("taskDefinition", json!(arguments.task_definition)),
        ("startedBy", json!("kubectl-ecs")),
        ("cluster", json!(arguments.cluster)),
        ("enableExecuteCommand", json!(execute)),
        ("overrides", json!(overrides)),
    ]);
    json!({
        "apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsTask",
        "metadata": {"generateName": format!("{family}-")}, "spec": spec,
    })
}

/// Without those that nobody asked for.
fn given<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    let fields = fields.into_iter();
    fields
        .filter(|(_, value)| !value.is_null() && value != &json!([]))
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Shows the logs of all its containers once they are there, and how it ended.
async fn watch(connection: &Connection, name: &str) -> anyhow::Result<ExitCode> {
    let begun = wait(connection, name, LastStatus::Running).await?;
    let several = containers(&begun).len() > 1;
    let shown = containers(&begun).into_iter().map(|container| async move {
        let prefix = if several {
            format!("[{container}] ")
        } else {
            String::new()
        };
        let parameters = LogParams {
            container: Some(container),
            follow: true,
            ..LogParams::default()
        };
        // A task that failed to start has containers without logs.
        if let Err(error) = logs::copy(connection, name, &parameters, &prefix).await {
            progress(format_args!("{error:#}"));
        }
    });
    futures::future::join_all(shown).await;
    let ended = wait(connection, name, LastStatus::Stopped).await?;
    let status = ended.status.unwrap_or_default();
    let reason = status.stopped_reason.map(|reason| reason.to_string());
    progress(format_args!(
        "task {name} stopped: {}",
        reason.unwrap_or_default()
    ));
    let codes = status
        .containers
        .iter()
        .map(|container| container.exit_code);
    Ok(code(codes))
}

/// The first exit code that is not 0; 1 where a container never got to run.
fn code(codes: impl Iterator<Item = Option<i64>>) -> ExitCode {
    let codes: Vec<i64> = codes.map(|code| code.unwrap_or(1)).collect();
    let first = codes.iter().copied().find(|code| *code != 0);
    let code = first.unwrap_or_else(|| i64::from(codes.is_empty()));
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn containers(task: &EcsTask) -> Vec<String> {
    let containers = task
        .status
        .iter()
        .flat_map(|status| status.containers.iter());
    containers
        .map(|container| container.name.to_string())
        .collect()
}

/// The task once it is as far as `least`.
async fn wait(connection: &Connection, name: &str, least: LastStatus) -> anyhow::Result<EcsTask> {
    let mut said = None;
    loop {
        let task = connection.task(name).await.context("the task is gone")?;
        let status = task.status.as_ref().and_then(|status| status.last_status);
        if status >= Some(least) {
            return Ok(task);
        }
        if status != said {
            if let Some(status) = status {
                progress(format_args!("task {name} is {}", status_word(status)));
            }
            said = status;
        }
        tokio::time::sleep(PERIOD).await;
    }
}

fn status_word(status: LastStatus) -> String {
    let word = serde_json::to_value(status).ok();
    let word = word.as_ref().and_then(Value::as_str);
    word.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: RunArguments,
    }

    fn arguments(words: &[&str]) -> RunArguments {
        let words = std::iter::once("run").chain(words.iter().copied());
        Line::parse_from(words).arguments
    }

    #[test]
    fn a_command_and_variables_become_overrides_of_the_container() {
        let asked = arguments(&[
            "web:3",
            "--env",
            "A=b=c",
            "--enable-execute-command",
            "--",
            "ls",
            "-l",
        ]);
        let made = task(&asked, Some("app"));
        assert_eq!(made["metadata"]["generateName"], "web-");
        assert_eq!(
            made["spec"],
            json!({
                "taskDefinition": "web:3", "startedBy": "kubectl-ecs", "enableExecuteCommand": true,
                "overrides": {"containerOverrides": [{
                    "name": "app", "command": ["ls", "-l"],
                    "environment": [{"name": "A", "value": "b=c"}],
                }]},
            })
        );
        assert!(
            task(&arguments(&["web"]), None)["spec"]
                .get("overrides")
                .is_none()
        );
    }

    #[test]
    fn the_worst_container_decides_the_exit_code() {
        assert_eq!(code([Some(0), Some(3)].into_iter()), ExitCode::from(3));
        assert_eq!(code([Some(0)].into_iter()), ExitCode::SUCCESS);
        assert_eq!(code([Some(0), None].into_iter()), ExitCode::from(1));
        assert_eq!(code(std::iter::empty()), ExitCode::from(1));
    }
}

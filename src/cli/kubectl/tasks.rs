//! `kubectl ecs tasks`: what `list-tasks` and `describe-tasks` show, in one table.

use std::process::ExitCode;

use clap::Args;
use jiff::{Timestamp, Unit};
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::Value;

use super::connection::{Connection, explained};
use crate::api::names;
use crate::api::task::EcsTask;
use crate::cli::output::{line, progress};
use crate::platform::clock::Clock;

pub(super) const EXAMPLE: &str = "Examples:
  kubectl ecs tasks
  kubectl ecs tasks --service web --stopped    also those that have ended, with the reason";

/// Arguments of `tasks`.
#[derive(Debug, Args)]
pub(super) struct TasksArguments {
    /// Only those of this service.
    #[arg(long)]
    service: Option<String>,
    /// Also those that have stopped.
    #[arg(long)]
    stopped: bool,
}

const TITLES: [&str; 8] = [
    "NAME",
    "STATUS",
    "HEALTH",
    "DEFINITION",
    "INSTANCE",
    "AGE",
    "CONTAINERS",
    "REASON",
];

pub(super) async fn run(
    connection: &Connection,
    arguments: &TasksArguments,
) -> anyhow::Result<ExitCode> {
    let mut wanted = ListParams::default();
    if let Some(service) = &arguments.service {
        wanted = wanted.labels(&format!("{}={service}", names::SERVICE_LABEL));
    }
    let listed = connection.tasks().list(&wanted).await;
    let tasks = listed.map_err(|error| explained(error, "list tasks"))?;
    let now = Clock::system().now();
    let rows: Vec<[String; 8]> = tasks
        .iter()
        .filter(|task| arguments.stopped || !task.is_stopped())
        .map(|task| row(task, now))
        .collect();
    if rows.is_empty() {
        progress(format_args!(
            "No tasks found in namespace {}.",
            connection.namespace
        ));
    } else {
        for text in table(&rows) {
            line(text);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn row(task: &EcsTask, now: Timestamp) -> [String; 8] {
    let status = task.status.clone().unwrap_or_default();
    let created = task.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let containers: Vec<String> = status
        .containers
        .iter()
        .map(|container| {
            let code = container.exit_code.map(|code| format!(" ({code})"));
            let state = word(container.last_status);
            format!("{}:{state}{}", container.name, code.unwrap_or_default())
        })
        .collect();
    [
        task.name_any(),
        word(status.last_status),
        word(status.health_status),
        task.spec.task_definition.to_string(),
        task.spec
            .container_instance
            .as_ref()
            .map_or_else(dash, ToString::to_string),
        created.map_or_else(dash, |created| age(created, now)),
        if containers.is_empty() {
            dash()
        } else {
            containers.join(",")
        },
        status
            .stopped_reason
            .map(|reason| reason.to_string())
            .unwrap_or_default(),
    ]
}

/// A word of the API as it is written there.
fn word(value: Option<impl serde::Serialize>) -> String {
    match value.map(serde_json::to_value) {
        Some(Ok(Value::String(word))) => word,
        Some(_) | None => dash(),
    }
}

fn dash() -> String {
    "-".to_owned()
}

/// As kubectl shows it: the two largest units at most.
fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now
        .since((Unit::Second, since))
        .map_or(0, |span| span.get_seconds());
    match seconds {
        ..120 => format!("{}s", seconds.max(0)),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        172_800.. => format!("{}d", seconds / 86_400),
    }
}

/// Columns as wide as their widest cell.
fn table(rows: &[[String; 8]]) -> Vec<String> {
    let titles = TITLES.map(str::to_owned);
    let all = || std::iter::once(&titles).chain(rows);
    let widths: Vec<usize> = (0..TITLES.len())
        .map(|column| {
            let cells = all().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    all()
        .map(|row| {
            let cells = row.iter().zip(&widths);
            let padded: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            padded.join("   ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stopped_task_shows_its_exit_code_and_why() {
        let task: EcsTask = serde_json::from_value(json!({
            "apiVersion": "ecs-operator.io/v1alpha1", "kind": "EcsTask",
            "metadata": {"name": "web-0-1", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"taskDefinition": "web:1", "containerInstance": "node-1"},
            "status": {
                "lastStatus": "STOPPED", "stoppedReason": "Essential container in task exited",
                "containers": [{"name": "app", "lastStatus": "STOPPED", "exitCode": 1}],
            },
        }))
        .unwrap();
        let now = "2026-01-01T00:05:00Z".parse().unwrap();
        assert_eq!(
            table(&[row(&task, now)]),
            [
                "NAME      STATUS    HEALTH   DEFINITION   INSTANCE   AGE   CONTAINERS        REASON",
                "web-0-1   STOPPED   -        web:1        node-1     5m    app:STOPPED (1)   Essential container in task exited",
            ]
        );
    }
}
